//! What the rest of Pulseboard sees of the engine.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use chrono_tz::Tz;
use pulseboard_model::limits::{LiveLimits, QueryLimits, ViewLimits};
use pulseboard_model::{
    Cell, Column, Position, Row, Snapshot, StepOutput, StreamName, StreamSchema, TimeUs, ViewState,
};

use crate::rollup::{Partials, Rollup};
use crate::scan_request::ScanRequest;

use crate::checkpoint::Checkpoints;

/// On whose account live queries are: a token, a client's address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User(Arc<str>);

impl User {
    /// By whatever tells users apart.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }
}

/// Bound parameters by name, without the `$`.
pub type Params = BTreeMap<String, Cell>;

/// A question: who asks the same one shares the instance that answers it.
#[derive(Debug, Clone, PartialEq)]
pub struct QuerySpec {
    /// The SQL text.
    pub sql: String,
    /// The zone every time column is planned in.
    pub timezone: Tz,
    /// Values of `$name`.
    pub params: Params,
}

/// What a scan gives: batches of about 8,192 rows.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, HistoryError>> + Send>;

/// The past, as the engine reads it. The server gives the journal; tests give vectors.
pub trait History: Send + Sync + fmt::Debug + 'static {
    /// The newest schema of a stream, `None` if there is no such stream.
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>>;

    /// The names of all streams.
    fn streams(&self) -> Vec<StreamName>;

    /// Where log and clock stand now.
    fn head(&self) -> Position;

    /// The rows that `request` asks for, in the event layout of the stream's newest schema or in what is left of it without
    /// the columns that are not asked for. Blocks; dropping the batches ends the reading.
    fn scan(&self, request: &ScanRequest) -> Batches;

    /// How many parts of a stream may be read side by side.
    fn parts(&self, _stream: &StreamName) -> usize {
        1
    }

    /// What [`History::scan`] gives for a request that need not be in order, in at most `parts` parts, all of one moment: each
    /// row is in one of them.
    fn scan_parts(&self, request: &ScanRequest, _parts: usize) -> Vec<Batches> {
        vec![self.scan(request)]
    }

    /// The field by which the latest rows of a stream are a table, if they are: `ref.NAME` then stands for that table.
    fn key(&self, _stream: &StreamName) -> Option<String> {
        None
    }

    /// The states that are kept of a rollup, each of a piece of the past; none unless somebody keeps them.
    fn partials(&self, _rollup: &Rollup) -> Vec<Partials> {
        Vec::new()
    }

    /// From when the stream is complete, if retention dropped older events; `None` if all are there.
    fn complete_from(&self, stream: &StreamName) -> Option<TimeUs>;
}

/// Reading the past failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("reading the log: {0}")]
pub struct HistoryError(pub String);

/// What kind of failure a query met; each maps to one code outward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryErrorKind {
    /// The text is not SQL we answer.
    BadSql,
    /// It names a stream that does not exist.
    UnknownStream,
    /// It names a column that does not exist.
    UnknownColumn,
    /// A parameter is missing or mistyped.
    BadParams,
    /// It ran into a limit of time, memory or rows.
    LimitExceeded,
    /// It failed while running (a cast, an overflow, a division by zero).
    Failed,
    /// Not answered yet by this version.
    NotYet,
    /// Our fault.
    Internal,
}

/// Why a query is refused or failed, for the person who wrote it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// Which kind.
    pub kind: QueryErrorKind,
    /// One sentence that says what is wrong and what is allowed.
    pub message: String,
    /// Where in the text, 1-based (line, column), if known.
    pub at: Option<(u64, u64)>,
    /// Known names near an unknown one, best first.
    pub nearest: Vec<String>,
}

/// The answer of a query run once.
#[derive(Debug, Clone)]
pub struct QueryAnswer {
    /// Where these rows stand.
    pub position: Position,
    /// `_arrived_at` of the newest event that was there.
    pub newest: Option<TimeUs>,
    /// The columns; `key` is never set.
    pub columns: Vec<Column>,
    /// The rows in the query's order.
    pub rows: Vec<Row>,
    /// The same as Arrow, for CSV and Arrow answers.
    pub batches: Vec<RecordBatch>,
    /// If retention dropped events the query names: from when it is complete.
    pub complete_from: Option<TimeUs>,
}

/// A view as it was.
#[derive(Debug, Clone)]
pub struct PastView {
    /// Where it stood.
    pub position: Position,
    /// Its rows, with the keys and the order that they had live.
    pub snapshot: Snapshot,
    /// How good the answer is.
    pub state: ViewState,
    /// If retention dropped events the view names: from when it is complete.
    pub complete_from: Option<TimeUs>,
}

/// What EXPLAIN says.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Whether the query is maintained by deltas.
    pub maintained: bool,
    /// Why, or why not, one line each.
    pub reasons: Vec<String>,
    /// What the author may not have meant (integer division).
    pub warnings: Vec<String>,
    /// The streams it reads.
    pub streams: Vec<StreamName>,
    /// DataFusion's plan, as text.
    pub plan: String,
    /// For a running instance: groups or rows held, bytes of state, events seen, mean cost per event in ns.
    pub running: Option<ExplainRunning>,
}

/// Figures of a running instance.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainRunning {
    /// Whether it is maintained now; what could be may be re-run for a while.
    pub maintained: bool,
    /// Why it is re-run, or what it waits for.
    pub reason: Option<String>,
    /// Groups or rows held.
    pub groups: u64,
    /// Bytes of state, roughly.
    pub state_bytes: u64,
    /// Events seen.
    pub events: u64,
    /// Mean cost per event.
    pub cost_per_event_ns: f64,
    /// Rows that were older than every window when they came, since it was started.
    pub late_rows: u64,
    /// Rows that a limit refused since it was last built from the log.
    pub truncated_rows: u64,
    /// Its share of the engine's time over the last ten seconds, 0 to 1.
    pub engine_share: f64,
    /// Time the engine spent on it, since it was started.
    pub step_time: std::time::Duration,
}

/// Where step outputs go: called on the engine thread, in order, must not block.
pub type OutputSink = Box<dyn FnMut(StepOutput) + Send>;

/// How the engine is set up.
#[derive(Debug, Clone, Default)]
pub struct EngineConfig {
    /// Limits of every maintained query.
    pub view_limits: ViewLimits,
    /// Limits of every query that is run once.
    pub query_limits: QueryLimits,
    /// Limits of all maintained queries together, and of those of one user.
    pub live_limits: LiveLimits,
    /// How the state of live queries is kept over a restart; `None` rebuilds each from the log.
    pub checkpoints: Option<Checkpoints>,
}
