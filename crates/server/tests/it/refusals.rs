//! What is refused for want of room: bodies beyond the memory for them, streams beyond their number. Others go on.

use async_compression::tokio::write::ZstdEncoder;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::api::events_path;
use crate::support::server::{Home, Server};
use crate::support::until::until;

/// The largest body that is taken, and how many of them the server has in hand at most.
const BODY_MIB: usize = 32;
const BODIES: usize = 8;
/// So much of a packed body is not sent: a few blocks of 128 KiB unpacked.
const HELD_BACK_BYTES: usize = 16;

/// The largest body, packed.
async fn packed() -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = ZstdEncoder::new(&mut out);
    for _ in 0..BODY_MIB {
        encoder.write_all(&vec![b' '; 1 << 20]).await.unwrap();
    }
    encoder.shutdown().await.unwrap();
    out
}

/// A request whose body lacks its end.
async fn unfinished(server: &Server, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Encoding: zstd\r\nContent-Length: {}\r\n\r\n",
        events_path("large"),
        server.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..body.len() - HELD_BACK_BYTES]).await.unwrap();
    stream
}

/// A body of one event that is larger than what the unfinished ones leave.
fn large(n: i64) -> String {
    format!("{}{{\"n\":{n}}}", " ".repeat(31 << 20))
}

#[tokio::test]
async fn more_bodies_than_there_is_memory_for_are_answered_429_with_a_time_to_come_back() {
    let home = Home::new("");
    let mut server = home.start().await;
    server.api.accepted("events", &json!({"n": 1})).await;
    let (body, mut open) = (packed().await, Vec::new());
    for _ in 0..BODIES {
        open.push(unfinished(&server, &body).await);
    }
    let refused = until("there is no room for another body", async || {
        let answer = server.api.events("events", large(2)).await;
        if answer.status != 200 {
            return Some(answer);
        }
        // It may have been before the last of them was unpacked, which was refused in its place.
        open.push(unfinished(&server, &body).await);
        None
    })
    .await;
    refused.refused(429, "busy");
    let seconds: u64 = refused.header("retry-after").parse().expect("whole seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    server.api.query("SELECT count(*) FROM events").await;

    drop(open);
    until("bodies that were given up make room", async || {
        (server.api.events("events", large(3)).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(server.api.query("SELECT count(*) AS n FROM events WHERE n = 3").await["rows"], json!([[1]]));
    server.assert_well().await;
}

#[tokio::test]
async fn a_stream_beyond_their_number_is_refused_and_the_others_go_on() {
    let home = Home::new("[limits]\nstreams = 2\n");
    let server = home.start().await;
    let api = &server.api;
    api.accepted("first", &json!({"n": 1})).await;
    // The stream that keeps what was rejected is the server's own: it takes nobody's place.
    let half = api.events("first", "{\"n\":2}\n{\"n\":\"two\"}\n").await.ok();
    assert_eq!((&half["accepted"], &half["rejected"]), (&json!(1), &json!(1)), "{half}");
    assert_eq!(api.query("SELECT count(*) AS n FROM _rejected").await["rows"], json!([[1]]));
    api.accepted("second", &json!({"n": 1})).await;
    let refusal = api.events("third", "{\"n\":1}").await.refused(422, "too_many_streams");
    assert!(refusal.message.contains('2'), "it names how many there may be: {refusal:?}");
    for stream in ["first", "second"] {
        api.accepted(stream, &json!({"n": 3})).await;
    }
    let again = api.events("second", "{\"n\":\"x\"}").await;
    assert_eq!(again.status, 422, "rejected, and not for want of a stream: {}", again.text());
    let streams = api.get("/api/v1/streams").await.ok();
    let names: Vec<_> = streams["streams"].as_array().unwrap().iter().map(|stream| stream["name"].clone()).collect();
    assert!(!names.contains(&json!("third")), "{names:?}");
}
