//! What a client may send over WebSocket that is no message: answered with its id, and only persistence ends it.

use futures::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::api::refusal_of;
use crate::support::connection::Socket;
use crate::support::server::{Home, Server};

async fn server() -> (Home, Server, Socket) {
    let home = Home::new("[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n");
    let server = home.start().await;
    server.api.accepted("events", &json!({"n": 1})).await;
    let socket = Socket::open(server.address).await.expect("connected");
    (home, server, socket)
}

/// The next message that answers something: frames come whenever they like.
async fn answer(socket: &mut Socket) -> Value {
    loop {
        let message = socket.next().await.expect("the connection goes on");
        if message["type"] != "frame" {
            return message;
        }
    }
}

/// The next answer, which must be an error with this code.
async fn error(socket: &mut Socket, code: &str) -> Value {
    let message = answer(socket).await;
    assert_eq!(message["type"], "error", "{message}");
    let refusal = refusal_of(&message["error"]).unwrap_or_else(|| panic!("no error: {message}"));
    assert_eq!(refusal.code, code, "{message}");
    message
}

async fn assert_goes_on(socket: &mut Socket) {
    socket.send(&json!({"id": "still", "type": "ping"})).await.expect("the connection goes on");
    let pong = socket.next().await.expect("the connection goes on");
    assert_eq!((&pong["type"], &pong["id"]), (&json!("pong"), &json!("still")), "{pong}");
}

#[tokio::test]
async fn what_is_no_message_is_answered_with_its_id_and_the_connection_goes_on() {
    let (_home, mut server, mut socket) = server().await;
    for (text, code, id) in [
        ("", "bad_json", json!(null)),
        ("{\"id\":7,", "bad_json", json!(null)),
        ("[1]", "bad_request", json!(null)),
        ("{\"id\":7}", "bad_request", json!(7)),
        ("{\"id\":7,\"type\":\"jump\"}", "bad_request", json!(7)),
        ("{\"id\":7,\"type\":\"subscribe\"}", "bad_request", json!(7)),
        ("{\"id\":7,\"type\":\"subscribe\",\"channels\":[]}", "bad_request", json!(7)),
        ("{\"id\":7,\"type\":\"subscribe\",\"channel\":\"view:totals\",\"max_hz\":0}", "bad_request", json!(7)),
        ("{\"id\":7,\"type\":\"subscribe\",\"channel\":\"view:totals\",\"since\":\"x\"}", "bad_position", json!(7)),
        ("{\"id\":7,\"type\":\"subscribe\",\"channel\":\"view:totals\",\"timezone\":\"x\"}", "bad_timezone", json!(7)),
        ("{\"id\":7,\"type\":\"unsubscribe\",\"sub\":9}", "unknown_subscription", json!(7)),
        ("{\"id\":7,\"type\":\"publish\",\"stream\":\"no such name\",\"events\":{}}", "bad_request", json!(7)),
        ("{\"id\":7,\"type\":\"publish\",\"stream\":\"events\",\"events\":5}", "bad_json", json!(7)),
    ] {
        socket.0.send(Message::text(text)).await.unwrap();
        let message = error(&mut socket, code).await;
        assert_eq!(message.get("id").cloned().unwrap_or_default(), id, "`{text}`: {message}");
        assert_goes_on(&mut socket).await;
    }
    server.assert_well().await;
}

#[tokio::test]
async fn a_bad_channel_is_answered_by_itself_and_the_others_proceed() {
    let (_home, _server, mut socket) = server().await;
    let channels = json!(["view:totls", "view:totals", "nonsense", "stream:evnts", "board:infra", "alerts:all"]);
    socket.send(&json!({"id": 1, "type": "subscribe", "channels": channels})).await.unwrap();
    for (channel, code) in [
        ("view:totls", "unknown_view"),
        ("nonsense", "bad_channel"),
        ("stream:evnts", "unknown_stream"),
        ("board:infra", "unknown_board"),
        ("alerts:all", "bad_channel"),
    ] {
        let message = error(&mut socket, code).await;
        assert_eq!((&message["channel"], &message["id"]), (&json!(channel), &json!(1)), "{message}");
    }
    let subscribed = socket.next().await.unwrap();
    assert_eq!((&subscribed["type"], &subscribed["channels"]), (&json!("subscribed"), &json!(["view:totals"])));
    let frame = socket.next().await.unwrap();
    assert_eq!(frame["changes"][0]["channel"], "view:totals", "{frame}");
}

#[tokio::test]
async fn published_rows_that_are_wrong_are_named_and_the_good_ones_kept() {
    let (_home, server, mut socket) = server().await;
    let events = json!([{"n": 2}, {"n": "three"}]);
    socket.send(&json!({"id": 1, "type": "publish", "stream": "events", "events": events, "key": "k"})).await.unwrap();
    let ack = socket.next().await.unwrap();
    assert_eq!((&ack["type"], &ack["accepted"], &ack["rejected"]), (&json!("ack"), &json!(1), &json!(1)), "{ack}");
    assert_eq!((&ack["errors"][0]["row"], &ack["errors"][0]["field"]), (&json!(2), &json!("n")), "{ack}");
    socket
        .send(&json!({"id": 2, "type": "publish", "stream": "events", "events": [{"n": 9}], "key": "k"}))
        .await
        .unwrap();
    error(&mut socket, "key_reused").await;
    server.api.accepted("events", &json!({"n": 4})).await;
    assert_eq!(server.api.query("SELECT n FROM events ORDER BY n").await["rows"], json!([[1], [2], [4]]));
}

#[tokio::test]
async fn more_subscriptions_than_a_connection_may_have_are_refused() {
    let (_home, _server, mut socket) = server().await;
    for sub in 1..=64 {
        socket.send(&json!({"type": "subscribe", "channel": "view:totals"})).await.unwrap();
        assert_eq!(answer(&mut socket).await["sub"], sub);
    }
    socket.send(&json!({"type": "subscribe", "channel": "view:totals"})).await.unwrap();
    error(&mut socket, "limit_exceeded").await;
    socket.send(&json!({"type": "unsubscribe", "sub": 3})).await.unwrap();
    assert_eq!(answer(&mut socket).await["type"], "ack");
    socket.send(&json!({"type": "subscribe", "channel": "view:totals"})).await.unwrap();
    assert_eq!(answer(&mut socket).await["sub"], 65, "numbers are not used twice");
}

#[tokio::test]
async fn a_binary_message_a_huge_one_and_persistent_nonsense_end_the_connection_with_their_codes() {
    let (_home, mut server, mut socket) = server().await;
    socket.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(socket.close_code().await, 4_502, "binary");

    let mut socket = Socket::open(server.address).await.expect("connected");
    socket.0.send(Message::text("x".repeat((1 << 20) + 1))).await.unwrap();
    assert_eq!(socket.close_code().await, 4_501, "too large");

    let mut socket = Socket::open(server.address).await.expect("connected");
    for _ in 0..99 {
        socket.0.send(Message::text("nonsense")).await.unwrap();
        error(&mut socket, "bad_json").await;
    }
    assert_goes_on(&mut socket).await;
    for _ in 0..100 {
        socket.0.send(Message::text("nonsense")).await.unwrap();
    }
    assert_eq!(socket.close_code().await, 4_500, "a hundred in a row");
    server.assert_well().await;
}
