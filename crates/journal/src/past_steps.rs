//! The steps of the past as they came live: every commit, and between them the whole-second ticks, which are not written.
//!
//! Whatever log it reads, it needs no more of it than [`Log::tail`] and [`Log::position_at`]. Whoever steps a query over
//! these steps answers as it was answered then.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pulseboard_model::time::SECOND_US;
use pulseboard_model::{LogOffset, Position, Step, TimeUs};

use crate::log::{Log, LogError, Tail, TailItem};

/// A longer pause was one step.
const PAUSE_US: i64 = 60 * SECOND_US;

/// The steps after one position up to another, each once, in order.
pub struct PastSteps {
    log: Arc<dyn Log>,
    tail: Box<dyn Tail>,
    last: Position,
    upto: Position,
    ready: VecDeque<Step>,
    done: bool,
}

impl fmt::Debug for PastSteps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PastSteps").field("last", &self.last).field("upto", &self.upto).finish_non_exhaustive()
    }
}

impl PastSteps {
    /// Begins after `after` and ends with `upto`, which the log has come to.
    ///
    /// # Errors
    /// [`LogError`] when the log does not reach back so far, or cannot be read.
    pub fn new(log: Arc<dyn Log>, after: Position, upto: Position) -> Result<Self, LogError> {
        // From the commit that `after` ends with, since a logged pause behind it has no row of its own.
        let from = LogOffset::from_u64(after.offset.to_u64().saturating_sub(1));
        let tail = log.tail(from)?;
        Ok(Self { log, tail, last: after, upto, ready: VecDeque::new(), done: false })
    }

    /// Reads until a step is ready or there is none any more.
    fn fill(&mut self) -> Result<(), LogError> {
        while self.ready.is_empty() && !self.done {
            match self.tail.next(Duration::ZERO)? {
                TailItem::Step(step) => self.take(step)?,
                TailItem::Idle => self.end()?,
            }
        }
        Ok(())
    }

    fn take(&mut self, step: Step) -> Result<(), LogError> {
        let position = step.position();
        if position.clock > self.upto.clock || !self.upto.offset.includes(position.offset) {
            return self.end();
        }
        let is_new = position.clock > self.last.clock || !self.last.offset.includes(position.offset);
        if !is_new {
            return Ok(());
        }
        let is_pause = matches!(&step, Step::Commit(commit) if commit.parts.is_empty());
        let until = if is_pause || position.clock.0 - self.last.clock.0 > PAUSE_US {
            self.log.position_at(TimeUs(position.clock.0 - 1))?.clock
        } else {
            position.clock
        };
        let until = match &step {
            // A tick is a step of its own, not one to make.
            Step::Tick(_) => TimeUs(until.0.min(position.clock.0 - 1)),
            Step::Commit(_) => until,
        };
        self.tick_until(until);
        self.last = position;
        self.ready.push_back(step);
        self.done = position == self.upto;
        Ok(())
    }

    /// Nothing that is written comes any more: what is left are ticks.
    fn end(&mut self) -> Result<(), LogError> {
        self.done = true;
        if self.upto.clock > self.last.clock {
            let until = self.log.position_at(self.upto.clock)?.clock;
            self.tick_until(until.min(self.upto.clock));
        }
        Ok(())
    }

    fn tick_until(&mut self, until: TimeUs) {
        let mut second = self.last.clock.floor_to_second().0 + SECOND_US;
        while second <= until.0 {
            self.last.clock = TimeUs(second);
            self.ready.push_back(Step::Tick(self.last));
            second += SECOND_US;
        }
    }
}

impl Iterator for PastSteps {
    type Item = Result<Step, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.fill() {
            self.done = true;
            return Some(Err(error));
        }
        self.ready.pop_front().map(Ok)
    }
}
