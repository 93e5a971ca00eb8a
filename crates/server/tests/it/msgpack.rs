//! The binary encoding of WebSocket: the same messages, asked for by subprotocol.

use futures::{SinkExt, StreamExt};
use pulseboard_protocol::msgpack::{SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, from_json, to_json};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::connection::Socket;
use crate::support::server::{Home, Server};
use crate::support::until::within;

struct Binary(WebSocketStream<TcpStream>);

async fn open(server: &Server, protocols: &str) -> (WebSocketStream<TcpStream>, Option<String>) {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let mut request = format!("ws://{}/api/v1/live", server.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    let (socket, response) = client_async(request, stream).await.expect("connected");
    let chosen = response.headers().get("sec-websocket-protocol").map(|name| name.to_str().unwrap().to_owned());
    (socket, chosen)
}

impl Binary {
    async fn open(server: &Server) -> Self {
        let (socket, chosen) = open(server, &format!("{SUBPROTOCOL_JSON}, {SUBPROTOCOL_MSGPACK}")).await;
        assert_eq!(chosen.as_deref(), Some(SUBPROTOCOL_MSGPACK), "of both the smaller");
        Self(socket)
    }

    async fn send(&mut self, message: &Value) {
        let bytes = from_json(message.to_string().as_bytes()).unwrap();
        self.0.send(Message::binary(bytes)).await.unwrap();
    }

    async fn next(&mut self) -> (Value, usize) {
        loop {
            match within("the next message", self.0.next()).await {
                Some(Ok(Message::Binary(bytes))) => {
                    return (serde_json::from_str(&to_json(&bytes).unwrap()).unwrap(), bytes.len());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn server() -> (Home, Server) {
    let home =
        Home::new("[views.by_kind]\nsql = \"SELECT kind, count(*) AS n, sum(v) AS v FROM events GROUP BY kind\"\n");
    let server = home.start().await;
    let events: Vec<Value> = (0..50).map(|n| json!({"kind": format!("kind {n}"), "v": f64::from(n) * 1.5})).collect();
    let position = server.api.accepted("events", &json!(events)).await;
    server.api.live_view("by_kind", &position).await;
    (home, server)
}

/// The changes of a frame without when their input came last, which each reader is told as of its own frame.
fn rows_of(frame: &Value) -> Value {
    let mut changes = frame["changes"].clone();
    for change in changes.as_array_mut().into_iter().flatten() {
        if let Some(state) = change.get_mut("state").and_then(Value::as_object_mut) {
            state.remove("input_at");
        }
    }
    changes
}

#[tokio::test]
async fn frames_and_answers_say_the_same_in_fewer_bytes() {
    let (_home, server) = server().await;
    let mut binary = Binary::open(&server).await;
    let mut text = Socket::open(server.address).await.expect("connected");
    let subscribe = json!({"id": 1, "type": "subscribe", "channels": ["view:by_kind", "stream:events?last=3"]});
    binary.send(&subscribe).await;
    text.send(&subscribe).await.unwrap();
    let (subscribed, _) = binary.next().await;
    let of_text = text.next().await.unwrap();
    assert_eq!((&subscribed["type"], &subscribed["channels"]), (&json!("subscribed"), &of_text["channels"]));
    for round in 0..3 {
        let ((frame, bytes), of_text) = (binary.next().await, text.next().await.unwrap());
        assert_eq!(rows_of(&frame), rows_of(&of_text), "round {round}");
        assert!(bytes < of_text.to_string().len(), "{bytes} bytes for {of_text}");
        binary
            .send(&json!({"id": "p", "type": "publish", "stream": "events", "events": {"kind": "new", "v": round}}))
            .await;
        // The frame may come before the acknowledgement.
        let (first, _) = binary.next().await;
        let (second, _) = binary.next().await;
        let acks = [&first, &second].into_iter().filter(|message| message["type"] == "ack").count();
        assert_eq!(acks, 1, "{first} {second}");
        let frame = if first["type"] == "frame" { first } else { second };
        let of_text = text.next().await.unwrap();
        assert_eq!(rows_of(&frame), rows_of(&of_text), "round {round}");
        binary.send(&json!({"type": "unsubscribe", "sub": frame["sub"]})).await;
        assert_eq!(binary.next().await.0["type"], "ack");
        text.send(&json!({"type": "unsubscribe", "sub": of_text["sub"]})).await.unwrap();
        assert_eq!(text.next().await.unwrap()["type"], "ack");
        binary.send(&subscribe).await;
        text.send(&subscribe).await.unwrap();
        assert_eq!(binary.next().await.0["type"], "subscribed");
        assert_eq!(text.next().await.unwrap()["type"], "subscribed");
    }
}

#[tokio::test]
async fn what_is_no_message_is_said_and_text_is_understood_too() {
    let (_home, server) = server().await;
    let mut binary = Binary::open(&server).await;
    for bad in [&[0xc1][..], &[0x81, 0x01, 0x02], &[0xc0, 0xc0]] {
        binary.0.send(Message::binary(bad.to_vec())).await.unwrap();
        assert_eq!(binary.next().await.0["error"]["code"], "bad_json");
    }
    binary.0.send(Message::text(r#"{"id":7,"type":"ping"}"#)).await.unwrap();
    let (pong, _) = binary.next().await;
    assert_eq!((&pong["type"], &pong["id"]), (&json!("pong"), &json!(7)), "{pong}");
}

#[tokio::test]
async fn without_the_subprotocol_text_is_spoken() {
    let (_home, server) = server().await;
    for (asked, expected) in [("soap, pulseboard.v9", None), (SUBPROTOCOL_JSON, Some(SUBPROTOCOL_JSON))] {
        // A client that asked for something refuses an answer without it; the server's own answer is looked at here.
        let answer = server
            .api
            .request("GET", "/api/v1/live")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", asked)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 101);
        let chosen = answer.headers().get("sec-websocket-protocol").map(|name| name.to_str().unwrap());
        assert_eq!(chosen, expected);
    }
    let mut text = Socket::open(server.address).await.expect("connected");
    text.0.send(Message::binary(vec![0xc0])).await.unwrap();
    assert_eq!(text.close_code().await, 4_502);
}
