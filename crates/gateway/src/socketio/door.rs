//! What a request of Engine.IO passes on its way to the library: a place among the connections for a new session, a bound
//! on what it brings, and the watch over how much of what was emitted has left.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use parking_lot::Mutex;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_runtime::Shutdown;
use tokio::time::timeout;

use super::Shared;
use super::flow::{Flow, Flows};
use super::inbox::Outlet;
use crate::auth::Caller;
use crate::connections::{Arrival, Place};
use crate::error::HttpResult;
use crate::live_figures::Transport;
use crate::wire::Wire;

/// The longest message of a client, and the most that one `POST` of its brings.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A session of Engine.IO, as the library keeps it beside the request that opened it.
#[derive(Debug)]
pub(super) struct Opened {
    /// The place among the connections, kept until the library lets go of the session. At the server's end the session
    /// gives it back: of what the library closes then it does not let go.
    pub(super) place: Mutex<Option<Arc<Place>>>,
    pub(super) peer: SocketAddr,
    /// Who opened it, whose rights it has.
    pub(super) caller: Caller,
    pub(super) flow: Arc<Flow>,
    /// What a client that joins is about to ask, until its session takes it.
    pub(super) joining: Mutex<Option<(Outlet, Shutdown)>>,
    /// Under which id its flow is listed, once a client has joined.
    pub(super) listed: OnceLock<(Flows, String)>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some((flows, sid)) = self.listed.get() {
            flows.remove(sid);
        }
    }
}

/// A value of the query, as the library reads it.
fn asked<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Stands before the library.
pub(super) async fn through(
    State(shared): State<Shared>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    mut request: Request,
    next: Next,
) -> HttpResult {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let sid = asked(&query, "sid").map(str::to_owned);
    let opened = match sid {
        Some(_) => None,
        None => {
            let (connections, now_us) = (&shared.live.connections, shared.live.deps.clock.now_us());
            // Whoever gets here was let in by somebody.
            let unknown = || ApiError::new(Code::Internal, "the caller of this session was not looked at");
            let caller = request.extensions().get::<Caller>().cloned().ok_or_else(unknown)?;
            let place = connections.enter(Transport::SocketIo, (&caller, wire.peer), now_us, Arrival::New)?;
            let place = Mutex::new(Some(Arc::new(place)));
            let (flow, joining, listed) = (Arc::default(), Mutex::default(), OnceLock::new());
            Some(Arc::new(Opened { place, peer: wire.peer, caller, flow, joining, listed }))
        }
    };
    let is_upgrade = request.headers().contains_key(header::UPGRADE);
    if is_upgrade {
        let unread_max = shared.live.deps.config.patience.unread_max;
        match (&opened, &sid) {
            (Some(opened), _) => {
                let flow = Arc::clone(&opened.flow);
                wire.watch(unread_max, move || flow.taken());
            }
            (None, Some(sid)) => {
                let (flows, sid) = (shared.flows.clone(), sid.clone());
                wire.watch(unread_max, move || flows.taken(&sid));
            }
            (None, None) => {}
        }
    }
    if let Some(opened) = opened {
        request.extensions_mut().insert(opened);
    }
    let is_poll = request.method() == Method::GET && !is_upgrade;
    let mut response = if request.method() == Method::POST {
        next.run(bounded(&shared, request).await?).await
    } else {
        next.run(request).await
    };
    if let (true, Some(sid)) = (is_poll, &sid) {
        shared.flows.taken(sid);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The same request with its body read, if that is small enough and comes soon enough.
async fn bounded(shared: &Shared, request: Request) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    let read = timeout(shared.live.deps.config.body_timeout, to_bytes(body, MESSAGE_BYTES_MAX)).await;
    let late = |_| ApiError::new(Code::RequestTimeout, "the body took too long to arrive");
    let large = |_| {
        let message = format!("a request of Socket.IO brings at most {} KiB", MESSAGE_BYTES_MAX >> 10);
        ApiError::new(Code::TooLarge, message)
    };
    let bytes = read.map_err(late)?.map_err(large)?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_the_library_reads_it() {
        let query = "EIO=4&transport=polling&t=abc&sid=AAAA&sid=BBBB";
        assert_eq!(asked(query, "sid"), Some("AAAA"));
        assert_eq!(asked(query, "transport"), Some("polling"));
        assert_eq!(asked("EIO=4&side=1", "sid"), None);
        assert_eq!(asked("sid=", "sid"), Some(""));
        assert_eq!(asked("", "sid"), None);
    }
}
