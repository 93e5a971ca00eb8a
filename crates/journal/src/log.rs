//! The seam: what a log promises, whichever way it is kept.
//!
//! - **Durable first.** [`Log::append`] answers after the commit is on disk, never before.
//! - **Whole requests.** A request's rows are in one commit, in their order, with neighbouring offsets; it is never split.
//! - **One order.** Offsets are dense over all streams; `_arrived_at` and the clock never go down along them.
//! - **Steps.** [`Log::tail`] gives commits in clock order, each exactly once, from any offset, and between them whole-second
//!   ticks as they happen. A reader that is behind gets the commits alone: their clocks say how far it is.
//! - **Nothing is skipped silently.** What cannot be read is an error that names the segment and the offset.

use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures::future::BoxFuture;
use pulseboard_model::{FieldType, LogOffset, Position, SchemaVersion, Step, StreamName, StreamSchema, TimeUs};
use tokio::sync::watch;

/// Makes a retried request safe: kept for ten minutes in the log's own transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Hash of stream, token and the client's key.
    pub key: u128,
    /// Hash of the request's body: the same key with another body is a conflict.
    pub body: u128,
}

/// Rows for one stream.
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// Which stream; it is made if it does not exist.
    pub stream: StreamName,
    /// The version of the stream's schema that decoding started from; `None` if the stream did not exist.
    pub base: Option<SchemaVersion>,
    /// The schema of `rows`: the base, or a growth of it with the next version number.
    pub schema: Arc<StreamSchema>,
    /// The rows in [`StreamSchema::stored_schema`]'s layout; a null `time` means "when it arrived". May be empty:
    /// then only rejects are counted, and the idempotency key is kept.
    pub rows: RecordBatch,
    /// How many rows of the request were rejected before, for the stream's counters.
    pub rejected: u64,
    /// What is kept of them: rows of the stream `_rejected`, in the layout of [`pulseboard_model::rejects::schema`]. They
    /// are written in the request's commit, after its own rows; a retry does not write them again.
    pub rejects: Option<RecordBatch>,
    /// If the client asked for it.
    pub idempotency: Option<IdempotencyKey>,
    /// Kept with the idempotency key and given back on a retry (the caller's list of row errors).
    pub receipt: Bytes,
}

/// A request that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Includes the request's last row.
    pub position: Position,
    /// How many rows it accepted.
    pub accepted: u64,
    /// How many had been rejected before.
    pub rejected: u64,
    /// The receipt that was kept: on a retry, the first request's.
    pub receipt: Bytes,
    /// Whether this is the answer of an earlier request with the same key.
    pub replayed: bool,
}

/// Why nothing of a request was accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The stream's schema changed since decoding began: decode again with the newest.
    #[error("the schema of the stream changed meanwhile")]
    SchemaMoved,
    /// The queue is full: come back later.
    #[error("the log's queue is full")]
    Busy,
    /// The key was used with another body.
    #[error("the idempotency key was used with another body")]
    KeyReused,
    /// There are as many streams as allowed.
    #[error("there are already {max} streams, the most allowed")]
    TooManyStreams {
        /// The limit.
        max: usize,
    },
    /// The log cannot write now (a full disk): reads go on, writing resumes by itself.
    #[error("the log cannot write: {reason}")]
    Unavailable {
        /// Why, for a person.
        reason: String,
    },
    /// The log is closing.
    #[error("the log is shutting down")]
    Closed,
}

/// Why a declaration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclareError {
    /// The stream already holds this field with a type that cannot become the declared one.
    #[error("field `{field}` of stream `{stream}` is already stored as {stored} and cannot become {declared}")]
    Conflict {
        /// The stream.
        stream: StreamName,
        /// The field.
        field: String,
        /// Its type in the log.
        stored: FieldType,
        /// Its type in the configuration.
        declared: FieldType,
    },
    /// The server fills this column itself.
    #[error("`{field}` is a reserved name and cannot be declared as a field of stream `{stream}`")]
    Reserved {
        /// The stream.
        stream: StreamName,
        /// The field.
        field: String,
    },
    /// The declaration could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Why a stream was not removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoveError {
    /// There is no such stream.
    #[error("there is no such stream")]
    Unknown,
    /// It could not be written down; nothing was removed.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// How far the events of a stream were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// Its events up to this offset are gone.
    pub through: LogOffset,
    /// It is complete from then on.
    pub at: TimeUs,
}

/// The log could not be opened or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Bytes are not what was written.
    #[error("segment `{segment}` is damaged at offset {offset}: {what}")]
    Corrupt {
        /// The segment's file name.
        segment: String,
        /// The first offset that cannot be read.
        offset: LogOffset,
        /// What was found.
        what: String,
    },
    /// The offset asked for was dropped by retention.
    #[error("events up to offset {0} were dropped by retention")]
    Dropped(LogOffset),
    /// Another process owns the directory.
    #[error("data directory `{path}` is in use by another server ({owner})")]
    Locked {
        /// The directory.
        path: String,
        /// What the lock file says of its owner: its process id and URL.
        owner: String,
    },
    /// The operating system or SQLite failed.
    #[error("{context}: {message}")]
    Io {
        /// What was being done.
        context: String,
        /// What the system said.
        message: String,
    },
}

/// What a log knows of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamInfo {
    /// Its name.
    pub name: StreamName,
    /// Its newest schema.
    pub schema: Arc<StreamSchema>,
    /// Events now in the log.
    pub events: u64,
    /// Rows rejected since the data directory was made.
    pub rejected: u64,
    /// Bytes on disk, roughly.
    pub bytes: u64,
    /// Offset of its first event still kept.
    pub first_offset: Option<LogOffset>,
    /// Offset of its last event.
    pub last_offset: Option<LogOffset>,
    /// `_arrived_at` of its last event.
    pub last_arrived_at: Option<TimeUs>,
    /// If retention dropped events: from which `_arrived_at` it is complete.
    pub complete_from: Option<TimeUs>,
}

/// How a client's position relates to this log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionCheck {
    /// It is within the log.
    Known,
    /// It is of another epoch.
    OtherEpoch,
    /// It is beyond the log's end.
    Ahead,
    /// What follows it was partly dropped by retention.
    Gap,
}

/// Whether a log takes events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogHealth {
    /// It does.
    Writable,
    /// Its disk is full. It tries again by itself each second.
    Full,
    /// It does not: a write failed, and writing could not go on in a new segment.
    Broken {
        /// Why, for a person, and whether it tries again by itself or needs a restart.
        reason: String,
    },
    /// It is closed, or open for reading only.
    Closed,
}

/// A write failed, and writing went on in a new segment: nothing is lost, and somebody should look at the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIncident {
    /// The segment that was closed for ever.
    pub segment: String,
    /// When, by the log's clock.
    pub at: TimeUs,
    /// What failed.
    pub reason: String,
    /// How many segments were closed so since the log was opened.
    pub count: u64,
}

/// What a tail gives next.
#[derive(Debug, Clone)]
pub enum TailItem {
    /// The next step.
    Step(Step),
    /// Nothing for now.
    Idle,
}

/// A reader that follows the log. Commits come from memory while it keeps up, else from disk.
pub trait Tail: Send + fmt::Debug {
    /// The next step, waiting at most `timeout`. Blocks.
    ///
    /// # Errors
    /// [`LogError`] when the log cannot be read or what comes next was dropped.
    fn next(&mut self, timeout: std::time::Duration) -> Result<TailItem, LogError>;
}

/// Batches in offset order.
pub type Scan = Box<dyn Iterator<Item = Result<RecordBatch, LogError>> + Send>;

/// The durable log.
pub trait Log: Send + Sync + fmt::Debug {
    /// Makes a request durable.
    ///
    /// # Errors
    /// [`AppendError`]: nothing of it was accepted.
    fn append(&self, request: AppendRequest) -> BoxFuture<'_, Result<Appended, AppendError>>;

    /// Makes a stream known with its declared fields, before any event. Idempotent.
    ///
    /// # Errors
    /// [`DeclareError::Conflict`] when the log already holds another type, [`DeclareError::Reserved`] for a name that no field
    /// may have.
    fn declare(&self, stream: &StreamName, fields: &[(String, FieldType)]) -> BoxFuture<'_, Result<(), DeclareError>>;

    /// Removes all events of a stream that are there, for good. Its fields are forgotten with them; offsets go on. What is
    /// read from then on is without them; a reader that was made before may still give them.
    ///
    /// # Errors
    /// [`RemoveError`]: nothing was removed.
    fn remove(&self, stream: &StreamName) -> BoxFuture<'_, Result<Removal, RemoveError>>;

    /// How far a stream was last removed, if it ever was.
    fn removal(&self, stream: &str) -> Option<Removal>;

    /// Whether a stream was removed, and nothing is known of it since. [`Log::schema`] still gives the schema, without fields,
    /// from which a new one grows.
    fn is_removed(&self, stream: &str) -> bool;

    /// Where log and clock stand: the last delivered step.
    fn head(&self) -> Position;

    /// `_arrived_at` of the newest event in the log, if there is any.
    fn newest(&self) -> Option<TimeUs>;

    /// Follows [`Log::head`].
    fn watch_head(&self) -> watch::Receiver<Position>;

    /// The newest schema of a stream.
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>>;

    /// All streams, by name.
    fn streams(&self) -> Vec<StreamInfo>;

    /// Follows the log from just after `after`, ticks included.
    ///
    /// # Errors
    /// [`LogError`] when the log cannot be opened for reading.
    fn tail(&self, after: LogOffset) -> Result<Box<dyn Tail>, LogError>;

    /// The rows of `stream` with `after < _offset <= upto`, in offset order, in the event layout of its newest schema
    /// and in batches of about 8,192 rows. Commits whose rows all have an earlier `time` than `time_from` may be left out.
    fn scan(&self, stream: &StreamName, after: LogOffset, upto: LogOffset, time_from: Option<TimeUs>) -> Scan;

    /// The last `n` rows of a stream up to `upto`, in offset order, in the layout of [`Log::scan`].
    ///
    /// # Errors
    /// [`LogError`] when the log cannot be read.
    fn last_rows(&self, stream: &StreamName, n: usize, upto: LogOffset) -> Result<Vec<RecordBatch>, LogError>;

    /// Where log and clock stood at `time`: the last step at or before it, a whole-second tick included. [`Log::head`] if
    /// `time` is later, the beginning if it is before the first step. What the clock did between the last commit before
    /// the process ended and the next start is not known: that time is taken for a pause. Blocks for a few small reads.
    ///
    /// # Errors
    /// [`LogError::Dropped`] when retention dropped what was there then, [`LogError`] when the log cannot be read.
    fn position_at(&self, time: TimeUs) -> Result<Position, LogError>;

    /// The first offset whose event is still in the log, or that of the event that comes next. Rows of a [`Log::scan`] that
    /// was made before stay until it ends.
    fn first_offset(&self) -> LogOffset;

    /// How a client's position relates to this log.
    fn check(&self, position: &Position) -> PositionCheck;

    /// The last write that failed and was mended, since the log was opened.
    fn incident(&self) -> Option<LogIncident>;

    /// Whether retention dropped events of `stream` that follow `position`.
    fn is_dropped(&self, stream: &StreamName, position: &Position) -> bool {
        let _of_any_stream = stream;
        self.check(position) == PositionCheck::Gap
    }

    /// What does not work though events are taken, for a person.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it takes events now.
    fn health(&self) -> LogHealth;
}
