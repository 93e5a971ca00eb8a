//! Nexmark and the Yahoo streaming benchmark: each query alone in this process, on one thread.
//!
//! Commits are prepared in chunks, and every query steps through a chunk before the next is made: only its own steps are
//! timed. Events of the streams that a query reads are counted. What is not maintained is noted with its reason.

use std::time::Duration;

use clap::Args;
use pulseboard_model::limits::ViewLimits;

use crate::error::BenchError;
use crate::generator::on_plain_thread;
use crate::measured::{Bound, Figure, Measured, Unit, count, grouped};
use crate::nexmark::{Auctions, QUESTIONS, Question};
use crate::replay::{MemoryLog, Prepared, Stepper};
use crate::yahoo::{AGGREGATED_FIRST, Ads, JOINED_FIRST};

/// Commits that are prepared at a time.
const CHUNK: u64 = 32;

/// How many events.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Events of all streams together.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..=16_000_000))]
    pub events: u64,
    /// Events in one commit.
    #[arg(long, default_value_t = 8_192, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub commit_events: u64,
    /// Events per second of the made-up clock: what windows hold.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rate: u64,
    /// Seconds after which a query is left behind; its figure then says how far it came.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub budget_s: u64,
    /// Only these queries, separated by commas: `q0` to `q22`.
    #[arg(long, value_delimiter = ',')]
    pub query: Vec<String>,
}

/// Measures Nexmark's queries.
///
/// # Errors
/// [`BenchError::GeneratorEnded`] if the thread failed.
pub async fn nexmark(options: &Options) -> Result<Measured, BenchError> {
    let options = options.clone();
    on_plain_thread("bench-nexmark", move || measure_nexmark(&options)).await
}

/// Measures the Yahoo streaming benchmark's query.
///
/// # Errors
/// [`BenchError::GeneratorEnded`] if the thread failed.
pub async fn yahoo(options: &Options) -> Result<Measured, BenchError> {
    let options = options.clone();
    on_plain_thread("bench-yahoo", move || measure_yahoo(&options)).await
}

/// Nexmark has more auctions than a view of a dashboard holds groups, and more bids in some seconds than it shows rows.
fn limits() -> ViewLimits {
    ViewLimits { groups_max: 2_000_000, rows_max: 200_000, state_bytes_max: 4 << 30 }
}

fn measure_nexmark(options: &Options) -> Result<Measured, BenchError> {
    let mut auctions = Auctions::open(usize::try_from(options.rate).unwrap_or(usize::MAX), false);
    let log = auctions.log.clone();
    let asked =
        QUESTIONS.iter().filter(|q| options.query.is_empty() || options.query.iter().any(|name| name == q.name));
    let (questions, mut steppers): (Vec<&Question>, Vec<Stepper>) =
        asked.map(|question| (question, Stepper::new(question.name, question.sql, &log, &limits()))).unzip();
    let side = auctions.side_input()?;
    let commit = usize::try_from(options.commit_events).unwrap_or(usize::MAX);
    run(options, &mut steppers, &log, &side, || auctions.commit(commit))?;
    let lines = questions.iter().zip(&steppers).map(|(question, stepper)| {
        (format!("Nexmark {}, {}", question.name, question.about), question.shape.bound(), stepper)
    });
    Ok(report(lines.collect()))
}

fn measure_yahoo(options: &Options) -> Result<Measured, BenchError> {
    let mut ads = Ads::new(options.rate, false);
    let log = ads.log.clone();
    let mut steppers = vec![
        Stepper::new("joined first", JOINED_FIRST, &log, &limits()),
        Stepper::new("aggregated first", AGGREGATED_FIRST, &log, &limits()),
    ];
    let campaigns = ads.campaigns()?;
    run(options, &mut steppers, &log, &campaigns, || ads.commit(options.commit_events))?;
    let name = |stepper: &Stepper| format!("Yahoo streaming benchmark, campaign count, {}", stepper.name);
    Ok(report(steppers.iter().map(|stepper| (name(stepper), Bound::at_least(500_000.0, 10e6), stepper)).collect()))
}

/// Steps all of them through `first` and then as many commits as make the events.
fn run(
    options: &Options,
    steppers: &mut [Stepper],
    log: &MemoryLog,
    first: &Prepared,
    mut commit: impl FnMut() -> Result<Prepared, BenchError>,
) -> Result<(), BenchError> {
    let budget = Duration::from_secs(options.budget_s);
    for stepper in &mut *steppers {
        stepper.step(std::slice::from_ref(first), log, budget);
        // It is there from the start, as a reference table would be.
        (stepper.spent, stepper.events) = (Duration::ZERO, 0);
    }
    let mut left = options.events.div_ceil(options.commit_events);
    while left > 0 && steppers.iter().any(|stepper| stepper.live.is_some() && !stepper.stopped) {
        let chunk = (0..CHUNK.min(left)).map(|_| commit()).collect::<Result<Vec<_>, _>>()?;
        left -= chunk.len() as u64;
        for stepper in &mut *steppers {
            stepper.step(&chunk, log, budget);
        }
    }
    Ok(())
}

fn report(lines: Vec<(String, Bound, &Stepper)>) -> Measured {
    let mut measured = Measured::default();
    for (name, bound, stepper) in lines {
        let Some(live) = &stepper.live else {
            let reason = stepper.reason.as_deref().unwrap_or("for no known reason");
            measured.notes.push(format!("{name}: {reason}"));
            continue;
        };
        let far = if stepper.stopped { ", its time was up" } else { "" };
        let truncated = if live.is_truncated() { ", truncated" } else { "" };
        let detail = format!(
            "{} events, {} groups or rows, {:.1} MB of state{far}{truncated}",
            grouped(count(stepper.events)),
            grouped(count(live.len() as u64)),
            count(live.size_bytes() as u64) / 1e6,
        );
        measured
            .figures
            .push(Figure::new(name, stepper.events_per_s(), Unit::PerSecond("events")).bound(bound).detail(detail));
    }
    measured
}

#[cfg(test)]
#[path = "queries_tests.rs"]
mod tests;
