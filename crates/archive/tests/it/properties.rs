//! Random appends, schema growth, late rows, seals, merges and drops, with readers beside them: what is read is what the
//! log without an archive gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use pulseboard_archive::{Archive, ArchiveConfig, ArchivedLog, ScanOrder, ScanRequest};
use pulseboard_journal::{Keep, Log, PositionCheck, Retention};
use pulseboard_model::{LogOffset, TimeUs};
use pulseboard_runtime::{Clock, Tasks};
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::world::{SECOND_US, START_US, World, everything, log_config, numbers, open_log, stream, whole};

const STREAMS: [&str; 3] = ["a", "b.c", "_d"];

fn cases() -> u64 {
    std::env::var("PULSEBOARD_ARCHIVE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// Every kind of reading gives what the log without an archive gives.
pub(crate) fn assert_same(world: &World, random: &mut StdRng, seed: u64) {
    let end = world.plain.head().offset.to_u64();
    for name in STREAMS {
        assert_eq!(everything(&world.archived, name), everything(&world.plain, name), "seed {seed}, stream {name}");
        let (after, upto) = (random.random_range(0..=end), random.random_range(0..=end));
        let (after, upto) = (LogOffset::from_u64(after.min(upto)), LogOffset::from_u64(after.max(upto)));
        let part = |log: &dyn Log| whole(log.scan(&stream(name), after, upto, None));
        let due = part(&world.plain);
        assert_eq!(part(&world.archived), due, "seed {seed}, stream {name}, {after:?} to {upto:?}");

        let all = ["time", "n", "l", "e", "x", "_offset", "_arrived_at", "_source_time"];
        let columns: Vec<String> =
            all.iter().filter(|_| random.random_bool(0.5)).map(|name| (*name).to_owned()).collect();
        let times = random.random_bool(0.5).then(|| {
            let now = world.clock.now_us();
            let from = now - random.random_range(0..200 * SECOND_US);
            (TimeUs(from), TimeUs(from + random.random_range(0..100 * SECOND_US)))
        });
        let order = if random.random_bool(0.5) { ScanOrder::Any } else { ScanOrder::Offset };
        let request = ScanRequest {
            time_from: times.map(|times| times.0),
            time_to: times.map(|times| times.1),
            columns: Some(columns.iter().cloned().chain(["_offset".to_owned()]).collect()),
            order,
            ..ScanRequest::new(stream(name), after, upto)
        };
        let found = whole(world.archived.scan_request(&request));
        let offsets = found.as_ref().map_or(Vec::new(), |rows| {
            rows.column_by_name("_offset").unwrap().as_primitive::<Int64Type>().values().to_vec()
        });
        let mut unique = offsets.clone();
        unique.sort_unstable();
        assert!(order == ScanOrder::Any || unique == offsets, "seed {seed}: {request:?} is out of order");
        unique.dedup();
        assert_eq!(unique.len(), offsets.len(), "seed {seed}: {request:?} gives rows twice");
        // Whatever is within the times must be there, with its values, and nothing that is not in the log.
        let Some(due) = due else {
            assert_eq!(found, None, "seed {seed}: {request:?}");
            continue;
        };
        let due_offsets = due.column_by_name("_offset").unwrap().as_primitive::<Int64Type>().values().to_vec();
        let due_times = due.column(0).as_primitive::<arrow::datatypes::TimestampMicrosecondType>().values();
        for (offset, time) in due_offsets.iter().zip(due_times) {
            let wanted = times.is_none_or(|(from, to)| (from.0..=to.0).contains(time));
            assert!(!wanted || unique.binary_search(offset).is_ok(), "seed {seed}: {request:?} lacks {offset}");
        }
        if let Some(found) = found {
            let place = |offset: &i64| due_offsets.binary_search(offset).expect("a row of the log") as u64;
            let places: arrow::array::UInt64Array = offsets.iter().map(place).collect();
            let due = arrow::compute::take_record_batch(&due, &places).unwrap();
            for field in found.schema_ref().fields() {
                let (found, due) = (found.column_by_name(field.name()), due.column_by_name(field.name()));
                assert_eq!(found, due, "seed {seed}: column {} of {request:?}", field.name());
            }
        }

        let n = random.random_range(0..300);
        let last = |log: &dyn Log| whole(log.last_rows(&stream(name), n, upto).unwrap().into_iter().map(Ok));
        assert_eq!(last(&world.archived), last(&world.plain), "seed {seed}: last {n} of {name} up to {upto:?}");
    }
    for (mut info, due) in world.archived.streams().into_iter().zip(world.plain.streams()) {
        info.bytes = due.bytes;
        assert_eq!(info, due, "seed {seed}");
    }
    assert_eq!(world.archived.newest(), world.plain.newest(), "seed {seed}");
    let at = TimeUs(START_US + random.random_range(-SECOND_US..world.clock.now_us() - START_US + SECOND_US));
    let position = |log: &dyn Log| log.position_at(at).map(|position| (position.offset, position.clock)).unwrap();
    assert_eq!(position(&world.archived), position(&world.plain), "seed {seed}, at {at:?}");
}

pub(crate) fn assert_same_commits(world: &World, seed: u64) {
    let end = world.plain.head().offset;
    let found: Vec<_> = world.archived.commits(LogOffset::START, end).flat_map(Result::unwrap).collect();
    let mut due = Vec::new();
    loop {
        let some = world.plain.marks(due.len() as u64).unwrap();
        if some.is_empty() {
            break;
        }
        due.extend(some);
    }
    assert_eq!(found, due, "seed {seed}");
}

/// Reads as fast as it can: every stream's rows are its numbers from 0 without hole or double.
fn read_on(archived: &ArchivedLog, stop: &AtomicBool, reads: &AtomicU64, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    while !stop.load(Ordering::SeqCst) {
        let name = STREAMS[random.random_range(0..STREAMS.len())];
        let upto = archived.head().offset;
        let order = if random.random_bool(0.5) { ScanOrder::Any } else { ScanOrder::Offset };
        let columns = Some(vec!["n".to_owned()]);
        let request = ScanRequest { columns, order, ..ScanRequest::new(stream(name), LogOffset::START, upto) };
        let Some(rows) = whole(archived.scan_request(&request)) else { continue };
        let mut found = numbers(&rows);
        if order == ScanOrder::Any {
            found.sort_unstable();
        }
        assert_eq!(found, (0..found.len() as i64).collect::<Vec<_>>(), "seed {seed}, stream {name} up to {upto:?}");
        reads.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_and_archive_are_one_log_whatever_happens_meanwhile() {
    let reads = Arc::new(AtomicU64::new(0));
    for seed in 0..cases() {
        let mut world = World::new(seed, |config| config);
        let stop = Arc::new(AtomicBool::new(false));
        world.round();
        let reader = {
            let (archived, stop, reads) = (world.archived.clone(), stop.clone(), reads.clone());
            tokio::task::spawn_blocking(move || read_on(&archived, &stop, &reads, seed))
        };
        let mut random = StdRng::seed_from_u64(seed + 1_000);
        for step in 0..150 {
            match random.random_range(0..10) {
                0..6 => {
                    let name = STREAMS[random.random_range(0..STREAMS.len())];
                    let count = random.random_range(1..200);
                    world.append(name, count).await;
                }
                6..8 => world.clock.advance(random.random_range(0..4 * SECOND_US)),
                8 => tokio::task::block_in_place(|| world.round()),
                _ if step > 20 && random.random_bool(0.3) => {
                    tokio::task::block_in_place(|| assert_same(&world, &mut random, seed));
                }
                _ => {}
            }
        }
        tokio::task::block_in_place(|| {
            world.round();
            assert_same(&world, &mut random, seed);
            assert_same_commits(&world, seed);
        });
        stop.store(true, Ordering::SeqCst);
        reader.await.unwrap();
        let files: Vec<_> = STREAMS.iter().flat_map(|name| world.archive.files(&stream(name))).collect();
        assert!(files.iter().any(|file| file.level > 0), "seed {seed}: nothing was joined: {files:?}");
        assert!(world.log.first_offset().to_u64() > 1, "seed {seed}: no segment was dropped");
        world = reopened(world);
        tokio::task::block_in_place(|| {
            world.round();
            assert_same(&world, &mut random, seed);
        });
    }
    let reads = reads.load(Ordering::SeqCst);
    println!("{reads} readings beside the writer");
    assert!(reads > 10 * cases(), "only {reads} readings");
}

/// The same directory, opened again.
pub(crate) fn reopened(mut world: World) -> World {
    let data = world.dir.path().join("data");
    let config = crate::world::small(ArchiveConfig::new(&data));
    world.log.close();
    world.log = Arc::new(open_log(log_config(&data), &world.clock));
    world.archive = Arc::new(Archive::new(config, &Tasks::new()).unwrap());
    world.archived = ArchivedLog::new(world.log.clone(), world.archive.clone());
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_drops_whole_files_and_says_from_when_a_stream_is_complete() {
    let streams = [(stream("a"), Keep { keep_us: 60 * SECOND_US, max_bytes: u64::MAX })].into();
    let retention = Retention { default: Keep { keep_us: i64::MAX, max_bytes: 20_000 }, streams };
    let mut world = World::new(7, |config| ArchiveConfig { retention, ..config });
    for _ in 0..300 {
        world.append("a", 40).await;
        world.append("b.c", 40).await;
        world.clock.advance(SECOND_US / 2);
        tokio::task::block_in_place(|| world.round());
    }
    let now = world.clock.now_us();
    for name in ["a", "b.c"] {
        let info = world.archived.streams().into_iter().find(|info| info.name.as_str() == name).unwrap();
        let from = info.complete_from.expect("something was dropped");
        assert_eq!(world.archived.complete_from(&stream(name)), Some(from));
        let rows = everything(&world.archived, name).unwrap();
        let all = numbers(&everything(&world.plain, name).unwrap());
        let kept = numbers(&rows);
        assert!(all.ends_with(&kept) && kept.len() < all.len(), "{} of {}", kept.len(), all.len());
        assert_eq!(info.events, kept.len() as u64);
        let arrived = rows.column_by_name("_arrived_at").unwrap();
        let first = arrived.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(0);
        assert!(first >= from.0, "{first} came before {from:?}");
        if name == "a" {
            assert!(from.0 <= now - 60 * SECOND_US, "what is younger than a minute stays");
            assert!(first >= now - 100 * SECOND_US, "what is much older has gone");
        }
        let dropped = info.first_offset.unwrap().to_u64() - 2;
        let before = pulseboard_model::Position { offset: LogOffset::from_u64(dropped / 2), ..world.archived.head() };
        assert!(world.archived.is_dropped(&stream(name), &before));
        assert!(!world.archived.is_dropped(&stream("other"), &before));
        assert_eq!(world.archived.check(&before), PositionCheck::Gap);
    }
    // What no manifest names is not on the disk either.
    tokio::task::block_in_place(|| world.round());
    let on_disk = std::fs::read_dir(world.dir.path().join("data/archive/data/a")).unwrap().count();
    assert_eq!(on_disk, world.archive.files(&stream("a")).len());
}
