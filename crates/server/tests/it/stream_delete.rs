//! Streams that are removed: gone from log, archive, live answers and lists, also after a crash; others are none the worse.

use serde_json::{Value, json};

use crate::support::api::{Answer, read};
use crate::support::connection::Transport;
use crate::support::follower::Follower;
use crate::support::server::{Home, Server};
use crate::support::until::until;

const VIEWS: &str = "[views.a]\nsql = \"SELECT count(*) AS n FROM a\"\n[views.b]\nsql = \"SELECT count(*) AS n FROM b\"\n\
                     [views.both]\nsql = \"SELECT count(*) AS n FROM a x JOIN b y ON x.k = y.k\"\n";
/// Small segments, so that there are files of the stream at once.
const ARCHIVED: &str = "[archive]\nseal_bytes = \"4KiB\"\n";
const NOT_ARCHIVED: &str = "[archive]\nenabled = false\n";

async fn delete(server: &Server, stream: &str) -> Answer {
    read(server.api.request("DELETE", &format!("/api/v1/streams/{stream}"))).await
}

async fn fill(server: &Server, stream: &str, rows: usize) -> String {
    let rows: Vec<Value> = (0..rows).map(|k| json!({"k": k, "v": k, "text": "x".repeat(50)})).collect();
    server.api.accepted(stream, &json!(rows)).await
}

/// The archive's files of a stream.
fn files(home: &Home, stream: &str) -> usize {
    std::fs::read_dir(home.data_dir().join("archive/data").join(stream)).map_or(0, Iterator::count)
}

async fn archived(home: &Home, stream: &str) {
    until("files of the stream", async || (files(home, stream) > 0).then_some(())).await;
}

async fn count(server: &Server, stream: &str) -> Value {
    server.api.query(&format!("SELECT count(*) AS n FROM {stream}")).await["rows"].clone()
}

/// What is true once `a` is gone.
async fn assert_gone(server: &Server, rows_of_b: usize, what: &str) {
    let streams = server.api.get("/api/v1/streams").await.ok();
    let names: Vec<_> = streams["streams"].as_array().unwrap().iter().map(|stream| stream["name"].clone()).collect();
    assert_eq!(names, ["b"], "{what}: {streams}");
    server.api.get("/api/v1/streams/a").await.refused(404, "unknown_stream");
    let query = server.api.post("/api/v1/query", &json!({"sql": "SELECT count(*) FROM a"})).await;
    query.refused(404, "unknown_stream");
    for view in ["a", "both"] {
        server.api.view_state(view, "waiting").await;
        let rows = server.api.get(&format!("/api/v1/views/{view}")).await.ok()["rows"].clone();
        assert!(rows.is_null() || rows == json!([]), "{what}: {view} still shows {rows}");
    }
    assert_eq!(count(server, "b").await, json!([[rows_of_b]]), "{what}");
}

#[tokio::test]
async fn a_removed_stream_is_gone_everywhere_and_may_begin_anew() {
    for archive in [ARCHIVED, NOT_ARCHIVED] {
        let home = Home::new(&format!("{archive}{VIEWS}"));
        let server = home.start().await;
        for _ in 0..5 {
            fill(&server, "a", 100).await;
        }
        let position = fill(&server, "b", 10).await;
        if archive == ARCHIVED {
            archived(&home, "a").await;
        }
        server.api.live_view("a", &position).await;
        // What the views held is kept over a restart, and must not come back later.
        server.stop().await;
        let server = home.start().await;
        server.api.live_view("a", &position).await;
        let mut follower = Follower::new(["view:a", "view:b"]);
        let mut connection = follower.connect(server.address, Transport::WebSocket).await.expect("connected");
        let live = |f: &Follower| f.is_live("view:a") && f.is_live("view:b");
        follower.take_until(&mut connection, live).await.expect("connected");

        assert_eq!(delete(&server, "a").await.status, 204);
        assert_gone(&server, 10, archive).await;
        let emptied = |f: &Follower| {
            let a = f.channel("view:a");
            a.rows.is_empty() && a.state.as_ref().is_some_and(|state| state["status"] == "waiting")
        };
        follower.take_until(&mut connection, emptied).await.expect("the connection stays");
        assert!(follower.channel("view:b").resets.is_empty());
        delete(&server, "a").await.refused(404, "unknown_stream");
        until("its files are gone", async || (files(&home, "a") == 0).then_some(())).await;
        server.kill().await;
        let server = home.start().await;
        assert_gone(&server, 10, "after a restart").await;

        // Nothing is left of its fields, either: `v` may be another type.
        let position = server.api.accepted("a", &json!([{"v": "text"}, {"v": "more"}])).await;
        assert_eq!(server.api.live_view("a", &position).await["rows"], json!([[2]]));
        assert_anew(&server).await;
        server.kill().await;
        assert_anew(&home.start().await).await;
    }
}

/// What is true once `a` has two rows again.
async fn assert_anew(server: &Server) {
    let stream = server.api.get("/api/v1/streams/a").await.ok();
    assert_eq!(stream["events"], 2, "{stream}");
    assert_eq!(stream["schema"]["fields"], json!([{"name": "v", "type": "string", "declared": false}]), "{stream}");
    let rows = server.api.query("SELECT v, _offset > 510 AS later FROM a ORDER BY _offset").await["rows"].clone();
    assert_eq!(rows, json!([["text", true], ["more", true]]));
    let range = json!({"sql": "SELECT time, v FROM a", "from": "2020-01-01T00:00:00Z", "to": null, "points": 100});
    let range = server.api.post("/api/v1/range", &range).await.ok();
    assert_eq!(range["rows"].as_array().unwrap().len(), 2, "{range}");
    assert_eq!(count(server, "b").await, json!([[10]]));
    server.api.view_state("a", "live").await;
    assert_eq!(server.api.get("/api/v1/views/a").await.ok()["rows"], json!([[2]]));
}

#[tokio::test]
async fn a_kill_while_a_stream_is_removed_leaves_all_of_it_or_nothing() {
    for (stage, is_gone) in [("seal", false), ("record", false), ("recorded", true)] {
        let home = Home::new(&format!("{ARCHIVED}{VIEWS}"));
        let server = home.start_with("PULSEBOARD_FAULT", &format!("journal.remove.{stage}=abort")).await;
        fill(&server, "a", 100).await;
        fill(&server, "b", 10).await;
        archived(&home, "a").await;
        fill(&server, "a", 20).await;
        let cut = server.api.request("DELETE", "/api/v1/streams/a").send().await;
        assert!(cut.is_err(), "{stage}: it died");
        let server = home.start().await;
        if !is_gone {
            assert_eq!(count(&server, "a").await, json!([[120]]), "{stage}");
            assert_eq!(delete(&server, "a").await.status, 204, "{stage}");
        }
        assert_gone(&server, 10, stage).await;
        until("its files are gone", async || (files(&home, "a") == 0).then_some(())).await;
    }
    // The archive dies before it lets the files go: they go after the start.
    let home = Home::new(&format!("{ARCHIVED}{VIEWS}"));
    let server = home.start_with("PULSEBOARD_FAULT", "archive.remove.publish=abort").await;
    fill(&server, "a", 100).await;
    fill(&server, "b", 10).await;
    archived(&home, "a").await;
    // It may die before it has answered.
    let _answered = server.api.request("DELETE", "/api/v1/streams/a").send().await.is_ok();
    server.ended(crate::support::until::PATIENCE).await;
    assert!(files(&home, "a") > 0);
    let server = home.start().await;
    assert_gone(&server, 10, "archive").await;
    until("its files are gone", async || (files(&home, "a") == 0).then_some(())).await;
}

#[tokio::test]
async fn others_lose_nothing_while_a_stream_is_removed_again_and_again() {
    let home = Home::new(&format!("{ARCHIVED}{VIEWS}"));
    let server = home.start().await;
    fill(&server, "a", 10).await;
    let writing = async {
        for _ in 0..60 {
            fill(&server, "b", 10).await;
        }
    };
    let removing = async {
        for round in 0..8 {
            assert_eq!(delete(&server, "a").await.status, 204, "{round}");
            fill(&server, "a", 10).await;
        }
    };
    tokio::join!(writing, removing);
    for _ in 0..2 {
        assert_eq!((count(&server, "a").await, count(&server, "b").await), (json!([[10]]), json!([[600]])));
    }
    server.kill().await;
    let server = home.start().await;
    assert_eq!((count(&server, "a").await, count(&server, "b").await), (json!([[10]]), json!([[600]])));
}

#[tokio::test]
async fn a_configured_stream_stays_and_is_empty() {
    let config = "[streams.a]\nfields = { v = \"decimal(12,2)\" }\n[views.a]\nsql = \"SELECT count(*) AS n, sum(v) AS s FROM a\"\n";
    let home = Home::new(config);
    let server = home.start().await;
    let position = server.api.accepted("a", &json!([{"v": 1.5, "other": 1}])).await;
    server.api.live_view("a", &position).await;
    assert_eq!(delete(&server, "a").await.status, 204);
    let stream = server.api.get("/api/v1/streams/a").await.ok();
    assert_eq!(
        stream["schema"]["fields"],
        json!([{"name": "v", "type": "decimal(12,2)", "declared": true}]),
        "{stream}"
    );
    until("an answer over nothing", async || {
        let view = server.api.get("/api/v1/views/a").await.ok();
        (view["state"]["status"] == "live" && view["rows"] == json!([[0, null]])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_the_server_writes_and_what_is_not_there_is_not_removed() {
    let home = Home::new("");
    let server = home.start().await;
    server.api.events("a", "{\"_offset\": 1}").await;
    for stream in ["_rejected", "_system"] {
        delete(&server, stream).await.refused(403, "read_only");
    }
    for stream in ["none", "no%20name"] {
        delete(&server, stream).await.refused(404, "unknown_stream");
    }
}
