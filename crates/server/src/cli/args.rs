//! The arguments of every command, with the help that teaches them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pulseboard_protocol::{Pattern, Role};

use super::table::RowFormat;

/// Live dashboards from your own events, in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "pulseboard",
    version,
    after_help = "First steps:\n  \
        pulseboard demo                                all boards, with a simulated shop and trading desk\n  \
        pulseboard serve                               this machine, live on http://127.0.0.1:8080\n  \
        curl -d '{\"total\": 12.5}' http://127.0.0.1:8080/api/v1/streams/orders/events\n  \
        pulseboard query 'SELECT count(*) FROM orders' ask what came; --live asks again with each change\n  \
        pulseboard tail orders                         watch what comes\n\n\
        Every command has examples: pulseboard query --help"
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
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Show everything: all boards, fed by a simulated shop, a simulated trading desk and this machine.
    #[command(after_help = DEMO_HELP)]
    Demo(DemoArgs),
    /// Read a configuration file and say everything that is wrong with it.
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Answer a SQL query, once or again with each change.
    #[command(after_help = QUERY_HELP)]
    Query(QueryArgs),
    /// Say how a query is answered: maintained or re-run, why, and what it costs.
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArgs),
    /// Print a stream's events as they come, one JSON object a line.
    #[command(after_help = TAIL_HELP)]
    Tail(TailArgs),
    /// Send a file of events (NDJSON, a JSON array or CSV) to a stream.
    #[command(after_help = INGEST_HELP)]
    Ingest(IngestArgs),
    /// Measure this machine: load tools and the suite behind `make bench`.
    #[command(after_help = BENCH_HELP)]
    Bench(pulseboard_bench::BenchArgs),
    /// Make, list and take back the tokens that clients show.
    #[command(after_help = TOKEN_HELP)]
    Token(TokenArgs),
    /// Add, change, list and remove users, who log in at the app with a password.
    #[command(after_help = super::user::HELP)]
    User(super::user::UserArgs),
    /// Make, list and take back links that show one board to whoever has them.
    #[command(after_help = super::share::HELP)]
    Share(super::share::ShareArgs),
    /// Coming, not in this version yet: try an alert rule on the events of the past.
    Backtest(NotYetArgs),
}

const SERVE_HELP: &str = "Examples:
  pulseboard serve                                    this machine, and whatever you POST
  pulseboard serve --config pulseboard.toml           what the file names
  pulseboard serve --listen 127.0.0.1:0 --data-dir /tmp/try

It prints its URL when it listens and logs to stderr (PULSEBOARD_LOG=debug says more).
SIGTERM or Ctrl-C ends it in order within 10 seconds; kill -9 is safe too.
Exit codes: 0 ended as asked, 1 failed while running, 2 wrong configuration, a busy port, a locked directory.";

const DEMO_HELP: &str = "Examples:
  pulseboard demo                                     on http://127.0.0.1:8080, data in ./pulseboard-demo
  pulseboard demo --seed 7 --listen 127.0.0.1:0 --data-dir /tmp/demo

The first start writes two days of past, so that yesterday is there; the log says how far it is. A later start goes on
where the last one ended. The same seed makes the same shop and the same prices. It is an ordinary server otherwise:
  curl -d '{\"order_id\": \"MINE\", \"status\": \"placed\", \"total\": 1299}' http://127.0.0.1:8080/api/v1/streams/orders/events";

const CHECK_HELP: &str = "Example:
  pulseboard check pulseboard.toml && systemctl restart pulseboard

It reads the boards that the file names too, and the SQL of views and panels. It starts and makes nothing.
Exit code 2 and a line for each problem: file, key, what is wrong, what is allowed.";

const QUERY_HELP: &str = "Examples:
  pulseboard query 'SELECT count(*) FROM orders'
  pulseboard query 'SELECT kind, sum(total) FROM orders GROUP BY kind' --format csv > totals.csv
  pulseboard query 'SELECT * FROM orders' --format arrow > orders.arrows
  pulseboard query --live \"SELECT count(*) FROM orders WHERE time > now() - interval '1 minute'\"
  pulseboard query 'SELECT count(*) FROM orders' --at \"$POSITION\"

With --live it goes on until Ctrl-C:
  table   the whole answer again at each change, in place on a terminal, at most 10 times a second
  json    first all rows, then a line for each row that is new or differs; a row that went is printed
          as it was, with \"_removed\":true
  csv     the same without the rows that went";

const EXPLAIN_HELP: &str = "Example:
  pulseboard explain 'SELECT kind, count(*) FROM orders GROUP BY kind'

`maintained` answers are updated by each change alone, `rerun` ones are asked again at a bounded rate.";

const TAIL_HELP: &str = "Examples:
  pulseboard tail orders                     the newest 10, then what comes, until Ctrl-C
  pulseboard tail orders -n 0 | jq .total
  pulseboard tail orders -n 1 | head -1

Without a running server it prints the newest events of the data directory and ends.";

const INGEST_HELP: &str = "Examples:
  pulseboard ingest orders orders.ndjson
  pulseboard ingest orders orders.json       an array, in one request
  pulseboard ingest orders orders.csv        the first line names the fields
  zcat orders.ndjson.gz | pulseboard ingest orders -

It sends parts of about 1 MiB; after a cut connection it sends a part again and nothing counts twice. After a run that
was interrupted the same command goes on where that one stopped (--restart: from the beginning); running it again
after its end sends all events again. In CSV an empty value is null, and a column is int, float, bool or text for the
whole file, or what the stream has. Exit code 1 if a row was refused: the others are durable.";

const TOKEN_HELP: &str = "Examples:
  pulseboard token create --role ingest --channels stream:orders --name 'the shop'
  pulseboard token create --role viewer --channels 'view:shop.*' --channels board:shop --expires 30d
  pulseboard token create --role admin --expires 1h
  pulseboard token list
  pulseboard token revoke 4f1c09aa31d2

Roles: ingest sends events and reads nothing; viewer reads; editor changes boards, views and alerts too;
admin does everything. Only what is covered by --channels is sent or read; queries of one's own need sql:*
or * (the default). The token is printed once; its hash is kept. The first one locks the door for whoever
has none, on this machine too. It works while a server runs, at once, and without one.";

const BENCH_HELP: &str = "Examples:
  pulseboard bench                           everything, each against a server of its own
  pulseboard bench --only latency,fanout";

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

/// `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Demos of one seed are alike.
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    pub seed: u32,
    /// Where events are kept [default: ./pulseboard-demo].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address and port [default: 127.0.0.1:8080]. Port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// How much of a past the first start writes.
    #[arg(long, value_name = "SPAN", default_value = "48h")]
    pub past: String,
    /// Each how long the feed of costs fails for a while, so that it can be seen what becomes of a board then.
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    pub outage_every: String,
}

/// `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The configuration file.
    pub config: PathBuf,
}

/// Which server, or which data directory. A server elsewhere gets the token in the environment variable PULSEBOARD_TOKEN.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The server's URL [default: the server that holds the data directory].
    #[arg(long, value_name = "URL", global = true)]
    pub url: Option<String>,
    /// The data directory, to find its server or, without one, to read it.
    #[arg(long, value_name = "DIR", default_value = "./pulseboard-data", global = true)]
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
    /// An Arrow IPC stream, for programs: column types and all.
    Arrow,
}

impl Format {
    /// How rows are written; `None` if not as text.
    pub(super) fn of_rows(self) -> Option<RowFormat> {
        match self {
            Self::Table => Some(RowFormat::Table),
            Self::Json => Some(RowFormat::Json),
            Self::Csv => Some(RowFormat::Csv),
            Self::Arrow => None,
        }
    }
}

/// `query`.
#[derive(Debug, Clone, Args)]
pub struct QueryArgs {
    /// The SQL text, for example: SELECT kind, count(*) FROM orders GROUP BY kind
    pub sql: String,
    /// Print the answer again with each change, until Ctrl-C. Needs a running server.
    #[arg(long)]
    pub live: bool,
    /// A position that an earlier answer gave, or a time such as 2026-03-01T12:00:00Z: the answer as of then.
    #[arg(long, value_name = "POSITION|TIME", conflicts_with = "live")]
    pub at: Option<String>,
    /// The zone local days and hours are meant in [default: the server's, else UTC].
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<chrono_tz::Tz>,
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
    /// The zone local days and hours are meant in [default: the server's].
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<chrono_tz::Tz>,
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
    /// The file: one JSON object a line, a JSON array, or CSV whose first line names the fields. `-` reads JSON from standard input.
    pub file: PathBuf,
    /// What the file is [default: csv if it ends in .csv or .tsv, else json].
    #[arg(long, value_enum)]
    pub format: Option<IngestFormat>,
    /// What stands between the values of a CSV file [default: a comma, in .tsv a tab].
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<char>,
    /// Send all of it, although an interrupted run could be gone on with.
    #[arg(long)]
    pub restart: bool,
    /// What becomes of rows that an interrupted run sent too long ago to know whether they came.
    #[arg(long, value_enum)]
    pub unsure: Option<Unsure>,
    #[command(flatten)]
    /// Whom to send to.
    pub target: Target,
}

/// What a file of events is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IngestFormat {
    /// One object a line, or an array.
    Json,
    /// Values between commas; the first line names the fields.
    Csv,
}

/// What becomes of rows of which nobody knows whether they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Unsure {
    /// They came: go on after them.
    Skip,
    /// They did not: send them.
    Send,
}

/// `token`.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenCommand,
    #[command(flatten)]
    /// Whom to ask.
    pub target: Target,
}

/// What `token` does.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it.
    Create(TokenCreateArgs),
    /// List all tokens, those that ended included.
    List(TokenListArgs),
    /// Take a token back: from now on it is refused, and what is open by it is closed.
    Revoke(TokenRevokeArgs),
}

/// `token create`.
#[derive(Debug, Clone, Args)]
pub struct TokenCreateArgs {
    /// What it may do: ingest, viewer, editor or admin.
    #[arg(long)]
    pub role: Role,
    /// Which channels, such as view:shop.*, board:shop, stream:orders, sql:*; give it again for more [default: *].
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub channels: Vec<Pattern>,
    /// How long it is good, such as 12h or 30d [default: until it is taken back].
    #[arg(long, value_name = "SPAN", value_parser = crate::config::span)]
    pub expires: Option<Duration>,
    /// What it is for.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
}

/// `token list`.
#[derive(Debug, Clone, Args)]
pub struct TokenListArgs {
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    pub format: TextFormat,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    /// Aligned columns.
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

impl From<TextFormat> for RowFormat {
    fn from(format: TextFormat) -> Self {
        match format {
            TextFormat::Table => Self::Table,
            TextFormat::Json => Self::Json,
            TextFormat::Csv => Self::Csv,
        }
    }
}

/// `token revoke`.
#[derive(Debug, Clone, Args)]
pub struct TokenRevokeArgs {
    /// Its id, as `token list` shows it.
    pub id: String,
}

/// A command of a later version: whatever follows it, it says so.
#[derive(Debug, Clone, Args)]
pub struct NotYetArgs {
    /// Not read yet.
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub rest: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_teaches_with_an_example_that_it_accepts() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands().filter(|c| !matches!(c.get_name(), "backtest" | "help")) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let start = format!("  pulseboard {}", command.get_name());
            let examples = help.lines().filter(|line| line.starts_with(&start)).count();
            assert!(examples > 0, "`{}` has no example", command.get_name());
        }
    }

    #[test]
    fn promised_commands_are_known_however_they_are_called() {
        for words in [&["backtest"][..], &["backtest", "r"]] {
            let parsed = Cli::try_parse_from(std::iter::once(&"pulseboard").chain(words)).unwrap();
            let name = matches!(parsed.command, Command::Backtest(_));
            assert!(name, "{words:?}");
        }
        for (words, good) in [
            (&["create", "--role", "viewer", "--channels", "view:shop.*,board:shop", "--expires", "30d"][..], true),
            (&["create", "--role", "root"], false),
            (&["create", "--role", "viewer", "--channels", "shop"], false),
            (&["create", "--role", "viewer", "--expires", "soon"], false),
            (&["create"], false),
            (&["list", "--data-dir", "x"], true),
            (&["revoke", "a1"], true),
        ] {
            let parsed = Cli::try_parse_from(["pulseboard", "token"].iter().chain(words));
            assert_eq!(parsed.is_ok(), good, "{words:?}");
        }
        assert!(Cli::try_parse_from(["pulseboard", "query", "--live", "--at", "x", "SELECT 1"]).is_err());
    }
}
