//! What requests of each role may be: how many, how large, how long; and how many connections one token has.

use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::connection::{Broken, Socket};
use crate::support::server::{Home, Server};
use crate::support::socketio::Client;
use crate::support::until::until;

/// More than anybody waits for. What it holds is small, so that time is what runs out.
const ENDLESS: &str =
    "SELECT count(*) AS n FROM thousand a CROSS JOIN thousand b CROSS JOIN thousand c WHERE a.n + b.n + c.n < 0";

/// A server with a token of each role that is asked for.
async fn server<const N: usize>(config: &str, roles: [&str; N]) -> (Home, Server, [Api; N], Api) {
    let home = Home::new(&format!("[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n{config}"));
    let mut tokens = Vec::new();
    for role in roles {
        tokens.push(home.new_token(&["--role", role]).await);
    }
    let admin = home.new_token(&["--role", "admin"]).await;
    let server = home.start().await;
    let apis = tokens.iter().map(|token| server.api.with_token(token)).collect::<Vec<_>>();
    let admin = server.api.with_token(&admin);
    let thousand: Vec<Value> = (0..1_000).map(|n| json!({ "n": n })).collect();
    admin.accepted("thousand", &json!(thousand)).await;
    admin.accepted("events", &json!({"n": 1})).await;
    admin.settle().await;
    (home, server, apis.try_into().expect("as many"), admin)
}

async fn limited(admin: &Api, role: &str, limit: &str) -> u64 {
    let metrics = admin.get("/metrics").await.text();
    let line = format!("pulseboard_requests_limited_total{{role=\"{role}\",limit=\"{limit}\"}} ");
    metrics.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

/// The first answer that is none, of so many questions at most.
async fn first_refused(api: &Api, path: &str, most: usize) -> Answer {
    for _ in 0..most {
        let answer = api.get(path).await;
        if answer.status != 200 {
            return answer;
        }
    }
    panic!("{most} questions were answered");
}

#[tokio::test]
async fn a_token_asks_so_often_and_others_go_on() {
    let config = "[limits.roles.viewer]\nper_second = 3\n[limits.roles.ingest]\nper_second = 2\n";
    let (home, server, [one, other, ingest], admin) = server(config, ["viewer", "viewer", "ingest"]).await;
    let answer = first_refused(&one, "/api/v1/me", 50).await;
    let refusal = answer.refused(429, "busy");
    assert!(refusal.message.contains("`viewer` may ask 3 times a second"), "{refusal:?}");
    let after_ms = refusal.details["retry_after_ms"].as_u64().unwrap();
    assert!((1..=335).contains(&after_ms), "{refusal:?}");
    assert_eq!(answer.header("retry-after"), "1");
    other.get("/api/v1/me").await.ok();
    for _ in 0..20 {
        admin.get("/api/v1/me").await.ok();
    }
    assert!(limited(&admin, "viewer", "rate").await >= 1);
    until("it may ask again", async || (one.get("/api/v1/me").await.status == 200).then_some(())).await;
    // Whoever need show nothing is not counted.
    for _ in 0..20 {
        server.api.get("/health/live").await;
    }
    let mut refused = false;
    for _ in 0..50 {
        let answer = ingest.events("events", "{\"n\":1}").await;
        refused |= answer.status == 429;
    }
    assert!(refused, "events are requests, too");

    // On a socket each message that asks for something is one.
    let token = home.new_token(&["--role", "viewer"]).await;
    let mut socket = Socket::open_with(server.address, &token).await.unwrap();
    for id in 0..50 {
        socket.send(&json!({"type": "subscribe", "id": id, "channel": "view:nothing"})).await.unwrap();
    }
    loop {
        let message = socket.next().await.unwrap();
        assert_eq!(message["type"], "error", "{message}");
        if message["error"]["code"] == "busy" {
            assert!(message["error"]["details"]["retry_after_ms"].is_u64(), "{message}");
            break;
        }
    }
    socket.send(&json!({"type": "ping", "id": "still"})).await.unwrap();
    while socket.next().await.unwrap()["id"] != "still" {}

    // So it is for a stock client of Socket.IO.
    let token = home.new_token(&["--role", "viewer"]).await;
    let shown = json!({"Authorization": format!("Bearer {token}")});
    let options = json!({"transports": ["websocket"], "extraHeaders": shown, "reconnection": false});
    let mut client = Client::open(server.address, &options);
    client.until("connect").await;
    let mut refused = None;
    for _ in 0..50 {
        let answer = client.ask("subscribe", json!({"channel": "view:nothing"})).await;
        if answer["error"]["code"] == "busy" {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("fifty were answered");
    assert!(refused["error"]["details"]["retry_after_ms"].is_u64(), "{refused}");
}

#[tokio::test]
async fn a_role_sends_so_much_at_once() {
    let config = "[limits.roles.ingest]\nbody_bytes = \"4KiB\"\n[limits.roles.viewer]\nbody_bytes = \"1KiB\"\n";
    let (home, server, [ingest, viewer], admin) = server(config, ["ingest", "viewer"]).await;
    let body = |bytes: usize| json!({"text": "x".repeat(bytes)}).to_string();
    ingest.events("events", body(3_000)).await.ok();
    let refusal = ingest.events("events", body(5_000)).await.refused(413, "too_large");
    assert_eq!(refusal.details["max_bytes"], 4_096, "{refusal:?}");
    admin.events("events", body(5_000)).await.ok();
    let question = |bytes: usize| json!({"sql": "SELECT 1 AS n", "params": {"unused": "x".repeat(bytes)}});
    let refusal = viewer.post("/api/v1/query", &question(2_000)).await.refused(413, "too_large");
    assert_eq!(refusal.details["max_bytes"], 1_024, "{refusal:?}");
    assert_ne!(admin.post("/api/v1/query", &question(2_000)).await.status, 413);

    let token = home.new_token(&["--role", "ingest"]).await;
    let mut socket = Socket::open_with(server.address, &token).await.unwrap();
    socket
        .send(&json!({"type": "publish", "stream": "events", "events": [{"text": "x".repeat(5_000)}]}))
        .await
        .unwrap();
    let message = socket.next().await.unwrap();
    assert_eq!(message["error"]["code"], "too_large", "{message}");
    socket.send(&json!({"type": "publish", "stream": "events", "events": [{"text": "x"}]})).await.unwrap();
    assert_eq!(socket.next().await.unwrap()["type"], "ack");
    assert!(limited(&admin, "ingest", "size").await >= 2);
    assert!(limited(&admin, "viewer", "size").await >= 1);
}

#[tokio::test]
async fn what_reads_is_ended_when_the_time_of_its_role_is_over() {
    let config = "[limits.queries]\ntime = \"30m\"\n[limits.roles.viewer]\ntime = \"1s\"\n";
    let (_home, mut server, [viewer], admin) = server(config, ["viewer"]).await;
    let refusal = viewer.post("/api/v1/query", &json!({ "sql": ENDLESS })).await.refused(422, "limit_exceeded");
    assert!(refusal.message.contains("more than 1 s, the most role `viewer` may"), "{refusal:?}");
    assert_eq!(limited(&admin, "viewer", "time").await, 1);
    until("the query is ended, too", async || {
        let metrics = admin.get("/metrics").await.text();
        metrics.contains("pulseboard_queries_running 0\n").then_some(())
    })
    .await;
    // Who waits because it asked to is not timed.
    let tag = viewer.get("/api/v1/views/totals").await.header("etag").to_owned();
    let waited = viewer.request("GET", "/api/v1/views/totals?wait=3s").header("if-none-match", tag);
    assert_eq!(crate::support::api::read(waited).await.status, 304);
    server.assert_well().await;
}

#[tokio::test]
async fn a_token_has_so_many_connections_wherever_it_is_shown() {
    let (home, server, [], admin) = server("[limits.connections]\nper_token = 2\n", []).await;
    let (one, other) = (home.new_token(&["--role", "viewer"]).await, home.new_token(&["--role", "viewer"]).await);
    let mut sockets = Vec::new();
    for _ in 0..2 {
        sockets.push(Socket::open_with(server.address, &one).await.expect("there is room"));
    }
    let poll = "/api/v1/live/poll?channel=view:totals";
    let answer = server.api.with_token(&one).get(poll).await;
    let refusal = answer.refused(503, "overloaded");
    assert!(refusal.message.contains("your token has 2 connections already"), "{refusal:?}");
    let after_ms = refusal.details["retry_after_ms"].as_u64().unwrap();
    assert_eq!(answer.header("retry-after").parse(), Ok(after_ms.div_ceil(1_000)));
    assert!(matches!(Socket::open_with(server.address, &one).await, Err(Broken)), "there is no room");
    server.api.with_token(&other).get(poll).await.ok();
    admin.get(poll).await.ok();
    let metrics = admin.get("/metrics").await.text();
    for line in
        ["pulseboard_connections_refused_total{limit=\"token\"} 2", "pulseboard_connections_max{limit=\"token\"} 2"]
    {
        assert!(metrics.contains(line), "no `{line}` in {metrics}");
    }

    // Nor is there for one that is open and goes on with that token, until there is; then its own has one less.
    let mut socket = Socket::open_with(server.address, &other).await.expect("there is room");
    let _last = Socket::open_with(server.address, &other).await.expect("there is room");
    let go_on = json!({"type": "auth", "token": one});
    socket.send(&go_on).await.unwrap();
    let refusal = socket.next().await.unwrap();
    assert_eq!((&refusal["type"], &refusal["error"]["code"]), (&json!("error"), &json!("overloaded")), "{refusal}");
    assert!(
        matches!(Socket::open_with(server.address, &other).await, Err(Broken)),
        "it still counts as one of its own"
    );
    sockets.pop();
    until("the place is free again", async || {
        socket.send(&go_on).await.unwrap();
        (socket.next().await.unwrap()["type"] == "authenticated").then_some(())
    })
    .await;
    let _next = Socket::open_with(server.address, &other).await.expect("it is one of the other's now");
    assert!(matches!(Socket::open_with(server.address, &one).await, Err(Broken)), "which has no room again");
    sockets.pop();
    until("the place is free again", async || Socket::open_with(server.address, &one).await.ok()).await;
}
