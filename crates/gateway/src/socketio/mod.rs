//! Socket.IO on `/socket.io/`: the same subscriptions as on the other transports, for stock Socket.IO clients.
//!
//! The library `socketioxide` speaks Engine.IO and Socket.IO: its sessions, its two transports, its packets. What is ours
//! stands before it and behind it: a place among the connections for each session ([`door`]), a session that pulls
//! frames from the hub ([`session`]), and the count of what is still on its way ([`flow`]), because the library would
//! queue. Events are called as the configuration says.

mod connect;
mod door;
mod flow;
mod inbox;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use pulseboard_protocol::socketio::EventNames;
use socketioxide::{ParserConfig, SocketIo};
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::warn;

use crate::live::LiveDeps;
use door::{MESSAGE_BYTES_MAX, through};
use flow::Flows;

/// The path that clients of Socket.IO ask by themselves.
const PATH: &str = "/socket.io/";
/// A session that joins no namespace within so long is closed.
const JOIN_MAX: Duration = Duration::from_secs(5);
/// So many packets the library may queue for a connection. A session emits far fewer at a time (`flow::WINDOW`): the rest
/// is for the library's own, which must find room.
const QUEUE_PACKETS: usize = 64;
/// How much of what is queued one answer of a poll may take: everything. What the library puts aside here is lost when a
/// session changes over to WebSocket.
const PAYLOAD_BYTES_MAX: u64 = 1 << 40;
/// Attachments of a packet of a client: none are asked for.
const ATTACHMENTS_MAX: usize = 4;
/// Their bytes.
const ATTACHMENT_BYTES_MAX: usize = 64 << 10;
/// A socket's read buffer.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// How long closing all sessions may take.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// How Socket.IO clients are served.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SocketIoConfig {
    /// What events are called.
    pub events: EventNames,
    /// The board that every connection joins by itself, with its variables: `shop`, `shop?region=north`.
    pub default_board: Option<String>,
}

/// Sessions that are open.
#[derive(Debug, Default)]
struct Sessions {
    open: AtomicUsize,
    left: Notify,
}

/// One of them; dropping it counts it out.
#[derive(Debug)]
struct Counted(Arc<Sessions>);

impl Sessions {
    fn enter(self: &Arc<Self>) -> Counted {
        self.open.fetch_add(1, Ordering::AcqRel);
        Counted(Arc::clone(self))
    }

    /// Resolves when there are none.
    async fn empty(&self) {
        while self.open.load(Ordering::Acquire) > 0 {
            self.left.notified().await;
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.left.notify_one();
        }
    }
}

/// What sessions and requests have in common. Cheap to clone.
#[derive(Debug, Clone)]
struct Shared {
    live: LiveDeps,
    config: Arc<SocketIoConfig>,
    flows: Flows,
    sessions: Arc<Sessions>,
}

/// The routes, and a future that closes all sessions when the connections are drained.
pub(crate) fn open<S>(live: LiveDeps) -> (Router<S>, impl Future<Output = ()> + Send + 'static)
where
    S: Clone + Send + Sync + 'static,
{
    let config = Arc::new(live.deps.config.socketio.clone());
    let patience = live.deps.config.patience;
    let answer_max = patience.silence_max.saturating_sub(patience.ping_every).max(patience.ping_every);
    let parser = ParserConfig::common()
        .max_incoming_binaries(ATTACHMENTS_MAX)
        .max_incoming_binary_buf_size(ATTACHMENT_BYTES_MAX);
    let (service, io) = SocketIo::builder()
        .req_path(PATH)
        .ping_interval(patience.ping_every)
        .ping_timeout(answer_max)
        .connect_timeout(JOIN_MAX)
        .max_buffer_size(QUEUE_PACKETS)
        .max_payload(PAYLOAD_BYTES_MAX)
        .ws_read_buffer_size(READ_BUFFER_BYTES)
        .ws_max_message_size(MESSAGE_BYTES_MAX)
        .ws_max_frame_size(MESSAGE_BYTES_MAX)
        .with_parser(parser)
        .build_svc();
    let shared = Shared { live, config, flows: Flows::default(), sessions: Arc::default() };
    connect::serve(&io, &shared);
    let (draining, sessions) = (shared.live.connections.draining(), Arc::clone(&shared.sessions));
    let stopping = shared.live.deps.tasks.shutdown();
    let routes = Router::new().route_service(PATH, service).layer(from_fn_with_state(shared.clone(), through));
    let end = async move {
        tokio::select! {
            () = draining.wait() => {}
            () = stopping.wait() => return,
        }
        // Each has told its client, at a moment of its own; no packet of Socket.IO's could: after one of those that
        // end a session clients do not come back by themselves.
        sessions.empty().await;
        if timeout(CLOSE_MAX, io.close()).await.is_err() {
            warn!("Socket.IO sessions were still open when the time to close them was over");
        }
        // Whoever was on the way in joins nothing that is gone, which clients take for a refusal and stay away after: it
        // joins, is told, and loses its connection with the server.
        connect::serve(&io, &shared);
    };
    (routes, end)
}
