//! `POST /api/v1/query` and `/explain`: SQL answered once, as JSON, CSV or Arrow.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::csv::WriterBuilder;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono_tz::Tz;
use pulseboard_journal::{AtError, position_of};
use pulseboard_live::{Explain, QueryAnswer, QuerySpec};
use pulseboard_model::{Cell, Mode, Position, Row, Status, ViewState};
use pulseboard_protocol::change::{write_columns, write_row, write_state};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::{ExplainAnswer, ExplainFigures, QueryRequest, param_cells};

use crate::auth::Caller;
use crate::deps::Deps;
use crate::error::{HttpResult, query_error};

/// How long `min_position` waits unless told otherwise.
pub(crate) const WAIT_DEFAULT: Duration = Duration::from_secs(5);
/// How long anything waits at most.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

/// The question of a request.
///
/// # Errors
/// [`Code::BadTimezone`] or [`Code::BadParams`].
pub(crate) fn spec_of(request: &QueryRequest, default: Tz) -> Result<QuerySpec, ApiError> {
    let timezone = match &request.timezone {
        Some(name) => Tz::from_str(name).map_err(|_| {
            ApiError::new(
                Code::BadTimezone,
                format!("`{name}` is not a time zone: use a name such as `Europe/Berlin` or `UTC`"),
            )
        })?,
        None => default,
    };
    Ok(QuerySpec { sql: request.sql.clone(), timezone, params: param_cells(&request.params)? })
}

/// Reads a span such as `5s`, `500ms` or a number of seconds, at most [`WAIT_MAX`].
///
/// # Errors
/// [`Code::BadRequest`] that says what is allowed.
pub(crate) fn wait_of(text: Option<&str>) -> Result<Option<Duration>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let read = |number: &str, unit_ms: f64| number.trim().parse::<f64>().ok().map(|value| value * unit_ms);
    let ms = if let Some(number) = text.strip_suffix("ms") {
        read(number, 1.0)
    } else {
        read(text.strip_suffix('s').unwrap_or(text), 1_000.0)
    };
    let ms = ms.filter(|ms| ms.is_finite() && *ms >= 0.0).ok_or_else(|| {
        ApiError::new(Code::BadRequest, format!("`{text}` is not a span to wait: use `5s` or `500ms`, at most 60 s"))
    })?;
    let max_ms = WAIT_MAX.as_secs_f64() * 1_000.0;
    Ok(Some(Duration::from_secs_f64(ms.min(max_ms) / 1_000.0)))
}

/// Reads a position and checks that it is one of this log.
///
/// # Errors
/// [`Code::BadPosition`], [`Code::OtherEpoch`] or [`Code::Ahead`].
pub(crate) fn known_position(deps: &Deps, text: &str) -> Result<Position, ApiError> {
    let _position = Position::from_str(text).map_err(|error| ApiError::new(Code::BadPosition, error.to_string()))?;
    position_of(deps.log.as_ref(), text, deps.config.timezone).map_err(|error| at_error(&error))
}

/// The position that an `at` names: itself, or where log and clock stood at a time, of `zone` if it says none.
///
/// # Errors
/// As [`known_position`], and for a time that the log does not reach to.
pub(crate) async fn moment(deps: &Deps, text: &str, zone: Tz) -> Result<Position, ApiError> {
    let (log, text) = (Arc::clone(&deps.log), text.to_owned());
    // Finding a time reads a little of the log.
    let found = tokio::task::spawn_blocking(move || position_of(log.as_ref(), &text, zone)).await;
    let found = found.map_err(|error| {
        tracing::error!(%error, "looking for a position panicked");
        ApiError::new(Code::Internal, "the position could not be found by a fault of the server")
    })?;
    found.map_err(|error| at_error(&error))
}

fn at_error(error: &AtError) -> ApiError {
    let code = match error {
        AtError::Unreadable(_) | AtError::Before(_) | AtError::Dropped(_) => Code::BadPosition,
        AtError::OtherEpoch => Code::OtherEpoch,
        AtError::Ahead | AtError::AheadOfClock | AtError::Future(_) => Code::Ahead,
        AtError::Log(error) => {
            tracing::error!(%error, "the log cannot be read");
            return ApiError::new(Code::Internal, "the log could not be read by a fault of the server");
        }
    };
    ApiError::new(code, error.to_string())
}

/// Waits until the live answers include `position`.
///
/// # Errors
/// [`Code::NotReached`] when they do not in time.
pub(crate) async fn reach(deps: &Deps, position: &Position, wait: Option<Duration>) -> Result<(), ApiError> {
    let wait = wait.unwrap_or(WAIT_DEFAULT);
    let mut live = deps.engine.watch_position();
    let reached = live.wait_for(|live| live.offset.includes(position.offset));
    match tokio::time::timeout(wait, reached).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(ApiError::new(Code::NotReached, format!("the position was not reached in {} s", wait.as_secs_f64()))),
    }
}

/// `POST /api/v1/query`.
pub(crate) async fn post_query(
    State(deps): State<Deps>,
    caller: Caller,
    headers: HeaderMap,
    Json(request): Json<QueryRequest>,
) -> HttpResult {
    caller.may_ask()?;
    let spec = spec_of(&request, deps.config.timezone)?;
    let wait = wait_of(request.wait.as_deref())?;
    if let Some(text) = &request.min_position {
        let position = known_position(&deps, text)?;
        reach(&deps, &position, wait).await?;
    }
    let at = match &request.at {
        // A position just given by an acknowledgement may be ahead of the engine, not of the log.
        Some(text) => Some(moment(&deps, text, spec.timezone).await?),
        None => None,
    };
    // Where the readers of channels stand, so that an answer and a frame of the same position are of the same events.
    let (now, newest) = deps.hub.now_and_newest();
    let mut answer = deps.engine.query(&spec, at.unwrap_or(now)).await.map_err(|error| query_error(&error))?;
    if at.is_none() {
        answer.newest = newest;
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/csv") {
        csv(&answer)
    } else if accept.contains("application/vnd.apache.arrow.stream") {
        arrow(&answer)
    } else {
        Ok(json(&answer))
    }
}

fn typed(body: Vec<u8>, content_type: &'static str, answer: &QueryAnswer) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(position) = HeaderValue::from_str(&answer.position.to_string()) {
        headers.insert("x-pulseboard-position", position);
    }
    response
}

fn json(answer: &QueryAnswer) -> Response {
    let mut out = Vec::with_capacity(64 + answer.rows.len() * 32);
    out.extend_from_slice(
        format!("{{\"position\":\"{}\",\"time\":{},\"newest\":", answer.position, answer.position.clock.0).as_bytes(),
    );
    match answer.newest {
        Some(newest) => out.extend_from_slice(newest.0.to_string().as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b',');
    write_answer(&mut out, answer);
    out.push(b'}');
    typed(out, "application/json", answer)
}

/// `"state":…,"columns":…,"rows":…` and, after retention, `"complete_from":…` of a query that was run once.
fn write_answer(out: &mut Vec<u8>, answer: &QueryAnswer) {
    write_state(out, &ViewState::new(Status::Rerun, Mode::Rerun));
    out.push(b',');
    write_columns(out, &answer.columns);
    out.extend_from_slice(b",\"rows\":[");
    for (number, row) in answer.rows.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_row(out, row);
    }
    out.push(b']');
    if let Some(from) = answer.complete_from {
        out.extend_from_slice(format!(",\"complete_from\":{}", from.0).as_bytes());
    }
}

fn unwritable(format: &str, error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(Code::QueryFailed, format!("the answer cannot be written as {format}: {error}; ask for JSON"))
}

fn csv(answer: &QueryAnswer) -> HttpResult {
    let mut out = Vec::new();
    let mut writer = WriterBuilder::new().with_header(true).build(&mut out);
    let mut first = 0;
    for batch in &answer.batches {
        let flat = flat(batch, &answer.rows[first..]);
        first += batch.num_rows();
        flat.and_then(|batch| writer.write(&batch)).map_err(|error| unwritable("CSV", &error))?;
    }
    drop(writer);
    Ok(typed(out, "text/csv; charset=utf-8", answer))
}

/// A batch with its lists and objects as JSON, which `rows` have of it.
fn flat(batch: &RecordBatch, rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    if !batch.schema_ref().fields().iter().any(|field| field.data_type().is_nested()) {
        return Ok(batch.clone());
    }
    let text = |row: &Row, number: usize| match row.get(number) {
        Some(Cell::Json(text)) => Some(text.to_string()),
        _ => None,
    };
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).enumerate();
    let columns = columns.map(|(number, (field, column))| {
        if field.data_type().is_nested() {
            let texts = rows.iter().take(batch.num_rows()).map(|row| text(row, number));
            (field.name(), Arc::new(texts.collect::<StringArray>()) as ArrayRef, true)
        } else {
            (field.name(), column.clone(), field.is_nullable())
        }
    });
    RecordBatch::try_from_iter_with_nullable(columns)
}

fn arrow(answer: &QueryAnswer) -> HttpResult {
    let Some(first) = answer.batches.first() else {
        return Err(unwritable("Arrow", &"it has no columns").into());
    };
    let written = StreamWriter::try_new(Vec::new(), &first.schema()).and_then(|mut writer| {
        answer.batches.iter().try_for_each(|batch| writer.write(batch))?;
        writer.into_inner()
    });
    let out = written.map_err(|error| unwritable("Arrow", &error))?;
    Ok(typed(out, "application/vnd.apache.arrow.stream", answer))
}

/// `POST /api/v1/explain`.
pub(crate) async fn post_explain(
    State(deps): State<Deps>,
    caller: Caller,
    Json(request): Json<QueryRequest>,
) -> HttpResult<Json<ExplainAnswer>> {
    caller.may_ask()?;
    let spec = spec_of(&request, deps.config.timezone)?;
    // The figures of a running instance come from the engine's thread.
    let explained = tokio::task::spawn_blocking(move || deps.engine.explain(&spec)).await.map_err(|error| {
        tracing::error!(%error, "explaining panicked");
        ApiError::new(Code::Internal, "the query could not be explained by a fault of the server")
    })?;
    Ok(Json(explain_answer(explained.map_err(|error| query_error(&error))?)))
}

fn mode(maintained: bool) -> &'static str {
    if maintained { "maintained" } else { "rerun" }
}

fn explain_answer(explain: Explain) -> ExplainAnswer {
    ExplainAnswer {
        mode: mode(explain.maintained),
        reasons: explain.reasons,
        warnings: explain.warnings,
        streams: explain.streams.iter().map(ToString::to_string).collect(),
        plan: explain.plan,
        running: explain.running.map(|running| ExplainFigures {
            mode: mode(running.maintained),
            reason: running.reason,
            engine_percent: running.engine_share * 100.0,
            groups: running.groups,
            state_bytes: running.state_bytes,
            events: running.events,
            cost_per_event_ns: running.cost_per_event_ns,
            late_rows: running.late_rows,
            truncated_rows: running.truncated_rows,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_held_to_their_limit() {
        assert_eq!(wait_of(Some("500ms")).expect("good"), Some(Duration::from_millis(500)));
        assert_eq!(wait_of(Some("2s")).expect("good"), Some(Duration::from_secs(2)));
        assert_eq!(wait_of(Some("900")).expect("good"), Some(WAIT_MAX));
        assert_eq!(wait_of(Some("1e30s")).expect("good"), Some(WAIT_MAX));
        for bad in ["", "x", "-1s", "NaNs"] {
            assert_eq!(wait_of(Some(bad)).expect_err(bad).code, Code::BadRequest, "{bad}");
        }
    }
}
