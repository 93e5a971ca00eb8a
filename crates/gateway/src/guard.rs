//! Which pages may talk to this server: `Host` and `Origin` are checked against cross-site use of a loopback server.
//!
//! Without tokens everything on this machine may ask, so a page from elsewhere that a browser on this machine shows must
//! not: neither from its own origin, nor by a name of its own that resolves to loopback. Requests without `Origin` (curl,
//! agents) pass.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use pulseboard_protocol::error::{ApiError, Code};

use crate::deps::GatewayConfig;
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

fn is_allowed_host(config: &GatewayConfig, host: &str) -> bool {
    let of_origin = |origin: &String| origin.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    is_loopback(host)
        || host.trim_matches(['[', ']']) == config.listen.ip().to_string()
        || config.allowed_origins.iter().filter_map(of_origin).any(|allowed| allowed.eq_ignore_ascii_case(host))
}

fn is_allowed_origin(config: &GatewayConfig, origin: &str) -> bool {
    config.allowed_origins.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin))
        || origin.parse::<Uri>().ok().and_then(|uri| uri.host().map(is_loopback)).unwrap_or(false)
}

/// Checks a request's headers; gives the origin to answer to, if it names one.
fn check(config: &GatewayConfig, uri: &Uri, headers: &HeaderMap) -> Result<Option<HeaderValue>, ApiError> {
    let host = match headers.get(header::HOST) {
        Some(host) => {
            let read = host.to_str().ok().and_then(host_of);
            Some(read.ok_or_else(|| ApiError::new(Code::ForbiddenOrigin, "the `Host` header cannot be read"))?)
        }
        None => uri.host().map(str::to_owned),
    };
    if let Some(host) = host
        && !is_allowed_host(config, &host)
    {
        let message = format!(
            "host `{host}` is not this server's: use a loopback name, or add its origin to `server.allowed_origins`"
        );
        return Err(ApiError::new(Code::ForbiddenOrigin, message));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(None) };
    if origin.to_str().is_ok_and(|text| is_allowed_origin(config, text)) {
        Ok(Some(origin.clone()))
    } else {
        let shown = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        let message = format!("pages of `{shown}` may not use this server: add it to `server.allowed_origins`");
        Err(ApiError::new(Code::ForbiddenOrigin, message))
    }
}

/// The middleware around everything.
pub(crate) async fn guard(State(config): State<Arc<GatewayConfig>>, request: Request, next: Next) -> Response {
    let origin = match check(&config, request.uri(), request.headers()) {
        Ok(origin) => origin,
        Err(error) => return HttpError(error).into_response(),
    };
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("ETag, Retry-After, X-Pulseboard-Position"),
        );
        if preflight {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE"));
            let allowed = "Content-Type, Content-Encoding, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID";
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, origin: Option<&str>) -> Result<Option<HeaderValue>, ApiError> {
        let mut config = GatewayConfig::new("127.0.0.1:8080".parse().expect("address"));
        config.allowed_origins = vec!["https://shop.example".to_owned()];
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("host"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("origin"));
        }
        check(&config, &Uri::from_static("/"), &headers)
    }

    #[test]
    fn only_this_machines_pages_and_those_allowed_pass() {
        for (host, origin) in [
            ("127.0.0.1:8080", None),
            ("localhost:8080", Some("http://localhost:5173")),
            ("[::1]:8080", Some("http://127.0.0.1:3000")),
            ("shop.example", Some("https://shop.example")),
        ] {
            assert!(asked(host, origin).is_ok(), "{host} {origin:?}");
        }
        for (host, origin) in [
            ("rebound.example:8080", None),
            ("127.0.0.1:8080", Some("https://evil.example")),
            ("127.0.0.1:8080", Some("null")),
            ("127.0.0.1:8080", Some("http://localhost.evil.example")),
            ("127.0.0.1:8080", Some("http://shop.example")),
        ] {
            let error = asked(host, origin).expect_err("refused");
            assert_eq!(error.code, Code::ForbiddenOrigin, "{host} {origin:?}");
        }
    }
}
