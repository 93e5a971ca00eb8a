//! Bodies that are too large, also those that only become so when they are unpacked: refused, without eating the memory.

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::support::api::{Answer, events_path, read};
use crate::support::server::{Home, Server};

const MIB: usize = 1 << 20;
/// What refusing one body may add to the server's memory: a few times the largest body that is taken, 32 MiB.
const MEMORY_MAX: u64 = 160 << 20;

/// So many MiB of a JSON text, packed.
async fn packed(mut encoder: impl AsyncWrite + Unpin, mib: usize) {
    let block = vec![b' '; MIB];
    for _ in 0..mib {
        encoder.write_all(&block).await.unwrap();
    }
    encoder.write_all(b"{\"n\":1}").await.unwrap();
    encoder.shutdown().await.unwrap();
}

async fn gzip(mib: usize) -> Vec<u8> {
    let mut out = Vec::new();
    packed(GzipEncoder::new(&mut out), mib).await;
    out
}

async fn zstd(mib: usize) -> Vec<u8> {
    let mut out = Vec::new();
    packed(ZstdEncoder::new(&mut out), mib).await;
    out
}

async fn send(server: &Server, encoding: &str, body: Vec<u8>) -> Answer {
    read(server.api.request("POST", &events_path("s")).header("Content-Encoding", encoding).body(body)).await
}

/// Refused with 413, within the memory, and the next body is taken.
async fn assert_refused(server: &mut Server, encoding: &str, body: Vec<u8>) {
    let before = server.peak_memory_bytes();
    let refusal = send(server, encoding, body).await.refused(413, "too_large");
    assert!(refusal.message.contains("33554432 bytes"), "{refusal:?}");
    let grown = server.peak_memory_bytes() - before;
    println!("{encoding}: {} MiB more", grown >> 20);
    assert!(grown < MEMORY_MAX, "refusing took {} MiB", grown >> 20);
    server.assert_well().await;
    server.api.accepted("s", &json!({"n": 2})).await;
}

#[tokio::test]
async fn a_body_of_100_mb_is_refused_and_the_memory_holds() {
    let home = Home::new("");
    let mut server = home.start().await;
    let line = b"{\"n\":1,\"text\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\n";
    let body = line.repeat(100_000_000 / line.len());
    assert_refused(&mut server, "identity", body).await;
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_and_the_memory_holds() {
    let home = Home::new("");
    let mut server = home.start().await;
    // Many members one after the other unpack as one text: 2 GiB out of 2 MB.
    let body = gzip(64).await.repeat(32);
    assert!(body.len() < 4 * MIB, "{} bytes", body.len());
    assert_refused(&mut server, "gzip", body).await;
}

#[tokio::test]
async fn a_zstd_bomb_is_refused_and_the_memory_holds() {
    let home = Home::new("");
    let mut server = home.start().await;
    let body = zstd(1_024).await;
    assert!(body.len() < MIB, "{} bytes", body.len());
    assert_refused(&mut server, "zstd", body).await;
}

#[tokio::test]
async fn packed_bodies_within_the_limit_are_taken_like_plain_ones() {
    let home = Home::new("");
    let server = home.start().await;
    for (encoding, body) in [("gzip", gzip(20).await), ("zstd", zstd(20).await)] {
        let answer = send(&server, encoding, body).await.ok();
        assert_eq!(answer["accepted"], 1, "{encoding}: {answer}");
    }
    server.api.accepted("s", &json!({"n": 2})).await;
    assert_eq!(server.api.query("SELECT n FROM s ORDER BY n").await["rows"], json!([[1], [1], [2]]));
}

#[tokio::test]
async fn rows_fields_and_depth_beyond_the_limits_are_named() {
    let home = Home::new("");
    let server = home.start().await;
    let too_many = "{}\n".repeat(200_001);
    let refusal = server.api.events("s", too_many).await.refused(413, "too_large");
    assert!(refusal.message.contains("200000 rows"), "{refusal:?}");
    let fields: serde_json::Map<String, Value> = (0..501).map(|n| (format!("f{n}"), json!(n))).collect();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    let long = json!({ "text": "x".repeat(2 << 20) }).to_string();
    for (row, word) in [(Value::from(fields).to_string(), "500"), (deep, "deep"), (long, "bytes")] {
        let answer = server.api.events("s", row).await;
        assert_eq!(answer.status, 422, "{}", answer.text());
        let reason = answer.json()["errors"][0]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(word), "`{word}` in `{reason}`");
    }
}
