//! Whether a request that bears a cookie is one of this server's own pages, and what cookies look like.
//!
//! Browsers send cookies along with requests that other pages make, and to them other ports and schemes of a name are the same
//! site. So whatever a cookie is to allow must come from the very origin that serves it. Knows no session.

use axum::http::{HeaderMap, Method, header};
use pulseboard_protocol::error::{ApiError, Code};

/// Whose page asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// This server's.
    Own,
    /// Another's, or one that does not say.
    Other,
}

/// Whose page makes this request.
///
/// A page that writes or opens a WebSocket says its origin, always. One that reads from its own origin says none; then newer
/// browsers say that it is so, and older ones show nothing of the answer to another page.
pub(super) fn of(method: &Method, headers: &HeaderMap) -> Page {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    let is_own = match text("origin") {
        Some(origin) => is_own(origin, headers),
        None => {
            let reads = [Method::GET, Method::HEAD].contains(method) && !headers.contains_key(header::UPGRADE);
            reads && matches!(text("sec-fetch-site"), None | Some("same-origin" | "none"))
        }
    };
    if is_own { Page::Own } else { Page::Other }
}

/// Whether somebody may log in from where this request comes: a page of our own, or what is no page.
pub(super) fn may_log_in(headers: &HeaderMap) -> bool {
    let says = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    !says || of(&Method::POST, headers) == Page::Own
}

fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(|host| !host.is_empty());
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

/// What another page is told.
pub(super) fn refused() -> ApiError {
    let message =
        "a login is good for this server's own pages: others show a token, and a proxy hands `Host` on as it came";
    ApiError::new(Code::ForbiddenOrigin, message)
}

/// The two names of the cookie of the server on `port`: browsers tell ports of a machine not apart. The first one is taken by
/// browsers over TLS alone, for the very host that gave it.
fn names(port: u16) -> [String; 2] {
    [format!("__Host-pulseboard_session_{port}"), format!("pulseboard_session_{port}")]
}

/// What the session cookies of a request hold.
pub(super) fn cookies(headers: &HeaderMap, port: u16) -> impl Iterator<Item = &str> {
    let names = names(port);
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(name, text)| names.iter().any(|own| own == name) && !text.is_empty()).map(|(_, text)| text)
}

/// The header that makes a browser keep a session, for itself and for no script, towards this server alone.
pub(super) fn set_cookie(text: &str, lasts_s: u64, headers: &HeaderMap, port: u16) -> String {
    let [over_tls, plain] = names(port);
    // A page that came over TLS says so, also where a proxy speaks it.
    let is_tls = headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let (name, secure) = if is_tls { (over_tls, "; Secure") } else { (plain, "") };
    format!("{name}={text}; Path=/; HttpOnly; SameSite=Strict; Max-Age={lasts_s}{secure}")
}

/// The headers that make a browser forget it.
pub(super) fn clear_cookies(port: u16) -> [String; 2] {
    let [over_tls, plain] = names(port);
    let clear = |name: &str, secure: &str| format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}");
    [clear(&over_tls, "; Secure"), clear(&plain, "")]
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "http://localhost:8080";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:8080".parse().expect("a header"));
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header"));
        }
        headers
    }

    #[test]
    fn what_writes_says_that_it_is_ours_and_what_reads_does_not_say_otherwise() {
        let (get, post) = (Method::GET, Method::POST);
        for (method, pairs) in [
            (&post, &[("origin", OWN)][..]),
            (&get, &[("origin", OWN)]),
            (&get, &[]),
            (&get, &[("sec-fetch-site", "same-origin")]),
            (&get, &[("sec-fetch-site", "none")]),
            (&get, &[("origin", OWN), ("upgrade", "websocket")]),
        ] {
            assert_eq!(of(method, &headers(pairs)), Page::Own, "{method} {pairs:?}");
        }
        for (method, pairs) in [
            (&post, &[][..]),
            (&post, &[("sec-fetch-site", "same-origin")]),
            (&post, &[("origin", "http://localhost:5173")]),
            (&post, &[("origin", "null")]),
            (&post, &[("origin", "ftp://localhost:8080")]),
            (&post, &[("origin", "http://localhost:8080.evil.example")]),
            (&get, &[("origin", "http://127.0.0.1:8080")]),
            (&get, &[("origin", "https://evil.example")]),
            (&get, &[("sec-fetch-site", "same-site")]),
            (&get, &[("sec-fetch-site", "cross-site")]),
            (&get, &[("upgrade", "websocket")]),
        ] {
            assert_eq!(of(method, &headers(pairs)), Page::Other, "{method} {pairs:?}");
        }
        let mut nowhere = headers(&[("origin", OWN)]);
        nowhere.remove(header::HOST);
        assert_eq!(of(&post, &nowhere), Page::Other);
    }

    #[test]
    fn another_page_logs_nobody_in() {
        assert!(may_log_in(&headers(&[])) && may_log_in(&headers(&[("origin", OWN)])));
        assert!(!may_log_in(&headers(&[("origin", "http://localhost:5173")])));
        assert!(!may_log_in(&headers(&[("sec-fetch-site", "same-site")])));
    }

    #[test]
    fn the_cookie_is_found_among_others_and_goes_over_tls_alone_where_its_page_came_so() {
        let sent =
            headers(&[("cookie", "a=b; pulseboard_session_8080=x; pulseboard_session_8081=y"), ("cookie", "c=d")]);
        assert_eq!(cookies(&sent, 8080).collect::<Vec<_>>(), ["x"]);
        let none = headers(&[("cookie", "my_pulseboard_session_8080=x; pulseboard_session_8080=; =x; x")]);
        assert_eq!(cookies(&none, 8080).count(), 0);
        let secure = set_cookie("x", 60, &headers(&[("origin", "https://a.example")]), 8080);
        assert_eq!(secure, "__Host-pulseboard_session_8080=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure");
        let plain = set_cookie("x", 60, &headers(&[("origin", OWN)]), 8080);
        assert_eq!(plain, "pulseboard_session_8080=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60");
        assert!(clear_cookies(8080).iter().all(|cookie| cookie.contains("Max-Age=0")));
    }
}
