//! What the HTTP API promises.

mod catalog;
mod packing;
mod queries;
mod ranges;
mod sharing;
mod snapshots;
mod views;

use serde_json::json;

use crate::support::server::{Home, Server};

const TOTALS: &str = "SELECT count(*) AS n, sum(v) AS total FROM events";

async fn server() -> (Home, Server, String) {
    let home = Home::new(&format!("[views.totals]\nsql = \"{TOTALS}\"\n"));
    let server = home.start().await;
    let position = server.api.accepted("events", &json!([{"v": 1, "kind": "a"}, {"v": 2, "kind": "b,\"c\""}])).await;
    server.api.live_view("totals", &position).await;
    (home, server, position)
}
