//! What a query of these benchmarks answers when it is maintained is what it answers when it is run once.

use std::collections::BTreeMap;
use std::sync::Arc;

use pulseboard_live::{History, query_once};
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{Cell, Row};

use super::*;
use crate::replay::spec;

const EVENTS: usize = 20_000;
const COMMIT: usize = 500;

/// Both answers, rows in a fixed order; or why the query is not maintained.
fn both(stepper: &mut Stepper, sql: &str, log: &Arc<MemoryLog>) -> Result<(Vec<Row>, Vec<Row>), String> {
    let Some(live) = &stepper.live else { return Err(stepper.reason.clone().unwrap_or_default()) };
    assert!(!live.is_truncated(), "{} is truncated", stepper.name);
    let maintained: Vec<Row> = live.snapshot().ordered_rows().map(|(_, row)| row.clone()).collect();
    let history: Arc<dyn History> = log.clone();
    let limits = QueryLimits { time_ms_max: 300_000, ..QueryLimits::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let once = runtime.block_on(query_once(&spec(sql), &history, log.head(), &limits));
    let once = once.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let sorted = |mut rows: Vec<Row>| {
        rows.sort_by_key(|row| format!("{row:?}"));
        rows
    };
    Ok((sorted(maintained), sorted(once.rows)))
}

fn near(a: &Row, b: &Row) -> bool {
    let cell = |(a, b): (&Cell, &Cell)| match (a, b) {
        (Cell::Float(a), Cell::Float(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        (a, b) => a == b,
    };
    a.len() == b.len() && a.iter().zip(b.iter()).all(cell)
}

#[track_caller]
fn assert_equal(name: &str, (maintained, once): &(Vec<Row>, Vec<Row>)) {
    assert!(!once.is_empty(), "{name} says nothing about so few events");
    let equal = maintained.len() == once.len() && maintained.iter().zip(once).all(|(a, b)| near(a, b));
    assert!(equal, "{name}: {} rows maintained, {} at once", maintained.len(), once.len());
}

/// Also which are not maintained: what is here is what docs/benchmarks.md says.
#[test]
fn every_maintained_nexmark_answer_is_the_batch_answer() {
    let mut auctions = Auctions::open(500, true);
    let log = auctions.log.clone();
    let mut commits = vec![auctions.side_input().expect("a side input")];
    commits.extend((0..EVENTS / COMMIT).map(|_| auctions.commit(COMMIT).expect("a commit")));
    let mut how = BTreeMap::new();
    for question in &QUESTIONS {
        // The log is full by now, so the clock of a fresh query has to be that of the start.
        let start = Auctions::open(500, false);
        let mut stepper = Stepper::new(question.name, question.sql, &start.log, &limits());
        stepper.step(&commits, &log, Duration::MAX);
        match both(&mut stepper, question.sql, &log) {
            Ok(answers) => {
                assert_equal(question.name, &answers);
                how.insert(question.name, String::new());
            }
            Err(reason) => {
                how.insert(question.name, reason);
            }
        }
    }
    let not: Vec<_> = how.iter().filter(|(_, reason)| !reason.is_empty()).collect();
    let text = not.iter().map(|(name, reason)| format!("{name}: {reason}\n")).collect::<String>();
    assert_eq!(not.into_iter().map(|(name, _)| *name).collect::<Vec<_>>(), [""; 0], "{text}");
}

#[test]
fn both_campaign_counts_are_the_batch_answer() {
    let mut ads = Ads::new(500, true);
    let log = ads.log.clone();
    let mut commits = vec![ads.campaigns().expect("campaigns")];
    commits.extend((0..EVENTS / COMMIT).map(|_| ads.commit(COMMIT as u64).expect("a commit")));
    let mut counts = Vec::new();
    for (name, sql) in [("joined first", JOINED_FIRST), ("aggregated first", AGGREGATED_FIRST)] {
        let mut stepper = Stepper::new(name, sql, &Ads::new(500, false).log, &limits());
        stepper.step(&commits, &log, Duration::MAX);
        let answers = both(&mut stepper, sql, &log).unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert_equal(name, &answers);
        counts.push(answers.1);
    }
    assert_eq!(counts[0].len(), counts[1].len());
}
