//! What is refused, and what the error says.

use datafusion::logical_expr::Volatility;

use super::{plan, refusal, rows, spec, three_events};
use crate::api::QueryErrorKind;

#[test]
fn what_writes_or_sets_is_refused() {
    for sql in [
        "SELECT * INTO x FROM events",
        "SELECT n FROM (SELECT * INTO x FROM events)",
        "WITH a AS (SELECT 1 AS n) INSERT INTO events SELECT n FROM a",
        "INSERT INTO events VALUES (1)",
        "COPY events TO '/tmp/x'",
        "SET x = 1",
        "CREATE VIEW v AS SELECT 1",
        "EXPLAIN SELECT 1",
    ] {
        let error = refusal(&spec(sql));
        assert_eq!(error.kind, QueryErrorKind::BadSql, "{sql}: {error}");
        assert!(error.message.contains("quer") || error.at.is_some(), "{sql}: {error}");
    }
    assert_eq!(refusal(&spec("SELECT *\nINTO x FROM events")).at, Some((2, 6)));
}

#[test]
fn unknown_functions_come_with_their_place_and_the_nearest() {
    let error = refusal(&spec("SELECT n,\n  date_trunk('day', time) FROM events"));
    assert_eq!((error.kind, error.at), (QueryErrorKind::BadSql, Some((2, 3))));
    assert_eq!(error.nearest.first().map(String::as_str), Some("date_trunc"));
    assert!(error.message.starts_with("there is no function `date_trunk`; did you mean `date_trunc`"), "{error}");
    let error = refusal(&spec("SELECT max(lag(n)) OVER () AS m FROM events"));
    assert!(error.message.starts_with("`lag` is a function of windows: write `lag(…) OVER (…)`"), "{error}");
}

#[test]
fn unknown_columns_and_mistyped_calls_come_with_their_place() {
    let error = refusal(&spec("SELECT n\nFROM events WHERE  kund = 'a'"));
    assert_eq!((error.kind, error.at), (QueryErrorKind::UnknownColumn, Some((2, 20))));
    assert_eq!(error.nearest.first().map(String::as_str), Some("kind"));
    for sql in ["SELECT sum(kind)\nFROM events", "SELECT n, date_trunc(n)\nFROM events"] {
        let error = refusal(&spec(sql));
        assert!(error.at.is_some(), "{sql}: {error}");
    }
}

#[test]
fn a_name_that_stands_for_two_columns_is_told() {
    for (sql, said) in [
        ("SELECT kind, n AS kind FROM events", "two columns are called `kind`"),
        ("SELECT upper(kind) AS k, n AS k FROM events", "two columns are called `k`"),
        ("SELECT unnest(range(n)) AS i, upper(kind) AS kind FROM events", "two columns are called `kind`"),
        (
            "SELECT n FROM events a JOIN events b ON a.n = b.n",
            "several tables have a column `n`: say of which it is, as in `a.n`",
        ),
    ] {
        let error = refusal(&spec(sql));
        assert_eq!(error.kind, QueryErrorKind::BadSql, "{sql}: {error}");
        assert!(error.message.starts_with(said), "{sql}: {error}");
    }
}

#[test]
fn operators_of_the_wrong_types_come_with_their_place_where_it_is_certain() {
    for (sql, at) in [
        ("SELECT n\nFROM events WHERE time > 5", Some((2, 24))),
        ("SELECT n,\n  time * n FROM events", Some((2, 3))),
        ("SELECT n FROM events WHERE n AND flag", Some((1, 30))),
        ("SELECT n FROM events WHERE time > 5 OR n > 5", None),
    ] {
        let error = refusal(&spec(sql));
        assert_eq!((error.kind, error.at), (QueryErrorKind::BadSql, at), "{sql}: {error}");
    }
}

#[test]
fn functions_that_answer_differently_each_time_are_refused() {
    let queries = [
        "SELECT uuid()",
        "SELECT random() AS r, n FROM events",
        "SELECT count(*) FROM events WHERE kind = uuid()",
        "SELECT n FROM events ORDER BY uuid()",
    ];
    for sql in queries {
        let error = refusal(&spec(sql));
        assert!(error.message.contains("differently each time"), "{sql}: {error}");
        assert!(error.at.is_some(), "{sql}");
    }
    for sql in ["SELECT current_time", "SELECT n FROM events WHERE current_time() > '10:00'"] {
        let error = refusal(&spec(sql));
        assert_eq!(error.kind, QueryErrorKind::BadSql, "{sql}: {error}");
        assert!(error.message.contains("use `now()`"), "{sql}: {error}");
        assert!(error.at.is_some(), "{sql}");
    }
}

#[test]
fn no_function_but_ours_reads_a_clock_or_a_die() {
    let planned = plan(&spec("SELECT 1"), three_events().as_ref()).expect("plans");
    let of = |volatility: Volatility| {
        let functions = planned.state.scalar_functions().values();
        let mut names: Vec<String> = functions
            .filter(|function| function.signature().volatility == volatility)
            .map(|function| function.name().to_owned())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    // A new one must be looked at: does it read the machine's clock?
    assert_eq!(of(Volatility::Stable), ["current_time"]);
    assert_eq!(
        of(Volatility::Volatile),
        ["current_date", "file_row_index", "input_file_name", "now", "random", "uuid"]
    );
}

#[test]
fn a_part_that_no_row_of_a_subquery_may_meet_is_refused_where_it_would_be_wrong() {
    let of = |nulls: &str| format!("(SELECT CASE WHEN n = 1 THEN NULL ELSE n END AS m FROM events {nulls})");
    for condition in [
        format!("n = 2 OR n NOT IN {}", of("")),
        format!("n = 2 OR NOT n IN {}", of("WHERE n > 1")),
        format!("NOT (n = 2 AND n IN {})", of("")),
        format!("CASE WHEN n NOT IN {} THEN true ELSE false END", of("")),
        format!("n = 2 OR (n IN {}) IS NULL", of("")),
        format!("NOT (n = 2 OR NOT n NOT IN {})", of("")),
    ] {
        let error = refusal(&spec(&format!("SELECT n FROM events WHERE {condition}")));
        assert_eq!(error.kind, QueryErrorKind::BadSql, "{condition}: {error}");
        assert!(error.message.contains("write `NOT EXISTS"), "{condition}: {error}");
    }
    // Of the whole condition it is known, and of what has no nulls.
    for (condition, expected) in [
        (format!("n NOT IN {}", of("")), 0),
        (format!("n < 9 AND NOT n IN {}", of("WHERE n > 1")), 1),
        (format!("n = 1 OR n IN {}", of("")), 3),
        (format!("NOT (n > 1) OR n IN {}", of("")), 3),
        (format!("NOT (n > 1 AND NOT n IN {})", of("")), 3),
        ("n = 1 OR (n IS NULL AND _offset NOT IN (SELECT _offset FROM events))".to_owned(), 1),
        ("n = 1 OR NOT EXISTS (SELECT 1 FROM events b WHERE b.n = events.n + 1)".to_owned(), 2),
    ] {
        assert_eq!(rows(&spec(&format!("SELECT n FROM events WHERE {condition}"))).len(), expected, "{condition}");
    }
}
