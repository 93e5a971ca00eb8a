//! All routes, and what stands around them.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{DefaultBodyLimit, FromRef, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post, put};
use axum::{Router, middleware::Next};
use pulseboard_protocol::error::{ApiError, Code};
use tokio::time::timeout;
use tower_http::CompressionLevel;

use crate::alerts::post_alerts;
use crate::auth::{
    check, delete_session, delete_share, delete_token, delete_user, get_audit, get_session, get_shares, get_tokens,
    get_users, post_session, post_share, post_ticket, post_token, put_password, put_user,
};
use crate::connections::Connections;
use crate::deps::{Deps, GatewayConfig};
use crate::editing::{delete_board, delete_view, get_board, get_boards, put_board, put_view};
use crate::error::HttpError;
use crate::guard::{Doorman, guard};
use crate::health::{Health, get_live, get_metrics, get_ready, measure};
use crate::ingest::{Decodes, post_events};
use crate::live::{LiveDeps, get_poll, get_sse, get_websocket};
use crate::openapi::get_openapi;
use crate::query::{post_explain, post_query};
use crate::range::post_range;
use crate::role_limits::{Requests, RoleLimits, hold};
use crate::streams::{delete_stream, get_stream, get_streams};
use crate::views::{get_connections, get_sources, get_view, get_views, not_yet, post_live_query};
use crate::web::{get_web, packing};

/// The largest JSON body of a call that is not ingest.
const JSON_BYTES_MAX: usize = 1 << 20;

/// The gateway: its routes, and what ends its connections.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub(crate) deps: Deps,
    pub(crate) health: Health,
    pub(crate) connections: Connections,
    pub(crate) decodes: Decodes,
    pub(crate) requests: Requests,
}

impl FromRef<Gateway> for Deps {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.deps.clone()
    }
}

impl FromRef<Gateway> for (Deps, Decodes) {
    fn from_ref(gateway: &Gateway) -> Self {
        (gateway.deps.clone(), gateway.decodes.clone())
    }
}

impl FromRef<Gateway> for (Deps, Health) {
    fn from_ref(gateway: &Gateway) -> Self {
        (gateway.deps.clone(), gateway.health.clone())
    }
}

impl FromRef<Gateway> for (Deps, Health, Connections) {
    fn from_ref(gateway: &Gateway) -> Self {
        (gateway.deps.clone(), gateway.health.clone(), gateway.connections.clone())
    }
}

impl FromRef<Gateway> for Connections {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.connections.clone()
    }
}

impl FromRef<Gateway> for LiveDeps {
    fn from_ref(gateway: &Gateway) -> Self {
        Self {
            deps: gateway.deps.clone(),
            connections: gateway.connections.clone(),
            decodes: gateway.decodes.clone(),
            requests: gateway.requests.clone(),
        }
    }
}

impl Gateway {
    /// Stands on `deps`.
    #[must_use]
    pub fn new(deps: Deps) -> Self {
        let decodes = Decodes::new(deps.config.decodes_max);
        let requests = Requests::new(deps.config.requests);
        Self {
            health: Health::start(),
            connections: Connections::new(deps.config.connections),
            decodes,
            requests,
            deps,
        }
    }
}

/// The whole HTTP surface.
pub(crate) fn router(gateway: &Gateway, socketio: Router<Gateway>) -> Router {
    let api = Router::new()
        .route("/streams", get(get_streams))
        .route("/streams/{stream}", get(get_stream).delete(delete_stream))
        .route("/views", get(get_views))
        .route("/views/{view}", get(get_view).put(put_view).delete(delete_view))
        // A chart's past is large; a reader that polls is answered as it is, since packing costs more than a frame.
        .route("/query", post(post_query).layer(packing(CompressionLevel::Fastest)))
        .route("/range", post(post_range).layer(packing(CompressionLevel::Fastest)))
        .route("/explain", post(post_explain))
        .route("/live/queries", post(post_live_query))
        .route("/boards", get(get_boards))
        .route("/boards/{board}", get(get_board).put(put_board).delete(delete_board))
        .route("/sources", get(get_sources))
        .route("/connections", get(get_connections))
        .route("/alerts", any(not_yet))
        .route("/alerts/events", post(post_alerts))
        .route("/alerts/{*rest}", any(not_yet))
        .route("/live/poll", get(get_poll))
        .route("/me", get(get_session))
        .route("/session", get(get_session).post(post_session).delete(delete_session))
        .route("/session/password", put(put_password))
        .route("/users", get(get_users))
        .route("/users/{user}", put(put_user).delete(delete_user))
        .route("/boards/{board}/shares", get(get_shares).post(post_share))
        .route("/boards/{board}/shares/{share}", delete(delete_share))
        .route("/tokens", get(get_tokens).post(post_token))
        .route("/tokens/{token}", delete(delete_token))
        .route("/tickets", post(post_ticket))
        .route("/audit", get(get_audit))
        .route("/openapi.json", get(get_openapi))
        .layer(from_fn_with_state(Arc::clone(&gateway.deps.config), read_whole))
        // Reads its body itself: it may be large.
        .route("/streams/{stream}/events", post(post_events).layer(DefaultBodyLimit::disable()))
        .layer(from_fn_with_state(gateway.deps.clone(), measure));
    // Connections that live for hours are not requests to be measured.
    let live = Router::new().route("/live", get(get_websocket)).route("/live/sse", get(get_sse));
    Router::new()
        .nest("/api/v1", api.merge(live))
        .merge(socketio)
        .route("/health/live", get(get_live))
        .route("/health/ready", get(get_ready))
        .route("/metrics", get(get_metrics))
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
        .fallback(get_web.layer(packing(CompressionLevel::Default)))
        .with_state(gateway.clone())
        .layer(from_fn_with_state(gateway.requests.clone(), hold))
        .layer(from_fn_with_state(gateway.deps.auth.clone(), check))
        .layer(from_fn(plain_errors))
        .layer(from_fn_with_state(Doorman::of(&gateway.deps), guard))
}

/// A small body is read before its handler runs, in the time there is for it: nobody holds a handler by sending slowly.
async fn read_whole(State(config): State<Arc<GatewayConfig>>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let max = parts.extensions.get::<RoleLimits>().map_or(JSON_BYTES_MAX, |limits| limits.body_bytes(JSON_BYTES_MAX));
    let error = match timeout(config.body_timeout, axum::body::to_bytes(body, max)).await {
        Ok(Ok(bytes)) => return next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(error)) if error.to_string().contains("length limit") => {
            ApiError::new(Code::TooLarge, format!("the body is larger than {} KiB", max >> 10)).with("max_bytes", max)
        }
        Ok(Err(_)) => ApiError::new(Code::BadRequest, "the body did not arrive whole"),
        Err(_) => ApiError::new(Code::RequestTimeout, "the body took too long to arrive"),
    };
    HttpError(error).into_response()
}

/// What axum refuses before a handler sees it (a body that is not JSON, a wrong method) is said in our shape.
async fn plain_errors(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    let status = response.status();
    if !is_api || status.is_success() || !is_plain(response.headers()) {
        return response;
    }
    let code = match status {
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedType,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::UPGRADE_REQUIRED => Code::BadRequest,
        _ => return response,
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let body = axum::body::to_bytes(response.into_body(), 4 << 10).await.unwrap_or_default();
    let mut message = String::from_utf8_lossy(&body).trim().to_owned();
    // axum tells a body that is no JSON from a path or query that cannot be read only by its words.
    let code = if message.starts_with("Failed to parse the request body as JSON") { Code::BadJson } else { code };
    if message.is_empty() {
        status.canonical_reason().unwrap_or("refused").to_lowercase().clone_into(&mut message);
    }
    let mut response = HttpError(ApiError::new(code, message)).into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn is_plain(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|value| value.as_bytes().starts_with(b"text/plain"))
}
