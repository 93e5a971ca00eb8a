//! A server that is killed again and again while events come: what it acknowledged is there, once, and views agree.

use std::process::Stdio;
use std::time::Duration;

use futures::future::join_all;
use rand::Rng;
use serde_json::json;

use crate::support::api::Api;
use crate::support::compare::assert_view_is_batch;
use crate::support::random::random;
use crate::support::server::Home;
use crate::support::writer::Writer;

const ROUNDS: usize = 50;
const WRITERS: usize = 4;

const VIEWS: [(&str, &str); 4] = [
    ("total", "SELECT count(*) AS n, sum(amount) AS amount, min(seq) AS low, max(seq) AS high FROM events"),
    ("per_writer", "SELECT writer, count(*) AS n, sum(amount) AS amount FROM events GROUP BY writer"),
    (
        "window",
        "SELECT kind, count(*) AS n, sum(amount) AS amount FROM events \
         WHERE time > now() - interval '3 seconds' GROUP BY kind",
    ),
    ("newest", "SELECT writer, seq FROM events ORDER BY time DESC LIMIT 10"),
];

fn config() -> String {
    let views = VIEWS.iter().map(|(name, sql)| format!("[views.{name}]\nsql = \"{sql}\"\n"));
    "[streams.events]\nfields = { amount = \"decimal(12,2)\" }\n".to_owned() + &views.collect::<String>()
}

/// Every writer's events are its numbers from 0 without gap or double, up to what was acknowledged; the request that got
/// no answer is there as a whole or not at all.
async fn assert_nothing_lost(api: &Api, writers: &[Writer], round: usize) {
    for position in writers.iter().filter_map(|writer| writer.position.as_deref()) {
        // An acknowledged position is one of this log, also after the crash.
        api.query_at("SELECT 1", position).await;
    }
    if writers.iter().all(|writer| writer.requests == 0) {
        return;
    }
    let sql = "SELECT writer, count(*) AS n, count(DISTINCT seq) AS numbers, min(seq) AS low, max(seq) AS high \
               FROM events GROUP BY writer";
    let answer = api.query(sql).await;
    let there = |writer: usize| answer["rows"].as_array().unwrap().iter().find(|row| row[0] == writer);
    for writer in writers {
        let n = there(writer.name).map_or(0, |row| row[1].as_i64().unwrap());
        let allowed = [writer.acknowledged, writer.acknowledged + writer.pending];
        assert!(allowed.contains(&n), "round {round}: {n} events are there, not one of {allowed:?}: {writer:?}");
        if let Some(row) = there(writer.name) {
            assert_eq!(*row, json!([writer.name, n, n, 0, n - 1]), "round {round}: {writer:?}");
        }
    }
}

/// The views are live again, include `position`, and are what a batch query says where they stand.
async fn assert_views_agree(api: &Api, position: &str) {
    for (name, sql) in VIEWS {
        let view = api.live_view(name, position).await;
        assert_view_is_batch(api, sql, &view).await;
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_once_however_often_the_server_is_killed() {
    let home = Home::new(&config());
    let mut random = random(0);
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    for round in 0..ROUNDS {
        if round % 10 == 9 {
            // Killed before it has even opened its log.
            let mut child = home.serve_command().stdout(Stdio::null()).spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(random.random_range(0..60))).await;
            child.kill().await.unwrap();
        }
        let server = home.start().await;
        let api = server.api.clone();
        assert_nothing_lost(&api, &writers, round).await;
        let position = writers.iter().find_map(|writer| writer.position.clone());
        let life = Duration::from_micros(random.random_range(1_000..250_000));
        let end = async {
            // Every other time the views are looked at while they catch up and events come.
            if let Some(position) = position.filter(|_| round % 2 == 1) {
                assert_views_agree(&api, &position).await;
            }
            tokio::time::sleep(life).await;
            server.kill().await;
        };
        tokio::join!(end, join_all(writers.iter_mut().map(|writer| writer.write(&api.url))));
    }

    let server = home.start().await;
    let api = &server.api;
    assert_nothing_lost(api, &writers, ROUNDS).await;
    assert_views_agree(api, writers[0].position.as_deref().unwrap()).await;
    let events = "SELECT count(*), count(DISTINCT _offset), min(_offset), max(_offset) FROM events";
    let row = api.query(events).await["rows"][0].clone();
    assert_eq!(row, json!([row[0], row[0], 1, row[0]]), "offsets have gaps or doubles");
    let (requests, retried) = writers.iter().fold((0, 0), |(r, t), writer| (r + writer.requests, t + writer.retried));
    println!("{} events in {requests} requests, {retried} of them sent again", row[0]);
    assert!(retried > 0, "no request was cut off: the test shows nothing");
    server.stop().await;
}
