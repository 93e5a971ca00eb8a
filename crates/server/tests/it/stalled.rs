//! Readers that take nothing or say nothing: what waits for them stays small, they end at what is true when they read
//! again, and those that are gone for good are closed by number.

use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::connection::{Connection, Socket, Transport};
use crate::support::follower::Follower;
use crate::support::server::{Home, Server};
use crate::support::stall::{connections, until_stalled};
use crate::support::until::{until, within};

const SQL: &str = "SELECT g, max(text) AS text, count(*) AS n FROM events GROUP BY g";
const READERS: usize = 30;
const GROUPS: i64 = 100;
/// What the answer of one commit weighs: nothing else here weighs as much.
const TEXT_BYTES: usize = 1_000;
/// After they are stalled, so many frames of about 100 KB would wait for each reader if anything kept them: 600 MB.
const COMMITS: i64 = 200;
const GROWTH_MAX: u64 = 160 << 20;

/// One event for each group, with a text that is larger than all before.
fn events(round: i64) -> Value {
    let text = format!("{round:08}{}", "x".repeat(TEXT_BYTES));
    (0..GROUPS).map(|g| json!({"g": g, "text": text})).collect()
}

#[tokio::test]
async fn stalled_readers_cost_little_and_end_at_the_batch_answer_when_they_read_again() {
    let home = Home::new(&format!(
        "[views.by_group]\nsql = \"{SQL}\"\n[limits.websockets]\nsilence = \"10m\"\nunread = \"10m\"\n"
    ));
    let mut server = home.start().await;
    let api = server.api.clone();
    let position = api.accepted("events", &events(0)).await;
    api.live_view("by_group", &position).await;
    let mut sockets = Vec::new();
    for _ in 0..READERS {
        let mut socket = Socket::open_narrow(server.address).await.expect("connected");
        socket.send(&json!({"type": "subscribe", "channel": "view:by_group"})).await.unwrap();
        sockets.push(socket);
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
    server.assert_well().await;

    for socket in sockets.drain(..).take(3) {
        let mut follower = Follower::new(["view:by_group"]);
        let mut connection = Connection::WebSocket(Box::new(socket));
        let offset = |position: &str| position.split(':').nth(1).and_then(|offset| offset.parse::<u64>().ok());
        let due = offset(&last);
        follower.take_until(&mut connection, |follower| offset(&follower.position) >= due).await.expect("it goes on");
        follower.assert_holds(&api, "by_group", SQL).await;
        assert!(follower.is_live("view:by_group"));
        let frames = i64::try_from(follower.replica.frames).unwrap();
        assert!(frames <= stalled_after + 5, "{frames} frames: what came after {stalled_after} commits was not merged");
    }
}

/// How long silence may last here, and where it is not silence that is looked at.
const SILENCE: &str = "4s";
const FOR_EVER: &str = "10m";

async fn impatient(silence: &str) -> (Home, Server) {
    let home = Home::new(&format!(
        "[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n\
         [limits.websockets]\nping_every = \"250ms\"\nsilence = \"{silence}\"\nunread = \"1s\"\n"
    ));
    let server = home.start().await;
    let position = server.api.accepted("events", &json!({"n": 1})).await;
    server.api.live_view("totals", &position).await;
    (home, server)
}

/// Whether the server says that it closed a connection for this reason.
async fn closed_for(server: &Server, reason: &str) -> bool {
    let metrics = server.api.get("/metrics").await.text();
    metrics.contains(&format!("pulseboard_websockets_closed_total{{reason=\"{reason}\"}} 1"))
}

#[tokio::test]
async fn a_quiet_reader_is_pinged_and_lives_by_its_answers() {
    let (_home, server) = impatient(SILENCE).await;
    let mut socket = Socket::open(server.address).await.expect("connected");
    socket.send(&json!({"type": "subscribe", "channel": "view:totals"})).await.unwrap();
    let started = Instant::now();
    let mut pings = 0;
    // Answered by the library. Longer than silence may last.
    while started.elapsed() < Duration::from_secs(6) {
        match within("the next message", socket.0.next()).await.expect("it goes on").expect("it goes on") {
            Message::Ping(_) => pings += 1,
            Message::Close(close) => panic!("closed: {close:?}"),
            _ => {}
        }
    }
    assert!((4..=25).contains(&pings), "{pings} pings in {:?}, one each 250 ms", started.elapsed());
}

#[tokio::test]
async fn a_reader_that_never_answers_is_closed_as_idle() {
    let (_home, server) = impatient(SILENCE).await;
    let mut socket = Socket::open(server.address).await.expect("connected");
    socket.send(&json!({"type": "subscribe", "channel": "view:totals"})).await.unwrap();
    until("it is closed", async || closed_for(&server, "idle").await.then_some(())).await;
    assert_eq!(socket.close_code().await, 4_002);
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_closed_as_slow_and_the_others_go_on() {
    let (_home, server) = impatient(FOR_EVER).await;
    let api = server.api.clone();
    let mut quick = Follower::new(["view:totals"]);
    let mut connection = quick.connect(server.address, Transport::Sse).await.expect("open");
    quick.take(&mut connection).await.expect("its first frame");
    let mut socket = Socket::open_narrow(server.address).await.expect("connected");
    socket.send(&json!({"type": "subscribe", "channel": "stream:events"})).await.unwrap();
    let events: Value = (0..500).map(|n| json!({"n": n, "text": "x".repeat(TEXT_BYTES)})).collect();
    let mut last = String::new();
    until("it is closed", async || {
        last = api.accepted("events", &events).await;
        closed_for(&server, "slow").await.then_some(())
    })
    .await;
    // Over a wire that is not full any more, it would have been told so.
    until("it is off the list", async || (connections(&api).await.len() == 1).then_some(())).await;
    let view = api.live_view("totals", &last).await;
    let rows = view["rows"][0][0].clone();
    quick
        .take_until(&mut connection, |quick| quick.channel("view:totals").rows.values().any(|row| row["n"] == rows))
        .await
        .expect("the other one goes on");
    drop(socket);
}
