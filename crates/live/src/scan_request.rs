//! What a reader of the past asks [`crate::History`] for: which rows and columns of one stream.
//!
//! Only `stream`, `after` and `upto` must be kept to. The rest are hints of what the reader does without: whoever answers
//! leaves out what is cheap to leave out (a file, a row group, a column), and the reader filters again.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use pulseboard_model::{Cell, LogOffset, StreamName, TimeUs};

/// A reading of one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanRequest {
    /// The stream.
    pub stream: StreamName,
    /// Rows with `_offset` above this.
    pub after: LogOffset,
    /// Rows with `_offset` up to this, inclusive.
    pub upto: LogOffset,
    /// Hint: rows with an earlier `time` may be left out.
    pub time_from: Option<TimeUs>,
    /// Hint: rows with a later `time` may be left out; one that is equal may not.
    pub time_to: Option<TimeUs>,
    /// Hint: the columns of the event layout that are read, by their names, in the layout's order; `None` is all. Others
    /// may be left out. None at all is a question too: how many rows there are.
    pub columns: Option<Vec<String>>,
    /// Hint: rows in which one of these columns has another value, or none, may be left out.
    pub equal: Vec<(String, Cell)>,
    /// Whether rows must come in offset order. If not, any order will do, so that files need not be merged by row.
    pub in_order: bool,
}

impl ScanRequest {
    /// All rows of `stream` with `after < _offset <= upto`, whole and in order.
    #[must_use]
    pub fn new(stream: StreamName, after: LogOffset, upto: LogOffset) -> Self {
        let (time_from, time_to, columns, equal) = (None, None, None, Vec::new());
        Self { stream, after, upto, time_from, time_to, columns, equal, in_order: true }
    }

    /// The same, without rows whose `time` is before `time_from`.
    #[must_use]
    pub fn from_time(self, time_from: Option<TimeUs>) -> Self {
        Self { time_from, ..self }
    }

    /// `batch` with no more columns than asked for: for whoever has read them all.
    ///
    /// # Errors
    /// [`ArrowError`] when a column that is asked for is not there.
    pub fn project(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let Some(columns) = &self.columns else { return Ok(batch.clone()) };
        let schema = batch.schema_ref();
        let indices = columns.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        batch.project(&indices)
    }
}
