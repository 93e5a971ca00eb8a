//! What is large goes packed to whoever takes it packed, and is the same.

use async_compression::tokio::write::{GzipDecoder, ZstdDecoder};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::server;
use crate::support::api::{Answer, Api, read};

/// The answer's body as it was before it was packed.
async fn unpacked(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::new();
    match answer.header("content-encoding") {
        "gzip" => {
            let mut decoder = GzipDecoder::new(&mut out);
            decoder.write_all(&answer.body).await.unwrap();
            decoder.shutdown().await.unwrap();
        }
        "zstd" => {
            let mut decoder = ZstdDecoder::new(&mut out);
            decoder.write_all(&answer.body).await.unwrap();
            decoder.shutdown().await.unwrap();
        }
        other => panic!("packed as {other}"),
    }
    out
}

async fn page(api: &Api, encodings: &str) -> Answer {
    read(api.request("GET", "/").header("Accept-Encoding", encodings)).await
}

#[tokio::test]
async fn the_app_and_answers_about_the_past_are_packed_for_those_who_ask() {
    let (_home, server, position) = server().await;
    let api = &server.api;
    let plain = api.get("/").await;
    assert!(plain.headers.get("content-encoding").is_none());
    for encoding in ["gzip", "zstd"] {
        let packed = page(api, encoding).await;
        assert_eq!(packed.header("content-encoding"), encoding);
        assert!(packed.header("vary").contains("accept-encoding"), "{}", packed.header("vary"));
        assert_eq!(unpacked(&packed).await, plain.body);
    }
    assert!(
        page(api, "br").await.headers.get("content-encoding").is_none(),
        "it is given plain if nothing else is taken"
    );

    let sql = "SELECT v, kind FROM events ORDER BY v";
    let body = json!({"sql": sql, "min_position": position});
    let ask = || api.request("POST", "/api/v1/query").json(&body);
    let plain = read(ask()).await.json();
    let packed = read(ask().header("Accept-Encoding", "gzip")).await;
    let rows = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap()["rows"].clone();
    assert_eq!(rows(&unpacked(&packed).await), plain["rows"]);
    for (path, body) in
        [("/api/v1/query", json!({"sql": "SELECT 1", "paramz": {}})), ("/api/v1/range", json!({"sql": 5}))]
    {
        let refused = read(api.request("POST", path).json(&body).header("Accept-Encoding", "gzip, zstd")).await;
        let message = refused.refused(400, "bad_request").message;
        assert!(message.is_ascii() && message.contains("JSON"), "{message:?}");
    }
    let poll = api.request("GET", "/api/v1/live/poll?channel=view:totals").header("Accept-Encoding", "gzip");
    assert!(read(poll).await.headers.get("content-encoding").is_none(), "a poll is answered as it is");
}

#[tokio::test]
async fn a_file_of_the_app_that_is_known_is_not_sent_again_however_it_was_packed() {
    let (_home, server, _position) = server().await;
    let first = page(&server.api, "gzip").await;
    let Some(tag) = first.headers.get("etag").and_then(|tag| tag.to_str().ok()) else {
        // A build without the app has one page, which is not kept.
        assert!(first.status == 200 && !first.body.is_empty());
        return;
    };
    assert!(tag.starts_with("W/\""), "{tag}");
    for known in [tag.to_owned(), tag.trim_start_matches("W/").to_owned(), format!("\"other\", {tag}")] {
        let again = server.api.request("GET", "/").header("If-None-Match", &known).header("Accept-Encoding", "zstd");
        let again = read(again).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
    }
    let other = read(server.api.request("GET", "/").header("If-None-Match", "W/\"other\"")).await;
    assert_eq!(other.status, 200);
}
