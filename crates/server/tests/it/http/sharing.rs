//! Who shares a running query: the same words, parameters and zone, however they are spaced. Seen by what counts: a client
//! that may have one live query more.

use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::server::Home;
use crate::support::until::until;

const SQL: &str = "SELECT v, count(*) AS n FROM events WHERE kind = $kind GROUP BY v";
const SPELT: &str = "-- mine\nSELECT v,count( * ) AS n\n  FROM events /* all */ WHERE kind=$kind\tGROUP BY v ;";

async fn register(api: &Api, sql: &str, kind: &str, timezone: &str) -> Answer {
    let body = json!({"sql": sql, "params": {"kind": kind}, "timezone": timezone});
    api.post("/api/v1/live/queries", &body).await
}

async fn explained(api: &Api, sql: &str, kind: &str, timezone: &str) -> Value {
    let body = json!({"sql": sql, "params": {"kind": kind}, "timezone": timezone});
    api.post("/api/v1/explain", &body).await.ok()
}

#[tokio::test]
async fn the_same_question_in_another_spelling_is_the_same_running_query() {
    let home = Home::new("[limits.users]\nlive_queries = 1\n");
    let server = home.start().await;
    let api = &server.api;
    api.accepted("events", &json!([{"v": 1, "kind": "a"}, {"v": 1, "kind": "b"}, {"v": 2, "kind": "a"}])).await;
    api.settle().await;
    let channel = register(api, SQL, "a", "UTC").await.ok()["channel"].clone();
    assert_eq!(register(api, SPELT, "a", "UTC").await.ok()["channel"], channel, "one channel");
    until("it runs, for who spells it otherwise, too", async || {
        let answer = explained(api, SPELT, "a", "UTC").await;
        (answer["running"]["groups"] == 2).then_some(())
    })
    .await;

    // Another parameter or zone is another query: there is no room for a second one.
    for (kind, timezone) in [("b", "UTC"), ("a", "Europe/Berlin")] {
        let refusal = register(api, SPELT, kind, timezone).await.refused(422, "limit_exceeded");
        assert!(refusal.message.contains("1 live queries"), "{refusal:?}");
        assert_eq!(explained(api, SQL, kind, timezone).await["running"], Value::Null, "{kind} {timezone}");
    }
}
