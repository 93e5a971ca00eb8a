//! `[limits]`: what may be sent in, held and asked, each with its default and how far it may be set.

use std::time::Duration;

use pulseboard_gateway::{ConnectionLimits, Patience, RequestLimits};
use pulseboard_hub::HubConfig;
use pulseboard_model::limits::{IngestLimits, LiveLimits, QueryLimits, ViewLimits};
use pulseboard_protocol::Pace;

use super::pace::read_pace;
use super::reader::{Problem, Reader};
use super::role_limits::read_role_limits;
use super::values::{count_to, size_within, span_us};

/// The largest body and row, KiB: what SQLite takes as one value, with room.
pub(super) const BODY_KIB: std::ops::RangeInclusive<u64> = 1..=512 << 10;
/// The memory of one live query's state, KiB.
const VIEW_KIB: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 30;
/// The memory of one query, KiB.
const QUERY_KIB: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 30;
/// The farthest `ahead`, µs: ten years.
const AHEAD_US_MAX: i64 = 3_650 * 86_400_000_000;
/// The longest that frames may be held back for everybody, µs.
const FRAME_FLOOR_US_MAX: i64 = 10_000_000;
/// How much of an answer may go in one frame, KiB.
const PAGE_KIB: std::ops::RangeInclusive<u64> = 1..=64 << 10;
/// The longest that anybody may be waited for, µs: an hour.
const PATIENCE_US_MAX: i64 = 3_600_000_000;
/// The most connections that can be allowed.
const CONNECTIONS_MAX: usize = 1_000_000;
/// The longest a query may be let run, µs: an hour.
const QUERY_TIME_US_MAX: i64 = 3_600_000_000;

/// All limits that can be set.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// On what is sent in.
    pub ingest: IngestLimits,
    /// On each maintained query.
    pub views: ViewLimits,
    /// On all maintained queries together, and on the ad-hoc ones of a user.
    pub live: LiveLimits,
    /// On each query that is run once.
    pub queries: QueryLimits,
    /// The least time between two frames of a subscription.
    pub frame_floor: Duration,
    /// About how many bytes of a large answer go in one frame.
    pub page_bytes: usize,
    /// How long a WebSocket may be silent or take nothing.
    pub patience: Patience,
    /// How long a request's head may take to arrive, and how long a socket may stay open without a request.
    pub head_timeout: Duration,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long the handshake of TLS may take.
    pub handshake_timeout: Duration,
    /// What requests of each role may be.
    pub requests: RequestLimits,
    /// How often frames leave at most, whatever a subscription asks for.
    pub pace: Pace,
    /// How many connections may follow channels.
    pub connections: ConnectionLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ingest: IngestLimits::default(),
            views: ViewLimits::default(),
            live: LiveLimits::default(),
            queries: QueryLimits::default(),
            frame_floor: HubConfig::default().floor,
            page_bytes: HubConfig::default().page_bytes,
            patience: Patience::default(),
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            // A hertz for each ms, and nothing collected: what `frame_floor` is slower than anyway.
            pace: Pace { max_hz: Some(1_000.0), batch_ms: Some(0) },
            requests: RequestLimits::default(),
            connections: ConnectionLimits::default(),
        }
    }
}

/// Reads `[limits]`; what is not set keeps its default.
pub(super) fn read_limits(root: &mut Reader<'_>, file: &str, problems: &mut Vec<Problem>) -> Limits {
    let mut limits = Limits::default();
    let Some(table) = root.table("limits", problems) else { return limits };
    let mut reader = Reader::new(file, "limits", table);
    let ingest = &mut limits.ingest;
    set(&mut ingest.body_bytes_max, reader.read("body_bytes", problems, |value| size_within(value, &BODY_KIB)));
    set(&mut ingest.row_bytes_max, reader.read("row_bytes", problems, |value| size_within(value, &BODY_KIB)));
    set(&mut ingest.rows_max, reader.read("rows", problems, |value| count_to(value, 10_000_000)));
    set(&mut ingest.fields_max, reader.read("fields", problems, |value| count_to(value, 10_000)));
    set(&mut ingest.streams_max, reader.read("streams", problems, |value| count_to(value, 100_000)));
    set(
        &mut ingest.future_us_max,
        reader.read("ahead", problems, |value| at_most(span_us(value)?, AHEAD_US_MAX, "3650d")),
    );
    let floor = reader.read("frame_floor", problems, |value| span_to(value, FRAME_FLOOR_US_MAX, "10s"));
    set(&mut limits.frame_floor, floor);
    set(&mut limits.page_bytes, reader.read("page_bytes", problems, |value| size_within(value, &PAGE_KIB)));
    if let Some(table) = reader.table("websockets", problems) {
        let mut sockets = Reader::new(file, "limits.websockets", table);
        let patience = &mut limits.patience;
        for (name, limit) in [
            ("ping_every", &mut patience.ping_every),
            ("silence", &mut patience.silence_max),
            ("unread", &mut patience.unread_max),
        ] {
            set(limit, sockets.read(name, problems, patience_of));
        }
        sockets.finish(problems);
    }
    if let Some(table) = reader.table("requests", problems) {
        let mut requests = Reader::new(file, "limits.requests", table);
        set(&mut limits.head_timeout, requests.read("head", problems, patience_of));
        set(&mut limits.body_timeout, requests.read("body", problems, patience_of));
        set(&mut limits.handshake_timeout, requests.read("handshake", problems, patience_of));
        requests.finish(problems);
    }
    let pace = read_pace(&mut reader, problems);
    limits.pace = Pace { max_hz: pace.max_hz.or(limits.pace.max_hz), batch_ms: pace.batch_ms.or(limits.pace.batch_ms) };
    if let Some(table) = reader.table("views", problems) {
        let mut views = Reader::new(file, "limits.views", table);
        set(&mut limits.views.groups_max, views.read("groups", problems, |value| count_to(value, 100_000_000)));
        let memory = views.read("memory", problems, |value| size_within(value, &VIEW_KIB));
        set(&mut limits.views.state_bytes_max, memory);
        set(&mut limits.views.rows_max, views.read("rows", problems, |value| count_to(value, 10_000_000)));
        let memory = views.read("total_memory", problems, |value| size_within(value, &VIEW_KIB));
        set(&mut limits.live.state_bytes_max, memory);
        views.finish(problems);
    }
    if let Some(table) = reader.table("users", problems) {
        let mut users = Reader::new(file, "limits.users", table);
        let own = &mut limits.live.user;
        set(&mut own.queries_max, users.read("live_queries", problems, |value| count_to(value, 100_000)));
        set(&mut own.groups_max, users.read("groups", problems, |value| count_to(value, 1_000_000_000)));
        set(&mut own.state_bytes_max, users.read("memory", problems, |value| size_within(value, &VIEW_KIB)));
        let percent = users.read("cpu_percent", problems, |value| count_to(value, 100));
        set(&mut own.cpu_percent_max, percent.map(|percent| u32::try_from(percent).unwrap_or(100)));
        users.finish(problems);
    }
    read_role_limits(&mut reader, &mut limits.requests, problems);
    if let Some(table) = reader.table("connections", problems) {
        let mut connections = Reader::new(file, "limits.connections", table);
        let limits = &mut limits.connections;
        set(&mut limits.total_max, connections.read("total", problems, |value| count_to(value, CONNECTIONS_MAX)));
        let own = connections.read("per_address", problems, |value| count_to(value, CONNECTIONS_MAX));
        set(&mut limits.per_address_max, own);
        let own = connections.read("per_token", problems, |value| count_to(value, CONNECTIONS_MAX));
        set(&mut limits.per_token_max, own);
        let rate = connections.read("per_second", problems, |value| count_to(value, CONNECTIONS_MAX));
        set(&mut limits.per_second_max, rate.map(|rate| u32::try_from(rate).unwrap_or(u32::MAX)));
        connections.finish(problems);
    }
    if let Some(table) = reader.table("queries", problems) {
        let mut queries = Reader::new(file, "limits.queries", table);
        let time = queries.read("time", problems, |value| {
            let us = at_most(span_us(value)?, QUERY_TIME_US_MAX, "1h")?;
            Ok(u64::try_from(us / 1_000).unwrap_or(0).max(1))
        });
        set(&mut limits.queries.time_ms_max, time);
        let memory = queries.read("memory", problems, |value| size_within(value, &QUERY_KIB));
        set(&mut limits.queries.memory_bytes_max, memory);
        set(&mut limits.queries.rows_max, queries.read("rows", problems, |value| count_to(value, 100_000_000)));
        queries.finish(problems);
    }
    reader.finish(problems);
    limits
}

pub(super) fn set<T>(limit: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *limit = value;
    }
}

/// How long somebody is waited for.
pub(super) fn patience_of(value: &toml::Value) -> Result<Duration, String> {
    match span_to(value, PATIENCE_US_MAX, "1h")? {
        Duration::ZERO => Err("must be more than nothing".to_owned()),
        span => Ok(span),
    }
}

fn span_to(value: &toml::Value, max_us: i64, max_text: &str) -> Result<Duration, String> {
    let us = at_most(span_us(value)?, max_us, max_text)?;
    Ok(Duration::from_micros(u64::try_from(us).unwrap_or(0)))
}

fn at_most(us: i64, max: i64, max_text: &str) -> Result<i64, String> {
    if us <= max { Ok(us) } else { Err(format!("must be at most `{max_text}`")) }
}
