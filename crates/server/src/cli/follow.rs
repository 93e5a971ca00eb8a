//! Following channels of a server, frame by frame, until the person or the reader of the output has enough.
//!
//! A server that goes away is waited for, wherever it comes back: frames go on where they stopped, as for every client of the protocol.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use pulseboard_protocol::Pages;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;
use super::args::Target;
use super::connect::{Server, body_of, find_server, refusal};
use super::out::reader_gone;
use super::sse::{Cutter, SseEvent};

/// How often a server that has gone is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is followed.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// A channel that has a name, with what else its URL says.
    Channel(Vec<(&'static str, String)>),
    /// A query, and how often frames of it are wanted at most.
    Query { question: Value, max_hz: Option<u32> },
}

/// Why there is no connection.
enum Lost {
    /// The server is away, or not ready yet.
    Away(Failure),
    /// It says no.
    Refused(Failure),
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Away(failure) | Lost::Refused(failure) => failure,
        }
    }
}

/// A stream of frames.
pub(super) struct Follower {
    target: Target,
    wish: Wish,
    connection: Option<(Server, BoxStream<'static, reqwest_tls::Result<Bytes>>, Cutter)>,
    frames: VecDeque<Value>,
    /// A large answer comes in parts, and is shown whole.
    pages: Pages,
    /// Where the last frame stood.
    cursor: Option<String>,
    gone: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Ctrl-C. Listened to all the time, so that one that comes between two waits is not lost.
    interrupt: Signal,
}

/// What is waited for.
enum Next {
    Bytes(Option<reqwest_tls::Result<Bytes>>),
    Enough,
}

impl Follower {
    /// Begins to follow.
    ///
    /// # Errors
    /// When the server refuses it or does not answer.
    pub(super) async fn open(target: &Target, server: Server, wish: Wish) -> Result<Self, Failure> {
        let mut follower = Self {
            target: target.clone(),
            wish,
            connection: None,
            frames: VecDeque::new(),
            pages: Pages::default(),
            cursor: None,
            gone: Box::pin(reader_gone()),
            interrupt: signal(SignalKind::interrupt())
                .map_err(|error| Failure::setup(format!("cannot wait for signals: {error}")))?,
        };
        follower.connect(server).await?;
        Ok(follower)
    }

    /// The next frame; `None` after Ctrl-C, and when nobody reads the output any more.
    ///
    /// # Errors
    /// When the server refuses to go on or sends something else than frames.
    pub(super) async fn next(&mut self) -> Result<Option<Value>, Failure> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(Some(frame));
            }
            let Some((_, bytes, _)) = &mut self.connection else {
                if !self.come_back().await? {
                    return Ok(None);
                }
                continue;
            };
            let next = tokio::select! {
                chunk = bytes.next() => Next::Bytes(chunk),
                () = &mut self.gone => Next::Enough,
                _ = self.interrupt.recv() => Next::Enough,
            };
            match next {
                Next::Enough => return Ok(None),
                Next::Bytes(Some(Ok(chunk))) => self.take(&chunk)?,
                // It ended, or broke.
                Next::Bytes(None | Some(Err(_))) => self.connection = None,
            }
        }
    }

    async fn connect(&mut self, server: Server) -> Result<(), Lost> {
        let away = |error| Lost::Away(server.unreachable(&error));
        let query = match &self.wish {
            Wish::Channel(query) => query.clone(),
            Wish::Query { question, max_hz } => {
                // Asking again names the same channel, also where the server has forgotten it.
                let answer = server.try_post("/api/v1/live/queries", question).await.map_err(away)?;
                let answer = read(&server, answer).await?;
                let channel = answer["channel"].as_str().map(str::to_owned);
                let none = || Lost::Refused(Failure::refused("the server gave no channel for the query"));
                let pace = max_hz.iter().map(|hz| ("max_hz", hz.to_string()));
                [("channel", channel.ok_or_else(none)?)].into_iter().chain(pace).collect()
            }
        };
        let query = serde_urlencoded::to_string(query);
        let query = query.map_err(|error| Lost::Refused(Failure::refused(error.to_string())))?;
        let mut request = server.client.get(format!("{}/api/v1/live/sse?{query}", server.url));
        if let Some(cursor) = &self.cursor {
            request = request.header("Last-Event-ID", cursor);
        }
        let response = request.send().await.map_err(away)?;
        if !response.status().is_success() {
            read(&server, response).await?;
            return Err(Lost::Refused(Failure::refused("the server sent no events")));
        }
        self.pages = Pages::default();
        self.connection = Some((server, response.bytes_stream().boxed(), Cutter::default()));
        Ok(())
    }

    /// Waits until the server is there again, perhaps elsewhere and with another key; false if nobody waits any more.
    async fn come_back(&mut self) -> Result<bool, Failure> {
        let mut told = false;
        loop {
            let server = find_server(&self.target);
            let lost = match server {
                Ok(server) => match self.connect(server).await {
                    Ok(()) => {
                        if told {
                            eprintln!("pulseboard: the server is there again");
                        }
                        return Ok(true);
                    }
                    Err(Lost::Refused(failure)) => return Err(failure),
                    Err(Lost::Away(failure)) => failure,
                },
                Err(failure) => failure,
            };
            if !told {
                told = true;
                eprintln!("pulseboard: the server is away ({}); waiting for it", lost.lines.join("; "));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = &mut self.gone => return Ok(false),
                _ = self.interrupt.recv() => return Ok(false),
            }
        }
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        let Some((_, _, cutter)) = &mut self.connection else { return Ok(()) };
        for SseEvent { name, data } in cutter.push(chunk) {
            if name == "closed" {
                let closed: Value = serde_json::from_str(&data).unwrap_or_default();
                let message = closed["error"]["message"].as_str().unwrap_or("the server ended the connection");
                return Err(Failure::refused(message));
            }
            if name != "init" && name != "frame" && name != "heartbeat" {
                continue;
            }
            let frame: Value = serde_json::from_str(&data)
                .map_err(|error| Failure::refused(format!("the server sent something else than a frame: {error}")))?;
            if let Some(cursor) = frame["cursor"].as_str() {
                self.cursor = Some(cursor.to_owned());
            }
            if name != "heartbeat" {
                self.frames.extend(self.pages.join(frame));
            }
        }
        Ok(())
    }
}

/// The JSON of an answer. What may be otherwise in a moment is no refusal.
async fn read(server: &Server, response: reqwest_tls::Response) -> Result<Value, Lost> {
    let status = response.status();
    if status.is_success() {
        return server.read(response).await.map_err(Lost::Away);
    }
    let failure = refusal(status, &body_of(response).await);
    Err(if status.is_server_error() { Lost::Away(failure) } else { Lost::Refused(failure) })
}

/// The changes of a frame.
pub(super) fn changes(frame: &Value) -> &[Value] {
    frame["changes"].as_array().map(Vec::as_slice).unwrap_or_default()
}
