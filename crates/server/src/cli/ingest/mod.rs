//! `pulseboard ingest`: a file of events, in requests of whole rows, with progress and every refused row named.
//!
//! Each request carries a key made of this run and its place in it, so a retry after a cut connection counts nothing twice. A run that was interrupted
//! is gone on with by the next one over the same file; sending a file once more that was sent whole, sends all of it.

mod csv_rows;
mod parts;
mod record;

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{IsTerminal, Read};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pulseboard_model::StreamName;
use pulseboard_runtime::SystemClock;
use reqwest_tls::StatusCode;
use reqwest_tls::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

use self::parts::{Part, Parts};
use self::record::{Keeper, Record};
use super::Failure;
use super::args::{IngestArgs, IngestFormat, Target, Unsure};
use super::connect::{Server, body_of, find_server, refusal};

/// How often a request is sent again when the server is busy or gone: about two minutes.
const ATTEMPTS_MAX: u32 = 32;
/// The longest pause between two of them.
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// How many refused rows are listed.
const LISTED_MAX: usize = 20;

/// A file on its way.
struct Run<'a> {
    args: &'a IngestArgs,
    server: Server,
    keeper: Option<Keeper>,
    record: Record,
    listed: Vec<String>,
    progress: ProgressBar,
}

pub(super) async fn run(args: &IngestArgs) -> Result<(), Failure> {
    StreamName::new(&args.stream).map_err(|error| Failure::refused(error.to_string()))?;
    let server = find_server(&args.target)?;
    let named =
        |error: &dyn std::fmt::Display| Failure::setup(format!("cannot read `{}`: {error}", args.file.display()));
    let is_stdin = args.file.as_os_str() == "-";
    let is_csv = args.is_csv();
    if is_stdin && is_csv {
        return Err(Failure::setup("CSV is read twice, which standard input cannot be: name a file"));
    }
    let file = if is_stdin { None } else { Some(File::open(&args.file).map_err(|error| named(&error))?) };
    let bytes = file.as_ref().map(|file| file.metadata().map(|metadata| metadata.len())).transpose();
    let bytes = bytes.map_err(|error| named(&error))?;
    let keeper = if is_stdin { None } else { Keeper::of(&args.file, &args.stream, &whose(&args.target)) };
    let earlier = keeper.as_ref().filter(|_| !args.restart).and_then(Keeper::read);
    let earlier = match earlier {
        Some(record) if is_of_this_log(&server, &record).await? => Some(record),
        Some(_) => {
            eprintln!("pulseboard: the server has another log than when this file was begun: all of it is sent");
            None
        }
        None => None,
    };
    let record = match (earlier, &file) {
        (Some(record), _) => record,
        (None, Some(file)) if is_csv => {
            let known = fields_of(&server, &args.stream).await?;
            let mut file = file.try_clone().map_err(|error| named(&error))?;
            let columns = csv_rows::columns(&mut file, args.delimiter(), &known).map_err(|error| named(&error))?;
            Record::new(run_id(), Some(columns))
        }
        (None, _) => Record::new(run_id(), None),
    };
    let parts = match (file, &record.columns) {
        (Some(file), Some(columns)) => Parts::of_csv(file, args.delimiter(), columns.clone()),
        (Some(file), None) => Parts::of_json(Box::new(file)),
        (None, _) => Parts::of_json(Box::new(std::io::stdin()) as Box<dyn Read>),
    };
    let parts = parts.map_err(|error| named(&error))?;
    let progress = progress(bytes);
    let mut run = Run { args, server, keeper, record, listed: Vec::new(), progress };
    run.send_all(parts).await?;
    run.tell()
}

/// Whom a file is sent to, whatever port that has just now.
fn whose(target: &Target) -> String {
    let directory = || target.data_dir.canonicalize().unwrap_or_else(|_| target.data_dir.clone()).display().to_string();
    target.url.clone().unwrap_or_else(directory)
}

/// Whether what was acknowledged is still in the log. Who may only send cannot ask, and is believed.
async fn is_of_this_log(server: &Server, record: &Record) -> Result<bool, Failure> {
    let Some(position) = &record.position else { return Ok(true) };
    let question = json!({"sql": "SELECT 1 AS one", "min_position": position});
    let answer = server.try_post("/api/v1/query", &question).await.map_err(|error| server.unreachable(&error))?;
    Ok(answer.status() != StatusCode::CONFLICT)
}

/// The fields that the stream has, with their types. Who may only send cannot ask: then the file decides.
async fn fields_of(server: &Server, stream: &str) -> Result<BTreeMap<String, String>, Failure> {
    let request = server.client.get(format!("{}/api/v1/streams/{stream}", server.url));
    let answer = request.send().await.map_err(|error| server.unreachable(&error))?;
    if !answer.status().is_success() {
        return Ok(BTreeMap::new());
    }
    let answer = body_of(answer).await;
    let fields = answer["schema"]["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let read = |field: &Value| Some((field["name"].as_str()?.to_owned(), field["type"].as_str()?.to_owned()));
    Ok(fields.iter().filter_map(read).collect())
}

impl Run<'_> {
    async fn send_all(&mut self, mut parts: Parts) -> Result<(), Failure> {
        let unreadable = |error: std::io::Error| Failure::refused(format!("cannot read the file: {error}"));
        let changed = || {
            let what = "the file is not the one that was begun to be sent: give --restart to send all of it";
            Failure::refused(what)
        };
        let (mut hash, mut number) = (Xxh3::new(), 0);
        let begun = self.record.number;
        if begun > 0 || self.record.sent_us.is_some() {
            let after = self.record.accepted + self.record.rejected;
            eprintln!("pulseboard: an interrupted run is gone on with, after {after} rows; --restart sends all");
        }
        while let Some(part) = parts.next().map_err(unreadable)? {
            hash.update(&part.body);
            number += 1;
            self.progress.inc(part.read);
            if number > begun {
                self.send_part(&part, hash.digest()).await?;
                self.progress.set_message(self.counts());
            } else if number == begun && hash.digest() != self.record.hash {
                return Err(changed());
            }
        }
        if number < begun {
            return Err(changed());
        }
        self.progress.finish_and_clear();
        if let Some(keeper) = &self.keeper {
            keeper.forget();
        }
        Ok(())
    }

    async fn send_part(&mut self, part: &Part, hash: u64) -> Result<(), Failure> {
        let now_us = SystemClock::shared().now_us();
        let unsure = self.record.is_unsure(now_us);
        let skips = match self.args.unsure {
            _ if !unsure => false,
            Some(Unsure::Skip) => true,
            Some(Unsure::Send) => {
                self.record.sent_us = None;
                false
            }
            None => {
                let (first, rows) = (self.record.rows + 1, part.rows.max(1));
                return Err(Failure::refused(format!(
                    "rows {first} to {} were sent more than nine minutes ago without an answer: look whether they came, then give \
                     `--unsure skip` or `--unsure send`",
                    first + rows - 1
                )));
            }
        };
        let answer = if skips {
            Value::Null
        } else {
            self.record.sent_us.get_or_insert(now_us);
            self.keep();
            match self.send(part).await {
                Ok(answer) => answer,
                Err((failure, known)) => {
                    if known {
                        // It was refused: nothing of it is in the log.
                        self.record.sent_us = None;
                        self.keep();
                    }
                    return Err(failure);
                }
            }
        };
        self.count(&answer, part);
        self.record.number += 1;
        self.record.rows += part.rows;
        self.record.hash = hash;
        self.record.sent_us = None;
        if let Some(position) = answer["position"].as_str() {
            self.record.position = Some(position.to_owned());
        }
        self.keep();
        Ok(())
    }

    /// Writes down how far it came; where that cannot be done it is said once.
    fn keep(&mut self) {
        if let Some(keeper) = &self.keeper
            && let Err(error) = keeper.write(&self.record)
        {
            eprintln!("pulseboard: if this is interrupted it cannot be gone on with: {error}");
            self.keeper = None;
        }
    }

    /// Sends a part until it is answered; if it is not, whether that is an answer.
    async fn send(&mut self, part: &Part) -> Result<Value, (Failure, bool)> {
        let key = format!("{:016x}-{}", self.record.run, self.record.number);
        for attempt in 1.. {
            let url = format!("{}/api/v1/streams/{}/events", self.server.url, self.args.stream);
            let request = self.server.client.post(url).header(CONTENT_TYPE, part.form.content_type());
            let request = request.header("Idempotency-Key", &key).body(part.body.clone());
            let mut pause = Duration::from_millis(250 << attempt.min(4)).min(PAUSE_MAX);
            let failure = match request.send().await {
                Ok(response) if is_temporary(response.status()) => {
                    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                    pause = Duration::from_secs(after.unwrap_or(1));
                    let status = response.status();
                    refusal(status, &body_of(response).await)
                }
                Ok(response) => {
                    let status = response.status();
                    match response.bytes().await {
                        Ok(answer) => {
                            let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
                            // 422 says that no row was valid: its errors are listed like any other.
                            if status.is_success() || status == StatusCode::UNPROCESSABLE_ENTITY {
                                return Ok(answer);
                            }
                            return Err((refusal(status, &answer), status.is_client_error()));
                        }
                        Err(error) => self.server.unreachable(&error),
                    }
                }
                Err(error) => self.server.unreachable(&error),
            };
            if attempt >= ATTEMPTS_MAX {
                return Err((failure, false));
            }
            self.progress.set_message(format!(
                "{}; trying again in {} s",
                failure.lines.join("; "),
                pause.as_secs_f32()
            ));
            tokio::time::sleep(pause).await;
            // A server that came back may be elsewhere, and take another key.
            if let Ok(server) = find_server(&self.args.target) {
                self.server = server;
            }
        }
        Err((Failure::refused("it was not sent"), false))
    }

    fn counts(&self) -> String {
        format!("{} accepted, {} refused", self.record.accepted, self.record.rejected)
    }

    fn count(&mut self, answer: &Value, part: &Part) {
        let figures = if answer["accepted"].is_u64() { answer } else { &answer["error"]["details"] };
        self.record.accepted += figures["accepted"].as_u64().unwrap_or(0);
        self.record.rejected += figures["rejected"].as_u64().unwrap_or(0);
        for error in figures["errors"].as_array().map(Vec::as_slice).unwrap_or_default() {
            if self.listed.len() < LISTED_MAX {
                let row = error["row"].as_u64().unwrap_or(0);
                let field = error["field"].as_str().map(|field| format!(", field `{field}`")).unwrap_or_default();
                let reason = part.unread.get(&row).map(String::as_str).or(error["reason"].as_str());
                let reason = reason.unwrap_or("refused");
                self.listed.push(format!("row {}{field}: {reason}", self.record.rows + row));
            }
        }
    }

    /// Says what came of it.
    fn tell(&self) -> Result<(), Failure> {
        for line in &self.listed {
            eprintln!("pulseboard: {line}");
        }
        let (accepted, rejected, listed) = (self.record.accepted, self.record.rejected, self.listed.len() as u64);
        if rejected > listed {
            eprintln!("pulseboard: … and {} more", rejected - listed);
        }
        println!("{accepted} events accepted, {rejected} rows refused");
        if rejected > 0 {
            return Err(Failure::refused(format!("{rejected} rows were refused; the others are durable")));
        }
        Ok(())
    }
}

fn is_temporary(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

impl IngestArgs {
    fn is_csv(&self) -> bool {
        let ending = self.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match self.format {
            Some(format) => format == IngestFormat::Csv,
            None => ["csv", "tsv"].iter().any(|known| ending.eq_ignore_ascii_case(known)),
        }
    }

    fn delimiter(&self) -> u8 {
        let tabs = self.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"));
        let given = self.delimiter.and_then(|delimiter| u8::try_from(delimiter).ok());
        given.unwrap_or(if tabs { b'\t' } else { b',' })
    }
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

/// Different for each run: the keys of a hash map are random.
fn run_id() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_have_different_keys() {
        assert_ne!(run_id(), run_id());
    }
}
