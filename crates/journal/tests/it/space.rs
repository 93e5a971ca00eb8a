//! Disks that are full or failing: nothing half-kept, reads go on, and a full disk heals by itself.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pulseboard_journal::testsuite::rows::{all, eventually, keyed, next_step, numbers};
use pulseboard_journal::{AppendError, EmbeddedConfig, EmbeddedLog, Log, LogHealth};
use pulseboard_model::LogOffset;
use pulseboard_runtime::{SystemClock, Tasks};

use crate::support::Bed;

/// Numbers that do not get smaller by compression.
fn noise(of: std::ops::Range<i64>) -> impl Iterator<Item = i64> {
    of.map(|i| i.wrapping_mul(0x1e37_79b9_7f4a_7c15))
}

fn unavailable(answer: Result<pulseboard_journal::Appended, AppendError>) -> String {
    match answer {
        Err(AppendError::Unavailable { reason }) => reason,
        other => panic!("expected that it cannot write: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_heals() {
    let limit = Arc::new(AtomicU32::new(0));
    let bed = Bed::with(|config| config.page_limit = Some(limit.clone()));
    let log = bed.embedded();
    log.append(keyed(numbers("s", false, [1]), 1, 1)).await.unwrap();
    let mut tail = log.tail(log.head().offset).unwrap();
    limit.store(1, Ordering::SeqCst);
    let large = || numbers("s", true, noise(0..50_000));
    let reason = unavailable(log.append(keyed(large(), 2, 2)).await);
    assert!(reason.contains("no space"), "{reason}");
    assert_eq!(log.health(), LogHealth::Full);
    unavailable(log.append(large()).await);

    // Reads, retries of what was kept, and the clock go on.
    assert_eq!(all(&log, "s", "n"), [1]);
    assert!(log.append(keyed(numbers("s", true, [1]), 1, 1)).await.unwrap().replayed);
    bed.clock.advance(1_000_000);
    assert_eq!(next_step(tail.as_mut(), true).position().offset, LogOffset::from_u64(1));

    // It finds out by itself when there is space again.
    unavailable(log.append(large()).await);
    assert_eq!(log.health(), LogHealth::Full);
    limit.store(0, Ordering::SeqCst);
    bed.clock.advance(1_000_000);
    eventually("the log to find space", || log.health() == LogHealth::Writable);
    let appended = log.append(keyed(large(), 2, 2)).await.unwrap();
    assert!(!appended.replayed, "the refused request was not remembered");
    assert_eq!(appended.position.offset, LogOffset::from_u64(50_001));
    drop(tail);
    drop(log);
    assert_eq!(all(&bed.embedded(), "s", "_offset").len(), 50_001);
}

/// What the metadata knows of sealed segments.
fn summaries(bed: &Bed) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let meta = rusqlite::Connection::open_with_flags(bed.dir.path().join("meta.sqlite"), flags).unwrap();
    meta.query_row("SELECT count(*) FROM segments", [], |row| row.get(0)).unwrap()
}

/// A log whose first segment could not be sealed for want of space. What fits into the pages it has is still taken.
async fn unsealed() -> (Bed, Arc<AtomicU32>) {
    let limit = Arc::new(AtomicU32::new(1));
    let bed = Bed::with(|config| {
        config.page_limit = Some(limit.clone());
        config.segment_bytes = 500;
    });
    let log = bed.embedded();
    log.append(numbers("s", false, 0..100)).await.unwrap();
    eventually("a second segment", || bed.segments().len() == 2);
    drop(log);
    assert_eq!(summaries(&bed), 0);
    (bed, limit)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_does_not_keep_a_start_and_sealing_is_tried_again() {
    let (bed, limit) = unsealed().await;
    let log = bed.embedded();
    assert_eq!(all(&log, "s", "n"), (0..100).collect::<Vec<_>>());
    assert_eq!(summaries(&bed), 0);
    limit.store(0, Ordering::SeqCst);
    eventually("the first segment to be sealed", || summaries(&bed) == 1);
    log.append(numbers("s", true, [100])).await.unwrap();
    drop(log);
    assert_eq!(all(&bed.embedded(), "s", "n"), (0..101).collect::<Vec<_>>());
}

/// What the metadata knew of segments whose files are gone is not taken for the new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lost_all_its_files_begins_anew() {
    let (bed, limit) = unsealed().await;
    limit.store(0, Ordering::SeqCst);
    drop(bed.embedded());
    assert_eq!(summaries(&bed), 1);
    bed.segments().iter().for_each(|file| std::fs::remove_file(file).unwrap());
    limit.store(1, Ordering::SeqCst);
    let log = bed.embedded();
    assert_eq!(log.head().offset, LogOffset::START);
    log.append(numbers("s", true, 7..57)).await.unwrap();
    log.append(numbers("s", true, 57..77)).await.unwrap();
    eventually("a second segment", || bed.segments().len() >= 2);
    drop(log);
    assert_eq!(all(&bed.embedded(), "s", "n"), (7..77).collect::<Vec<_>>());
}

/// A file system of a few megabytes that goes with the test, where the machine lets us make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the small disk stays mounted");
    }
}

/// Set where no disk can be mounted at all, so that nobody takes for tested what was left out.
const NO_MOUNT: &str = "PULSEBOARD_NO_MOUNT";
const NAMESPACE_VARIABLE: &str = "PULSEBOARD_JOURNAL_NAMESPACE";

/// Whoever is not root may mount in a namespace of their own: runs the test below there.
fn in_a_namespace() {
    if std::env::var_os(NO_MOUNT).is_some() {
        return;
    }
    let is_inside = std::env::var_os(NAMESPACE_VARIABLE).is_some();
    let child = (!is_inside).then(|| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "space::a_disk_that_is_really_full_refuses_and_heals", "--nocapture"])
            .env(NAMESPACE_VARIABLE, "1")
            .output()
    });
    let said = match child {
        Some(Ok(output)) if output.status.success() => return,
        Some(Ok(output)) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Some(Err(error)) => error.to_string(),
        None => "not even in a namespace".to_owned(),
    };
    panic!("no small disk can be mounted; {NO_MOUNT}=1 leaves this test out, knowingly: {said}");
}

/// The real thing: the kernel says that there is no space.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_really_full_refuses_and_heals() {
    let Some(disk) = SmallDisk::mount() else { return in_a_namespace() };
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let log = EmbeddedLog::open(EmbeddedConfig::new(disk.0.path().join("data")), SystemClock::shared(), &Tasks::new())
        .unwrap();
    log.append(numbers("s", false, [0])).await.unwrap();
    let mut rows = 1_i64;
    let reason = loop {
        match log.append(numbers("s", true, noise(rows..rows + 2_000))).await {
            Ok(_) => rows += 2_000,
            refused => break unavailable(refused),
        }
        assert!(rows < 4_000_000, "six megabytes never got full");
    };
    assert!(reason.contains("no space"), "{reason}");
    assert_eq!(all(&log, "s", "_offset"), (1..=rows).collect::<Vec<_>>());
    std::fs::remove_file(&ballast).unwrap();
    let mut accepted = false;
    eventually("space to be used again", || {
        let answer = futures::executor::block_on(log.append(numbers("s", true, [7])));
        accepted = answer.is_ok();
        accepted
    });
    assert_eq!(all(&log, "s", "_offset").len() as i64, rows + 1);
    drop(log);
    let log = EmbeddedLog::open(EmbeddedConfig::new(disk.0.path().join("data")), SystemClock::shared(), &Tasks::new())
        .unwrap();
    assert_eq!(all(&log, "s", "_offset"), (1..=rows + 1).collect::<Vec<_>>());
}

const DIR_VARIABLE: &str = "PULSEBOARD_JOURNAL_LIMITED_DIR";

/// The child's part of the test below. Does nothing when it is not run as the child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limited_child_refuses_and_goes_on() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else { return };
    let log = EmbeddedLog::open(EmbeddedConfig::new(&dir), SystemClock::shared(), &Tasks::new()).unwrap();
    log.append(numbers("s", false, [0])).await.unwrap();
    let large = || numbers("s", true, noise(0..1_000_000));
    unavailable(log.append(large()).await);
    // It was tried in two segments, and is in neither.
    assert_eq!(log.incident().map(|incident| incident.count), Some(2));
    assert_eq!(log.health(), LogHealth::Writable);
    assert_eq!(all(&log, "s", "n"), [0]);
    log.append(numbers("s", true, [1])).await.unwrap();
    assert_eq!(all(&log, "s", "n"), [0, 1]);
    println!("the child saw it");
}

/// A write that fails for another reason than space closes its segment, and the log goes on. The reason here is a limit on
/// the size of files, which only another process can have.
#[tokio::test]
async fn a_request_that_cannot_be_written_anywhere_takes_no_other_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let child = limited_child(dir.path());
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && output.contains("the child saw it"),
        "{output}\n{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let log = EmbeddedLog::open(EmbeddedConfig::new(dir.path()), SystemClock::shared(), &Tasks::new()).unwrap();
    log.append(numbers("s", true, [2])).await.unwrap();
    assert_eq!(all(&log, "s", "n"), [0, 1, 2]);
}

fn limited_child(dir: &Path) -> std::process::Output {
    // 4,096 blocks of 512 or 1,024 bytes, as the shell counts; the signal that comes with the error is ignored.
    let script =
        "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact space::the_limited_child_refuses_and_goes_on --nocapture";
    Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(std::env::current_exe().unwrap())
        .env(DIR_VARIABLE, dir)
        .output()
        .unwrap()
}
