//! One client's session: it answers what the client asks, and pulls a frame for each subscription that is due.
//!
//! It holds no queue of frames. While what it emitted is still on its way it pulls nothing and takes no request; what
//! changes meanwhile is merged by the hub.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pulseboard_hub::{Bell, Due, Snapshots, SubscribeOptions, Subscription};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::socketio::{EventNames, RefusedChannel, Restarting, SocketAnswer, SocketError};
use pulseboard_protocol::{Frame, Pace, Subscribe};
use rand::Rng;
use serde::Serialize;
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::AckSender;
use socketioxide::handler::FromMessageParts;
use socketioxide::socket::Socket;
use socketioxide::{SendError, SocketError as EmitError, TransportType};
use socketioxide_core::Value;
use tokio::time::{Instant, sleep_until};

use super::door::Opened;
use super::inbox::{Outlet, Request, Wish};
use super::{Counted, Shared};
use crate::alerts::ALERTS;
use crate::auth::Caller;
use crate::connections::Place;
use crate::live::again::Asking;
use crate::live::{
    COME_BACK_MS, DRAIN_SPREAD_MS, LiveDeps, SUBSCRIPTIONS_MAX, canonical, cursor_of, reach_cursor, resolve,
    timezone_of,
};

/// A subscription, what it asked for, and what its frames are called.
#[derive(Debug)]
struct Followed {
    subscription: Subscription,
    asking: Asking,
    batches: bool,
}

/// The connection is gone.
#[derive(Debug)]
struct Gone;

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    live: LiveDeps,
    shared: Shared,
    socket: Arc<Socket<LocalAdapter>>,
    opened: Arc<Opened>,
    place: Arc<Place>,
    caller: Caller,
    outlet: Outlet,
    bell: Arc<Bell>,
    followed: Vec<Followed>,
    next_sub: u32,
    /// Whose turn it is when several are due.
    turn: usize,
    _counted: Counted,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.place.follows(Vec::new());
    }
}

impl Session {
    pub(super) fn new(
        shared: Shared,
        socket: Arc<Socket<LocalAdapter>>,
        opened: Arc<Opened>,
        place: Arc<Place>,
        outlet: Outlet,
    ) -> Self {
        opened.listed.get_or_init(|| {
            let sid = socket.id.to_string();
            shared.flows.add(sid.clone(), &opened.flow);
            (shared.flows.clone(), sid)
        });
        Self {
            live: shared.live.clone(),
            _counted: shared.sessions.enter(),
            caller: opened.caller.clone(),
            shared,
            socket,
            opened,
            place,
            outlet,
            bell: Bell::new(),
            followed: Vec::new(),
            next_sub: 1,
            turn: 0,
        }
    }

    fn names(&self) -> &EventNames {
        &self.shared.config.events
    }

    /// Until the server ends, or the connection is gone. `since` is where the reader of the default board stands.
    pub(super) async fn run(mut self, since: Option<String>) {
        let draining = self.live.connections.draining();
        let drained = async move {
            draining.wait().await;
            let (wait_ms, back_ms) = {
                let mut random = rand::rng();
                (random.random_range(0..DRAIN_SPREAD_MS), random.random_range(COME_BACK_MS..2 * COME_BACK_MS))
            };
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            back_ms
        };
        let ending = self.caller.ending(&self.live.deps.auth, self.live.deps.auth.grace());
        let ended = tokio::select! {
            after_ms = drained => Ok(after_ms),
            ended = ending => Err(ended),
            _gone = self.follow(since) => return,
        };
        let after_ms = match ended {
            Ok(after_ms) => after_ms,
            Err(ended) => {
                let error = SocketError { channel: None, error: ended.error() };
                let _told = self.socket.emit(&self.names().error, &error).is_ok();
                // A client that the server has sent away does not come back by itself: it needs another token first.
                let _left = Arc::clone(&self.socket).disconnect().is_ok();
                return;
            }
        };
        // A queue that is full tells nobody any more.
        let _told = self.socket.emit(&self.names().restart, &Restarting { after_ms }).is_ok();
        self.opened.place.lock().take();
    }

    async fn follow(&mut self, since: Option<String>) -> Gone {
        let mut definitions = self.live.deps.catalog.watch();
        if let Err(gone) = self.join_default_board(since).await {
            return gone;
        }
        loop {
            self.opened.flow.room().await;
            let wake = match self.pull_due().await {
                Ok(Pulled::Sent) => continue,
                Ok(Pulled::Until(wake)) => wake,
                Err(gone) => return gone,
            };
            let paced = async {
                match wake {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let request = tokio::select! {
                request = self.outlet.next() => request,
                () = self.bell.rung() => continue,
                () = paced => continue,
                Ok(()) = definitions.changed() => {
                    self.look_up_again().await;
                    continue;
                }
            };
            let obeyed = match request {
                Some(request) => self.obey(request).await,
                None => Err(Gone),
            };
            if let Err(gone) = obeyed {
                return gone;
            }
        }
    }

    /// Sends a frame for one subscription that is due; gives when the next one is, if none is now.
    async fn pull_due(&mut self) -> Result<Pulled, Gone> {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        let count = self.followed.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let followed = &mut self.followed[index];
            match followed.subscription.due(now) {
                Due::Idle => {}
                Due::At(at) => next = Some(next.map_or(at, |next| next.min(at))),
                Due::Now => {
                    if let Some(frame) = followed.subscription.pull().await {
                        let batches = followed.batches;
                        self.turn = index + 1;
                        let name = if batches { &self.names().batch_update } else { &self.names().update };
                        self.send_frame(name, &frame).await?;
                        return Ok(Pulled::Sent);
                    }
                }
            }
        }
        Ok(Pulled::Until(next))
    }

    async fn obey(&mut self, request: Request) -> Result<(), Gone> {
        match request.wish {
            Ok(Wish::Subscribe(subscribe)) => match self.count() {
                Ok(()) => self.subscribe(subscribe, request.ack).await,
                Err(error) => self.answer(request.ack, SocketAnswer::Error { error, refused: Vec::new() }).await,
            },
            Ok(Wish::Unsubscribe { sub, channel }) => {
                let answer = self.unsubscribe(sub, channel.as_deref());
                self.answer(request.ack, answer).await
            }
            Err(error) => self.answer(request.ack, SocketAnswer::Error { error, refused: Vec::new() }).await,
        }
    }

    /// What asks for something is a request, as it is over HTTP; what is posted was counted as that.
    fn count(&self) -> Result<(), ApiError> {
        if self.socket.transport_type() == TransportType::Polling {
            return Ok(());
        }
        self.live.requests.count(&self.caller, self.opened.peer, Instant::now())
    }

    async fn join_default_board(&mut self, since: Option<String>) -> Result<(), Gone> {
        let Some(board) = &self.shared.config.default_board else { return Ok(()) };
        let channels = vec![format!("board:{board}")];
        let subscribe = Subscribe { channels, since, pace: Pace::default(), last: None, timezone: None };
        self.subscribe(subscribe, None).await
    }

    async fn subscribe(&mut self, subscribe: Subscribe, ack: Option<i64>) -> Result<(), Gone> {
        let refusal = |error| SocketAnswer::Error { error, refused: Vec::new() };
        if self.followed.len() >= SUBSCRIPTIONS_MAX {
            let message = format!("a connection has at most {SUBSCRIPTIONS_MAX} subscriptions");
            return self.answer(ack, refusal(ApiError::new(Code::LimitExceeded, message))).await;
        }
        let read = || Ok((timezone_of(subscribe.timezone.as_deref())?, cursor_of(subscribe.since.as_deref())?));
        let (timezone, since) = match read() {
            Ok(read) => read,
            Err(error) => return self.answer(ack, refusal(error)).await,
        };
        reach_cursor(&self.live.deps, since.as_ref()).await;
        let mut names = subscribe.channels;
        let (channels, refused) =
            resolve(&self.live.deps, (&self.caller, self.opened.peer), names.clone(), subscribe.last, timezone).await;
        names.retain(|name| !refused.iter().any(|(refused, _)| refused == name));
        let refused: Vec<_> = refused.into_iter().map(|(channel, error)| RefusedChannel { channel, error }).collect();
        if channels.specs.is_empty() {
            let none = || ApiError::new(Code::BadRequest, "no channel is left to follow");
            let error = refused.first().map_or_else(none, |refused| refused.error.clone());
            return self.answer(ack, SocketAnswer::Error { error, refused }).await;
        }
        let pace = channels.pace(&self.live.deps, subscribe.pace);
        let options =
            SubscribeOptions { sub: self.next_sub, since, pace, last: channels.last, snapshots: Snapshots::Paged };
        self.next_sub += 1;
        let mut subscription = self.live.deps.hub.subscribe(&channels.specs, &options, &self.bell);
        // Whether it resumes is known only when its first frame is built; the answer goes before that frame.
        let Some(frame) = subscription.pull().await else { return Err(Gone) };
        let resumed = subscription.is_continued();
        let subscribed = SocketAnswer::Subscribed {
            sub: subscription.number(),
            channels: subscription.channels().map(|name| name.to_string()).collect(),
            cursor: frame.cursor.to_string(),
            resumed,
            refused,
        };
        let batches = pace.batch_ms.is_some_and(|ms| ms > 0);
        let (caller, peer) = (self.caller.clone(), self.opened.peer);
        let asking = Asking { caller, peer, names, timezone, pace: subscribe.pace };
        self.followed.push(Followed { subscription, asking, batches });
        self.list_channels();
        self.answer(ack, subscribed).await?;
        let name = if resumed { &self.names().update } else { &self.names().snapshot };
        self.send_frame(name, &frame).await
    }

    fn unsubscribe(&mut self, sub: Option<u32>, channel: Option<&str>) -> SocketAnswer {
        let channel = channel.map(canonical);
        let found = self.followed.iter().position(|followed| match (sub, &channel) {
            (Some(sub), _) => followed.subscription.number() == sub,
            (None, Some(channel)) => followed.subscription.channels().any(|name| **name == **channel),
            (None, None) => false,
        });
        match found {
            Some(index) => {
                let sub = self.followed.remove(index).subscription.number();
                self.list_channels();
                SocketAnswer::Ended { sub }
            }
            None => {
                let message = "there is no such subscription on this connection";
                SocketAnswer::Error { error: ApiError::new(Code::UnknownSubscription, message), refused: Vec::new() }
            }
        }
    }

    /// Names stand for something else: some of what is followed may be among them.
    async fn look_up_again(&mut self) {
        let mut changed = false;
        for followed in &mut self.followed {
            changed |= followed.asking.again(&self.live.deps, &mut followed.subscription).await;
        }
        if changed {
            self.list_channels();
        }
    }

    fn list_channels(&self) {
        let standings = self.followed.iter().map(|followed| followed.subscription.standing());
        self.place.follows(standings.collect());
    }

    /// Answers under the number that waits for it; without one, what was refused is an event and the rest is not said.
    async fn answer(&self, ack: Option<i64>, answer: SocketAnswer) -> Result<(), Gone> {
        if let Some(ack) = ack {
            return self.until_emitted(|| self.acknowledge(ack, &answer)).await;
        }
        let refused = match answer {
            SocketAnswer::Subscribed { refused, .. } => refused,
            SocketAnswer::Error { error, refused } if refused.is_empty() => {
                return self.emit(&self.names().error, &SocketError { channel: None, error }).await;
            }
            SocketAnswer::Error { refused, .. } => refused,
            SocketAnswer::Ended { .. } => Vec::new(),
        };
        for RefusedChannel { channel, error } in refused {
            self.emit(&self.names().error, &SocketError { channel: Some(channel), error }).await?;
        }
        Ok(())
    }

    fn acknowledge(&self, ack: i64, answer: &SocketAnswer) -> Result<(), SendError> {
        // The library makes one only out of the parts of a message; it takes the number, and nothing of the message.
        let Ok(sender) = AckSender::from_message_parts(&self.socket, &mut Value::Bytes(Bytes::new()), &Some(ack));
        sender.send(answer)
    }

    async fn send_frame(&self, name: &str, frame: &Frame) -> Result<(), Gone> {
        let Ok(raw) = frame.raw() else {
            tracing::error!("a frame was not JSON");
            return Err(Gone);
        };
        self.emit(name, raw).await?;
        self.live.delivered(&self.place, frame, frame.json.len());
        for change in frame.raw_changes(ALERTS) {
            self.emit(&self.names().alerts, change).await?;
        }
        Ok(())
    }

    async fn emit<T: Serialize + Sync + ?Sized>(&self, name: &str, data: &T) -> Result<(), Gone> {
        self.until_emitted(|| self.socket.emit(name, data)).await
    }

    /// Emits, waiting for room if there is none.
    async fn until_emitted(&self, emit: impl Fn() -> Result<(), SendError>) -> Result<(), Gone> {
        let flow = &self.opened.flow;
        loop {
            match emit() {
                Ok(()) => {
                    flow.emitted();
                    return Ok(());
                }
                Err(SendError::Socket(EmitError::InternalChannelFull)) => {
                    flow.refused();
                    flow.room().await;
                }
                Err(error) => {
                    tracing::debug!(%error, "a Socket.IO connection is gone");
                    return Err(Gone);
                }
            }
        }
    }
}

/// What came of looking for a subscription that is due.
enum Pulled {
    /// A frame was sent.
    Sent,
    /// None is due; the next one is then, or when the bell rings.
    Until(Option<Instant>),
}
