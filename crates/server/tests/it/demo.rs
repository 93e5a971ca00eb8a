//! `pulseboard demo`: every panel of every shipped board has rows, is live, and says what a query at its position says; the
//! feed that fails is seen as what it is.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::server::{BINARY, Home, Server};

/// How long a past may take to be written and followed on a busy machine, or the next outage to come.
const PATIENCE: Duration = Duration::from_secs(400);
/// How often is looked.
const PAUSE: Duration = Duration::from_millis(100);
/// Floats: of the largest value of their column.
const NEAR: f64 = 1e-9;

async fn demo(home: &Home, past: &str) -> Server {
    let mut command = Command::new(BINARY);
    command.args(["demo", "--seed", "7", "--listen", "127.0.0.1:0", "--past", past, "--outage-every", "100s"]);
    command.arg("--data-dir").arg(home.data_dir());
    command.env("PULSEBOARD_LOG", "warn").stdin(Stdio::null()).kill_on_drop(true);
    home.start_command(command).await
}

/// Looks until there is something to see.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until both worlds go along with the clock, and the engine with them.
async fn live(server: &Server) {
    until("the worlds are live", async || {
        let sources = server.api.get("/api/v1/sources").await.ok();
        ["shop", "trading"].iter().all(|name| source(&sources, name)["status"] == "live").then_some(())
    })
    .await;
    for view in ["shop.visitors_now", "trading.tick_rate"] {
        until(&format!("{view} has followed"), async || {
            let answer = server.api.get(&format!("/api/v1/views/{view}")).await.ok();
            answer["rows"][0][0].as_f64().is_some_and(|value| value > 0.0).then_some(())
        })
        .await;
    }
}

fn source(sources: &Value, name: &str) -> Value {
    let list = sources["sources"].as_array().unwrap_or_else(|| panic!("{sources:#}"));
    list.iter().find(|source| source["name"] == name).cloned().unwrap_or_default()
}

/// What a view says once it has rows and is live. A machine without a disk or a network of its own has no rows of them, and
/// a shop that counted its stock in the night has nothing that runs low until the morning.
async fn live_rows(server: &Server, path: &str, sql: &Value, params: &Value) -> Value {
    until(&format!("{path} is live and has rows"), async || {
        let view = server.api.get(path).await.ok();
        let mut rows = view["rows"].as_array().is_some_and(|rows| !rows.is_empty());
        if !rows && path.contains("/infra.") {
            let explained = server.api.post("/api/v1/explain", &json!({"sql": sql, "params": params})).await.ok();
            let stream = explained["streams"][0].as_str().unwrap();
            rows = server.api.get(&format!("/api/v1/streams/{stream}")).await.ok()["events"] == 0;
        }
        if !rows && path.ends_with("/shop.low_stock") {
            let latest = "SELECT DISTINCT ON (product) product, stock FROM stock ORDER BY product, time DESC";
            let stock =
                server.api.query(&format!("SELECT count(*), min(stock) FROM ({latest})")).await["rows"][0].clone();
            rows = stock[0].as_i64() == Some(20) && stock[1].as_i64() >= Some(10);
        }
        (rows && view["state"]["status"] == "live").then_some(view)
    })
    .await
}

/// The path of a panel's view, with the parameters of its channel.
fn view_path(channel: &str) -> (String, Value) {
    let view = channel.strip_prefix("view:").unwrap();
    let (name, query) = view.split_once('?').unwrap_or((view, ""));
    let mut params = serde_json::Map::new();
    let mut path = format!("/api/v1/views/{name}");
    for (number, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        let (key, value) = pair.split_once('=').unwrap();
        params.insert(key.to_owned(), value.replace("%20", " ").into());
        path.push_str(&format!("{}p.{key}={value}", if number == 0 { '?' } else { '&' }));
    }
    (path, Value::Object(params))
}

/// Parameters with the defaults of the board's variables that the query takes.
fn with_defaults(mut params: Value, board: &Value, sql: &Value) -> Value {
    for variable in board["variables"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap();
        if params[name].is_null() && sql.as_str().unwrap().contains(&format!("${name}")) {
            params[name] = variable["default"].clone();
        }
    }
    params
}

/// Rows are alike: floats to a billionth of the largest of their column.
fn assert_alike(panel: &str, view: &Value, answer: &Value, ordered: bool) {
    let names = |of: &Value| -> Vec<Value> {
        of["columns"].as_array().unwrap().iter().map(|column| column["name"].clone()).collect()
    };
    assert_eq!(names(view), names(answer), "{panel}");
    let rows = |of: &Value| {
        let mut rows: Vec<Vec<Value>> = serde_json::from_value(of["rows"].clone()).unwrap();
        if !ordered {
            // By what is equal to the last digit.
            rows.sort_by_key(|row| {
                Value::from(row.iter().filter(|cell| !cell.is_f64()).cloned().collect::<Vec<_>>()).to_string()
            });
        }
        rows
    };
    let (live, asked) = (rows(view), rows(answer));
    assert_eq!(live.len(), asked.len(), "{panel}: {view:#} against {answer:#}");
    for column in 0..names(view).len() {
        let floats = live.iter().filter_map(|row| row[column].as_f64());
        let largest = floats.fold(1.0_f64, |largest, value| largest.max(value.abs()));
        for (live, asked) in live.iter().zip(&asked) {
            let alike = match (live[column].as_f64(), asked[column].as_f64()) {
                (Some(live), Some(asked)) => (live - asked).abs() <= NEAR * largest,
                _ => live[column] == asked[column],
            };
            assert!(alike, "{panel}: {live:?} against {asked:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_of_every_board_is_live_has_rows_and_says_what_a_query_says() {
    let home = Home::of_a_stranger();
    let mut server = demo(&home, "26h").await;
    live(&server).await;
    let mut panels = 0;
    for id in ["shop", "trading", "infra"] {
        let board = server.api.get(&format!("/api/v1/boards/{id}")).await.ok();
        for panel in board["panels"].as_array().unwrap() {
            let Some(channel) = panel["channel"].as_str() else { continue };
            panels += 1;
            let (path, params) = view_path(channel);
            let params = with_defaults(params, &board, &panel["sql"]);
            let view = live_rows(&server, &path, &panel["sql"], &params).await;
            if let Some(compared) = panel["options"]["compare"].as_str() {
                let columns = view["columns"].as_array().unwrap();
                let column = columns.iter().position(|column| column["name"] == compared).expect("the column is there");
                assert!(!view["rows"][0][column].is_null(), "{id}.{}: yesterday is there: {view:#}", panel["id"]);
            }
            let body =
                json!({"sql": panel["sql"], "params": params, "timezone": board["timezone"], "at": view["position"]});
            let answer = server.api.post("/api/v1/query", &body).await.ok();
            assert_alike(&format!("{id}.{}", panel["id"]), &view, &answer, view["order"].is_array());
        }
    }
    assert!(panels > 40, "{panels} panels");
    server.assert_well().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_that_fails_is_labelled_in_what_it_feeds_and_is_back_by_itself() {
    let home = Home::of_a_stranger();
    let server = demo(&home, "10m").await;
    live(&server).await;
    let failed = until("the feed of costs fails", async || {
        let state = server.api.get("/api/v1/views/trading.net_pnl").await.ok()["state"].clone();
        state["sources"].as_array().is_some_and(|sources| !sources.is_empty()).then_some(state)
    })
    .await;
    assert_eq!(failed["sources"][0]["name"], "Cost API", "{failed:#}");
    assert!(failed["sources"][0]["reason"].as_str().unwrap().contains("503"), "{failed:#}");
    assert_eq!(failed["status"], "partial", "the other two go on: {failed:#}");
    until("what it alone feeds is stale", async || {
        let state = server.api.get("/api/v1/views/trading.costs").await.ok()["state"].clone();
        (state["status"] == "stale").then_some(())
    })
    .await;
    let costs = server.api.get("/api/v1/views/trading.costs").await.ok();
    assert!(costs["rows"][0][0].is_string(), "the last good value stays: {costs:#}");
    until("it is back", async || {
        let state = server.api.get("/api/v1/views/trading.costs").await.ok()["state"].clone();
        (state["status"] == "live").then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_goes_on_where_the_first_one_ended() {
    let home = Home::of_a_stranger();
    let server = demo(&home, "30m").await;
    live(&server).await;
    let first = "SELECT min(time) AS first, count(*) AS n FROM ticks";
    let before = server.api.query(first).await["rows"][0].clone();
    server.stop().await;
    let server = demo(&home, "30m").await;
    live(&server).await;
    let after = until("it writes more", async || {
        let after = server.api.query(first).await["rows"][0].clone();
        (after[1].as_i64() > before[1].as_i64()).then_some(after)
    })
    .await;
    assert_eq!(after[0], before[0], "no second past is written");
    let twice = "SELECT count(*) AS n FROM (SELECT order_id, status, attempts FROM \
                 (SELECT order_id, status, time, count(*) AS attempts FROM orders GROUP BY order_id, status, time)) \
                 WHERE attempts > 1";
    assert_eq!(server.api.query(twice).await["rows"][0][0], 0, "no order is placed twice");
    server.stop().await;
}
