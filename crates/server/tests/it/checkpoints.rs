//! Checkpoints seen from outside: killed at any stage of writing one, the server comes back with the answers of its log.

use std::time::Duration;

use rand::Rng;
use serde_json::{Value, json};

use crate::support::api::{Api, events_path};
use crate::support::compare::assert_view_is_batch;
use crate::support::random::random;
use crate::support::server::Home;
use crate::support::until::until;

/// The stages of writing a checkpoint, and how often the server is killed at each.
const STAGES: [&str; 4] =
    ["server.checkpoint.write", "server.checkpoint.half", "server.checkpoint.rename", "server.checkpoint.renamed"];
const ROUNDS: usize = 13;

const VIEWS: [(&str, &str); 4] = [
    ("total", "SELECT count(*) AS n, sum(amount) AS amount, max(seq) AS high FROM events"),
    (
        "per_kind",
        "SELECT kind, count(*) AS n, sum(amount) AS amount, count(DISTINCT seq) AS numbers FROM events GROUP BY kind",
    ),
    (
        "window",
        "SELECT kind, count(*) AS n, sum(amount) AS amount FROM events WHERE time > now() - interval '5 seconds' GROUP BY kind",
    ),
    ("newest", "SELECT kind, seq FROM events ORDER BY time DESC LIMIT 10"),
];

fn config() -> String {
    let views = VIEWS.iter().map(|(name, sql)| format!("[views.{name}]\nsql = \"{sql}\"\n"));
    let head = "[checkpoints]\nevery = \"1s\"\n[streams.events]\nfields = { amount = \"decimal(12,2)\" }\n";
    head.to_owned() + &views.collect::<String>()
}

/// Events numbered from `from`.
fn body(from: i64, count: i64) -> Value {
    let row = |seq: i64| {
        let kind = ["a", "b", "c"][usize::try_from(seq % 3).unwrap()];
        json!({"seq": seq, "kind": kind, "amount": format!("{}.{:02}", seq % 50, seq % 100)})
    };
    (from..from + count).map(row).collect()
}

/// Sends until the server is gone; gives what was acknowledged, and where.
async fn write(url: &str, mut from: i64) -> (i64, Option<String>) {
    let api = Api::new(url);
    let mut position = None;
    loop {
        let request = api.request("POST", &events_path("events")).body(body(from, 5).to_string());
        let Ok(response) = request.send().await else { return (from, position) };
        let Ok(answer) = response.json::<Value>().await else { return (from, position) };
        assert_eq!(answer["accepted"], 5, "{answer}");
        from += 5;
        position = answer["position"].as_str().map(str::to_owned);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn assert_views_agree(api: &Api, position: &str) {
    for (name, sql) in VIEWS {
        let view = api.live_view(name, position).await;
        assert_view_is_batch(api, sql, &view).await;
    }
}

fn log_of(home: &Home) -> String {
    std::fs::read_to_string(home.file("stderr")).unwrap()
}

fn checkpoints(home: &Home) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(home.data_dir().join("checkpoints")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

async fn killed_at(stage: &'static str, seed: u64) {
    let home = Home::new(&config());
    let mut random = random(seed);
    let (mut sent, mut position) = (0, None);
    for round in 0..ROUNDS {
        let passage = random.random_range(1..6);
        let server = home.start_with("PULSEBOARD_FAULT", &format!("{stage}:{passage}=abort")).await;
        let (acknowledged, last) = write(&server.api.url, sent).await;
        assert!(last.is_some(), "round {round}: it was killed before anything was taken");
        let status = server.ended(Duration::from_secs(20)).await;
        assert!(!status.success(), "{stage}: it ended by itself");
        // The request that got no answer is there or not; numbers may repeat, which the views count alike.
        (sent, position) = (acknowledged, last);

        let server = home.start().await;
        assert_views_agree(&server.api, position.as_deref().unwrap()).await;
        let unfinished =
            checkpoints(&home).into_iter().filter(|path| path.extension().unwrap() == "unfinished").count();
        assert_eq!(unfinished, 0, "{stage}: what a crash left is cleared away");
        server.kill().await;
    }
    let server = home.start().await;
    assert_views_agree(&server.api, position.as_deref().unwrap()).await;
    server.stop().await;
    assert!(checkpoints(&home).len() >= VIEWS.len(), "{stage}: checkpoints were made");
    assert!(!log_of(&home).contains("is not used"), "{stage}: a checkpoint was damaged: {}", log_of(&home));
}

#[tokio::test]
async fn killed_at_any_stage_of_a_checkpoint_the_answers_are_those_of_the_log() {
    let [write, half, rename, renamed] = STAGES;
    tokio::join!(killed_at(write, 1), killed_at(half, 2), killed_at(rename, 3), killed_at(renamed, 4));
}

#[tokio::test]
async fn after_an_orderly_end_views_go_on_from_what_was_kept_and_damage_is_said() {
    let home = Home::new(&config().replace("every = \"1s\"", "every = \"1h\""));
    let server = home.start().await;
    server.api.post(&events_path("events"), &body(0, 300)).await.ok();
    server.stop().await;
    assert_eq!(checkpoints(&home).len(), VIEWS.len(), "each view is kept at the end");

    let server = home.start_with("PULSEBOARD_LOG", "warn,pulseboard_live::engine::restore=debug").await;
    let answer = server.api.post(&events_path("events"), &body(300, 30)).await.ok();
    assert_views_agree(&server.api, answer["position"].as_str().unwrap()).await;
    let total = server.api.live_view("total", answer["position"].as_str().unwrap()).await;
    assert_eq!(total["rows"][0][0], 330);
    server.kill().await;
    assert_eq!(log_of(&home).matches("goes on from its checkpoint").count(), VIEWS.len(), "{}", log_of(&home));

    for path in checkpoints(&home) {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
        std::fs::write(&path, bytes).unwrap();
    }
    let server = home.start().await;
    assert_views_agree(&server.api, answer["position"].as_str().unwrap()).await;
    server.stop().await;
    let said = log_of(&home);
    assert!(said.contains("its checksum does not match") && said.contains("rebuilt from the log"), "{said}");
}

#[tokio::test]
async fn late_rows_are_counted_once_over_a_kill_and_an_orderly_end() {
    let sql = "SELECT count(*) AS n FROM events WHERE time > now() - interval '5 minutes'";
    let home = Home::new(&format!("[checkpoints]\nevery = \"1h\"\n[views.recent]\nsql = \"{sql}\"\n"));
    let server = home.start().await;
    let now_s = {
        let position = server.api.accepted("events", &json!({"seq": 0})).await;
        position.rsplit(':').next().unwrap().parse::<i64>().unwrap() / 1_000_000
    };
    let says = async |api: &Api, late_rows: u64| {
        until(&format!("{late_rows} rows are late"), async || {
            let view = api.get("/api/v1/views/recent").await.ok();
            (view["state"]["status"] == "live" && view["state"]["late_rows"] == late_rows).then_some(())
        })
        .await;
        let line = format!("pulseboard_view_late_rows_total{{view=\"recent\"}} {late_rows}\n");
        let metrics = api.get("/metrics").await.text();
        assert!(metrics.contains(&line), "no `{line}` in {metrics}");
    };
    server.api.accepted("events", &json!([{"time": now_s - 3_600}, {"time": now_s}, {"time": now_s - 400}])).await;
    says(&server.api, 2).await;
    // The hour is far away: what has come too late is kept soon, the rest is read from the log.
    until("the number is kept", async || (!checkpoints(&home).is_empty()).then_some(())).await;
    server.api.accepted("events", &json!([{"time": now_s - 500}, {"time": now_s}])).await;
    says(&server.api, 3).await;
    server.kill().await;

    let server = home.start().await;
    says(&server.api, 3).await;
    server.api.accepted("events", &json!({"time": now_s - 600})).await;
    says(&server.api, 4).await;
    server.stop().await;

    let server = home.start().await;
    says(&server.api, 4).await;
    let view = server.api.get("/api/v1/views/recent").await.ok();
    assert_view_is_batch(&server.api, sql, &view).await;
    server.stop().await;
}
