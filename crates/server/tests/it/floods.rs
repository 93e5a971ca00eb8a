//! Whoever holds sockets without saying or taking anything, or says too much: let go in time, and nobody waits for it.

use std::net::SocketAddr;
use std::time::Duration;

use futures::SinkExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;

use crate::support::connection::Socket;
use crate::support::server::{Home, Server};
use crate::support::stall::connections;
use crate::support::until::{until, within};

const VIEW: &str = "[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n";
/// As many as descriptors allow, at most.
const HALF_OPEN: usize = 10_000;
/// What the test and its neighbours need for themselves.
const SPARE_DESCRIPTORS: usize = 600;
/// How often somebody slow sends a byte.
const TRICKLE: Duration = Duration::from_millis(20);

/// Raises the limit of descriptors as far as allowed; gives it.
fn descriptors_max() -> usize {
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, maximum: limits.maximum }).unwrap();
    limits.maximum.map_or(usize::MAX, |maximum| usize::try_from(maximum).unwrap_or(usize::MAX))
}

fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count()
}

#[tokio::test]
async fn ten_thousand_half_open_connections_hold_up_nobody_and_are_let_go() {
    let count = HALF_OPEN.min(descriptors_max().saturating_sub(SPARE_DESCRIPTORS));
    let home = Home::new(&format!("{VIEW}[limits.requests]\nhead = \"10s\"\n"));
    let mut server = home.start().await;
    server.api.accepted("events", &json!({"n": 1})).await;
    let mut socket = Socket::open(server.address).await.expect("connected");
    socket.send(&json!({"type": "subscribe", "channel": "view:totals"})).await.unwrap();
    assert_eq!(socket.next().await.unwrap()["type"], "subscribed");
    let before = descriptors(&server);
    let connecting = async {
        let mut held = Vec::with_capacity(count);
        for n in 0..count {
            let mut stream = within("a connection", TcpStream::connect(server.address)).await.unwrap();
            if n % 2 == 0 {
                stream.write_all(b"GET /api/v1/live/sse?channel=view:totals HTTP/1.1\r\nHost: local").await.unwrap();
            }
            held.push(stream);
        }
        // Others are served meanwhile.
        server.api.accepted("events", &json!({"n": 2})).await;
        held
    };
    // Read all the while, so that pings are answered however long the connecting takes.
    let counted = async {
        loop {
            let frame = socket.next().await.expect("the reader stays connected");
            let set = frame["changes"][0]["delta"]["set"].as_object();
            if set.is_some_and(|set| set.values().any(|row| row["n"] == 2)) {
                return;
            }
        }
    };
    let (held, ()) = tokio::join!(connecting, counted);
    let open = descriptors(&server);
    println!("{count} half-open connections, {open} descriptors of the server");
    for mut stream in held {
        // However it ends.
        let mut answer = Vec::new();
        drop(within("the end of a half-open connection", stream.read_to_end(&mut answer)).await);
    }
    until("their descriptors are free", async || (descriptors(&server) < before + 20).then_some(())).await;
    let metrics = server.api.get("/metrics").await.text();
    let reaped =
        metrics.lines().find_map(|line| line.strip_prefix("pulseboard_sockets_reaped_total{reason=\"silent\"} "));
    assert!(reaped.is_some_and(|reaped| reaped.parse::<usize>().unwrap() >= count), "{count}: {reaped:?}");
    server.assert_well().await;
}

/// Sends `head`, then one byte after the other until the server has enough; gives what it answered.
async fn trickle(address: SocketAddr, head: &str) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    to.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let send = async {
        while to.write_all(b" ").await.is_ok() {
            tokio::time::sleep(TRICKLE).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ended = within("the end of a slow request", from.read_to_end(&mut answer)) => {}
        () = send => {}
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn whoever_sends_a_byte_now_and_then_is_not_waited_for() {
    let home = Home::new(&format!("{VIEW}[limits.requests]\nhead = \"2s\"\nbody = \"2s\"\n"));
    let mut server = home.start().await;
    let address = server.address;
    let post = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: 1000000\r\n\r\n{{"
        )
    };
    let (of_query, of_events) = (post("/api/v1/query"), post("/api/v1/streams/events/events"));
    let (head, query, events) = tokio::join!(
        trickle(address, "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
        trickle(address, &of_query),
        trickle(address, &of_events),
    );
    assert!(!head.contains("200"), "it was never asked whole: {head}");
    for answer in [query, events] {
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{answer}");
    }
    server.assert_well().await;
}

#[tokio::test]
async fn an_sse_reader_that_takes_nothing_is_let_go() {
    let home = Home::new("[limits.websockets]\nunread = \"2s\"\n");
    let mut server = home.start().await;
    let api = server.api.clone();
    let text = "x".repeat(1_000);
    let events: Value = (0..500).map(|n| json!({"n": n, "text": text})).collect();
    api.accepted("events", &events).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    stream.write_all(b"GET /api/v1/live/sse?channel=stream:events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    until("it is followed", async || (!connections(&api).await.is_empty()).then_some(())).await;
    until("it is let go", async || {
        api.accepted("events", &events).await;
        connections(&api).await.is_empty().then_some(())
    })
    .await;
    let metrics = api.get("/metrics").await.text();
    assert!(metrics.contains("pulseboard_sockets_reaped_total{reason=\"unread\"} 1"), "{metrics}");
    server.assert_well().await;
    drop(stream);
}

#[tokio::test]
async fn a_flood_of_pings_ends_the_connection() {
    let home = Home::new(VIEW);
    let mut server = home.start().await;
    let mut socket = Socket::open(server.address).await.expect("connected");
    for _ in 0..1_200 {
        // Once the server has closed, it takes no more.
        if socket.0.send(Message::Ping(b"0123456789".as_slice().into())).await.is_err() {
            break;
        }
    }
    assert_eq!(socket.close_code().await, 4_500);
    server.assert_well().await;
}
