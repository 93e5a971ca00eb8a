//! A request body cut into rows.

use memchr::memchr_iter;
use serde_json::value::RawValue;

use crate::limits::IngestLimits;
use crate::schema::StreamSchema;
use crate::time::TimeUs;

use super::api::{BodyError, BodyFormat, Decoded, StreamConfig};
use super::fault::Fault;
use super::rows::Decoder;

/// Columns count bytes with 32 bits, whatever the configured limit is.
const BODY_BYTES_MAX: usize = 1 << 30;

const NOT_UTF8: &str = "not valid UTF-8";

/// Decodes the rows of `body` for a stream whose schema is `base` (`None` if there is no such stream yet).
///
/// Types follow the first non-null value in row order, declared types win, an int field widens to float when a float
/// comes. A row that does not fit is left out with its reason and changes nothing; integers beyond 64 bits are floats.
/// `now` is only used to refuse times too far in the future; rows without a time get a null `time`.
///
/// # Errors
/// [`BodyError`] when the body as a whole cannot be read; nothing of it is kept then.
pub fn decode(
    body: &[u8],
    format: BodyFormat,
    base: Option<&StreamSchema>,
    config: &StreamConfig,
    limits: &IngestLimits,
    now: TimeUs,
) -> Result<Decoded, BodyError> {
    let body_max = limits.body_bytes_max.min(BODY_BYTES_MAX);
    if body.len() > body_max {
        return Err(BodyError::TooLarge { max: body_max });
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut decoder = Decoder::new(base, config, limits, now);
    let ndjson = match format {
        BodyFormat::Json => false,
        BodyFormat::Ndjson => true,
        BodyFormat::Auto => looks_like_ndjson(body),
    };
    if ndjson {
        lines(body, &mut decoder, limits.rows_max)?;
    } else {
        document(body, &mut decoder, limits.rows_max)?;
    }
    Ok(decoder.finish())
}

/// Whether a body of unknown format is NDJSON: if it begins with an object that is not its only value. A broken object is
/// taken for a line if the next line begins with `{`, which that of a broken indented object never does.
fn looks_like_ndjson(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    if body.first() != Some(&b'{') {
        return body.is_empty();
    }
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>();
    match values.next() {
        Some(Ok(_)) => !body[values.byte_offset()..].trim_ascii_start().is_empty(),
        _ => {
            let mut lines = body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_start).filter(|line| !line.is_empty());
            lines.nth(1).is_some_and(|line| line[0] == b'{')
        }
    }
}

/// One object, or an array of them.
fn document<'a>(body: &'a [u8], decoder: &mut Decoder<'_, 'a>, rows_max: usize) -> Result<(), BodyError> {
    match body.trim_ascii_start().first() {
        Some(b'[') => {
            let rows: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| malformed(body, &error))?;
            if rows.len() > rows_max {
                return Err(BodyError::TooManyRows { max: rows_max });
            }
            rows.into_iter().for_each(|row| decoder.push(row.get()));
            Ok(())
        }
        first => {
            let row: &RawValue = serde_json::from_slice(body).map_err(|error| malformed(body, &error))?;
            let found = match first {
                Some(b'{') => {
                    decoder.push(row.get());
                    return Ok(());
                }
                Some(b'"') => "a string",
                Some(b't' | b'f') => "a bool",
                Some(b'n') => "null",
                _ => "a number",
            };
            Err(BodyError::NotEvents { found })
        }
    }
}

fn malformed(body: &[u8], error: &serde_json::Error) -> BodyError {
    if let Err(utf8) = std::str::from_utf8(body) {
        let before = &body[..utf8.valid_up_to()];
        let line = 1 + memchr_iter(b'\n', before).count();
        let column = 1 + before.len() - memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        return BodyError::Malformed { line, column, reason: NOT_UTF8.to_owned() };
    }
    let message = error.to_string();
    let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
    let hint = if reason == "trailing characters" { " after the value; several values need NDJSON" } else { "" };
    BodyError::Malformed { line: error.line(), column: error.column(), reason: format!("{reason}{hint}") }
}

/// One object per line.
fn lines<'a>(body: &'a [u8], decoder: &mut Decoder<'_, 'a>, rows_max: usize) -> Result<(), BodyError> {
    let rows_max_u64 = rows_max as u64;
    let whole = std::str::from_utf8(body).ok();
    let mut start = 0;
    for end in memchr_iter(b'\n', body).chain([body.len()]) {
        let line = start..end;
        start = end + 1;
        if body[line.clone()].trim_ascii().is_empty() {
            continue;
        }
        if decoder.rows_seen() == rows_max_u64 {
            return Err(BodyError::TooManyRows { max: rows_max });
        }
        // A line break is never part of a longer character, so the lines of a valid text are valid.
        let text = match whole {
            Some(text) => text.get(line),
            None => std::str::from_utf8(&body[line]).ok(),
        };
        match text {
            Some(text) => decoder.push(text),
            None => decoder.reject(Fault::of_row(NOT_UTF8)),
        }
    }
    Ok(())
}
