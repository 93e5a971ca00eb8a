//! The command line as people use it: with a running server, and on the files of one that has ended.

use std::io::Cursor;
use std::process::Stdio;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::cli::{Said, pulseboard};
use crate::support::server::{BINARY, Home, Server};
use crate::support::until::{until, within};

async fn server() -> (Home, Server, String) {
    let home = Home::new("");
    let server = home.start().await;
    let events = json!([{"kind": "a", "total": 10}, {"kind": "b", "total": 5}, {"kind": "a", "total": 2}]);
    let position = server.api.accepted("orders", &events).await;
    (home, server, position)
}

/// Runs a command on the home's data directory.
async fn on(home: &Home, args: &[&str]) -> Said {
    let data_dir = home.data_dir().into_os_string().into_string().unwrap();
    pulseboard(args.iter().copied().chain(["--data-dir", &data_dir])).await
}

const BY_KIND: &str = "SELECT kind, sum(total) AS total FROM orders GROUP BY kind ORDER BY kind";

#[tokio::test]
async fn query_prints_the_same_from_a_server_and_from_its_files() {
    let (home, server, position) = server().await;
    server.api.accepted("orders", &json!({"kind": "b", "total": 100})).await;
    let formats = [
        (
            "table",
            "kind  total\n────  ─────\na        12\nb       105\n",
            "kind  total\n────  ─────\na        12\nb         5\n",
        ),
        (
            "json",
            "{\"kind\":\"a\",\"total\":12}\n{\"kind\":\"b\",\"total\":105}\n",
            "{\"kind\":\"a\",\"total\":12}\n{\"kind\":\"b\",\"total\":5}\n",
        ),
        ("csv", "kind,total\na,12\nb,105\n", "kind,total\na,12\nb,5\n"),
    ];
    let check = async || {
        for (format, now, then) in formats {
            assert_eq!(on(&home, &["query", BY_KIND, "--format", format]).await.ok(), now, "{format}");
            let at = on(&home, &["query", BY_KIND, "--format", format, "--at", &position]).await;
            assert_eq!(at.ok(), then, "{format} at {position}");
        }
    };
    check().await;
    let arrow = async || {
        let data_dir = home.data_dir();
        let args = ["query", BY_KIND, "--format", "arrow", "--data-dir", data_dir.to_str().unwrap()];
        let output = Command::new(BINARY).args(args).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let batches = StreamReader::try_new(Cursor::new(output.stdout), None).unwrap().map(Result::unwrap);
        let totals = batches.flat_map(|batch| batch.column(1).as_primitive::<Int64Type>().values().to_vec());
        assert_eq!(totals.collect::<Vec<_>>(), [12, 105]);
        let lines = on(&home, &["query", "SELECT total FROM ordrs", "--format", "arrow"]).await.failed(1);
        assert!(lines.len() == 1 && lines[0].contains("`orders`"), "{lines:?}");
    };
    arrow().await;
    let lines = on(&home, &["query", BY_KIND, "--live", "--format", "arrow"]).await.failed(2);
    assert!(lines[0].contains("table, json or csv"), "{lines:?}");
    let by_url =
        pulseboard(["query", "SELECT count(*) AS n FROM orders", "--format", "csv", "--url", &server.api.url]).await;
    assert_eq!(by_url.ok(), "n\n4\n");
    server.stop().await;
    check().await;
    arrow().await;
}

#[tokio::test]
async fn query_says_what_is_wrong_the_same_from_a_server_and_from_its_files() {
    let (home, server, _) = server().await;
    let check = async || {
        let lines = on(&home, &["query", "SELECT total FROM ordrs"]).await.failed(1);
        assert!(lines.len() == 1 && lines[0].contains("`orders`"), "{lines:?}");
        let lines = on(&home, &["query", "SELECT count(* FROM orders"]).await.failed(1);
        assert!(lines.len() == 1 && lines[0].contains("olumn") && lines[0].contains("16"), "{lines:?}");
        let lines = on(&home, &["query", "SELECT 1", "--at", "yesterday"]).await.failed(1);
        assert!(lines.len() == 1 && lines[0].contains("yesterday"), "{lines:?}");
        on(&home, &["query", "SELECT 1", "--timezone", "Mars/Base"]).await.failed(2);
    };
    check().await;
    server.stop().await;
    check().await;
}

/// A command that goes on by itself, read line by line.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(home: &Home, args: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(args).arg("--data-dir").arg(home.data_dir()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line, which must be JSON.
    async fn next(&mut self) -> Value {
        let line = within("the next line", self.lines.next_line()).await.unwrap().expect("it goes on");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

#[tokio::test]
async fn query_live_prints_the_answer_and_then_what_changes() {
    let (home, server, _) = server().await;
    let sql = "SELECT kind, sum(total) AS total FROM orders GROUP BY kind HAVING sum(total) < 50";
    let mut query = Running::start(&home, &["query", "--live", sql, "--format", "json"]);
    let mut first = [query.next().await, query.next().await];
    first.sort_by_key(ToString::to_string);
    assert_eq!(first, [json!({"kind": "a", "total": 12}), json!({"kind": "b", "total": 5})]);
    server.api.accepted("orders", &json!({"kind": "b", "total": 1})).await;
    assert_eq!(query.next().await, json!({"kind": "b", "total": 6}));
    server.api.accepted("orders", &json!({"kind": "b", "total": 100})).await;
    assert_eq!(query.next().await, json!({"kind": "b", "total": 6, "_removed": true}));
    query.child.kill().await.unwrap();
    let lines = on(&home, &["query", "--live", "SELECT 1 FROM ordrs"]).await.failed(1);
    assert!(lines[0].contains("`orders`"), "{lines:?}");
}

#[tokio::test]
async fn groups_without_an_order_stand_by_their_columns_live_and_once() {
    let (home, server, _) = server().await;
    let events: Vec<Value> = (0..40).map(|n| json!({"kind": "b", "shop": (n * 7) % 12, "total": n})).collect();
    server.api.accepted("orders", &Value::from(events)).await;
    for sql in [
        "SELECT sum(total) AS s, shop AS at, kind FROM orders GROUP BY kind, shop",
        "SELECT DISTINCT shop, kind FROM orders",
        "SELECT count(*) AS n, shop FROM orders GROUP BY shop HAVING count(*) > 1",
    ] {
        let once = on(&home, &["query", sql, "--format", "json"]).await.ok();
        let once: Vec<Value> = once.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let place = |row: &Value| {
            let shop = if row.get("at").is_some() { &row["at"] } else { &row["shop"] };
            (shop.as_i64().unwrap_or(i64::MAX), row["kind"].as_str().unwrap_or_default().to_owned())
        };
        assert!(once.len() > 10 && once.is_sorted_by_key(place), "{sql}: {once:?}");
        let mut live = Running::start(&home, &["query", "--live", sql, "--format", "json"]);
        for row in &once {
            assert_eq!(&live.next().await, row, "{sql}");
        }
        live.child.kill().await.unwrap();
    }
}

#[tokio::test]
async fn tail_prints_the_newest_and_then_what_comes() {
    let (home, server, _) = server().await;
    let mut tail = Running::start(&home, &["tail", "orders", "-n", "2"]);
    for (kind, total, offset) in [("b", 5, 2), ("a", 2, 3)] {
        let row = tail.next().await;
        assert_eq!(
            (&row["kind"], &row["total"], &row["_offset"]),
            (&json!(kind), &json!(total), &json!(offset)),
            "{row}"
        );
    }
    server.api.accepted("orders", &json!({"kind": "c", "total": 7, "new": true})).await;
    let row = tail.next().await;
    assert_eq!((&row["kind"], &row["new"], &row["_offset"]), (&json!("c"), &json!(true), &json!(4)), "{row}");
    let unknown = on(&home, &["tail", "ordrs"]).await.failed(1);
    assert!(unknown[0].contains("`orders`"), "{unknown:?}");

    tail.child.kill().await.unwrap();
    server.stop().await;
    let printed = on(&home, &["tail", "orders", "-n", "3"]).await.ok();
    let rows: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.iter().map(|row| &row["_offset"]).collect::<Vec<_>>(), [2, 3, 4], "{printed}");
}

#[tokio::test]
async fn ingest_sends_files_in_either_form_and_names_what_was_refused() {
    let (home, server, _) = server().await;
    let write = |name: &str, text: &str| {
        std::fs::write(home.file(name), text).unwrap();
        home.file(name).into_os_string().into_string().unwrap()
    };
    let lines: String = (0..50_000).map(|n| format!("{{\"n\":{n},\"text\":\"{n:064}\"}}\n")).collect();
    let file = write("many.ndjson", &lines);
    assert_eq!(on(&home, &["ingest", "many", &file]).await.ok(), "50000 events accepted, 0 rows refused\n");
    let counted = "SELECT count(*), count(DISTINCT n) FROM many";
    let counts = async |expected: Value| {
        until(&format!("{expected} are counted"), async || {
            (server.api.query(counted).await["rows"] == expected).then_some(())
        })
        .await;
    };
    counts(json!([[50_000, 50_000]])).await;
    // Running it again is meant: all events come again.
    on(&home, &["ingest", "many", &file]).await.ok();
    counts(json!([[100_000, 50_000]])).await;

    let file = write("array.json", "[{\"n\": 1},\n {\"n\": 2}]");
    assert_eq!(on(&home, &["ingest", "array", &file]).await.ok(), "2 events accepted, 0 rows refused\n");
    let file = write("bad.ndjson", "{\"n\": 3}\n{\"n\": \"x\"}\nnonsense\n");
    let said = on(&home, &["ingest", "array", &file]).await;
    assert_eq!(said.stdout, "1 events accepted, 2 rows refused\n");
    let lines = said.failed(1);
    assert!(lines[0].contains("row 2, field `n`") && lines[1].contains("row 3"), "{lines:?}");
    let missing = on(&home, &["ingest", "array", "missing.ndjson"]).await.failed(2);
    assert!(missing[0].contains("missing.ndjson"), "{missing:?}");
    server.stop().await;
    let lines = on(&home, &["ingest", "array", &file]).await.failed(2);
    assert!(lines[0].contains("no server runs"), "{lines:?}");
}

#[tokio::test]
async fn explain_says_how_and_warns() {
    let (home, server, _) = server().await;
    let said =
        on(&home, &["explain", "SELECT kind, sum(total) / count(*) AS mean FROM orders GROUP BY kind"]).await.ok();
    assert!(said.starts_with("maintained\n"), "{said}");
    assert!(said.contains("warning: ") && said.contains("divides integers"), "{said}");
    let lines = on(&home, &["explain", "SELECT ttal FROM orders"]).await.failed(1);
    assert!(lines[0].contains("`total`") && lines[0].contains("column 8"), "{lines:?}");
    server.stop().await;
    let lines = on(&home, &["explain", "SELECT 1"]).await.failed(2);
    assert!(lines[0].contains("no server runs"), "{lines:?}");
}

#[tokio::test]
async fn check_says_that_a_good_configuration_is_fine() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/pulseboard.toml");
    let said = pulseboard(["check", shipped]).await.ok();
    assert!(said.contains("fine") && said.lines().count() == 1, "{said}");
}

#[tokio::test]
async fn help_teaches_every_command_with_an_example() {
    let help = pulseboard(["--help"]).await.ok();
    for command in ["serve", "check", "query", "explain", "tail", "ingest", "bench"] {
        assert!(help.contains(&format!("\n  {command}")), "no `{command}` in {help}");
        let own = pulseboard([command, "--help"]).await.ok();
        assert!(own.contains("Usage: pulseboard") && own.contains("Example"), "{own}");
    }
    assert!(help.contains("curl") && help.contains("pulseboard query"), "{help}");
    let lines = pulseboard(["serv"]).await.failed(2);
    assert!(lines.join("\n").contains("serve"), "it names the near one: {lines:?}");
    assert!(pulseboard(["--version"]).await.ok().starts_with("pulseboard "));
}

#[tokio::test]
async fn without_a_server_and_a_directory_commands_say_what_to_do() {
    let home = Home::new("");
    for args in [&["query", "SELECT 1"][..], &["tail", "orders"], &["explain", "SELECT 1"]] {
        let lines = on(&home, args).await.failed(2);
        assert!(lines.len() == 1 && lines[0].contains("pulseboard serve"), "{lines:?}");
    }
    let lines = pulseboard(["query", "SELECT 1", "--url", "http://127.0.0.1:1"]).await.failed(1);
    assert!(lines[0].contains("http://127.0.0.1:1"), "{lines:?}");
}
