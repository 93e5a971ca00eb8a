//! Serves the web app's files, which the server hands in, packed for whoever takes them packed: a third of it on a wire.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};

use crate::deps::Deps;

/// What is shown when the binary was built without the app.
const NO_APP: &str = "<!doctype html><title>Pulseboard</title><body style=\"font:16px system-ui;background:#0a0d13;color:#e8ecf3;padding:3em\">\
                      <h1>Pulseboard is running</h1><p>This build has no web app inside: build it with <code>make build</code>. \
                      The API answers under <code>/api/v1</code>.";

/// One file of the app.
#[derive(Debug, Clone)]
pub struct WebFile {
    /// Its media type.
    pub content_type: String,
    /// Changes with its content.
    pub etag: String,
    /// Its content.
    pub body: Bytes,
}

type Find = dyn Fn(&str) -> Option<WebFile> + Send + Sync;

/// The app's files by path, without a leading slash.
#[derive(Clone)]
pub struct WebApp(Arc<Find>);

impl WebApp {
    /// Finds files by `find`.
    pub fn new(find: impl Fn(&str) -> Option<WebFile> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }
}

impl fmt::Debug for WebApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebApp")
    }
}

/// Packs answers that are worth it: neither pictures nor fonts, which are packed already, nor streams, nor what is refused,
/// whose text is still read on its way out.
pub(crate) fn packing(level: CompressionLevel) -> CompressionLayer<impl Predicate> {
    let is_answer = |status: StatusCode, _: Version, _: &HeaderMap, _: &Extensions| status.is_success();
    let worth = DefaultPredicate::new().and(NotForContentType::const_new("font/")).and(is_answer);
    CompressionLayer::new().quality(level).compress_when(worth)
}

/// Answers everything that is not the API.
pub(crate) async fn get_web(State(deps): State<Deps>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let Some(file) = (deps.web.0)(path) else {
        return if path == "index.html" {
            Html(NO_APP).into_response()
        } else {
            (StatusCode::NOT_FOUND, "nothing is here\n").into_response()
        };
    };
    // Weak: the same file in other bytes, as it was packed.
    let etag = format!("W/\"{}\"", file.etag);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let known = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == &etag[2..]));
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { file.body.into_response() };
    // Built files carry their hash in their names; the page itself must be asked for each time.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    for (name, value) in [(header::ETAG, etag), (header::CONTENT_TYPE, file.content_type)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}
