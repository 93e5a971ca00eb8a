//! Readers that follow while others write: slow and quick, from memory and from disk, over changes of segments.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, StringArray};
use futures::future::join_all;
use pulseboard_journal::testsuite::rows::{numbers, offsets, request, schema, stored, stream};
use pulseboard_journal::{Log, TailItem};
use pulseboard_model::{FieldType, LogOffset, TimeUs};

use crate::support::Bed;

/// Follows up to offset `end`; a slow reader rests after each step until the writer has gone on.
fn follow(log: &dyn Log, after: u64, end: u64, slow: bool, done: &AtomicBool) -> Vec<i64> {
    let mut tail = log.tail(LogOffset::from_u64(after)).unwrap();
    let (mut seen, mut clock): (Vec<i64>, _) = (Vec::new(), TimeUs(i64::MIN));
    while seen.last().is_none_or(|last| last.cast_unsigned() < end) {
        let TailItem::Step(step) = tail.next(Duration::from_secs(20)).unwrap() else {
            panic!("stopped at {:?}", seen.last())
        };
        assert!(step.position().clock >= clock, "the clock went back");
        clock = step.position().clock;
        seen.extend(offsets(&step));
        let rest_until = log.head().offset.to_u64() + 200;
        while slow && !done.load(Ordering::SeqCst) && log.head().offset.to_u64() < rest_until {
            std::thread::yield_now();
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_any_pace_get_everything_once() {
    let bed = Bed::with(|config| {
        config.segment_bytes = 60_000;
        config.ring_steps = 40;
    });
    let log: Arc<dyn Log> = Arc::new(bed.embedded());
    log.append(numbers("a", false, [0])).await.unwrap();
    log.append(numbers("b", false, [0])).await.unwrap();
    let total = 6_002;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = [(0, false), (0, true), (1, true), (2, false)]
        .into_iter()
        .map(|(after, slow)| {
            let (log, done) = (log.clone(), done.clone());
            (after, std::thread::spawn(move || follow(log.as_ref(), after, total, slow, &done)))
        })
        .collect();
    for round in 0..300 {
        let names = ["a", "b"];
        join_all((0..4).map(|i| log.append(numbers(names[(round + i) % 2], true, 0..5)))).await.into_iter().for_each(
            |appended| {
                appended.unwrap();
            },
        );
        bed.clock.advance(40_000);
    }
    done.store(true, Ordering::SeqCst);
    for (after, reader) in readers {
        let due: Vec<i64> = (after + 1..=total).map(u64::cast_signed).collect();
        assert!(reader.join().unwrap() == due, "a reader from {after} did not get everything once");
    }
    assert!(bed.segments().len() > 2, "segments changed meanwhile");
}

#[tokio::test]
async fn a_scan_of_large_rows_comes_in_batches_of_some_megabytes() {
    let bed = Bed::new();
    let log = bed.embedded();
    let fields = schema(1, &[("text", FieldType::String)]);
    for base in [None, Some(1), Some(1)] {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(9 << 20)]));
        let rows = stored(&fields, vec![None], vec![texts]);
        log.append(request("s", base, fields.clone(), rows)).await.unwrap();
    }
    let scan = log.scan(&stream("s"), LogOffset::START, log.head().offset, None);
    let rows: Vec<usize> = scan.map(|batch| batch.unwrap().num_rows()).collect();
    assert_eq!(rows, [1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scans_see_a_fixed_range_while_others_write() {
    let bed = Bed::with(|config| config.segment_bytes = 30_000);
    let log: Arc<dyn Log> = Arc::new(bed.embedded());
    log.append(numbers("a", false, 0..10)).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (log, done) = (log.clone(), done.clone());
        std::thread::spawn(move || {
            let mut scans = 0;
            while !done.load(Ordering::SeqCst) || scans == 0 {
                let upto = log.head().offset;
                let scan = log.scan(&stream("a"), LogOffset::START, upto, None);
                let rows: usize = scan.map(|batch| batch.unwrap().num_rows()).sum();
                assert_eq!(rows as u64, upto.to_u64());
                let last = log.last_rows(&stream("a"), 25, upto).unwrap();
                assert_eq!(last.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), upto.to_u64().min(25));
                scans += 1;
            }
        })
    };
    for _ in 0..400 {
        log.append(numbers("a", true, 0..10)).await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    reader.join().unwrap();
}
