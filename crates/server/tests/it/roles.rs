//! Every call × every sort of caller: what the table of the server says is said here once more, by hand.
//!
//! A call that the server has and this table has not fails the test, and so does one that is only here.

use std::collections::BTreeMap;

use pulseboard_gateway::ENDPOINTS;
use serde_json::json;

use crate::support::api::{Answer, read};
use crate::support::server::Home;
use crate::support::until::until;

const CONFIG: &str = "boards = \"boards\"\n[views.totals]\nsql = \"SELECT count(*) AS n FROM orders\"\n";
const BOARD: &str = "title = \"B\"\n[[panels]]\nid = \"n\"\ntype = \"stat\"\nview = \"totals\"\n";

/// Who may; `open` is everybody, without a token too.
const ALL: &str = "ingest viewer editor admin share";
const READ: &str = "viewer editor admin";
/// Readers of a link to board `b`, too.
const SEE: &str = "viewer editor admin share";
const EDIT: &str = "editor admin";
const SEND: &str = "ingest admin";
const ADMIN: &str = "admin";
const OPEN: &str = "open";

const EXPECTED: &[(&str, &str, &str)] = &[
    ("GET", "/health/live", OPEN),
    ("GET", "/health/ready", OPEN),
    ("GET", "/metrics", READ),
    ("GET", "/api/v1/openapi.json", OPEN),
    ("GET", "/api/v1/me", ALL),
    ("GET", "/api/v1/session", ALL),
    ("DELETE", "/api/v1/session", OPEN),
    ("POST", "/api/v1/streams/{stream}/events", SEND),
    ("GET", "/api/v1/streams", READ),
    ("GET", "/api/v1/streams/{stream}", READ),
    ("DELETE", "/api/v1/streams/{stream}", ADMIN),
    ("GET", "/api/v1/views", READ),
    ("GET", "/api/v1/views/{view}", SEE),
    ("PUT", "/api/v1/views/{view}", EDIT),
    ("DELETE", "/api/v1/views/{view}", EDIT),
    ("POST", "/api/v1/query", READ),
    ("POST", "/api/v1/range", SEE),
    ("POST", "/api/v1/explain", READ),
    ("POST", "/api/v1/live/queries", READ),
    ("GET", "/api/v1/boards", READ),
    ("GET", "/api/v1/boards/{board}", SEE),
    ("PUT", "/api/v1/boards/{board}", EDIT),
    ("DELETE", "/api/v1/boards/{board}", EDIT),
    ("GET", "/api/v1/boards/{board}/shares", EDIT),
    ("POST", "/api/v1/boards/{board}/shares", EDIT),
    ("DELETE", "/api/v1/boards/{board}/shares/{share}", EDIT),
    ("GET", "/api/v1/sources", READ),
    ("GET", "/api/v1/connections", ADMIN),
    ("GET", "/api/v1/alerts", READ),
    ("POST", "/api/v1/alerts", EDIT),
    ("PUT", "/api/v1/alerts", EDIT),
    ("DELETE", "/api/v1/alerts", EDIT),
    ("POST", "/api/v1/alerts/events", EDIT),
    ("GET", "/api/v1/alerts/{*rest}", READ),
    ("POST", "/api/v1/alerts/{*rest}", EDIT),
    ("PUT", "/api/v1/alerts/{*rest}", EDIT),
    ("DELETE", "/api/v1/alerts/{*rest}", EDIT),
    ("GET", "/api/v1/live", ALL),
    ("GET", "/api/v1/live/sse", SEE),
    ("GET", "/api/v1/live/poll", SEE),
    ("GET", "/socket.io/", READ),
    ("POST", "/socket.io/", READ),
    ("GET", "/api/v1/tokens", ADMIN),
    ("POST", "/api/v1/tokens", ADMIN),
    ("DELETE", "/api/v1/tokens/{token}", ADMIN),
    ("POST", "/api/v1/tickets", ALL),
    ("GET", "/api/v1/audit", ADMIN),
    ("GET", "/api/v1/users", ADMIN),
    ("PUT", "/api/v1/users/{user}", ADMIN),
    ("DELETE", "/api/v1/users/{user}", ADMIN),
    ("POST", "/api/v1/session", OPEN),
    ("PUT", "/api/v1/session/password", ALL),
];

/// A path with its places filled in.
fn filled(path: &str) -> String {
    let (share, user) = (("{share}", "share0"), ("{user}", "nobody"));
    [
        ("{stream}", "orders"),
        ("{view}", "totals"),
        ("{board}", "b"),
        ("{token}", "0000"),
        share,
        user,
        ("{*rest}", "a/b"),
    ]
    .iter()
    .fold(path.to_owned(), |path, (place, text)| path.replace(place, text))
}

#[tokio::test]
async fn every_call_is_for_the_roles_of_its_row_and_for_nobody_else() {
    let ours: Vec<_> = EXPECTED.iter().map(|(method, path, _)| (*method, *path)).collect();
    let theirs: Vec<_> = ENDPOINTS.iter().map(|endpoint| (endpoint.method, endpoint.path)).collect();
    for row in &theirs {
        assert!(ours.contains(row), "{row:?} has no row in this test: say who may");
    }
    assert_eq!(ours.len(), theirs.len(), "a row of this test is no call any more");

    let home = Home::new(CONFIG);
    std::fs::create_dir(home.file("boards")).unwrap();
    std::fs::write(home.file("boards/b.toml"), BOARD).unwrap();
    let server = home.start().await;
    server.api.accepted("orders", &json!({"total": 1})).await;
    let mut shown: BTreeMap<&str, Option<String>> = BTreeMap::from([("nobody", None)]);
    for role in ["ingest", "viewer", "editor", "admin"] {
        shown.insert(role, Some(home.new_token(&["--role", role]).await));
    }
    let admin = shown["admin"].clone().unwrap();
    let share = server.api.with_token(&admin).post("/api/v1/boards/b/shares", &json!({})).await.json();
    shown.insert("share", Some(share["secret"].as_str().unwrap().to_owned()));
    let last = if admin.ends_with('A') { "B" } else { "A" };
    shown.insert("forged", Some(format!("{}{last}", &admin[..admin.len() - 1])));
    shown.insert("a stranger", Some("eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ.".to_owned()));
    let revoked = home.new_token(&["--role", "admin"]).await;
    let id = revoked.split('_').nth(1).unwrap();
    home.token(&["revoke", id]).await.ok();
    shown.insert("revoked", Some(revoked));
    let expired = home.new_token(&["--role", "admin", "--expires", "1s"]).await;
    until("the token has ended", async || {
        let answer = server.api.with_token(&expired).get("/api/v1/me").await;
        (answer.status == 401).then_some(())
    })
    .await;
    shown.insert("expired", Some(expired));

    let ask = async |caller: &Option<String>, method: &str, path: &str| -> Answer {
        let api = caller.as_ref().map_or_else(|| server.api.clone(), |token| server.api.with_token(token));
        let request = api.request(method, path);
        // A link is for what its board shows.
        let body = if path.ends_with("/range") { json!({"view": "totals"}) } else { json!({}) };
        // Nothing is gone after a removal: it is of something that is not there.
        read(match method {
            "GET" => request,
            "DELETE" => request.header("if-match", "\"0\"").json(&body),
            _ => request.json(&body),
        })
        .await
    };
    for (method, path, roles) in EXPECTED {
        let path = filled(path);
        for (caller, token) in &shown {
            let answer = ask(token, method, &path).await;
            let what = format!("{method} {path} by {caller}: {} {}", answer.status, answer.text());
            // What Engine.IO refuses it says in its own shape, once somebody is let in.
            let its_own = path == "/socket.io/" && answer.status == 400;
            let code = if answer.status >= 400 && !its_own { answer.refusal().code } else { String::new() };
            match *caller {
                _ if *roles == OPEN => assert!(![401, 403].contains(&answer.status), "{what}"),
                "nobody" | "forged" | "a stranger" => {
                    assert_eq!((answer.status, code.as_str()), (401, "unauthorized"), "{what}");
                    assert_eq!(answer.header("www-authenticate"), "Bearer", "{what}");
                }
                "expired" => assert_eq!((answer.status, code.as_str()), (401, "token_expired"), "{what}"),
                "revoked" => assert_eq!((answer.status, code.as_str()), (401, "token_revoked"), "{what}"),
                role if roles.split(' ').any(|allowed| allowed == role) => {
                    // A view of the configuration is `read_only` for everybody, which is another matter.
                    assert!(answer.status != 401 && code != "forbidden", "{what}");
                    assert_ne!(code, "method_not_allowed", "{what}");
                    let removes = ["/tokens/", "/shares/", "/users/"].iter().any(|of| path.contains(of));
                    let routed = code != "not_found" || removes;
                    assert!(routed, "the table has a row for what nothing answers: {what}");
                }
                _ => assert_eq!((answer.status, code.as_str()), (403, "forbidden"), "{what}"),
            }
        }
    }
    // The app is the same for everybody.
    assert_eq!(server.api.get("/").await.status, 200);
}

#[tokio::test]
async fn what_is_in_no_table_is_not_there_for_anybody() {
    let home = Home::new("");
    let server = home.start().await;
    let admin = home.new_token(&["--role", "admin"]).await;
    for api in [server.api.clone(), server.api.with_token(&admin)] {
        for path in ["/api", "/api/v1", "/api/v2/views", "/api/v1/views/a/b", "/api/v1/tokens/a/b", "/metrics/x"] {
            api.get(path).await.refused(404, "not_found");
        }
        let answer = read(api.request("PATCH", "/api/v1/boards/b")).await;
        answer.refused(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "GET, PUT, DELETE");
    }
}
