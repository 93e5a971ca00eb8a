//! Names that trip people up: reserved ones, keywords, other cases, near misses.

use serde_json::json;

use crate::support::server::Home;
use crate::support::until::until;

#[tokio::test]
async fn reserved_field_names_are_rejected_by_name_and_their_neighbours_are_not() {
    let home = Home::new("[streams.timed]\ntime_field = \"at\"\n");
    let server = home.start().await;
    for name in ["_offset", "_arrived_at", "_source_time"] {
        let answer = server.api.events("s", json!({name: 1}).to_string()).await;
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert_eq!(answer.json()["errors"][0]["field"], name, "{}", answer.text());
    }
    server.api.accepted("s", &json!({"_other": 1, "source_time": 2, "_Offset": 3})).await;

    let both = server.api.events("timed", json!({"at": 1_700_000_000, "time": 1_700_000_000}).to_string()).await;
    assert_eq!(both.status, 422, "{}", both.text());
    assert_eq!(both.json()["errors"][0]["field"], "time", "{}", both.text());
    server.api.accepted("timed", &json!({"at": 1_700_000_000})).await;
    let rows = server.api.query("SELECT time, \"at\" FROM timed").await["rows"].clone();
    assert_eq!(rows[0][0], 1_700_000_000_000_000_i64, "{rows}");
}

#[tokio::test]
async fn user_id_in_camel_case_needs_no_quotes() {
    let sql = "SELECT userId, count(*) AS n FROM visits GROUP BY userId ORDER BY userId";
    let home = Home::new(&format!("[views.per_user]\nsql = \"{sql}\"\n"));
    let server = home.start().await;
    let position = server.api.accepted("visits", &json!([{"userId": "a"}, {"userId": "b"}, {"userId": "a"}])).await;
    let expected = json!([["a", 2], ["b", 1]]);
    assert_eq!(server.api.query(sql).await["rows"], expected);
    assert_eq!(server.api.query(&sql.replace("userId", "USERID")).await["rows"], expected);
    let view = server.api.live_view("per_user", &position).await;
    assert_eq!(view["rows"], expected);
    assert_eq!(view["columns"][0]["name"], "userId", "{view}");
}

#[tokio::test]
async fn two_names_that_differ_in_case_only_are_told_apart() {
    let home = Home::new("");
    let server = home.start().await;
    server.api.accepted("s", &json!({"userId": 1, "userid": 2})).await;
    let rows = server.api.query("SELECT userId, userid FROM s").await["rows"].clone();
    assert_eq!(rows, json!([[1, 2]]));
    server.api.post("/api/v1/query", &json!({"sql": "SELECT USERID FROM s"})).await.refused(400, "unknown_column");
}

#[tokio::test]
async fn a_field_named_offset_is_a_field_like_any_other() {
    let quoted = "SELECT max(\"offset\") AS highest FROM s";
    let home = Home::new("[views.highest]\nsql = 'SELECT max(\"offset\") AS highest FROM s'\n");
    let server = home.start().await;
    let position = server.api.accepted("s", &json!([{"offset": 70, "limit": 1}, {"offset": 50, "limit": 2}])).await;
    assert_eq!(server.api.query(quoted).await["rows"], json!([[70]]));
    let rows = server.api.query("SELECT offset, _offset FROM s ORDER BY offset").await["rows"].clone();
    assert_eq!(rows, json!([[50, 2], [70, 1]]), "the field and the system column");
    assert_eq!(server.api.live_view("highest", &position).await["rows"], json!([[70]]));
}

#[tokio::test]
async fn ten_and_then_ten_and_a_half_widen_the_field() {
    let sql = "SELECT sum(price) AS total, count(*) AS n FROM s";
    let home = Home::new(&format!("[views.total]\nsql = \"{sql}\"\n"));
    let server = home.start().await;
    let position = server.api.accepted("s", &json!({"price": 10})).await;
    let narrow = server.api.live_view("total", &position).await;
    assert_eq!((&narrow["rows"], &narrow["columns"][0]["type"]), (&json!([[10, 1]]), &json!("int")));

    let position = server.api.accepted("s", &json!({"price": 10.5})).await;
    assert_eq!(server.api.query("SELECT price FROM s ORDER BY _offset").await["rows"], json!([[10.0], [10.5]]));
    let fields = server.api.get("/api/v1/streams/s").await.ok()["schema"]["fields"].clone();
    assert_eq!((&fields[0]["name"], &fields[0]["type"]), (&json!("price"), &json!("float")), "{fields}");
    let wide = until("the view is rebuilt", async || {
        let view = server.api.live_view("total", &position).await;
        (view["columns"][0]["type"] == "float").then_some(view)
    });
    assert_eq!(wide.await["rows"], json!([[20.5, 2]]));
}

#[tokio::test]
async fn an_unknown_stream_view_or_board_names_the_nearest() {
    let home = Home::new("[views.revenue]\nsql = \"SELECT count(*) AS n FROM orders\"\n");
    let server = home.start().await;
    server.api.accepted("orders", &json!({"total": 1})).await;
    let sql = json!({"sql": "SELECT count(*) FROM ordrs"});
    for path in ["/api/v1/query", "/api/v1/explain", "/api/v1/live/queries"] {
        let refusal = server.api.post(path, &sql).await.refused(404, "unknown_stream");
        assert_eq!(refusal.details["nearest"], json!(["orders"]), "{path}: {refusal:?}");
        assert!(refusal.message.contains("`orders`"), "{refusal:?}");
    }
    for (path, code, nearest) in [
        ("/api/v1/streams/ordrs", "unknown_stream", json!(["orders"])),
        ("/api/v1/views/revenu", "unknown_view", json!(["revenue"])),
        ("/api/v1/live/sse?channel=view:revenu", "unknown_view", json!(["revenue"])),
        ("/api/v1/live/sse?channel=stream:ordrs", "unknown_stream", json!(["orders"])),
        ("/api/v1/boards/infra", "unknown_board", json!([])),
    ] {
        let refusal = server.api.get(path).await.refused(404, code);
        assert_eq!(refusal.details["nearest"], nearest, "{path}: {refusal:?}");
    }
    server.api.get("/api/v1/live/sse?channel=sql:0123456789abcdef0123456789abcdef").await.refused(404, "unknown_query");
}

#[tokio::test]
async fn a_configured_view_over_nothing_yet_waits_and_says_for_what() {
    let home = Home::new("[views.later]\nsql = \"SELECT sum(total) AS total FROM orders\"\n");
    let server = home.start().await;
    let waiting_for = async |what: &str| {
        until("it waits", async || {
            let view = server.api.get("/api/v1/views/later").await.ok();
            let named = view["state"]["reason"].as_str().is_some_and(|reason| reason.contains(what));
            (view["state"]["status"] == "waiting" && named).then(|| assert_eq!(view["rows"], json!(null)))
        })
        .await;
    };
    waiting_for("`orders`").await;
    server.api.accepted("orders", &json!({"other": 1})).await;
    waiting_for("`total`").await;
    let position = server.api.accepted("orders", &json!({"total": 5})).await;
    assert_eq!(server.api.live_view("later", &position).await["rows"], json!([[5]]));
}
