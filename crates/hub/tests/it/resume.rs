//! Random changes, cuts, lost frames, slow readers and restarts: in the end every reader holds the truth.

use proptest::prelude::*;
use pulseboard_hub::HubConfig;
use pulseboard_model::{Epoch, ResetReason};
use pulseboard_protocol::{Cursor, Replica};

use crate::world::{Change, Reader, World, view_name};

const VIEWS: usize = 3;

#[derive(Debug, Clone)]
enum Op {
    Step { events: usize, grow: bool, changes: Vec<(usize, Change)> },
    Connect { reader: usize, bare: bool },
    Pull { reader: usize, lost: bool },
    Cut { reader: usize },
    Heartbeat { reader: usize },
    Restart,
}

fn change() -> impl Strategy<Value = Change> {
    let row = (0_u8..5, proptest::option::weighted(0.7, 0_i64..4));
    prop_oneof![
        8 => proptest::collection::vec(row, 1..4).prop_map(Change::Rows),
        1 => (proptest::collection::vec((0_u8..5, 0_i64..4), 0..4), proptest::bool::ANY)
            .prop_map(|(rows, widen)| Change::Replace { rows, widen }),
        1 => (0_u64..100).prop_map(Change::State),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let reader = 0..4_usize;
    let changes =
        proptest::collection::btree_map(0..VIEWS, change(), 0..=VIEWS).prop_map(|map| map.into_iter().collect());
    prop_oneof![
        10 => (0..4_usize, proptest::bool::weighted(0.1), changes)
            .prop_map(|(events, grow, changes)| Op::Step { events, grow, changes }),
        4 => (reader.clone(), proptest::bool::weighted(0.2)).prop_map(|(reader, bare)| Op::Connect { reader, bare }),
        8 => (reader.clone(), proptest::bool::weighted(0.2)).prop_map(|(reader, lost)| Op::Pull { reader, lost }),
        2 => reader.clone().prop_map(|reader| Op::Cut { reader }),
        1 => reader.prop_map(|reader| Op::Heartbeat { reader }),
        1 => Just(Op::Restart),
    ]
}

fn config() -> impl Strategy<Value = HubConfig> {
    let bytes = prop_oneof![Just(0_usize), Just(1_000), Just(1 << 20)];
    let page = prop_oneof![Just(0_usize), Just(20), Just(1 << 20)];
    (bytes.clone(), bytes, page).prop_map(|(ring_bytes_max, tail_ring_bytes_max, page_bytes)| HubConfig {
        ring_bytes_max,
        tail_ring_bytes_max,
        page_bytes,
        ..HubConfig::default()
    })
}

/// Four readers with different channels: one view, all views, the tail, everything.
fn readers(world: &World) -> Vec<Reader> {
    let all = || (0..VIEWS).map(|index| world.view_spec(index));
    vec![
        Reader::new(vec![world.view_spec(1)]),
        Reader::new(all().collect()),
        Reader::new(vec![World::tail_spec()]),
        Reader::new(all().chain([World::tail_spec()]).collect()),
    ]
}

const WATCHED: [&[usize]; 4] = [&[1], &[0, 1, 2], &[], &[0, 1, 2]];

fn run(config: &HubConfig, ops: &[Op]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(VIEWS, config.clone());
        let mut readers = readers(&world);
        // From where each tail was first followed.
        let mut tail_from: [Option<u64>; 4] = [None; 4];
        for op in ops {
            match op {
                Op::Step { events, grow, changes } => world.step(*events, *grow, changes),
                Op::Connect { reader, bare } => {
                    if readers[*reader].replica.cursor.is_none() {
                        tail_from[*reader] = None;
                    }
                    readers[*reader].connect(&world.hub, *bare);
                }
                Op::Pull { reader, lost } => {
                    let first = readers[*reader].replica.cursor.is_none();
                    readers[*reader].pull(*lost).await;
                    if first && readers[*reader].replica.cursor.is_some() {
                        tail_from[*reader] = Some(world.position.offset.to_u64());
                    }
                }
                Op::Cut { reader } => readers[*reader].subscription = None,
                Op::Heartbeat { reader } => {
                    let reader = &mut readers[*reader];
                    if let (Some(subscription), Some(_)) = (&mut reader.subscription, &reader.replica.cursor) {
                        // A reader keeps the cursor of a heartbeat as it keeps a frame's.
                        reader.replica.cursor = Some(subscription.cursor().to_string());
                    }
                }
                Op::Restart => {
                    world = world.restarted(config.clone());
                    readers.iter_mut().for_each(|reader| reader.subscription = None);
                }
            }
        }
        // A view that never had an answer gets one, so that there is something to compare.
        let all: Vec<_> = (0..VIEWS).map(|index| (index, Change::Rows(vec![(4, Some(9))]))).collect();
        world.step(1, false, &all);
        for (index, reader) in readers.iter_mut().enumerate() {
            if reader.subscription.is_none() {
                let first = reader.replica.cursor.is_none();
                reader.connect(&world.hub, false);
                assert!(reader.pull(false).await, "the first frame always comes");
                if first {
                    tail_from[index] = Some(world.position.offset.to_u64());
                }
            } else if reader.replica.cursor.is_none() {
                reader.pull(false).await;
                tail_from[index] = Some(world.position.offset.to_u64());
            }
            while reader.pull(false).await {}
            world.check(&reader.replica, WATCHED[index]);
            if index >= 2 {
                let from = tail_from[index].expect("it was followed");
                assert_eq!(reader.offsets(), world.log.offsets_after(from), "every item once, in order");
                assert!(reader.replica.channels["stream:s"].resets.is_empty(), "a tail goes on over everything");
            }
            let cursor = reader.subscription.as_mut().expect("connected").cursor();
            assert_eq!(cursor.position, world.position, "an idle reader stands where the hub does");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn readers_end_where_the_truth_is(config in config(), ops in proptest::collection::vec(op(), 1..60)) {
        run(&config, &ops);
    }
}

async fn connected(world: &World, reader: &mut Reader) -> serde_json::Value {
    reader.connect(&world.hub, false);
    let frame = reader.subscription.as_mut().expect("connected").pull().await.expect("the first frame");
    reader.take(&frame)
}

fn rows(value: i64) -> Change {
    Change::Rows(vec![(0, Some(value))])
}

#[tokio::test]
async fn an_unchanged_channel_resumes_however_old_its_cursor_is() {
    let mut world = World::new(2, HubConfig { ring_bytes_max: 0, ..HubConfig::default() });
    world.step(1, false, &[(0, rows(1)), (1, rows(1))]);
    let mut reader = Reader::new(vec![world.view_spec(0)]);
    let frame = connected(&world, &mut reader).await;
    assert_eq!(frame["resumed"], false);
    reader.subscription = None;
    for value in 0..100 {
        world.step(1, false, &[(1, rows(value))]);
    }
    let frame = connected(&world, &mut reader).await;
    assert_eq!((&frame["resumed"], &frame["changes"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(frame["position"], world.position.to_string());
}

#[tokio::test]
async fn what_was_read_of_the_log_before_columns_came_is_read_again() {
    let mut world = World::new(1, HubConfig { tail_ring_bytes_max: 0, ..HubConfig::default() });
    world.step(1, false, &[]);
    let mut first = Reader::new(vec![World::tail_spec()]);
    connected(&world, &mut first).await;
    first.subscription = None;
    let from = world.position.offset.to_u64();
    let mut second = Reader::new(vec![World::tail_spec()]);
    second.replica = first.replica.clone();

    // Both were away from the same position; the ring does not reach back to it.
    world.step(2, false, &[]);
    world.step(1, false, &[]);
    connected(&world, &mut first).await;
    // What the first one was given is still there for others when the stream gets another column.
    world.step(1, true, &[]);
    connected(&world, &mut second).await;
    while first.pull(false).await {}
    for reader in [&first, &second] {
        assert_eq!(reader.offsets(), world.log.offsets_after(from), "every item once, in order");
    }
}

#[tokio::test]
async fn every_reset_says_why() {
    let config = HubConfig { ring_bytes_max: 0, ..HubConfig::default() };
    let mut world = World::new(2, config.clone());
    world.step(1, false, &[(0, rows(1)), (1, rows(1))]);
    let mut reader = Reader::new(vec![world.view_spec(0)]);
    connected(&world, &mut reader).await;
    let held = reader.replica.clone();
    let reason = async |world: &World, replica: &Replica, since: Option<Cursor>| {
        let mut reader = Reader::new(vec![world.view_spec(0)]);
        reader.replica = replica.clone();
        if let Some(since) = since {
            reader.replica.cursor = Some(since.to_string());
        }
        let frame = connected(world, &mut reader).await;
        assert_eq!(frame["resumed"], frame["changes"][0]["reset"].is_null());
        assert_eq!(frame["changes"][0]["reset"].is_string(), frame["changes"][0]["snapshot"].is_object());
        frame["changes"][0]["reset"].as_str().map(str::to_owned)
    };
    let cursor: Cursor = held.cursor.as_ref().expect("a cursor").parse().expect("a cursor");
    let expect = |reason: ResetReason| Some(reason.as_str().to_owned());

    // The ring keeps nothing: what changed twice and was read whole in between is a gap.
    world.step(0, false, &[(0, rows(2))]);
    world.step(0, false, &[(0, rows(3))]);
    connected(&world, &mut Reader::new(vec![world.view_spec(0)])).await;
    assert_eq!(reason(&world, &held, None).await, expect(ResetReason::Gap));

    let mut ahead = cursor;
    ahead.position.offset = pulseboard_model::LogOffset::from_u64(99);
    assert_eq!(reason(&world, &held, Some(ahead)).await, expect(ResetReason::Ahead));

    let mut other = cursor;
    other.position.epoch = Epoch(8);
    assert_eq!(reason(&world, &held, Some(other)).await, expect(ResetReason::Restart));

    let mut changed = cursor;
    changed.tag.as_mut().expect("a tag").definitions ^= 1;
    assert_eq!(reason(&world, &held, Some(changed)).await, expect(ResetReason::Changed));

    world.step(0, false, &[(0, Change::Replace { rows: vec![(1, 1)], widen: true })]);
    assert_eq!(reason(&world, &held, None).await, expect(ResetReason::Changed), "the columns are others");

    let mut anew = world.restarted(config);
    let mut early = Reader::new(vec![anew.view_spec(0)]);
    early.replica = held.clone();
    let frame = connected(&anew, &mut early).await;
    assert!(frame["changes"][0]["snapshot"].is_null(), "there is no answer yet");
    assert!(frame["changes"][0]["reset"].is_null(), "the reset comes with its snapshot");
    anew.step(1, false, &[(0, rows(5))]);
    assert!(early.pull(false).await);
    assert_eq!(early.replica.channels[&view_name(0)].resets, ["restart"]);
    anew.check(&early.replica, &[0]);
}

#[tokio::test]
async fn a_view_whose_first_answer_came_meanwhile_is_not_said_to_be_resumed() {
    let mut world = World::new(1, HubConfig::default());
    let mut reader = Reader::new(vec![world.view_spec(0)]);
    connected(&world, &mut reader).await;
    let tagged: Cursor = reader.replica.cursor.as_ref().expect("a cursor").parse().expect("a cursor");
    world.step(1, false, &[(0, Change::Replace { rows: vec![(1, 1)], widen: false })]);
    // Its columns are known only now: they are no others than before.
    for cursor in [Cursor { tag: None, ..tagged }, tagged] {
        reader.replica.cursor = Some(cursor.to_string());
        let frame = connected(&world, &mut reader).await;
        assert!(frame["changes"][0]["snapshot"].is_object(), "{frame}");
        assert!(frame["changes"][0]["reset"].is_null(), "{frame}");
        assert_eq!(frame["resumed"], false, "{frame}");
        world.check(&reader.replica, &[0]);
    }
}
