//! What is particular to server-sent events, and what a board brings over either transport.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::connection::{Event, Events, Transport};
use crate::support::follower::Follower;
use crate::support::server::{Home, Server};

const CONFIG: &str = "[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n\
                      [views.by_kind]\nsql = \"SELECT kind, count(*) AS n FROM events GROUP BY kind\"\n";

async fn server() -> (Home, Server) {
    let home = Home::new(CONFIG);
    let server = home.start().await;
    let position = server.api.accepted("events", &json!({"kind": "a"})).await;
    for view in ["totals", "by_kind"] {
        server.api.live_view(view, &position).await;
    }
    (home, server)
}

fn data(event: &Event) -> Value {
    serde_json::from_str(&event.data).unwrap_or_else(|error| panic!("{error}: {event:?}"))
}

/// The next event that has a name; `retry:` may stand alone before it.
async fn named(events: &mut Events) -> Event {
    loop {
        let event = events.next().await.expect("the stream goes on");
        if !event.name.is_empty() {
            return event;
        }
    }
}

#[tokio::test]
async fn a_stream_begins_with_init_under_headers_that_no_proxy_holds_back() {
    let (_home, server) = server().await;
    let mut events =
        Events::open(server.address, "channel=view:totals&channel=stream:events&last=1", None).await.unwrap();
    let header = |name: &str| events.response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!(header("x-accel-buffering"), "no");
    assert!(header("cache-control").contains("no-store"));
    let retry = events.next().await.unwrap();
    assert!(retry.retry_ms.is_some_and(|ms| (500..=1_500).contains(&ms)), "{retry:?}");
    let init = named(&mut events).await;
    let frame = data(&init);
    assert_eq!((init.name.as_str(), init.id.as_deref()), ("init", frame["cursor"].as_str()));
    assert_eq!((&frame["type"], &frame["sub"], &frame["resumed"]), (&json!("frame"), &json!(1), &json!(false)));
    let channels: Vec<_> = frame["changes"].as_array().unwrap().iter().map(|change| &change["channel"]).collect();
    assert_eq!(channels, [&json!("view:totals"), &json!("stream:events")]);
    assert_eq!(frame["changes"][1]["snapshot"]["rows"].as_array().map(Vec::len), Some(1), "the newest row: {frame}");

    server.api.accepted("events", &json!({"kind": "b"})).await;
    let next = named(&mut events).await;
    assert_eq!(next.name, "frame");
    assert_eq!(data(&next)["resumed"], Value::Null, "only the first frame says it");
}

#[tokio::test]
async fn each_reader_is_told_to_come_back_at_a_moment_of_its_own() {
    let (_home, server) = server().await;
    let mut moments = BTreeSet::new();
    for _ in 0..8 {
        let mut events = Events::open(server.address, "channel=view:totals", None).await.unwrap();
        moments.extend(events.next().await.unwrap().retry_ms);
    }
    assert!(moments.len() > 1, "all at once: {moments:?}");
}

#[tokio::test]
async fn named_events_come_one_a_channel_with_the_cursor_on_the_last() {
    let (_home, server) = server().await;
    let query = "channel=view:totals&channel=view:by_kind&events=named";
    let mut events = Events::open(server.address, query, None).await.unwrap();
    let init = named(&mut events).await;
    assert_eq!((init.name.as_str(), &data(&init)["changes"]), ("init", &json!([])));
    let (totals, by_kind) = (named(&mut events).await, named(&mut events).await);
    assert_eq!((totals.name.as_str(), by_kind.name.as_str()), ("totals", "by_kind"));
    assert_eq!(data(&totals)["snapshot"]["rows"], json!([[1]]), "the change itself is the data");
    assert_eq!(data(&by_kind)["channel"], "view:by_kind");
    assert_eq!((totals.id, by_kind.id.as_deref()), (None, data(&init)["cursor"].as_str()));

    server.api.accepted("events", &json!({"kind": "b"})).await;
    let (totals, by_kind) = (named(&mut events).await, named(&mut events).await);
    assert!(data(&totals)["delta"]["set"].is_object() && data(&by_kind)["delta"]["set"].is_object());

    let mut again = Events::open(server.address, query, by_kind.id.as_deref()).await.unwrap();
    assert_eq!(data(&named(&mut again).await)["resumed"], true);
}

#[tokio::test]
async fn frames_keep_to_the_pace_that_was_asked_for() {
    let (_home, server) = server().await;
    let mut events = Events::open(server.address, "channel=view:totals&max_hz=5", None).await.unwrap();
    named(&mut events).await;
    let started = Instant::now();
    let post = async {
        for _ in 0..40 {
            server.api.accepted("events", &json!({"kind": "a"})).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let read = async {
        let mut frames = 0_u32;
        loop {
            let frame = data(&named(&mut events).await);
            frames += u32::from(frame["type"] == "frame");
            // Rows are keyed; this view has one, and its count says that the last event is in.
            if frame.to_string().contains("\"n\":41") {
                return frames;
            }
        }
    };
    let ((), frames) = tokio::join!(post, read);
    let seconds = started.elapsed().as_secs_f64();
    assert!(f64::from(frames) <= seconds * 5.0 + 2.0, "{frames} frames in {seconds} s at 5 Hz");
    assert!(frames >= 2, "{frames} frames: all of it was held back");
}

#[tokio::test]
async fn a_quiet_stream_says_that_it_lives_within_its_fifteen_seconds() {
    let (_home, server) = server().await;
    let mut events = Events::open(server.address, "channel=view:totals", None).await.unwrap();
    let init = data(&named(&mut events).await);
    let started = Instant::now();
    let beat = named(&mut events).await;
    let beat_data = data(&beat);
    assert_eq!((beat.name.as_str(), &beat_data["type"]), ("heartbeat", &json!("heartbeat")));
    assert_eq!(beat.id.as_deref(), beat_data["cursor"].as_str());
    assert!((14..25).contains(&started.elapsed().as_secs()), "after {:?}", started.elapsed());
    assert!(beat_data["time"].as_i64() > init["time"].as_i64(), "{beat_data}");
    let mut again = Events::open(server.address, "channel=view:totals", beat.id.as_deref()).await.unwrap();
    assert_eq!(data(&named(&mut again).await)["resumed"], true, "its cursor is a good one");
}

#[tokio::test]
async fn a_board_comes_in_one_frame_at_one_position_on_either_transport() {
    let home = Home::of_a_stranger();
    let server = home.start().await;
    let definition = server.api.get("/api/v1/boards/infra").await.ok();
    let panels = definition["panels"].as_array().unwrap();
    assert_eq!(server.api.get("/api/v1/boards").await.ok()["boards"][0]["channel"], "board:infra");
    for transport in [Transport::WebSocket, Transport::Sse] {
        let mut follower = Follower::new(["board:infra"]);
        let mut connection = follower.connect(server.address, transport).await.expect("connected");
        let first = follower.take(&mut connection).await.expect("a frame");
        let changed: BTreeSet<_> =
            first["changes"].as_array().unwrap().iter().map(|change| change["channel"].as_str().unwrap()).collect();
        let expected: BTreeSet<_> =
            panels.iter().map(|panel| panel["channel"].as_str().unwrap()).chain(["board:infra"]).collect();
        assert_eq!(changed, expected, "the board and each panel once");
        let board = follower.channel("board:infra").board.clone().unwrap();
        assert!(board["definition_hash"].is_string(), "{board}");
        for panel in panels {
            assert_eq!(board["panels"][panel["id"].as_str().unwrap()], panel["channel"], "{board}");
        }
        // What the host measures moves: rows come, and each panel is the batch answer at the frame's position.
        let all_live =
            |follower: &Follower| panels.iter().all(|panel| follower.is_live(panel["channel"].as_str().unwrap()));
        let moving = |follower: &Follower| all_live(follower) && follower.replica.frames > 3;
        follower.take_until(&mut connection, moving).await.expect("connected");
        assert!(!follower.channel("view:infra.cpu").rows.is_empty(), "no rows of the CPU");
        for panel in panels {
            let view = panel["channel"].as_str().unwrap().strip_prefix("view:").unwrap();
            follower.assert_holds_nearly(&server.api, view, panel["sql"].as_str().unwrap()).await;
        }
    }
}
