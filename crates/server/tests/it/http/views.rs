//! Views as they are and as they were: parameters, waiting for a position, answers that are not there yet, keys and order.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::compare::{lines, sorted};
use crate::support::server::Home;
use crate::support::until::until;

#[tokio::test]
async fn parameters_of_a_view_are_part_of_its_address() {
    let sql = "SELECT v, kind FROM events WHERE kind = $kind AND v >= $low ORDER BY v";
    let home = Home::new(&format!("[views.of_kind]\nsql = \"{sql}\"\n"));
    let server = home.start().await;
    let api = &server.api;
    let events = json!([{"v": 1, "kind": "a"}, {"v": 2, "kind": "b"}, {"v": 3, "kind": "a"}, {"v": 4, "kind": "a b"}]);
    let position = api.accepted("events", &events).await;
    let get = async |query: &str| api.get(&format!("/api/v1/views/of_kind?{query}&min_position={position}")).await;
    let rows = async |query: &str| get(query).await.ok()["rows"].clone();
    assert_eq!(rows("p.kind=a&p.low=1").await, json!([[1, "a"], [3, "a"]]));
    assert_eq!(rows("p.kind=a&p.low=2").await, json!([[3, "a"]]));
    assert_eq!(rows("p.low=1&p.kind=a%20b").await, json!([[4, "a b"]]), "in any order, percent-encoded");
    assert_ne!(
        get("p.kind=a&p.low=1").await.header("etag"),
        get("p.kind=a&p.low=2").await.header("etag"),
        "each has a tag of its own"
    );
    // The channel of the same name and parameters is the same view.
    let body = json!({"sql": sql, "params": {"kind": "a", "low": 2}, "at": position});
    assert_eq!(api.post("/api/v1/query", &body).await.ok()["rows"], json!([[3, "a"]]));
    let missing = get("p.kind=a").await.refused(400, "bad_params");
    assert!(missing.message.contains("low"), "{missing:?}");
    get("p.kind=a&p.low=1&p.other=1").await.refused(400, "bad_params");
    get("p.kind=a&p.low=many").await.refused(400, "bad_params");
}

#[tokio::test]
async fn a_view_that_does_not_reach_a_position_in_time_is_504() {
    let sql = "SELECT n, rank() OVER (ORDER BY n) AS place FROM events";
    let home = Home::new(&format!("[views.ranked]\nsql = \"{sql}\"\n"));
    let server = home.start().await;
    let api = &server.api;
    let view = async |position: &str, wait: &str| {
        api.get(&format!("/api/v1/views/ranked?min_position={position}&wait={wait}")).await
    };
    let mut n = 0;
    // It is run once a second: just after a run, what is new is not in it.
    let refusal = until("a wait of no time ends before the next run", async || {
        n += 1;
        let position = api.accepted("events", &json!({ "n": n })).await;
        assert_eq!(view(&position, "30s").await.ok()["rows"].as_array().map(Vec::len), Some(n), "with patience");
        n += 1;
        let position = api.accepted("events", &json!({ "n": n })).await;
        let hasty = view(&position, "0s").await;
        assert_eq!(view(&position, "30s").await.ok()["rows"].as_array().map(Vec::len), Some(n));
        (hasty.status != 200).then(|| hasty.refused(504, "not_reached"))
    })
    .await;
    assert!(refusal.message.contains("not reached"), "{refusal:?}");
}

#[tokio::test]
async fn a_view_that_is_being_rebuilt_has_no_rows_and_says_so() {
    // Much work for each row, so that it takes longer than an answer is waited for.
    let sql = "SELECT n + $k AS g, median(n) AS m, stddev(n) AS d, array_agg(n) AS l FROM events GROUP BY n + $k";
    let home = Home::new(&format!("[views.slow]\nsql = \"{sql}\"\n"));
    let server = home.start().await;
    let api = &server.api;
    let body: String = (0..100_000).map(|n| format!("{{\"n\":{}}}\n", n % 20_000)).collect();
    for _ in 0..2 {
        api.events("events", body.clone()).await.ok();
    }
    api.settle().await;
    let mut k = 0;
    let seen = until("a view is asked for before it is there", async || {
        k += 1;
        let view = api.get(&format!("/api/v1/views/slow?p.k={k}")).await.ok();
        (view["state"]["status"] == "backfilling").then_some(view)
    })
    .await;
    for member in ["rows", "keys", "columns"] {
        assert_eq!(seen.get(member), Some(&Value::Null), "{member}: unknown is null, never empty: {seen}");
    }
}

/// A view of the past, and the same as it was read live then.
async fn assert_as_it_was(api: &Api, name: &str, live: &Value) {
    let at = live["position"].as_str().unwrap();
    let past = api.get(&format!("/api/v1/views/{name}?at={at}")).await.ok();
    assert_eq!(past["position"], live["position"], "{name}");
    assert_eq!(past["columns"], live["columns"], "{name}");
    assert_eq!(past.get("order"), live.get("order"), "{name}: {past} {live}");
    for member in ["status", "mode"] {
        assert_eq!(past["state"][member], live["state"][member], "{name}: {past} {live}");
    }
    if live.get("order").is_some() {
        assert_eq!((&past["keys"], &past["rows"]), (&live["keys"], &live["rows"]), "{name}");
    }
    let keyed = |view: &Value| -> Vec<String> {
        let pairs = lines(&view["keys"]).into_iter().zip(lines(&view["rows"]));
        sorted(pairs.map(|(key, row)| format!("{key} {row}")).collect())
    };
    assert_eq!(keyed(&past), keyed(live), "{name}");
}

#[tokio::test]
async fn a_view_of_the_past_has_the_keys_the_order_and_the_mode_it_had() {
    const VIEWS: [(&str, &str); 5] = [
        ("grouped", "SELECT kind, count(*) AS n FROM events GROUP BY kind"),
        ("ordered", "SELECT kind, sum(v) AS total FROM events GROUP BY kind ORDER BY total DESC LIMIT 2"),
        ("newest", "SELECT time, v FROM events ORDER BY time DESC LIMIT 3"),
        (
            "shares",
            "SELECT a.kind, a.n, b.n AS total FROM (SELECT kind, count(*) AS n FROM events GROUP BY kind) a \
         CROSS JOIN (SELECT count(*) AS n FROM events) b",
        ),
        ("ranked", "SELECT v, rank() OVER (ORDER BY v DESC) AS place FROM events"),
    ];
    let tables: Vec<String> = VIEWS.iter().map(|(name, sql)| format!("[views.{name}]\nsql = \"{sql}\"\n")).collect();
    let home = Home::new(&tables.concat());
    let server = home.start().await;
    let api = &server.api;
    let mut seen = Vec::new();
    for round in 0..3 {
        let events =
            json!([{"v": round, "kind": "a"}, {"v": 10 - round, "kind": "b"}, {"v": 5, "kind": format!("c{round}")}]);
        let position = api.accepted("events", &events).await;
        for (name, _) in VIEWS {
            let status = if name == "ranked" { "rerun" } else { "live" };
            let view = until("the view stands there", async || {
                let view = api.get(&format!("/api/v1/views/{name}?min_position={position}")).await.ok();
                (view["state"]["status"] == status).then_some(view)
            })
            .await;
            seen.push((name, view));
        }
    }
    for (name, view) in &seen {
        assert_as_it_was(api, name, view).await;
    }
    // What is asked once has no keys, and is no live answer.
    let once = api.query(VIEWS[0].1).await;
    assert_eq!((&once["state"]["status"], &once["state"]["mode"]), (&json!("rerun"), &json!("rerun")), "{once}");
    assert_eq!(once.get("keys"), None, "{once}");
    // Over a restart, from the checkpoints that it left and from the log.
    server.stop().await;
    let server = home.start().await;
    for (name, view) in &seen {
        assert_as_it_was(&server.api, name, view).await;
    }
}
