//! A disk on which `fsync` fails: a library put before the server says so to it, for the files of a segment.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::api::{Answer, Api, events_path};
use crate::support::server::{Home, Server};
use crate::support::until::until;
use crate::support::writer::Writer;

const LIBRARY: &str = include_str!("fsync_fails.c");

/// A home with the library in it.
struct FailingDisk {
    home: Home,
    library: PathBuf,
    trigger: PathBuf,
}

impl FailingDisk {
    fn new() -> Self {
        let home = Home::new("");
        let (source, library) = (home.file("fsync_fails.c"), home.file("fsync_fails.so"));
        std::fs::write(&source, LIBRARY).unwrap();
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl").output();
        let built = built.expect("a C compiler: SQLite needs one, too");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let trigger = home.file("fsync_fails_now");
        Self { home, library, trigger }
    }

    /// A server on this disk; `times` is `once` or `always`.
    async fn start(&self, times: &str) -> Server {
        let environment = [
            ("LD_PRELOAD", self.library.as_os_str()),
            ("FSYNC_TRIGGER", self.trigger.as_os_str()),
            ("FSYNC_FAILS", times.as_ref()),
        ];
        self.home.start_in(&environment).await.unwrap_or_else(|status| panic!("{status}: {}", self.home.said()))
    }

    fn fail(&self) {
        std::fs::write(&self.trigger, "").unwrap();
    }

    /// What lies on the disk of a segment: name, size, time of the last change.
    fn traces(&self, segment: &str) -> Vec<(PathBuf, u64, SystemTime)> {
        let path = self.home.data_dir().join("segments").join(segment);
        let wal = PathBuf::from(format!("{}-wal", path.display()));
        let trace = |path: PathBuf| {
            let file = std::fs::metadata(&path).unwrap();
            (path, file.len(), file.modified().unwrap())
        };
        [path, wal].map(trace).into()
    }
}

async fn ready(api: &Api) -> (u16, Value) {
    let answer = api.get("/health/ready").await;
    (answer.status, answer.json())
}

/// Every writer's events once, without a hole.
async fn assert_whole(api: &Api, writers: &[Writer]) {
    let sql =
        "SELECT writer, count(*), count(DISTINCT seq), min(seq), max(seq) FROM events GROUP BY writer ORDER BY writer";
    let answer = api.query(sql).await;
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), writers.len(), "{answer}");
    for (writer, row) in writers.iter().zip(rows) {
        let n = row[1].as_i64().unwrap();
        assert!([writer.acknowledged, writer.acknowledged + writer.pending].contains(&n), "{row}: {writer:?}");
        assert_eq!(*row, json!([writer.name, n, n, 0, n - 1]));
    }
}

#[tokio::test]
async fn a_failed_fsync_closes_its_segment_and_nobody_is_refused() {
    let disk = FailingDisk::new();
    let server = disk.start("once").await;
    let api = server.api.clone();
    let mut writers: Vec<Writer> = (0..4).map(Writer::new).collect();
    let watch = async {
        let first = "\"events\"";
        until("the first events", async || {
            api.get("/api/v1/streams").await.json().to_string().contains(first).then_some(())
        })
        .await;
        disk.fail();
        let note =
            until("the failure to be told", async || ready(&api).await.1["log"].as_str().map(str::to_owned)).await;
        assert!(!disk.trigger.exists());
        assert!(note.contains("`00000001.sqlite`") && note.contains("1 since the start"), "{note}");
        assert_eq!(ready(&api).await.0, 200);
        let metrics = String::from_utf8(api.get("/metrics").await.body.to_vec()).unwrap();
        assert!(metrics.contains("pulseboard_log_segments_closed 1"), "{metrics}");
        let traces = disk.traces("00000001.sqlite");
        // Long enough for housekeeping to have looked at everything.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        server.kill().await;
        traces
    };
    // Each of their requests must be answered with 200.
    let (traces, _) = tokio::join!(watch, join_all(writers.iter_mut().map(|writer| writer.write(&api.url))));

    let server = disk.home.start().await;
    assert_whole(&server.api, &writers).await;
    let url = server.api.url.clone();
    let life = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.stop().await;
    };
    tokio::join!(life, join_all(writers.iter_mut().map(|writer| writer.write(&url))));
    let server = disk.home.start().await;
    assert_whole(&server.api, &writers).await;
    server.stop().await;
    assert_eq!(disk.traces("00000001.sqlite"), traces, "the closed segment was written again");
}

async fn send(api: &Api, n: i64) -> Answer {
    let request = api.request("POST", &events_path("events")).header("Idempotency-Key", format!("request {n}"));
    crate::support::api::read(request.body(json!([{"n": n}]).to_string())).await
}

/// All that is in the log now.
async fn numbers(api: &Api) -> Value {
    let position = ready(api).await.1["position"].clone();
    let query = json!({"sql": "SELECT n, _offset FROM events ORDER BY _offset", "min_position": position});
    api.post("/api/v1/query", &query).await.ok()["rows"].clone()
}

#[tokio::test]
async fn while_every_fsync_fails_ingest_is_refused_and_it_heals_by_itself() {
    let disk = FailingDisk::new();
    let server = disk.start("always").await;
    let api = server.api.clone();
    assert_eq!(send(&api, 1).await.status, 200);
    disk.fail();
    let refused = send(&api, 2).await.refused(503, "unavailable");
    assert!(refused.message.contains("tried again each second"), "{refused:?}");
    let (status, body) = ready(&api).await;
    assert_eq!((status, &body["status"]), (503, &json!("log_unavailable")));
    assert!(body["log"].as_str().is_some_and(|log| log.contains("tried again each second")), "{body}");
    assert_eq!(send(&api, 3).await.status, 503);
    assert_eq!(numbers(&api).await, json!([[1, 1]]), "reading goes on");
    std::fs::remove_file(&disk.trigger).unwrap();
    until("the log to be ready", async || (ready(&api).await.0 == 200).then_some(())).await;
    assert_eq!(send(&api, 2).await.ok()["accepted"], 1);
    let due = json!([[1, 1], [2, 2]]);
    assert_eq!(numbers(&api).await, due);
    server.kill().await;
    let server = disk.home.start().await;
    assert_eq!(numbers(&server.api).await, due, "what was refused came back");
    assert_eq!(send(&server.api, 2).await.status, 200);
    assert_eq!(numbers(&server.api).await, due);
    server.stop().await;
    assert!(Path::new(&disk.home.data_dir()).join("segments/00000002.sqlite").exists());
}
