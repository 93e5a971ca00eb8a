//! The command line of `pulseboard bench`, embedded by the server's.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::error::BenchError;
use crate::scenario::{
    connections, engine, fanout, history, idle, ingest_batch, ingest_single, latency, memory, polling, queries,
    readers, restart, slow, storm,
};
use crate::target::Target;

/// Measures a server. Without a scenario: all of them, each against a server of its own, as one table.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    /// How the whole suite runs.
    #[command(flatten)]
    pub suite: SuiteArgs,
    /// One scenario instead.
    #[command(subcommand)]
    pub scenario: Option<ScenarioArgs>,
}

/// How the whole suite runs.
#[derive(Debug, Clone, Default, Args)]
pub struct SuiteArgs {
    /// The server's program; without, the one that is running now.
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Where temporary data directories are made. On a disk whose speed counts: not in memory.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Only these, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Scenario>,
    /// Seconds that each scenario counts, instead of its own default.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub duration_s: Option<u64>,
}

/// The scenarios by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// What an idle server costs.
    Idle,
    /// The live engine alone.
    Engine,
    /// Single-event POSTs.
    Single,
    /// Batches with ten live views.
    Batch,
    /// From commit to frame.
    Latency,
    /// From commit to frame beside 200 views.
    Views,
    /// From commit to frame of a view with 100,000 groups.
    Groups,
    /// A thousand readers of one channel.
    Fanout,
    /// Ten thousand readers of one channel.
    Readers,
    /// The memory of ten thousand idle connections, WebSocket and SSE.
    Connections,
    /// Push against polling.
    Polling,
    /// Five thousand readers that come back at once.
    Storm,
    /// Slow readers beside others.
    Slow,
    /// The queries of Nexmark.
    Nexmark,
    /// The Yahoo streaming benchmark's campaign count.
    Yahoo,
    /// Starting again with many events in open windows.
    Restart,
    /// Days of windows by a made-up clock.
    Memory,
    /// Questions about a long past; only if it is named: it takes minutes and gigabytes.
    History,
}

/// One scenario against a running server.
#[derive(Debug, Clone, Subcommand)]
pub enum ScenarioArgs {
    /// CPU and memory of a server that is left alone.
    Idle(Against<idle::Options>),
    /// The live engine in this process, by batch size; no server needed.
    Engine(engine::Options),
    /// Single-event POSTs over many connections.
    Single(Against<ingest_single::Options>),
    /// NDJSON batches with ten live views on the stream.
    Batch(Against<ingest_batch::Options>),
    /// From the answer of a POST to the frame at many readers of one view.
    Latency(Against<latency::Options>),
    /// One stream or view, a thousand WebSocket readers.
    Fanout(Against<fanout::Options>),
    /// Any number of readers over any transport, of a channel of the bench's own or one that is there: what reaches them,
    /// how late, and whether all end with what the server says.
    Readers(Against<readers::Options>),
    /// The memory of idle connections.
    Connections(Against<connections::Options>),
    /// The same channel over each transport: requests, bytes, the server's CPU.
    Polling(Against<polling::Options>),
    /// Readers that are cut off and come back all at once.
    Storm(Against<storm::Options>),
    /// Slow readers beside others, in pairs of runs with and without.
    Slow(Against<slow::Options>),
    /// The queries of Nexmark in this process; no server needed.
    Nexmark(queries::Options),
    /// The Yahoo streaming benchmark's campaign count in this process; no server needed.
    Yahoo(queries::Options),
    /// Starting again with many events in open windows: a server of its own, killed, ended and without checkpoints.
    Restart(restart::Options),
    /// Days of sliding and calendar windows in this process, by a made-up clock; no server needed.
    Memory(memory::Options),
    /// A month of one series, a scan of everything and a single row, out of a hundred million rows: a server of its own.
    ///
    /// Writes the rows through the log into the archive first, by a made-up clock. That takes minutes, and up to 45 bytes of
    /// disk a row: 4.5 GB for 100 million. `--data-dir` keeps them for the next run.
    History(history::Options),
}

/// A scenario's options and the server it runs against. Events go to streams of their own, `bench_…`, and stay there.
#[derive(Debug, Clone, Args)]
pub struct Against<O: Args> {
    /// Which server.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The scenario's own options.
    #[command(flatten)]
    pub options: O,
}

/// Which server is measured.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// The server's URL.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// A token of the server, if it wants one.
    #[arg(long, value_name = "TOKEN", env = "PULSEBOARD_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The server's process, to read its CPU time and memory.
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// Load a server that is not on this machine. Only do this to your own.
    #[arg(long)]
    pub i_own_this_server: bool,
}

impl TargetArgs {
    /// Looks the server up.
    ///
    /// # Errors
    /// As [`Target::resolve`].
    pub async fn resolve(&self) -> Result<Target, BenchError> {
        let target = Target::resolve(&self.url, self.i_own_this_server, self.server_pid).await?;
        Ok(target.with_token(self.token.clone()))
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        bench: BenchArgs,
    }

    #[test]
    fn the_command_line_is_sound_and_reads_both_forms() {
        Cli::command().debug_assert();
        let suite =
            Cli::try_parse_from(["bench", "--only", "engine,idle", "--duration-s", "2"]).expect("a suite").bench;
        assert_eq!(suite.suite.only, [Scenario::Engine, Scenario::Idle]);
        assert!(suite.scenario.is_none());

        let one = Cli::try_parse_from(["bench", "fanout", "--url", "http://[::1]:1", "--readers", "10"]).expect("one");
        let Some(ScenarioArgs::Fanout(fanout)) = one.bench.scenario else { panic!("another scenario") };
        assert_eq!((fanout.options.readers, fanout.target.i_own_this_server), (10, false));

        for bad in [vec!["--duration-s", "0"], vec!["single", "--connections", "0"], vec!["nothing"]] {
            assert!(Cli::try_parse_from([vec!["bench"], bad.clone()].concat()).is_err(), "{bad:?}");
        }
    }
}
