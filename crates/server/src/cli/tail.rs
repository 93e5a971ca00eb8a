//! `pulseboard tail`: a stream's events as they come.

use futures::StreamExt;
use serde_json::Value;

use super::Failure;
use super::args::TailArgs;
use super::connect::{Place, Server, find, refusal};
use super::query::print;
use super::sse::Cutter;
use super::table::{Heading, object};

pub(super) async fn run(args: &TailArgs) -> Result<(), Failure> {
    match find(&args.target)? {
        Place::Server(server) => follow(&server, args).await,
        Place::Directory => newest(args).await,
    }
}

async fn follow(server: &Server, args: &TailArgs) -> Result<(), Failure> {
    let query = [("channel", format!("stream:{}", args.stream)), ("last", args.last.to_string())];
    let query = serde_urlencoded::to_string(query).map_err(|error| Failure::refused(error.to_string()))?;
    let url = format!("{}/api/v1/live/sse?{query}", server.url);
    let response = server.client.get(url).send().await.map_err(|error| server.unreachable(&error))?;
    if !response.status().is_success() {
        let status = response.status();
        let body: Value = response.json().await.unwrap_or(Value::Null);
        return Err(refusal(status, &body));
    }
    let (mut bytes, mut cutter) = (response.bytes_stream(), Cutter::default());
    let mut headings: Vec<Heading> = Vec::new();
    loop {
        let chunk = tokio::select! {
            chunk = bytes.next() => chunk,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let Some(chunk) = chunk else { return Err(Failure::refused("the server ended the stream")) };
        let chunk = chunk.map_err(|error| server.unreachable(&error))?;
        for event in cutter.push(&chunk).into_iter().filter(|event| event.name == "init" || event.name == "frame") {
            let frame: Value = serde_json::from_str(&event.data)
                .map_err(|error| Failure::refused(format!("the server sent something else than a frame: {error}")))?;
            for change in frame["changes"].as_array().map(Vec::as_slice).unwrap_or_default() {
                for part in [&change["snapshot"], &change["delta"]] {
                    if part["columns"].is_array() {
                        headings = Heading::read(&part["columns"]);
                    }
                    let rows = part["rows"].as_array().or_else(|| part["append"].as_array());
                    for row in rows.map(Vec::as_slice).unwrap_or_default() {
                        let cells = row.as_array().map(Vec::as_slice).unwrap_or_default();
                        print(&format!("{}\n", object(&headings, cells)))?;
                    }
                }
                if let Some(reset) = change.get("reset").filter(|reset| !reset.is_null()) {
                    eprintln!("pulseboard: the stream starts again: {reset}");
                }
            }
        }
    }
}

/// Without a server nothing comes: the newest events are all there is.
async fn newest(args: &TailArgs) -> Result<(), Failure> {
    let stream = args.stream.replace('"', "\"\"");
    let sql = format!(
        "SELECT * FROM (SELECT *, _offset FROM \"{stream}\" ORDER BY _offset DESC LIMIT {}) ORDER BY _offset",
        args.last
    );
    let query = super::args::QueryArgs {
        sql,
        at: None,
        timezone: chrono_tz::UTC,
        format: super::args::Format::Json,
        target: args.target.clone(),
    };
    super::query::run(&query).await
}
