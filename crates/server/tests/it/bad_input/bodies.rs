//! Event bodies that are wrong in part or as a whole: what is good is kept, what is bad is named.

use serde_json::{Value, json};

use crate::support::api::{Answer, Api, events_path, read};
use crate::support::server::{Home, Server};

async fn server() -> (Home, Server) {
    let home = Home::new("");
    let server = home.start().await;
    (home, server)
}

async fn numbers(api: &Api, stream: &str) -> Value {
    api.query(&format!("SELECT n FROM {stream} ORDER BY _offset")).await["rows"].clone()
}

async fn streams(api: &Api) -> Value {
    api.get("/api/v1/streams").await.ok()["streams"].clone()
}

/// The only row error of an answer.
fn only_error(answer: &Answer) -> (Value, String, String) {
    let errors = answer.json()["errors"].clone();
    let [error] = errors.as_array().unwrap().as_slice() else { panic!("not one error: {errors}") };
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (error["row"].clone(), text("field"), text("reason"))
}

#[tokio::test]
async fn a_malformed_line_in_the_middle_of_ndjson_is_one_rejected_row() {
    let (_home, server) = server().await;
    let answer = server.api.events("s", "{\"n\":1}\n{\"n\":2\n\n{\"n\":3}\n").await;
    let body = answer.ok();
    assert_eq!((&body["accepted"], &body["rejected"]), (&json!(2), &json!(1)), "{body}");
    let (row, _, reason) = only_error(&answer);
    assert_eq!(row, 2);
    assert!(reason.contains("not valid JSON"), "{reason}");
    assert_eq!(numbers(&server.api, "s").await, json!([[1], [3]]));
    assert_eq!(server.api.get("/api/v1/streams/s").await.ok()["rejected"], 1);
}

#[tokio::test]
async fn a_malformed_array_keeps_nothing_and_says_where_it_breaks() {
    let (_home, server) = server().await;
    let refusal = server.api.events("s", "[{\"n\":1},\n {\"n\":2},\n {\"n\":}]").await.refused(400, "bad_json");
    assert_eq!(refusal.details["line"], 3, "{refusal:?}");
    assert!(refusal.details["column"].is_u64(), "{refusal:?}");
    assert_eq!(streams(&server.api).await, json!([]), "nothing is kept, not even the stream");
}

#[tokio::test]
async fn json_that_is_no_event_is_refused() {
    let (_home, server) = server().await;
    for body in ["5", "\"text\"", "null", "true"] {
        let refusal = server.api.events("s", body).await.refused(400, "bad_json");
        assert!(refusal.message.contains("object"), "{body}: {refusal:?}");
    }
    let answer = server.api.events("s", "[1, {\"n\":1}, null]").await;
    assert_eq!((&answer.ok()["accepted"], &answer.ok()["rejected"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn a_wrong_type_rejects_its_row_and_names_the_field() {
    let (_home, server) = server().await;
    server.api.accepted("s", &json!({"n": 1, "item": {"price": 1.5}})).await;
    for (row, field) in [
        (json!({"n": "two"}), "n"),
        (json!({"n": true}), "n"),
        (json!({"n": [2]}), "n"),
        (json!({"item": {"price": "cheap"}}), "item.price"),
    ] {
        let answer = server.api.events("s", json!([row, {"n": 3}]).to_string()).await;
        assert_eq!((&answer.ok()["accepted"], &answer.ok()["rejected"]), (&json!(1), &json!(1)), "{row}");
        let (number, named, reason) = only_error(&answer);
        assert_eq!((number, named.as_str()), (json!(1), field), "{reason}");
        assert!(reason.contains("expected"), "it says what is allowed: {reason}");
    }
    let none = server.api.events("s", "{\"n\":\"two\"}").await;
    assert_eq!(none.status, 422, "{}", none.text());
    assert_eq!((&none.json()["accepted"], &none.json()["rejected"]), (&json!(0), &json!(1)), "{}", none.text());
}

#[tokio::test]
async fn invalid_utf_8_is_a_rejected_line_or_a_refused_document() {
    let (_home, server) = server().await;
    let answer = server.api.events("s", b"{\"n\":1}\n{\"n\":2,\"t\":\"\xff\xfe\"}\n{\"n\":3}\n".to_vec()).await;
    assert_eq!((&answer.ok()["accepted"], &answer.ok()["rejected"]), (&json!(2), &json!(1)));
    let (row, _, reason) = only_error(&answer);
    assert_eq!(row, 2);
    assert!(reason.contains("UTF-8"), "{reason}");

    let refusal = server.api.events("s", b"[{\"n\":4,\"t\":\"\xff\"}]".to_vec()).await.refused(400, "bad_json");
    assert!(refusal.message.contains("UTF-8"), "{refusal:?}");
    assert_eq!(numbers(&server.api, "s").await, json!([[1], [3]]));
}

#[tokio::test]
async fn absurd_times_are_rejected_by_name() {
    let (_home, server) = server().await;
    for time in [
        json!("1969-12-31T23:59:59Z"),
        json!(-1),
        json!("2999-01-01T00:00:00Z"),
        json!(4_102_444_800_i64),
        json!("yesterday"),
    ] {
        let answer = server.api.events("s", json!({"n": 1, "time": time}).to_string()).await;
        assert_eq!(answer.status, 422, "{time}: {}", answer.text());
        let (_, field, reason) = only_error(&answer);
        assert_eq!(field, "time", "{time}: {reason}");
        assert!(!reason.is_empty());
    }
    server.api.accepted("s", &json!({"n": 1, "time": "1970-01-01T00:00:00Z"})).await;
    let row = server.api.query("SELECT time FROM s").await["rows"].clone();
    assert_eq!(row, json!([[0]]));
}

#[tokio::test]
async fn an_empty_batch_is_fine_and_makes_nothing() {
    let (_home, server) = server().await;
    for body in ["", "[]", "\n\n  \n"] {
        let answer = server.api.events("s", body).await.ok();
        assert_eq!((&answer["accepted"], &answer["rejected"], &answer["errors"]), (&json!(0), &json!(0), &json!([])));
        assert!(answer["position"].is_string(), "{answer}");
    }
    assert_eq!(streams(&server.api).await, json!([]));
}

#[tokio::test]
async fn a_key_used_again_with_another_body_is_refused_and_with_the_same_answered_again() {
    let (_home, server) = server().await;
    let keyed = async |key: &str, body: &'static str| {
        read(server.api.request("POST", &events_path("s")).header("Idempotency-Key", key).body(body)).await
    };
    let partly = "[{\"n\":1},{\"n\":\"x\"}]";
    let first = keyed("a", partly).await.ok();
    assert_eq!(keyed("a", partly).await.ok(), first, "a retry reads what the first one did");
    let refusal = keyed("a", "{\"n\":2}").await.refused(409, "key_reused");
    assert!(refusal.message.contains("key"), "{refusal:?}");
    keyed("b", "{\"n\":3}").await.ok();
    server.api.accepted("s", &json!({"n": 4})).await;
    assert_eq!(numbers(&server.api, "s").await, json!([[1], [3], [4]]));
    keyed(&"k".repeat(201), "{\"n\":5}").await.refused(400, "bad_request");
}

#[tokio::test]
async fn an_unknown_encoding_is_refused_and_a_broken_one_too() {
    let (_home, server) = server().await;
    let encoded = async |encoding: &str, body: &'static str| {
        read(server.api.request("POST", &events_path("s")).header("Content-Encoding", encoding).body(body)).await
    };
    for encoding in ["br", "deflate", "compress", "gzip, gzip"] {
        let refusal = encoded(encoding, "{\"n\":1}").await.refused(415, "unsupported_type");
        assert!(refusal.message.contains("gzip") && refusal.message.contains("zstd"), "{refusal:?}");
    }
    for encoding in ["gzip", "zstd"] {
        let refusal = encoded(encoding, "this is not packed").await.refused(400, "bad_request");
        assert!(refusal.message.contains("unpacked"), "{refusal:?}");
    }
    assert_eq!(streams(&server.api).await, json!([]));
    encoded("identity", "{\"n\":1}").await.ok();
}
