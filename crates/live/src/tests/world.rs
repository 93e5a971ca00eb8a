//! A small world for tests: a log in memory, steps over it, and a client that applies deltas.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::record_batch::RecordBatch;
use parking_lot::RwLock;
use pulseboard_model::schema::UTC;
use pulseboard_model::{
    Epoch, FieldType, LogOffset, Position, SchemaVersion, StreamField, StreamName, StreamSchema, TimeUs,
};

use crate::api::{History, HistoryError};

pub(crate) const STREAM: &str = "events";

/// One event of the test stream.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Event time relative to the world's start.
    pub(crate) time_us: i64,
    pub(crate) kind: Option<&'static str>,
    pub(crate) n: Option<i64>,
    /// In quarters, so that sums are exact.
    pub(crate) quarters: Option<i32>,
    pub(crate) cents: Option<i32>,
    pub(crate) flag: Option<bool>,
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// The clock moves on by this much, then these events are committed together.
    Commit { after_us: i64, events: Vec<Event> },
    /// The clock moves on.
    Tick { after_s: i64 },
}

#[derive(Debug, Default)]
struct Log {
    batches: Vec<RecordBatch>,
    events: u64,
    clock: i64,
}

/// The log.
#[derive(Debug)]
pub(crate) struct World {
    schema: Arc<StreamSchema>,
    log: RwLock<Log>,
}

impl World {
    pub(crate) fn starting_at(start_us: i64) -> Arc<Self> {
        let field = |name: &str, field_type| StreamField { name: name.into(), field_type, declared: false };
        let fields = vec![
            field("kind", FieldType::String),
            field("n", FieldType::Int),
            field("value", FieldType::Float),
            field("price", FieldType::Decimal(12, 2)),
            field("flag", FieldType::Bool),
        ];
        let schema = Arc::new(StreamSchema { version: SchemaVersion(1), fields });
        Arc::new(Self { schema, log: RwLock::new(Log { clock: start_us, ..Log::default() }) })
    }

    /// Appends and gives the committed batch; the clock has moved on by `after_us` before.
    pub(crate) fn commit(&self, start_us: i64, after_us: i64, events: &[Event]) -> RecordBatch {
        let mut log = self.log.write();
        log.clock += after_us;
        let (first, arrived) = (log.events + 1, log.clock);
        let times = |values: Vec<Option<i64>>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone(UTC))
        };
        let prices: Decimal128Array = events.iter().map(|e| e.cents.map(i128::from)).collect();
        let columns: Vec<ArrayRef> = vec![
            times(events.iter().map(|e| Some(start_us + e.time_us)).collect()),
            Arc::new(events.iter().map(|e| e.kind).collect::<StringArray>()),
            Arc::new(events.iter().map(|e| e.n).collect::<Int64Array>()),
            Arc::new(events.iter().map(|e| e.quarters.map(|q| f64::from(q) / 4.0)).collect::<Float64Array>()),
            Arc::new(prices.with_precision_and_scale(12, 2).expect("cents fit")),
            Arc::new(events.iter().map(|e| e.flag).collect::<BooleanArray>()),
            times(vec![None; events.len()]),
            times(vec![Some(arrived); events.len()]),
            Arc::new(
                (0..events.len())
                    .map(|i| i64::try_from(first).expect("small") + i64::try_from(i).expect("small"))
                    .collect::<Int64Array>(),
            ),
        ];
        let batch = RecordBatch::try_new(self.schema.event_schema(), columns).expect("columns fit the schema");
        log.events += events.len() as u64;
        log.batches.push(batch.clone());
        batch
    }

    pub(crate) fn tick(&self, after_s: i64) {
        let mut log = self.log.write();
        log.clock = TimeUs(log.clock).floor_to_second().0 + after_s * 1_000_000;
    }
}

impl History for World {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        (stream == STREAM).then(|| self.schema.clone())
    }

    fn streams(&self) -> Vec<StreamName> {
        vec![StreamName::new(STREAM).expect("a good name")]
    }

    fn head(&self) -> Position {
        let log = self.log.read();
        Position { epoch: Epoch(1), offset: LogOffset::from_u64(log.events), clock: TimeUs(log.clock) }
    }

    fn scan(
        &self,
        _stream: &StreamName,
        after: LogOffset,
        upto: LogOffset,
        time_from: Option<TimeUs>,
    ) -> Box<dyn Iterator<Item = Result<RecordBatch, HistoryError>> + Send> {
        let (after, upto) = (after.to_u64(), upto.to_u64());
        let mut kept = Vec::new();
        let mut offset = 0;
        for batch in &self.log.read().batches {
            let rows = batch.num_rows() as u64;
            let (first, last) = (after.max(offset), upto.min(offset + rows));
            if first < last {
                let cut = batch.slice(
                    usize::try_from(first - offset).expect("small"),
                    usize::try_from(last - first).expect("small"),
                );
                // As the journal does: only whole commits are left out.
                let times =
                    datafusion::common::cast::as_timestamp_microsecond_array(cut.column(0)).expect("times").values();
                if time_from.is_none_or(|from| times.iter().any(|time| *time >= from.0)) {
                    kept.push(Ok(cut));
                }
            }
            offset += rows;
        }
        Box::new(kept.into_iter())
    }

    fn complete_from(&self, _stream: &StreamName) -> Option<TimeUs> {
        None
    }
}
