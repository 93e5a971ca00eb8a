//! What most tests here end in: a live answer is the batch answer of its instant, and deltas brought a client to it.
//!
//! Also how many random cases a test takes. Knows no world: whoever compares brings the history.

use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{Cell, Position, Row, Snapshot};

use crate::api::{History, QuerySpec};
use crate::batch;
use crate::live_query::LiveQuery;

pub(super) fn fail(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

/// Where batch queries of tests run.
pub(super) fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"))
}

/// Runs `cases` cases, the same ones each time, so that a change is judged and not chance; or as many new ones as
/// `PULSEBOARD_DIFFERENTIAL_CASES` says.
pub(crate) fn runner(cases: u32) -> TestRunner {
    let asked: Option<u32> = std::env::var("PULSEBOARD_DIFFERENTIAL_CASES").ok().and_then(|n| n.parse().ok());
    let cases = asked.unwrap_or(cases);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    match asked {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    }
}

/// The rows of an answer in its order; sorted by their text if it has none.
pub(super) fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let mut rows: Vec<Row> = snapshot.ordered_rows().map(|(_, row)| row.clone()).collect();
    if snapshot.order.is_none() {
        rows.sort_by_key(|row| format!("{row:?}"));
    }
    rows
}

/// The inputs of these tests are small and few: what is summed on the way is not much more than what comes out.
fn is_close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// Whether what is live, what a client made of the deltas, and the batch answer of `world` at `at` are one.
pub(super) fn compare<H: History + 'static>(
    spec: &QuerySpec,
    world: &Arc<H>,
    at: Position,
    live: &LiveQuery,
    client: &Snapshot,
) -> Result<(), TestCaseError> {
    let (sql, history): (_, Arc<dyn History>) = (&spec.sql, world.clone());
    let batch = runtime().block_on(batch::run(spec, &history, at, &QueryLimits::default())).map_err(fail)?;
    let told = live.snapshot();
    let (found, at_client, mut expected) = (rows(&told), rows(client), batch.rows);
    if told.order.is_none() {
        expected.sort_by_key(|row| format!("{row:?}"));
    }
    prop_assert_eq!(&found, &at_client, "deltas rebuild the snapshot of {}", sql);
    prop_assert_eq!(found.len(), expected.len(), "live {:?}, batch {:?} for {}", &found, &expected, sql);
    for (found, expected) in found.iter().zip(&expected) {
        prop_assert_eq!(found.len(), expected.len(), "live {:?}, batch {:?} for {}", found, expected, sql);
        for (a, b) in found.iter().zip(expected.iter()) {
            let close = match (a, b) {
                (Cell::Float(a), Cell::Float(b)) => is_close(*a, *b),
                (a, b) => a == b,
            };
            prop_assert!(close, "live {:?}, batch {:?} for {}", found, expected, sql);
        }
    }
    Ok(())
}
