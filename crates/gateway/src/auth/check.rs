//! The middleware that holds every request to the table, and ends what is open when a right ends.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use pulseboard_protocol::error::{ApiError, Code};

use super::caller::Caller;
use super::endpoints::{Access, Found, TICKETED, find};
use super::keyring::Keyring;
use super::page::{self, Page};
use crate::error::HttpError;

/// The middleware.
pub(crate) async fn check(
    State(keyring): State<Keyring>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let access = match find(request.method().as_str(), request.uri().path()) {
        Found::Call(Access::Open) | Found::App => return next.run(request).await,
        Found::Call(access) => access,
        Found::OtherMethods(allowed) => return not_that_way(&request, &allowed),
        Found::Nothing => return nothing_here(&request),
    };
    let shown = shown(&keyring, request.method(), request.headers(), request.uri());
    let caller = match who(&keyring, peer, shown).await {
        Ok(caller) => caller,
        Err(error) => return refused(error),
    };
    if !access.allows(caller.asker()) {
        let what = format!("do this ({} {})", request.method(), request.uri().path());
        return refused(caller.refuse(&what));
    }
    request.extensions_mut().insert(caller.clone());
    // What only reads is cut off with its right; what changes something is let finish, so that its answer is true.
    let only_reads = [Method::GET, Method::HEAD].contains(request.method());
    let answer = next.run(request);
    if !only_reads {
        return answer.await;
    }
    tokio::select! {
        response = answer => response,
        ended = caller.until_ended(keyring.clock(), keyring.grace()) => refused(ended.error()),
    }
}

/// What a request shows.
enum Shown {
    Nothing,
    Token(String),
    Ticket(String),
    Login(Caller),
}

/// What a request shows, looked at before anything is waited for. A cookie counts only where nothing was shown on purpose:
/// browsers send it along with everything.
fn shown(keyring: &Keyring, method: &Method, headers: &HeaderMap, uri: &Uri) -> Result<Shown, ApiError> {
    match (bearer(headers)?, ticket(uri)) {
        (Some(token), None) => return Ok(Shown::Token(token.to_owned())),
        (None, Some(ticket)) => return Ok(Shown::Ticket(ticket)),
        (None, None) => {}
        (Some(_), Some(_)) => return Err(ApiError::new(Code::Unauthorized, "show a token or a ticket, not both")),
    }
    // One that stands for nobody may be another server's on this machine, or be left over: it is nothing.
    let Some(caller) = keyring.by_cookie(headers) else { return Ok(Shown::Nothing) };
    match page::of(method, headers) {
        Page::Own => Ok(Shown::Login(caller)),
        Page::Other => Err(page::refused()),
    }
}

/// Who asks: whoever shows something is held to it, and never taken for somebody of whom nothing is asked.
async fn who(keyring: &Keyring, peer: SocketAddr, shown: Result<Shown, ApiError>) -> Result<Caller, ApiError> {
    match shown? {
        Shown::Token(token) => keyring.admit(&token).await,
        Shown::Ticket(ticket) => keyring.take_ticket(&ticket),
        Shown::Login(caller) => Ok(caller),
        Shown::Nothing => keyring.unknown(peer.ip()),
    }
}

/// The ticket of a URL, where one counts.
fn ticket(uri: &Uri) -> Option<String> {
    let query = uri.query().filter(|_| TICKETED.contains(&uri.path()))?;
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
    pairs.into_iter().find(|(key, _)| key == "ticket").map(|(_, ticket)| ticket)
}

/// The token of `Authorization: Bearer`. Other schemes are a proxy's and say nothing to us.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(ApiError::new(Code::Unauthorized, "`Authorization` is there twice"));
    }
    let unreadable = || ApiError::new(Code::Unauthorized, "the `Authorization` header cannot be read");
    let text = value.to_str().map_err(|_| unreadable())?;
    let Some((scheme, token)) = text.split_once(' ') else { return Ok(None) };
    Ok(scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()))
}

/// A refusal, with the way to be let in.
fn refused(error: ApiError) -> Response {
    let challenge = match error.code {
        Code::Unauthorized => Some("Bearer"),
        Code::TokenExpired | Code::TokenRevoked => Some("Bearer error=\"invalid_token\""),
        _ => None,
    };
    let mut response = HttpError(error).into_response();
    if let Some(challenge) = challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

fn not_that_way(request: &Request, allowed: &[&str]) -> Response {
    let allowed = allowed.join(", ");
    let message = format!("{} is asked with {allowed}, not with {}", request.uri().path(), request.method());
    let mut response = HttpError(ApiError::new(Code::MethodNotAllowed, message)).into_response();
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

fn nothing_here(request: &Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("nothing answers {method} {path}; see /api/v1/ in docs/protocol.md");
    HttpError(ApiError::new(Code::NotFound, message)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_bearer_token_is_read() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().expect("a header"));
            }
            bearer(&headers).map(|token| token.map(str::to_owned)).map_err(|error| error.code)
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["Basic YTpi"]), Ok(None), "a proxy's");
        assert_eq!(read(&["bearer  pb_a_b "]), Ok(Some("pb_a_b".to_owned())));
        assert_eq!(read(&["Bearer pb_a_b", "Bearer pb_c_d"]), Err(Code::Unauthorized));
    }
}
