//! Rows that came too late, or that a limit refused: how many there were is the same after a restart.

use std::sync::Arc;

use pulseboard_model::limits::ViewLimits;

use super::restart_world::{Kept, Running, START_US, Watched, until};
use super::world::{Event, World};
use crate::api::History;

/// A window of forty seconds, of groups, of rows, and beside an older one that is late for fewer rows.
const QUERIES: [&str; 4] = [
    "SELECT kind, count(*) AS n FROM events WHERE time > now() - interval '40 seconds' GROUP BY kind",
    "SELECT kind, n, time FROM events WHERE time > now() - interval '40 seconds' AND n > 0",
    "SELECT kind, n FROM events WHERE time > now() - interval '40 seconds' \
     UNION ALL SELECT kind, -n FROM events WHERE time > now() - interval '2 minutes'",
    "SELECT count(*) AS n FROM events",
];

fn event(age_s: i64, n: i64) -> Event {
    Event { time_us: -age_s * 1_000_000, kind: Some("a"), n: Some(n), quarters: None, cents: None, flag: None }
}

/// How many rows each query says came too late, once the engine has taken every step.
fn late_rows(running: &Running) -> Vec<u64> {
    let head = running.world.head();
    until("the engine has taken every step", || running.told.lock().position == Some(head));
    running.held.iter().map(|held| running.engine.figures(held.id()).expect("it runs").late_rows).collect()
}

#[test]
fn rows_that_came_too_late_are_counted_once_whichever_way_the_process_ended() {
    let world = World::starting_at(START_US);
    let (history, store) = (Watched::new(&world), Arc::new(Kept::default()));
    let running = Running::start(&history, &store, &QUERIES, ViewLimits::default());
    // Too late for the short window, for both twice, for neither.
    running.commit(1_000, &[event(50, 1), event(500, 1), event(500, 2), event(1, 1)]);
    let first = [3, 3, 2, 0];
    assert_eq!(late_rows(&running), first);
    until("the first late row is kept soon", || {
        running.tick(1);
        store.files.lock().len() >= 3
    });
    // What comes now is in no checkpoint; some of it has left the window when the process begins again.
    running.commit(1_000, &[event(39, 1), event(41, 1), event(1, 1)]);
    running.commit(0, &[event(600, 1)]);
    let second = [5, 5, 3, 0];
    assert_eq!(late_rows(&running), second);
    let kept = store.files.lock().clone();
    running.stop();
    // As `kill -9` leaves it: nothing was kept at the end.
    *store.files.lock() = kept;
    world.tick(90);

    let running = Running::start(&history, &store, &QUERIES, ViewLimits::default());
    assert_eq!(late_rows(&running), second, "after a kill");
    running.assert_right(&QUERIES);
    running.commit(1_000, &[event(41, 1)]);
    let third = [6, 6, 3, 0];
    assert_eq!(late_rows(&running), third);
    running.stop();

    let running = Running::start(&history, &store, &QUERIES, ViewLimits::default());
    assert_eq!(late_rows(&running), third, "after an orderly end");
    running.tick(1);
    assert_eq!(late_rows(&running), third);
    let states = running.held.iter().map(|held| running.told.lock().answers[&held.id()].1.clone().expect("a state"));
    assert_eq!(states.map(|state| state.late_rows).collect::<Vec<_>>(), third, "readers are told");
    running.stop();
}

#[test]
fn rows_that_a_limit_refused_are_counted_once_whichever_way_the_process_ended() {
    let world = World::starting_at(START_US);
    let (history, store) = (Watched::new(&world), Arc::new(Kept::default()));
    let queries = ["SELECT n, count(*) AS c FROM events GROUP BY n", "SELECT n, time FROM events WHERE n > 2"];
    let limits = ViewLimits { groups_max: 3, rows_max: 3, ..ViewLimits::default() };
    let rows: Vec<Event> = (1..=8).map(|n| event(0, n)).collect();
    let refused = |running: &Running| -> Vec<u64> {
        late_rows(running);
        running.held.iter().map(|held| running.engine.figures(held.id()).expect("it runs").truncated_rows).collect()
    };
    let running = Running::start(&history, &store, &queries, limits.clone());
    running.commit(1_000, &rows);
    assert_eq!(refused(&running), [5, 3]);
    running.stop();
    let kept = store.files.lock().clone();
    let running = Running::start(&history, &store, &queries, limits.clone());
    assert_eq!(refused(&running), [5, 3], "after an orderly end");
    running.commit(1_000, &rows);
    assert_eq!(refused(&running), [10, 9]);
    running.stop();
    *store.files.lock() = kept;
    let running = Running::start(&history, &store, &queries, limits);
    assert_eq!(refused(&running), [10, 9], "after a kill");
    running.stop();
}
