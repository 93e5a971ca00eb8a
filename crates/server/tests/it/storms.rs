//! More connections than there is room for: refused with when to come back, seen from outside, and let in again.

use serde_json::json;

use crate::support::api::Answer;
use crate::support::connection::{Broken, Events, Socket};
use crate::support::server::{Home, Server};
use crate::support::until::until;

const VIEW: &str = "[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n";

async fn server(limits: &str) -> (Home, Server) {
    let home = Home::new(&format!("{VIEW}[limits.connections]\n{limits}"));
    let server = home.start().await;
    server.api.accepted("events", &json!({"n": 1})).await;
    (home, server)
}

/// What is refused names the code, and says twice when to come back.
fn assert_refused(answer: &Answer, says: &str) {
    let refusal = answer.refused(503, "overloaded");
    assert!(refusal.message.contains(says), "{refusal:?}");
    let after_ms = refusal.details["retry_after_ms"].as_u64().unwrap();
    assert!((1_000..=10_000).contains(&after_ms), "{refusal:?}");
    assert_eq!(answer.header("retry-after").parse(), Ok(after_ms.div_ceil(1_000)));
}

#[tokio::test]
async fn when_all_places_are_taken_others_are_told_when_to_come_back() {
    let (_home, server) = server("total = 3\n").await;
    let mut sockets = Vec::new();
    for _ in 0..2 {
        sockets.push(Socket::open(server.address).await.expect("there is room"));
    }
    let _events = Events::open(server.address, "channel=view:totals", None).await.expect("there is room");
    for path in ["sse?channel=view:totals", "poll?channel=view:totals", "poll?channel=view:totals&wait=5s"] {
        assert_refused(&server.api.get(&format!("/api/v1/live/{path}")).await, "already 3 connections");
    }
    assert!(matches!(Socket::open(server.address).await, Err(Broken)), "there is no room");
    // What is no connection goes on.
    server.api.accepted("events", &json!({"n": 2})).await;
    let listed = server.api.get("/api/v1/connections").await.ok();
    assert_eq!(listed["connections"].as_array().map(Vec::len), Some(3), "{listed}");
    assert_eq!(listed["limits"], json!({"total": 3, "per_address": 1_000, "per_token": 10_000, "per_second": 2_000}));
    assert_eq!(listed["refused"], 4, "{listed}");
    let metrics = server.api.get("/metrics").await.text();
    for line in
        ["pulseboard_connections_refused_total{limit=\"total\"} 4", "pulseboard_connections_max{limit=\"total\"} 3"]
    {
        assert!(metrics.contains(line), "no `{line}` in {metrics}");
    }
    sockets.pop();
    until("the place is free again", async || Socket::open(server.address).await.ok()).await;
}

#[tokio::test]
async fn new_connections_come_at_the_rate_there_is_and_polls_go_on() {
    let (_home, server) = server("per_second = 2\n").await;
    let fresh = "/api/v1/live/poll?channel=view:totals";
    let mut cursor: Option<String> = None;
    let mut refused = None;
    for _ in 0..30 {
        let answer = server.api.get(fresh).await;
        if answer.status == 200 {
            cursor = Some(answer.json()["cursor"].as_str().unwrap().to_owned());
        } else {
            refused = Some(answer);
            break;
        }
    }
    assert_refused(&refused.expect("30 at once are more than 2 a second"), "2 new connections in this second");
    let cursor = cursor.expect("the first came in");
    for _ in 0..10 {
        let answer = server.api.get(&format!("{fresh}&since={cursor}")).await;
        assert!([200, 304].contains(&answer.status), "who has a cursor goes on: {}", answer.text());
    }
    until("a new one is let in again", async || {
        let answer = server.api.get(fresh).await;
        (answer.status == 200).then_some(())
    })
    .await;
}
