//! Long poll and poll: one answer for everything since the cursor, none while nothing changed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::api::{Answer, read};
use crate::support::connection::Events;
use crate::support::server::{Home, Server};
use crate::support::until::until;

const CONFIG: &str = "[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n";

async fn server() -> (Home, Server) {
    let home = Home::new(CONFIG);
    let server = home.start().await;
    let position = server.api.accepted("events", &json!({"n": 1})).await;
    server.api.live_view("totals", &position).await;
    (home, server)
}

async fn poll(server: &Server, query: &str) -> Answer {
    server.api.get(&format!("/api/v1/live/poll?{query}")).await
}

async fn poll_tagged(server: &Server, query: &str, tag: &str) -> Answer {
    read(server.api.request("GET", &format!("/api/v1/live/poll?{query}")).header("If-None-Match", tag)).await
}

fn cursor(answer: &Answer) -> String {
    answer.header("etag").trim_start_matches("W/").trim_matches('"').to_owned()
}

/// Posts until the position is in the live answers.
async fn posted(server: &Server, stream: &str, event: Value) {
    server.api.accepted(stream, &event).await;
    server.api.settle().await;
}

#[tokio::test]
async fn an_answer_is_a_frame_and_its_cursor_asks_for_what_is_new() {
    let (_home, server) = server().await;
    let both = "channel=view:totals&channel=stream:events&last=1";
    let first = poll(&server, both).await;
    let frame = first.ok();
    assert_eq!((&frame["type"], &frame["sub"], &frame["resumed"]), (&json!("frame"), &json!(1), &json!(false)));
    assert_eq!(frame["changes"][0]["snapshot"]["rows"], json!([[1]]), "{frame}");
    assert_eq!(frame["changes"][1]["snapshot"]["rows"].as_array().map(Vec::len), Some(1), "{frame}");
    assert_eq!((cursor(&first), first.header("cache-control")), (frame["cursor"].as_str().unwrap().into(), "no-store"));

    let same = poll(&server, &format!("{both}&since={}", cursor(&first))).await;
    assert_eq!((same.status, same.body.len()), (304, 0));

    for n in 2..=4 {
        posted(&server, "events", json!({"n": n})).await;
    }
    let next = poll(&server, &format!("{both}&since={}", cursor(&same))).await.ok();
    assert_eq!(next["resumed"], true, "{next}");
    let counts: Vec<_> = next["changes"][0]["delta"]["set"].as_object().unwrap().values().collect();
    assert_eq!(counts, [&json!({"n": 4})], "three changes are merged: {next}");
    assert_eq!(next["changes"][1]["delta"]["append"].as_array().map(Vec::len), Some(3), "each item once: {next}");
}

#[tokio::test]
async fn the_tag_alone_asks_for_the_whole_answer_if_it_is_another() {
    let (_home, server) = server().await;
    let first = poll(&server, "channel=view:totals").await;
    let tag = first.header("etag").to_owned();
    assert_eq!(poll_tagged(&server, "channel=view:totals", &tag).await.status, 304);
    // A tag that is none of ours is of another answer.
    assert_eq!(poll_tagged(&server, "channel=view:totals", "\"other\"").await.status, 200);
    posted(&server, "events", json!({"n": 2})).await;
    let changed = poll_tagged(&server, "channel=view:totals", &tag).await;
    assert_eq!(changed.ok()["changes"][0]["snapshot"]["rows"], json!([[2]]));
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn a_quiet_answer_moves_the_cursor_on_and_it_is_good_on_every_transport() {
    let (_home, server) = server().await;
    let both = "channel=view:totals&channel=stream:events";
    let first = poll(&server, both).await;
    posted(&server, "others", json!({"n": 1})).await;
    let quiet = poll(&server, &format!("{both}&since={}", cursor(&first))).await;
    assert_eq!(quiet.status, 304);
    assert_ne!(cursor(&quiet), cursor(&first), "other streams went on");
    posted(&server, "events", json!({"n": 2})).await;
    let mut events = Events::open(server.address, both, Some(&cursor(&quiet))).await.unwrap();
    let init = loop {
        let event = events.next().await.unwrap();
        if event.name == "init" {
            break serde_json::from_str::<Value>(&event.data).unwrap();
        }
    };
    assert_eq!(init["resumed"], true, "{init}");
    assert_eq!(init["changes"][1]["delta"]["append"].as_array().map(Vec::len), Some(1), "{init}");
    // And back again.
    let after = poll(&server, &format!("{both}&since={}", init["cursor"].as_str().unwrap())).await;
    assert_eq!(after.status, 304);
}

#[tokio::test]
async fn with_wait_the_answer_comes_when_something_changes_or_304_when_the_time_is_over() {
    let (_home, server) = server().await;
    let first = poll(&server, "channel=view:totals&wait=30s").await;
    assert_eq!(first.status, 200, "who holds nothing waits for nothing");
    let since = format!("channel=view:totals&since={}", cursor(&first));
    let started = Instant::now();
    assert_eq!(poll(&server, &format!("{since}&wait=300ms")).await.status, 304);
    assert!(started.elapsed() >= Duration::from_millis(300), "it came back after {:?}", started.elapsed());

    let waiting = format!("{since}&wait=30s");
    let post = async {
        until("the wait has begun", async || {
            let connections = server.api.get("/api/v1/connections").await.ok();
            (connections["connections"][0]["transport"] == "long_poll").then_some(())
        })
        .await;
        server.api.accepted("events", &json!({"n": 2})).await;
    };
    let started = Instant::now();
    let (answer, ()) = tokio::join!(poll(&server, &waiting), post);
    assert_eq!(answer.ok()["changes"][0]["channel"], "view:totals");
    assert!(started.elapsed() < Duration::from_secs(20), "it waited {:?}", started.elapsed());
    let connections = server.api.get("/api/v1/connections").await.ok();
    assert_eq!(connections["connections"], json!([]), "it is off the list");
}

#[tokio::test]
async fn a_long_poll_keeps_to_its_pace_and_collects_for_its_batch() {
    let (_home, server) = server().await;
    let started = Instant::now();
    let first = poll(&server, "channel=view:totals").await;
    posted(&server, "events", json!({"n": 2})).await;
    let since = format!("channel=view:totals&since={}", cursor(&first));
    poll(&server, &format!("{since}&wait=30s&max_hz=0.4")).await.ok();
    // Two and a half seconds after where the reader stood, which is the last tick or later.
    assert!(started.elapsed() >= Duration::from_millis(1_400), "it came after {:?}", started.elapsed());

    let paced = poll(&server, "channel=view:totals").await;
    posted(&server, "events", json!({"n": 3})).await;
    let since = format!("channel=view:totals&since={}", cursor(&paced));
    let later = async {
        until("the wait has begun", async || {
            let connections = server.api.get("/api/v1/connections").await.ok();
            (!connections["connections"].as_array().unwrap().is_empty()).then_some(())
        })
        .await;
        server.api.accepted("events", &json!({"n": 4})).await;
    };
    let waiting = format!("{since}&wait=30s&batch_ms=3000");
    let (batched, ()) = tokio::join!(poll(&server, &waiting), later);
    assert!(batched.text().contains("{\"n\":4}"), "both changes are in one answer: {}", batched.text());
    // Whoever does not wait is answered at once whatever the pace.
    assert_eq!(poll(&server, &format!("{since}&max_hz=0.001")).await.status, 200);
    // The pace outlasts the wait: nothing was sent, and nothing is lost.
    let held = poll(&server, &format!("{since}&wait=100ms&max_hz=0.001")).await;
    assert_eq!((held.status, cursor(&held)), (304, cursor(&paced)));
}

#[tokio::test]
async fn a_tail_that_is_too_far_behind_is_told_how_many_items_it_missed() {
    let (_home, server) = server().await;
    let first = poll(&server, "channel=stream:events").await;
    let text = "x".repeat(10_000);
    // In commits of a megabyte, so that they are not all in memory.
    for batch in 0..6 {
        let rows: Vec<Value> = (0..100).map(|n| json!({"n": batch * 100 + n, "text": text})).collect();
        posted(&server, "events", Value::from(rows)).await;
    }
    let frame = poll(&server, &format!("channel=stream:events&since={}", cursor(&first))).await.ok();
    let change = &frame["changes"][0];
    assert_eq!((&change["reset"], &change["missed"]), (&json!("skipped"), &json!(600)), "{change}");
    assert_eq!(change["snapshot"]["rows"], json!([]));
    posted(&server, "events", json!({"n": 9})).await;
    let next = poll(&server, &format!("channel=stream:events&since={}", frame["cursor"].as_str().unwrap())).await.ok();
    assert_eq!(next["changes"][0]["delta"]["append"].as_array().map(Vec::len), Some(1), "{next}");
}

#[tokio::test]
async fn what_is_wrong_is_said_by_channel_and_old_cursors_start_again_in_the_answer() {
    let (_home, server) = server().await;
    let refusal = poll(&server, "channel=view:totals&channel=view:totls").await.refused(404, "unknown_view");
    assert_eq!(refusal.details["channel"], "view:totls", "{refusal:?}");
    for (query, code) in [("", "bad_request"), ("channel=view:totals&wait=long", "bad_request")] {
        poll(&server, query).await.refused(400, code);
    }
    poll(&server, "channel=view:totals&since=nonsense").await.refused(400, "bad_position");
    let first = poll(&server, "channel=view:totals").await;
    let other = poll(&server, &format!("channel=view:totals&channel=stream:events&since={}", cursor(&first))).await;
    assert_eq!(other.ok()["changes"][0]["reset"], "changed", "{}", other.text());
}

#[tokio::test]
async fn a_server_that_ends_sends_those_who_wait_away_at_once() {
    let (_home, server) = server().await;
    let first = poll(&server, "channel=view:totals").await;
    let waiting = format!("channel=view:totals&wait=50s&since={}", cursor(&first));
    let end = async {
        until("the wait has begun", async || {
            let connections = server.api.get("/api/v1/connections").await.ok();
            (!connections["connections"].as_array().unwrap().is_empty()).then_some(())
        })
        .await;
        server.terminate();
    };
    let (answer, ()) = tokio::join!(poll(&server, &waiting), end);
    let refusal = answer.refused(503, "shutting_down");
    assert!(refusal.details["retry_after_ms"].as_u64().is_some_and(|ms| ms <= 1_000), "{refusal:?}");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(server.ended(Duration::from_secs(10)).await.success());
}
