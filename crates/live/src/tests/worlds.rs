//! What tests of whole queries share: a query stepped over a world, from bytes and from the log, and held to batch.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use chrono_tz::Tz;
use proptest::prelude::*;
use pulseboard_model::limits::ViewLimits;
use pulseboard_model::{Cell, LogOffset, Row, Snapshot, StreamName};

pub(super) use super::same::rows;
use super::same::{self, fail};
use super::world::{Event, STREAM, World};
use crate::api::{History, Params, QueryError, QuerySpec};
use crate::live_query::LiveQuery;
use crate::scan_request::ScanRequest;

pub(super) const SECOND_US: i64 = 1_000_000;
/// 28 May 2026, 20:26:40 UTC.
pub(super) const START_US: i64 = 1_780_000_000_000_000;
/// Zones with whole and with half hours of DST, and one with none.
pub(super) const ZONES: [Tz; 4] = [Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York, Tz::Australia__Lord_Howe];
/// An ordinary day; both changes of the clocks in Berlin and New York, one of Lord Howe; a leap day; a year's last week.
pub(super) const STARTS_US: [i64; 8] = [
    START_US,
    1_774_743_000_000_000,
    1_792_882_800_000_000,
    1_772_951_400_000_000,
    1_793_507_400_000_000,
    1_775_314_800_000_000,
    1_709_161_200_000_000,
    1_798_675_200_000_000,
];
/// Noon of the days in 2026 on which the clocks change, by zone.
pub(super) const CHANGES: [(Tz, i64); 6] = [
    (Tz::Europe__Berlin, 1_774_778_400_000_000),
    (Tz::Europe__Berlin, 1_792_926_000_000_000),
    (Tz::America__New_York, 1_772_985_600_000_000),
    (Tz::America__New_York, 1_793_552_400_000_000),
    (Tz::Australia__Lord_Howe, 1_775_352_600_000_000),
    (Tz::Australia__Lord_Howe, 1_791_075_600_000_000),
];

#[derive(Debug, Clone)]
pub(super) enum Happens {
    /// The clock moves on by so many µs, then these events come.
    Commit(i64, Vec<Event>),
    /// The clock moves on by so many seconds.
    Tick(i64),
    /// The state is written to bytes and read back.
    Bytes,
    /// The state is built anew from the log.
    Replay,
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let time = prop_oneof![
        4 => -90_000_000i64..10_000_000,
        2 => (-90i64..1).prop_map(|second| second * SECOND_US),
        2 => -8_000_000_000i64..0,
        1 => -700_000_000_000i64..0,
    ];
    let kind = prop::option::weighted(0.9, prop::sample::select(&["a", "b", "ab", ""][..]));
    (time, kind, prop::option::weighted(0.9, -2i64..8), 0i32..40, -500i32..5_000, any::<bool>()).prop_map(
        |(time_us, kind, n, quarters, cents, flag)| Event {
            time_us,
            kind,
            n,
            quarters: Some(quarters),
            cents: Some(cents),
            flag: Some(flag),
        },
    )
}

pub(super) fn happens() -> impl Strategy<Value = Happens> {
    let seconds = prop_oneof![4 => 1i64..40, 2 => 1i64..4_000, 1 => 1i64..100_000];
    prop_oneof![
        5 => (0i64..5_000_000, prop::collection::vec(event(), 1..8)).prop_map(|(after, events)| Happens::Commit(after, events)),
        3 => seconds.prop_map(Happens::Tick),
        1 => Just(Happens::Bytes),
        1 => Just(Happens::Replay),
    ]
}

/// An event of which only these matter.
pub(super) fn plain(time_us: i64, kind: &'static str, n: i64) -> Event {
    Event { time_us, kind: Some(kind), n: Some(n), quarters: Some(4), cents: Some(100), flag: Some(true) }
}

fn spec(sql: &str, timezone: Tz) -> QuerySpec {
    QuerySpec { sql: sql.to_owned(), timezone, params: Params::new() }
}

/// The query live, as of no event.
pub(super) fn live(sql: &str, timezone: Tz, world: &Arc<World>) -> Result<LiveQuery, QueryError> {
    let limits = ViewLimits { groups_max: 100_000, rows_max: 100_000, ..ViewLimits::default() };
    LiveQuery::new(&spec(sql, timezone), world.as_ref(), &limits)
}

/// The query live, from the log.
pub(super) fn replayed(sql: &str, timezone: Tz, world: &Arc<World>) -> Result<LiveQuery, TestCaseError> {
    let mut live = live(sql, timezone, world).map_err(fail)?;
    let stream = StreamName::new(STREAM).map_err(fail)?;
    for batch in world.scan(&ScanRequest::new(stream, LogOffset::START, world.head().offset)) {
        push(&mut live, world, &batch.map_err(fail)?);
    }
    live.finish().map_err(fail)?;
    Ok(live)
}

pub(super) fn push(live: &mut LiveQuery, world: &Arc<World>, batch: &RecordBatch) {
    let stream = StreamName::new(STREAM).expect("a good name");
    let schema = world.schema(STREAM).expect("the stream");
    live.push(&stream, batch, &schema).expect("rows are taken in");
}

/// Steps a query over what happens and compares it with batch after each step.
pub(super) fn run(sql: &str, timezone: Tz, start_us: i64, happenings: &[Happens]) -> Result<(), TestCaseError> {
    let world = World::starting_at(start_us);
    let mut live = replayed(sql, timezone, &world)?;
    let mut client = live.snapshot();
    for happening in happenings {
        let batch = match happening {
            Happens::Commit(after_us, events) => Some(world.commit(world.head_clock() + after_us, *after_us, events)),
            Happens::Tick(after_s) => {
                world.tick(*after_s);
                None
            }
            Happens::Bytes => {
                let bytes = live.to_bytes().map_err(fail)?;
                live = self::live(sql, timezone, &world).map_err(fail)?;
                live.restore(&bytes).map_err(fail)?;
                client = live.snapshot();
                None
            }
            Happens::Replay => {
                live = replayed(sql, timezone, &world)?;
                client = live.snapshot();
                None
            }
        };
        if live.advance(world.head().now()).map_err(fail)? {
            if let Some(batch) = batch {
                push(&mut live, &world, &batch);
            }
            client.apply(&live.finish().map_err(fail)?);
        } else {
            // A bound moved back: the engine starts such a query from the log.
            live = replayed(sql, timezone, &world)?;
            client = live.snapshot();
        }
        compare(sql, timezone, &world, &live, &client)?;
    }
    Ok(())
}

fn compare(
    sql: &str,
    timezone: Tz,
    world: &Arc<World>,
    live: &LiveQuery,
    client: &Snapshot,
) -> Result<(), TestCaseError> {
    same::compare(&spec(sql, timezone), world, world.head(), live, client)
}

/// The live answer from the log, which the batch answer equals.
pub(super) fn answer(sql: &str, timezone: Tz, world: &Arc<World>) -> Snapshot {
    let live = replayed(sql, timezone, world).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let snapshot = live.snapshot();
    if let Err(error) = compare(sql, timezone, world, &live, &snapshot) {
        panic!("{error}");
    }
    snapshot
}

/// Asserts that live equals batch.
pub(super) fn holds(sql: &str, timezone: Tz, world: &Arc<World>) {
    let rows = rows(&answer(sql, timezone, world));
    assert!(!rows.is_empty(), "{sql} answers nothing");
}

/// [`answer`] as text: cells parted by spaces, rows by lines.
pub(super) fn text(sql: &str, timezone: Tz, world: &Arc<World>) -> String {
    let cell = |cell: &Cell| match cell {
        Cell::Null => "null".to_owned(),
        Cell::Int(value) => value.to_string(),
        Cell::Str(value) => value.to_string(),
        Cell::Time(value) => value.to_string(),
        other => format!("{other:?}"),
    };
    let line = |row: &Row| row.iter().map(cell).collect::<Vec<_>>().join(" ");
    rows(&answer(sql, timezone, world)).iter().map(line).collect::<Vec<_>>().join("\n")
}
