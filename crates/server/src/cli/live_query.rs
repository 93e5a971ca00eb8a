//! `pulseboard query --live`: the answer now, and again with each change.

use std::io::IsTerminal;

use serde_json::Value;

use super::Failure;
use super::args::QueryArgs;
use super::connect::{Server, find_server};
use super::follow::{Follower, changes};
use super::live_answer::{Changed, LiveAnswer};
use super::out::{Printed, print};
use super::query::question;
use super::table::{Heading, RowFormat, members, render, render_rows};

/// How often a table is printed again at most: nobody reads faster.
const TABLES_PER_S_MAX: u32 = 10;
/// Clears a terminal and begins at its top.
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

pub(super) async fn run(args: &QueryArgs) -> Result<(), Failure> {
    let Some(format) = args.format.of_rows() else {
        return Err(Failure::setup(
            "--live prints rows as they change, which is no Arrow stream: use table, json or csv",
        ));
    };
    let server = find_server(&args.target)?;
    let mut query = vec![("channel", register(&server, args).await?)];
    if format == RowFormat::Table {
        query.push(("max_hz", TABLES_PER_S_MAX.to_string()));
    }
    let mut follower = Follower::open(&server, &query).await?;
    let (mut answer, mut status, mut tables) = (LiveAnswer::default(), "live".to_owned(), 0_u64);
    while let Some(frame) = follower.next().await? {
        for change in changes(&frame) {
            tell_state(&change["state"], &mut status);
            let changed = answer.apply(change);
            let text = match format {
                RowFormat::Table if !changed.any => continue,
                RowFormat::Table => {
                    tables += 1;
                    let before = if std::io::stdout().is_terminal() { CLEAR } else { "\n" };
                    let before = if tables == 1 && before == "\n" { "" } else { before };
                    format!("{before}{}", render(&answer.headings, &answer.rows(), RowFormat::Table))
                }
                RowFormat::Json => json_lines(&answer.headings, &changed),
                RowFormat::Csv if changed.columns => render(&answer.headings, &changed.set, RowFormat::Csv),
                RowFormat::Csv => render_rows(&answer.headings, &changed.set, RowFormat::Csv),
            };
            if print(&text)? == Printed::ReaderGone {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn register(server: &Server, args: &QueryArgs) -> Result<String, Failure> {
    let answer = server.post("/api/v1/live/queries", &question(&args.sql, args.timezone, None)).await?;
    let channel = answer["channel"].as_str().map(str::to_owned);
    channel.ok_or_else(|| Failure::refused("the server gave no channel for the query"))
}

/// One line for each row that is new or differs; one marked `_removed` for each that went.
fn json_lines(headings: &[Heading], changed: &Changed) -> String {
    let removed = changed.removed.iter().map(|row| format!("{{\"_removed\":true,{}}}\n", members(headings, row)));
    removed.collect::<String>() + &render_rows(headings, &changed.set, RowFormat::Json)
}

/// Says on stderr what a reader of the rows could not see: that they are old, cut, or not there yet.
fn tell_state(state: &Value, before: &mut String) {
    let Some(status) = state["status"].as_str() else { return };
    if status == before {
        return;
    }
    status.clone_into(before);
    if !matches!(status, "live" | "rerun") {
        let reason = state["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        eprintln!("pulseboard: {status}{reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_has_a_line_for_each_row_that_changed_and_marks_those_that_went() {
        let headings = Heading::read(&json!([{"name": "kind", "type": "string"}, {"name": "n", "type": "int"}]));
        let changed = Changed {
            set: vec![vec![json!("a"), Value::Null]],
            removed: vec![vec![json!("b"), json!(2)]],
            any: true,
            columns: false,
        };
        let expected = "{\"_removed\":true,\"kind\":\"b\",\"n\":2}\n{\"kind\":\"a\",\"n\":null}\n";
        assert_eq!(json_lines(&headings, &changed), expected);
    }
}
