//! `GET /api/v1/live`: many subscriptions on one WebSocket.
//!
//! One small task per connection. It holds no queue: it is woken, pulls a frame for each subscription that is due, and
//! waits until the reader has taken it. What changes meanwhile is merged by the hub. What a connection does seldom is boxed: its
//! task would keep the room for it as long as it lives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use bytes::Bytes;
use pulseboard_hub::{Bell, Due, Snapshots, SubscribeOptions, Subscription};
use pulseboard_model::decode::BodyFormat;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::RowError;
use pulseboard_protocol::msgpack::{SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, from_json, to_json};
use pulseboard_protocol::server::Published;
use pulseboard_protocol::{ClientMessage, Close, Frame, ServerMessage, Subscribe, Tagged, read_client_message};
use rand::Rng;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::again::Asking;
use super::{
    COME_BACK_MS, DRAIN_SPREAD_MS, LiveDeps, SUBSCRIPTIONS_MAX, canonical, cursor_of, reach_cursor, resolve,
    timezone_of,
};
use crate::auth::{Caller, Ended, Ending};
use crate::catalog::read_channel;
use crate::connections::{Arrival, Place};
use crate::error::HttpResult;
use crate::ingest::{append, key_of, sendable};
use crate::live_figures::Transport;
use crate::role_limits::limited;

/// The longest message of a client.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// What is read of a message before the connection is cut. One between the two limits is read whole and then refused: a
/// client that is still sending when it is cut off never learns why.
const READ_BYTES_MAX: usize = 4 << 20;
/// So many messages in a row that are none end the connection.
const BAD_MESSAGES_MAX: u32 = 100;
/// So many pings and pongs between two pings of ours end it too: no client has a use for more.
const PINGS_MAX: u32 = 1_000;
/// A socket's read buffer, which it keeps. tungstenite's default of 128 KiB would be the memory of an idle connection; what clients say is
/// short, and a long message gets room of its own.
const READ_BUFFER_BYTES: usize = 1 << 10;
/// How long saying goodbye may take.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// The handler.
pub(crate) async fn get_websocket(
    State(live): State<LiveDeps>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    caller: Caller,
    upgrade: WebSocketUpgrade,
) -> HttpResult {
    let now_us = live.deps.clock.now_us();
    let place = live.connections.enter(Transport::WebSocket, (&caller, peer), now_us, Arrival::New)?;
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(READ_BYTES_MAX)
        .max_frame_size(READ_BYTES_MAX)
        .protocols([SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON]);
    // What a task is given has room in it for as long as it lives, beside what is made of it: so it is given one pointer.
    let given = Box::new((live, caller, place));
    let response: Response = upgrade.on_upgrade(move |socket| {
        let (live, caller, place) = *given;
        let connection = Connection {
            ending: caller.ending(&live.deps.auth, Duration::ZERO),
            live,
            caller,
            peer,
            warned: false,
            place,
            encoding: Encoding::of(&socket),
            socket,
            bell: Bell::new(),
            subscriptions: Vec::new(),
            next_sub: 1,
            heard: Instant::now(),
            bad: 0,
            pings: 0,
        };
        Box::pin(Box::new(connection).run())
    });
    Ok(response)
}

struct Connection {
    live: LiveDeps,
    caller: Caller,
    peer: SocketAddr,
    ending: Ending,
    /// Whether the client knows that its token has ended.
    warned: bool,
    place: Place,
    encoding: Encoding,
    socket: WebSocket,
    bell: Arc<Bell>,
    subscriptions: Vec<(Subscription, Asking)>,
    next_sub: u32,
    heard: Instant,
    bad: u32,
    /// Pings and pongs since our last ping.
    pings: u32,
}

/// How messages are written, by the subprotocol that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Json,
    Msgpack,
}

impl Encoding {
    fn of(socket: &WebSocket) -> Self {
        let chosen = socket.protocol().and_then(|name| name.to_str().ok());
        if chosen == Some(SUBPROTOCOL_MSGPACK) { Self::Msgpack } else { Self::Json }
    }
}

/// Why a connection's loop ends.
enum End {
    /// The other end is gone.
    Gone,
    /// We close it.
    Close(Close, Option<u64>),
}

impl Connection {
    async fn run(mut self: Box<Self>) {
        let draining = self.live.connections.draining();
        // Made once: it is looked at after every frame.
        let drained = draining.wait();
        tokio::pin!(drained);
        let patience = self.live.deps.config.patience;
        let mut definitions = self.live.deps.catalog.watch();
        let mut pings = interval_at(Instant::now() + patience.ping_every, patience.ping_every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            let wake = match self.pull_due().await {
                Ok(wake) => wake,
                Err(end) => break end,
            };
            let paced = async {
                match wake {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = &mut self.ending => if let Err(end) = Box::pin(self.end_right(ended)).await { break end },
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => if let Err(end) = Box::pin(self.hear(message)).await { break end },
                    Some(Err(error)) => break closing(&error),
                    None => break End::Gone,
                },
                () = self.bell.rung() => {}
                () = paced => {}
                Ok(()) = definitions.changed() => Box::pin(self.look_up_again()).await,
                _ = pings.tick() => {
                    if self.heard.elapsed() > patience.silence_max {
                        break End::Close(Close::Idle, None);
                    }
                    self.pings = 0;
                    if let Err(end) = self.send(Message::Ping(Bytes::new())).await { break end }
                }
                () = &mut drained => {
                    let (wait_ms, back_ms) = {
                        let mut random = rand::rng();
                        (random.random_range(0..DRAIN_SPREAD_MS), random.random_range(COME_BACK_MS..2 * COME_BACK_MS))
                    };
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                    break End::Close(Close::Restart, Some(back_ms));
                }
            }
        };
        if let End::Close(close, after_ms) = end {
            metrics::counter!("pulseboard_websockets_closed_total", "reason" => close.as_str()).increment(1);
            let frame = CloseFrame { code: close.code(), reason: close.reason(after_ms).into() };
            // The other end may be gone already; there is nobody else to tell.
            let _told = timeout(FAREWELL_MAX, self.socket.send(Message::Close(Some(frame)))).await.is_ok();
        }
        // Reads on until both sides have said goodbye: a socket dropped with unread bytes loses what it still had to say.
        let farewell = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _said = timeout(FAREWELL_MAX, farewell).await.is_ok();
    }

    /// Sends a frame for every subscription that is due; gives when the next one is.
    async fn pull_due(&mut self) -> Result<Option<Instant>, End> {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        for index in 0..self.subscriptions.len() {
            let mut due = self.subscriptions[index].0.due(now);
            if due == Due::Now {
                if let Some(frame) = self.subscriptions[index].0.pull().await {
                    self.send_frame(&frame).await?;
                }
                // It may be due still: for the next part of an answer, or for what changed while parts were sent, whose
                // bell was heard between two of them and does not ring again.
                due = self.subscriptions[index].0.due(now);
            }
            let at = match due {
                Due::Idle => continue,
                Due::At(at) => at,
                // After whatever else there is to do.
                Due::Now => now,
            };
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        Ok(next)
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(self.live.deps.config.patience.unread_max, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Close(Close::Slow, None)),
        }
    }

    async fn send_frame(&mut self, frame: &Frame) -> Result<(), End> {
        let (message, bytes) = match self.encoding {
            Encoding::Json => (Utf8Bytes::try_from(frame.json.clone()).ok().map(Message::Text), frame.json.len()),
            Encoding::Msgpack => {
                let bytes = frame.msgpack().ok();
                let count = bytes.as_ref().map_or(0, Bytes::len);
                (bytes.map(Message::Binary), count)
            }
        };
        let Some(message) = message else { return Err(End::Close(Close::Internal, None)) };
        self.send(message).await?;
        self.live.delivered(&self.place, frame, bytes);
        Ok(())
    }

    /// The client's right has ended: it is told, and may go on for a while, unless its token was taken back.
    async fn end_right(&mut self, ended: Ended) -> Result<(), End> {
        let grace = self.live.deps.auth.grace();
        match ended {
            Ended::Revoked => Err(End::Close(Close::Revoked, None)),
            Ended::Expired if self.warned || grace.is_zero() => Err(End::Close(Close::Expired, None)),
            Ended::Expired => {
                self.warned = true;
                self.ending = self.caller.ending(&self.live.deps.auth, grace);
                let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
                self.answer(&ServerMessage::Expired { grace_ms }).await
            }
        }
    }

    async fn answer(&mut self, message: &ServerMessage) -> Result<(), End> {
        let json = message.to_json();
        let message = match self.encoding {
            Encoding::Json => Message::Text(json.into()),
            Encoding::Msgpack => match from_json(json.as_bytes()) {
                Ok(bytes) => Message::Binary(bytes.into()),
                Err(_) => return Err(End::Close(Close::Internal, None)),
            },
        };
        self.send(message).await
    }

    async fn hear(&mut self, message: Message) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match message {
            Message::Text(text) if text.len() > MESSAGE_BYTES_MAX => return Err(End::Close(Close::TooLarge, None)),
            Message::Text(text) => Ok(text),
            Message::Binary(_) if self.encoding == Encoding::Json => {
                return Err(End::Close(Close::Unsupported, None));
            }
            Message::Binary(bytes) if bytes.len() > MESSAGE_BYTES_MAX => {
                return Err(End::Close(Close::TooLarge, None));
            }
            Message::Binary(bytes) => to_json(&bytes).map(Utf8Bytes::from),
            Message::Ping(_) | Message::Pong(_) => {
                self.pings += 1;
                return if self.pings > PINGS_MAX { Err(End::Close(Close::BadMessage, None)) } else { Ok(()) };
            }
            Message::Close(_) => return Err(End::Gone),
        };
        let read = match &text {
            Ok(text) => read_client_message(text),
            Err(error) => Err(Tagged { id: None, body: ApiError::new(Code::BadJson, error.to_string()) }),
        };
        match read {
            Ok(Tagged { id, body }) => {
                self.bad = 0;
                self.obey(id, body).await
            }
            Err(Tagged { id, body: error }) => {
                self.bad += 1;
                if self.bad >= BAD_MESSAGES_MAX {
                    return Err(End::Close(Close::BadMessage, None));
                }
                self.answer(&ServerMessage::Error { id, channel: None, error }).await
            }
        }
    }

    async fn obey(&mut self, id: Option<Value>, message: ClientMessage) -> Result<(), End> {
        // What asks for something is a request, as it is over HTTP.
        let asks =
            matches!(message, ClientMessage::Subscribe(_) | ClientMessage::Publish { .. } | ClientMessage::Auth { .. });
        if asks && let Err(error) = self.live.requests.count(&self.caller, self.peer, Instant::now()) {
            return self.answer(&ServerMessage::Error { id, channel: None, error }).await;
        }
        match message {
            ClientMessage::Subscribe(subscribe) => self.subscribe(id, subscribe).await,
            ClientMessage::Unsubscribe { sub, channel } => {
                let canonical = channel.as_deref().map(canonical);
                let found = self.subscriptions.iter().position(|(subscription, _)| match (&sub, &canonical) {
                    (Some(sub), _) => subscription.number() == *sub,
                    (None, Some(channel)) => subscription.channels().any(|name| **name == **channel),
                    (None, None) => false,
                });
                let answer = match found {
                    Some(index) => {
                        let sub = Some(self.subscriptions.remove(index).0.number());
                        self.list_channels();
                        ServerMessage::Ack { id, sub, published: None }
                    }
                    None => {
                        let error = ApiError::new(
                            Code::UnknownSubscription,
                            "there is no such subscription on this connection",
                        );
                        ServerMessage::Error { id, channel, error }
                    }
                };
                self.answer(&answer).await
            }
            ClientMessage::Publish { stream, events, key } => {
                let answer = match publish(&self.live, &self.caller, &stream, events.get(), key).await {
                    Ok(published) => ServerMessage::Ack { id, sub: None, published: Some(published) },
                    Err(error) => ServerMessage::Error { id, channel: None, error },
                };
                self.answer(&answer).await
            }
            ClientMessage::Auth { token } => {
                let answer = match self.go_on_with(token.reveal()).await {
                    Ok(()) => ServerMessage::Authenticated { id, expires: self.caller.expires_us() },
                    Err(error) => ServerMessage::Error { id, channel: None, error },
                };
                self.answer(&answer).await
            }
            ClientMessage::Ping => {
                let time = self.live.deps.clock.now_us();
                self.answer(&ServerMessage::Pong { id, time }).await
            }
        }
    }

    /// Takes another token, if what is followed is covered by it, too.
    async fn go_on_with(&mut self, token: &str) -> Result<(), ApiError> {
        let caller = self.live.deps.auth.admit(token).await?;
        if caller.bound() != self.caller.bound() {
            return Err(caller.refuse("go on with other rows: its `params` differ"));
        }
        for name in self.subscriptions.iter().flat_map(|(_, asking)| &asking.names) {
            caller.may_follow(&read_channel(name)?, &self.live.deps.catalog)?;
        }
        self.place.goes_on_as(&caller)?;
        for (_, asking) in &mut self.subscriptions {
            asking.caller = caller.clone();
        }
        self.ending = caller.ending(&self.live.deps.auth, Duration::ZERO);
        (self.caller, self.warned) = (caller, false);
        Ok(())
    }

    async fn subscribe(&mut self, id: Option<Value>, subscribe: Subscribe) -> Result<(), End> {
        let refuse = |id: &Option<Value>, error| ServerMessage::Error { id: id.clone(), channel: None, error };
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            let message = format!("a connection has at most {SUBSCRIPTIONS_MAX} subscriptions");
            return self.answer(&refuse(&id, ApiError::new(Code::LimitExceeded, message))).await;
        }
        let read = || Ok((timezone_of(subscribe.timezone.as_deref())?, cursor_of(subscribe.since.as_deref())?));
        let (timezone, since) = match read() {
            Ok(read) => read,
            Err(error) => return self.answer(&refuse(&id, error)).await,
        };
        reach_cursor(&self.live.deps, since.as_ref()).await;
        let mut names = subscribe.channels;
        let (channels, refused) =
            resolve(&self.live.deps, (&self.caller, self.peer), names.clone(), subscribe.last, timezone).await;
        names.retain(|name| !refused.iter().any(|(refused, _)| refused == name));
        for (channel, error) in refused {
            self.answer(&ServerMessage::Error { id: id.clone(), channel: Some(channel), error }).await?;
        }
        if channels.specs.is_empty() {
            return Ok(());
        }
        let pace = channels.pace(&self.live.deps, subscribe.pace);
        let options =
            SubscribeOptions { sub: self.next_sub, since, pace, last: channels.last, snapshots: Snapshots::Paged };
        self.next_sub += 1;
        let mut subscription = self.live.deps.hub.subscribe(&channels.specs, &options, &self.bell);
        // Whether it resumes is known only when its first frame is built; the answer goes before that frame.
        let Some(frame) = subscription.pull().await else { return Err(End::Close(Close::Internal, None)) };
        let subscribed = ServerMessage::Subscribed {
            id,
            sub: subscription.number(),
            channels: subscription.channels().map(|name| name.to_string()).collect(),
            cursor: frame.cursor.to_string(),
            resumed: subscription.is_continued(),
        };
        // Most have one, and a vector would make room for four.
        self.subscriptions.reserve_exact(1);
        self.subscriptions.push((
            subscription,
            Asking { caller: self.caller.clone(), peer: self.peer, names, timezone, pace: subscribe.pace },
        ));
        self.list_channels();
        self.answer(&subscribed).await?;
        self.send_frame(&frame).await
    }

    /// Names stand for something else: some of what is followed may be among them.
    async fn look_up_again(&mut self) {
        let mut changed = false;
        for (subscription, asking) in &mut self.subscriptions {
            changed |= asking.again(&self.live.deps, subscription).await;
        }
        if changed {
            self.list_channels();
        }
    }

    fn list_channels(&self) {
        self.place.follows(self.subscriptions.iter().map(|(subscription, _)| subscription.standing()).collect());
    }
}

/// Makes events durable that came as a message.
async fn publish(
    live: &LiveDeps,
    caller: &Caller,
    stream: &str,
    events: &str,
    key: Option<String>,
) -> Result<Published, ApiError> {
    let stream = sendable(&live.deps, stream)?;
    caller.may_send(&stream)?;
    let max = live.requests.limits(caller.role()).body_bytes_max;
    if events.len() > max {
        limited(caller.role(), "size");
        let message =
            format!("the events have more than {max} bytes, the most role `{}` may send at once", caller.role());
        return Err(ApiError::new(Code::TooLarge, message).with("max_bytes", max));
    }
    let body = Bytes::copy_from_slice(events.as_bytes());
    let key = key.map(|key| key_of(caller.key_space(), &stream, key.as_bytes(), &body));
    let appended = append(&live.deps, &live.decodes, (&stream, "websocket"), body, BodyFormat::Json, key).await;
    let appended = appended.map_err(|error| error.0)?;
    live.deps.figures.accepted(if appended.replayed { 0 } else { appended.accepted });
    let errors: Vec<RowError> = serde_json::from_slice(&appended.receipt).unwrap_or_default();
    Ok(Published {
        accepted: appended.accepted,
        rejected: appended.rejected,
        errors,
        position: appended.position.to_string(),
    })
}

/// A message beyond the limit is told apart from a connection that broke.
fn closing(error: &axum::Error) -> End {
    if error.to_string().contains("too long") || error.to_string().contains("too big") {
        End::Close(Close::TooLarge, None)
    } else {
        End::Gone
    }
}
