//! How good an answer is right now: what clients are told beside the rows.

use crate::position::Position;
use crate::time::TimeUs;

/// The first that applies, in this order (CONTRACT, *Live delivery*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// The query cannot be answered; `reason` says why.
    Error,
    /// A stream or column it names does not exist yet; `reason` says which.
    Waiting,
    /// Being rebuilt from the log; `progress` says how far.
    Backfilling,
    /// The last known answer; what feeds it is away.
    Stale,
    /// From a cache; `as_of` says of when.
    Cached,
    /// Some sources are missing from it.
    Partial,
    /// A group or row limit was hit; it keeps what it has.
    Truncated,
    /// Re-run at a bounded rate, not maintained.
    Rerun,
    /// Maintained and current.
    Live,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Waiting => "waiting",
            Self::Backfilling => "backfilling",
            Self::Stale => "stale",
            Self::Cached => "cached",
            Self::Partial => "partial",
            Self::Truncated => "truncated",
            Self::Rerun => "rerun",
            Self::Live => "live",
        }
    }
}

/// How an instance is kept current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// By deltas, with every commit.
    Maintained,
    /// By running it again at a bounded rate.
    Rerun,
}

impl Mode {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Maintained => "maintained",
            Self::Rerun => "rerun",
        }
    }
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Events read so far.
    pub done: u64,
    /// Events to read, as known now.
    pub total: u64,
}

/// A source that feeds an answer and has failed: what came of it before stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFault {
    /// The source's name, as in the list of sources.
    pub name: String,
    /// Why, in words for a person.
    pub reason: String,
    /// From when on it has been so, by the engine's clock.
    pub since: TimeUs,
}

/// The state of one instance, shown with its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewState {
    /// The first status that applies.
    pub status: Status,
    /// Maintained or re-run.
    pub mode: Mode,
    /// Why, in a sentence for a person; empty statuses have none.
    pub reason: Option<String>,
    /// From when an all-time answer counts, if older events had already been dropped.
    pub since: Option<TimeUs>,
    /// `_arrived_at` of the newest event that this query could see.
    pub input_at: Option<TimeUs>,
    /// For answers that are not of the frame's instant: where their rows stand. Clients are told its clock.
    pub as_of: Option<Position>,
    /// For `backfilling`.
    pub progress: Option<Progress>,
    /// Rows that came when they were already older than every window of the query: they never counted.
    pub late_rows: u64,
    /// Rows that a group or row limit refused since the answer was last built from the log.
    pub truncated_rows: u64,
    /// The sources that feed it and have failed.
    pub sources: Vec<SourceFault>,
}

impl ViewState {
    /// A state with nothing but a status and a mode.
    #[must_use]
    pub const fn new(status: Status, mode: Mode) -> Self {
        Self {
            status,
            mode,
            reason: None,
            since: None,
            input_at: None,
            as_of: None,
            progress: None,
            late_rows: 0,
            truncated_rows: 0,
            sources: Vec::new(),
        }
    }
}
