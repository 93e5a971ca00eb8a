//! The columns of a file as rows of the stream: types settled, then decoded like everything that is sent.
//!
//! A declared type wins, then what the stream has already, then what a Parquet file says, then what all values of the
//! column look like. So a file of which one value does not fit is refused with its row, as a sender would be.

use std::collections::BTreeSet;
use std::fmt::Write;

use arrow::array::Array;
use pulseboard_model::decode::{BodyError, BodyFormat, Decoded, StreamConfig, decode};
use pulseboard_model::limits::IngestLimits;
use pulseboard_model::schema::is_reserved;
use pulseboard_model::{FieldType, StreamSchema, TimeUs};
use serde_json::Number;
use serde_json::value::RawValue;

use super::table::{Column, Table};
use super::{DELETED, ROWS_MAX, ReferenceError};

/// The most bytes and cells of a file once it is written as rows with names.
const LIMITS: (usize, usize) = (1 << 29, 32 << 20);

/// The rows of a file, each marked as being there.
pub(super) fn decoded(
    table: &Table,
    key: &str,
    stream: &StreamConfig,
    schema: Option<&StreamSchema>,
    now: TimeUs,
) -> Result<Decoded, ReferenceError> {
    check_names(table, key)?;
    let mut config = stream.clone();
    // The event time of a row is when it was loaded: the latest is the newest.
    config.time_field = None;
    let mut columns = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let declared = config.fields.iter().find(|(name, _)| *name == column.name).map(|(_, kind)| kind.clone());
        let known = || schema?.field(&column.name).map(|field| field.field_type.clone());
        let kind = declared.or_else(known).or_else(|| {
            let kind = column.field_type.clone()?;
            // What JSON cannot tell has to be said before.
            if matches!(kind, FieldType::Decimal(..) | FieldType::Time) {
                config.fields.push((column.name.clone(), kind.clone()));
            }
            Some(kind)
        });
        let kind = kind.unwrap_or_else(|| looks_like(column));
        columns.push((column, kind));
    }
    // The key is the first field of a stream that is new, but for those with a declared type.
    columns.sort_by_key(|(column, _)| column.name != key);
    let names: Vec<String> = columns.iter().map(|(column, _)| quoted(&column.name)).collect();
    let mut body = String::new();
    for row in 0..table.rows {
        let mut opening = '{';
        for ((column, kind), name) in columns.iter().zip(&names) {
            if column.values.is_valid(row) {
                body.push(opening);
                body.push_str(name);
                body.push(':');
                write_value(&mut body, column.values.value(row), kind);
                opening = ',';
            }
        }
        // Writing to a text cannot fail.
        let _written = writeln!(body, "{opening}\"{DELETED}\":false}}").is_ok();
    }
    let (body_bytes_max, cells_max) = LIMITS;
    let limits = IngestLimits { body_bytes_max, cells_max, rows_max: ROWS_MAX, ..IngestLimits::default() };
    let decoded = decode(body.as_bytes(), BodyFormat::Ndjson, schema, &config, &limits, now);
    let decoded = decoded.map_err(|error: BodyError| ReferenceError::Unreadable(error.to_string()))?;
    let Some(first) = decoded.rejected.first() else { return Ok(decoded) };
    let field = first.field.as_ref().map(|field| format!("`{field}`: ")).unwrap_or_default();
    let others = match decoded.rejected_count - 1 {
        0 => String::new(),
        others => format!(" (and {others} more rows are wrong)"),
    };
    Err(ReferenceError::Row { row: first.row, what: format!("is wrong: {field}{}{others}", first.reason) })
}

fn check_names(table: &Table, key: &str) -> Result<(), ReferenceError> {
    let mut seen = BTreeSet::new();
    for Column { name, .. } in &table.columns {
        let wrong = |what: &str| Err(ReferenceError::Column { column: name.clone(), what: what.to_owned() });
        if name.is_empty() {
            return wrong("has no name");
        }
        if name == DELETED {
            return wrong("is how the stream marks rows that are gone: give it another name");
        }
        if is_reserved(name) {
            return wrong("is a column that the server fills itself: give it another name");
        }
        if !seen.insert(name) {
            return wrong("is there twice");
        }
    }
    if table.columns.iter().any(|column| column.name == key) {
        return Ok(());
    }
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let what = format!("is the key, and the file does not have it; it has {}", names.join(", "));
    Err(ReferenceError::Column { column: key.to_owned(), what })
}

/// The narrowest type that all values of a column are.
fn looks_like(column: &Column) -> FieldType {
    let all = |is: fn(&str) -> bool| column.values.iter().flatten().all(is);
    if all(|text| is_number(text) && text.trim().parse::<i64>().is_ok()) {
        FieldType::Int
    } else if all(is_number) {
        FieldType::Float
    } else if all(|text| as_bool(text).is_some()) {
        FieldType::Bool
    } else {
        FieldType::String
    }
}

/// As JSON has numbers: `007` is a text.
fn is_number(text: &str) -> bool {
    serde_json::from_str::<Number>(text).is_ok()
}

fn as_bool(text: &str) -> Option<&'static str> {
    ["true", "false"].into_iter().find(|known| text.trim().eq_ignore_ascii_case(known))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes a value as its type is written; what is none of it as a text, which is then refused with its row.
fn write_value(body: &mut String, text: &str, kind: &FieldType) {
    let plain = match kind {
        FieldType::Int | FieldType::Float | FieldType::Decimal(..) | FieldType::Time => {
            is_number(text).then_some(text.trim())
        }
        FieldType::Bool => as_bool(text),
        FieldType::Json | FieldType::List(_) | FieldType::Struct(_) => {
            // A line break would end the row.
            let is_json = !text.contains(['\n', '\r']) && serde_json::from_str::<&RawValue>(text).is_ok();
            is_json.then_some(text)
        }
        FieldType::String | FieldType::Unknown => None,
    };
    match plain {
        Some(plain) => body.push_str(plain),
        None => body.push_str(&quoted(text)),
    }
}
