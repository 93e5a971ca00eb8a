//! Views saved over HTTP into `views.d`: they run at once, after a restart, and as long as a board shows them.

use serde_json::{Value, json};

use crate::support::api::{Answer, read};
use crate::support::cli::pulseboard;
use crate::support::server::{Home, Server};

async fn put(server: &Server, path: &str, view: &Value) -> Answer {
    read(server.api.request("PUT", &format!("/api/v1/views/{path}")).json(view)).await
}

async fn delete(server: &Server, name: &str) -> Answer {
    read(server.api.request("DELETE", &format!("/api/v1/views/{name}"))).await
}

async fn listed(server: &Server, name: &str) -> Value {
    let list = server.api.get("/api/v1/views").await.ok();
    let found = list["views"].as_array().unwrap().iter().find(|view| view["name"] == name).cloned();
    found.unwrap_or_else(|| panic!("no view `{name}`: {list}"))
}

#[tokio::test]
async fn a_saved_view_runs_at_once_and_after_a_restart() {
    let home = Home::new("[views.fixed]\nsql = \"SELECT count(*) AS n FROM events\"\n");
    let server = home.start().await;
    let position = server.api.accepted("events", &json!([{"v": 1}, {"v": 5}])).await;
    let made = put(&server, "total", &json!({"sql": "SELECT sum(v) AS total FROM events", "hash": null})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(server.api.live_view("total", &position).await["rows"], json!([[6]]));
    let text = std::fs::read_to_string(home.file("views.d/total.toml")).unwrap();
    assert_eq!(text, "sql = \"SELECT sum(v) AS total FROM events\"\n");
    assert_eq!(listed(&server, "total").await, made.json());

    let mut view = made.json();
    view["sql"] = "SELECT max(v) AS most FROM events".into();
    let changed = put(&server, "total", &view).await.ok();
    assert_eq!(server.api.live_view("total", &position).await["rows"], json!([[5]]), "the name stands for the new one");
    put(&server, "total", &view).await.refused(409, "conflict");

    server.kill().await;
    let server = home.start().await;
    assert_eq!(server.api.live_view("total", &position).await["rows"], json!([[5]]));
    view["hash"] = changed["hash"].clone();
    let renamed = put(&server, "most?rename_from=total", &view).await.ok();
    assert_eq!((&renamed["name"], &renamed["editable"]), (&json!("most"), &json!(true)));
    server.api.get("/api/v1/views/total").await.refused(404, "unknown_view");
    assert_eq!(delete(&server, "most").await.status, 204);
    server.api.get("/api/v1/views/most").await.refused(404, "unknown_view");
    assert_eq!(std::fs::read_dir(home.file("views.d")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_no_saved_view_cannot_be_changed_and_says_why() {
    let home = Home::new("boards = \"boards\"\n[views.fixed]\nsql = \"SELECT count(*) AS n FROM events\"\n");
    std::fs::create_dir(home.file("boards")).unwrap();
    let board = "[[panels]]\nid = \"a\"\ntype = \"stat\"\nsql = \"SELECT count(*) AS n FROM events\"\n[[panels]]\nid = \"b\"\ntype = \"stat\"\nview = \"shown\"\n";
    std::fs::create_dir(home.file("views.d")).unwrap();
    std::fs::write(home.file("views.d/shown.toml"), "sql = \"SELECT 1 AS n\"\n").unwrap();
    std::fs::write(home.file("boards/shop.toml"), board).unwrap();
    let server = home.start().await;
    for (name, why) in [("fixed", "stands in the configuration"), ("shop.a", "is a panel of board `shop`")] {
        let kept = listed(&server, name).await;
        assert_eq!((&kept["editable"], &kept["hash"]), (&json!(false), &Value::Null), "{kept}");
        assert!(kept["read_only"].as_str().unwrap().contains(why), "{kept}");
        put(&server, name, &json!({"sql": "SELECT 1"})).await.refused(403, "read_only");
        delete(&server, name).await.refused(403, "read_only");
    }
    let refusal = delete(&server, "shown").await.refused(409, "conflict");
    assert!(refusal.message.contains("board shop") && refusal.message.contains("panels[1].view"), "{refusal:?}");
    assert!(home.file("views.d/shown.toml").exists());
    delete(&server, "none").await.refused(404, "unknown_view");
}

#[tokio::test]
async fn a_view_that_is_not_right_is_not_saved() {
    let home = Home::new("");
    let server = home.start().await;
    for (view, key, says) in [
        (json!({"sql": "SELECT 1; SELECT 2"}), "sql", "one"),
        (json!({"timezone": "UTC"}), "sql", "is missing"),
        (json!({"sql": "SELECT 1", "timezone": "Mars/Base"}), "timezone", "not a time zone"),
        (json!({"sql": "SELECT 1", "sqll": 2}), "sqll", "did you mean `sql`?"),
        (json!({"sql": "file:/etc/passwd"}), "sql", "only be written into the file itself"),
    ] {
        let refusal = put(&server, "bad", &view).await.refused(400, "bad_definition");
        let problem = &refusal.details["problems"][0];
        assert_eq!(problem["key"], key, "{refusal:?}");
        assert!(problem["what"].as_str().unwrap().contains(says), "{refusal:?}");
    }
    assert!(!home.file("views.d").exists());
    // A stream that is not there yet is waited for, as in a file.
    assert_eq!(
        put(&server, "later", &json!({"sql": "SELECT count(*) AS n FROM later", "hash": null})).await.status,
        201
    );
    server.api.view_state("later", "waiting").await;
    let position = server.api.accepted("later", &json!({"v": 1})).await;
    assert_eq!(server.api.live_view("later", &position).await["rows"], json!([[1]]));
}

#[tokio::test]
async fn files_that_are_wrong_at_a_start_are_all_named() {
    let home = Home::new("[views.twice]\nsql = \"SELECT 1\"\n");
    std::fs::create_dir(home.file("views.d")).unwrap();
    for (name, text) in
        [("twice", "sql = \"SELECT 2\""), ("bad", "sqll = 1"), ("1x", "sql = \"SELECT 1\""), (".hidden", "")]
    {
        std::fs::write(home.file(&format!("views.d/{name}.toml")), text).unwrap();
    }
    let lines = pulseboard(["check", home.file("pulseboard.toml").to_str().unwrap()]).await.failed(2);
    for (file, says) in [
        ("twice.toml", "is a view of the configuration too"),
        ("bad.toml", "sqll: unknown key; did you mean `sql`?"),
        ("bad.toml", "sql: is missing"),
        ("1x.toml", "not a valid view name"),
    ] {
        assert!(lines.iter().any(|line| line.contains(file) && line.contains(says)), "{file} {says}: {lines:#?}");
    }
    assert_eq!(lines.len(), 4, "{lines:#?}");
}
