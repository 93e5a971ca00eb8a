//! Channels over connections: what all transports have in common is resolving channels and hub subscriptions.

pub(crate) mod again;
mod asked;
mod poll;
mod sse;
mod websocket;

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use chrono_tz::Tz;
use pulseboard_hub::ChannelSpec;
use pulseboard_journal::PositionCheck;
use pulseboard_protocol::alerts::LAST_ALERTS;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::{Channel, Cursor, Frame, Pace};

use crate::alerts::ALERTS;
use crate::auth::Caller;
use crate::catalog::{Resolved, read_channel};
use crate::connections::{Connections, Place};
use crate::deps::Deps;
use crate::ingest::Decodes;
use crate::query::WAIT_DEFAULT;
use crate::role_limits::Requests;

pub(crate) use poll::get_poll;
pub(crate) use sse::get_sse;
pub(crate) use websocket::get_websocket;

/// A reader that must go is told to come back after between this and twice this.
pub(crate) const COME_BACK_MS: u64 = 500;

/// While draining, connections close within so long, each at its own moment.
pub(crate) const DRAIN_SPREAD_MS: u64 = 2_000;

/// The most subscriptions of a connection.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 64;

/// What a handler of connections needs.
#[derive(Debug, Clone)]
pub(crate) struct LiveDeps {
    pub(crate) deps: Deps,
    pub(crate) connections: Connections,
    pub(crate) decodes: Decodes,
    pub(crate) requests: Requests,
}

impl LiveDeps {
    /// Counts a frame that a reader has now.
    pub(crate) fn delivered(&self, place: &Place, frame: &Frame, bytes: usize) {
        place.sent(bytes);
        if let Some(newest) = frame.newest
            && frame.first_delivery()
        {
            let took_us = u64::try_from(self.deps.clock.now_us() - newest.0).unwrap_or(0);
            self.connections.figures().delivered(Duration::from_micros(took_us));
        }
    }
}

/// Channels of one subscription, resolved.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    pub(crate) specs: Vec<ChannelSpec>,
    /// Beside `specs`: how many of the newest rows a fresh tail starts with.
    pub(crate) last: Vec<u32>,
    /// The slowest pace of the boards among them.
    pace: Pace,
}

impl Channels {
    /// How often frames leave: what was asked for, unless the server or a board among the channels is slower.
    pub(crate) fn pace(&self, deps: &Deps, asked: Pace) -> Pace {
        asked.slower(self.pace).slower(deps.config.pace)
    }

    fn add(&mut self, resolved: Resolved, last: u32) {
        self.pace = self.pace.slower(resolved.pace);
        for spec in resolved.specs {
            if !self.specs.iter().any(|known| known.name == spec.name) {
                self.specs.push(spec);
                self.last.push(last);
            }
        }
    }
}

/// Reads a zone's name.
pub(crate) fn timezone_of(text: Option<&str>) -> Result<Option<Tz>, ApiError> {
    let Some(name) = text else { return Ok(None) };
    Tz::from_str(name).map(Some).map_err(|_| {
        let message = format!("`{name}` is not a time zone: use a name such as `Europe/Berlin` or `UTC`");
        ApiError::new(Code::BadTimezone, message)
    })
}

/// The name under which a channel is followed: a tail without its `last`, a view with its parameters in their order.
pub(crate) fn canonical(channel: &str) -> String {
    match channel.parse() {
        Ok(Channel::Stream { name, .. }) => format!("stream:{name}"),
        Ok(Channel::Alerts { .. }) => ALERTS.to_owned(),
        Ok(parsed) => parsed.to_string(),
        Err(_) => channel.to_owned(),
    }
}

/// Reads a cursor.
pub(crate) fn cursor_of(text: Option<&str>) -> Result<Option<Cursor>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|error: pulseboard_protocol::InvalidCursor| ApiError::new(Code::BadPosition, error.to_string()))
}

/// Waits until the hub stands where a reader does: a position just acknowledged is in the log a moment before it is in the
/// live answers, and must not be taken for one beyond the log's end.
pub(crate) async fn reach_cursor(deps: &Deps, since: Option<&Cursor>) {
    let Some(cursor) = since else { return };
    if deps.log.check(&cursor.position) == PositionCheck::Known && !deps.hub.reach(&cursor.position, WAIT_DEFAULT).await
    {
        tracing::debug!(position = %cursor.position, "the live answers are far behind the log");
    }
}

/// Resolves names that the caller may follow; each bad one gives its error, the others proceed. Reads the store, so it runs on
/// the blocking pool.
pub(crate) async fn resolve(
    deps: &Deps,
    (caller, peer): (&Caller, SocketAddr),
    names: Vec<String>,
    asked_last: Option<u32>,
    timezone: Option<Tz>,
) -> (Channels, Vec<(String, ApiError)>) {
    let (catalog, caller, user) = (deps.catalog.clone(), caller.clone(), caller.user(peer));
    let work = move || {
        let (mut channels, mut refused) = (Channels::default(), Vec::new());
        for name in names {
            let resolved = read_channel(&name).and_then(|channel| {
                caller.may_follow(&channel, &catalog)?;
                let last = match &channel {
                    Channel::Stream { last, .. } => last.or(asked_last),
                    Channel::Alerts { last } => last.or(asked_last).or(Some(LAST_ALERTS)),
                    _ => None,
                };
                Ok((catalog.resolve((&caller, &user), &channel, timezone)?, last.unwrap_or(0)))
            });
            match resolved {
                Ok((resolved, last)) => channels.add(resolved, last),
                Err(error) => refused.push((name, error)),
            }
        }
        (channels, refused)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "resolving channels panicked");
        let fault = ApiError::new(Code::Internal, "the channels could not be resolved by a fault of the server");
        (Channels::default(), vec![(String::new(), fault)])
    })
}
