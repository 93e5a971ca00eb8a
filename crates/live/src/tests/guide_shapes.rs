//! `docs/guide/sql-shapes.md` is tried: its events, its queries, and the answers it shows, live and in batch.

use std::sync::Arc;

use chrono::DateTime;
use chrono_tz::Tz;
use pulseboard_model::Cell;
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use serde_json::Value;

use super::streams_world::Streams;
use crate::api::{History, Params, QuerySpec};
use crate::batch;
use crate::live_query::LiveQuery;
use crate::scan_request::ScanRequest;

const PAGE: &str = include_str!("../../../../docs/guide/sql-shapes.md");
/// 24 November 2026, 10:01:00 UTC.
const NOW_US: i64 = 1_795_514_460_000_000;

/// A query and the rows it shows.
struct Example {
    sql: String,
    rows: Vec<Vec<String>>,
}

/// The events and the examples of the page, in order.
fn read(page: &str) -> (Vec<(String, Vec<Value>)>, Vec<Example>) {
    let (mut events, mut examples) = (Vec::new(), Vec::<Example>::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match kind.split_once(' ') {
                Some(("json", stream)) => {
                    let rows = block.iter().map(|row| serde_json::from_str(row).expect("a row is JSON")).collect();
                    events.push((stream.to_owned(), rows));
                }
                _ if kind == "sql" => examples.push(Example { sql: block.join("\n"), rows: Vec::new() }),
                _ => panic!("a block of {kind:?}"),
            }
        } else if line.starts_with('|') {
            let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            examples.last_mut().expect("a table follows a query").rows.push(cells);
        }
    }
    (events, examples)
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Time(us) => {
            let time = DateTime::from_timestamp_micros(*us).expect("in range");
            time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        }
        Cell::Int(value) => value.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Str(value) | Cell::Decimal(value) => value.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn what_the_guide_shows_is_what_is_answered() {
    let (events, examples) = read(PAGE);
    assert!(events.len() >= 8 && examples.len() >= 8, "the page was not read");
    let world = Streams::starting_at(NOW_US);
    for (stream, rows) in &events {
        world.commit(stream, 0, rows);
    }
    let history: Arc<dyn History> = world.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for Example { sql, rows } in examples {
        let spec = QuerySpec { sql: sql.clone(), timezone: Tz::UTC, params: Params::new() };
        let mut live = LiveQuery::new(&spec, world.as_ref(), &ViewLimits::default()).expect("is maintained");
        for stream in live.streams() {
            let schema = world.schema(stream.as_str()).expect("is there");
            let request = ScanRequest::new(stream.clone(), pulseboard_model::LogOffset::START, world.head().offset);
            for batch in world.scan(&request) {
                live.push(&stream, &batch.expect("reads"), &schema).expect("fits");
            }
        }
        live.finish().expect("finishes");
        let batch = runtime.block_on(batch::run(&spec, &history, world.head(), &QueryLimits::default()));
        let batch = batch.expect("an answer");
        let names: Vec<String> = live.columns().iter().map(|column| column.name.clone()).collect();
        let snapshot = live.snapshot();
        let found: Vec<Vec<String>> = snapshot.ordered_rows().map(|(_, row)| row.iter().map(text).collect()).collect();
        let batch: Vec<Vec<String>> = batch.rows.iter().map(|row| row.iter().map(text).collect()).collect();
        assert_eq!(rows[0], names, "{sql}");
        assert_eq!(rows[2..], found, "{sql}");
        assert_eq!(rows[2..], batch, "{sql}");
    }
}
