//! `POST /api/v1/range`: a view or query over a span of time, thinned to a chart's width, and where it goes on live.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use pulseboard_live::{Downsample, Params, QuerySpec, RangeAnswer, RangeSpec};
use pulseboard_model::{Cell, Position, ViewName};
use pulseboard_protocol::Channel;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::param_cells;
use pulseboard_protocol::range::{POINTS_DEFAULT, RangeDownsample, RangeHead, RangeRequest, moment_cell};
use serde_json::Value;

use crate::auth::Caller;
use crate::deps::Deps;
use crate::error::{HttpResult, query_error};
use crate::live::timezone_of;
use crate::query::{known_position, reach, wait_of};
use crate::views::may_read;

/// The parameters that a range fills in.
const RESERVED: [&str; 3] = ["from", "to", "bucket"];

/// The handler.
pub(crate) async fn post_range(
    State(deps): State<Deps>,
    caller: Caller,
    Json(request): Json<RangeRequest>,
) -> HttpResult {
    match &request.view {
        Some(view) => may_read(&deps, &caller, view)?,
        None => caller.may_ask()?,
    }
    let spec = spec_of(&deps, &caller, &request)?;
    let wait = wait_of(request.wait.as_deref())?;
    if let Some(text) = &request.min_position {
        let position = known_position(&deps, text)?;
        reach(&deps, &position, wait).await?;
    }
    let at = request.at.as_deref().map(|text| known_position(&deps, text)).transpose()?;
    // Where the readers of channels stand, so that one that follows goes on from here.
    let (now, newest) = deps.hub.now_and_newest();
    let mut ranged = deps.engine.range(&spec, at.unwrap_or(now)).await.map_err(|error| query_error(&error))?;
    if at.is_none() {
        ranged.answer.newest = newest;
    }
    if let Some(used) = ranged.rollup {
        metrics::counter!("pulseboard_rollup_ranges_total").increment(1);
        metrics::counter!("pulseboard_rollup_pieces_total").increment(used.pieces);
        metrics::counter!("pulseboard_rollup_states_total").increment(used.states);
        metrics::counter!("pulseboard_rollup_rows_read_total").increment(used.rows);
    }
    let head = head_of(&request, &ranged);
    let mut response: Response = head.write(&ranged.answer.columns, &ranged.answer.rows)?.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn spec_of(deps: &Deps, caller: &Caller, request: &RangeRequest) -> Result<RangeSpec, ApiError> {
    let params = param_cells(&request.params)?;
    let timezone = timezone_of(request.timezone.as_deref())?;
    let query = match (&request.view, &request.sql) {
        (Some(view), None) => deps.catalog.view_spec(caller, view, &params, timezone)?,
        (None, Some(sql)) => QuerySpec { sql: sql.clone(), timezone: timezone.unwrap_or(deps.config.timezone), params },
        _ => return Err(ApiError::new(Code::BadRequest, "a range is of a `view` or of `sql`: give one of them")),
    };
    Ok(RangeSpec {
        query,
        from: moment_cell("from", request.from.as_ref())?,
        to: moment_cell("to", request.to.as_ref())?,
        // What does not fit is beyond the limit, which is said where it is held to.
        points: request.points.map_or(POINTS_DEFAULT, |points| usize::try_from(points).unwrap_or(usize::MAX)),
        downsample: match request.downsample {
            RangeDownsample::MinMax => Downsample::MinMax,
            RangeDownsample::Lttb => Downsample::Lttb,
        },
        series: request.series.clone(),
    })
}

fn head_of(request: &RangeRequest, ranged: &RangeAnswer) -> RangeHead {
    let Position { clock, .. } = ranged.answer.position;
    RangeHead {
        position: ranged.answer.position.to_string(),
        time: clock.0,
        newest: ranged.answer.newest.map(|at| at.0),
        from: ranged.from.0,
        to: ranged.to.map(|at| at.0),
        bucket: ranged.bucket.clone(),
        downsampled: ranged.downsampled.map(|by| match by {
            Downsample::MinMax => RangeDownsample::MinMax,
            Downsample::Lttb => RangeDownsample::Lttb,
        }),
        params: ranged.live.iter().map(|(name, cell)| (name.clone(), value_of(cell))).collect(),
        channel: request.view.as_deref().and_then(|view| channel_of(view, request, &ranged.live)),
        complete_from: ranged.answer.complete_from.map(|at| at.0),
    }
}

/// The channel of a view with the parameters of the request and those that the range filled in. Whoever asks for another zone
/// subscribes in it.
fn channel_of(view: &str, request: &RangeRequest, live: &Params) -> Option<String> {
    let given = |name: &str| request.params.contains_key(name) || request.params.contains_key(&format!("${name}"));
    let told = live.iter().filter(|(name, _)| given(name) || RESERVED.contains(&name.as_str()));
    let params = told.map(|(name, cell)| (name.clone(), text_of(cell))).collect();
    Some(Channel::View { name: ViewName::new(view).ok()?, params }.to_string())
}

fn text_of(cell: &Cell) -> String {
    match value_of(cell) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// A parameter as JSON writes it. Requests bring texts, numbers and truths; nothing else becomes one.
fn value_of(cell: &Cell) -> Value {
    match cell {
        Cell::Bool(value) => Value::from(*value),
        Cell::Int(value) | Cell::Time(value) => Value::from(*value),
        Cell::UInt(value) => Value::from(*value),
        Cell::Float(value) => Value::from(*value),
        Cell::Str(text) | Cell::Decimal(text) => Value::from(text.as_ref()),
        _ => Value::Null,
    }
}
