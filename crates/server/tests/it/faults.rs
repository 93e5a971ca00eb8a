//! Streams with faults: rows that come too late, rows that a limit refuses, rows that are rejected. All of them are seen.

use pulseboard_runtime::{Clock, SystemClock};
use serde_json::json;

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
