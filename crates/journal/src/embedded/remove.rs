//! A stream is removed: its events are there no more, from one line in the metadata on.
//!
//! Segments are not written again: their rows of the stream are passed over by everybody who reads, and go with the segment.
//! So that a segment holds events of before a removal or of after it, never of both, the one that is written to is sealed first.

use pulseboard_model::{LogOffset, SchemaVersion, StreamName, StreamSchema, TimeUs};
use pulseboard_runtime::fault;
use tracing::info;

use super::catalog::Removed;
use super::replace::Refusing;
use super::writer::Writer;
use crate::log::{AppendError, Removal, RemoveError};

impl Writer {
    /// Removes what there is of a stream. Between two commits, so that no event is in doubt.
    pub(super) fn remove(&mut self, stream: &StreamName) -> Result<Removal, RemoveError> {
        let (version, through) = {
            let catalog = self.shared.catalog.read();
            let known = catalog.streams.get(stream).filter(|known| !known.is_removed()).ok_or(RemoveError::Unknown)?;
            (known.newest.schema.version.0, known.last_offset)
        };
        if let Some(Refusing { reason, .. }) = &self.refusing {
            return Err(AppendError::Unavailable { reason: reason.clone() }.into());
        }
        let failed = |reason: String| RemoveError::Append(AppendError::Unavailable { reason });
        fault::point("journal.remove.seal").map_err(|error| failed(error.to_string()))?;
        let is_in_active = self.active.segment.contents.read().summary.streams.contains_key(stream);
        if is_in_active {
            self.rotate().map_err(|error| failed(format!("a new segment could not be made: {error}")))?;
        }
        fault::point("journal.remove.record").map_err(|error| failed(error.to_string()))?;
        // What comes at this very instant comes after.
        let at = self.head.clock.0.saturating_add(1);
        let removed = Removed { through, version: version + 1, at };
        let schema = StreamSchema { version: SchemaVersion(version + 1), fields: Vec::new() };
        let kept = self.shared.meta.lock().put_removal(stream, &removed, &schema);
        kept.map_err(|error| failed(error.to_string()))?;
        self.shared.catalog.write().remove(stream, removed, schema);
        fault::point("journal.remove.recorded").map_err(|error| failed(error.to_string()))?;
        info!(%stream, through, "a stream was removed");
        Ok(Removal { through: LogOffset::from_u64(through), at: TimeUs(at) })
    }
}
