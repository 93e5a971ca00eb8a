//! What one query may take: memory, rows and time, each with its code; and that it ends when its reader goes.

use serde_json::{Value, json};

use crate::support::api::{Answer, Api, read};
use crate::support::server::{Home, Server};
use crate::support::until::until;

/// A thousand rows times themselves, twice over: more than anybody waits for. Nothing in it is ever answered.
const ENDLESS: &str = "FROM thousand a CROSS JOIN thousand b CROSS JOIN thousand c WHERE a.n + b.n + c.n < 0";

/// A million rows, each compared with each of a million: a join that never hands a row out while it does.
const ALL_PAIRS: &str = "FROM (SELECT a.time, a.n FROM thousand a CROSS JOIN thousand b) a \
                         JOIN (SELECT a.n FROM thousand a CROSS JOIN thousand b) b ON a.n + b.n < 0";

async fn server(limits: &str) -> (Home, Server) {
    let home = Home::new(limits);
    let server = home.start().await;
    let thousand: Vec<Value> = (0..1_000).map(|n| json!({ "n": n })).collect();
    server.api.accepted("thousand", &Value::from(thousand)).await;
    server.api.settle().await;
    (home, server)
}

/// What nobody waits for, as queries and as charts.
fn endless() -> [(&'static str, Value); 4] {
    let query = |of: &str| ("/api/v1/query", json!({"sql": format!("SELECT count(*) AS n {of}")}));
    let range =
        |of: &str| ("/api/v1/range", json!({"sql": format!("SELECT a.time AS time, a.n AS n {of}"), "from": 0}));
    [query(ENDLESS), range(ENDLESS), query(ALL_PAIRS), range(ALL_PAIRS)]
}

async fn ask(api: &Api, sql: &str) -> Answer {
    api.post("/api/v1/query", &json!({ "sql": sql })).await
}

/// How many queries run, as the metrics say.
async fn running(api: &Api) -> u64 {
    let metrics = api.get("/metrics").await.text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("pulseboard_queries_running "));
    line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count of queries in {metrics}"))
}

async fn until_running(api: &Api, count: u64) {
    until(&format!("{count} queries run"), async || (running(api).await == count).then_some(())).await;
}

#[tokio::test]
async fn a_query_is_held_to_its_rows_and_memory_and_says_which() {
    let (_home, mut server) = server("[limits.queries]\ntime = \"30m\"\nmemory = \"4MiB\"\nrows = 900\n").await;
    let api = &server.api;
    let refused = async |sql: &str| ask(api, sql).await.refused(422, "limit_exceeded").message;
    let rows = refused("SELECT n FROM thousand").await;
    assert!(rows.contains("more than 900 rows"), "{rows}");
    assert_eq!(ask(api, "SELECT n FROM thousand LIMIT 900").await.ok()["rows"].as_array().map(Vec::len), Some(900));
    let million = "SELECT a.n AS a, b.n AS b, count(*) AS c FROM thousand a CROSS JOIN thousand b GROUP BY a.n, b.n";
    let memory = refused(&format!("SELECT count(*) AS n FROM ({million}) AS groups")).await;
    assert!(memory.contains("more memory than a query may take"), "{memory}");
    // The next one has all there is.
    assert_eq!(ask(api, "SELECT count(*) AS n FROM thousand").await.ok()["rows"], json!([[1_000]]));
    server.assert_well().await;
}

#[tokio::test]
async fn a_query_or_a_chart_that_takes_too_long_is_ended_and_says_so() {
    let (_home, mut server) = server("[limits.queries]\ntime = \"2s\"\n").await;
    let api = &server.api;
    for (path, body) in endless() {
        let time = api.post(path, &body).await.refused(422, "limit_exceeded").message;
        assert!(time.contains("longer than 2 s"), "{path}: {time}");
        until_running(api, 0).await;
    }
    server.assert_well().await;
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_its_query() {
    // Far beyond the test's own patience: no query here ends because of its time.
    let (_home, mut server) = server("[limits.queries]\ntime = \"30m\"\n").await;
    let api = &server.api;
    for (path, body) in endless() {
        // Dropped once it runs: the connection is cut, as by a page that is closed.
        tokio::select! {
            answer = read(api.request("POST", path).json(&body)) => panic!("it ended by itself: {answer:?}"),
            () = until_running(api, 1) => {}
        }
        until_running(api, 0).await;
    }
    server.assert_well().await;
}

#[tokio::test]
async fn what_is_sorted_and_does_not_fit_in_memory_is_refused_and_a_limit_makes_it_fit() {
    let limits = "[limits.queries]\nmemory = \"4MiB\"\n[archive]\nseal_bytes = \"1MiB\"\n";
    let home = Home::new(limits);
    let mut server = home.start().await;
    // Texts that do not compress, 16 MB of them, in the log and in files.
    let mut state = 7_u64;
    let mut word = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{state:016x}")
    };
    for batch in 0..8 {
        let row = |n: i64| {
            let text: String = (0..8).map(|_| word()).collect();
            format!("{{\"n\":{n},\"text\":\"{text}\"}}\n")
        };
        let lines: String = (batch * 16_000..(batch + 1) * 16_000).map(row).collect();
        assert_eq!(server.api.events("texts", lines).await.ok()["accepted"], 16_000);
    }
    server.api.settle().await;
    let archive = home.data_dir().join("archive");
    until("history is in files", async || has_parquet(&archive).then_some(())).await;
    let api = &server.api;
    let sorted = "SELECT n, text FROM texts ORDER BY text";
    let numbered =
        "SELECT count(*) AS c FROM (SELECT row_number() OVER (ORDER BY text) AS r, text FROM texts) WHERE r > 5";
    let refusal = ask(api, numbered).await.refused(422, "limit_exceeded");
    assert!(refusal.message.contains("more memory than a query may take"), "{refusal:?}");
    let refusal = ask(api, sorted).await.refused(422, "limit_exceeded");
    assert!(refusal.message.contains("more memory than a query may take"), "{refusal:?}");
    // Only the first ones are kept on the way, so the rest need not fit.
    let first = ask(api, &format!("{sorted} LIMIT 3")).await.ok();
    let smallest = ask(api, "SELECT min(text) AS least, count(*) AS c FROM texts").await.ok();
    assert_eq!(first["rows"][0][1], smallest["rows"][0][0], "{first}");
    assert_eq!(smallest["rows"][0][1], 128_000);
    server.assert_well().await;
}

fn has_parquet(dir: &std::path::Path) -> bool {
    let Ok(entries) = std::fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        path.extension().is_some_and(|ending| ending == "parquet") || (path.is_dir() && has_parquet(&path))
    })
}
