//! Which pages may talk to this server: `Host` and `Origin` are checked against cross-site use.
//!
//! Without tokens everything on this machine may ask, so a page from elsewhere that a browser on this machine shows must
//! not: neither from its own origin, nor by a name of its own that resolves to this machine. Requests without `Origin` (curl,
//! agents) pass. With tokens the server may be asked by any address, which no page can claim for itself; names are still
//! those that were told to it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use pulseboard_protocol::error::{ApiError, Code};

use crate::auth::Keyring;
use crate::deps::{Deps, GatewayConfig};
use crate::error::HttpError;

/// Headers of every answer. Styles may be inline, because charts size themselves so.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
                      connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn host_of(text: &str) -> Option<String> {
    text.parse::<Authority>().ok().map(|authority| authority.host().to_owned())
}

/// What the middleware looks at.
#[derive(Debug, Clone)]
pub(crate) struct Doorman {
    config: Arc<GatewayConfig>,
    auth: Keyring,
}

impl Doorman {
    pub(crate) fn of(deps: &Deps) -> Self {
        Self { config: Arc::clone(&deps.config), auth: deps.auth.clone() }
    }
}

/// Whether something must be shown to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    Locked,
}

fn is_allowed_host(config: &GatewayConfig, door: Door, host: &str) -> bool {
    let of_origin = |origin: &String| origin.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    is_loopback(host)
        || (door == Door::Locked && host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok())
        || host.trim_matches(['[', ']']) == config.listen.ip().to_string()
        || config.allowed_origins.iter().filter_map(of_origin).any(|allowed| allowed.eq_ignore_ascii_case(host))
}

/// Whether pages of `origin` may ask: those that were allowed, this machine's, and the server's own.
fn is_allowed_origin(config: &GatewayConfig, origin: &str, authority: Option<&str>) -> bool {
    let own = |authority: &str| {
        origin
            .split_once("://")
            .is_some_and(|(scheme, rest)| matches!(scheme, "http" | "https") && rest.eq_ignore_ascii_case(authority))
    };
    authority.is_some_and(own)
        || config.allowed_origins.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin))
        || origin.parse::<Uri>().ok().and_then(|uri| uri.host().map(is_loopback)).unwrap_or(false)
}

/// Checks a request's headers; gives the origin to answer to, if it names one.
fn check(config: &GatewayConfig, door: Door, uri: &Uri, headers: &HeaderMap) -> Result<Option<HeaderValue>, ApiError> {
    let host = match headers.get(header::HOST) {
        Some(host) => {
            let read = host.to_str().ok().and_then(host_of);
            Some(read.ok_or_else(|| ApiError::new(Code::ForbiddenOrigin, "the `Host` header cannot be read"))?)
        }
        None => uri.host().map(str::to_owned),
    };
    if let Some(host) = host
        && !is_allowed_host(config, door, &host)
    {
        let message = format!(
            "host `{host}` is not this server's: use a loopback name, or add its origin to `server.allowed_origins`"
        );
        return Err(ApiError::new(Code::ForbiddenOrigin, message));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(None) };
    let authority = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if origin.to_str().is_ok_and(|text| is_allowed_origin(config, text, authority)) {
        Ok(Some(origin.clone()))
    } else {
        let shown = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        let message = format!("pages of `{shown}` may not use this server: add it to `server.allowed_origins`");
        Err(ApiError::new(Code::ForbiddenOrigin, message))
    }
}

/// Keeps browsers from coming without TLS. Not on this machine's own names: there it would count for every other port, too.
fn hsts(config: &GatewayConfig, uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
    let hsts = config.tls.as_ref()?.hsts()?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok().and_then(host_of));
    let host = host.or_else(|| uri.host().map(str::to_owned))?;
    (!is_loopback(&host)).then(|| hsts.clone())
}

/// The middleware around everything.
pub(crate) async fn guard(State(doorman): State<Doorman>, request: Request, next: Next) -> Response {
    let door = if doorman.auth.is_locked() { Door::Locked } else { Door::Open };
    let origin = match check(&doorman.config, door, request.uri(), request.headers()) {
        Ok(origin) => origin,
        Err(error) => return HttpError(error).into_response(),
    };
    let hsts = hsts(&doorman.config, request.uri(), request.headers());
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if let Some(hsts) = hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("ETag, Retry-After, X-Pulseboard-Position"),
        );
        if preflight {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE"));
            let allowed = "Authorization, Content-Type, Content-Encoding, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID";
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(door: Door, host: &str, origin: Option<&str>) -> Result<Option<HeaderValue>, ApiError> {
        let mut config = GatewayConfig::new("127.0.0.1:8080".parse().expect("address"));
        config.allowed_origins = vec!["https://shop.example".to_owned()];
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("host"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("origin"));
        }
        check(&config, door, &Uri::from_static("/"), &headers)
    }

    #[test]
    fn only_this_machines_pages_and_those_allowed_pass() {
        for (host, origin) in [
            ("127.0.0.1:8080", None),
            ("localhost:8080", Some("http://localhost:5173")),
            ("[::1]:8080", Some("http://127.0.0.1:3000")),
            ("shop.example", Some("https://shop.example")),
        ] {
            for door in [Door::Open, Door::Locked] {
                assert!(asked(door, host, origin).is_ok(), "{door:?} {host} {origin:?}");
            }
        }
        for (host, origin) in [
            ("rebound.example:8080", None),
            ("127.0.0.1:8080", Some("https://evil.example")),
            ("127.0.0.1:8080", Some("null")),
            ("127.0.0.1:8080", Some("http://localhost.evil.example")),
            ("127.0.0.1:8080", Some("http://shop.example")),
        ] {
            for door in [Door::Open, Door::Locked] {
                let error = asked(door, host, origin).expect_err("refused");
                assert_eq!(error.code, Code::ForbiddenOrigin, "{door:?} {host} {origin:?}");
            }
        }
    }

    #[test]
    fn with_tokens_the_server_is_asked_by_any_address_and_its_own_pages_may_ask() {
        for (host, origin) in [
            ("192.0.2.7:8080", None),
            ("192.0.2.7:8080", Some("http://192.0.2.7:8080")),
            ("[2001:db8::1]:8080", Some("https://[2001:db8::1]:8080")),
        ] {
            assert!(asked(Door::Locked, host, origin).is_ok(), "{host} {origin:?}");
            assert!(asked(Door::Open, host, origin).is_err(), "{host} {origin:?}");
        }
        for (host, origin) in [
            ("192.0.2.7:8080", Some("http://192.0.2.8:8080")),
            ("192.0.2.7:8080", Some("http://192.0.2.7:9090")),
            ("192.0.2.7:8080", Some("file://192.0.2.7:8080")),
            ("192.0.2.7.evil.example", None),
        ] {
            assert!(asked(Door::Locked, host, origin).is_err(), "{host} {origin:?}");
        }
    }
}
