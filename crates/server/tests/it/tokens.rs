//! What a token is good for: its channels, its own idempotency keys, its end on connections that are open.

use serde_json::{Value, json};

use crate::support::api::{Api, read};
use crate::support::browser::{Browser, try_password};
use crate::support::connection::{Event, Events, Socket};
use crate::support::server::{Home, Server};
use crate::support::until::{until, within};

const CONFIG: &str = "boards = \"boards\"
[views.\"shop.orders\"]\nsql = \"SELECT count(*) AS n FROM orders\"
[views.\"shop.revenue\"]\nsql = \"SELECT sum(total) AS revenue FROM orders\"
[views.\"desk.prices\"]\nsql = \"SELECT count(*) AS n FROM prices\"\n";
const BOARD: &str = "title = \"Desk\"\n[[panels]]\nid = \"n\"\ntype = \"stat\"\nview = \"desk.prices\"\n";

/// A server with two streams, three views, a board, and an admin's token, so that its door is locked.
async fn server(more: &str) -> (Home, Server, Api) {
    let home = Home::new(&format!("{CONFIG}{more}"));
    std::fs::create_dir(home.file("boards")).unwrap();
    std::fs::write(home.file("boards/desk.toml"), BOARD).unwrap();
    let admin = home.new_token(&["--role", "admin"]).await;
    let server = home.start().await;
    let api = server.api.with_token(&admin);
    for stream in ["orders", "prices"] {
        api.accepted(stream, &json!({"total": 1})).await;
    }
    (home, server, api)
}

fn names(list: &Value, key: &str, name: &str) -> Vec<String> {
    let items = list[key].as_array().unwrap().iter();
    items.map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

/// The next event with a name; a bare `retry:` has none.
async fn named(events: &mut Events) -> Event {
    loop {
        let event = events.next().await.unwrap();
        if !event.name.is_empty() {
            return event;
        }
    }
}

/// The first event that is no frame: a change of what is followed may be on its way before.
async fn after_frames(events: &mut Events) -> Event {
    loop {
        let event = named(events).await;
        if event.name != "frame" {
            return event;
        }
    }
}

fn id_of(token: &str) -> &str {
    token.split('_').nth(1).unwrap()
}

#[tokio::test]
async fn a_token_reads_what_its_patterns_cover_and_nothing_else() {
    let (home, server, _admin) = server("").await;
    let shop = server.api.with_token(&home.new_token(&["--role", "viewer", "--channels", "view:shop.*"]).await);
    assert_eq!(names(&shop.get("/api/v1/views").await.ok(), "views", "name"), ["shop.orders", "shop.revenue"]);
    for (path, key) in [("/api/v1/streams", "streams"), ("/api/v1/boards", "boards")] {
        assert_eq!(shop.get(path).await.ok()[key], json!([]), "{path}");
    }
    shop.get("/api/v1/views/shop.orders").await.ok();
    shop.get("/api/v1/live/poll?channel=view:shop.orders").await.ok();
    shop.post("/api/v1/range", &json!({"view": "shop.orders"})).await;
    for path in [
        "/api/v1/views/desk.prices",
        "/api/v1/boards/desk",
        "/api/v1/streams/orders",
        "/api/v1/live/poll?channel=stream:orders",
        "/api/v1/live/poll?channel=view:shop.orders&channel=view:desk.prices",
        "/api/v1/live/sse?channel=board:desk",
        "/api/v1/live/poll?channel=system",
        "/api/v1/live/poll?channel=sql:00112233445566778899aabbccddeeff",
        "/api/v1/sources",
        "/metrics",
    ] {
        shop.get(path).await.refused(403, "forbidden");
    }
    // Queries of one's own could name every stream.
    for path in ["query", "explain", "live/queries", "range"] {
        let body = json!({"sql": "SELECT count(*) FROM orders"});
        shop.post(&format!("/api/v1/{path}"), &body).await.refused(403, "forbidden");
    }
    let ask = server.api.with_token(&home.new_token(&["--role", "viewer", "--channels", "sql:*"]).await);
    ask.post("/api/v1/query", &json!({"sql": "SELECT count(*) FROM orders"})).await.ok();

    // A board brings the views that it shows.
    let desk = server.api.with_token(&home.new_token(&["--role", "viewer", "--channels", "board:desk"]).await);
    desk.get("/api/v1/boards/desk").await.ok();
    desk.get("/api/v1/views/desk.prices").await.ok();
    desk.get("/api/v1/live/poll?channel=board:desk").await.ok();
    desk.get("/api/v1/views/shop.orders").await.refused(403, "forbidden");

    // What is sent is held to them, too.
    let sends = server.api.with_token(&home.new_token(&["--role", "ingest", "--channels", "stream:orders"]).await);
    sends.accepted("orders", &json!({"total": 2})).await;
    sends.events("prices", "{}").await.refused(403, "forbidden");
}

#[tokio::test]
async fn on_a_socket_each_message_is_held_to_the_token() {
    let (home, server, _admin) = server("").await;
    let viewer = home.new_token(&["--role", "viewer", "--channels", "view:shop.*"]).await;
    let mut socket = Socket::open_with(server.address, &viewer).await.unwrap();
    let wish = json!({"id": 1, "type": "subscribe", "channels": ["view:desk.prices", "view:shop.orders"]});
    socket.send(&wish).await.unwrap();
    let refused = socket.next().await.unwrap();
    assert_eq!((&refused["channel"], &refused["error"]["code"]), (&json!("view:desk.prices"), &json!("forbidden")));
    assert_eq!(socket.next().await.unwrap()["channels"], json!(["view:shop.orders"]), "the other one proceeds");
    assert_eq!(socket.next().await.unwrap()["type"], "frame");
    socket.send(&json!({"id": 2, "type": "publish", "stream": "orders", "events": [{"total": 1}]})).await.unwrap();
    assert_eq!(socket.next().await.unwrap()["error"]["code"], "forbidden");

    let ingest = home.new_token(&["--role", "ingest", "--channels", "stream:orders"]).await;
    let mut socket = Socket::open_with(server.address, &ingest).await.unwrap();
    for (stream, code) in [("orders", Value::Null), ("prices", json!("forbidden"))] {
        let publish = json!({"type": "publish", "stream": stream, "events": [{"total": 1}]});
        socket.send(&publish).await.unwrap();
        let answer = socket.next().await.unwrap();
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    socket.send(&json!({"type": "subscribe", "channel": "stream:orders"})).await.unwrap();
    assert_eq!(socket.next().await.unwrap()["error"]["code"], "forbidden");
    assert!(Socket::open(server.address).await.is_err(), "without a token there is no socket");
}

#[tokio::test]
async fn an_idempotency_key_counts_for_its_token() {
    let (home, server, _admin) = server("").await;
    let (one, other) = (home.new_token(&["--role", "ingest"]).await, home.new_token(&["--role", "ingest"]).await);
    let send = async |token: &str, body: &str| {
        let api = server.api.with_token(token);
        let request = api.request("POST", "/api/v1/streams/orders/events").header("Idempotency-Key", "k");
        read(request.body(body.to_owned())).await
    };
    let first = send(&one, "{\"total\":1}").await.ok();
    assert_eq!(send(&one, "{\"total\":1}").await.ok()["position"], first["position"], "a retry");
    send(&one, "{\"total\":2}").await.refused(409, "key_reused");
    let second = send(&other, "{\"total\":2}").await.ok();
    assert_ne!(first["position"], second["position"], "another token's key is another key");
}

#[tokio::test]
async fn taking_a_token_back_closes_what_is_open_by_it_at_once() {
    let (home, server, admin) = server("").await;
    let (gone, stays) = (home.new_token(&["--role", "viewer"]).await, home.new_token(&["--role", "viewer"]).await);
    let mut sockets = Vec::new();
    let mut streams = Vec::new();
    let mut cursor = String::new();
    for token in [&gone, &stays] {
        let mut socket = Socket::open_with(server.address, token).await.unwrap();
        cursor = socket.follow("view:shop.orders").await.unwrap()["cursor"].as_str().unwrap().to_owned();
        sockets.push(socket);
        let api = server.api.with_token(token);
        let response = api.request("GET", "/api/v1/live/sse?channel=view:shop.orders").send().await.unwrap();
        let mut events = Events::of(response);
        assert_eq!(named(&mut events).await.name, "init");
        streams.push(events);
    }
    let polling = server.api.with_token(&gone);
    let poll =
        async { polling.get(&format!("/api/v1/live/poll?channel=view:shop.orders&wait=50s&since={cursor}")).await };
    let revoke = async {
        until("the poll waits", async || {
            let listed = admin.get("/api/v1/connections").await.ok();
            let waits = listed["connections"].as_array().unwrap().iter().any(|c| c["transport"] == "long_poll");
            waits.then_some(())
        })
        .await;
        read(admin.request("DELETE", &format!("/api/v1/tokens/{}", id_of(&gone)))).await.ok();
    };
    let (answer, ()) = within("the poll ends with its token", async { tokio::join!(poll, revoke) }).await;
    answer.refused(401, "token_revoked");
    assert_eq!(sockets[0].close_code().await, 4_503);
    let closed = after_frames(&mut streams[0]).await;
    assert!(closed.name == "closed" && closed.data.contains("token_revoked"), "{closed:?}");
    assert!(streams[0].next().await.is_err(), "the stream has ended");

    // Others go on.
    admin.accepted("orders", &json!({"total": 5})).await;
    assert_eq!(sockets[1].next().await.unwrap()["type"], "frame");
    assert_eq!(named(&mut streams[1]).await.name, "frame");
}

#[tokio::test]
async fn a_token_that_ends_is_replaced_on_the_open_socket_or_the_socket_is_closed() {
    let (home, server, _admin) = server("[auth]\ngrace = \"300ms\"\n").await;
    let short = async || home.new_token(&["--role", "viewer", "--expires", "2s"]).await;
    let token = short().await;
    let mut replaced = Socket::open_with(server.address, &token).await.unwrap();
    replaced.follow("view:shop.orders").await.unwrap();
    let mut left = Socket::open_with(server.address, &token).await.unwrap();
    let api = server.api.with_token(&token);
    let response = api.request("GET", "/api/v1/live/sse?channel=view:shop.orders").send().await.unwrap();
    let mut events = Events::of(response);
    assert_eq!(named(&mut events).await.name, "init");

    let said = replaced.next().await.unwrap();
    assert_eq!(said, json!({"type": "expired", "grace_ms": 300}));
    // One that does not cover what is followed, one that is none, then a good one.
    let narrow = home.new_token(&["--role", "viewer", "--channels", "view:desk.*"]).await;
    let good = home.new_token(&["--role", "viewer", "--expires", "1h"]).await;
    let mut answers = Vec::new();
    let mut again = Socket::open_with(server.address, &good).await.unwrap();
    again.follow("view:shop.orders").await.unwrap();
    for token in [narrow.as_str(), "pb_a_b", good.as_str()] {
        again.send(&json!({"id": 7, "type": "auth", "token": token})).await.unwrap();
        answers.push(again.next().await.unwrap());
    }
    assert_eq!((&answers[0]["error"]["code"], &answers[0]["id"]), (&json!("forbidden"), &json!(7)));
    assert_eq!(answers[1]["error"]["code"], "unauthorized");
    assert_eq!((&answers[2]["type"], &answers[2]["id"]), (&json!("authenticated"), &json!(7)));
    assert!(answers[2]["expires"].as_i64().is_some_and(|at| at > 0), "{}", answers[2]);

    assert_eq!(left.next().await.unwrap()["type"], "expired");
    assert_eq!(left.close_code().await, 4_005);
    let closed = after_frames(&mut events).await;
    assert!(closed.name == "closed" && closed.data.contains("token_expired"), "{closed:?}");
    assert_eq!(replaced.close_code().await, 4_005, "nothing was sent in time");
}

#[tokio::test]
async fn a_socket_goes_on_past_the_end_of_its_first_token() {
    let (home, server, admin) = server("[auth]\ngrace = \"1h\"\n").await;
    let short = home.new_token(&["--role", "viewer", "--expires", "1s"]).await;
    let mut socket = Socket::open_with(server.address, &short).await.unwrap();
    socket.follow("view:shop.orders").await.unwrap();
    assert_eq!(socket.next().await.unwrap(), json!({"type": "expired", "grace_ms": 3_600_000}));
    let next = home.new_token(&["--role", "viewer"]).await;
    socket.send(&json!({"type": "auth", "token": next})).await.unwrap();
    assert_eq!(socket.next().await.unwrap(), json!({"type": "authenticated", "expires": null}));
    admin.accepted("orders", &json!({"total": 9})).await;
    assert_eq!(socket.next().await.unwrap()["type"], "frame", "what was followed is followed on");
    // The right is the new token's now.
    home.token(&["revoke", id_of(&next)]).await.ok();
    assert_eq!(socket.close_code().await, 4_503);
}

#[tokio::test]
async fn a_ticket_stands_in_a_url_for_its_token_once() {
    let (home, server, _admin) = server("").await;
    let viewer = home.new_token(&["--role", "viewer", "--channels", "view:shop.*"]).await;
    let api = server.api.with_token(&viewer);
    let ticket = async || {
        let answer = api.post("/api/v1/tickets", &json!({})).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["ticket"].as_str().unwrap().to_owned()
    };
    let path = |ticket: &str, channel: &str| format!("/api/v1/live/sse?ticket={ticket}&channel={channel}");
    let (first, second) = (ticket().await, ticket().await);
    assert_ne!(first, second);
    let response = server.api.request("GET", &path(&first, "view:shop.orders")).send().await.unwrap();
    let mut events = Events::of(response);
    assert_eq!(named(&mut events).await.name, "init");
    server.api.get(&path(&first, "view:shop.orders")).await.refused(401, "unauthorized");
    // It is as narrow as its token, and used up by a refusal, too.
    server.api.get(&path(&second, "view:desk.prices")).await.refused(403, "forbidden");
    server.api.get(&path(&second, "view:shop.orders")).await.refused(401, "unauthorized");
    // Elsewhere a ticket is nothing.
    let third = ticket().await;
    server.api.get(&format!("/api/v1/views?ticket={third}")).await.refused(401, "unauthorized");
    server.api.get("/api/v1/live/sse?ticket=x&channel=view:shop.orders").await.refused(401, "unauthorized");

    let mut socket = Socket::open_at(server.address, &format!("/api/v1/live?ticket={third}")).await.unwrap();
    socket.follow("view:shop.orders").await.unwrap();
    // Whoever came by a ticket goes with its token.
    home.token(&["revoke", id_of(&viewer)]).await.ok();
    assert_eq!(socket.close_code().await, 4_503);
    assert_eq!(after_frames(&mut events).await.name, "closed");
}

#[tokio::test]
async fn nothing_that_opens_the_door_is_in_any_line_of_the_log() {
    const PASSWORD: &str = "a horse that is correct";
    const WRONG: &str = "a battery that is not";
    let home = Home::new(CONFIG);
    std::fs::create_dir(home.file("boards")).unwrap();
    std::fs::write(home.file("boards/desk.toml"), BOARD).unwrap();
    let viewer = home.new_token(&["--role", "viewer"]).await;
    let server = home.start_with("PULSEBOARD_LOG", "trace").await;
    let ended = home.new_token(&["--role", "viewer", "--expires", "1s"]).await;
    let local = std::fs::read_to_string(home.data_dir().join("command-line-key")).unwrap();
    let forged = format!("{}A", viewer);
    for token in [&viewer, &forged, &ended] {
        let api = server.api.with_token(token);
        api.get("/api/v1/me").await;
        api.get("/api/v1/live/poll?channel=view:shop.orders").await;
        api.events("orders", "{}").await;
    }
    let ticket = server.api.with_token(&viewer).post("/api/v1/tickets", &json!({})).await.json();
    let ticket = format!("pb_ticket_{}", ticket["ticket"].as_str().unwrap());
    let path = format!("/api/v1/live?ticket={}", ticket.splitn(3, '_').nth(2).unwrap());
    let mut socket = Socket::open_at(server.address, &path).await.unwrap();
    for token in [&ended, &forged, &viewer] {
        socket.send(&json!({"type": "auth", "token": token})).await.unwrap();
        socket.next().await.unwrap();
    }
    home.token(&["revoke", id_of(&viewer)]).await.ok();
    assert_eq!(socket.close_code().await, 4_503);

    home.user(&["add", "ann", "--role", "editor"], Some(PASSWORD)).await.ok();
    try_password(&server.api, "ann", WRONG).await.refused(401, "unauthorized");
    // Who types it into the wrong field.
    try_password(&server.api, WRONG, WRONG).await.refused(401, "unauthorized");
    let browser = Browser::log_in(&server, "ann", PASSWORD).await;
    let mut socket = browser.socket().await;
    socket.follow("view:shop.orders").await.unwrap();
    let share = browser.send("POST", "/api/v1/boards/desk/shares", &json!({})).await.json();
    let share = share["secret"].as_str().unwrap().to_owned();
    server.api.with_token(&share).get("/api/v1/boards/desk").await.ok();
    read(browser.bare("POST", "/api/v1/query")).await.refused(403, "forbidden_origin");
    home.user(&["remove", "ann"], None).await.ok();
    browser.get("/api/v1/session").await.refused(401, "unauthorized");
    assert_eq!(socket.close_code().await, 4_503);
    server.stop().await;
    let log = home.log();
    assert!(log.contains("DEBUG") && log.lines().count() > 20, "there is much to look through: {log}");
    let tokens = [&viewer, &forged, &ended, &local, &ticket, &share].map(|token| token.splitn(3, '_').nth(2).unwrap());
    for secret in tokens.into_iter().chain([PASSWORD, WRONG, browser.secret()]) {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "a secret is in the log");
    }
    // Nor is one in what is kept, which is where the audit log is, too.
    let meta = std::fs::read(home.data_dir().join("meta.sqlite")).unwrap();
    for secret in [&viewer, &share]
        .map(|token| token.splitn(3, '_').nth(2).unwrap())
        .into_iter()
        .chain([PASSWORD, browser.secret()])
    {
        let found = meta.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "only hashes are kept");
    }
}
