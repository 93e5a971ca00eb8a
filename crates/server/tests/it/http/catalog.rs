//! What a server says of itself: streams, views, connections, health, metrics.

use serde_json::json;

use super::{TOTALS, server};
use crate::support::compare::assert_view_is_batch;
use crate::support::connection::Socket;
use crate::support::until::until;

#[tokio::test]
async fn streams_views_and_connections_are_listed() {
    let (_home, server, position) = server().await;
    let streams = server.api.get("/api/v1/streams").await.ok();
    let stream = &streams["streams"][0];
    assert_eq!((&stream["name"], &stream["events"], &stream["last_offset"]), (&json!("events"), &json!(2), &json!(2)));
    let fields =
        json!([{"name": "kind", "type": "string", "declared": false}, {"name": "v", "type": "int", "declared": false}]);
    assert_eq!(stream["schema"]["fields"], fields);
    let views = server.api.get("/api/v1/views").await.ok();
    assert_eq!((&views["views"][0]["name"], &views["views"][0]["sql"]), (&json!("totals"), &json!(TOTALS)));
    let view = server.api.live_view("totals", &position).await;
    assert_view_is_batch(&server.api, TOTALS, &view).await;
    let mut socket = Socket::open(server.address).await.expect("connected");
    socket.send(&json!({"type": "subscribe", "channel": "view:totals"})).await.unwrap();
    socket.next().await.unwrap();
    let connections = server.api.get("/api/v1/connections").await.ok();
    assert_eq!(connections["connections"][0]["channels"], json!(["view:totals"]), "{connections}");
    drop(socket);
    until("the connection is off the list", async || {
        let connections = server.api.get("/api/v1/connections").await.ok();
        connections["connections"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn health_and_metrics_say_how_it_goes() {
    let (_home, server, position) = server().await;
    assert_eq!(server.api.get("/health/live").await.status, 200);
    let ready = server.api.get("/health/ready").await.ok();
    assert_eq!(
        (&ready["status"], &ready["messages"], &ready["errors"]),
        (&json!("ready"), &json!(2), &json!(0)),
        "{ready}"
    );
    let offset = |position: &str| position.split(':').nth(1).unwrap().to_owned();
    assert_eq!(offset(ready["position"].as_str().unwrap()), offset(&position));
    for figure in ["latency_avg_ms", "latency_p99_ms"] {
        assert!(ready[figure].as_f64().is_some_and(|ms| ms > 0.0), "{ready}");
    }
    let metrics = server.api.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    let metrics = metrics.text();
    for line in [
        "pulseboard_events_accepted_total 2",
        "pulseboard_stream_events{stream=\"events\"} 2",
        "pulseboard_http_requests_total",
    ] {
        assert!(metrics.contains(line), "no `{line}` in {metrics}");
    }
    let openapi = server.api.get("/api/v1/openapi.json").await.ok();
    assert!(openapi["paths"].is_object(), "{openapi}");
}
