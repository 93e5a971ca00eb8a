//! Simulated sources: started where their streams end, what they write appended, what becomes of them told.
//!
//! A feed of theirs that fails is a failed source to the views over its stream, as any other source is.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::max;
use arrow::datatypes::TimestampMicrosecondType;
use pulseboard_gateway::SourceList;
use pulseboard_journal::{Log, LogError};
use pulseboard_live::SourceHealth;
use pulseboard_model::TimeUs;
use pulseboard_model::schema::TIME;
use pulseboard_runtime::{Clock, Tasks};
use pulseboard_sources::simulate::{FeedReport, Scenario, SimulateConfig, SimulateReport, SimulateSource};
use pulseboard_sources::{QUEUE_BATCHES, SourceError};
use serde_json::json;
use tracing::{info, warn};

use crate::source_sink::{self, Sink};

/// How many of a stream's newest rows are looked at for the newest time: a feed that failed brings older ones late.
const NEWEST_ROWS: usize = 100;

/// Why they do not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartSimulatorError {
    #[error("source `{name}`: reading where its streams end: {error}")]
    Log { name: String, error: LogError },
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Starts them all.
///
/// # Errors
/// [`StartSimulatorError`] when the log cannot be read or there is no thread left.
pub(crate) fn spawn(
    simulators: Vec<SimulateConfig>,
    sink: &Sink,
    clock: &Arc<dyn Clock>,
    sources: &SourceList,
    tasks: &Tasks,
) -> Result<(), StartSimulatorError> {
    for config in simulators {
        let name = config.name.clone();
        let since = newest(sink.log.as_ref(), config.scenario)
            .map_err(|error| StartSimulatorError::Log { name: name.clone(), error })?;
        let (sender, batches) = tokio::sync::mpsc::channel(QUEUE_BATCHES);
        source_sink::spawn(config.scenario.name(), sink.clone(), batches, tasks);
        let teller = Teller { config: config.clone(), sources: sources.clone(), health: sink.health.clone() };
        teller.tell("starting", None);
        for feed in config.scenario.feeds() {
            teller.feed(&feed);
        }
        SimulateSource::new(config, since, clock.clone()).spawn(tasks, sender, move |report| teller.report(report))?;
    }
    Ok(())
}

/// The newest time in a scenario's streams; `None` where there is nothing yet.
fn newest(log: &dyn Log, scenario: Scenario) -> Result<Option<TimeUs>, LogError> {
    let mut newest = None;
    for (stream, _) in scenario.streams() {
        let batches = log.last_rows(&stream, NEWEST_ROWS, log.head().offset)?;
        newest = newest.max(batches.iter().filter_map(newest_of).max());
    }
    Ok(newest.map(TimeUs))
}

fn newest_of(batch: &RecordBatch) -> Option<i64> {
    max(batch.column_by_name(TIME)?.as_primitive_opt::<TimestampMicrosecondType>()?)
}

/// Says what becomes of one of them.
struct Teller {
    config: SimulateConfig,
    sources: SourceList,
    health: SourceHealth,
}

impl Teller {
    fn report(&self, report: SimulateReport) {
        match report {
            SimulateReport::Past(percent) => self.tell("writing its past", Some(percent)),
            SimulateReport::Live => self.tell("live", None),
            SimulateReport::Feed(feed) => self.feed(&feed),
        }
    }

    fn tell(&self, status: &str, percent: Option<i64>) {
        let SimulateConfig { name, scenario, seed, .. } = &self.config;
        let streams: Vec<String> = scenario.streams().iter().map(|(stream, _)| stream.to_string()).collect();
        let says = json!({
            "name": name, "kind": "simulate", "scenario": scenario.name(), "seed": seed, "status": status,
            "percent": percent, "streams": streams,
        });
        self.sources.tell(name, says);
    }

    fn feed(&self, FeedReport { feed, stream, failed }: &FeedReport) {
        match failed {
            Some(why) => {
                warn!(source = self.config.name, feed, why, "a simulated feed fails, as it is meant to");
                self.health.failed(feed, stream, why);
            }
            None => {
                info!(source = self.config.name, feed, "a simulated feed is live");
                self.health.mended(feed, stream);
            }
        }
        let status = if failed.is_some() { "failed" } else { "live" };
        let says = json!({
            "name": feed, "kind": "simulated feed", "of": self.config.name, "stream": stream.as_str(),
            "status": status, "error": failed,
        });
        self.sources.tell(&format!("{}.{feed}", self.config.name), says);
    }
}
