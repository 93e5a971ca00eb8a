//! When frames leave: at once if the last one is long enough ago, at the pace asked for, never twice.

use std::sync::Arc;
use std::time::Duration;

use pulseboard_hub::{Bell, Due, HubConfig, SubscribeOptions, Subscription};
use pulseboard_protocol::Pace;
use tokio::time::{Instant, timeout};

use crate::world::{Change, World};

fn rows(value: i64) -> Change {
    Change::Rows(vec![(0, Some(value))])
}

async fn joined(world: &World, pace: Pace, bell: &Arc<Bell>) -> Subscription {
    let options = SubscribeOptions { sub: 1, pace, ..SubscribeOptions::default() };
    let mut subscription = world.hub.subscribe(&[world.view_spec(0)], &options, bell);
    assert_eq!(subscription.due(Instant::now()), Due::Now, "the first frame waits for nothing");
    subscription.pull().await.expect("the first frame");
    assert_eq!(subscription.due(Instant::now()), Due::Idle);
    subscription
}

/// How long until the subscription is due.
async fn waited(subscription: &mut Subscription, bell: &Bell) -> Duration {
    let start = Instant::now();
    loop {
        match subscription.due(Instant::now()) {
            Due::Now => return start.elapsed(),
            Due::At(at) => tokio::time::sleep_until(at).await,
            Due::Idle => timeout(Duration::from_secs(60), bell.rung()).await.expect("rung within a minute"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_leaves_at_once_and_the_next_after_the_floor() {
    let mut world = World::new(1, HubConfig { floor: Duration::from_millis(40), ..HubConfig::default() });
    world.step(0, false, &[(0, rows(1))]);
    let bell = Bell::new();
    let mut subscription = joined(&world, Pace::default(), &bell).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    world.step(0, false, &[(0, rows(2))]);
    assert!(waited(&mut subscription, &bell).await < Duration::from_millis(3));
    assert!(subscription.pull().await.is_some());
    world.step(0, false, &[(0, rows(3))]);
    world.step(0, false, &[(0, rows(4))]);
    let wait = waited(&mut subscription, &bell).await;
    assert!((Duration::from_millis(36)..=Duration::from_millis(44)).contains(&wait), "{wait:?}");
    assert!(subscription.pull().await.is_some(), "both changes in one frame");
    assert!(subscription.pull().await.is_none(), "and nothing after it");
}

#[tokio::test(start_paused = true)]
async fn a_slower_pace_and_batches_are_kept() {
    let mut world = World::new(1, HubConfig::default());
    world.step(0, false, &[(0, rows(1))]);
    let bell = Bell::new();
    let slow = Pace::new(Some(0.5), None).expect("a pace");
    let mut subscription = joined(&world, slow, &bell).await;
    world.step(0, false, &[(0, rows(2))]);
    let wait = waited(&mut subscription, &bell).await;
    assert!((Duration::from_millis(1_990)..=Duration::from_millis(2_010)).contains(&wait), "{wait:?}");

    let bell = Bell::new();
    let batched = Pace::new(None, Some(250)).expect("a pace");
    let mut subscription = joined(&world, batched, &bell).await;
    tokio::time::advance(Duration::from_secs(5)).await;
    world.step(0, false, &[(0, rows(3))]);
    let wait = waited(&mut subscription, &bell).await;
    assert!((Duration::from_millis(250)..=Duration::from_millis(260)).contains(&wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn readers_at_the_same_place_share_one_encoded_frame() {
    let mut world = World::new(1, HubConfig::default());
    world.step(0, false, &[(0, rows(1))]);
    let bell = Bell::new();
    let options = SubscribeOptions { sub: 1, ..SubscribeOptions::default() };
    let mut subscriptions: Vec<_> =
        (0..100).map(|_| world.hub.subscribe(&[world.view_spec(0)], &options, &bell)).collect();
    let mut frames = Vec::new();
    for round in 0..3 {
        for subscription in &mut subscriptions {
            frames.push(subscription.pull().await.expect("a frame"));
        }
        let first = &frames[0];
        assert!(frames.iter().all(|frame| Arc::ptr_eq(frame, first)), "one frame for all in round {round}");
        frames.clear();
        world.step(0, false, &[(0, rows(10 + round))]);
    }
}
