//! A server that takes every event, and sends each POST's body as one frame to every WebSocket that has subscribed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{SinkExt, StreamExt};
use pulseboard_bench::Target;
use pulseboard_runtime::Tasks;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;

/// How many frames a subscriber may lag behind: more than a test sends.
const FRAMES_MAX: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) target: Target,
    /// How many events came.
    pub(crate) events: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Connections {
    tasks: Tasks,
    status: &'static str,
    events: Arc<AtomicU64>,
    frames: broadcast::Sender<String>,
}

/// Starts a server that answers POSTs with `status`.
pub(crate) async fn start(tasks: &Tasks, status: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (frames, _nobody) = broadcast::channel(FRAMES_MAX);
    let connections = Connections { tasks: tasks.clone(), status, events: Arc::default(), frames };
    let events = connections.events.clone();
    tasks.spawn("server", async move {
        while let Ok((stream, _peer)) = listener.accept().await {
            connections.tasks.spawn("connection", connections.clone().connection(stream));
        }
    });
    Server { target: Target::resolve(&url, false, None).await.expect("loopback"), events }
}

impl Connections {
    async fn connection(self, stream: TcpStream) {
        let mut method = [0; 3];
        if stream.peek(&mut method).await.is_ok_and(|read| method[..read] == *b"GET") {
            self.web_socket(stream).await;
        } else {
            self.posts(stream).await;
        }
    }

    async fn posts(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(body) = read_body(&mut stream).await {
            let lines = body.lines().count() as u64;
            self.events.fetch_add(lines, Ordering::Relaxed);
            let frame = json!({"type": "frame", "sub": 1, "changes": [{"delta": {"append": [body.replace('"', "")]}}]});
            // The marks of a tail are texts that start with `@`; nobody may have subscribed yet.
            let _readers = self.frames.send(frame.to_string().replace(":@", "\"@"));
            let answer = format!(r#"{{"accepted":{lines},"rejected":0,"errors":[],"position":"p"}}"#);
            let head = format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n\r\n", self.status, answer.len());
            if stream.write_all((head + &answer).as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn web_socket(self, stream: TcpStream) {
        let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a WebSocket");
        let subscribe = socket.next().await.expect("a message").expect("sound");
        assert!(subscribe.to_text().expect("text").contains(r#""type":"subscribe""#), "{subscribe:?}");
        let mut frames = self.frames.subscribe();
        for first in [r#"{"type":"subscribed","sub":1}"#, r#"{"type":"frame","changes":[{"snapshot":{"rows":[]}}]}"#] {
            socket.send(Message::text(first)).await.expect("sent");
        }
        while let Ok(frame) = frames.recv().await {
            if socket.send(Message::text(frame)).await.is_err() {
                return;
            }
        }
    }
}

async fn read_body(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length?];
    stream.read_exact(&mut body).await.ok()?;
    String::from_utf8(body).ok()
}
