//! Writes that fail at a named place, in a process of their own: nothing is lost, nothing comes twice, a refused request
//! never appears, and the file that failed is not written again.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::SystemTime;

use pulseboard_journal::testsuite::rows::{all, eventually, floats, keyed, numbers, stream};
use pulseboard_journal::{AppendError, Appended, EmbeddedConfig, EmbeddedLog, Log, LogHealth, ReadOnlyLog};
use pulseboard_model::{LogOffset, TimeUs};
use pulseboard_runtime::{ManualClock, Tasks, fault};

use crate::support::{START_US, segments};

/// The signal by which a process ends that aborts.
const ABORTED: i32 = 6;

const DIR_VARIABLE: &str = "PULSEBOARD_JOURNAL_FAULT_DIR";

fn open(dir: &Path, clock: &Arc<ManualClock>) -> EmbeddedLog {
    EmbeddedLog::open(EmbeddedConfig::new(dir), clock.clone(), &Tasks::new()).unwrap()
}

/// Runs a test of this file alone, with a fault.
fn child(test: &str, dir: &Path, faults: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("faults::{test}"), "--nocapture"]);
    command.env(DIR_VARIABLE, dir).env(fault::VARIABLE, faults).output().unwrap()
}

fn assert_well(output: &Output) {
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("the child saw it"), "{said}\n{errors}");
}

/// Name, size and time of a segment's files. Those that only readers use are left out.
fn traces(segment: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let wal = PathBuf::from(format!("{}-wal", segment.display()));
    let trace = |path: PathBuf| {
        let file = std::fs::metadata(&path).unwrap();
        (path, file.len(), file.modified().unwrap())
    };
    [segment.to_owned(), wal].map(trace).into()
}

/// One keyed request of three rows.
async fn append(log: &EmbeddedLog, n: i64) -> Result<Appended, AppendError> {
    let key = u128::from(n.cast_unsigned()) + 1;
    log.append(keyed(numbers("s", n > 0, 3 * n..3 * n + 3), key, key)).await
}

/// What must be there after `requests` of them, however it is looked at.
fn assert_rows(log: &dyn Log, requests: i64) {
    let due: Vec<_> = (0..3 * requests).collect();
    assert_eq!(all(log, "s", "n"), due);
    assert_eq!(all(log, "s", "_offset"), (1..=3 * requests).collect::<Vec<_>>());
    let last = log.last_rows(&stream("s"), due.len(), LogOffset::from_u64(u64::MAX >> 2)).unwrap();
    assert_eq!(last.iter().map(arrow::record_batch::RecordBatch::num_rows).sum::<usize>(), due.len());
    assert_eq!(log.streams()[0].events, 3 * requests.cast_unsigned());
    let mut tail = log.tail(LogOffset::START).unwrap();
    let mut offset = LogOffset::START;
    while offset != log.head().offset {
        let step = pulseboard_journal::testsuite::rows::next_step(tail.as_mut(), false);
        assert!(step.position().offset.includes(offset), "{step:?}");
        offset = step.position().offset;
    }
    let moment = log.position_at(TimeUs(i64::MAX)).unwrap();
    assert_eq!(moment.offset.to_u64().cast_signed(), 3 * requests);
}

/// The child's part of the tests below. Does nothing when it is not run as the child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_goes_on_after_a_commit_failed() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else { return };
    let dir = Path::new(&dir);
    let clock = ManualClock::at(START_US);
    let log = open(dir, &clock);
    let mut before = None;
    for n in 0..10 {
        append(&log, n).await.unwrap();
        if segments(dir).len() == 2 && before.is_none() {
            before = Some(traces(&segments(dir)[0]));
        }
    }
    assert_eq!(segments(dir).len(), 2);
    assert_eq!(log.health(), LogHealth::Writable);
    let incident = log.incident().unwrap();
    assert_eq!((incident.segment.as_str(), incident.count), ("00000001.sqlite", 1));
    assert_rows(&log, 10);
    let reader = ReadOnlyLog::open(dir, clock.clone()).unwrap();
    assert_rows(&reader, 10);
    drop(reader);
    drop(log);
    // Not by housekeeping, not at the end, and not by the next start.
    assert_eq!(Some(traces(&segments(dir)[0])), before);
    assert_rows(&ReadOnlyLog::open(dir, clock.clone()).unwrap(), 10);
    let log = open(dir, &clock);
    assert_rows(&log, 10);
    for n in 0..10 {
        assert!(append(&log, n).await.unwrap().replayed, "request {n} would be kept twice");
    }
    append(&log, 10).await.unwrap();
    drop(log);
    assert_eq!(Some(traces(&segments(dir)[0])), before);
    println!("the child saw it");
}

#[test]
fn a_commit_that_fails_is_made_in_a_new_segment() {
    let dir = tempfile::tempdir().unwrap();
    // The start is a commit, too.
    assert_well(&child("the_child_goes_on_after_a_commit_failed", dir.path(), "journal.commit.write:5=error"));
    assert_rows(&open(dir.path(), &ManualClock::at(START_US)), 11);
}

/// The file holds the whole commit, and says that it failed.
#[test]
fn a_commit_that_fails_after_it_was_written_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    assert_well(&child("the_child_goes_on_after_a_commit_failed", dir.path(), "journal.commit.written:5=error"));
    let old = rusqlite::Connection::open(&segments(dir.path())[0]).unwrap();
    let commits: i64 = old.query_row("SELECT max(id) >> 16 FROM parts", [], |row| row.get(0)).unwrap();
    let answered: i64 = 4;
    assert_eq!(commits, answered + 1, "the failed commit is in the old file: this is what must not be read");
    drop(old);
    assert_rows(&open(dir.path(), &ManualClock::at(START_US)), 11);
}

/// The same without the summary that the metadata keeps: the file's own beginning says where the one before it ends.
#[test]
fn what_a_failed_commit_left_is_not_read_without_the_metadata_either() {
    let dir = tempfile::tempdir().unwrap();
    assert_well(&child("the_child_goes_on_after_a_commit_failed", dir.path(), "journal.commit.written:5=error"));
    let meta = rusqlite::Connection::open(dir.path().join("meta.sqlite")).unwrap();
    assert_eq!(meta.execute("DELETE FROM segments", []).unwrap(), 1);
    drop(meta);
    let clock = ManualClock::at(START_US);
    assert_rows(&ReadOnlyLog::open(dir.path(), clock.clone()).unwrap(), 11);
    assert_rows(&open(dir.path(), &clock), 11);
    assert_rows(&open(dir.path(), &clock), 11);
}

/// The child's part of the test below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_sees_a_schema_grow_in_a_commit_that_fails_twice() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else { return };
    let dir = Path::new(&dir);
    let log = open(dir, &ManualClock::at(START_US));
    log.append(numbers("s", false, [1])).await.unwrap();
    let Err(AppendError::Unavailable { reason }) = log.append(floats("s", 1, vec![2.5])).await else {
        panic!("it failed in two segments");
    };
    assert!(reason.contains("asked for"), "{reason}");
    assert_eq!((log.health(), log.incident().unwrap().count), (LogHealth::Writable, 2), "others are none the worse");
    log.append(numbers("s", true, [3])).await.unwrap();
    assert_eq!(segments(dir).len(), 3);
    println!("the child saw it");
}

#[test]
fn a_refused_request_leaves_neither_rows_nor_schema() {
    let dir = tempfile::tempdir().unwrap();
    // Start, first rows, the request; the beginning of the next segment, the request again.
    let faults = "journal.commit.written:3=error,journal.commit.written:5=error";
    assert_well(&child("the_child_sees_a_schema_grow_in_a_commit_that_fails_twice", dir.path(), faults));
    for metadata in [true, false] {
        if !metadata {
            let meta = rusqlite::Connection::open(dir.path().join("meta.sqlite")).unwrap();
            meta.execute("DELETE FROM segments", []).unwrap();
        }
        let log = open(dir.path(), &ManualClock::at(START_US));
        assert_eq!((all(&log, "s", "n"), all(&log, "s", "_offset")), (vec![1, 3], vec![1, 2]));
        assert_eq!(log.schema("s").unwrap().version.0, 1);
    }
}

/// The child's part of the test below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_waits_for_a_new_segment() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else { return };
    let dir = Path::new(&dir);
    let clock = ManualClock::at(START_US);
    let log = open(dir, &clock);
    append(&log, 0).await.unwrap();
    let refused = append(&log, 1).await;
    let Err(AppendError::Unavailable { reason }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("tried again each second"), "{reason}");
    assert_eq!(log.health(), LogHealth::Broken { reason });
    assert_rows(&log, 1);
    // Twice in vain, then there is one.
    for _ in 0..3 {
        clock.advance(1_000_000);
        let now = clock_of(&clock);
        eventually("the clock to go on", || log.head().clock >= TimeUs(now).floor_to_second());
    }
    eventually("a new segment", || log.health() == LogHealth::Writable);
    append(&log, 1).await.unwrap();
    assert_rows(&log, 2);
    println!("the child saw it");
}

fn clock_of(clock: &ManualClock) -> i64 {
    pulseboard_runtime::Clock::now_us(clock)
}

#[test]
fn a_new_segment_is_tried_again_and_what_was_refused_stays_refused() {
    let dir = tempfile::tempdir().unwrap();
    let faults = "journal.commit.written:3=error,journal.create.rename:2=error,journal.create.sync:2=error,\
                  journal.replace.begin:1=error";
    assert_well(&child("the_child_waits_for_a_new_segment", dir.path(), faults));
    assert_eq!(segments(dir.path()).len(), 2);
    assert_rows(&open(dir.path(), &ManualClock::at(START_US)), 2);
}

/// The child's part of the test below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_cannot_verify() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else { return };
    let clock = ManualClock::at(START_US);
    let log = open(Path::new(&dir), &clock);
    append(&log, 0).await.unwrap();
    let refused = append(&log, 1).await;
    let Err(AppendError::Unavailable { reason }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("until a restart"), "{reason}");
    clock.advance(2_000_000);
    eventually("the clock to go on", || log.head().clock.0 > START_US + 1_000_000);
    assert_eq!(log.health(), LogHealth::Broken { reason });
    assert_rows(&log, 1);
    println!("the child saw it");
}

#[test]
fn what_cannot_be_verified_stays_closed_until_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let faults = "journal.commit.write:3=error,journal.replace.verify=error";
    assert_well(&child("the_child_cannot_verify", dir.path(), faults));
    assert_rows(&open(dir.path(), &ManualClock::at(START_US)), 1);
}

/// The child's part of the test below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_dies_in_a_change_of_segments() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else { return };
    let log = open(Path::new(&dir), &ManualClock::at(START_US));
    for n in 0..10 {
        append(&log, n).await.unwrap();
        println!("acknowledged {n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_the_change_after_a_failure_loses_and_doubles_nothing() {
    for stage in
        ["replace.verify", "create.rename:2", "create.sync:2", "replace.begin", "commit.write:6", "commit.written:6"]
    {
        for failure in ["commit.write", "commit.written"] {
            // The passages of the commit that fails and of the new segment's first one are counted apart.
            let faults = format!("journal.{failure}:5=error,journal.{stage}=abort");
            let dir = tempfile::tempdir().unwrap();
            let output = child("the_child_dies_in_a_change_of_segments", dir.path(), &faults);
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.signal(), Some(ABORTED), "{faults}: {said}");
            assert!(said.contains("acknowledged 2"), "{faults}: {said}");
            assert!(!said.contains("acknowledged 3"), "{faults}: {said}");
            let log = open(dir.path(), &ManualClock::at(START_US));
            let there = all(&log, "s", "n").len() / 3;
            assert!([3, 4].contains(&there), "{faults}: {there}");
            assert_rows(&log, i64::try_from(there).unwrap());
            // Sent again, it is there once.
            for n in 3..5 {
                append(&log, n).await.unwrap();
            }
            assert_rows(&log, 5);
        }
    }
}
