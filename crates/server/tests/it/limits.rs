//! What the live queries of one client may take: another query is refused, a large one is re-run, named views go on.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::server::Home;
use crate::support::until::until;

const CONFIG: &str = "[views.named]
sql = \"SELECT n, count(*) AS c FROM events GROUP BY n\"
[limits.users]
live_queries = 3
groups = 250
";

async fn register(api: &Api, sql: &str) -> crate::support::api::Answer {
    api.post("/api/v1/live/queries", &json!({ "sql": sql })).await
}

async fn explained(api: &Api, sql: &str) -> Value {
    api.post("/api/v1/explain", &json!({ "sql": sql })).await.ok()
}

#[tokio::test]
async fn one_client_has_so_many_live_queries_and_groups_and_named_views_go_on() {
    let home = Home::new(CONFIG);
    let server = home.start().await;
    let api = &server.api;
    let events: Vec<Value> = (0..200).map(|n| json!({ "n": n })).collect();
    let position = api.accepted("events", &json!(events)).await;
    let named = api.live_view("named", &position).await;
    assert_eq!(named["rows"].as_array().map(Vec::len), Some(200), "{named}");

    // Two queries of 200 groups are more than one client may hold; the larger, or the first of two alike, is re-run.
    let (first, second) =
        ("SELECT n, sum(n) AS s FROM events GROUP BY n", "SELECT n, max(n) AS m, min(n) AS l FROM events GROUP BY n");
    register(api, first).await.ok();
    let alone = until("the first query is maintained", async || {
        let answer = explained(api, first).await;
        (answer["running"]["groups"] == 200).then_some(answer)
    })
    .await;
    assert_eq!((&alone["mode"], &alone["running"]["mode"]), (&json!("maintained"), &json!("maintained")), "{alone}");
    for figure in ["state_bytes", "cost_per_event_ns"] {
        // Rebuilt from the log, it has seen no event live yet.
        assert!(alone["running"][figure].as_f64().is_some(), "{figure}: {alone}");
    }
    register(api, second).await.ok();
    let rerun = until("one of the two is re-run", async || {
        let both = [explained(api, first).await, explained(api, second).await];
        both.into_iter().find(|answer| answer["running"]["mode"] == "rerun")
    })
    .await;
    let reason = rerun["running"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("more than 250 groups"), "{rerun}");
    assert_eq!(rerun["mode"], "maintained", "it could be: {rerun}");

    // A third one is the last; the question of a named view is on nobody's account.
    register(api, "SELECT count(*) AS c FROM events").await.ok();
    register(api, "SELECT n, count(*) AS c FROM events GROUP BY n").await.ok();
    let refusal = register(api, "SELECT sum(n) AS s FROM events").await.refused(422, "limit_exceeded");
    assert!(refusal.message.contains("3 live queries"), "{refusal:?}");
    register(api, first).await.ok();

    let position = api.accepted("events", &json!([{ "n": 7 }])).await;
    let named = api.live_view("named", &position).await;
    assert_eq!(named["state"]["status"], "live", "{named}");
    // An event that came while it was rebuilt has cost it nothing live; a later one does.
    let total = until("an event has a cost", async || {
        api.accepted("events", &json!([{ "n": 7 }])).await;
        let total = explained(api, "SELECT count(*) AS c FROM events").await;
        total["running"]["cost_per_event_ns"].as_f64().is_some_and(|ns| ns > 0.0).then_some(total)
    })
    .await;
    assert!(total["running"]["state_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{total}");
    let reasons = total["reasons"].to_string();
    assert!(reasons.contains("200000 groups") && reasons.contains("256MiB"), "{total}");
}

#[tokio::test]
async fn all_live_queries_together_take_so_much_memory_and_what_was_asked_for_goes_first() {
    let view = |name: &str, what: &str| format!("[views.{name}]\nsql = \"SELECT n, {what} FROM {name} GROUP BY n\"\n");
    let limit = "[limits.views]\ntotal_memory = \"1MiB\"\n";
    let home =
        Home::new(&format!("{limit}{}{}", view("small", "count(*) AS c"), view("large", "count(*) AS c, sum(n) AS s")));
    let server = home.start().await;
    let api = &server.api;
    let groups = async |stream: &str, count: i64| {
        let events: Vec<Value> = (0..count).map(|n| json!({ "n": n })).collect();
        api.accepted(stream, &Value::from(events)).await
    };
    let position = groups("small", 500).await;
    api.live_view("small", &position).await;
    // Asked for by a client and far too large; what the configuration names stays maintained.
    groups("asked", 30_000).await;
    let asked = "SELECT n, count(*) AS c, max(n) AS m FROM asked GROUP BY n";
    register(api, asked).await.ok();
    let rerun = until("what was asked for is re-run", async || {
        let answer = explained(api, asked).await;
        (answer["running"]["mode"] == "rerun").then_some(answer)
    })
    .await;
    let reason = rerun["running"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("all live queries together") && reason.contains("1MiB"), "{rerun}");
    api.view_state("small", "live").await;
    // Where only named views are left, the largest of them goes.
    groups("large", 30_000).await;
    let state_of_large = api.view_state("large", "rerun").await;
    let reason = state_of_large["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("all live queries together"), "{state_of_large}");
    let position = groups("small", 1).await;
    let small = api.live_view("small", &position).await;
    assert_eq!(small["rows"].as_array().map(Vec::len), Some(500));
    // Re-run, it still answers.
    let rows = until("the large view answers", async || {
        let view = api.get("/api/v1/views/large").await.ok();
        view["rows"].as_array().map(Vec::len).filter(|rows| *rows == 30_000)
    })
    .await;
    assert_eq!(rows, 30_000);
}
