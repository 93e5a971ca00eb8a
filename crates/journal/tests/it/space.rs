//! Disks that are full or failing: nothing half-kept, reads go on, and a full disk heals by itself.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pulseboard_journal::testsuite::rows::{all, eventually, keyed, next_step, numbers};
use pulseboard_journal::{AppendError, EmbeddedConfig, EmbeddedLog, Log};
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
    unavailable(log.append(large()).await);

    // Reads, retries of what was kept, and the clock go on.
    assert_eq!(all(&log, "s", "n"), [1]);
    assert!(log.append(keyed(numbers("s", true, [1]), 1, 1)).await.unwrap().replayed);
    bed.clock.advance(1_000_000);
    assert_eq!(next_step(tail.as_mut(), true).position().offset, LogOffset::from_u64(1));

    limit.store(0, Ordering::SeqCst);
    let appended = log.append(keyed(large(), 2, 2)).await.unwrap();
    assert!(!appended.replayed, "the refused request was not remembered");
    assert_eq!(appended.position.offset, LogOffset::from_u64(50_001));
    drop(tail);
    drop(log);
    assert_eq!(all(&bed.embedded(), "s", "_offset").len(), 50_001);
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

/// The real thing: the kernel says that there is no space. Where no small disk can be mounted, the test before this one
/// is all that is checked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_really_full_refuses_and_heals() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("no small disk can be mounted here");
        return;
    };
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
async fn the_limited_child_fails_and_stays_closed() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else { return };
    let log = EmbeddedLog::open(EmbeddedConfig::new(&dir), SystemClock::shared(), &Tasks::new()).unwrap();
    log.append(numbers("s", false, [0])).await.unwrap();
    let large = || numbers("s", true, noise(0..1_000_000));
    let reason = unavailable(log.append(large()).await);
    assert!(reason.contains("until a restart"), "{reason}");
    // Small enough to fit, and refused all the same: nobody knows what the disk holds.
    assert_eq!(unavailable(log.append(numbers("s", true, [1])).await), reason);
    assert_eq!(all(&log, "s", "n"), [0]);
    println!("the child saw it");
}

/// A write that fails for another reason than space closes the log for writing until it is opened again. The reason here
/// is a limit on the size of files, which only another process can have.
#[tokio::test]
async fn another_failure_closes_the_log_until_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let child = limited_child(dir.path());
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && output.contains("the child saw it"),
        "{output}\n{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let log = EmbeddedLog::open(EmbeddedConfig::new(dir.path()), SystemClock::shared(), &Tasks::new()).unwrap();
    log.append(numbers("s", true, [1])).await.unwrap();
    assert_eq!(all(&log, "s", "n"), [0, 1]);
}

fn limited_child(dir: &Path) -> std::process::Output {
    // 4,096 blocks of 512 or 1,024 bytes, as the shell counts; the signal that comes with the error is ignored.
    let script =
        "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact space::the_limited_child_fails_and_stays_closed --nocapture";
    Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(std::env::current_exe().unwrap())
        .env(DIR_VARIABLE, dir)
        .output()
        .unwrap()
}
