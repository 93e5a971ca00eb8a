//! A past run again by its own clock: each step tells what the engine told when it happened.

use std::sync::Arc;

use parking_lot::Mutex;
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::{
    Commit, CommitPart, Delta, InstanceUpdate, Position, Snapshot, Step, StepOutput, StreamName, TimeUs,
};
use pulseboard_runtime::Tasks;

use super::restart_world::{events, runtime, spec, until};
use super::world::{STREAM, World};
use crate::api::{EngineConfig, History, QueryErrorKind};
use crate::batch;
use crate::engine::{Engine, Missing};
use crate::live_query::LiveQuery;
use crate::replay::Replay;

const START_US: i64 = 1_780_000_000_000_000;

/// Queries whose every delta is exact.
const QUERIES: [&str; 5] = [
    "SELECT kind, count(*) AS n, sum(n) AS s, max(price) AS high FROM events GROUP BY kind",
    "SELECT count(*) AS n, sum(n) AS s FROM events WHERE time > now() - interval '8 seconds'",
    "SELECT kind, count(*) AS n FROM events WHERE time > now() - interval '5 seconds' GROUP BY kind ORDER BY n DESC, kind LIMIT 2",
    "SELECT time, kind, n FROM events WHERE time > now() - interval '6 seconds' AND n > 4",
    "SELECT date_trunc('minute', time) AS m, count(*) AS c FROM events WHERE time >= date_trunc('hour', now()) GROUP BY 1",
];

/// Steps of a world: commits at odd moments, ticks between them, as the log would give them.
fn steps(world: &Arc<World>) -> Vec<Step> {
    let stream = StreamName::new(STREAM).unwrap();
    let mut steps = Vec::new();
    for i in 0..40 {
        if i % 3 == 2 {
            world.tick(1 + i % 4);
            steps.push(Step::Tick(world.head()));
        }
        let before = world.head().now();
        let after_us = [0, 250_000, 600_000][usize::try_from(i % 3).unwrap()];
        let next = TimeUs(world.head().clock.0 + after_us);
        if next.floor_to_second() != before {
            world.tick(1);
            steps.push(Step::Tick(world.head()));
        }
        let after_us = next.0 - world.head().clock.0;
        let rows = world.commit(next.0, after_us, &events(i * 7)[..usize::try_from(1 + i % 9).unwrap()]);
        let part = CommitPart { stream: stream.clone(), schema: world.schema(STREAM).unwrap(), rows };
        steps.push(Step::Commit(Arc::new(Commit { position: world.head(), parts: vec![part] })));
    }
    steps
}

/// What the engine told of one query: after each step its position and deltas.
fn recorded(world: &Arc<World>, sql: &str) -> (Position, Snapshot, Vec<(Step, Vec<Delta>)>) {
    let tasks = Tasks::new();
    let outputs: Arc<Mutex<Vec<StepOutput>>> = Arc::default();
    let sink = {
        let outputs = outputs.clone();
        Box::new(move |output| outputs.lock().push(output))
    };
    let engine = Engine::start(EngineConfig::default(), world.clone(), &tasks, sink).unwrap();
    let _held = engine.acquire(&spec(sql), Missing::Refuse).unwrap();
    let first = || {
        outputs.lock().iter().flat_map(|output| output.changes.clone()).find_map(|change| match change.update {
            InstanceUpdate::Snapshot(snapshot, _) => Some(snapshot.as_ref().clone()),
            _ => None,
        })
    };
    until("the first answer", || first().is_some());
    let (from, snapshot) = (world.head(), first().unwrap());
    outputs.lock().clear();
    let steps = steps(world);
    for step in &steps {
        engine.step(step.clone());
        // One that keeps up steps at each commit; what waits would be joined.
        until("the step is taken", || outputs.lock().last().is_some_and(|output| output.position == step.position()));
    }
    let deltas = |position: Position| {
        let outputs = outputs.lock();
        let changes =
            outputs.iter().filter(|output| output.position == position).flat_map(|output| output.changes.clone());
        let delta = |update| match update {
            InstanceUpdate::Delta(delta) => Some(delta.as_ref().clone()),
            InstanceUpdate::State => None,
            other => panic!("{sql}: {other:?}"),
        };
        changes.filter_map(|change| delta(change.update)).collect::<Vec<_>>()
    };
    let told = steps
        .into_iter()
        .map(|step| {
            let position = step.position();
            (step, deltas(position))
        })
        .collect();
    assert!(runtime().block_on(tasks.shut_down(std::time::Duration::from_secs(10))));
    (from, snapshot, told)
}

#[test]
fn a_replay_tells_at_each_step_what_the_engine_told_then() {
    for sql in QUERIES {
        let world = World::starting_at(START_US);
        world.commit(START_US, 0, &events(3));
        let (from, first, told) = recorded(&world, sql);
        let (history, limits): (Arc<dyn History>, _) = (world.clone(), ViewLimits::default());
        let mut replay = Replay::new(spec(sql), history.clone(), limits, from).unwrap();
        assert_eq!(replay.snapshot().rows, first.rows, "{sql}");
        let mut changed = 0;
        for (step, deltas) in &told {
            let replayed = replay.step(step).unwrap();
            assert_eq!((&replayed.deltas, &replayed.reset), (deltas, &None), "{sql} at {}", step.position());
            changed += deltas.len();
        }
        assert!(changed > 10, "{sql}: {changed} deltas show nothing");
        // It ends where a batch query at that position is, and a position that was passed is no step.
        let answer = runtime().block_on(batch::run(&spec(sql), &history, replay.position(), &QueryLimits::default()));
        assert_eq!(replay.snapshot().rows.len(), answer.unwrap().rows.len());
        assert_eq!(replay.step(&told[0].0).unwrap_err().kind, QueryErrorKind::Internal);
    }
}

#[test]
fn seven_days_of_windows_take_no_more_than_one() {
    const DAY_S: i64 = 86_400;
    const STEP_S: i64 = 30;
    let queries = [
        "SELECT kind, count(*) AS n, avg(value) AS a FROM events WHERE time > now() - interval '10 minutes' GROUP BY kind",
        "SELECT n, count(*) AS c, sum(n) AS s, max(price) AS p FROM events WHERE time > now() - interval '6 hours' GROUP BY n",
        "SELECT date_trunc('hour', time) AS h, count(*) AS c FROM events WHERE time >= date_trunc('day', now()) GROUP BY 1",
        "SELECT date_trunc('day', time) AS d, kind, count(*) AS c FROM events WHERE time > now() - interval '1 day' GROUP BY 1, 2",
        "SELECT time, kind, n FROM events ORDER BY time DESC LIMIT 50",
        "SELECT DISTINCT ON (kind) kind, n, time FROM events ORDER BY kind, time DESC",
    ];
    let world = World::starting_at(START_US);
    let (schema, stream) = (world.schema(STREAM).unwrap(), StreamName::new(STREAM).unwrap());
    let mut views: Vec<LiveQuery> =
        queries.iter().map(|sql| LiveQuery::new(&spec(sql), world.as_ref(), &ViewLimits::default()).unwrap()).collect();
    // At the same second of each day, what each holds.
    let mut held: Vec<Vec<usize>> = Vec::new();
    for step in 1..=7 * DAY_S / STEP_S {
        let now = TimeUs(START_US + step * STEP_S * 1_000_000);
        let rows = world.commit(now.0, STEP_S * 1_000_000, &events(step)[..4]);
        for view in &mut views {
            assert!(view.advance(now).unwrap());
            view.push(&stream, &rows, &schema).unwrap();
            view.finish().unwrap();
        }
        if step % (DAY_S / STEP_S) == 0 {
            held.push(views.iter().map(LiveQuery::size_bytes).collect());
        }
    }
    println!("bytes held by view, day by day: {held:?}");
    for (view, sql) in queries.iter().enumerate() {
        let first_days = held[..2].iter().map(|day| day[view]).max().unwrap();
        let later = held[2..].iter().map(|day| day[view]).max().unwrap();
        assert!(later * 100 <= first_days * 101 + 100 * 4_096, "{sql}: {first_days} bytes, later {later}");
    }
}
