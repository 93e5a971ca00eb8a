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
    (
        "array_replace_all",
        "SELECT array_length(array_replace_all(array_repeat(kind, 1000), 'a', repeat('b', 60000))) AS n FROM events",
    ),
    (
        "array_repeat",
        "SELECT array_length(array_repeat(range(CASE WHEN n = 1 THEN 100000 ELSE 0 END), CASE WHEN n = 1 THEN 2000 ELSE 0 END)) AS n FROM events",
    ),
    ("concat_ws", "SELECT length(concat_ws(repeat(kind, 20000000), kind, kind, kind)) AS n FROM events"),
    (
        "make_array",
        "SELECT array_length(make_array(t, t, t, t)) AS n FROM (SELECT repeat(kind, 10000000) AS t FROM events) x",
    ),
    (
        "overlay",
        "SELECT length(overlay(t PLACING t FROM 1 FOR 0)) AS n FROM (SELECT repeat(kind, 20000000) AS t FROM events) x",
    ),
    (
        "regexp_match",
        "SELECT array_length(regexp_match(repeat(kind, 2000000), '((((((((((((((((((((((((((((((((.*))))))))))))))))))))))))))))))))')) AS n FROM events",
    ),
    (
        "to_char",
        "SELECT length(to_char(time, repeat('%c', 30000))) AS n FROM (SELECT unnest(range(100)) AS i, time FROM events) x",
    ),
    ("levenshtein", "SELECT levenshtein(repeat('ab', 400000), repeat('cd', 400000)) AS n"),
    ("levenshtein", "SELECT levenshtein(repeat(kind, 100000), repeat('cd', 10000)) AS n FROM events"),
    (
        "||",
        "SELECT length(arrow_cast(t, 'Dictionary(Int32, Utf8)') || t) AS n FROM (SELECT repeat(kind, 20000000) AS t FROM events) x",
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
    ] {
        let error = refusal(&spec(sql));
        assert_eq!(error.kind, QueryErrorKind::LimitExceeded, "{sql}: {error}");
        assert!(error.message.contains("constants of 160"), "{sql}: {error}");
    }
    let many: Vec<String> = (0..300).map(|n| format!("repeat('a', {}) AS c{n}", 500 + n)).collect();
    let error = refusal(&spec(&format!("SELECT {} FROM events", many.join(", "))));
    assert!(error.message.contains("stand beside rows"), "{error}");
    // Where it is but one row it may be copied by nothing else.
    for sql in [
        "SELECT unnest(range(0, 20000)) AS i, range(0, 20000) AS r",
        "SELECT x.i, e.n FROM (SELECT range(0, 20000) AS i) x CROSS JOIN events e",
    ] {
        let error = refusal(&spec(sql));
        assert!(error.message.contains("bytes would be copied into many"), "{sql}: {error}");
    }
    // Rows are made of it, once.
    assert_eq!(
        lines("SELECT max(i) AS m FROM (SELECT unnest(x.r) AS i FROM (SELECT range(0, 20000) AS r) x) y"),
        ["19999"]
    );
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
fn numbers_that_make_much_have_a_most() {
    for (sql, said) in [
        ("SELECT approx_percentile_cont(n, 0.5, 100000000000) AS m FROM events", "at most 10000 centroids"),
        (
            "SELECT kind, approx_percentile_cont(n, 0.5, 20000) AS m FROM events GROUP BY kind",
            "at most 10000 centroids",
        ),
        (
            "SELECT count(*) AS c FROM events GROUP BY CUBE(n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6)",
            "more than 64 ways",
        ),
        ("SELECT string_agg(kind, repeat('x', 20000)) AS t FROM events", "may have 1024 bytes"),
        ("SELECT array_agg(n) OVER (ORDER BY n) AS a FROM events", "`array_agg` over a window without an end"),
        (
            "SELECT string_agg(kind, ',') OVER (ORDER BY n) AS a FROM events",
            "`string_agg` over a window without an end",
        ),
    ] {
        let error = refusal(&spec(sql));
        assert_eq!(error.kind, QueryErrorKind::LimitExceeded, "{sql}: {error}");
        assert!(error.message.contains(said), "{sql}: {error}");
    }
    for step in ["1 month -30 days", "-1 day 1 hour"] {
        let sql = format!("SELECT range(timestamp '2001-04-01', timestamp '2001-04-02', interval '{step}') AS r");
        let error = refusal(&spec(&sql));
        assert!(error.message.contains("of one sign"), "{sql}: {error}");
    }
    assert_eq!(lines("SELECT count(*) AS c FROM events GROUP BY CUBE(n, kind) HAVING count(*) > 1"), ["3"]);
    let framed =
        "SELECT array_to_string(array_agg(n) OVER (ORDER BY n ROWS 1 PRECEDING), '-') AS a FROM events ORDER BY n";
    assert_eq!(lines(framed), ["1", "1-2", "2-3"]);
}

#[test]
fn an_answer_takes_a_share_of_the_memory_of_its_query() {
    let sql = "SELECT repeat(kind, 20000000) AS t FROM events";
    assert_eq!(lines(&format!("SELECT sum(length(t)) AS l FROM ({sql}) x")), ["60000000"]);
    let error =
        refusal(&spec(&sql.replace("20000000", "30000000").replace("FROM", ", repeat(kind, 30000000) AS u FROM")));
    assert_eq!(error.kind, QueryErrorKind::LimitExceeded, "{error}");
    assert!(error.message.starts_with("the answer is larger than 134217728 bytes"), "{error}");
}

#[test]
fn what_could_be_much_but_is_not_is_answered() {
    // By their arguments alone each could make hundreds of megabytes.
    for (sql, expected) in [
        ("SELECT sum(length(replace(repeat(kind, 20000), 'x', repeat('y', 1000)))) AS l FROM events", "60000"),
        (
            "SELECT sum(length(regexp_replace(repeat(kind, 1200000), '[0-6]+', '[a number]', 'g'))) AS l FROM events",
            "3600000",
        ),
        ("SELECT sum(length(concat(repeat(kind, 10000000), repeat(kind, 8000000)))) AS l FROM events", "54000000"),
        (
            "SELECT replace(t, 'b', '') AS t FROM (SELECT replace(repeat(kind, 20000), 'a', repeat('b', 1000)) AS t, n FROM events) x WHERE n = 1",
            "",
        ),
    ] {
        assert_eq!(lines(sql).join("\n"), expected, "{sql}");
    }
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
    let value = "SELECT (SELECT string_agg(repeat(kind, 100000), '') FROM events) AS m, n FROM events";
    assert!(refusal(&spec(value)).message.contains("bytes would be copied into many"));
    let beside =
        "SELECT max(t || i) AS m FROM (SELECT unnest(range(n * 400000)) AS i, repeat(kind, 60000) AS t FROM events) x";
    let error = refusal(&spec(beside));
    assert!(error.message.contains("would become"), "{error}");
    // Many short things in one row, a long one in another: neither is wide.
    let narrow =
        "SELECT CASE WHEN n = 1 THEN array_repeat('a', 1000) ELSE [repeat('b', 1000)] END AS tags, n FROM events";
    assert_eq!(
        lines(&format!("SELECT sum(array_length(a.tags)) AS l FROM ({narrow}) a JOIN ({narrow}) b ON a.n = b.n")),
        ["1002"]
    );
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

#[test]
fn a_window_puts_no_long_value_beside_many_rows() {
    let from = "FROM (SELECT unnest(range(n * 20000)) AS i, kind FROM events WHERE n = 1) x";
    let long = "CASE WHEN i = 0 THEN repeat(kind, 60000) END";
    for call in [
        format!("max({long}) OVER ()"),
        format!("max({long}) FILTER (WHERE i = 0) OVER (PARTITION BY kind)"),
        format!("first_value({long}) OVER (ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"),
        format!("array_to_string(first_value([{long}]) OVER (PARTITION BY kind), '')"),
    ] {
        let sql = format!("SELECT length({call}) AS l {from}");
        let error = refusal(&spec(&sql));
        assert_eq!(error.kind, QueryErrorKind::LimitExceeded, "{sql}: {error}");
        assert!(error.message.contains("bytes beside 20000 rows"), "{sql}: {error}");
    }
    let fits =
        format!("SELECT sum(l) AS l FROM (SELECT length(max({}) OVER ()) AS l {from}) y", long.replace("60000", "9"));
    assert_eq!(lines(&fits), ["180000"]);
}
