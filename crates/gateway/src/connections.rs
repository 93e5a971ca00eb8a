//! Who is connected: counted, limited, listed for the operator, and told when the server ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::ConnectionAnswer;
use pulseboard_runtime::Shutdown;
use tokio::sync::Notify;

#[derive(Debug)]
struct Entry {
    transport: &'static str,
    peer: SocketAddr,
    since_us: i64,
    channels: Mutex<Vec<String>>,
    frames: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    open: Mutex<BTreeMap<u64, Arc<Entry>>>,
    drain: Shutdown,
    left: Notify,
}

/// All connections that follow channels. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connections(Arc<Inner>);

/// One connection's place in the list; dropping it takes it off.
#[derive(Debug)]
pub(crate) struct Place {
    id: u64,
    entry: Arc<Entry>,
    connections: Connections,
}

impl Connections {
    /// Takes a place.
    ///
    /// # Errors
    /// [`Code::Busy`] when all are taken, [`Code::ShuttingDown`] while draining.
    pub(crate) fn enter(
        &self,
        transport: &'static str,
        peer: SocketAddr,
        since_us: i64,
        max: usize,
    ) -> Result<Place, ApiError> {
        if self.0.drain.is_triggered() {
            return Err(ApiError::new(Code::ShuttingDown, "the server is ending"));
        }
        let mut open = self.0.open.lock();
        if open.len() >= max {
            return Err(ApiError::new(Code::Busy, format!("there are already {max} connections, the most allowed")));
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed) + 1;
        let entry = Arc::new(Entry {
            transport,
            peer,
            since_us,
            channels: Mutex::default(),
            frames: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        open.insert(id, entry.clone());
        metrics::gauge!("pulseboard_connections", "transport" => transport).increment(1.0);
        Ok(Place { id, entry, connections: self.clone() })
    }

    /// Tells all connections to end.
    pub(crate) fn drain(&self) {
        self.0.drain.trigger();
    }

    /// Resolves when the last connection is gone.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.0.left.notified();
            if self.0.open.lock().is_empty() {
                return;
            }
            left.await;
        }
    }

    /// How full the list is, 0 to 1.
    pub(crate) fn load(&self, max: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let load = self.0.open.lock().len() as f64 / max.max(1) as f64;
        load
    }

    /// Resolves when connections are to end.
    pub(crate) fn draining(&self) -> Shutdown {
        self.0.drain.clone()
    }

    /// The list for the operator.
    pub(crate) fn list(&self) -> Vec<ConnectionAnswer> {
        let answer = |(id, entry): (&u64, &Arc<Entry>)| ConnectionAnswer {
            id: *id,
            transport: entry.transport,
            peer: entry.peer.to_string(),
            since: entry.since_us,
            channels: entry.channels.lock().clone(),
            frames: entry.frames.load(Ordering::Relaxed),
            bytes: entry.bytes.load(Ordering::Relaxed),
        };
        self.0.open.lock().iter().map(answer).collect()
    }
}

impl Place {
    /// A frame was sent.
    pub(crate) fn sent(&self, bytes: usize) {
        self.entry.frames.fetch_add(1, Ordering::Relaxed);
        self.entry.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// What the connection follows now.
    pub(crate) fn follows(&self, channels: Vec<String>) {
        *self.entry.channels.lock() = channels;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.0.open.lock().remove(&self.id);
        self.connections.0.left.notify_one();
        metrics::gauge!("pulseboard_connections", "transport" => self.entry.transport).decrement(1.0);
        metrics::counter!("pulseboard_frames_total").increment(self.entry.frames.load(Ordering::Relaxed));
        metrics::counter!("pulseboard_frame_bytes_total").increment(self.entry.bytes.load(Ordering::Relaxed));
    }
}
