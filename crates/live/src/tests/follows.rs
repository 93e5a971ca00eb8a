//! What is above the parts of a query and follows changes by key: joins of windows, references and views, what is grouped, ranked,
//! ordered and cut above them. Live equals batch after each step and restart, and each query is answered in the way its list says.

use super::streams::{layered, run};

/// Queries whose answer follows the change, whatever they join.
const FOLLOWED: [&str; 38] = [
    // Streams within a time of each other.
    "SELECT o.time, o.kind, o.n, r.n AS rn, r.time AS rt FROM orders o JOIN refunds r \
     ON o.kind = r.kind AND r.time BETWEEN o.time AND o.time + interval '30 seconds' \
     WHERE o.time > now() - interval '1 minute' AND r.time > now() - interval '2 minutes'",
    "SELECT o.n * 10 + r.n AS both FROM orders o, refunds r \
     WHERE o.kind = r.kind AND o.n > r.n AND o.time > now() - interval '1 minute' AND r.time > now() - interval '1 minute'",
    "SELECT o.kind, o.n, r.n AS rn FROM orders o JOIN refunds r ON o.kind = r.kind AND o.n = r.n \
     WHERE o.time > now() - interval '1 minute' AND r.time > now() - interval '1 minute' AND r.time < now()",
    "SELECT o.n, r.n AS rn FROM orders o JOIN refunds r ON o.n % 3 = r.n \
     WHERE o.time > now() - interval '50 seconds' AND r.time > now() - interval '1 minute'",
    "SELECT a.n, b.value FROM orders a JOIN orders b ON a.kind = b.kind AND a.n < b.n \
     WHERE a.time > now() - interval '30 seconds' AND b.time > now() - interval '1 minute'",
    "SELECT o.kind, o.n, r.n AS rn FROM (SELECT * FROM orders WHERE time > now() - interval '1 minute') o \
     JOIN (SELECT * FROM refunds WHERE time > now() - interval '1 minute') r ON o.kind IS NOT DISTINCT FROM r.kind",
    // With the latest of a reference.
    "SELECT o.time, o.n * p.price AS cost, p.kind FROM orders o \
     JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON o.kind = p.kind \
     WHERE o.time > now() - interval '1 minute'",
    "SELECT o.n, p.price FROM orders o JOIN (SELECT * FROM (SELECT DISTINCT ON (kind) kind, price, _deleted FROM products \
     ORDER BY kind, time DESC) WHERE NOT _deleted) p ON p.kind = o.kind WHERE o.time > now() - interval '1 minute' AND p.price > -5",
    "SELECT o.time, o.n, p.price FROM (SELECT time, kind, n FROM orders WHERE time > now() - interval '40 seconds') o \
     LEFT JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON o.kind = p.kind",
    "SELECT o.time, o.n, coalesce(p.price, 0.0) AS price FROM orders o \
     LEFT JOIN (SELECT DISTINCT ON (n) n, price FROM products ORDER BY n, time DESC) p ON o.n = p.n AND p.price > o.value \
     WHERE o.time > now() - interval '1 minute'",
    "SELECT p.kind, p.price, o.n FROM (SELECT kind, n FROM orders WHERE time > now() - interval '40 seconds') o \
     RIGHT JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON o.kind = p.kind",
    "SELECT o.n, r.n AS rn, coalesce(o.kind, r.kind) AS k FROM (SELECT kind, n FROM orders WHERE time > now() - interval '40 seconds') o \
     FULL JOIN (SELECT kind, n FROM refunds WHERE time > now() - interval '1 minute') r ON o.kind = r.kind AND o.n <= r.n",
    "SELECT o.time, o.n FROM (SELECT * FROM orders WHERE time > now() - interval '1 minute') o \
     LEFT SEMI JOIN (SELECT kind, n FROM refunds WHERE time > now() - interval '1 minute') r ON o.kind = r.kind AND o.n > r.n",
    "SELECT o.time, o.n FROM (SELECT * FROM orders WHERE time > now() - interval '1 minute') o \
     LEFT ANTI JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON o.kind = p.kind",
    // Three inputs, on one key and on two.
    "SELECT o.n, r.n AS rn, p.price FROM orders o JOIN refunds r ON o.kind = r.kind \
     JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON p.kind = r.kind \
     WHERE o.time > now() - interval '30 seconds' AND r.time > now() - interval '1 minute'",
    "SELECT o.n, r.n AS rn, p.price FROM orders o JOIN refunds r ON o.kind = r.kind AND r.time >= o.time \
     JOIN (SELECT DISTINCT ON (n) n, price FROM products ORDER BY n, time DESC) p ON p.n = r.n \
     WHERE o.time > now() - interval '30 seconds' AND r.time > now() - interval '1 minute'",
    "SELECT o.n, r.n AS rn, p.price FROM (SELECT kind, n FROM orders WHERE time > now() - interval '30 seconds') o \
     LEFT JOIN (SELECT kind, n FROM refunds WHERE time > now() - interval '1 minute') r ON o.kind = r.kind \
     LEFT JOIN (SELECT DISTINCT ON (n) n, price FROM products ORDER BY n, time DESC) p ON p.n = r.n",
    "SELECT o.n, p.price, q.kind FROM (SELECT kind, n FROM orders WHERE time > now() - interval '30 seconds') o \
     LEFT JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON p.kind = o.kind \
     JOIN (SELECT kind, count(*) AS c FROM refunds GROUP BY kind) q ON q.kind = o.kind",
    // Views with views.
    "SELECT a.kind, a.c, b.s FROM (SELECT kind, count(*) AS c FROM orders GROUP BY kind) a \
     JOIN (SELECT kind, sum(n) AS s FROM refunds WHERE time > now() - interval '2 minutes' GROUP BY kind) b ON a.kind = b.kind",
    "SELECT a.kind, a.c, b.s FROM (SELECT kind, count(*) AS c FROM orders GROUP BY kind) a \
     LEFT JOIN (SELECT kind, sum(n) AS s FROM refunds GROUP BY kind) b ON a.kind = b.kind ORDER BY a.kind",
    "SELECT coalesce(a.kind, b.kind) AS k, a.c, b.s FROM (SELECT kind, count(*) AS c FROM orders GROUP BY kind) a \
     FULL JOIN (SELECT kind, avg(n) AS s FROM refunds GROUP BY kind) b ON a.kind = b.kind",
    "SELECT a.m, a.c, b.c AS rc FROM (SELECT date_trunc('minute', time) AS m, count(*) AS c FROM orders GROUP BY 1) a \
     JOIN (SELECT date_trunc('minute', time) AS m, count(*) AS c FROM refunds GROUP BY 1) b ON a.m = b.m",
    // An order and a limit above.
    "SELECT o.n, r.n AS rn, o.time FROM orders o JOIN refunds r ON o.kind = r.kind \
     WHERE o.time > now() - interval '1 minute' AND r.time > now() - interval '1 minute' ORDER BY o.n DESC, r.n LIMIT 4",
    "SELECT o.n + r.n AS s FROM orders o JOIN refunds r ON o.kind = r.kind \
     WHERE o.time > now() - interval '1 minute' AND r.time > now() - interval '1 minute' ORDER BY s DESC LIMIT 3 OFFSET 1",
    "SELECT a.kind, a.c, b.s FROM (SELECT kind, count(*) AS c FROM orders GROUP BY kind) a \
     JOIN (SELECT kind, sum(n) AS s FROM refunds GROUP BY kind) b ON a.kind = b.kind WHERE b.s > 0 ORDER BY a.c DESC, a.kind LIMIT 2",
    // Rankings and other window functions.
    "SELECT kind, n, time, place FROM (SELECT kind, n, time, row_number() OVER (PARTITION BY kind ORDER BY n DESC) AS place \
     FROM orders WHERE time > now() - interval '1 minute') WHERE place <= 2",
    "SELECT kind, n, rn, place FROM (SELECT o.kind, o.n, r.n AS rn, row_number() OVER (PARTITION BY o.kind ORDER BY r.n DESC, o.n, r.time) AS place \
     FROM orders o JOIN refunds r ON o.kind = r.kind WHERE o.time > now() - interval '1 minute' AND r.time > now() - interval '1 minute') \
     WHERE place = 1",
    "SELECT kind, n, rank() OVER (PARTITION BY kind ORDER BY n) AS r, sum(n) OVER (PARTITION BY kind) AS s \
     FROM orders WHERE time > now() - interval '1 minute'",
    "SELECT kind, n, lag(n) OVER (PARTITION BY kind ORDER BY time) AS before FROM refunds WHERE time > now() - interval '1 minute' \
     ORDER BY time DESC LIMIT 5",
    "SELECT kind, n, c, place FROM (SELECT kind, n, c, row_number() OVER (PARTITION BY kind ORDER BY c DESC, n) AS place \
     FROM (SELECT kind, n, count(*) AS c FROM orders GROUP BY kind, n)) WHERE place <= 2 ORDER BY kind, place",
    // Grouped again.
    "SELECT date_trunc('minute', t) AS m, max(c) AS a, avg(c) AS b FROM (SELECT date_trunc('second', time) AS t, count(*) AS c \
     FROM orders WHERE time > now() - interval '10 minutes' GROUP BY 1) GROUP BY 1",
    "SELECT c, count(*) AS kinds FROM (SELECT kind, n, count(*) AS c FROM orders GROUP BY kind, n) GROUP BY c ORDER BY c",
    "SELECT p.n, sum(a.c) AS c, count(*) AS kinds FROM (SELECT kind, count(*) AS c FROM orders GROUP BY kind) a \
     JOIN (SELECT DISTINCT ON (kind) kind, n FROM products ORDER BY kind, time DESC) p ON p.kind = a.kind GROUP BY p.n HAVING sum(a.c) > 2",
    "SELECT kind, sum(c) AS c, min(c) AS lo FROM (SELECT kind, count(*) AS c FROM orders GROUP BY kind UNION ALL \
     SELECT kind, sum(n) FROM refunds GROUP BY kind) GROUP BY kind ORDER BY c DESC, kind LIMIT 3",
    "SELECT DISTINCT o.n, r.n AS rn FROM (SELECT kind, n FROM orders WHERE time > now() - interval '1 minute') o \
     JOIN (SELECT kind, max(n) AS n FROM refunds GROUP BY kind) r ON o.kind = r.kind",
    "SELECT b.kind, b.s, a.c FROM (SELECT kind, sum(most) AS s FROM (SELECT kind, n, max(value) AS most FROM orders GROUP BY kind, n) \
     GROUP BY kind) b JOIN (SELECT kind, count(*) AS c FROM refunds GROUP BY kind) a ON a.kind = b.kind",
    "SELECT a.n, b.m FROM (SELECT kind, n FROM orders WHERE time > now() - interval '1 minute') a \
     JOIN (SELECT n, max(c) AS m FROM (SELECT kind, n, count(*) AS c FROM refunds GROUP BY kind, n) GROUP BY n) b ON a.n = b.n",
    "SELECT s.kind, s.total, p.price FROM (SELECT kind, sum(c) AS total FROM (SELECT kind, n, count(*) AS c FROM orders GROUP BY kind, n) \
     GROUP BY kind) s LEFT JOIN (SELECT DISTINCT ON (kind) kind, price FROM products ORDER BY kind, time DESC) p ON p.kind = s.kind \
     ORDER BY s.total DESC, s.kind LIMIT 3",
];

/// Queries with a last piece above the stages that is run over all of them.
const RUN_ABOVE: [&str; 5] = [
    "SELECT max(s) AS m, count(*) AS c FROM (SELECT kind, sum(c) AS s FROM (SELECT kind, n, count(*) AS c FROM orders GROUP BY kind, n) GROUP BY kind)",
    "SELECT n, rn, rank() OVER (ORDER BY n + rn) AS r FROM (SELECT o.n, r.n AS rn FROM orders o JOIN refunds r ON o.kind = r.kind \
     WHERE o.time > now() - interval '1 minute' AND r.time > now() - interval '1 minute')",
    "SELECT sum(s) AS s FROM (SELECT o.n + r.s AS s FROM (SELECT kind, max(n) AS n FROM orders GROUP BY kind) o \
     JOIN (SELECT kind, sum(n) AS s FROM refunds GROUP BY kind) r ON o.kind = r.kind ORDER BY s DESC LIMIT 2)",
    "SELECT a.kind, a.c + b.c AS c FROM (SELECT kind, count(*) AS c FROM orders GROUP BY kind) a \
     JOIN (SELECT kind, count(*) AS c FROM refunds GROUP BY kind) b ON a.kind = b.kind UNION ALL SELECT 'all', count(*) FROM orders",
    "SELECT a.kind, a.c::double / b.c AS share FROM (SELECT o.kind, o.c + r.c AS c FROM (SELECT kind, count(*) AS c FROM orders GROUP BY kind) o \
     JOIN (SELECT kind, count(*) AS c FROM refunds GROUP BY kind) r ON o.kind = r.kind) a CROSS JOIN (SELECT count(*) AS c FROM orders) b",
];

#[test]
fn what_is_above_parts_follows_changes_where_it_has_a_key() {
    let problems: Vec<String> = FOLLOWED
        .iter()
        .filter_map(|sql| match layered(sql) {
            Ok(Some((true, _))) => None,
            Ok(other) => Some(format!("{sql}: {other:?}")),
            Err(problem) => Some(problem),
        })
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn what_follows_equals_batch() {
    run(&FOLLOWED, 900);
}

#[test]
fn a_last_piece_without_a_key_is_run_over_what_follows() {
    let problems: Vec<String> = RUN_ABOVE
        .iter()
        .filter_map(|sql| match layered(sql) {
            Ok(Some((false, 1..))) => None,
            Ok(other) => Some(format!("{sql}: {other:?}")),
            Err(problem) => Some(problem),
        })
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn what_is_run_over_what_follows_equals_batch() {
    run(&RUN_ABOVE, 100);
}
