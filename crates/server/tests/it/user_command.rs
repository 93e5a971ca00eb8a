//! `pulseboard user` as an operator uses it: before the first start, while a server runs, after it.

use serde_json::Value;

use crate::support::browser::{Browser, try_password};
use crate::support::server::Home;

const ONE: &str = "correct horse battery";
const OTHER: &str = "staple of another kind";

#[tokio::test]
async fn users_are_added_changed_listed_and_removed_with_a_server_and_without_one() {
    let home = Home::new("");
    let said = home.user(&["add", "ann", "--role", "viewer"], Some(ONE)).await;
    assert!(said.stderr.contains("needs a login or a token from now on"), "{said:?}");
    assert_eq!(said.ok(), "");
    // The first user locks the door, as the first token does: the server may listen for others.
    home.start_at("0.0.0.0:0").await.stop().await;
    let server = home.start().await;
    server.api.get("/api/v1/views").await.refused(401, "unauthorized");
    assert_eq!(Browser::log_in(&server, "ann", ONE).await.get("/api/v1/session").await.ok()["role"], "viewer");

    home.user(&["add", "bob@example.com", "--role", "admin", "--channels", "sql:*,board:b"], Some(ONE)).await.ok();
    let lines = home.user(&["add", "ann", "--role", "admin"], Some(OTHER)).await.failed(1);
    assert!(lines[0].contains("`user change ann`"), "{lines:?}");
    home.user(&["change", "ann"], Some(OTHER)).await.ok();
    try_password(&server.api, "ann", ONE).await.refused(401, "unauthorized");
    Browser::log_in(&server, "ann", OTHER).await;
    home.user(&["change", "ann", "--role", "editor"], None).await.ok();
    assert_eq!(Browser::log_in(&server, "ann", OTHER).await.get("/api/v1/me").await.ok()["role"], "editor");
    let listed = home.user(&["list", "--format", "json"], None).await.ok();
    let rows: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown: Vec<_> = rows.iter().map(|row| [&row["name"], &row["role"], &row["channels"]]).collect();
    assert_eq!(shown, [["ann", "editor", "*"], ["bob@example.com", "admin", "sql:*,board:b"]]);
    for (args, password, says) in [
        (&["change", "eve", "--role", "admin"][..], None, "no user `eve`"),
        (&["remove", "eve"], None, "no user `eve`"),
        (&["remove", "../views/x"], None, "no user"),
        (&["add", "eve", "--role", "viewer"], Some("short"), "at least 10 characters"),
        (&["add", "eve", "--role", "ingest"], Some(ONE), "for tokens"),
        (&["add", "e v e", "--role", "viewer"], Some(ONE), "no user"),
    ] {
        let lines = home.user(args, password).await.failed(1);
        assert!(lines[0].contains(says), "{args:?}: {lines:?}");
    }
    home.user(&["change", "ann"], None).await.failed(2);
    home.user(&["remove", "bob@example.com"], None).await.ok();
    try_password(&server.api, "bob@example.com", ONE).await.refused(401, "unauthorized");
    server.stop().await;

    // Without a server it works on the files; the next server knows what was done.
    home.user(&["change", "ann", "--role", "admin"], Some(ONE)).await.ok();
    let lines = home.user(&["add", "e/v/e", "--role", "viewer"], Some(ONE)).await.failed(1);
    assert!(lines[0].contains("letters, digits"), "{lines:?}");
    let server = home.start().await;
    let ann = Browser::log_in(&server, "ann", ONE).await;
    let audit = ann.get("/api/v1/audit?limit=2").await.ok();
    let what = |entry: &Value| format!("{} {} {}", entry["who"], entry["action"], entry["what"]).replace('"', "");
    let entries = audit["entries"].as_array().unwrap();
    assert_eq!(what(&entries[0]), "the command line user_saved ann admin [\\*\\] with a new password");
    assert_eq!(what(&entries[1]), "the command line user_removed bob@example.com");
    let rest = ann.get(&format!("/api/v1/audit?before={}", audit["next"])).await.ok();
    assert_eq!((rest["entries"].as_array().unwrap().len(), &rest["next"]), (4, &Value::Null), "{rest}");
    server.stop().await;
    home.user(&["remove", "ann"], None).await.ok();
    let server = home.start().await;
    server.api.get("/api/v1/me").await.refused(401, "unauthorized");
}
