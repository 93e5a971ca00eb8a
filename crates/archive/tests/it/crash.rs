//! A process that dies at each stage of sealing, writing, joining, publishing and dropping, or whose stage fails, or that is
//! killed: what was acknowledged is there once, everything is readable, and nothing is left over.
//!
//! `PULSEBOARD_ARCHIVE_ROUNDS` says how often at each stage.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use pulseboard_archive::{Archive, ArchiveConfig, ArchivedLog};
use pulseboard_journal::{Keep, Log, Retention};
use pulseboard_model::LogOffset;
use pulseboard_runtime::{Clock, ManualClock, Tasks, fault};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::world::{SECOND_US, START_US, everything, log_config, numbers, open_log, request, small, stream};

const DIR_VARIABLE: &str = "PULSEBOARD_ARCHIVE_CHILD_DIR";
/// The signal by which a process ends that aborts.
const ABORTED: i32 = 6;
/// Rows of one request.
const ROWS: i64 = 60;
/// Requests of one life.
const REQUESTS: usize = 50;
/// How long stream `a` is kept; `b` is kept for ever.
const KEEP_US: i64 = 40 * SECOND_US;
const STREAMS: [&str; 2] = ["a", "b"];

const STAGES: [&str; 10] = [
    "archive.file.write",
    "archive.file.name",
    "archive.file.named",
    "archive.seal.publish",
    "archive.manifest.write",
    "archive.manifest.written",
    "archive.merge.begin",
    "archive.merge.publish",
    "archive.drop.publish",
    "archive.drop.file",
];

fn rounds() -> usize {
    std::env::var("PULSEBOARD_ARCHIVE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// Every row there is of a stream, checked: numbers without hole or double, up to the last; only what retention lets go is
/// missing. Gives how many rows there have ever been.
fn checked(log: &ArchivedLog, name: &str) -> i64 {
    let Some(rows) = everything(log, name) else { return 0 };
    let found = numbers(&rows);
    let (first, end) = (found[0], found[found.len() - 1] + 1);
    assert_eq!(found, (first..end).collect::<Vec<_>>(), "stream {name}");
    let arrived = rows.column_by_name("_arrived_at").unwrap();
    let first_at = arrived.as_primitive::<TimestampMicrosecondType>().value(0);
    match log.complete_from(&stream(name)) {
        None => assert_eq!(first, 0, "stream {name} lost rows and does not say so"),
        Some(from) => {
            assert_eq!(name, "a", "only that stream is let go");
            // Of the last instant that was dropped, rows may stand in the next file: that instant is no longer complete.
            assert!(first_at >= from.0 - 1, "stream {name} has rows from {first_at}, complete from {}", from.0);
            // The clock of the process that dropped them was up to a second ahead of the last commit.
            assert!(from.0 <= log.head().clock.0 - KEEP_US + 2 * SECOND_US, "stream {name} lost rows that are kept");
        }
    }
    let info = log.streams().into_iter().find(|info| info.name.as_str() == name).unwrap();
    assert_eq!(info.events, found.len() as u64, "stream {name}");
    end
}

/// The files on the disk are those that the manifest names.
fn assert_no_leftovers(dir: &Path, archive: &Archive) {
    for name in STREAMS {
        let named: BTreeSet<String> = archive.files(&stream(name)).into_iter().map(|file| file.name).collect();
        let there = std::fs::read_dir(dir.join("archive/data").join(name)).into_iter().flatten();
        let there = there.map(|entry| format!("data/{name}/{}", entry.unwrap().file_name().to_str().unwrap()));
        assert_eq!(there.collect::<BTreeSet<_>>(), named);
    }
    let unfinished = std::fs::read_dir(dir.join("archive/unfinished")).unwrap().count();
    assert_eq!(unfinished, 0, "unfinished files");
}

/// The child's life: looks at what is there, then appends and archives until it dies. Does nothing when it is not run as
/// the child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_appends_and_archives_until_it_dies() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else { return };
    let dir = Path::new(&dir);
    let clock = ManualClock::at(START_US);
    let log = Arc::new(open_log(log_config(dir), &clock));
    clock.set(log.head().clock.0);
    let streams = [(stream("a"), Keep { keep_us: KEEP_US, max_bytes: u64::MAX })].into();
    let retention = Retention { default: Keep { keep_us: i64::MAX, max_bytes: u64::MAX }, streams };
    let config = ArchiveConfig { retention, ..small(ArchiveConfig::new(dir)) };
    let archive = Arc::new(Archive::new(config, &Tasks::new()).unwrap());
    archive.open(log.as_ref()).unwrap();
    assert_no_leftovers(dir, &archive);
    let archived = ArchivedLog::new(log.clone(), archive.clone());
    let mut next = STREAMS.map(|name| checked(&archived, name));
    println!("found {} {}", next[0], next[1]);
    let mut random = StdRng::seed_from_u64(next[0].cast_unsigned());
    for turn in 0..REQUESTS {
        let which = turn % 2;
        let now = clock.now_us();
        let times: Vec<Option<i64>> = (0..ROWS).map(|_| Some(now - random.random_range(0..30 * SECOND_US))).collect();
        let request = request(STREAMS[which], next[which] > 0, 1, next[which], &times, &mut random);
        log.append(request).await.unwrap();
        next[which] += ROWS;
        println!("acknowledged {} {}", next[0], next[1]);
        clock.advance(SECOND_US);
        if turn % 3 == 2 {
            // A stage that fails is tried again by the next round.
            let failed = tokio::task::block_in_place(|| archive.round(&log, clock.as_ref())).err();
            if let Some(error) = failed {
                println!("failed {error}");
            }
        }
    }
    tokio::task::block_in_place(|| {
        archive.round(&log, clock.as_ref()).unwrap();
        assert_eq!(STREAMS.map(|name| checked(&archived, name)), next);
    });
    let upto = log.head().offset;
    assert!(archived.commits(LogOffset::START, upto).all(|marks| marks.is_ok()), "the commits are readable");
    println!("the child lived to its end");
}

/// What became of one life.
struct Life {
    aborted: bool,
    failed: bool,
    ended: bool,
}

/// Runs one life with a fault, or kills it after so many requests. `known` is what was acknowledged by those before, and
/// what one more request would have made of it.
fn live(dir: &Path, faults: &str, kill_after: Option<usize>, known: &mut [i64; 2]) -> Life {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::the_child_appends_and_archives_until_it_dies", "--nocapture"]);
    command.env(DIR_VARIABLE, dir).env(fault::VARIABLE, faults).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().unwrap();
    let mut life = Life { aborted: false, failed: false, ended: false };
    let (mut found, mut acknowledged) = (false, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The first line of the child may follow what the test runner says.
        let numbers = |text: &str| -> Option<[i64; 2]> {
            let mut numbers = text.split(' ').map(str::parse);
            Some([numbers.next()?.ok()?, numbers.next()?.ok()?])
        };
        if let Some(there) = line.split_once("found ").and_then(|(_, text)| numbers(text)) {
            found = true;
            for (there, known) in there.iter().zip(&mut *known) {
                assert!(
                    [*known, *known + ROWS].contains(there),
                    "{faults}: {there} rows where {known} were acknowledged"
                );
                *known = *there;
            }
        } else if let Some(there) = line.split_once("acknowledged ").and_then(|(_, text)| numbers(text)) {
            *known = there;
            acknowledged += 1;
            if kill_after == Some(acknowledged) {
                child.kill().unwrap();
            }
        }
        life.failed |= line.contains("failed ") && line.contains("fault");
        life.ended |= line.contains("the child lived to its end");
    }
    let status = child.wait().unwrap();
    life.aborted = status.signal() == Some(ABORTED);
    assert!(found, "{faults}: the child did not come up ({status})");
    assert!(life.ended || life.aborted || kill_after.is_some(), "{faults}: the child ended with {status}");
    life
}

#[test]
fn what_was_acknowledged_is_there_once_whatever_stage_a_process_dies_at() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(1);
    let mut known = [0, 0];
    // Something to join and to drop first.
    assert!(live(dir.path(), "", None, &mut known).ended);
    let (mut aborts, mut errors) = (0, 0);
    for stage in STAGES {
        let mut aborted = 0;
        for round in 0..rounds() {
            let passage = random.random_range(1..=3);
            let life = live(dir.path(), &format!("{stage}:{passage}=abort"), None, &mut known);
            aborted += usize::from(life.aborted);
            if round % 4 == 0 {
                let life = live(dir.path(), &format!("{stage}:{passage}=error"), None, &mut known);
                assert!(life.ended, "{stage}");
                errors += usize::from(life.failed);
            }
        }
        assert!(aborted * 2 >= rounds(), "stage {stage} was met {aborted} times in {}", rounds());
        aborts += aborted;
    }
    for _ in 0..rounds() {
        let after = random.random_range(1..REQUESTS);
        live(dir.path(), "", Some(after), &mut known);
    }
    assert!(live(dir.path(), "", None, &mut known).ended);
    assert!(errors >= STAGES.len() / 2, "{errors} stages failed");
    println!("{aborts} aborts, {errors} errors, {} kills; {known:?} rows", rounds());
}
