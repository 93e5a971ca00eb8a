//! `pulseboard query --live` and `tail` over a server that ends and comes back, on a terminal, and at Ctrl-C.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::server::{BINARY, Home};
use crate::support::until::within;

const BY_KIND: &str = "SELECT kind, sum(total) AS total FROM orders GROUP BY kind";

/// A command that goes on by itself, read line by line.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(home: &Home, args: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(args).arg("--data-dir").arg(home.data_dir()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        within("the next line", self.lines.next_line()).await.unwrap().expect("it goes on")
    }

    async fn json(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Ctrl-C: its exit code and what it said on stderr.
    async fn interrupt(mut self) -> (Option<i32>, String) {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let ended = within("its end", self.child.wait()).await.unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
        (ended.code(), said)
    }
}

#[tokio::test]
async fn what_is_followed_goes_on_when_the_server_comes_back_elsewhere() {
    let home = Home::new("");
    let mut server = home.start().await;
    server.api.accepted("orders", &json!([{"kind": "a", "total": 10}, {"kind": "b", "total": 5}])).await;
    let mut query = Running::start(&home, &["query", "--live", BY_KIND, "--format", "json"]);
    let mut tail = Running::start(&home, &["tail", "orders", "-n", "2"]);
    for expected in [json!({"kind": "a", "total": 10}), json!({"kind": "b", "total": 5})] {
        assert_eq!(query.json().await, expected);
        assert_eq!(tail.json().await["kind"], expected["kind"]);
    }
    // Killed, then ended in order: each time it comes back on another port and with another key.
    for round in 1..=2 {
        if round == 1 {
            server.kill().await;
        } else {
            server.stop().await;
        }
        server = home.start().await;
        server.api.accepted("orders", &json!({"kind": "a", "total": 1})).await;
        assert_eq!(query.json().await, json!({"kind": "a", "total": 10 + round}), "and nothing is said twice");
        let row = tail.json().await;
        assert_eq!((&row["kind"], &row["_offset"]), (&json!("a"), &json!(2 + round)), "every item once: {row}");
    }
    for running in [query, tail] {
        let (code, said) = running.interrupt().await;
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(said.matches("the server is away").count(), 2, "{said}");
        assert_eq!(said.matches("the server is there again").count(), 2, "{said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn while_it_waits_for_a_server_it_ends_at_once_when_nobody_wants_it() {
    let home = Home::new("");
    let server = home.start().await;
    server.api.accepted("orders", &json!({"kind": "a", "total": 10})).await;
    let mut query = Running::start(&home, &["query", "--live", BY_KIND, "--format", "csv"]);
    assert_eq!((query.line().await, query.line().await), ("kind,total".to_owned(), "a,10".to_owned()));
    server.stop().await;
    let (code, _said) = query.interrupt().await;
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn on_a_terminal_the_table_moves_in_place_and_in_a_pipe_it_is_plain() {
    let home = Home::new("");
    let server = home.start().await;
    server.api.accepted("orders", &json!([{"kind": "a", "total": 10}, {"kind": "b", "total": 5}])).await;
    let mut plain = Running::start(&home, &["query", "--live", BY_KIND]);
    for expected in ["kind  total", "────  ─────", "a        10", "b         5"] {
        assert_eq!(plain.line().await, expected);
    }
    server.api.accepted("orders", &json!({"kind": "b", "total": 1})).await;
    for expected in ["", "kind  total", "────  ─────", "a        10", "b         6"] {
        assert_eq!(plain.line().await, expected);
    }

    // `script` gives it a terminal.
    let data_dir = home.data_dir();
    let line = format!("stty rows 5 cols 40; exec {BINARY} query --live '{BY_KIND}' --data-dir {}", data_dir.display());
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut shown = String::new();
    let read_until = async |out: &mut ChildStdout, shown: &mut String, what: &str| {
        let mut bytes = [0; 4_096];
        while !shown.contains(what) {
            let read = within(what, out.read(&mut bytes)).await.unwrap();
            assert!(read > 0, "it ended: {shown:?}");
            shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    };
    read_until(&mut out, &mut shown, "\x1b[J").await;
    assert!(shown.contains("\x1b[2J\x1b[Hkind  total\x1b[K\r\n"), "{shown:?}");
    assert!(shown.contains("b         6\x1b[K"), "{shown:?}");
    shown.clear();
    server.api.accepted("orders", &json!([{"kind": "c", "total": 7}, {"kind": "d", "total": 8}])).await;
    read_until(&mut out, &mut shown, "\x1b[J").await;
    assert!(shown.starts_with("\x1b[H") && !shown.contains("\x1b[2J"), "in place: {shown:?}");
    assert!(shown.contains("… 3 more rows\x1b[K"), "what does not fit is said: {shown:?}");
    child.kill().await.unwrap();
    server.stop().await;
}
