//! `pulseboard token` as an operator uses it: before the first start, while a server runs, after it.

use serde_json::{Value, json};

use crate::support::api::{Api, read};
use crate::support::cli::pulseboard;
use crate::support::server::Home;
use crate::support::until::until;

const VIEW: &str = "[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n";

#[tokio::test]
async fn tokens_are_made_listed_and_taken_back_with_a_server_and_without_one() {
    let home = Home::new(VIEW);
    let said = home.token(&["create", "--role", "viewer", "--name", "the wall", "--expires", "30d"]).await;
    assert!(said.stderr.contains("needs a token from now on"), "{said:?}");
    let viewer = said.ok().trim().to_owned();
    assert!(viewer.starts_with("pb_") && !viewer.contains('\n'), "{viewer}");

    let server = home.start().await;
    server.api.get("/api/v1/views").await.refused(401, "unauthorized");
    assert_eq!(server.api.with_token(&viewer).get("/api/v1/me").await.ok()["name"], "the wall");
    // The command line finds its own key: nothing changes for who owns the directory.
    let data_dir = home.data_dir().display().to_string();
    let file = home.file("events.ndjson");
    std::fs::write(&file, "{\"n\":1}\n{\"n\":2}\n").unwrap();
    pulseboard(["ingest", "events", file.to_str().unwrap(), "--data-dir", &data_dir]).await.ok();
    let count = ["query", "SELECT count(*) FROM events", "--format", "csv", "--data-dir", &data_dir];
    until("both are counted", async || pulseboard(count).await.ok().ends_with("2\n").then_some(())).await;

    let ingest = home.new_token(&["--role", "ingest", "--channels", "stream:events,stream:orders"]).await;
    server.api.with_token(&ingest).accepted("events", &json!({"n": 3})).await;
    let listed = home.token(&["list", "--format", "json"]).await.ok();
    let rows: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown: Vec<_> =
        rows.iter().map(|row| (row["role"].as_str().unwrap(), row["channels"].as_str().unwrap())).collect();
    assert_eq!(shown, [("viewer", "*"), ("ingest", "stream:events,stream:orders")]);
    for token in [&viewer, &ingest] {
        let secret = token.splitn(3, '_').nth(2).unwrap();
        assert!(!listed.contains(secret), "a list shows no token");
    }

    let id = rows[0]["id"].as_str().unwrap();
    home.token(&["revoke", id]).await.ok();
    server.api.with_token(&viewer).get("/api/v1/me").await.refused(401, "token_revoked");
    let lines = home.token(&["revoke", "0000"]).await.failed(1);
    assert!(lines[0].contains("no token `0000`"), "{lines:?}");
    server.stop().await;

    // Without a server it works on the files; the next server knows what was done.
    let id = rows[1]["id"].as_str().unwrap();
    home.token(&["revoke", id]).await.ok();
    let server = home.start().await;
    for token in [&viewer, &ingest] {
        server.api.with_token(token).get("/api/v1/me").await.refused(401, "token_revoked");
    }
    server.api.get("/api/v1/me").await.refused(401, "unauthorized");
    let admin = home.new_token(&["--role", "admin"]).await;
    let audit = server.api.with_token(&admin).get("/api/v1/audit").await.ok();
    let actions: Vec<_> = audit["entries"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    let expected = ["token_created", "token_revoked", "token_revoked", "token_created", "token_created"];
    assert_eq!(actions, expected, "{audit}");
    let meta = std::fs::read(home.data_dir().join("meta.sqlite")).unwrap();
    for token in [&viewer, &ingest, &admin] {
        let secret = token.as_bytes();
        assert!(!meta.windows(secret.len()).any(|window| window == secret), "only hashes are kept");
    }
}

#[tokio::test]
async fn another_address_is_served_once_there_is_a_token_and_never_without_one() {
    let home = Home::new("[server]\nallowed_origins = [\"https://board.example\"]\n");
    let token = home.new_token(&["--role", "viewer"]).await;
    let server = home.start_at("0.0.0.0:0").await;
    let port = server.address.port();
    let api = Api::new(&format!("http://127.0.0.1:{port}"));
    api.get("/api/v1/views").await.refused(401, "unauthorized");
    let ask = async |token: Option<&str>, host: &str, origin: Option<&str>| {
        let api = token.map_or_else(|| api.clone(), |token| api.with_token(token));
        let request = api.request("GET", "/api/v1/views").header("host", host);
        read(match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        })
        .await
    };
    for host in ["192.0.2.7:8080", "[2001:db8::7]", "localhost", "board.example"] {
        ask(Some(&token), host, None).await.ok();
        ask(None, host, None).await.refused(401, "unauthorized");
    }
    ask(Some(&token), "rebound.example", None).await.refused(403, "forbidden_origin");
    ask(Some(&token), "192.0.2.7:8080", Some("http://192.0.2.7:8080")).await.ok();
    ask(Some(&token), "192.0.2.7:8080", Some("http://192.0.2.8:8080")).await.refused(403, "forbidden_origin");
}
