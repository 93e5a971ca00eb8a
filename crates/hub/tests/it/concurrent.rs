//! Readers beside a writer at full speed: every frame stands at one instant in all its channels.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pulseboard_hub::{Bell, Due, HubConfig, SubscribeOptions};
use pulseboard_protocol::Replica;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::world::{Change, Reader, World, view_name};

const STEPS: usize = 3_000;
const VIEWS: usize = 3;

/// All views carry the number of the step that last touched them, and all are touched by the same steps.
fn sync_of(replica: &Replica, view: usize) -> Option<&Value> {
    replica.channels.get(&view_name(view))?.rows.get("k0")?.get("sync")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_frame_mixes_two_instants() {
    // A small ring, so that readers fall out of it and whole answers are folded while deltas come.
    let config = HubConfig { ring_bytes_max: 4_000, tail_ring_bytes_max: 4_000, ..HubConfig::default() };
    let mut world = World::new(VIEWS, config);
    let all = |value: usize| -> Vec<(usize, Change)> {
        let value = i64::try_from(value).expect("small");
        let replace = value % 97 == 0;
        let rows = vec![(0, value), (1, value)];
        let change = |view: usize| match replace && view == 1 {
            true => Change::Replace { rows: rows.clone(), widen: false },
            false => Change::Rows(vec![(0, Some(value)), (u8::try_from(value % 5 + 1).expect("small"), Some(value))]),
        };
        (0..VIEWS).map(|view| (view, change(view))).collect()
    };
    world.step(1, true, &all(0));
    let specs: Vec<_> = (0..VIEWS).map(|view| world.view_spec(view)).chain([World::tail_spec()]).collect();
    let (hub, done) = (world.hub.clone(), Arc::new(AtomicBool::new(false)));
    let readers: Vec<_> = (0..4_u64)
        .map(|number| {
            let (hub, done, specs) = (hub.clone(), Arc::clone(&done), specs.clone());
            let work = async move {
                let mut reader = Reader::new(specs);
                let bell = Bell::new();
                let mut cuts = 0;
                loop {
                    let since = reader.replica.cursor.as_ref().map(|cursor| cursor.parse().expect("a cursor"));
                    let options = SubscribeOptions { sub: 1, since, ..SubscribeOptions::default() };
                    let mut subscription = hub.subscribe(&reader.specs, &options, &bell);
                    let mut frames = 0;
                    loop {
                        let last_look = done.load(Ordering::SeqCst);
                        match subscription.due(Instant::now()) {
                            Due::Idle if last_look => return (reader, cuts),
                            Due::Idle => {
                                // The end of the writer rings no bell.
                                let _rung = timeout(Duration::from_millis(20), bell.rung()).await.is_ok();
                                continue;
                            }
                            Due::At(at) => tokio::time::sleep_until(at).await,
                            Due::Now => {}
                        }
                        let Some(frame) = subscription.pull().await else { continue };
                        let held = sync_of(&reader.replica, 0).cloned();
                        let json = reader.take(&frame);
                        let syncs: Vec<_> = (0..VIEWS).map(|view| sync_of(&reader.replica, view)).collect();
                        assert!(syncs.iter().all(|sync| *sync == syncs[0]), "{held:?} then {syncs:?} by {json}");
                        frames += 1;
                        // Some cut their connection often, some never; the fast ones never lag, the slow ones do.
                        if number % 2 == 1 && frames == 5 + number {
                            cuts += 1;
                            break;
                        }
                    }
                }
            };
            #[expect(clippy::disallowed_methods, reason = "a test's own tasks")]
            tokio::spawn(work)
        })
        .collect();
    let writer = std::thread::spawn(move || {
        for value in 1..STEPS {
            world.step(value % 3, false, &all(value));
            if value % 64 == 0 {
                std::thread::yield_now();
            }
        }
        world
    });
    let world = tokio::task::spawn_blocking(move || writer.join().expect("the writer")).await.expect("joined");
    // Whatever is due now is the last of it; wait until the dispatcher has told everybody.
    tokio::time::sleep(HubConfig::default().floor * 4).await;
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        let (mut reader, cuts) = reader.await.expect("a reader");
        reader.connect(&world.hub, false);
        while reader.pull(false).await {}
        world.check(&reader.replica, &[0, 1, 2]);
        assert_eq!(reader.replica.channels["stream:s"].resets, Vec::<String>::new());
        let offsets = reader.offsets();
        assert!(offsets.windows(2).all(|pair| pair[1] == pair[0] + 1), "no item missing or twice");
        assert_eq!(offsets.last(), Some(&world.position.offset.to_u64()), "after {cuts} cuts");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_many_ask_for_at_once_is_made_once() {
    let mut world = World::new(1, HubConfig { tail_ring_bytes_max: 0, ..HubConfig::default() });
    for value in 0..50 {
        world.step(2, false, &[(0, Change::Rows(vec![(0, Some(value))]))]);
    }
    let specs = vec![world.view_spec(0), World::tail_spec()];
    let before = world.hub.figures();
    let readers: Vec<_> = (0..200)
        .map(|_| {
            let (hub, specs) = (world.hub.clone(), specs.clone());
            let work = async move {
                let options = SubscribeOptions { sub: 1, last: vec![0, 20], ..SubscribeOptions::default() };
                let frame = hub.subscribe(&specs, &options, &Bell::new()).pull().await.expect("the first frame");
                String::from_utf8(frame.json.to_vec()).expect("JSON is UTF-8")
            };
            #[expect(clippy::disallowed_methods, reason = "a test's own tasks")]
            tokio::spawn(work)
        })
        .collect();
    let mut frames = Vec::new();
    for reader in readers {
        frames.push(reader.await.expect("a reader"));
    }
    assert!(frames.iter().all(|frame| *frame == frames[0]), "all are told the same");
    assert!(frames[0].contains("\"snapshot\"") && frames[0].matches("\"rows\"").count() == 2, "{}", frames[0]);
    let after = world.hub.figures();
    assert_eq!(after.snapshots - before.snapshots, 1, "the view's answer was written once for 200 readers");
    assert_eq!(after.log_reads - before.log_reads, 1, "the log was read once for 200 readers");
}
