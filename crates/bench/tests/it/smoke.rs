//! Short runs of the scenarios.

use std::sync::atomic::Ordering;

use pulseboard_bench::scenario::{fanout, ingest_single};
use pulseboard_runtime::Tasks;

use crate::server;

#[expect(clippy::cast_precision_loss, reason = "a small count")]
fn number(count: u64) -> f64 {
    count as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answered_events_are_counted_and_no_more_than_came() {
    let server = server::start(&Tasks::new(), "200 OK").await;
    let options = ingest_single::Options { duration_s: 1, connections: 3 };
    let measured = ingest_single::run(&server.target, &options).await.expect("measured");
    let (per_s, came) = (measured.figures[0].value, number(server.events.load(Ordering::Relaxed)));
    assert!(per_s > 0.0 && came > 0.0, "{measured:?}");
    assert!(per_s <= came, "counted {per_s} a second, {came} came in all");
    assert!(measured.notes.is_empty(), "{measured:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_ends_the_run_with_its_words() {
    let server = server::start(&Tasks::new(), "503 Service Unavailable").await;
    let options = ingest_single::Options { duration_s: 1, connections: 3 };
    let error = ingest_single::run(&server.target, &options).await.expect_err("refused").to_string();
    assert!(error.contains("503") && error.contains("accepted"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reader_counts_each_event_once() {
    let server = server::start(&Tasks::new(), "200 OK").await;
    let options = fanout::Options {
        duration_s: 1,
        readers: 5,
        rate: 40,
        gentle_rate: 20,
        follow: fanout::Followed::Stream,
        generator_core: None,
    };
    let measured = fanout::run(&server.target, &options).await.expect("measured");
    let [delivered, p50, p99] = measured.figures.as_slice() else { panic!("{measured:?}") };
    let came = number(server.events.load(Ordering::Relaxed));
    assert!(delivered.value > 0.0 && delivered.value <= 5.0 * came, "{came} came: {measured:?}");
    assert!(p50.value > 0.0 && p99.value >= p50.value, "{measured:?}");
    assert!(measured.notes.is_empty(), "{measured:?}");
}
