//! `POST /api/v1/streams/{stream}/events`: events in, acknowledged only once they are durable.
//!
//! The body is unpacked within its limit, decoded row by row (large ones on the blocking pool), appended, and decoded
//! again if the stream's schema moved meanwhile. Nothing here knows how the log keeps events.

use std::sync::Arc;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use pulseboard_journal::{AppendError, AppendRequest, Appended, IdempotencyKey};
use pulseboard_model::decode::{BodyError, BodyFormat, Decoded, decode};
use pulseboard_model::{StreamName, TimeUs};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::{IngestAnswer, RowError};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Semaphore;
use tokio_util::io::StreamReader;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::deps::Deps;
use crate::error::{HttpResult, append_error};

/// Bodies larger than this are decoded on the blocking pool.
const INLINE_BYTES: usize = 32 << 10;
/// How often a body is decoded again because the schema of its stream moved.
const SCHEMA_ROUNDS_MAX: usize = 8;
/// How much of a body that is too large is read away before the connection is given up.
const DISCARDED_BYTES_MAX: usize = 256 << 20;
/// The longest idempotency key.
const KEY_BYTES_MAX: usize = 200;

/// Ingest's own state: how many bodies are decoded at once.
#[derive(Debug, Clone)]
pub(crate) struct Decodes(Arc<Semaphore>);

impl Decodes {
    /// At most `max` at once; others wait.
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Semaphore::new(max)))
    }
}

/// The handler.
pub(crate) async fn post_events(
    State((deps, decodes)): State<(Deps, Decodes)>,
    Path(stream): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> HttpResult {
    let stream = StreamName::new(&stream).map_err(|error| ApiError::new(Code::BadRequest, error.to_string()))?;
    let read = read_body(&headers, body, deps.config.ingest.body_bytes_max);
    let body = tokio::time::timeout(deps.config.body_timeout, read)
        .await
        .map_err(|_| ApiError::new(Code::RequestTimeout, "the body took too long to arrive"))??;
    let key = idempotency_key(&headers, &stream, &body)?;
    let format = format_of(&headers);
    let appended = append(&deps, &decodes, &stream, body, format, key).await?;
    deps.figures.accepted(if appended.replayed { 0 } else { appended.accepted });
    metrics::counter!("pulseboard_events_accepted_total").increment(appended.accepted);
    Ok(answer(&appended))
}

/// Decodes and appends; what WebSocket's `publish` does too.
pub(crate) async fn append(
    deps: &Deps,
    decodes: &Decodes,
    stream: &StreamName,
    body: Bytes,
    format: BodyFormat,
    key: Option<IdempotencyKey>,
) -> HttpResult<Appended> {
    for _ in 0..SCHEMA_ROUNDS_MAX {
        let base = deps.log.schema(stream.as_str());
        let decoded = decode_body(deps, decodes, stream, body.clone(), format, base.clone()).await?;
        let receipt = receipt(&decoded);
        if decoded.accepted == 0 && key.is_none() {
            // Nothing to make durable: the answer stands where the log does.
            let position = deps.log.head();
            return Ok(Appended { position, accepted: 0, rejected: decoded.rejected_count, receipt, replayed: false });
        }
        let request = AppendRequest {
            stream: stream.clone(),
            base: base.map(|schema| schema.version),
            schema: decoded.schema,
            rows: decoded.rows,
            rejected: decoded.rejected_count,
            idempotency: key.clone(),
            receipt,
        };
        let appended = deps.log.append(request).await;
        match &appended {
            Ok(_) => deps.figures.log_wrote(),
            Err(AppendError::Unavailable { .. }) => deps.figures.log_refused(deps.clock.now_us()),
            Err(_) => {}
        }
        match appended {
            Ok(appended) => return Ok(appended),
            Err(AppendError::SchemaMoved) => {}
            Err(error) => return Err(append_error(&error).into()),
        }
    }
    Err(append_error(&AppendError::SchemaMoved).into())
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
        let permit = decodes.0.clone().acquire_owned().await;
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
            BodyError::Malformed { .. } | BodyError::NotEvents { .. } => Code::BadJson,
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
    if content_type.contains("ndjson") || content_type.contains("jsonl") {
        BodyFormat::Ndjson
    } else {
        BodyFormat::Auto
    }
}

fn idempotency_key(headers: &HeaderMap, stream: &StreamName, body: &[u8]) -> HttpResult<Option<IdempotencyKey>> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    if value.is_empty() || value.len() > KEY_BYTES_MAX {
        let message = format!("`Idempotency-Key` must have 1 to {KEY_BYTES_MAX} bytes");
        return Err(ApiError::new(Code::BadRequest, message).into());
    }
    let mut hasher = Xxh3::new();
    hasher.update(stream.as_str().as_bytes());
    hasher.update(&[0]);
    hasher.update(value.as_bytes());
    Ok(Some(IdempotencyKey { key: hasher.digest128(), body: xxh3_128(body) }))
}

/// The body, unpacked, at most `max` bytes of it.
async fn read_body(headers: &HeaderMap, body: Body, max: usize) -> HttpResult<Bytes> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim());
    let stream: BodyDataStream = body.into_data_stream();
    match encoding {
        None | Some("" | "identity") => collect(stream, max).await,
        Some("gzip" | "x-gzip") => {
            let mut decoder = GzipDecoder::new(reader(stream));
            decoder.multiple_members(true);
            unpack(decoder, max).await
        }
        Some("zstd") => unpack(ZstdDecoder::new(reader(stream)), max).await,
        Some(other) => {
            let message = format!("content encoding `{other}` is not understood: use identity, gzip or zstd");
            Err(ApiError::new(Code::UnsupportedType, message).into())
        }
    }
}

fn reader(stream: BodyDataStream) -> StreamReader<impl futures::Stream<Item = std::io::Result<Bytes>>, Bytes> {
    StreamReader::new(stream.map_err(std::io::Error::other))
}

async fn collect(mut stream: BodyDataStream, max: usize) -> HttpResult<Bytes> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| ApiError::new(Code::BadRequest, format!("the body ended early: {error}")))?;
        let length = rest.len() + first.as_ref().map_or(0, Bytes::len) + chunk.len();
        if length > max {
            return refuse_large(stream, max).await;
        }
        // Most bodies are one chunk: then nothing is copied.
        match first.take() {
            None if rest.is_empty() => first = Some(chunk),
            earlier => {
                rest.extend_from_slice(&earlier.unwrap_or_default());
                rest.extend_from_slice(&chunk);
            }
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

/// Reads at most `max` bytes: a small body that unpacks into a huge one is refused when it passes the limit.
async fn unpack(decoder: impl AsyncRead + Unpin, max: usize) -> HttpResult<Bytes> {
    let mut out = Vec::new();
    let mut limited = decoder.take(max as u64 + 1);
    limited
        .read_to_end(&mut out)
        .await
        .map_err(|error| ApiError::new(Code::BadRequest, format!("the body cannot be unpacked: {error}")))?;
    if out.len() > max { Err(too_large(max).into()) } else { Ok(out.into()) }
}

/// Reads away what still comes, within reason: a client that is sending looks for an answer only when it has sent all.
async fn refuse_large(mut stream: BodyDataStream, max: usize) -> HttpResult<Bytes> {
    let mut discarded = 0;
    while let Some(Ok(chunk)) = stream.next().await {
        discarded += chunk.len();
        if discarded > DISCARDED_BYTES_MAX {
            break;
        }
    }
    Err(too_large(max).into())
}

fn too_large(max: usize) -> ApiError {
    let message =
        format!("the body has more than {max} bytes unpacked, the most one request may bring: send it in parts");
    ApiError::new(Code::TooLarge, message).with("max_bytes", max)
}
