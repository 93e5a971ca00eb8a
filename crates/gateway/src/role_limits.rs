//! What requests of each role may be: how many a second, how large, how long.
//!
//! The rate is that of one token, or of one address where none is shown. Who is beyond it is told when to come back. What only reads is ended when its time is over; what
//! changes something is let finish, so that its answer is true.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use pulseboard_protocol::Role;
use pulseboard_protocol::error::{ApiError, Code};
use tokio::time::{Instant, timeout};

use crate::auth::Caller;
use crate::error::HttpError;
use crate::rate::Allowance;

/// Allowances that are kept. Those that are full again are dropped first; if none is, whoever else comes shares one.
const ALLOWANCES_MAX: usize = 10_000;
/// Calls that only read although they are posted.
const READING: [&str; 3] = ["/api/v1/query", "/api/v1/range", "/api/v1/explain"];

/// What requests of one role may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleLimits {
    /// Requests in a second of one token; `None`: as many as come.
    pub per_second_max: Option<u32>,
    /// The largest body, unpacked.
    pub body_bytes_max: usize,
    /// How long one that only reads may take.
    pub time_max: Duration,
}

impl RoleLimits {
    const fn new(per_second_max: Option<u32>, body_bytes_max: usize) -> Self {
        Self { per_second_max, body_bytes_max, time_max: Duration::from_secs(60) }
    }

    /// The same with bodies of at most `max`.
    pub(crate) fn body_bytes(self, max: usize) -> usize {
        self.body_bytes_max.min(max)
    }
}

/// What requests may be, by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Who sends events.
    pub ingest: RoleLimits,
    /// Who reads.
    pub viewer: RoleLimits,
    /// Who changes boards and views, too.
    pub editor: RoleLimits,
    /// The operator, and whoever needs to show nothing.
    pub admin: RoleLimits,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            ingest: RoleLimits::new(Some(10_000), 32 << 20),
            viewer: RoleLimits::new(Some(1_000), 1 << 20),
            editor: RoleLimits::new(Some(1_000), 1 << 20),
            admin: RoleLimits::new(None, 32 << 20),
        }
    }
}

impl RequestLimits {
    /// Those of a role.
    #[must_use]
    pub const fn of(&self, role: Role) -> RoleLimits {
        match role {
            Role::Ingest => self.ingest,
            Role::Viewer => self.viewer,
            Role::Editor => self.editor,
            Role::Admin => self.admin,
        }
    }
}

/// Counts requests against the limits. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Requests(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: RequestLimits,
    allowances: Mutex<HashMap<String, Allowance>>,
}

impl Requests {
    pub(crate) fn new(limits: RequestLimits) -> Self {
        Self(Arc::new(Inner { limits, allowances: Mutex::default() }))
    }

    pub(crate) fn limits(&self, role: Role) -> RoleLimits {
        self.0.limits.of(role)
    }

    /// Counts a request of the caller.
    ///
    /// # Errors
    /// [`Code::Busy`] with the time to come back.
    pub(crate) fn count(&self, caller: &Caller, peer: SocketAddr, now: Instant) -> Result<(), ApiError> {
        let role = caller.role();
        let Some(per_second) = self.limits(role).per_second_max else { return Ok(()) };
        let of = caller.token().map_or_else(|| peer.ip().to_string(), str::to_owned);
        let mut allowances = self.0.allowances.lock();
        let key = key_in(&mut allowances, of, now);
        let allowance = allowances.entry(key).or_insert_with(|| Allowance::full(per_second, now));
        if allowance.has_one(per_second, now) {
            allowance.take();
            return Ok(());
        }
        let after = allowance.until_one(per_second);
        drop(allowances);
        limited(role, "rate");
        let message = format!("role `{role}` may ask {per_second} times a second: slow down");
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        Err(ApiError::new(Code::Busy, message).with("retry_after_ms", after_ms))
    }
}

/// Under which name an allowance is kept: its own, if there is room.
fn key_in(allowances: &mut HashMap<String, Allowance>, of: String, now: Instant) -> String {
    if allowances.len() >= ALLOWANCES_MAX && !allowances.contains_key(&of) {
        allowances.retain(|_, allowance| !allowance.is_full(now));
        if allowances.len() >= ALLOWANCES_MAX {
            return String::new();
        }
    }
    of
}

/// Counts what ran into a limit.
pub(crate) fn limited(role: Role, limit: &'static str) {
    metrics::counter!("pulseboard_requests_limited_total", "role" => role.as_str(), "limit" => limit).increment(1);
}

/// The middleware. It stands where it is known who asks; whoever need not be known is not counted.
pub(crate) async fn hold(
    State(requests): State<Requests>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else { return next.run(request).await };
    if let Err(error) = requests.count(&caller, peer, Instant::now()) {
        return HttpError(error).into_response();
    }
    let (role, limits) = (caller.role(), requests.limits(caller.role()));
    let is_timed = is_timed(request.method(), request.uri());
    request.extensions_mut().insert(limits);
    let answer = next.run(request);
    let response = if is_timed {
        // What is dropped here is ended: a query whose reader goes away is not run on.
        timeout(limits.time_max, answer).await.unwrap_or_else(|_| {
            limited(role, "time");
            let message =
                format!("this took more than {} s, the most role `{role}` may", limits.time_max.as_secs_f64());
            HttpError(ApiError::new(Code::LimitExceeded, message)).into_response()
        })
    } else {
        answer.await
    };
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        limited(role, "size");
    }
    response
}

/// Whether a request is one that only reads, and does not wait because it was asked to.
fn is_timed(method: &Method, uri: &Uri) -> bool {
    let path = uri.path();
    let waits = path.starts_with("/api/v1/live")
        || path.starts_with("/socket.io")
        || uri.query().is_some_and(|query| query.contains("wait="));
    match *method {
        Method::GET | Method::HEAD => !waits,
        Method::POST => READING.contains(&path),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn requests(per_second: u32) -> Requests {
        let limits = RequestLimits::default();
        let viewer = RoleLimits { per_second_max: Some(per_second), ..limits.viewer };
        Requests::new(RequestLimits { viewer, admin: viewer, ..limits })
    }

    fn peer(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn whoever_shows_nothing_is_counted_by_address_and_told_when_to_come_back() {
        let (requests, start) = (requests(4), Instant::now());
        let caller = Caller::trusted("this machine");
        let (one, other) = (peer("127.0.0.1:1"), peer("127.0.0.2:1"));
        for _ in 0..4 {
            assert!(requests.count(&caller, one, start).is_ok());
        }
        let error = requests.count(&caller, one, start).expect_err("too many");
        assert_eq!((error.code, &error.details["retry_after_ms"]), (Code::Busy, &serde_json::json!(251)));
        assert!(requests.count(&caller, other, start).is_ok());
        let later = start + Duration::from_millis(250);
        assert!(requests.count(&caller, one, later).is_ok());
        assert!(requests.count(&caller, one, later).is_err());
    }

    #[test]
    fn so_many_are_told_apart_and_the_others_share() {
        let (requests, start) = (requests(1), Instant::now());
        let caller = Caller::trusted("this machine");
        let from =
            |n: usize| SocketAddr::from((u32::try_from(n).map(std::net::Ipv4Addr::from_bits).expect("small"), 1));
        for n in 0..ALLOWANCES_MAX {
            assert!(requests.count(&caller, from(n), start).is_ok());
        }
        assert!(requests.count(&caller, from(ALLOWANCES_MAX), start).is_ok(), "the first of all others");
        assert!(requests.count(&caller, from(ALLOWANCES_MAX + 1), start).is_err(), "they share one");
        let later = start + Duration::from_secs(2);
        assert!(requests.count(&caller, from(ALLOWANCES_MAX + 2), later).is_ok());
        assert_eq!(Arc::clone(&requests.0).allowances.lock().len(), 1, "those that are full again are not kept");
    }

    #[test]
    fn what_reads_is_timed_and_what_waits_or_writes_is_not() {
        for (method, uri, timed) in [
            ("GET", "/api/v1/views", true),
            ("POST", "/api/v1/query", true),
            ("GET", "/api/v1/views/a?wait=20s", false),
            ("GET", "/api/v1/live/sse?channel=a", false),
            ("POST", "/api/v1/streams/query/events", false),
            ("PUT", "/api/v1/views/a", false),
        ] {
            let method = method.parse().expect("a method");
            assert_eq!(is_timed(&method, &Uri::from_static(uri)), timed, "{method} {uri}");
        }
    }
}
