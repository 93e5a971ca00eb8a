//! The engine as a whole over a restart: what it kept is where it goes on from, and what cannot be used is rebuilt.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::{Cell, InstanceId, Mode, Status, TimeUs, ViewState};

use super::restart_world::{Files, Kept, Running, START_US, Watched, events, runtime, spec, text, until};
use super::world::{Event, World};
use crate::api::History;
use crate::batch;
use crate::engine::Missing;

/// Queries of every kind of state.
const QUERIES: [&str; 13] = [
    "SELECT kind, count(*) AS n, sum(n) AS s, avg(value) AS a, min(price) AS low FROM events GROUP BY kind",
    "SELECT count(*) AS n, sum(n) AS s, count(DISTINCT kind) AS kinds FROM events WHERE time > now() - interval '40 seconds'",
    "SELECT date_trunc('minute', time) AS m, count(*) AS n FROM events WHERE time >= date_trunc('day', now()) GROUP BY 1",
    "SELECT time, kind, n FROM events ORDER BY time DESC LIMIT 5",
    "SELECT kind, n, time FROM events WHERE time > now() - interval '30 seconds' AND n > 2",
    "SELECT max(s) AS a FROM (SELECT kind, sum(n) AS s FROM events GROUP BY kind)",
    "SELECT DISTINCT ON (kind) kind, n FROM events ORDER BY kind, time DESC",
    "SELECT kind, session(time, interval '20 seconds') AS s, count(*) AS a, max(time) AS e FROM events \
     WHERE time > now() - interval '5 minutes' GROUP BY kind, session(time, interval '20 seconds')",
    "SELECT sum(n) AS a, ago(sum(n), interval '10 seconds') AS b FROM events WHERE time >= now() - interval '20 seconds'",
    "SELECT a.kind, a.c, b.s FROM (SELECT kind, count(*) AS c FROM events GROUP BY kind) a LEFT JOIN (SELECT kind, sum(n) AS s \
     FROM events WHERE time > now() - interval '1 minute' GROUP BY kind) b ON a.kind = b.kind",
    "SELECT kind, count(*) AS c FROM events GROUP BY kind UNION ALL SELECT 'all', count(*) FROM events WHERE flag",
    "SELECT kind, n, c FROM (SELECT kind, n, c, row_number() OVER (PARTITION BY kind ORDER BY c DESC, n) AS r \
     FROM (SELECT kind, n, count(*) AS c FROM events GROUP BY kind, n)) WHERE r <= 2",
    "SELECT kind, percentile_cont(n::double, 0.5) AS p, stddev(n) AS d, count(*) FILTER (WHERE n > 3) AS c FROM events GROUP BY kind",
];

/// A world with a past, and an engine's checkpoints of it from an orderly end.
fn kept_world(queries: &[&str]) -> (Arc<Watched>, Arc<Kept>) {
    let world = World::starting_at(START_US);
    let (history, store) = (Watched::new(&world), Arc::new(Kept::default()));
    let running = Running::start(&history, &store, queries, ViewLimits::default());
    for i in 0..10 {
        running.commit(700_000, &events(i * 20));
        running.tick(1);
    }
    running.assert_right(queries);
    running.stop();
    assert_eq!(store.files.lock().len(), queries.len(), "each was kept at the end");
    (history, store)
}

#[test]
fn a_restart_goes_on_from_what_was_kept_and_reads_only_what_came_since() {
    let (history, store) = kept_world(&QUERIES);
    // Between the two lives the log goes on.
    let world = history.world.clone();
    world.commit(world.head().clock.0 + 5_000_000, 5_000_000, &events(500));
    world.tick(20);
    history.read.store(0, Ordering::SeqCst);
    let running = Running::start(&history, &store, &QUERIES, ViewLimits::default());
    let read = history.read.load(Ordering::SeqCst);
    assert!(read <= 20 * QUERIES.len() as u64, "{read} rows were read");
    running.assert_right(&QUERIES);
    running.commit(100_000, &events(900));
    running.tick(30);
    running.assert_right(&QUERIES);
    running.stop();
}

#[test]
fn checkpoints_are_made_while_it_runs_when_something_changed() {
    let world = World::starting_at(START_US);
    let (history, store) = (Watched::new(&world), Arc::new(Kept::default()));
    let running = Running::start(&history, &store, &QUERIES, ViewLimits::default());
    running.commit(0, &events(0));
    (0..12).for_each(|_| running.tick(1));
    until("each is kept", || {
        running.tick(1);
        store.files.lock().len() >= QUERIES.len()
    });
    let kept = store.saves.load(Ordering::SeqCst);
    (0..30).for_each(|_| running.tick(1));
    running.assert_right(&QUERIES);
    assert_eq!(store.saves.load(Ordering::SeqCst), kept, "nothing changed, so nothing is kept again");
    running.stop();
}

#[test]
fn what_is_damaged_or_of_another_form_is_rebuilt_from_the_log() {
    type Spoil = fn(&mut Files);
    let spoils: [Spoil; 3] = [
        |files| files.values_mut().for_each(|(_, bytes)| *bytes.last_mut().unwrap() ^= 1),
        |files| files.values_mut().for_each(|(_, bytes)| bytes.truncate(bytes.len() / 2)),
        |files| files.values_mut().for_each(|(_, bytes)| bytes.clear()),
    ];
    for spoil in spoils {
        let (history, store) = kept_world(&QUERIES);
        spoil(&mut store.files.lock());
        history.read.store(0, Ordering::SeqCst);
        let running = Running::start(&history, &store, &QUERIES, ViewLimits::default());
        assert!(history.read.load(Ordering::SeqCst) >= 200, "the log is read");
        running.assert_right(&QUERIES);
        running.stop();
    }
}

#[test]
fn other_limits_matter_only_to_what_hit_one() {
    let world = World::starting_at(START_US);
    let (history, store) = (Watched::new(&world), Arc::new(Kept::default()));
    let queries = &QUERIES[..1];
    let two = ViewLimits { groups_max: 2, ..ViewLimits::default() };
    let running = Running::start(&history, &store, queries, two);
    running.commit(0, &events(0));
    running.tick(1);
    running.stop();
    for (limits, read) in [(ViewLimits::default(), 20), (ViewLimits { groups_max: 50, ..ViewLimits::default() }, 0)] {
        history.read.store(0, Ordering::SeqCst);
        let running = Running::start(&history, &store, queries, limits);
        assert_eq!(history.read.load(Ordering::SeqCst), read, "rows read of the log");
        running.assert_right(queries);
        running.tick(1);
        running.stop();
    }
}

#[test]
fn an_older_checkpoint_serves_when_the_newest_is_damaged() {
    let (history, store) = kept_world(&QUERIES[..1]);
    let (history, store) = (history, store);
    let running = Running::start(&history, &store, &QUERIES[..1], ViewLimits::default());
    running.commit(0, &events(100));
    running.tick(1);
    running.stop();
    let newest = *store.files.lock().keys().next_back().unwrap();
    store.files.lock().get_mut(&newest).unwrap().1.pop();
    history.read.store(0, Ordering::SeqCst);
    let running = Running::start(&history, &store, &QUERIES[..1], ViewLimits::default());
    assert_eq!(history.read.load(Ordering::SeqCst), 20, "only what came after the older one is read");
    running.assert_right(&QUERIES[..1]);
    running.stop();
}

#[test]
fn an_all_time_view_keeps_its_totals_past_the_retention_of_its_stream() {
    let sql = "SELECT count(*) AS n, sum(n) AS s FROM events";
    let (history, store) = kept_world(&[sql]);
    let count = |running: &Running| {
        let told = running.told.lock();
        let (snapshot, state) = told.answers[&running.held[0].id()].clone();
        (snapshot.unwrap().rows[0][0].clone(), state.unwrap().since)
    };
    // All that was counted is dropped, and the log knows from when it is complete.
    let head = history.head();
    *history.dropped.lock() = Some((head.offset, head.clock));
    history.world.commit(head.clock.0, 2_000_000, &events(0));
    let running = Running::start(&history, &store, &[sql], ViewLimits::default());
    assert_eq!(count(&running), (Cell::Int(220), None), "it counts from the first event, and nothing is missing");
    running.stop();
    // Without the checkpoint it counts what is there, and says from when.
    let running = Running::start(&history, &Arc::new(Kept::default()), &[sql], ViewLimits::default());
    assert_eq!(count(&running), (Cell::Int(20), Some(head.clock)));
    running.stop();
    // What came between the checkpoint and what is left is gone: it begins anew and says so.
    let later = history.head();
    *history.dropped.lock() = Some((later.offset, TimeUs(later.clock.0 + 1)));
    history.world.tick(3);
    store.files.lock().retain(|_, (position, _)| position.offset == head.offset);
    let running = Running::start(&history, &store, &[sql], ViewLimits::default());
    assert_eq!(count(&running), (Cell::Int(0), Some(TimeUs(later.clock.0 + 1))));
    running.stop();
}

#[test]
fn a_view_as_it_was_is_its_checkpoint_and_what_came_until_then() {
    let world = World::starting_at(START_US);
    let (history, store) = (Watched::new(&world), Arc::new(Kept::default()));
    let mut was = Vec::new();
    for round in 0..4 {
        // Each life leaves checkpoints where it ends.
        let running = Running::start(&history, &store, &QUERIES, ViewLimits::default());
        for i in 0..4 {
            running.commit(300_000, &events(round * 90 + i * 20));
            running.tick(2);
            was.push(world.head());
        }
        running.assert_right(&QUERIES);
        running.stop();
    }
    let running = Running::start(&history, &store, &QUERIES, ViewLimits::default());
    let batch: Arc<dyn History> = history.clone();
    for sql in QUERIES {
        for at in &was {
            let found = runtime().block_on(running.engine.view_at(&spec(sql), *at)).unwrap();
            let expected = runtime().block_on(batch::run(&spec(sql), &batch, *at, &QueryLimits::default())).unwrap();
            let rows = found.snapshot.rows.values().map(text).collect::<BTreeSet<_>>();
            assert_eq!(rows, expected.rows.iter().map(text).collect::<BTreeSet<_>>(), "{sql} at {at}");
            assert_eq!((found.position, found.state.mode), (*at, Mode::Maintained), "{sql}");
        }
    }
    // An all-time view late in the past reads no more than what came after the checkpoint before.
    history.read.store(0, Ordering::SeqCst);
    let late = was[was.len() - 2];
    let answer = runtime().block_on(running.engine.view_at(&spec(QUERIES[0]), late)).unwrap();
    assert!(!answer.snapshot.rows.is_empty());
    assert_eq!(history.read.load(Ordering::SeqCst), 60, "three commits came between");
    running.stop();
}

#[test]
fn a_new_view_is_backfilled_beside_the_others_which_go_on() {
    let world = World::starting_at(START_US);
    let (history, store) = (Watched::new(&world), Arc::new(Kept::default()));
    let many: Vec<Event> = std::iter::repeat_with(|| events(0)).take(2_500).flatten().collect();
    (0..9).for_each(|_| drop(world.commit(START_US, 0, &many)));
    let old = [QUERIES[3]];
    let mut running = Running::start(&history, &store, &old, ViewLimits::default());
    let old_id = running.held[0].id();
    running.told.lock().states.clear();
    running.held.push(running.engine.acquire(&spec(QUERIES[0]), Missing::Refuse).unwrap());
    let new_id = running.held[1].id();
    let shown = || {
        let told = running.told.lock();
        let progress = told.states.iter().filter(|(id, state)| *id == new_id && state.status == Status::Backfilling);
        (
            progress.filter_map(|(_, state)| state.progress).count(),
            told.answers.get(&new_id).is_some_and(|a| a.0.is_some()),
        )
    };
    until("it says how far it is", || shown().0 > 0);
    running.commit(1_000, &events(7));
    running.assert_right(&old);
    until("the new one is live", || shown().1);
    running.tick(1);
    running.assert_right(&[QUERIES[3], QUERIES[0]]);
    let told = running.told.lock();
    let progress: Vec<_> = told.states.iter().filter(|(id, _)| *id == new_id).filter_map(|(_, s)| s.progress).collect();
    assert!(progress.iter().all(|p| p.total == 450_000 && p.done <= p.total), "{progress:?}");
    let old_status = |(id, state): &(InstanceId, ViewState)| *id != old_id || state.status == Status::Live;
    assert!(told.states.iter().all(old_status), "the old one was live all the time");
    drop(told);
    running.stop();
}
