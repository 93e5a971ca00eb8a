//! Random queries of every maintained shape, as text.

use proptest::prelude::*;

/// A random query over the test stream.
pub(crate) fn query() -> impl Strategy<Value = String> {
    prop_oneof![6 => aggregated(), 2 => plain_rows(), 1 => distinct(), 1 => subquery()]
}

fn one_of(options: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(options)
}

/// A bound that moves with the clock, or none.
fn window() -> impl Strategy<Value = &'static str> {
    one_of(&[
        "",
        "",
        "time > now() - interval '10 seconds'",
        "time >= now() - interval '5 minutes'",
        "time > now() - interval '90 seconds' AND time <= now()",
        "time >= date_trunc('day', now())",
        "time >= date_trunc('hour', now())",
        "time >= date_trunc('day', now()) - interval '1 day' AND time < date_trunc('day', now())",
        "time >= now() - interval '1 hour' AND time < now() - interval '2 minutes'",
        "time BETWEEN now() - interval '3 minutes' AND now()",
        "_arrived_at > now() - interval '30 seconds'",
        "time > now() - interval '1500 milliseconds'",
        "time >= current_date",
        "time < now()",
    ])
}

fn filter() -> impl Strategy<Value = &'static str> {
    one_of(&[
        "",
        "",
        "",
        "n > 0",
        "kind <> 'b'",
        "flag",
        "value IS NOT NULL AND n % 2 = 0",
        "price >= 10.50",
        "kind LIKE 'a%' OR n < 3",
    ])
}

fn conditions() -> impl Strategy<Value = String> {
    (window(), filter()).prop_map(|(window, filter)| {
        let both: Vec<&str> = [window, filter].into_iter().filter(|c| !c.is_empty()).collect();
        if both.is_empty() { String::new() } else { format!(" WHERE ({})", both.join(") AND (")) }
    })
}

fn aggregate() -> impl Strategy<Value = &'static str> {
    one_of(&[
        "count(*)",
        "count(n)",
        "sum(n)",
        "sum(value)",
        "sum(price)",
        "avg(n)",
        "avg(value)",
        "min(n)",
        "max(n)",
        "min(value)",
        "max(value)",
        "min(price)",
        "max(time)",
        "min(kind)",
        "count(DISTINCT kind)",
        "count(DISTINCT n)",
        "sum(n) FILTER (WHERE flag)",
        "count(*) FILTER (WHERE n > 2)",
        "sum(n) * 2 + count(*)",
        "sum(value) / count(*)",
        "round(avg(value), 3)",
        "median(n)",
        "stddev(value)",
        "var_pop(n)",
        "bool_or(flag)",
        "first_value(n)",
        "last_value(n)",
        "last_value(kind ORDER BY time)",
        "first_value(value ORDER BY n DESC, time)",
        "array_agg(n)",
        "array_agg(kind ORDER BY n)",
        "corr(n, value)",
        "approx_distinct(kind)",
        "bit_xor(n)",
        "sum(CASE WHEN flag THEN 1 ELSE 0 END)",
    ])
}

fn key() -> impl Strategy<Value = &'static str> {
    one_of(&[
        "kind",
        "n",
        "flag",
        "n % 3",
        "coalesce(kind, 'none')",
        "date_trunc('minute', time)",
        "date_trunc('hour', time)",
        "date_trunc('day', time)",
        "date_bin(interval '30 seconds', time)",
        "upper(kind)",
        "n > 2",
    ])
}

fn order() -> impl Strategy<Value = &'static str> {
    one_of(&[
        "",
        "",
        " ORDER BY a0",
        " ORDER BY a0 DESC",
        " ORDER BY a0 NULLS FIRST LIMIT 3",
        " ORDER BY a0 DESC LIMIT 2 OFFSET 1",
        " LIMIT 2",
    ])
}

fn aggregated() -> impl Strategy<Value = String> {
    let having = one_of(&[
        "",
        "",
        "",
        " HAVING count(*) > 2",
        " HAVING sum(n) > 5 AND count(*) < 40",
        " HAVING max(time) > now() - interval '20 seconds'",
    ]);
    let above = one_of(&["", "", "", ", now() AS a9", ", count(*) * 10 AS a9"]);
    (prop::collection::vec(key(), 0..3), prop::collection::vec(aggregate(), 1..4), conditions(), having, order(), above)
        .prop_map(|(mut keys, aggregates, conditions, having, order, above)| {
            keys.dedup();
            if keys.len() == 2 && keys[0] == keys[1] {
                keys.pop();
            }
            let keys_as = keys.iter().enumerate().map(|(i, key)| format!("{key} AS k{i}"));
            // `array_agg` has no order to sort by that floats leave alone, so it is never the first.
            let first = aggregates
                .iter()
                .position(|a| !a.starts_with("array_agg") && !a.starts_with("corr") && !a.starts_with("stddev"));
            let mut aggregates = aggregates;
            let order = match first {
                Some(first) => {
                    aggregates.swap(0, first);
                    order
                }
                None => "",
            };
            let aggregates = aggregates.iter().enumerate().map(|(i, aggregate)| format!("{aggregate} AS a{i}"));
            let select = keys_as.chain(aggregates).collect::<Vec<_>>().join(", ");
            let group = if keys.is_empty() {
                String::new()
            } else {
                format!(" GROUP BY {}", (1..=keys.len()).map(|i| i.to_string()).collect::<Vec<_>>().join(", "))
            };
            format!("SELECT {select}{above} FROM events{conditions}{group}{having}{order}")
        })
}

fn plain_rows() -> impl Strategy<Value = String> {
    let select = one_of(&[
        "*",
        "time, n",
        "kind, n * 2 AS a0",
        "time AS t, coalesce(kind, 'x') AS k",
        "n, value, price, _offset",
    ]);
    let order = one_of(&[
        "",
        " ORDER BY time DESC LIMIT 5",
        " ORDER BY time DESC LIMIT 3 OFFSET 2",
        " ORDER BY n",
        " ORDER BY n DESC, time LIMIT 4",
        " ORDER BY time",
        " LIMIT 4",
        " ORDER BY price DESC NULLS LAST LIMIT 3",
    ]);
    (select, conditions(), order)
        .prop_map(|(select, conditions, order)| format!("SELECT {select} FROM events{conditions}{order}"))
}

fn distinct() -> impl Strategy<Value = String> {
    let select = one_of(&[
        "DISTINCT kind",
        "DISTINCT n % 2 AS a0, flag",
        "DISTINCT ON (kind) kind, n, time",
        "DISTINCT ON (n) *",
    ]);
    (select, conditions(), any::<bool>()).prop_map(|(select, conditions, newest)| {
        let order = match select {
            "DISTINCT ON (kind) kind, n, time" if newest => " ORDER BY kind, time DESC",
            "DISTINCT ON (n) *" if newest => " ORDER BY n, value",
            _ => "",
        };
        format!("SELECT {select} FROM events{conditions}{order}")
    })
}

fn subquery() -> impl Strategy<Value = String> {
    (conditions(), conditions()).prop_map(|(inner, outer)| {
        format!(
            "WITH base AS (SELECT time, kind, n + 1 AS n, value, price, flag, _arrived_at FROM events{inner}) \
             SELECT kind, count(*) AS a0, sum(n) AS a1 FROM base{outer} GROUP BY kind"
        )
    })
}
