//! `pulseboard ingest`: a file of events, in requests of whole rows, with progress and every refused row named.
//!
//! Each request carries a key made of its place and content, so a retry after a cut connection counts nothing twice.

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;

use super::Failure;
use super::args::IngestArgs;
use super::connect::{Server, find_server, refusal};

/// A request holds at most this many bytes of rows (a longer single row is a request of its own).
const REQUEST_BYTES: usize = 1 << 20;
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

pub(super) async fn run(args: &IngestArgs) -> Result<(), Failure> {
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
    let mut row = 0;
    let is_array = starts_with_bracket(&mut input)?;
    for number in 0u64.. {
        let (body, rows) = if is_array { whole(&mut input)? } else { lines(&mut input)? };
        if body.is_empty() {
            break;
        }
        let sent = body.len() as u64;
        send(&server, args, number, body, row, &mut tally, &progress).await?;
        row += rows;
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
    while body.len() < REQUEST_BYTES {
        if input.read_until(b'\n', &mut body).map_err(|error| unreadable(&error))? == 0 {
            break;
        }
        rows += 1;
    }
    Ok((body, rows))
}

async fn send(
    server: &Server,
    args: &IngestArgs,
    number: u64,
    body: Vec<u8>,
    first_row: u64,
    tally: &mut Tally,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let url = format!("{}/api/v1/streams/{}/events", server.url, args.stream);
    let key = format!("{:016x}-{number}", content_hash(&body));
    let body = bytes::Bytes::from(body);
    for attempt in 1.. {
        let request = server.client.post(&url).header("Idempotency-Key", &key).body(body.clone());
        let wait = match request.send().await {
            Ok(response)
                if matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) =>
            {
                let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                if attempt >= ATTEMPTS_MAX {
                    let status = response.status();
                    return Err(refusal(status, &response.json().await.unwrap_or(Value::Null)));
                }
                Duration::from_secs(after.unwrap_or(1))
            }
            Ok(response) => {
                let status = response.status();
                let answer: Value = response.json().await.map_err(|error| server.unreachable(&error))?;
                // 422 says that no row was valid: its errors are listed like any other.
                if !status.is_success() && status != StatusCode::UNPROCESSABLE_ENTITY {
                    return Err(refusal(status, &answer));
                }
                count(&answer, first_row, tally);
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

/// FNV-1a: the key only has to differ between requests, not to resist anybody.
fn content_hash(body: &[u8]) -> u64 {
    body.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
