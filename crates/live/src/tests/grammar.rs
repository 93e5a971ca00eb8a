//! Random queries of every maintained shape, as text.

use proptest::prelude::*;

/// A random query over the test stream.
pub(crate) fn query() -> impl Strategy<Value = String> {
    prop_oneof![12 => aggregated(), 5 => plain_rows(), 3 => distinct(), 3 => subquery()]
}

fn one_of(options: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
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
        "time > now() - interval '1 day'",
        "time >= now() - interval '3 days' AND time < now() - interval '1 day'",
        "time > now() - interval '1 month'",
        "time >= date_trunc('month', now()) AND time <= now() + interval '1 day'",
        "time > now() - interval '1 week'",
        "time > now() - interval '1 hour' AND _arrived_at > now() - interval '40 seconds'",
        "_source_time > now() - interval '1 minute'",
        "_source_time >= now() - interval '20 seconds' AND time < now() - interval '5 seconds'",
        "time >= arrow_cast(now(), 'Timestamp(Nanosecond, Some(\"UTC\"))') - interval '1500 nanoseconds'",
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
        "value > 0",
        "value > 0.3",
        "value BETWEEN -0.5 AND price",
        "big % 2 = 0",
    ])
}

fn conditions() -> impl Strategy<Value = String> {
    (window(), filter()).prop_map(|(window, filter)| {
        let both: Vec<&str> = [window, filter].into_iter().filter(|c| !c.is_empty()).collect();
        if both.is_empty() { String::new() } else { format!(" WHERE ({})", both.join(") AND (")) }
    })
}

/// Every aggregate, in each form that is kept in another way.
pub(crate) const AGGREGATES: &[&str] = &[
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
    "count(DISTINCT value)",
    "count(DISTINCT price)",
    "count(DISTINCT time)",
    "count(DISTINCT flag)",
    "count(DISTINCT kind) FILTER (WHERE n > 2)",
    "sum(n) FILTER (WHERE flag)",
    "count(*) FILTER (WHERE n > 2)",
    "sum(n) * 2 + count(*)",
    "sum(value) / count(*)",
    "coalesce(sum(value), 0.0)",
    "sum(CASE WHEN flag THEN value ELSE 0.5 END)",
    "round(avg(n), 3)",
    "median(n)",
    "median(price)",
    "avg(price)",
    "max(price)",
    "sum(big)",
    "min(big)",
    "max(value / n)",
    "min(value / n)",
    "sum(n / nullif(n, 0))",
    "max(value / nullif(n, 0))",
    "sum(DISTINCT n)",
    "avg(DISTINCT n)",
    "array_agg(DISTINCT n)",
    "array_agg(DISTINCT kind)",
    "percentile_cont(0.3) WITHIN GROUP (ORDER BY n)",
    "approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY n)",
    "covar_pop(n, value)",
    "covar_samp(n, value)",
    "regr_slope(value, n)",
    "regr_count(value, n)",
    "bit_and(n)",
    "bit_or(n)",
    "bool_and(flag)",
    "min(flag)",
    "max(flag)",
    "stddev(value)",
    "var_pop(n)",
    "bool_or(flag)",
    "first_value(n)",
    "last_value(n)",
    "last_value(kind ORDER BY time)",
    "first_value(value ORDER BY n DESC, time)",
    "last_value(n ORDER BY time) IGNORE NULLS",
    "last_value(value ORDER BY time) FILTER (WHERE value IS NULL OR n > 2)",
    "array_agg(n)",
    "array_agg(kind ORDER BY n)",
    "corr(n, value)",
    "approx_distinct(kind)",
    "approx_distinct(n)",
    "approx_distinct(time) FILTER (WHERE flag)",
    "bit_xor(n)",
    "sum(CASE WHEN flag THEN 1 ELSE 0 END)",
    "any_value(n)",
    "any_value(value) FILTER (WHERE flag)",
    "any_value(kind ORDER BY n DESC)",
    "nth_value(n, 2)",
    "nth_value(value, 3 ORDER BY n, time)",
    "nth_value(kind, -2 ORDER BY time DESC)",
    "string_agg(kind, ', ')",
    "string_agg(kind, '' ORDER BY n DESC)",
    "string_agg(DISTINCT kind, '/')",
    "stddev_pop(n)",
    "var_samp(value)",
    "var_samp(n)",
    "regr_intercept(value, n)",
    "regr_r2(value, n)",
    "regr_avgx(value, n)",
    "regr_avgy(value, n)",
    "regr_sxx(value, n)",
    "regr_syy(value, n)",
    "regr_sxy(value, n)",
    "approx_median(n)",
    "approx_percentile_cont_with_weight(n + 3, 0.5) WITHIN GROUP (ORDER BY n)",
];

fn aggregate() -> impl Strategy<Value = &'static str> {
    one_of(AGGREGATES)
}

/// Several values of one row, which share its place in an order, and some of another.
fn latest() -> impl Strategy<Value = Vec<String>> {
    let value = one_of(&["n", "kind", "value", "price", "flag", "time", "big", "n % 3", "upper(kind)", "_offset"]);
    let order = one_of(&[
        "time",
        "time DESC",
        "n, time DESC",
        "kind DESC NULLS LAST, n",
        "value DESC",
        "value NULLS FIRST, price",
        "flag, kind",
        "n % 2, time",
        "price",
    ]);
    let filter = one_of(&["", "", " FILTER (WHERE flag)", " FILTER (WHERE n > 2)", " FILTER (WHERE value < 0)"]);
    let values = prop::collection::vec((value.clone(), any::<bool>()), 1..4);
    (values, order.clone(), filter.clone(), prop::option::weighted(0.4, (value, order, filter))).prop_map(
        |(values, order, filter, other)| {
            // The last row by the opposite order is the same one.
            let opposite = match order {
                "time" => "time DESC",
                "time DESC" => "time",
                "price" => "price DESC",
                "value DESC" => "value",
                _ => "",
            };
            let of = |(value, last): (&str, bool)| match last && !opposite.is_empty() {
                true => format!("last_value({value} ORDER BY {opposite}){filter}"),
                false => format!("first_value({value} ORDER BY {order}){filter}"),
            };
            let other = other.map(|(value, order, filter)| format!("last_value({value} ORDER BY {order}){filter}"));
            values.into_iter().map(of).chain(other).collect()
        },
    )
}

/// Counts of different values of few expressions, under several filters.
fn distincts() -> impl Strategy<Value = Vec<String>> {
    let value = one_of(&["n", "kind", "value", "price", "time", "big", "n % 3", "kind || kind", "time::date"]);
    let filter = one_of(&["", "", " FILTER (WHERE flag)", " FILTER (WHERE n > 2)", " FILTER (WHERE value < 0)"]);
    (prop::collection::vec(value, 1..3), prop::collection::vec((any::<bool>(), filter), 1..10)).prop_map(
        |(values, counts)| {
            let count = |(first, filter)| {
                let value = if first { values[0] } else { values[values.len() - 1] };
                format!("count(DISTINCT {value}){filter}")
            };
            counts.into_iter().map(count).collect()
        },
    )
}

/// Whether the last digits of this aggregate depend on how it was summed, or it is a list or a sketch.
fn is_open(aggregate: &str) -> bool {
    const OPEN: [&str; 9] =
        ["array_agg", "sum(value", "avg(value", "corr", "covar", "regr_", "stddev", "var_", "approx_"];
    OPEN.iter().any(|open| aggregate.starts_with(open))
        && !["regr_count", "approx_distinct"].iter().any(|exact| aggregate.starts_with(exact))
}

/// How a column of this aggregate is called, which says how near its live value must be to the batch one.
fn name(aggregate: &str) -> &'static str {
    const SQUARES: [&str; 5] = ["corr", "covar", "regr_", "stddev", "var_"];
    if aggregate.starts_with("approx_") && !aggregate.starts_with("approx_distinct") {
        "approx"
    } else if aggregate.starts_with("regr_count") {
        "a"
    } else if aggregate.starts_with("stddev") {
        "root"
    } else if SQUARES.iter().any(|squares| aggregate.starts_with(squares)) {
        "square"
    } else {
        "a"
    }
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
        " ORDER BY count(*) DESC, a0 LIMIT 4",
        " ORDER BY a0 DESC, count(*) OFFSET 1",
        " LIMIT 2",
        " LIMIT 0",
        " OFFSET 2",
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
    let any = prop::collection::vec(aggregate().prop_map(str::to_owned), 1..4);
    let aggregates = prop_oneof![4 => any, 2 => latest(), 1 => distincts()];
    (prop::collection::vec(key(), 0..3), aggregates, conditions(), having, order(), above).prop_map(
        |(mut keys, aggregates, conditions, having, order, above)| {
            keys.dedup();
            if keys.len() == 2 && keys[0] == keys[1] {
                keys.pop();
            }
            let keys_as = keys.iter().enumerate().map(|(i, key)| format!("{key} AS k{i}"));
            // An order or a HAVING that turns on the last digits of a float may fall either way, and lists have none
            // that floats leave alone: neither is ever the first.
            let first = aggregates.iter().position(|aggregate| !is_open(aggregate));
            let mut aggregates = aggregates;
            let order = match first {
                Some(first) => {
                    aggregates.swap(0, first);
                    order
                }
                None => "",
            };
            let aggregates =
                aggregates.iter().enumerate().map(|(i, aggregate)| format!("{aggregate} AS {}{i}", name(aggregate)));
            let select = keys_as.chain(aggregates).collect::<Vec<_>>().join(", ");
            let group = if keys.is_empty() {
                String::new()
            } else {
                format!(" GROUP BY {}", (1..=keys.len()).map(|i| i.to_string()).collect::<Vec<_>>().join(", "))
            };
            format!("SELECT {select}{above} FROM events{conditions}{group}{having}{order}")
        },
    )
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
        " ORDER BY kind, n DESC",
        " ORDER BY time DESC, n LIMIT 0",
        " ORDER BY value DESC OFFSET 2",
        " OFFSET 3",
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
        "DISTINCT ON (kind, flag) n, price",
        "DISTINCT ON (kind, n) kind, n, value, price, time, flag, big",
        "DISTINCT ON (coalesce(kind, 'none'), n % 3) flag, n, upper(kind) AS k",
        "DISTINCT ON (value) value, kind",
    ]);
    let above = one_of(&[
        "",
        "",
        " WHERE n < 5",
        " WHERE n < 5 ORDER BY n LIMIT 3",
        " ORDER BY n DESC, time",
        " ORDER BY time DESC LIMIT 2",
        " WHERE n > 0 LIMIT 3",
    ]);
    (select, conditions(), any::<bool>(), above).prop_map(|(select, conditions, newest, above)| {
        let order = match select {
            "DISTINCT ON (kind) kind, n, time" if newest => " ORDER BY kind, time DESC",
            "DISTINCT ON (n) *" if newest => " ORDER BY n, value",
            "DISTINCT ON (kind, flag) n, price" if newest => " ORDER BY kind DESC, flag, price DESC",
            select if newest && select.starts_with("DISTINCT ON (kind, n)") => " ORDER BY kind, n, time DESC",
            select if newest && select.starts_with("DISTINCT ON (coalesce") => {
                " ORDER BY coalesce(kind, 'none') DESC NULLS LAST, n % 3, value DESC, time"
            }
            select if newest && select.starts_with("DISTINCT ON (value)") => " ORDER BY value, flag, time DESC",
            _ => "",
        };
        let query = format!("SELECT {select} FROM events{conditions}{order}");
        if above.is_empty() || !select.starts_with("DISTINCT ON (kind) kind") {
            query
        } else {
            format!("SELECT * FROM ({query}) AS latest{above}")
        }
    })
}

fn subquery() -> impl Strategy<Value = String> {
    let plain = (conditions(), conditions()).prop_map(|(inner, outer)| {
        format!(
            "WITH base AS (SELECT time, kind, n + 1 AS n, value, price, flag, big, _arrived_at, _source_time \
             FROM events{inner}) SELECT kind, count(*) AS a0, sum(n) AS a1 FROM base{outer} GROUP BY kind"
        )
    });
    // Columns under the names of others: what is bounded or ordered by is not what it is called.
    let renamed = one_of(&["_arrived_at AS time", "_source_time AS time", "time AS _arrived_at, _source_time AS time"]);
    let bound = one_of(&["time > now() - interval '5 minutes'", "time >= now() - interval '1 day' AND time <= now()"]);
    let above = one_of(&[
        "SELECT count(*) AS a0, sum(n) AS a1 FROM base WHERE",
        "SELECT kind, max(time) AS a0 FROM base WHERE kind IS NOT NULL AND",
        "SELECT time, n, kind FROM base WHERE",
    ]);
    let ends = one_of(&["", " ORDER BY time DESC LIMIT 2", " ORDER BY time DESC LIMIT 1"]);
    let renamed = (renamed, bound, above, ends).prop_map(|(renamed, bound, above, ends)| {
        let (group, ends) = match above.split_once(',') {
            Some(("SELECT kind", _)) => (" GROUP BY kind", ""),
            Some(("SELECT time", _)) => ("", ends),
            _ => ("", ""),
        };
        format!("WITH base AS (SELECT {renamed}, kind, n FROM events) {above} {bound}{group}{ends}")
    });
    prop_oneof![plain, renamed]
}
