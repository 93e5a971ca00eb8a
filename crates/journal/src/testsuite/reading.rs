//! Tails, scans and last rows.

use std::time::Duration;

use arrow::array::Int64Array;
use pulseboard_model::{FieldType, LogOffset, TimeUs};

use super::TestBed;
use super::rows::{ints, next_step, numbers, offsets, request, schema, stored, stream};
use crate::log::{Log, TailItem};

/// From the beginning, the middle (inside a commit, too) and the end; from memory and, after reopening, from disk.
pub async fn a_tail_gives_each_step_once_from_anywhere(bed: &mut impl TestBed) {
    let mut log = bed.open();
    log.append(numbers("a", false, [0])).await.expect("appended");
    log.append(numbers("b", false, [0])).await.expect("appended");
    for i in 0..20 {
        log.append(numbers(if i % 3 == 0 { "a" } else { "b" }, true, [i, i])).await.expect("appended");
        bed.clock().advance(300_000);
    }
    for round in ["from memory", "from disk"] {
        let end = log.head().offset.to_u64();
        for after in [0, 1, 2, 3, 17, end - 1] {
            let mut tail = log.tail(LogOffset::from_u64(after)).expect("a tail");
            let (mut seen, mut clock): (Vec<i64>, _) = (Vec::new(), TimeUs(i64::MIN));
            while seen.last().is_none_or(|last| last.cast_unsigned() < end) {
                let step = next_step(tail.as_mut(), true);
                assert!(step.position().clock >= clock, "{round}, after {after}: the clock went back");
                clock = step.position().clock;
                seen.extend(offsets(&step));
            }
            let due: Vec<i64> = (after + 1..=end).map(u64::cast_signed).collect();
            assert_eq!(seen, due, "{round}, after {after}");
        }
        let mut tail = log.tail(LogOffset::from_u64(end)).expect("a tail");
        log.append(numbers("a", true, [100])).await.expect("appended");
        assert_eq!(offsets(&next_step(tail.as_mut(), false)), [end.cast_signed() + 1], "{round}");
        drop(tail);
        bed.close(log);
        log = bed.open();
    }
    bed.close(log);
}

/// Nothing new is `Idle` after the timeout; something new comes at once.
pub async fn a_tail_that_waits_is_woken(bed: &mut impl TestBed) {
    let log = bed.open();
    log.append(numbers("s", false, [0])).await.expect("appended");
    let mut tail = log.tail(log.head().offset).expect("a tail");
    assert!(matches!(tail.next(Duration::from_millis(1)).expect("nothing"), TailItem::Idle));
    let waiting = std::thread::spawn(move || offsets(&next_step(tail.as_mut(), false)));
    log.append(numbers("s", true, [1])).await.expect("appended");
    assert_eq!(waiting.join().expect("the reader"), [2]);
    bed.close(log);
}

async fn three_commits(log: &dyn Log) {
    let fields = schema(1, &[("n", FieldType::Int)]);
    let mut base = None;
    for (times, values) in [([10, 20], [1, 2]), ([30, 40], [3, 4]), ([50, 60], [5, 6])] {
        let column = std::sync::Arc::new(Int64Array::from(values.to_vec()));
        let rows = stored(&fields, times.map(Some).to_vec(), vec![column]);
        log.append(request("s", base, fields.clone(), rows)).await.expect("appended");
        log.append(numbers("other", base.is_some(), [0])).await.expect("appended");
        base = Some(1);
    }
}

/// `after < _offset <= upto`, of this stream only; `time_from` leaves out only what is all earlier.
pub async fn scans_keep_to_their_range(bed: &mut impl TestBed) {
    let log = bed.open();
    three_commits(log.as_ref()).await;
    // Offsets: 1 2, 4 5, 7 8.
    let scan = |after: u64, upto: u64, time_from: Option<i64>| -> Vec<i64> {
        let (after, upto) = (LogOffset::from_u64(after), LogOffset::from_u64(upto));
        let batches = log.scan(&stream("s"), after, upto, time_from.map(TimeUs));
        batches.flat_map(|batch| ints(&batch.expect("a batch"), "_offset")).collect()
    };
    assert_eq!(scan(0, 100, None), [1, 2, 4, 5, 7, 8]);
    assert_eq!(scan(1, 7, None), [2, 4, 5, 7]);
    assert_eq!(scan(4, 4, None), [] as [i64; 0]);
    assert_eq!(scan(2, 3, None), [] as [i64; 0]);
    assert_eq!(scan(5, 100, None), [7, 8]);
    let late = scan(0, 100, Some(45));
    assert!(late.ends_with(&[7, 8]) && late.iter().all(|offset| [1, 2, 4, 5, 7, 8].contains(offset)), "{late:?}");
    assert_eq!(log.scan(&stream("unknown"), LogOffset::START, log.head().offset, None).count(), 0);
    bed.close(log);
}

/// Batches have about 8,192 rows whatever the commits had.
pub async fn scans_join_small_commits_and_split_large_ones(bed: &mut impl TestBed) {
    let log = bed.open();
    for i in 0..50 {
        log.append(numbers("s", i > 0, [i])).await.expect("appended");
    }
    log.append(numbers("s", true, 50..30_000)).await.expect("appended");
    let scan = log.scan(&stream("s"), LogOffset::START, log.head().offset, None);
    let batches: Vec<_> = scan.map(|batch| batch.expect("a batch")).collect();
    let sizes: Vec<_> = batches.iter().map(arrow::record_batch::RecordBatch::num_rows).collect();
    assert!(sizes.iter().all(|size| *size <= 8_192) && sizes.len() <= 5, "{sizes:?}");
    assert_eq!(batches.iter().flat_map(|batch| ints(batch, "n")).collect::<Vec<_>>(), (0..30_000).collect::<Vec<_>>());
    bed.close(log);
}

/// The newest `n` up to an offset, oldest of them first.
pub async fn the_last_rows_are_the_last_rows(bed: &mut impl TestBed) {
    let log = bed.open();
    three_commits(log.as_ref()).await;
    let last = |n: usize, upto: u64| -> Vec<i64> {
        let batches = log.last_rows(&stream("s"), n, LogOffset::from_u64(upto)).expect("rows");
        batches.iter().flat_map(|batch| ints(batch, "_offset")).collect()
    };
    assert_eq!(last(3, 100), [5, 7, 8]);
    assert_eq!(last(2, 7), [5, 7]);
    assert_eq!(last(100, 100), [1, 2, 4, 5, 7, 8]);
    assert_eq!(last(2, 1), [1]);
    assert!(last(0, 100).is_empty() && last(2, 0).is_empty());
    assert!(log.last_rows(&stream("unknown"), 5, log.head().offset).expect("rows").is_empty());
    bed.close(log);
}
