//! The writer's clock: a step for every whole second, one logged step for a pause. While the disk is full, or
//! a new segment is waited for, each second is logged, too: that is the attempt by which the log finds out that it can
//! write again.

use std::sync::Arc;

use pulseboard_model::time::SECOND_US;
use pulseboard_model::{Commit, Step, TimeUs};

use super::active::CommitError;
use super::part::PartHeader;
use super::replace::Refusing;
use super::writer::Writer;

/// A pause longer than this is one tick, logged, instead of one for each second.
const PAUSE_US: i64 = 60 * SECOND_US;

impl Writer {
    /// Ticks for every whole second up to `now`; one logged jump if there was a pause.
    pub(super) fn advance_clock(&mut self, now: i64) {
        let to = TimeUs(now).floor_to_second().0;
        if to <= self.head.clock.0 {
            return;
        }
        if now - self.head.clock.0 > PAUSE_US {
            return self.jump(to, self.head.clock.0);
        }
        let mut second = self.head.clock.floor_to_second().0 + SECOND_US;
        while second < to {
            self.tick(second);
            second += SECOND_US;
        }
        if self.full || self.refusing.as_ref().is_some_and(|refusing| refusing.heals) {
            self.jump(to, self.head.clock.0);
        } else {
            self.tick(to);
        }
    }

    fn tick(&mut self, clock: i64) {
        self.head.clock = TimeUs(clock);
        self.shared.ring.publish(Step::Tick(self.head), None);
    }

    /// The process starts: the clock goes on from the last event or from the wall clock, and the log says so.
    pub(super) fn log_start(&mut self) {
        let now = self.now();
        // Before the very first commit there is no earlier clock.
        let before = if self.commit == 0 { now } else { self.last_at };
        self.jump(now, before);
    }

    /// Moves the clock at once and logs it, so that a replay does not tick through the pause. A log that cannot be
    /// written moves its clock all the same. While a new segment is waited for, this is the attempt to open it.
    fn jump(&mut self, to: i64, before: i64) {
        let logged = match self.refusing.clone() {
            Some(Refusing { reason, heals: true }) => self.resume(&reason, to).is_ok(),
            Some(_) => false,
            None => self.log_jump(to, before),
        };
        if !logged {
            self.tick(to);
        }
    }

    fn log_jump(&mut self, to: i64, before: i64) -> bool {
        let header = PartHeader::jump(self.commit + 1, to, before, self.head.offset.to_u64() + 1);
        match self.active.commit(|active| active.put_part(&header, None, &[])) {
            Ok(()) => {
                self.wrote();
                self.jumped(&header);
                true
            }
            Err(CommitError::Failed(reason)) => self.replace(&reason, to).is_ok(),
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    /// A jump is on disk.
    pub(super) fn jumped(&mut self, header: &PartHeader) {
        self.active.segment.add(header, 0);
        self.commit = header.commit;
        self.last_at = header.arrived_at;
        self.head.clock = TimeUs(header.arrived_at);
        let commit = Commit { position: self.head, parts: Vec::new() };
        self.shared.ring.publish(Step::Commit(Arc::new(commit)), Some(self.commit));
    }
}
