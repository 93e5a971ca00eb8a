//! Errors as HTTP answers: one shape for all, `{"error":{"code","message","details"}}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulseboard_journal::AppendError;
use pulseboard_live::{QueryError, QueryErrorKind};
use pulseboard_protocol::error::{ApiError, Code, ErrorBody};
use serde_json::Value;
use tracing::error;

/// After how many seconds a client that was told "busy" may come back, unless the error says so itself.
const RETRY_AFTER_S: u64 = 1;

/// An [`ApiError`] on its way out over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct HttpError(pub(crate) ApiError);

/// What a handler answers.
pub(crate) type HttpResult<T = Response> = Result<T, HttpError>;

impl From<ApiError> for HttpError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let temporary = matches!(self.0.code, Code::Busy | Code::Overloaded | Code::Unavailable | Code::ShuttingDown);
        let after_ms = self.0.details.get("retry_after_ms").and_then(Value::as_u64);
        let after_s = after_ms.map_or(RETRY_AFTER_S, |ms| ms.div_ceil(1_000));
        let mut response = (status, Json(ErrorBody { error: self.0 })).into_response();
        if temporary {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after_s));
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Why a query was refused, outward. What is our fault is logged, and the client told only that it is.
#[must_use]
pub(crate) fn query_error(error: &QueryError) -> ApiError {
    let code = match error.kind {
        QueryErrorKind::BadSql => Code::BadSql,
        QueryErrorKind::UnknownStream => Code::UnknownStream,
        QueryErrorKind::UnknownColumn => Code::UnknownColumn,
        QueryErrorKind::BadParams => Code::BadParams,
        QueryErrorKind::LimitExceeded => Code::LimitExceeded,
        QueryErrorKind::Failed => Code::QueryFailed,
        QueryErrorKind::NotYet => Code::NotYet,
        QueryErrorKind::Internal => {
            error!(message = error.message, "a query failed by our fault");
            return ApiError::new(Code::Internal, "the query failed by a fault of the server; its log says more");
        }
    };
    let mut answer = ApiError::new(code, error.message.clone());
    if let Some((line, column)) = error.at {
        answer = answer.with("line", line).with("column", column);
    }
    if !error.nearest.is_empty() {
        answer = answer.with("nearest", error.nearest.clone());
    }
    answer
}

/// Why nothing of a request was accepted, outward.
#[must_use]
pub(crate) fn append_error(error: &AppendError) -> ApiError {
    let code = match error {
        AppendError::SchemaMoved | AppendError::Busy => Code::Busy,
        AppendError::KeyReused => Code::KeyReused,
        AppendError::TooManyStreams { .. } => Code::TooManyStreams,
        AppendError::Unavailable { .. } => Code::Unavailable,
        AppendError::Closed => Code::ShuttingDown,
    };
    ApiError::new(code, error.to_string())
}
