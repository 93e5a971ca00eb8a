//! The kept states of one piece of the past, as whoever keeps them hands them over: read when they are needed, a level at a
//! time, so that a range over many pieces holds one of them.

use std::fmt;
use std::sync::Arc;

use pulseboard_model::{LogOffset, TimeUs};

use super::RollupLevel;
use crate::api::HistoryError;

/// Reads the states of a level; `None` if they are not kept.
type Read = dyn Fn(RollupLevel) -> Result<Option<Vec<u8>>, HistoryError> + Send + Sync;

/// Kept states of the rows of a stream in `after < _offset <= upto`.
#[derive(Clone)]
pub struct Partials {
    /// The piece begins after this.
    pub after: LogOffset,
    /// And ends here.
    pub upto: LogOffset,
    /// The earliest and the latest `time` of its rows.
    pub times: (TimeUs, TimeUs),
    levels: Vec<RollupLevel>,
    read: Arc<Read>,
}

impl fmt::Debug for Partials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partials").field("upto", &self.upto).field("levels", &self.levels).finish_non_exhaustive()
    }
}

impl Partials {
    /// States of `levels` of a piece, which `read` reads.
    pub fn new(
        (after, upto): (LogOffset, LogOffset),
        times: (TimeUs, TimeUs),
        levels: Vec<RollupLevel>,
        read: impl Fn(RollupLevel) -> Result<Option<Vec<u8>>, HistoryError> + Send + Sync + 'static,
    ) -> Self {
        Self { after, upto, times, levels, read: Arc::new(read) }
    }

    /// Whether states of a level are kept.
    pub(crate) fn has(&self, level: RollupLevel) -> bool {
        self.levels.contains(&level)
    }

    /// The states of a level; `None` if they cannot be had, and rows must be read.
    pub(crate) fn states(&self, level: RollupLevel) -> Option<Vec<u8>> {
        // What is kept is only ever a shorter way to what the rows say.
        (self.read)(level)
            .unwrap_or_else(|error| {
                tracing::warn!(%error, piece = ?self, "kept states cannot be read; their rows are");
                None
            })
            .filter(|bytes| !bytes.is_empty())
    }
}
