//! Single-event POSTs over many connections, each durable before it is answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use parking_lot::Mutex;
use pulseboard_runtime::Tasks;
use tokio::time::Instant;

use crate::api;
use crate::cpu::CpuSplit;
use crate::error::BenchError;
use crate::event::reference_body;
use crate::generator::on_own_thread;
use crate::http::Connection;
use crate::latency::Latencies;
use crate::measured::{Bound, Figure, Measured, Unit, count};
use crate::target::Target;
use crate::window::{Crew, Window};

/// Different events go round.
const BODIES: u64 = 256;

/// How single events are sent.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Seconds that are counted, after a warm-up of a fifth of that.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub duration_s: u64,
    /// Connections that post one event after another.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    pub connections: u64,
}

#[derive(Debug, Default)]
struct Sent {
    answers: Latencies,
    refused: u64,
}

/// Measures.
///
/// # Errors
/// [`BenchError`] if the server cannot be reached or refuses the events.
pub async fn run(target: &Target, options: &Options) -> Result<Measured, BenchError> {
    let (target, plan) = (target.clone(), options.clone());
    let (sent, seconds, cpu) = on_own_thread("bench-singles", None, move |tasks| load(tasks, target, plan)).await?;
    let answers = &sent.answers;
    let what = format!("single-event POSTs, {} connections, durable", options.connections);
    let rate = Figure::new(&what, count(answers.count()) / seconds, Unit::PerSecond("requests"))
        .bound(Bound::at_least(20_000.0, 30_000.0))
        .cpu(cpu);
    let p99 = Figure::new(format!("{what}: answer, p99"), answers.quantile_ms(0.99), Unit::Ms)
        .bound(Bound::at_most(10.0, 10.0))
        .detail(format!("p50 {:.1}, max {:.1} ms", answers.quantile_ms(0.5), answers.max_ms()));
    let mut notes = Vec::new();
    if sent.refused > 0 {
        notes.push(format!("single events: {} answers were 429 (the server's queue was full)", sent.refused));
    }
    Ok(Measured { figures: vec![rate, p99], notes })
}

async fn load(tasks: Tasks, target: Target, options: Options) -> Result<(Sent, f64, CpuSplit), BenchError> {
    let stream = api::fresh_stream("single");
    let requests: Arc<[Bytes]> =
        (0..BODIES).map(|event| api::ingest_request(&target, &stream, &reference_body(event, 1))).collect();
    let (window, sent) = (Window::default(), Arc::new(Mutex::new(Sent::default())));
    let mut crew = Crew::new(tasks, window.clone());
    for lane in 0..options.connections {
        let connection = Connection::open(&target).await?;
        let posting = post_all(connection, requests.clone(), lane, window.clone(), sent.clone());
        crew.spawn(format!("bench-sender-{lane}"), posting);
    }
    let duration = Duration::from_secs(options.duration_s);
    let (seconds, cpu) = window.run(duration / 5, duration, target.server_pid).await;
    crew.ended().await?;
    Ok((std::mem::take(&mut *sent.lock()), seconds, cpu))
}

async fn post_all(
    mut connection: Connection,
    requests: Arc<[Bytes]>,
    lane: u64,
    window: Window,
    sent: Arc<Mutex<Sent>>,
) -> Result<(), BenchError> {
    let mut next = usize::try_from(lane).unwrap_or(0);
    while !window.is_over() {
        let started = Instant::now();
        let answer = connection.ask(&requests[next % requests.len()]).await?;
        next += 1;
        if answer.status == 429 {
            sent.lock().refused += 1;
            api::back_off(&answer).await;
            continue;
        }
        api::accepted(&answer)?;
        if window.counts() {
            sent.lock().answers.record(started.elapsed(), 1);
        }
    }
    Ok(())
}
