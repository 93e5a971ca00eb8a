//! The server's own figures: a channel, a board, a stream, written while somebody follows them.

use serde_json::{Value, json};

use crate::support::connection::Transport;
use crate::support::follower::Follower;
use crate::support::server::Home;
use crate::support::until::until;

fn newest(follower: &Follower) -> Option<Value> {
    let channel = follower.replica.channels.get("system")?;
    channel.rows.values().next().map(|row| Value::Object(row.clone()))
}

#[tokio::test]
async fn the_system_channel_tells_the_servers_own_figures_on_every_transport() {
    let home = Home::new("");
    let server = home.start().await;
    for n in 1..=3 {
        server.api.accepted("events", &json!({ "n": n })).await;
    }
    let streams = server.api.get("/api/v1/streams").await.ok();
    assert!(!streams.to_string().contains("_system"), "nobody follows it yet: {streams}");
    for transport in Transport::ALL {
        let mut follower = Follower::new(["system"]);
        let mut connection = follower.connect(server.address, transport).await.expect("connected");
        // The first row of this reader's own time: before it there are those of the readers before.
        let seen = |follower: &Follower| {
            newest(follower).is_some_and(|row| match transport {
                Transport::WebSocket => row["websocket"] == 1,
                Transport::Sse => row["sse"] == 1,
                Transport::LongPoll => row["long_poll"] == 1,
                Transport::SocketIo | Transport::SocketIoPolls => row["socketio"] == 1,
                Transport::Poll => row["polls_per_s"].as_f64().is_some_and(|polls| polls > 1.0),
            })
        };
        follower.take_until(&mut connection, seen).await.expect("connected");
        let row = newest(&follower).unwrap();
        assert_eq!((&row["messages"], &row["errors"]), (&json!(3), &json!(0)), "{transport:?}: {row}");
        assert!(row["uptime_s"].as_f64().is_some_and(|uptime| uptime > 0.5), "{row}");
        assert!(row["request_p99_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{row}");
        // It goes on each second.
        let uptime = row["uptime_s"].clone();
        let later = |follower: &Follower| newest(follower).is_some_and(|row| row["uptime_s"] != uptime);
        follower.take_until(&mut connection, later).await.expect("connected");
    }
    let streams = server.api.get("/api/v1/streams").await.ok();
    let last = streams["streams"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["name"], &last["system"]), (&json!("_system"), &json!(true)), "{last}");
    let refusal = server.api.events("_system", r#"{"messages": 9}"#).await.refused(400, "bad_request");
    assert!(refusal.message.contains("what the server measures of itself"), "{refusal:?}");
}

#[tokio::test]
async fn the_board_of_the_server_itself_is_there_by_name() {
    let home = Home::new("");
    let server = home.start().await;
    let definition = server.api.get("/api/v1/boards/system").await.ok();
    assert_eq!(server.api.get("/api/v1/boards").await.ok()["boards"], json!([]), "a list of what was configured");
    assert_eq!(server.api.get("/api/v1/views").await.ok()["views"], json!([]));
    let mut follower = Follower::new(["board:system"]);
    let mut connection = follower.connect(server.address, Transport::WebSocket).await.expect("connected");
    let panels = definition["panels"].as_array().unwrap();
    let names: Vec<&str> = panels.iter().map(|panel| panel["channel"].as_str().unwrap()).collect();
    let filled = |follower: &Follower| {
        names.iter().all(|name| follower.is_live(name) && !follower.channel(name).rows.is_empty())
    };
    follower.take_until(&mut connection, filled).await.expect("connected");
    for panel in panels {
        let view = panel["channel"].as_str().unwrap().strip_prefix("view:").unwrap();
        follower.assert_holds_nearly(&server.api, view, panel["sql"].as_str().unwrap()).await;
    }
}

#[tokio::test]
async fn with_record_always_the_figures_have_a_past() {
    let home = Home::new("[system]\nrecord = \"always\"\n");
    let server = home.start().await;
    until("two seconds are written, though nobody follows them", async || {
        let streams = server.api.get("/api/v1/streams").await.ok();
        (streams["streams"][0]["name"] == "_system" && streams["streams"][0]["events"].as_u64()? >= 2).then_some(())
    })
    .await;
    let rows = server.api.query("SELECT count(*) AS n, min(connections) AS c FROM _system").await;
    assert!(rows["rows"][0][0].as_u64().is_some_and(|n| n >= 2) && rows["rows"][0][1] == 0, "{rows}");
}
