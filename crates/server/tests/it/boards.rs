//! Boards as subscriptions: variables, one position for all panels, panels that come later, the board's own pace.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::connection::{Socket, Transport};
use crate::support::follower::Follower;
use crate::support::server::{Home, Server};

const CONFIG: &str = "boards = \"boards\"\n\
    [views.of_kind]\nsql = \"SELECT sum(v) AS total FROM events WHERE kind = $kind\"\n";

const SHOP: &str = r#"
title = "Shop"
[[variables]]
name = "kind"
default = "a"
options = ["a", "b", "7"]
[[variables]]
name = "least"
type = "int"
default = 0
[[panels]]
id = "count"
type = "stat"
sql = "SELECT count(*) AS n FROM events WHERE kind = $kind AND v >= $least"
[[panels]]
id = "all"
type = "stat"
sql = "SELECT count(*) AS n FROM events"
[[panels]]
id = "total"
type = "stat"
view = "of_kind"
"#;

const SLOW: &str = r#"
max_hz = 2
[[panels]]
id = "all"
type = "stat"
sql = "SELECT count(*) AS n FROM events"
"#;

const LATE: &str = r#"
[[panels]]
id = "all"
type = "stat"
sql = "SELECT count(*) AS n FROM events"
[[panels]]
id = "pairs"
type = "stat"
sql = "SELECT count(*) AS pairs FROM events a JOIN events b ON a.kind = b.kind"
"#;

async fn server() -> (Home, Server) {
    let home = Home::new(CONFIG);
    std::fs::create_dir(home.file("boards")).unwrap();
    for (name, text) in [("shop", SHOP), ("slow", SLOW), ("late", LATE)] {
        std::fs::write(home.file(&format!("boards/{name}.toml")), text).unwrap();
    }
    let server = home.start().await;
    let events = json!([{"kind": "a", "v": 1}, {"kind": "a", "v": 5}, {"kind": "b", "v": 2}, {"kind": "7", "v": 9}]);
    let position = server.api.accepted("events", &events).await;
    server.api.live_view("slow.all", &position).await;
    (home, server)
}

fn only_row(follower: &Follower, channel: &str) -> Value {
    let rows = &follower.channel(channel).rows;
    assert_eq!(rows.len(), 1, "`{channel}`: {rows:?}");
    rows.values().next().map(|row| Value::Object(row.clone())).unwrap()
}

#[tokio::test]
async fn the_variables_of_a_board_are_parameters_of_its_panels_on_every_transport() {
    let (_home, server) = server().await;
    let definition = server.api.get("/api/v1/boards/shop").await.ok();
    assert_eq!(definition["variables"][1], json!({"name": "least", "type": "int", "default": "0", "options": []}));
    assert_eq!(definition["panels"][2]["channel"], "view:of_kind?kind=a", "what it shows by itself: {definition}");
    for transport in Transport::ALL {
        for (board, count, total, panels) in [
            ("board:shop", 2, 6, ["view:shop.count", "view:shop.all", "view:of_kind?kind=a"]),
            (
                "board:shop?kind=7&least=3",
                1,
                9,
                ["view:shop.count?kind=7&least=3", "view:shop.all", "view:of_kind?kind=7"],
            ),
            ("board:shop?kind=b", 1, 2, ["view:shop.count?kind=b", "view:shop.all", "view:of_kind?kind=b"]),
        ] {
            let mut follower = Follower::new([board]);
            let mut connection = follower.connect(server.address, transport).await.expect("connected");
            let all_live = |follower: &Follower| panels.iter().all(|panel| follower.is_live(panel));
            follower.take_until(&mut connection, all_live).await.expect("connected");
            let shown = follower.channel(board).board.clone().unwrap();
            assert_eq!(shown["panels"], json!({"count": panels[0], "all": panels[1], "total": panels[2]}));
            assert!(shown["definition_hash"].is_string(), "{shown}");
            assert_eq!(only_row(&follower, panels[0]), json!({"n": count}), "{transport:?} {board}");
            assert_eq!(only_row(&follower, panels[2]), json!({"total": total}), "{transport:?} {board}");
            assert_eq!(follower.replica.channels.len(), 4, "the board and each panel once");
        }
    }
}

#[tokio::test]
async fn what_a_variable_cannot_be_is_said() {
    let (_home, server) = server().await;
    for (board, says) in [
        ("board:shop?kind=c", "one of a, b, 7"),
        ("board:shop?least=many", "type int"),
        ("board:shop?knd=a", "no variable `knd`"),
    ] {
        let channel = serde_urlencoded::to_string([("channel", board)]).unwrap();
        for path in ["poll", "sse"] {
            let refusal = server.api.get(&format!("/api/v1/live/{path}?{channel}")).await.refused(400, "bad_params");
            assert!(refusal.message.contains(says) && refusal.details["channel"] == *board, "{refusal:?}");
        }
        let mut socket = Socket::open(server.address).await.expect("connected");
        socket.send(&json!({"id": 1, "type": "subscribe", "channel": board})).await.unwrap();
        let answer = socket.next().await.unwrap();
        assert_eq!((&answer["channel"], &answer["error"]["code"]), (&json!(board), &json!("bad_params")), "{answer}");
    }
}

#[tokio::test]
async fn the_frames_of_a_board_keep_its_pace_whatever_is_asked_for() {
    let (_home, server) = server().await;
    for transport in [Transport::WebSocket, Transport::Sse, Transport::LongPoll] {
        let mut follower = Follower::new(["board:slow"]);
        let mut connection = follower.connect(server.address, transport).await.expect("connected");
        follower.take_until(&mut connection, |follower| follower.is_live("view:slow.all")).await.expect("connected");
        let before = only_row(&follower, "view:slow.all")["n"].as_i64().unwrap();
        let (frames, started) = (follower.replica.frames, Instant::now());
        let post = async {
            for _ in 0..30 {
                server.api.accepted("events", &json!({"kind": "a", "v": 1})).await;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let all = |follower: &Follower| only_row(follower, "view:slow.all")["n"] == before + 30;
        let ((), taken) = tokio::join!(post, follower.take_until(&mut connection, all));
        taken.expect("connected");
        let (frames, seconds) = (follower.replica.frames - frames, started.elapsed().as_secs_f64());
        let most = seconds * 2.0 + 2.0;
        assert!(
            f64::from(u32::try_from(frames).unwrap()) <= most,
            "{transport:?}: {frames} frames in {seconds} s at 2 Hz"
        );
    }
}

#[tokio::test]
async fn a_panel_that_is_re_run_says_of_when_it_is_and_never_holds_the_others() {
    let (_home, server) = server().await;
    // So many pairs that the panel takes a while.
    let many: Vec<Value> = (0..4_000).map(|v| json!({"kind": "a", "v": v})).collect();
    server.api.accepted("events", &json!(many)).await;
    for transport in [Transport::WebSocket, Transport::Sse] {
        let mut follower = Follower::new(["board:late"]);
        let mut connection = follower.connect(server.address, transport).await.expect("connected");
        let (all, pairs) = ("view:late.all", "view:late.pairs");
        let both = |follower: &Follower| follower.is_live(all) && !follower.channel(pairs).rows.is_empty();
        follower.take_until(&mut connection, both).await.expect("connected");
        let mut alone = 0;
        for _ in 0..20 {
            let count = only_row(&follower, all)["n"].as_i64().unwrap();
            server.api.accepted("events", &json!({"kind": "a", "v": 1})).await;
            loop {
                let frame = follower.take(&mut connection).await.expect("connected");
                let late = follower.channel(pairs).state.clone().unwrap();
                if only_row(&follower, all)["n"] == count + 1 {
                    assert_eq!(late["mode"], "rerun", "{late}");
                    alone += u32::from(late["as_of"].as_i64() < frame["time"].as_i64());
                    break;
                }
            }
        }
        assert!(alone > 0, "the other panel never went ahead");
        // It comes, too, and is right for the time that it names.
        let n = only_row(&follower, all)["n"].as_i64().unwrap();
        let caught_up = |follower: &Follower| {
            let rows = &follower.channel(pairs).rows;
            rows.values().any(|row| row["pairs"] == (n - 2) * (n - 2) + 2)
        };
        follower.take_until(&mut connection, caught_up).await.expect("connected");
    }
}
