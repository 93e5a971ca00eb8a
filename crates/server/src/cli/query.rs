//! `pulseboard query`: one answer, from the running server or from a data directory that none runs on.

use std::fmt::Display;
use std::sync::Arc;

use arrow::ipc::writer::StreamWriter;
use chrono_tz::Tz;
use pulseboard_archive::{Archive, ArchivedLog};
use pulseboard_journal::{Log, ReadOnlyLog, position_of};
use pulseboard_live::{History, QueryAnswer, QuerySpec, query_once};
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{Cell, Column};
use pulseboard_protocol::value::write_cell;
use pulseboard_runtime::{SystemClock, Tasks};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::args::QueryArgs;
use super::connect::{Place, find};
use super::out::{print, print_bytes};
use super::table::{Heading, render};
use super::{Failure, live_query};
use crate::log_history::LogHistory;
use crate::sql_text::sentence;

pub(super) async fn run(args: &QueryArgs) -> Result<(), Failure> {
    if args.live {
        return live_query::run(args).await;
    }
    let place = find(&args.target)?;
    let body = question(&args.sql, args.timezone, args.at.as_deref());
    let Some(format) = args.format.of_rows() else {
        let stream = match place {
            Place::Server(server) => server.post_for("/api/v1/query", &body, ARROW).await?,
            Place::Directory => arrow_stream(&read_directory(args).await?)?.into(),
        };
        return print_bytes(&stream).map(drop);
    };
    let (headings, rows): (Vec<Heading>, Vec<Vec<Value>>) = match place {
        Place::Server(server) => {
            let answer = server.post("/api/v1/query", &body).await?;
            let rows = answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
            let rows = rows.iter().map(|row| row.as_array().cloned().unwrap_or_default()).collect();
            (Heading::read(&answer["columns"]), rows)
        }
        Place::Directory => {
            let answer = read_directory(args).await?;
            let heading = |column: &Column| Heading {
                name: column.name.clone(),
                column_type: column.column_type.to_string(),
                key: column.key,
            };
            let rows = answer.rows.iter().map(|row| row.iter().map(cell_json).collect()).collect();
            (answer.columns.iter().map(heading).collect(), rows)
        }
    };
    print(&render(&headings, &rows, format)).map(drop)
}

/// What the server calls an Arrow stream.
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// An answer as an Arrow IPC stream.
fn arrow_stream(answer: &QueryAnswer) -> Result<Vec<u8>, Failure> {
    let unwritable = |what: &dyn Display| Failure::refused(format!("the answer cannot be written as Arrow: {what}"));
    let Some(first) = answer.batches.first() else { return Err(unwritable(&"it has no columns")) };
    let written = StreamWriter::try_new(Vec::new(), &first.schema()).and_then(|mut writer| {
        answer.batches.iter().try_for_each(|batch| writer.write(batch))?;
        writer.into_inner()
    });
    written.map_err(|error| unwritable(&error))
}

/// A question as the server is asked it; what is not said is the server's to choose.
pub(super) fn question(sql: &str, timezone: Option<Tz>, at: Option<&str>) -> Value {
    let mut body = json!({"sql": sql});
    if let Some(timezone) = timezone {
        body["timezone"] = timezone.name().into();
    }
    if let Some(at) = at {
        body["at"] = at.into();
    }
    body
}

async fn read_directory(args: &QueryArgs) -> Result<QueryAnswer, Failure> {
    let log = ReadOnlyLog::open(&args.target.data_dir, SystemClock::shared())
        .map_err(|error| Failure::setup(error.to_string()))?;
    let log: Arc<dyn Log> = Arc::new(log);
    let (data_dir, tasks) = (args.target.data_dir.clone(), Tasks::new());
    let archive = tokio::task::spawn_blocking(move || Archive::read_only(&data_dir, &tasks)).await;
    let archive = archive
        .map_err(|error| Failure::setup(error.to_string()))?
        .map_err(|error| Failure::setup(error.to_string()))?;
    let archived = archive.map(|archive| ArchivedLog::read_only(log.clone(), Arc::new(archive)));
    let at = match &args.at {
        Some(text) => {
            let whole: &dyn Log = archived.as_ref().map_or(log.as_ref(), |archived| archived);
            position_of(whole, text, args.timezone.unwrap_or(Tz::UTC))
                .map_err(|error| Failure::refused(error.to_string()))?
        }
        None => log.head(),
    };
    let history: Arc<dyn History> = Arc::new(match archived {
        Some(archived) => LogHistory::with_archive(archived),
        None => LogHistory::new(log),
    });
    let timezone = args.timezone.unwrap_or(Tz::UTC);
    let spec = QuerySpec { sql: args.sql.clone(), timezone, params: Default::default() };
    // On a thread of the runtime's pool: the main thread's stack may be too small for a deep plan.
    let work = move || Handle::current().block_on(query_once(&spec, &history, at, &QueryLimits::default()));
    let joined = tokio::task::spawn_blocking(work).await;
    joined
        .map_err(|error| Failure::refused(format!("the query could not be answered: {error}")))?
        .map_err(|error| Failure::refused(sentence(&error.message, error.at)))
}

/// A cell as clients see it.
fn cell_json(cell: &Cell) -> Value {
    let mut out = Vec::new();
    write_cell(&mut out, cell);
    serde_json::from_slice(&out).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use pulseboard_model::Position;

    use super::*;

    #[test]
    fn the_server_chooses_what_is_not_said() {
        assert_eq!(question("SELECT 1", None, None), json!({"sql": "SELECT 1"}));
        let said = question("SELECT 1", Some(Tz::Europe__Berlin), Some("x"));
        assert_eq!(said, json!({"sql": "SELECT 1", "timezone": "Europe/Berlin", "at": "x"}));
    }

    #[tokio::test]
    async fn a_position_of_another_log_or_beyond_its_end_is_refused_from_files_too() {
        let dir = tempfile::tempdir().unwrap();
        let tasks = pulseboard_runtime::Tasks::new();
        let config = pulseboard_journal::EmbeddedConfig::new(dir.path());
        let log = pulseboard_journal::EmbeddedLog::open(config, SystemClock::shared(), &tasks).unwrap();
        let head = log.head();
        drop(log);
        let ask = async |at: String| {
            let target = super::super::args::Target { url: None, data_dir: dir.path().to_owned() };
            let args = QueryArgs {
                sql: "SELECT 1".to_owned(),
                live: false,
                at: Some(at),
                timezone: None,
                format: super::super::args::Format::Csv,
                target,
            };
            read_directory(&args).await.map(|answer| answer.rows).map_err(|failure| failure.lines.join("\n"))
        };
        assert_eq!(*ask(head.to_string()).await.unwrap()[0], [Cell::Int(1)]);
        let other = Position { epoch: pulseboard_model::Epoch(head.epoch.0 ^ 1), ..head };
        assert!(ask(other.to_string()).await.unwrap_err().contains("another epoch"));
        let ahead = Position { offset: pulseboard_model::LogOffset::from_u64(7), ..head };
        assert!(ask(ahead.to_string()).await.unwrap_err().contains("beyond the end"));
        assert!(ask("yesterday".to_owned()).await.unwrap_err().contains("yesterday"));
    }
}
