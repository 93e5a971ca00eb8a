//! One connection that follows channels, over either transport: frames come out until it breaks.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::until::within;

/// How frames travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Sse,
}

/// The connection is gone, wherever it broke.
#[derive(Debug)]
pub(crate) struct Broken;

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
    pub(crate) retry_ms: Option<u64>,
}

/// An SSE stream being read.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) response: Response,
    unread: Vec<u8>,
}

impl Events {
    /// Asks `path` of a server; `Err` if the connection breaks, a panic if the server refuses.
    pub(crate) async fn open(address: SocketAddr, query: &str, last_event_id: Option<&str>) -> Result<Self, Broken> {
        // A client of its own: nothing is kept alive between connections.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let mut request = client.get(format!("http://{address}/api/v1/live/sse?{query}"));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.map_err(|_| Broken)?;
        let status = response.status();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // It is ending, or it is full: come back, as after any break.
            return Err(Broken);
        }
        if !status.is_success() {
            panic!("the server refused with {status}: {}", response.text().await.unwrap_or_default());
        }
        Ok(Self { response, unread: Vec::new() })
    }

    /// The next whole event, a comment or a bare `retry:` included.
    pub(crate) async fn next(&mut self) -> Result<Event, Broken> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                return Ok(read_event(std::str::from_utf8(&block).expect("SSE is UTF-8")));
            }
            let chunk = within("the next event", self.response.chunk()).await;
            self.unread.extend_from_slice(&chunk.map_err(|_| Broken)?.ok_or(Broken)?);
        }
    }
}

fn read_event(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("event", value)) => value.clone_into(&mut event.name),
            Some(("id", value)) => event.id = Some(value.to_owned()),
            Some(("data", value)) => event.data.push_str(value),
            Some(("retry", value)) => event.retry_ms = value.parse().ok(),
            _ => {}
        }
    }
    event
}

/// A WebSocket.
#[derive(Debug)]
pub(crate) struct Socket(pub(crate) WebSocketStream<TcpStream>);

/// What the system keeps for a narrow reader that does not read.
const NARROW_BYTES: u32 = 4 << 10;

impl Socket {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Broken> {
        Self::over(TcpStream::connect(address).await.map_err(|_| Broken)?, address).await
    }

    /// One for which the system keeps little, so that it is soon stalled when it does not read.
    pub(crate) async fn open_narrow(address: SocketAddr) -> Result<Self, Broken> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(NARROW_BYTES).unwrap();
        Self::over(socket.connect(address).await.map_err(|_| Broken)?, address).await
    }

    async fn over(stream: TcpStream, address: SocketAddr) -> Result<Self, Broken> {
        let (socket, _response) =
            client_async(format!("ws://{address}/api/v1/live"), stream).await.map_err(|_| Broken)?;
        Ok(Self(socket))
    }

    pub(crate) async fn send(&mut self, message: &Value) -> Result<(), Broken> {
        self.0.send(Message::text(message.to_string())).await.map_err(|_| Broken)
    }

    /// The next JSON message; pings are answered on the way.
    pub(crate) async fn next(&mut self) -> Result<Value, Broken> {
        loop {
            match within("the next message", self.0.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("messages are JSON")),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Broken),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The code that the server closes with.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            match within("the close", self.0.next()).await {
                Some(Ok(Message::Close(Some(close)))) => return close.code.into(),
                Some(Ok(Message::Close(None)) | Err(_)) | None => panic!("it was closed without a code"),
                Some(Ok(_)) => {}
            }
        }
    }
}

/// A connection with one subscription.
#[derive(Debug)]
pub(crate) enum Connection {
    WebSocket(Box<Socket>),
    Sse(Events),
}

impl Connection {
    /// Connects and subscribes. On SSE the cursor goes as `Last-Event-ID`, with a `since` beside it that it must beat.
    pub(crate) async fn open(
        address: SocketAddr,
        transport: Transport,
        channels: &[String],
        cursor: Option<&str>,
        stale: Option<&str>,
    ) -> Result<Self, Broken> {
        match transport {
            Transport::WebSocket => {
                let mut socket = Socket::open(address).await?;
                socket.send(&json!({"type": "subscribe", "channels": channels, "since": cursor})).await?;
                Ok(Self::WebSocket(Box::new(socket)))
            }
            Transport::Sse => {
                let channels = channels.iter().map(|channel| ("channel", channel.as_str()));
                let pairs: Vec<_> = channels.chain(stale.map(|stale| ("since", stale))).collect();
                let query = serde_urlencoded::to_string(pairs).unwrap();
                Events::open(address, &query, cursor).await.map(Self::Sse)
            }
        }
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Result<Value, Broken> {
        loop {
            match self {
                Self::WebSocket(socket) => {
                    let message = socket.next().await?;
                    match message["type"].as_str() {
                        Some("frame") => return Ok(message),
                        Some("subscribed") => {}
                        _ => panic!("the server refused: {message}"),
                    }
                }
                Self::Sse(events) => {
                    let event = events.next().await?;
                    if event.name == "init" || event.name == "frame" {
                        let frame: Value = serde_json::from_str(&event.data).expect("frames are JSON");
                        assert_eq!(event.id.as_deref(), frame["cursor"].as_str(), "the id is the cursor: {frame}");
                        return Ok(frame);
                    }
                }
            }
        }
    }
}
