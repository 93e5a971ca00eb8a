//! `GET /api/v1/live/sse`: one subscription as server-sent events.
//!
//! The same frames as on WebSocket. The body is pulled by the connection, so a slow reader is simply asked less often and
//! the hub merges what it has not taken.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::IntoResponse;
use bytes::{Bytes, BytesMut};
use pulseboard_hub::{Bell, Due, Snapshots, SubscribeOptions, Subscription};
use pulseboard_protocol::error::ErrorBody;
use pulseboard_protocol::frame::sse_event;
use pulseboard_protocol::{Channel, Frame};
use pulseboard_runtime::Shutdown;
use rand::Rng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::again::Asking;
use super::asked::read_query;
use super::{DRAIN_SPREAD_MS, LiveDeps, cursor_of, reach_cursor, resolve, timezone_of};
use crate::alerts::news;
use crate::auth::{Caller, Ending};
use crate::connections::{Arrival, Place};
use crate::error::HttpResult;
use crate::live_figures::Transport;

/// How often a quiet stream says that it lives; below the 30 s at which proxies and browsers give up.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A reader comes back after between these, each at its own moment.
const RETRY_MS: std::ops::Range<u64> = 700..1_300;

/// When a reader shall come back: about a second when there is room, several when the server is nearly full.
fn retry_ms(load: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 5")]
    let factor = 1 + (load.clamp(0.0, 1.0) * 4.0).round() as u64;
    rand::rng().random_range(RETRY_MS) * factor
}

/// The handler.
pub(crate) async fn get_sse(
    State(live): State<LiveDeps>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> HttpResult {
    let asked = read_query(query.as_deref().unwrap_or_default())?;
    let timezone = timezone_of(asked.timezone.as_deref())?;
    let since = match headers.get("last-event-id").filter(|id| !id.is_empty()) {
        // The browser sends it by itself, and would give up for good on an error: begin afresh instead.
        Some(id) => id.to_str().ok().and_then(|id| id.parse().ok()),
        None => cursor_of(asked.since.as_deref())?,
    };
    reach_cursor(&live.deps, since.as_ref()).await;
    let definitions = live.deps.catalog.watch();
    let asking = Asking { caller: caller.clone(), peer, names: asked.channels, timezone, pace: asked.pace };
    let (channels, mut refused) =
        resolve(&live.deps, (&caller, peer), asking.names.clone(), asked.last, timezone).await;
    if let Some((channel, error)) = refused.pop() {
        return Err(error.with("channel", channel).into());
    }
    let place = live.connections.enter(Transport::Sse, (&caller, peer), live.deps.clock.now_us(), Arrival::New)?;
    let bell = Bell::new();
    let pace = channels.pace(&live.deps, asked.pace);
    let options = SubscribeOptions { sub: 1, since, pace, last: channels.last, snapshots: Snapshots::Paged };
    let subscription = live.deps.hub.subscribe(&channels.specs, &options, &bell);
    place.follows(vec![subscription.standing()]);
    let stream = Stream {
        subscription,
        bell,
        place,
        asking,
        definitions,
        draining: live.connections.draining(),
        named: asked.named,
        stage: Stage::Init,
        ending: caller.ending(&live.deps.auth, live.deps.auth.grace()),
        beat_at: Instant::now() + HEARTBEAT,
        live,
    };
    let body = Body::from_stream(futures::stream::unfold(stream, Stream::next));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    // nginx would otherwise hold each event back until the next one.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Init,
    Following,
    Ended,
}

struct Stream {
    subscription: Subscription,
    bell: Arc<Bell>,
    place: Place,
    asking: Asking,
    /// Tells when names stand for something else.
    definitions: watch::Receiver<u64>,
    draining: Shutdown,
    named: bool,
    stage: Stage,
    /// Resolves when the reader's right has ended.
    ending: Ending,
    beat_at: Instant,
    live: LiveDeps,
}

impl Stream {
    /// The next bytes, when there are some.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.stage == Stage::Ended {
            return None;
        }
        if self.stage == Stage::Init {
            self.stage = Stage::Following;
            let frame = self.subscription.pull().await?;
            let load = self.live.connections.load();
            let retry = format!("retry: {}\n\n", retry_ms(load));
            let mut out = BytesMut::from(retry.as_bytes());
            out.extend_from_slice(&self.events(&frame, "init"));
            return Some(self.give(&frame, out.freeze()));
        }
        loop {
            // A part of an answer is followed by the next one, and nobody may come back with it.
            if Instant::now() >= self.beat_at && !self.subscription.is_unfinished() {
                let out = self.heartbeat();
                return Some((Ok(out), self));
            }
            let wake = match self.subscription.due(Instant::now()) {
                Due::Now => match self.subscription.pull().await {
                    Some(frame) => {
                        let out = self.events(&frame, "frame");
                        return Some(self.give(&frame, out));
                    }
                    None => self.beat_at,
                },
                Due::At(at) => at.min(self.beat_at),
                Due::Idle => self.beat_at,
            };
            tokio::select! {
                () = self.bell.rung() => {}
                () = sleep_until(wake) => {}
                Ok(()) = self.definitions.changed() => {
                    if self.asking.again(&self.live.deps, &mut self.subscription).await {
                        self.place.follows(vec![self.subscription.standing()]);
                    }
                }
                ended = &mut self.ending => {
                    self.stage = Stage::Ended;
                    let error = ended.error();
                    let data = serde_json::to_vec(&ErrorBody { error }).unwrap_or_default();
                    return Some((Ok(sse_event("closed", None, &data)), self));
                }
                () = self.draining.wait() => {
                    let wait_ms = rand::rng().random_range(0..DRAIN_SPREAD_MS);
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                    self.stage = Stage::Ended;
                    let after_ms = rand::rng().random_range(RETRY_MS);
                    let out = format!("retry: {after_ms}\nevent: restart\ndata: {{\"after_ms\":{after_ms}}}\n\n");
                    return Some((Ok(out.into()), self));
                }
            }
        }
    }

    fn give(self, frame: &Frame, out: Bytes) -> (Result<Bytes, Infallible>, Self) {
        self.live.delivered(&self.place, frame, out.len());
        (Ok(out), self)
    }

    fn heartbeat(&mut self) -> Bytes {
        self.beat_at = Instant::now() + HEARTBEAT;
        let cursor = self.subscription.cursor();
        let time = self.live.deps.clock.now_us();
        let data = format!(
            "{{\"type\":\"heartbeat\",\"cursor\":\"{cursor}\",\"position\":\"{}\",\"time\":{time}}}",
            cursor.position
        );
        sse_event("heartbeat", Some(&cursor.to_string()), data.as_bytes())
    }

    /// A frame, and before it each alert that it brings; only `init` is before all. The last of these events has the cursor:
    /// who is cut off among them is told them again.
    fn events(&self, frame: &Frame, name: &str) -> Bytes {
        let news = news(&self.live.deps, frame);
        let Some((last, others)) = news.split_last() else { return self.changes(frame, name, frame.id()) };
        let mut out = BytesMut::new();
        if name == "init" {
            out.extend_from_slice(&self.changes(frame, name, None));
        }
        others.iter().for_each(|alert| out.extend_from_slice(&sse_event("alert", None, alert.as_bytes())));
        out.extend_from_slice(&sse_event("alert", frame.id().filter(|_| name == "init"), last.as_bytes()));
        if name != "init" {
            out.extend_from_slice(&self.changes(frame, name, frame.id()));
        }
        out.freeze()
    }

    /// A frame as one event, or for plain EventSource pages each change as an event of its own.
    fn changes(&self, frame: &Frame, name: &str, id: Option<&str>) -> Bytes {
        if !self.named {
            let is_plain = name == "frame" && id == frame.id();
            return if is_plain { frame.sse() } else { sse_event(name, id, &frame.json) };
        }
        let mut out = BytesMut::new();
        if name == "init" {
            let id = id.filter(|_| frame.changes.is_empty());
            let cursor = frame.id().map_or_else(|| "\"more\":true".to_owned(), |id| format!("\"cursor\":\"{id}\""));
            let resumed = self.subscription.is_continued();
            let init = format!(
                "{{\"type\":\"frame\",\"sub\":1,{cursor},\"position\":\"{}\",\"time\":{},\"newest\":null,\"resumed\":{resumed},\"changes\":[]}}",
                frame.position, frame.position.clock.0
            );
            out.extend_from_slice(&sse_event("init", id, init.as_bytes()));
        }
        for (number, (channel, range)) in frame.changes.iter().enumerate() {
            let short = channel.parse::<Channel>().map_or_else(|_| channel.to_string(), |c| c.short_name().to_owned());
            let id = id.filter(|_| number + 1 == frame.changes.len());
            out.extend_from_slice(&sse_event(&short, id, &frame.json[range.clone()]));
        }
        out.freeze()
    }
}
