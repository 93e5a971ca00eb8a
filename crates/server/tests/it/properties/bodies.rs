//! Ingest bodies by chance: bytes, JSON that nearly is, objects of strange values, wrong headers.

use proptest::prelude::*;
use proptest::sample::select;

use super::{World, assert_documented, nearly, pieces};
use crate::support::api::{events_path, read};

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\n",
    " ",
    "\"a\"",
    "\"time\"",
    "\"_offset\"",
    "\"a.b\"",
    "\"\"",
    "\"\\u",
    "\"\\ud800\"",
    "1",
    "-1",
    "0.1",
    "-1e999",
    "1e400",
    "99999999999999999999",
    "null",
    "true",
    "fals",
    "NaN",
    "é",
    "\u{feff}",
    "\0",
    "{}",
    "{\"a\":1}",
    "[{\"a\":\"x\"}]",
    "{\"a\":{\"b\":[1,\"x\"]}}",
    "{\"time\":\"x\"}",
    "{\"time\":1e300}",
];

const BODIES: &[&str] = &[
    r#"{"n":1,"kind":"a","price":1.5,"item":{"tags":["x",null]}}"#,
    r#"[{"n":1},{"n":2.5,"time":"2024-02-29T12:00:00+01:00"},{"kind":null}]"#,
    "{\"n\":1}\n{\"n\":2}\n\n{\"n\":3,\"time\":1700000000123}\n",
];

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => ".{0,120}".prop_map(String::into_bytes),
        3 => pieces(PIECES, 30).prop_map(String::into_bytes),
        3 => nearly(BODIES).prop_map(String::into_bytes),
    ]
}

const TYPES: &[&str] = &["application/json", "application/x-ndjson", "text/plain", "multipart/form-data; boundary=x"];
const ENCODINGS: &[&str] = &["identity", "gzip", "zstd", "br", ""];

type Headers = (Option<&'static str>, Option<&'static str>, Option<String>);

fn headers() -> impl Strategy<Value = Headers> {
    let key = prop::option::weighted(0.3, "[ -~]{0,12}");
    (prop::option::of(select(TYPES)), prop::option::weighted(0.3, select(ENCODINGS)), key)
}

#[test]
fn any_body_gets_a_documented_answer() {
    let streams = ["events", "other", "a.b", "no such", "-", "%00", "x%2Fy"];
    let mut world = World::new();
    world.check(400, (select(streams.to_vec()), headers(), body()), &async |server, (stream, headers, body)| {
        let (content_type, encoding, key) = headers;
        let mut request = server.api.request("POST", &events_path(stream)).body(body.clone());
        let named =
            [("content-type", content_type), ("content-encoding", encoding), ("idempotency-key", key.as_deref())];
        for (name, value) in named {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let answer = read(request).await;
        assert_documented(&answer, &(stream, String::from_utf8_lossy(&body)));
        if answer.status == 200 {
            let counts = answer.json();
            assert!(counts["accepted"].is_u64() && counts["position"].is_string(), "{counts}");
        }
    });
}
