//! Snapshots say where they stand: tags, waiting for a change, reading what one wrote, asking as of an earlier position.

use std::time::Instant;

use serde_json::json;

use super::{TOTALS, server};
use crate::support::api::{Answer, read};
use crate::support::server::{Home, Server};
use crate::support::until::until;

async fn view(server: &Server, query: &str, etag: Option<&str>) -> Answer {
    let mut request = server.api.request("GET", &format!("/api/v1/views/totals{query}"));
    if let Some(etag) = etag {
        request = request.header("If-None-Match", etag);
    }
    read(request).await
}

#[tokio::test]
async fn a_snapshot_has_an_etag_and_is_not_sent_again_while_nothing_changed() {
    let (_home, server, _) = server().await;
    let first = view(&server, "", None).await;
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with("W/\""), "{etag}");
    assert_eq!(first.ok()["rows"], json!([[2, 3]]));
    let again = view(&server, "", Some(&etag)).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), etag);

    let position = server.api.accepted("events", &json!({"v": 3})).await;
    let changed = view(&server, &format!("?min_position={position}"), Some(&etag)).await;
    assert_eq!(changed.ok()["rows"], json!([[3, 6]]));
    assert_ne!(changed.header("etag"), etag);

    // Other streams change nothing of this view, so its tag stays.
    let etag = changed.header("etag").to_owned();
    let position = server.api.accepted("others", &json!({"v": 3})).await;
    assert_eq!(view(&server, &format!("?min_position={position}"), Some(&etag)).await.status, 304);
}

#[tokio::test]
async fn wait_answers_when_the_view_changes_or_304_when_the_time_is_over() {
    let (_home, server, _) = server().await;
    let etag = view(&server, "", None).await.header("etag").to_owned();
    let started = Instant::now();
    assert_eq!(view(&server, "?wait=300ms", Some(&etag)).await.status, 304);
    assert!(started.elapsed().as_millis() >= 300, "it came back after {:?}", started.elapsed());

    let started = Instant::now();
    let post = async {
        // The wait has begun by then, or it answers at once: either is right.
        until("the wait has begun", async || (started.elapsed().as_millis() > 50).then_some(())).await;
        server.api.accepted("events", &json!({"v": 3})).await
    };
    let (changed, _) = tokio::join!(view(&server, "?wait=30s", Some(&etag)), post);
    assert_eq!(changed.ok()["rows"], json!([[3, 6]]));
    assert!(started.elapsed().as_secs() < 20, "it waited {:?}", started.elapsed());
    // Another tag is no reason to wait.
    assert_eq!(view(&server, "?wait=30s", Some("\"other\"")).await.status, 200);
    assert!(started.elapsed().as_secs() < 20, "it waited {:?}", started.elapsed());
}

#[tokio::test]
async fn what_was_acknowledged_is_read_with_its_position() {
    let (_home, server, _) = server().await;
    for n in 3..40 {
        let position = server.api.accepted("events", &json!({"v": 1})).await;
        let seen = view(&server, &format!("?min_position={position}"), None).await.ok();
        assert_eq!(seen["rows"][0][0], n, "view: {seen}");
        let body = json!({"sql": TOTALS, "min_position": position});
        let queried = server.api.post("/api/v1/query", &body).await.ok();
        assert_eq!(queried["rows"][0][0], n, "query: {queried}");
    }
}

#[tokio::test]
async fn positions_of_another_epoch_or_beyond_the_log_are_refused_at_once() {
    let (_home, server, position) = server().await;
    let started = Instant::now();
    let (epoch, rest) = position.split_once(':').unwrap();
    let (_offset, clock) = rest.split_once(':').unwrap();
    for (position, code) in
        [(format!("0123456789abcdef:{rest}"), "other_epoch"), (format!("{epoch}:1000000:{clock}"), "ahead")]
    {
        for name in ["min_position", "at"] {
            let query = format!("?{name}={position}&wait=30s");
            view(&server, &query, None).await.refused(409, code);
            let body = json!({"sql": TOTALS, name: position, "wait": "30s"});
            server.api.post("/api/v1/query", &body).await.refused(409, code);
        }
    }
    assert!(started.elapsed().as_secs() < 20, "it waited {:?}", started.elapsed());
    view(&server, "?min_position=nonsense", None).await.refused(400, "bad_position");
}

#[tokio::test]
async fn a_position_that_is_not_reached_in_time_is_504_not_reached() {
    // Views with much to do: the log is ahead of the live answers for a while.
    let views =
        (0..4).map(|n| format!("[views.v{n}]\nsql = \"SELECT v + {n} AS g, count(*) AS n FROM events GROUP BY 1\"\n"));
    let home = Home::new(&views.collect::<String>());
    let server = home.start().await;
    let position = server.api.accepted("events", &json!({"v": -1})).await;
    for n in 0..4 {
        server.api.live_view(&format!("v{n}"), &position).await;
    }
    let mut next = 0;
    let refusal = until("a wait of no time ends before the live answers are there", async || {
        let lines: String = (next..next + 20_000).map(|v| format!("{{\"v\":{v}}}\n")).collect();
        next += 20_000;
        let position = server.api.events("events", lines).await.ok()["position"].as_str().unwrap().to_owned();
        let ask = async |wait: &str| {
            let body = json!({"sql": "SELECT count(*) FROM events", "min_position": position, "wait": wait});
            server.api.post("/api/v1/query", &body).await
        };
        let hasty = ask("0s").await;
        assert_eq!(ask("60s").await.ok()["rows"], json!([[next + 1]]), "with patience it is answered");
        (hasty.status != 200).then(|| hasty.refused(504, "not_reached"))
    })
    .await;
    assert!(refusal.message.contains("not reached"), "{refusal:?}");
}

#[tokio::test]
async fn a_query_at_an_earlier_position_answers_as_of_then() {
    let (_home, server, position) = server().await;
    server.api.accepted("events", &json!({"v": 100, "new": "x"})).await;
    let then = server.api.query_at(TOTALS, &position).await;
    assert_eq!((&then["rows"], &then["position"]), (&json!([[2, 3]]), &json!(position)));
    assert_eq!(server.api.query(TOTALS).await["rows"], json!([[3, 103]]));
    // The newest schema at any position: a field that came later is unknown in older rows, not an error.
    let rows = server.api.query_at("SELECT new FROM events", &position).await["rows"].clone();
    assert_eq!(rows, json!([[null], [null]]));
    let seen = view(&server, &format!("?at={position}"), None).await.ok();
    assert_eq!((&seen["rows"], &seen["position"]), (&json!([[2, 3]]), &json!(position)));
}
