//! What rollups answer equals what the batch answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use chrono_tz::Tz;
use parking_lot::Mutex;
use proptest::prelude::*;
use pulseboard_model::schema::TIME;
use pulseboard_model::{LogOffset, Position, Row, StreamSchema, TimeUs};

use super::*;
use crate::api::{Batches, Params};
use crate::ending::Ending;
use crate::scan_request::ScanRequest;
use crate::tests::same::runner;
use crate::tests::world::{Event, STREAM, World};

/// The past with kept states of some of its pieces.
#[derive(Debug)]
struct Kept {
    world: Arc<World>,
    partials: Vec<Partials>,
    rows_read: Mutex<usize>,
}

impl History for Kept {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.world.schema(stream)
    }

    fn streams(&self) -> Vec<StreamName> {
        self.world.streams()
    }

    fn head(&self) -> Position {
        self.world.head()
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        let batches: Vec<_> = self.world.scan(request).collect();
        *self.rows_read.lock() += batches.iter().flatten().map(RecordBatch::num_rows).sum::<usize>();
        Box::new(batches.into_iter())
    }

    fn complete_from(&self, _stream: &StreamName) -> Option<TimeUs> {
        None
    }

    fn partials(&self, _rollup: &Rollup) -> Vec<Partials> {
        self.partials.clone()
    }
}

const SQL: [&str; 5] = [
    "SELECT time_bucket($bucket, time) AS t, kind, count(*) AS c, sum(value) AS s, avg(value) AS a, min(n) AS lo, \
     max(n) AS hi, sum(price) AS p FROM events WHERE time >= $from AND time < $to GROUP BY time_bucket($bucket, time), kind",
    "SELECT kind, time_bucket($bucket, time) AS t, count(DISTINCT n) AS d, stddev(value) AS sd, \
     count(*) FILTER (WHERE flag) AS f FROM events WHERE time >= $from AND time < $to AND n > 2 \
     GROUP BY kind, time_bucket($bucket, time) HAVING count(*) > 1 ORDER BY t DESC, kind LIMIT 20",
    "SELECT time_bucket($bucket, time) AS t, first_value(n ORDER BY time) AS first, last_value(value ORDER BY time) AS last \
     FROM events WHERE time < $to AND time >= $from GROUP BY 1 ORDER BY 1",
    "SELECT time_bucket($bucket, time) AS t, median(value) AS m, approx_distinct(n) AS d FROM events \
     WHERE time >= $from AND time < $to GROUP BY 1",
    "SELECT time_bucket($bucket, time) AS t, kind, last_value(n ORDER BY time) AS l, first_value(price ORDER BY time) AS f, \
     count(DISTINCT n) AS d, count(DISTINCT n) FILTER (WHERE value > 9) AS e FROM events \
     WHERE time >= $from AND time < $to GROUP BY 1, 2",
];

fn spec(sql: &str, zone: Tz) -> QuerySpec {
    QuerySpec { sql: sql.into(), timezone: zone, params: Params::new() }
}

/// A world of `pieces` commits around `start_us`, events up to `spread_s` before and after it.
fn world(start_us: i64, pieces: &[Vec<(i64, u8)>]) -> Arc<World> {
    let world = World::starting_at(start_us);
    let kinds = [Some("a"), Some("b"), None];
    for piece in pieces {
        let event = |(second, seed): &(i64, u8)| Event {
            time_us: second * 1_000_000 + i64::from(*seed) * 1_000,
            kind: kinds[usize::from(*seed) % 3],
            n: (seed % 7 != 0).then_some(i64::from(*seed) % 11),
            quarters: (seed % 5 != 0).then_some(i32::from(*seed)),
            cents: Some(i32::from(*seed) * 7),
            flag: Some(seed % 2 == 0),
        };
        world.commit(start_us, 60_000_000, &piece.iter().map(event).collect::<Vec<_>>());
    }
    world
}

/// States of the pieces for which `has` holds, at `levels`.
fn with_states(world: &Arc<World>, rollup: &Rollup, levels: &[RollupLevel], has: &[bool]) -> Kept {
    let stream = StreamName::new(STREAM).expect("a name");
    let mut partials = Vec::new();
    let whole = ScanRequest::new(stream.clone(), LogOffset::START, world.head().offset);
    let mut after = LogOffset::START;
    for (number, batch) in world.scan(&whole).enumerate() {
        let batch = batch.expect("a batch");
        let upto = LogOffset::from_u64(after.to_u64() + batch.num_rows() as u64);
        if has.get(number).copied().unwrap_or(false) {
            // Small pieces have as many states as rows: repeated rows make it worth while.
            let mut maker = rollup.maker(world.as_ref(), &QueryLimits::default()).expect("planned");
            maker.push(&batch).expect("rows");
            let states: BTreeMap<RollupLevel, Vec<u8>> = maker
                .finish()
                .expect("states")
                .into_iter()
                .filter_map(|(level, bytes)| Some((level, bytes.filter(|_| levels.contains(&level))?)))
                .collect();
            let times = batch.column_by_name(TIME).expect("times").as_primitive::<TimestampMicrosecondType>();
            let times = (times.values().iter().min(), times.values().iter().max());
            let times = (TimeUs(*times.0.expect("a row")), TimeUs(*times.1.expect("a row")));
            let levels = states.keys().copied().collect();
            let read = move |level| Ok(states.get(&level).cloned());
            partials.push(Partials::new((after, upto), times, levels, read));
        }
        after = upto;
    }
    Kept { world: world.clone(), partials, rows_read: Mutex::default() }
}

fn batch_rows(spec: &QuerySpec, asked: &Asked, world: &Arc<World>) -> Vec<Row> {
    let mut spec = spec.clone();
    spec.params.insert(FROM.into(), Cell::Time(asked.from_us));
    spec.params.insert(TO.into(), Cell::Time(asked.to_us));
    spec.params.insert(BUCKET.into(), Cell::Str(asked.step.text().into()));
    let history: Arc<dyn History> = world.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let limits = QueryLimits::default();
    let run = crate::batch::run(&spec, &history, asked.at, &limits);
    runtime.block_on(run).unwrap_or_else(|error| panic!("{}: {error}", spec.sql)).rows
}

/// Rows as text, floats to nine digits, in one order.
fn told(rows: &[Row], ordered: bool) -> Vec<String> {
    let cell = |cell: &Cell| match cell {
        Cell::Float(value) => format!("{value:.9}"),
        other => format!("{other:?}"),
    };
    let mut told: Vec<String> = rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect();
    if !ordered {
        told.sort();
    }
    told
}

/// 29 March 2026 12:00 UTC: clocks were put forward in Berlin that night.
const START_US: i64 = 1_774_785_600_000_000;
const HOUR_S: i64 = 3_600;

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Micros(15 * 60_000_000)),
        Just(Step::Micros(90 * 60_000_000)),
        Just(Step::Micros(6 * 3_600_000_000)),
        Just(Step::Days(1)),
        Just(Step::Days(7)),
        Just(Step::Months(1)),
    ]
}

/// What a range is asked of: rows by piece, which pieces have states, and what is asked.
type Ranged = (Vec<Vec<(i64, u8, usize)>>, Vec<bool>, usize, Tz, Step, Vec<RollupLevel>, i64, i64);

fn ranged() -> impl Strategy<Value = Ranged> {
    // Each second of a few, many times: the more rows a bucket has, the more a state is worth.
    let piece = prop::collection::vec((-72 * HOUR_S..72 * HOUR_S, 1u8..255, 1usize..9), 1..12);
    let zone =
        prop_oneof![Just(Tz::UTC), Just(Tz::Europe__Berlin), Just(Tz::Asia__Kolkata), Just(Tz::Australia__Lord_Howe)];
    let levels = prop::sample::subsequence(RollupLevel::ALL.to_vec(), 1..=4);
    let pieces = prop::collection::vec(piece, 1..6);
    let has = prop::collection::vec(any::<bool>(), 6);
    (pieces, has, 0..SQL.len(), zone, steps(), levels, -80 * HOUR_S..40 * HOUR_S, 1..150 * HOUR_S)
}

#[test]
fn a_range_out_of_states_is_the_batch_answer() {
    let ran = runner(200).run(&ranged(), |(pieces, has, sql, zone, step, levels, from_s, span_s)| {
        let rows = |piece: &Vec<(i64, u8, usize)>| {
            piece.iter().flat_map(|(second, seed, times)| vec![(*second, *seed); times * 4]).collect::<Vec<_>>()
        };
        let world = world(START_US, &pieces.iter().map(rows).collect::<Vec<_>>());
        let spec = spec(SQL[sql], zone);
        let limits = QueryLimits::default();
        let rollup = Rollup::of(&spec, world.as_ref(), &limits).expect("planned").expect("a rollup");
        let kept = with_states(&world, &rollup, &levels, &has);
        let asked = Asked {
            at: world.head(),
            step,
            from_us: START_US + from_s * 1_000_000,
            to_us: START_US + (from_s + span_s) * 1_000_000,
        };
        let history: Arc<dyn History> = Arc::new(kept);
        let answered = answer(&rollup, &asked, &history, &limits, &Ending::default()).expect("an answer");
        // Without any states there is nothing to answer from.
        let Some((answered, _)) = answered else { return Ok(()) };
        let ordered = SQL[sql].contains("ORDER BY t ") || SQL[sql].contains("ORDER BY 1");
        prop_assert_eq!(told(&answered.rows, ordered), told(&batch_rows(&spec, &asked, &world), ordered));
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}

#[test]
fn only_edges_and_what_has_no_states_is_read() {
    // Two days of a row each minute, in two pieces; the second has no states.
    let minute = |range: std::ops::Range<i64>| range.map(|n| (n * 60, u8::try_from(n % 250).expect("small"))).collect();
    // The same, each row four times, so that a minute's state is worth keeping.
    let often = |range: std::ops::Range<i64>| range.flat_map(|n| [(n * 60, u8::try_from(n % 250).expect("small")); 4]);
    let four_times = || world(START_US, &[often(0..1_440).collect(), often(1_440..2_880).collect()]);
    let world = self::world(START_US, &[minute(0..1_440), minute(1_440..2_880)]);
    let spec = spec(SQL[0], Tz::UTC);
    let limits = QueryLimits::default();
    let rollup = Rollup::of(&spec, world.as_ref(), &limits).expect("planned").expect("a rollup");
    let kept = Arc::new(with_states(&world, &rollup, &[RollupLevel::Hour], &[true, false]));
    let history: Arc<dyn History> = kept.clone();
    let asked = Asked {
        at: world.head(),
        step: Step::Micros(7_200_000_000),
        // From 12:30 to 11:00 the next day, in the first piece.
        from_us: START_US + 1_800 * 1_000_000,
        to_us: START_US + 23 * HOUR_S * 1_000_000,
    };
    let answered = answer(&rollup, &asked, &history, &limits, &Ending::default()).expect("an answer");
    assert_eq!(told(&answered.expect("states").0.rows, false), told(&batch_rows(&spec, &asked, &world), false));
    // Half an hour at the begin; the journal of this test leaves out whole commits only, so that is the first piece.
    assert_eq!(*kept.rows_read.lock(), 1_440);
    // On the hour there is no edge, and nothing is read.
    *kept.rows_read.lock() = 0;
    let whole = Asked { from_us: START_US, ..asked };
    let answered = answer(&rollup, &whole, &history, &limits, &Ending::default()).expect("an answer");
    assert_eq!(told(&answered.expect("states").0.rows, false), told(&batch_rows(&spec, &whole, &world), false));
    assert_eq!(*kept.rows_read.lock(), 0);
    // With minutes beside the hours no row is read: half an hour is thirty of them.
    let both = [RollupLevel::Hour, RollupLevel::Minute, RollupLevel::Second];
    let fine = Arc::new(with_states(&four_times(), &rollup, &both, &[true, false]));
    let history: Arc<dyn History> = fine.clone();
    let asked = Asked { at: fine.head(), ..asked };
    let (answered, used) =
        answer(&rollup, &asked, &history, &limits, &Ending::default()).expect("an answer").expect("states");
    assert_eq!(told(&answered.rows, false), told(&batch_rows(&spec, &asked, &fine.world), false));
    assert_eq!((*fine.rows_read.lock(), used.rows, used.pieces), (0, 0, 1), "{used:?}");
    // Ended by whoever asked, it stops reading.
    let left = Ending::default();
    left.leave();
    let stopped = answer(&rollup, &asked, &history, &limits, &left);
    assert!(stopped.is_err());
}

#[test]
fn a_query_of_another_form_has_no_rollup() {
    let world = world(START_US, &[vec![(0, 1)]]);
    let of = |sql: &str| Rollup::of(&spec(sql, Tz::UTC), world.as_ref(), &QueryLimits::default()).expect("planned");
    for sql in [
        "SELECT count(*) FROM events",
        "SELECT time_bucket($bucket, time), count(*) FROM events GROUP BY 1",
        "SELECT time_bucket($bucket, time), count(*) FROM events WHERE time >= $from AND time <= $to GROUP BY 1",
        "SELECT time_bucket($bucket, _arrived_at), count(*) FROM events WHERE time >= $from AND time < $to GROUP BY 1",
        "SELECT time_bucket($bucket, time), count(*), min($from) FROM events WHERE time >= $from AND time < $to GROUP BY 1",
        "SELECT date_trunc('day', time_bucket($bucket, time)), count(*) FROM events WHERE time >= $from AND time < $to GROUP BY 1",
        "SELECT time_bucket($bucket, time), count(*) FROM events WHERE time >= $from AND time < $to \
         AND time > now() - INTERVAL '1 day' GROUP BY 1",
        "SELECT time, n FROM events WHERE time >= $from AND time < $to AND time_bucket($bucket, time) = time",
    ] {
        assert!(of(sql).is_none(), "{sql}");
    }
    let names: Vec<String> = SQL.iter().map(|sql| of(sql).expect("a rollup").name(RollupLevel::Hour)).collect();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    assert_eq!(of(SQL[0]).expect("a rollup").columns().join(" "), "time kind n value price");
}
