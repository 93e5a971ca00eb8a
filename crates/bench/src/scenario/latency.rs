//! From the answer of a POST to the frame at the reader: many readers of one view, events at a steady pace.
//!
//! The view holds the greatest number per lane, so a frame says which events it includes. A frame that is faster than the
//! answer counts as 0 ms.

use std::time::Duration;

use clap::Args;

use crate::api;
use crate::error::BenchError;
use crate::event::{LANE_MARK, idle_lanes, lane_body};
use crate::generator::raise_file_limit;
use crate::http::Connection;
use crate::measured::{Bound, Figure, Measured, Unit, count, grouped};
use crate::observe::{Observed, Plan, observe};
use crate::target::Target;
use crate::views::{extra_view, greatest_marks};

/// Groups made by one request.
const GROUPS_PER_POST: usize = 10_000;

/// How many send and how many read.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Seconds that are counted, after a warm-up of a fifth of that.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub duration_s: u64,
    /// WebSocket readers of one view.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub readers: u64,
    /// Events per second.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rate: u64,
    /// Events per POST.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub rows: u64,
    /// Connections that post in turn.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub connections: u64,
    /// Groups that the view has beside those that events come for.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub groups: u64,
    /// Views on the stream, the one that is read included.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub views: u64,
    /// At most so many frames a second for each reader; without, as fast as the server lets them leave.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub max_hz: Option<u32>,
}

/// Measures.
///
/// # Errors
/// [`BenchError`] if the server cannot be reached or refuses what the scenario needs.
pub async fn run(target: &Target, options: &Options) -> Result<Measured, BenchError> {
    raise_file_limit();
    let stream = api::fresh_stream("latency");
    let mut connection = Connection::open(target).await?;
    // The stream has to exist before it can be asked about; number 0 is before every counted one.
    api::ingest(&mut connection, target, &stream, &lane_body(0, 0, 1)).await?;
    for first in (0..options.groups).step_by(GROUPS_PER_POST) {
        let last = options.groups.min(first + GROUPS_PER_POST as u64);
        api::ingest(&mut connection, target, &stream, &idle_lanes(first..last)).await?;
    }
    let sql = greatest_marks(&stream);
    let channel = api::live_query(&mut connection, target, &sql).await?;
    let mut beside = Vec::new();
    for number in 1..options.views {
        let sql = extra_view(&stream, usize::try_from(number).unwrap_or(usize::MAX));
        beside.push(api::live_query(&mut connection, target, &sql).await?);
    }
    let duration = Duration::from_secs(options.duration_s);
    let plan = Plan {
        target: target.clone(),
        stream,
        channel,
        beside,
        readers: usize::try_from(options.readers).unwrap_or(usize::MAX),
        max_hz: options.max_hz,
        mark: LANE_MARK,
        body: lane_body,
        lanes: options.connections,
        posts_per_s: count(options.rate) / count(options.rows),
        rows: options.rows,
        warm_up: duration / 5,
        duration,
        core: None,
    };
    let observed = observe(plan).await?;
    let cost_ns = api::cost_per_event_ns(&mut connection, target, &sql).await?;
    Ok(report(options, &observed, cost_ns))
}

fn report(options: &Options, observed: &Observed, cost_ns: Option<f64>) -> Measured {
    let Observed { heard, published, seconds, cpu } = observed;
    let (rate, readers, views) = (grouped(count(options.rate)), options.readers, options.views);
    let views = if views == 1 { String::new() } else { format!(", {views} views") };
    let groups =
        if options.groups == 0 { String::new() } else { format!(" of {} groups", grouped(count(options.groups))) };
    let what = format!("commit returned → frame read, WebSocket, {rate} events/s, {readers} readers{groups}{views}");
    // The row with 200 views or 100,000 groups at 10,000 events/s has bounds of its own.
    let (p50, p99) = if options.views >= 200 || options.groups >= 100_000 {
        (Bound::at_most(15.0, 8.0), Bound::at_most(40.0, 20.0))
    } else {
        (Bound::at_most(8.0, 5.0), Bound::at_most(20.0, 10.0))
    };
    let after = &heard.after_answered;
    let delivered = format!(
        "{} events delivered in {} frames, {} events/s in",
        grouped(count(heard.events)),
        grouped(count(heard.frames)),
        grouped(count(published.events) / seconds)
    );
    let mut figures = vec![
        Figure::new(format!("{what}: p50"), after.quantile_ms(0.5), Unit::Ms).bound(p50).detail(delivered).cpu(*cpu),
        Figure::new(format!("{what}: p99"), after.quantile_ms(0.99), Unit::Ms).bound(p99),
        Figure::new(format!("{what}: max"), after.max_ms(), Unit::Ms),
        Figure::new("the same, POST sent → frame read: p99", heard.after_sent.quantile_ms(0.99), Unit::Ms).detail(
            format!(
                "p50 {:.1} ms; POST sent → answered p50 {:.1} p99 {:.1} ms",
                heard.after_sent.quantile_ms(0.5),
                published.answers.quantile_ms(0.5),
                published.answers.quantile_ms(0.99)
            ),
        ),
    ];
    if let Some(cost_ns) = cost_ns {
        let all = cpu.server_cores.filter(|_| published.events > 0).map_or_else(String::new, |cores| {
            let us = cores * seconds * 1e6 / count(published.events);
            format!(
                "all of the server {us:.1} µs of CPU an event, {:.2} µs an event and view",
                us / count(options.views)
            )
        });
        figures.push(Figure::new("the same, what the read view costs an event", cost_ns / 1e3, Unit::Us).detail(all));
    }
    Measured { figures, notes: notes("latency", observed) }
}

/// What went otherwise than it should.
pub(crate) fn notes(scenario: &str, observed: &Observed) -> Vec<String> {
    let (heard, published) = (&observed.heard, &observed.published);
    let mut notes = Vec::new();
    if heard.lost > 0 {
        let why = heard.first_loss.as_deref().unwrap_or("for no known reason");
        notes.push(format!("{scenario}: {} readers lost their connection, the first because: {why}", heard.lost));
    }
    if heard.resets > 0 {
        notes.push(format!("{scenario}: {} frames were resets", heard.resets));
    }
    if published.refused > 0 {
        notes.push(format!("{scenario}: {} answers were 429 (the server's queue was full)", published.refused));
    }
    notes
}
