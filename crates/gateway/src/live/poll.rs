//! `GET /api/v1/live/poll`: one subscription as one answer: long poll with `wait`, poll without.
//!
//! An answer is the same frame as on the other transports, of everything that changed since the cursor, merged. Nothing is
//! held for the reader between two answers: its cursor says where it stands. An answer of no changes is a 304 without body.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulseboard_hub::{Bell, Snapshots, SubscribeOptions};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::{Cursor, Frame, Pace};
use rand::Rng;
use tokio::time::{Instant, sleep_until};

use super::asked::read_query;
use super::{COME_BACK_MS, LiveDeps, cursor_of, reach_cursor, resolve, timezone_of};
use crate::auth::Caller;
use crate::connections::Arrival;
use crate::error::HttpResult;
use crate::live_figures::Transport;

/// The longest wait: below the 60 s after which proxies give up on a silent answer.
const WAIT_MAX: Duration = Duration::from_secs(55);

/// The handler.
pub(crate) async fn get_poll(
    State(live): State<LiveDeps>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> HttpResult {
    let asked = read_query(query.as_deref().unwrap_or_default())?;
    let timezone = timezone_of(asked.timezone.as_deref())?;
    let wait = asked.wait.unwrap_or_default().min(WAIT_MAX);
    let since = cursor_of(asked.since.as_deref())?;
    // The tag of an answer is its cursor. Given back alone it asks for the whole answer, if that is another one now.
    let known = if since.is_none() { known_cursor(&headers) } else { None };
    let stands = since.or(known);
    reach_cursor(&live.deps, stands.as_ref()).await;
    let (channels, mut refused) = resolve(&live.deps, (&caller, peer), asked.channels, asked.last, timezone).await;
    if let Some((channel, error)) = refused.pop() {
        return Err(error.with("channel", channel).into());
    }
    let transport = if wait.is_zero() { Transport::Poll } else { Transport::LongPoll };
    let arrival = if stands.is_some() { Arrival::Returning } else { Arrival::New };
    let now_us = live.deps.clock.now_us();
    let place = live.connections.enter(transport, (&caller, peer), now_us, arrival)?;
    let options = |since| SubscribeOptions {
        sub: 1,
        since,
        pace: Pace::default(),
        last: channels.last.clone(),
        snapshots: Snapshots::Whole,
    };
    let bell = Bell::new();
    let mut subscription = live.deps.hub.subscribe(&channels.specs, &options(stands), &bell);
    subscription.linger();
    place.follows(vec![subscription.standing()]);

    let pace = channels.pace(&live.deps, asked.pace);
    let started = Instant::now();
    let deadline = started + wait;
    let paced = started + if wait.is_zero() { Duration::ZERO } else { rest_of_pace(pace, stands, now_us) };
    let batch = Duration::from_millis(if wait.is_zero() { 0 } else { pace.batch_ms.unwrap_or(0) });
    let mut changed_at = None;
    let draining = live.connections.draining();
    let frame = loop {
        let now = Instant::now();
        let mut due = deadline;
        if subscription.has_news() {
            // Whoever holds nothing waits for nothing.
            due = if stands.is_none() { now } else { paced.max(*changed_at.get_or_insert(now) + batch) };
            if due <= now {
                if let Some(frame) = subscription.pull_news().await {
                    break Some(frame);
                }
                (due, changed_at) = (deadline, None);
            }
        }
        if now >= deadline {
            break None;
        }
        tokio::select! {
            () = bell.rung() => {}
            () = sleep_until(due.min(deadline)) => {}
            () = draining.wait() => {
                let after_ms = rand::rng().random_range(COME_BACK_MS..2 * COME_BACK_MS);
                return Err(ApiError::new(Code::ShuttingDown, "the server is ending").with("retry_after_ms", after_ms).into());
            }
        }
    };
    let Some(frame) = frame else { return Ok(unchanged(&subscription.cursor())) };
    if known.is_none() {
        live.delivered(&place, &frame, frame.json.len());
        return Ok(changed(&frame));
    }
    let mut whole = live.deps.hub.subscribe(&channels.specs, &options(None), &bell);
    let Some(frame) = whole.pull().await else {
        return Err(ApiError::new(Code::Internal, "there was no first frame").into());
    };
    live.delivered(&place, &frame, frame.json.len());
    Ok(changed(&frame))
}

/// What is left of the time between two frames: the last one stood where the reader stands.
fn rest_of_pace(pace: Pace, stands: Option<Cursor>, now_us: i64) -> Duration {
    let (Some(hz), Some(cursor)) = (pace.max_hz, stands) else { return Duration::ZERO };
    let passed_us = u64::try_from(now_us.saturating_sub(cursor.position.clock.0)).unwrap_or(0);
    Duration::from_secs_f64(1.0 / hz).saturating_sub(Duration::from_micros(passed_us))
}

/// The cursor of `If-None-Match`. What cannot be read is another answer's tag.
fn known_cursor(headers: &HeaderMap) -> Option<Cursor> {
    let tags = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?;
    tags.split(',').find_map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"').parse().ok())
}

fn changed(frame: &Frame) -> Response {
    let mut response = frame.json.clone().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    tagged(response, &frame.cursor)
}

/// The tag moves on although nothing changed, so that the next question is about as little as possible.
fn unchanged(cursor: &Cursor) -> Response {
    tagged(StatusCode::NOT_MODIFIED.into_response(), &cursor.to_string())
}

fn tagged(mut response: Response, cursor: &str) -> Response {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{cursor}\"")) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_counts_from_where_the_reader_stands() {
        let at = |clock_us: i64| format!("00000000000000ab:42:{clock_us}").parse::<Cursor>().expect("a cursor");
        let hz = |hz| Pace::new(Some(hz), None).expect("a pace");
        assert_eq!(rest_of_pace(Pace::default(), Some(at(0)), 0), Duration::ZERO);
        assert_eq!(rest_of_pace(hz(0.5), None, 0), Duration::ZERO);
        assert_eq!(rest_of_pace(hz(0.5), Some(at(1_000_000)), 1_500_000), Duration::from_millis(1_500));
        assert_eq!(rest_of_pace(hz(0.5), Some(at(1_000_000)), 9_000_000), Duration::ZERO);
        assert_eq!(rest_of_pace(hz(2.0), Some(at(1_000_000)), 900_000), Duration::from_millis(500));
    }

    #[test]
    fn a_tag_is_a_cursor_in_quotes() {
        let mut headers = HeaderMap::new();
        assert_eq!(known_cursor(&headers), None);
        let cursor = "00000000000000ab:42:7~000000010000000200000003.1";
        headers.insert(header::IF_NONE_MATCH, format!("\"x\", W/\"{cursor}\"").parse().expect("a header"));
        assert_eq!(known_cursor(&headers), cursor.parse().ok());
    }
}
