//! Queries of several parts under a common top: live equals batch after each step, and from bytes.

use std::sync::Arc;

use chrono_tz::Tz;
use proptest::prelude::*;
use pulseboard_model::StreamName;
use pulseboard_model::limits::ViewLimits;

use super::same::{compare, fail, runner};
use super::world::{Event, STREAM, World};
use crate::api::{History, Params, QuerySpec};
use crate::live_query::LiveQuery;

const CASES: u32 = 250;
const START_US: i64 = 1_780_000_000_000_000;

/// Queries that one straight plan cannot hold.
const QUERIES: [&str; 22] = [
    // An aggregate of an aggregate.
    "SELECT max(s) AS a FROM (SELECT kind, sum(n) AS s FROM events GROUP BY kind)",
    "SELECT date_trunc('minute', t) AS m, max(c) AS a, avg(c) AS b FROM (SELECT date_trunc('second', time) AS t, \
     count(*) AS c FROM events WHERE time > now() - interval '10 minutes' GROUP BY 1) GROUP BY 1",
    "SELECT count(*) AS groups FROM (SELECT kind, count(*) AS c FROM events GROUP BY kind HAVING count(*) > 1)",
    "SELECT c, count(*) AS kinds FROM (SELECT kind, count(*) AS c FROM events GROUP BY kind) GROUP BY c ORDER BY c",
    // The latest row per key, and what is asked of all of them.
    "SELECT count(*) AS low FROM (SELECT DISTINCT ON (kind) kind, n, time FROM events ORDER BY kind, time DESC) WHERE n < 3",
    "SELECT sum(n) AS total FROM (SELECT DISTINCT ON (kind) kind, n FROM events ORDER BY kind, time DESC)",
    // Rankings.
    "SELECT kind, n, c FROM (SELECT kind, n, c, row_number() OVER (PARTITION BY kind ORDER BY c DESC, n) AS r \
     FROM (SELECT kind, n, count(*) AS c FROM events GROUP BY kind, n)) WHERE r <= 2",
    "SELECT kind, s, rank() OVER (ORDER BY s DESC) AS r FROM (SELECT kind, sum(n) AS s FROM events GROUP BY kind)",
    "SELECT kind, c, sum(c) OVER () AS total FROM (SELECT kind, count(*) AS c FROM events GROUP BY kind) ORDER BY kind",
    // Views joined on their keys.
    "SELECT a.kind, a.c, b.s FROM (SELECT kind, count(*) AS c FROM events GROUP BY kind) a \
     JOIN (SELECT kind, sum(n) AS s FROM events WHERE time > now() - interval '2 minutes' GROUP BY kind) b ON a.kind = b.kind",
    "SELECT a.kind, a.c, b.s FROM (SELECT kind, count(*) AS c FROM events GROUP BY kind) a \
     LEFT JOIN (SELECT kind, sum(n) AS s FROM events WHERE flag GROUP BY kind) b ON a.kind = b.kind ORDER BY a.kind",
    "SELECT x.c, y.c AS d FROM (SELECT count(*) AS c FROM events) x CROSS JOIN (SELECT count(*) AS c FROM events WHERE n > 2) y",
    "SELECT a.kind, a.c::double / b.c AS share FROM (SELECT kind, count(*) AS c FROM events GROUP BY kind) a \
     CROSS JOIN (SELECT count(*) AS c FROM events) b",
    // Rows of a window with the latest of their kind.
    "SELECT e.time, e.n, p.price FROM (SELECT time, kind, n FROM events WHERE time > now() - interval '30 seconds') e \
     JOIN (SELECT DISTINCT ON (kind) kind, price FROM events ORDER BY kind, time DESC) p ON e.kind = p.kind",
    "SELECT p.price, sum(e.n) AS n, count(*) AS c FROM events e \
     JOIN (SELECT DISTINCT ON (kind) kind, price FROM events ORDER BY kind, time DESC) p ON e.kind = p.kind \
     WHERE e.time > now() - interval '1 minute' GROUP BY p.price",
    // Unions.
    "SELECT kind, count(*) AS c FROM events GROUP BY kind UNION ALL SELECT 'all', count(*) FROM events",
    "SELECT 'n' AS what, sum(n)::double AS v FROM events UNION ALL SELECT 'value', sum(value) FROM events",
    "SELECT * FROM (SELECT time, n FROM events ORDER BY time DESC LIMIT 3) UNION ALL SELECT max(time), max(n) FROM events",
    // Above a limit, and distinct above groups.
    "SELECT avg(n) AS a, count(*) AS c FROM (SELECT n FROM events ORDER BY time DESC LIMIT 5)",
    "SELECT DISTINCT c FROM (SELECT kind, count(*) AS c FROM events GROUP BY kind)",
    // The clock above the parts.
    "SELECT a.kind, now() - a.t > interval '5 seconds' AS quiet FROM (SELECT kind, max(time) AS t FROM events GROUP BY kind) a \
     JOIN (SELECT kind, count(*) AS c FROM events GROUP BY kind) b ON a.kind = b.kind",
    // Three levels.
    "SELECT max(m) AS a FROM (SELECT flag, min(s) AS m FROM (SELECT flag, kind, sum(n) AS s FROM events GROUP BY flag, kind) GROUP BY flag)",
];

#[derive(Debug, Clone)]
enum Happens {
    Commit(i64, Vec<Event>),
    Tick(i64),
    Bytes,
}

fn event() -> impl Strategy<Value = Event> {
    let time = prop_oneof![4 => -90_000_000i64..10_000_000, 1 => -4_000_000_000i64..0];
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

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0i64..5_000_000, prop::collection::vec(event(), 1..8)).prop_map(|(after, events)| Happens::Commit(after, events)),
        2 => (1i64..200).prop_map(Happens::Tick),
        1 => Just(Happens::Bytes),
    ]
}

fn check(sql: &str, timezone: Tz, happenings: &[Happens]) -> Result<(), TestCaseError> {
    let world = World::starting_at(START_US);
    let history: Arc<dyn History> = world.clone();
    let spec = QuerySpec { sql: sql.to_owned(), timezone, params: Params::new() };
    let limits = ViewLimits { groups_max: 100_000, rows_max: 100_000, ..ViewLimits::default() };
    let mut live = LiveQuery::new(&spec, history.as_ref(), &limits).map_err(fail)?;
    live.finish().map_err(fail)?;
    let mut client = live.snapshot();
    let stream = StreamName::new(STREAM).map_err(fail)?;
    let schema = history.schema(STREAM).ok_or_else(|| fail("the stream"))?;
    for happening in happenings {
        let rows = match happening {
            Happens::Commit(after_us, events) => {
                let base = world.head().clock.0 + after_us;
                Some(world.commit(base, *after_us, events))
            }
            Happens::Tick(after_s) => {
                world.tick(*after_s);
                None
            }
            Happens::Bytes => {
                let bytes = live.to_bytes().map_err(fail)?;
                live = LiveQuery::new(&spec, history.as_ref(), &limits).map_err(fail)?;
                live.restore(&bytes).map_err(fail)?;
                client = live.snapshot();
                None
            }
        };
        prop_assert!(live.advance(world.head().now()).map_err(fail)?, "none of these bounds moves back");
        if let Some(rows) = rows {
            live.push(&stream, &rows, &schema).map_err(fail)?;
        }
        client.apply(&live.finish().map_err(fail)?);
        compare(&spec, &world, world.head(), &live, &client)?;
    }
    Ok(())
}

#[test]
fn queries_of_several_parts_equal_batch() {
    let timezone = prop::sample::select(&[Tz::UTC, Tz::Europe__Berlin][..]);
    let case = (prop::sample::select(&QUERIES[..]), timezone, prop::collection::vec(happens(), 1..9));
    if let Err(error) = runner(CASES).run(&case, |(sql, timezone, happenings)| check(sql, timezone, &happenings)) {
        panic!("{error}");
    }
}

#[test]
fn every_shape_is_maintained() {
    let world = World::starting_at(START_US);
    for sql in QUERIES {
        let spec = QuerySpec { sql: sql.to_owned(), timezone: Tz::UTC, params: Params::new() };
        let limits = ViewLimits { groups_max: 100, rows_max: 100, ..ViewLimits::default() };
        if let Err(error) = LiveQuery::new(&spec, world.as_ref(), &limits) {
            panic!("{sql}: {error}");
        }
    }
}

#[test]
fn rows_that_grow_without_end_are_not_held_as_a_part() {
    let world = World::starting_at(START_US);
    let sql = "SELECT a.n FROM events a JOIN events b ON a.n = b.n";
    let spec = QuerySpec { sql: sql.to_owned(), timezone: Tz::UTC, params: Params::new() };
    let limits = ViewLimits { groups_max: 100, rows_max: 100, ..ViewLimits::default() };
    let error = LiveQuery::new(&spec, world.as_ref(), &limits).expect_err("is re-run");
    assert!(error.message.contains("grow without end"), "{error}");
}
