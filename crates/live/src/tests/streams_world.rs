//! A world of several streams for tests: rows come as JSON, schemas grow as they do in the journal, offsets are common.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::record_batch::RecordBatch;
use parking_lot::RwLock;
use pulseboard_model::conform::conform;
use pulseboard_model::decode::{BodyFormat, StreamConfig, decode};
use pulseboard_model::limits::IngestLimits;
use pulseboard_model::schema::{ARRIVED_AT, OFFSET, SOURCE_TIME, TIME, UTC};
use pulseboard_model::{Epoch, LogOffset, Position, StreamName, StreamSchema, TimeUs};
use serde_json::Value;

use crate::api::{Batches, History, HistoryError};
use crate::scan_request::ScanRequest;

#[derive(Debug, Default)]
struct Log {
    schemas: BTreeMap<String, Arc<StreamSchema>>,
    commits: Vec<(String, RecordBatch)>,
    events: u64,
    clock: i64,
}

/// The log.
#[derive(Debug)]
pub(super) struct Streams {
    log: RwLock<Log>,
}

impl Streams {
    pub(super) fn starting_at(start_us: i64) -> Arc<Self> {
        Arc::new(Self { log: RwLock::new(Log { clock: start_us, ..Log::default() }) })
    }

    /// Appends rows after the clock has moved on; gives them in the event layout of the schema they made.
    pub(super) fn commit(&self, stream: &str, after_us: i64, rows: &[Value]) -> (RecordBatch, Arc<StreamSchema>) {
        let mut log = self.log.write();
        log.clock += after_us;
        let body = serde_json::to_vec(rows).expect("is JSON");
        let base = log.schemas.get(stream).cloned();
        let (config, limits) = (StreamConfig::default(), IngestLimits::default());
        let decoded =
            decode(&body, BodyFormat::Json, base.as_deref(), &config, &limits, TimeUs(log.clock)).expect("reads");
        assert_eq!(decoded.rejected_count, 0, "{:?}", decoded.rejected);
        let stored = decoded.rows;
        let count = stored.num_rows();
        let arrived = log.clock;
        let first = i64::try_from(log.events).expect("small") + 1;
        let column = |name: &str| -> ArrayRef {
            match name {
                TIME => {
                    let times = stored.column_by_name(TIME).expect("a time").as_primitive::<TimestampMicrosecondType>();
                    let times: TimestampMicrosecondArray =
                        times.iter().map(|time| Some(time.unwrap_or(arrived))).collect();
                    Arc::new(times.with_timezone(UTC))
                }
                ARRIVED_AT => Arc::new(TimestampMicrosecondArray::from(vec![arrived; count]).with_timezone(UTC)),
                OFFSET => {
                    Arc::new((0..count).map(|i| first + i64::try_from(i).expect("small")).collect::<Int64Array>())
                }
                SOURCE_TIME => stored.column_by_name(SOURCE_TIME).expect("a source time").clone(),
                name => stored.column_by_name(name).expect("a field").clone(),
            }
        };
        let layout = decoded.schema.event_schema();
        let columns = layout.fields().iter().map(|field| column(field.name())).collect();
        let batch = RecordBatch::try_new(layout, columns).expect("fits the schema");
        log.events += count as u64;
        log.schemas.insert(stream.to_owned(), decoded.schema.clone());
        log.commits.push((stream.to_owned(), batch.clone()));
        (batch, decoded.schema)
    }

    pub(super) fn tick(&self, after_s: i64) {
        let mut log = self.log.write();
        log.clock = TimeUs(log.clock).floor_to_second().0 + after_s * 1_000_000;
    }
}

impl History for Streams {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.log.read().schemas.get(stream).cloned()
    }

    fn streams(&self) -> Vec<StreamName> {
        self.log.read().schemas.keys().map(|name| StreamName::new(name).expect("a good name")).collect()
    }

    fn head(&self) -> Position {
        let log = self.log.read();
        Position { epoch: Epoch(1), offset: LogOffset::from_u64(log.events), clock: TimeUs(log.clock) }
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        let log = self.log.read();
        let Some(schema) = log.schemas.get(request.stream.as_str()) else { return Box::new(std::iter::empty()) };
        let (after, upto) = (request.after.to_u64(), request.upto.to_u64());
        let mut kept = Vec::new();
        let mut offset = 0;
        for (stream, batch) in &log.commits {
            let rows = batch.num_rows() as u64;
            let (first, last) = (after.max(offset), upto.min(offset + rows));
            if first < last && stream == request.stream.as_str() {
                let start = usize::try_from(first - offset).expect("small");
                let cut = batch.slice(start, usize::try_from(last - first).expect("small"));
                let cut = conform(&cut, &schema.event_schema()).and_then(|batch| request.project(&batch));
                kept.push(cut.map_err(|error| HistoryError(error.to_string())));
            }
            offset += rows;
        }
        Box::new(kept.into_iter())
    }

    fn complete_from(&self, _stream: &StreamName) -> Option<TimeUs> {
        None
    }
}
