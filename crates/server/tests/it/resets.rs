//! Cursors that cannot be continued: the reader starts again, is told why, and ends where the server is.

use pulseboard_protocol::Pace;
use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::connection::{Connection, Transport};
use crate::support::follower::Follower;
use crate::support::server::{Home, Server};

const BOTH: [Transport; 2] = [Transport::WebSocket, Transport::Sse];
const TOTALS: &str = "SELECT count(*) AS n, sum(v) AS total FROM events";
const CONFIG: &str = "[views.totals]\nsql = \"SELECT count(*) AS n, sum(v) AS total FROM events\"\n";

async fn with_events() -> (Home, Server) {
    let home = Home::new(CONFIG);
    let server = home.start().await;
    let position = server.api.accepted("events", &json!([{"v": 1}, {"v": 2}, {"v": 3}])).await;
    server.api.live_view("totals", &position).await;
    (home, server)
}

/// The first frame for a cursor.
async fn first_frame(server: &Server, transport: Transport, channels: &[&str], cursor: Option<&str>) -> Value {
    let channels: Vec<String> = channels.iter().map(|&channel| channel.to_owned()).collect();
    let opened =
        Connection::open(server.address, transport, (channels.as_slice(), Pace::default()), cursor, None).await;
    opened.expect("connected").next().await.expect("a first frame")
}

/// The reset of a channel in a frame, which must come with what mends it.
fn reset_of<'a>(frame: &'a Value, channel: &str) -> &'a str {
    let change = frame["changes"].as_array().unwrap().iter().find(|change| change["channel"] == channel);
    let change = change.unwrap_or_else(|| panic!("nothing of `{channel}` in {frame}"));
    assert!(change["snapshot"].is_object(), "a reset comes with its snapshot: {frame}");
    assert_eq!(frame["resumed"], false, "{frame}");
    change["reset"].as_str().unwrap_or_else(|| panic!("no reset in {frame}"))
}

fn total_of(frame: &Value) -> &Value {
    let change = frame["changes"].as_array().unwrap().iter().find(|change| change["channel"] == "view:totals");
    &change.unwrap()["snapshot"]["rows"][0]
}

/// A position with other numbers; opaque to clients, but somebody may send anything.
fn forged(position: &str, change: impl Fn(&mut [String])) -> String {
    let mut parts: Vec<String> = position.split(':').map(str::to_owned).collect();
    change(&mut parts);
    parts.join(":")
}

#[tokio::test]
async fn a_cursor_beyond_the_logs_end_is_ahead() {
    let (_home, server) = with_events().await;
    let position = server.api.query(TOTALS).await["position"].as_str().unwrap().to_owned();
    let ahead = forged(&position, |parts| parts[1] = "1000000".to_owned());
    for transport in BOTH {
        let frame = first_frame(&server, transport, &["view:totals", "stream:events"], Some(&ahead)).await;
        assert_eq!(reset_of(&frame, "view:totals"), "ahead");
        assert_eq!(reset_of(&frame, "stream:events"), "ahead");
        assert_eq!(*total_of(&frame), json!([3, 6]));
    }
}

#[tokio::test]
async fn a_cursor_of_another_log_is_a_restart() {
    let (_home, server) = with_events().await;
    let position = server.api.query(TOTALS).await["position"].as_str().unwrap().to_owned();
    let other = forged(&position, |parts| parts[0] = "0123456789abcdef".to_owned());
    for transport in BOTH {
        let frame = first_frame(&server, transport, &["view:totals", "stream:events"], Some(&other)).await;
        assert_eq!(reset_of(&frame, "view:totals"), "restart");
        assert_eq!(reset_of(&frame, "stream:events"), "restart");
        assert_eq!(*total_of(&frame), json!([3, 6]));
    }
}

#[tokio::test]
async fn a_cursor_of_other_channels_is_changed_and_a_bare_position_is_not_checked() {
    let (_home, server) = with_events().await;
    for transport in BOTH {
        let first = first_frame(&server, transport, &["view:totals"], None).await;
        let cursor = first["cursor"].as_str();
        let frame = first_frame(&server, transport, &["view:totals", "stream:events"], cursor).await;
        assert_eq!(reset_of(&frame, "view:totals"), "changed");
        assert_eq!(*total_of(&frame), json!([3, 6]));

        let position = first["position"].as_str();
        let frame = first_frame(&server, transport, &["view:totals", "stream:events"], position).await;
        let resets = frame["changes"].as_array().unwrap().iter().filter(|change| change.get("reset").is_some());
        assert_eq!(resets.count(), 0, "{frame}");
    }
}

#[tokio::test]
async fn a_cursor_whose_view_has_another_definition_now_is_changed() {
    let (home, server) = with_events().await;
    let frame = first_frame(&server, Transport::WebSocket, &["view:totals"], None).await;
    server.stop().await;
    std::fs::write(home.file("pulseboard.toml"), CONFIG.replace("sum(v)", "max(v)")).unwrap();
    let server = home.start().await;
    let position = server.api.query(TOTALS).await["position"].as_str().unwrap().to_owned();
    server.api.live_view("totals", &position).await;
    for transport in BOTH {
        let frame = first_frame(&server, transport, &["view:totals"], frame["cursor"].as_str()).await;
        assert_eq!(reset_of(&frame, "view:totals"), "changed");
        assert_eq!(*total_of(&frame), json!([3, 3]));
    }
}

/// So many rows with long names that what is kept of recent changes overflows.
async fn flood(api: &Api) -> String {
    let mut position = String::new();
    for batch in 0..8 {
        let name = |number: i64| format!("{batch}-{number}-{}", "x".repeat(200));
        let events: Vec<Value> = (0..1_000).map(|number| json!({"v": 1, "name": name(number)})).collect();
        position = api.accepted("events", &Value::from(events)).await;
    }
    position
}

#[tokio::test]
async fn a_cursor_older_than_what_is_kept_of_a_view_is_a_gap() {
    let sql = "SELECT name, count(*) AS n FROM events GROUP BY name";
    let home = Home::new(&format!("[views.names]\nsql = \"{sql}\"\n"));
    let server = home.start().await;
    let position = server.api.accepted("events", &json!({"v": 1, "name": "first"})).await;
    server.api.live_view("names", &position).await;
    let channels = ["view:names"];
    let old = first_frame(&server, Transport::Sse, &channels, None).await;
    let position = flood(&server.api).await;
    server.api.live_view("names", &position).await;
    for transport in BOTH {
        let mut follower = Follower::new(channels);
        follower.replica.cursor = old["cursor"].as_str().map(str::to_owned);
        let mut connection = follower.connect(server.address, transport).await.expect("connected");
        // So many rows come in parts.
        follower.take(&mut connection).await.expect("a frame");
        assert_eq!(follower.channel("view:names").resets, ["gap"]);
        follower.assert_holds(&server.api, "names", sql).await;
        assert_eq!(follower.channel("view:names").rows.len(), 8_001);
    }
}

#[tokio::test]
async fn a_tail_with_too_much_to_catch_up_says_how_much_it_skipped() {
    let (_home, server) = with_events().await;
    let channels = ["stream:events"];
    let old = first_frame(&server, Transport::Sse, &channels, None).await;
    let mut sent = 0;
    for _ in 0..3 {
        // Three times 2 MB: more than a reader is sent to catch up.
        let events: Vec<Value> = (0..1_000).map(|_| json!({"v": 1, "text": "x".repeat(2_000)})).collect();
        let position = server.api.accepted("events", &Value::from(events)).await;
        server.api.live_view("totals", &position).await;
        sent += 1_000;
    }
    for transport in BOTH {
        let mut follower = Follower::new(channels);
        follower.replica.cursor = old["cursor"].as_str().map(str::to_owned);
        let mut connection = follower.connect(server.address, transport).await.expect("connected");
        let frame = follower.take(&mut connection).await.expect("a frame");
        assert_eq!(reset_of(&frame, "stream:events"), "skipped");
        let last = server.api.accepted("events", &json!({"v": 7})).await;
        sent += 1;
        let newest = |follower: &Follower| follower.items("stream:events", "v").last() == Some(&json!(7));
        follower.take_until(&mut connection, newest).await.expect("connected");
        let tail = follower.channel("stream:events");
        assert_eq!(tail.missed + tail.items.len() as u64, sent, "up to {last}");
        assert!(tail.missed > 0, "{tail:?}");
    }
}

#[tokio::test]
async fn new_columns_reset_a_view_and_tell_a_tail() {
    let sql = "SELECT * FROM events ORDER BY time DESC LIMIT 3";
    let home = Home::new(&format!("[views.newest]\nsql = \"{sql}\"\n"));
    let server = home.start().await;
    let position = server.api.accepted("events", &json!({"v": 1})).await;
    server.api.live_view("newest", &position).await;
    for (round, transport) in BOTH.into_iter().enumerate() {
        let mut follower = Follower::new(["view:newest", "stream:events"]);
        let mut connection = follower.connect(server.address, transport).await.expect("connected");
        follower.take(&mut connection).await.expect("a frame");
        let field = format!("new{round}");
        server.api.accepted("events", &json!({"v": 2, field.as_str(): "x"})).await;
        let grown = |follower: &Follower| follower.channel("view:newest").columns.contains(&field);
        follower
            .take_until(&mut connection, |follower| grown(follower) && follower.is_live("view:newest"))
            .await
            .unwrap();
        assert_eq!(follower.channel("view:newest").resets, ["schema"]);
        follower.assert_holds(&server.api, "newest", sql).await;
        assert_eq!(follower.items("stream:events", &field), ["x"]);
        assert!(follower.channel("stream:events").resets.is_empty());
    }
}
