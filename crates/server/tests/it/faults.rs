//! Streams with faults: rows that come too late, rows that a limit refuses, rows that are rejected. All of them are seen.

use pulseboard_runtime::{Clock, SystemClock};
use serde_json::json;

use crate::support::api::{Api, events_path, read};
use crate::support::cli::pulseboard;
use crate::support::compare::assert_view_is_batch;
use crate::support::connection::Socket;
use crate::support::server::Home;
use crate::support::until::until;

const LATE: &str = "[views.recent]
sql = \"SELECT count(*) AS n FROM events WHERE time >= now() - interval '1 minute'\"
[views.two]
sql = \"\"\"SELECT a.n AS short, b.n AS long FROM (SELECT count(*) AS n FROM events WHERE time >= now() - interval '1 minute') a
CROSS JOIN (SELECT count(*) AS n FROM events WHERE time >= now() - interval '1 hour') b\"\"\"
[views.kinds]
sql = \"SELECT kind, count(*) AS n FROM events GROUP BY kind\"
[limits.views]
groups = 2
";

#[tokio::test]
async fn late_and_truncated_rows_are_counted_per_view() {
    let home = Home::new(LATE);
    let server = home.start().await;
    let api = &server.api;
    let position = api.accepted("events", &json!([{"kind": "a"}, {"kind": "b"}])).await;
    for view in ["recent", "two", "kinds"] {
        let view = api.live_view(view, &position).await;
        assert!(view["state"].get("late_rows").is_none() && view["state"].get("truncated_rows").is_none(), "{view}");
    }
    let now = SystemClock.now_us() / 1_000_000;
    let events = json!([
        {"kind": "a", "time": now - 600}, {"kind": "a", "time": 1_600_000_000}, {"kind": "c"}, {"kind": "c"}, {"kind": "b"},
    ]);
    api.accepted("events", &events).await;
    // The counts are told with the next state, at most once a second.
    let counted = async |view: &str, figure: &str, rows: u64| {
        until(&format!("`{view}` has {figure} {rows}"), async || {
            let answer = api.get(&format!("/api/v1/views/{view}")).await.ok();
            (answer["state"][figure] == rows).then_some(answer)
        })
        .await
    };
    let recent = counted("recent", "late_rows", 2).await;
    assert_eq!((&recent["rows"], &recent["state"]["status"]), (&json!([[5]]), &json!("live")), "{recent}");
    let two = counted("two", "late_rows", 1).await;
    assert_eq!(two["rows"], json!([[5, 6]]), "what one part asks for is not late: {two}");
    let kinds = counted("kinds", "truncated_rows", 2).await;
    assert_eq!(kinds["state"]["status"], "truncated", "{kinds}");

    let metrics = api.get("/metrics").await.text();
    for line in [
        "pulseboard_view_late_rows_total{view=\"recent\"} 2",
        "pulseboard_view_late_rows_total{view=\"two\"} 1",
        "pulseboard_view_late_rows_total{view=\"kinds\"} 0",
        "pulseboard_view_truncated_rows{view=\"kinds\"} 2",
        "pulseboard_view_groups{view=\"kinds\"} 2",
        "pulseboard_view_state_bytes{view=\"recent\"}",
        "pulseboard_view_step_seconds_sum{view=\"recent\"}",
    ] {
        assert!(metrics.contains(line), "no `{line}` in {metrics}");
    }
    let sql = "SELECT kind, count(*) AS n FROM events GROUP BY kind";
    let explained = api.post("/api/v1/explain", &json!({"sql": sql})).await.ok();
    assert_eq!(explained["running"]["truncated_rows"], 2, "{explained}");
}

const REJECTS: &str = "SELECT stream, reason, count(*) AS n, sum(\"rows\") AS all FROM _rejected \
    WHERE time >= now() - interval '1 hour' GROUP BY 1, 2";

#[tokio::test]
async fn rejected_rows_are_a_stream_like_any_other() {
    let home = Home::new(&format!("[views.rejects]\nsql = '''{REJECTS}'''\n"));
    let server = home.start().await;
    let api = &server.api;
    assert_eq!(
        api.query("SELECT count(*) AS n FROM _rejected").await["rows"],
        json!([[0]]),
        "it is there from the start"
    );

    let keyed = async |api: &Api, body: &str| {
        read(api.request("POST", &events_path("orders")).header("Idempotency-Key", "k1").body(body.to_owned())).await
    };
    let body = "{\"total\":1}\n{\"total\":\"much\",\"password\":\"x\"}\n{\"total\":2\n";
    let first = keyed(api, body).await.ok();
    let again = keyed(api, body).await.ok();
    assert_eq!((&first["accepted"], &first["rejected"], &again), (&json!(1), &json!(2), &first));
    // A request of which every row was bad is kept as well, and stands before its position.
    let bad = api.events("orders", "[{\"total\":[]}]").await;
    assert_eq!(bad.status, 422, "{}", bad.text());
    let position = bad.json()["position"].as_str().unwrap().to_owned();
    let sql = "SELECT stream, row, field, raw, source, \"rows\", _offset FROM _rejected ORDER BY _offset";
    let expected = json!([
        ["orders", 2, "total", "{\"total\":\"much\",\"password\":\"x\"}", "http", 1, 2],
        ["orders", 3, null, "{\"total\":2", "http", 1, 3],
        ["orders", 1, "total", "{\"total\":[]}", "http", 1, 4],
    ]);
    assert_eq!(api.query_at(sql, &position).await["rows"], expected);
    let earlier = first["position"].as_str().unwrap();
    assert_eq!(api.query_at(sql, earlier).await["rows"].as_array().map(Vec::len), Some(2));

    // More than is kept one by one is one row that says how many.
    let many = "{\"total\":true}\n".repeat(130);
    assert_eq!(api.events("orders", many).await.status, 422);
    let view = api.live_view("rejects", &position).await;
    assert_view_is_batch(api, REJECTS, &view).await;
    let totals = api.query("SELECT count(*) AS n, sum(\"rows\") AS all FROM _rejected").await;
    assert_eq!(totals["rows"], json!([[104, 133]]), "{totals}");

    // Clients read it, tail it, and do not write it.
    let refusal = api.events("_rejected", "{\"stream\":\"orders\"}").await.refused(400, "bad_request");
    assert!(refusal.message.contains("`_rejected`"), "{refusal:?}");
    let mut socket = Socket::open(server.address).await.unwrap();
    socket.send(&json!({"id": 1, "type": "publish", "stream": "_rejected", "events": [{"a": 1}]})).await.unwrap();
    let answer = socket.next().await.unwrap();
    assert_eq!((&answer["type"], &answer["error"]["code"]), (&json!("error"), &json!("bad_request")), "{answer}");
    socket.send(&json!({"id": 2, "type": "publish", "stream": "orders", "events": [{"total": "x"}]})).await.unwrap();
    assert_eq!(socket.next().await.unwrap()["rejected"], 1);
    let streams = api.get("/api/v1/streams").await.ok();
    let listed: Vec<_> = streams["streams"].as_array().unwrap().iter().map(|s| (&s["name"], &s["system"])).collect();
    assert_eq!(listed, [(&json!("orders"), &json!(false)), (&json!("_rejected"), &json!(true))]);

    // A restart keeps all of it, and a retry after it still brings nothing twice.
    server.stop().await;
    let tail = pulseboard(["tail", "_rejected", "-n", "1", "--data-dir", home.data_dir().to_str().unwrap()]).await.ok();
    let newest: serde_json::Value = serde_json::from_str(tail.trim()).unwrap();
    assert_eq!((&newest["raw"], &newest["source"]), (&json!("{\"total\":\"x\"}"), &json!("websocket")), "{tail}");
    let server = home.start().await;
    assert_eq!(keyed(&server.api, body).await.ok(), first);
    let count = server.api.query("SELECT count(*) AS n FROM _rejected").await;
    assert_eq!(count["rows"], json!([[105]]));
    let view = server.api.live_view("rejects", &position).await;
    assert_view_is_batch(&server.api, REJECTS, &view).await;
}
