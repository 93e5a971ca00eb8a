//! A stream whose schema changes in the middle: a query goes on where its columns stay, starts anew where they widen, and its
//! answer is that of the newest schema.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use chrono_tz::Tz;
use parking_lot::RwLock;
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::schema::UTC;
use pulseboard_model::{
    Epoch, FieldType, LogOffset, Position, Row, SchemaVersion, StreamField, StreamName, StreamSchema, TimeUs,
};

use super::worlds::{SECOND_US, START_US, rows};
use crate::api::{Batches, History, Params, QuerySpec};
use crate::batch;
use crate::live_query::LiveQuery;
use crate::scan_request::ScanRequest;

/// A log of one stream with more than one schema.
#[derive(Debug)]
struct Grown(RwLock<(Arc<StreamSchema>, Vec<RecordBatch>, i64)>);

fn schema(version: u32, fields: &[(&str, FieldType)]) -> Arc<StreamSchema> {
    let field = |(name, field_type): &(&str, FieldType)| StreamField {
        name: (*name).into(),
        field_type: field_type.clone(),
        declared: false,
    };
    Arc::new(StreamSchema { version: SchemaVersion(version), fields: fields.iter().map(field).collect() })
}

/// `batch` in the layout of `schema`: what is not there is null, what has widened is cast.
fn in_layout(batch: &RecordBatch, schema: &StreamSchema) -> RecordBatch {
    let wanted = schema.event_schema();
    let columns = wanted.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => cast(column, field.data_type()).expect("widens"),
        None => new_null_array(field.data_type(), batch.num_rows()),
    });
    RecordBatch::try_new(wanted.clone(), columns.collect()).expect("columns fit")
}

impl Grown {
    fn commit(&self, after_us: i64, kinds: &[&str], n: ArrayRef, schema: &Arc<StreamSchema>) -> RecordBatch {
        let mut log = self.0.write();
        log.2 += after_us;
        let clock = log.2;
        let offset: usize = log.1.iter().map(RecordBatch::num_rows).sum();
        let first = i64::try_from(offset).expect("few rows") + 1;
        let count = i64::try_from(kinds.len()).expect("few rows");
        let times =
            || -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![clock; kinds.len()]).with_timezone(UTC)) };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("time", times()),
            ("kind", Arc::new(StringArray::from(kinds.to_vec()))),
            ("n", n),
            ("_arrived_at", times()),
            ("_offset", Arc::new((first..first + count).collect::<Int64Array>())),
        ];
        let batch = in_layout(&RecordBatch::try_from_iter(columns).expect("a batch"), schema);
        log.0 = schema.clone();
        log.1.push(batch.clone());
        batch
    }
}

impl History for Grown {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        (stream == "events").then(|| self.0.read().0.clone())
    }

    fn streams(&self) -> Vec<StreamName> {
        vec![StreamName::new("events").expect("a good name")]
    }

    fn head(&self) -> Position {
        let log = self.0.read();
        let events: usize = log.1.iter().map(RecordBatch::num_rows).sum();
        Position { epoch: Epoch(1), offset: LogOffset::from_u64(events as u64), clock: TimeUs(log.2) }
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        let log = self.0.read();
        let newest = |batch| Ok(request.project(&in_layout(batch, &log.0)).expect("the columns are there"));
        Box::new(log.1.iter().map(newest).collect::<Vec<_>>().into_iter())
    }

    fn complete_from(&self, _stream: &StreamName) -> Option<TimeUs> {
        None
    }
}

fn started(sql: &str, log: &Arc<Grown>) -> LiveQuery {
    let spec = QuerySpec { sql: sql.to_owned(), timezone: Tz::UTC, params: Params::new() };
    let mut live = LiveQuery::new(&spec, log.as_ref(), &ViewLimits::default()).expect("is maintained");
    let stream = StreamName::new("events").expect("a good name");
    let request = ScanRequest::new(stream.clone(), LogOffset::START, log.head().offset);
    for batch in log.scan(&request) {
        let schema = log.schema("events").expect("the stream");
        live.push(&stream, &batch.expect("is read"), &schema).expect("is taken in");
    }
    live.finish().expect("the step ends");
    live
}

fn batch_rows(sql: &str, log: &Arc<Grown>) -> Vec<Row> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let spec = QuerySpec { sql: sql.to_owned(), timezone: Tz::UTC, params: Params::new() };
    let history: Arc<dyn History> = log.clone();
    let answer = runtime.block_on(batch::run(&spec, &history, log.head(), &QueryLimits::default()));
    let mut rows = answer.expect("is answered").rows;
    rows.sort_by_key(|row| format!("{row:?}"));
    rows
}

#[test]
fn a_schema_that_changes_in_the_middle_changes_no_answer() {
    let ints = |values: &[i64]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
    let first = schema(1, &[("kind", FieldType::String), ("n", FieldType::Int)]);
    let more = schema(2, &[("kind", FieldType::String), ("n", FieldType::Int), ("extra", FieldType::Bool)]);
    let wider = schema(3, &[("kind", FieldType::String), ("n", FieldType::Float), ("extra", FieldType::Bool)]);
    for sql in [
        "SELECT kind, sum(n) AS a, ago(sum(n), interval '10 seconds') AS b FROM events \
         WHERE time > now() - interval '1 minute' GROUP BY kind",
        "SELECT kind, session(time, interval '15 seconds') AS s, sum(n) AS a, count(*) AS c FROM events GROUP BY 1, 2",
        "SELECT kind, max(c) AS a FROM (SELECT kind, date_trunc('minute', time) AS m, sum(n) AS c FROM events GROUP BY 1, 2) GROUP BY kind",
    ] {
        let log = Arc::new(Grown(RwLock::new((first.clone(), Vec::new(), START_US))));
        log.commit(0, &["a", "b"], ints(&[1, 2]), &first);
        let mut live = started(sql, &log);
        let stream = StreamName::new("events").expect("a good name");
        for (kinds, n) in [(["a", "a"], [4, 8]), (["b", "c"], [16, 32])] {
            let batch = log.commit(11 * SECOND_US, &kinds, ints(&n), &more);
            assert!(live.advance(log.head().now()).expect("the clock moves"));
            live.push(&stream, &batch, &more).expect("a new field changes nothing for it");
            live.finish().expect("the step ends");
            assert_eq!(rows(&live.snapshot()), batch_rows(sql, &log), "{sql}");
        }
        // An integer that becomes a float is another column: whoever steps the query starts it from the log.
        let batch = log.commit(11 * SECOND_US, &["a"], Arc::new(Float64Array::from(vec![0.5])), &wider);
        live.advance(log.head().now()).expect("the clock moves");
        live.push(&stream, &batch, &wider).expect_err("its column has changed");
        let live = started(sql, &log);
        assert_eq!(rows(&live.snapshot()), batch_rows(sql, &log), "{sql}");
    }
}
