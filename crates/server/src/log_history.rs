//! The log as the engine and the hub read it. Joins crates that do not know each other; decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use pulseboard_archive::{ArchivedLog, ScanOrder};
use pulseboard_hub::{TailBatches, TailLog, TailLogError};
use pulseboard_journal::Log;
use pulseboard_live::{Batches, History, HistoryError, ScanRequest};
use pulseboard_model::{LogOffset, Position, StreamName, StreamSchema, TimeUs};

/// The log's past, with its archive if it has one.
#[derive(Debug, Clone)]
pub(crate) struct LogHistory {
    log: Arc<dyn Log>,
    archived: Option<ArchivedLog>,
    /// By which fields the latest rows of some streams are tables.
    keys: Arc<BTreeMap<StreamName, String>>,
}

impl LogHistory {
    /// Reads `log` alone.
    #[must_use]
    pub(crate) fn new(log: Arc<dyn Log>) -> Self {
        Self { log, archived: None, keys: Arc::default() }
    }

    /// Reads a log and its archive.
    #[must_use]
    pub(crate) fn with_archive(archived: ArchivedLog) -> Self {
        Self { log: Arc::new(archived.clone()), archived: Some(archived), keys: Arc::default() }
    }

    /// The same, where the latest rows of some streams are tables, by those keys.
    #[must_use]
    pub(crate) fn with_keys(self, keys: BTreeMap<StreamName, String>) -> Self {
        Self { keys: Arc::new(keys), ..self }
    }
}

impl History for LogHistory {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.log.schema(stream)
    }

    fn streams(&self) -> Vec<StreamName> {
        self.log.streams().into_iter().map(|info| info.name).collect()
    }

    fn head(&self) -> Position {
        self.log.head()
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        if let Some(archived) = &self.archived {
            let request = pulseboard_archive::ScanRequest {
                stream: request.stream.clone(),
                after: request.after,
                upto: request.upto,
                time_from: request.time_from,
                time_to: request.time_to,
                columns: request.columns.clone(),
                order: if request.in_order { ScanOrder::Offset } else { ScanOrder::Any },
            };
            let batches = archived.scan_request(&request);
            return Box::new(batches.map(|batch| batch.map_err(|error| HistoryError(error.to_string()))));
        }
        let request = request.clone();
        let batches = self.log.scan(&request.stream, request.after, request.upto, request.time_from);
        Box::new(batches.map(move |batch| {
            let batch = batch.map_err(|error| HistoryError(error.to_string()))?;
            request.project(&batch).map_err(|error| HistoryError(error.to_string()))
        }))
    }

    fn key(&self, stream: &StreamName) -> Option<String> {
        self.keys.get(stream).cloned()
    }

    fn complete_from(&self, stream: &StreamName) -> Option<TimeUs> {
        match &self.archived {
            Some(archived) => archived.complete_from(stream),
            None => self.log.streams().into_iter().find(|info| info.name == *stream)?.complete_from,
        }
    }
}

impl TailLog for LogHistory {
    fn schema(&self, stream: &StreamName) -> Option<Arc<StreamSchema>> {
        self.log.schema(stream.as_str())
    }

    fn is_dropped(&self, stream: &StreamName, position: &Position) -> bool {
        self.log.is_dropped(stream, position)
    }

    fn scan(&self, stream: &StreamName, after: LogOffset, upto: LogOffset) -> TailBatches {
        let batches = self.log.scan(stream, after, upto, None);
        Box::new(batches.map(|batch| batch.map_err(|error| TailLogError(error.to_string()))))
    }

    fn last_rows(&self, stream: &StreamName, n: usize, upto: LogOffset) -> Result<Vec<RecordBatch>, TailLogError> {
        self.log.last_rows(stream, n, upto).map_err(|error| TailLogError(error.to_string()))
    }
}
