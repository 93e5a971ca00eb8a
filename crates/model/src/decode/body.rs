//! A request body cut into rows.

use std::fmt;

use memchr::memchr_iter;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
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
    if matches!(format, BodyFormat::Auto | BodyFormat::AutoJson) && looks_like_csv(body) {
        return Err(BodyError::Csv);
    }
    let mut decoder = Decoder::new(base, config, limits, now);
    let ndjson = match format {
        BodyFormat::Json => false,
        BodyFormat::Ndjson => true,
        BodyFormat::Auto => looks_like_ndjson(body, ends_on_its_line),
        BodyFormat::AutoJson => looks_like_ndjson(body, is_object),
    };
    if ndjson {
        lines(body, &mut decoder)?;
    } else {
        document(body, &mut decoder)?;
    }
    Ok(decoder.finish())
}

/// Whether a body of unknown format is NDJSON; `is_line` says whether what begins with `{` is a line by itself.
fn looks_like_ndjson(body: &[u8], is_line: impl Fn(&[u8]) -> bool) -> bool {
    let body = body.trim_ascii();
    let end = memchr::memchr(b'\n', body);
    match (body.first(), end) {
        (None, _) => true,
        (Some(b'['), _) | (_, None) => false,
        (Some(b'{'), Some(end)) => is_line(&body[..end]),
        (Some(_), Some(_)) => true,
    }
}

/// Whether a body is a table as spreadsheets write one: a line of names, a line of values, and no JSON in either.
fn looks_like_csv(body: &[u8]) -> bool {
    let mut lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return false };
    let has_json = |line: &[u8]| line.iter().any(|byte| matches!(byte, b'{' | b'['));
    let is_cut = |line: &[u8]| line.iter().any(|byte| matches!(byte, b',' | b';' | b'\t'));
    is_cut(names) && is_cut(values) && !has_json(names) && !has_json(values)
}

/// Whether the object that `line` begins with ends in it, going by its brackets.
fn ends_on_its_line(line: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether `line` is valid JSON; it is known to begin with `{`.
fn is_object(line: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(line).is_ok()
}

/// One object, or an array of them.
fn document<'a>(body: &'a [u8], decoder: &mut Decoder<'_, 'a>) -> Result<(), BodyError> {
    match body.trim_ascii_start().first() {
        Some(b'[') => {
            let mut refused = None;
            let mut json = serde_json::Deserializer::from_slice(body);
            let read = Rows { decoder, refused: &mut refused }.deserialize(&mut json).and_then(|()| json.end());
            match (read, refused) {
                (Ok(()), _) => Ok(()),
                (Err(_), Some(refused)) => Err(refused),
                (Err(error), None) => Err(malformed(body, &error)),
            }
        }
        first => {
            let row: &RawValue = serde_json::from_slice(body).map_err(|error| malformed(body, &error))?;
            let found = match first {
                Some(b'{') => return decoder.push(row.get()),
                Some(b'"') => "a string",
                Some(b't' | b'f') => "a bool",
                Some(b'n') => "null",
                _ => "a number",
            };
            Err(BodyError::NotEvents { found })
        }
    }
}

/// Decodes the elements of an array as they are read: none is kept beside its columns. If the array turns out to be
/// malformed later, the decoder is given up with everything in it.
struct Rows<'d, 'c, 'a> {
    decoder: &'d mut Decoder<'c, 'a>,
    refused: &'d mut Option<BodyError>,
}

impl<'a> DeserializeSeed<'a> for Rows<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Rows<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of JSON objects")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element::<&RawValue>()? {
            if let Err(refused) = self.decoder.push(row.get()) {
                *self.refused = Some(refused);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
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
fn lines<'a>(body: &'a [u8], decoder: &mut Decoder<'_, 'a>) -> Result<(), BodyError> {
    let whole = std::str::from_utf8(body).ok();
    let mut start = 0;
    for end in memchr_iter(b'\n', body).chain([body.len()]) {
        let line = start..end;
        start = end + 1;
        if body[line.clone()].trim_ascii().is_empty() {
            continue;
        }
        // A line break is never part of a longer character, so the lines of a valid text are valid.
        let text = match whole {
            Some(text) => text.get(line.clone()),
            None => std::str::from_utf8(&body[line.clone()]).ok(),
        };
        match text {
            Some(text) => decoder.push(text)?,
            None => decoder.reject(Fault::of_row(NOT_UTF8), &body[line])?,
        }
    }
    Ok(())
}
