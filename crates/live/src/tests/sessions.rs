//! Sessions: rows that follow each other without a longer pause, live and in batch.

use std::sync::Arc;

use chrono_tz::Tz;
use proptest::prelude::*;

use super::same::runner;
use super::world::World;
use super::worlds::{self, SECOND_US, START_US, happens, run};

const CASES: u32 = 150;

const QUERIES: [&str; 10] = [
    "SELECT kind, session(time, interval '20 seconds') AS s, count(*) AS a, sum(n) AS b, max(time) AS e FROM events \
     WHERE time > now() - interval '5 minutes' GROUP BY kind, session(time, interval '20 seconds')",
    "SELECT session(time, interval '10 seconds') AS s, count(*) AS a FROM events WHERE time > now() - interval '1 hour' \
     GROUP BY 1 ORDER BY s DESC LIMIT 3",
    "SELECT s, avg(a) AS b, count(*) AS c FROM (SELECT kind, session(time, interval '15 seconds') AS s, count(*) AS a \
     FROM events WHERE time >= now() - interval '10 minutes' GROUP BY 1, 2) GROUP BY s",
    "SELECT kind, flag, session(time, interval '1 minute') AS s, min(n) AS a, count(DISTINCT n) AS b FROM events \
     WHERE time >= date_trunc('day', now()) AND n > 0 GROUP BY kind, flag, 3 HAVING count(*) > 1",
    "SELECT time, n, session_start(time, interval '20 seconds') OVER (PARTITION BY kind ORDER BY time) AS s FROM events \
     WHERE time > now() - interval '5 minutes'",
    "SELECT kind, s, sum(price) AS a FROM (SELECT kind, price, session_start(time, interval '20 seconds') OVER \
     (PARTITION BY kind ORDER BY time) AS s FROM events WHERE time > now() - interval '5 minutes') GROUP BY kind, s",
    "SELECT kind, session(time, interval '20 seconds') AS s, count(*) AS a, sum(n) AS b, max(time) AS e FROM events GROUP BY 1, 2",
    "SELECT session(time, interval '1 minute') AS s, count(*) AS a, last_value(n ORDER BY time) AS b FROM events GROUP BY 1 ORDER BY s",
    "SELECT kind, session(time, interval '30 seconds') AS s, min(price) AS a, stddev(n) AS b FROM events WHERE flag GROUP BY 1, 2",
    "SELECT max(a) AS a, count(*) AS b FROM (SELECT kind, session(time, interval '30 seconds') AS s, count(*) AS a FROM events GROUP BY 1, 2)",
];
#[test]
fn sessions_equal_batch() {
    let zone = prop::sample::select(&worlds::ZONES[..]);
    let start = prop::sample::select(&worlds::STARTS_US[..]);
    let case = (prop::sample::select(&QUERIES[..]), zone, start, prop::collection::vec(happens(), 1..9));
    if let Err(error) = runner(CASES).run(&case, |(sql, zone, start, happenings)| run(sql, zone, start, &happenings)) {
        panic!("{error}");
    }
}

#[test]
fn every_session_query_is_maintained() {
    let world = World::starting_at(START_US);
    for sql in QUERIES {
        worlds::live(sql, Tz::UTC, &world).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

#[test]
fn a_late_row_joins_two_sessions_and_time_ends_the_first() {
    let sql = "SELECT kind, session(time, interval '10 seconds') AS s, count(*) AS a, sum(n) AS b FROM events \
               WHERE time > now() - interval '1 minute' GROUP BY 1, 2 ORDER BY kind, s";
    let at = |seconds: i64| START_US + seconds * SECOND_US;
    let world = World::starting_at(START_US);
    let push = |world: &Arc<World>, rows: &[(i64, &'static str, i64)]| {
        let events: Vec<_> = rows.iter().map(|(time, kind, n)| worlds::plain(time * SECOND_US, kind, *n)).collect();
        world.commit(START_US, 0, &events);
    };
    push(&world, &[(-40, "a", 1), (-30, "a", 2), (-12, "a", 4), (-12, "b", 8), (-5, "a", 16)]);
    // Ten seconds is no longer a pause than ten seconds.
    let two = format!("a {} 2 3\na {} 2 20\nb {} 1 8", at(-40), at(-12), at(-12));
    assert_eq!(worlds::text(sql, Tz::UTC, &world), two);
    push(&world, &[(-21, "a", 32), (-21, "b", 64)]);
    let one = format!("a {} 5 55\nb {} 2 72", at(-40), at(-21));
    assert_eq!(worlds::text(sql, Tz::UTC, &world), one);
    // 25 seconds later the first two rows are out of the window: the session begins where the window lets it.
    world.tick(35);
    let rest = format!("a {} 3 52\nb {} 2 72", at(-21), at(-21));
    assert_eq!(worlds::text(sql, Tz::UTC, &world), rest);
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let world = World::starting_at(START_US);
    for (sql, part) in [
        ("SELECT session(time, interval '1 minute') FROM events", "is a key of GROUP BY"),
        ("SELECT count(*) FROM events WHERE session(time, interval '1 minute') > now()", "is a key of GROUP BY"),
        ("SELECT date_trunc('hour', session(time, interval '1 minute')), count(*) FROM events GROUP BY 1", "by itself"),
        (
            "SELECT count(*) FROM events GROUP BY session(time, interval '1 minute'), session(time, interval '2 minutes')",
            "one `session`",
        ),
        ("SELECT count(*) FROM events GROUP BY session(time, interval '1 month')", "length of time"),
        ("SELECT count(*) FROM events GROUP BY session(time, interval '-1 minute')", "positive"),
        ("SELECT count(*) FROM events GROUP BY session(n, interval '1 minute')", "takes a time and an interval"),
        ("SELECT count(*) FROM events GROUP BY session(time)", "takes a time and an interval"),
        ("SELECT session_start(time, interval '1 minute') OVER (PARTITION BY kind) FROM events", "goes by its time"),
        ("SELECT session_start(time, interval '1 minute') OVER (ORDER BY time DESC) FROM events", "goes by its time"),
        (
            "SELECT ago(count(*), interval '1 hour') FROM events GROUP BY session(time, interval '1 minute')",
            "cannot be taken over sessions",
        ),
    ] {
        let error = worlds::live(sql, Tz::UTC, &world).expect_err(sql);
        assert!(error.message.contains(part), "{sql}: {error}");
        assert!(error.at.is_some(), "{sql}: {error}");
    }
}
