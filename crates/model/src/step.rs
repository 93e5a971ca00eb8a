//! What flows from the journal through the engine to the hub.
//!
//! The journal delivers [`Step`]s in clock order; the engine answers each with one [`StepOutput`]: everything that
//! changed, at one position.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use crate::delta::{Delta, Snapshot};
use crate::ids::{InstanceId, StreamName};
use crate::position::Position;
use crate::schema::StreamSchema;
use crate::state::ViewState;
use crate::time::TimeUs;

/// The rows one commit brought to one stream.
#[derive(Debug, Clone)]
pub struct CommitPart {
    /// Which stream.
    pub stream: StreamName,
    /// The schema the rows are in: the stream's newest at that commit.
    pub schema: Arc<StreamSchema>,
    /// The rows, in [`StreamSchema::event_schema`]'s layout, in offset order.
    pub rows: RecordBatch,
}

/// One durable commit.
#[derive(Debug, Clone)]
pub struct Commit {
    /// After its last row; the clock is its `_arrived_at`.
    pub position: Position,
    /// Its rows, one part per stream, in offset order. Empty for a logged jump of the clock.
    pub parts: Vec<CommitPart>,
}

/// The engine moves by steps; a step is an instant.
#[derive(Debug, Clone)]
pub enum Step {
    /// Events were committed.
    Commit(Arc<Commit>),
    /// The clock reached a whole second.
    Tick(Position),
}

impl Step {
    /// Where the log and the clock stand after this step.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::Commit(commit) => commit.position,
            Self::Tick(position) => *position,
        }
    }
}

/// Why a reader gets a snapshot instead of the deltas it could have expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResetReason {
    /// The ring was lost, or another epoch.
    Restart,
    /// Older than ring or log.
    Gap,
    /// Beyond the log's end.
    Ahead,
    /// The schema grew or widened.
    Schema,
    /// Another definition, filter or set of channels.
    Changed,
    /// Items were left out; the number is said beside it.
    Skipped,
}

impl ResetReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Gap => "gap",
            Self::Ahead => "ahead",
            Self::Schema => "schema",
            Self::Changed => "changed",
            Self::Skipped => "skipped",
        }
    }
}

/// What happened to one instance in a step.
#[derive(Debug, Clone)]
pub enum InstanceUpdate {
    /// A first or new answer as a whole. With a reason, readers are told that it replaces what they hold.
    Snapshot(Arc<Snapshot>, Option<ResetReason>),
    /// A change of the answer.
    Delta(Arc<Delta>),
    /// Only the state changed.
    State,
    /// The instance ended, because nobody has asked for it for a while: forget it. Its id never comes back.
    Stopped,
}

/// One instance's part of a step.
#[derive(Debug, Clone)]
pub struct InstanceChange {
    /// Which instance.
    pub instance: InstanceId,
    /// What happened to its rows.
    pub update: InstanceUpdate,
    /// Its state after the step, if that changed (always with a snapshot).
    pub state: Option<ViewState>,
}

/// Everything a step changed, at one position.
#[derive(Debug, Clone)]
pub struct StepOutput {
    /// Where all instances now stand.
    pub position: Position,
    /// `_arrived_at` of the newest event the step included; `None` if only the clock moved.
    pub newest: Option<TimeUs>,
    /// The instances that changed.
    pub changes: Vec<InstanceChange>,
}
