//! Random events × splits × queries × clock steps × zones × restarts: live equals batch, and deltas rebuild snapshots.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use chrono_tz::Tz;
use proptest::prelude::*;
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::schema::OFFSET;
use pulseboard_model::{Cell, Column, LogOffset, Row, Snapshot, TimeUs};

use super::grammar;
use super::same::{fail, runner, runtime};
use super::world::{Event, Happening, STREAM, Whole, Wide, World};
use crate::api::{History, Params, QuerySpec};
use crate::batch;
use crate::input::InputLayout;
use crate::maintain::instance::Instance;
use crate::maintain::shape::{Shape, take_apart};
use crate::maintain::{dump, shape::Unmaintained};
use crate::scan_request::ScanRequest;
use crate::sql::clock::ClockCell;
use crate::sql::planning::{self, Rows};

/// How many cases the normal run takes; `PULSEBOARD_DIFFERENTIAL_CASES` overrides it.
const CASES: u32 = 2_000;

/// What else happens to the instance after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restart {
    No,
    /// Rebuilt by replaying the log.
    Replay,
    /// Written to bytes and read back.
    Bytes,
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) timezone: Tz,
    /// Where the world's clock starts.
    pub(super) start_us: i64,
    pub(super) sql: String,
    pub(super) happenings: Vec<(Happening, Restart)>,
}

pub(super) fn event() -> impl Strategy<Value = Wide> {
    // Mostly around the clock's own pace, sometimes late by hours or weeks, sometimes early.
    let time = prop_oneof![
        12 => -120_000_000i64..120_000_000,
        4 => (-120i64..120).prop_map(|s| s * 1_000_000),
        4 => -90_000_000_000i64..3_600_000_000,
        1 => (-40i64..1).prop_map(|days| days * 86_400_000_000),
    ];
    event_at(time)
}

pub(super) fn event_at(time: impl Strategy<Value = i64>) -> impl Strategy<Value = Wide> {
    let kind = prop::option::weighted(0.9, prop::sample::select(&["a", "b", "ab", ""][..]));
    let value = prop_oneof![
        20 => (-40i32..40).prop_map(|quarters| f64::from(quarters) / 4.0),
        20 => -10.0..10.0f64,
        1 => Just(f64::NAN),
        1 => Just(-0.0),
    ];
    // A few hundred of these are below 2^63.
    let big = prop_oneof![-36_028_797_018_963_968i64..36_028_797_018_963_968, Just(36_028_797_018_963_967)];
    let fields = (
        prop::option::weighted(0.9, -2i64..8),
        prop::option::weighted(0.9, value),
        prop::option::weighted(0.9, -500i32..5_000),
        prop::option::weighted(0.8, any::<bool>()),
        prop::option::weighted(0.9, big),
    );
    (time, prop::option::weighted(0.8, -60_000_000i64..5_000_000), kind, fields).prop_map(
        |(time_us, source_us, kind, (n, value, cents, flag, big))| Wide {
            event: Event { time_us, kind, n, quarters: None, cents, flag },
            source_us,
            value,
            big,
        },
    )
}

fn happening() -> impl Strategy<Value = (Happening, Restart)> {
    let pause = || prop_oneof![4 => 0i64..3_000_000, 2 => 0i64..100_000_000, 1 => 0i64..7_200_000_000];
    let seconds = prop_oneof![12 => 1i64..5, 6 => 1i64..400, 3 => 1i64..100_000, 1 => 1i64..1_000_000];
    let restart = prop_oneof![8 => Just(Restart::No), 1 => Just(Restart::Replay), 1 => Just(Restart::Bytes)];
    // More commits than a pane keeps parts, mostly of one stay.
    let burst =
        (event(), prop::collection::vec(event(), 33..40), any::<bool>()).prop_map(|(first, mut events, same)| {
            if same {
                events.iter_mut().for_each(|wide: &mut Wide| wide.event.time_us = first.event.time_us);
            }
            events
        });
    let happening = prop_oneof![
        30 => (pause(), prop::collection::vec(event(), 1..12))
            .prop_map(|(after_us, events)| Happening::Commit { after_us, events }),
        20 => seconds.prop_map(|after_s| Happening::Tick { after_s }),
        1 => (pause(), burst).prop_map(|(after_us, events)| Happening::Burst { after_us, events }),
    ];
    (happening, restart)
}

fn case() -> impl Strategy<Value = Case> {
    let timezone = prop::sample::select(
        &[Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York, Tz::Australia__Lord_Howe, Tz::Asia__Kathmandu][..],
    );
    // An ordinary day; both DST changes of Berlin and New York; Lord Howe's half hour; a leap day.
    let start = prop::sample::select(
        &[
            1_780_000_000_000_000i64,
            1_774_743_000_000_000,
            1_792_882_800_000_000,
            1_772_951_400_000_000,
            1_793_507_400_000_000,
            1_775_314_800_000_000,
            1_709_161_200_000_000,
        ][..],
    );
    (timezone, start, 0i64..1_000_000, grammar::query(), prop::collection::vec(happening(), 1..9)).prop_map(
        |(timezone, start, fraction, sql, happenings)| Case { timezone, start_us: start + fraction, sql, happenings },
    )
}

/// A live instance over the world, as the engine would run it.
struct Live {
    instance: Instance,
    /// One per input of the shape; all read the one stream.
    layouts: Vec<InputLayout>,
    client: Snapshot,
}

fn plan(spec: &QuerySpec, world: &Arc<World>) -> Result<Result<Arc<Shape>, Unmaintained>, TestCaseError> {
    let clock = ClockCell::new(world.head().now());
    let planned = planning::plan(spec, world.as_ref(), &clock, &Rows::None, None, 1 << 16)
        .map_err(|error| TestCaseError::fail(format!("planning: {error}")))?;
    Ok(take_apart(&planned).map(Arc::new))
}

/// Whether the planner refuses the query because two of its calls have one name: it calls a cast what is cast, so that
/// `count(DISTINCT time)` and `count(DISTINCT time::date)` are alike to it. A batch query is refused as well.
fn is_called_alike(spec: &QuerySpec, world: &Arc<World>) -> Result<bool, TestCaseError> {
    const ALIKE: &str = "two columns are called `";
    let clock = ClockCell::new(world.head().now());
    let planned = planning::plan(spec, world.as_ref(), &clock, &Rows::None, None, 1 << 16);
    if !planned.is_err_and(|error| error.to_string().contains(ALIKE)) {
        return Ok(false);
    }
    let (history, at): (Arc<dyn History>, _) = (world.clone(), world.head());
    let batch = runtime().block_on(batch::run(spec, &history, at, &QueryLimits::default()));
    prop_assert!(batch.is_err_and(|error| error.to_string().contains(ALIKE)), "only live refuses {}", spec.sql);
    Ok(true)
}

fn layouts(shape: &Shape, world: &World, timezone: Tz) -> Vec<InputLayout> {
    let schema = world.schema(STREAM).expect("the stream");
    let layout = |branch| InputLayout::new(branch, &schema, timezone).expect("the columns exist");
    shape.branches.iter().map(layout).collect()
}

fn start(shape: &Arc<Shape>, spec: &QuerySpec, world: &Arc<World>) -> Result<Live, TestCaseError> {
    let layouts = layouts(shape, world, spec.timezone);
    let mut instance = Instance::new(shape.clone(), &limits(), world.head().now()).map_err(fail)?;
    let stream = &world.streams()[0];
    let request = ScanRequest::new(stream.clone(), LogOffset::START, world.head().offset);
    for batch in world.scan(&request.from_time(instance.time_from())) {
        let batch = batch.map_err(fail)?;
        for (number, layout) in layouts.iter().enumerate() {
            instance.push(number, layout.apply(&batch).map_err(fail)?).map_err(fail)?;
        }
        instance.finish().map_err(fail)?;
    }
    instance.finish().map_err(fail)?;
    let client = instance.snapshot();
    Ok(Live { instance, layouts, client })
}

fn limits() -> ViewLimits {
    ViewLimits { groups_max: 100_000, rows_max: 100_000, ..ViewLimits::default() }
}

impl Live {
    fn step(&mut self, batch: Option<&RecordBatch>, now: TimeUs) -> Result<bool, TestCaseError> {
        // A bound that moved back asks for a rebuild.
        if self.instance.advance(now).map_err(fail)?.is_err() {
            return Ok(false);
        }
        if let Some(batch) = batch {
            for (number, layout) in self.layouts.iter().enumerate() {
                self.instance.push(number, layout.apply(batch).map_err(fail)?).map_err(fail)?;
            }
        }
        let delta = self.instance.finish().map_err(fail)?;
        for change in &delta.set {
            let really = match self.client.rows.get(&change.key) {
                Some(old) => pulseboard_model::delta::ColumnSet::of_difference(old, &change.row),
                None => pulseboard_model::delta::ColumnSet::All,
            };
            prop_assert_eq!(&change.changed, &really, "the delta carries exactly the changed fields");
            prop_assert!(!really.is_empty(), "an unchanged row was sent");
        }
        self.client.apply(&delta);
        let mut expected = self.instance.snapshot();
        sort_rows(&mut expected);
        sort_rows(&mut self.client);
        prop_assert_eq!(&self.client, &expected, "deltas rebuild the snapshot");
        Ok(true)
    }
}

/// Row maps compare in insertion order nowhere but here.
fn sort_rows(snapshot: &mut Snapshot) {
    snapshot.rows.sort_keys();
}

pub(super) fn check(case: &Case) -> Result<(), TestCaseError> {
    let world = World::wide_at(case.start_us);
    let spec = QuerySpec { sql: case.sql.clone(), timezone: case.timezone, params: Params::new() };
    if is_called_alike(&spec, &world)? {
        return Ok(());
    }
    let shape = match plan(&spec, &world)? {
        Ok(shape) => shape,
        Err(reason) => return Err(TestCaseError::fail(format!("not maintained: {}", reason.0))),
    };
    let mut live = start(&shape, &spec, &world)?;
    compare(case, &spec, &world, &live)?;
    for (happening, restart) in &case.happenings {
        let commits: Vec<(i64, &[Wide])> = match happening {
            Happening::Commit { after_us, events } => vec![(*after_us, events)],
            Happening::Burst { after_us, events } => {
                events.chunks(1).enumerate().map(|(n, one)| (if n == 0 { *after_us } else { 0 }, one)).collect()
            }
            Happening::Tick { after_s } => {
                world.tick(*after_s);
                Vec::new()
            }
        };
        let mut steps = Vec::with_capacity(commits.len());
        for (after_us, events) in commits {
            // Times are relative to the clock as it will be.
            let base = world.head().clock.0 + after_us;
            steps.push(Some(world.commit_wide(base, after_us, events)));
        }
        if steps.is_empty() {
            steps.push(None);
        }
        for batch in steps {
            if !live.step(batch.as_ref(), world.head().now())? {
                live = start(&shape, &spec, &world)?;
                // The log has all of it already.
                break;
            }
        }
        match restart {
            Restart::No => {}
            Restart::Replay => live = start(&shape, &spec, &world)?,
            Restart::Bytes => {
                let before = live.instance.snapshot();
                let bytes = dump::dump(&mut live.instance).map_err(fail)?;
                let mut restored = dump::restore(&shape, &limits(), &bytes).map_err(fail)?;
                restored.finish().map_err(fail)?;
                live.instance = restored;
                live.client = live.instance.snapshot();
                let (mut before, mut after) = (before, live.client.clone());
                sort_rows(&mut before);
                sort_rows(&mut after);
                assert_rows_close(
                    case,
                    live.instance.columns(),
                    &before.rows.values().cloned().collect::<Vec<_>>(),
                    &after.rows.values().cloned().collect::<Vec<_>>(),
                )?;
            }
        }
        compare(case, &spec, &world, &live)?;
    }
    Ok(())
}

fn compare(case: &Case, spec: &QuerySpec, world: &Arc<World>, live: &Live) -> Result<(), TestCaseError> {
    let history: Arc<dyn History> = Arc::new(Whole(world.clone()));
    let limits = QueryLimits::default();
    let batch = runtime().block_on(batch::run(spec, &history, world.head(), &limits)).map_err(fail)?;
    let names = |columns: &[Column]| columns.iter().map(|c| (c.name.clone(), c.column_type)).collect::<Vec<_>>();
    prop_assert_eq!(names(live.instance.columns()), names(&batch.columns));
    let snapshot = live.instance.snapshot();
    let mut rows: Vec<Row> = snapshot.ordered_rows().map(|(_, row)| row.clone()).collect();
    let mut expected = batch.rows;
    if snapshot.order.is_none() {
        rows.sort_by_key(unordered_key);
        expected.sort_by_key(unordered_key);
    }
    assert_rows_close(case, &batch.columns, &expected, &rows)
}

/// Everything but floats, then floats: equal rows meet even if their floats differ in the last digit.
fn unordered_key(row: &Row) -> (Vec<String>, Vec<String>) {
    let (floats, rest): (Vec<&Cell>, Vec<&Cell>) = row.iter().partition(|cell| matches!(cell, Cell::Float(_)));
    let text = |cells: Vec<&Cell>| cells.iter().map(|cell| format!("{cell:?}")).collect();
    (text(rest), text(floats))
}

/// The largest absolute sums that anything in a case can come to on the way.
#[derive(Debug, Clone, Copy)]
struct Largest {
    /// Of values.
    sum: f64,
    /// Of squares and products of values.
    squares: f64,
}

impl Largest {
    fn of(case: &Case) -> Self {
        let (mut values, mut numbers, mut squares) = (0.0, 0.0, 0.0);
        for (happening, _) in &case.happenings {
            let (Happening::Commit { events, .. } | Happening::Burst { events, .. }) = happening else { continue };
            for wide in events {
                let value = wide.value.or_else(|| wide.event.quarters.map(|quarters| f64::from(quarters) / 4.0));
                let value = value.filter(|value| value.is_finite()).unwrap_or_default().abs();
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let number = wide.event.n.unwrap_or_default().unsigned_abs() as f64;
                values += value;
                numbers += number;
                squares += value * value + number * number;
            }
        }
        Self { sum: f64::max(values, numbers), squares }
    }

    /// Whether two floats are as near as the contract says. The grammar's name for a column tells what it comes of.
    fn are_near(self, column: &str, a: f64, b: f64) -> bool {
        const SHARE: f64 = 1e-9;
        let within = |bound: f64| (a - b).abs() <= bound;
        let near = if column.starts_with("approx") {
            within(1.0)
        } else if column.starts_with("square") {
            within(SHARE * self.squares)
        } else if column.starts_with("root") {
            (a * a - b * b).abs() <= SHARE * self.squares
        } else if column.starts_with('a') {
            within(SHARE * self.sum)
        } else {
            // Nothing was summed.
            false
        };
        near || a == b || (a.is_nan() && b.is_nan())
    }
}

fn assert_rows_close(case: &Case, columns: &[Column], expected: &[Row], found: &[Row]) -> Result<(), TestCaseError> {
    prop_assert_eq!(expected.len(), found.len(), "rows; batch {:?} live {:?} for {}", expected, found, case.sql);
    let largest = Largest::of(case);
    for (expected, found) in expected.iter().zip(found) {
        prop_assert_eq!(expected.len(), found.len(), "cells of a row");
        for ((a, b), column) in expected.iter().zip(found.iter()).zip(columns) {
            let close = match (a, b) {
                (Cell::Float(a), Cell::Float(b)) => largest.are_near(&column.name, *a, *b),
                (Cell::Int(a), Cell::Int(b)) if column.name.starts_with("approx") => (a - b).abs() <= 1,
                (a, b) => a == b,
            };
            prop_assert!(close, "batch {:?}, live {:?} for {}", expected, found, case.sql);
        }
    }
    Ok(())
}

#[test]
fn live_equals_batch() {
    if let Err(error) = runner(CASES).run(&case(), |case| check(&case)) {
        panic!("{error}");
    }
}

#[test]
fn the_offset_column_is_where_rows_are_keyed_by() {
    let world = World::starting_at(1_780_000_000_000_000);
    let spec = QuerySpec { sql: "SELECT n FROM events LIMIT 1".into(), timezone: Tz::UTC, params: Params::new() };
    let shape = plan(&spec, &world).expect("plans").expect("is maintained");
    assert!(shape.branches[0].input.iter().any(|field| field.name() == OFFSET));
}
