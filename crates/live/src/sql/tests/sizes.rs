//! No function makes more than there is room for, and what fits is answered as without the look.

use pulseboard_model::Cell;

use super::{refusal, rows, spec};
use crate::api::QueryErrorKind;

/// The rows of `sql` as texts, a line each.
fn lines(sql: &str) -> Vec<String> {
    let text = |cell: &Cell| match cell {
        Cell::Str(text) => text.to_string(),
        Cell::Int(number) => number.to_string(),
        Cell::Null => "null".to_owned(),
        other => format!("{other:?}"),
    };
    rows(&spec(sql)).iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" ")).collect()
}

/// Each asks for more than a machine has, or may be asked to by whoever asks.
const TOO_MUCH: &[(&str, &str)] = &[
    ("repeat", "SELECT length(repeat('x', 1000000000000)) AS n"),
    ("repeat", "SELECT length(repeat(kind, 1000000000000)) AS n FROM events"),
    ("repeat", "SELECT max(length(repeat(kind, 100000000 * n))) AS m FROM events"),
    ("repeat", "SELECT n FROM events WHERE length(repeat(kind, 1000000000000)) > 3"),
    ("lpad", "SELECT length(lpad('x', 1000000000, 'yz')) AS n"),
    ("rpad", "SELECT length(rpad(kind, 1000000000)) AS n FROM events"),
    ("range", "SELECT array_length(range(0, 1000000000000)) AS n"),
    ("range", "SELECT array_length(range(1000000000 * n)) AS n FROM events"),
    ("range", "SELECT array_length(range(0, -1000000000000, -1)) AS n"),
    ("range", "SELECT count(*) AS c FROM (SELECT unnest(range(0, 100000000)) AS i FROM events) x"),
    ("generate_series", "SELECT unnest(generate_series(1, 10000000000)) AS n LIMIT 3"),
    (
        "generate_series",
        "SELECT unnest(generate_series(timestamp '2000-01-01', time, interval '1 ms')) AS t FROM events",
    ),
    ("generate_series", "SELECT generate_series(date '0001-01-01', date '9999-01-01', interval '1 day') AS d"),
    ("array_repeat", "SELECT array_length(array_repeat(kind, 1000000000)) AS n FROM events"),
    ("array_repeat", "SELECT array_length(array_repeat(range(0, 1000), 1000000)) AS n"),
    ("array_resize", "SELECT array_length(array_resize([1, 2], 1000000000, n)) AS l FROM events"),
    ("replace", "SELECT length(replace(repeat(kind, 100000), 'a', repeat('b', 50000))) AS n FROM events"),
    (
        "regexp_replace",
        "SELECT length(regexp_replace(repeat(kind, 100000), '.', repeat('b', 50000), 'g')) AS n FROM events",
    ),
    ("array_to_string", "SELECT length(array_to_string(range(0, 100000 * n), repeat('b', 50000))) AS n FROM events"),
];

#[test]
fn what_would_make_too_much_is_a_limit_and_says_who() {
    for (function, sql) in TOO_MUCH {
        let error = refusal(&spec(sql));
        assert_eq!(error.kind, QueryErrorKind::LimitExceeded, "{sql}: {error}");
        assert!(error.message.contains(&format!("`{function}` would make ")), "{sql}: {error}");
    }
}

/// `text` put together with itself again and again, from a query to the next.
fn doubled(first: &str, twice: &str, times: usize) -> String {
    let mut sql = format!("SELECT {first} AS t FROM events");
    for _ in 0..times {
        sql = format!("SELECT {twice} AS t FROM ({sql}) x");
    }
    format!("SELECT max(length(t)) AS l FROM ({sql}) x")
}

#[test]
fn what_doubles_again_and_again_ends_where_it_is_too_much() {
    let lists = doubled("range(n * 100000)", "array_concat(t, t)", 11).replace("length(t)", "array_length(t)");
    let pairs = doubled("range(n * 100000)", "t || t", 11).replace("length(t)", "array_length(t)");
    for (function, sql) in [
        ("||", doubled("repeat(kind, 1000000)", "t || t", 11)),
        ("||", doubled("repeat(kind, 1000000)", "t || n || t", 11).replace("AS t FROM", "AS t, n FROM")),
        ("concat", doubled("repeat(kind, 1000000)", "concat(t, t)", 11)),
        ("concat_ws", doubled("repeat(kind, 1000000)", "concat_ws(',', t, t)", 11)),
        ("array_concat", lists),
        ("array_concat", pairs),
    ] {
        let error = refusal(&spec(&sql));
        assert_eq!(error.kind, QueryErrorKind::LimitExceeded, "{sql}: {error}");
        assert!(error.message.contains(&format!("`{function}` would make ")), "{sql}: {error}");
    }
    assert_eq!(lines(&doubled("kind", "t || t", 10)), ["1024"]);
    assert_eq!(lines(&doubled("kind", "concat(t, t)", 10)), ["1024"]);
}

#[test]
fn a_constant_beside_rows_is_small() {
    for sql in [
        "SELECT range(0, 20000) AS r, n FROM events",
        "SELECT n FROM events WHERE array_position(range(0, 20000), n) > 1",
        "SELECT unnest(range(0, 20000)) AS i, n FROM events",
        "SELECT unnest(range(0, 20000)) AS i, range(0, 20000) AS r",
        "SELECT x.i, e.n FROM (SELECT range(0, 20000) AS i) x CROSS JOIN events e",
    ] {
        let error = refusal(&spec(sql));
        assert_eq!(error.kind, QueryErrorKind::LimitExceeded, "{sql}: {error}");
        assert!(error.message.contains("constants of 160"), "{sql}: {error}");
    }
    // Rows are made of it, once.
    assert_eq!(
        lines("SELECT count(*) AS c, max(i) AS m FROM (SELECT unnest(range(0, 100000)) AS i) x"),
        ["100000 99999"]
    );
    assert_eq!(
        lines("SELECT count(*) AS c FROM (SELECT unnest(range(0, 1000)) AS i) x CROSS JOIN events WHERE i < n"),
        ["6"]
    );
}

#[test]
fn what_fits_is_answered() {
    for (sql, expected) in [
        ("SELECT kind || n AS t FROM events ORDER BY n", "a1\nb2\n73"),
        ("SELECT kind || '-' || kind AS t FROM events ORDER BY n", "a-a\nb-b\n7-7"),
        ("SELECT kind || NULL AS t FROM events LIMIT 1", "null"),
        ("SELECT 'a' || 'b' AS t", "ab"),
        ("SELECT 'a' || kind AS t, count(*) AS c FROM events GROUP BY 'a' || kind ORDER BY t", "a7 1\naa 1\nab 1"),
        ("SELECT repeat(kind, n) AS t FROM events ORDER BY n", "a\nbb\n777"),
        ("SELECT repeat(kind, -1) AS t, repeat(kind, NULL) AS u FROM events LIMIT 1", " null"),
        (
            "SELECT lpad(kind, 3, '*') AS t, rpad(kind, n) || '.' AS u FROM events ORDER BY n",
            "**a a.\n**b b .\n**7 7  .",
        ),
        ("SELECT array_to_string(range(n), '-') AS t FROM events ORDER BY n", "0\n0-1\n0-1-2"),
        ("SELECT array_to_string(range(1, 10, n), ',') AS t FROM events WHERE n = 3", "1,4,7"),
        (
            "SELECT array_length(generate_series(timestamp '2026-01-01', timestamp '2026-01-02', interval '1 hour')) AS n",
            "25",
        ),
        ("SELECT array_length(generate_series(date '2026-01-01', date '2026-12-31', interval '1 month')) AS n", "12"),
        ("SELECT array_to_string(array_repeat(kind, n), '') AS t FROM events ORDER BY n", "a\nbb\n777"),
        ("SELECT replace(kind, 'a', 'xyz') AS t FROM events ORDER BY n", "xyz\nb\n7"),
        ("SELECT regexp_replace(kind, '[ab]', '<$0>') AS t FROM events ORDER BY n", "<a>\n<b>\n7"),
        (
            "SELECT concat(kind, NULL, n) AS t, concat_ws('-', kind, n) AS u FROM events ORDER BY n",
            "a1 a-1\nb2 b-2\n73 7-3",
        ),
        ("SELECT array_to_string(array_concat(range(n), [9]), ',') AS t FROM events ORDER BY n", "0,9\n0,1,9\n0,1,2,9"),
        ("SELECT array_to_string(range(n) || [9], ',') AS t FROM events WHERE n = 2", "0,1,9"),
        ("SELECT array_to_string(array_resize(range(n), 2, 5), ',') AS t FROM events ORDER BY n", "0,5\n0,1\n0,1"),
    ] {
        assert_eq!(lines(sql).join("\n"), expected, "{sql}");
    }
}

#[test]
fn a_wide_row_is_not_copied_into_many() {
    for sql in [
        "SELECT length(a) AS l FROM (SELECT string_agg(repeat(kind, 100000), '') AS a FROM events) x CROSS JOIN events",
        "SELECT length(a.t) AS l FROM (SELECT repeat(kind, 100000) AS t, kind FROM events) a JOIN events b USING (kind)",
        "SELECT length(a.t) AS l FROM (SELECT repeat(kind, 100000) AS t, n FROM events) a JOIN events b ON a.n < b.n",
        "SELECT i, length(t) AS l FROM (SELECT unnest(range(n)) AS i, repeat(kind, 100000) AS t FROM events) x",
        "SELECT b.n FROM (SELECT array_agg(i) AS a FROM (SELECT unnest(range(n * 10000)) AS i FROM events) x) a \
         CROSS JOIN events b WHERE a[1] < b.n",
    ] {
        let error = refusal(&spec(sql));
        assert_eq!(error.kind, QueryErrorKind::LimitExceeded, "{sql}: {error}");
        assert!(error.message.contains("bytes would be copied into many"), "{sql}: {error}");
    }
    // It is in one row, or is not needed.
    for (sql, expected) in [
        ("SELECT length(string_agg(repeat(kind, 100000), '')) AS l FROM events", "300000"),
        ("SELECT sum(length(repeat(a.kind, 100000))) AS l FROM events a JOIN events b ON a.n < b.n", "300000"),
        (
            "SELECT count(*) AS c FROM (SELECT repeat(kind, 100000) AS t, n FROM events) a JOIN events b ON a.n < b.n",
            "3",
        ),
        ("SELECT sum(i) AS s FROM (SELECT unnest(range(n * 10000)) AS i FROM events) x", "699970000"),
    ] {
        assert_eq!(lines(sql).join("\n"), expected, "{sql}");
    }
}
