//! Readers behind a real nginx: with its defaults over all that is plain HTTP, with the shipped configuration over WebSocket.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::connection::Transport;
use crate::support::follower::Follower;
use crate::support::nginx::{DEFAULTS, Nginx, shipped};
use crate::support::server::{Home, Server};

const SQL: &str = "SELECT kind, count(*) AS n FROM events GROUP BY kind";

async fn server() -> (Home, Server) {
    let home = Home::new(&format!("[views.by_kind]\nsql = \"{SQL}\"\n"));
    let server = home.start().await;
    let position = server.api.accepted("events", &json!({"id": 0, "kind": "a"})).await;
    server.api.live_view("by_kind", &position).await;
    (home, server)
}

/// Each event reaches the reader by itself, before there is another one that could push it through.
async fn assert_nothing_is_held_back(http: &str, transport: Transport) {
    let (_home, server) = server().await;
    let nginx = Nginx::start(http, server.address).await;
    let mut follower = Follower::new(["view:by_kind", "stream:events"]);
    let mut connection = follower.connect(nginx.address, transport).await.expect("connected");
    follower.take_until(&mut connection, |follower| follower.is_live("view:by_kind")).await.expect("connected");
    let mut slowest = Duration::ZERO;
    for id in 1..=40 {
        let posted = Instant::now();
        server.api.accepted("events", &json!({"id": id, "kind": format!("k{}", id % 3)})).await;
        let here = |follower: &Follower| follower.items("stream:events", "id").last() == Some(&Value::from(id));
        follower.take_until(&mut connection, here).await.expect("connected");
        slowest = slowest.max(posted.elapsed());
        follower.assert_holds(&server.api, "by_kind", SQL).await;
    }
    println!("{transport:?}: at most {slowest:?} from sent to seen");
    // nginx goes and comes back: the reader goes on where it was.
    let (cursor, resumed) = (follower.replica.cursor.clone(), follower.resumed);
    drop((connection, nginx));
    server.api.accepted("events", &json!({"id": 41, "kind": "k0"})).await;
    let nginx = Nginx::start(http, server.address).await;
    let mut connection = follower.connect(nginx.address, transport).await.expect("connected");
    assert_eq!(follower.replica.cursor, cursor);
    let here = |follower: &Follower| follower.items("stream:events", "id").last() == Some(&Value::from(41));
    follower.take_until(&mut connection, here).await.expect("connected");
    assert!(follower.resumed > resumed, "it began again");
    let expected: Vec<Value> = (1..=41).map(Value::from).collect();
    assert_eq!(follower.items("stream:events", "id"), expected);
}

#[tokio::test]
async fn sse_passes_an_nginx_with_its_defaults() {
    assert_nothing_is_held_back(DEFAULTS, Transport::Sse).await;
}

#[tokio::test]
async fn long_polls_pass_an_nginx_with_its_defaults() {
    assert_nothing_is_held_back(DEFAULTS, Transport::LongPoll).await;
}

#[tokio::test]
async fn polls_pass_an_nginx_with_its_defaults() {
    assert_nothing_is_held_back(DEFAULTS, Transport::Poll).await;
}

#[tokio::test]
async fn socketio_passes_an_nginx_with_its_defaults() {
    assert_nothing_is_held_back(DEFAULTS, Transport::SocketIoPolls).await;
}

#[tokio::test]
async fn socketio_passes_an_nginx_with_the_shipped_configuration() {
    assert_nothing_is_held_back(&shipped(), Transport::SocketIo).await;
}

#[tokio::test]
async fn websocket_passes_an_nginx_with_the_shipped_configuration() {
    assert_nothing_is_held_back(&shipped(), Transport::WebSocket).await;
}

#[tokio::test]
async fn sse_passes_an_nginx_with_the_shipped_configuration() {
    assert_nothing_is_held_back(&shipped(), Transport::Sse).await;
}
