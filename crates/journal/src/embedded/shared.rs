//! What the writer, the keeper and the readers of one open log share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};
use pulseboard_model::Epoch;
use pulseboard_runtime::{Clock, Shutdown};

use super::catalog::Catalog;
use super::config::{EmbeddedConfig, Retention};
use super::keeper::Inbox;
use super::lock::DirLock;
use super::meta::MetaDb;
use super::queue::Queue;
use super::ring::Ring;
use super::segment::Segment;
use crate::log::{LogHealth, LogIncident};

/// Shared by everything that belongs to one open log.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: EmbeddedConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shutdown: Shutdown,
    pub(super) epoch: Epoch,
    /// Lock order: the catalog before a segment's contents; neither is held over I/O.
    pub(super) catalog: RwLock<Catalog>,
    pub(super) ring: Ring,
    pub(super) queue: Queue,
    pub(super) meta: Arc<Mutex<MetaDb>>,
    pub(super) inbox: Inbox,
    pub(super) retention: RwLock<Retention>,
    /// Everything up to this commit is in the archive, if there is one.
    pub(super) archived_through: AtomicU64,
    pub(super) lock: Mutex<Option<DirLock>>,
    pub(super) threads: Threads,
    /// What the writer's last attempt said.
    pub(super) health: Mutex<LogHealth>,
    /// The last segment that was closed because a write to it failed.
    pub(super) incident: Mutex<Option<LogIncident>>,
}

impl Shared {
    /// A segment was closed because a write to it failed.
    pub(super) fn note_closed(&self, segment: &Segment, reason: &str) {
        let mut incident = self.incident.lock();
        let count = incident.as_ref().map_or(0, |known| known.count) + 1;
        let (segment, reason) = (segment.name.clone(), reason.to_owned());
        *incident = Some(LogIncident { segment, at: self.ring.head().clock, reason, count });
    }

    pub(super) fn segments_dir(&self) -> PathBuf {
        segments_dir(&self.config.dir)
    }
}

pub(super) fn segments_dir(dir: &Path) -> PathBuf {
    dir.join("segments")
}

/// Counts the threads that still run.
#[derive(Debug, Default)]
pub(super) struct Threads {
    running: Mutex<usize>,
    ended: Condvar,
}

impl Threads {
    pub(super) fn started(&self) {
        *self.running.lock() += 1;
    }

    pub(super) fn ended(&self) {
        *self.running.lock() -= 1;
        self.ended.notify_all();
    }

    /// Waits until all have ended; says whether they did.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut running = self.running.lock();
        while *running > 0 {
            if self.ended.wait_until(&mut running, deadline).timed_out() {
                return *running == 0;
            }
        }
        true
    }
}
