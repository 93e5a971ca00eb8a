//! Single cases of live against batch, and what limits and restarts do, each found to be wrong once.

use std::sync::Arc;

use chrono_tz::Tz;
use proptest::prelude::*;
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::{Cell, StreamName, TimeUs};

use super::differential::{Case, Restart, check, event_at};
use super::same::runner;
use super::world::{Event, Happening, STREAM, Wide, World};
use crate::api::{History, Params, QuerySpec};
use crate::batch;
use crate::live_query::LiveQuery;

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3_600 * SECOND_US;
const DAY_US: i64 = 24 * HOUR_US;
/// 28 May 2026, 20:26:40 UTC.
const ORDINARY_US: i64 = 1_780_000_000_000_000;

fn event(time_us: i64, kind: &'static str, n: i64) -> Event {
    Event { time_us, kind: Some(kind), n: Some(n), quarters: Some(4), cents: Some(100), flag: Some(true) }
}

fn wide(time_us: i64, kind: &'static str, n: i64) -> Wide {
    Wide { event: event(time_us, kind, n), source_us: None, value: None, big: None }
}

fn commit(after_us: i64, events: Vec<Wide>) -> (Happening, Restart) {
    (Happening::Commit { after_us, events }, Restart::No)
}

fn tick(after_s: i64) -> (Happening, Restart) {
    (Happening::Tick { after_s }, Restart::No)
}

fn holds(timezone: Tz, start_us: i64, sql: &str, happenings: Vec<(Happening, Restart)>) {
    let case = Case { timezone, start_us, sql: sql.to_owned(), happenings };
    if let Err(error) = check(&case) {
        panic!("{error}");
    }
}

#[test]
fn a_bound_on_a_renamed_column_does_not_prune_by_the_column_of_that_name() {
    // Old events that have just arrived.
    let events = vec![wide(-DAY_US, "a", 1), wide(-2 * DAY_US, "b", 2)];
    let restart = (Happening::Tick { after_s: 1 }, Restart::Replay);
    holds(
        Tz::UTC,
        ORDINARY_US,
        "WITH e AS (SELECT _arrived_at AS time, n FROM events) \
         SELECT count(*) AS a0 FROM e WHERE time > now() - interval '5 minutes'",
        vec![commit(0, events), restart],
    );
}

#[test]
fn an_order_by_another_column_of_the_bounds_name_forgets_nothing() {
    // The row that arrived last has the oldest time: it is first by one column and leaves first by the other.
    let source = |time_us, source_us, n| Wide { source_us: Some(source_us), ..wide(time_us, "a", n) };
    let events = vec![source(-10 * SECOND_US, -50 * SECOND_US, 1), source(-280 * SECOND_US, -5 * SECOND_US, 2)];
    holds(
        Tz::UTC,
        ORDINARY_US,
        "SELECT _source_time AS time, n FROM (SELECT * FROM (SELECT time, n, _source_time FROM events) AS e \
         WHERE time > now() - interval '5 minutes') AS f ORDER BY time DESC LIMIT 1",
        vec![commit(0, events), tick(60), tick(60)],
    );
}

#[test]
fn a_jump_over_a_bounds_dip_is_noticed() {
    // 28 March 2026, 12:00 UTC. A month earlier the 28th and the 29th of March are one day.
    let start_us = 1_774_699_200_000_000;
    let sql = "SELECT count(*) AS a0, min(n) AS a1 FROM events WHERE time > now() - interval '1 month'";
    let events = (0..48).map(|half| wide(-28 * DAY_US + half * HOUR_US / 2, "a", half)).collect();
    // To 30 March, 13:00: the bound has risen by an hour, and was a day ahead in between.
    holds(Tz::UTC, start_us, sql, vec![commit(0, events), tick(49 * 3_600), tick(3_600), tick(7_200), tick(90_000)]);
}

#[test]
fn days_are_counted_back_over_hours_that_do_not_exist_or_exist_twice() {
    let sql =
        "SELECT count(*) AS a0, max(time - interval '1 day') AS a1 FROM events WHERE time > now() - interval '1 day'";
    // A day after both changes of the clocks, around 02:30 in Berlin, and across the change itself.
    for change_us in [1_774_746_000_000_000, 1_792_890_000_000_000] {
        for start_us in [change_us - HOUR_US, change_us + DAY_US - 2 * HOUR_US] {
            let events = (0..50).map(|n| wide(-DAY_US - 2 * HOUR_US + n * HOUR_US / 10, "a", n)).collect();
            let ticks = (0..8).map(|_| tick(1_800));
            let happenings = std::iter::once(commit(0, events)).chain(ticks).collect();
            holds(Tz::Europe__Berlin, start_us, sql, happenings);
        }
    }
}

/// Bounds that fall now and then: the last day of a month, the hour that comes twice.
fn falling() -> impl Strategy<Value = Case> {
    let lower = prop::sample::select(
        &[
            "time > now() - interval '1 month'",
            "time >= now() - interval '1 month 2 days'",
            "time > now() - interval '2 days'",
            "time >= now() - interval '1 day' AND _source_time > now() - interval '1 month'",
            "time > now() - interval '1 month' AND time <= now() - interval '2 days'",
            "time < now() - interval '1 day'",
            "time < now() - interval '1 month'",
            "time >= now() - interval '1 month' AND _source_time < now() - interval '1 day'",
        ][..],
    );
    let select = prop::sample::select(
        &[
            "SELECT kind, count(*) AS a0, min(n) AS a1 FROM events WHERE {} GROUP BY kind",
            "SELECT count(*) AS a0, max(time) AS a1 FROM events WHERE {}",
            "SELECT time, n FROM events WHERE {}",
            "SELECT time, n FROM events WHERE {} ORDER BY time DESC LIMIT 3",
        ][..],
    );
    // The ends of February and March, and both changes of the clocks in Berlin, which one and two days later tell.
    let start = prop::sample::select(
        &[
            1_774_600_000_000_000i64,
            1_774_743_000_000_000,
            1_792_880_000_000_000,
            1_792_970_000_000_000,
            1_777_500_000_000_000,
        ][..],
    );
    let time = prop_oneof![-3 * DAY_US..DAY_US, -33 * DAY_US..-26 * DAY_US];
    let wide = (event_at(time), prop::option::weighted(0.8, -33 * DAY_US..HOUR_US))
        .prop_map(|(wide, source_us)| Wide { source_us, ..wide });
    let restart = prop_oneof![6 => Just(Restart::No), 1 => Just(Restart::Bytes)];
    let seconds = prop_oneof![1i64..7_200, 1i64..250_000, (1i64..100).prop_map(|hours| hours * 3_600)];
    let happening = prop_oneof![
        (0..HOUR_US, prop::collection::vec(wide, 1..16))
            .prop_map(|(after_us, events)| Happening::Commit { after_us, events }),
        seconds.prop_map(|after_s| Happening::Tick { after_s }),
    ];
    let timezone = prop::sample::select(&[Tz::UTC, Tz::Europe__Berlin][..]);
    let happenings = prop::collection::vec((happening, restart), 2..10);
    (timezone, start, lower, select, happenings).prop_map(|(timezone, start_us, lower, select, happenings)| Case {
        timezone,
        start_us,
        sql: select.replace("{}", lower),
        happenings,
    })
}

#[test]
fn windows_under_falling_bounds_equal_batch() {
    if let Err(error) = runner(150).run(&falling(), |case| check(&case)) {
        panic!("{error}");
    }
}

#[test]
fn long_windows_are_read_by_blocks_and_stay_right() {
    let sql = "SELECT kind, count(*) AS a0, sum(n) AS a1, array_agg(n) AS a2 FROM events \
               WHERE time > now() - interval '3 days' GROUP BY kind";
    // Panes over three days, then what comes late into the middle of them.
    let spread = |shift: i64| -> Vec<Wide> {
        (0..150)
            .map(|n| wide(-3 * DAY_US + n * 1_700 * SECOND_US + shift, ["a", "b", "c"][(n % 3) as usize], n))
            .collect()
    };
    let mut happenings = vec![commit(0, spread(0))];
    for round in 1..6 {
        happenings.push(tick(5_000));
        happenings.push(commit(SECOND_US, spread(round * 7_000_000)));
        happenings.push(tick(64));
    }
    happenings.push((Happening::Tick { after_s: 100_000 }, Restart::Bytes));
    happenings.push(tick(150_000));
    holds(Tz::UTC, ORDINARY_US, sql, happenings);
}

#[test]
fn the_largest_of_floats_beside_nan_does_not_depend_on_the_batches() {
    let sql = "SELECT kind, max(value / n) AS a0, min(value / n) AS a1 FROM events GROUP BY kind";
    let of = |value: f64, n| Wide { value: Some(value), ..wide(0, "a", n) };
    let commits = [vec![of(0.0, 0), of(1.0, 1)], vec![of(5.0, 1)], vec![of(-3.0, 1), of(0.0, 0), of(2.0, 1)]];
    holds(Tz::UTC, ORDINARY_US, sql, commits.into_iter().map(|events| commit(0, events)).collect());
}

#[test]
fn an_order_over_the_latest_per_key_is_maintained() {
    let sql = "SELECT * FROM (SELECT DISTINCT ON (kind) kind, n, time FROM events ORDER BY kind, time DESC) AS latest \
               WHERE n < 10 ORDER BY n LIMIT 10";
    let events =
        |shift: i64| vec![wide(shift, "a", 5 + shift), wide(shift, "b", 5), wide(shift, "ab", 3), wide(shift, "", 5)];
    holds(Tz::UTC, ORDINARY_US, sql, vec![commit(0, events(0)), commit(0, events(1)), commit(0, events(7))]);
}

#[test]
fn rows_of_all_columns_in_their_order_have_no_more_cells_than_columns() {
    let world = World::starting_at(ORDINARY_US);
    world.commit(ORDINARY_US, 0, &[event(0, "a", 1)]);
    let schema = world.schema(STREAM).expect("the stream");
    let all = schema.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
    for sql in
        ["SELECT * FROM events".to_owned(), format!("SELECT {all} FROM events"), "SELECT time FROM events".into()]
    {
        let events = |shift: i64| vec![wide(shift, "a", 5 + shift), wide(shift, "b", 5)];
        holds(Tz::UTC, ORDINARY_US, &sql, vec![commit(0, events(0)), commit(0, events(1))]);
    }
}

fn spec(sql: &str) -> QuerySpec {
    QuerySpec { sql: sql.to_owned(), timezone: Tz::UTC, params: Params::new() }
}

fn rows_of(world: &Arc<World>, sql: &str) -> Vec<Vec<Cell>> {
    let history: Arc<dyn History> = world.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(batch::run(&spec(sql), &history, world.head(), &QueryLimits::default()));
    answer.expect("an answer").rows.iter().map(|row| row.to_vec()).collect()
}

#[test]
fn distinct_lists_and_window_functions_leave_no_order_open() {
    let world = World::starting_at(ORDINARY_US);
    for n in [5, 3, 9, 3, 1, 7, 5, 2, 8] {
        world.commit(ORDINARY_US, 0, &[event(0, "a", n)]);
    }
    let listed = rows_of(&world, "SELECT array_agg(DISTINCT n) AS a FROM events");
    assert_eq!(listed, [[Cell::Json("[1,2,3,5,7,8,9]".into())]]);
    let beside = "SELECT array_agg(DISTINCT n) AS a, array_agg(DISTINCT n ORDER BY n DESC) AS b, \
                  string_agg(kind, '' ORDER BY n DESC) AS c, first_value(n ORDER BY n) AS d FROM events WHERE n < 4";
    let expected = [Cell::Json("[1,2,3]".into()), Cell::Json("[3,2,1]".into()), Cell::Str("aaaa".into()), Cell::Int(1)];
    assert_eq!(rows_of(&world, beside), [expected], "whatever order is asked for beside it");

    let numbered = rows_of(
        &world,
        "SELECT _offset, row_number() OVER (ORDER BY kind DESC) AS r, rank() OVER (ORDER BY kind) AS k, \
         count(*) OVER (ORDER BY kind) AS c FROM events ORDER BY _offset",
    );
    let expected: Vec<Vec<Cell>> =
        (1..=9).map(|n| vec![Cell::Int(n), Cell::Int(10 - n), Cell::Int(1), Cell::Int(9)]).collect();
    assert_eq!(numbered, expected, "equal rows go by offset, but stay equal where that is what is asked");
}

/// A live query over a world, stepped by hand.
struct Stepped {
    world: Arc<World>,
    query: LiveQuery,
}

impl Stepped {
    fn new(sql: &str, limits: &ViewLimits) -> Self {
        let world = World::starting_at(ORDINARY_US);
        let query = LiveQuery::new(&spec(sql), world.as_ref(), limits).expect("is maintained");
        Self { world, query }
    }

    fn push(&mut self, events: &[Event]) {
        let base = self.world.head().clock.0;
        let batch = self.world.commit(base, 0, events);
        let schema = self.world.schema(super::world::STREAM).expect("the stream");
        self.query.push(&StreamName::new(STREAM).expect("a good name"), &batch, &schema).expect("fits");
    }

    fn tick(&mut self, after_s: i64) {
        self.world.tick(after_s);
        assert!(self.query.advance(self.world.head().now()).expect("advances"), "no bound moved back");
    }

    fn rows(&mut self) -> Vec<Vec<Cell>> {
        self.query.finish().expect("finishes");
        self.query.snapshot().ordered_rows().map(|(_, row)| row.to_vec()).collect()
    }
}

#[test]
fn a_limit_is_no_way_around_the_row_limit() {
    let limits = ViewLimits { groups_max: 10, rows_max: 3, ..ViewLimits::default() };
    let mut live = Stepped::new("SELECT n FROM events ORDER BY n DESC LIMIT 100", &limits);
    live.push(&(0..9).map(|n| event(0, "a", n)).collect::<Vec<_>>());
    assert_eq!(live.rows().len(), 3);
    assert!(live.query.is_truncated());
    let mut live = Stepped::new("SELECT n FROM events ORDER BY n DESC LIMIT 3", &limits);
    live.push(&(0..9).map(|n| event(0, "a", n)).collect::<Vec<_>>());
    assert_eq!(live.rows(), [[Cell::Int(8)], [Cell::Int(7)], [Cell::Int(6)]]);
    assert!(!live.query.is_truncated(), "three rows are all it was asked for");
}

#[test]
fn who_leaves_makes_room_before_who_waits_comes_in() {
    let limits = ViewLimits { groups_max: 10, rows_max: 2, ..ViewLimits::default() };
    let mut live =
        Stepped::new("SELECT n FROM events WHERE time > now() - interval '10 seconds' AND time <= now()", &limits);
    live.push(&[event(-5 * SECOND_US, "a", 1), event(5 * SECOND_US, "a", 2)]);
    assert_eq!(live.rows(), [[Cell::Int(1)]]);
    live.tick(6);
    assert_eq!(live.rows(), [[Cell::Int(2)]]);
    assert!(!live.query.is_truncated());
}

#[test]
fn a_truncated_window_takes_no_group_it_has_seen_half_of_and_recovers() {
    let limits = ViewLimits { groups_max: 2, rows_max: 10, ..ViewLimits::default() };
    let sql =
        "SELECT kind, count(*) AS c FROM events WHERE time > now() - interval '10 seconds' GROUP BY kind ORDER BY kind";
    let row = |kind: &str, count| vec![Cell::Str(kind.into()), Cell::Int(count)];
    let mut live = Stepped::new(sql, &limits);
    live.push(&[event(-8 * SECOND_US, "a", 1), event(-8 * SECOND_US, "b", 1), event(-SECOND_US, "c", 1)]);
    assert_eq!(live.rows(), [row("a", 1), row("b", 1)]);
    assert!(live.query.is_truncated() && !live.query.wants_rebuild());
    live.push(&[event(0, "b", 1)]);
    live.tick(4);
    assert_eq!(live.rows(), [row("b", 1)], "a has left");
    assert!(live.query.is_truncated() && live.query.wants_rebuild(), "there is room for more than it shows");
    live.push(&[event(0, "c", 1)]);
    assert_eq!(live.rows(), [row("b", 1)], "c has two rows in the window, of which it has seen one");
    live.tick(20);
    live.push(&[event(0, "c", 1)]);
    assert_eq!(live.rows(), [row("c", 1)]);
    assert!(!live.query.is_truncated(), "nothing that was refused would still be there");
}

#[test]
fn a_dump_in_the_middle_of_a_step_loses_nothing() {
    for sql in
        ["SELECT n FROM events ORDER BY n", "SELECT n FROM events WHERE time > now() - interval '1 minute' ORDER BY n"]
    {
        let mut live = Stepped::new(sql, &ViewLimits::default());
        live.push(&[event(0, "a", 1)]);
        assert_eq!(live.rows().len(), 1);
        live.push(&[event(-10 * SECOND_US, "a", 2), event(-55 * SECOND_US, "a", 3)]);
        let bytes = live.query.to_bytes().expect("has bytes");
        live.query.restore(&bytes).expect("comes back");
        assert_eq!(live.rows(), [[Cell::Int(1)], [Cell::Int(2)], [Cell::Int(3)]], "{sql}");
        live.tick(20);
        let expected = rows_of(&live.world, sql);
        assert_eq!(live.rows(), expected, "{sql}");
    }
}

#[test]
fn a_bound_between_two_microseconds_lets_in_what_is_at_least_it() {
    // 500 ns after a microsecond: what is at that microsecond is below.
    let sql = "SELECT n FROM events WHERE time >= \
               arrow_cast(now(), 'Timestamp(Nanosecond, Some(\"UTC\"))') - interval '1500 nanoseconds'";
    let now = TimeUs(ORDINARY_US);
    assert_eq!(now, now.floor_to_second());
    holds(Tz::UTC, ORDINARY_US, sql, vec![commit(0, vec![wide(-1, "a", 1), wide(-2, "a", 2), wide(0, "a", 3)])]);
}
