//! Cursors and positions by chance: the server's own, changed a little, and texts that are none, wherever one may be given.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::{Change, World, assert_documented, changed, changes, pieces};
use crate::support::server::Server;

const PIECES: &[&str] = &[
    "00000000000000ab",
    ":",
    "~",
    ".",
    "0",
    "1",
    "42",
    "-1",
    "18446744073709551615",
    "1700000000123456",
    "000000010000000200000003",
    "é",
    "+",
    "%00",
    " ",
];

/// What is done to the cursor that a reader has.
#[derive(Debug, Clone)]
enum Given {
    Changed(Vec<Change>),
    /// One of its numbers is another one.
    Moved(usize, i64),
    Other(String),
}

fn given() -> impl Strategy<Value = Given> {
    let moved = (0..3_usize, select(&[-1_000_000_000, -1, 1, 2, 1_000, i64::MAX][..]));
    prop_oneof![
        3 => changes().prop_map(Given::Changed),
        3 => moved.prop_map(|(part, by)| Given::Moved(part, by)),
        2 => pieces(PIECES, 8).prop_map(Given::Other),
        1 => ".{0,60}".prop_map(Given::Other),
    ]
}

/// The text that comes of it.
fn text_of(own: &str, given: &Given) -> String {
    match given {
        Given::Changed(changes) => changed(own, changes.clone()),
        Given::Other(text) => text.clone(),
        Given::Moved(part, by) => {
            let mut parts: Vec<String> = own.splitn(3, ':').map(str::to_owned).collect();
            let (number, rest) = match parts[*part].find(|c: char| !c.is_ascii_hexdigit()) {
                Some(end) => parts[*part].split_at(end),
                None => (parts[*part].as_str(), ""),
            };
            let number = number.parse::<i64>().unwrap_or(7).wrapping_add(*by);
            parts[*part] = format!("{number}{rest}");
            parts.join(":")
        }
    }
}

async fn own_cursor(server: &Server) -> String {
    let frame = server.api.get("/api/v1/live/poll?channel=view:totals&channel=stream:events").await.ok();
    frame["cursor"].as_str().unwrap().to_owned()
}

#[test]
fn any_cursor_and_position_gets_a_documented_answer() {
    let places = ["poll", "poll-tag", "view-at", "view-min", "query-at", "query-min"];
    let mut world = World::new();
    world.check(250, (select(places.to_vec()), given()), &async |server, (place, given)| {
        let own = own_cursor(server).await;
        let own = if place.starts_with("poll") { own.as_str() } else { own.split('~').next().unwrap() };
        let text = text_of(own, &given);
        let api = &server.api;
        let encoded: String = serde_urlencoded::to_string([("x", &text)]).unwrap().split_off(2);
        let answer = match place {
            "poll" => {
                api.get(&format!("/api/v1/live/poll?channel=view:totals&channel=stream:events&since={encoded}")).await
            }
            "poll-tag" => {
                let path = "/api/v1/live/poll?channel=view:totals&channel=stream:events";
                let Ok(tag) = reqwest::header::HeaderValue::from_str(&format!("W/\"{text}\"")) else { return };
                crate::support::api::read(api.request("GET", path).header("if-none-match", tag)).await
            }
            "view-at" => api.get(&format!("/api/v1/views/totals?at={encoded}&wait=10ms")).await,
            "view-min" => api.get(&format!("/api/v1/views/totals?min_position={encoded}&wait=10ms")).await,
            "query-at" => api.post("/api/v1/query", &json!({"sql": "SELECT count(*) FROM events", "at": text})).await,
            _ => {
                let query = json!({"sql": "SELECT count(*) FROM events", "min_position": text, "wait": "10ms"});
                api.post("/api/v1/query", &query).await
            }
        };
        match answer.status {
            304 => assert!(answer.body.is_empty()),
            // Not reached in the little time there was.
            504 => drop(answer.refused(504, "not_reached")),
            _ => assert_documented(&answer, &(place, &text)),
        }
    });
}
