//! `pulseboard query`: one answer, from the running server or from a data directory that none runs on.

use std::io::Write;
use std::sync::Arc;

use pulseboard_journal::{Log, ReadOnlyLog};
use pulseboard_live::{History, QuerySpec, query_once};
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{Cell, Column, Position};
use pulseboard_protocol::value::write_cell;
use pulseboard_runtime::SystemClock;
use serde_json::{Value, json};

use super::Failure;
use super::args::QueryArgs;
use super::connect::{Place, find};
use super::table::{Heading, render};
use crate::log_history::LogHistory;

pub(super) async fn run(args: &QueryArgs) -> Result<(), Failure> {
    let (headings, rows) = match find(&args.target)? {
        Place::Server(server) => {
            let body = json!({"sql": args.sql, "timezone": args.timezone.name(), "at": args.at});
            let answer = server.post("/api/v1/query", &body).await?;
            let rows = answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
            let rows = rows.iter().map(|row| row.as_array().cloned().unwrap_or_default()).collect();
            (Heading::read(&answer["columns"]), rows)
        }
        Place::Directory => read_directory(args).await?,
    };
    print(&render(&headings, &rows, args.format))
}

/// Prints to stdout; a reader that went away (`| head`) is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::refused(format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}

async fn read_directory(args: &QueryArgs) -> Result<(Vec<Heading>, Vec<Vec<Value>>), Failure> {
    let log = ReadOnlyLog::open(&args.target.data_dir, SystemClock::shared())
        .map_err(|error| Failure::setup(error.to_string()))?;
    let log: Arc<dyn Log> = Arc::new(log);
    let at = match &args.at {
        Some(text) => text.parse::<Position>().map_err(|error| Failure::refused(error.to_string()))?,
        None => log.head(),
    };
    let history: Arc<dyn History> = Arc::new(LogHistory::new(log));
    let spec = QuerySpec { sql: args.sql.clone(), timezone: args.timezone, params: Default::default() };
    let answer = query_once(&spec, &history, at, &QueryLimits::default())
        .await
        .map_err(|error| Failure::refused(error.message))?;
    let heading = |column: &Column| Heading { name: column.name.clone(), column_type: column.column_type.to_string() };
    let rows = answer.rows.iter().map(|row| row.iter().map(cell_json).collect()).collect();
    Ok((answer.columns.iter().map(heading).collect(), rows))
}

/// A cell as clients see it.
fn cell_json(cell: &Cell) -> Value {
    let mut out = Vec::new();
    write_cell(&mut out, cell);
    serde_json::from_slice(&out).unwrap_or(Value::Null)
}
