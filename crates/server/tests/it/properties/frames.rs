//! Client messages by chance, several on one connection: each is answered, and the connection goes on.

use futures::SinkExt;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{World, assert_documented, nearly, pieces};
use crate::support::api::{answered, refusal_of};
use crate::support::connection::Socket;

const MESSAGES: &[&str] = &[
    r#"{"id":1,"type":"subscribe","channels":["view:totals","stream:events"],"max_hz":60,"last":2}"#,
    r#"{"id":"x","type":"subscribe","channel":"stream:events?last=5","since":"00000000000000ab:42:1700000000123456","batch_ms":10}"#,
    r#"{"type":"subscribe","channel":"view:totals","since":"00000000000000ab:42:1~000000010000000200000003","timezone":"UTC"}"#,
    r#"{"id":2,"type":"unsubscribe","sub":1}"#,
    r#"{"id":2,"type":"unsubscribe","channel":"view:totals"}"#,
    r#"{"id":3,"type":"publish","stream":"events","events":[{"n":1},{"n":"x"}],"key":"k"}"#,
    r#"{"type":"ping"}"#,
];

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"type\"",
    "\"subscribe\"",
    "\"publish\"",
    "\"ping\"",
    "\"channels\"",
    "\"view:totals\"",
    "\"id\"",
    "\"since\"",
    "\"\"",
    "\"max_hz\"",
    "1",
    "-1",
    "1e999",
    "null",
    "true",
    "\\",
    "é",
    "\0",
    "\"events\"",
    "{}",
];

fn message() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => nearly(MESSAGES).boxed(),
        2 => select(MESSAGES).prop_map(str::to_owned).boxed(),
        2 => pieces(PIECES, 15).boxed(),
        1 => ".{0,80}".boxed(),
    ]
}

#[test]
fn any_messages_get_documented_answers_and_the_connection_goes_on() {
    let mut world = World::new();
    world.check(200, prop::collection::vec(message(), 1..6), &async |server, messages| {
        let mut socket = Socket::open(server.address).await.expect("connected");
        for message in &messages {
            socket.0.send(Message::text(message.as_str())).await.unwrap();
        }
        socket.send(&json!({"type": "ping", "id": "the end"})).await.unwrap();
        loop {
            let answer = socket.next().await.unwrap_or_else(|_| panic!("the connection ended after {messages:?}"));
            match answer["type"].as_str() {
                Some("pong") if answer["id"] == "the end" => break,
                Some("subscribed" | "frame" | "ack" | "pong") => {}
                Some("error") => {
                    let refusal = refusal_of(&answer["error"]);
                    let refusal = refusal.unwrap_or_else(|| panic!("no code and message: {answer} to {messages:?}"));
                    assert_ne!(refusal.code, "internal", "{answer} to {messages:?}");
                }
                _ => panic!("{answer} to {messages:?}"),
            }
        }
    });
}

#[test]
fn any_channels_and_cursors_in_a_url_get_documented_answers() {
    const QUERIES: &[&str] = &[
        "channel=viev:totals&since=00000000000000ab:42:1700000000123456",
        "channel=stream:nothing&last=5&max_hz=0.5&batch_ms=1",
        "channel=view:nothing&channel=stream:events&timezone=Europe/Berlin",
        "channel=stream:events&since=x&events=named",
        "channel=view:totals?x=1&last=-1",
        "",
    ];
    let mut world = World::new();
    world.check(150, nearly(QUERIES), &async |server, query| {
        let Ok(request) = server.api.request("GET", "/api/v1/live/sse").build() else { return };
        let mut url = request.url().clone();
        url.set_query(Some(&query));
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let response = server.api.request("GET", &path).send().await.unwrap();
        // A stream that was opened after all goes on for ever: its first bytes would be those of a good one.
        if response.status().as_u16() == 200 {
            assert_eq!(response.headers()["content-type"], "text/event-stream", "{query}");
            return;
        }
        assert_documented(&answered(response).await, &query);
    });
}
