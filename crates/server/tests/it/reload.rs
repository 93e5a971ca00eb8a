//! Files of boards and views that change under a running server: what is right counts at once, for open connections too;
//! what is not changes nothing and is said.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::connection::Transport;
use crate::support::follower::Follower;
use crate::support::server::{Home, Server};
use crate::support::until::until;

const CONFIG: &str = "boards = \"boards\"\n[views.total]\nsql = \"SELECT sum(v) AS n FROM events\"\n\
                      [views.other]\nsql = \"SELECT count(*) AS n FROM events\"\n";
const SHOP: &str =
    "title = \"Shop\"\n[[panels]]\nid = \"count\"\ntype = \"stat\"\nsql = \"SELECT count(*) AS n FROM events\"\n";

async fn server() -> (Home, Server) {
    let home = Home::new(CONFIG);
    std::fs::create_dir(home.file("boards")).unwrap();
    std::fs::write(home.file("boards/shop.toml"), SHOP).unwrap();
    let server = home.start().await;
    let position = server.api.accepted("events", &json!([{"v": 1}, {"v": 5}])).await;
    server.api.live_view("total", &position).await;
    server.api.live_view("shop.count", &position).await;
    (home, server)
}

/// As editors save: beside, then over.
fn save_over(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

async fn title(server: &Server, is: &str) -> Value {
    until(&format!("the title `{is}`"), async || {
        let board = server.api.get("/api/v1/boards/shop").await.ok();
        (board["title"] == is).then_some(board)
    })
    .await
}

fn resets(follower: &Follower, channel: &str) -> Vec<String> {
    follower.channel(channel).resets.clone()
}

fn only_row(follower: &Follower, channel: &str) -> Value {
    let rows = follower.replica.channels.get(channel).map(|channel| channel.rows.values().cloned().collect::<Vec<_>>());
    json!(rows.unwrap_or_default())
}

#[tokio::test]
async fn a_board_edited_on_disk_changes_open_pages_on_every_transport() {
    for transport in Transport::ALL {
        let (home, server) = server().await;
        let mut follower = Follower::new(["board:shop"]);
        let mut connection = follower.connect(server.address, transport).await.expect("connected");
        follower.take_until(&mut connection, |f| f.is_live("view:shop.count")).await.expect("connected");
        let before = follower.channel("board:shop").board.clone().unwrap();
        let text = SHOP.replace("\"Shop\"", "\"Store\"")
            + "[[panels]]\nid = \"most\"\ntype = \"stat\"\nsql = \"SELECT max(v) AS n FROM events\"\n";
        save_over(&home.file("boards/shop.toml"), &text);
        let is_there = |f: &Follower| f.replica.channels.contains_key("view:shop.most") && f.is_live("view:shop.most");
        follower.take_until(&mut connection, is_there).await.expect("the connection stays");
        let shown = follower.channel("board:shop").board.clone().unwrap();
        let board = title(&server, "Store").await;
        assert_ne!(shown["definition_hash"], before["definition_hash"]);
        assert_eq!(shown["definition_hash"], board["definition_hash"], "{transport:?}");
        assert_eq!(shown["panels"], json!({"count": "view:shop.count", "most": "view:shop.most"}));
        assert_eq!(resets(&follower, "board:shop"), ["changed"], "{transport:?}");
        assert_eq!(only_row(&follower, "view:shop.most"), json!([{"n": 5}]));
        if matches!(transport, Transport::WebSocket | Transport::Sse) {
            assert_eq!(resets(&follower, "view:shop.count"), [""; 0], "what is the same goes on: {transport:?}");
        }
        // And goes on for all of them.
        server.api.accepted("events", &json!({"v": 9})).await;
        let both = |f: &Follower| {
            only_row(f, "view:shop.most") == json!([{"n": 9}]) && only_row(f, "view:shop.count") == json!([{"n": 3}])
        };
        follower.take_until(&mut connection, both).await.expect("connected");
        // Only the title: no view changes, and the page learns of it all the same.
        save_over(&home.file("boards/shop.toml"), &text.replace("\"Store\"", "\"Mall\""));
        let hash = title(&server, "Mall").await["definition_hash"].clone();
        let learns =
            |f: &Follower| f.channel("board:shop").board.as_ref().is_some_and(|b| b["definition_hash"] == hash);
        follower.take_until(&mut connection, learns).await.expect("connected");
    }
}

#[tokio::test]
async fn a_view_of_the_configuration_changes_for_its_readers_and_for_nobody_else() {
    for transport in [Transport::WebSocket, Transport::Sse, Transport::LongPoll] {
        let (home, server) = server().await;
        let mut follower = Follower::new(["view:total", "view:other"]);
        let mut connection = follower.connect(server.address, transport).await.expect("connected");
        let live = |f: &Follower| f.is_live("view:total") && f.is_live("view:other");
        follower.take_until(&mut connection, live).await.expect("connected");
        assert_eq!(only_row(&follower, "view:total"), json!([{"n": 6}]));
        save_over(&home.file("pulseboard.toml"), &CONFIG.replace("sum(v)", "max(v)"));
        let changed = |f: &Follower| only_row(f, "view:total") == json!([{"n": 5}]);
        follower.take_until(&mut connection, changed).await.expect("the connection stays");
        assert_eq!(resets(&follower, "view:total"), ["changed"], "{transport:?}");
        if transport != Transport::LongPoll {
            assert_eq!(resets(&follower, "view:other"), [""; 0], "{transport:?}");
        }
        server.api.accepted("events", &json!({"v": 9})).await;
        let goes_on = |f: &Follower| {
            only_row(f, "view:total") == json!([{"n": 9}]) && only_row(f, "view:other") == json!([{"n": 3}])
        };
        follower.take_until(&mut connection, goes_on).await.expect("connected");
    }
}

#[tokio::test]
async fn a_view_that_is_gone_says_so_to_its_readers_and_comes_back() {
    let (home, server) = server().await;
    for transport in [Transport::WebSocket, Transport::Sse] {
        let mut follower = Follower::new(["view:total", "view:other"]);
        let mut connection = follower.connect(server.address, transport).await.expect("connected");
        follower.take_until(&mut connection, |f| f.is_live("view:total")).await.expect("connected");
        save_over(&home.file("pulseboard.toml"), &CONFIG.replace("[views.total]", "[views.sum]"));
        let state = |f: &Follower| f.channel("view:total").state.clone().unwrap();
        follower.take_until(&mut connection, |f| state(f)["status"] == "error").await.expect("connected");
        assert!(state(&follower)["reason"].as_str().unwrap().contains("no view `total`"), "{}", state(&follower));
        assert_eq!(only_row(&follower, "view:total"), json!([{"n": 6}]), "the old rows stay on the screen");
        save_over(&home.file("pulseboard.toml"), CONFIG);
        follower.take_until(&mut connection, |f| f.is_live("view:total")).await.expect("connected");
        assert_eq!(resets(&follower, "view:total"), ["changed"], "{transport:?}");
    }
}

#[tokio::test]
async fn files_that_come_and_go_are_boards_and_views_that_come_and_go() {
    let (home, server) = server().await;
    std::fs::create_dir(home.file("views.d")).unwrap();
    save_over(&home.file("views.d/late.toml"), "sql = \"SELECT min(v) AS n FROM events\"\n");
    save_over(&home.file("boards/late.toml"), "[[panels]]\nid = \"a\"\ntype = \"stat\"\nview = \"late\"\n");
    until("the board", async || (server.api.get("/api/v1/boards/late").await.status == 200).then_some(())).await;
    let view = server.api.view_state("late", "live").await;
    assert_eq!(view["mode"], "maintained");
    std::fs::remove_file(home.file("boards/late.toml")).unwrap();
    std::fs::remove_file(home.file("views.d/late.toml")).unwrap();
    for path in ["/api/v1/boards/late", "/api/v1/views/late"] {
        until(path, async || (server.api.get(path).await.status == 404).then_some(())).await;
    }
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_what_is_wrong() {
    let (home, server) = server().await;
    std::fs::create_dir(home.file("views.d")).unwrap();
    std::fs::write(home.file("views.d/kept.toml"), "sql = \"SELECT min(v) AS n FROM events\"\n").unwrap();
    until("the view", async || (server.api.get("/api/v1/views/kept").await.status == 200).then_some(())).await;
    let good_config = CONFIG.to_owned();
    for (file, good, bad, list, name, key) in [
        ("boards/shop.toml", SHOP, SHOP.replace("stat", "pie"), "boards", "shop", "panels[0].type"),
        ("boards/shop.toml", SHOP, "title = ".to_owned(), "boards", "shop", ""),
        (
            "boards/shop.toml",
            SHOP,
            SHOP.replace("sql = \"SELECT count(*) AS n FROM events\"", "view = \"none\""),
            "boards",
            "shop",
            "panels[0].view",
        ),
        (
            "views.d/kept.toml",
            "sql = \"SELECT min(v) AS n FROM events\"\n",
            "sqll = 1".to_owned(),
            "views",
            "kept",
            "sql",
        ),
        (
            "pulseboard.toml",
            good_config.as_str(),
            CONFIG.replace("sum(v) AS n FROM events", "1; SELECT 2"),
            "views",
            "total",
            "views.total.sql",
        ),
    ] {
        let before = server.api.get(&format!("/api/v1/{list}/{name}")).await.ok();
        save_over(&home.file(file), &bad);
        let listed = async || {
            let all = server.api.get(&format!("/api/v1/{list}")).await.ok();
            let of_name = |one: &&Value| one["name"] == name || one["id"] == name;
            (all[list].as_array().unwrap().iter().find(of_name).cloned().unwrap(), all["problems"].clone())
        };
        let (one, problems) = until(&format!("a problem of {file}"), async || {
            let (one, problems) = listed().await;
            one.get("problems").is_some().then_some((one, problems))
        })
        .await;
        assert_eq!(one["problems"][0]["key"], key, "{one}");
        assert_eq!(problems, one["problems"], "all of them are there beside the list");
        let now = server.api.get(&format!("/api/v1/{list}/{name}")).await.ok();
        let same = if list == "boards" { "definition_hash" } else { "columns" };
        assert_eq!(now[same], before[same], "what it said before counts: {file}");
        let ready = server.api.get("/health/ready").await.ok();
        let told = ready["problems"].as_array().unwrap().iter().any(|problem| {
            let what = one["problems"][0]["what"].as_str().unwrap();
            problem.as_str().unwrap().contains(what)
        });
        assert!(told, "{ready}");
        let what = one["problems"][0]["what"].as_str().unwrap();
        assert!(home.said().contains(what), "the log says it, too: {what}: {}", home.said());
        save_over(&home.file(file), good);
        until(&format!("{file} is right again"), async || listed().await.0.get("problems").is_none().then_some(()))
            .await;
        assert_eq!(server.api.get("/health/ready").await.ok()["problems"], json!([]));
    }
    // One that never was right defines nothing, and is said.
    save_over(&home.file("boards/new.toml"), "[[panels]]\nid = \"a\"\n");
    until("the problem of a new file", async || {
        let list = server.api.get("/api/v1/boards").await.ok();
        list["problems"].as_array().unwrap().iter().any(|problem| problem["file"] == "new.toml").then_some(())
    })
    .await;
    server.api.get("/api/v1/boards/new").await.refused(404, "unknown_board");
}

#[tokio::test]
async fn a_board_saved_over_http_changes_open_pages() {
    let (_home, server) = server().await;
    let mut follower = Follower::new(["board:shop"]);
    let mut connection = follower.connect(server.address, Transport::WebSocket).await.expect("connected");
    follower.take_until(&mut connection, |f| f.is_live("view:shop.count")).await.expect("connected");
    let mut board = server.api.get("/api/v1/boards/shop").await.ok();
    board["panels"][0]["sql"] = "SELECT max(v) AS n FROM events".into();
    let saved = crate::support::api::read(server.api.request("PUT", "/api/v1/boards/shop").json(&board)).await.ok();
    let changed = |f: &Follower| only_row(f, "view:shop.count") == json!([{"n": 5}]);
    follower.take_until(&mut connection, changed).await.expect("connected");
    assert_eq!(resets(&follower, "view:shop.count"), ["changed"]);
    assert_eq!(follower.channel("board:shop").board.as_ref().unwrap()["definition_hash"], saved["definition_hash"]);
}

#[tokio::test]
async fn whoever_waits_for_a_view_is_answered_when_its_name_stands_for_something_else() {
    let (home, server) = server().await;
    let path = "/api/v1/views/total";
    let known = server.api.get(path).await.header("etag").to_owned();
    let waiting = server.api.request("GET", &format!("{path}?wait=50s")).header("If-None-Match", &known);
    // It is seen a moment later, when the wait has begun.
    let changed = async { save_over(&home.file("pulseboard.toml"), &CONFIG.replace("sum(v)", "max(v)")) };
    let (answer, ()) = tokio::join!(crate::support::api::read(waiting), changed);
    assert_eq!(answer.status, 200, "not 304 when the wait is over: {}", answer.text());
    assert_ne!(answer.header("etag"), known);
    until("its rows", async || (server.api.get(path).await.ok()["rows"] == json!([[5]])).then_some(())).await;
}
