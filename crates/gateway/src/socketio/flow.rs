//! How much of what was emitted to a connection is still on its way.
//!
//! The library queues what is emitted and says nothing of it until its queue is full; then it refuses, its own pings
//! included, and the connection dies. So a session counts: it emits a few packets and waits until the transport has taken
//! them. What changes meanwhile is merged by the hub, as for every other reader.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// So many packets may be on their way before the session waits.
pub(super) const WINDOW: usize = 4;

/// What one connection was given and has not taken.
#[derive(Debug, Default)]
pub(super) struct Flow {
    on_their_way: AtomicUsize,
    taken: Notify,
}

impl Flow {
    /// Waits until there is room for a packet. One session waits.
    pub(super) async fn room(&self) {
        while self.on_their_way.load(Ordering::Acquire) >= WINDOW {
            self.taken.notified().await;
        }
    }

    /// A packet was emitted.
    pub(super) fn emitted(&self) {
        self.on_their_way.fetch_add(1, Ordering::AcqRel);
    }

    /// The library refused one: there is no room until the transport takes something.
    pub(super) fn refused(&self) {
        self.on_their_way.fetch_max(WINDOW, Ordering::AcqRel);
    }

    /// The transport has taken all there was. It may say so a moment late: of a packet emitted in between nobody knows,
    /// so a few more than the window may be on their way, never many.
    pub(super) fn taken(&self) {
        if self.on_their_way.swap(0, Ordering::AcqRel) > 0 {
            self.taken.notify_one();
        }
    }
}

/// The flows of all sessions, by the session's id: a request of a transport names it and nothing else.
#[derive(Debug, Clone, Default)]
pub(super) struct Flows(Arc<Mutex<HashMap<String, Arc<Flow>>>>);

impl Flows {
    pub(super) fn add(&self, sid: String, flow: &Arc<Flow>) {
        self.0.lock().insert(sid, Arc::clone(flow));
    }

    pub(super) fn remove(&self, sid: &str) {
        self.0.lock().remove(sid);
    }

    /// The transport of a session has taken all there was.
    pub(super) fn taken(&self, sid: &str) {
        let flow = self.0.lock().get(sid).cloned();
        if let Some(flow) = flow {
            flow.taken();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn there_is_room_for_a_window_until_it_is_taken() {
        let (flows, flow) = (Flows::default(), Arc::new(Flow::default()));
        flows.add("a".to_owned(), &flow);
        for _ in 0..WINDOW {
            assert!(flow.room().now_or_never().is_some());
            flow.emitted();
        }
        let mut waiting = std::pin::pin!(flow.room());
        assert!(waiting.as_mut().now_or_never().is_none());
        flows.taken("b");
        assert!(waiting.as_mut().now_or_never().is_none(), "another session's");
        flows.taken("a");
        waiting.await;
        flow.refused();
        assert!(flow.room().now_or_never().is_none());
        flows.remove("a");
        flows.taken("a");
        assert!(flow.room().now_or_never().is_none(), "it is gone");
        flow.taken();
        assert!(flow.room().now_or_never().is_some());
    }
}
