//! Packets of Engine.IO and Socket.IO by chance, over both transports: the server answers or closes, and others go on.

use proptest::prelude::*;
use proptest::sample::select;

use super::{World, assert_documented, nearly, pieces};
use crate::support::api::{Answer, read};
use crate::support::server::Server;
use crate::support::socketio::{Heard, Narrow};

/// As clients send them: Engine.IO's type, Socket.IO's, and what it holds.
const PACKETS: &[&str] = &[
    "40",
    "40{\"since\":\"00000000000000ab:42:7\"}",
    "40/other,{}",
    "41",
    "420[\"subscribe\",\"view:totals\"]",
    "421[\"subscribe\",{\"channels\":[\"view:totals\",\"stream:events\"],\"max_hz\":2,\"batch_ms\":5,\"last\":2}]",
    "42[\"subscribe\",{\"board\":\"infra\",\"since\":\"00000000000000ab:42:7~000000010000000200000003\"}]",
    "427[\"unsubscribe\",{\"sub\":1}]",
    "42[\"unsubscribe\",\"view:totals\"]",
    "430[{\"sub\":1}]",
    "451-[\"subscribe\",{\"_placeholder\":true,\"num\":0}]",
    "461-1[{\"_placeholder\":true,\"num\":0}]",
    "44{\"message\":\"x\"}",
    "2probe",
    "5",
    "3",
];

const PIECES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "b",
    "-",
    ",",
    "/",
    "[",
    "]",
    "{",
    "}",
    ":",
    "\"",
    "\\",
    "\"subscribe\"",
    "\"unsubscribe\"",
    "\"view:totals\"",
    "null",
    "1e999",
    "99999999999999999999",
    "é",
    "\0",
    "\u{1e}",
];

fn packet() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => nearly(PACKETS).boxed(),
        2 => select(PACKETS).prop_map(str::to_owned).boxed(),
        2 => pieces(PIECES, 14).boxed(),
        1 => (select(&["4", "42", "421", "42[\"subscribe\","][..]), ".{0,60}").prop_map(|(a, b)| format!("{a}{b}")).boxed(),
    ]
}

#[derive(Debug, Clone)]
enum Sent {
    Text(String),
    Binary(Vec<u8>),
}

fn sent() -> impl Strategy<Value = Vec<Sent>> {
    let one = prop_oneof![
        6 => packet().prop_map(Sent::Text),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Sent::Binary),
    ];
    prop::collection::vec(one, 1..8)
}

/// Under which number the last request of a case is answered.
const LAST_ACK: &str = "43987654";
const LAST: &str = "42987654[\"unsubscribe\",{\"sub\":4000000}]";

#[test]
fn any_packets_over_a_websocket_are_answered_or_end_it() {
    let mut world = World::new();
    world.check(200, sent(), &async |server, sent| {
        let mut socket = Narrow::connect(server.address).await.expect("connected");
        for packet in &sent {
            let told = match packet {
                Sent::Text(text) => socket.send(text).await,
                Sent::Binary(bytes) => socket.send_binary(bytes).await,
            };
            if told.is_err() {
                return;
            }
        }
        // It may have left, or never joined; where it has joined the first does nothing. The second comes to nothing where
        // it has not joined yet: then it is sent again.
        if socket.send("40").await.is_err() || socket.send(LAST).await.is_err() {
            return;
        }
        loop {
            match socket.hear().await {
                Heard::Text(text) if text.starts_with(LAST_ACK) => break,
                Heard::Text(text) if text == "2" => drop(socket.send("3").await),
                Heard::Text(text) if text.starts_with("40{") => drop(socket.send(LAST).await),
                Heard::Text(text) => assert!(!text.contains("\"internal\""), "{text} to {sent:?}"),
                Heard::Other => {}
                Heard::Ended => break,
            }
        }
    });
}

/// Opens a session over polls; gives its path.
async fn session(server: &Server) -> String {
    let path = "/socket.io/?EIO=4&transport=polling";
    let opened = server.api.get(path).await;
    let text = opened.text();
    let opened: serde_json::Value = serde_json::from_str(text.strip_prefix('0').expect("an open packet")).unwrap();
    format!("{path}&sid={}", opened["sid"].as_str().unwrap())
}

/// The library answers in the protocol's own words: `{"code":…,"message":…}`.
fn assert_answered(answer: &Answer, sent: &str) {
    match answer.status {
        200 => {}
        400 => assert!(answer.body.is_empty() || answer.json().is_object(), "{sent:?}: {}", answer.text()),
        _ => assert_documented(answer, &sent),
    }
}

#[test]
fn any_packets_in_polls_get_an_answer() {
    let mut world = World::new();
    let bodies = prop_oneof![
        3 => prop::collection::vec(packet(), 1..6).prop_map(|packets| packets.join("\u{1e}")),
        1 => ".{0,80}".boxed(),
    ];
    world.check(150, (any::<bool>(), bodies), &async |server, (joins, body)| {
        let session = session(server).await;
        if joins {
            let joined = read(server.api.request("POST", &session).body("40")).await;
            assert_eq!(joined.status, 200, "{}", joined.text());
        }
        assert_answered(&read(server.api.request("POST", &session).body(body.clone())).await, &body);
        // Its end, if it still is there: nothing of it is left for the next case.
        let end = read(server.api.request("POST", &session).body("1")).await;
        assert_answered(&end, &body);
    });
}

#[test]
fn any_query_of_engine_io_gets_an_answer() {
    const QUERIES: &[&str] = &[
        "EIO=4&transport=polling",
        "EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAHs",
        "EIO=4&transport=polling&t=abc&sid=AAAAAAAAAAAAAAHs",
        "EIO=3&transport=polling&b64=1",
    ];
    let mut world = World::new();
    world.check(
        150,
        (select(&["GET", "POST", "PUT", "DELETE"][..]), nearly(QUERIES)),
        &async |server, (method, query)| {
            let Ok(request) = server.api.request(method, "/socket.io/").build() else { return };
            let mut url = request.url().clone();
            url.set_query(Some(&query));
            let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
            assert_answered(&read(server.api.request(method, &path)).await, &query);
        },
    );
}
