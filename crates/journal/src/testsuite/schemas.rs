//! Schemas grow and widen; readers see the newest; two changes at once cannot both win.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use futures::future::join_all;
use pulseboard_model::{FieldType, LogOffset, SchemaVersion, Step};

use super::TestBed;
use super::rows::{all, floats, next_step, numbers, reals, request, schema, stored, stream};
use crate::log::{AppendError, DeclareError};

/// Integers become floats and new fields are null in rows from before, also after reopening.
pub async fn a_schema_grows_and_old_rows_follow(bed: &mut impl TestBed) {
    let mut log = bed.open();
    log.append(numbers("s", false, [1])).await.expect("appended");
    log.append(floats("s", 1, vec![2.5])).await.expect("appended");
    let grown = schema(3, &[("n", FieldType::Float), ("t", FieldType::String)]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(arrow::array::Float64Array::from(vec![3.5])), Arc::new(StringArray::from(vec!["x"]))];
    log.append(request("s", Some(2), grown.clone(), stored(&grown, vec![None], columns))).await.expect("appended");
    for _ in 0..2 {
        assert_eq!(log.schema("s"), Some(grown.clone()));
        let scan = log.scan(&stream("s"), LogOffset::START, log.head().offset, None);
        let batches: Vec<_> = scan.map(|batch| batch.expect("a batch")).collect();
        assert!(batches.iter().all(|batch| batch.schema() == grown.event_schema()));
        assert_eq!(batches.iter().flat_map(|batch| reals(batch, "n")).collect::<Vec<_>>(), [1.0, 2.5, 3.5]);
        let nulls: usize = batches.iter().map(|batch| batch.column_by_name("t").expect("t").null_count()).sum();
        assert_eq!(nulls, 2);
        let last = log.last_rows(&stream("s"), 3, log.head().offset).expect("rows");
        assert_eq!(last.iter().flat_map(|batch| reals(batch, "n")).collect::<Vec<_>>(), [1.0, 2.5, 3.5]);

        // A follower gets each commit in the schema it was written in.
        let mut tail = log.tail(LogOffset::START).expect("a tail");
        let mut versions = Vec::new();
        while versions.len() < 3 {
            let Step::Commit(commit) = next_step(tail.as_mut(), false) else { continue };
            versions.extend(commit.parts.iter().map(|part| {
                assert_eq!(part.rows.schema(), part.schema.event_schema());
                part.schema.version.0
            }));
        }
        assert_eq!(versions, [1, 2, 3]);
        drop(tail);
        bed.close(log);
        log = bed.open();
    }
    bed.close(log);
}

/// A struct gets a field: rows from before have it as null.
pub async fn nested_fields_grow_too(bed: &mut impl TestBed) {
    let log = bed.open();
    let object =
        |names: &[&str]| FieldType::Struct(names.iter().map(|name| ((*name).to_owned(), FieldType::Int)).collect());
    let array = |names: &[&str], value: i64| -> ArrayRef {
        let fields: Fields = names.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect();
        let columns = names.iter().map(|_| Arc::new(Int64Array::from(vec![value])) as ArrayRef).collect();
        Arc::new(StructArray::new(fields, columns, None))
    };
    let old = schema(1, &[("o", object(&["x"]))]);
    log.append(request("s", None, old.clone(), stored(&old, vec![None], vec![array(&["x"], 1)])))
        .await
        .expect("appended");
    let new = schema(2, &[("o", object(&["x", "y"]))]);
    log.append(request("s", Some(1), new.clone(), stored(&new, vec![None], vec![array(&["x", "y"], 2)])))
        .await
        .expect("appended");
    let scan = log.scan(&stream("s"), LogOffset::START, log.head().offset, None);
    let batches: Vec<_> = scan.map(|batch| batch.expect("a batch")).collect();
    let y_nulls: usize = batches.iter().map(|batch| batch.column(1).as_struct().column(1).null_count()).sum();
    assert_eq!((batches[0].schema(), y_nulls), (new.event_schema(), 1));
    bed.close(log);
}

/// Rows decoded against an older schema, which they did not change, are kept in the newest.
pub async fn an_unchanged_request_follows_a_schema_that_moved(bed: &mut impl TestBed) {
    let log = bed.open();
    log.append(numbers("s", false, [1])).await.expect("appended");
    log.append(floats("s", 1, vec![2.5])).await.expect("appended");
    log.append(numbers("s", true, [3])).await.expect("appended");
    let scan = log.scan(&stream("s"), LogOffset::START, log.head().offset, None);
    assert_eq!(scan.flat_map(|batch| reals(&batch.expect("a batch"), "n")).collect::<Vec<_>>(), [1.0, 2.5, 3.0]);
    assert_eq!(log.schema("s").expect("a schema").version, SchemaVersion(2));
    bed.close(log);
}

/// Of two different growths from one base one is told to decode again; nothing of it is kept.
pub async fn two_changes_from_one_base_cannot_both_win(bed: &mut impl TestBed) {
    let log = bed.open();
    log.append(numbers("s", false, [1])).await.expect("appended");
    let other = schema(2, &[("n", FieldType::Int), ("m", FieldType::Int)]);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![7])), Arc::new(Int64Array::from(vec![8]))];
    let other = request("s", Some(1), other.clone(), stored(&other, vec![None], columns));
    let answers = join_all([log.append(floats("s", 1, vec![2.5])), log.append(other)]).await;
    let kept = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(kept, 1, "{answers:?}");
    assert!(answers.contains(&Err(AppendError::SchemaMoved)), "{answers:?}");
    assert_eq!(log.head().offset, LogOffset::from_u64(2));

    // Two first requests: the same schema is no conflict, another one is.
    let same = join_all([log.append(numbers("new", false, [1])), log.append(numbers("new", false, [2]))]).await;
    assert!(same.iter().all(Result::is_ok), "{same:?}");
    let wrong = schema(1, &[("x", FieldType::Int)]);
    let rows = stored(&wrong, vec![None], vec![Arc::new(Int64Array::from(vec![7]))]);
    assert_eq!(log.append(request("new", None, wrong, rows)).await, Err(AppendError::SchemaMoved));
    bed.close(log);
}

/// A declaration makes the stream, widens what is there, and names what it cannot change.
pub async fn declarations_hold_and_conflicts_are_named(bed: &mut impl TestBed) {
    let mut log = bed.open();
    let fields = [("n".to_owned(), FieldType::Float), ("total".to_owned(), FieldType::Decimal(12, 2))];
    log.declare(&stream("s"), &fields).await.expect("declared");
    let declared = log.schema("s").expect("a schema");
    assert_eq!((declared.version.0, declared.fields.len(), declared.fields[1].declared), (1, 2, true));
    log.declare(&stream("s"), &fields).await.expect("declared again");
    assert_eq!(log.schema("s"), Some(declared.clone()), "nothing changed");

    log.append(numbers("t", false, [1])).await.expect("appended");
    log.declare(&stream("t"), &[("n".to_owned(), FieldType::Float)]).await.expect("declared");
    let scan = log.scan(&stream("t"), LogOffset::START, log.head().offset, None);
    assert_eq!(scan.flat_map(|batch| reals(&batch.expect("a batch"), "n")).collect::<Vec<_>>(), [1.0]);
    let refused = log.declare(&stream("t"), &[("n".to_owned(), FieldType::String)]).await.expect_err("a conflict");
    assert!(matches!(&refused, DeclareError::Conflict { field, .. } if field == "n"), "{refused}");

    bed.close(log);
    log = bed.open();
    assert_eq!(log.schema("s"), Some(declared));
    assert_eq!(log.schema("t").expect("a schema").version.0, 2);
    assert_eq!(all(log.as_ref(), "t", "_offset"), [1]);
    bed.close(log);
}
