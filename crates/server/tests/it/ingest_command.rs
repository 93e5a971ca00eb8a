//! `pulseboard ingest`: CSV, and runs that are interrupted: the command killed, the server killed, the file changed meanwhile.

use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::api::Api;
use crate::support::cli::{Said, finish};
use crate::support::server::{BINARY, Home};
use crate::support::until::{until, within};

/// As many rows as are some parts of a megabyte each.
const ROWS: u64 = 120_000;
const COUNTED: &str = "SELECT count(*) AS n, count(DISTINCT n) AS d FROM events";

/// The command on this home, which keeps what it remembers there, too.
fn ingest(home: &Home, args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("ingest").args(args).arg("--data-dir").arg(home.data_dir());
    command.env("XDG_STATE_HOME", home.file("state")).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn ended(home: &Home, args: &[&str]) -> Said {
    finish(ingest(home, args)).await
}

fn write(home: &Home, name: &str, text: &str) -> String {
    std::fs::write(home.file(name), text).unwrap();
    home.file(name).into_os_string().into_string().unwrap()
}

fn many_csv() -> String {
    let mut text = String::from("n,kind,price,text\n");
    for n in 0..ROWS {
        writeln!(text, "{n},{},{}.5,{n:0200}", ["a", "b", "007"][n as usize % 3], n % 100).unwrap();
    }
    text
}

async fn events(api: &Api) -> u64 {
    let streams = api.get("/api/v1/streams").await.json();
    let list = streams["streams"].as_array().cloned().unwrap_or_default();
    list.iter().find(|stream| stream["name"] == "events").and_then(|stream| stream["events"].as_u64()).unwrap_or(0)
}

/// Waits until every event is counted, once.
async fn assert_whole(api: &Api) {
    let expected = json!([[ROWS, ROWS]]);
    until("all are counted", async || {
        let rows = api.query(COUNTED).await["rows"].clone();
        assert!(rows[0][0].as_u64() <= Some(ROWS), "some came twice: {rows}");
        (rows == expected).then_some(())
    })
    .await;
}

fn remembered(home: &Home) -> usize {
    let folder = home.file("state/pulseboard/ingest");
    if Path::new(&folder).exists() { std::fs::read_dir(folder).unwrap().count() } else { 0 }
}

#[tokio::test]
async fn csv_has_the_types_of_its_columns_and_of_the_stream() {
    let home = Home::new("[streams.declared]\nfields = { total = \"decimal(12,2)\", zip = \"string\" }\n");
    let server = home.start().await;
    let file = write(&home, "orders.csv", "id,zip,price,paid,note\n1,007,2,true,\"a, \"\"b\"\"\"\n2,10,2.5,false,\n");
    assert_eq!(ended(&home, &["orders", &file]).await.ok(), "2 events accepted, 0 rows refused\n");
    let sql = "SELECT id, zip, price, paid, note FROM orders ORDER BY id";
    let rows = until("they are there", async || {
        let rows = server.api.query(sql).await;
        (rows["rows"].as_array().map(Vec::len) == Some(2)).then_some(rows)
    })
    .await;
    let types: Vec<_> = rows["columns"].as_array().unwrap().iter().map(|column| column["type"].clone()).collect();
    assert_eq!(types, ["int", "string", "float", "bool", "string"]);
    assert_eq!(rows["rows"], json!([[1, "007", 2.0, true, "a, \"b\""], [2, "10", 2.5, false, null]]));
    assert_eq!(remembered(&home), 0, "what is sent whole is not remembered");

    // What the stream has decides, whatever the file looks like; a bad row is named by its number.
    let file = write(&home, "declared.tsv", "total\tzip\n12.50\t10\nx\t11\n7\t12\t13\n");
    let said = ended(&home, &["declared", &file]).await;
    assert_eq!(said.stdout, "1 events accepted, 2 rows refused\n");
    let lines = said.failed(1);
    assert!(lines[0].contains("row 2, field `total`"), "{lines:?}");
    assert!(lines[1].contains("row 3: line 4: it has 3 values, where the first line names 2"), "{lines:?}");
    let rows = server.api.query("SELECT total, zip FROM declared").await;
    assert_eq!(rows["rows"], json!([["12.50", "10"]]));
    let file = write(&home, "semicolons.txt", "a;b\n1;2\n");
    ended(&home, &["semicolons", &file, "--format", "csv", "--delimiter", ";"]).await.ok();
    for (text, expected) in [("", "is empty"), ("a,a\n1,2\n", "`a` twice")] {
        let file = write(&home, "bad.csv", text);
        let lines = ended(&home, &["bad", &file]).await.failed(2);
        assert!(lines.len() == 1 && lines[0].contains(expected), "{lines:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_was_killed_is_gone_on_with_and_nothing_comes_twice() {
    let home = Home::new("");
    let server = home.start().await;
    let file = write(&home, "events.csv", &many_csv());
    for _ in 0..3 {
        let before = events(&server.api).await;
        let mut running =
            ingest(&home, &["events", &file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("some of it came", async || (events(&server.api).await > before).then_some(())).await;
        running.kill().await.unwrap();
    }
    let after = events(&server.api).await;
    assert!(after < ROWS && remembered(&home) == 1, "it was killed too late to show anything: {after}");
    let said = ended(&home, &["events", &file]).await;
    assert!(said.stderr.contains("an interrupted run is gone on with"), "{said:?}");
    assert_eq!(said.ok(), format!("{ROWS} events accepted, 0 rows refused\n"));
    assert_whole(&server.api).await;
    let kinds = server.api.query("SELECT kind, count(*) AS n FROM events GROUP BY kind ORDER BY kind").await;
    let third = ROWS / 3;
    assert_eq!(kinds["rows"], json!([["007", third], ["a", third], ["b", third]]), "a column is of one type");
    assert_eq!(remembered(&home), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_elsewhere_is_sent_the_rest() {
    let home = Home::new("");
    let mut server = home.start().await;
    let file = write(&home, "events.csv", &many_csv());
    let mut running = ingest(&home, &["events", &file]).stdout(Stdio::null()).spawn().unwrap();
    for _ in 0..2 {
        let before = events(&server.api).await;
        until("some of it came", async || (events(&server.api).await > before).then_some(())).await;
        server.kill().await;
        assert!(running.try_wait().unwrap().is_none(), "it waits for the server");
        server = home.start().await;
    }
    let status = within("its end", running.wait()).await.unwrap();
    assert!(status.success(), "{status}");
    assert_whole(&server.api).await;
    server.stop().await;
}

#[tokio::test]
async fn what_changed_meanwhile_is_not_passed_over() {
    let home = Home::new("");
    let server = home.start().await;
    let text: String = (0..ROWS).map(|n| format!("{{\"n\":{n},\"text\":\"{n:0200}\"}}\n")).collect();
    let file = write(&home, "events.ndjson", &text);
    let interrupt = async |api: &Api| {
        let before = events(api).await;
        let mut running =
            ingest(&home, &["events", &file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("some of it came", async || (events(api).await > before).then_some(())).await;
        running.kill().await.unwrap();
    };
    interrupt(&server.api).await;
    // Another file by the same name.
    write(&home, "events.ndjson", &text.replacen("\"n\":0,", "\"n\":7,", 1));
    until("it is told", async || {
        let said = ended(&home, &["events", &file]).await;
        let first_part_was_answered = said.code == 1 && said.stderr.contains("not the one that was begun");
        // Killed before its first answer, the same key came with another body.
        (first_part_was_answered || said.stderr.contains("key")).then_some(())
    })
    .await;
    write(&home, "events.ndjson", &text);
    ended(&home, &["events", &file]).await.ok();
    assert_whole(&server.api).await;
    // What was sent too long ago to be known is asked about.
    let folder = home.file("state/pulseboard/ingest");
    interrupt(&server.api).await;
    let entry = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "json"));
    let path = entry.unwrap();
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["sent_us"] = json!(1);
    std::fs::write(&path, record.to_string()).unwrap();
    let lines = ended(&home, &["events", &file]).await.failed(1);
    assert!(lines.iter().any(|line| line.contains("--unsure skip")), "{lines:?}");
    ended(&home, &["events", &file, "--unsure", "skip"]).await.ok();
    server.stop().await;
}
