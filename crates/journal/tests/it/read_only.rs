//! The lock, and reading without it: beside a server and with none.

use std::sync::Arc;
use std::time::Duration;

use pulseboard_journal::testsuite::rows::{all, floats, next_step, numbers, offsets, stream};
use pulseboard_journal::{AppendError, Log, LogError, ReadOnlyLog, read_owner};
use pulseboard_model::LogOffset;

use crate::support::Bed;

fn open(bed: &Bed) -> Result<ReadOnlyLog, LogError> {
    ReadOnlyLog::open(bed.dir.path(), bed.clock.clone())
}

#[tokio::test]
async fn a_second_server_is_told_who_has_the_directory() {
    let bed = Bed::new();
    let log = bed.embedded();
    log.set_url("http://127.0.0.1:4711").unwrap();
    let Err(LogError::Locked { owner, .. }) = bed.try_open() else { panic!("opened twice") };
    assert!(owner.contains("http://127.0.0.1:4711") && owner.contains(&std::process::id().to_string()), "{owner}");
    assert_eq!(read_owner(bed.dir.path()).unwrap().url.as_deref(), Some("http://127.0.0.1:4711"));
    drop(log);
    assert_eq!(read_owner(bed.dir.path()), None);
    bed.embedded();
}

#[tokio::test]
async fn a_reader_sees_what_a_server_writes_beside_it() {
    let bed = Bed::with(|config| config.segment_bytes = 3_000);
    let log = bed.embedded();
    log.append(numbers("s", false, [1, 2])).await.unwrap();
    let reader = open(&bed).unwrap();
    assert_eq!((all(&reader, "s", "n"), reader.head().offset), (vec![1, 2], log.head().offset));
    assert_eq!(reader.append(numbers("s", true, [3])).await, Err(AppendError::Closed));

    let mut tail = reader.tail(LogOffset::from_u64(1)).unwrap();
    assert_eq!(offsets(&next_step(tail.as_mut(), false)), [2]);
    // Over several segments, and with a schema that grows meanwhile.
    let writer = async {
        for i in 0..40 {
            log.append(numbers("s", true, [i; 20])).await.unwrap();
        }
        log.append(floats("s", 1, vec![0.5])).await.unwrap();
        log
    };
    let following = std::thread::spawn(move || {
        let mut seen: Vec<i64> = Vec::new();
        while seen.last() != Some(&803) {
            seen.extend(offsets(&next_step(tail.as_mut(), false)));
        }
        seen
    });
    let log = writer.await;
    assert_eq!(following.join().unwrap(), (3..=803).collect::<Vec<_>>());
    assert!(bed.segments().len() > 2);

    reader.refresh().unwrap();
    let (seen, written) = (reader.streams().remove(0), log.streams().remove(0));
    assert_eq!((seen.events, seen.bytes, seen.schema), (written.events, written.bytes, written.schema));
    assert_eq!(all(&reader, "s", "_offset"), (1..=803).collect::<Vec<_>>());
    let last = reader.last_rows(&stream("s"), 2, reader.head().offset).unwrap();
    assert_eq!(last.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
}

#[tokio::test]
async fn a_closed_log_is_read_without_a_server() {
    let bed = Bed::new();
    assert!(open(&bed).is_err(), "there is nothing yet");
    let log = bed.embedded();
    log.append(numbers("s", false, 0..100)).await.unwrap();
    let head = log.head();
    drop(log);
    let reader: Arc<dyn Log> = Arc::new(open(&bed).unwrap());
    assert_eq!(all(reader.as_ref(), "s", "n"), (0..100).collect::<Vec<_>>());
    assert_eq!((reader.head().epoch, reader.head().offset), (head.epoch, head.offset));
    let mut tail = reader.tail(LogOffset::from_u64(90)).unwrap();
    assert_eq!(offsets(&next_step(tail.as_mut(), false)), (91..=100).collect::<Vec<_>>());
    tail.next(Duration::ZERO).unwrap();
    // It took no lock and left the directory as it was.
    bed.embedded();
}

#[tokio::test]
async fn a_reader_is_told_that_the_end_is_missing() {
    let bed = Bed::with(|config| config.segment_bytes = 500);
    let log = bed.embedded();
    for i in 0..3 {
        log.append(numbers("s", i > 0, 0..50)).await.unwrap();
    }
    drop(log);
    let files = bed.segments();
    assert!(files.len() > 2, "{files:?}");
    files[1..].iter().for_each(|file| std::fs::remove_file(file).unwrap());
    let error = open(&bed).unwrap_err();
    let LogError::Corrupt { segment, offset, .. } = &error else { panic!("{error}") };
    assert_eq!((segment.as_str(), offset.to_u64()), ("00000001.sqlite", 51), "{error}");
    // A server makes a new epoch of what is left, and that can be read.
    drop(bed.embedded());
    assert_eq!(open(&bed).unwrap().head().offset, LogOffset::from_u64(50));
}

#[tokio::test]
async fn live_queries_are_kept_beside_the_log() {
    use pulseboard_journal::LiveQuery;
    let bed = Bed::new();
    let query = LiveQuery {
        hash: "h1".into(),
        sql: "SELECT 1".into(),
        timezone: "Europe/Berlin".into(),
        params: "{}".into(),
        last_used_us: 100,
    };
    let log = bed.embedded();
    log.meta_store().put_live_query(&query).unwrap();
    log.meta_store().put_live_query(&LiveQuery { hash: "h2".into(), ..query.clone() }).unwrap();
    log.meta_store().touch_live_queries(["h2", "unknown"], 200).unwrap();
    drop(log);
    let store = bed.embedded().meta_store();
    assert_eq!(store.live_query("h1").unwrap(), Some(query));
    assert_eq!(store.expire_live_queries(150).unwrap(), 1);
    assert_eq!(store.live_query("h1").unwrap(), None);
    assert_eq!(store.live_query("h2").unwrap().unwrap().last_used_us, 200);
}
