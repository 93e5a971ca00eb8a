//! Tails: fresh joins, what is read from the log, what is too much, what retention took.

use std::collections::BTreeMap;

use pulseboard_hub::{Bell, HubConfig, SubscribeOptions};
use serde_json::Value;

use crate::world::{Reader, World};

async fn first_frame(world: &World, reader: &mut Reader, last: u32) -> Value {
    let since = reader.replica.cursor.as_ref().map(|cursor| cursor.parse().expect("a cursor"));
    let options = SubscribeOptions { sub: 1, since, last: vec![last], ..SubscribeOptions::default() };
    let mut subscription = world.hub.subscribe(&reader.specs, &options, &Bell::new());
    let frame = subscription.pull().await.expect("the first frame");
    reader.subscription = Some(subscription);
    reader.take(&frame)
}

fn tail_reader() -> Reader {
    Reader::new(vec![World::tail_spec()])
}

#[tokio::test]
async fn a_fresh_join_starts_with_the_newest_rows_asked_for() {
    let mut world = World::new(0, HubConfig::default());
    world.step(5, true, &[]);
    for (last, expected) in [(0, vec![]), (2, vec![4, 5]), (50, vec![1, 2, 3, 4, 5])] {
        let mut reader = tail_reader();
        first_frame(&world, &mut reader, last).await;
        assert_eq!(reader.offsets(), expected);
        assert_eq!(reader.replica.channels["stream:s"].columns.first().map(String::as_str), Some("time"));
    }
}

#[tokio::test]
async fn columns_come_again_when_the_schema_grew() {
    let mut world = World::new(0, HubConfig::default());
    world.step(1, true, &[]);
    let mut reader = tail_reader();
    first_frame(&world, &mut reader, 1).await;
    world.step(1, false, &[]);
    reader.pull(false).await;
    world.step(2, true, &[]);
    reader.pull(false).await;
    let tail = &reader.replica.channels["stream:s"];
    assert_eq!(tail.columns, ["time", "f0", "f1", "_source_time", "_arrived_at", "_offset"]);
    assert_eq!(tail.items.last().and_then(Value::as_array).map(Vec::len), Some(6));
    assert_eq!(reader.offsets(), [1, 2, 3, 4]);
}

#[tokio::test]
async fn more_than_the_budget_is_skipped_and_counted() {
    let config = HubConfig { catch_up_bytes_max: 500, tail_ring_bytes_max: 0, ..HubConfig::default() };
    let mut world = World::new(0, config);
    world.step(1, true, &[]);
    let mut reader = tail_reader();
    first_frame(&world, &mut reader, 0).await;
    reader.subscription = None;
    for _ in 0..40 {
        world.step(1, false, &[]);
    }
    let frame = first_frame(&world, &mut reader, 0).await;
    let change = &frame["changes"][0];
    assert_eq!(
        (&change["reset"], &change["missed"], &frame["resumed"]),
        (&"skipped".into(), &40.into(), &false.into())
    );
    assert_eq!(change["snapshot"]["rows"], serde_json::json!([]));
    world.step(2, false, &[]);
    while reader.pull(false).await {}
    assert_eq!(reader.offsets(), [42, 43], "it goes on after what was skipped");
}

#[tokio::test]
async fn a_slow_reader_gets_every_item_from_the_log() {
    let mut world = World::new(0, HubConfig { tail_ring_bytes_max: 0, ..HubConfig::default() });
    world.step(1, true, &[]);
    let mut reader = tail_reader();
    first_frame(&world, &mut reader, 0).await;
    for number in 0..30 {
        world.step(2, number == 10, &[]);
    }
    while reader.pull(false).await {}
    assert_eq!(reader.offsets(), (2..=61).collect::<Vec<_>>());
    assert!(reader.replica.channels["stream:s"].resets.is_empty());
}

#[tokio::test]
async fn what_retention_took_is_a_gap() {
    let mut world = World::new(0, HubConfig { tail_ring_bytes_max: 0, ..HubConfig::default() });
    world.step(1, true, &[]);
    let mut reader = tail_reader();
    first_frame(&world, &mut reader, 0).await;
    reader.subscription = None;
    world.step(10, false, &[]);
    world.log.drop_upto(5);
    let frame = first_frame(&world, &mut reader, 0).await;
    assert_eq!(frame["changes"][0]["reset"], "gap");
    world.step(1, false, &[]);
    reader.pull(false).await;
    assert_eq!(reader.offsets(), [12]);
}

#[tokio::test]
async fn many_readers_that_come_back_share_one_read_and_get_the_same() {
    let mut world = World::new(0, HubConfig::default());
    world.step(1, true, &[]);
    let mut cursors = BTreeMap::new();
    let mut reader = tail_reader();
    first_frame(&world, &mut reader, 0).await;
    world.step(100, false, &[]);
    let mut anew = world.restarted(HubConfig::default());
    for _ in 0..20 {
        let mut back = tail_reader();
        back.replica = reader.replica.clone();
        let frame = first_frame(&anew, &mut back, 0).await;
        assert_eq!(frame["resumed"], true);
        anew.step(1, false, &[]);
        while back.pull(false).await {}
        let offsets = back.offsets();
        assert_eq!(offsets, (2..=anew.position.offset.to_u64()).collect::<Vec<_>>());
        cursors.insert(back.replica.cursor, offsets.len());
    }
    assert_eq!(cursors.len(), 20);
}
