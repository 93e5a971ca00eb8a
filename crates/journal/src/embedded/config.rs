//! What can be set about the embedded log, with its defaults. Nothing here is read from files: the server fills it in.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use pulseboard_model::StreamName;
use pulseboard_model::limits::IngestLimits;

const HOUR_US: i64 = 3_600 * 1_000_000;

/// How long and how much of a stream is kept. Whichever limit is reached first says that events may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Events that arrived longer ago than this may go, µs.
    pub keep_us: i64,
    /// Events that have at least this many newer bytes of their stream behind them may go.
    pub max_bytes: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { keep_us: 30 * 24 * HOUR_US, max_bytes: 10 << 30 }
    }
}

/// [`Keep`] of every stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// For streams that are not named.
    pub default: Keep,
    /// For the streams that are.
    pub streams: HashMap<StreamName, Keep>,
}

impl Retention {
    /// What applies to `stream`.
    #[must_use]
    pub fn of(&self, stream: &StreamName) -> Keep {
        self.streams.get(stream).copied().unwrap_or(self.default)
    }
}

/// Segments go to an archive: which of them may be dropped then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archived {
    /// A segment stays so long after its last commit, though it is archived, µs. Less than the ten minutes that idempotency
    /// receipts are kept means that a retry may find its receipt gone after a restart.
    pub keep_us: i64,
}

/// How the embedded log is set up.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// The data directory; it is made if it does not exist.
    pub dir: PathBuf,
    /// A segment is sealed when its events take this many bytes.
    pub segment_bytes: u64,
    /// A segment is sealed when its first event is this old, so that slow streams expire too, µs.
    pub segment_age_us: i64,
    /// How many bytes of requests one commit takes; a larger single request is a commit of its own.
    pub commit_bytes: usize,
    /// The most requests that wait for the writer; more are answered `Busy`.
    pub queue_requests: usize,
    /// The most bytes of requests that wait for the writer; more are answered `Busy`.
    pub queue_bytes: usize,
    /// The most bytes of recent steps kept in memory for readers that keep up.
    pub ring_bytes: usize,
    /// The most recent steps kept in memory.
    pub ring_steps: usize,
    /// The most bytes of idempotency keys and receipts kept; more are answered `Busy` until old ones expire.
    pub receipts_bytes: usize,
    /// The most streams.
    pub streams_max: usize,
    /// What is kept how long.
    pub retention: Retention,
    /// If an archive keeps what is sealed: then retention is the archive's business, and a segment stays until it is
    /// archived ([`super::EmbeddedLog::set_archived_through`]).
    pub archived: Option<Archived>,
    /// For tests: SQLite reports a full disk when a segment has this many pages (64 KB each; 0 is no limit).
    #[doc(hidden)]
    pub page_limit: Option<Arc<AtomicU32>>,
}

impl EmbeddedConfig {
    /// The defaults for a data directory.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 256 << 20,
            segment_age_us: 24 * HOUR_US,
            commit_bytes: 1 << 20,
            queue_requests: 8_192,
            queue_bytes: 128 << 20,
            ring_bytes: 64 << 20,
            ring_steps: 65_536,
            receipts_bytes: 256 << 20,
            streams_max: IngestLimits::default().streams_max,
            retention: Retention::default(),
            archived: None,
            page_limit: None,
        }
    }
}
