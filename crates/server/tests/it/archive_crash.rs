//! A server that dies at a named step of its archive's work, again and again: history and log together have every row once,
//! and a chart out of rollups is the chart out of rows.
//!
//! Each stage gets a few rounds in a normal run; `PULSEBOARD_CRASH_ROUNDS=50` makes them fifty.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::future::join_all;
use pulseboard_archive::{Archive, ArchivedLog};
use pulseboard_journal::{Log, ReadOnlyLog};
use pulseboard_model::{LogOffset, StreamName};
use pulseboard_runtime::{SystemClock, Tasks, fault};
use rand::Rng;
use serde_json::{Value, json};

use crate::support::compare::{lines, sorted};
use crate::support::random::random;
use crate::support::server::{Home, Server};
use crate::support::until::{PATIENCE, until};
use crate::support::writer::Writer;

/// How often a server dies at each stage unless the environment says otherwise.
const ROUNDS: usize = 2;
const ROUNDS_VARIABLE: &str = "PULSEBOARD_CRASH_ROUNDS";
const WRITERS: usize = 2;
/// The signal by which a process ends that aborts.
const ABORTED: i32 = 6;

const CHART: &str = "SELECT time_bucket($bucket, time) AS t, kind, count(*) AS n, sum(seq) AS s FROM events \
                     WHERE time >= $from AND time < $to GROUP BY time_bucket($bucket, time), kind";

/// Small segments, so that each stage comes soon; `keep` is what is said of the stream.
fn config(keep: &str) -> String {
    format!("[archive]\nseal_bytes = \"4KiB\"\n[streams.events]\n{keep}\n[views.chart]\nsql = \"{CHART}\"\n")
}

const EVERYTHING: &str = "";
const DROPPING: &str = "max_bytes = \"32KiB\"";

async fn assert_stages(seed: u64, keep: &'static str, stages: &[(&'static str, u64)]) {
    let rounds = std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let stages = stages.iter().zip(seed..);
    join_all(stages.map(|((stage, passages), seed)| assert_stage(stage, *passages, keep, seed, rounds))).await;
}

async fn assert_stage(stage: &str, passages: u64, keep: &str, seed: u64, rounds: usize) {
    let home = Home::new(&config(keep));
    let mut random = random(seed);
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    for round in 0..rounds {
        let faults = format!("{stage}:{}=abort", random.random_range(1..=passages));
        let what = format!("round {round}, {faults}");
        let status = match home.start_in(&[(fault::VARIABLE, OsStr::new(&faults))]).await {
            Ok(server) => {
                let url = server.api.url.clone();
                let writing = join_all(writers.iter_mut().map(|writer| writer.write(&url)));
                tokio::join!(server.ended(PATIENCE), writing).0
            }
            Err(status) => status,
        };
        assert_eq!(status.signal(), Some(ABORTED), "{what}: it ended with {status}: {}", home.said());
        assert_nothing_lost(&home, &writers, keep, &what).await;
    }
    // The server itself sees the same.
    let server = home.start().await;
    let sql = "SELECT writer, count(*), count(DISTINCT seq), max(seq) - min(seq) + 1, max(seq) FROM events GROUP BY 1";
    let answer = server.api.query(sql).await;
    for row in answer["rows"].as_array().unwrap() {
        assert_eq!(*row, json!([row[0], row[1], row[1], row[1], row[4]]), "{stage}");
    }
    if keep == EVERYTHING {
        assert_chart(&server, stage).await;
    }
    server.stop().await;
}

/// What the archive and the log beyond it have, read without any server: each writer's events without hole or double up to
/// what was acknowledged, from 0 on unless retention dropped some.
async fn assert_nothing_lost(home: &Home, writers: &[Writer], keep: &str, what: &str) {
    let (data_dir, tasks) = (home.data_dir(), Tasks::new());
    let found = tokio::task::spawn_blocking(move || {
        let log = ReadOnlyLog::open(&data_dir, SystemClock::shared()).map_err(|error| error.to_string())?;
        let log: Arc<dyn Log> = Arc::new(log);
        let archive = Archive::read_only(&data_dir, &tasks).map_err(|error| error.to_string())?;
        let log: Arc<dyn Log> = match archive {
            Some(archive) => Arc::new(ArchivedLog::read_only(log, Arc::new(archive))),
            None => log,
        };
        let mut held: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        let stream = StreamName::new("events").unwrap();
        for batch in log.scan(&stream, LogOffset::START, log.head().offset, None) {
            let batch = batch.map_err(|error| error.to_string())?;
            let column = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec();
            for (writer, seq) in column("writer").into_iter().zip(column("seq")) {
                held.entry(writer).or_default().push(seq);
            }
        }
        Ok::<_, String>(held)
    });
    let mut held = found.await.unwrap().unwrap_or_else(|error| panic!("{what}: {error}"));
    for writer in writers {
        let seqs = held.remove(&i64::try_from(writer.name).unwrap()).unwrap_or_default();
        assert!(seqs.is_sorted_by(|a, b| a + 1 == *b), "{what}: {seqs:?} of {writer:?}");
        let allowed = [writer.acknowledged, writer.acknowledged + writer.pending];
        match (seqs.first(), seqs.last()) {
            (Some(first), Some(last)) => {
                assert!(allowed.contains(&(last + 1)), "{what}: {last} is the last of {writer:?}");
                assert!(*first == 0 || keep == DROPPING, "{what}: {first} is the first of {writer:?}");
            }
            _ => assert!(writer.acknowledged == 0 || keep == DROPPING, "{what}: nothing of {writer:?}"),
        }
    }
}

/// The view's chart by the minute is the query's, and some of it comes out of states.
async fn assert_chart(server: &Server, stage: &str) {
    let body = json!({"view": "chart", "from": "-3h", "points": 500});
    let answered = until("states of archived files", async || {
        let range = server.api.post("/api/v1/range", &body).await.ok();
        let metrics = server.api.get("/metrics").await.text();
        let states = metric(&metrics, "pulseboard_rollup_states_total");
        (states > 0.0).then_some(range)
    })
    .await;
    let query = json!({"sql": CHART, "at": answered["position"], "params": {
        "bucket": answered["bucket"], "from": answered["params"]["from"]}});
    let due: Value = server.api.post("/api/v1/query", &query).await.ok();
    assert_eq!(sorted(lines(&answered["rows"])), sorted(lines(&due["rows"])), "{stage}");
}

fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.split([' ', '{']).next() == Some(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
}

#[tokio::test]
async fn a_crash_while_a_segment_becomes_files_loses_and_doubles_nothing() {
    let stages = [
        ("archive.file.write", 4),
        ("archive.file.name", 4),
        ("archive.file.named", 4),
        ("archive.seal.publish", 4),
        ("archive.manifest.write", 4),
        ("archive.manifest.written", 4),
    ];
    assert_stages(500, EVERYTHING, &stages).await;
}

#[tokio::test]
async fn a_crash_while_files_are_joined_loses_and_doubles_nothing() {
    let stages = [("archive.merge.begin", 1), ("archive.merge.publish", 1), ("archive.drop.file", 3)];
    assert_stages(600, EVERYTHING, &stages).await;
}

#[tokio::test]
async fn a_crash_while_retention_drops_files_leaves_the_rest_whole() {
    let stages = [("archive.drop.publish", 2), ("archive.drop.file", 2)];
    assert_stages(700, DROPPING, &stages).await;
}

#[tokio::test]
async fn a_crash_while_states_are_kept_beside_a_file_changes_no_answer() {
    let stages = [("archive.sidecar.write", 8), ("archive.sidecar.publish", 3)];
    assert_stages(800, EVERYTHING, &stages).await;
}
