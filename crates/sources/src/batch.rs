//! What sources hand over.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use pulseboard_model::{StreamName, StreamSchema};

/// How many batches may wait between a source and the log: some seconds' worth. Each source says what it does when the
/// queue is full.
pub const QUEUE_BATCHES: usize = 64;

/// Rows for one stream, to be made durable.
#[derive(Debug, Clone)]
pub struct SourceBatch {
    /// Which stream.
    pub stream: StreamName,
    /// The schema of `rows`. Its version counts for the source alone; the log's may be another.
    pub schema: Arc<StreamSchema>,
    /// The rows in [`StreamSchema::stored_schema`]'s layout.
    pub rows: RecordBatch,
}

/// Why a source does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It could not start.
    #[error("source of kind `{source_kind}`: {reason}")]
    Start {
        /// Which kind of source.
        source_kind: &'static str,
        /// Why, for a person.
        reason: String,
    },
}
