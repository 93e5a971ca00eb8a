//! Random lives of an engine with checkpoints: whatever comes between, and however a life ends, the next one's answers are
//! the batch answers.

use std::sync::Arc;

use proptest::prelude::*;
use pulseboard_model::limits::ViewLimits;

use super::restart_world::{Kept, Running, Watched};
use super::same::runner;

use super::world::{Event, World};
use super::worlds::{SECOND_US, START_US, event};

const CASES: u32 = 60;

/// Queries of every kind of state, whose answers are exact.
const QUERIES: [&str; 14] = [
    "SELECT kind, count(*) AS c, sum(n) AS s, min(price) AS low, max(time) AS t FROM events GROUP BY kind",
    "SELECT count(DISTINCT n) AS a, count(DISTINCT kind) AS b, count(DISTINCT n) FILTER (WHERE flag) AS c FROM events \
     WHERE time > now() - interval '40 seconds'",
    "SELECT kind, flag, count(DISTINCT n) AS a, count(DISTINCT n) FILTER (WHERE n > 2) AS b, count(DISTINCT price) AS c \
     FROM events GROUP BY kind, flag",
    "SELECT last_value(n ORDER BY time) AS a, last_value(kind ORDER BY time) AS b, \
     first_value(price ORDER BY n) FILTER (WHERE flag) AS c FROM events",
    "SELECT kind, last_value(n ORDER BY time) AS a, first_value(price ORDER BY time DESC) AS b, \
     first_value(flag ORDER BY n DESC NULLS LAST) AS c FROM events WHERE time > now() - interval '1 minute' GROUP BY kind",
    "SELECT DISTINCT ON (kind, n) kind, n, price, flag, time FROM events ORDER BY kind, n, time DESC",
    "SELECT DISTINCT ON (kind) kind, n, value FROM events WHERE time > now() - interval '30 seconds' ORDER BY kind, time DESC",
    "SELECT time, kind, n FROM events ORDER BY time DESC LIMIT 5",
    "SELECT kind, session(time, interval '20 seconds') AS s, count(*) AS a, last_value(n ORDER BY time) AS b, \
     count(DISTINCT n) AS c FROM events WHERE time > now() - interval '5 minutes' GROUP BY 1, 2",
    "SELECT last_value(n ORDER BY time) AS a, ago(last_value(n ORDER BY time), interval '10 seconds') AS b FROM events \
     WHERE time >= now() - interval '20 seconds'",
    "SELECT sum(n) AS a FROM (SELECT DISTINCT ON (kind) kind, n FROM events ORDER BY kind, time DESC)",
    "SELECT a.kind, a.c, b.n FROM (SELECT kind, count(DISTINCT n) AS c FROM events GROUP BY kind) a LEFT JOIN \
     (SELECT DISTINCT ON (kind) kind, n FROM events ORDER BY kind, time DESC) b ON a.kind = b.kind",
    "SELECT date_trunc('minute', time) AS m, count(*) AS c, first_value(kind ORDER BY n, time) AS k FROM events \
     WHERE time >= date_trunc('day', now()) GROUP BY 1",
    "SELECT time, kind, n FROM events WHERE time > now() - interval '30 seconds' AND n > 2",
];

#[derive(Debug, Clone)]
enum Lives {
    Commit(i64, Vec<Event>),
    Tick(i64),
    /// The log goes on while no engine runs, then one starts. Without an orderly end what it would have kept is not there.
    Restart {
        orderly: bool,
        missed: Vec<Event>,
        missed_s: i64,
    },
}

fn lives() -> impl Strategy<Value = Lives> {
    let seconds = || prop_oneof![6 => 1i64..12, 1 => 1i64..4_000];
    prop_oneof![
        5 => (0i64..900_000, prop::collection::vec(event(), 1..8)).prop_map(|(after, events)| Lives::Commit(after, events)),
        4 => seconds().prop_map(Lives::Tick),
        2 => (any::<bool>(), prop::collection::vec(event(), 0..4), seconds())
            .prop_map(|(orderly, missed, missed_s)| Lives::Restart { orderly, missed, missed_s }),
    ]
}

fn check(queries: &[&str], lives: &[Lives]) {
    let world = World::starting_at(START_US);
    let (history, store) = (Watched::new(&world), Arc::new(Kept::default()));
    let start = || Running::start(&history, &store, queries, ViewLimits::default());
    let mut running = start();
    for happening in lives {
        match happening {
            Lives::Commit(after_us, events) => {
                // The log gives a tick at each whole second before what comes after it.
                let into_second_us = world.head_clock().rem_euclid(SECOND_US);
                if into_second_us + after_us >= SECOND_US {
                    running.tick(1);
                }
                let left_us = SECOND_US - 1 - world.head_clock().rem_euclid(SECOND_US);
                running.commit((*after_us).min(left_us), events);
            }
            Lives::Tick(seconds) => running.tick(*seconds),
            Lives::Restart { orderly, missed, missed_s } => {
                running.assert_right(queries);
                let kept = store.files.lock().clone();
                running.stop();
                if !orderly {
                    *store.files.lock() = kept;
                }
                if !missed.is_empty() {
                    world.commit(world.head_clock(), 0, missed);
                }
                world.tick(*missed_s);
                running = start();
                running.assert_right(queries);
            }
        }
    }
    running.assert_right(queries);
    running.stop();
}

#[test]
fn every_life_of_an_engine_answers_as_batch() {
    let queries = prop::sample::subsequence(QUERIES.to_vec(), 1..=4);
    let ran = runner(CASES).run(&(queries, prop::collection::vec(lives(), 2..14)), |(queries, lives)| {
        check(&queries, &lives);
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}
