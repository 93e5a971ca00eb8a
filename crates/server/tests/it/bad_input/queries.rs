//! Queries that are wrong or too large: the message says what and where, the server goes on.

use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::connection::Transport;
use crate::support::follower::Follower;
use crate::support::server::{Home, Server};

async fn server() -> (Home, Server) {
    let home = Home::new("");
    let server = home.start().await;
    server.api.accepted("events", &json!([{"n": 1, "kind": "a"}, {"n": 0, "kind": "b"}])).await;
    server.api.settle().await;
    (home, server)
}

async fn ask(api: &Api, sql: &str) -> Answer {
    api.post("/api/v1/query", &json!({ "sql": sql })).await
}

/// Refused as bad SQL at this line and column, however it is asked.
async fn assert_bad_at(api: &Api, sql: &str, line: u64, column: u64) {
    for path in ["/api/v1/query", "/api/v1/explain", "/api/v1/live/queries"] {
        let refusal = api.post(path, &json!({ "sql": sql })).await.refused(400, "bad_sql");
        let place = (refusal.details.get("line"), refusal.details.get("column"));
        assert_eq!(place, (Some(&json!(line)), Some(&json!(column))), "{path}: {sql}: {refusal:?}");
    }
}

#[tokio::test]
async fn bad_sql_is_refused_with_its_place() {
    let (_home, server) = server().await;
    assert_bad_at(&server.api, "SELECT count(* FROM events", 1, 16).await;
    assert_bad_at(&server.api, "SELECT n\n  FROM events WHERE )", 2, 21).await;
    assert_bad_at(&server.api, "SELEC n FROM events", 1, 1).await;
    assert_bad_at(&server.api, "SELECT 'open FROM events", 1, 8).await;
}

#[tokio::test]
async fn sql_that_ends_too_early_is_refused_with_its_end() {
    let (_home, server) = server().await;
    assert_bad_at(&server.api, "SELECT n,\n  FROM events WHERE", 2, 20).await;
    assert_bad_at(&server.api, "SELECT (n", 1, 10).await;
}

#[tokio::test]
async fn an_unknown_column_is_refused_with_its_place_and_the_nearest() {
    let (_home, server) = server().await;
    let refusal = ask(&server.api, "SELECT n,\n  kinds FROM events").await.refused(400, "unknown_column");
    assert_eq!((refusal.details.get("line"), refusal.details.get("column")), (Some(&json!(2)), Some(&json!(3))));
    assert_eq!(refusal.details.get("nearest"), Some(&json!(["kind"])), "{refusal:?}");
}

#[tokio::test]
async fn what_is_not_one_query_is_refused() {
    let (_home, server) = server().await;
    for sql in [
        "",
        "  ",
        "-- nothing",
        "DROP TABLE events",
        "INSERT INTO events VALUES (1)",
        "SELECT 1; SELECT 2",
        "SET a = 1",
    ] {
        ask(&server.api, sql).await.refused(400, "bad_sql");
    }
    ask(&server.api, &format!("SELECT '{}'", "x".repeat(70_000))).await.refused(422, "limit_exceeded");
}

#[tokio::test]
async fn what_fails_while_it_runs_says_so() {
    let (_home, server) = server().await;
    let refusal = ask(&server.api, "SELECT 10 / n FROM events").await.refused(422, "query_failed");
    assert!(refusal.message.contains("zero"), "{refusal:?}");
    ask(&server.api, "SELECT kind::int FROM events").await.refused(422, "query_failed");
}

#[tokio::test]
async fn functions_that_answer_differently_each_time_are_refused_in_live_queries() {
    let (_home, server) = server().await;
    let body = json!({"sql": "SELECT random() AS r, count(*) AS n FROM events GROUP BY 1"});
    let refusal = server.api.post("/api/v1/live/queries", &body).await.refused(400, "bad_sql");
    assert!(refusal.message.contains("random"), "{refusal:?}");
}

#[tokio::test]
async fn requests_that_are_no_questions_are_refused() {
    let (_home, server) = server().await;
    let post = async |body: Value| server.api.post("/api/v1/query", &body).await;
    post(json!({"sql": "SELECT 1", "timezone": "Mars/Base"})).await.refused(400, "bad_timezone");
    post(json!({"sql": "SELECT 1", "at": "yesterday"})).await.refused(400, "bad_position");
    post(json!({"sql": "SELECT 1", "min_position": "yesterday"})).await.refused(400, "bad_position");
    post(json!({"sql": "SELECT 1", "wait": "soon"})).await.refused(400, "bad_request");
    post(json!({"sql": "SELECT $a"})).await.refused(400, "bad_params");
    post(json!({"sql": "SELECT $a", "params": {"a": [1]}})).await.refused(400, "bad_params");
    let unknown = post(json!({"sql": "SELECT 1", "colour": "red"})).await.refused(400, "bad_request");
    assert!(unknown.message.contains("colour"), "{unknown:?}");
    post(json!({"query": "SELECT 1"})).await.refused(400, "bad_request");
    server.api.get("/api/v1/query").await.refused(405, "method_not_allowed");
    server.api.get("/api/v1/nowhere").await.refused(404, "not_found");
    server.api.get("/api/v1/alerts").await.refused(501, "not_yet");
}

#[tokio::test]
async fn a_query_with_a_million_groups_is_refused_and_a_live_one_truncated() {
    let (_home, mut server) = server().await;
    // A thousand times a thousand rows; and as many groups, once.
    let thousand: Vec<Value> = (0..1_000).map(|n| json!({ "n": n })).collect();
    server.api.accepted("thousand", &Value::from(thousand)).await;
    server.api.settle().await;
    let million = "SELECT a.n * 1000 + b.n AS g, count(*) AS rows FROM thousand a CROSS JOIN thousand b GROUP BY 1";
    let refusal = ask(&server.api, million).await.refused(422, "limit_exceeded");
    assert!(refusal.message.contains("100000 rows"), "{refusal:?}");
    let count = format!("SELECT count(*) FROM ({million})");
    assert_eq!(ask(&server.api, &count).await.ok()["rows"], json!([[1_000_000]]), "inside a query they are fine");

    // A maintained view keeps so many groups and says that it takes no more.
    let sql = "SELECT n, count(*) AS rows FROM many GROUP BY n";
    for batch in 0..2 {
        let lines: String = (0..105_000).map(|n| format!("{{\"n\":{}}}\n", batch * 105_000 + n)).collect();
        let answer = server.api.events("many", lines).await.ok();
        assert_eq!(answer["accepted"], 105_000, "{answer}");
    }
    let channel = server.api.post("/api/v1/live/queries", &json!({ "sql": sql })).await.ok()["channel"].clone();
    let channel = channel.as_str().unwrap();
    let mut follower = Follower::new([channel]);
    let mut connection = follower.connect(server.address, Transport::WebSocket).await.expect("connected");
    let truncated = |follower: &Follower| {
        let state = follower.replica.channels.get(channel).and_then(|channel| channel.state.as_ref());
        state.is_some_and(|state| state["status"] == "truncated")
    };
    follower.take_until(&mut connection, truncated).await.expect("connected");
    let held = follower.channel(channel);
    assert_eq!(held.rows.len(), 200_000, "it keeps what it has");
    assert!(
        held.state.as_ref().unwrap()["reason"].as_str().is_some_and(|reason| reason.contains("200000")),
        "{:?}",
        held.state
    );
    server.assert_well().await;
}
