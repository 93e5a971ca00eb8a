//! A log in memory for the engine's benches: several streams, and commits made from columns.
//!
//! It keeps what was committed only if it is told to, so that ten million events need not fit into memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use parking_lot::Mutex;
use pulseboard_live::{Batches, History, ScanRequest};
use pulseboard_model::schema::UTC;
use pulseboard_model::{
    Epoch, FieldType, LogOffset, Position, SchemaVersion, StreamField, StreamName, StreamSchema, TimeUs,
};

use crate::error::BenchError;

/// The user columns of some events of one stream, with their times in µs.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) stream: &'static str,
    pub(crate) times_us: Vec<i64>,
    /// As the stream's fields.
    pub(crate) user: Vec<ArrayRef>,
}

/// A commit as the journal delivers it.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) clock: TimeUs,
    pub(crate) parts: Vec<(StreamName, RecordBatch)>,
}

/// The log.
#[derive(Debug)]
pub(crate) struct MemoryLog {
    schemas: BTreeMap<StreamName, Arc<StreamSchema>>,
    keep: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    clock: TimeUs,
    offset: u64,
    kept: Vec<(StreamName, RecordBatch)>,
}

/// A stream's name that is known to be good.
pub(crate) fn stream(name: &str) -> StreamName {
    StreamName::new(name).expect("a good name")
}

pub(crate) fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

pub(crate) fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

pub(crate) fn times(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone(UTC))
}

/// For `map_err`: columns that are not as their stream's schema says.
pub(crate) fn prepared_failed(error: &impl std::fmt::Display) -> BenchError {
    BenchError::BadAnswer(format!("a prepared batch does not fit its schema: {error}"))
}

impl MemoryLog {
    /// Empty streams of these names and fields; the clock starts at `start`.
    pub(crate) fn new(streams: &[(&str, &[(&str, FieldType)])], start: TimeUs, keep: bool) -> Arc<Self> {
        let schema = |fields: &[(&str, FieldType)]| {
            let field = |(name, field_type): &(&str, FieldType)| StreamField {
                name: (*name).into(),
                field_type: field_type.clone(),
                declared: false,
            };
            Arc::new(StreamSchema { version: SchemaVersion(1), fields: fields.iter().map(field).collect() })
        };
        let schemas = streams.iter().map(|(name, fields)| (stream(name), schema(fields))).collect();
        let state = State { clock: start, offset: 0, kept: Vec::new() };
        Arc::new(Self { schemas, keep, state: Mutex::new(state) })
    }

    pub(crate) fn now(&self) -> TimeUs {
        self.state.lock().clock.floor_to_second()
    }

    pub(crate) fn schema_of(&self, stream: &StreamName) -> Option<&StreamSchema> {
        self.schemas.get(stream).map(AsRef::as_ref)
    }

    /// Commits events of several streams together: they arrive when the last of them happened.
    ///
    /// # Errors
    /// If columns are not as the stream's fields.
    pub(crate) fn commit(&self, parts: Vec<Columns>) -> Result<Prepared, BenchError> {
        let mut state = self.state.lock();
        let newest = parts.iter().flat_map(|part| part.times_us.iter().copied()).max();
        state.clock = newest.map_or(state.clock, |newest| state.clock.max(TimeUs(newest)));
        let mut committed = Vec::with_capacity(parts.len());
        for part in parts.into_iter().filter(|part| !part.times_us.is_empty()) {
            let name = stream(part.stream);
            let schema = self.schema_of(&name).ok_or_else(|| prepared_failed(&"no such stream"))?;
            let rows = part.times_us.len();
            let first = i64::try_from(state.offset).unwrap_or(i64::MAX);
            let offsets = (first + 1..).take(rows);
            let mut columns = vec![times(part.times_us)];
            columns.extend(part.user);
            let nothing = TimestampMicrosecondArray::new_null(rows).with_timezone(UTC);
            columns.push(Arc::new(nothing));
            columns.push(times(std::iter::repeat_n(state.clock.0, rows)));
            columns.push(ints(offsets));
            let batch = RecordBatch::try_new(schema.event_schema(), columns).map_err(|e| prepared_failed(&e))?;
            state.offset += rows as u64;
            if self.keep {
                state.kept.push((name.clone(), batch.clone()));
            }
            committed.push((name, batch));
        }
        Ok(Prepared { clock: state.clock, parts: committed })
    }
}

impl History for MemoryLog {
    fn schema(&self, name: &str) -> Option<Arc<StreamSchema>> {
        self.schemas.iter().find(|(known, _)| known.as_str() == name).map(|(_, schema)| schema.clone())
    }

    fn streams(&self) -> Vec<StreamName> {
        self.schemas.keys().cloned().collect()
    }

    fn head(&self) -> Position {
        let state = self.state.lock();
        Position { epoch: Epoch(1), offset: LogOffset::from_u64(state.offset), clock: state.clock }
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        // Only ever asked for all of it.
        let state = self.state.lock();
        let of_it: Vec<_> =
            state.kept.iter().filter(|(name, _)| *name == request.stream).map(|(_, b)| Ok(b.clone())).collect();
        Box::new(of_it.into_iter())
    }

    fn complete_from(&self, _stream: &StreamName) -> Option<TimeUs> {
        None
    }
}
