//! Keeps checkpoints of the running instances without holding a step up.
//!
//! A small state is written to bytes by the engine thread itself, within a share of each second; of a large one a job makes
//! the next checkpoint from the last one and the log, beside the engine. At the end of the process all that changed is kept,
//! within a bound. What the store does is done by the pool, but for that end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pulseboard_model::{InstanceId, Position, TimeUs};
use tracing::{info, warn};

use super::Core;
use crate::checkpoint::{Checkpoints, Question};
use crate::engine::jobs::{Asker, Job};
use crate::engine::outcome::{Outcome, plan_outcome};
use crate::engine::restore::{checkpoint_of, question_of};
use crate::engine::running::{Kind, Running};

/// A state of up to so many bytes is written by the engine thread: a millisecond or so.
const SMALL_BYTES: usize = 256 << 10;
/// How much of each second the engine thread gives to it.
const SHARE: Duration = Duration::from_millis(3);
/// An unchanged checkpoint is made anew after this long if the log went on, so that retention does not overtake it.
const RENEW_US: i64 = 3_600_000_000;
/// How often it is looked for checkpoints of questions that nobody asks any more.
const SWEEP_US: i64 = 600_000_000;
/// How long keeping everything at the end may take.
const END_MAX: Duration = Duration::from_millis(1_000);
/// A state larger than this is not written then: the next start goes on from its last checkpoint.
const END_BYTES: usize = 64 << 20;

/// What is known of an instance's newest checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) position: Option<Position>,
    /// What the instance had counted then.
    events: u64,
    pub(crate) bytes: Option<usize>,
    /// The engine clock when one was last begun, or when the instance was.
    begun: Option<TimeUs>,
}

impl Kept {
    /// Of an instance that began with a checkpoint, or with none.
    pub(crate) fn of(kept: Option<(Position, usize)>, events: u64) -> Self {
        let position = kept.map(|(position, _)| position);
        let begun = position.map(|position| position.clock);
        Self { position, events, bytes: kept.map(|(_, bytes)| bytes), begun }
    }
}

/// What came of a checkpoint that was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Saved {
    /// Where it stands; `None` if there is none.
    pub(crate) position: Option<Position>,
    pub(crate) bytes: usize,
}

/// A checkpoint as bytes, on its way to the store.
struct Made {
    id: InstanceId,
    generation: u64,
    question: Question,
    bytes: Arc<[u8]>,
}

impl Running {
    /// When one should be made, if it should: the engine clock when the last one was begun.
    fn due(&self, keeping: &Checkpoints, now: Position) -> Option<TimeUs> {
        let Kind::Maintained(maintained) = &self.kind else { return None };
        // The answer is on its way; the next second will do.
        if maintained.late {
            return None;
        }
        let begun = self.kept.begun.unwrap_or(now.clock);
        let age_us = now.clock.0 - begun.0;
        let events = self.events.saturating_sub(self.kept.events);
        let changed = self.kept.position.is_none() || events > 0;
        let renew = age_us >= RENEW_US && self.kept.position.is_some_and(|kept| kept.offset != now.offset);
        // What came too late is counted nowhere else: the first of it is kept soon.
        let uncounted = self.kept.position.is_none() && self.late_rows > 0;
        let due = changed && (age_us >= keeping.every_us || events >= keeping.events_max || uncounted) || renew;
        due.then_some(begun)
    }
}

impl Core {
    /// Begins what is due, once a second, unless the last one is still under way.
    pub(super) fn keep_checkpoints(&mut self) {
        let Some(keeping) = self.parts.config.checkpoints.clone() else { return };
        let position = self.position;
        for running in self.instances.values_mut() {
            running.kept.begun.get_or_insert(position.clock);
        }
        self.sweep(&keeping);
        if self.keeping {
            return;
        }
        let due = |(id, running): (&InstanceId, &Running)| Some((running.due(&keeping, position)?, *id));
        let mut due: Vec<(TimeUs, InstanceId)> = self.instances.iter().filter_map(due).collect();
        due.sort_unstable();
        let started = Instant::now();
        let mut made = Vec::new();
        for (_, id) in due {
            let Some(running) = self.instances.get_mut(&id) else { continue };
            if running.is_small() {
                made.extend(self.made(id));
                if started.elapsed() >= SHARE {
                    break;
                }
            } else if made.is_empty() && running.kept.position.is_some() {
                self.refresh(id, keeping);
                return;
            } else if made.is_empty() {
                // Nothing to go on from: this once it costs the engine what it costs.
                made.extend(self.made(id));
                break;
            }
        }
        if made.is_empty() {
            return;
        }
        self.keeping = true;
        let commands = self.parts.commands.clone();
        self.parts.pool.handle().spawn_blocking(move || {
            let of = made.iter().map(|made| (made.id, made.generation, save(&keeping, made, position))).collect();
            // A closed queue means that the engine has ended.
            let _ended = commands.send(super::Command::Saved { of }).is_err();
        });
    }

    /// The state of an instance as bytes, made here and now.
    fn made(&mut self, id: InstanceId) -> Option<Made> {
        let (position, limits) = (self.position, &self.parts.config.view_limits);
        let running = self.instances.get_mut(&id)?;
        running.kept.begun = Some(position.clock);
        let Kind::Maintained(maintained) = &mut running.kind else { return None };
        let state = (&mut maintained.query, position, running.since, running.late_rows);
        match checkpoint_of(&running.spec, &maintained.plan, limits, state) {
            Ok(bytes) => {
                running.kept.events = running.events;
                Some(Made { id, generation: running.generation, question: question_of(&running.spec), bytes })
            }
            Err(reason) => {
                warn!(reason, sql = running.spec.sql, "no checkpoint can be made of a query");
                None
            }
        }
    }

    fn refresh(&mut self, id: InstanceId, keeping: Checkpoints) {
        let position = self.position;
        let Some(running) = self.instances.get_mut(&id) else { return };
        running.kept.begun = Some(position.clock);
        running.kept.events = running.events;
        let asker = Asker { id, generation: running.generation, commands: self.parts.commands.clone() };
        let (spec, config, history) = (running.spec.clone(), self.parts.config.clone(), self.parts.history.clone());
        let late_rows = running.late_rows;
        self.keeping = true;
        self.parts.pool.handle().spawn_blocking(move || {
            // A plan of its own: plans hold a clock.
            match plan_outcome(&spec, history.as_ref(), &config) {
                Ok(Outcome::Maintained(plan)) => {
                    let (limits, checkpoints) = (config.view_limits, Some(keeping));
                    Job { asker, spec, plan, to: position, history, limits, late_rows, checkpoints }.refresh();
                }
                _ => asker.tell_saved(Saved { position: None, bytes: 0 }),
            }
        });
    }

    pub(super) fn saved(&mut self, of: Vec<(InstanceId, u64, Saved)>) {
        self.keeping = false;
        for (id, generation, Saved { position, bytes }) in of {
            let Some(running) = self.instances.get_mut(&id).filter(|running| running.generation == generation) else {
                continue;
            };
            running.kept.bytes = Some(bytes);
            running.kept.position = position;
        }
    }

    /// Keeps all that changed since it was last kept, because the process ends: then a start has nothing to read again.
    pub(super) fn keep_all(&mut self) {
        let Some(keeping) = self.parts.config.checkpoints.clone() else { return };
        let position = self.position;
        let started = Instant::now();
        let changed = |(id, running): (&InstanceId, &Running)| {
            let changed = running.kept.position.is_none() || running.events > running.kept.events;
            let worth = changed && matches!(running.kind, Kind::Maintained(_));
            worth.then(|| (running.size_bytes(), *id)).filter(|(bytes, _)| *bytes <= END_BYTES)
        };
        let mut changed: Vec<(usize, InstanceId)> = self.instances.iter().filter_map(changed).collect();
        changed.sort_unstable();
        let (count, mut kept) = (changed.len(), 0);
        for (_, id) in changed {
            if started.elapsed() >= END_MAX {
                break;
            }
            if let Some(made) = self.made(id) {
                kept += usize::from(save(&keeping, &made, position).position.is_some());
            }
        }
        info!(kept, of = count, ms = started.elapsed().as_millis(), "the state of live queries is kept");
    }

    fn sweep(&mut self, keeping: &Checkpoints) {
        let now = self.position.clock;
        if self.swept.is_some_and(|swept| now.0 - swept.0 < SWEEP_US) {
            return;
        }
        // At the start not everyone who will ask has asked yet.
        if self.swept.replace(now).is_none() {
            return;
        }
        let asked: BTreeSet<Question> = self.instances.values().map(|running| question_of(&running.spec)).collect();
        let store = keeping.store.clone();
        self.parts.pool.handle().spawn_blocking(move || store.sweep(&asked, now));
    }
}

impl Running {
    fn size_bytes(&self) -> usize {
        match &self.kind {
            Kind::Maintained(maintained) => self.kept.bytes.unwrap_or_else(|| maintained.query.size_bytes()),
            _ => 0,
        }
    }

    fn is_small(&self) -> bool {
        self.size_bytes() <= SMALL_BYTES
    }
}

fn save(keeping: &Checkpoints, made: &Made, position: Position) -> Saved {
    let saved = keeping.store.save(made.question, position, &made.bytes);
    let saved = saved.inspect_err(|error| warn!(%error, "a checkpoint could not be written"));
    Saved { position: saved.is_ok().then_some(position), bytes: made.bytes.len() }
}
