//! The log, as tails need it: for what is older than the ring.

use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use pulseboard_model::{LogOffset, Position, StreamName, StreamSchema};

/// Reading the log failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading the log: {0}")]
pub struct TailLogError(pub String);

/// Batches in offset order, in the event layout of the stream's newest schema.
pub type TailBatches = Box<dyn Iterator<Item = Result<RecordBatch, TailLogError>> + Send>;

/// Past events. The gateway gives the journal; tests give vectors. Reads block and are made on the blocking pool.
pub trait TailLog: Send + Sync + fmt::Debug + 'static {
    /// The newest schema of a stream, `None` if there is no such stream. Does not block.
    fn schema(&self, stream: &StreamName) -> Option<Arc<StreamSchema>>;

    /// Whether retention dropped events of `stream` that follow `position`. Does not block.
    fn is_dropped(&self, stream: &StreamName, position: &Position) -> bool;

    /// The rows of `stream` with `after < _offset <= upto`, in offset order.
    fn scan(&self, stream: &StreamName, after: LogOffset, upto: LogOffset) -> TailBatches;

    /// The last `n` rows of `stream` up to `upto`, in offset order.
    ///
    /// # Errors
    /// [`TailLogError`] when the log cannot be read.
    fn last_rows(&self, stream: &StreamName, n: usize, upto: LogOffset) -> Result<Vec<RecordBatch>, TailLogError>;
}
