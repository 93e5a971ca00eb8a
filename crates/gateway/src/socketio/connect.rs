//! What happens when a client joins: its events get their handlers, its session begins.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;

use pulseboard_protocol::socketio::{EventNames, SocketAnswer, SocketError};
use pulseboard_runtime::Shutdown;
use serde_json::Value as Json;
use socketioxide::SocketIo;
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::{AckSender, TryData};
use socketioxide::handler::{ConnectHandler, FromConnectParts, FromMessageParts};
use socketioxide::socket::{DisconnectReason, Socket};
use socketioxide_core::Value;

use super::Shared;
use super::door::Opened;
use super::inbox::{Inbox, Kind, inbox};
use super::session::Session;

/// The one namespace there is.
const NAMESPACE: &str = "/";

/// A connection as the library hands it out.
#[derive(Debug)]
pub(super) struct Joined(pub(super) Arc<Socket<LocalAdapter>>);

impl FromConnectParts<LocalAdapter> for Joined {
    type Error = Infallible;

    fn from_connect_parts(socket: &Arc<Socket<LocalAdapter>>, _: &Option<Value>) -> Result<Self, Infallible> {
        Ok(Self(Arc::clone(socket)))
    }
}

impl Joined {
    fn opened(&self) -> Option<Arc<Opened>> {
        self.0.req_parts().extensions.get::<Arc<Opened>>().cloned()
    }
}

/// The connection, and under which number of its an answer is waited for.
#[derive(Debug)]
struct Asking(Arc<Socket<LocalAdapter>>, Option<i64>);

impl FromMessageParts<LocalAdapter> for Asking {
    type Error = Infallible;

    fn from_message_parts(
        socket: &Arc<Socket<LocalAdapter>>,
        _: &mut Value,
        ack: &Option<i64>,
    ) -> Result<Self, Infallible> {
        Ok(Self(Arc::clone(socket), *ack))
    }
}

/// Makes `io` serve clients.
pub(super) fn serve(io: &SocketIo, shared: &Shared) {
    let (preparing, joining) = (shared.clone(), shared.clone());
    let prepare = move |joined: Joined| ready(prepare(&preparing, &joined));
    let join = move |joined: Joined, auth: TryData<Json>| {
        begin(joining, joined, auth.0.ok());
        ready(())
    };
    io.ns(NAMESPACE, join.with(prepare));
}

/// Before the client is told that it has joined: from then on it may ask.
fn prepare(shared: &Shared, joined: &Joined) -> Result<(), &'static str> {
    let opened = joined.opened().ok_or("there is no place for this connection")?;
    // Not refused while the server ends: a client that is refused does not come back by itself. It joins, and its session
    // tells it to come back later.
    let (inbox, outlet) = inbox();
    let gone = Shutdown::default();
    let socket = &joined.0;
    let names = &shared.config.events;
    for (event, kind) in [(&names.subscribe, Kind::Subscribe), (&names.unsubscribe, Kind::Unsubscribe)] {
        let (inbox, names) = (inbox.clone(), Arc::clone(&shared.config));
        // The work is done before the future is made: in the order in which packets come.
        let handler = move |asking: Asking, ack: AckSender, argument: TryData<Json>| {
            file(&inbox, kind, &asking, ack, argument.0.ok(), &names.events);
            ready(())
        };
        socket.on(event.clone(), handler);
    }
    let ended = gone.clone();
    socket.on_disconnect(move |reason: DisconnectReason| {
        metrics::counter!("pulseboard_socketio_closed_total", "reason" => reason_of(reason)).increment(1);
        ended.trigger();
        ready(())
    });
    *opened.joining.lock() = Some((outlet, gone));
    Ok(())
}

fn file(inbox: &Inbox, kind: Kind, asking: &Asking, ack: AckSender, argument: Option<Json>, names: &EventNames) {
    let Err(error) = inbox.file(kind, argument, asking.1) else { return };
    // Who asks more than can be answered may miss an answer, too.
    let _told = if asking.1.is_some() {
        ack.send(&SocketAnswer::Error { error, refused: Vec::new() }).is_ok()
    } else {
        asking.0.emit(&names.error, &SocketError { channel: None, error }).is_ok()
    };
}

/// The client has joined.
fn begin(shared: Shared, joined: Joined, auth: Option<Json>) {
    let Some(opened) = joined.opened() else { return };
    let Some((outlet, gone)) = opened.joining.lock().take() else { return };
    let Some(place) = opened.place.lock().clone() else { return };
    let tasks = shared.live.deps.tasks.clone();
    let since = auth.and_then(|auth| auth.get("since")?.as_str().map(str::to_owned));
    let session = Session::new(shared, joined.0, opened, place, outlet);
    tasks.spawn("socketio", async move {
        tokio::select! {
            () = gone.wait() => {}
            () = session.run(since) => {}
        }
    });
}

const fn reason_of(reason: DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::TransportClose => "transport_close",
        DisconnectReason::TransportError => "transport_error",
        DisconnectReason::MultipleHttpPollingError => "several_polls",
        DisconnectReason::PacketParsingError => "bad_packet",
        DisconnectReason::HeartbeatTimeout => "idle",
        DisconnectReason::ClientNSDisconnect => "client_left",
        DisconnectReason::ServerNSDisconnect => "server_left",
        DisconnectReason::ClosingServer => "restart",
    }
}
