//! The server's end: SIGTERM drains and exits with 0, also with readers connected, and nothing acknowledged is lost.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::connection::{Events, Socket};
use crate::support::server::Home;
use crate::support::stall::{connections, until_stalled};
use crate::support::until::until;

/// What the contract allows for draining.
const DRAIN_MAX: Duration = Duration::from_secs(10);

#[tokio::test]
async fn sigterm_tells_open_connections_when_to_come_back_and_exits_with_0() {
    let home = Home::new("[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n");
    let server = home.start().await;
    let api = server.api.clone();
    api.accepted("events", &json!({"n": 1})).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = Socket::open(server.address).await.expect("connected");
        socket.send(&json!({"type": "subscribe", "channels": ["view:totals", "stream:events"]})).await.unwrap();
        assert_eq!(socket.next().await.unwrap()["type"], "subscribed");
        sockets.push(socket);
    }
    let mut events = Events::open(server.address, "channel=view:totals", None).await.unwrap();
    // One that has said nothing yet must not hold it up.
    let mute = tokio::net::TcpStream::connect(server.address).await.unwrap();

    let started = Instant::now();
    server.terminate();
    let sse = async {
        loop {
            let event = events.next().await.expect("it says goodbye first");
            if event.name == "restart" {
                let data: Value = serde_json::from_str(&event.data).unwrap();
                assert!(data["after_ms"].is_u64() && event.retry_ms.is_some(), "{event:?}");
                return;
            }
        }
    };
    let closes = async {
        for socket in &mut sockets {
            assert_eq!(socket.close_code().await, 4_000);
        }
    };
    let (status, (), ()) = tokio::join!(server.ended(DRAIN_MAX), sse, closes);
    println!("ended after {:?}", started.elapsed());
    assert!(status.success(), "{status}: {}", home.said());
    drop(mute);
    assert!(api.request("GET", "/health/live").send().await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn while_it_drains_it_is_not_ready_and_readers_leave_one_by_one() {
    let home = Home::new("[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n");
    let server = home.start().await;
    let api = server.api.clone();
    api.accepted("events", &json!({"n": 1})).await;
    let mut sockets = Vec::new();
    for _ in 0..60 {
        sockets.push(Socket::open(server.address).await.expect("connected"));
    }
    server.terminate();
    let started = Instant::now();
    let asked = async {
        let drains = until("it is not ready", async || {
            let answer = api.get("/health/ready").await;
            (answer.status == 503).then(|| answer.json())
        })
        .await;
        assert_eq!(drains["status"], "draining", "{drains}");
        let refused = api.get("/api/v1/live/poll?channel=view:totals").await.refused(503, "shutting_down");
        assert!(refused.details["retry_after_ms"].as_u64().is_some(), "{refused:?}");
    };
    let closes = futures::future::join_all(sockets.iter_mut().map(async |socket| {
        assert_eq!(socket.close_code().await, 4_000);
        started.elapsed()
    }));
    let ((), closed, status) = tokio::join!(asked, closes, server.ended(DRAIN_MAX));
    assert!(status.success(), "{status}: {}", home.said());
    let (first, last) = (closed.iter().min().unwrap(), closed.iter().max().unwrap());
    println!("the first left after {first:?}, the last after {last:?}");
    // Of 60 moments within two seconds, all within half a second would be a wonder.
    assert!(*last - *first > Duration::from_millis(500), "all left at once: {closed:?}");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_does_not_hold_up_the_end() {
    let home = Home::new("");
    let server = home.start().await;
    let api = server.api.clone();
    let text = "x".repeat(1_000);
    let events: Value = (0..500).map(|n| json!({"n": n, "text": text})).collect();
    api.accepted("events", &events).await;
    let mut socket = Socket::open_narrow(server.address).await.expect("connected");
    socket.send(&json!({"type": "subscribe", "channel": "stream:events"})).await.unwrap();
    until("it is followed", async || (!connections(&api).await.is_empty()).then_some(())).await;
    until_stalled(&api, async || drop(api.accepted("events", &events).await)).await;

    server.terminate();
    let status = server.ended(DRAIN_MAX).await;
    assert!(status.success(), "{status}: {}", home.said());
    drop(socket);
}

#[tokio::test]
async fn what_was_acknowledged_before_sigterm_is_there_after_the_next_start() {
    let home = Home::new("");
    let server = home.start().await;
    let api = server.api.clone();
    let post = async {
        let mut acknowledged = 0_i64;
        loop {
            let request = api.request("POST", "/api/v1/streams/events/events").json(&json!({"n": acknowledged}));
            match request.send().await {
                Ok(response) if response.status() == 200 => acknowledged += 1,
                // Draining or gone: refused, not half accepted.
                Ok(response) => {
                    assert_eq!(response.status(), 503, "while it drains");
                    return acknowledged;
                }
                Err(_) => return acknowledged,
            }
        }
    };
    let end = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.terminate();
        server.ended(DRAIN_MAX).await
    };
    let (acknowledged, status) = tokio::join!(post, end);
    assert!(status.success(), "{status}: {}", home.said());
    let server = home.start().await;
    let rows = server.api.query("SELECT count(*), max(n) FROM events").await["rows"].clone();
    // The last request may have become durable without its answer getting out.
    let count = rows[0][0].as_i64().unwrap();
    assert!([acknowledged, acknowledged + 1].contains(&count), "{count} are there, {acknowledged} acknowledged");
    assert_eq!(rows[0][1], count - 1);
    server.stop().await;
}
