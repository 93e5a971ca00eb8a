//! Alerts as they are told and as they are followed: the stream `_alerts`, its tail as the channel `alerts`.
//!
//! Whoever finds that something fires writes a row through [`append_alerts`], as `POST /api/v1/alerts/events` does; every
//! transport then brings it as it brings the tail of any stream. Nothing here judges a rule.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use pulseboard_journal::{Appended, IdempotencyKey};
use pulseboard_model::alerts::stream;
use pulseboard_model::decode::BodyFormat;
use pulseboard_model::{Column, TimeUs};
use pulseboard_protocol::alerts::{AlertEvent, read_alerts};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::IngestAnswer;
use pulseboard_protocol::rows::tail_columns;
use pulseboard_protocol::{Channel, Frame};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::auth::Caller;
use crate::deps::Deps;
use crate::error::HttpResult;
use crate::ingest::{Decodes, append, idempotency_key};

/// The channel.
pub(crate) const ALERTS: &str = "alerts";

/// `POST /api/v1/alerts/events`: one alert or a list of them, all or none.
pub(crate) async fn post_alerts(
    State((deps, decodes)): State<(Deps, Decodes)>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResult<Json<IngestAnswer>> {
    let channel = Channel::Alerts { last: None };
    caller.may_follow(&channel, &deps.catalog)?;
    let told = serde_json::from_slice(&body).map_err(|error| {
        ApiError::new(Code::BadJson, format!("the body is no JSON: {error}"))
            .with("line", error.line())
            .with("column", error.column())
    })?;
    let alerts = read_alerts(told, TimeUs(deps.clock.now_us())).map_err(|error| {
        ApiError::new(Code::BadRequest, format!("{error}; nothing was kept")).with("row", error.number)
    })?;
    // Of what was sent, not of what becomes of it: a time that is filled in is another one each time.
    let key = idempotency_key(&headers, caller.key_space(), &stream(), &body)?;
    let appended = append_alerts(&deps, &decodes, &alerts, key).await?;
    deps.figures.accepted(if appended.replayed { 0 } else { appended.accepted });
    let position = appended.position.to_string();
    Ok(Json(IngestAnswer { accepted: appended.accepted, rejected: 0, errors: Vec::new(), position }))
}

/// Writes what fired or ended, durably.
pub(crate) async fn append_alerts(
    deps: &Deps,
    decodes: &Decodes,
    alerts: &[AlertEvent],
    key: Option<IdempotencyKey>,
) -> HttpResult<Appended> {
    let rows: Vec<Value> = alerts.iter().map(row).collect();
    let body = Bytes::from(Value::Array(rows).to_string());
    append(deps, decodes, (&stream(), ALERTS), body, BodyFormat::Json, key).await
}

/// An alert as an event: its times as text, because of a number only the size would say what it counts.
fn row(alert: &AlertEvent) -> Value {
    let mut row = serde_json::to_value(alert).expect("alerts are plain JSON");
    for (name, time) in [("since", alert.since), ("ended", alert.ended)] {
        if let Some(time) = time.and_then(|time_us| TimeUs(time_us).to_datetime()) {
            row[name] = time.to_rfc3339().into();
        }
    }
    row
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    append: Vec<Vec<&'a RawValue>>,
    columns: Option<Vec<NamedColumn>>,
}

#[derive(Deserialize)]
struct NamedColumn {
    name: String,
}

/// What fired or ended in a frame, each as one JSON object. What a reader begins with is not among it: it is no news.
pub(crate) fn news(deps: &Deps, frame: &Frame) -> Vec<String> {
    let mut news = Vec::new();
    for change in frame.raw_changes(ALERTS) {
        let Ok(Change { delta: Some(delta) }) = serde_json::from_str(change.get()) else { continue };
        // A reader that goes on has been told the columns before.
        let names: Vec<String> = match delta.columns {
            Some(columns) => columns.into_iter().map(|column| column.name).collect(),
            None => known_columns(deps).into_iter().map(|column| column.name).collect(),
        };
        news.extend(delta.append.iter().map(|cells| object(&names, cells)));
    }
    news
}

fn known_columns(deps: &Deps) -> Vec<Column> {
    deps.log.schema(stream().as_str()).map(|schema| tail_columns(&schema)).unwrap_or_default()
}

fn object(names: &[String], cells: &[&RawValue]) -> String {
    let members = names.iter().cloned().zip(cells.iter().map(|cell| serde_json::from_str(cell.get())));
    let members = members.filter_map(|(name, cell)| Some((name, cell.ok()?)));
    let members = members.filter(|(_, cell): &(String, Value)| !cell.is_null());
    Value::Object(members.collect::<Map<_, _>>()).to_string()
}
