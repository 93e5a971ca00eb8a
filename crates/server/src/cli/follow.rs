//! Following channels of a server, frame by frame, until the person or the reader of the output has enough.

use std::collections::VecDeque;
use std::pin::Pin;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;

use super::Failure;
use super::connect::{Server, body_of, refusal};
use super::out::reader_gone;
use super::sse::Cutter;

/// A stream of frames.
pub(super) struct Follower {
    server: Server,
    bytes: BoxStream<'static, reqwest_tls::Result<Bytes>>,
    cutter: Cutter,
    frames: VecDeque<Value>,
    gone: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Follower {
    /// Begins to follow what `query` names (`channel`, `last`, `max_hz`).
    ///
    /// # Errors
    /// When the server refuses it or does not answer.
    pub(super) async fn open(server: &Server, query: &[(&str, String)]) -> Result<Self, Failure> {
        let query = serde_urlencoded::to_string(query).map_err(|error| Failure::refused(error.to_string()))?;
        let url = format!("{}/api/v1/live/sse?{query}", server.url);
        let response = server.client.get(url).send().await.map_err(|error| server.unreachable(&error))?;
        if !response.status().is_success() {
            let status = response.status();
            return Err(refusal(status, &body_of(response).await));
        }
        Ok(Self {
            server: server.clone(),
            bytes: response.bytes_stream().boxed(),
            cutter: Cutter::default(),
            frames: VecDeque::new(),
            gone: Box::pin(reader_gone()),
        })
    }

    /// The next frame; `None` after Ctrl-C, and when nobody reads the output any more.
    ///
    /// # Errors
    /// When the connection ends or brings something else than frames.
    pub(super) async fn next(&mut self) -> Result<Option<Value>, Failure> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(Some(frame));
            }
            let chunk = tokio::select! {
                chunk = self.bytes.next() => chunk,
                () = &mut self.gone => return Ok(None),
                _ = tokio::signal::ctrl_c() => return Ok(None),
            };
            let Some(chunk) = chunk else { return Err(Failure::refused("the server ended the connection")) };
            let chunk = chunk.map_err(|error| self.server.unreachable(&error))?;
            for event in self.cutter.push(&chunk) {
                if event.name == "init" || event.name == "frame" {
                    let frame = serde_json::from_str(&event.data);
                    self.frames.push_back(frame.map_err(|error| {
                        Failure::refused(format!("the server sent something else than a frame: {error}"))
                    })?);
                }
            }
        }
    }
}

/// The changes of a frame.
pub(super) fn changes(frame: &Value) -> &[Value] {
    frame["changes"].as_array().map(Vec::as_slice).unwrap_or_default()
}
