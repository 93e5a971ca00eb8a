//! Random requests over random streams, in random groups, with restarts between: everything is there once, in order.

use std::collections::BTreeMap;

use futures::future::join_all;
use proptest::prelude::*;
use pulseboard_journal::testsuite::rows::{all, keyed, next_step, numbers, offsets};
use pulseboard_journal::{AppendRequest, Log};
use pulseboard_model::LogOffset;

use crate::support::Bed;

const STREAMS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Action {
    /// Requests that are sent together: stream, rows, and whether each is sent twice with one key.
    Append(Vec<(usize, usize, bool)>),
    Reopen,
    Advance(i64),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => prop::collection::vec((0..STREAMS.len(), 0..40_usize, prop::bool::weighted(0.2)), 1..12).prop_map(Action::Append),
        1 => Just(Action::Reopen),
        2 => (0..90_000_000_i64).prop_map(Action::Advance),
    ]
}

/// What must be there.
#[derive(Debug, Default)]
struct Model {
    rows: BTreeMap<&'static str, Vec<i64>>,
    next: i64,
    key: u128,
    total: u64,
}

impl Model {
    /// The next request for a stream, and the rows that it adds.
    fn request(&mut self, name: &'static str, rows: usize, with_key: bool) -> AppendRequest {
        let values: Vec<i64> = (self.next..).take(rows).collect();
        self.next += rows as i64;
        self.total += rows as u64;
        self.rows.entry(name).or_default().extend(&values);
        // A first request names no base, and is no conflict if the stream is there already with the same schema.
        let request = numbers(name, false, values);
        self.key += 1;
        if with_key { keyed(request, self.key, self.key) } else { request }
    }
}

async fn check(actions: Vec<Action>) {
    let bed = Bed::with(|config| {
        config.segment_bytes = 6_000;
        config.commit_bytes = 1_500;
        config.ring_steps = 16;
    });
    let mut log = bed.embedded();
    let mut model = Model::default();
    for action in actions {
        match action {
            Action::Append(requests) => {
                let mut together = Vec::new();
                for (name, rows, twice) in requests {
                    let request = model.request(STREAMS[name], rows, twice);
                    if twice {
                        together.push(log.append(request.clone()));
                    }
                    together.push(log.append(request));
                }
                for appended in join_all(together).await {
                    appended.unwrap();
                }
            }
            Action::Reopen => {
                drop(log);
                log = bed.embedded();
            }
            Action::Advance(us) => bed.clock.advance(us),
        }
    }
    assert_eq!(log.head().offset, LogOffset::from_u64(model.total));
    for (name, rows) in &model.rows {
        assert_eq!(all(&log, name, "n"), *rows, "stream {name}");
    }
    let mut tail = log.tail(LogOffset::START).unwrap();
    let mut seen: Vec<i64> = Vec::new();
    let mut clock = i64::MIN;
    while (seen.len() as u64) < model.total {
        let step = next_step(tail.as_mut(), true);
        assert!(step.position().clock.0 >= clock);
        clock = step.position().clock.0;
        seen.extend(offsets(&step));
    }
    assert_eq!(seen, (1..=model.total.cast_signed()).collect::<Vec<_>>());
    let counted: u64 = log.streams().iter().map(|stream| stream.events).sum();
    assert_eq!(counted, model.total);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn everything_is_there_once_in_order(actions in prop::collection::vec(action(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(actions));
    }
}
