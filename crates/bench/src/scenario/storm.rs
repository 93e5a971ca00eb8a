//! Everybody comes back at once: readers that were all cut off reconnect with their cursors, as after an outage.

use clap::Args;
use futures::future::try_join_all;
use serde_json::Value;
use tokio::time::Instant;

use crate::api;
use crate::cpu::CpuMeter;
use crate::crowd;
use crate::error::BenchError;
use crate::event::Sample;
use crate::http::Connection;
use crate::latency::Latencies;
use crate::measured::{Figure, Measured, Unit, count, grouped};
use crate::reader::{Follow, Reader, Transport};
use crate::scenario::readers::check_room;
use crate::target::Target;

/// How many connect at once before the storm.
const CONNECTING: usize = 64;

/// How many come back.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How frames travel.
    #[arg(long, value_enum, default_value_t = Transport::Ws)]
    pub transport: Transport,
    /// How many come back.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=50_000))]
    pub readers: u64,
}

/// Connects; gives the first frame with the reader.
async fn join(follow: &Follow) -> Result<(Reader, Value), BenchError> {
    let mut reader = Reader::open(follow).await?;
    let frame = crowd::parsed(&reader.next().await?)?;
    Ok((reader, frame))
}

/// Measures.
///
/// # Errors
/// [`BenchError`] if the server cannot be reached, and [`BenchError::WrongAnswer`] if somebody starts again instead of going on.
pub async fn run(target: &Target, options: &Options) -> Result<Measured, BenchError> {
    check_room(options.readers)?;
    let (stream, channel) = crowd::own_channel(target, "storm").await?;
    let follow = Follow { transport: options.transport, ..Follow::of(target, &channel) };
    let (mut held, mut cursors) = (Vec::new(), Vec::new());
    let all: Vec<u64> = (0..options.readers).collect();
    for wave in all.chunks(CONNECTING) {
        for (reader, frame) in try_join_all(wave.iter().map(|_| join(&follow))).await? {
            cursors.push(frame["cursor"].as_str().unwrap_or_default().to_owned());
            held.push(reader);
        }
    }
    drop(held);
    let mut connection = Connection::open(target).await?;
    let mut news = String::new();
    Sample::new(7).write_json(&mut news);
    api::ingest(&mut connection, target, &stream, &news).await?;

    let meter = CpuMeter::start(target.server_pid);
    let started = Instant::now();
    let back = cursors.into_iter().map(async |cursor| {
        let (reader, frame) = join(&Follow { since: Some(cursor), ..follow.clone() }).await?;
        let resumed = frame["changes"]
            .as_array()
            .is_some_and(|changes| changes.iter().all(|change| change.get("reset").is_none()));
        Ok::<_, BenchError>((reader, resumed && frame["resumed"] != false, started.elapsed()))
    });
    let back = try_join_all(back).await?;
    let cpu = meter.stop();
    let resumed = back.iter().filter(|(_, resumed, _)| *resumed).count();
    if resumed != back.len() {
        let wrong = format!("{} of {} readers that came back were started again", back.len() - resumed, back.len());
        return Err(BenchError::WrongAnswer(wrong));
    }
    let mut took = Latencies::default();
    back.iter().for_each(|(_, _, elapsed)| took.record(*elapsed, 1));
    let what = format!(
        "{} {} readers cut off at once, until each goes on where it was",
        grouped(count(options.readers)),
        options.transport.as_str()
    );
    let figures = vec![
        Figure::new(format!("{what}: p50"), took.quantile_ms(0.5), Unit::Ms).cpu(cpu),
        Figure::new(format!("{what}: p99"), took.quantile_ms(0.99), Unit::Ms),
        Figure::new(format!("{what}: the last"), took.max_ms(), Unit::Ms)
            .detail(format!("{} new connections a second", grouped(count(options.readers) / took.max_ms() * 1_000.0))),
    ];
    Ok(Measured { figures, notes: Vec::new() })
}
