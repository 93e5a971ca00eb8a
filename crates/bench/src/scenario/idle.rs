//! What a server costs that only watches its own machine.

use std::time::Duration;

use clap::Args;

use crate::cpu::{CpuMeter, resident_bytes};
use crate::error::BenchError;
use crate::measured::{Bound, Figure, Measured, Unit, count};
use crate::target::Target;

/// How long it is watched.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Seconds that are counted.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub duration_s: u64,
    /// Seconds before that, in which the server may settle.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub settle_s: u64,
}

/// Measures.
///
/// # Errors
/// [`BenchError`] if the server's process is not known or not on this machine.
pub async fn run(target: &Target, options: &Options) -> Result<Measured, BenchError> {
    let unknown = || BenchError::BadAnswer("its process is not known here: pass `--server-pid`".to_owned());
    let pid = target.server_pid.ok_or_else(unknown)?;
    tokio::time::sleep(Duration::from_secs(options.settle_s)).await;
    let meter = CpuMeter::start(Some(pid));
    tokio::time::sleep(Duration::from_secs(options.duration_s)).await;
    let cpu = meter.stop();
    let cores = cpu.server_cores.ok_or_else(unknown)?;
    let resident = resident_bytes(pid).ok_or_else(unknown)?;
    let figures = vec![
        Figure::new("idle server with the infra board: CPU", cores * 100.0, Unit::PercentOfCore)
            .bound(Bound::at_most(2.0, 1.0))
            .detail(format!("over {} s", options.duration_s)),
        Figure::new("idle server with the infra board: resident memory", count(resident) / 1e6, Unit::Mb)
            .bound(Bound::at_most(120.0, 80.0)),
    ];
    Ok(Measured { figures, notes: Vec::new() })
}
