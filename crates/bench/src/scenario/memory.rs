//! Whether memory stays bounded: days of events through sliding and calendar windows, by a made-up clock.

use clap::Args;
use pulseboard_live::{LiveQuery, QuerySpec};
use pulseboard_model::StreamName;
use pulseboard_model::limits::ViewLimits;

use super::engine::{Feed, STREAM};
use crate::cpu::resident_bytes;
use crate::error::BenchError;
use crate::generator::on_own_thread;
use crate::measured::{Bound, Figure, Measured, Unit, count, grouped};

const DAY_S: u64 = 86_400;
/// Seconds of the made-up clock between two micro-batches.
const STEP_S: u64 = 5;

/// How long and how much.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Days of the made-up clock.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(2..=400))]
    pub days: u64,
    /// Events in each of its seconds.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub rate: u64,
}

/// Windows of each kind.
fn views() -> Vec<String> {
    [
        "SELECT service, count(*) AS n, avg(duration_ms) AS a FROM events WHERE time > now() - interval '10 minutes' GROUP BY service",
        "SELECT service, status, count(*) AS n, max(duration_ms) AS m FROM events WHERE time > now() - interval '1 day' GROUP BY service, status",
        "SELECT date_trunc('hour', time) AS h, count(*) AS n FROM events WHERE time >= date_trunc('day', now()) GROUP BY 1",
        "SELECT date_trunc('minute', time) AS m, region, sum(duration_ms) AS s FROM events WHERE time > now() - interval '6 hours' GROUP BY 1, 2",
        "SELECT time, service, path FROM events WHERE status = 500 ORDER BY time DESC LIMIT 50",
    ]
    .map(str::to_owned)
    .into()
}

/// Measures.
///
/// # Errors
/// [`BenchError::Engine`] if a query is refused or is not maintained.
pub async fn run(options: &Options) -> Result<Measured, BenchError> {
    let plan = options.clone();
    on_own_thread("bench-memory", None, move |_tasks| async move { measure(&plan) }).await
}

fn measure(options: &Options) -> Result<Measured, BenchError> {
    let rows = usize::try_from(options.rate * STEP_S).unwrap_or(usize::MAX);
    let mut feed = Feed::new(rows, i64::try_from(STEP_S * 1_000_000).unwrap_or(i64::MAX));
    let mut held = Vec::new();
    for sql in views() {
        let spec = QuerySpec { sql, timezone: chrono_tz::Europe::Berlin, params: Default::default() };
        held.push(LiveQuery::new(&spec, feed.past(), &ViewLimits::default())?);
    }
    let stream = StreamName::new(STREAM).expect("a good name");
    let (mut by_day, mut state_by_day) = (Vec::new(), Vec::new());
    for day in 1..=options.days {
        for _ in 0..DAY_S / STEP_S {
            let step = feed.one()?;
            for view in &mut held {
                if let Some(second) = step.new_second
                    && !view.advance(second)?
                {
                    return Err(BenchError::BadAnswer(format!("a window moved back on day {day}")));
                }
                view.push(&stream, &step.rows, feed.schema())?;
                let _delta = view.finish()?;
            }
        }
        by_day.push(resident_bytes(std::process::id()).unwrap_or(0));
        state_by_day.push(held.iter().map(|view| view.size_bytes() as u64).sum::<u64>());
    }
    let mb = |bytes: u64| count(bytes) / 1e6;
    let (first, last) = (by_day[0], by_day[by_day.len() - 1]);
    let growth = (mb(last) / mb(first) - 1.0) * 100.0 / count(options.days - 1);
    let days: Vec<String> = by_day.iter().map(|bytes| format!("{:.1}", mb(*bytes))).collect();
    let states: Vec<String> = state_by_day.iter().map(|bytes| format!("{:.1}", mb(*bytes))).collect();
    let what = format!(
        "memory of {} views of sliding and calendar windows, {} virtual days at {} events/s: growth a day after the first",
        held.len(),
        options.days,
        grouped(count(options.rate))
    );
    let figure = Figure::new(what, growth, Unit::Percent).bound(Bound::at_most(1.0, 0.5)).detail(format!(
        "resident MB by day {}; state MB by day {}",
        days.join(" "),
        states.join(" ")
    ));
    Ok(Measured { figures: vec![figure], notes: Vec::new() })
}
