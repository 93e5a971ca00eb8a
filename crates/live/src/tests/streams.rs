//! Unions of streams, lists made rows of, hopping windows and joins: live equals batch after each step, when schemas grow, and
//! after restarts by replay and from bytes.

use std::sync::Arc;

use chrono_tz::Tz;
use proptest::prelude::*;
use pulseboard_model::limits::ViewLimits;
use pulseboard_model::{LogOffset, Snapshot, TimeUs};
use serde_json::{Value, json};

use super::same::{compare, fail, runner};
use super::streams_world::Streams;
use crate::api::{History, Params, QuerySpec};
use crate::live_query::LiveQuery;
use crate::maintain::compose::{Composition, compose};
use crate::scan_request::ScanRequest;
use crate::sql::clock::ClockCell;
use crate::sql::planning::{self, Rows};

/// How many cases the normal run takes; `PULSEBOARD_DIFFERENTIAL_CASES` overrides it.
const CASES: u32 = 300;
/// 28 May 2026, 20:26:40 UTC; and an hour before clocks in Berlin go forward.
const STARTS_US: [i64; 2] = [1_780_000_000_000_000, 1_774_742_400_000_000];

/// Queries that one state holds, whatever number of inputs they have.
const STRAIGHT: [&str; 41] = [
    // Streams below one aggregate.
    "SELECT count(*) AS c, sum(n) AS s FROM (SELECT n FROM orders UNION ALL SELECT n FROM refunds)",
    "SELECT kind, what, count(*) AS c, avg(v) AS a FROM (SELECT kind, n AS v, 'order' AS what FROM orders \
     UNION ALL SELECT kind, -n, 'refund' FROM refunds WHERE n > 0) GROUP BY kind, what",
    "SELECT kind, sum(v) AS s FROM (SELECT time, kind, n AS v FROM orders UNION ALL SELECT time, kind, -n FROM refunds) \
     WHERE time > now() - interval '1 minute' GROUP BY kind HAVING count(*) > 1 ORDER BY s DESC, kind LIMIT 3",
    "SELECT kind, count(*) AS c, min(n) AS m FROM (SELECT kind, n FROM orders WHERE time > now() - interval '30 seconds' \
     UNION ALL SELECT kind, n FROM refunds WHERE time >= now() - interval '2 minutes' AND time < now()) GROUP BY kind",
    "SELECT count(*) AS c, max(t) AS m FROM (SELECT time AS t FROM orders WHERE time > now() - interval '20 seconds' \
     UNION ALL SELECT time FROM refunds)",
    "SELECT what, count(*) AS c FROM (SELECT 'big' AS what FROM orders WHERE n > 3 UNION ALL SELECT 'any' FROM orders) GROUP BY what",
    "SELECT kind, sum(v) AS s FROM (SELECT kind, n AS v FROM orders UNION ALL SELECT kind, value FROM orders) GROUP BY kind",
    "SELECT date_trunc('minute', time) AS m, count(*) AS c FROM (SELECT time FROM orders UNION ALL SELECT time FROM refunds \
     UNION ALL SELECT time FROM products) GROUP BY 1",
    "SELECT last_value(n) AS l, array_agg(n) AS a FROM (SELECT n FROM orders UNION ALL SELECT n FROM refunds UNION ALL SELECT n FROM orders)",
    "SELECT kind, first_value(n ORDER BY time) AS f FROM (SELECT time, kind, n FROM orders UNION ALL SELECT time, kind, n FROM refunds) GROUP BY kind",
    "SELECT kind FROM orders UNION SELECT kind FROM refunds",
    // And below an order, a limit and the latest per key.
    "SELECT time, kind, n FROM orders UNION ALL SELECT time, kind, n FROM refunds ORDER BY time DESC LIMIT 4",
    "SELECT * FROM (SELECT time, n, 'a' AS w FROM orders UNION ALL SELECT time, n, 'b' FROM orders WHERE n > 2) ORDER BY n, time DESC LIMIT 5",
    "SELECT kind, n FROM (SELECT time, kind, n FROM orders UNION ALL SELECT time, kind, n FROM refunds) \
     WHERE time > now() - interval '1 minute' ORDER BY n DESC LIMIT 3",
    "SELECT time, n FROM orders WHERE time > now() - interval '20 seconds' UNION ALL \
     SELECT time, n FROM refunds WHERE time > now() - interval '50 seconds'",
    "SELECT DISTINCT ON (kind) kind, n, time FROM (SELECT kind, n, time FROM orders UNION ALL SELECT kind, n, time FROM refunds) ORDER BY kind, time DESC",
    "SELECT n FROM orders UNION ALL SELECT n FROM refunds LIMIT 3",
    "SELECT n FROM (SELECT n FROM orders UNION ALL SELECT n FROM refunds) ORDER BY n DESC LIMIT 2 OFFSET 1",
    // Lists made rows of.
    "SELECT unnest(tags) AS tag, n FROM orders",
    "SELECT tag, count(*) AS c, sum(n) AS s FROM (SELECT unnest(tags) AS tag, n FROM orders) GROUP BY tag",
    "SELECT unnest(tags) AS tag, count(*) AS c FROM orders GROUP BY tag",
    "SELECT item['sku'] AS sku, sum(item['qty']) AS q FROM (SELECT unnest(items) AS item FROM orders) GROUP BY 1 ORDER BY q DESC, sku LIMIT 3",
    "SELECT sku, n FROM (SELECT unnest(items)['sku'] AS sku, n, time FROM orders) ORDER BY n DESC, time LIMIT 5",
    "SELECT time, kind, unnest(tags) AS tag FROM orders ORDER BY time DESC LIMIT 6",
    "SELECT unnest(tags) AS tag, unnest(items)['qty'] AS q FROM orders",
    "SELECT tag, last_value(n) AS l, array_agg(n) AS a FROM (SELECT unnest(tags) AS tag, n FROM orders) GROUP BY tag",
    "SELECT array_agg(tag) AS a, first_value(tag) AS f FROM (SELECT unnest(tags) AS tag FROM orders)",
    "SELECT DISTINCT ON (sku) sku, qty, time FROM (SELECT item['sku'] AS sku, item['qty'] AS qty, time FROM \
     (SELECT unnest(items) AS item, time FROM orders)) ORDER BY sku, time DESC",
    "SELECT sku, count(*) AS c FROM (SELECT unnest(items)['sku'] AS sku, time FROM orders) WHERE time > now() - interval '30 seconds' GROUP BY sku",
    "SELECT sku, qty FROM (SELECT unnest(items)['sku'] AS sku, unnest(items)['qty'] AS qty, time FROM orders) \
     WHERE time > now() - interval '40 seconds' AND qty > 1 ORDER BY qty DESC LIMIT 4",
    "SELECT DISTINCT unnest(tags) AS tag FROM orders",
    "SELECT tag, count(*) AS c FROM (SELECT unnest(tags) AS tag FROM orders UNION ALL SELECT kind FROM refunds) GROUP BY tag",
    "SELECT tag FROM (SELECT unnest(tags) AS tag, time FROM orders UNION ALL SELECT kind, time FROM refunds) ORDER BY time DESC LIMIT 5",
    "SELECT unnest(make_array(n, n + 1)) AS m, count(*) AS c FROM orders GROUP BY m",
    // Hopping windows.
    "SELECT unnest(hop(time, interval '5 seconds', interval '10 seconds')) AS w, count(*) AS c FROM orders GROUP BY w",
    "SELECT w, kind, sum(n) AS s FROM (SELECT unnest(hop(time, interval '20 seconds', interval '1 minute')) AS w, kind, n FROM orders) \
     GROUP BY w, kind ORDER BY w DESC, kind LIMIT 6",
    "SELECT w, count(*) AS c FROM (SELECT unnest(hop(time, interval '10 seconds', interval '30 seconds')) AS w FROM orders) \
     WHERE w > now() - interval '1 minute' GROUP BY w",
    "SELECT unnest(hop(time, interval '10 seconds', interval '30 seconds')) AS w, avg(n) AS a FROM orders \
     WHERE time > now() - interval '2 minutes' GROUP BY w HAVING count(*) > 1",
    "SELECT unnest(hop(time, interval '1 day', interval '2 days')) AS w, count(*) AS c FROM orders GROUP BY w",
    "SELECT unnest(hop(time, interval '10 seconds', interval '4 seconds')) AS w, count(*) AS c FROM orders GROUP BY w",
    "SELECT w, count(*) AS c FROM (SELECT unnest(hop(time, interval '15 seconds', interval '30 seconds')) AS w FROM \
     (SELECT time FROM orders UNION ALL SELECT time FROM refunds)) GROUP BY w",
];

/// Joins: a stream over all its time with a reference, streams within a time of each other.
const JOINS: [&str; 22] = [
    "SELECT p.price, count(*) AS c, sum(o.n) AS s FROM orders o \
     JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON o.kind = p.kind GROUP BY p.price",
    "SELECT p.kind, avg(o.n) AS a, min(o.value) AS lo, max(o.n) AS hi, count(DISTINCT o.n) AS d, median(o.n) AS m FROM orders o \
     JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON p.kind = o.kind GROUP BY p.kind",
    "SELECT sum(o.n * p.price) AS revenue, count(*) AS c FROM orders o \
     JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON p.kind = o.kind",
    "SELECT o.kind, sum(p.price) AS s, count(p.price) AS c, max(p.price) AS m FROM orders o \
     LEFT JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON p.kind = o.kind GROUP BY o.kind",
    "SELECT date_trunc('minute', o.time) AS m, p.n AS pn, sum(o.n) FILTER (WHERE o.n > 1) AS s, \
     count(*) FILTER (WHERE p.price > 0) AS c FROM orders o \
     JOIN (SELECT DISTINCT ON (kind) kind, n, price FROM products ORDER BY kind, time DESC) p ON p.kind = o.kind GROUP BY 1, 2",
    "SELECT p.kind, sum(o.n) AS s FROM orders o JOIN (SELECT * FROM (SELECT DISTINCT ON (kind) kind, price, _deleted FROM products \
     ORDER BY kind, time DESC) WHERE NOT _deleted) p ON p.kind = o.kind GROUP BY p.kind ORDER BY s DESC, p.kind LIMIT 2",
    "SELECT p.price, count(*) AS c FROM orders o JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p \
     ON p.kind = o.kind WHERE o.n > 0 AND p.price > -5 AND o.time > now() - interval '1 minute' GROUP BY p.price HAVING count(*) > 1",
    "SELECT p.price, count(*) AS c FROM orders o JOIN (SELECT DISTINCT ON (kind) kind, n, price FROM products ORDER BY kind, time DESC) p \
     ON p.kind = o.kind AND o.n > p.n GROUP BY p.price",
    "SELECT p.kind, stddev(o.n) AS d, avg(o.value) AS a, approx_distinct(o.n) AS approx FROM orders o \
     JOIN (SELECT kind, max(price) AS price FROM products GROUP BY kind) p ON p.kind = o.kind GROUP BY p.kind",
    "SELECT o.kind, count(*) AS c, sum(o.n) AS s FROM orders o \
     LEFT JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON p.kind = o.kind \
     WHERE p.kind IS NULL GROUP BY o.kind",
    "SELECT p.kind, sum(i.qty) AS q FROM (SELECT unnest(items)['sku'] AS sku, unnest(items)['qty'] AS qty, kind FROM orders) i \
     JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON p.kind = i.kind GROUP BY p.kind",
    "SELECT p.kind, sum(o.n) AS s FROM (SELECT kind, n FROM orders UNION ALL SELECT kind, -n FROM refunds) o \
     JOIN (SELECT DISTINCT ON (kind) kind FROM products ORDER BY kind, time DESC) p ON p.kind = o.kind GROUP BY p.kind",
    "SELECT max(s) AS m FROM (SELECT p.kind, sum(o.n) AS s FROM orders o \
     JOIN (SELECT DISTINCT ON (kind) kind FROM products ORDER BY kind, time DESC) p ON p.kind = o.kind GROUP BY p.kind)",
    "SELECT kind, count(*) AS c FROM orders WHERE kind IN ('a', 'b') GROUP BY kind UNION ALL \
     SELECT p.kind, sum(o.n) FROM orders o JOIN (SELECT DISTINCT ON (kind) kind FROM products ORDER BY kind, time DESC) p \
     ON p.kind = o.kind GROUP BY p.kind",
    "SELECT p.kind, array_agg(DISTINCT o.n) AS l, bool_or(o.n > 3) AS b FROM orders o \
     JOIN (SELECT DISTINCT ON (kind) kind FROM products ORDER BY kind, time DESC) p ON p.kind = o.kind GROUP BY p.kind",
    "SELECT count(*) AS c, sum(o.n) AS s FROM orders o CROSS JOIN (SELECT count(*) AS n FROM products) p WHERE o.n < p.n",
    "SELECT p.price, o.n % 2 AS odd, count(*) AS c FROM orders o \
     JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON p.kind = o.kind GROUP BY 1, 2",
    "SELECT coalesce(o.kind, p.kind) AS k, sum(o.n) AS s FROM orders o \
     JOIN (SELECT DISTINCT ON (kind) kind, n FROM products ORDER BY kind, time DESC) p ON p.n = o.n GROUP BY 1",
    // Streams within a time of each other, in windows.
    "SELECT o.time, o.kind, r.n FROM (SELECT * FROM orders WHERE time > now() - interval '1 minute') o \
     JOIN (SELECT * FROM refunds WHERE time > now() - interval '2 minutes') r \
     ON o.kind = r.kind AND r.time BETWEEN o.time AND o.time + interval '30 seconds'",
    "SELECT o.kind, count(*) AS c FROM orders o JOIN refunds r ON o.kind = r.kind AND r.time BETWEEN o.time AND o.time + interval '10 seconds' \
     WHERE o.time > now() - interval '1 minute' AND r.time > now() - interval '1 minute' GROUP BY o.kind",
    "SELECT count(*) AS c, sum(r.n) AS s FROM orders o JOIN refunds r ON o.kind = r.kind AND r.time >= o.time \
     WHERE o.time > now() - interval '30 seconds' AND r.time > now() - interval '1 minute'",
    "SELECT o.n, count(r.n) AS c FROM (SELECT kind, n, time FROM orders WHERE time > now() - interval '1 minute') o \
     LEFT JOIN (SELECT kind, n, time FROM refunds WHERE time > now() - interval '1 minute') r ON o.kind = r.kind AND r.time > o.time GROUP BY o.n",
];

#[derive(Debug, Clone)]
enum Happens {
    Commit(&'static str, i64, Vec<Fields>),
    Tick(i64),
    Bytes,
    Replay,
}

/// What a row may hold; each stream takes what it has.
#[derive(Debug, Clone)]
struct Fields {
    time_us: i64,
    kind: Option<&'static str>,
    n: Option<i64>,
    quarters: Option<i32>,
    tags: Option<Vec<Option<&'static str>>>,
    items: Option<Vec<(&'static str, i64)>>,
    deleted: bool,
    /// A field that the stream may not have had so far.
    more: bool,
}

fn fields() -> impl Strategy<Value = Fields> {
    let time = prop_oneof![6 => (-90i64..10).prop_map(|s| s * 1_000_000), 4 => -90_000_000i64..10_000_000, 1 => -4_000_000_000i64..0];
    let kind = prop::option::weighted(0.9, prop::sample::select(&["a", "b", "ab", ""][..]));
    let tag = || prop::option::weighted(0.9, prop::sample::select(&["x", "y", "z"][..]));
    let tags = prop::option::weighted(0.8, prop::collection::vec(tag(), 0..4));
    let item = (prop::sample::select(&["p1", "p2", "p3"][..]), 1i64..4);
    let items = prop::option::weighted(0.8, prop::collection::vec(item, 0..4));
    let numbers = (prop::option::weighted(0.9, -2i64..8), prop::option::weighted(0.9, -40i32..40));
    (time, kind, numbers, tags, items, prop::bool::weighted(0.2), prop::bool::weighted(0.1)).prop_map(
        |(time_us, kind, (n, quarters), tags, items, deleted, more)| Fields {
            time_us,
            kind,
            n,
            quarters,
            tags,
            items,
            deleted,
            more,
        },
    )
}

fn row(stream: &str, base_us: i64, fields: &Fields) -> Value {
    let time = base_us + fields.time_us;
    let value = fields.quarters.map(|quarters| f64::from(quarters) / 4.0);
    let mut row = json!({"time": time, "kind": fields.kind, "n": fields.n});
    match stream {
        "orders" => {
            row["value"] = json!(value);
            row["tags"] = json!(fields.tags);
            let item = |(sku, qty): &(&str, i64)| json!({"sku": sku, "qty": qty});
            row["items"] = json!(fields.items.as_ref().map(|items| items.iter().map(item).collect::<Vec<_>>()));
        }
        "products" => {
            row["price"] = json!(value);
            row["_deleted"] = json!(fields.deleted);
        }
        _ => {}
    }
    if fields.more {
        row["more"] = json!(true);
    }
    row
}

fn happens() -> impl Strategy<Value = Happens> {
    let stream = prop::sample::select(&["orders", "orders", "orders", "refunds", "refunds", "products"][..]);
    prop_oneof![
        8 => (stream, 0i64..5_000_000, prop::collection::vec(fields(), 1..8))
            .prop_map(|(stream, after, rows)| Happens::Commit(stream, after, rows)),
        3 => (1i64..100).prop_map(Happens::Tick),
        1 => Just(Happens::Bytes),
        1 => Just(Happens::Replay),
    ]
}

/// A world in which all streams and all fields are known, so that every query can be planned.
fn world(start_us: i64) -> Arc<Streams> {
    let world = Streams::starting_at(start_us);
    let row = |more: Value| {
        let mut row = json!({"time": start_us - 60_000_000, "kind": "a", "n": 1});
        row.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        row
    };
    world.commit("orders", 0, &[row(json!({"value": 1.5, "tags": ["x"], "items": [{"sku": "p1", "qty": 2}]}))]);
    world.commit("refunds", 0, &[row(json!({}))]);
    world.commit("products", 0, &[row(json!({"price": 0.5, "_deleted": false}))]);
    world
}

fn limits() -> ViewLimits {
    ViewLimits { groups_max: 100_000, rows_max: 100_000, ..ViewLimits::default() }
}

/// A live query brought to the head of the log, and what a client has of it.
fn start(spec: &QuerySpec, world: &Arc<Streams>) -> Result<(LiveQuery, Snapshot), TestCaseError> {
    let mut live = LiveQuery::new(spec, world.as_ref(), &limits()).map_err(fail)?;
    for stream in live.streams() {
        let schema = world.schema(stream.as_str()).ok_or_else(|| fail("the stream"))?;
        for batch in world.scan(&ScanRequest::new(stream.clone(), LogOffset::START, world.head().offset)) {
            live.push(&stream, &batch.map_err(fail)?, &schema).map_err(fail)?;
            live.finish().map_err(fail)?;
        }
    }
    live.finish().map_err(fail)?;
    let client = live.snapshot();
    Ok((live, client))
}

fn check(sql: &str, timezone: Tz, start_us: i64, happenings: &[Happens]) -> Result<(), TestCaseError> {
    let world = world(start_us);
    let spec = QuerySpec { sql: sql.to_owned(), timezone, params: Params::new() };
    let (mut live, mut client) = start(&spec, &world)?;
    compare(&spec, &world, world.head(), &live, &client)?;
    for happening in happenings {
        let mut commit = None;
        match happening {
            Happens::Commit(stream, after_us, rows) => {
                let base = world.head().clock.0 + after_us;
                let rows: Vec<Value> = rows.iter().map(|fields| row(stream, base, fields)).collect();
                let (batch, schema) = world.commit(stream, *after_us, &rows);
                commit = Some((pulseboard_model::StreamName::new(*stream).map_err(fail)?, batch, schema));
            }
            Happens::Tick(after_s) => world.tick(*after_s),
            Happens::Bytes => {
                let bytes = live.to_bytes().map_err(fail)?;
                live = LiveQuery::new(&spec, world.as_ref(), &limits()).map_err(fail)?;
                live.restore(&bytes).map_err(fail)?;
                client = live.snapshot();
            }
            Happens::Replay => (live, client) = start(&spec, &world)?,
        }
        if !live.advance(world.head().now()).map_err(fail)? {
            (live, client) = start(&spec, &world)?;
            commit = None;
        }
        if let Some((stream, batch, schema)) = commit {
            live.push(&stream, &batch, &schema).map_err(fail)?;
        }
        client.apply(&live.finish().map_err(fail)?);
        compare(&spec, &world, world.head(), &live, &client)?;
    }
    Ok(())
}

/// Runs `cases` random cases over `queries`: the same ones each time unless a number of them is asked for.
pub(super) fn run(queries: &'static [&'static str], cases: u32) {
    let timezone = prop::sample::select(&[Tz::UTC, Tz::Europe__Berlin][..]);
    let start = prop::sample::select(&STARTS_US[..]);
    let case = (prop::sample::select(queries), timezone, start, prop::collection::vec(happens(), 1..9));
    if let Err(error) = runner(cases).run(&case, |(sql, tz, start, happenings)| check(sql, tz, start, &happenings)) {
        panic!("{error}");
    }
}

/// How many parts a query is maintained in, and whether a plan above them is run again.
fn parts(sql: &str) -> Result<(usize, bool), String> {
    let composition = composed(sql)?;
    Ok((composition.parts.len(), composition.layers.is_some()))
}

/// Whether the answer of a query of several parts follows changes, and in how many stages.
pub(super) fn layered(sql: &str) -> Result<Option<(bool, usize)>, String> {
    Ok(composed(sql)?.layers.map(|layers| (layers.follows(), layers.stages.len())))
}

fn composed(sql: &str) -> Result<Composition, String> {
    let world = world(STARTS_US[0]);
    let spec = QuerySpec { sql: sql.to_owned(), timezone: Tz::UTC, params: Params::new() };
    let clock = ClockCell::new(TimeUs(STARTS_US[0]));
    let planned = planning::plan(&spec, world.as_ref(), &clock, &Rows::None, None, 65_536);
    let planned = planned.map_err(|error| format!("{sql}: {error}"))?;
    compose(&planned).map_err(|reason| format!("{sql}: {}", reason.0))
}

#[test]
fn unions_lists_and_hops_are_held_by_one_state() {
    let problems: Vec<String> = STRAIGHT
        .iter()
        .filter_map(|sql| match parts(sql) {
            Ok((1, false)) => None,
            Ok((parts, _)) => Some(format!("{sql}: {parts} parts under a common top")),
            Err(problem) => Some(problem),
        })
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn unions_lists_and_hops_equal_batch() {
    run(&STRAIGHT, CASES);
}

#[test]
fn joins_are_maintained() {
    let problems: Vec<String> = JOINS.iter().filter_map(|sql| parts(sql).err()).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn joins_equal_batch() {
    run(&JOINS, CASES);
}

#[test]
fn a_join_that_cannot_be_taken_apart_says_which_aggregate_is_why() {
    let reference = "(SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC)";
    let sql = format!("SELECT sum(o.n + p.price) AS s FROM orders o JOIN {reference} p ON p.kind = o.kind");
    let reason = parts(&sql).expect_err("is re-run");
    assert!(reason.contains("is not the sum of a product"), "{reason}");
}
