//! A WebSocket that follows one channel.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::error::BenchError;
use crate::target::Target;

/// How long a view may take to have its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(60);
/// Thousands of sockets at the library's default of 128 KiB would measure the memory, not the server.
const READ_BUFFER_BYTES: usize = 8 << 10;

/// A connection with one subscription.
#[derive(Debug)]
pub(crate) struct Socket {
    socket: WebSocketStream<TcpStream>,
}

impl Socket {
    /// Connects, subscribes, and waits for the channel's first snapshot, which it gives back as a frame.
    pub(crate) async fn follow(
        target: &Target,
        channel: &str,
        max_hz: Option<u32>,
    ) -> Result<(Self, Utf8Bytes), BenchError> {
        let first = async {
            let mut socket = Self::connect(target).await?;
            let mut subscribe = json!({"id": 1, "type": "subscribe", "channels": [channel]});
            if let Some(max_hz) = max_hz {
                subscribe["max_hz"] = max_hz.into();
            }
            let message = Message::text(subscribe.to_string());
            socket.socket.send(message).await.map_err(BenchError::web_socket("subscribing"))?;
            loop {
                let text = socket.next().await?;
                if text.starts_with(r#"{"type":"error""#) {
                    return Err(BenchError::BadAnswer(format!("subscribing to `{channel}`: {text}")));
                }
                if text.contains(r#""snapshot":{"#) {
                    return Ok((socket, text));
                }
            }
        };
        let limit_s = FIRST_ANSWER.as_secs();
        let timeout = |_| BenchError::Timeout { what: "the first answer of a channel", limit_s };
        tokio::time::timeout(FIRST_ANSWER, first).await.map_err(timeout)?
    }

    async fn connect(target: &Target) -> Result<Self, BenchError> {
        let address = target.address;
        let stream = TcpStream::connect(address).await.map_err(|source| BenchError::Connect { address, source })?;
        stream.set_nodelay(true).map_err(BenchError::io("setting up a connection"))?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        let url = format!("ws://{}/api/v1/live", target.authority);
        let connected = client_async_with_config(url, stream, Some(config)).await;
        let (socket, _response) = connected.map_err(BenchError::web_socket("connecting"))?;
        Ok(Self { socket })
    }

    /// The next text. Pings are answered on the way. Safe to drop and to call again.
    pub(crate) async fn next(&mut self) -> Result<Utf8Bytes, BenchError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(close))) => {
                    return Err(BenchError::BadAnswer(format!("the server closed a WebSocket: {close:?}")));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(BenchError::web_socket("reading a frame")(error)),
                None => return Err(BenchError::BadAnswer("the server closed a WebSocket".to_owned())),
            }
        }
    }
}
