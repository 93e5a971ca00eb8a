//! One maintained query by itself, without the engine's thread: for whoever steps a query over a range of the log.
//!
//! Back-tests, rewind and benchmarks run the same code as the live engine here, at their own pace and clock.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use chrono_tz::Tz;
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::{Column, Delta, Snapshot, StreamSchema, TimeUs};

use crate::api::{History, QueryError, QueryErrorKind, QuerySpec};
use crate::input::InputLayout;
use crate::maintain::dump;
use crate::maintain::instance::Instance;
use crate::maintain::shape::{Shape, take_apart};
use crate::sql::clock::ClockCell;
use crate::sql::planning::{self, Rows};

/// A maintained query. Not started from the log: it has seen what was pushed, and nothing else.
#[derive(Debug)]
pub struct LiveQuery {
    shape: Arc<Shape>,
    limits: ViewLimits,
    timezone: Tz,
    instance: Instance,
    layout: Option<InputLayout>,
}

impl LiveQuery {
    /// Plans `spec` against the streams of `history`; the clock starts at its head.
    ///
    /// # Errors
    /// [`QueryError`] for text that is refused, and [`QueryErrorKind::NotYet`] for a query that is not maintained.
    pub fn new(spec: &QuerySpec, history: &dyn History, limits: &ViewLimits) -> Result<Self, QueryError> {
        let now = history.head().now();
        let clock = ClockCell::new(now);
        let sql_bytes_max = QueryLimits::default().sql_bytes_max;
        let planned = planning::plan(spec, history, &clock, &Rows::None, None, sql_bytes_max)?;
        let shape = Arc::new(
            take_apart(&planned)
                .map_err(|reason| QueryError::new(QueryErrorKind::NotYet, format!("not maintained: {}", reason.0)))?,
        );
        let instance = Instance::new(shape.clone(), limits, now).map_err(|error| QueryError::running(&error))?;
        Ok(Self { shape, limits: limits.clone(), timezone: spec.timezone, instance, layout: None })
    }

    /// The columns of its answer.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.instance.columns()
    }

    /// Takes rows in, in `schema`'s event layout.
    ///
    /// # Errors
    /// [`QueryError`] for data that cannot be computed with, or a schema without the columns it reads.
    pub fn push(&mut self, rows: &RecordBatch, schema: &StreamSchema) -> Result<(), QueryError> {
        let layout = match &self.layout {
            Some(layout) if layout.version == schema.version => layout,
            _ => {
                let fits = InputLayout::new(&self.shape, schema, self.timezone);
                let changed = || QueryError::new(QueryErrorKind::UnknownColumn, "the columns it reads have changed");
                self.layout.insert(fits.ok_or_else(changed)?)
            }
        };
        let rows = layout.apply(rows).map_err(|error| QueryError::running(&error.into()))?;
        self.instance.push(rows).map_err(|error| QueryError::running(&error))
    }

    /// Moves the clock on. False if a bound of the window moved back, so that the query has to start from the log again.
    ///
    /// # Errors
    /// [`QueryError`] if a bound cannot be evaluated at this instant.
    pub fn advance(&mut self, now: TimeUs) -> Result<bool, QueryError> {
        let advanced = self.instance.advance(now).map_err(|error| QueryError::running(&error))?;
        Ok(advanced.is_ok())
    }

    /// Ends the step: what changed since the last one.
    ///
    /// # Errors
    /// [`QueryError`] for data that cannot be computed with.
    pub fn finish(&mut self) -> Result<Delta, QueryError> {
        self.instance.finish().map_err(|error| QueryError::running(&error))
    }

    /// The whole answer as of the last `finish`.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.instance.snapshot()
    }

    /// Whether a group or row limit was hit: something is missing from its answer.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.instance.is_truncated()
    }

    /// Whether a limit was hit and there is room again in its window: started from the log anew, it would show more.
    #[must_use]
    pub fn wants_rebuild(&self) -> bool {
        self.instance.wants_rebuild()
    }

    /// Its state as bytes, with what was pushed since the last `finish`.
    ///
    /// # Errors
    /// [`QueryError`] if an aggregate's state cannot be written.
    pub fn to_bytes(&mut self) -> Result<Vec<u8>, QueryError> {
        dump::dump(&mut self.instance).map_err(|error| QueryError::running(&error))
    }

    /// Replaces its state by what `to_bytes` of the same query gave. The next `finish` tells nothing new.
    ///
    /// # Errors
    /// [`QueryError`] if the bytes are damaged or of another query.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), QueryError> {
        let restore = |error| QueryError::running(&error);
        self.instance = dump::restore(&self.shape, &self.limits, bytes).map_err(restore)?;
        self.instance.finish().map_err(restore)?;
        Ok(())
    }
}
