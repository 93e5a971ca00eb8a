//! The source's clockwork: one thread that leads a world through its past, and then along with the clock.

use std::sync::Arc;
use std::time::Duration;

use pulseboard_model::TimeUs;
use pulseboard_model::time::SECOND_US;
use pulseboard_runtime::{Clock, Shutdown, Tasks};
use tokio::sync::mpsc;
use tracing::info;

use super::config::SimulateConfig;
use super::sheet::{FeedReport, Sheet};
use super::world::{Detail, World};
use crate::{SourceBatch, SourceError};

/// How often it looks at the clock: often enough that a price moves several times a second.
const EVERY: Duration = Duration::from_millis(100);
/// A world that is further behind than this (a first start, a machine that slept) is led on as through a past.
const BEHIND_US: i64 = 60 * SECOND_US;
/// What of a past is written in detail.
const FINE_US: i64 = 2 * 3_600 * SECOND_US;
/// How much of it at once.
const STEP_US: i64 = 600 * SECOND_US;
/// How often its progress is logged, in percent.
const SAY_EACH: i64 = 10;

/// What becomes of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimulateReport {
    /// It writes its past: how much of it, in percent.
    Past(i64),
    /// It goes along with the clock.
    Live,
    /// One of its feeds failed or is back.
    Feed(FeedReport),
}

/// A simulated source, ready to run.
#[derive(Debug)]
pub struct SimulateSource {
    config: SimulateConfig,
    clock: Arc<dyn Clock>,
    since: Option<TimeUs>,
}

impl SimulateSource {
    /// A source whose newest event so far is of `since`: it goes on from there, or begins with a past if there is none.
    #[must_use]
    pub fn new(config: SimulateConfig, since: Option<TimeUs>, clock: Arc<dyn Clock>) -> Self {
        Self { config, clock, since }
    }

    /// Starts the thread `source-NAME`, which writes into `sink` until shutdown and waits where it is full: a world that is
    /// behind catches up.
    ///
    /// # Errors
    /// [`SourceError`] when the machine has no thread left.
    pub fn spawn(
        self,
        tasks: &Tasks,
        sink: mpsc::Sender<SourceBatch>,
        tell: impl Fn(SimulateReport) + Send + 'static,
    ) -> Result<(), SourceError> {
        let shutdown = tasks.shutdown();
        let name = format!("source-{}", self.config.name);
        tasks
            .spawn_thread(&name, move || {
                let _ended = self.run(&shutdown, &sink, &tell);
            })
            .map_err(|error| SourceError::Start {
                source_kind: "simulate",
                reason: format!("cannot start its thread: {error}"),
            })
    }

    /// Ends with `None` when it is told to, or nobody takes its rows any more.
    fn run(&self, shutdown: &Shutdown, sink: &mpsc::Sender<SourceBatch>, tell: &dyn Fn(SimulateReport)) -> Option<()> {
        let began = self.now().plus_us(-self.config.past_us);
        let from = self.since.map_or(began, |since| since.plus_us(1).max(began)).min(self.now());
        let mut sheet = Sheet::new(self.config.scenario.shapes());
        let mut world = self.config.world(from.plus_us(-self.config.warm_up_s() * SECOND_US));
        world.advance(from, Detail::Silent, &mut sheet);
        let (mut at, mut is_told) = (from, false);
        loop {
            if self.now().0 - at.0 > BEHIND_US {
                at = self.catch_up(world.as_mut(), at, &mut sheet, (shutdown, sink), tell)?;
                is_told = false;
            }
            if !is_told {
                is_told = true;
                tell(SimulateReport::Live);
                // What a feed went through meanwhile is past: only how it is now is told.
                let passed = sheet.reports.len().saturating_sub(1);
                sheet.reports.drain(..passed);
            }
            at = at.max(self.now());
            world.advance(at, Detail::Full, &mut sheet);
            hand_over(&mut sheet, sink)?;
            for report in sheet.reports.drain(..) {
                tell(SimulateReport::Feed(report));
            }
            if shutdown.is_triggered() || sink.is_closed() {
                return None;
            }
            std::thread::sleep(EVERY);
        }
    }

    /// Leads the world from `from` to now, and says how far it is.
    fn catch_up(
        &self,
        world: &mut dyn World,
        from: TimeUs,
        sheet: &mut Sheet,
        (shutdown, sink): (&Shutdown, &mpsc::Sender<SourceBatch>),
        tell: &dyn Fn(SimulateReport),
    ) -> Option<TimeUs> {
        let (mut at, mut said) = (from, -SAY_EACH);
        let source = self.config.name.as_str();
        while at < self.now() {
            let now = self.now();
            let percent = (at.0 - from.0) * 100 / (now.0 - from.0).max(1);
            if percent >= said + SAY_EACH {
                said = percent - percent % SAY_EACH;
                info!(source, percent = said, "the simulator writes its past");
                tell(SimulateReport::Past(said));
            }
            let detail = if now.0 - at.0 > FINE_US { Detail::Coarse } else { Detail::Fine };
            at = at.plus_us(STEP_US).min(now);
            world.advance(at, detail, sheet);
            hand_over(sheet, sink)?;
            if shutdown.is_triggered() {
                return None;
            }
        }
        info!(source, "the simulator is live");
        Some(at)
    }

    fn now(&self) -> TimeUs {
        TimeUs(self.clock.now_us())
    }
}

/// Puts everything that is written into the queue; `None` when there is nobody at its other end.
fn hand_over(sheet: &mut Sheet, sink: &mpsc::Sender<SourceBatch>) -> Option<()> {
    sheet.take().into_iter().try_for_each(|batch| sink.blocking_send(batch).ok())
}
