//! The few requests that every scenario makes before it measures.

use std::time::Duration;

use bytes::Bytes;
use pulseboard_protocol::http::{IngestAnswer, LiveQueryAnswer};
use pulseboard_runtime::{Clock, SystemClock};
use serde_json::json;

use crate::error::BenchError;
use crate::http::{Answer, Connection, post};
use crate::target::Target;

/// How long to wait before trying again where the server asks for less than is sensible.
const BACK_OFF_MS: u64 = 50;

/// A stream name that no earlier run used, so that counts start at nothing.
pub(crate) fn fresh_stream(scenario: &str) -> String {
    format!("bench_{scenario}_{}", SystemClock.now_us() / 1_000)
}

/// The request that posts `body` (NDJSON) to `stream`.
pub(crate) fn ingest_request(target: &Target, stream: &str, body: &str) -> Bytes {
    post(target, &format!("/api/v1/streams/{stream}/events"), "application/x-ndjson", body.as_bytes())
}

/// How many events an answer says are durable. A refused row means that the bench sends nonsense.
pub(crate) fn accepted(answer: &Answer) -> Result<u64, BenchError> {
    let answer: IngestAnswer = answer.json("posted events")?;
    match answer.errors.first() {
        Some(error) => Err(BenchError::BadAnswer(format!("the server refused a row: {}", error.reason))),
        None => Ok(answer.accepted),
    }
}

/// Waits as long as a 429 asks; at most a second, so that the load comes back.
pub(crate) async fn back_off(answer: &Answer) {
    let asked = Duration::from_secs(answer.retry_after_s.unwrap_or(0));
    tokio::time::sleep(asked.clamp(Duration::from_millis(BACK_OFF_MS), Duration::from_secs(1))).await;
}

/// Posts one body and says how many events were accepted.
pub(crate) async fn ingest(
    connection: &mut Connection,
    target: &Target,
    stream: &str,
    body: &str,
) -> Result<u64, BenchError> {
    accepted(&connection.ask(&ingest_request(target, stream, body)).await?)
}

/// Asks for a live query; gives its channel.
pub(crate) async fn live_query(connection: &mut Connection, target: &Target, sql: &str) -> Result<String, BenchError> {
    let body = json!({"sql": sql}).to_string();
    let request = post(target, "/api/v1/live/queries", "application/json", body.as_bytes());
    let answer: LiveQueryAnswer = connection.ask(&request).await?.json("a live query")?;
    Ok(answer.channel)
}

/// What EXPLAIN says that a running query costs the engine for each event, in ns; `None` if it does not run.
pub(crate) async fn cost_per_event_ns(
    connection: &mut Connection,
    target: &Target,
    sql: &str,
) -> Result<Option<f64>, BenchError> {
    let request = post(target, "/api/v1/explain", "application/json", json!({"sql": sql}).to_string().as_bytes());
    let answer: serde_json::Value = connection.ask(&request).await?.json("an explanation")?;
    Ok(answer["running"]["cost_per_event_ns"].as_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer { status, retry_after_s: None, etag: None, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn accepted_counts_only_clean_answers() {
        let good = r#"{"accepted":3,"rejected":0,"errors":[],"position":"p"}"#;
        assert_eq!(accepted(&answer(200, good)).expect("good"), 3);
        let partly =
            r#"{"accepted":2,"rejected":1,"errors":[{"row":1,"field":"a","reason":"not an int"}],"position":"p"}"#;
        assert!(accepted(&answer(200, partly)).expect_err("a bad row").to_string().contains("not an int"));
        assert!(accepted(&answer(503, "{}")).expect_err("no").to_string().contains("503"));
    }
}
