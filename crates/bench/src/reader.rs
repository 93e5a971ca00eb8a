//! One reader of one channel, over any transport: frames come out as JSON. A server that is full is asked again when it says.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use clap::ValueEnum;
use futures::{SinkExt, StreamExt};
use memchr::memmem;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::error::BenchError;
use crate::http::{Connection, get};
use crate::target::Target;
use crate::wire::{Slow, Wire};

/// How long a server may be full before a reader gives up.
const FULL_MAX: Duration = Duration::from_secs(60);
/// What a long poll waits for.
const WAIT: &str = "25s";
/// And how long its answer may take.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Thousands of sockets at the library's default of 128 KiB would measure the memory, not the server.
const READ_BUFFER_BYTES: usize = 8 << 10;
/// The largest event of a stream that is read.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// How frames travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// WebSocket.
    Ws,
    /// Server-sent events.
    Sse,
    /// Requests that wait for a change.
    LongPoll,
    /// Requests at a fixed pace.
    Poll,
}

impl Transport {
    /// As a table says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ws => "WebSocket",
            Self::Sse => "SSE",
            Self::LongPoll => "long poll",
            Self::Poll => "poll",
        }
    }
}

/// What to follow, and how.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    pub(crate) target: Target,
    pub(crate) transport: Transport,
    pub(crate) channel: String,
    pub(crate) max_hz: Option<f64>,
    /// Between two polls.
    pub(crate) poll_every: Duration,
    pub(crate) slow: Option<Slow>,
    /// The cursor to go on from.
    pub(crate) since: Option<String>,
}

impl Follow {
    /// A channel over WebSocket, from now on, as fast as it comes.
    pub(crate) fn of(target: &Target, channel: &str) -> Self {
        Self {
            target: target.clone(),
            transport: Transport::Ws,
            channel: channel.to_owned(),
            max_hz: None,
            poll_every: Duration::from_secs(1),
            slow: None,
            since: None,
        }
    }
}

/// The reader.
#[derive(Debug)]
pub(crate) struct Reader {
    carrier: Carrier,
    /// Bytes of frames so far, and requests that asked for them.
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
}

#[derive(Debug)]
enum Carrier {
    WebSocket(Box<WebSocketStream<Wire>>),
    Sse(Box<(Wire, BytesMut)>),
    Polls(Box<Polls>),
}

#[derive(Debug)]
struct Polls {
    connection: Connection,
    follow: Follow,
    asked: bool,
}

impl Reader {
    /// Connects; while the server is full, again and again.
    pub(crate) async fn open(follow: &Follow) -> Result<Self, BenchError> {
        let opened = async {
            loop {
                match Self::try_open(follow).await {
                    Err(BenchError::Full { after_ms }) => tokio::time::sleep(Duration::from_millis(after_ms)).await,
                    opened => return opened,
                }
            }
        };
        let limit_s = FULL_MAX.as_secs();
        let timeout = |_| BenchError::Timeout { what: "a place on the server", limit_s };
        tokio::time::timeout(FULL_MAX, opened).await.map_err(timeout)?
    }

    async fn try_open(follow: &Follow) -> Result<Self, BenchError> {
        let carrier = match follow.transport {
            Transport::Ws => Carrier::WebSocket(Box::new(web_socket(follow).await?)),
            Transport::Sse => Carrier::Sse(Box::new(event_stream(follow).await?)),
            Transport::LongPoll | Transport::Poll => {
                let connection = Connection::open(&follow.target).await?;
                Carrier::Polls(Box::new(Polls { connection, follow: follow.clone(), asked: false }))
            }
        };
        Ok(Self { carrier, bytes: 0, requests: 0 })
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Result<Bytes, BenchError> {
        let frame = match &mut self.carrier {
            Carrier::WebSocket(socket) => next_message(socket).await?,
            Carrier::Sse(stream) => next_event(&mut stream.0, &mut stream.1).await?,
            Carrier::Polls(polls) => polls.next(&mut self.requests).await?,
        };
        self.bytes += frame.len() as u64;
        Ok(frame)
    }
}

async fn web_socket(follow: &Follow) -> Result<WebSocketStream<Wire>, BenchError> {
    let Follow { target, channel, max_hz, since, .. } = follow;
    let wire = Wire::open(target, follow.slow.clone()).await?;
    let url = format!("ws://{}/api/v1/live", target.authority);
    let mut request = url.into_client_request().map_err(BenchError::web_socket("connecting"))?;
    if let Some(token) = &target.token {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let value = value.map_err(|_| BenchError::BadAnswer("the token is no header's value".to_owned()))?;
        request.headers_mut().insert("authorization", value);
    }
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let mut socket = match client_async_with_config(request, wire, Some(config)).await {
        Ok((socket, _response)) => socket,
        Err(tungstenite::Error::Http(response)) if response.status() == 503 => {
            let after = response.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
            return Err(BenchError::full(after));
        }
        Err(error) => return Err(BenchError::web_socket("connecting")(error)),
    };
    let subscribe = json!({"type": "subscribe", "channels": [channel], "max_hz": max_hz, "since": since});
    let sent = socket.send(Message::text(subscribe.to_string())).await;
    sent.map_err(BenchError::web_socket("subscribing"))?;
    Ok(socket)
}

async fn next_message(socket: &mut WebSocketStream<Wire>) -> Result<Bytes, BenchError> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) if text.starts_with(r#"{"type":"frame""#) => return Ok(text.into()),
            Some(Ok(Message::Text(text))) if text.starts_with(r#"{"type":"error""#) => {
                return Err(BenchError::BadAnswer(format!("subscribing: {text}")));
            }
            Some(Ok(Message::Close(close))) => {
                return Err(BenchError::BadAnswer(format!("the server closed a WebSocket: {close:?}")));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(BenchError::web_socket("reading a frame")(error)),
            None => return Err(BenchError::BadAnswer("a WebSocket ended".to_owned())),
        }
    }
}

/// What a request asks for.
fn path(follow: &Follow, endpoint: &str, since: Option<&str>) -> String {
    let channel = utf8_percent_encode(&follow.channel, NON_ALPHANUMERIC);
    let mut path = format!("/api/v1/live/{endpoint}?channel={channel}");
    if let Some(max_hz) = follow.max_hz {
        path.push_str(&format!("&max_hz={max_hz}"));
    }
    if let Some(since) = since {
        path.push_str(&format!("&since={}", utf8_percent_encode(since, NON_ALPHANUMERIC)));
    }
    path
}

async fn event_stream(follow: &Follow) -> Result<(Wire, BytesMut), BenchError> {
    let mut wire = Wire::open(&follow.target, follow.slow.clone()).await?;
    // HTTP/1.0, so that the events come without the frame of chunks around them.
    let request = get(&follow.target, &path(follow, "sse", follow.since.as_deref()));
    let request = String::from_utf8_lossy(&request).replacen("HTTP/1.1", "HTTP/1.0", 1);
    wire.write_all(request.as_bytes()).await.map_err(BenchError::io("asking for events"))?;
    let mut unread = BytesMut::with_capacity(READ_BUFFER_BYTES);
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&unread).map_err(|error| BenchError::BadAnswer(error.to_string()))?;
        if let httparse::Status::Complete(head) = parsed {
            let after = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("retry-after"));
            let after = after.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
            let status = response.code.unwrap_or_default();
            let head = unread.split_to(head);
            drop(head);
            return match status {
                200 => Ok((wire, unread)),
                503 => Err(BenchError::full(after)),
                status => {
                    let body = String::from_utf8_lossy(&unread).into_owned();
                    Err(BenchError::Refused { what: "a stream of events", status, body })
                }
            };
        }
        read_more(&mut wire, &mut unread).await?;
    }
}

async fn read_more(wire: &mut Wire, unread: &mut BytesMut) -> Result<(), BenchError> {
    if unread.len() > EVENT_BYTES_MAX {
        return Err(BenchError::BadAnswer("an event is too long".to_owned()));
    }
    match wire.read_buf(unread).await.map_err(BenchError::io("reading events"))? {
        0 => Err(BenchError::BadAnswer("a stream of events ended".to_owned())),
        _ => Ok(()),
    }
}

async fn next_event(wire: &mut Wire, unread: &mut BytesMut) -> Result<Bytes, BenchError> {
    loop {
        while let Some(end) = memmem::find(unread, b"\n\n") {
            let event = unread.split_to(end + 2).freeze();
            let is_frame =
                memmem::find(&event, b"event: frame\n").is_some() || memmem::find(&event, b"event: init\n").is_some();
            if let Some(at) = memmem::find(&event, b"data: ").filter(|_| is_frame) {
                return Ok(event.slice(at + 6..event.len() - 2));
            }
        }
        read_more(wire, unread).await?;
    }
}

impl Polls {
    async fn next(&mut self, requests: &mut u64) -> Result<Bytes, BenchError> {
        let waits = self.follow.transport == Transport::LongPoll;
        loop {
            if self.asked && !waits {
                tokio::time::sleep(self.follow.poll_every).await;
            }
            self.asked = true;
            let mut path = path(&self.follow, "poll", self.follow.since.as_deref());
            if waits {
                path.push_str("&wait=");
                path.push_str(WAIT);
            }
            *requests += 1;
            let answer = self.connection.ask_within(WAIT_MAX, &get(&self.follow.target, &path)).await?;
            match answer.status {
                200 | 304 => self.follow.since = answer.etag.or(self.follow.since.take()),
                503 => {
                    tokio::time::sleep(Duration::from_secs(answer.retry_after_s.unwrap_or(1))).await;
                    continue;
                }
                status => {
                    let body = String::from_utf8_lossy(&answer.body).into_owned();
                    return Err(BenchError::Refused { what: "a poll", status, body });
                }
            }
            if answer.status == 200 {
                return Ok(answer.body);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_encoded() {
        let target = Target {
            address: ([127, 0, 0, 1], 1).into(),
            authority: "127.0.0.1:1".to_owned(),
            token: None,
            server_pid: None,
        };
        let follow = Follow { max_hz: Some(0.5), ..Follow::of(&target, "view:a?b=c&d") };
        let asked = path(&follow, "poll", Some("ab:1:2~3"));
        assert_eq!(asked, "/api/v1/live/poll?channel=view%3Aa%3Fb%3Dc%26d&max_hz=0.5&since=ab%3A1%3A2%7E3");
    }
}
