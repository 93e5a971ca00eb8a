//! The arguments of every command, with the help that teaches them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Live dashboards from your own events, in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "pulseboard",
    version,
    about,
    after_help = "First steps:\n  \
        pulseboard serve                                     see this machine live on http://127.0.0.1:8080\n  \
        curl -d '{\"total\": 12.5}' http://127.0.0.1:8080/api/v1/streams/orders/events\n  \
        pulseboard query 'SELECT count(*) FROM orders'       ask what came\n  \
        pulseboard tail orders                               watch what comes"
)]
pub struct Cli {
    #[command(subcommand)]
    /// What to do.
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server: take events in, answer queries live, show boards.
    Serve(ServeArgs),
    /// Read a configuration file and say everything that is wrong with it.
    Check(CheckArgs),
    /// Answer a SQL query once.
    Query(QueryArgs),
    /// Say how a query is answered: maintained or re-run, why, and what it costs.
    Explain(ExplainArgs),
    /// Print a stream's events as they come, one JSON object a line.
    Tail(TailArgs),
    /// Send a file of events (NDJSON or a JSON array) to a stream.
    Ingest(IngestArgs),
    /// Measure this machine: load tools and the suite behind `make bench`.
    Bench(pulseboard_bench::BenchArgs),
}

/// `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Configuration file (TOML). Without one: this machine's measurements, the infra board, and whatever you POST.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where events are kept [default: ./pulseboard-data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address and port [default: 127.0.0.1:8080]. Port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The configuration file.
    pub config: PathBuf,
}

/// Which server, or which data directory.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The server's URL [default: the server that holds the data directory].
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The data directory, to find its server or, without one, to read it.
    #[arg(long, value_name = "DIR", default_value = "./pulseboard-data")]
    pub data_dir: PathBuf,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns.
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// `query`.
#[derive(Debug, Clone, Args)]
pub struct QueryArgs {
    /// The SQL text, for example: SELECT kind, count(*) FROM orders GROUP BY kind
    pub sql: String,
    /// A position that an earlier answer gave: the answer as of then.
    #[arg(long, value_name = "POSITION")]
    pub at: Option<String>,
    /// The zone local days and hours are meant in.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub timezone: chrono_tz::Tz,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
    #[command(flatten)]
    /// Whom to ask.
    pub target: Target,
}

/// `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The SQL text.
    pub sql: String,
    /// The zone local days and hours are meant in.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub timezone: chrono_tz::Tz,
    #[command(flatten)]
    /// Whom to ask.
    pub target: Target,
}

/// `tail`.
#[derive(Debug, Clone, Args)]
pub struct TailArgs {
    /// The stream.
    pub stream: String,
    /// How many of the newest events to print first.
    #[arg(long, short = 'n', default_value_t = 10)]
    pub last: usize,
    #[command(flatten)]
    /// Whom to ask.
    pub target: Target,
}

/// `ingest`.
#[derive(Debug, Clone, Args)]
pub struct IngestArgs {
    /// The stream; it is made if it does not exist.
    pub stream: String,
    /// The file: one JSON object a line, or a JSON array. `-` reads standard input.
    pub file: PathBuf,
    #[command(flatten)]
    /// Whom to send to.
    pub target: Target,
}
