//! Texts that nest or repeat until a careless parser or planner runs out of stack.

use futures::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{World, assert_documented};
use crate::support::api::{answered, read};
use crate::support::connection::Socket;

const MANY: usize = 20_000;

/// `before` so many times, `middle`, `after` so many times, within 64 KB.
fn nested(before: &str, middle: &str, after: &str) -> String {
    let times = MANY.min(60_000 / (before.len() + after.len()));
    format!("{}{middle}{}", before.repeat(times), after.repeat(times))
}

fn queries() -> Vec<(&'static str, String)> {
    let select = |expression: String| format!("SELECT {expression} FROM events");
    vec![
        ("parentheses", select(nested("(", "1", ")"))),
        ("sum", select(nested("", "1", "+1"))),
        ("sum of columns", select(nested("", "n", "+n"))),
        ("product", select(nested("", "n", "*1"))),
        ("concatenation", select(nested("", "kind", "||kind"))),
        ("conjunction", format!("SELECT n FROM events WHERE {}", nested("", "n=1", " AND n=1"))),
        ("disjunction", format!("SELECT count(*) FROM events WHERE {}", nested("", "n=1", " OR n=1"))),
        ("negation", select(nested("NOT ", "true", ""))),
        ("minus", select(nested("- ", "n", ""))),
        ("casts", select(nested("", "n", "::int"))),
        ("CAST", select(nested("CAST(", "n", " AS int)"))),
        ("functions", select(nested("abs(", "n", ")"))),
        ("subscripts", select(nested("", "item", "[1]"))),
        ("members", select(nested("", "item", ".x"))),
        ("IS NULL", select(nested("", "n", " IS NULL"))),
        ("CASE", select(nested("CASE WHEN n=1 THEN ", "1", " END"))),
        ("list", select(nested("", "n IN (1", ",1") + ")")),
        ("columns", select(nested("", "n", ",n"))),
        ("arrays", select(nested("[", "1", "]"))),
        ("subqueries", nested("SELECT * FROM (", "SELECT 1 AS a", ") AS t")),
        ("scalar subqueries", nested("(SELECT ", "1", ")")),
        ("unions", nested("", "SELECT 1", " UNION ALL SELECT 1")),
        ("joins", format!("SELECT 1 FROM {}", nested("", "events", ",events"))),
        ("brackets in FROM", format!("SELECT 1 FROM {}", nested("(", "events", ")"))),
        ("CTEs", format!("WITH a AS (SELECT 1 AS a){} SELECT 1", nested("", "", ",b AS (SELECT 1)"))),
        ("aggregate of a sum", format!("SELECT sum({}) FROM events", nested("", "n", "+n"))),
        ("groups", format!("SELECT count(*) FROM events GROUP BY {}", nested("", "n", "+n"))),
        ("intervals", select(nested("interval ", "'1 second'", ""))),
        ("at time zone", select(nested("", "time", " AT TIME ZONE 'UTC'"))),
    ]
}

#[test]
fn queries_that_nest_or_go_on_for_ever_get_documented_answers() {
    let mut world = World::new();
    let mut unanswered = Vec::new();
    for (name, sql) in queries() {
        for path in ["/api/v1/explain", "/api/v1/live/queries", "/api/v1/query"] {
            let request = world.server.api.request("POST", path).json(&json!({ "sql": sql }));
            let Ok(response) = world.runtime.block_on(async { request.send().await }) else {
                unanswered.push(format!("{path} with {name}"));
                // The others deserve their chance.
                world = World::new();
                continue;
            };
            let answer = world.runtime.block_on(answered(response));
            assert_documented(&answer, &(path, name));
        }
    }
    assert!(unanswered.is_empty(), "the server ended without an answer to {unanswered:#?}");
    world.runtime.block_on(world.server.assert_well());
}

#[test]
fn events_and_messages_that_nest_for_ever_get_documented_answers() {
    let mut world = World::new();
    let deep = [
        "[".repeat(1_000_000),
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)),
        format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000)),
        "{\"a\":1}\n".repeat(3) + &"{\"a\":[".repeat(50_000),
    ];
    for body in deep {
        let shown = body.chars().take(20).collect::<String>();
        let answer = world.runtime.block_on(world.server.api.events("deep", body.clone()));
        assert_documented(&answer, &shown);
        let request = world.server.api.request("POST", "/api/v1/query").header("content-type", "application/json");
        assert_documented(&world.runtime.block_on(read(request.body(body.clone()))), &shown);
        world.runtime.block_on(async {
            let mut socket = Socket::open(world.server.address).await.expect("connected");
            let id = format!("{{\"type\":\"ping\",\"id\":{body}}}");
            for text in [body, id] {
                socket.0.send(Message::text(text)).await.unwrap();
                let message = socket.next().await.expect("the connection goes on");
                assert_eq!(message["type"], "error", "{message}");
            }
        });
    }
    world.runtime.block_on(world.server.assert_well());
}
