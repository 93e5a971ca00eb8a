//! Whatever is sent, the answer is a documented one, and the server goes on.
//!
//! A normal run tries some hundreds of each kind; `PULSEBOARD_FUZZ_CASES` says how many, `PULSEBOARD_TEST_SEED` which.

mod bodies;
mod cursors;
mod depth;
mod doors;
mod frames;
mod socketio;
mod sql;
mod tokens;

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::support::api::{Answer, refusal_of};
use crate::support::random::seed;
use crate::support::server::{Home, Server};

/// Statuses that a server in good health may answer with, whatever was sent: success, the client's faults, busy, and what
/// is not in this version.
const DOCUMENTED: [u16; 11] = [200, 400, 403, 404, 405, 408, 409, 413, 415, 422, 429];
const NOT_YET: u16 = 501;

/// How many cases of each kind, instead of what a property says for a normal run.
const CASES: &str = "PULSEBOARD_FUZZ_CASES";

fn cases(normal: u32) -> u32 {
    let given = std::env::var(CASES).ok();
    given.map_or(normal, |text| text.parse().unwrap_or_else(|_| panic!("{CASES} must be a number, not `{text}`")))
}

/// A server that all cases of a property share.
struct World {
    runtime: Runtime,
    _home: Home,
    server: Server,
}

impl World {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let world = Self::on(runtime, "[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n");
        world.runtime.block_on(async {
            let rows = json!([{"n": 1, "kind": "a", "price": 1.5, "item": {"tags": ["x"]}}, {"n": 2, "kind": "b"}]);
            world.server.api.accepted("events", &rows).await;
        });
        world
    }

    /// One whose server runs what `config` names, and has no events.
    fn on(runtime: Runtime, config: &str) -> Self {
        let home = Home::new(config);
        let server = runtime.block_on(home.start());
        Self { runtime, _home: home, server }
    }

    /// One whose door is locked: there is a user.
    fn locked(user: &str, password: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let home = Home::new("");
        let server = runtime.block_on(async {
            home.user(&["add", user, "--role", "viewer"], Some(password)).await.ok();
            home.start().await
        });
        Self { runtime, _home: home, server }
    }

    /// Runs so many cases, or as many as were asked for; a failure names its seed and the smallest case that was found.
    fn check<V: Debug>(
        &mut self,
        normal: u32,
        strategy: impl Strategy<Value = V>,
        property: &impl AsyncFn(&Server, V),
    ) {
        eprintln!("PULSEBOARD_TEST_SEED={}", seed());
        let config =
            Config { cases: cases(normal), failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed().to_le_bytes());
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let ran = runner.run(&strategy, |value| {
            self.runtime.block_on(property(&self.server, value));
            Ok(())
        });
        self.runtime.block_on(self.server.assert_well());
        if let Err(failure) = ran {
            panic!("{failure}");
        }
    }
}

/// An answer is one that the contract knows: documented status, and an error says its code and why.
fn assert_documented(answer: &Answer, sent: &dyn Debug) {
    let status = answer.status;
    assert!(DOCUMENTED.contains(&status) || status == NOT_YET, "{status} for {sent:?}: {}", answer.text());
    if status != 200 {
        let body = answer.json();
        // A request of which no row was valid is answered like one of which some were.
        let rows = status == 422 && body["accepted"] == 0 && body["rejected"].as_u64().is_some_and(|n| n > 0);
        assert!(rows || refusal_of(&body["error"]).is_some(), "{status} without code and message for {sent:?}: {body}");
    }
}

/// Pieces one after the other.
fn pieces(from: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(select(from), 0..most).prop_map(|pieces| pieces.concat())
}

/// Where, how, and what else.
type Change = (prop::sample::Index, u8, char);

/// Some changes of a text, whatever it is.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let others = select(&['"', '{', '}', '(', ',', '\\', '\'', '\0', 'é', '9', ' '][..]);
    prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, others), 1..4)
}

/// A text with some characters gone, doubled or replaced.
fn changed(text: &str, changes: Vec<Change>) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (place, kind, other) in changes {
        if chars.is_empty() {
            break;
        }
        let place = place.index(chars.len());
        match kind {
            0 => drop(chars.remove(place)),
            1 => chars.insert(place, chars[place]),
            _ => chars[place] = other,
        }
    }
    chars.into_iter().collect()
}

/// One of `texts`, changed so.
fn nearly(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(texts), changes()).prop_map(|(text, changes)| changed(text, changes))
}
