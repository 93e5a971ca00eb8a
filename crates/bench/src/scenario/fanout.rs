//! One channel, a thousand WebSocket readers: how much is delivered, and how late at a gentle pace.
//!
//! The suite keeps the server on one core and the readers on another, so that what is delivered is what one server core
//! can deliver. Events that share a frame are said beside the figure.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::api;
use crate::error::BenchError;
use crate::event::{TAIL_MARK, tail_body};
use crate::generator::raise_file_limit;
use crate::http::Connection;
use crate::measured::{Bound, Figure, Measured, Unit, count, grouped};
use crate::observe::{Observed, Plan, observe};
use crate::scenario::bare::writes_per_s;
use crate::scenario::latency::notes;
use crate::target::Target;

/// What the readers follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Followed {
    /// The tail of the stream: every event reaches every reader.
    Stream,
    /// A view of the newest event: events between two frames are merged.
    View,
}

/// How many read, and what.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Seconds that each half is counted, after a warm-up of a fifth of that.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub duration_s: u64,
    /// WebSocket readers of one channel.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub readers: u64,
    /// Events per second while delivery is counted: more than can be delivered.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub rate: u64,
    /// Events per second while latency is measured.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub gentle_rate: u64,
    /// What they follow.
    #[arg(long, value_enum, default_value_t = Followed::Stream)]
    pub follow: Followed,
    /// Keep the generator on this core (counted from 0); the server should be on another.
    #[arg(long)]
    pub generator_core: Option<usize>,
}

/// Measures.
///
/// # Errors
/// [`BenchError`] if the server cannot be reached, or the system does not allow so many connections.
pub async fn run(target: &Target, options: &Options) -> Result<Measured, BenchError> {
    let allowed = raise_file_limit();
    // A few are needed for everything else.
    if allowed < options.readers + 100 {
        let reason = format!("this process may open {allowed} files, too few for {} readers", options.readers);
        return Err(BenchError::Io { what: "starting readers", source: std::io::Error::other(reason) });
    }
    let full = observe(plan(target, options, options.rate, 4).await?).await?;
    let gentle = observe(plan(target, options, options.gentle_rate, 1).await?).await?;
    let mut measured = report(options, &full, &gentle);
    if let Some(core) = options.generator_core {
        measured.figures.push(bare(options, core, &gentle).await?);
    }
    Ok(measured)
}

/// What the system takes of a core for the same: frames of the gentle half, written by a loop with nothing around it.
async fn bare(options: &Options, reader_core: usize, gentle: &Observed) -> Result<Figure, BenchError> {
    let heard = &gentle.heard;
    let bytes = usize::try_from(heard.bytes.checked_div(heard.frames).unwrap_or(0)).unwrap_or(0);
    let sockets = usize::try_from(options.readers).unwrap_or(usize::MAX);
    let duration = Duration::from_secs(options.duration_s) / 2;
    let writes = writes_per_s(sockets, bytes.max(1), (usize::from(reader_core == 0), reader_core), duration).await?;
    let what = format!(
        "a bare loop that writes {bytes} bytes to each of {} sockets, one core",
        grouped(count(options.readers))
    );
    let all_ms = count(options.readers) / writes * 1_000.0;
    let frame_us = |cores: f64| cores * gentle.seconds * 1e6 / count(heard.frames).max(1.0);
    let of_server = gentle.cpu.server_cores.map_or_else(String::new, |cores| {
        format!("; the server takes {:.1} µs of CPU a frame at the gentle pace", frame_us(cores))
    });
    let detail = format!("{:.1} µs a write, {all_ms:.1} ms for all of them{of_server}", 1e6 / writes);
    Ok(Figure::new(what, writes, Unit::PerSecond("writes")).detail(detail))
}

async fn plan(target: &Target, options: &Options, rate: u64, lanes: u64) -> Result<Plan, BenchError> {
    let stream = api::fresh_stream("fanout");
    let mut connection = Connection::open(target).await?;
    // The stream has to exist before it can be followed; number 0 is before every counted one.
    api::ingest(&mut connection, target, &stream, &body(0, 0, 1)).await?;
    let channel = match options.follow {
        Followed::Stream => format!("stream:{stream}"),
        Followed::View => {
            let sql = format!("SELECT mark, text FROM {stream} ORDER BY time DESC LIMIT 1");
            api::live_query(&mut connection, target, &sql).await?
        }
    };
    let duration = Duration::from_secs(options.duration_s);
    Ok(Plan {
        target: target.clone(),
        stream,
        channel,
        beside: Vec::new(),
        readers: usize::try_from(options.readers).unwrap_or(usize::MAX),
        max_hz: None,
        mark: TAIL_MARK,
        body,
        lanes,
        posts_per_s: count(rate),
        rows: 1,
        warm_up: duration / 5,
        duration,
        core: options.generator_core,
    })
}

fn body(_lane: u64, number: u64, _rows: u64) -> String {
    tail_body(number)
}

fn report(options: &Options, full: &Observed, gentle: &Observed) -> Measured {
    let (readers, rate) = (grouped(count(options.readers)), options.gentle_rate);
    let what = match options.follow {
        Followed::Stream => format!("~100-byte events delivered to {readers} WebSocket readers of a stream"),
        Followed::View => format!("~100-byte events delivered to {readers} WebSocket readers of a view"),
    };
    let what = if options.generator_core.is_some() { what + ", server on one core" } else { what };
    let heard = &full.heard;
    let per_core = full.cpu.server_cores.filter(|cores| *cores > 0.0).map_or_else(String::new, |cores| {
        let per_core = count(heard.events) / full.seconds / cores;
        format!(", {} events per second of server CPU", grouped(per_core))
    });
    let detail = format!(
        "{} frames/s of {} bytes at {} events/s in{per_core}",
        grouped(count(heard.frames) / full.seconds),
        heard.bytes.checked_div(heard.frames).unwrap_or(0),
        grouped(count(full.published.events) / full.seconds),
    );
    let delivered = Figure::new(what, count(heard.events) / full.seconds, Unit::PerSecond("events"))
        .bound(Bound::at_least(200_000.0, 250_000.0))
        .detail(detail)
        .cpu(full.cpu);
    let what = format!("the same at {rate} messages/s, POST sent → frame read");
    let late = &gentle.heard.after_sent;
    let p50 = Figure::new(format!("{what}: p50"), late.quantile_ms(0.5), Unit::Ms)
        .bound(Bound::at_most(6.0, 3.0))
        .detail(format!("{} events delivered", grouped(count(gentle.heard.events))))
        .cpu(gentle.cpu);
    let p99 = Figure::new(format!("{what}: p99"), late.quantile_ms(0.99), Unit::Ms)
        .bound(Bound::at_most(12.0, 8.0))
        .detail(format!(
            "from the answer p50 {:.1} p99 {:.1} ms; the POST itself p50 {:.1} ms",
            gentle.heard.after_answered.quantile_ms(0.5),
            gentle.heard.after_answered.quantile_ms(0.99),
            gentle.published.answers.quantile_ms(0.5),
        ));
    let notes = [notes("fan-out", full), notes("fan-out, gentle", gentle)].concat();
    Measured { figures: vec![delivered, p50, p99], notes }
}
