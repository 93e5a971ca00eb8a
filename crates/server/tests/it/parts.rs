//! Views of several parts under load: wherever they say they stand, their rows are the batch answer's.

use futures::future::join_all;
use serde_json::json;

use crate::support::compare::assert_view_is_batch;
use crate::support::server::Home;

const VIEWS: [(&str, &str); 3] = [
    ("busiest", "SELECT max(n) AS n, count(*) AS kinds FROM (SELECT kind, count(*) AS n FROM load GROUP BY kind)"),
    (
        "shares",
        "SELECT a.kind, a.n, b.n AS total FROM (SELECT kind, count(*) AS n FROM load GROUP BY kind) a \
         CROSS JOIN (SELECT count(*) AS n FROM load) b",
    ),
    (
        "best",
        "SELECT kind, v, n FROM (SELECT kind, v, n, row_number() OVER (PARTITION BY kind ORDER BY n DESC, v) AS place \
         FROM (SELECT kind, v, count(*) AS n FROM load GROUP BY kind, v)) WHERE place <= 2",
    ),
];

#[tokio::test]
async fn views_of_several_parts_stand_where_they_say() {
    let tables: Vec<String> =
        VIEWS.iter().map(|(name, sql)| format!("[views.{name}]\nsql = \"\"\"{sql}\"\"\"\n")).collect();
    let home = Home::new(&tables.concat());
    let server = home.start().await;
    let api = &server.api;
    let first = api.accepted("load", &json!([{"kind": "k0", "v": 0}])).await;
    for (name, sql) in VIEWS {
        let view = api.live_view(name, &first).await;
        assert_eq!(view["state"]["mode"], "maintained", "{view:#}");
        assert_view_is_batch(api, sql, &view).await;
    }
    // Many small commits one after the other on several connections: more than such a view is evaluated for.
    let writers = (0..6).map(|writer| async move {
        for number in 0..60 {
            api.accepted("load", &json!([{"kind": format!("k{}", (writer + number) % 5), "v": number % 4}])).await;
        }
    });
    let reader = async {
        for round in 0..30 {
            let (name, sql) = VIEWS[round % VIEWS.len()];
            let view = api.get(&format!("/api/v1/views/{name}")).await.ok();
            // Some are a moment behind the others; where they stand is part of the answer.
            assert_view_is_batch(api, sql, &view).await;
        }
    };
    tokio::join!(join_all(writers), reader);
    let last = api.accepted("load", &json!([{"kind": "k9", "v": 9}])).await;
    for (name, sql) in VIEWS {
        let view = api.live_view(name, &last).await;
        assert_view_is_batch(api, sql, &view).await;
        assert!(view["rows"].to_string().contains(if name == "busiest" { "6" } else { "k9" }), "{view:#}");
    }
    server.stop().await;
}
