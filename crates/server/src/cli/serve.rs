//! `pulseboard serve` and `pulseboard demo`: starts the server, says where it listens, ends in order on SIGTERM or Ctrl-C.

use std::io::{IsTerminal, Write};

use pulseboard_runtime::{Shutdown, SystemClock, fault};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use super::Failure;
use super::args::{DemoArgs, ServeArgs};
use crate::app::App;
use crate::config::{self, Demo, Overrides, Problem, ServerConfig, load};

/// Libraries that log messages and headers at `trace` or `debug`.
const WORDY: [&str; 4] = ["tungstenite", "tokio_tungstenite", "hyper", "h2"];

pub(super) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let overrides = Overrides { listen: args.listen, data_dir: args.data_dir };
    serve(|| load(args.config.as_deref(), &overrides)).await
}

pub(super) async fn demo(args: DemoArgs) -> Result<(), Failure> {
    let overrides = Overrides { listen: args.listen, data_dir: args.data_dir };
    let asked = Demo { seed: args.seed, past: args.past, outage_every: args.outage_every };
    serve(|| config::demo(&asked, &overrides)).await
}

/// Runs what the configuration says until it is told to end.
async fn serve(config: impl FnOnce() -> Result<ServerConfig, Vec<Problem>>) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(log_filter())
        .init();
    fault::check().map_err(|error| Failure::setup(error.to_string()))?;
    let config =
        config().map_err(|problems| Failure { lines: problems.iter().map(ToString::to_string).collect(), code: 2 })?;
    raise_descriptor_limit();
    let app = App::start(config, SystemClock::shared()).await.map_err(|error| Failure { lines: error.0, code: 2 })?;

    let stop = Shutdown::default();
    let mut term =
        signal(SignalKind::terminate()).map_err(|error| Failure::setup(format!("cannot wait for signals: {error}")))?;
    let mut int =
        signal(SignalKind::interrupt()).map_err(|error| Failure::setup(format!("cannot wait for signals: {error}")))?;
    let serving = app.address();
    println!("{}", app.url());
    // Whoever started us may wait for this line.
    let _flushed = std::io::stdout().flush().is_ok();
    info!(address = %serving, "listening");
    let mut running = std::pin::pin!(app.serve(stop.clone()));
    let served = tokio::select! {
        served = &mut running => served,
        _ = term.recv() => { stop.trigger(); running.await }
        _ = int.recv() => { stop.trigger(); running.await }
    };
    served.map_err(|error| Failure::refused(error.to_string()))
}

/// What is logged. Libraries that write down what clients say word for word are kept from it, whatever is asked for: tokens are
/// among those words.
fn log_filter() -> EnvFilter {
    let asked = EnvFilter::try_from_env("PULSEBOARD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let quiet = WORDY.iter().filter_map(|name| format!("{name}=info").parse().ok());
    quiet.fold(asked, EnvFilter::add_directive)
}

/// Each connection is a descriptor: take as many as the system allows.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            warn!(%error, "the limit on open files stays as it is");
        }
    }
}
