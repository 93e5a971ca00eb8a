//! Wrong configuration, busy ports, locked directories, foreign pages: refused at once, in words that help.

use std::path::PathBuf;

use crate::support::api::{Answer, read};
use crate::support::cli::{finish, pulseboard};
use crate::support::server::Home;

const WRONG: &str = r#"
timezone = "Mars/Base"
colour = "red"
[server]
listne = "127.0.0.1:0"
[streams.orders]
keep = "soon"
fields = { total = "money" }
[[sources]]
kind = "kafka"
[views.a]
[views.b]
sql = "SELECT 1"
qsl = "SELECT 2"
"#;

/// For each problem, its key and a word of what is said.
const PROBLEMS: [(&str, &str); 8] = [
    ("timezone", "not a time zone"),
    ("colour", "unknown key"),
    ("server.listne", "did you mean `listen`?"),
    ("streams.orders.keep", "not a span"),
    ("streams.orders.fields.total", "not a field type"),
    ("sources[0].kind", "host"),
    ("views.a.sql", "is missing"),
    ("views.b.qsl", "sql"),
];

fn path_text(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}

/// One line for each problem, with file, key and what is wrong; nothing else.
fn assert_all_named(lines: &[String], file: &str) {
    for (key, what) in PROBLEMS {
        let start = format!("pulseboard: {file}: {key}: ");
        let found = lines.iter().find(|line| line.starts_with(&start));
        assert!(found.is_some_and(|line| line.contains(what)), "no `{key}` with `{what}` in {lines:#?}");
    }
    assert_eq!(lines.len(), PROBLEMS.len(), "{lines:#?}");
}

#[tokio::test]
async fn check_names_every_problem_of_a_configuration_at_once() {
    let home = Home::new(WRONG);
    let file = path_text(home.file("pulseboard.toml"));
    let lines = pulseboard(["check", &file]).await.failed(2);
    assert_all_named(&lines, &file);
    assert!(!home.data_dir().exists(), "checking makes nothing");
}

#[tokio::test]
async fn serve_names_every_problem_of_a_configuration_at_once_and_does_not_start() {
    let home = Home::new(WRONG);
    let said = finish(home.serve_command()).await;
    assert_eq!(said.stdout, "", "it does not listen");
    assert_all_named(&said.failed(2), &path_text(home.file("pulseboard.toml")));
    assert!(!home.data_dir().exists(), "nothing was made");
}

#[tokio::test]
async fn a_file_that_is_missing_or_no_toml_is_refused() {
    let home = Home::new("a = \n");
    let file = path_text(home.file("pulseboard.toml"));
    let lines = pulseboard(["check", &file]).await.failed(2);
    assert!(lines.len() == 1 && lines[0].contains("line 1"), "{lines:?}");
    let lines = pulseboard(["check", &path_text(home.file("missing.toml"))]).await.failed(2);
    assert!(lines.len() == 1 && lines[0].contains("missing.toml"), "{lines:?}");
}

#[tokio::test]
async fn a_view_whose_sql_is_wrong_stops_the_start_with_its_name_and_place() {
    let home = Home::new("[views.a]\nsql = \"SELECT count(* FROM events\"\n[views.b]\nsql = \"DROP TABLE events\"\n");
    let said = finish(home.serve_command()).await;
    let lines = said.failed(2);
    assert_eq!(lines.len(), 2, "both at once: {lines:?}");
    assert!(lines[0].contains("view `a`") && lines[0].contains("column 16"), "{lines:?}");
    assert!(lines[1].contains("view `b`"), "{lines:?}");
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_told_of_the_first() {
    let home = Home::new("");
    let mut server = home.start().await;
    let said = finish(home.serve_command()).await;
    assert_eq!(said.stdout, "");
    let lines = said.failed(2);
    let [line] = lines.as_slice() else { panic!("not one line: {lines:?}") };
    assert!(line.contains(&server.api.url) && line.contains(&server.pid().to_string()), "{line}");
    assert!(line.contains(&path_text(home.data_dir())), "{line}");
    server.assert_well().await;
}

#[tokio::test]
async fn a_busy_port_is_named() {
    let (home, other) = (Home::new(""), Home::new(""));
    let server = home.start().await;
    let address = server.address.to_string();
    let data_dir = path_text(other.data_dir());
    let lines = pulseboard(["serve", "--listen", &address, "--data-dir", &data_dir]).await.failed(2);
    let [line] = lines.as_slice() else { panic!("not one line: {lines:?}") };
    assert!(line.contains(&address) && line.contains("--listen"), "{line}");
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused_until_there_are_tokens() {
    let home = Home::new("");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let data_dir = path_text(home.data_dir());
        let lines = pulseboard(["serve", "--listen", address, "--data-dir", &data_dir]).await.failed(2);
        let [line] = lines.as_slice() else { panic!("not one line: {lines:?}") };
        assert!(line.contains("loopback") && line.contains("token"), "{line}");
    }
    assert!(!home.data_dir().exists(), "nothing is made for a server that does not start");
}

#[tokio::test]
async fn pages_and_names_from_elsewhere_are_refused_on_every_path() {
    let home = Home::new("[server]\nallowed_origins = [\"https://shop.example\"]\n");
    let server = home.start().await;
    let ask = async |method: &str, path: &str, header: &str, value: &str| -> Answer {
        read(server.api.request(method, path).header(header, value)).await
    };
    let paths =
        [("POST", "/api/v1/streams/s/events"), ("GET", "/api/v1/streams"), ("GET", "/"), ("GET", "/health/ready")];
    for (method, path) in paths {
        for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
            let refusal = ask(method, path, "Origin", origin).await.refused(403, "forbidden_origin");
            assert!(refusal.message.contains("allowed_origins"), "{refusal:?}");
        }
        ask(method, path, "Host", "rebound.example").await.refused(403, "forbidden_origin");
        for origin in ["http://localhost:5173", "https://shop.example"] {
            let answer = ask(method, path, "Origin", origin).await;
            assert_ne!(answer.status, 403, "{method} {path} of {origin}");
            assert_eq!(answer.header("access-control-allow-origin"), origin);
        }
        assert_ne!(ask(method, path, "Host", "shop.example").await.status, 403);
    }
    let upgrade = server.api.request("GET", "/api/v1/live").header("Origin", "https://evil.example");
    let upgrade = upgrade.header("Connection", "Upgrade").header("Upgrade", "websocket");
    let upgrade = upgrade.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    read(upgrade).await.refused(403, "forbidden_origin");
    ask("GET", "/api/v1/live/sse?channel=stream:s", "Origin", "https://evil.example")
        .await
        .refused(403, "forbidden_origin");
}
