//! A reader that is behind what the log keeps gets from the archive what it would have got from the log.

use std::time::Duration;

use arrow::record_batch::RecordBatch;
use pulseboard_archive::{ArchiveConfig, ArchivedLog};
use pulseboard_journal::{EmbeddedConfig, Keep, Log, LogError, Retention, Tail, TailItem};
use pulseboard_model::conform::conform;
use pulseboard_model::{LogOffset, Step};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::properties::reopened;
use crate::world::{SECOND_US, World, open_log, stream};

const STREAMS: [&str; 3] = ["a", "b.c", "d"];

/// A commit as a reader got it, its rows in the newest layout.
type Got = (u64, i64, Vec<(String, RecordBatch)>);

/// The commits a reader gives up to the end of the log.
fn commits(log: &dyn Log, tail: &mut dyn Tail) -> Vec<Got> {
    let mut got = Vec::new();
    loop {
        match tail.next(Duration::ZERO).unwrap() {
            TailItem::Idle => return got,
            TailItem::Step(Step::Tick(_)) => {}
            TailItem::Step(Step::Commit(commit)) => {
                let parts = commit.parts.iter().map(|part| {
                    let newest = log.schema(part.stream.as_str()).unwrap();
                    (part.stream.to_string(), conform(&part.rows, &newest.event_schema()).unwrap())
                });
                got.push((commit.position.offset.to_u64(), commit.position.clock.0, parts.collect()));
            }
        }
    }
}

/// Every commit from `after` on, by a log that has all of them.
fn due(world: &World, after: LogOffset) -> Vec<Got> {
    commits(&world.plain, world.plain.tail(after).unwrap().as_mut())
}

/// Says where the first difference is.
fn assert_commits(got: &[Got], due: &[Got], what: &str) {
    for (number, (got, due)) in got.iter().zip(due).enumerate() {
        let told = |(offset, clock, parts): &Got| {
            let parts: Vec<_> = parts.iter().map(|(name, rows)| (name.clone(), rows.num_rows())).collect();
            (*offset, *clock, parts)
        };
        assert_eq!(told(got), told(due), "{what}: commit {number}");
        for ((name, got), (_, due)) in got.2.iter().zip(&due.2) {
            for (field, (got, due)) in got.schema_ref().fields().iter().zip(got.columns().iter().zip(due.columns())) {
                assert_eq!(got, due, "{what}: commit {number}, column {} of {name}", field.name());
            }
        }
    }
    assert_eq!(got.len(), due.len(), "{what}");
}

async fn live_on(world: &mut World, random: &mut StdRng, turns: usize) {
    for _ in 0..turns {
        let name = STREAMS[random.random_range(0..STREAMS.len())];
        world.append(name, random.random_range(1..120)).await;
        // Now and then a pause that is logged as an empty commit.
        let pause = if random.random_bool(0.05) { 90 } else { 2 };
        world.clock.advance(random.random_range(0..pause * SECOND_US));
        if random.random_bool(0.4) {
            tokio::task::block_in_place(|| world.round());
        }
    }
}

/// Both logs opened again, which each of them writes down as a pause. Nothing is in memory then.
fn both_reopened(mut world: World) -> World {
    world.plain.close();
    world.plain = open_log(EmbeddedConfig::new(world.dir.path().join("plain")), &world.clock);
    reopened(world)
}

/// The archive's log, opened anew.
async fn behind(seed: u64) -> (World, StdRng) {
    let (mut world, mut random) = (World::new(seed, |config| config), StdRng::seed_from_u64(seed));
    live_on(&mut world, &mut random, 80).await;
    world = both_reopened(world);
    tokio::task::block_in_place(|| world.round());
    assert!(world.log.first_offset().to_u64() > 1_000, "segments were dropped");
    assert!(matches!(world.log.tail(LogOffset::START), Err(LogError::Dropped(_))), "the log alone cannot");
    (world, random)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_from_the_beginning_gets_every_commit_once() {
    for seed in 0..6 {
        let (world, mut random) = behind(seed).await;
        tokio::task::block_in_place(|| {
            let end = world.plain.head().offset.to_u64();
            for after in [0, 1, random.random_range(0..end), random.random_range(0..end), end - 1, end] {
                let after = LogOffset::from_u64(after);
                let got = commits(&world.archived, world.archived.tail(after).unwrap().as_mut());
                assert_commits(&got, &due(&world, after), &format!("seed {seed}, after {after}"));
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_goes_over_to_the_log_while_segments_are_sealed_and_dropped() {
    for seed in 10..14 {
        let (mut world, mut random) = behind(seed).await;
        let mut tail = world.archived.tail(LogOffset::START).unwrap();
        let mut got = Vec::new();
        // A few commits, then life goes on, and so again: what it wants next is archived, joined and dropped meanwhile.
        for _ in 0..40 {
            tokio::task::block_in_place(|| {
                for _ in 0..random.random_range(1..12) {
                    got.extend(one(&world.archived, tail.as_mut()));
                }
            });
            live_on(&mut world, &mut random, 2).await;
        }
        tokio::task::block_in_place(|| {
            got.extend(commits(&world.archived, tail.as_mut()));
            let newest: Vec<Got> = got.into_iter().map(|got| in_newest(&world, got)).collect();
            assert_commits(&newest, &due(&world, LogOffset::START), &format!("seed {seed}"));
        });
    }
}

/// The layouts may have grown since it was read.
fn in_newest(world: &World, (offset, clock, parts): Got) -> Got {
    let parts = parts.into_iter().map(|(name, rows)| {
        let newest = world.plain.schema(&name).unwrap();
        (name, conform(&rows, &newest.event_schema()).unwrap())
    });
    (offset, clock, parts.collect())
}

fn one(log: &ArchivedLog, tail: &mut dyn Tail) -> Option<Got> {
    loop {
        match tail.next(Duration::ZERO).unwrap() {
            TailItem::Idle => return None,
            TailItem::Step(Step::Tick(_)) => {}
            TailItem::Step(Step::Commit(commit)) => {
                let parts = commit.parts.iter().map(|part| {
                    let newest = log.schema(part.stream.as_str()).unwrap();
                    (part.stream.to_string(), conform(&part.rows, &newest.event_schema()).unwrap())
                });
                return Some((commit.position.offset.to_u64(), commit.position.clock.0, parts.collect()));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_falls_behind_what_the_log_keeps_goes_on_from_the_archive() {
    let small = |config: EmbeddedConfig| EmbeddedConfig { ring_steps: 4, ..config };
    let mut world = World::with_log(20, small, |config| config);
    let mut random = StdRng::seed_from_u64(20);
    live_on(&mut world, &mut random, 10).await;
    let mut tail = world.archived.tail(LogOffset::START).unwrap();
    let mut got = Vec::new();
    for _ in 0..4 {
        tokio::task::block_in_place(|| got.extend(commits(&world.archived, tail.as_mut())));
        let at = got.last().map_or(0, |got| got.0);
        while world.log.first_offset().to_u64() <= at + 1 {
            live_on(&mut world, &mut random, 20).await;
            tokio::task::block_in_place(|| world.round());
        }
    }
    tokio::task::block_in_place(|| {
        got.extend(commits(&world.archived, tail.as_mut()));
        let newest: Vec<Got> = got.into_iter().map(|got| in_newest(&world, got)).collect();
        assert_commits(&newest, &due(&world, LogOffset::START), "behind again and again");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_retention_dropped_is_said_and_not_skipped() {
    let streams = [(stream("a"), Keep { keep_us: 60 * SECOND_US, max_bytes: u64::MAX })].into();
    let retention = Retention { default: Keep { keep_us: i64::MAX, max_bytes: u64::MAX }, streams };
    let mut world = World::new(30, |config| ArchiveConfig { retention, ..config });
    let mut random = StdRng::seed_from_u64(30);
    live_on(&mut world, &mut random, 150).await;
    world = both_reopened(world);
    let first = world.archived.first_offset().to_u64();
    assert!(first > 1, "something was dropped");
    let dropped = world.archived.tail(LogOffset::START).unwrap_err();
    assert_eq!(dropped, LogError::Dropped(LogOffset::from_u64(first - 1)));
    tokio::task::block_in_place(|| {
        let after = LogOffset::from_u64(first - 1);
        let got = commits(&world.archived, world.archived.tail(after).unwrap().as_mut());
        assert_commits(&got, &due(&world, after), "after what was dropped");
    });
}
