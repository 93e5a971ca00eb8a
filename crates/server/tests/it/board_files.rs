//! Boards saved over HTTP into their files: made, changed, renamed, removed; conflicts, mistakes, crashes.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::api::{Answer, read};
use crate::support::cli::pulseboard;
use crate::support::server::{Home, Server};
use crate::support::until::until;

const SHOP: &str = r#"# What is sold.
title = "Shop" # for the wall

# The one that matters.
[[panels]]
id = "count"
type = "stat"
sql = 'SELECT count(*) AS n FROM events'
x = 0
"#;

fn home() -> Home {
    let home = Home::new("boards = \"boards\"\n[views.total]\nsql = \"SELECT sum(v) AS total FROM events\"\n");
    std::fs::create_dir(home.file("boards")).unwrap();
    std::fs::write(home.file("boards/shop.toml"), SHOP).unwrap();
    home
}

async fn put(server: &Server, path: &str, board: &Value) -> Answer {
    read(server.api.request("PUT", &format!("/api/v1/boards/{path}")).json(board)).await
}

async fn board(server: &Server, id: &str) -> Value {
    server.api.get(&format!("/api/v1/boards/{id}")).await.ok()
}

fn text(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn a_board_is_changed_in_its_file_with_its_comments() {
    let home = home();
    let server = home.start().await;
    let mut shop = board(&server, "shop").await;
    assert_eq!((&shop["editable"], &shop["channel"]), (&json!(true), &json!("board:shop")), "{shop}");
    let same = put(&server, "shop", &shop).await.ok();
    assert_eq!(
        (text(&home.file("boards/shop.toml")).as_str(), &same["hash"]),
        (SHOP, &shop["hash"]),
        "saved as it was"
    );

    shop["title"] = "Store".into();
    let panels = shop["panels"].as_array_mut().unwrap();
    panels.push(json!({"h": 2, "id": "all", "type": "stat", "view": "total"}));
    let saved = put(&server, "shop", &shop).await;
    let expected = SHOP.replace("\"Shop\"", "\"Store\"")
        + "\n[[panels]]\nid = \"all\"\ntype = \"stat\"\nview = \"total\"\nh = 2\n";
    assert_eq!(text(&home.file("boards/shop.toml")), expected);
    assert_ne!(saved.ok()["hash"], shop["hash"]);
    assert_eq!(saved.header("etag"), format!("\"{}\"", saved.ok()["hash"].as_str().unwrap()));
    assert_eq!(board(&server, "shop").await, saved.ok(), "what is saved is there at once");
    server.api.get("/api/v1/views/shop.count").await.ok();

    // And after a restart.
    server.stop().await;
    let server = home.start().await;
    assert_eq!(board(&server, "shop").await, saved.ok());
}

#[tokio::test]
async fn a_board_is_made_renamed_and_removed() {
    let home = home();
    let server = home.start().await;
    let new = json!({"title": "New", "hash": null, "panels": [{"id": "a", "type": "stat", "sql": "SELECT 1 AS n"}]});
    let made = put(&server, "fresh", &new).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let refusal = put(&server, "fresh", &new).await.refused(409, "conflict");
    assert_eq!(refusal.details["current"]["title"], "New", "{refusal:?}");

    let list = server.api.get("/api/v1/boards").await.ok();
    let ids: Vec<_> = list["boards"].as_array().unwrap().iter().map(|board| board["id"].clone()).collect();
    assert_eq!(ids, ["fresh", "shop"], "{list}");
    put(&server, "shop?rename_from=fresh", &made.json()).await.refused(409, "conflict");
    put(&server, "better?rename_from=none", &json!({"panels": []})).await.refused(404, "unknown_board");
    let renamed = put(&server, "better?rename_from=fresh", &made.json()).await.ok();
    assert_eq!((&renamed["id"], &renamed["title"]), (&json!("better"), &json!("New")));
    assert!(!home.file("boards/fresh.toml").exists() && home.file("boards/better.toml").exists());
    server.api.get("/api/v1/boards/fresh").await.refused(404, "unknown_board");
    server.api.get("/api/v1/views/better.a").await.ok();
    server.api.get("/api/v1/views/fresh.a").await.refused(404, "unknown_view");

    let delete =
        |hash: &str| server.api.request("DELETE", "/api/v1/boards/better").header("If-Match", format!("\"{hash}\""));
    read(delete("0000000000000000")).await.refused(409, "conflict");
    assert_eq!(read(delete(renamed["hash"].as_str().unwrap())).await.status, 204);
    assert!(!home.file("boards/better.toml").exists());
    read(delete("0000000000000000")).await.refused(409, "conflict");
    read(server.api.request("DELETE", "/api/v1/boards/better")).await.refused(404, "unknown_board");
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_not_written_over() {
    let home = home();
    let server = home.start().await;
    let mut shop = board(&server, "shop").await;
    let theirs = SHOP.replace("\"Shop\"", "\"Theirs\"");
    std::fs::write(home.file("boards/shop.toml"), &theirs).unwrap();
    shop["title"] = "Ours".into();
    let refusal = put(&server, "shop", &shop).await.refused(409, "conflict");
    assert_eq!(refusal.details["current"]["title"], "Theirs", "{refusal:?}");
    assert_eq!(text(&home.file("boards/shop.toml")), theirs);
    shop["hash"] = refusal.details["hash"].clone();
    put(&server, "shop", &shop).await.ok();
    assert!(text(&home.file("boards/shop.toml")).contains("title = \"Ours\" # for the wall"));

    std::fs::remove_file(home.file("boards/shop.toml")).unwrap();
    let refusal = put(&server, "shop", &shop).await.refused(409, "conflict");
    assert_eq!(refusal.details["hash"], Value::Null, "{refusal:?}");
}

#[tokio::test]
async fn of_many_who_save_at_once_one_wins_and_the_others_are_told() {
    let home = home();
    let server = home.start().await;
    let shop = board(&server, "shop").await;
    for round in 0..5 {
        let hash = board(&server, "shop").await["hash"].clone();
        let saves = (0..8).map(|number| {
            let mut mine = shop.clone();
            mine["hash"] = hash.clone();
            mine["title"] = format!("{round} {number}").into();
            let server = &server;
            async move { (mine["title"].clone(), put(server, "shop", &mine).await) }
        });
        let answers = futures::future::join_all(saves).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 7));
        for (_, answer) in lost {
            assert_eq!(answer.refused(409, "conflict").details["current"]["title"], won[0].0, "who won");
        }
        assert_eq!(board(&server, "shop").await["title"], won[0].0);
        assert!(text(&home.file("boards/shop.toml")).contains(won[0].0.as_str().unwrap()));
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_as_of_a_file_and_nothing_changes() {
    let home = home();
    let server = home.start().await;
    let before = board(&server, "shop").await;
    let bad = json!({"titel": "x", "max_hz": 0, "panels": [
        {"id": "a", "type": "pie", "sql": "SELECT count(*) AS n FROM events", "x": 13},
        {"id": "b", "type": "stat", "sql": "SELECT 1; SELECT 2", "options": {"valeu": "n"}},
        {"id": "c", "type": "stat"},
    ]});
    for path in ["shop", "shop?dry_run=1"] {
        let refusal = put(&server, path, &bad).await.refused(400, "bad_definition");
        let problems: Vec<String> = refusal.details["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|problem| format!("{}: {}", problem["key"].as_str().unwrap(), problem["what"].as_str().unwrap()))
            .collect();
        for key in [
            "titel: unknown key; did you mean `title`?",
            "max_hz: ",
            "panels[0].type: `pie` is not a panel type",
            "panels[0].x: ",
            "panels[1].sql: ",
            "panels[1].options.valeu: ",
            "panels[2]: needs either",
        ] {
            assert!(problems.iter().any(|problem| problem.starts_with(key)), "{key}: {problems:#?}");
        }
        // The same as somebody is told who checks such a file.
        let toml = "titel = \"x\"\nmax_hz = 0\n[[panels]]\nid = \"a\"\ntype = \"pie\"\nsql = \"SELECT count(*) AS n FROM events\"\nx = 13\n\
            [[panels]]\nid = \"b\"\ntype = \"stat\"\nsql = \"SELECT 1; SELECT 2\"\noptions = { valeu = \"n\" }\n[[panels]]\nid = \"c\"\ntype = \"stat\"\n";
        let other = Home::new("boards = \"boards\"\n");
        std::fs::create_dir(other.file("boards")).unwrap();
        std::fs::write(other.file("boards/shop.toml"), toml).unwrap();
        let lines = pulseboard(["check", other.file("pulseboard.toml").to_str().unwrap()]).await.failed(2);
        for problem in &problems {
            assert!(lines.iter().any(|line| line.ends_with(problem)), "{problem}: {lines:#?}");
        }
    }
    let panel = json!({"panels": [{"id": "a", "type": "stat", "view": "none"}]});
    let refusal = put(&server, "shop", &panel).await.refused(400, "bad_definition");
    assert!(refusal.message.contains("there is no view `none`"), "{refusal:?}");
    let secret = json!({"title": "file:/etc/passwd", "panels": []});
    put(&server, "shop", &secret).await.refused(400, "bad_definition");
    assert_eq!((board(&server, "shop").await, text(&home.file("boards/shop.toml")).as_str()), (before, SHOP));

    for (path, body, code) in [
        ("../x", "{}", 404),
        ("1x", "{}", 400),
        ("a%2Fb", "{}", 400),
        ("shop", "[]", 400),
        ("shop?dry_run=maybe", "{}", 400),
    ] {
        let answer = read(
            server
                .api
                .request("PUT", &format!("/api/v1/boards/{path}"))
                .header("Content-Type", "application/json")
                .body(body),
        )
        .await;
        assert_eq!(answer.status, code, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let home = home();
    let server = home.start().await;
    let mut shop = board(&server, "shop").await;
    shop["title"] = "Preview".into();
    let preview = put(&server, "shop?dry_run=1", &shop).await.ok();
    assert_eq!((&preview["title"], &preview["hash"]), (&json!("Preview"), &shop["hash"]));
    let request = server.api.request("PUT", "/api/v1/boards/shop?dry_run=1").header("Accept", "application/toml");
    let as_file = read(request.json(&shop)).await;
    assert_eq!(as_file.text(), SHOP.replace("\"Shop\"", "\"Preview\""));
    assert_eq!(
        (board(&server, "shop").await["title"].clone(), text(&home.file("boards/shop.toml")).as_str()),
        (json!("Shop"), SHOP)
    );
    let new = put(&server, "fresh?dry_run=1", &json!({"hash": null, "panels": []})).await.ok();
    assert_eq!(new["hash"], Value::Null);
    assert!(!home.file("boards/fresh.toml").exists());
}

#[tokio::test]
async fn what_is_provisioned_is_read_only_and_says_so() {
    let home = Home::new("boards = \"boards\"\n[[sources]]\nkind = \"host\"\n");
    std::fs::create_dir(home.file("boards")).unwrap();
    std::fs::write(home.file("boards/fixed.toml"), format!("read_only = true\n{SHOP}")).unwrap();
    std::fs::write(home.file("boards/locked.toml"), SHOP).unwrap();
    let mut rights = std::fs::metadata(home.file("boards/locked.toml")).unwrap().permissions();
    rights.set_readonly(true);
    std::fs::set_permissions(home.file("boards/locked.toml"), rights).unwrap();
    let server = home.start().await;
    for (id, why) in [
        ("infra", "comes with the program"),
        ("system", "comes with the program"),
        ("fixed", "read_only = true"),
        ("locked", "only be read"),
    ] {
        let mut kept = board(&server, id).await;
        assert_eq!(kept["editable"], false, "{kept}");
        assert!(kept["read_only"].as_str().unwrap().contains(why), "{kept}");
        kept["title"] = "Mine".into();
        for path in [id.to_owned(), format!("{id}?dry_run=1"), format!("mine?rename_from={id}")] {
            let refusal = put(&server, &path, &kept).await.refused(403, "read_only");
            assert!(refusal.message.contains(why), "{refusal:?}");
        }
        read(server.api.request("DELETE", &format!("/api/v1/boards/{id}"))).await.refused(403, "read_only");
        // Under another name it is mine.
        kept["hash"] = Value::Null;
        assert_eq!(put(&server, &format!("my_{id}"), &kept).await.status, 201);
        assert_eq!(board(&server, &format!("my_{id}")).await["editable"], true);
    }
}

#[tokio::test]
async fn a_board_is_taken_out_as_its_file_and_put_in_elsewhere() {
    let home = home();
    let server = home.start().await;
    let out = read(server.api.request("GET", "/api/v1/boards/shop").header("Accept", "application/toml")).await;
    assert_eq!((out.text().as_str(), out.header("content-disposition")), (SHOP, "attachment; filename=\"shop.toml\""));
    let import = |body: &str| {
        let request = server.api.request("PUT", "/api/v1/boards/copy").header("Content-Type", "application/toml");
        request.header("If-None-Match", "*").body(body.to_owned())
    };
    read(import("title = \n")).await.refused(400, "bad_definition");
    assert_eq!(read(import(SHOP)).await.status, 201);
    assert_eq!(text(&home.file("boards/copy.toml")), SHOP);
    read(import(SHOP)).await.refused(409, "conflict");
    let etag = server.api.get("/api/v1/boards/copy").await.header("etag").to_owned();
    let again = read(server.api.request("GET", "/api/v1/boards/copy").header("If-None-Match", etag)).await;
    assert_eq!(again.status, 304);
}

#[tokio::test]
async fn without_a_folder_of_boards_they_are_kept_beside_the_data() {
    let home = Home::of_a_stranger();
    let server = home.start().await;
    assert_eq!(put(&server, "mine", &json!({"hash": null, "title": "Mine", "panels": []})).await.status, 201);
    assert!(home.data_dir().join("boards/mine.toml").exists());
    server.kill().await;
    let server = home.start().await;
    assert_eq!(board(&server, "mine").await["title"], "Mine");
}

#[tokio::test]
async fn a_kill_while_a_board_is_saved_leaves_the_old_file_or_the_new_one() {
    for (stage, is_new) in [("write", false), ("half", false), ("rename", false), ("renamed", true)] {
        let home = home();
        let server = home.start_with("PULSEBOARD_FAULT", &format!("definitions.save.{stage}=abort")).await;
        let mut shop = board(&server, "shop").await;
        shop["title"] = "Store".into();
        let cut = server.api.request("PUT", "/api/v1/boards/shop").json(&shop).send().await;
        assert!(cut.is_err(), "{stage}: it died");
        let new = SHOP.replace("\"Shop\"", "\"Store\"");
        assert_eq!(text(&home.file("boards/shop.toml")), if is_new { &new } else { SHOP }, "{stage}");
        let server = home.start().await;
        let found = board(&server, "shop").await;
        assert_eq!(found["title"], if is_new { "Store" } else { "Shop" }, "{stage}");
        shop["hash"] = found["hash"].clone();
        put(&server, "shop", &shop).await.ok();
        assert_eq!(text(&home.file("boards/shop.toml")), new, "{stage}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_said_and_changes_nothing() {
    let home = home();
    let server = home.start_with("PULSEBOARD_FAULT", "definitions.save.half=error").await;
    let mut shop = board(&server, "shop").await;
    shop["title"] = "Store".into();
    put(&server, "shop", &shop).await.refused(503, "unavailable");
    assert_eq!(
        (board(&server, "shop").await["title"].clone(), text(&home.file("boards/shop.toml")).as_str()),
        (json!("Shop"), SHOP)
    );
    // Nothing is left beside it, and the next one goes through.
    assert_eq!(std::fs::read_dir(home.file("boards")).unwrap().count(), 1);
    put(&server, "shop", &shop).await.ok();
    until("the new title", async || (board(&server, "shop").await["title"] == "Store").then_some(())).await;
}
