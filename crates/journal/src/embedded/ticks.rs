//! The writer's clock: a step for every whole second, one logged step for a pause. While the disk is full, each second
//! is logged, too: that is the attempt by which the log finds out that there is space again.

use std::sync::Arc;

use pulseboard_model::time::SECOND_US;
use pulseboard_model::{Commit, Step, TimeUs};

use super::part::PartHeader;
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
        if self.full { self.jump(to, self.head.clock.0) } else { self.tick(to) }
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
    /// written moves its clock all the same.
    fn jump(&mut self, to: i64, before: i64) {
        let commit = self.commit + 1;
        let header = PartHeader {
            commit,
            part: 0,
            arrived_at: to,
            clock_before: Some(before),
            stream: None,
            first_offset: self.head.offset.to_u64() + 1,
            rows: 0,
            min_time: to,
            max_time: to,
            schema_version: 0,
            previous_offset: 0,
            body_crc: crc32c::crc32c(&[]),
        };
        let logged = match &self.broken {
            Some(_) => false,
            None => match self.active.commit(|active| active.put_part(&header, None, &[])) {
                Ok(()) => true,
                Err(error) => {
                    self.failed(&error);
                    false
                }
            },
        };
        if !logged {
            return self.tick(to);
        }
        self.wrote();
        self.active.segment.add(&header, 0);
        self.commit = commit;
        self.last_at = to;
        self.head.clock = TimeUs(to);
        let commit = Commit { position: self.head, parts: Vec::new() };
        self.shared.ring.publish(Step::Commit(Arc::new(commit)), Some(self.commit));
    }
}
