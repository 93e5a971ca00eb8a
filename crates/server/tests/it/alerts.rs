//! Alerts on their way: told once, kept, and brought by every transport once and in order, cuts and restarts included.

use serde_json::{Value, json};

use crate::support::api::{Api, read};
use crate::support::connection::{Event, Events, Transport};
use crate::support::follower::Follower;
use crate::support::server::{Home, Server};
use crate::support::socketio::Client;
use crate::support::until::until;

const EVENTS: &str = "/api/v1/alerts/events";

/// The shipped configuration says how long they are kept, as any may.
const CONFIG: &str = "[streams._alerts]\nkeep = \"90d\"\n";

async fn server() -> (Home, Server) {
    let home = Home::new(CONFIG);
    let server = home.start().await;
    (home, server)
}

/// Tells the server; all that is said after it knows.
async fn tell(api: &Api, alerts: &Value) {
    let answer = api.post(EVENTS, alerts).await.ok();
    assert_eq!(answer["accepted"], alerts.as_array().map_or(1, Vec::len), "{answer}");
    let known = json!({"sql": "SELECT 1", "min_position": answer["position"]});
    api.post("/api/v1/query", &known).await.ok();
}

fn firing(id: &str) -> Value {
    json!({"id": id, "rule": "low_stock", "severity": "critical", "message": format!("{id} is nearly gone"), "value": 2})
}

fn ids(follower: &Follower) -> Vec<Value> {
    // The columns of what never fired are not known yet.
    if follower.channel("alerts").items.is_empty() { Vec::new() } else { follower.items("alerts", "id") }
}

#[tokio::test]
async fn every_transport_brings_each_alert_once_and_what_fired_meanwhile_on_return() {
    for transport in Transport::ALL {
        let (home, mut server) = server().await;
        let mut follower = Follower::new(["alerts"]);
        let mut connection = follower.connect(server.address, transport).await.unwrap();
        follower.take(&mut connection).await.unwrap();
        assert_eq!(ids(&follower), Vec::<Value>::new(), "nothing ever fired");
        tell(&server.api, &json!([firing("a"), firing("b")])).await;
        follower.take_until(&mut connection, |follower| ids(follower).len() == 2).await.unwrap();

        drop(connection);
        tell(&server.api, &json!({"id": "a", "status": "ended"})).await;
        let mut connection = follower.connect(server.address, transport).await.unwrap();
        follower.take_until(&mut connection, |follower| ids(follower).len() == 3).await.unwrap();
        assert!(follower.resumed > 0, "{transport:?}");

        drop(connection);
        tell(&server.api, &firing("c")).await;
        server.kill().await;
        server = home.start().await;
        tell(&server.api, &firing("d")).await;
        let mut connection = follower.connect(server.address, transport).await.unwrap();
        follower.take_until(&mut connection, |follower| ids(follower).len() >= 5).await.unwrap();
        assert_eq!(ids(&follower), ["a", "b", "a", "c", "d"], "{transport:?}");
        assert_eq!(follower.channel("alerts").resets, Vec::<String>::new(), "{transport:?}");

        // Whoever comes now begins with what has fired.
        let mut late = Follower::new(["alerts"]);
        let mut connection = late.connect(server.address, transport).await.unwrap();
        late.take(&mut connection).await.unwrap();
        assert_eq!(ids(&late), ids(&follower));
        let mut newest = Follower::new(["alerts?last=1"]);
        let mut connection = newest.connect(server.address, transport).await.unwrap();
        newest.take(&mut connection).await.unwrap();
        assert_eq!(ids(&newest), ["d"]);
    }
}

/// The next events that have a name, so many.
async fn named(events: &mut Events, count: usize) -> Vec<Event> {
    let mut named = Vec::new();
    while named.len() < count {
        let event = events.next().await.expect("the stream goes on");
        named.extend((!event.name.is_empty()).then_some(event));
    }
    named
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

fn alert(event: &Event) -> Value {
    serde_json::from_str(&event.data).unwrap_or_else(|error| panic!("{error}: {event:?}"))
}

#[tokio::test]
async fn a_plain_page_hears_each_alert_as_an_event_and_misses_none_over_a_cut() {
    let (_home, server) = server().await;
    tell(&server.api, &firing("old")).await;
    let mut events = Events::open(server.address, "channel=alerts", None).await.unwrap();
    let init = named(&mut events, 1).await;
    assert!(init[0].name == "init" && init[0].id.is_some(), "what it begins with is no news: {init:?}");
    tell(&server.api, &json!([firing("a"), {"id": "a", "status": "ended", "ended": "2026-01-02T03:04:05Z"}])).await;
    let told = named(&mut events, 3).await;
    assert_eq!(names(&told), ["alert", "alert", "frame"]);
    let given: Vec<_> = told.iter().map(|event| event.id.is_some()).collect();
    assert_eq!(given, [false, false, true], "who is cut off among them is told them again");
    let (first, last) = (alert(&told[0]), alert(&told[1]));
    assert_eq!(
        (&first["id"], &first["status"], &first["severity"]),
        (&json!("a"), &json!("firing"), &json!("critical"))
    );
    assert_eq!((&first["message"], &first["value"]), (&json!("a is nearly gone"), &json!(2.0)));
    assert!(first.get("since").is_none() && first.get("unit").is_none(), "what was not said: {first}");
    assert_eq!((&last["status"], &last["ended"]), (&json!("ended"), &json!(1_767_323_045_000_000_i64)));

    drop(events);
    tell(&server.api, &firing("b")).await;
    let mut events = Events::open(server.address, "channel=alerts", told[2].id.as_deref()).await.unwrap();
    let back = named(&mut events, 2).await;
    assert_eq!((names(&back), &alert(&back[1])["id"]), (vec!["init", "alert"], &json!("b")));
    let given: Vec<_> = back.iter().map(|event| event.id.is_some()).collect();
    assert_eq!(given, [false, true], "`init` comes first, and the last has the cursor");

    let mut events = Events::open(server.address, "channel=alerts&events=named", None).await.unwrap();
    named(&mut events, 2).await;
    tell(&server.api, &firing("c")).await;
    let told = named(&mut events, 2).await;
    assert_eq!((names(&told), &alert(&told[0])["id"]), (vec!["alert", "alerts"], &json!("c")));
}

#[tokio::test]
async fn a_stock_client_of_socketio_hears_the_event_alerts() {
    let (_home, server) = server().await;
    let mut client = Client::open(server.address, &json!({}));
    client.until("connect").await;
    client.ask("subscribe", json!("alerts")).await;
    client.until("snapshot").await;
    tell(&server.api, &firing("a")).await;
    let change = client.until("alerts").await.swap_remove(0);
    let change = if change.get("delta").is_some() { change } else { client.until("alerts").await.swap_remove(0) };
    let names: Vec<_> = change["delta"]["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    let id = names.iter().position(|name| *name == "id").unwrap();
    assert_eq!((&change["channel"], &change["delta"]["append"][0][id]), (&json!("alerts"), &json!("a")), "{change}");
}

#[tokio::test]
async fn the_guides_calls_tell_of_a_firing_and_of_its_end() {
    let guide = include_str!("../../../../docs/guide/app.md");
    let calls = guide.split("```sh\n").find(|block| block.contains("alerts/events")).unwrap();
    let calls = calls.split("```").next().unwrap();
    let (_home, server) = server().await;
    let calls = calls.replace("127.0.0.1:8080", &server.address.to_string());
    let ran = tokio::process::Command::new("sh").arg("-ec").arg(&calls).output().await.unwrap();
    assert!(ran.status.success(), "{calls}{}", String::from_utf8_lossy(&ran.stderr));
    // Whoever only calls is not told when queries know of it.
    let told = until("both are known", async || {
        let told = server.api.query("SELECT id, status FROM _alerts ORDER BY _offset").await["rows"].clone();
        told.as_array().is_some_and(|rows| rows.len() == 2).then_some(told)
    })
    .await;
    assert_eq!(told, json!([["stock-7", "firing"], ["stock-7", "ended"]]));
}

#[tokio::test]
async fn the_guides_panel_puts_each_firing_together_and_follows_it() {
    let guide = include_str!("../../../../docs/guide/boards.md");
    let panel = guide.split("type = \"alerts\"").nth(1).expect("a panel of alerts in the guide");
    let sql = panel.split("\"\"\"").nth(1).unwrap();
    let (_home, server) = server().await;
    tell(&server.api, &json!([firing("a"), {"id": "b", "message": "m", "since": 1_700_000_000}])).await;
    let channel = server.api.post("/api/v1/live/queries", &json!({ "sql": sql })).await.ok()["channel"].clone();
    let channel = channel.as_str().unwrap();
    let mut follower = Follower::new([channel]);
    let mut connection = follower.connect(server.address, Transport::WebSocket).await.unwrap();
    follower.take_until(&mut connection, |follower| follower.is_live(channel)).await.unwrap();
    tell(&server.api, &json!({"id": "a", "status": "ended", "value": 40, "ended": 1_700_000_060})).await;
    let ended = |follower: &Follower| follower.channel(channel).rows.values().any(|row| !row["ended"].is_null());
    follower.take_until(&mut connection, ended).await.unwrap();
    let rows: Vec<_> = follower.channel(channel).rows.values().collect();
    let of = |id: &str| rows.iter().find(|row| row["id"] == id).unwrap();
    let (a, b) = (of("a"), of("b"));
    assert_eq!(
        (&a["severity"], &a["message"], &a["value"]),
        (&json!("critical"), &json!("a is nearly gone"), &json!(40.0))
    );
    assert_eq!((&a["ended"], &b["ended"]), (&json!(1_700_000_060_000_000_i64), &Value::Null));
    assert_eq!((&b["severity"], &b["since"]), (&Value::Null, &json!(1_700_000_000_000_000_i64)));
    // What is said later counts, and what is not said again holds.
    tell(&server.api, &json!({"id": "b", "message": "worse", "severity": "critical"})).await;
    let worse = |follower: &Follower| follower.channel(channel).rows.values().any(|row| row["message"] == "worse");
    follower.take_until(&mut connection, worse).await.unwrap();
    let b = follower.channel(channel).rows.values().find(|row| row["id"] == "b").unwrap();
    assert_eq!((&b["severity"], &b["since"]), (&json!("critical"), &json!(1_700_000_000_000_000_i64)));
}

#[tokio::test]
async fn what_fired_is_asked_like_all_data_and_only_its_own_call_writes_it() {
    let (_home, server) = server().await;
    for (alerts, says) in [
        (json!([firing("a"), {"id": "b"}]), "alert 2: `message` is missing"),
        (json!({"id": "a", "message": "m", "severity": "bad"}), "expected one of `info`, `warning`, `critical`"),
    ] {
        let refusal = server.api.post(EVENTS, &alerts).await.refused(400, "bad_request");
        assert!(refusal.message.contains(says) && refusal.message.contains("nothing was kept"), "{refusal:?}");
    }
    tell(&server.api, &json!([firing("a"), {"id": "b", "message": "m"}, {"id": "a", "status": "ended"}])).await;
    let sql = "SELECT id, status, severity, value FROM _alerts ORDER BY _offset";
    let rows = json!([["a", "firing", "critical", 2.0], ["b", "firing", null, null], ["a", "ended", null, null]]);
    assert_eq!(server.api.query(sql).await["rows"], rows);
    // Told again after a cut answer it is written once, and its times are times wherever they lie.
    for _ in 0..2 {
        let told = json!({"id": "k", "message": "m", "since": "1971-01-01T00:00:00Z"});
        let again = server.api.request("POST", EVENTS).header("Idempotency-Key", "k1").json(&told);
        assert_eq!(read(again).await.ok()["accepted"], 1);
    }
    let kept = server.api.query("SELECT count(*), min(date_part('year', since)) FROM _alerts WHERE id = 'k'").await;
    assert_eq!(kept["rows"][0][0], 1, "{kept}");
    assert!(kept["rows"][0][1].to_string().starts_with("1971"), "{kept}");
    read(server.api.request("POST", EVENTS).body("no")).await.refused(400, "bad_json");
    let refusal = server.api.events("_alerts", r#"{"id": "c"}"#).await.refused(400, "bad_request");
    assert!(refusal.message.contains("POST /api/v1/alerts/events"), "{refusal:?}");
    let answer = server.api.request("DELETE", "/api/v1/streams/_alerts").send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(server.api.query("SELECT count(*) FROM _alerts").await["rows"], json!([[4]]));
}
