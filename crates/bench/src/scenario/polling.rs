//! Push against polling: the same channel at the same pace over each transport, and what each costs the server.

use std::time::Duration;

use clap::Args;

use crate::crowd::{self, Outcome, Plan};
use crate::error::BenchError;
use crate::measured::{Bound, Figure, Measured, Unit, count, grouped};
use crate::reader::Transport;
use crate::scenario::readers::check_room;
use crate::target::Target;

/// Who asks how often.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Open boards.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub readers: u64,
    /// Changes in a second.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub rate: u64,
    /// Milliseconds between two polls.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub poll_every_ms: u64,
    /// Seconds that each transport is counted.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub duration_s: u64,
}

/// Measures.
///
/// # Errors
/// [`BenchError`] if the server cannot be reached, or a reader ends with anything else than what it says.
pub async fn run(target: &Target, options: &Options) -> Result<Measured, BenchError> {
    check_room(options.readers)?;
    let (stream, channel) = crowd::own_channel(target, "polling").await?;
    let duration = Duration::from_secs(options.duration_s);
    let measure = async |transport, readers: u64| {
        let readers = usize::try_from(readers).unwrap_or(usize::MAX);
        let plan = Plan {
            target: target.clone(),
            transport,
            channel: channel.clone(),
            stream: Some(stream.clone()),
            rate: count(options.rate),
            readers,
            slow: 0,
            slow_bytes_per_s: 1,
            max_hz: None,
            poll_every: Duration::from_millis(options.poll_every_ms),
            warm_up: duration / 5,
            duration,
        };
        crowd::run(plan).await?.checked(readers)
    };
    let cores = |outcome: &Outcome| outcome.cpu.and_then(|cpu| cpu.server_cores);
    // What the server does anyway: it takes the events in, keeps the view, and has one reader.
    let alone = cores(&measure(Transport::Ws, 1).await?).unwrap_or(0.0);
    let (mut figures, mut costs) = (Vec::new(), Vec::new());
    for transport in [Transport::Ws, Transport::Sse, Transport::LongPoll, Transport::Poll] {
        let outcome = measure(transport, options.readers).await?;
        let cost = cores(&outcome).map(|cores| (cores - alone).max(0.000_1) * 100.0);
        costs.push(cost);
        let pace = match transport {
            Transport::Poll => format!(" each {} ms", options.poll_every_ms),
            _ => String::new(),
        };
        let (readers, seconds) = (grouped(count(options.readers)), outcome.seconds);
        let what =
            format!("{readers} boards at {} changes/s over {}{pace}: server CPU", options.rate, transport.as_str());
        let figure = Figure::new(what, cost.unwrap_or(0.0), Unit::PercentOfCore).detail(format!(
            "{} requests/s, {} frames/s, {} bytes/s of frames, p50 {:.1} ms",
            grouped(count(outcome.requests) / seconds),
            grouped(count(outcome.frames) / seconds),
            grouped(count(outcome.bytes) / seconds),
            outcome.late.quantile_ms(0.5)
        ));
        figures.push(match outcome.cpu {
            Some(cpu) => figure.cpu(cpu),
            None => figure,
        });
    }
    if let [Some(push), .., Some(poll)] = costs[..] {
        let what = "server CPU of a board: push over WebSocket, as a share of polling";
        figures.push(Figure::new(what, 100.0 * push / poll, Unit::Percent).bound(Bound::at_most(10.0, 2.0)));
    }
    let notes = vec![format!(
        "push against polling: {:.1} % of a core, which the server takes with one reader, is taken off",
        alone * 100.0
    )];
    Ok(Measured { figures, notes })
}
