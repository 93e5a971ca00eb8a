//! One maintained query by itself, without the engine's thread: for whoever steps a query over a range of the log.
//!
//! Back-tests, rewind and benchmarks run the same code as the live engine here, at their own pace and clock.

use arrow::record_batch::RecordBatch;
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::{Column, Delta, LogOffset, Position, Snapshot, StreamName, StreamSchema, TimeUs};

use crate::api::{History, QueryError, QueryErrorKind, QuerySpec};
use crate::batch::runtime;
use crate::maintain::compose::compose;
use crate::maintain::query::{Query, Refused};
use crate::scan_request::ScanRequest;
use crate::sql::clock::ClockCell;
use crate::sql::planning::{self, Rows};

/// A maintained query. Not started from the log: it has seen what was pushed, and nothing else.
#[derive(Debug)]
pub struct LiveQuery {
    query: Query,
}

impl LiveQuery {
    /// Plans `spec` against the streams of `history`; the clock starts at its head.
    ///
    /// # Errors
    /// [`QueryError`] for text that is refused, and [`QueryErrorKind::NotYet`] for a query that is not maintained.
    pub fn new(spec: &QuerySpec, history: &dyn History, limits: &ViewLimits) -> Result<Self, QueryError> {
        Self::at(spec, history, limits, history.head().now())
    }

    /// The same as the log was at `position`: it has seen every event up to there. Reads the log: it blocks.
    ///
    /// # Errors
    /// As [`LiveQuery::new`], and when the log cannot be read.
    pub fn past(
        spec: &QuerySpec,
        history: &dyn History,
        limits: &ViewLimits,
        position: Position,
    ) -> Result<Self, QueryError> {
        let mut live = Self::at(spec, history, limits, position.now())?;
        for stream in live.query.streams() {
            let from = live.query.time_from(&stream);
            let request = ScanRequest::new(stream.clone(), LogOffset::START, position.offset).from_time(from);
            for batch in history.scan(&request) {
                let batch = batch.map_err(|error| QueryError::new(QueryErrorKind::Internal, error.to_string()))?;
                live.query.push_past(&stream, &batch).map_err(refused)?;
            }
        }
        live.finish()?;
        Ok(live)
    }

    fn at(spec: &QuerySpec, history: &dyn History, limits: &ViewLimits, now: TimeUs) -> Result<Self, QueryError> {
        let clock = ClockCell::new(now);
        let query_limits = QueryLimits::default();
        let memory = Some(runtime(&query_limits)?);
        let planned = planning::plan(spec, history, &clock, &Rows::None, memory, query_limits.sql_bytes_max)?;
        let composition = compose(&planned)
            .map_err(|reason| QueryError::new(QueryErrorKind::NotYet, format!("not maintained: {}", reason.0)))?;
        let schema = |stream: &StreamName| history.schema(stream.as_str());
        let query = Query::new(&composition, schema, limits, now, spec.timezone).map_err(refused)?;
        Ok(Self { query })
    }

    /// The columns of its answer.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.query.columns()
    }

    /// The streams it reads, each once.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamName> {
        self.query.streams()
    }

    /// Takes rows of `stream` in, in `schema`'s event layout.
    ///
    /// # Errors
    /// [`QueryError`] for data that cannot be computed with, or a schema without the columns it reads.
    pub fn push(&mut self, stream: &StreamName, rows: &RecordBatch, schema: &StreamSchema) -> Result<(), QueryError> {
        self.query.push(stream, rows, schema).map(|_late_rows| ()).map_err(refused)
    }

    /// Moves the clock on. False if a bound of the window moved back, so that the query has to start from the log again.
    ///
    /// # Errors
    /// [`QueryError`] if a bound cannot be evaluated at this instant.
    pub fn advance(&mut self, now: TimeUs) -> Result<bool, QueryError> {
        let advanced = self.query.advance(now).map_err(|error| QueryError::running(&error))?;
        Ok(advanced.is_ok())
    }

    /// Ends the step: what changed since the last one.
    ///
    /// # Errors
    /// [`QueryError`] for data that cannot be computed with.
    pub fn finish(&mut self) -> Result<Delta, QueryError> {
        self.query.finish().map_err(|error| QueryError::running(&error))
    }

    /// The whole answer as of the last `finish`.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.query.snapshot()
    }

    /// Groups or rows held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.query.len()
    }

    /// Whether it holds nothing yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.query.len() == 0
    }

    /// Roughly how many bytes it holds.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.query.size_bytes()
    }

    /// Whether a group or row limit was hit: something is missing from its answer.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.query.is_truncated()
    }

    /// Whether a limit was hit and there is room again in its window: started from the log anew, it would show more.
    #[must_use]
    pub fn wants_rebuild(&self) -> bool {
        self.query.wants_rebuild()
    }

    /// Its state as bytes, with what was pushed since the last `finish`.
    ///
    /// # Errors
    /// [`QueryError`] if an aggregate's state cannot be written.
    pub fn to_bytes(&mut self) -> Result<Vec<u8>, QueryError> {
        self.query.dump().map_err(|error| QueryError::running(&error))
    }

    /// Replaces its state by what `to_bytes` of the same query gave. The next `finish` tells nothing new.
    ///
    /// # Errors
    /// [`QueryError`] if the bytes are damaged or of another query.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), QueryError> {
        self.query.restore(bytes).map_err(|error| QueryError::running(&error))
    }
}

fn refused(refused: Refused) -> QueryError {
    match refused {
        Refused::SchemaMoved => QueryError::new(QueryErrorKind::UnknownColumn, "the columns it reads have changed"),
        Refused::Failed(error) => QueryError::running(&error),
    }
}
