//! `pulseboard query --live`: the answer now, and again with each change.

use console::{Term, truncate_str};
use serde_json::Value;

use super::Failure;
use super::args::QueryArgs;
use super::connect::find_server;
use super::follow::{Follower, Wish, changes};
use super::live_answer::{Changed, LiveAnswer};
use super::out::{Printed, print};
use super::query::question;
use super::table::{Heading, RowFormat, members, render, render_rows};

/// How often a table is printed again at most: nobody reads faster.
const TABLES_PER_S_MAX: u32 = 10;
/// Clears what a terminal shows; what was there before stays to be scrolled to.
const CLEAR: &str = "\x1b[2J";
/// To the top.
const HOME: &str = "\x1b[H";
/// Takes away what is left of a line and goes on with the next.
const TO_NEXT_LINE: &str = "\x1b[K\n";
/// Takes away everything below.
const REST_AWAY: &str = "\x1b[J";

pub(super) async fn run(args: &QueryArgs) -> Result<(), Failure> {
    let Some(format) = args.format.of_rows() else {
        return Err(Failure::setup(
            "--live prints rows as they change, which is no Arrow stream: use table, json or csv",
        ));
    };
    let server = find_server(&args.target)?;
    let max_hz = (format == RowFormat::Table).then_some(TABLES_PER_S_MAX);
    let wish = Wish::Query { question: question(&args.sql, args.timezone, None), max_hz };
    let mut follower = Follower::open(&args.target, server, wish).await?;
    let (mut answer, mut status, mut tables) = (LiveAnswer::default(), "live".to_owned(), 0_u64);
    let terminal = Term::stdout();
    while let Some(frame) = follower.next().await? {
        for change in changes(&frame) {
            tell_state(&change["state"], &mut status);
            let changed = answer.apply(change);
            let text = match format {
                RowFormat::Table if !changed.any => continue,
                RowFormat::Table => {
                    tables += 1;
                    let table = render(&answer.headings, &answer.rows(), RowFormat::Table);
                    match (terminal.is_term(), tables) {
                        (true, 1) => CLEAR.to_owned() + &in_place(&table, terminal.size()),
                        (true, _) => in_place(&table, terminal.size()),
                        (false, 1) => table,
                        (false, _) => format!("\n{table}"),
                    }
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

/// A table over the last one on a terminal of so many lines and columns: nothing flickers, and nothing of the last one stays.
/// What does not fit is cut, and said.
fn in_place(table: &str, (lines, columns): (u16, u16)) -> String {
    let (lines, columns) = (usize::from(lines), usize::from(columns));
    let all = table.lines().count();
    // The last line stays free: a line end there would move everything up.
    let room = lines.saturating_sub(1).max(1);
    let shown = if all > room { room - 1 } else { all };
    let mut out = HOME.to_owned();
    for line in table.lines().take(shown) {
        out += &truncate_str(line, columns, "…");
        out += TO_NEXT_LINE;
    }
    if all > shown {
        out += &truncate_str(&format!("… {} more rows", all - shown), columns, "…");
        out += TO_NEXT_LINE;
    }
    out + REST_AWAY
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
    fn a_table_in_place_fits_the_terminal_and_leaves_nothing_of_the_last_one() {
        let table = "kind  n\n────  ─\na     1\nb     2\n";
        let whole = "\x1b[Hkind  n\x1b[K\n────  ─\x1b[K\na     1\x1b[K\nb     2\x1b[K\n\x1b[J";
        assert_eq!(in_place(table, (5, 80)), whole);
        let cut = "\x1b[Hkind…\x1b[K\n────…\x1b[K\n… 2 …\x1b[K\n\x1b[J";
        assert_eq!(in_place(table, (4, 5)), cut);
        assert_eq!(in_place(table, (0, 80)), "\x1b[H… 4 more rows\x1b[K\n\x1b[J");
    }

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
