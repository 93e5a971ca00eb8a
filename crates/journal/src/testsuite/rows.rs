//! Small requests and what to look at in their rows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use pulseboard_model::schema::UTC;
use pulseboard_model::{FieldType, LogOffset, SchemaVersion, Step, StreamField, StreamName, StreamSchema};

use crate::log::{AppendRequest, IdempotencyKey, Log, Tail, TailItem};

/// How long a case waits for something that must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A stream's name.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn stream(name: &str) -> StreamName {
    StreamName::new(name).expect("a stream's name")
}

/// A schema of these fields.
#[must_use]
pub fn schema(version: u32, fields: &[(&str, FieldType)]) -> Arc<StreamSchema> {
    let fields = fields.iter().map(|(name, field_type)| StreamField {
        name: (*name).to_owned(),
        field_type: field_type.clone(),
        declared: false,
    });
    Arc::new(StreamSchema { version: SchemaVersion(version), fields: fields.collect() })
}

/// A batch in the stored layout: `time` as given, no `_source_time`, then `columns`.
///
/// # Panics
/// If the columns do not fit the schema.
#[must_use]
pub fn stored(schema: &StreamSchema, time: Vec<Option<i64>>, columns: Vec<ArrayRef>) -> RecordBatch {
    let rows = time.len();
    let system: [ArrayRef; 2] = [
        Arc::new(TimestampMicrosecondArray::from(time).with_timezone(UTC)),
        Arc::new(TimestampMicrosecondArray::new_null(rows).with_timezone(UTC)),
    ];
    RecordBatch::try_new(schema.stored_schema(), system.into_iter().chain(columns).collect()).expect("columns that fit")
}

/// The schema of one integer field `n`.
#[must_use]
pub fn numbers_schema() -> Arc<StreamSchema> {
    schema(1, &[("n", FieldType::Int)])
}

/// A request of `n`s without a time; `base` says whether the stream exists.
#[must_use]
pub fn numbers(name: &str, exists: bool, values: impl IntoIterator<Item = i64>) -> AppendRequest {
    let values: Int64Array = values.into_iter().map(Some).collect();
    let schema = numbers_schema();
    let rows = stored(&schema, vec![None; values.len()], vec![Arc::new(values)]);
    request(name, exists.then_some(1), schema, rows)
}

/// The same with a float field `n`, as the growth of `numbers` or after it.
#[must_use]
pub fn floats(name: &str, base: u32, values: Vec<f64>) -> AppendRequest {
    let schema = schema(2, &[("n", FieldType::Float)]);
    let rows = stored(&schema, vec![None; values.len()], vec![Arc::new(Float64Array::from(values))]);
    request(name, Some(base), schema, rows)
}

/// A request without rejects, key or receipt.
#[must_use]
pub fn request(name: &str, base: Option<u32>, schema: Arc<StreamSchema>, rows: RecordBatch) -> AppendRequest {
    AppendRequest {
        stream: stream(name),
        base: base.map(SchemaVersion),
        schema,
        rows,
        rejected: 0,
        rejects: None,
        idempotency: None,
        receipt: Bytes::new(),
    }
}

/// The request with an idempotency key.
#[must_use]
pub fn keyed(mut request: AppendRequest, key: u128, body: u128) -> AppendRequest {
    request.idempotency = Some(IdempotencyKey { key, body });
    request.receipt = Bytes::from(format!("receipt of {body}"));
    request
}

/// The values of an integer column.
///
/// # Panics
/// If there is none of that name.
#[must_use]
pub fn ints(batch: &RecordBatch, column: &str) -> Vec<i64> {
    let column = batch.column_by_name(column).expect("the column");
    assert_eq!(column.null_count(), 0, "nulls in {column:?}");
    match column.as_primitive_opt::<Int64Type>() {
        Some(values) => values.values().to_vec(),
        None => column.as_primitive::<TimestampMicrosecondType>().values().to_vec(),
    }
}

/// The values of a float column.
///
/// # Panics
/// If there is none of that name.
#[must_use]
pub fn reals(batch: &RecordBatch, column: &str) -> Vec<f64> {
    batch.column_by_name(column).expect("the column").as_primitive::<Float64Type>().values().to_vec()
}

/// All rows of a stream, as one list of `column`.
///
/// # Panics
/// If they cannot be read.
#[must_use]
pub fn all(log: &dyn Log, name: &str, column: &str) -> Vec<i64> {
    let scan = log.scan(&stream(name), LogOffset::START, log.head().offset, None);
    scan.flat_map(|batch| ints(&batch.expect("a batch"), column)).collect()
}

/// The next step of a tail, ticks left out unless `ticks`.
///
/// # Panics
/// If none comes in time.
pub fn next_step(tail: &mut dyn Tail, ticks: bool) -> Step {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match tail.next(Duration::from_millis(100)).expect("a step") {
            TailItem::Step(Step::Tick(_)) if !ticks => {}
            TailItem::Step(step) => return step,
            TailItem::Idle => assert!(Instant::now() < deadline, "no step came"),
        }
    }
}

/// Waits until something holds.
///
/// # Panics
/// If it does not in time.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

/// The `_offset`s a step brought to any stream, in their order.
#[must_use]
pub fn offsets(step: &Step) -> Vec<i64> {
    match step {
        Step::Commit(commit) => commit.parts.iter().flat_map(|part| ints(&part.rows, "_offset")).collect(),
        Step::Tick(_) => Vec::new(),
    }
}
