//! One random scenario over every transport at once: bursts, cuts, slow readers, restarts of the server, the transport
//! changed in the middle. All readers end with the same.

use std::time::Duration;

use futures::future::join_all;
use pulseboard_protocol::Pace;
use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::json;

use crate::support::api::Api;
use crate::support::compare::{held, lines, sorted};
use crate::support::connection::Transport;
use crate::support::follower::Follower;
use crate::support::random::random;
use crate::support::server::Home;

use super::resume::{Poster, Scene, TAIL, VIEWS, assert_tail_is_whole, config, follow};

/// A reader of some of the views and the tail, at some pace.
fn reader(part: u64) -> Follower {
    let mut random = random(part);
    let names: Vec<&str> = VIEWS.iter().map(|(name, _)| *name).collect();
    let some = random.random_range(1..=names.len());
    let mut views: Vec<String> = names.choose_multiple(&mut random, some).map(|name| format!("view:{name}")).collect();
    views.push(TAIL.to_owned());
    let max_hz = random.random_ratio(1, 2).then(|| f64::from(random.random_range(2..40)));
    let batch_ms = random.random_ratio(1, 3).then(|| random.random_range(1..80));
    let mut follower = Follower::new(views);
    follower.pace = Pace { max_hz, batch_ms };
    follower.dawdles = random.random_ratio(1, 2);
    follower
}

/// Bursts and pauses, with many and with few events at a time.
async fn burst(poster: &mut Poster, api: &Api, rounds: usize, part: u64) {
    let mut random = random(part);
    for _ in 0..rounds {
        poster.post(api, random.random_range(1..12)).await;
        if random.random_ratio(1, 4) {
            tokio::time::sleep(Duration::from_millis(random.random_range(50..400))).await;
        }
    }
}

#[tokio::test]
async fn all_readers_end_with_the_same_whatever_brought_them_there() {
    let part = 700;
    let home = Home::new(&config());
    let mut server = home.start().await;
    let mut poster = Poster::begin(&server.api, part).await;
    // One on each transport, and three that come back over another one each time.
    let readers = Transport::ALL.into_iter().map(Some).chain([None; 3]);
    let mut scenes = Vec::new();
    for (number, transport) in readers.enumerate() {
        scenes.push((number as u64, transport, Scene::of(&server).await));
    }
    let following = scenes.iter().map(|(number, transport, scene)| async move {
        let mut follower = reader(part + 10 + number);
        // The tail begins where it joins: before the first event of the scenario.
        let first = transport.unwrap_or(Transport::Sse);
        let mut connection = follower.connect(scene.address(), first).await.expect("the wire is whole");
        follower.take(&mut connection).await.expect("the wire is whole");
        scene.joined.notify_one();
        drop(connection);
        let next = |cuts: u32| {
            transport.unwrap_or(*Transport::ALL.choose(&mut random(part + 100 * *number + u64::from(cuts))).unwrap())
        };
        let cuts = follow(scene, &mut follower, part + 20 + number, next).await;
        println!(
            "reader {number} ({transport:?}): {cuts} cuts, {} resumed, {} frames, {:?}",
            follower.resumed, follower.replica.frames, follower.pace
        );
        follower
    });
    let acting = async {
        for (_, _, scene) in &scenes {
            scene.joined.notified().await;
        }
        for round in 0..3 {
            burst(&mut poster, &server.api, 12, part + 50 + round).await;
            if round == 2 {
                break;
            }
            let mut apis = Vec::new();
            for (_, _, scene) in &scenes {
                apis.push(scene.api.write().await);
            }
            if round == 0 {
                server.kill().await;
            } else {
                server.stop().await;
            }
            server = home.start().await;
            for ((_, _, scene), api) in scenes.iter().zip(&mut apis) {
                **api = server.api.clone();
                scene.proxy.lead_to(server.address);
            }
        }
        scenes.iter().for_each(|(_, _, scene)| scene.end(poster.posted));
        server
    };
    let (server, followers) = tokio::join!(acting, join_all(following));

    for follower in &followers {
        assert_tail_is_whole(follower, poster.posted);
    }
    // What does not move with the clock stands still now: all who follow it hold the same.
    let position = server.api.accepted("others", &json!({"id": 1})).await;
    for (view, sql) in VIEWS.iter().filter(|(view, _)| *view != "window") {
        let truth = server.api.live_view(view, &position).await;
        for follower in followers.iter().filter(|follower| follower.views().any(|name| name == format!("view:{view}")))
        {
            let channel = follower.channel(&format!("view:{view}"));
            assert_eq!(sorted(held(channel)), sorted(lines(&truth["rows"])), "`{view}`");
            follower.assert_holds(&server.api, view, sql).await;
        }
    }
}
