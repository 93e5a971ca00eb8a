//! Readers of one channel over the transport that is asked for: how much reaches them, how late, and that all end at the
//! server's own answer. Works against any server: with a channel of its own, or one that lives there already.

use std::time::Duration;

use clap::Args;

use crate::crowd::{self, Outcome, Plan};
use crate::error::BenchError;
use crate::generator::raise_file_limit;
use crate::measured::{Figure, Measured, Unit, count, grouped};
use crate::reader::Transport;
use crate::target::Target;

/// Who reads what.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How frames travel.
    #[arg(long, value_enum, default_value_t = Transport::Ws)]
    pub transport: Transport,
    /// How many read.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=50_000))]
    pub readers: u64,
    /// What they follow, for example `view:orders_today`. Without: a view over a stream of the bench's own, into which it sends.
    #[arg(long)]
    pub channel: Option<String>,
    /// Events that it sends in a second, if the channel is its own.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub rate: u64,
    /// Seconds that are counted, after a warm-up of a fifth of that.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub duration_s: u64,
    /// The most frames a second for each reader.
    #[arg(long)]
    pub max_hz: Option<f64>,
    /// Milliseconds between two polls.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub poll_every_ms: u64,
    /// So many of them read slowly.
    #[arg(long, default_value_t = 0)]
    pub slow: u64,
    /// And how slowly: bytes a second.
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    pub slow_bytes_per_s: u64,
}

/// Refuses more readers than the system lets this process have.
pub(crate) fn check_room(readers: u64) -> Result<(), BenchError> {
    let allowed = raise_file_limit();
    // A few are needed for everything else.
    if allowed >= readers + 100 {
        return Ok(());
    }
    let reason = format!("this process may open {allowed} files, too few for {readers} readers");
    Err(BenchError::Io { what: "starting readers", source: std::io::Error::other(reason) })
}

/// Measures.
///
/// # Errors
/// [`BenchError`] if the server cannot be reached, and [`BenchError::WrongAnswer`] if a reader ends with anything else than
/// what the server says.
pub async fn run(target: &Target, options: &Options) -> Result<Measured, BenchError> {
    check_room(options.readers)?;
    let outcome = crowd::run(plan(target, options).await?).await?.checked(size(options.readers))?;
    Ok(report(options, &outcome))
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(crate) async fn plan(target: &Target, options: &Options) -> Result<Plan, BenchError> {
    let (stream, channel) = match &options.channel {
        Some(channel) => (None, channel.clone()),
        None => {
            let (stream, channel) = crowd::own_channel(target, "readers").await?;
            (Some(stream), channel)
        }
    };
    let duration = Duration::from_secs(options.duration_s);
    Ok(Plan {
        target: target.clone(),
        transport: options.transport,
        channel,
        stream,
        rate: count(options.rate),
        readers: size(options.readers),
        slow: size(options.slow.min(options.readers)),
        slow_bytes_per_s: size(options.slow_bytes_per_s),
        max_hz: options.max_hz,
        poll_every: Duration::from_millis(options.poll_every_ms),
        warm_up: duration / 5,
        duration,
    })
}

fn report(options: &Options, outcome: &Outcome) -> Measured {
    let (readers, transport) = (grouped(count(options.readers)), options.transport.as_str());
    let sent = count(outcome.events_sent) / outcome.seconds;
    let source = match &options.channel {
        Some(channel) => format!("of `{channel}`"),
        None => format!("at {sent:.0} events/s in"),
    };
    let requests = match options.transport {
        Transport::LongPoll | Transport::Poll => {
            format!(", {} requests/s", grouped(count(outcome.requests) / outcome.seconds))
        }
        _ => String::new(),
    };
    let frames = Figure::new(
        format!("{readers} readers over {transport}: frames read"),
        count(outcome.frames) / outcome.seconds,
        Unit::PerSecond("frames"),
    );
    let frames = frames.detail(format!(
        "{source}, {} bytes/s{requests}, all connected after {:.1} s",
        grouped(count(outcome.bytes) / outcome.seconds),
        outcome.connected_s
    ));
    let late = &outcome.late;
    let latency = |name: &str, value| {
        Figure::new(format!("{readers} readers over {transport}, event accepted → frame read: {name}"), value, Unit::Ms)
    };
    let mut figures = vec![match outcome.cpu {
        Some(cpu) => frames.cpu(cpu),
        None => frames,
    }];
    figures.extend([
        latency("p50", late.quantile_ms(0.5)).detail(format!("{} frames with events", grouped(count(late.count())))),
        latency("p90", late.quantile_ms(0.9)),
        latency("p99", late.quantile_ms(0.99)),
        latency("max", late.max_ms()),
        Figure::new(
            format!("{readers} readers over {transport}: end with what the server says"),
            100.0 * count(outcome.right as u64) / count(options.readers),
            Unit::Percent,
        )
        .detail(format!("{} of {readers}", grouped(count(outcome.right as u64)))),
    ]);
    let mut notes = Vec::new();
    if outcome.resets > 0 {
        notes.push(format!("readers: {} resets while it counted", outcome.resets));
    }
    if options.slow > 0 {
        let (slow, pace) = (options.slow, options.slow_bytes_per_s);
        notes.push(format!(
            "readers: {slow} read {pace} bytes/s and are not in the figures; freed, they ended like all"
        ));
    }
    Measured { figures, notes }
}
