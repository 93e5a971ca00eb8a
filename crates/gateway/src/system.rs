//! What the server measures of itself: a row of `_system` each second, through the log like everybody's events.
//!
//! Rows are written while somebody follows them (the channel `system`, the board `system`, the stream itself) and for a
//! while after, or always if the configuration says so: a server that nobody watches has nothing to write.

use std::time::Duration;

use bytes::Bytes;
use pulseboard_model::decode::BodyFormat;
use pulseboard_model::system::{fields, stream};
use pulseboard_runtime::Shutdown;
use serde_json::{Map, Value};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::warn;

use crate::connections::Connections;
use crate::deps::Deps;
use crate::health::Health;
use crate::ingest::{Decodes, append};
use crate::live_figures::Transport;
use crate::tls::Tls;

/// A row each.
const EVERY: Duration = Duration::from_secs(1);

/// When rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SystemRecord {
    /// Each second, so that there is a past to look at.
    Always,
    /// While somebody follows them.
    #[default]
    WhileFollowed,
}

/// Where the views of shipped boards begin that read them.
const VIEWS: [&str; 2] = ["view:system.", "view:infra.pulseboard_"];

/// Whether a channel shows these rows.
pub(crate) fn is_system_channel(channel: &str) -> bool {
    let name = channel.split_once('?').map_or(channel, |(name, _)| name);
    matches!(name, "system" | "board:system" | "stream:_system") || VIEWS.iter().any(|view| name.starts_with(view))
}

/// Counters as they stood a second ago.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    messages: u64,
    frames: u64,
    frame_bytes: u64,
    polls: u64,
}

/// Writes rows until shutdown.
pub(crate) async fn run(deps: Deps, health: Health, connections: Connections, decodes: Decodes, shutdown: Shutdown) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut before, mut at) = (Before::default(), Instant::now());
    let mut is_declared = false;
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            _ = ticks.tick() => {}
        }
        let (row, now) = measure(&deps, &health, &connections, before, at.elapsed());
        (before, at) = (now, Instant::now());
        let wanted = deps.config.system == SystemRecord::Always || connections.figures().system_is_followed();
        if !wanted || health.is_draining() {
            continue;
        }
        // Only now, so that a server that nobody watches has no such stream.
        if !is_declared && let Err(error) = deps.log.declare(&stream(), &fields()).await {
            warn!(%error, "the server cannot keep what it measures of itself");
            return;
        }
        is_declared = true;
        let body = Bytes::from(Value::Object(row).to_string());
        if let Err(error) = append(&deps, &decodes, (&stream(), "system"), body, BodyFormat::Json, None).await {
            // The log says by itself that it cannot write; the next second is worth more than this one.
            metrics::counter!("pulseboard_system_rows_lost_total").increment(1);
            tracing::debug!(error = %error.0, "a second of the server's own figures was lost");
        }
    }
}

fn measure(
    deps: &Deps,
    health: &Health,
    connections: &Connections,
    before: Before,
    passed: Duration,
) -> (Map<String, Value>, Before) {
    let (figures, hub) = (connections.figures(), deps.hub.figures());
    let of = |transport| figures.of(transport).read();
    let all: Vec<_> = Transport::ALL.into_iter().map(of).collect();
    let (polls, long_polls) = (of(Transport::Poll).1, of(Transport::LongPoll).1);
    let now = Before {
        messages: deps.figures.events(),
        frames: all.iter().map(|(_, _, frames, _)| frames).sum(),
        frame_bytes: all.iter().map(|(_, _, _, bytes)| bytes).sum(),
        polls: polls + long_polls,
    };
    #[expect(clippy::cast_precision_loss, reason = "what comes in a second is far below 2^53")]
    let per_s = |now: u64, before: u64| (now - before) as f64 / passed.as_secs_f64().max(0.001);
    let (request_avg_ms, request_p99_ms) = deps.figures.latencies_ms();
    let (_, delivery_p50_ms, delivery_p99_ms) = figures.latencies_ms();
    let certificate = deps.config.tls.as_ref().and_then(Tls::problem);
    let problems = deps.log.problems().len() + deps.catalog.names().problems().len() + certificate.iter().len();
    let mut row = Map::new();
    let counts = [
        ("messages", now.messages),
        ("errors", deps.figures.errors()),
        ("connections", all.iter().map(|(open, ..)| open).sum()),
        ("websocket", of(Transport::WebSocket).0),
        ("sse", of(Transport::Sse).0),
        ("long_poll", of(Transport::LongPoll).0),
        ("socketio", of(Transport::SocketIo).0),
        ("subscriptions", u64::try_from(figures.subscriptions()).unwrap_or(0)),
        ("refused", figures.refusals()),
        ("resumes", hub.resumes),
        ("resets", hub.resets.iter().map(|(_, count)| count).sum()),
        ("conflated", hub.conflated),
        ("problems", u64::try_from(problems).unwrap_or(u64::MAX)),
    ];
    let measures = [
        ("uptime_s", health.uptime().as_secs_f64()),
        ("messages_per_s", per_s(now.messages, before.messages)),
        ("frames_per_s", per_s(now.frames, before.frames)),
        ("frame_bytes_per_s", per_s(now.frame_bytes, before.frame_bytes)),
        ("polls_per_s", per_s(now.polls, before.polls)),
        ("request_avg_ms", request_avg_ms),
        ("request_p99_ms", request_p99_ms),
        ("delivery_p50_ms", delivery_p50_ms),
        ("delivery_p99_ms", delivery_p99_ms),
    ];
    row.extend(counts.map(|(name, count)| (name.to_owned(), count.into())));
    row.extend(measures.map(|(name, measure)| (name.to_owned(), measure.into())));
    (row, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_that_show_the_servers_figures_are_known() {
        for channel in [
            "system",
            "board:system",
            "board:system?x=1",
            "stream:_system",
            "view:system.uptime",
            "view:infra.pulseboard_frames",
        ] {
            assert!(is_system_channel(channel), "{channel}");
        }
        for channel in ["view:systems", "view:infra.cpu", "stream:system", "board:systems", "view:totals", "alerts"] {
            assert!(!is_system_channel(channel), "{channel}");
        }
    }
}
