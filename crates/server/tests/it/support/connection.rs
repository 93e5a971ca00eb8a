//! One connection that follows channels, over any transport: frames come out until it breaks.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use pulseboard_protocol::Pace;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::socketio::{Client, Narrow};
use super::until::within;

/// How frames travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Sse,
    LongPoll,
    Poll,
    /// A stock client of Socket.IO over a WebSocket. It notices at once when that is cut.
    SocketIo,
    /// One over polls. That the answer of a poll was cut off it notices only by its heartbeat.
    SocketIoPolls,
}

impl Transport {
    /// All there are, one of each kind.
    pub(crate) const ALL: [Self; 5] = [Self::WebSocket, Self::Sse, Self::LongPoll, Self::Poll, Self::SocketIo];
}

/// How often somebody who polls asks.
const POLL_EVERY: Duration = Duration::from_millis(15);

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
    /// Reads an answer that is a stream of events.
    pub(crate) fn of(response: Response) -> Self {
        Self { response, unread: Vec::new() }
    }

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

/// A wire for which the system keeps little.
pub(super) async fn narrow_stream(address: SocketAddr) -> Result<TcpStream, Broken> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(NARROW_BYTES).unwrap();
    socket.connect(address).await.map_err(|_| Broken)
}

impl Socket {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Broken> {
        Self::over(TcpStream::connect(address).await.map_err(|_| Broken)?, address).await
    }

    /// One for which the system keeps little, so that it is soon stalled when it does not read.
    pub(crate) async fn open_narrow(address: SocketAddr) -> Result<Self, Broken> {
        Self::over(narrow_stream(address).await?, address).await
    }

    /// One that shows a token.
    pub(crate) async fn open_with(address: SocketAddr, token: &str) -> Result<Self, Broken> {
        Self::open_as(address, &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// One with headers of its own.
    pub(crate) async fn open_as(address: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Self, Broken> {
        let mut request = format!("ws://{address}/api/v1/live").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.map_err(|_| Broken)?;
        let (socket, _response) = client_async(request, stream).await.map_err(|_| Broken)?;
        Ok(Self(socket))
    }

    /// One at another URL.
    pub(crate) async fn open_at(address: SocketAddr, path: &str) -> Result<Self, Broken> {
        let stream = TcpStream::connect(address).await.map_err(|_| Broken)?;
        let opened = client_async(format!("ws://{address}{path}"), stream).await;
        Ok(Self(opened.map_err(|_| Broken)?.0))
    }

    async fn over(stream: TcpStream, address: SocketAddr) -> Result<Self, Broken> {
        let (socket, _response) =
            client_async(format!("ws://{address}/api/v1/live"), stream).await.map_err(|_| Broken)?;
        Ok(Self(socket))
    }

    /// Subscribes and takes the first frame; gives it.
    pub(crate) async fn follow(&mut self, channel: &str) -> Result<Value, Broken> {
        self.send(&json!({"type": "subscribe", "channel": channel})).await?;
        let subscribed = self.next().await?;
        assert_eq!(subscribed["type"], "subscribed", "{subscribed}");
        self.next().await
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

/// What a URL asks for.
fn query_of(channels: &[String], pace: Pace) -> String {
    let channels = channels.iter().map(|channel| ("channel", channel.clone()));
    let max_hz = pace.max_hz.map(|hz| ("max_hz", hz.to_string()));
    let batch_ms = pace.batch_ms.map(|ms| ("batch_ms", ms.to_string()));
    serde_urlencoded::to_string(channels.chain(max_hz).chain(batch_ms).collect::<Vec<_>>()).unwrap()
}

/// A connection with one subscription.
#[derive(Debug)]
pub(crate) enum Connection {
    WebSocket(Box<Socket>),
    Sse(Events),
    Polls(Polls),
    SocketIo(Client),
    /// A stock client that comes back by itself.
    Returning(Client),
    Narrow(Box<Narrow>),
}

/// Says that an event of Socket.IO that is no frame is a good one.
fn assert_said(event: &str, args: &[Value]) {
    match event {
        "ack" => assert!(args[1].get("sub").is_some(), "the server refused: {args:?}"),
        "connect" | "upgrade" | "restart" | "alerts" => {}
        _ => panic!("the server said `{event}`: {args:?}"),
    }
}

/// Whether there are alerts in a frame that are news.
fn brings_alerts(frame: &Value) -> bool {
    let mut changes = frame["changes"].as_array().unwrap().iter();
    changes.any(|change| change["channel"] == "alerts" && change.get("delta").is_some())
}

/// Whether an event of Socket.IO is a frame.
fn is_frame(event: &str) -> bool {
    matches!(event, "snapshot" | "update" | "batch-update")
}

/// A reader that asks for one answer after the other.
#[derive(Debug)]
pub(crate) struct Polls {
    client: reqwest::Client,
    url: String,
    query: String,
    /// Missing for one that does not wait.
    wait: Option<&'static str>,
    cursor: Option<String>,
}

impl Polls {
    fn new(address: SocketAddr, query: String, wait: Option<&'static str>, cursor: Option<&str>) -> Self {
        Self {
            client: reqwest::Client::builder().build().unwrap(),
            url: format!("http://{address}/api/v1/live/poll"),
            query,
            wait,
            cursor: cursor.map(str::to_owned),
        }
    }

    /// The next frame: an answer without changes only moves the cursor on.
    async fn next(&mut self) -> Result<Value, Broken> {
        loop {
            let since = self.cursor.as_ref().map(|cursor| format!("&since={cursor}")).unwrap_or_default();
            let wait = self.wait.map(|wait| format!("&wait={wait}")).unwrap_or_default();
            let request = self.client.get(format!("{}?{}{since}{wait}", self.url, self.query));
            let response = within("the answer of a poll", request.send()).await.map_err(|_| Broken)?;
            let status = response.status();
            let tag = response.headers().get("etag").and_then(|tag| tag.to_str().ok()).unwrap_or_default();
            let tag = tag.trim_start_matches("W/").trim_matches('"').to_owned();
            match status {
                StatusCode::SERVICE_UNAVAILABLE => return Err(Broken),
                StatusCode::NOT_MODIFIED => {
                    self.cursor = Some(tag);
                    if self.wait.is_none() {
                        tokio::time::sleep(POLL_EVERY).await;
                    }
                }
                _ if status.is_success() => {
                    let body = response.bytes().await.map_err(|_| Broken)?;
                    let frame: Value = serde_json::from_slice(&body).expect("frames are JSON");
                    assert_eq!(frame["cursor"], tag, "the tag is the cursor: {frame}");
                    self.cursor = Some(tag);
                    return Ok(frame);
                }
                _ => panic!("the server refused with {status}: {}", response.text().await.unwrap_or_default()),
            }
        }
    }
}

impl Connection {
    /// Connects and subscribes. On SSE the cursor goes as `Last-Event-ID`, with a `since` beside it that it must beat.
    pub(crate) async fn open(
        address: SocketAddr,
        transport: Transport,
        (channels, pace): (&[String], Pace),
        cursor: Option<&str>,
        stale: Option<&str>,
    ) -> Result<Self, Broken> {
        match transport {
            Transport::WebSocket => {
                let mut socket = Socket::open(address).await?;
                let (max_hz, batch_ms) = (pace.max_hz, pace.batch_ms);
                let subscribe = json!({
                    "type": "subscribe", "channels": channels, "since": cursor, "max_hz": max_hz, "batch_ms": batch_ms
                });
                socket.send(&subscribe).await?;
                Ok(Self::WebSocket(Box::new(socket)))
            }
            Transport::Sse => {
                let stale = stale.map(|stale| format!("&since={stale}")).unwrap_or_default();
                let query = query_of(channels, pace) + &stale;
                Events::open(address, &query, cursor).await.map(Self::Sse)
            }
            Transport::SocketIo | Transport::SocketIoPolls => {
                let (max_hz, batch_ms) = (pace.max_hz, pace.batch_ms);
                let wish = json!({"channels": channels, "max_hz": max_hz, "batch_ms": batch_ms});
                let own = if transport == Transport::SocketIo { "websocket" } else { "polling" };
                // Whoever follows comes back by itself here.
                let options = json!({"reconnection": false, "transports": [own]});
                Ok(Self::SocketIo(Client::follow(address, &options, "subscribe", &wish, cursor)))
            }
            Transport::LongPoll => Ok(Self::Polls(Polls::new(address, query_of(channels, pace), Some("20s"), cursor))),
            Transport::Poll => Ok(Self::Polls(Polls::new(address, query_of(channels, pace), None, cursor))),
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
                        // Alerts that come behind `init` have it instead.
                        let cursor =
                            frame["cursor"].as_str().filter(|_| event.name == "frame" || !brings_alerts(&frame));
                        assert_eq!(event.id.as_deref(), cursor, "the id is the cursor: {frame}");
                        return Ok(frame);
                    }
                }
                Self::Polls(polls) => return polls.next().await,
                Self::SocketIo(client) => {
                    let (event, mut args) = client.next().await;
                    match event.as_str() {
                        name if is_frame(name) => return Ok(args.swap_remove(0)),
                        "disconnect" | "connect_error" => return Err(Broken),
                        _ => assert_said(&event, &args),
                    }
                }
                Self::Returning(client) => {
                    let (event, mut args) = client.next().await;
                    match event.as_str() {
                        name if is_frame(name) => return Ok(args.swap_remove(0)),
                        "disconnect" | "connect_error" => {}
                        _ => assert_said(&event, &args),
                    }
                }
                Self::Narrow(narrow) => {
                    let (event, mut args) = narrow.next().await?;
                    assert!(is_frame(&event), "{event}: {args:?}");
                    return Ok(args.swap_remove(0));
                }
            }
        }
    }
}
