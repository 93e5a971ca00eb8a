//! Socket.IO with stock clients: what they ask and are told, over both transports of Engine.IO and under both presets of
//! event names; how they end, come back, and are refused.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::connection::{Connection, Socket, Transport};
use crate::support::follower::Follower;
use crate::support::proxy::Proxy;
use crate::support::server::{Home, Server};
use crate::support::socketio::{Client, Narrow, transports};
use crate::support::stall::{connections, until_stalled};
use crate::support::until::until;

const CONFIG: &str = "[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n\
                      [views.by_kind]\nsql = \"SELECT kind, count(*) AS n FROM events GROUP BY kind\"\n";

async fn server(more: &str) -> (Home, Server) {
    let home = Home::new(&format!("{CONFIG}{more}"));
    let server = home.start().await;
    let position = server.api.accepted("events", &json!({"kind": "a"})).await;
    for view in ["totals", "by_kind"] {
        server.api.live_view(view, &position).await;
    }
    (home, server)
}

async fn nobody_is_connected(server: &Server) {
    until("all connections are off the list", async || connections(&server.api).await.is_empty().then_some(())).await;
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_else(|| panic!("not refused: {answer}"))
}

#[tokio::test]
async fn a_stock_client_follows_and_leaves_over_each_transport_of_engine_io() {
    let (_home, server) = server("").await;
    // Each round adds two events.
    for (round, transports) in [1_u64, 3, 5].into_iter().zip(transports()) {
        let upgrades = transports.as_array().unwrap().len() == 2;
        let mut client = Client::open(server.address, &json!({"transports": transports}));
        // The change to WebSocket may come before Socket.IO has joined.
        let mut awaited = if upgrades { vec!["connect", "upgrade"] } else { vec!["connect"] };
        while !awaited.is_empty() {
            let (event, args) = client.next().await;
            awaited.retain(|name| *name != event);
            assert!(event != "upgrade" || args == [json!("websocket")], "{event} {args:?}");
        }
        let answer = client.ask("subscribe", json!("view:totals")).await;
        assert_eq!((&answer["sub"], &answer["channels"]), (&json!(1), &json!(["view:totals"])), "{answer}");
        assert_eq!((&answer["resumed"], answer.get("refused")), (&json!(false), None), "{answer}");
        let frame = client.until("snapshot").await.swap_remove(0);
        assert_eq!((&frame["type"], &frame["sub"], &frame["cursor"]), (&json!("frame"), &json!(1), &answer["cursor"]));
        assert_eq!(frame["changes"][0]["snapshot"]["rows"], json!([[round]]), "{frame}");

        server.api.accepted("events", &json!({"kind": "b"})).await;
        let frame = client.until("update").await.swap_remove(0);
        assert_eq!((&frame["resumed"], &frame["changes"][0]["channel"]), (&Value::Null, &json!("view:totals")));
        let set = frame["changes"][0]["delta"]["set"].as_object().unwrap();
        assert_eq!(set.values().next().unwrap()["n"], round + 1, "{frame}");

        let listed = until("two frames are counted", async || {
            let listed = connections(&server.api).await;
            (listed[0]["frames"] == 2).then_some(listed)
        })
        .await;
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!((&listed[0]["transport"], &listed[0]["channels"]), (&json!("socketio"), &json!(["view:totals"])));
        let metrics = server.api.get("/metrics").await.text();
        for line in [
            "pulseboard_connections{transport=\"socketio\"} 1".to_owned(),
            format!("pulseboard_frames_total{{transport=\"socketio\"}} {}", (3 * round).div_ceil(2)),
        ] {
            assert!(metrics.contains(&line), "no `{line}` in {metrics}");
        }

        // After it has left, what comes is of the next subscription.
        assert_eq!(client.ask("unsubscribe", json!("view:totals")).await, json!({"sub": 1}));
        assert_eq!(connections(&server.api).await[0]["subscriptions"], 0);
        server.api.accepted("events", &json!({"kind": "b"})).await;
        server.api.settle().await;
        client.emit("subscribe", &[json!({"channel": "view:totals"})]);
        let (event, args) = client.next().await;
        assert_eq!((event.as_str(), &args[0]["sub"]), ("snapshot", &json!(2)), "{args:?}");
        assert_eq!(args[0]["changes"][0]["snapshot"]["rows"], json!([[round + 2]]));
        drop(client);
        nobody_is_connected(&server).await;
    }
}

#[tokio::test]
async fn what_is_refused_says_why_in_the_acknowledgement_or_as_an_event() {
    let (_home, server) = server("").await;
    let mut client = Client::open(server.address, &json!({}));
    client.until("connect").await;
    let answer = client.ask("subscribe", json!("view:totls")).await;
    assert_eq!((code(&answer), &answer["error"]["details"]["nearest"]), ("unknown_view", &json!(["totals"])));
    for (event, argument, expected) in [
        ("subscribe", json!("nowhere"), "unknown_board"),
        ("subscribe", json!("stream:nothing"), "unknown_stream"),
        ("subscribe", json!("view:"), "bad_channel"),
        ("subscribe", json!("alerts?rule=a"), "bad_channel"),
        ("subscribe", json!(7), "bad_request"),
        ("subscribe", json!({"channel": "view:totals", "max_hz": 0}), "bad_request"),
        ("subscribe", json!({"channel": "view:totals", "since": "yesterday"}), "bad_position"),
        ("subscribe", json!({"channel": "view:totals", "timezone": "Mars"}), "bad_timezone"),
        ("unsubscribe", json!("view:totals"), "unknown_subscription"),
        ("unsubscribe", json!({"sub": 9}), "unknown_subscription"),
        ("unsubscribe", json!(null), "bad_request"),
    ] {
        let answer = client.ask(event, argument.clone()).await;
        assert_eq!(code(&answer), expected, "{event} {argument}");
    }
    // Of several channels the good ones are followed.
    let answer = client.ask("subscribe", json!(["view:totals", "view:totls"])).await;
    assert_eq!((&answer["sub"], &answer["channels"]), (&json!(1), &json!(["view:totals"])), "{answer}");
    assert_eq!((&answer["refused"][0]["channel"], code(&answer["refused"][0])), (&json!("view:totls"), "unknown_view"));
    client.until("snapshot").await;
    // Without an acknowledgement what is refused is an event.
    client.emit("subscribe", &[json!(["view:by_kind", "view:totls"])]);
    let error = client.until("error").await.swap_remove(0);
    assert_eq!((&error["channel"], code(&error)), (&json!("view:totls"), "unknown_view"));
    client.until("snapshot").await;
    client.emit("unsubscribe", &[]);
    assert_eq!(code(&client.until("error").await[0]), "bad_request");
    // There is an end to it.
    for sub in 3..=64 {
        assert_eq!(client.ask("subscribe", json!("view:totals")).await["sub"], sub);
    }
    assert_eq!(code(&client.ask("subscribe", json!("view:totals")).await), "limit_exceeded");
    assert_eq!(connections(&server.api).await[0]["subscriptions"], 64);
}

#[tokio::test]
async fn under_the_metrics_preset_a_client_is_on_the_default_board_and_comes_back_to_it() {
    let home = Home::new(
        "boards = \"boards\"\n[[sources]]\nkind = \"host\"\n[socketio]\npreset = \"metrics\"\ndefault_board = \"wall\"\n",
    );
    std::fs::create_dir(home.file("boards")).unwrap();
    let panel =
        "title = \"W\"\n[[panels]]\nid = \"n\"\ntype = \"stat\"\nsql = \"SELECT count(*) AS n FROM host_cpu\"\n";
    std::fs::write(home.file("boards/wall.toml"), panel).unwrap();
    let server = home.start().await;
    let live =
        async || (server.api.get("/api/v1/views/wall.n").await.json()["state"]["status"] == "live").then_some(());
    until("the panel is live", live).await;
    for transports in transports() {
        let mut client = Client::open(server.address, &json!({"transports": transports}));
        let first = client.until("initial-data").await.swap_remove(0);
        assert_eq!((&first["sub"], &first["resumed"]), (&json!(1), &json!(false)));
        let board = first["changes"].as_array().unwrap().iter().find(|change| change["channel"] == "board:wall");
        assert!(board.is_some_and(|board| board["snapshot"]["panels"].is_object()), "{first}");
        let next = client.until("metrics-update").await.swap_remove(0);
        assert_eq!(next["sub"], 1);
        let answer = client.ask("unsubscribe-metrics", json!("wall")).await;
        assert_eq!(answer, json!({"sub": 1}));
        let answer = client.ask("subscribe-metrics", json!({"board": "wall", "batch_ms": 50})).await;
        assert_eq!((&answer["sub"], &answer["channels"][0]), (&json!(2), &json!("board:wall")));
        client.until("initial-data").await;
        assert_eq!(client.until("batch-update").await[0]["sub"], 2);

        // Who says where it was goes on from there.
        let options = json!({"transports": transports, "auth": {"since": next["cursor"]}});
        let mut back = Client::open(server.address, &options);
        let (mut event, mut args) = back.next().await;
        while event == "connect" || event == "upgrade" {
            (event, args) = back.next().await;
        }
        assert_eq!((event.as_str(), &args[0]["resumed"]), ("metrics-update", &json!(true)), "{args:?}");
    }
}

#[tokio::test]
async fn who_collects_changes_gets_them_as_batches() {
    let (_home, server) = server("").await;
    let mut client = Client::open(server.address, &json!({"transports": ["websocket"]}));
    let answer = client.ask("subscribe", json!({"channel": "view:totals", "batch_ms": 400})).await;
    assert_eq!(answer["sub"], 1);
    client.until("snapshot").await;
    for _ in 0..5 {
        server.api.accepted("events", &json!({"kind": "a"})).await;
    }
    let mut batches = 0;
    loop {
        let (event, args) = client.next().await;
        assert_eq!(event, "batch-update", "{args:?}");
        batches += 1;
        if args[0].to_string().contains("\"n\":6") {
            break;
        }
    }
    assert!(batches < 5, "{batches} batches of 5 changes: nothing was collected");
}

/// A follower of the view and the tail, and a stock client that comes back by itself.
fn returning(proxy: &Proxy, transports: &Value) -> (Follower, Connection) {
    let channels = ["view:totals", "view:by_kind", "stream:events"];
    let options = json!({"transports": transports, "reconnectionDelay": 50, "reconnectionDelayMax": 200});
    let client = Client::follow(proxy.address, &options, "subscribe", &json!({"channels": channels}), None);
    (Follower::new(channels), Connection::Returning(client))
}

#[tokio::test]
async fn a_stock_client_comes_back_after_a_restart_and_has_what_the_server_has() {
    for (round, transports) in (0_i64..).zip(transports()) {
        let home = Home::new(CONFIG);
        let mut server = home.start().await;
        let position = server.api.accepted("events", &json!({"id": 0, "kind": "a"})).await;
        server.api.live_view("totals", &position).await;
        let proxy = Proxy::start(server.address).await;
        let (mut follower, mut connection) = returning(&proxy, &transports);
        follower.take(&mut connection).await.expect("it connects");
        let mut id = 0;
        for restart in 0..3 {
            for _ in 0..20 {
                id += 1;
                server.api.accepted("events", &json!({"id": id, "kind": if id % 3 == 0 { "a" } else { "b" }})).await;
            }
            match restart {
                0 => server.kill().await,
                1 => server.stop().await,
                _ => break,
            }
            server = home.start().await;
            proxy.lead_to(server.address);
        }
        let position = server.api.accepted("events", &json!({"id": id + 1, "kind": "c"})).await;
        let caught_up = |follower: &Follower| {
            follower.items("stream:events", "id").last() == Some(&json!(id + 1))
                && follower.is_live("view:totals")
                && follower.is_live("view:by_kind")
        };
        follower.take_until(&mut connection, caught_up).await.expect("it comes back");
        let every: Vec<Value> = (1..=id + 1).map(Value::from).collect();
        assert_eq!(follower.items("stream:events", "id"), every, "{transports}: each item once");
        for (view, sql) in [
            ("totals", "SELECT count(*) AS n FROM events"),
            ("by_kind", "SELECT kind, count(*) AS n FROM events GROUP BY kind"),
        ] {
            follower.assert_holds(&server.api, view, sql).await;
            let truth = server.api.live_view(view, &position).await;
            assert_eq!(
                truth["rows"].as_array().map(Vec::len),
                Some(follower.channel(&format!("view:{view}")).rows.len())
            );
        }
        println!("round {round} over {transports}: {} frames, {} resumed", follower.replica.frames, follower.resumed);
    }
}

#[tokio::test]
async fn a_server_that_ends_says_when_to_come_back_and_closes_what_clients_come_back_from() {
    for transports in transports() {
        let (_home, server) = server("").await;
        let mut client = Client::open(server.address, &json!({"transports": transports}));
        client.ask("subscribe", json!("view:totals")).await;
        let mut idle = Client::open(server.address, &json!({"transports": transports}));
        idle.until("connect").await;
        let ending = tokio::time::Instant::now();
        server.stop().await;
        assert!(ending.elapsed() < Duration::from_secs(6), "it took {:?} to end", ending.elapsed());
        for client in [&mut client, &mut idle] {
            let restart = client.until("restart").await.swap_remove(0);
            assert!(restart["after_ms"].as_u64().is_some_and(|ms| (100..=5_000).contains(&ms)), "{restart}");
            let (mut event, mut args) = client.next().await;
            while event != "disconnect" {
                (event, args) = client.next().await;
            }
            // After `io server disconnect` it would not come back by itself.
            assert!(args[0] == "transport close" || args[0] == "transport error", "{transports}: {args:?}");
        }
    }
}

#[tokio::test]
async fn sessions_are_connections_among_the_others() {
    let (_home, server) = server("[limits.connections]\ntotal = 2\n").await;
    let _socket = Socket::open(server.address).await.expect("there is room");
    let mut client = Client::open(server.address, &json!({}));
    client.until("upgrade").await;
    assert_eq!(connections(&server.api).await.len(), 2, "one session, whatever it took to open it");
    let refused = server.api.get("/socket.io/?EIO=4&transport=polling").await;
    let refusal = refused.refused(503, "overloaded");
    assert!(refusal.details["retry_after_ms"].as_u64().is_some() && !refused.header("retry-after").is_empty());
    let mut second = Client::open(server.address, &json!({"reconnectionDelay": 20, "reconnectionDelayMax": 50}));
    assert_eq!(second.next().await.0, "connect_error");
    drop(client);
    // It is let in when there is room again, and tried by itself.
    loop {
        let (event, args) = second.next().await;
        match event.as_str() {
            "connect" => break,
            "connect_error" | "upgrade" => {}
            _ => panic!("{event} {args:?}"),
        }
    }
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    let (_home, server) = server("").await;
    let api = &server.api;
    let path = |query: &str| format!("/socket.io/?{query}");
    for query in
        ["", "EIO=3&transport=polling", "EIO=4&transport=pigeon", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAHs"]
    {
        assert_eq!(api.get(&path(query)).await.status, 400, "{query}");
    }
    assert_eq!(api.get(&path("EIO=4&transport=websocket")).await.status, 400, "no upgrade");
    nobody_is_connected(&server).await;
    let foreign = api.request("GET", &path("EIO=4&transport=polling")).header("origin", "https://evil.example");
    crate::support::api::read(foreign).await.refused(403, "forbidden_origin");
    // A body beyond the limit, to a session there is.
    let opened = api.get(&path("EIO=4&transport=polling")).await;
    let opened: Value = serde_json::from_str(opened.text().strip_prefix('0').unwrap()).unwrap();
    let session = path(&format!("EIO=4&transport=polling&sid={}", opened["sid"].as_str().unwrap()));
    let large = api.request("POST", &session).body(format!("42[\"subscribe\",\"{}\"]", "x".repeat(1 << 20)));
    crate::support::api::read(large).await.refused(413, "too_large");
    // Who opens a session and joins nothing does not keep its place.
    assert_eq!(connections(api).await.len(), 1);
    nobody_is_connected(&server).await;
}

const SQL: &str = "SELECT g, max(text) AS text, count(*) AS n FROM events GROUP BY g";
const READERS: usize = 20;
const GROUPS: i64 = 100;
const TEXT_BYTES: usize = 1_000;
/// After they are stalled, so many frames of about 100 KB would wait for each reader if anything kept them: 400 MB.
const COMMITS: i64 = 200;
const GROWTH_MAX: u64 = 160 << 20;

fn events(round: i64) -> Value {
    let text = format!("{round:08}{}", "x".repeat(TEXT_BYTES));
    (0..GROUPS).map(|g| json!({"g": g, "text": text})).collect()
}

#[tokio::test]
async fn stalled_readers_cost_little_and_end_at_the_batch_answer_when_they_read_again() {
    let home = Home::new(&format!(
        "[views.by_group]\nsql = \"{SQL}\"\n[limits.websockets]\nping_every = \"2s\"\nsilence = \"10m\"\nunread = \"10m\"\n"
    ));
    let mut server = home.start().await;
    let api = server.api.clone();
    let position = api.accepted("events", &events(0)).await;
    api.live_view("by_group", &position).await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut reader = Narrow::open(server.address).await.expect("connected");
        reader.send("42[\"subscribe\",\"view:by_group\"]").await.unwrap();
        readers.push(reader);
    }
    until("all are connected", async || (connections(&api).await.len() == READERS).then_some(())).await;
    let mut stalled_after = 0;
    until_stalled(&api, async || {
        stalled_after += 1;
        api.accepted("events", &events(stalled_after)).await;
    })
    .await;
    let before = server.peak_memory_bytes();
    let mut last = String::new();
    for round in 1..=COMMITS {
        last = api.accepted("events", &events(stalled_after + round)).await;
    }
    api.live_view("by_group", &last).await;
    let grown = server.peak_memory_bytes().saturating_sub(before);
    println!("{READERS} stalled readers, {COMMITS} commits: {} MiB more", grown >> 20);
    assert!(grown < GROWTH_MAX, "{READERS} readers that read nothing took {} MiB", grown >> 20);
    // The library's own pings have had their room: nobody was closed.
    assert_eq!(connections(&api).await.len(), READERS);
    server.assert_well().await;

    for reader in readers.drain(..).take(3) {
        let mut follower = Follower::new(["view:by_group"]);
        let mut connection = Connection::Narrow(Box::new(reader));
        let offset = |position: &str| position.split(':').nth(1).and_then(|offset| offset.parse::<u64>().ok());
        let due = offset(&last);
        follower.take_until(&mut connection, |follower| offset(&follower.position) >= due).await.expect("it goes on");
        follower.assert_holds(&api, "by_group", SQL).await;
        let frames = i64::try_from(follower.replica.frames).unwrap();
        assert!(
            frames <= stalled_after + 10,
            "{frames} frames: what came after {stalled_after} commits was not merged"
        );
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_closed_and_the_others_go_on() {
    let (_home, server) = server("[limits.websockets]\nunread = \"1s\"\nsilence = \"10m\"\n").await;
    let api = server.api.clone();
    let mut quick = Follower::new(["view:totals"]);
    let mut connection = quick.connect(server.address, Transport::SocketIo).await.expect("connects");
    quick.take(&mut connection).await.expect("its first frame");
    let mut reader = Narrow::open(server.address).await.expect("connected");
    reader.send("42[\"subscribe\",\"stream:events\"]").await.unwrap();
    let events: Value = (0..500).map(|_| json!({"kind": "x".repeat(TEXT_BYTES)})).collect();
    let mut last = String::new();
    until("it is closed", async || {
        last = api.accepted("events", &events).await;
        (connections(&api).await.len() == 1).then_some(())
    })
    .await;
    let metrics = api.get("/metrics").await.text();
    assert!(metrics.contains("pulseboard_socketio_closed_total{reason=\"transport_error\"} 1"), "{metrics}");
    let rows = api.live_view("totals", &last).await["rows"][0][0].clone();
    let has_all = |quick: &Follower| quick.channel("view:totals").rows.values().any(|row| row["n"] == rows);
    quick.take_until(&mut connection, has_all).await.expect("the other one goes on");
    // What was on its way still comes, then the end.
    while reader.next().await.is_ok() {}
}
