//! Reference tables: a file that is changed under a running server, and what is joined with it.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::compare::{assert_view_is_batch, lines, sorted};
use crate::support::connection::Transport;
use crate::support::follower::Follower;
use crate::support::server::Home;
use crate::support::until::until;

const REVENUE: &str = "SELECT p.name, sum(o.qty) AS n, sum(o.qty * p.price) AS revenue FROM orders o \
    JOIN ref.products p ON o.product = p.id WHERE o.time >= now() - interval '1 hour' GROUP BY p.name";

/// What the source of the table says, once it is `status`.
async fn source(api: &Api, status: &str) -> Value {
    until(&format!("the reference is {status}"), async || {
        let sources = api.get("/api/v1/sources").await.ok();
        let source = sources["sources"].as_array()?.iter().find(|source| source["name"] == "products")?.clone();
        (source["status"] == status).then_some(source)
    })
    .await
}

/// Waits until the view shows `rows`, and says that the batch answer there is the same.
async fn shows(api: &Api, rows: &Value) {
    let wanted = sorted(lines(rows));
    let view = until(&format!("the view shows {wanted:?}"), async || {
        let view = api.get("/api/v1/views/revenue").await.ok();
        (view["rows"].is_array() && sorted(lines(&view["rows"])) == wanted).then_some(view)
    })
    .await;
    assert_view_is_batch(api, REVENUE, &view).await;
}

#[tokio::test]
async fn a_join_follows_the_file() {
    let config =
        format!("[references.products]\nfile = 'products.csv'\nkey = 'id'\n[views.revenue]\nsql = \"{REVENUE}\"\n");
    let home = Home::new(&config);
    let write = |text: &str| std::fs::write(home.file("products.csv"), text).unwrap();
    write("id,name,price\n1,Flask,10\n2,Cup,2\n");
    let server = home.start().await;
    let api = &server.api;
    assert_eq!(source(api, "loaded").await["rows"], 2);
    api.accepted("orders", &json!([{"product": 1, "qty": 3}, {"product": 2, "qty": 5}, {"product": 9, "qty": 1}]))
        .await;
    shows(api, &json!([["Flask", 3, 30], ["Cup", 5, 10]])).await;
    let explained = api.post("/api/v1/explain", &json!({"sql": REVENUE})).await.ok();
    assert_eq!(explained["mode"], "maintained", "{explained}");
    let all = "SELECT * FROM ref.products ORDER BY id";
    assert_eq!(api.query(all).await["rows"], json!([[1, "Flask", 10], [2, "Cup", 2]]));

    // A price, a row that goes, and one that comes: in one commit, and nothing else is written.
    write("id,name,price\n1,Flask,11\n9,Pan,100\n");
    shows(api, &json!([["Flask", 3, 33], ["Pan", 1, 100]])).await;
    let events = async |api: &Api| api.get("/api/v1/streams/ref_products").await.ok()["events"].clone();
    assert_eq!(events(api).await, 5);
    let commits = api.query("SELECT count(DISTINCT _arrived_at) AS n FROM ref_products").await;
    assert_eq!(commits["rows"], json!([[2]]));
    let gone = api.query("SELECT id, name FROM ref_products WHERE _deleted").await;
    assert_eq!(gone["rows"], json!([[2, null]]));

    // A file that is wrong keeps what was loaded, and says so.
    write("id,name,price\n1,Flask,cheap\n");
    let failed = source(api, "failed").await;
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("row 1") && error.contains("`price`"), "{failed}");
    assert_eq!(failed["rows"], 2, "{failed}");
    shows(api, &json!([["Flask", 3, 33], ["Pan", 1, 100]])).await;
    let refusal = api.events("ref_products", "{\"id\":7}").await.refused(400, "bad_request");
    assert!(refusal.message.contains("products.csv"), "{refusal:?}");

    // After a restart the same file writes nothing.
    write("id,name,price\n1,Flask,11\n9,Pan,100\n");
    server.stop().await;
    let server = home.start().await;
    let api = &server.api;
    assert_eq!(source(api, "loaded").await["rows"], 2);
    assert_eq!(events(api).await, 5);
    shows(api, &json!([["Flask", 3, 33], ["Pan", 1, 100]])).await;

    // A new column joins the table; a file that is gone leaves it.
    write("id,name,price,colour\n1,Flask,11,red\n9,Pan,100,\n");
    until("the new column is there", async || {
        let rows = api.query(all).await["rows"].clone();
        (rows == json!([[1, "Flask", 11, "red"], [9, "Pan", 100, null]])).then_some(())
    })
    .await;
    assert_eq!(events(api).await, 6);
    std::fs::remove_file(home.file("products.csv")).unwrap();
    assert!(source(api, "failed").await["error"].as_str().unwrap().contains("cannot be read"));
    shows(api, &json!([["Flask", 3, 33], ["Pan", 1, 100]])).await;
}

#[tokio::test]
async fn a_file_that_is_wrong_is_seen_in_the_views_that_it_feeds_until_it_is_mended() {
    let others = "[views.table]\nsql = \"SELECT count(*) AS n FROM ref.products\"\n\
                  [views.orders]\nsql = \"SELECT count(*) AS n FROM orders\"\n";
    let table = "[references.products]\nfile = 'products.csv'\nkey = 'id'\n";
    let home = Home::new(&format!("{table}[views.revenue]\nsql = \"{REVENUE}\"\n{others}"));
    let write = |text: &str| std::fs::write(home.file("products.csv"), text).unwrap();
    let server = home.start().await;
    let api = &server.api;
    api.accepted("orders", &json!([{"product": 1, "qty": 3}])).await;
    // It waits for a stream, and says what is the matter with what would bring it.
    let waiting = until("the missing file is named", async || {
        let state = api.view_state("revenue", "waiting").await;
        state["sources"][0].is_object().then_some(state)
    })
    .await;
    assert_eq!(waiting["sources"][0]["name"], "products", "{waiting}");
    assert!(waiting["sources"][0]["reason"].as_str().unwrap().contains("cannot be read"), "{waiting}");

    write("id,name,price\n1,Flask,10\n");
    shows(api, &json!([["Flask", 3, 30]])).await;
    for view in ["revenue", "table", "orders"] {
        assert_eq!(api.view_state(view, "live").await["sources"], Value::Null, "{view}");
    }
    let channels = ["view:revenue", "view:table", "view:orders"];
    let mut follower = Follower::new(channels);
    let mut connection = follower.connect(server.address, Transport::Sse).await.expect("connected");
    let all_live = |follower: &Follower| channels.iter().all(|channel| follower.is_live(channel));
    follower.take_until(&mut connection, all_live).await.expect("connected");

    write("id,name,price\n1,Flask,cheap\n");
    // One of two that feed it, the only one, and none.
    let partial = api.view_state("revenue", "partial").await;
    let stale = api.view_state("table", "stale").await;
    for state in [&partial, &stale] {
        let source = &state["sources"][0];
        assert_eq!(source["name"], "products", "{state}");
        let reason = source["reason"].as_str().unwrap();
        assert!(reason.contains("row 1") && reason.contains("`price`"), "{state}");
        assert!(state["reason"].as_str().unwrap().contains(reason), "{state}");
        assert!(source["since"].as_i64().is_some_and(|since| since > 0), "{state}");
    }
    assert_eq!(api.view_state("orders", "live").await["sources"], Value::Null);
    let told = |follower: &Follower, channel: &str| follower.channel(channel).state.clone().unwrap_or_default();
    follower
        .take_until(&mut connection, |follower| {
            told(follower, "view:revenue")["status"] == "partial" && told(follower, "view:table")["status"] == "stale"
        })
        .await
        .expect("connected");
    assert_eq!(told(&follower, "view:revenue")["sources"], partial["sources"]);
    assert!(follower.is_live("view:orders"));
    // What was loaded before goes on to be joined.
    api.accepted("orders", &json!([{"product": 1, "qty": 1}])).await;
    shows(api, &json!([["Flask", 4, 40]])).await;

    write("id,name,price\n1,Flask,11\n");
    follower.take_until(&mut connection, all_live).await.expect("connected");
    for channel in channels {
        assert_eq!(told(&follower, channel)["sources"], Value::Null, "{channel}");
    }
    shows(api, &json!([["Flask", 4, 44]])).await;
}

#[tokio::test]
async fn a_view_waits_for_a_file_that_comes_later() {
    let config =
        format!("[references.products]\nfile = 'products.csv'\nkey = 'id'\n[views.revenue]\nsql = \"{REVENUE}\"\n");
    let home = Home::new(&config);
    let server = home.start().await;
    server.api.accepted("orders", &json!([{"product": 1, "qty": 3}])).await;
    source(&server.api, "failed").await;
    let view = server.api.get("/api/v1/views/revenue").await.ok();
    assert_eq!(view["state"]["status"], "waiting", "{view}");
    std::fs::write(home.file("products.csv"), "id,name,price\n1,Flask,10\n").unwrap();
    shows(&server.api, &json!([["Flask", 3, 30]])).await;
}
