//! What a server tells of its readers: connections with their lag, counters, latencies by stage.

use serde_json::json;

use crate::support::api::Api;
use crate::support::connection::{Events, Socket};
use crate::support::server::{Home, Server};
use crate::support::until::until;

async fn server() -> (Home, Server) {
    let home = Home::new("[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n");
    let server = home.start().await;
    let position = server.api.accepted("events", &json!({"n": 1})).await;
    server.api.live_view("totals", &position).await;
    (home, server)
}

/// The value of a series.
async fn figure(api: &Api, series: &str) -> f64 {
    let metrics = api.get("/metrics").await.text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no `{series}` in {metrics}")).parse().unwrap()
}

#[tokio::test]
async fn a_reader_that_is_held_back_is_listed_with_its_lag() {
    let (_home, server) = server().await;
    let mut socket = Socket::open(server.address).await.expect("connected");
    for (channel, max_hz) in [("view:totals", 0.001), ("stream:events", 60.0)] {
        socket.send(&json!({"type": "subscribe", "channel": channel, "max_hz": max_hz})).await.unwrap();
        assert_eq!(socket.next().await.unwrap()["type"], "subscribed");
        assert_eq!(socket.next().await.unwrap()["type"], "frame");
    }
    // A frame is counted once it is sent, so it may be read before that.
    let listed = until("both frames are counted", async || {
        let listed = server.api.get("/api/v1/connections").await.ok()["connections"][0].clone();
        (listed["frames"] == 2).then_some(listed)
    })
    .await;
    assert_eq!((&listed["transport"], &listed["subscriptions"]), (&json!("websocket"), &json!(2)), "{listed}");
    assert_eq!(listed["channels"], json!(["view:totals", "stream:events"]), "{listed}");
    assert_eq!(listed["lag_ms"], 0, "{listed}");
    assert!(listed["bytes"].as_u64().is_some_and(|bytes| bytes > 300), "{listed}");
    server.api.accepted("events", &json!({"n": 2})).await;
    // The log's clock goes on, and what the reader has does not.
    until("it lags", async || {
        let listed = server.api.get("/api/v1/connections").await.ok();
        (listed["connections"][0]["lag_ms"].as_u64()? > 500).then_some(())
    })
    .await;
}

#[tokio::test]
async fn metrics_count_readers_frames_resumes_resets_and_what_was_merged() {
    let (_home, server) = server().await;
    let api = &server.api;
    let mut socket = Socket::open(server.address).await.expect("connected");
    socket.send(&json!({"type": "subscribe", "channel": "view:totals"})).await.unwrap();
    socket.next().await.unwrap();
    let first = socket.next().await.unwrap();
    socket.send(&json!({"type": "subscribe", "channel": "view:totals", "max_hz": 2})).await.unwrap();
    socket.next().await.unwrap();
    socket.next().await.unwrap();
    for n in 0..20 {
        api.accepted("events", &json!({ "n": n })).await;
    }
    // Until the slow one has everything, so that some of its changes came merged.
    loop {
        let frame = socket.next().await.unwrap();
        if frame["sub"] == 2 && frame.to_string().contains("\"n\":21") {
            break;
        }
    }
    let cursor = first["cursor"].as_str().unwrap();
    let resumed = Events::open(server.address, "channel=view:totals", Some(cursor)).await.unwrap();
    let _other = Events::open(server.address, "channel=view:totals&channel=stream:events", Some(cursor)).await.unwrap();
    assert_eq!(figure(api, "pulseboard_connections{transport=\"websocket\"}").await, 1.0);
    assert_eq!(figure(api, "pulseboard_connections{transport=\"sse\"}").await, 2.0);
    assert_eq!(figure(api, "pulseboard_subscriptions").await, 4.0);
    assert_eq!(figure(api, "pulseboard_resumes_total").await, 1.0);
    assert_eq!(figure(api, "pulseboard_resets_total{reason=\"changed\"}").await, 2.0, "each of both channels");
    assert!(figure(api, "pulseboard_conflated_total").await > 0.0);
    let frames = figure(api, "pulseboard_frames_total{transport=\"websocket\"}").await;
    assert!(frames > 5.0, "{frames}");
    assert!(figure(api, "pulseboard_frame_bytes_total{transport=\"websocket\"}").await > frames * 100.0);
    for stage in ["journal", "engine", "frame"] {
        let count = figure(api, &format!("pulseboard_latency_seconds_count{{stage=\"{stage}\"}}")).await;
        let slowest = figure(api, &format!("pulseboard_latency_seconds_bucket{{stage=\"{stage}\",le=\"+Inf\"}}")).await;
        assert!(count > 0.0 && (count - slowest).abs() < 0.5, "{stage}: {count} {slowest}");
    }
    drop((socket, resumed));
    until("the readers that left are not counted", async || {
        let left = figure(api, "pulseboard_subscriptions").await;
        ((left - 1.0).abs() < 0.5).then_some(())
    })
    .await;
}
