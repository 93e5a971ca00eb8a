//! The live engine alone, in this process, on one thread: what a micro-batch costs by its size.
//!
//! Rows are prepared as the journal delivers them and not counted; pushing, the clock's seconds and finishing each step
//! are. The clock of the run is made up: a micro-batch every 4 ms, so that windows move as they would.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use clap::Args;
use pulseboard_live::{Batches, History, LiveQuery, QuerySpec, ScanRequest};
use pulseboard_model::limits::ViewLimits;
use pulseboard_model::schema::UTC;
use pulseboard_model::{
    Epoch, FieldType, LogOffset, Position, SchemaVersion, StreamField, StreamName, StreamSchema, TimeUs,
};

use crate::error::BenchError;
use crate::event::Sample;
use crate::generator::on_own_thread;
use crate::measured::{Bound, Figure, Measured, Unit, count, grouped};
use crate::views::{filter_group_window, ten_views};

pub(super) const STREAM: &str = "events";
/// The made-up clock starts here, on a whole second.
const START_US: i64 = 1_700_000_000_000_000;
const STEP_US: i64 = 4_000;
/// So many batches are prepared at a time; only stepping through them is timed.
const PREPARED: usize = 64;
const SIZES: [usize; 5] = [1, 10, 100, 1_000, 8_192];

/// How long each size is measured.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Seconds of engine time for each batch size, after a warm-up of a fifth of that.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub duration_s: u64,
    /// Another query over the stream `events` (service, region, status, duration_ms, path) instead of the built-in one.
    #[arg(long)]
    pub sql: Option<String>,
}

/// Measures.
///
/// # Errors
/// [`BenchError::Engine`] if a query is refused or is not maintained.
pub async fn run(options: &Options) -> Result<Measured, BenchError> {
    let plan = options.clone();
    on_own_thread("bench-engine", None, move |_tasks| async move { measure(&plan) }).await
}

fn measure(options: &Options) -> Result<Measured, BenchError> {
    let duration = Duration::from_secs(options.duration_s);
    let (name, sql) = match &options.sql {
        Some(sql) => ("the given query", sql.clone()),
        None => ("filter + group + window", filter_group_window(STREAM)),
    };
    let mut figures = Vec::new();
    for rows in SIZES {
        let stepped = step_for(duration, rows, std::slice::from_ref(&sql))?;
        let (events_per_s, batch_us) = (stepped.events_per_s(), stepped.batch_us());
        let what = format!("engine alone, one core, {name}, batches of {}", grouped(count(rows as u64)));
        figures.push(match rows {
            1 | 10 => Figure::new(what, batch_us, Unit::Us)
                .bound(Bound::at_most(10.0, 4.0))
                .detail(format!("per batch and view, {} events/s", grouped(events_per_s))),
            _ => Figure::new(what, events_per_s, Unit::PerSecond("events"))
                .detail(format!("{batch_us:.1} µs per batch and view")),
        });
    }
    if let Some(largest) = figures.last_mut() {
        largest.bound = Some(Bound::at_least(10e6, 20e6));
    }
    if options.sql.is_none() {
        let views = ten_views(STREAM);
        let stepped = step_for(duration, 10, &views)?;
        figures.push(
            Figure::new("engine alone, the ten views of the ingest row, batches of 10", stepped.batch_us(), Unit::Us)
                .detail("per batch and view"),
        );
    }
    Ok(Measured { figures, notes: Vec::new() })
}

/// What stepping came to.
struct Stepped {
    views: u64,
    batches: u64,
    events: u64,
    spent: Duration,
}

impl Stepped {
    fn events_per_s(&self) -> f64 {
        count(self.events) / self.spent.as_secs_f64()
    }

    fn batch_us(&self) -> f64 {
        self.spent.as_secs_f64() * 1e6 / count(self.batches) / count(self.views)
    }
}

/// Steps views through batches of `rows` until `duration` was spent in them.
fn step_for(duration: Duration, rows: usize, sql: &[String]) -> Result<Stepped, BenchError> {
    let mut feed = Feed::new(rows, STEP_US);
    let mut views = Vec::new();
    for sql in sql {
        let spec = QuerySpec { sql: sql.clone(), timezone: chrono_tz::UTC, params: Default::default() };
        views.push(LiveQuery::new(&spec, &feed.past, &ViewLimits::default())?);
    }
    step_until(&mut views, &mut feed, duration / 5)?;
    step_until(&mut views, &mut feed, duration)
}

fn step_until(views: &mut [LiveQuery], feed: &mut Feed, duration: Duration) -> Result<Stepped, BenchError> {
    let stream = StreamName::new(STREAM).expect("a good name");
    let mut stepped = Stepped { views: views.len() as u64, batches: 0, events: 0, spent: Duration::ZERO };
    while stepped.spent < duration {
        let prepared = feed.prepare()?;
        let started = Instant::now();
        for step in &prepared {
            for view in views.iter_mut() {
                if let Some(second) = step.new_second {
                    view.advance(second)?;
                }
                view.push(&stream, &step.rows, &feed.past.schema)?;
                let _delta = std::hint::black_box(view.finish()?);
            }
        }
        stepped.spent += started.elapsed();
        stepped.batches += prepared.len() as u64;
        stepped.events += prepared.iter().map(|step| step.rows.num_rows() as u64).sum::<u64>();
    }
    Ok(stepped)
}

/// A micro-batch, and the second that begins with it, if one does.
pub(super) struct Step {
    pub(super) new_second: Option<TimeUs>,
    pub(super) rows: RecordBatch,
}

/// Prepares micro-batches of reference events. The user columns repeat, time and offsets go on.
pub(super) struct Feed {
    past: Empty,
    columns: Vec<Vec<ArrayRef>>,
    rows: usize,
    next: usize,
    step_us: i64,
    clock_us: i64,
    offset: i64,
}

impl Feed {
    pub(super) fn new(rows: usize, step_us: i64) -> Self {
        let field = |name: &str, field_type| StreamField { name: name.into(), field_type, declared: false };
        let fields = vec![
            field("service", FieldType::String),
            field("region", FieldType::String),
            field("status", FieldType::Int),
            field("duration_ms", FieldType::Float),
            field("path", FieldType::String),
        ];
        let past = Empty { schema: Arc::new(StreamSchema { version: SchemaVersion(1), fields }) };
        let columns = (0..PREPARED).map(|batch| user_columns(batch * rows, rows)).collect();
        Self { past, columns, rows, next: 0, step_us, clock_us: START_US, offset: 0 }
    }

    fn prepare(&mut self) -> Result<Vec<Step>, BenchError> {
        (0..PREPARED).map(|_| self.one()).collect()
    }

    /// The next micro-batch.
    pub(super) fn one(&mut self) -> Result<Step, BenchError> {
        self.step().map_err(|error| BenchError::BadAnswer(format!("a prepared batch does not fit its schema: {error}")))
    }

    /// The log that it feeds.
    pub(super) fn past(&self) -> &dyn History {
        &self.past
    }

    /// The schema of its batches.
    pub(super) fn schema(&self) -> &StreamSchema {
        &self.past.schema
    }

    fn step(&mut self) -> Result<Step, ArrowError> {
        let before = TimeUs(self.clock_us).floor_to_second();
        self.clock_us += self.step_us;
        let now = TimeUs(self.clock_us).floor_to_second();
        let rows = i64::try_from(self.rows).unwrap_or(i64::MAX);
        let times = |values: Vec<Option<i64>>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone(UTC))
        };
        let arrived = times(vec![Some(self.clock_us); self.rows]);
        let mut columns = vec![arrived.clone()];
        columns.extend(self.columns[self.next % PREPARED].iter().cloned());
        columns.push(times(vec![None; self.rows]));
        columns.push(arrived);
        columns.push(Arc::new((self.offset + 1..=self.offset + rows).collect::<Int64Array>()));
        self.next += 1;
        self.offset += rows;
        let rows = RecordBatch::try_new(self.past.schema.event_schema(), columns)?;
        Ok(Step { new_second: (now != before).then_some(now), rows })
    }
}

fn user_columns(first: usize, rows: usize) -> Vec<ArrayRef> {
    let samples: Vec<Sample> = (first..first + rows).map(|number| Sample::new(number as u64)).collect();
    vec![
        Arc::new(samples.iter().map(|sample| Some(sample.service.as_str())).collect::<StringArray>()),
        Arc::new(samples.iter().map(|sample| Some(sample.region)).collect::<StringArray>()),
        Arc::new(samples.iter().map(|sample| Some(sample.status)).collect::<Int64Array>()),
        Arc::new(samples.iter().map(|sample| Some(count(sample.duration_us) / 1_000.0)).collect::<Float64Array>()),
        Arc::new(samples.iter().map(|sample| Some(sample.path.as_str())).collect::<StringArray>()),
    ]
}

/// A log with one stream and no events yet.
#[derive(Debug)]
struct Empty {
    schema: Arc<StreamSchema>,
}

impl History for Empty {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        (stream == STREAM).then(|| self.schema.clone())
    }

    fn streams(&self) -> Vec<StreamName> {
        vec![StreamName::new(STREAM).expect("a good name")]
    }

    fn head(&self) -> Position {
        Position { epoch: Epoch(1), offset: LogOffset::START, clock: TimeUs(START_US) }
    }

    fn scan(&self, _request: &ScanRequest) -> Batches {
        Box::new(std::iter::empty())
    }

    fn complete_from(&self, _stream: &StreamName) -> Option<TimeUs> {
        None
    }
}

#[cfg(test)]
mod tests {
    use pulseboard_model::Cell;

    use super::*;

    #[test]
    fn every_view_of_the_bench_is_maintained_and_sees_every_event() {
        let mut feed = Feed::new(10, STEP_US);
        let queries = ten_views(STREAM).into_iter().chain([filter_group_window(STREAM)]);
        let mut views: Vec<LiveQuery> = queries
            .map(|sql| {
                let spec = QuerySpec { sql: sql.clone(), timezone: chrono_tz::UTC, params: Default::default() };
                LiveQuery::new(&spec, &feed.past, &ViewLimits::default()).unwrap_or_else(|e| panic!("{sql}: {e}"))
            })
            .collect();
        // Enough for several seconds of the made-up clock.
        let stepped = step_until(&mut views, &mut feed, Duration::from_millis(300)).expect("stepped");
        assert_eq!(stepped.events, stepped.batches * 10);
        let rows = views[0].snapshot().rows;
        let (_key, counted) = rows.iter().next().expect("one row");
        assert_eq!(counted[0], Cell::Int(i64::try_from(stepped.events).expect("small")));
        assert!(views.iter().all(|view| !view.snapshot().rows.is_empty()));
    }
}
