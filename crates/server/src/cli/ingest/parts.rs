//! A file cut into requests of whole rows, the same way each time that it is read.
//!
//! Talks to nobody. What a part holds depends on the file and, for CSV, on the columns alone, so that a run which was interrupted finds its parts again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use csv::{ByteRecord, Reader};
use serde::de::IgnoredAny;

use super::csv_rows::{Column, line, reader};

/// A request holds at most this many bytes of rows (a longer single row is a request of its own).
const REQUEST_BYTES: usize = 1 << 20;
/// And at most this many rows.
const REQUEST_ROWS: u64 = 50_000;

/// How a body's rows are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One array, or one object over several lines.
    Json,
    /// One object a line: a line that is none is one refused row, not a refused request.
    Ndjson,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// Rows that go in one request.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) form: Form,
    pub(super) body: bytes::Bytes,
    /// How many rows it has; none if that is not known.
    pub(super) rows: u64,
    /// How much of the file it is.
    pub(super) read: u64,
    /// Rows that could not be read, from 1, and why. Each is a line that the server refuses, so that it counts them, too.
    pub(super) unread: BTreeMap<u64, String>,
}

/// Where parts come from.
pub(super) enum Parts {
    /// One array.
    Whole(BufReader<Box<dyn Read>>),
    /// One object a line; whether none was read yet.
    Lines(BufReader<Box<dyn Read>>, bool),
    /// Rows of a CSV file, and how far they were read.
    Csv(Box<Reader<File>>, Vec<Column>, u64),
}

impl Parts {
    /// Of JSON, in one of its forms.
    pub(super) fn of_json(input: Box<dyn Read>) -> std::io::Result<Self> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let start = input.fill_buf()?;
        let is_array = start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        Ok(if is_array { Self::Whole(input) } else { Self::Lines(input, true) })
    }

    /// Of CSV with these columns, whose first line was read already.
    pub(super) fn of_csv(mut file: File, delimiter: u8, columns: Vec<Column>) -> std::io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        let mut rows = reader(file, delimiter);
        let mut head = ByteRecord::new();
        let _there = rows.read_byte_record(&mut head).map_err(std::io::Error::other)?;
        let begin = rows.position().byte();
        Ok(Self::Csv(Box::new(rows), columns, begin))
    }

    /// The next part; `None` at the end.
    pub(super) fn next(&mut self) -> std::io::Result<Option<Part>> {
        let mut unread = BTreeMap::new();
        let (form, body, rows, read) = match self {
            Self::Whole(input) => {
                // An array cannot be cut without reading it: it goes in one request.
                let mut body = Vec::new();
                input.read_to_end(&mut body)?;
                let read = body.len() as u64;
                (Form::Json, body, 0, read)
            }
            Self::Lines(input, is_first) => {
                let (body, rows) = lines(input)?;
                let form = if std::mem::take(is_first) && is_one_object(&body) { Form::Json } else { Form::Ndjson };
                let read = body.len() as u64;
                (form, body, rows, read)
            }
            Self::Csv(reader, columns, upto) => {
                let (mut body, mut rows, mut record) = (Vec::new(), 0, ByteRecord::new());
                while body.len() < REQUEST_BYTES && rows < REQUEST_ROWS {
                    if !reader.read_byte_record(&mut record).map_err(std::io::Error::other)? {
                        break;
                    }
                    rows += 1;
                    let line = line(columns, &record).unwrap_or_else(|reason| {
                        let line = format!("{reason}\n");
                        unread.insert(rows, reason);
                        line
                    });
                    body.extend_from_slice(line.as_bytes());
                }
                let before = std::mem::replace(upto, reader.position().byte());
                (Form::Ndjson, body, rows, *upto - before)
            }
        };
        Ok((!body.is_empty()).then(|| Part { form, body: body.into(), rows, read, unread }))
    }
}

/// The next lines, up to the size of a request, and how many they are.
fn lines(input: &mut impl BufRead) -> std::io::Result<(Vec<u8>, u64)> {
    let (mut body, mut rows) = (Vec::new(), 0);
    while body.len() < REQUEST_BYTES && rows < REQUEST_ROWS {
        let before = body.len();
        if input.read_until(b'\n', &mut body)? == 0 {
            break;
        }
        // The server counts rows, and an empty line is none.
        rows += u64::from(!body[before..].trim_ascii().is_empty());
    }
    Ok((body, rows))
}

/// Whether a body is one value over several lines, as an editor or `jq` writes it.
fn is_one_object(body: &[u8]) -> bool {
    body.trim_ascii().contains(&b'\n') && serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_lines_and_empty_ones_are_no_rows() {
        let text = format!("{}\n\n{{\"n\":2}}\r\n  \n{{\"n\":3}}", "x".repeat(REQUEST_BYTES));
        let mut input = text.as_bytes();
        let (first, rows) = lines(&mut input).unwrap();
        assert_eq!((first.len(), rows), (REQUEST_BYTES + 1, 1), "a long row is a part of its own");
        let (rest, rows) = lines(&mut input).unwrap();
        assert_eq!((rest.as_slice(), rows), (b"\n{\"n\":2}\r\n  \n{\"n\":3}".as_slice(), 2));
        assert!(lines(&mut input).unwrap().0.is_empty());
        let many = "{}\n".repeat(120_000);
        assert_eq!(lines(&mut many.as_bytes()).unwrap().1, REQUEST_ROWS);
    }

    #[test]
    fn one_object_over_several_lines_is_not_ndjson() {
        assert!(is_one_object(b"{\n  \"n\": 1\n}\n"));
        for ndjson in ["{\"n\":1}\n{\"n\":2}\n", "{\"n\":1}\n", "nonsense\nmore\n"] {
            assert!(!is_one_object(ndjson.as_bytes()), "{ndjson}");
        }
    }
}
