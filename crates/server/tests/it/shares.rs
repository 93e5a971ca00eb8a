//! Links to one board: what their readers see, what they do not, and their end.

use std::ffi::OsStr;

use serde_json::{Value, json};

use crate::support::api::{Api, read};
use crate::support::cli::pulseboard;
use crate::support::connection::Socket;
use crate::support::server::{Home, Server};
use crate::support::until::until;

const SHOP: &str = r#"
title = "Shop"
[[variables]]
name = "kind"
default = "a"
options = ["a", "b"]
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
id = "line"
type = "timeseries"
sql = "SELECT time, v FROM events WHERE kind = $kind AND time >= $from AND time < $to"
"#;

const OTHER: &str = "title = \"Other\"\n[[panels]]\nid = \"n\"\ntype = \"stat\"\nview = \"secret\"\n";

/// A server with two boards, and an editor.
async fn server() -> (Home, Server, Api) {
    let home = Home::new("boards = \"boards\"\n[views.secret]\nsql = \"SELECT count(*) AS n FROM events\"\n");
    std::fs::create_dir(home.file("boards")).unwrap();
    for (name, text) in [("shop", SHOP), ("other", OTHER)] {
        std::fs::write(home.file(&format!("boards/{name}.toml")), text).unwrap();
    }
    let editor = home.new_token(&["--role", "editor"]).await;
    let admin = home.new_token(&["--role", "admin"]).await;
    let server = home.start().await;
    let admin = server.api.with_token(&admin);
    let events = json!([{"kind": "a", "v": 1}, {"kind": "a", "v": 5}, {"kind": "b", "v": 2}]);
    let position = admin.accepted("events", &events).await;
    admin.live_view("shop.all", &position).await;
    let editor = server.api.with_token(&editor);
    (home, server, editor)
}

/// Makes a link: its id, and its readers.
async fn share(editor: &Api, board: &str, wish: &Value) -> (String, Api, String) {
    let answer = editor.post(&format!("/api/v1/boards/{board}/shares"), wish).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made = answer.json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert_eq!(made["fragment"], format!("#/share/{secret}"));
    (made["id"].as_str().unwrap().to_owned(), editor.with_token(&secret), secret)
}

async fn refused_everywhere(reader: &Api, paths: &[&str]) {
    for path in paths {
        reader.get(path).await.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn a_link_shows_one_board_live_and_nothing_else() {
    let (home, server, editor) = server().await;
    let (_, reader, secret) = share(&editor, "shop", &json!({"name": "the wall"})).await;
    let me = reader.get("/api/v1/session").await.ok();
    assert_eq!((&me["share"], &me["role"]), (&json!({"board": "shop", "variables": {}}), &json!("viewer")));
    let board = reader.get("/api/v1/boards/shop").await.ok();
    assert_eq!((&board["title"], &board["editable"]), (&json!("Shop"), &json!(false)));
    assert!(!board.to_string().contains("SELECT"), "how it is asked for is nobody's: {board}");
    let toml = read(reader.request("GET", "/api/v1/boards/shop").header("accept", "application/toml")).await;
    assert!(!toml.text().contains("SELECT"), "{}", toml.text());
    assert_eq!(reader.get("/api/v1/views/shop.count?p.kind=b").await.ok()["rows"], json!([[1]]));
    reader.get("/api/v1/live/poll?channel=board:shop?kind%3Db").await.ok();
    assert_eq!(board["panels"][2]["takes"], json!(["kind", "from", "to"]), "what its query takes is told: {board}");
    let range = json!({"view": "shop.line", "params": {"kind": "b"}, "from": "-1h"});
    let answer = reader.post("/api/v1/range", &range).await.ok();
    assert_eq!(answer["rows"].as_array().map(Vec::len), Some(1), "{answer}");
    let mut socket = Socket::open_with(server.address, &secret).await.unwrap();
    let frame = socket.follow("board:shop").await.unwrap();
    assert_eq!(frame["changes"].as_array().map(Vec::len), Some(4), "{frame}");
    let ticket = reader.post("/api/v1/tickets", &json!({})).await.json()["ticket"].as_str().unwrap().to_owned();
    Socket::open_at(server.address, &format!("/api/v1/live?ticket={ticket}")).await.unwrap();

    refused_everywhere(
        &reader,
        &[
            "/api/v1/boards",
            "/api/v1/boards/other",
            "/api/v1/views",
            "/api/v1/views/secret",
            "/api/v1/streams",
            "/api/v1/streams/events",
            "/api/v1/sources",
            "/metrics",
            "/api/v1/tokens",
            "/api/v1/users",
            "/api/v1/audit",
            "/api/v1/boards/shop/shares",
            "/api/v1/live/poll?channel=stream:events",
            "/api/v1/live/poll?channel=system",
            "/api/v1/live/poll?channel=board:other",
            "/api/v1/live/poll?channel=view:secret",
            "/socket.io/?EIO=4&transport=polling",
            // What no panel lets one choose is not chosen.
            "/api/v1/views/shop.all?p.kind=b",
            "/api/v1/views/shop.count?p.kind=c",
            "/api/v1/views/shop.count?p.Kind=b",
        ],
    )
    .await;
    for (path, body) in [
        ("query", json!({"sql": "SELECT 1"})),
        ("explain", json!({"sql": "SELECT 1"})),
        ("live/queries", json!({"sql": "SELECT 1"})),
        ("range", json!({"sql": "SELECT 1"})),
        ("range", json!({"view": "secret"})),
        ("range", json!({"view": "shop.line", "params": {"other": 1}})),
        ("streams/events/events", json!({"kind": "a"})),
        ("boards/shop/shares", json!({})),
    ] {
        reader.post(&format!("/api/v1/{path}"), &body).await.refused(403, "forbidden");
    }
    for (method, path) in [("PUT", "boards/shop"), ("DELETE", "boards/shop"), ("PUT", "views/secret")] {
        read(reader.request(method, &format!("/api/v1/{path}")).json(&json!({}))).await.refused(403, "forbidden");
    }
    socket.send(&json!({"type": "publish", "stream": "events", "events": [{"v": 1}]})).await.unwrap();
    let answer = loop {
        let message = socket.next().await.unwrap();
        if message["type"] != "frame" {
            break message;
        }
    };
    assert_eq!(answer["error"]["code"], "forbidden");
    // Without a link, a viewer's token or a login shares nothing.
    let viewer = server.api.with_token(&home.new_token(&["--role", "viewer"]).await);
    viewer.post("/api/v1/boards/shop/shares", &json!({})).await.refused(403, "forbidden");
}

#[tokio::test]
async fn what_a_link_fixes_its_readers_cannot_choose() {
    let (_home, server, editor) = server().await;
    let wish = json!({"variables": {"kind": "b"}});
    let (_, reader, secret) = share(&editor, "shop", &wish).await;
    assert_eq!(reader.get("/api/v1/session").await.ok()["share"]["variables"], json!({"kind": "b"}));
    assert_eq!(reader.get("/api/v1/views/shop.count?p.kind=b&p.least=2").await.ok()["rows"], json!([[1]]));
    reader.get("/api/v1/views/shop.all").await.ok();
    reader.get("/api/v1/live/poll?channel=board:shop?kind%3Db%26least%3D2").await.ok();
    for path in [
        "/api/v1/views/shop.count",
        "/api/v1/views/shop.count?p.kind=a",
        "/api/v1/live/poll?channel=board:shop",
        "/api/v1/live/poll?channel=board:shop?kind%3Da",
        "/api/v1/live/poll?channel=view:shop.count",
        "/api/v1/live/poll?channel=view:shop.count?kind%3Da",
    ] {
        reader.get(path).await.refused(403, "forbidden");
    }
    let range = async |params: Value| {
        let body = json!({"view": "shop.line", "params": params, "from": "-1h"});
        reader.post("/api/v1/range", &body).await
    };
    range(json!({"kind": "b"})).await.ok();
    for params in [json!({}), json!({"kind": "a"}), json!({"$kind": "a"})] {
        range(params).await.refused(403, "forbidden");
    }
    let mut socket = Socket::open_with(server.address, &secret).await.unwrap();
    socket.send(&json!({"type": "subscribe", "channels": ["board:shop?kind=a"]})).await.unwrap();
    assert_eq!(socket.next().await.unwrap()["error"]["code"], "forbidden");
    for (bad, code) in [
        (json!({"variables": {"kind": "c"}}), "bad_params"),
        (json!({"variables": {"colour": "b"}}), "bad_params"),
        (json!({"expires_in_s": 0}), "bad_request"),
        (json!({"name": "a\u{7}"}), "bad_request"),
    ] {
        editor.post("/api/v1/boards/shop/shares", &bad).await.refused(400, code);
    }
    editor.post("/api/v1/boards/shopp/shares", &json!({})).await.refused(404, "unknown_board");
}

#[tokio::test]
async fn a_link_that_is_taken_back_closes_its_readers_at_once_and_a_board_takes_its_links_along() {
    let (home, server, editor) = server().await;
    let mut open = Vec::new();
    for name in ["one", "two"] {
        let (id, reader, secret) = share(&editor, "shop", &json!({"name": name})).await;
        let mut socket = Socket::open_with(server.address, &secret).await.unwrap();
        socket.follow("board:shop").await.unwrap();
        open.push((id, reader, socket));
    }
    let listed = async || {
        let list = editor.get("/api/v1/boards/shop/shares").await.ok();
        assert!(!list.to_string().contains("pb_"), "a list tells no secret: {list}");
        list["shares"].as_array().unwrap().iter().map(|share| share["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, ["one", "two"]);
    let (id, reader, mut socket) = open.remove(0);
    let revoke = async |path: &str| read(editor.request("DELETE", path)).await;
    // A link is taken back where it was made, and is no token.
    revoke(&format!("/api/v1/boards/other/shares/{id}")).await.refused(404, "not_found");
    let admin = server.api.with_token(&home.new_token(&["--role", "admin"]).await);
    read(admin.request("DELETE", &format!("/api/v1/tokens/{id}"))).await.refused(404, "not_found");
    reader.get("/api/v1/boards/shop").await.ok();
    assert_eq!(revoke(&format!("/api/v1/boards/shop/shares/{id}")).await.status, 204);
    assert_eq!(socket.close_code().await, 4_503);
    reader.get("/api/v1/boards/shop").await.refused(401, "token_revoked");
    assert_eq!(listed().await, ["two"]);
    let (_, reader, mut socket) = open.remove(0);
    assert_eq!(read(editor.request("DELETE", "/api/v1/boards/shop")).await.status, 204);
    assert_eq!(socket.close_code().await, 4_503);
    reader.get("/api/v1/session").await.refused(401, "token_revoked");
    let audit = admin.get("/api/v1/audit").await.ok();
    let actions: Vec<_> = audit["entries"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    let expected =
        ["board_removed", "share_revoked", "share_revoked", "token_created", "share_created", "share_created"];
    assert_eq!(actions[..6], expected, "{audit}");
}

#[tokio::test]
async fn a_link_locks_no_door_and_ends_when_its_time_is_over_also_over_a_restart() {
    let home = Home::new("boards = \"boards\"\n");
    std::fs::create_dir(home.file("boards")).unwrap();
    std::fs::write(home.file("boards/shop.toml"), SHOP).unwrap();
    let server = home.start().await;
    let (_, lasting, lasting_secret) = share(&server.api, "shop", &json!({})).await;
    let (_, short, _) = share(&server.api, "shop", &json!({"expires_in_s": 1})).await;
    server.api.get("/api/v1/boards").await.ok();
    lasting.get("/api/v1/boards/shop").await.ok();
    lasting.get("/api/v1/boards").await.refused(403, "forbidden");
    until("the link has ended", async || (short.get("/api/v1/boards/shop").await.status == 401).then_some(())).await;
    server.stop().await;
    let server = home.start().await;
    server.api.get("/api/v1/boards").await.ok();
    server.api.with_token(&lasting_secret).get("/api/v1/boards/shop").await.ok();
    // What only shows a board lets nobody else listen.
    server.stop().await;
    let (data_dir, config) = (home.data_dir(), home.file("pulseboard.toml"));
    let place = ["--data-dir".as_ref(), data_dir.as_os_str(), "--config".as_ref(), config.as_os_str()];
    let args = ["serve", "--listen", "0.0.0.0:0"].map(AsRef::<OsStr>::as_ref);
    let lines = pulseboard(args.into_iter().chain(place)).await.failed(2);
    assert!(lines[0].contains("no token or user to lock it"), "{lines:?}");
}

#[tokio::test]
async fn the_command_makes_lists_and_takes_back_links() {
    let (home, server, _editor) = server().await;
    let said = home.share(&["create", "shop", "--name", "wall", "--variable", "kind=b", "--expires", "7d"]).await;
    let told = said.stderr.clone();
    let url = said.ok();
    let (address, secret) = url.trim_end().split_once("/#/share/").expect("an address of the app");
    assert_eq!(address, server.api.url);
    let reader = server.api.with_token(secret);
    let me = reader.get("/api/v1/session").await.ok();
    assert_eq!(me["share"], json!({"board": "shop", "variables": {"kind": "b"}}));

    let listed = home.share(&["list", "shop", "--format", "json"]).await.ok();
    let link: Value = serde_json::from_str(listed.trim_end()).unwrap();
    let id = link["id"].as_str().unwrap();
    assert_eq!((&link["name"], &link["variables"]), (&json!("wall"), &json!("kind=b")));
    assert!(told.contains(&format!("pulseboard share revoke shop {id}")) && !told.contains(secret), "{told}");
    assert!(!listed.contains(secret), "{listed}");
    assert_eq!(home.share(&["list", "other", "--format", "csv"]).await.ok().lines().count(), 1, "only the header");

    for (args, says) in [
        (&["create", "shpo"][..], "shpo"),
        (&["create", "a/b"], "no board `a/b`"),
        (&["create", "shop", "--variable", "kind=z"], "kind"),
        (&["create", "shop", "--variable", "colour=red"], "colour"),
        (&["revoke", "shop", "nothing"], "no such link"),
        (&["revoke", "other", id], "no such link"),
        (&["list", "nothing"], "nothing"),
    ] {
        let lines = home.share(args).await.failed(1);
        assert!(lines.len() == 1 && lines[0].contains(says), "{args:?}: {lines:?}");
    }
    let twice = ["create", "shop", "--variable", "kind=a", "--variable", "kind=b"];
    assert!(home.share(&twice).await.failed(2)[0].contains("twice"));

    home.share(&["revoke", "shop", id]).await.ok();
    reader.get("/api/v1/session").await.refused(401, "token_revoked");
    server.stop().await;
    let lines = home.share(&["list", "shop"]).await.failed(2);
    assert!(lines[0].contains("pulseboard serve"), "{lines:?}");
}
