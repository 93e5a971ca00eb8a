//! Slow readers beside others: whether those feel it, in pairs of runs with and without, and what the slow ones cost.

use clap::Args;

use crate::crowd;
use crate::error::BenchError;
use crate::measured::{Bound, Figure, Measured, Unit, count, grouped};
use crate::reader::Transport;
use crate::scenario::readers;
use crate::target::Target;

/// Who is slow.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How frames travel.
    #[arg(long, value_enum, default_value_t = Transport::Ws)]
    pub transport: Transport,
    /// How many read.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub readers: u64,
    /// Of them, how many are slow.
    #[arg(long, default_value_t = 50)]
    pub slow: u64,
    /// How slow: bytes a second.
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    pub slow_bytes_per_s: u64,
    /// Pairs of runs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=25))]
    pub pairs: u64,
    /// Events a second.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub rate: u64,
    /// Seconds that each run is counted.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub duration_s: u64,
}

/// Measures.
///
/// # Errors
/// [`BenchError`] if the server cannot be reached, or a reader, once it reads again, ends with anything else than what it says.
pub async fn run(target: &Target, options: &Options) -> Result<Measured, BenchError> {
    readers::check_room(options.readers)?;
    let (stream, channel) = crowd::own_channel(target, "slow").await?;
    let measure = async |slow| {
        let asked = readers::Options {
            transport: options.transport,
            readers: options.readers,
            channel: Some(channel.clone()),
            rate: options.rate,
            duration_s: options.duration_s,
            max_hz: None,
            poll_every_ms: 1_000,
            slow,
            slow_bytes_per_s: options.slow_bytes_per_s,
        };
        let plan = crowd::Plan { stream: Some(stream.clone()), ..readers::plan(target, &asked).await? };
        let all = plan.readers;
        crowd::run(plan).await?.checked(all)
    };
    let (mut without, mut with, mut grown) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.pairs {
        without.push(measure(0).await?.late.quantile_ms(0.99));
        let outcome = measure(options.slow.min(options.readers)).await?;
        with.push(outcome.late.quantile_ms(0.99));
        grown.extend(outcome.grown_bytes.map(count));
    }
    let (before, beside) = (median(&mut without), median(&mut with));
    let (readers, slow) = (grouped(count(options.readers)), options.slow);
    let what = format!(
        "{readers} {} readers, {slow} of them at {} bytes/s",
        options.transport.as_str(),
        options.slow_bytes_per_s
    );
    let share =
        Figure::new(format!("{what}: p99 of the others, against none slow"), 100.0 * beside / before, Unit::Percent)
            .bound(Bound::at_most(130.0, 110.0))
            .detail(format!("medians of {} pairs: {before:.1} ms without, {beside:.1} ms with", options.pairs));
    let mut figures = vec![share];
    if !grown.is_empty() {
        let most = grown.iter().copied().fold(0.0, f64::max);
        figures.push(Figure::new(format!("{what}: the server grows while they are slow"), most / 1e6, Unit::Mb));
    }
    let notes = vec![format!(
        "slow readers: freed, all {slow} ended with what the server says, in each of {} runs",
        options.pairs
    )];
    Ok(Measured { figures, notes })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
