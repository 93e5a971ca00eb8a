//! A server that dies at a named step of its log's work, again and again: no row is lost or doubled, every file can be
//! read, whatever was half-done.
//!
//! Each stage gets a few rounds in a normal run; `PULSEBOARD_CRASH_ROUNDS=50` makes them fifty.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::future::join_all;
use pulseboard_journal::{Log, ReadOnlyLog};
use pulseboard_model::{LogOffset, StreamName};
use pulseboard_runtime::{SystemClock, fault};
use rand::Rng;
use serde_json::json;

use crate::support::random::random;
use crate::support::server::Home;
use crate::support::until::{PATIENCE, until};
use crate::support::writer::Writer;

/// How often a server dies at each stage unless the environment says otherwise.
const ROUNDS: usize = 3;
const ROUNDS_VARIABLE: &str = "PULSEBOARD_CRASH_ROUNDS";
const WRITERS: usize = 3;

/// The signal by which a process ends that aborts.
const ABORTED: i32 = 6;

/// What the server is set up for, so that the stage comes soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setup {
    /// Small segments: they change all the time.
    Small,
    /// Large ones, whose write-ahead log is copied back.
    Large,
    /// Small ones of which only the newest are kept.
    Dropping,
}

impl Setup {
    fn config(self) -> String {
        let (segment, keep) = match self {
            Self::Small => ("8KiB", ""),
            Self::Large => ("64MiB", ""),
            Self::Dropping => ("4KiB", "max_bytes = \"16KiB\"\n"),
        };
        format!("[archive]\nenabled = false\nseal_bytes = \"{segment}\"\n[streams.events]\n{keep}")
    }
}

/// Where the server dies, at which passages, and what must fail before so that it comes there.
#[derive(Debug, Clone, Copy)]
struct Stage {
    name: &'static str,
    passages: u64,
    setup: Setup,
    failure: Option<&'static str>,
}

const fn stage(name: &'static str, passages: u64, setup: Setup) -> Stage {
    Stage { name, passages, setup, failure: None }
}

const fn after(failure: &'static str, name: &'static str) -> Stage {
    Stage { name, passages: 1, setup: Setup::Small, failure: Some(failure) }
}

async fn assert_stages(seed: u64, stages: &[Stage]) {
    let rounds = std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    join_all(stages.iter().zip(seed..).map(|(stage, seed)| assert_stage(*stage, seed, rounds))).await;
}

async fn assert_stage(stage: Stage, seed: u64, rounds: usize) {
    let home = Home::new(&stage.setup.config());
    let mut random = random(seed);
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    for round in 0..rounds {
        let mut faults = format!("{}:{}=abort", stage.name, random.random_range(1..=stage.passages));
        if let Some(failure) = stage.failure {
            faults += &format!(",{failure}:{}=error", random.random_range(3..20));
        }
        let status = write_until_it_dies(&home, &faults, &mut writers).await;
        assert_eq!(status.signal(), Some(ABORTED), "round {round}, {faults}: it ended with {status}: {}", home.said());
        if home.data_dir().join("meta.sqlite").exists() && writers.iter().any(|writer| writer.acknowledged > 0) {
            assert_nothing_lost(&home, &writers, stage, &format!("round {round}, {faults}"));
        }
    }
    // The server itself sees the same, and goes on.
    let server = home.start().await;
    let url = server.api.url.clone();
    let last = "SELECT max(_offset) FROM events";
    let before = server.api.query(last).await["rows"].clone();
    let life = async {
        until("more events", async || (server.api.query(last).await["rows"] != before).then_some(())).await;
        server.kill().await;
    };
    tokio::join!(life, join_all(writers.iter_mut().map(|writer| writer.write(&url))));
    let server = home.start().await;
    let sql =
        "SELECT writer, count(*), count(DISTINCT seq), max(seq) - min(seq) + 1, max(seq) + 1 FROM events GROUP BY 1";
    let answer = server.api.query(sql).await;
    for writer in &writers {
        let row = answer["rows"].as_array().unwrap().iter().find(|row| row[0] == writer.name);
        let Some(row) = row else {
            assert_eq!(writer.acknowledged, 0, "{stage:?}: nothing of {writer:?}");
            continue;
        };
        assert_eq!(*row, json!([writer.name, row[1], row[1], row[1], row[4]]), "{stage:?}");
        let allowed = [writer.acknowledged, writer.acknowledged + writer.pending];
        assert!(allowed.contains(&row[4].as_i64().unwrap()), "{stage:?}: {row} is not of {allowed:?}");
    }
    server.stop().await;
}

/// A server with these faults and writers who send to it as long as it lives.
async fn write_until_it_dies(home: &Home, faults: &str, writers: &mut [Writer]) -> ExitStatus {
    let server = match home.start_in(&[(fault::VARIABLE, OsStr::new(faults))]).await {
        Ok(server) => server,
        Err(status) => return status,
    };
    let url = server.api.url.clone();
    let (status, _) =
        tokio::join!(server.ended(PATIENCE), join_all(writers.iter_mut().map(|writer| writer.write(&url))));
    status
}

/// Read without any server: each writer's events are its numbers without hole or double up to what was acknowledged, from
/// 0 on unless retention dropped some; offsets have no holes either.
fn assert_nothing_lost(home: &Home, writers: &[Writer], stage: Stage, what: &str) {
    let log = ReadOnlyLog::open(&home.data_dir(), SystemClock::shared());
    let log = log.unwrap_or_else(|error| panic!("{what}: {error}"));
    let stream = StreamName::new("events").unwrap();
    let mut held: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let mut offsets = Vec::new();
    for batch in log.scan(&stream, LogOffset::START, log.head().offset, None) {
        let batch = batch.unwrap_or_else(|error| panic!("{what}: {error}"));
        let column = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec();
        for (writer, seq) in column("writer").into_iter().zip(column("seq")) {
            held.entry(writer).or_default().push(seq);
        }
        offsets.extend(column("_offset"));
    }
    assert!(offsets.is_sorted_by(|a, b| a + 1 == *b), "{what}: offsets have holes");
    for writer in writers {
        let seqs = held.remove(&i64::try_from(writer.name).unwrap()).unwrap_or_default();
        assert!(seqs.is_sorted_by(|a, b| a + 1 == *b), "{what}: {seqs:?} of {writer:?}");
        if let (Some(first), Some(last)) = (seqs.first(), seqs.last()) {
            let allowed = [writer.acknowledged, writer.acknowledged + writer.pending];
            assert!(allowed.contains(&(last + 1)), "{what}: {last} is the last of {writer:?}");
            assert!(*first == 0 || stage.setup == Setup::Dropping, "{what}: {first} is the first of {writer:?}");
        } else {
            assert!(writer.acknowledged == 0 || stage.setup == Setup::Dropping, "{what}: nothing of {writer:?}");
        }
    }
}

#[tokio::test]
async fn a_crash_around_a_commit_loses_and_doubles_nothing() {
    let stages = [
        stage("journal.commit.write", 60, Setup::Small),
        stage("journal.commit.written", 60, Setup::Small),
        stage("journal.meta.write", 5, Setup::Small),
        stage("journal.checkpoint.copy", 1, Setup::Large),
        stage("journal.checkpoint.copied", 1, Setup::Large),
    ];
    assert_stages(100, &stages).await;
}

#[tokio::test]
async fn a_crash_in_a_change_of_segments_loses_and_doubles_nothing() {
    let stages = [
        stage("journal.create.rename", 3, Setup::Small),
        stage("journal.create.sync", 3, Setup::Small),
        stage("journal.rotate.switch", 3, Setup::Small),
        stage("journal.seal.index", 3, Setup::Small),
        stage("journal.seal.empty", 3, Setup::Small),
        stage("journal.seal.close", 3, Setup::Small),
        stage("journal.seal.summary", 3, Setup::Small),
    ];
    assert_stages(200, &stages).await;
}

#[tokio::test]
async fn a_crash_while_retention_drops_leaves_the_rest_whole() {
    let stages = [
        stage("journal.drop.forget", 3, Setup::Dropping),
        stage("journal.drop.remove", 3, Setup::Dropping),
        stage("journal.remove.removed", 3, Setup::Dropping),
    ];
    assert_stages(300, &stages).await;
}

#[tokio::test]
async fn a_crash_while_the_log_goes_on_after_a_failed_write_loses_and_doubles_nothing() {
    let stages = [
        after("journal.commit.write", "journal.replace.verify"),
        after("journal.commit.written", "journal.replace.verify"),
        after("journal.commit.write", "journal.replace.begin"),
        after("journal.commit.written", "journal.replace.begin"),
        after("journal.seal.index", "journal.seal.summary"),
        after("journal.seal.empty", "journal.rotate.switch"),
        after("journal.seal.close", "journal.seal.summary"),
    ];
    assert_stages(400, &stages).await;
}
