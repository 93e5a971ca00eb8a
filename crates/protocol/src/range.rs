//! `POST /api/v1/range`: the request, and the answer around its rows.

use std::collections::BTreeMap;

use pulseboard_model::{Cell, Column, Row};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::change::{write_columns, write_row};
use crate::error::{ApiError, Code};

/// How many points a range has unless it says.
pub const POINTS_DEFAULT: usize = 500;

/// How rows are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RangeDownsample {
    /// The least and greatest of each pixel.
    #[default]
    MinMax,
    /// Largest triangle three buckets.
    Lttb,
}

/// The body of `POST /api/v1/range`. Either `view` or `sql` is given.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeRequest {
    /// The view that is asked.
    pub view: Option<String>,
    /// The query that is asked.
    pub sql: Option<String>,
    /// Values of `$name`; `bucket` among them fixes the width.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// The zone its times are planned in.
    pub timezone: Option<String>,
    /// Begin, inclusive: RFC 3339, an epoch, or `-24h`.
    pub from: Option<Value>,
    /// End, exclusive. Without it the range is open and live goes on.
    pub to: Option<Value>,
    /// How many rows of each series at most.
    pub points: Option<u64>,
    /// How rows are left out where the SQL has no `$bucket`.
    #[serde(default)]
    pub downsample: RangeDownsample,
    /// The columns that tell series apart.
    pub series: Option<Vec<String>>,
    /// Answer as of this position.
    pub at: Option<String>,
    /// Wait until this position is included.
    pub min_position: Option<String>,
    /// How long to wait for it, as `5s` or `500ms`.
    pub wait: Option<String>,
}

/// What is said of a range around its rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RangeHead {
    /// Where the rows stand; live goes on from here.
    pub position: String,
    /// The clock there, µs UTC.
    pub time: i64,
    /// `_arrived_at` of the newest event that was there, µs UTC.
    pub newest: Option<i64>,
    /// The begin, µs UTC.
    pub from: i64,
    /// The end, µs UTC; null if it is open.
    pub to: Option<i64>,
    /// The width of a bucket, if the query uses `$bucket`.
    pub bucket: Option<String>,
    /// How rows were left out, if any were.
    pub downsampled: Option<RangeDownsample>,
    /// The parameters with which the same query goes on live.
    pub params: BTreeMap<String, Value>,
    /// The channel on which a view goes on; register a query of your own with `params` for its.
    pub channel: Option<String>,
    /// If retention dropped events the query names: from when it is complete, µs UTC.
    pub complete_from: Option<i64>,
}

impl RangeHead {
    /// The whole answer.
    ///
    /// # Errors
    /// [`Code::Internal`] if it cannot be written.
    pub fn write(&self, columns: &[Column], rows: &[Row]) -> Result<Vec<u8>, ApiError> {
        let mut out = serde_json::to_vec(self)
            .map_err(|error| ApiError::new(Code::Internal, format!("the answer could not be written: {error}")))?;
        // The rows are the last members of the same object.
        out.pop();
        out.push(b',');
        write_columns(&mut out, columns);
        out.extend_from_slice(b",\"rows\":[");
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            write_row(&mut out, row);
        }
        out.extend_from_slice(b"]}");
        Ok(out)
    }
}

/// A moment of a request as a parameter; `name` is its field.
///
/// # Errors
/// [`Code::BadParams`] for what is neither text nor a number.
pub fn moment_cell(name: &str, value: Option<&Value>) -> Result<Option<Cell>, ApiError> {
    let bad = || {
        let message = format!("`{name}` must be a time such as `2026-05-01T12:00:00Z`, an epoch, `now` or `-24h`");
        ApiError::new(Code::BadParams, message).with("param", name)
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(Cell::Str(text.as_str().into()))),
        Some(Value::Number(number)) => number.as_i64().map(|epoch| Some(Cell::Int(epoch))).ok_or_else(bad),
        Some(_) => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use pulseboard_model::ColumnType;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        requests: Vec<Value>,
        refused: Vec<Value>,
        answer: Value,
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../fixtures/ranges.json")).expect("fixture")
    }

    #[test]
    fn requests_are_read_and_what_is_unknown_in_them_is_refused() {
        let fixture = fixture();
        for request in fixture.requests {
            let read: RangeRequest = serde_json::from_value(request.clone()).expect("a request");
            assert!(read.view.is_some() != read.sql.is_some(), "{request}");
            moment_cell("from", read.from.as_ref()).expect("a moment");
        }
        for refused in fixture.refused {
            let read: Result<RangeRequest, _> = serde_json::from_value(refused.clone());
            let moment = read.map(|read| moment_cell("from", read.from.as_ref()));
            assert!(!matches!(moment, Ok(Ok(_))), "{refused}");
        }
    }

    #[test]
    fn the_answer_is_the_one_that_clients_read() {
        let head = RangeHead {
            position: "00000000000000ab:9:1700000000000000".into(),
            time: 1_700_000_000_000_000,
            newest: Some(1_699_999_999_000_000),
            from: 1_699_996_400_000_000,
            to: None,
            bucket: Some("15 minutes".into()),
            downsampled: None,
            params: BTreeMap::from([("bucket".into(), "15 minutes".into())]),
            channel: Some("view:revenue?bucket=15%20minutes".into()),
            complete_from: None,
        };
        let column = |name: &str, column_type| Column { name: name.into(), column_type, key: false };
        let columns = [column("t", ColumnType::Time), column("revenue", ColumnType::Decimal(12, 2))];
        let rows: Vec<Row> = vec![
            [Cell::Time(1_699_996_500_000_000), Cell::Decimal("10.50".into())].into_iter().collect(),
            [Cell::Time(1_699_997_400_000_000), Cell::Null].into_iter().collect(),
        ];
        let written: Value = serde_json::from_slice(&head.write(&columns, &rows).expect("written")).expect("json");
        assert_eq!(written, fixture().answer);
    }
}
