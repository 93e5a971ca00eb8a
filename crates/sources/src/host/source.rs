//! The source's clockwork: one thread that wakes on whole seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pulseboard_model::TimeUs;
use pulseboard_model::time::SECOND_US;
use pulseboard_runtime::{Clock, Shutdown, Tasks};
use tokio::sync::mpsc;
use tracing::warn;

use super::config::HostConfig;
use super::read::Machine;
use super::rows::Batches;
use crate::{SourceBatch, SourceError};

/// The longest sleep, so that shutdown and a clock that was set are noticed.
const SLEEP_MAX: Duration = Duration::from_millis(200);

/// Shares of processor time mean nothing over less.
const FIRST_AFTER_US: i64 = 250_000;

/// The `host` source, ready to run.
#[derive(Debug)]
pub struct HostSource {
    config: HostConfig,
    clock: Arc<dyn Clock>,
}

impl HostSource {
    /// A source that measures when `clock` shows a whole second.
    #[must_use]
    pub fn new(config: HostConfig, clock: Arc<dyn Clock>) -> Self {
        Self { config, clock }
    }

    /// Starts the thread `source-host`, which writes into `sink` until shutdown. When `sink` is full the measurements of
    /// that second are dropped and counted in a warning: they are of no use later, and the source must not wait.
    ///
    /// # Errors
    /// [`SourceError`] when the machine cannot be asked or has no thread left.
    pub fn spawn(self, tasks: &Tasks, sink: mpsc::Sender<SourceBatch>) -> Result<(), SourceError> {
        let machine = Machine::new(self.config.processes_max).map_err(|error| SourceError::Start {
            source_kind: "host",
            reason: format!("cannot ask the operating system: {error}"),
        })?;
        let shutdown = tasks.shutdown();
        let first = next_second(self.now().plus_us(FIRST_AFTER_US));
        tasks.spawn_thread("source-host", move || self.run(machine, first, &shutdown, &sink)).map_err(|error| {
            SourceError::Start { source_kind: "host", reason: format!("cannot start its thread: {error}") }
        })
    }

    fn run(self, mut machine: Machine, first: TimeUs, shutdown: &Shutdown, sink: &mpsc::Sender<SourceBatch>) {
        let batches = Batches::new();
        let mut read_at = Instant::now();
        let mut next = first;
        let mut dropped = 0_u64;
        while !shutdown.is_triggered() && !sink.is_closed() {
            let now = self.now();
            if now < next {
                // A clock that was set back by more than a moment would otherwise silence the source.
                if next.0 - now.0 > 2 * SECOND_US {
                    next = next_second(now);
                }
                let wait = Duration::from_micros(u64::try_from(next.0 - now.0).unwrap_or(0));
                std::thread::sleep(wait.min(SLEEP_MAX));
                continue;
            }
            // Seconds that were slept through are left out, not made up.
            let second = now.floor_to_second();
            next = next_second(now);
            let with_processes = (second.0 / SECOND_US).rem_euclid(self.config.processes_every_s.max(1)) == 0;
            let elapsed_s = read_at.elapsed().as_secs_f64();
            read_at = Instant::now();
            let readings = machine.read(elapsed_s, with_processes);
            for batch in batches.make(&readings, second, now) {
                match sink.try_send(batch) {
                    Ok(()) => {
                        if dropped > 0 {
                            warn!(dropped, "the log was behind: batches of the host source were dropped");
                            dropped = 0;
                        }
                    }
                    Err(mpsc::error::TrySendError::Full(_)) => dropped += 1,
                    Err(mpsc::error::TrySendError::Closed(_)) => return,
                }
            }
        }
    }

    fn now(&self) -> TimeUs {
        TimeUs(self.clock.now_us())
    }
}

/// The first whole second after `now`.
fn next_second(now: TimeUs) -> TimeUs {
    now.floor_to_second().plus_us(SECOND_US)
}
