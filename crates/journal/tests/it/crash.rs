//! A process that is killed while it appends: what it acknowledged is there, once, in order.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use futures::future::join_all;
use pulseboard_journal::testsuite::rows::{all, ints, keyed, numbers, stream};
use pulseboard_journal::{EmbeddedConfig, EmbeddedLog, Log};
use pulseboard_model::{LogOffset, Position};
use pulseboard_runtime::{SystemClock, Tasks};

const DIR_VARIABLE: &str = "PULSEBOARD_JOURNAL_CHILD_DIR";

fn open(dir: &str) -> EmbeddedLog {
    let mut config = EmbeddedConfig::new(dir);
    config.segment_bytes = 200_000;
    EmbeddedLog::open(config, SystemClock::shared(), &Tasks::new()).unwrap()
}

/// The child's work: appends rising numbers for ever, eight requests at a time, and says which are acknowledged. Does
/// nothing when it is not run as the child.
#[tokio::test]
async fn the_child_appends_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else { return };
    let log = open(&dir);
    let mut next = all(&log, "s", "n").last().map_or(0, |last| last + 1);
    if next == 0 {
        log.append(numbers("s", false, [0])).await.unwrap();
        next = 1;
    }
    loop {
        let requests = (0..8).map(|i| {
            let first = next + i * 3;
            let key = u128::from(first.cast_unsigned());
            log.append(keyed(numbers("s", true, first..first + 3), key, key))
        });
        for appended in join_all(requests).await {
            let appended = appended.unwrap();
            println!("acknowledged {}", appended.position);
        }
        next += 24;
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::the_child_appends_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(DIR_VARIABLE, dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged =
            || lines.find_map(|line| line.unwrap().split_once("acknowledged ")?.1.parse::<Position>().ok());
        let mut last = None;
        // Another number of acknowledgements in each round, so that the kill meets other moments.
        for _ in 0..1 + round * 67 % 400 {
            last = acknowledged();
            assert!(last.is_some(), "round {round}: the child ended by itself");
        }
        child.kill().unwrap();
        // What it said before it died counts, too; only the very last line may be cut.
        while let Some(position) = acknowledged() {
            last = last.filter(|last| last.offset > position.offset).or(Some(position));
        }
        child.wait().unwrap();

        let log = open(dir);
        let last = last.unwrap();
        assert_eq!(log.head().epoch, last.epoch, "round {round}");
        assert!(
            log.head().offset.includes(last.offset),
            "round {round}: {last} was acknowledged, {} is there",
            log.head()
        );
        let values = all(&log, "s", "n");
        assert_eq!(values, (0..values.len() as i64).collect::<Vec<_>>(), "round {round}");
        assert_eq!(all(&log, "s", "_offset"), (1..=values.len() as i64).collect::<Vec<_>>(), "round {round}");

        // A retry of a request that was in flight is kept or answered, never both.
        let first = values.last().unwrap() - 2;
        let key = u128::from(first.cast_unsigned());
        let retry = runtime.block_on(log.append(keyed(numbers("s", true, first..first + 3), key, key))).unwrap();
        assert!(retry.replayed, "round {round}");
        let batches = log.last_rows(&stream("s"), 3, LogOffset::from_u64(u64::MAX >> 2)).unwrap();
        assert_eq!(
            batches.iter().flat_map(|batch| ints(batch, "n")).collect::<Vec<_>>(),
            (first..first + 3).collect::<Vec<_>>()
        );
    }
}
