//! The table: every call there is, and what it takes to be allowed it.
//!
//! A path that is not in it is not answered, whatever the router says, so that a new call without a row is found at its first
//! try, and is closed until then. What is not under the API's paths is the web app, which is the same for everybody.

use pulseboard_protocol::Role;

/// Who asks, as far as the table goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Somebody with a role.
    Of(Role),
    /// A reader of a link to one board.
    Share,
}

/// What a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: it tells and changes nothing that is anybody's.
    Open,
    /// Any good token; the call itself looks closer.
    Known,
    /// A role that sends events.
    Send,
    /// A role that reads, or a link to one board; the call itself looks which.
    See,
    /// A role that reads.
    Read,
    /// A role that changes boards, views and alerts.
    Edit,
    /// The operator.
    Admin,
}

impl Access {
    /// Whether `asker` is enough.
    #[must_use]
    pub const fn allows(self, asker: Asker) -> bool {
        match (self, asker) {
            (Self::Open | Self::Known, _) | (Self::See, Asker::Share) => true,
            (_, Asker::Share) => false,
            (Self::Send, Asker::Of(role)) => role.sends(),
            (Self::See | Self::Read, Asker::Of(role)) => role.reads(),
            (Self::Edit, Asker::Of(role)) => role.edits(),
            (Self::Admin, Asker::Of(role)) => matches!(role, Role::Admin),
        }
    }
}

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Its method; `GET` stands for `HEAD` too.
    pub method: &'static str,
    /// Its path; `{name}` is one segment, `{*rest}` all that follow.
    pub path: &'static str,
    /// What it takes.
    pub access: Access,
}

const fn row(method: &'static str, path: &'static str, access: Access) -> Endpoint {
    Endpoint { method, path, access }
}

/// Every call there is.
pub const ENDPOINTS: &[Endpoint] = &[
    row("GET", "/health/live", Access::Open),
    row("GET", "/health/ready", Access::Open),
    row("GET", "/metrics", Access::Read),
    row("GET", "/api/v1/openapi.json", Access::Open),
    row("GET", "/api/v1/me", Access::Known),
    row("GET", "/api/v1/session", Access::Known),
    // Whoever logs in or out need be nobody yet, or any more: both look at the page that asks.
    row("POST", "/api/v1/session", Access::Open),
    row("DELETE", "/api/v1/session", Access::Open),
    row("PUT", "/api/v1/session/password", Access::Known),
    row("POST", "/api/v1/streams/{stream}/events", Access::Send),
    row("GET", "/api/v1/streams", Access::Read),
    row("GET", "/api/v1/streams/{stream}", Access::Read),
    row("DELETE", "/api/v1/streams/{stream}", Access::Admin),
    row("GET", "/api/v1/views", Access::Read),
    row("GET", "/api/v1/views/{view}", Access::See),
    row("PUT", "/api/v1/views/{view}", Access::Edit),
    row("DELETE", "/api/v1/views/{view}", Access::Edit),
    row("POST", "/api/v1/query", Access::Read),
    row("POST", "/api/v1/range", Access::See),
    row("POST", "/api/v1/explain", Access::Read),
    row("POST", "/api/v1/live/queries", Access::Read),
    row("GET", "/api/v1/boards", Access::Read),
    row("GET", "/api/v1/boards/{board}", Access::See),
    row("PUT", "/api/v1/boards/{board}", Access::Edit),
    row("DELETE", "/api/v1/boards/{board}", Access::Edit),
    row("GET", "/api/v1/boards/{board}/shares", Access::Edit),
    row("POST", "/api/v1/boards/{board}/shares", Access::Edit),
    row("DELETE", "/api/v1/boards/{board}/shares/{share}", Access::Edit),
    row("GET", "/api/v1/sources", Access::Read),
    row("GET", "/api/v1/connections", Access::Admin),
    row("GET", "/api/v1/alerts", Access::Read),
    row("POST", "/api/v1/alerts", Access::Edit),
    row("PUT", "/api/v1/alerts", Access::Edit),
    row("DELETE", "/api/v1/alerts", Access::Edit),
    row("POST", "/api/v1/alerts/events", Access::Edit),
    row("GET", "/api/v1/alerts/{*rest}", Access::Read),
    row("POST", "/api/v1/alerts/{*rest}", Access::Edit),
    row("PUT", "/api/v1/alerts/{*rest}", Access::Edit),
    row("DELETE", "/api/v1/alerts/{*rest}", Access::Edit),
    // A socket may be for sending alone: each of its messages is looked at.
    row("GET", "/api/v1/live", Access::Known),
    row("GET", "/api/v1/live/sse", Access::See),
    row("GET", "/api/v1/live/poll", Access::See),
    row("GET", "/socket.io/", Access::Read),
    row("POST", "/socket.io/", Access::Read),
    row("GET", "/api/v1/tokens", Access::Admin),
    row("POST", "/api/v1/tokens", Access::Admin),
    row("DELETE", "/api/v1/tokens/{token}", Access::Admin),
    row("POST", "/api/v1/tickets", Access::Known),
    row("GET", "/api/v1/users", Access::Admin),
    row("PUT", "/api/v1/users/{user}", Access::Admin),
    row("DELETE", "/api/v1/users/{user}", Access::Admin),
    row("GET", "/api/v1/audit", Access::Admin),
];

/// Calls of browsers that send no headers with them: a ticket in their URL is taken instead.
pub(super) const TICKETED: [&str; 2] = ["/api/v1/live", "/api/v1/live/sse"];

/// Where nothing but what is in the table is answered.
const CLOSED: [&str; 4] = ["/api", "/socket.io", "/health", "/metrics"];

/// What is found for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A call, and what it takes.
    Call(Access),
    /// A path that is asked otherwise.
    OtherMethods(Vec<&'static str>),
    /// Nothing of the API.
    Nothing,
    /// The web app.
    App,
}

/// Looks a request up.
pub(super) fn find(method: &str, path: &str) -> Found {
    let method = if method == "HEAD" { "GET" } else { method };
    let here = || ENDPOINTS.iter().filter(|endpoint| matches(endpoint.path, path));
    if let Some(endpoint) = here().find(|endpoint| endpoint.method == method) {
        return Found::Call(endpoint.access);
    }
    let others: Vec<_> = here().map(|endpoint| endpoint.method).collect();
    let within = |root: &&str| path.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match others.is_empty() {
        false => Found::OtherMethods(others),
        true if CLOSED.iter().any(within) => Found::Nothing,
        true => Found::App,
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(segment), Some(first)) if segment.starts_with("{*") => {
                return !first.is_empty() || given.any(|rest| !rest.is_empty());
            }
            (Some(segment), Some(text)) if segment.starts_with('{') && !text.is_empty() => {}
            (Some(segment), Some(text)) if segment == text => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_its_row_or_none() {
        for (method, path, found) in [
            ("GET", "/api/v1/views/orders", Found::Call(Access::See)),
            ("HEAD", "/api/v1/views/orders", Found::Call(Access::See)),
            ("POST", "/api/v1/streams/a%2Fb/events", Found::Call(Access::Send)),
            ("PUT", "/api/v1/alerts/a/b", Found::Call(Access::Edit)),
            ("GET", "/api/v1/query", Found::OtherMethods(vec!["POST"])),
            ("OPTIONS", "/health/live", Found::OtherMethods(vec!["GET"])),
            ("GET", "/api/v1/views/", Found::Nothing),
            ("GET", "/api/v1/views/a/b", Found::Nothing),
            ("GET", "/api/v2/views", Found::Nothing),
            ("GET", "/api", Found::Nothing),
            ("GET", "/metrics/", Found::Nothing),
            ("GET", "/apis", Found::App),
            ("POST", "/", Found::App),
            ("GET", "//api/v1/tokens", Found::App),
        ] {
            assert_eq!(find(method, path), found, "{method} {path}");
        }
    }

    #[test]
    fn no_row_is_there_twice() {
        for (number, one) in ENDPOINTS.iter().enumerate() {
            let same = |other: &Endpoint| (other.method, other.path) == (one.method, one.path);
            assert!(!ENDPOINTS[number + 1..].iter().any(same), "{one:?}");
        }
    }
}
