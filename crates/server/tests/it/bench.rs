//! Benches that start servers of their own, at a size that says nothing of speed: that they come to their end, that every
//! line of their table is there, and that they notice a wrong answer.

use crate::support::cli::bench;

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
