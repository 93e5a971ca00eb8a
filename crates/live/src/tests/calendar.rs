//! Days, weeks, months and years of a zone: those that are shorter or longer, late rows, and time that passes by itself.

use chrono_tz::Tz;
use pulseboard_model::Cell;

use super::world::{Event, World};
use super::worlds::{self, Happens, SECOND_US, START_US, plain, rows, run};

const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

/// An event each quarter of an hour for so many days, the last one at the clock.
fn quarters(days: i64) -> Vec<Event> {
    (0..days * 96).map(|number| plain(-number * HOUR_US / 4, "a", number)).collect()
}

fn counts(sql: &str, timezone: Tz, world: &std::sync::Arc<World>) -> Vec<i64> {
    let count = |row: &pulseboard_model::Row| match row.last() {
        Some(Cell::Int(count)) => *count,
        other => panic!("{other:?} is no count"),
    };
    rows(&worlds::answer(sql, timezone, world)).iter().map(count).collect()
}

#[test]
fn days_on_which_the_clocks_change_are_as_long_as_they_are() {
    let sql = "SELECT date_trunc('day', time) AS day, count(*) AS n FROM events GROUP BY 1 ORDER BY day";
    // 23, 25, 23, 25, 24.5 and 23.5 hours in quarters.
    for ((zone, noon_us), quarters_of_day) in worlds::CHANGES.into_iter().zip([92, 100, 92, 100, 98, 94]) {
        let end_us = noon_us + 2 * DAY_US;
        let world = World::starting_at(end_us);
        world.commit(end_us, 0, &quarters(5));
        let days = counts(sql, zone, &world);
        assert_eq!(
            days[1..days.len() - 1].iter().filter(|n| **n != 96).copied().collect::<Vec<_>>(),
            [quarters_of_day]
        );
    }
}

#[test]
fn buckets_and_windows_are_right_at_each_half_hour_of_such_days() {
    let queries = [
        "SELECT count(*) AS n FROM events WHERE time >= date_trunc('day', now())",
        "SELECT date_trunc('hour', time) AS t, count(*) AS n FROM events WHERE time >= date_trunc('day', now()) GROUP BY 1",
        "SELECT count(*) AS n, min(time) AS t FROM events \
         WHERE time >= date_trunc('day', now()) - interval '1 day' AND time < date_trunc('day', now())",
        "SELECT date_trunc('week', time) AS t, count(*) AS n FROM events WHERE time >= date_trunc('week', now()) GROUP BY 1",
        "SELECT count(*) AS n, ago(count(*), interval '1 day') AS m FROM events WHERE time >= date_trunc('day', now())",
    ];
    // From the evening before to the noon after; an event now and then, one of them an hour late.
    let mut happenings = vec![Happens::Commit(0, quarters(3))];
    for half in 0..26 {
        happenings.push(Happens::Tick(1_800));
        if half % 5 == 0 {
            happenings.push(Happens::Commit(0, vec![plain(0, "a", half), plain(-HOUR_US, "b", half)]));
        }
        if half % 11 == 7 {
            happenings.push(if half % 2 == 0 { Happens::Bytes } else { Happens::Replay });
        }
    }
    for (zone, noon_us) in worlds::CHANGES {
        for sql in queries {
            if let Err(error) = run(sql, zone, noon_us - 13 * HOUR_US, &happenings) {
                panic!("{zone} {sql}: {error}");
            }
        }
    }
}

#[test]
fn a_leap_day_is_a_day_and_a_week_may_have_two_years() {
    let by = |unit: &str| {
        format!("SELECT date_trunc('{unit}', time)::date AS t, count(*) AS n FROM events GROUP BY 1 ORDER BY t")
    };
    // 2 March 2024, 00:00 UTC.
    let march_us = 1_709_337_600_000_000;
    let world = World::starting_at(march_us - 1);
    world.commit(march_us - 1, 0, &quarters(5));
    assert_eq!(counts(&by("day"), Tz::UTC, &world), [96; 5]);
    assert_eq!(counts(&by("month"), Tz::UTC, &world), [4 * 96, 96]);
    // A year before the 29th of February is the 28th.
    let sql = "SELECT count(*) AS n FROM events WHERE time >= timestamp '2024-02-29T12:00:00Z' - interval '1 year' + interval '1 year'";
    assert_eq!(counts(sql, Tz::UTC, &world), [2 * 96 + 48]);
    // 3 January 2027, 00:00 UTC: Thursday 31 December and Friday 1 January are in one week, from Monday the 28th.
    let january_us = 1_798_934_400_000_000;
    let world = World::starting_at(january_us - 1);
    world.commit(january_us - 1, 0, &quarters(9));
    assert_eq!(counts(&by("week"), Tz::UTC, &world), [3 * 96, 6 * 96]);
    assert_eq!(counts(&by("year"), Tz::UTC, &world), [7 * 96, 2 * 96]);
    let so_far = "SELECT count(*) AS n FROM events WHERE time >= date_trunc('week', now())";
    assert_eq!(counts(so_far, Tz::UTC, &world), [6 * 96]);
}

#[test]
fn late_rows_correct_old_buckets_and_time_alone_takes_them_away() {
    let sql = "SELECT date_trunc('minute', time) AS t, count(*) AS a, sum(n) AS n FROM events \
               WHERE time > now() - interval '10 minutes' GROUP BY 1 ORDER BY t";
    let start_us = START_US.div_euclid(MINUTE_US) * MINUTE_US;
    let world = World::starting_at(start_us);
    world.commit(start_us, 0, &[plain(0, "a", 1), plain(-4 * MINUTE_US, "a", 2)]);
    assert_eq!(counts(sql, Tz::UTC, &world), [2, 1]);
    // Late by five minutes, and by an hour, which is too late.
    world.commit(start_us, 0, &[plain(-4 * MINUTE_US + SECOND_US, "a", 4), plain(-60 * MINUTE_US, "a", 8)]);
    assert_eq!(counts(sql, Tz::UTC, &world), [6, 1]);
    // Bucket after bucket leaves, row by row, without an event.
    let mut live = worlds::replayed(sql, Tz::UTC, &world).expect("is maintained");
    for (after_s, left) in [(359, 2), (1, 2), (1, 1), (240, 0)] {
        world.tick(after_s);
        assert!(live.advance(pulseboard_model::TimeUs(world.head_clock())).expect("the clock moves"));
        live.finish().expect("the step ends");
        assert_eq!(live.snapshot().rows.len(), left, "after {after_s} s");
    }
}
