//! Readers over real sockets that are cut off at any byte and come back with their cursor: they end where the server is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::sync::{Notify, RwLock};

use crate::support::api::Api;
use crate::support::connection::Transport;
use crate::support::follower::Follower;
use crate::support::proxy::Proxy;
use crate::support::random::random;
use crate::support::server::{Home, Server};

pub(super) const TAIL: &str = "stream:events";

/// Totals, groups, an order with a limit, windows that move by the clock, newest rows.
pub(super) const VIEWS: [(&str, &str); 5] = [
    ("totals", "SELECT count(*) AS n, sum(v) AS total FROM events"),
    ("by_kind", "SELECT kind, count(*) AS n, sum(v) AS total, max(id) AS last FROM events GROUP BY kind"),
    ("top", "SELECT kind, sum(v) AS total FROM events GROUP BY kind ORDER BY total DESC, kind LIMIT 3"),
    ("window", "SELECT kind, count(*) AS n FROM events WHERE time > now() - interval '2 seconds' GROUP BY kind"),
    ("newest", "SELECT id, kind, v FROM events ORDER BY time DESC LIMIT 5"),
];

pub(super) fn config() -> String {
    // Answers come in parts, where they can.
    let views = VIEWS.iter().map(|(name, sql)| format!("[views.{name}]\nsql = \"{sql}\"\n"));
    ["[limits]\npage_bytes = \"1KiB\"\n".to_owned()].into_iter().chain(views).collect()
}

fn follower() -> Follower {
    Follower::new(VIEWS.iter().map(|(name, _)| format!("view:{name}")).chain([TAIL.to_owned()]))
}

/// Posts small batches, numbered from 1; number 0 made the stream.
#[derive(Debug)]
pub(super) struct Poster {
    random: StdRng,
    pub(super) posted: i64,
}

impl Poster {
    pub(super) async fn begin(api: &Api, part: u64) -> Self {
        let position = api.accepted("events", &json!({"id": 0, "kind": "a", "v": 1})).await;
        api.live_view("totals", &position).await;
        Self { random: random(part), posted: 0 }
    }

    pub(super) async fn post(&mut self, api: &Api, batches: usize) {
        for _ in 0..batches {
            let first = self.posted + 1;
            self.posted += self.random.random_range(1..=6);
            let kinds = ["a", "b", "c", "d", "e"];
            let event = |id| json!({"id": id, "kind": kinds[self.random.random_range(0..5)], "v": self.random.random_range(-50..100)});
            let events: Vec<Value> = (first..=self.posted).map(event).collect();
            api.accepted("events", &Value::from(events)).await;
            tokio::time::sleep(Duration::from_millis(self.random.random_range(0..25))).await;
        }
    }
}

/// What the reader and whoever posts tell each other.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) proxy: Proxy,
    /// Held for writing while the server is being restarted.
    pub(super) api: RwLock<Api>,
    /// The reader has its first frame.
    pub(super) joined: Notify,
    /// The number of the last event, once it is posted.
    last: AtomicI64,
    /// The reader was cut, and went on, often enough for the test to show something.
    was_cut_enough: AtomicBool,
    /// How many frames it has taken.
    taken: AtomicU64,
}

/// How often a reader must be cut, and go on with its cursor, at least.
const CUTS: u32 = 20;
const RESUMED: u32 = 10;

impl Scene {
    pub(super) async fn of(server: &Server) -> Self {
        let proxy = Proxy::start(server.address).await;
        Self {
            proxy,
            api: RwLock::new(server.api.clone()),
            joined: Notify::new(),
            last: AtomicI64::new(-1),
            was_cut_enough: AtomicBool::new(false),
            taken: AtomicU64::new(0),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.proxy.address
    }

    pub(super) fn end(&self, last: i64) {
        self.last.store(last, Ordering::SeqCst);
        self.proxy.mend();
    }

    fn has_ended(&self) -> bool {
        self.last.load(Ordering::SeqCst) >= 0
    }

    pub(super) async fn assert_equal(&self, follower: &Follower) {
        let api = self.api.read().await;
        for (view, sql) in VIEWS {
            follower.assert_holds(&api, view, sql).await;
        }
    }
}

/// Follows through cuts until the last event is posted, then unbroken until it has come. Gives how often it was cut.
pub(super) async fn follow(scene: &Scene, follower: &mut Follower, part: u64, next: impl Fn(u32) -> Transport) -> u32 {
    let mut random = random(part);
    let (mut cuts, mut in_vain) = (0, 0_u32);
    while !scene.has_ended() {
        // From within the handshake to some dozens of frames; more after cuts that let no frame through, or what has
        // piled up meanwhile would never pass.
        scene.proxy.break_after(random.random_range(0..8_000 << in_vain.min(8)));
        in_vain += 1;
        let Ok(mut connection) = follower.connect(scene.address(), next(cuts)).await else {
            cuts += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        };
        // If the end came while it connected, nothing would cut it any more.
        while !scene.has_ended() && follower.take(&mut connection).await.is_ok() {
            in_vain = 0;
            scene.taken.fetch_add(1, Ordering::SeqCst);
            if follower.dawdles && random.random_ratio(1, 6) {
                // What comes meanwhile is merged for it.
                tokio::time::sleep(Duration::from_millis(random.random_range(20..200))).await;
            }
            if random.random_ratio(1, 12) {
                scene.assert_equal(follower).await;
            }
        }
        cuts += 1;
        if cuts >= CUTS && follower.resumed >= RESUMED {
            scene.was_cut_enough.store(true, Ordering::SeqCst);
        }
    }
    scene.proxy.mend();
    let last = scene.last.load(Ordering::SeqCst);
    let mut connection = follower.connect(scene.address(), next(cuts)).await.expect("the wire is whole");
    let caught_up = |follower: &Follower| {
        let tail = follower.items(TAIL, "id").last().is_some_and(|id| *id == last);
        tail && follower.views().all(|view| follower.is_live(view))
    };
    follower.take_until(&mut connection, caught_up).await.expect("the wire is whole");
    scene.assert_equal(follower).await;
    cuts
}

/// The tail gave each event once and in order; the replica itself refuses doubles and steps back.
pub(super) fn assert_tail_is_whole(follower: &Follower, last: i64) {
    let expected: Vec<Value> = (1..=last).map(Value::from).collect();
    assert_eq!(follower.items(TAIL, "id"), expected);
    assert!(follower.channel(TAIL).resets.is_empty(), "{:?}", follower.channel(TAIL).resets);
}

async fn joined(scene: &Scene, transport: Transport) -> Follower {
    let mut follower = follower();
    let mut connection = follower.connect(scene.address(), transport).await.expect("the wire is whole");
    let live = |follower: &Follower| VIEWS.iter().all(|(view, _)| follower.is_live(&format!("view:{view}")));
    follower.take_until(&mut connection, live).await.expect("the wire is whole");
    follower
}

async fn assert_cuts_change_nothing(part: u64, next: impl Fn(u32) -> Transport) {
    let home = Home::new(&config());
    let server = home.start().await;
    let mut poster = Poster::begin(&server.api, part).await;
    let scene = Scene::of(&server).await;
    let mut follower = joined(&scene, next(0)).await;
    let posting = async {
        // However slow the machine, and however much a transport gets through between two cuts; to an end in any case.
        for round in 0..110 {
            let before = scene.taken.load(Ordering::SeqCst);
            poster.post(&server.api, 20).await;
            if round >= 9 && scene.was_cut_enough.load(Ordering::SeqCst) {
                break;
            }
            // A reader that gets nothing through for long would be told of a gap, and rightly.
            while scene.taken.load(Ordering::SeqCst) == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        scene.end(poster.posted);
    };
    let ((), cuts) = tokio::join!(posting, follow(&scene, &mut follower, part + 1, next));
    assert_tail_is_whole(&follower, poster.posted);
    for (view, _) in VIEWS {
        let resets = &follower.channel(&format!("view:{view}")).resets;
        assert!(resets.is_empty(), "`{view}` was reset though the server remembers: {resets:?}");
    }
    println!("{cuts} cuts, {} resumed, {} frames", follower.resumed, follower.replica.frames);
    assert!(
        cuts >= CUTS && follower.resumed >= RESUMED,
        "{cuts} cuts, {} resumed: the test shows little",
        follower.resumed
    );
}

#[tokio::test]
async fn a_websocket_that_is_cut_anywhere_goes_on_where_it_was() {
    assert_cuts_change_nothing(100, |_| Transport::WebSocket).await;
}

#[tokio::test]
async fn an_sse_stream_that_is_cut_anywhere_goes_on_where_it_was() {
    assert_cuts_change_nothing(110, |_| Transport::Sse).await;
}

#[tokio::test]
async fn long_polls_that_are_cut_anywhere_go_on_where_they_were() {
    assert_cuts_change_nothing(150, |_| Transport::LongPoll).await;
}

#[tokio::test]
async fn polls_that_are_cut_anywhere_go_on_where_they_were() {
    assert_cuts_change_nothing(160, |_| Transport::Poll).await;
}

#[tokio::test]
async fn a_socketio_client_that_is_cut_anywhere_goes_on_where_it_was() {
    assert_cuts_change_nothing(180, |_| Transport::SocketIo).await;
}

#[tokio::test]
async fn one_cursor_goes_on_over_any_transport() {
    assert_cuts_change_nothing(120, by_turns).await;
}

fn by_turns(cuts: u32) -> Transport {
    Transport::ALL[cuts as usize % Transport::ALL.len()]
}

async fn assert_restarts_change_nothing(part: u64, next: impl Fn(u32) -> Transport) {
    let home = Home::new(&config());
    let mut server = home.start().await;
    let mut poster = Poster::begin(&server.api, part).await;
    let scene = Scene::of(&server).await;
    let mut follower = joined(&scene, next(0)).await;
    let posting = async {
        for round in 0..6 {
            poster.post(&server.api, 20).await;
            let mut api = scene.api.write().await;
            if round % 2 == 0 {
                server.kill().await;
            } else {
                server.stop().await;
            }
            server = home.start().await;
            *api = server.api.clone();
            scene.proxy.lead_to(server.address);
        }
        poster.post(&server.api, 20).await;
        scene.end(poster.posted);
        server
    };
    let (_server, cuts) = tokio::join!(posting, follow(&scene, &mut follower, part + 1, next));
    assert_tail_is_whole(&follower, poster.posted);
    for (view, _) in VIEWS {
        let resets = &follower.channel(&format!("view:{view}")).resets;
        let count = |reason: &str| resets.iter().filter(|reset| *reset == reason).count();
        let (restarts, changes) = (count("restart"), count("changed"));
        assert!((1..=6).contains(&restarts), "`{view}`: {resets:?} in 6 restarts");
        // A cursor of a moment when not all views had columns again is of another schema than the next one.
        assert_eq!(restarts + changes, resets.len(), "`{view}`: {resets:?}");
    }
    println!("{cuts} cuts, {} resumed, {} frames", follower.resumed, follower.replica.frames);
}

#[tokio::test]
async fn over_restarts_a_websockets_views_start_again_and_its_tail_goes_on() {
    assert_restarts_change_nothing(130, |_| Transport::WebSocket).await;
}

#[tokio::test]
async fn over_restarts_an_sse_streams_views_start_again_and_its_tail_goes_on() {
    assert_restarts_change_nothing(140, |_| Transport::Sse).await;
}

#[tokio::test]
async fn over_restarts_the_transport_may_change_with_each_connection() {
    assert_restarts_change_nothing(170, by_turns).await;
}
