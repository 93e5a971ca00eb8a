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

use crate::api::{Batches, History, HistoryError};
use crate::scan_request::ScanRequest;

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

/// An event with what only the differential test needs.
#[derive(Debug, Clone)]
pub(crate) struct Wide {
    pub(crate) event: Event,
    /// `_source_time` relative to the world's start.
    pub(crate) source_us: Option<i64>,
    /// In the place of the quarters: any float.
    pub(crate) value: Option<f64>,
    /// Far beyond what a float holds exactly; a few hundred of them do not overflow.
    pub(crate) big: Option<i64>,
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// The clock moves on by this much, then these events are committed together.
    Commit { after_us: i64, events: Vec<Wide> },
    /// The clock moves on by this much, then each of these events is a commit of its own.
    Burst { after_us: i64, events: Vec<Wide> },
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
        Self::with_fields(start_us, &[])
    }

    /// A world whose stream has the field `big`, too.
    pub(crate) fn wide_at(start_us: i64) -> Arc<Self> {
        Self::with_fields(start_us, &[("big", FieldType::Int)])
    }

    fn with_fields(start_us: i64, more: &[(&str, FieldType)]) -> Arc<Self> {
        let field = |name: &str, field_type| StreamField { name: name.into(), field_type, declared: false };
        let mut fields = vec![
            field("kind", FieldType::String),
            field("n", FieldType::Int),
            field("value", FieldType::Float),
            field("price", FieldType::Decimal(12, 2)),
            field("flag", FieldType::Bool),
        ];
        fields.extend(more.iter().map(|(name, field_type)| field(name, field_type.clone())));
        let schema = Arc::new(StreamSchema { version: SchemaVersion(1), fields });
        Arc::new(Self { schema, log: RwLock::new(Log { clock: start_us, ..Log::default() }) })
    }

    /// Appends and gives the committed batch; the clock has moved on by `after_us` before.
    pub(crate) fn commit(&self, start_us: i64, after_us: i64, events: &[Event]) -> RecordBatch {
        let wide = |event: &Event| Wide { event: event.clone(), source_us: None, value: None, big: None };
        self.commit_wide(start_us, after_us, &events.iter().map(wide).collect::<Vec<_>>())
    }

    /// [`World::commit`] with what only some tests need.
    pub(crate) fn commit_wide(&self, start_us: i64, after_us: i64, events: &[Wide]) -> RecordBatch {
        let mut log = self.log.write();
        log.clock += after_us;
        let (first, arrived) = (log.events + 1, log.clock);
        let times = |values: Vec<Option<i64>>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone(UTC))
        };
        let value = |e: &Wide| e.value.or_else(|| e.event.quarters.map(|quarters| f64::from(quarters) / 4.0));
        let prices: Decimal128Array = events.iter().map(|e| e.event.cents.map(i128::from)).collect();
        let mut columns: Vec<ArrayRef> = vec![
            times(events.iter().map(|e| Some(start_us + e.event.time_us)).collect()),
            Arc::new(events.iter().map(|e| e.event.kind).collect::<StringArray>()),
            Arc::new(events.iter().map(|e| e.event.n).collect::<Int64Array>()),
            Arc::new(events.iter().map(value).collect::<Float64Array>()),
            Arc::new(prices.with_precision_and_scale(12, 2).expect("cents fit")),
            Arc::new(events.iter().map(|e| e.event.flag).collect::<BooleanArray>()),
        ];
        if self.schema.fields.iter().any(|field| field.name == "big") {
            columns.push(Arc::new(events.iter().map(|e| e.big).collect::<Int64Array>()));
        }
        columns.extend([
            times(events.iter().map(|e| e.source_us.map(|source| start_us + source)).collect()),
            times(vec![Some(arrived); events.len()]),
            Arc::new(
                (0..events.len())
                    .map(|i| i64::try_from(first).expect("small") + i64::try_from(i).expect("small"))
                    .collect::<Int64Array>(),
            ) as ArrayRef,
        ]);
        let batch = RecordBatch::try_new(self.schema.event_schema(), columns).expect("columns fit the schema");
        log.events += events.len() as u64;
        log.batches.push(batch.clone());
        batch
    }

    /// Where the clock stands, in µs.
    pub(crate) fn head_clock(&self) -> i64 {
        self.log.read().clock
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

    fn scan(&self, request: &ScanRequest) -> Batches {
        let (after, upto) = (request.after.to_u64(), request.upto.to_u64());
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
                let is_asked_for = |time: &i64| {
                    request.time_from.is_none_or(|from| *time >= from.0)
                        && request.time_to.is_none_or(|to| *time <= to.0)
                };
                if times.iter().any(is_asked_for) {
                    kept.push(request.project(&cut).map_err(|error| HistoryError(error.to_string())));
                }
            }
            offset += rows;
        }
        Box::new(kept.into_iter())
    }

    fn parts(&self, _stream: &StreamName) -> usize {
        2
    }

    fn scan_parts(&self, request: &ScanRequest, parts: usize) -> Vec<Batches> {
        let mut of_part: Vec<Vec<_>> = (0..parts).map(|_| Vec::new()).collect();
        for (number, batch) in self.scan(request).enumerate() {
            of_part[number % parts].push(batch);
        }
        of_part.into_iter().map(|batches| Box::new(batches.into_iter()) as Batches).collect()
    }

    fn complete_from(&self, _stream: &StreamName) -> Option<TimeUs> {
        None
    }
}

/// The same log read whole: what an oracle reads, so that a scan that leaves out too much shows.
#[derive(Debug)]
pub(crate) struct Whole(pub(crate) Arc<World>);

impl History for Whole {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.0.schema(stream)
    }

    fn streams(&self) -> Vec<StreamName> {
        self.0.streams()
    }

    fn head(&self) -> Position {
        self.0.head()
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        self.0.scan(&ScanRequest::new(request.stream.clone(), request.after, request.upto))
    }

    fn complete_from(&self, stream: &StreamName) -> Option<TimeUs> {
        self.0.complete_from(stream)
    }
}
