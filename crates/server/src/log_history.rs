//! The log as the engine and the hub read it. Joins crates that do not know each other; decides nothing.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use pulseboard_hub::{TailBatches, TailLog, TailLogError};
use pulseboard_journal::{Log, PositionCheck};
use pulseboard_live::{Batches, History, HistoryError, ScanRequest};
use pulseboard_model::{LogOffset, Position, StreamName, StreamSchema, TimeUs};

/// The log's past.
#[derive(Debug, Clone)]
pub(crate) struct LogHistory(Arc<dyn Log>);

impl LogHistory {
    /// Reads `log`.
    #[must_use]
    pub(crate) fn new(log: Arc<dyn Log>) -> Self {
        Self(log)
    }
}

impl History for LogHistory {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.0.schema(stream)
    }

    fn streams(&self) -> Vec<StreamName> {
        self.0.streams().into_iter().map(|info| info.name).collect()
    }

    fn head(&self) -> Position {
        self.0.head()
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        let request = request.clone();
        let batches = self.0.scan(&request.stream, request.after, request.upto, request.time_from);
        Box::new(batches.map(move |batch| {
            let batch = batch.map_err(|error| HistoryError(error.to_string()))?;
            request.project(&batch).map_err(|error| HistoryError(error.to_string()))
        }))
    }

    fn complete_from(&self, stream: &StreamName) -> Option<TimeUs> {
        self.0.streams().into_iter().find(|info| info.name == *stream).and_then(|info| info.complete_from)
    }
}

impl TailLog for LogHistory {
    fn schema(&self, stream: &StreamName) -> Option<Arc<StreamSchema>> {
        self.0.schema(stream.as_str())
    }

    fn is_dropped(&self, position: &Position) -> bool {
        self.0.check(position) == PositionCheck::Gap
    }

    fn scan(&self, stream: &StreamName, after: LogOffset, upto: LogOffset) -> TailBatches {
        let batches = self.0.scan(stream, after, upto, None);
        Box::new(batches.map(|batch| batch.map_err(|error| TailLogError(error.to_string()))))
    }

    fn last_rows(&self, stream: &StreamName, n: usize, upto: LogOffset) -> Result<Vec<RecordBatch>, TailLogError> {
        self.0.last_rows(stream, n, upto).map_err(|error| TailLogError(error.to_string()))
    }
}
