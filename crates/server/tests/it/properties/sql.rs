//! SQL by chance: text, words of SQL in any order, queries that nearly are.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::{World, assert_documented, nearly, pieces};

const WORDS: &[&str] = &[
    "SELECT ",
    "FROM ",
    "events ",
    "thing ",
    "WHERE ",
    "GROUP BY ",
    "ORDER BY ",
    "HAVING ",
    "LIMIT ",
    "OFFSET ",
    "WITH x AS (",
    "UNION ALL ",
    "JOIN ",
    "ON ",
    "DISTINCT ",
    "OVER (",
    "PARTITION BY ",
    "CASE WHEN ",
    "THEN ",
    "END ",
    "BETWEEN ",
    "AND ",
    "IN (",
    "NOT ",
    "NULL ",
    "count(*) ",
    "sum(n) ",
    "avg(price) ",
    "max(kind) ",
    "first_value(n ORDER BY time) ",
    "n ",
    "kind ",
    "price ",
    "item ",
    "time ",
    "_offset ",
    "*",
    ", ",
    "(",
    ")",
    "=",
    "<",
    "+",
    "-",
    "/",
    "||",
    "::",
    "int ",
    "timestamp ",
    "1 ",
    "0 ",
    "-9223372036854775808 ",
    "1e400 ",
    "'x' ",
    "'",
    "\"",
    "$a ",
    "?",
    ";",
    "--",
    "/*",
    "interval '1 minute' ",
    "now() ",
    "date_trunc('day', time) ",
    "date_bin(interval '0 seconds', time) ",
    "[1] ",
    "{",
    "é ",
    "\0",
    "random() ",
    "unnest(",
];

const QUERIES: &[&str] = &[
    "SELECT kind, count(*) AS n FROM events WHERE time > now() - interval '5 minutes' GROUP BY kind ORDER BY n DESC LIMIT 3",
    "SELECT date_trunc('minute', time) AS t, sum(price) FROM events GROUP BY 1 HAVING sum(price) > 10",
    "SELECT * FROM events ORDER BY time DESC LIMIT 5",
    "SELECT n::double / nullif(n - 1, 0), item['tags'][1] FROM events",
    "WITH a AS (SELECT n FROM events) SELECT max(n) OVER (ORDER BY n) FROM a WHERE n IN (SELECT n FROM events)",
];

fn sql() -> impl Strategy<Value = String> {
    let query = pieces(WORDS, 12);
    prop_oneof![
        1 => ".{0,100}".boxed(),
        2 => pieces(WORDS, 25).boxed(),
        3 => (pieces(WORDS, 8), query).prop_map(|(what, rest)| format!("SELECT {what} FROM events {rest}")).boxed(),
        3 => nearly(QUERIES).boxed(),
    ]
}

#[test]
fn any_sql_gets_a_documented_answer() {
    let paths = ["/api/v1/query", "/api/v1/explain", "/api/v1/live/queries"];
    let params = [json!({}), json!({"a": 1}), json!({"a": "x"}), json!({"a": null}), json!({"a": 1e300})];
    let mut world = World::new();
    let asked = (select(paths.to_vec()), sql(), select(params.to_vec()));
    world.check(400, asked, &async |server, (path, sql, params)| {
        // A parameter that the text does not name would be refused before anything else is looked at.
        let params = if sql.contains("$a") { params.clone() } else { json!({}) };
        let answer = server.api.post(path, &json!({"sql": sql, "params": params})).await;
        assert_documented(&answer, &(path, sql));
    });
}

#[test]
fn any_request_body_gets_a_documented_answer() {
    const REQUESTS: &[&str] = &[
        r#"{"sql":"SELECT 1","params":{"a":1},"timezone":"Europe/Berlin","wait":"1s"}"#,
        r#"{"sql":"SELECT 1","at":"00000000000000ab:42:1700000000123456"}"#,
        r#"{"sql":"SELECT 1","min_position":"00000000000000ab:42:1700000000123456","wait":"5ms"}"#,
    ];
    let paths = ["/api/v1/query", "/api/v1/explain", "/api/v1/live/queries", "/api/v1/range", "/api/v1/nowhere"];
    let types = ["application/json", "text/plain", "application/json; charset=x"];
    let mut world = World::new();
    let asked = (select(paths.to_vec()), select(types.to_vec()), prop_oneof![nearly(REQUESTS), ".{0,60}"]);
    world.check(150, asked, &async |server, (path, content_type, body)| {
        let request = server.api.request("POST", path).header("content-type", content_type).body(body.clone());
        assert_documented(&crate::support::api::read(request).await, &(path, body));
    });
}
