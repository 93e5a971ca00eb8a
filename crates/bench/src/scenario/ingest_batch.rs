//! Durable NDJSON over HTTP in batches, with ten live views on the stream and a reader of each.
//!
//! Counted is what the server has answered for. After that it must also show in the views: how long that takes is said
//! beside the figure, so that a server that only takes events in does not look good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use memchr::memmem::Finder;
use parking_lot::Mutex;
use pulseboard_runtime::{Shutdown, Tasks};
use tokio::time::Instant;

use crate::api;
use crate::cpu::CpuSplit;
use crate::error::BenchError;
use crate::event::{number, reference_body};
use crate::generator::on_own_thread;
use crate::http::Connection;
use crate::latency::Latencies;
use crate::measured::{Bound, Figure, Measured, Unit, count, grouped};
use crate::observe::ignore;
use crate::socket::Socket;
use crate::target::Target;
use crate::views::ten_views;
use crate::window::{Crew, Window};

/// Different bodies go round, so that groups and values vary.
const BODIES: u64 = 16;
/// How long views may take to catch up in the end.
const CATCH_UP: Duration = Duration::from_secs(60);

/// How batches are sent.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Seconds that are counted, after a warm-up of a fifth of that.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub duration_s: u64,
    /// Connections that post one batch after another.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub connections: u64,
    /// Events in one batch.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub rows: u64,
    /// End early after so many events.
    #[arg(long, default_value_t = 100_000_000)]
    pub events_max: u64,
    /// How often a second each of the ten readers wants its view.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub max_hz: u32,
}

#[derive(Debug, Default)]
struct Sent {
    accepted_while_counting: u64,
    accepted: u64,
    refused: u64,
    answers: Latencies,
    last_answer: Option<Instant>,
}

struct Outcome {
    sent: Sent,
    seconds: f64,
    cpu: CpuSplit,
    /// From the last answer until the first view had counted every event; none if it never did.
    caught_up: Option<Duration>,
}

/// Measures.
///
/// # Errors
/// [`BenchError`] if the server cannot be reached or refuses what the scenario needs.
pub async fn run(target: &Target, options: &Options) -> Result<Measured, BenchError> {
    let (target, plan) = (target.clone(), options.clone());
    let outcome = on_own_thread("bench-batches", None, move |tasks| load(tasks, target, plan)).await?;
    let Outcome { sent, seconds, cpu, caught_up } = outcome;
    let lag = caught_up.map_or("no".to_owned(), |lag| format!("{:.0} ms", lag.as_secs_f64() * 1_000.0));
    let detail = format!(
        "{} events, views caught up after {lag}, a batch p50 {:.1} p99 {:.1} ms",
        grouped(count(sent.accepted_while_counting)),
        sent.answers.quantile_ms(0.5),
        sent.answers.quantile_ms(0.99),
    );
    let what = format!(
        "durable NDJSON ingest over HTTP, batches of {}, {} connections, 10 live views",
        options.rows, options.connections
    );
    let figure = Figure::new(what, count(sent.accepted_while_counting) / seconds, Unit::PerSecond("events"))
        .bound(Bound::at_least(500_000.0, 1_000_000.0))
        .detail(detail)
        .cpu(cpu);
    let mut notes = Vec::new();
    if sent.refused > 0 {
        notes.push(format!("batches: {} answers were 429 (the server's queue was full)", sent.refused));
    }
    if caught_up.is_none() {
        let limit_s = CATCH_UP.as_secs();
        notes
            .push(format!("batches: the views had not counted every accepted event {limit_s} s after the last answer"));
    }
    Ok(Measured { figures: vec![figure], notes })
}

async fn load(tasks: Tasks, target: Target, options: Options) -> Result<Outcome, BenchError> {
    let stream = api::fresh_stream("batch");
    let mut connection = Connection::open(&target).await?;
    // The stream has to exist before it can be asked about.
    let first = api::ingest(&mut connection, &target, &stream, &reference_body(0, 100)).await?;

    let shown = Arc::new(AtomicU64::new(0));
    for (at, sql) in ten_views(&stream).iter().enumerate() {
        let channel = api::live_query(&mut connection, &target, sql).await?;
        let (socket, _snapshot) = Socket::follow(&target, &channel, Some(options.max_hz)).await?;
        if at == 0 {
            tasks.spawn("bench-counting-view", watch_count(socket, shown.clone(), tasks.shutdown()));
        } else {
            tasks.spawn("bench-view", ignore(socket, tasks.shutdown()));
        }
    }

    let bodies: Arc<[Bytes]> = (0..BODIES)
        .map(|body| api::ingest_request(&target, &stream, &reference_body(body * options.rows, options.rows)))
        .collect();
    let (window, sent) = (Window::default(), Arc::new(Mutex::new(Sent { accepted: first, ..Sent::default() })));
    let mut crew = Crew::new(tasks, window.clone());
    for lane in 0..options.connections {
        let sender = Sender {
            connection: Connection::open(&target).await?,
            bodies: bodies.clone(),
            next: usize::try_from(lane).unwrap_or(0),
            events_max: options.events_max,
            window: window.clone(),
            sent: sent.clone(),
        };
        crew.spawn(format!("bench-sender-{lane}"), sender.run());
    }
    let duration = Duration::from_secs(options.duration_s);
    let (seconds, cpu) = window.run(duration / 5, duration, target.server_pid).await;
    crew.ended().await?;
    let sent = std::mem::take(&mut *sent.lock());
    let caught_up = async {
        while shown.load(Ordering::Relaxed) < sent.accepted {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sent.last_answer.map_or(Duration::ZERO, |answered| answered.elapsed())
    };
    let caught_up = tokio::time::timeout(CATCH_UP, caught_up).await.ok();
    Ok(Outcome { sent, seconds, cpu, caught_up })
}

/// Keeps the newest count of the first view.
async fn watch_count(mut socket: Socket, shown: Arc<AtomicU64>, shutdown: Shutdown) {
    let column = Finder::new("\"n\":");
    let reading = async {
        while let Ok(frame) = socket.next().await {
            let found = column.find(frame.as_bytes()).and_then(|at| number(frame.as_bytes(), at + 4));
            if let Some(n) = found {
                shown.store(n, Ordering::Relaxed);
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = shutdown.wait() => {}
    }
}

struct Sender {
    connection: Connection,
    bodies: Arc<[Bytes]>,
    next: usize,
    events_max: u64,
    window: Window,
    sent: Arc<Mutex<Sent>>,
}

impl Sender {
    async fn run(mut self) -> Result<(), BenchError> {
        while !self.window.is_over() {
            let request = self.bodies[self.next % self.bodies.len()].clone();
            self.next += 1;
            let started = Instant::now();
            let answer = self.connection.ask(&request).await?;
            if answer.status == 429 {
                self.sent.lock().refused += 1;
                api::back_off(&answer).await;
                continue;
            }
            let accepted = api::accepted(&answer)?;
            let mut sent = self.sent.lock();
            sent.accepted += accepted;
            sent.last_answer = Some(Instant::now());
            if self.window.counts() {
                sent.accepted_while_counting += accepted;
                sent.answers.record(started.elapsed(), 1);
            }
            if sent.accepted >= self.events_max {
                self.window.end();
            }
        }
        Ok(())
    }
}
