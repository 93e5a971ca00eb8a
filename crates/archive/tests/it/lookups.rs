//! A row is found by what is in one of its columns, and little is read for it.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use pulseboard_archive::{ArchiveConfig, ScanOrder, ScanRequest};
use pulseboard_journal::{AppendRequest, Log};
use pulseboard_model::schema::UTC;
use pulseboard_model::{Cell, FieldType, LogOffset, SchemaVersion, StreamField, StreamSchema};
use pulseboard_runtime::Clock;

use crate::world::{SECOND_US, World, numbers, stream, whole};

const FILES: i64 = 40;
const ROWS: i64 = 400;

/// A number that looks like no other.
fn scrambled(n: i64) -> i64 {
    n.wrapping_mul(0x5851_F42D_4C95_7F2D).rotate_left(17) ^ 0x2545
}

fn order_id(n: i64) -> String {
    format!("order-{:016x}", scrambled(n))
}

/// Orders by their number. The first version has no customer; every tenth order has no id.
fn request(first: i64, now: i64, version: u32) -> AppendRequest {
    let field = |name: &str, field_type| StreamField { name: name.into(), field_type, declared: false };
    let mut fields =
        vec![field("n", FieldType::Int), field("order_id", FieldType::String), field("note", FieldType::String)];
    if version > 1 {
        fields.push(field("customer_id", FieldType::Int));
    }
    let schema = Arc::new(StreamSchema { version: SchemaVersion(version), fields });
    let orders = || first..first + ROWS;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(orders().map(|n| now - n % 7)).with_timezone(UTC)),
        Arc::new(TimestampMicrosecondArray::new_null(usize::try_from(ROWS).unwrap()).with_timezone(UTC)),
        Arc::new(orders().collect::<Int64Array>()),
        Arc::new(orders().map(|n| (n % 10 > 0).then(|| order_id(n))).collect::<StringArray>()),
        Arc::new(
            orders().map(|n| Some(["new", "paid", "sent"][usize::try_from(n % 3).unwrap()])).collect::<StringArray>(),
        ),
    ];
    if version > 1 {
        columns.push(Arc::new(orders().map(|n| Some(scrambled(n / 2))).collect::<Int64Array>()));
    }
    AppendRequest {
        stream: stream("orders"),
        base: (first > 0).then_some(SchemaVersion(if first == ROWS { 1 } else { version })),
        rows: RecordBatch::try_new(schema.stored_schema(), columns).unwrap(),
        schema,
        rejected: 0,
        rejects: None,
        idempotency: None,
        receipt: Bytes::new(),
    }
}

/// Forty files of orders, the first of the older version, and what the log has beyond them.
async fn orders() -> World {
    let world = World::new(1, |config| ArchiveConfig { merge: None, ..config });
    for number in 0..=FILES {
        let version = if number == 0 { 1 } else { 2 };
        world.log.append(request(number * ROWS, world.clock.now_us(), version)).await.unwrap();
        world.clock.advance(8 * SECOND_US);
        tokio::task::block_in_place(|| world.round());
    }
    world
}

/// The rows with a value, in the order of their numbers, and how many row groups were read for them.
fn found(world: &World, column: &str, value: &Cell, order: ScanOrder) -> (Vec<i64>, u64) {
    let before = world.archive.figures();
    let upto = world.log.head().offset;
    let request = ScanRequest {
        equal: vec![(column.to_owned(), value.clone())],
        order,
        ..ScanRequest::new(stream("orders"), LogOffset::START, upto)
    };
    let rows = whole(world.archived.scan_request(&request));
    let read = world.archive.figures().groups_read - before.groups_read;
    // What is given is a hint's worth: whoever asks filters again.
    let Some(rows) = rows else { return (Vec::new(), read) };
    let known = rows.column_by_name(column).unwrap();
    let mask: BooleanArray = match value {
        Cell::Str(text) => known.as_string::<i32>().iter().map(|known| Some(known == Some(text.as_ref()))).collect(),
        Cell::Int(n) => known.as_primitive::<Int64Type>().iter().map(|known| Some(known == Some(*n))).collect(),
        other => unreachable!("{other:?} is not looked up"),
    };
    let mut numbers = numbers(&filter_record_batch(&rows, &mask).unwrap());
    numbers.sort_unstable();
    (numbers, read)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_reads_few_row_groups_and_finds_what_reading_all_finds() {
    let world = orders().await;
    let files = world.archive.files(&stream("orders")).len() as u64;
    assert!(files >= 20, "{files} files");
    tokio::task::block_in_place(|| {
        let last = FILES * ROWS;
        let (mut read, mut looked) = (0, 0);
        for step in 0..60 {
            let n = (step * 269 + 1) % last;
            for order in [ScanOrder::Any, ScanOrder::Offset] {
                let (rows, groups) = found(&world, "order_id", &Cell::Str(order_id(n).as_str().into()), order);
                assert_eq!(rows, if n % 10 > 0 { vec![n] } else { vec![] }, "order {n}");
                (read, looked) = (read + groups, looked + 1);
                // A customer has two orders next to each other; the older version knew of none.
                let (rows, groups) = found(&world, "customer_id", &Cell::Int(scrambled(n / 2)), order);
                let due: Vec<i64> = [n / 2 * 2, n / 2 * 2 + 1].into_iter().filter(|n| *n >= ROWS).collect();
                assert_eq!(rows, due, "the customer of order {n}");
                (read, looked) = (read + groups, looked + 1);
            }
        }
        assert!(read <= 2 * looked, "{read} groups for {looked} look-ups over {files} files");
        // What is nowhere costs next to nothing, and what is everywhere is found everywhere.
        let mut nowhere = 0;
        for n in 0..50 {
            let value = Cell::Str(format!("order-{n:016x}").as_str().into());
            let (rows, groups) = found(&world, "order_id", &value, ScanOrder::Any);
            assert_eq!(rows, Vec::<i64>::new());
            nowhere += groups;
        }
        assert!(nowhere < 50, "{nowhere} groups for 50 values that are nowhere");
        let (rows, groups) = found(&world, "note", &Cell::Str("paid".into()), ScanOrder::Any);
        assert_eq!(rows, (0..last + ROWS).filter(|n| n % 3 == 1).collect::<Vec<_>>());
        assert_eq!(groups, files);
        assert!(world.archive.figures().groups_ruled_out > 60 * files, "{:?}", world.archive.figures());
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_of_several_columns_and_of_few_gives_the_same_rows() {
    let world = orders().await;
    tokio::task::block_in_place(|| {
        for n in [401, 777, 5_003, 9_999] {
            let both = ScanRequest {
                equal: vec![
                    ("note".to_owned(), Cell::Str(["new", "paid", "sent"][usize::try_from(n % 3).unwrap()].into())),
                    ("order_id".to_owned(), Cell::Str(order_id(n).as_str().into())),
                ],
                columns: Some(vec!["n".to_owned()]),
                order: ScanOrder::Any,
                ..ScanRequest::new(stream("orders"), LogOffset::START, world.log.head().offset)
            };
            let rows = whole(world.archived.scan_request(&both)).unwrap();
            // The log's part is not looked up; of the files no other row is left.
            let of_files: Vec<i64> = numbers(&rows).into_iter().filter(|n| *n < 30 * ROWS).collect();
            assert_eq!(of_files, [n]);
            let wrong = ScanRequest { equal: vec![("note".to_owned(), Cell::Str("lost".into()))], ..both };
            let rows = whole(world.archived.scan_request(&wrong));
            assert!(rows.is_none_or(|rows| numbers(&rows).iter().all(|n| *n >= 30 * ROWS)), "nothing of the files");
        }
    });
}
