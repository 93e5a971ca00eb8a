//! Long chains and deep nesting of every kind: an answer or an error, never the end of the process.
//!
//! A stack that runs over ends the test binary, which is how these tests fail.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use pulseboard_runtime::tasks::STACK_BYTES;

use super::{answer, spec};
use crate::api::{History, QueryErrorKind};
use crate::sql::bounds::{DEPTH_MAX, NESTING_MAX, RELATIONS_MAX};
use crate::tests::world::World;

/// The longest text that is read.
const TEXT_BYTES: usize = 1 << 16;
/// The longest that a text may take, with room for a slow machine.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Whether `sql` is answered, or what kind of error it is.
fn outcome(sql: &str) -> Option<QueryErrorKind> {
    let (sql, world) = (sql.to_owned(), World::starting_at(super::START_US));
    let world: Arc<dyn History> = world;
    let started = std::time::Instant::now();
    let shown: String = sql.chars().take(80).collect();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || answer(&spec(&sql), &world));
    let answered = thread.expect("a thread").join().expect("no panic");
    assert!(started.elapsed() < TIME_MAX, "{shown} took {:?}", started.elapsed());
    answered.err().map(|error| error.kind)
}

/// A kind of text that may be made as deep as one likes.
struct Chain {
    kind: &'static str,
    /// The text with so many links.
    text: fn(usize) -> String,
    /// How many links the bounds let through at least.
    fits: usize,
}

const CHAINS: &[Chain] = &[
    Chain { kind: "+", text: |n| format!("SELECT n{} FROM events", " + n".repeat(n)), fits: DEPTH_MAX - 20 },
    Chain { kind: "||", text: |n| format!("SELECT kind{} FROM events", " || kind".repeat(n)), fits: DEPTH_MAX - 20 },
    Chain { kind: "::", text: |n| format!("SELECT n{} FROM events", "::int".repeat(n)), fits: DEPTH_MAX - 20 },
    Chain { kind: "IS NULL", text: |n| format!("SELECT n{} FROM events", " IS NULL".repeat(n)), fits: DEPTH_MAX - 20 },
    Chain {
        kind: "OR",
        text: |n| format!("SELECT count(*) FROM events WHERE n = 1{}", " OR n = 2".repeat(n)),
        fits: DEPTH_MAX - 20,
    },
    Chain {
        kind: "AND",
        text: |n| format!("SELECT count(*) FROM events WHERE n = 1{}", " AND kind <> 'a'".repeat(n)),
        fits: DEPTH_MAX - 20,
    },
    Chain {
        kind: "BETWEEN AND",
        text: |n| format!("SELECT n FROM events WHERE n > 1{}", " OR n BETWEEN 3 AND 4".repeat(n)),
        fits: DEPTH_MAX / 2 - 20,
    },
    Chain { kind: "NOT", text: |n| format!("SELECT {} flag FROM events", "NOT ".repeat(n)), fits: 28 },
    Chain { kind: "-", text: |n| format!("SELECT {} n FROM events", "- ".repeat(n)), fits: 28 },
    Chain { kind: "INTERVAL", text: |n| format!("SELECT {} '1' FROM events", "INTERVAL ".repeat(n)), fits: 0 },
    Chain {
        kind: "CASE",
        text: |n| format!("SELECT {}n{} FROM events", "CASE WHEN flag THEN ".repeat(n), " END".repeat(n)),
        fits: 10,
    },
    Chain {
        kind: "CASE and AND",
        text: |n| {
            let end = " END + n + n + n + n + n > 1 AND flag".repeat(n);
            format!("SELECT {}flag{end} FROM events", "CASE WHEN flag AND ".repeat(n))
        },
        fits: 0,
    },
    Chain {
        kind: "WHEN",
        text: |n| format!("SELECT CASE {} END FROM events", "WHEN n = 1 AND flag THEN 1 ".repeat(n)),
        fits: 1_000,
    },
    Chain { kind: "(", text: |n| format!("SELECT {}n{} FROM events", "(".repeat(n), ")".repeat(n)), fits: 28 },
    Chain { kind: "(+", text: |n| format!("SELECT {}n{} FROM events", "(n + n + ".repeat(n), ")".repeat(n)), fits: 25 },
    Chain { kind: "+)", text: |n| format!("SELECT {}n{} FROM events", "(".repeat(n), " + n + n)".repeat(n)), fits: 28 },
    Chain { kind: "f(", text: |n| format!("SELECT {}n{} FROM events", "chr(".repeat(n), ")".repeat(n)), fits: 0 },
    Chain {
        kind: "coalesce",
        text: |n| format!("SELECT {}n{} FROM events", "coalesce(".repeat(n), ", 1)".repeat(n)),
        fits: 8,
    },
    Chain {
        kind: "BETWEEN",
        text: |n| format!("SELECT n BETWEEN 1 AND 2{} FROM events", " BETWEEN false AND true".repeat(n)),
        fits: 8,
    },
    Chain { kind: "[", text: |n| format!("SELECT {}n{} FROM events", "[".repeat(n), "]".repeat(n)), fits: 20 },
    Chain { kind: "[]", text: |n| format!("SELECT CAST(NULL AS int{}) FROM events", "[]".repeat(n)), fits: 0 },
    Chain {
        kind: "STRUCT<",
        text: |n| format!("SELECT CAST(NULL AS {}int{}) FROM events", "STRUCT<b int, a ".repeat(n), ">".repeat(n)),
        fits: 0,
    },
    Chain { kind: "FROM (", text: |n| format!("SELECT n FROM {}events{}", "(".repeat(n), ")".repeat(n)), fits: 20 },
    Chain {
        kind: "FROM (SELECT",
        text: |n| format!("SELECT n FROM {}events{}", "(SELECT n FROM ".repeat(n), ")".repeat(n)),
        fits: 20,
    },
    Chain {
        kind: "IN (SELECT",
        text: |n| {
            let inner = "(SELECT n FROM events WHERE n IN ".repeat(n);
            format!("SELECT n FROM events WHERE n IN {inner}(1){}", ")".repeat(n))
        },
        fits: 7,
    },
    Chain {
        kind: "UNION ALL",
        text: |n| format!("SELECT n, kind FROM events{}", " UNION ALL SELECT n, kind FROM events".repeat(n)),
        fits: RELATIONS_MAX / 2 - 1,
    },
    Chain {
        kind: "EXCEPT",
        text: |n| format!("SELECT n FROM events{}", " EXCEPT SELECT n FROM events".repeat(n)),
        fits: 20,
    },
    Chain {
        kind: "UNION of constants",
        text: |n| format!("SELECT 1, 2{}", " UNION SELECT 1, 2".repeat(n)),
        fits: RELATIONS_MAX / 2,
    },
    Chain { kind: "VALUES", text: |n| format!("VALUES (1){}", ", (1)".repeat(n)), fits: 1_000 },
    Chain { kind: "UNION VALUES", text: |n| format!("VALUES (1){}", " UNION ALL VALUES (1)".repeat(n)), fits: 20 },
    Chain {
        kind: "FROM ,",
        text: |n| format!("SELECT 1 FROM events{}", numbered(n, |i| format!(", events e{i}"))),
        fits: 20,
    },
    Chain {
        kind: "JOIN",
        text: |n| {
            format!(
                "SELECT 1 FROM events{}",
                numbered(n, |i| format!(" JOIN events e{i} ON e{i}.n = events.n AND e{i}.flag"))
            )
        },
        fits: 20,
    },
    Chain {
        kind: "WITH",
        text: |n| {
            let step = |i| {
                format!(
                    ", c{} AS (SELECT sum(n) OVER () AS n FROM c{i} GROUP BY n HAVING count(*) > 0 ORDER BY n LIMIT 3)",
                    i + 1
                )
            };
            format!("WITH c0 AS (SELECT n FROM events) {} SELECT * FROM c{n}", numbered(n, step))
        },
        fits: 10,
    },
    Chain {
        kind: "WITH doubled",
        text: |n| {
            let step = |i| format!(", c{} AS (SELECT a.n FROM c{i} a, c{i} b)", i + 1);
            format!("WITH c0 AS (SELECT n FROM events) {} SELECT n FROM c{n}", numbered(n, step))
        },
        fits: 2,
    },
    Chain {
        kind: "column doubled",
        text: |n| {
            let step = |i| format!(", c{} AS (SELECT n + n AS n FROM c{i})", i + 1);
            format!("WITH c0 AS (SELECT n FROM events) {} SELECT n FROM c{n} WHERE n > 7", numbered(n, step))
        },
        fits: 8,
    },
    Chain {
        kind: "OVER",
        text: |n| format!("SELECT 1{} FROM events", numbered(n, |i| format!(", row_number() OVER (ORDER BY n + {i})"))),
        fits: 40,
    },
    Chain {
        kind: "(SELECT",
        text: |n| format!("SELECT 1{} FROM events", numbered(n, |i| format!(", (SELECT max(n) + {i} FROM events)"))),
        fits: 20,
    },
    Chain { kind: "IN", text: |n| format!("SELECT n FROM events WHERE n IN (1{})", ", 2".repeat(n)), fits: 5_000 },
    Chain { kind: ".", text: |n| format!("SELECT n{} FROM events", ".n".repeat(n)), fits: 0 },
    Chain { kind: "|>", text: |n| format!("SELECT n FROM events{}", " |> WHERE n > 1".repeat(n)), fits: 0 },
];

fn numbered(count: usize, link: impl Fn(usize) -> String) -> String {
    (0..count).map(link).collect()
}

#[test]
fn long_chains_of_every_kind_are_answered_or_refused() {
    for chain in CHAINS {
        if chain.fits > 0 {
            let kind = outcome(&(chain.text)(chain.fits));
            assert_ne!(kind, Some(QueryErrorKind::LimitExceeded), "{} of {} links", chain.kind, chain.fits);
        }
        // Around the bounds, where trees are deepest, and at the end of the text.
        let link = (chain.text)(40).len().saturating_sub((chain.text)(20).len()) / 20;
        let longest = (TEXT_BYTES - 2_000) / link.max(1);
        for length in [NESTING_MAX - 3, RELATIONS_MAX - 1, DEPTH_MAX - 2, DEPTH_MAX + 10, longest] {
            let sql = (chain.text)(length);
            if sql.len() <= TEXT_BYTES {
                outcome(&sql);
            }
        }
    }
}

/// Wraps an expression of integers once more.
fn wrapped(inner: &str, how: u8) -> String {
    match how {
        0..=3 => format!("{inner} + n"),
        4 => format!("n * {inner}"),
        5 => format!("({inner})"),
        6 => format!("({inner} + 1 - n)"),
        7 => format!("{inner}::int"),
        8 => format!("CASE WHEN flag THEN {inner} ELSE n END"),
        9 => format!("CASE WHEN {inner} > 1 AND flag THEN n END"),
        10 => format!("coalesce({inner}, n)"),
        11 => format!("(SELECT max({inner}) FROM events)"),
        12 => format!("- {inner}"),
        13 => format!("CAST(({inner} IS NULL OR NOT flag AND n BETWEEN 1 AND {inner}) AS int)"),
        14 => format!("[{inner}][1]"),
        _ => format!("nullif({inner}, 3)"),
    }
}

#[test]
fn random_nests_are_answered_or_refused() {
    let config = Config { cases: 150, failure_persistence: None, max_shrink_iters: 50, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    // Some nests are of few kinds, so that they get deep before one of the narrower bounds ends them.
    let kinds = prop_oneof![prop::collection::vec(0u8..16, 1..4), prop::collection::vec(0u8..10, 1..10)];
    let nests = (kinds, prop::collection::vec(any::<prop::sample::Index>(), 1..1_200));
    let ran = runner.run(&nests, |(kinds, picks)| {
        let mut expr = "n".to_owned();
        for pick in picks {
            let longer = wrapped(&expr, kinds[pick.index(kinds.len())]);
            if longer.len() > TEXT_BYTES - 100 {
                break;
            }
            expr = longer;
        }
        outcome(&format!("SELECT {expr} AS x FROM events WHERE n > 0"));
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}
