//! What is not maintained is run again at a bounded rate and says so; each of its answers is the batch query's where it stands.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::compare::{assert_view_is_batch, held, lines};
use crate::support::connection::Transport;
use crate::support::follower::Follower;
use crate::support::server::Home;
use crate::support::until::until;

const SQL: &str = "SELECT n, rank() OVER (ORDER BY n % 7 DESC) AS place FROM events";
const CHANNEL: &str = "view:ranked";
/// So many answers are waited for: about three seconds.
const ANSWERS: usize = 4;
/// The least time between two runs, by the engine's clock.
const RERUN_EVERY_US: i64 = 1_000_000;

fn assert_says_so(state: &Value) {
    assert_eq!((&state["status"], &state["mode"]), (&json!("rerun"), &json!("rerun")), "{state}");
    let reason = state["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("re-run at most once a second: ") && reason.len() > 40, "{state}");
}

/// The answers that a reader sees while events come, each compared where it stands; gives those places.
async fn watched(api: &Api, transport: Transport, address: std::net::SocketAddr) -> Vec<i64> {
    let mut follower = Follower::new([CHANNEL]);
    let mut connection = follower.connect(address, transport).await.expect("connected");
    let mut stood: Vec<i64> = Vec::new();
    while stood.len() < ANSWERS {
        follower.take(&mut connection).await.expect("it goes on");
        let channel = follower.channel(CHANNEL);
        let state = channel.state.clone().unwrap_or_else(|| panic!("no state: {channel:?}"));
        assert_says_so(&state);
        let as_of = state["as_of"].as_i64().unwrap_or_else(|| panic!("it says where it stands: {state}"));
        if stood.last() == Some(&as_of) {
            continue;
        }
        stood.push(as_of);
        // A time means the last step at or before it, which is the one that it was run for.
        let batch = api.query_at(SQL, &as_of.to_string()).await;
        assert_eq!(held(channel), lines(&batch["rows"]), "{transport:?} at {as_of}");
    }
    stood
}

#[tokio::test]
async fn a_ranking_of_a_whole_stream_is_run_again_at_most_once_a_second_and_says_so() {
    let home = Home::new(&format!("[views.ranked]\nsql = \"{SQL}\"\n"));
    let server = home.start().await;
    let api = server.api.clone();
    api.accepted("events", &json!({"n": 0})).await;
    until("the first event is in its answer", async || {
        let view = api.get("/api/v1/views/ranked").await.ok();
        (view["state"]["status"] == "rerun" && view["rows"][0].is_array()).then_some(())
    })
    .await;
    let watching = async {
        let (socket, sse) = tokio::join!(
            watched(&api, Transport::WebSocket, server.address),
            watched(&api, Transport::Sse, server.address)
        );
        for stood in [socket, sse] {
            let apart: Vec<i64> = stood.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(apart.iter().all(|us| *us >= RERUN_EVERY_US), "more than one run a second: {apart:?} µs apart");
        }
        // The same on plain HTTP, where the position of the answer is where its rows stand.
        let mut positions = Vec::new();
        until("two more answers", async || {
            let view = api.get("/api/v1/views/ranked").await.ok();
            assert_says_so(&view["state"]);
            if positions.last() != Some(&view["position"]) {
                assert_view_is_batch(&api, SQL, &view).await;
                positions.push(view["position"].clone());
            }
            (positions.len() == 3).then_some(())
        })
        .await;
    };
    let news = async {
        for n in 1.. {
            api.accepted("events", &json!({"n": n})).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = watching => {}
        () = news => unreachable!("news never ends"),
    }
}
