//! One value as JSON, by column type, exactly as the contract says.
//!
//! Written by hand into a byte buffer, because frames are built far more often than anything else here. Integers beyond
//! ±(2^53−1) are text, so that JavaScript reads them exactly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{Days, NaiveDate};
use pulseboard_model::Cell;

/// The largest integer that a JavaScript number holds exactly.
pub const SAFE_INT_MAX: i64 = (1 << 53) - 1;

/// Appends `text` as a JSON string.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing to memory cannot fail");
}

/// Appends an integer, as a number while JavaScript can hold it.
pub fn write_int(out: &mut Vec<u8>, value: i64) {
    if (-SAFE_INT_MAX..=SAFE_INT_MAX).contains(&value) {
        write_plain_int(out, value);
    } else {
        write_quoted(out, |out| write_plain_int(out, value));
    }
}

/// Appends an integer as a number, whatever its size (times and durations).
pub fn write_plain_int(out: &mut Vec<u8>, value: i64) {
    serde_json::to_writer(out, &value).expect("writing to memory cannot fail");
}

/// Appends an unsigned integer, as a number while JavaScript can hold it.
pub fn write_uint(out: &mut Vec<u8>, value: u64) {
    match i64::try_from(value) {
        Ok(value) => write_int(out, value),
        Err(_) => write_quoted(out, |out| out.extend_from_slice(value.to_string().as_bytes())),
    }
}

/// Appends a float; what JSON has no number for is text.
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        serde_json::to_writer(out, &value).expect("writing to memory cannot fail");
    } else if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if value > 0.0 {
        out.extend_from_slice(b"\"Infinity\"");
    } else {
        out.extend_from_slice(b"\"-Infinity\"");
    }
}

/// Appends a calendar day, given in days since 1970.
pub fn write_date(out: &mut Vec<u8>, days: i32) {
    let epoch = NaiveDate::default();
    let step = Days::new(u64::from(days.unsigned_abs()));
    let date = if days < 0 { epoch.checked_sub_days(step) } else { epoch.checked_add_days(step) };
    match date {
        Some(date) => write_quoted(out, |out| out.extend_from_slice(date.to_string().as_bytes())),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends bytes in base64.
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_quoted(out, |out| out.extend_from_slice(STANDARD.encode(bytes).as_bytes()));
}

/// Appends `true` or `false`.
pub fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends one cell.
pub fn write_cell(out: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Bool(value) => write_bool(out, *value),
        Cell::Int(value) => write_int(out, *value),
        Cell::UInt(value) => write_uint(out, *value),
        Cell::Float(value) => write_float(out, *value),
        Cell::Decimal(text) | Cell::Str(text) | Cell::Interval(text) => write_str(out, text),
        Cell::Time(us) | Cell::Duration(us) => write_plain_int(out, *us),
        Cell::Date(days) => write_date(out, *days),
        Cell::Bytes(bytes) => write_bytes(out, bytes),
        Cell::Json(text) => out.extend_from_slice(text.as_bytes()),
    }
}

fn write_quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(cell: &Cell) -> String {
        let mut out = Vec::new();
        write_cell(&mut out, cell);
        String::from_utf8(out).expect("utf-8")
    }

    #[test]
    fn every_type_is_written_as_the_contract_says() {
        let cases = [
            (Cell::Null, "null"),
            (Cell::Bool(true), "true"),
            (Cell::Int(SAFE_INT_MAX), "9007199254740991"),
            (Cell::Int(SAFE_INT_MAX + 1), r#""9007199254740992""#),
            (Cell::Int(-SAFE_INT_MAX - 1), r#""-9007199254740992""#),
            (Cell::UInt(7), "7"),
            (Cell::UInt(u64::MAX), r#""18446744073709551615""#),
            (Cell::Float(1.5), "1.5"),
            (Cell::Float(f64::NAN), r#""NaN""#),
            (Cell::Float(f64::INFINITY), r#""Infinity""#),
            (Cell::Float(f64::NEG_INFINITY), r#""-Infinity""#),
            (Cell::Decimal("10.50".into()), r#""10.50""#),
            (Cell::Str("a\"b\n".into()), r#""a\"b\n""#),
            (Cell::Time(1_700_000_000_123_456), "1700000000123456"),
            (Cell::Date(0), r#""1970-01-01""#),
            (Cell::Date(-1), r#""1969-12-31""#),
            (Cell::Duration(5), "5"),
            (Cell::Interval("1 mons".into()), r#""1 mons""#),
            (Cell::Bytes([0, 255].as_slice().into()), r#""AP8=""#),
            (Cell::Json(r#"{"a":[1]}"#.into()), r#"{"a":[1]}"#),
        ];
        for (cell, expected) in cases {
            assert_eq!(json(&cell), expected, "{cell:?}");
        }
        assert_eq!(json(&Cell::Date(i32::MAX)), "null", "a day beyond the calendar");
    }
}
