//! A disk that is full: a library put before the server says so to it. What cannot be kept is refused with 503 and the
//! reason, reading goes on, and it is taken again by itself when there is space.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::server::{Home, Server};
use crate::support::until::until;

const LIBRARY: &str = include_str!("disk_full.c");
const TOTALS: &str = "SELECT count(*) AS n, sum(n) AS total FROM events";

/// A home with the library in it.
struct FullDisk {
    home: Home,
    library: PathBuf,
    trigger: PathBuf,
}

impl FullDisk {
    fn new() -> Self {
        let home = Home::new(&format!("[views.totals]\nsql = \"{TOTALS}\"\n"));
        let (source, library) = (home.file("disk_full.c"), home.file("disk_full.so"));
        std::fs::write(&source, LIBRARY).unwrap();
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl").output();
        let built = built.expect("a C compiler: SQLite needs one, too");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let trigger = home.file("disk_full_now");
        Self { home, library, trigger }
    }

    async fn start(&self) -> Server {
        let environment = [("LD_PRELOAD", self.library.as_os_str()), ("DISK_FULL_TRIGGER", self.trigger.as_os_str())];
        self.home.start_in(&environment).await.unwrap_or_else(|status| panic!("{status}: {}", self.home.said()))
    }
}

async fn ready(api: &Api) -> (u16, Value) {
    let answer = api.get("/health/ready").await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn a_full_disk_is_503_with_the_reason_and_heals_by_itself() {
    let disk = FullDisk::new();
    let mut server = disk.start().await;
    let api = server.api.clone();
    let position = api.accepted("events", &json!([{"n": 1}, {"n": 2}])).await;
    let before = api.live_view("totals", &position).await;

    std::fs::write(&disk.trigger, "").unwrap();
    let large: Value = (0..2_000).map(|n| json!({"n": n, "text": format!("{n:0>200}")})).collect();
    let refused = until("the disk is full", async || {
        let answer = api.events("events", large.to_string()).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    let refusal = refused.refused(503, "unavailable");
    assert!(refusal.message.contains("space"), "{refusal:?}");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
    let (status, body) = ready(&api).await;
    assert_eq!((status, &body["status"]), (503, &json!("log_unavailable")), "{body}");

    // Reading goes on, live and in batch, and nothing half-kept is seen.
    let view = api.get("/api/v1/views/totals").await.ok();
    assert_eq!(view["rows"], before["rows"]);
    let batch = api.post("/api/v1/query", &json!({ "sql": TOTALS })).await.ok();
    assert_eq!(batch["rows"], before["rows"]);
    api.events("events", large.to_string()).await.refused(503, "unavailable");

    std::fs::remove_file(&disk.trigger).unwrap();
    until("the log finds space by itself", async || (ready(&api).await.0 == 200).then_some(())).await;
    let position = api.accepted("events", &large).await;
    let rows = json!([[2_002, 3 + 1_999 * 1_000]]);
    assert_eq!(api.live_view("totals", &position).await["rows"], rows);
    server.assert_well().await;
    server.kill().await;
    let server = disk.home.start().await;
    assert_eq!(server.api.query(TOTALS).await["rows"], rows, "what was refused came back, or what was kept was lost");
    server.stop().await;
}
