//! Large answers come in several frames at one position: over every transport, while events come, and where the connection
//! breaks in between.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::compare::{held, lines, sorted};
use crate::support::connection::{Connection, Events, Socket, Transport};
use crate::support::follower::Follower;
use crate::support::server::{Home, Server};

/// Nobody is pinged: a pong would have the server look after what it had not been told of.
const CONFIG: &str = "[limits]\npage_bytes = \"2KiB\"
[limits.websockets]\nping_every = \"10m\"\nsilence = \"30m\"
[views.groups]\nsql = \"SELECT n, count(*) AS c, max(note) AS note FROM events GROUP BY n\"
[views.top]\nsql = \"SELECT n, sum(v) AS v FROM events GROUP BY n ORDER BY v DESC, n LIMIT 300\"
[views.small]\nsql = \"SELECT count(*) AS c FROM events\"\n";
const VIEWS: [&str; 3] = ["groups", "top", "small"];
const GROUPS: u64 = 900;

async fn server() -> (Home, Server) {
    let home = Home::new(CONFIG);
    let server = home.start().await;
    let events: Vec<Value> = (0..GROUPS).map(|n| json!({"n": n, "v": n % 7, "note": format!("note {n}")})).collect();
    let position = server.api.accepted("events", &json!(events)).await;
    for view in VIEWS {
        server.api.live_view(view, &position).await;
    }
    (home, server)
}

fn names() -> Vec<String> {
    VIEWS.iter().map(|view| format!("view:{view}")).chain(["stream:events".to_owned()]).collect()
}

/// Sends one more event and says that the reader comes to hold it, with everything else.
async fn assert_goes_on(api: &Api, follower: &mut Follower, connection: &mut Connection, n: u64) {
    let position = api.accepted("events", &json!({"n": n, "v": 1_000 + n, "note": "x".repeat(4_000)})).await;
    let truth = api.live_view("small", &position).await;
    let count = truth["rows"][0][0].as_u64();
    let counted = |follower: &Follower| {
        let row = follower.channel("view:small").rows.values().next().map(|row| row["c"].as_u64());
        row.flatten() == count
    };
    follower.take_until(connection, counted).await.expect("the wire is whole");
    for view in VIEWS {
        let truth = api.live_view(view, &position).await;
        let held = held(follower.channel(&format!("view:{view}")));
        // One of them has an order of its own.
        let (held, truth) = match view {
            "top" => (held, lines(&truth["rows"])),
            _ => (sorted(held), sorted(lines(&truth["rows"]))),
        };
        assert_eq!(held, truth, "`{view}`");
    }
}

#[tokio::test]
async fn over_every_transport_the_parts_are_the_whole() {
    let (_home, server) = server().await;
    for (number, transport) in Transport::ALL.into_iter().enumerate() {
        let mut follower = Follower::new(names());
        let mut connection = follower.connect(server.address, transport).await.unwrap();
        follower.take(&mut connection).await.unwrap();
        assert_goes_on(&server.api, &mut follower, &mut connection, GROUPS + number as u64).await;
        drop(connection);
        // What was missed is little: it comes without the rest.
        server.api.accepted("events", &json!({"n": 1})).await;
        let mut connection = follower.connect(server.address, transport).await.unwrap();
        assert_goes_on(&server.api, &mut follower, &mut connection, GROUPS + 100 + number as u64).await;
        let resets = &follower.channel("view:groups").resets;
        assert!(resets.is_empty(), "{transport:?}: {resets:?}");
    }
}

#[tokio::test]
async fn what_comes_while_parts_are_sent_is_not_left_lying() {
    let (_home, server) = server().await;
    let api = &server.api;
    for transport in Transport::ALL {
        for _ in 0..5 {
            let mut follower = Follower::new(names());
            let mut connection = follower.connect(server.address, transport).await.unwrap();
            let write = async {
                for _ in 0..20 {
                    api.accepted("events", &json!({"n": 1})).await;
                }
            };
            let (taken, ()) = tokio::join!(follower.take(&mut connection), write);
            taken.unwrap();
            let truth = api.get("/api/v1/views/small").await.json();
            let count = truth["rows"][0][0].as_u64().unwrap();
            // Nothing more is written: whoever was not woken by now is not woken any more.
            let counted = |follower: &Follower| {
                let small = follower.channel("view:small").rows.values().next();
                small.is_some_and(|row| row["c"].as_u64() >= Some(count))
            };
            follower.take_until(&mut connection, counted).await.expect("the wire is whole");
        }
    }
}

#[tokio::test]
async fn parts_have_no_cursor_and_whoever_has_only_some_begins_again() {
    let (_home, server) = server().await;
    let mut socket = Socket::open(server.address).await.unwrap();
    let first = socket.follow("view:groups").await.unwrap();
    let position = &first["position"];
    let rows = |frame: &Value| frame["changes"][0]["delta"]["set"].as_object().map_or(0, serde_json::Map::len) as u64;
    let in_first = first["changes"][0]["snapshot"]["rows"].as_array().unwrap().len() as u64;
    assert!(first["more"] == true && first["cursor"].is_null() && in_first < GROUPS / 5, "{first}");
    let (mut parts, mut sum) = (1, in_first);
    let last = loop {
        let frame = socket.next().await.unwrap();
        (parts, sum) = (parts + 1, sum + rows(&frame));
        assert_eq!(&frame["position"], position);
        // A row is never cut, so a part may be a little larger.
        assert!(frame.to_string().len() < 3_000, "{frame}");
        if frame["more"].is_null() {
            break frame;
        }
        assert!(frame["cursor"].is_null() && frame["resumed"].is_null(), "{frame}");
    };
    assert!(last["cursor"].is_string() && parts > 10 && sum == GROUPS, "{parts} parts, {sum} rows");

    // Other subscriptions and messages are not held up by parts that are still to come.
    socket.send(&json!({"type": "subscribe", "channel": "view:groups"})).await.unwrap();
    socket.send(&json!({"type": "ping", "id": "between"})).await.unwrap();
    let mut pong_before_last = false;
    loop {
        let message = socket.next().await.unwrap();
        pong_before_last |= message["id"] == "between";
        if message["type"] == "frame" && message["sub"] == 2 && message["more"].is_null() {
            break;
        }
    }
    assert!(pong_before_last, "the pong waited for all parts");

    // Plain EventSource pages: only the last part has an id to come back with.
    for query in ["channel=view:groups", "channel=view:groups&events=named"] {
        let mut events = Events::open(server.address, query, None).await.unwrap();
        let mut ids = Vec::new();
        let mut rows = 0;
        while rows < GROUPS {
            let event = events.next().await.unwrap();
            if event.data.is_empty() {
                continue;
            }
            let data: Value = serde_json::from_str(&event.data).unwrap();
            let change = if data["channel"].is_string() { &data } else { &data["changes"][0] };
            rows += change["snapshot"]["rows"].as_array().map_or(0, Vec::len) as u64;
            rows += change["delta"]["set"].as_object().map_or(0, serde_json::Map::len) as u64;
            ids.push(event.id);
        }
        let (last, before) = ids.split_last().unwrap();
        assert!(last.is_some() && before.iter().all(Option::is_none), "{query}: {ids:?}");
    }

    // Cut in the middle, with a tail beside it that must lose nothing and bring nothing twice.
    for transport in [Transport::WebSocket, Transport::Sse, Transport::SocketIo] {
        let mut follower = Follower::new(names());
        let mut connection = follower.connect(server.address, transport).await.unwrap();
        for _ in 0..4 {
            let part = connection.next().await.unwrap();
            follower.replica.apply(&part).unwrap();
        }
        assert!(follower.replica.is_waiting() && follower.replica.cursor.is_none(), "{transport:?}");
        assert!(follower.replica.channels.is_empty(), "nothing half is shown");
        drop(connection);
        let mut connection = follower.connect(server.address, transport).await.unwrap();
        follower.take(&mut connection).await.unwrap();
        let n = 5_000 + follower.replica.frames;
        assert_goes_on(&server.api, &mut follower, &mut connection, n).await;
        // It stands somewhere now. A reset brings parts again, and is cut in the middle.
        server.api.accepted("events", &json!({"n": 2})).await;
        drop(connection);
        let before = follower.items("stream:events", "n").len();
        // Another set of channels: everything comes again, and the cursor stays where it was until all is there.
        let cursor = follower.replica.cursor.clone();
        follower.replica.cursor = cursor.clone().map(|cursor| {
            let (position, tag) = cursor.split_once('~').unwrap();
            format!("{position}~{}{}", "00000000", &tag[8..])
        });
        let stale = follower.replica.cursor.clone();
        let mut connection = follower.connect(server.address, transport).await.unwrap();
        let part = connection.next().await.unwrap();
        assert_eq!(part["changes"][0]["reset"], "changed", "{part}");
        follower.replica.apply(&part).unwrap();
        assert_eq!(follower.replica.cursor, stale);
        drop(connection);
        follower.replica.cursor = cursor;
        let mut connection = follower.connect(server.address, transport).await.unwrap();
        let n = 6_000 + follower.replica.frames;
        assert_goes_on(&server.api, &mut follower, &mut connection, n).await;
        follower
            .take_until(&mut connection, |follower| follower.items("stream:events", "n").len() >= before + 2)
            .await
            .unwrap();
        let resets = &follower.channel("view:groups").resets;
        assert!(resets.is_empty(), "what was cut was never shown: {resets:?}");
    }
    let poll = server.api.get("/api/v1/live/poll?channel=view:groups").await.ok();
    assert!(poll["more"].is_null() && poll["cursor"].is_string(), "a poll has no other frame to go on with");
    assert!(poll["changes"][0]["snapshot"]["rows"].as_array().unwrap().len() as u64 >= GROUPS);
}
