//! `POST /api/v1/streams/{stream}/events`: events in, acknowledged only once they are durable.
//!
//! The body is unpacked within its limit, decoded row by row (large ones on the blocking pool), appended, and decoded
//! again if the stream's schema moved meanwhile. Nothing here knows how the log keeps events.

mod body;
mod rejects;

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use pulseboard_journal::{AppendError, AppendRequest, Appended, IdempotencyKey};
use pulseboard_model::decode::{BodyError, BodyFormat, Decoded, decode};
use pulseboard_model::{StreamName, TimeUs};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::{IngestAnswer, RowError};
use tokio::sync::Semaphore;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use self::body::Room;
use self::rejects::RejectBudget;
use crate::auth::Caller;
use crate::deps::Deps;
use crate::error::{HttpResult, append_error};
use crate::role_limits::RoleLimits;

/// Bodies larger than this are decoded on the blocking pool.
const INLINE_BYTES: usize = 32 << 10;
/// How often a body is decoded again because the schema of its stream moved.
const SCHEMA_ROUNDS_MAX: usize = 8;
/// The longest idempotency key.
const KEY_BYTES_MAX: usize = 200;

/// Ingest's own state: how many bodies are decoded at once, and how much of them is in memory.
#[derive(Debug, Clone)]
pub(crate) struct Decodes {
    at_once: Arc<Semaphore>,
    room: Room,
    rejects: Arc<RejectBudget>,
}

impl Decodes {
    /// At most `max` at once; others wait.
    pub(crate) fn new(max: usize) -> Self {
        Self { at_once: Arc::new(Semaphore::new(max)), room: Room::new(), rejects: Arc::default() }
    }
}

/// The handler.
pub(crate) async fn post_events(
    State((deps, decodes)): State<(Deps, Decodes)>,
    caller: Caller,
    Extension(limits): Extension<RoleLimits>,
    Path(stream): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> HttpResult {
    let stream = sendable(&deps, &stream)?;
    caller.may_send(&stream)?;
    let max = limits.body_bytes(deps.config.ingest.body_bytes_max);
    let read = body::read(&headers, body, max, &decodes.room);
    let (body, _share) = tokio::time::timeout(deps.config.body_timeout, read)
        .await
        .map_err(|_| ApiError::new(Code::RequestTimeout, "the body took too long to arrive"))??;
    let key = idempotency_key(&headers, caller.key_space(), &stream, &body)?;
    let format = format_of(&headers);
    let appended = append(&deps, &decodes, (&stream, "http"), body, format, key).await?;
    deps.figures.accepted(if appended.replayed { 0 } else { appended.accepted });
    Ok(answer(&appended))
}

/// The stream of that name, if clients may send to it.
pub(crate) fn sendable(deps: &Deps, stream: &str) -> Result<StreamName, ApiError> {
    let stream = StreamName::new(stream).map_err(|error| ApiError::new(Code::BadRequest, error.to_string()))?;
    if let Some(what) = deps.config.owned_streams.get(&stream) {
        let message = format!("stream `{stream}` holds {what}, and only the server writes it: send to another stream");
        return Err(ApiError::new(Code::BadRequest, message));
    }
    Ok(stream)
}

/// Decodes and appends, for a stream and by the way that the rows came; what WebSocket's `publish` does too.
pub(crate) async fn append(
    deps: &Deps,
    decodes: &Decodes,
    (stream, source): (&StreamName, &str),
    body: Bytes,
    format: BodyFormat,
    key: Option<IdempotencyKey>,
) -> HttpResult<Appended> {
    let started = Instant::now();
    for _ in 0..SCHEMA_ROUNDS_MAX {
        let base = deps.log.schema(stream.as_str());
        let decoded = decode_body(deps, decodes, stream, body.clone(), format, base.clone()).await?;
        let receipt = receipt(&decoded);
        if says_nothing(&decoded) && key.is_none() {
            // Nothing to keep or to count: the answer stands where the log does.
            let position = deps.log.head();
            return Ok(Appended { position, accepted: 0, rejected: 0, receipt, replayed: false });
        }
        let kept = decodes.rejects.keep(stream, source, &decoded, TimeUs(deps.clock.now_us()));
        let told = kept.told();
        let request = AppendRequest {
            stream: stream.clone(),
            base: base.map(|schema| schema.version),
            schema: decoded.schema,
            rows: decoded.rows,
            rejected: decoded.rejected_count,
            rejects: kept.rows,
            idempotency: key.clone(),
            receipt,
        };
        let appended = deps.log.append(request).await;
        if !matches!(&appended, Ok(appended) if !appended.replayed) {
            decodes.rejects.give_back(told);
        }
        match appended {
            Ok(appended) => {
                let took = started.elapsed();
                metrics::histogram!("pulseboard_latency_seconds", "stage" => "journal").record(took.as_secs_f64());
                if !appended.replayed {
                    metrics::counter!("pulseboard_events_accepted_total").increment(appended.accepted);
                }
                return Ok(appended);
            }
            Err(AppendError::SchemaMoved) => {}
            Err(error) => return Err(append_error(&error).into()),
        }
    }
    Err(append_error(&AppendError::SchemaMoved).into())
}

/// Whether a body held no row at all. Rows that were all rejected are counted by the log.
const fn says_nothing(decoded: &Decoded) -> bool {
    decoded.accepted == 0 && decoded.rejected_count == 0
}

async fn decode_body(
    deps: &Deps,
    decodes: &Decodes,
    stream: &StreamName,
    body: Bytes,
    format: BodyFormat,
    base: Option<Arc<pulseboard_model::StreamSchema>>,
) -> HttpResult<Decoded> {
    let config = deps.streams.of(stream);
    let now = TimeUs(deps.clock.now_us());
    let decoded = if body.len() <= INLINE_BYTES {
        decode(&body, format, base.as_deref(), &config, &deps.config.ingest, now)
    } else {
        let permit = decodes.at_once.clone().acquire_owned().await;
        let deps = deps.clone();
        let work = move || {
            let _permit = permit;
            decode(&body, format, base.as_deref(), &config, &deps.config.ingest, now)
        };
        let joined = tokio::task::spawn_blocking(work).await;
        joined.map_err(|error| {
            tracing::error!(%error, "decoding panicked");
            ApiError::new(Code::Internal, "the body could not be decoded by a fault of the server")
        })?
    };
    decoded.map_err(|error| {
        let code = match &error {
            BodyError::TooManyRows { .. } | BodyError::TooManyCells { .. } | BodyError::TooLarge { .. } => {
                Code::TooLarge
            }
            BodyError::Malformed { .. } | BodyError::NotEvents { .. } | BodyError::Csv => Code::BadJson,
        };
        let answer = ApiError::new(code, error.to_string());
        match error {
            BodyError::Malformed { line, column, .. } => answer.with("line", line).with("column", column),
            _ => answer,
        }
        .into()
    })
}

/// The listed row errors, kept with the idempotency key so that a retry reads the same.
fn receipt(decoded: &Decoded) -> Bytes {
    let error = |error: &pulseboard_model::decode::RowError| RowError {
        row: error.row,
        field: error.field.clone(),
        reason: error.reason.clone(),
    };
    let errors: Vec<RowError> = decoded.rejected.iter().map(error).collect();
    if errors.is_empty() {
        return Bytes::new();
    }
    serde_json::to_vec(&errors).expect("row errors are plain JSON").into()
}

fn answer(appended: &Appended) -> Response {
    let errors: Vec<RowError> = if appended.receipt.is_empty() {
        Vec::new()
    } else {
        serde_json::from_slice(&appended.receipt).unwrap_or_default()
    };
    let answer = IngestAnswer {
        accepted: appended.accepted,
        rejected: appended.rejected,
        errors,
        position: appended.position.to_string(),
    };
    // An empty batch is fine; one without a single valid row is not.
    let none_valid = answer.accepted == 0 && answer.rejected > 0;
    let status = if none_valid { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    (status, Json(answer)).into_response()
}

fn format_of(headers: &HeaderMap) -> BodyFormat {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.to_ascii_lowercase();
    if content_type.contains("ndjson") || content_type.contains("jsonl") {
        BodyFormat::Ndjson
    } else if content_type.contains("json") {
        BodyFormat::AutoJson
    } else {
        // Among them `application/x-www-form-urlencoded`, which is what curl says when it is told nothing.
        BodyFormat::Auto
    }
}

/// The key of a request that says one.
pub(crate) fn idempotency_key(
    headers: &HeaderMap,
    token: &str,
    stream: &StreamName,
    body: &[u8],
) -> HttpResult<Option<IdempotencyKey>> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    if value.is_empty() || value.len() > KEY_BYTES_MAX {
        let message = format!("`Idempotency-Key` must have 1 to {KEY_BYTES_MAX} bytes");
        return Err(ApiError::new(Code::BadRequest, message).into());
    }
    Ok(Some(key_of(token, stream, value.as_bytes(), body)))
}

/// A key counts for the stream and the token it came with.
pub(crate) fn key_of(token: &str, stream: &StreamName, key: &[u8], body: &[u8]) -> IdempotencyKey {
    let mut hasher = Xxh3::new();
    if !token.is_empty() {
        hasher.update(token.as_bytes());
        hasher.update(&[0]);
    }
    hasher.update(stream.as_str().as_bytes());
    hasher.update(&[0]);
    hasher.update(key);
    IdempotencyKey { key: hasher.digest128(), body: xxh3_128(body) }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use pulseboard_model::decode::StreamConfig;
    use pulseboard_model::limits::IngestLimits;

    use super::*;

    #[test]
    fn the_content_type_says_how_to_read_a_body() {
        for (content_type, format) in [
            ("application/x-ndjson; charset=utf-8", BodyFormat::Ndjson),
            ("Application/X-NDJSON", BodyFormat::Ndjson),
            ("application/jsonl", BodyFormat::Ndjson),
            ("application/JSON", BodyFormat::AutoJson),
            ("application/x-www-form-urlencoded", BodyFormat::Auto),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            assert_eq!(format_of(&headers), format, "{content_type}");
        }
        assert_eq!(format_of(&HeaderMap::new()), BodyFormat::Auto);
    }

    #[test]
    fn rejects_are_told_to_the_log() {
        let decoded = |body: &[u8]| {
            let limits = IngestLimits::default();
            decode(body, BodyFormat::Auto, None, &StreamConfig::default(), &limits, TimeUs(0)).unwrap()
        };
        assert!(says_nothing(&decoded(b"[]")));
        assert!(!says_nothing(&decoded(b"[1]")));
    }
}
