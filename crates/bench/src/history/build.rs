//! Writes the trades as a server would have: appended to a log whose clock is made up, sealed hour by hour, archived, joined
//! day by day. What is archived leaves the log meanwhile, so that the disk holds the history once.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use bytes::Bytes;
use futures::executor::block_on;
use indicatif::{ProgressBar, ProgressStyle};
use pulseboard_archive::{Archive, ArchiveConfig};
use pulseboard_journal::{AppendRequest, Archived, EmbeddedConfig, EmbeddedLog, Keep, Log, Retention};
use pulseboard_model::{SchemaVersion, StreamName};
use pulseboard_runtime::{ManualClock, Shutdown, Tasks};
use serde::{Deserialize, Serialize};

use super::trades::{STREAM, Trades, schema};
use crate::error::BenchError;

const HOUR_US: i64 = 3_600 * 1_000_000;
/// Longer than any bench is kept: nothing of it may go.
const KEEP_US: i64 = 3_650 * 24 * HOUR_US;
/// Rows in one commit.
const COMMIT_ROWS: u64 = 1_000;
/// Beside the data: what is in it.
const MARKER: &str = "bench-history.json";
/// How often progress is told where there is nobody to watch a bar: so many times in all.
const TOLD: u64 = 10;

/// A history that is on disk, and what making it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Built {
    pub(crate) trades: Trades,
    /// Rows that are in the archive; the last ones are still in the log.
    pub(crate) archived_rows: u64,
    pub(crate) seconds: f64,
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::History(error.to_string())
}

/// What an earlier run left in `home`.
fn found(home: &Path) -> Result<Option<Built>, BenchError> {
    let Ok(text) = fs::read(home.join(MARKER)) else { return Ok(None) };
    serde_json::from_slice(&text).map(Some).map_err(|error| BenchError::History(format!("`{MARKER}`: {error}")))
}

/// Writes the trades into `home/data`, unless they are there. Blocks, and ends early when `stop` is triggered.
///
/// # Errors
/// [`BenchError::History`] when something else lies there, or it cannot be written.
pub(crate) fn build(trades: &Trades, home: &Path, stop: &Shutdown) -> Result<Built, BenchError> {
    let data = home.join("data");
    if let Some(built) = found(home)? {
        let known = built.trades;
        // Their end may be long past: that they end now is asked only of new ones.
        if (known.rows, known.symbols, known.minutes) == (trades.rows, trades.symbols, trades.minutes) {
            return Ok(built);
        }
        let what = format!("`{}` holds {} rows over {} minutes", home.display(), known.rows, known.minutes);
        return Err(BenchError::History(format!("{what}: choose another directory")));
    }
    if data.exists() {
        return Err(BenchError::History(format!(
            "`{}` is there and not from a bench that came to its end: remove it, or choose another directory",
            data.display()
        )));
    }
    let started = Instant::now();
    let tasks = Tasks::new();
    let past = Past::open(&data, trades, &tasks)?;
    let written = write(trades, &past, &tasks, stop);
    past.log.close();
    tasks.shutdown().trigger();
    written?;
    let name = StreamName::new(STREAM).map_err(failed)?;
    let archived_rows = past.archive.files(&name).iter().map(|file| file.rows).sum();
    let built = Built { trades: *trades, archived_rows, seconds: started.elapsed().as_secs_f64() };
    let text = serde_json::to_vec(&built).map_err(failed)?;
    fs::write(home.join(MARKER), text).map_err(BenchError::io("writing what a history holds"))?;
    Ok(built)
}

/// A log and its archive, by a clock of their own.
#[derive(Debug, Clone)]
struct Past {
    clock: Arc<ManualClock>,
    log: Arc<EmbeddedLog>,
    archive: Arc<Archive>,
}

impl Past {
    /// As the server sets them up, but that nothing is ever dropped.
    fn open(data: &Path, trades: &Trades, tasks: &Tasks) -> Result<Self, BenchError> {
        let clock = ManualClock::at(trades.start_us);
        let keep = Keep { keep_us: KEEP_US, max_bytes: u64::MAX };
        let retention = Retention { default: keep, ..Retention::default() };
        let config = EmbeddedConfig {
            segment_age_us: HOUR_US,
            retention: retention.clone(),
            archived: Some(Archived { keep_us: HOUR_US }),
            ..EmbeddedConfig::new(data)
        };
        let log = Arc::new(EmbeddedLog::open(config, clock.clone(), tasks).map_err(failed)?);
        let config = ArchiveConfig { retention, ..ArchiveConfig::new(data) };
        let archive = Arc::new(Archive::new(config, tasks).map_err(failed)?);
        archive.open(log.as_ref()).map_err(failed)?;
        Ok(Self { clock, log, archive })
    }

    fn round(&self) -> Result<(), BenchError> {
        self.archive.round(&self.log, self.clock.as_ref()).map_err(failed)
    }
}

/// Appends all trades; beside, on a thread of its own, the archive follows. It is told of each hour that is over, and while
/// it has one in hand and one waiting the log waits, too: so what is not archived yet is bounded.
fn write(trades: &Trades, past: &Past, tasks: &Tasks, stop: &Shutdown) -> Result<(), BenchError> {
    let (hours, archive_ended) = follow(past, tasks)?;
    let appended = append(trades, past, stop, &hours);
    drop(hours);
    // What ended the archive also ended the log's writing.
    archive_ended.recv().map_err(|_| BenchError::GeneratorEnded)??;
    appended
}

type Ended = Receiver<Result<(), BenchError>>;

fn follow(past: &Past, tasks: &Tasks) -> Result<(SyncSender<()>, Ended), BenchError> {
    let (hours, over) = sync_channel::<()>(1);
    let (ended, ending) = sync_channel(1);
    let past = past.clone();
    let work = move || {
        let mut result = Ok(());
        while result.is_ok() && over.recv().is_ok() {
            result = past.round();
        }
        // Gone before the result is told, so that nobody waits for either.
        drop(over);
        let result = result.and_then(|()| past.round());
        let _gone = ended.send(result).is_err();
    };
    tasks.spawn_thread("bench-archive", work).map_err(BenchError::io("starting a thread"))?;
    Ok((hours, ending))
}

fn append(trades: &Trades, past: &Past, stop: &Shutdown, hours: &SyncSender<()>) -> Result<(), BenchError> {
    let mut progress = Progress::new(trades.rows);
    let stream = StreamName::new(STREAM).map_err(failed)?;
    let (mut number, mut hour) = (0, trades.start_us.div_euclid(HOUR_US));
    while number < trades.rows {
        if stop.is_triggered() {
            return Err(BenchError::GeneratorEnded);
        }
        let end = trades.rows.min(number + COMMIT_ROWS);
        let arrived_us = trades.arrival_us(end);
        past.clock.set(arrived_us);
        let request = AppendRequest {
            stream: stream.clone(),
            base: (number > 0).then_some(SchemaVersion(1)),
            schema: schema(),
            rows: trades.batch(number..end).map_err(failed)?,
            rejected: 0,
            rejects: None,
            idempotency: None,
            receipt: Bytes::new(),
        };
        block_on(past.log.append(request)).map_err(failed)?;
        number = end;
        progress.at(number);
        let now = arrived_us.div_euclid(HOUR_US);
        // The archive's thread says itself why it ended.
        if now != hour && hours.send(()).is_err() {
            return Ok(());
        }
        hour = now;
    }
    Ok(())
}

/// A bar on a terminal, a few lines elsewhere.
struct Progress {
    bar: ProgressBar,
    rows: u64,
    told: u64,
}

impl Progress {
    fn new(rows: u64) -> Self {
        let template = "writing history {bar:32} {human_pos}/{human_len} rows, {per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        // Without a terminal it draws nothing.
        Self { bar: ProgressBar::new(rows).with_style(style), rows, told: 0 }
    }

    fn at(&mut self, number: u64) {
        self.bar.set_position(number);
        let part = number * TOLD / self.rows.max(1);
        if self.bar.is_hidden() && part > self.told {
            self.told = part;
            eprintln!("history: {number} of {} rows written", self.rows);
        }
        if number == self.rows {
            self.bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14 22:14.
    const TRADES: Trades = Trades { rows: 6_000, symbols: 10, start_us: 1_700_000_040_000_000, minutes: 2 * 24 * 60 };

    #[test]
    fn a_history_is_archived_joined_by_days_and_written_once() {
        let home = tempfile::tempdir().expect("a directory");
        let stop = Tasks::new().shutdown();
        let built = build(&TRADES, home.path(), &stop).expect("built");
        assert!(built.archived_rows >= 4_000 && built.archived_rows <= TRADES.rows, "{built:?}");
        assert_eq!(build(&Trades { start_us: 0, ..TRADES }, home.path(), &stop).expect("found"), built);

        let other = build(&Trades { rows: 7_000, ..TRADES }, home.path(), &stop).expect_err("another");
        assert!(other.to_string().contains("6000 rows"), "{other}");
        fs::remove_file(home.path().join(MARKER)).expect("removed");
        let unfinished = build(&TRADES, home.path(), &stop).expect_err("unfinished");
        assert!(unfinished.to_string().contains("came to its end"), "{unfinished}");

        let tasks = Tasks::new();
        let archive = Archive::read_only(&home.path().join("data"), &tasks).expect("opened").expect("an archive");
        let files = archive.files(&StreamName::new(STREAM).expect("a name"));
        assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), built.archived_rows);
        assert!(files.iter().any(|file| file.level == 2), "no day was joined: {files:?}");
    }

    #[test]
    fn it_ends_when_it_is_told_to() {
        let home = tempfile::tempdir().expect("a directory");
        let stop = Tasks::new().shutdown();
        stop.trigger();
        let error = build(&TRADES, home.path(), &stop).expect_err("stopped");
        assert!(matches!(error, BenchError::GeneratorEnded), "{error}");
        assert!(!home.path().join(MARKER).exists());
    }
}
