//! Who is connected: counted, limited, listed for the operator, and told when the server ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pulseboard_hub::{Hub, Standing};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::ConnectionAnswer;
use pulseboard_runtime::Shutdown;
use rand::Rng;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::admission::{Admission, ConnectionLimits, Refused, Whose};
use crate::auth::Caller;
use crate::live_figures::{LiveFigures, Transport};
use crate::system::is_system_channel;

/// Whoever is refused is told to come back after between this and twice this, later the fuller the server is.
const COME_BACK_MS: u64 = 1_000;

#[derive(Debug)]
struct Entry {
    transport: Transport,
    peer: SocketAddr,
    /// The token that it shows, by its id.
    token: Mutex<Option<String>>,
    since_us: i64,
    follows: Mutex<Vec<Arc<Standing>>>,
    frames: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    next: AtomicU64,
    open: Mutex<Open>,
    figures: LiveFigures,
    drain: Shutdown,
    left: Notify,
}

#[derive(Debug)]
struct Open {
    entries: BTreeMap<u64, Arc<Entry>>,
    admission: Admission,
}

/// Whether a connection is a new one or the next question of a reader that polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Counts towards the limit of new ones a second.
    New,
    /// Costs little and comes often.
    Returning,
}

/// All connections that follow channels. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connections(Arc<Inner>);

/// One connection's place in the list; dropping it takes it off.
#[derive(Debug)]
pub(crate) struct Place {
    id: u64,
    entry: Arc<Entry>,
    connections: Connections,
}

impl Connections {
    /// None yet.
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        let open = Open { entries: BTreeMap::new(), admission: Admission::new(limits, Instant::now()) };
        Self(Arc::new(Inner {
            next: AtomicU64::new(1),
            open: Mutex::new(open),
            figures: LiveFigures::default(),
            drain: Shutdown::default(),
            left: Notify::new(),
        }))
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when there are as many as allowed, or as many new ones in this second;
    /// [`Code::ShuttingDown`] while draining.
    pub(crate) fn enter(
        &self,
        transport: Transport,
        (caller, peer): (&Caller, SocketAddr),
        since_us: i64,
        arrival: Arrival,
    ) -> Result<Place, ApiError> {
        if self.0.drain.is_triggered() {
            let after_ms = rand::rng().random_range(COME_BACK_MS..2 * COME_BACK_MS);
            let error = ApiError::new(Code::ShuttingDown, "the server is ending");
            return Err(error.with("retry_after_ms", after_ms));
        }
        let entry = Arc::new(Entry {
            transport,
            peer,
            token: Mutex::new(caller.token().map(str::to_owned)),
            since_us,
            follows: Mutex::default(),
            frames: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let whose = Whose { ip: peer.ip(), token: caller.token() };
        let mut open = self.0.open.lock();
        let taken = open.entries.len();
        if let Err(refused) = open.admission.admit(whose, taken, arrival, Instant::now()) {
            drop(open);
            return Err(self.refusal(refused));
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        open.entries.insert(id, entry.clone());
        drop(open);
        self.0.figures.of(transport).opened();
        Ok(Place { id, entry, connections: self.clone() })
    }

    fn refusal(&self, refused: Refused) -> ApiError {
        self.0.figures.refused(refused);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 5")]
        let factor = 1 + (self.load() * 4.0) as u64;
        let after_ms = rand::rng().random_range(COME_BACK_MS..2 * COME_BACK_MS) * factor;
        ApiError::new(Code::Overloaded, refused.message(&self.limits())).with("retry_after_ms", after_ms)
    }

    /// The limits.
    pub(crate) fn limits(&self) -> ConnectionLimits {
        self.0.open.lock().admission.limits()
    }

    /// What was counted since the start.
    pub(crate) fn figures(&self) -> &LiveFigures {
        &self.0.figures
    }

    /// Tells all connections to end.
    pub(crate) fn drain(&self) {
        self.0.drain.trigger();
    }

    /// Resolves when the last connection is gone.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.0.left.notified();
            if self.0.open.lock().entries.is_empty() {
                return;
            }
            left.await;
        }
    }

    /// How full the list is, 0 to 1.
    pub(crate) fn load(&self) -> f64 {
        let open = self.0.open.lock();
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let load = open.entries.len() as f64 / open.admission.limits().total_max.max(1) as f64;
        load.clamp(0.0, 1.0)
    }

    /// Resolves when connections are to end.
    pub(crate) fn draining(&self) -> Shutdown {
        self.0.drain.clone()
    }

    /// The list for the operator.
    pub(crate) fn list(&self, hub: &Hub) -> Vec<ConnectionAnswer> {
        let entries: Vec<_> = self.0.open.lock().entries.iter().map(|(id, entry)| (*id, Arc::clone(entry))).collect();
        let answer = |(id, entry): (u64, Arc<Entry>)| {
            let follows = entry.follows.lock();
            let lag = follows.iter().map(|standing| standing.lag(hub)).max().unwrap_or_default();
            ConnectionAnswer {
                id,
                transport: entry.transport.as_str(),
                peer: entry.peer.to_string(),
                since: entry.since_us,
                subscriptions: follows.len(),
                channels: follows.iter().flat_map(|standing| standing.channels().map(ToString::to_string)).collect(),
                frames: entry.frames.load(Ordering::Relaxed),
                bytes: entry.bytes.load(Ordering::Relaxed),
                lag_ms: u64::try_from(lag.as_millis()).unwrap_or(u64::MAX),
            }
        };
        entries.into_iter().map(answer).collect()
    }
}

impl Place {
    /// The connection goes on with the token of `caller`, and counts as one of that from now on.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when that token has as many as allowed; then nothing changes.
    pub(crate) fn goes_on_as(&self, caller: &Caller) -> Result<(), ApiError> {
        let mut open = self.connections.0.open.lock();
        let mut token = self.entry.token.lock();
        if let Err(refused) = open.admission.go_on(token.as_deref(), caller.token()) {
            drop((token, open));
            return Err(self.connections.refusal(refused));
        }
        *token = caller.token().map(str::to_owned);
        Ok(())
    }

    /// So many bytes of a frame were sent.
    pub(crate) fn sent(&self, bytes: usize) {
        self.entry.frames.fetch_add(1, Ordering::Relaxed);
        self.entry.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.connections.0.figures.of(self.entry.transport).sent(bytes);
    }

    /// What the connection follows now.
    pub(crate) fn follows(&self, standings: Vec<Arc<Standing>>) {
        let shows_system = |standings: &[Arc<Standing>]| {
            standings.iter().any(|standing| standing.channels().any(|name| is_system_channel(name)))
        };
        let figures = &self.connections.0.figures;
        let mut follows = self.entry.follows.lock();
        figures.follows(follows.len(), standings.len());
        match (shows_system(&follows), shows_system(&standings)) {
            (false, true) => figures.follows_system(),
            (true, false) => figures.leaves_system(),
            _ => {}
        }
        *follows = standings;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.0.open.lock();
        open.entries.remove(&self.id);
        let token = self.entry.token.lock();
        open.admission.leave(Whose { ip: self.entry.peer.ip(), token: token.as_deref() });
        drop(token);
        drop(open);
        self.follows(Vec::new());
        self.connections.0.figures.of(self.entry.transport).closed();
        self.connections.0.left.notify_one();
    }
}
