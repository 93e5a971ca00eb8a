//! The command line: `pulseboard serve` and the commands that talk to a running server.
//!
//! A command prints its answer on stdout and everything else on stderr. Exit codes: 0 done, 1 refused or failed, 2 wrong
//! configuration or use, a busy port, a locked directory.

mod args;
mod check;
mod connect;
mod explain;
mod follow;
mod ingest;
mod live_answer;
mod live_query;
mod out;
mod pinned;
mod query;
mod serve;
mod share;
mod sse;
mod table;
mod tail;
mod token;
mod user;

use std::process::ExitCode;

use pulseboard_runtime::tasks::STACK_BYTES;

pub use args::{Cli, Command};

/// Why a command failed: what it says, and its exit code.
#[derive(Debug)]
pub struct Failure {
    /// One clear line per problem.
    pub lines: Vec<String>,
    /// 1 for what was asked, 2 for how it was set up.
    pub code: u8,
}

impl Failure {
    /// What was asked for cannot be done.
    pub fn refused(line: impl Into<String>) -> Self {
        Self { lines: vec![line.into()], code: 1 }
    }

    /// The set-up is wrong.
    pub fn setup(line: impl Into<String>) -> Self {
        Self { lines: vec![line.into()], code: 2 }
    }
}

/// A command that is promised and not there.
fn not_yet(command: &str, instead: &str) -> Failure {
    Failure::setup(format!("`{command}` is not in this version yet: {instead}"))
}

/// Runs the command that the arguments ask for.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = match builder.enable_all().thread_stack_size(STACK_BYTES).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("pulseboard: cannot start: {error}");
            return ExitCode::from(2);
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(args).await,
            Command::Check(args) => check::run(&args),
            Command::Query(args) => query::run(&args).await,
            Command::Explain(args) => explain::run(&args).await,
            Command::Tail(args) => tail::run(&args).await,
            Command::Ingest(args) => ingest::run(&args).await,
            Command::Demo(args) => serve::demo(args).await,
            Command::Token(args) => token::run(&args).await,
            Command::User(args) => user::run(&args).await,
            Command::Share(args) => share::run(&args).await,
            Command::Backtest(_) => Err(not_yet("backtest", "alerts come first")),
            Command::Bench(args) => {
                pulseboard_bench::run(args).await.map_err(|error| Failure::refused(error.to_string()))
            }
        }
    });
    // Threads that only wait for the terminal or the disk need not hold the process up.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for line in &failure.lines {
                eprintln!("pulseboard: {line}");
            }
            ExitCode::from(failure.code)
        }
    }
}
