//! Ranges over a small stream.

use std::sync::Arc;

use chrono_tz::Tz;
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{Cell, LogOffset, TimeUs};

use super::*;
use crate::tests::world::{Event, World};

/// 2026-05-28T20:26:40Z.
const START_US: i64 = 1_780_000_000_000_000;
const SECOND_US: i64 = 1_000_000;

/// Three hours of an event each second, alternately of a and b; the clock stands at the last.
fn world() -> Arc<dyn History> {
    let world = World::starting_at(START_US);
    let event = |second: i64| Event {
        time_us: second * SECOND_US,
        kind: Some(if second % 2 == 0 { "a" } else { "b" }),
        n: Some(second),
        quarters: Some(i32::try_from(second % 1_000).unwrap_or(0)),
        cents: None,
        flag: None,
    };
    for minute in 0..180 {
        let events: Vec<Event> = (minute * 60..(minute + 1) * 60).map(event).collect();
        world.commit(START_US, 60 * SECOND_US, &events);
    }
    world
}

fn spec(sql: &str, from: Option<&str>, to: Option<&str>, points: usize) -> RangeSpec {
    let cell = |text: &str| Cell::Str(text.into());
    RangeSpec {
        query: QuerySpec { sql: sql.into(), timezone: Tz::UTC, params: Params::new() },
        from: from.map(cell),
        to: to.map(cell),
        points,
        downsample: Downsample::MinMax,
        series: None,
    }
}

fn ask(spec: &RangeSpec, history: &Arc<dyn History>) -> Result<RangeAnswer, QueryError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(&Ending::default(), spec, history, history.head(), &QueryLimits::default()))
}

const CHART: &str = "SELECT time_bucket($bucket, time) AS t, count(*) AS c FROM events \
                     WHERE time >= $from AND time < $to GROUP BY time_bucket($bucket, time) ORDER BY t";

#[test]
fn a_chart_is_cut_into_no_more_buckets_than_points() {
    let world = world();
    let answered = ask(&spec(CHART, Some("-2h"), None, 60), &world).expect("an answer");
    assert_eq!(answered.bucket.as_deref(), Some("5 minutes"));
    assert_eq!(answered.to, None);
    assert_eq!(answered.answer.rows.len(), 25, "the first and the last are cut");
    assert_eq!(answered.answer.position, world.head());
    let counted: i64 = answered.answer.rows.iter().map(|row| if let Cell::Int(n) = row[1] { n } else { 0 }).sum();
    assert_eq!(counted, 7_200 + 1 - 1, "from two hours before the clock, the end open");
    assert_eq!(answered.live.get("bucket"), Some(&Cell::Str("5 minutes".into())));

    // The same parameters in an ordinary query give the same rows: what a subscription begins with.
    let live = QuerySpec { params: answered.live, ..spec(CHART, None, None, 1).query };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let same = runtime.block_on(crate::batch::run(&live, &world, world.head(), &QueryLimits::default())).expect("rows");
    assert_eq!(same.rows, answered.answer.rows);
}

#[test]
fn the_range_is_from_inclusive_to_exclusive() {
    let world = world();
    let sql = "SELECT time, n FROM events";
    let range = spec(sql, Some("2026-05-28T20:26:40Z"), Some("2026-05-28T20:26:50Z"), 100);
    let answered = ask(&range, &world).expect("an answer");
    let n: Vec<&Cell> = answered.answer.rows.iter().map(|row| &row[1]).collect();
    assert_eq!((n.first(), n.last(), n.len()), (Some(&&Cell::Int(0)), Some(&&Cell::Int(9)), 10));
    assert_eq!(answered.downsampled, None);
    let epoch = RangeSpec { from: Some(Cell::Int(1_780_000_000)), ..range };
    assert_eq!(ask(&epoch, &world).expect("an answer").answer.rows.len(), 10);
}

#[test]
fn rows_without_buckets_are_thinned_by_series() {
    let world = world();
    for downsample in [Downsample::MinMax, Downsample::Lttb] {
        let range = RangeSpec { downsample, ..spec("SELECT time, kind, value FROM events", Some("-3h"), None, 100) };
        let answered = ask(&range, &world).expect("an answer");
        assert_eq!(answered.downsampled, Some(downsample));
        let rows = answered.answer.rows;
        for kind in ["a", "b"] {
            let of_kind = rows.iter().filter(|row| row[1] == Cell::Str(kind.into())).count();
            assert!((60..=102).contains(&of_kind), "{of_kind} of {kind} by {downsample:?}");
        }
    }
    // All one series.
    let range =
        RangeSpec { series: Some(Vec::new()), ..spec("SELECT time, kind, value FROM events", Some("-3h"), None, 100) };
    let rows = ask(&range, &world).expect("an answer").answer.rows;
    assert!((60..=102).contains(&rows.len()), "{}", rows.len());
}

#[test]
fn buckets_of_its_own_are_answered_within_the_range() {
    let world = world();
    let sql = "SELECT date_trunc('minute', time) AS minute, avg(value) AS v FROM events \
               WHERE time >= now() - INTERVAL '1 hour' GROUP BY date_trunc('minute', time)";
    let answered = ask(&spec(sql, Some("-30m"), Some("now"), 1_000), &world).expect("an answer");
    assert_eq!((answered.answer.rows.len(), answered.bucket), (30, None));
}

#[test]
fn what_cannot_be_answered_says_what_is_wrong() {
    let world = world();
    let refused = |range: &RangeSpec| {
        let error = ask(range, &world).expect_err("refused");
        (error.kind, error.message)
    };
    let (kind, message) = refused(&spec(CHART, Some("now"), Some("-1h"), 10));
    assert_eq!((kind, message.as_str()), (QueryErrorKind::BadParams, "`from` must be before `to`"));
    for points in [0, POINTS_MAX + 1] {
        let (kind, message) = refused(&spec(CHART, None, None, points));
        assert_eq!(
            (kind, message),
            (QueryErrorKind::BadParams, format!("`points` must be from 1 to {POINTS_MAX}, not {points}"))
        );
    }
    assert!(refused(&spec(CHART, Some("soon"), None, 10)).1.starts_with("`from` must be a time"));
    assert!(refused(&spec("SELECT n FROM events", None, None, 10)).1.starts_with("the result has no column of times"));
    let mut own = spec(CHART, None, None, 10);
    own.query.params.insert("from".into(), Cell::Int(1));
    assert!(refused(&own).1.contains("give `from` beside `params`"));
    own.query.params = Params::from([("bucket".into(), Cell::Str("1ms".into()))]);
    assert!(refused(&own).1.contains("choose a wider one"));
    own.query.params = Params::from([("bucket".into(), Cell::Str("wide".into()))]);
    assert!(refused(&own).1.contains("`$bucket` must be a width"));
    let series = RangeSpec { series: Some(vec!["x".into()]), ..spec("SELECT time FROM events", None, None, 10) };
    assert!(refused(&series).1.contains("no column `x`"));
}

#[test]
fn a_width_that_is_given_is_used() {
    let world = world();
    let mut range = spec(CHART, Some("-3h"), None, 10);
    range.query.params.insert("bucket".into(), Cell::Str("1m".into()));
    let answered = ask(&range, &world).expect("an answer");
    assert_eq!(answered.bucket.as_deref(), Some("1 minute"));
    assert_eq!(answered.answer.rows.len(), 181, "the first and the last are cut");
    assert_eq!(answered.answer.position.offset, LogOffset::from_u64(10_800));
    assert_eq!(answered.from, TimeUs(START_US));
}
