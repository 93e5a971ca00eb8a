//! What an idle connection costs that follows one view: the server's memory with many of them, less what it had without.

use std::time::Duration;

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};

use crate::cpu::resident_bytes;
use crate::crowd;
use crate::error::BenchError;
use crate::measured::{Bound, Figure, Measured, Unit, count, grouped};
use crate::reader::{Follow, Reader, Transport};
use crate::scenario::readers::check_room;
use crate::target::Target;

/// How many connect at once.
const CONNECTING: usize = 64;
/// How long the server may settle before its memory is read.
const SETTLE: Duration = Duration::from_secs(5);

/// Which connections, and how many.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How frames would travel.
    #[arg(long, value_enum, default_value_t = Transport::Ws)]
    pub transport: Transport,
    /// How many.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub connections: u64,
}

/// Measures. The server should be a fresh one: memory that others have left behind is used again.
///
/// # Errors
/// [`BenchError`] if the server's process is not known, or it does not take so many.
pub async fn run(target: &Target, options: &Options) -> Result<Measured, BenchError> {
    check_room(options.connections)?;
    let unknown = || BenchError::BadAnswer("its process is not known here: pass `--server-pid`".to_owned());
    let pid = target.server_pid.ok_or_else(unknown)?;
    let (_stream, channel) = crowd::own_channel(target, "connections").await?;
    let follow = Follow { transport: options.transport, ..Follow::of(target, &channel) };
    let open = async || {
        let mut reader = Reader::open(&follow).await?;
        reader.next().await?;
        Ok::<_, BenchError>(reader)
    };
    let _first = open().await?;
    tokio::time::sleep(SETTLE).await;
    let before = resident_bytes(pid).ok_or_else(unknown)?;
    let opening = stream::iter(0..options.connections).map(|_| open()).buffer_unordered(CONNECTING);
    let held: Vec<Reader> = opening.try_collect().await?;
    tokio::time::sleep(SETTLE).await;
    let after = resident_bytes(pid).ok_or_else(unknown)?;
    let each = count(after.saturating_sub(before)) / count(options.connections);
    let (connections, transport) = (grouped(count(held.len() as u64)), options.transport.as_str());
    let figure = Figure::new(
        format!("memory of an idle {transport} reader of one view, {connections} of them"),
        each,
        Unit::Bytes,
    )
    .detail(format!("resident {:.0} MB before, {:.0} MB with them", count(before) / 1e6, count(after) / 1e6));
    let figure = match options.transport {
        Transport::Ws => figure.bound(Bound::at_most(12_000.0, 8_000.0)),
        _ => figure,
    };
    Ok(Measured { figures: vec![figure], notes: Vec::new() })
}
