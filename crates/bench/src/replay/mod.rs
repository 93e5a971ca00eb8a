//! Queries by themselves, stepped through prepared commits as the engine's thread would step them, each measured alone.
//!
//! Behind the Nexmark and Yahoo scenarios. Commits are prepared before; the clock is that of the events.
//! With [`MemoryLog`] keeping what it committed, the batch answer over the same events can be compared. Never starts a
//! server.

mod log;

use std::time::{Duration, Instant};

use pulseboard_live::{LiveQuery, QueryError, QuerySpec};
use pulseboard_model::limits::ViewLimits;
use pulseboard_model::{StreamName, TimeUs};

pub(crate) use log::{Columns, MemoryLog, Prepared, ints, texts, times};

use crate::cpu::own_time;
use crate::measured::count;

/// A query that steps through commits, and what that took.
#[derive(Debug)]
pub(crate) struct Stepper {
    pub(crate) name: &'static str,
    /// Not there if it is not maintained, or failed; then `reason` says why.
    pub(crate) live: Option<LiveQuery>,
    pub(crate) reason: Option<String>,
    /// What its steps took of the processor: this process does nothing else then, and what others do does not count.
    pub(crate) spent: Duration,
    /// Events of the streams that it reads.
    pub(crate) events: u64,
    /// Whether it was left behind because its time was up.
    pub(crate) stopped: bool,
    reads: Vec<StreamName>,
    now: TimeUs,
}

/// A question in UTC without parameters.
pub(crate) fn spec(sql: &str) -> QuerySpec {
    QuerySpec { sql: sql.to_owned(), timezone: chrono_tz::UTC, params: Default::default() }
}

impl Stepper {
    /// Plans `sql` over the streams of `log`.
    pub(crate) fn new(name: &'static str, sql: &str, log: &MemoryLog, limits: &ViewLimits) -> Self {
        let mut stepper = Self {
            name,
            live: None,
            reason: None,
            spent: Duration::ZERO,
            events: 0,
            stopped: false,
            reads: Vec::new(),
            now: log.now(),
        };
        match LiveQuery::new(&spec(sql), log, limits) {
            Ok(live) => {
                stepper.reads = live.streams();
                stepper.live = Some(live);
            }
            Err(error) => stepper.reason = Some(error.to_string()),
        }
        stepper
    }

    /// Steps through `commits` until `budget` is spent in all.
    pub(crate) fn step(&mut self, commits: &[Prepared], log: &MemoryLog, budget: Duration) {
        if self.live.is_none() || self.stopped {
            return;
        }
        let (began, before) = (Instant::now(), own_time());
        for commit in commits {
            if self.spent + began.elapsed() >= budget {
                self.stopped = true;
                break;
            }
            if let Err(reason) = self.take(commit, log) {
                self.live = None;
                self.reason = Some(reason);
                break;
            }
        }
        let took = before.and_then(|before| own_time()?.checked_sub(before));
        self.spent += took.unwrap_or_else(|| began.elapsed());
    }

    fn take(&mut self, commit: &Prepared, log: &MemoryLog) -> Result<(), String> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let said = |error: QueryError| error.to_string();
        let second = commit.clock.floor_to_second();
        if second != self.now {
            self.now = second;
            if !live.advance(second).map_err(said)? {
                return Err("a bound of its window moved back".to_owned());
            }
        }
        for (stream, rows) in commit.parts.iter().filter(|(stream, _)| self.reads.contains(stream)) {
            live.push(stream, rows, log.schema_of(stream).ok_or("a stream is not there")?).map_err(said)?;
            self.events += rows.num_rows() as u64;
        }
        let _delta = std::hint::black_box(live.finish().map_err(said)?);
        Ok(())
    }

    /// Events a second of its own time.
    pub(crate) fn events_per_s(&self) -> f64 {
        count(self.events) / self.spent.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}
