//! What may go goes, whole segments at a time, and the log says from when it is complete.

use pulseboard_journal::testsuite::rows::{all, eventually, numbers, stream};
use pulseboard_journal::{Keep, Log, LogError, PositionCheck, Retention};
use pulseboard_model::{LogOffset, Position};

use crate::support::Bed;

const DAY_US: i64 = 24 * 3_600 * 1_000_000;

async fn append(log: &dyn Log, name: &str, rows: i64) -> Position {
    let exists = log.schema(name).is_some();
    log.append(numbers(name, exists, 0..rows)).await.unwrap().position
}

#[tokio::test]
async fn old_events_go_and_the_log_says_so() {
    let bed = Bed::with(|config| {
        config.segment_bytes = 2_000;
        config.ring_steps = 2;
    });
    let log = bed.embedded();
    let first = append(&log, "a", 500).await;
    let second = append(&log, "b", 500).await;
    bed.clock.advance(20 * DAY_US);
    append(&log, "a", 500).await;
    assert_eq!(log.check(&first), PositionCheck::Known);

    bed.clock.advance(11 * DAY_US);
    append(&log, "a", 10).await;
    eventually("the old segments to go", || log.streams()[1].events == 0);
    let streams = log.streams();
    assert_eq!((streams[0].events, streams[0].first_offset), (510, Some(LogOffset::from_u64(1_001))));
    assert_eq!((streams[1].events, streams[1].last_offset, streams[1].last_arrived_at), (0, None, None));
    assert_eq!(streams[0].complete_from.unwrap().0, first.clock.0 + 1);
    assert_eq!(streams[1].complete_from.unwrap().0, second.clock.0 + 1);
    assert_eq!(log.check(&first), PositionCheck::Gap);
    assert_eq!(log.check(&second), PositionCheck::Known, "everything after it is still there");
    let Err(LogError::Dropped(upto)) = log.tail(LogOffset::START) else { panic!("the beginning is gone") };
    assert_eq!(upto, second.offset);
    assert_eq!(
        log.position_at(second.clock),
        Err(LogError::Dropped(second.offset)),
        "nobody knows what came at that moment"
    );
    assert!(log.tail(upto).is_ok());
    assert_eq!(all(&log, "a", "_offset"), (1_001..=1_510).collect::<Vec<_>>());
    assert!(all(&log, "b", "n").is_empty());
    drop(log);

    let log = bed.embedded();
    assert_eq!(log.streams()[0].complete_from, streams[0].complete_from);
    assert_eq!(log.streams()[1].schema, streams[1].schema, "a stream outlives its events");
    assert_eq!(all(&log, "a", "_offset"), (1_001..=1_510).collect::<Vec<_>>());
    append(&log, "b", 3).await;
    assert_eq!(all(&log, "b", "n"), [0, 1, 2]);
}

#[tokio::test]
async fn a_segment_stays_while_one_of_its_streams_needs_it() {
    let host = Keep { keep_us: DAY_US, ..Keep::default() };
    let bed = Bed::with(|config| {
        config.segment_bytes = 2_000;
        config.retention = Retention { streams: [(stream("host"), host)].into(), ..Retention::default() };
    });
    let log = bed.embedded();
    // One segment of both streams, then one of the short-lived stream alone.
    append(&log, "host", 5).await;
    append(&log, "orders", 1_000).await;
    append(&log, "host", 1_000).await;
    bed.clock.advance(3 * DAY_US);
    append(&log, "host", 1_000).await;
    eventually("segments to be sealed", || bed.segments().len() >= 3);
    assert_eq!(log.streams()[1].events, 1_000);

    // Told to keep less, it lets go.
    let orders = Keep { keep_us: DAY_US, ..Keep::default() };
    let streams = [(stream("host"), host), (stream("orders"), orders)].into();
    log.set_retention(Retention { streams, ..Retention::default() });
    eventually("the orders to go", || log.streams()[1].events == 0);
    assert_eq!(all(&log, "host", "_offset").last(), Some(&3_005));
}

#[tokio::test]
async fn a_stream_that_is_too_large_loses_its_oldest() {
    let bed = Bed::with(|config| {
        config.segment_bytes = 2_000;
        config.retention.default.max_bytes = 5_000;
    });
    let log = bed.embedded();
    for _ in 0..40 {
        append(&log, "a", 100).await;
    }
    eventually("the oldest to go", || log.streams()[0].first_offset > Some(LogOffset::from_u64(1)));
    let info = log.streams().remove(0);
    assert!(info.bytes >= 5_000, "no more goes than must: {} bytes", info.bytes);
    let kept = all(&log, "a", "_offset");
    assert_eq!(kept, (info.first_offset.unwrap().to_u64().cast_signed()..=4_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_keeps_what_it_is_reading() {
    let bed = Bed::with(|config| config.segment_bytes = 1_000);
    let log = bed.embedded();
    for _ in 0..20 {
        append(&log, "a", 500).await;
    }
    let mut scan = log.scan(&stream("a"), LogOffset::START, log.head().offset, None);
    let first = scan.next().unwrap().unwrap().num_rows();
    bed.clock.advance(40 * DAY_US);
    append(&log, "a", 500).await;
    eventually("all old segments to go", || log.streams()[0].events <= 500);
    let rest: usize = scan.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(first + rest, 10_000);
    eventually("the files to go with the last reader", || bed.segments().len() <= 2);
}
