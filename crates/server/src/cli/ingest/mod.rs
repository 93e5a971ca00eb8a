//! `pulseboard ingest`: a file of events, in requests of whole rows, with progress and every refused row named.
//!
//! Each request carries a key made of this run and its place in it, so a retry after a cut connection counts nothing twice,
//! and sending the file once more on purpose does.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pulseboard_model::StreamName;
use reqwest_tls::StatusCode;
use reqwest_tls::header::{CONTENT_TYPE, RETRY_AFTER};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Failure;
use super::args::IngestArgs;
use super::connect::{Server, body_of, find_server, refusal};

/// A request holds at most this many bytes of rows (a longer single row is a request of its own).
const REQUEST_BYTES: usize = 1 << 20;
/// And at most this many rows.
const REQUEST_ROWS: u64 = 50_000;
/// How often a request is sent again when the server is busy or gone.
const ATTEMPTS_MAX: u32 = 8;
/// How many refused rows are listed.
const LISTED_MAX: usize = 20;

#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    rejected: u64,
    listed: Vec<String>,
}

/// How a body's rows are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One array, or one object over several lines.
    Json,
    /// One object a line: a line that is none is one refused row, not a refused request.
    Ndjson,
}

impl Form {
    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// Rows that go in one request.
#[derive(Debug)]
struct Part {
    form: Form,
    body: bytes::Bytes,
    /// How many rows were sent before.
    first_row: u64,
    /// Unique to this part of this run.
    key: String,
}

pub(super) async fn run(args: &IngestArgs) -> Result<(), Failure> {
    StreamName::new(&args.stream).map_err(|error| Failure::refused(error.to_string()))?;
    let server = find_server(&args.target)?;
    let (input, bytes): (Box<dyn Read>, Option<u64>) = if args.file.as_os_str() == "-" {
        (Box::new(std::io::stdin()), None)
    } else {
        let named = |error| Failure::setup(format!("cannot read `{}`: {error}", args.file.display()));
        let file = std::fs::File::open(&args.file).map_err(named)?;
        let bytes = file.metadata().map_err(named)?.len();
        (Box::new(file), Some(bytes))
    };
    let progress = progress(bytes);
    let mut input = BufReader::with_capacity(1 << 16, input);
    let mut tally = Tally::default();
    let mut first_row = 0;
    let run = run_id();
    let is_array = starts_with_bracket(&mut input)?;
    for number in 0u64.. {
        let (body, rows) = if is_array { whole(&mut input)? } else { lines(&mut input)? };
        if body.is_empty() {
            break;
        }
        let form = if is_array || (number == 0 && is_one_object(&body)) { Form::Json } else { Form::Ndjson };
        let sent = body.len() as u64;
        let part = Part { form, body: body.into(), first_row, key: format!("{run:016x}-{number}") };
        send(&server, &args.stream, &part, &mut tally, &progress).await?;
        first_row += rows;
        progress.inc(sent);
        progress.set_message(format!("{} accepted, {} refused", tally.accepted, tally.rejected));
    }
    progress.finish_and_clear();
    for line in &tally.listed {
        eprintln!("pulseboard: {line}");
    }
    if tally.rejected > tally.listed.len() as u64 {
        eprintln!("pulseboard: … and {} more", tally.rejected - tally.listed.len() as u64);
    }
    println!("{} events accepted, {} rows refused", tally.accepted, tally.rejected);
    if tally.rejected > 0 {
        return Err(Failure::refused(format!("{} rows were refused; the others are durable", tally.rejected)));
    }
    Ok(())
}

fn progress(bytes: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), "{bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}  {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}  {msg}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::refused(format!("cannot read the file: {error}"))
}

fn starts_with_bracket(input: &mut impl BufRead) -> Result<bool, Failure> {
    let start = input.fill_buf().map_err(|error| unreadable(&error))?;
    Ok(start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'['))
}

/// A JSON array cannot be cut without reading it: it goes in one request.
fn whole(input: &mut impl BufRead) -> Result<(Vec<u8>, u64), Failure> {
    let mut body = Vec::new();
    input.read_to_end(&mut body).map_err(|error| unreadable(&error))?;
    Ok((body, 0))
}

/// The next lines, up to the size of a request, and how many they are.
fn lines(input: &mut impl BufRead) -> Result<(Vec<u8>, u64), Failure> {
    let (mut body, mut rows) = (Vec::new(), 0);
    while body.len() < REQUEST_BYTES && rows < REQUEST_ROWS {
        let before = body.len();
        if input.read_until(b'\n', &mut body).map_err(|error| unreadable(&error))? == 0 {
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

/// Different for each run: the keys of a hash map are random.
fn run_id() -> u64 {
    RandomState::new().build_hasher().finish()
}

async fn send(
    server: &Server,
    stream: &str,
    part: &Part,
    tally: &mut Tally,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let url = format!("{}/api/v1/streams/{stream}/events", server.url);
    for attempt in 1.. {
        let request = server.client.post(&url).header(CONTENT_TYPE, part.form.content_type());
        let request = request.header("Idempotency-Key", &part.key).body(part.body.clone());
        let wait = match request.send().await {
            Ok(response)
                if matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) =>
            {
                let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                if attempt >= ATTEMPTS_MAX {
                    let status = response.status();
                    return Err(refusal(status, &body_of(response).await));
                }
                Duration::from_secs(after.unwrap_or(1))
            }
            Ok(response) => {
                let status = response.status();
                let answer = response.bytes().await.map_err(|error| server.unreachable(&error))?;
                let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
                // 422 says that no row was valid: its errors are listed like any other.
                if !status.is_success() && status != StatusCode::UNPROCESSABLE_ENTITY {
                    return Err(refusal(status, &answer));
                }
                count(&answer, part.first_row, tally);
                return Ok(());
            }
            Err(error) if attempt >= ATTEMPTS_MAX => return Err(server.unreachable(&error)),
            Err(_) => Duration::from_millis(250 << attempt.min(4)),
        };
        progress.set_message(format!("the server is busy, trying again in {} s", wait.as_secs_f32()));
        tokio::time::sleep(wait).await;
    }
    Ok(())
}

fn count(answer: &Value, first_row: u64, tally: &mut Tally) {
    let figures = if answer["accepted"].is_u64() { answer } else { &answer["error"]["details"] };
    tally.accepted += figures["accepted"].as_u64().unwrap_or(0);
    tally.rejected += figures["rejected"].as_u64().unwrap_or(0);
    for error in figures["errors"].as_array().map(Vec::as_slice).unwrap_or_default() {
        if tally.listed.len() < LISTED_MAX {
            let row = first_row + error["row"].as_u64().unwrap_or(0);
            let field = error["field"].as_str().map(|field| format!(", field `{field}`")).unwrap_or_default();
            let reason = error["reason"].as_str().unwrap_or("refused");
            tally.listed.push(format!("row {row}{field}: {reason}"));
        }
    }
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

    #[test]
    fn two_runs_have_different_keys() {
        assert_ne!(run_id(), run_id());
    }
}
