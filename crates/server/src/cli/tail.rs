//! `pulseboard tail`: a stream's events as they come.

use serde_json::Value;

use super::Failure;
use super::args::{Format, QueryArgs, TailArgs};
use super::connect::{Place, Server, find};
use super::follow::{Follower, Wish, changes};
use super::out::{Printed, print};
use super::table::{Heading, members};

pub(super) async fn run(args: &TailArgs) -> Result<(), Failure> {
    match find(&args.target)? {
        Place::Server(server) => follow(server, args).await,
        Place::Directory => newest(args).await,
    }
}

async fn follow(server: Server, args: &TailArgs) -> Result<(), Failure> {
    let query = vec![("channel", format!("stream:{}", args.stream)), ("last", args.last.to_string())];
    let mut follower = Follower::open(&args.target, server, Wish::Channel(query)).await?;
    let mut headings: Vec<Heading> = Vec::new();
    while let Some(frame) = follower.next().await? {
        for change in changes(&frame) {
            if let Some(reset) = change["reset"].as_str() {
                let missed = change["missed"].as_u64().map(|missed| format!(", {missed} missed")).unwrap_or_default();
                eprintln!("pulseboard: the stream starts again: {reset}{missed}");
            }
            if print(&lines(change, &mut headings))? == Printed::ReaderGone {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The rows of a change, one JSON object a line.
fn lines(change: &Value, headings: &mut Vec<Heading>) -> String {
    let mut out = String::new();
    for part in [&change["snapshot"], &change["delta"]] {
        if part["columns"].is_array() {
            *headings = Heading::read(&part["columns"]);
        }
        let rows = part["rows"].as_array().or_else(|| part["append"].as_array());
        for row in rows.map(Vec::as_slice).unwrap_or_default() {
            let cells = row.as_array().map(Vec::as_slice).unwrap_or_default();
            out += &format!("{{{}}}\n", members(headings, cells));
        }
    }
    out
}

/// Without a server nothing comes: the newest events are all there is.
async fn newest(args: &TailArgs) -> Result<(), Failure> {
    let query = QueryArgs {
        sql: newest_sql(&args.stream, args.last),
        live: false,
        at: None,
        timezone: None,
        format: Format::Json,
        target: args.target.clone(),
    };
    super::query::run(&query).await
}

/// The columns of a tail, in its order.
fn newest_sql(stream: &str, last: usize) -> String {
    let stream = stream.replace('"', "\"\"");
    format!(
        "SELECT * FROM (SELECT *, _source_time, _arrived_at, _offset FROM \"{stream}\" ORDER BY _offset DESC LIMIT {last}) \
         ORDER BY _offset"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tail_prints_rows_under_the_newest_columns() {
        let columns = |names: &[&str]| names.iter().map(|name| json!({"name": name, "type": "int"})).collect::<Value>();
        let mut headings = Vec::new();
        let first = json!({"snapshot": {"columns": columns(&["n", "_offset"]), "rows": [[1, 1]]}});
        assert_eq!(lines(&first, &mut headings), "{\"n\":1,\"_offset\":1}\n");
        let grown = json!({"delta": {"columns": columns(&["n", "m", "_offset"]), "append": [[2, null, 2], [3, 4, 3]]}});
        let expected = "{\"n\":2,\"m\":null,\"_offset\":2}\n{\"n\":3,\"m\":4,\"_offset\":3}\n";
        assert_eq!(lines(&grown, &mut headings), expected);
    }

    #[test]
    fn the_files_give_the_columns_that_the_server_gives() {
        let sql = newest_sql("a\"b", 3);
        assert!(sql.contains("SELECT *, _source_time, _arrived_at, _offset FROM \"a\"\"b\""), "{sql}");
    }
}
