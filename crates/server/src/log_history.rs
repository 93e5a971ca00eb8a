//! The log as the engine and the hub read it. Joins crates that do not know each other; decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use pulseboard_archive::{ArchivedLog, ScanOrder};
use pulseboard_hub::{TailBatches, TailLog, TailLogError};
use pulseboard_journal::Log;
use pulseboard_live::{Batches, History, HistoryError, Partials, Rollup, RollupLevel, ScanRequest};
use pulseboard_model::{LogOffset, Position, StreamName, StreamSchema, TimeUs};

use crate::rollups::Wanted;

/// The log's past, with its archive if it has one.
#[derive(Debug, Clone)]
pub(crate) struct LogHistory {
    log: Arc<dyn Log>,
    archived: Option<ArchivedLog>,
    /// By which fields the latest rows of some streams are tables.
    keys: Arc<BTreeMap<StreamName, String>>,
    /// Which queries have rollups beside the archive's files.
    rollups: Option<Arc<Wanted>>,
}

impl LogHistory {
    /// Reads `log` alone.
    #[must_use]
    pub(crate) fn new(log: Arc<dyn Log>) -> Self {
        Self { log, archived: None, keys: Arc::default(), rollups: None }
    }

    /// Reads a log and its archive.
    #[must_use]
    pub(crate) fn with_archive(archived: ArchivedLog) -> Self {
        let log = Arc::new(archived.clone());
        Self { log, archived: Some(archived), keys: Arc::default(), rollups: None }
    }

    /// The same, where the latest rows of some streams are tables, by those keys.
    #[must_use]
    pub(crate) fn with_keys(self, keys: BTreeMap<StreamName, String>) -> Self {
        Self { keys: Arc::new(keys), ..self }
    }

    /// The same with rollups.
    #[must_use]
    pub(crate) fn with_rollups(self, wanted: Arc<Wanted>) -> Self {
        Self { rollups: Some(wanted), ..self }
    }
}

fn archive_request(request: &ScanRequest) -> pulseboard_archive::ScanRequest {
    pulseboard_archive::ScanRequest {
        stream: request.stream.clone(),
        after: request.after,
        upto: request.upto,
        time_from: request.time_from,
        time_to: request.time_to,
        equal: request.equal.clone(),
        columns: request.columns.clone(),
        order: if request.in_order { ScanOrder::Offset } else { ScanOrder::Any },
    }
}

impl History for LogHistory {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.log.schema(stream).filter(|_| !self.log.is_removed(stream))
    }

    fn streams(&self) -> Vec<StreamName> {
        self.log.streams().into_iter().map(|info| info.name).collect()
    }

    fn head(&self) -> Position {
        self.log.head()
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        if let Some(archived) = &self.archived {
            let batches = archived.scan_request(&archive_request(request));
            return Box::new(batches.map(|batch| batch.map_err(|error| HistoryError(error.to_string()))));
        }
        let request = request.clone();
        let batches = self.log.scan(&request.stream, request.after, request.upto, request.time_from);
        Box::new(batches.map(move |batch| {
            let batch = batch.map_err(|error| HistoryError(error.to_string()))?;
            request.project(&batch).map_err(|error| HistoryError(error.to_string()))
        }))
    }

    fn parts(&self, stream: &StreamName) -> usize {
        self.archived.as_ref().map_or(1, |archived| archived.archive().file_count(stream).max(1))
    }

    fn scan_parts(&self, request: &ScanRequest, parts: usize) -> Vec<Batches> {
        let Some(archived) = &self.archived else { return vec![History::scan(self, request)] };
        let scans = archived.scan_parts(&archive_request(request), parts).into_iter();
        let batches = scans.map(|scan| scan.map(|batch| batch.map_err(|error| HistoryError(error.to_string()))));
        batches.map(|batches| Box::new(batches) as Batches).collect()
    }

    fn key(&self, stream: &StreamName) -> Option<String> {
        self.keys.get(stream).cloned()
    }

    fn partials(&self, rollup: &Rollup) -> Vec<Partials> {
        let (Some(archived), Some(wanted)) = (&self.archived, &self.rollups) else { return Vec::new() };
        wanted.ask(rollup);
        let pieces = archived.archive().pieces(rollup.stream(), &rollup.prefix());
        let removed = self.log.removal(rollup.stream().as_str()).map_or(0, |removal| removal.through.to_u64());
        let partials = pieces.into_iter().filter(|piece| piece.upto > removed).map(|piece| {
            // Those that were not worth keeping are empty.
            let kept = piece.names().filter(|(_, bytes)| *bytes > 0);
            let levels = kept.filter_map(|(name, _)| RollupLevel::of_name(name)).collect();
            let (after, upto) = (LogOffset::from_u64(piece.after), LogOffset::from_u64(piece.upto));
            let (times, rollup) = (piece.times, rollup.clone());
            Partials::new((after, upto), times, levels, move |level| {
                let bytes = piece.read(&rollup.name(level)).map_err(|error| HistoryError(error.to_string()))?;
                Ok(bytes.map(|bytes| bytes.to_vec()))
            })
        });
        partials.collect()
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
