//! How soon a server is itself again that has many events in open windows: after `kill -9`, after an orderly end, and
//! with its checkpoints taken away.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use crate::api;
use crate::error::BenchError;
use crate::event::reference_body;
use crate::http::{Connection, get};
use crate::measured::{Bound, Figure, Measured, Unit, count, grouped};
use crate::server::{Server, Setup};
use crate::target::Target;
use crate::views::ten_views;

const STREAM: &str = "bench_restart";
/// Events in one request.
const BODY_ROWS: u64 = 10_000;
/// The longest that all views may take to be live.
const LIMIT: Duration = Duration::from_secs(600);
/// How often views are asked.
const PAUSE: Duration = Duration::from_millis(10);

/// What is in the windows.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Events in the windows when the server ends.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10_000..=1_000_000_000))]
    pub events: u64,
    /// The server's program; without, the one that is running now.
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Where its data directory is made.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Measures.
///
/// # Errors
/// [`BenchError`] if the server does not start, or its views do not come back with every event.
pub async fn run(options: &Options) -> Result<Measured, BenchError> {
    let binary = match &options.server {
        Some(binary) => binary.clone(),
        None => std::env::current_exe().map_err(BenchError::io("finding this program"))?,
    };
    let parent = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    let server = Server::start(&binary, &parent, Setup::Views(config()), None).await?;
    fill(server.target(), options.events).await?;
    all_live(server.target(), options.events).await?;

    let (server, killed) = again(server.kill().await?, options.events).await?;
    let (server, ended) = again(server.end().await?, options.events).await?;
    let stopped = server.kill().await?;
    stopped.remove("data/checkpoints")?;
    let (server, rebuilt) = again(stopped, options.events).await?;
    server.stop().await?;

    let events = grouped(count(options.events));
    let figures = [(killed, "kill -9"), (ended, "an orderly end"), (rebuilt, "losing its checkpoints")].map(
        |((ready, live), after)| {
            let ready_ms = ready.as_secs_f64() * 1_000.0;
            let what =
                format!("restart with {events} events in open windows of 10 views after {after}: all views live");
            let figure = Figure::new(what, live.as_secs_f64() * 1_000.0, Unit::Ms)
                .detail(format!("ingest ready after {ready_ms:.0} ms (floor 2,000, goal 1,000)"));
            if after == "losing its checkpoints" { figure } else { figure.bound(Bound::at_most(20_000.0, 5_000.0)) }
        },
    );
    Ok(Measured { figures: figures.into(), notes: Vec::new() })
}

/// Ten views from the start, all of whose windows hold everything.
fn config() -> String {
    let views = ten_views(STREAM).into_iter().enumerate().map(|(number, sql)| {
        let sql = sql
            .replace("interval '5 minutes'", "interval '6 hours'")
            .replace("interval '1 minute'", "interval '6 hours'");
        format!("[views.v{number}]\nsql = \"{sql}\"\n")
    });
    views.collect()
}

async fn fill(target: &Target, events: u64) -> Result<(), BenchError> {
    let mut connection = Connection::open(target).await?;
    let mut sent = 0;
    while sent < events {
        let rows = BODY_ROWS.min(events - sent);
        let request = api::ingest_request(target, STREAM, &reference_body(sent, rows));
        let answer = connection.ask(&request).await?;
        if answer.status == 429 {
            api::back_off(&answer).await;
            continue;
        }
        sent += api::accepted(&answer)?;
    }
    Ok(())
}

/// Starts it again; gives how long it took until it was ready, and until all views were live.
async fn again(stopped: crate::server::Stopped, events: u64) -> Result<(Server, (Duration, Duration)), BenchError> {
    let started = Instant::now();
    let server = stopped.start().await?;
    let ready = started.elapsed();
    all_live(server.target(), events).await?;
    Ok((server, (ready, started.elapsed())))
}

async fn all_live(target: &Target, events: u64) -> Result<(), BenchError> {
    let started = Instant::now();
    let mut connection = Connection::open(target).await?;
    for number in 0..10 {
        let request = get(target, &format!("/api/v1/views/v{number}"));
        loop {
            let answer: Value = connection.ask(&request).await?.json("a view")?;
            let live = answer["state"]["status"] == "live";
            // The first view counts them all.
            if live && (number > 0 || answer["rows"][0][0] == events) {
                break;
            }
            if started.elapsed() > LIMIT {
                return Err(BenchError::Timeout { what: "all views being live", limit_s: LIMIT.as_secs() });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_holds_what_is_sent() {
        let config = config();
        assert_eq!(config.matches("[views.").count(), 10);
        assert!(!config.contains("minute'"), "{config}");
    }
}
