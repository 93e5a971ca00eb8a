//! Benches that start servers of their own, at a size that says nothing of speed: that they come to their end, that every
//! line of their table is there, and that they notice a wrong answer.

use serde_json::json;

use crate::support::cli::bench;
use crate::support::server::Home;

const SMALL: [&str; 10] = ["--rows", "20000", "--days", "3", "--series", "10", "--runs", "2", "--scans", "1"];

/// The lines of a bench's table, without its head.
fn lines(table: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    table.lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

fn history(dir: &std::path::Path) -> Vec<String> {
    let mut args: Vec<String> = ["history"].into_iter().chain(SMALL).map(str::to_owned).collect();
    args.extend(["--data-dir".to_owned(), dir.display().to_string()]);
    args
}

#[tokio::test]
async fn a_long_past_is_written_asked_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = lines(&bench(history(dir.path())).await.ok());
    let what: Vec<&str> = first.iter().map(|line| line[0].as_str()).collect();
    let due = [
        "3 days at 1 min of one of 10 series, 20,000 rows, a view: p50",
        "3 days at 1 min of one of 10 series, 20,000 rows, SQL of its own: p50",
        "every one of 20,000 rows counted and averaged by series: p50",
        "one row out of 20,000 rows by a unique text: p50",
        "one that is not among 20,000 rows by a unique text: p50",
        "history on disk, a row of 5 fields and its time, about 120 bytes of JSON",
        "history written: log, archive, files joined by days",
        "after the first questions the server is at rest in",
    ];
    assert_eq!(what, due);
    assert_eq!((first[0][2].as_str(), first[0][3].as_str()), ("50.0 ms", "20.0 ms"));
    assert_eq!((first[2][2].as_str(), first[2][3].as_str()), ("5,000,000 rows/s", "10,000,000 rows/s"));
    assert!(first[0][1].contains("points") && first[5][1].contains("as Parquet"), "{first:?}");

    // What was written is not written again.
    let second = lines(&bench(history(dir.path())).await.ok());
    assert_eq!(first[6], second[6]);

    // Rows that are not what they should be.
    let marker = dir.path().join("bench-history.json");
    let text = std::fs::read_to_string(&marker).unwrap();
    assert!(text.contains("\"symbols\":10"), "{text}");
    let start: i64 = text.split("\"start_us\":").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    let moved = text.replace(&start.to_string(), &(start + 60_000_000).to_string());
    std::fs::write(&marker, moved).unwrap();
    let said = bench(history(dir.path())).await.failed(1);
    assert!(said.join("\n").contains("answer is wrong"), "{said:?}");
}

/// The measured value of a line.
fn value<'a>(lines: &'a [Vec<String>], what: &str) -> &'a str {
    let line = lines.iter().find(|line| line[0].ends_with(what));
    &line.unwrap_or_else(|| panic!("no `{what}` in {lines:?}"))[1]
}

#[tokio::test]
async fn readers_over_every_transport_get_all_in_the_end() {
    let home = Home::new("[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n");
    let mut server = home.start().await;
    let url = format!("http://{}", server.address);
    server.api.accepted("events", &json!({"n": 1})).await;
    for transport in ["ws", "sse", "long-poll", "poll"] {
        let args = ["readers", "--url", &url, "--transport", transport, "--readers", "20", "--duration-s", "1"];
        let slow: &[&str] = if transport == "ws" { &["--slow", "3", "--slow-bytes-per-s", "500"] } else { &[] };
        let args = args.into_iter().chain(slow.iter().copied()).chain(["--poll-every-ms", "50", "--rate", "50"]);
        let lines = lines(&bench(args).await.ok());
        assert!(value(&lines, "end with what the server says").contains("20 of 20"), "{transport}: {lines:?}");
        assert!(!value(&lines, "frames read").starts_with("0 "), "{transport}: {lines:?}");
    }
    // A channel that is there, and nothing new on it.
    let args = ["readers", "--url", &url, "--channel", "view:totals", "--readers", "5", "--duration-s", "1"];
    let lines = lines(&bench(args).await.ok());
    assert!(value(&lines, "end with what the server says").contains("5 of 5"), "{lines:?}");
    server.assert_well().await;
}

#[tokio::test]
async fn storms_slow_readers_polling_and_idle_connections_have_their_lines() {
    let home = Home::new("");
    let mut server = home.start().await;
    let (url, pid) = (format!("http://{}", server.address), server.pid().to_string());
    let runs: [(&[&str], &[&str]); 4] = [
        (&["storm", "--readers", "30"], &["the last"]),
        (&["slow", "--readers", "12", "--slow", "3", "--pairs", "1", "--duration-s", "1"], &["against none slow"]),
        (&["polling", "--readers", "10", "--duration-s", "1", "--poll-every-ms", "100"], &["as a share of polling"]),
        (&["connections", "--connections", "50", "--transport", "sse"], &["50 of them"]),
    ];
    for (args, due) in runs {
        let args = args.iter().copied().chain(["--url", &url, "--server-pid", &pid]);
        let lines = lines(&bench(args).await.ok());
        due.iter().for_each(|what| drop(value(&lines, what).to_owned()));
    }
    server.assert_well().await;
}
