//! The JSON bodies of the HTTP API that are plain structures. Rows are written by [`crate::change`], not here.

use std::collections::BTreeMap;

use pulseboard_model::Cell;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::error::{ApiError, Code};

/// Why one row was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// Which row, from 1.
    pub row: u64,
    /// Which field, if one is to blame.
    pub field: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// The answer of `POST /api/v1/streams/{stream}/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestAnswer {
    /// How many rows are durable now.
    pub accepted: u64,
    /// How many were refused.
    pub rejected: u64,
    /// The first of the refused ones.
    pub errors: Vec<RowError>,
    /// Includes the last row.
    pub position: String,
}

/// The body of `POST /api/v1/query`, `/explain` and `/live/queries`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryRequest {
    /// The query.
    pub sql: String,
    /// Values of `$name`.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// The zone its times are planned in.
    pub timezone: Option<String>,
    /// Answer as of this position or time, which may be a number. `query` only.
    #[serde(default, deserialize_with = "text_or_number")]
    pub at: Option<String>,
    /// Wait until this position is included. `query` only.
    pub min_position: Option<String>,
    /// How long to wait for it, as `5s` or `500ms`. `query` only.
    pub wait: Option<String>,
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(D::Error::custom("expected a position or a time, as a text or a number")),
    }
}

/// The answer of `POST /api/v1/live/queries`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveQueryAnswer {
    /// The channel to subscribe to.
    pub channel: String,
}

/// The answer of `POST /api/v1/explain`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainAnswer {
    /// `maintained` or `rerun`.
    pub mode: &'static str,
    /// Why, one line each.
    pub reasons: Vec<String>,
    /// What the author may not have meant.
    pub warnings: Vec<String>,
    /// The streams it reads.
    pub streams: Vec<String>,
    /// The plan.
    pub plan: String,
    /// Figures of the running instance, if there is one.
    pub running: Option<ExplainFigures>,
}

/// Figures of a running instance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainFigures {
    /// How it is answered now, `maintained` or `rerun`: what could be maintained is re-run for a while if it takes too much.
    pub mode: &'static str,
    /// Why it is re-run, or truncated, or waits.
    pub reason: Option<String>,
    /// Groups or rows held.
    pub groups: u64,
    /// Bytes of state, roughly.
    pub state_bytes: u64,
    /// Events seen.
    pub events: u64,
    /// Mean cost per event.
    pub cost_per_event_ns: f64,
    /// Its share of the engine's time over the last ten seconds, in percent.
    pub engine_percent: f64,
    /// Rows that were older than every window when they came, since it was started.
    pub late_rows: u64,
    /// Rows that a limit refused since it was last built from the log.
    pub truncated_rows: u64,
}

/// One stream in `GET /api/v1/streams`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamAnswer {
    /// Its name.
    pub name: String,
    /// Whether the server writes it, and clients may not.
    pub system: bool,
    /// Its schema.
    pub schema: SchemaAnswer,
    /// Events now in the log.
    pub events: u64,
    /// Rows refused since the data directory was made.
    pub rejected: u64,
    /// Bytes on disk, roughly.
    pub bytes: u64,
    /// `_offset` of the first event still kept.
    pub first_offset: Option<u64>,
    /// `_offset` of the last event.
    pub last_offset: Option<u64>,
    /// `_arrived_at` of the last event, µs UTC.
    pub last_arrived_at: Option<i64>,
    /// From when it is complete, if retention dropped older events, µs UTC.
    pub complete_from: Option<i64>,
    /// How far the live answers are behind the log.
    pub lag_ms: i64,
}

/// A stream's schema. The system columns are in every stream and not listed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SchemaAnswer {
    /// Its version.
    pub version: u32,
    /// The user fields.
    pub fields: Vec<FieldAnswer>,
}

/// One user field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldAnswer {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub field_type: String,
    /// Whether configuration fixed the type.
    pub declared: bool,
}

/// The answer of `GET /api/v1/streams`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamsAnswer {
    /// Where the log stands.
    pub position: String,
    /// All streams, by name.
    pub streams: Vec<StreamAnswer>,
}

/// One view in `GET /api/v1/views`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ViewAnswer {
    /// Its name.
    pub name: String,
    /// The channel that follows it.
    pub channel: String,
    /// Its SQL.
    pub sql: String,
    /// The zone it is planned in.
    pub timezone: String,
    /// Where it is kept.
    #[serde(flatten)]
    pub kept: KeptAnswer,
}

/// Where a board or a view is kept, among its other members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptAnswer {
    /// Whether it can be changed through the API.
    pub editable: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<String>,
    /// Hash of its file's text; null if it has no file of its own.
    pub hash: Option<String>,
    /// What is wrong with its file as it is now. What counts meanwhile is what the file said before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemAnswer>,
}

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemAnswer {
    /// The name of the file, without its folders.
    pub file: String,
    /// Which key, dotted: `panels[2].sql`. Empty if it is the whole.
    pub key: String,
    /// What is wrong and what is allowed.
    pub what: String,
}

impl std::fmt::Display for ProblemAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = if self.key.is_empty() { String::new() } else { format!("{}: ", self.key) };
        write!(f, "{}: {key}{}", self.file, self.what)
    }
}

/// The answer of `GET /health/ready`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReadyAnswer {
    /// `ready`, or why not: `draining`, `log_unavailable`.
    pub status: &'static str,
    /// Events accepted since the start.
    pub messages: u64,
    /// Requests that ended in an error of ours since the start.
    pub errors: u64,
    /// Mean time of the last requests to the API.
    pub latency_avg_ms: f64,
    /// The 99th of 100 of them.
    pub latency_p99_ms: f64,
    /// Since the start.
    pub uptime_ms: u64,
    /// Why the log takes nothing; or what failed and was mended since the start, so that somebody looks at the disk.
    pub log: Option<String>,
    /// Where the log stands.
    pub position: String,
    /// Where the live answers stand.
    pub live_position: String,
    /// What does not work though events are accepted (the archive cannot be reached), for a person.
    pub problems: Vec<String>,
}

/// One connection in `GET /api/v1/connections`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConnectionAnswer {
    /// Its number since the start.
    pub id: u64,
    /// `websocket`, `sse`, `long_poll`, `poll` or `socketio`.
    pub transport: &'static str,
    /// The other end.
    pub peer: String,
    /// Since when, µs UTC.
    pub since: i64,
    /// How many subscriptions it holds.
    pub subscriptions: usize,
    /// What they follow.
    pub channels: Vec<String>,
    /// Frames sent.
    pub frames: u64,
    /// Bytes of frames sent.
    pub bytes: u64,
    /// How much older what the reader has is than what there is, in ms; 0 if it has all of it.
    pub lag_ms: u64,
}

/// Reads the values of `$name` out of a request.
///
/// # Errors
/// [`Code::BadParams`] that names the parameter.
pub fn param_cells(params: &Map<String, Value>) -> Result<BTreeMap<String, Cell>, ApiError> {
    let mut cells = BTreeMap::new();
    for (name, value) in params {
        let cell = match value {
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Bool(*value),
            Value::String(text) => Cell::Str(text.as_str().into()),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), _, _) => Cell::Int(value),
                (None, Some(value), _) => Cell::UInt(value),
                (None, None, Some(value)) => Cell::Float(value),
                (None, None, None) => return Err(bad_param(name)),
            },
            Value::Array(_) | Value::Object(_) => return Err(bad_param(name)),
        };
        cells.insert(name.trim_start_matches('$').to_owned(), cell);
    }
    Ok(cells)
}

fn bad_param(name: &str) -> ApiError {
    let message = format!("parameter `{name}` must be a text, number, true, false or null");
    ApiError::new(Code::BadParams, message).with("param", name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_single_values() {
        let Value::Object(good) = json!({"a": 1, "$b": "x", "c": 1.5, "d": null, "e": true}) else { unreachable!() };
        let cells = param_cells(&good).expect("good");
        assert_eq!(cells["a"], Cell::Int(1));
        assert_eq!(cells["b"], Cell::Str("x".into()));
        let Value::Object(bad) = json!({"a": [1]}) else { unreachable!() };
        assert_eq!(param_cells(&bad).expect_err("a list").code, Code::BadParams);
    }
}
