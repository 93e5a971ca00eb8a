//! What is appended is there: whole, once, in order, and after reopening.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, StringArray};
use futures::future::join_all;
use pulseboard_model::{Epoch, FieldType, LogOffset, Position};

use super::TestBed;
use super::rows::{all, ints, numbers, request, schema, stored, stream};
use crate::log::PositionCheck;

/// Values, nulls and times come back unchanged, with their system columns.
pub async fn rows_are_read_as_they_were_sent(bed: &mut impl TestBed) {
    let log = bed.open();
    let fields = schema(1, &[("n", FieldType::Int), ("s", FieldType::String)]);
    let numbers = Int64Array::from(vec![Some(1), None]);
    let texts = StringArray::from(vec![None, Some("ü")]);
    let rows = stored(&fields, vec![Some(5), Some(-7)], vec![Arc::new(numbers.clone()), Arc::new(texts.clone())]);
    let appended = log.append(request("s", None, fields.clone(), rows)).await.expect("appended");
    assert_eq!((appended.accepted, appended.replayed), (2, false));
    assert_eq!(appended.position.offset, LogOffset::from_u64(2));

    let batches: Vec<_> = log.scan(&stream("s"), LogOffset::START, log.head().offset, None).collect();
    let [Ok(batch)] = batches.as_slice() else { panic!("one batch: {batches:?}") };
    assert_eq!(batch.schema(), fields.event_schema());
    assert_eq!(ints(batch, "time"), [5, -7]);
    assert_eq!(batch.column(1).as_primitive(), &numbers);
    assert_eq!(batch.column(2).as_string(), &texts);
    assert_eq!(batch.column_by_name("_source_time").expect("_source_time").null_count(), 2);
    assert_eq!(ints(batch, "_arrived_at"), [appended.position.clock.0; 2]);
    assert_eq!(ints(batch, "_offset"), [1, 2]);
    bed.close(log);
}

/// Requests that come together share commits; each keeps its rows together, and no offset is left out.
pub async fn a_request_is_whole_and_offsets_are_dense(bed: &mut impl TestBed) {
    let log = bed.open();
    let streams = ["a", "b", "c"];
    for name in streams {
        log.append(numbers(name, false, [0])).await.expect("appended");
    }
    let requests = (1..=60_i64).map(|i| {
        let name = streams[usize::try_from(i).expect("small") % 3];
        log.append(numbers(name, true, std::iter::repeat_n(i, usize::try_from(i % 4 + 1).expect("small"))))
    });
    for appended in join_all(requests).await {
        appended.expect("appended");
    }
    let mut offsets = Vec::new();
    for name in streams {
        let (values, places) = (all(log.as_ref(), name, "n"), all(log.as_ref(), name, "_offset"));
        for i in (1..=60).filter(|i| streams[*i % 3] == name) {
            let of_request: Vec<_> =
                values.iter().zip(&places).filter(|(n, _)| **n == i as i64).map(|(_, offset)| *offset).collect();
            let due: Vec<i64> = (0..=(i % 4) as i64).map(|k| of_request[0] + k).collect();
            assert_eq!(of_request, due, "request {i} is torn");
        }
        offsets.extend(places);
    }
    offsets.sort_unstable();
    let end = i64::try_from(log.head().offset.to_u64()).expect("an offset");
    assert_eq!(offsets, (1..=end).collect::<Vec<_>>());
    bed.close(log);
}

/// A null `time` is when it arrived, from every reader's view.
pub async fn rows_without_a_time_get_their_arrival(bed: &mut impl TestBed) {
    let log = bed.open();
    bed.clock().advance(5);
    let appended = log.append(numbers("s", false, [1, 2])).await.expect("appended");
    let arrived_at = appended.position.clock.0;
    assert_eq!(all(log.as_ref(), "s", "time"), [arrived_at; 2]);
    let last = log.last_rows(&stream("s"), 1, log.head().offset).expect("rows");
    assert_eq!(ints(&last[0], "time"), [arrived_at]);
    bed.close(log);
}

/// Counts, offsets and arrivals per stream.
pub async fn counters_tell_what_is_there(bed: &mut impl TestBed) {
    let mut log = bed.open();
    log.append(numbers("a", false, [1, 2])).await.expect("appended");
    let mut request = numbers("b", false, [3]);
    request.rejected = 4;
    let appended = log.append(request).await.expect("appended");
    assert_eq!(appended.rejected, 4);
    let mut empty = numbers("b", true, []);
    empty.rejected = 2;
    log.append(empty).await.expect("appended");
    for round in ["before", "after"] {
        let streams = log.streams();
        let [a, b] = streams.as_slice() else { panic!("{round} reopening: {streams:?}") };
        assert_eq!((a.events, a.rejected, a.first_offset, a.last_offset), (2, 0, offset(1), offset(2)), "{round}");
        assert_eq!((b.events, b.rejected, b.first_offset, b.last_offset), (1, 6, offset(3), offset(3)), "{round}");
        assert_eq!((b.last_arrived_at, b.complete_from), (Some(appended.position.clock), None), "{round}");
        assert!(a.bytes > 0 && a.schema.fields[0].name == "n", "{round}");
        assert_eq!(log.newest(), Some(appended.position.clock), "{round}");
        bed.close(log);
        log = bed.open();
    }
    bed.close(log);
}

fn offset(n: u64) -> Option<LogOffset> {
    Some(LogOffset::from_u64(n))
}

/// Rows, schemas and offsets survive; new ones go on after them.
pub async fn everything_is_there_after_reopening(bed: &mut impl TestBed) {
    let log = bed.open();
    assert_eq!(log.head().offset, LogOffset::START);
    assert_eq!((log.newest(), log.schema("s")), (None, None));
    log.append(numbers("s", false, 0..10)).await.expect("appended");
    let before = log.head();
    bed.close(log);

    let log = bed.open();
    assert_eq!(log.head().epoch, before.epoch);
    assert_eq!(log.head().offset, before.offset);
    assert!(log.head().clock >= before.clock);
    assert_eq!(log.schema("s").expect("the schema").fields[0].field_type, FieldType::Int);
    assert_eq!(all(log.as_ref(), "s", "n"), (0..10).collect::<Vec<_>>());
    let appended = log.append(numbers("s", true, [10])).await.expect("appended");
    assert_eq!(appended.position.offset, LogOffset::from_u64(11));
    assert_eq!(all(log.as_ref(), "s", "_offset"), (1..=11).collect::<Vec<_>>());
    bed.close(log);
}

/// A client's position is within the log, beyond it, or of another one.
pub async fn positions_are_known_for_what_they_are(bed: &mut impl TestBed) {
    let log = bed.open();
    let position = log.append(numbers("s", false, [1])).await.expect("appended").position;
    assert_eq!(log.check(&position), PositionCheck::Known);
    assert_eq!(log.check(&Position { offset: LogOffset::START, ..position }), PositionCheck::Known);
    assert_eq!(log.check(&Position { offset: LogOffset::from_u64(2), ..position }), PositionCheck::Ahead);
    let other = Epoch(!position.epoch.0);
    assert_eq!(log.check(&Position { epoch: other, ..position }), PositionCheck::OtherEpoch);
    bed.close(log);
}

/// No rows and no key: nothing to keep, and still an answer.
pub async fn an_empty_request_is_answered(bed: &mut impl TestBed) {
    let log = bed.open();
    let appended = log.append(numbers("s", false, [])).await.expect("answered");
    assert_eq!((appended.accepted, appended.position.offset), (0, LogOffset::START));
    assert!(log.streams().is_empty());
    bed.close(log);
}
