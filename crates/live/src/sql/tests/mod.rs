//! What SQL texts mean, what is refused and how, and that no text takes the process down.

mod chains;
mod meaning;
mod narrowing;
mod parameters;
mod references;
mod refusals;
mod sizes;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{
    Cell, Epoch, FieldType, LogOffset, Position, Row, SchemaVersion, StreamField, StreamName, StreamSchema, TimeUs,
};

use crate::api::{Batches, History, Params, QueryAnswer, QueryError, QuerySpec};
use crate::batch;
use crate::maintain::shape::{simplified, take_apart};
use crate::scan_request::ScanRequest;
use crate::sql::clock::ClockCell;
use crate::sql::planning::{self, Planned, Rows, warnings};
use crate::tests::world::{Event, World};

/// When the tests' clocks start.
const START_US: i64 = 1_780_000_000_000_000;

/// Streams without events.
#[derive(Debug, Default)]
struct Empty(BTreeMap<String, Arc<StreamSchema>>);

impl Empty {
    fn with(mut self, stream: &str, fields: &[(&str, FieldType)]) -> Self {
        let field = |(name, field_type): &(&str, FieldType)| StreamField {
            name: (*name).into(),
            field_type: field_type.clone(),
            declared: false,
        };
        let schema = StreamSchema { version: SchemaVersion(1), fields: fields.iter().map(field).collect() };
        self.0.insert(stream.to_owned(), Arc::new(schema));
        self
    }
}

impl History for Empty {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.0.get(stream).cloned()
    }

    fn streams(&self) -> Vec<StreamName> {
        self.0.keys().map(|name| StreamName::new(name).expect("a good name")).collect()
    }

    fn head(&self) -> Position {
        Position { epoch: Epoch(1), offset: LogOffset::START, clock: TimeUs(START_US) }
    }

    fn scan(&self, _request: &ScanRequest) -> Batches {
        Box::new(std::iter::empty())
    }

    fn key(&self, stream: &StreamName) -> Option<String> {
        stream.as_str().starts_with("ref_").then(|| "id".to_owned())
    }

    fn complete_from(&self, _stream: &StreamName) -> Option<TimeUs> {
        None
    }
}

/// The tests' usual stream, with the events n = 1, 2, 3 of the kinds a, b and 7.
fn three_events() -> Arc<dyn History> {
    let world = World::starting_at(START_US);
    let event = |n: i64, kind: &'static str| Event {
        time_us: (n - 2) * 60_000_000,
        kind: Some(kind),
        n: Some(n),
        quarters: Some(6),
        cents: Some(1_010),
        flag: Some(n == 1),
    };
    world.commit(START_US, 0, &[event(1, "a"), event(2, "b"), event(3, "7")]);
    world
}

fn spec(sql: &str) -> QuerySpec {
    QuerySpec { sql: sql.into(), timezone: Tz::UTC, params: Params::new() }
}

fn with(sql: &str, params: &[(&str, Cell)]) -> QuerySpec {
    QuerySpec { params: params.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect(), ..spec(sql) }
}

/// Plans as the engine does when somebody asks for a live answer.
fn plan(spec: &QuerySpec, history: &dyn History) -> Result<Planned, QueryError> {
    let clock = ClockCell::new(history.head().now());
    planning::plan(spec, history, &clock, &Rows::None, None, QueryLimits::default().sql_bytes_max)
}

/// Takes a query through all that the server does with one: a live plan, an explanation, a batch answer.
fn answer(spec: &QuerySpec, history: &Arc<dyn History>) -> Result<QueryAnswer, QueryError> {
    let planned = plan(spec, history.as_ref())?;
    let _warnings = warnings(&planned.plan);
    let simplified = simplified(&planned).map_err(|error| QueryError::planning(&error))?;
    let _text = simplified.display_indent().to_string();
    let _maintained = take_apart(&planned).is_ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(batch::run(spec, history, history.head(), &QueryLimits::default()))
}

/// The names of the columns of `sql` over streams without events.
fn columns(sql: &str, history: Empty) -> Vec<String> {
    let history: Arc<dyn History> = Arc::new(history);
    let answer = answer(&spec(sql), &history).unwrap_or_else(|error| panic!("{sql}: {error}"));
    answer.columns.into_iter().map(|column| column.name).collect()
}

/// The rows of a query over [`three_events`].
fn rows(spec: &QuerySpec) -> Vec<Row> {
    answer(spec, &three_events()).unwrap_or_else(|error| panic!("{}: {error}", spec.sql)).rows
}

/// The error of a query over [`three_events`].
fn refusal(spec: &QuerySpec) -> QueryError {
    match answer(spec, &three_events()) {
        Ok(answer) => panic!("{} is answered with {:?}", spec.sql, answer.rows),
        Err(error) => error,
    }
}
