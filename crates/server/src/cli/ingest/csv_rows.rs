//! Rows of a CSV file as JSON objects: the first line names the fields, and each column has one type for the whole file.
//!
//! What a stream has already decides; for the rest every value of the column is looked at, so that `007` stays a text and a number with
//! a point in its last row is one from the first row on.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How the values of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// None was seen yet.
    Empty,
    Bool,
    Int,
    Float,
    Json,
    Text,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// A reader that begins at a place of `input`, which is that of a whole row or of the first line.
pub(super) fn reader<R: Read>(input: R, delimiter: u8) -> Reader<R> {
    ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).trim(Trim::None).from_reader(input)
}

/// The columns of a file, by its first line, all its rows, and what is known of the stream.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn columns<R: Read + Seek>(
    input: &mut R,
    delimiter: u8,
    known: &BTreeMap<String, String>,
) -> Result<Vec<Column>, String> {
    input.seek(SeekFrom::Start(0)).map_err(|error| error.to_string())?;
    let mut rows = reader(input, delimiter);
    let mut record = ByteRecord::new();
    if !rows.read_byte_record(&mut record).map_err(|error| error.to_string())? {
        return Err("it is empty: its first line must name the fields".to_owned());
    }
    let mut columns = Vec::new();
    for name in &record {
        let name = std::str::from_utf8(name).map_err(|_| "its first line is not UTF-8")?;
        let name = name.trim_start_matches('\u{feff}').trim();
        if name.is_empty() || columns.iter().any(|column: &Column| column.name == name) {
            return Err(format!(
                "its first line must name each field once, and has `{name}` {}",
                if name.is_empty() { "as a name" } else { "twice" }
            ));
        }
        columns.push(Column { name: name.to_owned(), kind: Kind::Empty });
    }
    let declared: Vec<Option<Kind>> =
        columns.iter().map(|column| known.get(&column.name).map(|known| kind_of(known))).collect();
    while rows.read_byte_record(&mut record).map_err(|error| error.to_string())? {
        for (column, value) in columns.iter_mut().zip(&record) {
            column.kind = column.kind.with(value);
        }
    }
    for (column, declared) in columns.iter_mut().zip(declared) {
        column.kind = declared.unwrap_or(column.kind);
    }
    Ok(columns)
}

/// How values for a field of a stream are written.
fn kind_of(field_type: &str) -> Kind {
    match field_type {
        "int" => Kind::Int,
        "float" => Kind::Float,
        "bool" => Kind::Bool,
        "json" => Kind::Json,
        // A number that is a time is one; decimals keep their digits as texts.
        "time" => Kind::Int,
        _ => Kind::Text,
    }
}

impl Kind {
    /// What a column is that has this value, too.
    fn with(self, value: &[u8]) -> Self {
        let own = match std::str::from_utf8(value) {
            Ok("") => return self,
            Ok(text) if as_bool(text).is_some() => Self::Bool,
            Ok(text) if as_int(text).is_some() => Self::Int,
            Ok(text) if as_float(text).is_some() => Self::Float,
            _ => Self::Text,
        };
        match (self, own) {
            (Self::Empty, own) => own,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            (one, other) if one == other => one,
            _ => Self::Text,
        }
    }

    /// A value of the column. One that is not of its kind stays as it is written: the server says what is wrong with it.
    fn value(self, text: &str) -> Value {
        let as_written = || Value::String(text.to_owned());
        match self {
            _ if text.is_empty() => Value::Null,
            Self::Bool => as_bool(text).map_or_else(as_written, Value::Bool),
            Self::Int => as_int(text).map_or_else(as_written, Value::from),
            Self::Float => as_float(text).map_or_else(as_written, Value::from),
            Self::Json => serde_json::from_str(text).unwrap_or_else(|_| as_written()),
            Self::Text | Self::Empty => as_written(),
        }
    }
}

fn as_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "TRUE" | "True" => Some(true),
        "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Digits as a program writes a number: `007` and `+1` are names.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    matches!(digits, [b'0'] | [b'0', b'.', ..] | [b'1'..=b'9', ..])
}

fn as_int(text: &str) -> Option<i64> {
    is_plain(text).then(|| text.parse().ok()).flatten()
}

fn as_float(text: &str) -> Option<f64> {
    let plain =
        is_plain(text) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    plain.then(|| text.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
}

/// A row as one line of JSON.
///
/// # Errors
/// Why it is no row of this file, and where it begins.
pub(super) fn line(columns: &[Column], record: &ByteRecord) -> Result<String, String> {
    let at = record.position().map(|position| format!("line {}: ", position.line())).unwrap_or_default();
    if record.len() != columns.len() {
        let (has, plural) = (record.len(), if record.len() == 1 { "" } else { "s" });
        return Err(format!("{at}it has {has} value{plural}, where the first line names {}", columns.len()));
    }
    // In the file's order, which becomes the stream's.
    let mut out = String::from("{");
    for (column, value) in columns.iter().zip(record) {
        let text = std::str::from_utf8(value).map_err(|_| format!("{at}`{}` is not UTF-8", column.name))?;
        let between = if out.len() > 1 { "," } else { "" };
        out += &format!("{between}{}:{}", Value::from(column.name.as_str()), column.kind.value(text));
    }
    Ok(out + "}\n")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(text: &str, known: &[(&str, &str)]) -> (Vec<Kind>, Vec<String>) {
        let known = known.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect();
        let mut input = Cursor::new(text.as_bytes().to_vec());
        let columns = columns(&mut input, b',', &known).unwrap();
        input.seek(SeekFrom::Start(0)).unwrap();
        let rows = reader(input, b',').into_byte_records().skip(1);
        let rows = rows.map(|record| line(&columns, &record.unwrap()).unwrap_or_else(|reason| reason));
        (columns.iter().map(|column| column.kind).collect(), rows.map(|row| row.trim_end().to_owned()).collect())
    }

    #[test]
    fn a_column_has_one_kind_for_the_whole_file() {
        let text = "\u{feff}id,zip,price,paid,note,none\n1,007,2,true,\"a, \"\"b\"\"\",\n-2,10,2.50,FALSE,\"x\ny\",\n";
        let (kinds, rows) = read(text, &[]);
        assert_eq!(kinds, [Kind::Int, Kind::Text, Kind::Float, Kind::Bool, Kind::Text, Kind::Empty]);
        assert_eq!(
            rows,
            [
                r#"{"id":1,"zip":"007","price":2.0,"paid":true,"note":"a, \"b\"","none":null}"#,
                r#"{"id":-2,"zip":"10","price":2.5,"paid":false,"note":"x\ny","none":null}"#,
            ]
        );
    }

    #[test]
    fn what_the_stream_has_decides() {
        let known = [("a", "string"), ("b", "decimal(12,2)"), ("c", "float"), ("d", "json"), ("time", "time")];
        let text = "a,b,c,d,time\n1,2.50,3,\"[1]\",1700000000\n2,x,y,{,2026-01-01\n";
        let (_, rows) = read(text, &known);
        assert_eq!(
            rows,
            [
                r#"{"a":"1","b":"2.50","c":3.0,"d":[1],"time":1700000000}"#,
                r#"{"a":"2","b":"x","c":"y","d":"{","time":"2026-01-01"}"#,
            ]
        );
    }

    #[test]
    fn what_is_no_row_is_refused_as_one() {
        let (_, rows) = read("a,b\n1\n1,\"2\n3\"\n1,2,3\n", &[]);
        let expected = [
            "line 2: it has 1 value, where the first line names 2",
            r#"{"a":1,"b":"2\n3"}"#,
            "line 5: it has 3 values, where the first line names 2",
        ];
        assert_eq!(rows, expected);
        for bad in ["", "a,a\n", "a,\n"] {
            assert!(columns(&mut Cursor::new(bad.as_bytes().to_vec()), b',', &BTreeMap::new()).is_err(), "{bad:?}");
        }
        for (text, kind) in [
            ("+1", Kind::Text),
            ("1e5", Kind::Float),
            ("9223372036854775808", Kind::Float),
            ("-0", Kind::Int),
            ("1_0", Kind::Text),
            ("inf", Kind::Text),
            ("-", Kind::Text),
        ] {
            assert_eq!(Kind::Empty.with(text.as_bytes()), kind, "{text}");
        }
    }
}
