//! `ago(…)`: what is told is what the same query answered that much earlier, live and in batch, whatever the clocks do.

use std::sync::Arc;

use chrono_tz::Tz;
use proptest::prelude::*;

use pulseboard_model::Cell;
use pulseboard_model::limits::QueryLimits;

use super::same::runner;
use super::world::World;
use super::worlds::{self, Happens, SECOND_US, START_US, event, happens, holds, rows, run};
use crate::api::{History, QuerySpec};
use crate::batch;

const CASES: u32 = 200;
const HOUR_US: i64 = 3_600 * SECOND_US;
const DAY_US: i64 = 24 * HOUR_US;

const QUERIES: [&str; 20] = [
    "SELECT sum(n) AS a, ago(sum(n), interval '1 hour') AS b FROM events WHERE time >= now() - interval '5 minutes'",
    "SELECT count(*) AS a, ago(count(*), interval '10 seconds') AS b, ago(count(*), interval '1 minute') AS c FROM events",
    "SELECT count(*) AS a, ago(count(*), interval '1 day') AS b FROM events WHERE time >= date_trunc('day', now())",
    "SELECT sum(n)::double / ago(sum(n), interval '30 seconds') AS a FROM events",
    "SELECT ago(sum(n) + count(*), interval '20 seconds') AS a FROM events WHERE flag",
    "SELECT kind, sum(price) AS a, ago(sum(price), interval '1 minute') AS b FROM events \
     WHERE time > now() - interval '2 minutes' GROUP BY kind",
    "SELECT kind, flag, max(n) AS a, ago(max(n), interval '15 seconds') AS b FROM events GROUP BY kind, flag ORDER BY kind, flag",
    "SELECT kind, count(*) AS a FROM events GROUP BY kind HAVING count(*) > 1.5 * ago(count(*), interval '30 seconds')",
    "SELECT kind, count(*) AS a, ago(count(*), interval '1 minute') AS b FROM events GROUP BY kind \
     HAVING ago(count(*), interval '1 minute') IS NOT NULL ORDER BY b DESC, kind LIMIT 2",
    "SELECT kind, sum(n) AS a, ago(sum(n), interval '20 seconds') AS b FROM events GROUP BY kind ORDER BY a DESC LIMIT 3",
    "SELECT date_trunc('minute', time) AS m, count(*) AS a, ago(count(*), interval '1 minute') AS b FROM events \
     WHERE time > now() - interval '10 minutes' GROUP BY 1 ORDER BY m",
    "SELECT date_trunc('hour', time) AS h, kind, sum(n) AS a, ago(sum(n), interval '1 day') AS b FROM events GROUP BY 1, 2",
    "SELECT date_trunc('day', time) AS d, count(*) AS a, ago(count(*), interval '1 day') AS b, \
     ago(count(*), interval '1 week') AS c FROM events GROUP BY 1",
    "SELECT date_bin(interval '10 seconds', time) AS t, min(n) AS a, ago(min(n), interval '45 seconds') AS b FROM events \
     WHERE time > now() - interval '5 minutes' GROUP BY 1",
    "SELECT time::date AS d, count(*) AS a, ago(count(*), interval '1 day') AS b FROM events GROUP BY 1",
    "SELECT count(*) AS a, ago(count(*), interval '1 day') AS b FROM events WHERE time >= current_date",
    "SELECT max(c) AS a, ago(max(c), interval '30 seconds') AS b FROM (SELECT kind, count(*) AS c FROM events \
     WHERE time > now() - interval '1 minute' GROUP BY kind)",
    "WITH m AS (SELECT date_trunc('minute', time) AS m, sum(n) AS s FROM events GROUP BY 1) \
     SELECT date_trunc('hour', m) AS h, max(s) AS a, ago(max(s), interval '1 hour') AS b FROM m GROUP BY 1",
    "SELECT kind, count(*) AS a, sum(ago(count(*), interval '10 seconds')) OVER () AS b FROM events GROUP BY kind",
    "SELECT kind, last_value(n ORDER BY time) AS a, ago(last_value(n ORDER BY time), interval '30 seconds') AS b \
     FROM events GROUP BY kind",
];

#[test]
fn every_comparison_equals_batch() {
    let zone = prop::sample::select(&worlds::ZONES[..]);
    let start = prop::sample::select(&worlds::STARTS_US[..]);
    let case = (prop::sample::select(&QUERIES[..]), zone, start, prop::collection::vec(happens(), 1..8));
    if let Err(error) = runner(CASES).run(&case, |(sql, zone, start, happenings)| run(sql, zone, start, &happenings)) {
        panic!("{error}");
    }
}

#[test]
fn every_comparison_is_maintained() {
    let world = World::starting_at(START_US);
    for sql in QUERIES {
        worlds::live(sql, Tz::UTC, &world).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// What stands in the answer is what the query without `ago` answered when the clock stood there, if nothing came late.
#[test]
fn what_was_is_what_was_told_then() {
    let window = "FROM events WHERE time > now() - interval '1 minute' GROUP BY kind";
    let plain = &format!("SELECT kind, count(*) AS a, sum(n) AS s {window}");
    let (count, sum) = ("ago(count(*), interval '90 seconds')", "ago(sum(n), interval '90 seconds')");
    let compared = format!("SELECT kind, {count} AS a, {sum} AS s {window}");
    let world = World::starting_at(START_US);
    let mut told = Vec::new();
    for second in 0..60i64 {
        // Each second all kinds, on the second: a floored clock sees all that it has reached.
        let events: Vec<_> = ["a", "b"].iter().map(|kind| worlds::plain(0, kind, second)).collect();
        let base = world.head_clock() + 10 * SECOND_US;
        world.commit(base, 10 * SECOND_US, &events);
        told.push(rows(&worlds::answer(plain, Tz::UTC, &world)));
        if second >= 9 {
            let past = rows(&worlds::answer(&compared, Tz::UTC, &world));
            assert_eq!(past, told[told.len() - 10], "at second {second}");
        }
    }
}

#[test]
fn without_data_it_is_null_and_late_rows_correct_it() {
    let sql = "SELECT sum(n) AS a, ago(sum(n), interval '1 hour') AS b FROM events WHERE time >= now() - interval '5 minutes'";
    let world = World::starting_at(START_US);
    assert_eq!(worlds::text(sql, Tz::UTC, &world), "null null");
    world.commit(START_US, 0, &[worlds::plain(-SECOND_US, "a", 3)]);
    assert_eq!(worlds::text(sql, Tz::UTC, &world), "3 null");
    // An event of an hour ago arrives only now.
    world.commit(START_US, 0, &[worlds::plain(-HOUR_US - SECOND_US, "a", 4)]);
    assert_eq!(worlds::text(sql, Tz::UTC, &world), "3 4");
    world.tick(3_600);
    assert_eq!(worlds::text(sql, Tz::UTC, &world), "null 3");
}

#[test]
fn days_are_matched_over_the_change_of_the_clocks() {
    let sql = "SELECT date_trunc('hour', time) AS h, count(*) AS a, ago(count(*), interval '1 day') AS b FROM events \
               WHERE time >= date_trunc('day', now()) GROUP BY 1 ORDER BY h";
    let today =
        "SELECT count(*) AS a, ago(count(*), interval '1 day') AS b FROM events WHERE time >= date_trunc('day', now())";
    // Noon of the day on which the clocks change, and of the day after it; an event each quarter of an hour for three days.
    for (zone, noon_us) in worlds::CHANGES {
        for start_us in [noon_us, noon_us + DAY_US] {
            let world = World::starting_at(start_us);
            let quarter = HOUR_US / 4;
            let events: Vec<_> = (0..288).map(|number| worlds::plain(-number * quarter, "a", number)).collect();
            world.commit(start_us, 0, &events);
            for sql in [sql, today] {
                holds(sql, zone, &world);
            }
            // Hours of today beside the same hours of the clock yesterday: none is there twice.
            let hours = rows(&worlds::answer(sql, zone, &world));
            let mut seen: Vec<_> = hours.iter().map(|row| format!("{:?}", row[0])).collect();
            seen.dedup();
            assert_eq!(seen.len(), hours.len(), "{zone} {hours:?}");
            assert!(hours.len() >= 12, "{zone} {hours:?}");
        }
    }
}

#[test]
fn a_day_of_today_so_far_is_compared_with_yesterday_at_the_same_time() {
    let sql =
        "SELECT count(*) AS a, ago(count(*), interval '1 day') AS b FROM events WHERE time >= date_trunc('day', now())";
    let by_date = sql.replace("date_trunc('day', now())", "current_date");
    // 29 March 2026, 12:00 in Berlin, 10:00 UTC: today has 11 hours so far, yesterday had 12.
    let noon = 1_774_778_400_000_000;
    let world = World::starting_at(noon);
    let events: Vec<_> = (0..60).map(|number| worlds::plain(-number * HOUR_US, "a", number)).collect();
    world.commit(noon, 0, &events);
    // Whole hours, both ends included.
    assert_eq!(worlds::text(sql, Tz::Europe__Berlin, &world), "12 13");
    assert_eq!(worlds::text(&by_date, Tz::Europe__Berlin, &world), "12 13");
    // 23:30 UTC of a winter's day is 00:30 in Berlin: a new day for both.
    let night = 1_768_519_800_000_000;
    let world = World::starting_at(night);
    let events: Vec<_> = (0..60).map(|number| worlds::plain(-number * HOUR_US / 4, "a", number)).collect();
    world.commit(night, 0, &events);
    let later: Vec<_> = (0..120).map(|number| worlds::plain(-DAY_US - number * HOUR_US / 4, "a", number)).collect();
    world.commit(night, 0, &later);
    assert_eq!(worlds::text(sql, Tz::Europe__Berlin, &world), "3 3");
    assert_eq!(worlds::text(&by_date, Tz::Europe__Berlin, &world), "3 3");
}

#[test]
fn dates_are_those_of_the_zone() {
    // Every six hours for three days up to 23:30 on 15 January in New York: 04:30 UTC on the 16th.
    let night = 1_768_537_800_000_000;
    let world = World::starting_at(night);
    let events: Vec<_> = (0..12).map(|number| worlds::plain(-number * 6 * HOUR_US, "a", number)).collect();
    world.commit(night, 0, &events);
    world.commit(night, 0, &[worlds::plain(-DAY_US - HOUR_US, "a", 0)]);
    let sql =
        "SELECT time::date AS d, count(*) AS a, ago(count(*), interval '1 day') AS b FROM events GROUP BY 1 ORDER BY d";
    assert_eq!(
        worlds::text(sql, Tz::America__New_York, &world),
        "Date(20466) 4 null\nDate(20467) 5 4\nDate(20468) 4 5"
    );
    let sql = "SELECT count(*) AS a FROM events WHERE time >= current_date AND time < date '2026-01-16'";
    assert_eq!(worlds::text(sql, Tz::America__New_York, &world), "4");
}

#[test]
fn a_range_is_set_back_too() {
    let sql = "SELECT date_trunc('hour', time) AS h, count(*) AS a, ago(count(*), interval '1 day') AS b FROM events \
               WHERE time >= $from AND time < $to GROUP BY 1 ORDER BY h";
    let noon = 1_780_056_000_000_000;
    let world = World::starting_at(noon);
    let events: Vec<_> = (0..60).map(|number| worlds::plain(-number * HOUR_US, "a", number)).collect();
    world.commit(noon, 0, &events);
    // From two hours ago to now, which is the end of the range.
    let params = [("from", noon - 2 * HOUR_US), ("to", noon)].map(|(name, us)| (name.to_owned(), Cell::Time(us)));
    let spec = QuerySpec { sql: sql.to_owned(), timezone: Tz::UTC, params: params.into_iter().collect() };
    let history: Arc<dyn History> = world.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(batch::run(&spec, &history, world.head(), &QueryLimits::default()));
    let answer = answer.expect("is answered").rows;
    let counts: Vec<_> = answer.iter().map(|row| row[1..].to_vec()).collect();
    assert_eq!(counts, vec![vec![Cell::Int(1), Cell::Int(1)]; 2]);
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let world = World::starting_at(START_US);
    for (sql, part) in [
        ("SELECT ago(n, interval '1 hour') FROM events", "needs an aggregate"),
        ("SELECT kind, ago(kind, interval '1 hour') FROM events GROUP BY kind", "goes around an aggregate"),
        ("SELECT sum(ago(n, interval '1 hour')) FROM events", "not inside it"),
        ("SELECT ago(ago(sum(n), interval '1 hour'), interval '1 hour') FROM events", "of `ago`"),
        ("SELECT ago(sum(n), interval '-1 hour') FROM events", "must be positive"),
        ("SELECT ago(sum(n), interval '0 hours') FROM events", "must be positive"),
        ("SELECT ago(sum(n), interval '1 day' - interval '25 hours') FROM events", "must be positive"),
        ("SELECT kind, ago(sum(n), kind::interval) FROM events GROUP BY kind", "constant"),
        ("SELECT kind, ago(sum(n), now() - time) FROM events GROUP BY kind, time", "constant"),
        ("SELECT ago(sum(n)) FROM events", "takes an aggregate and an interval"),
        ("SELECT sum(n) FROM events ORDER BY ago(sum(n), interval '1 hour')", "name it in SELECT"),
        (
            "SELECT kind, ago(s, interval '1 hour') FROM (SELECT kind, sum(n) + 1 AS s FROM events GROUP BY kind)",
            "aggregate",
        ),
        ("SELECT n FROM events WHERE ago(n, interval '1 hour') > 1", "needs an aggregate"),
        ("SELECT kind, flag, ago(sum(n), interval '1 hour') FROM events GROUP BY CUBE (kind, flag)", "grouping sets"),
    ] {
        let error = worlds::live(sql, Tz::UTC, &world).expect_err(sql);
        assert!(error.message.contains(part), "{sql}: {error}");
        assert!(error.at.is_some(), "{sql}: {error}");
    }
}

#[test]
fn one_row_keeps_its_key() {
    let world = World::starting_at(START_US);
    let sql = "SELECT count(*) AS a, ago(count(*), interval '1 hour') AS b FROM events";
    let mut live = worlds::live(sql, Tz::UTC, &world).expect("is maintained");
    let keys = |snapshot: &pulseboard_model::Snapshot| snapshot.rows.keys().cloned().collect::<Vec<_>>();
    live.finish().expect("ends");
    let before = keys(&live.snapshot());
    let batch = world.commit(START_US, 0, &[worlds::plain(0, "a", 1)]);
    worlds::push(&mut live, &world, &batch);
    live.finish().expect("ends");
    assert_eq!(before, keys(&live.snapshot()));
}

#[test]
fn late_and_duplicate_times_are_told_apart_by_nothing_but_their_rows() {
    let sql = "SELECT kind, count(*) AS a, ago(count(*), interval '20 seconds') AS b FROM events GROUP BY kind";
    let events = prop::collection::vec(event(), 1..6);
    let result = runner(20).run(&events, |events| {
        // The same events twice, then once more an hour late.
        let happenings = [
            Happens::Commit(0, events.clone()),
            Happens::Commit(0, events.clone()),
            Happens::Tick(20),
            Happens::Bytes,
            Happens::Commit(HOUR_US, events),
            Happens::Tick(20),
        ];
        run(sql, Tz::UTC, START_US, &happenings)
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn the_past_of_many_intervals_is_held_to_a_number() {
    let world: Arc<World> = World::starting_at(START_US);
    let many: Vec<String> =
        (1..=30).map(|hours| format!("ago(count(*), interval '{hours} hours') AS a{hours}")).collect();
    let sql = format!("SELECT {} FROM events", many.join(", "));
    assert!(worlds::live(&sql, Tz::UTC, &world).is_ok());
    let mut nested = "SELECT count(*) AS c FROM events".to_owned();
    for _ in 0..8 {
        nested = format!("SELECT count(*) + ago(count(*), interval '1 hour') AS c FROM ({nested}) AS t GROUP BY t.c");
    }
    let error = worlds::live(&nested, Tz::UTC, &world).expect_err("is too large");
    assert!(error.message.contains("too large"), "{error}");
}
