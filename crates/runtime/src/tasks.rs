//! Named tasks with one owner, and a shutdown that waits for them and says whom it is waiting for.
//!
//! Every task of the process is spawned here: an async task on the runtime, or a thread for work that blocks. All get
//! the same [`Shutdown`]; [`Tasks::shut_down`] triggers it and waits up to a deadline.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// The stack of a thread: plans of SQL are trees, and walking one recurses.
pub const STACK_BYTES: usize = 16 << 20;

/// Tells a task that it is time to end.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Waits until shutdown begins.
    pub async fn wait(&self) {
        self.0.cancelled().await;
    }

    /// Whether shutdown has begun. For threads, which poll.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Begins shutdown. Idempotent.
    pub fn trigger(&self) {
        self.0.cancel();
    }
}

#[derive(Debug, Default)]
struct Registry {
    next: u64,
    running: BTreeMap<u64, String>,
}

/// The owner of all tasks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    shutdown: Shutdown,
    registry: Arc<Mutex<Registry>>,
    ended: Arc<Notify>,
}

/// Takes the task off the list however it ends, a panic included.
struct Running {
    id: u64,
    tasks: Tasks,
}

impl Drop for Running {
    fn drop(&mut self) {
        let name = self.tasks.registry.lock().running.remove(&self.id);
        if std::thread::panicking() {
            error!(task = name.as_deref().unwrap_or("?"), "task panicked");
        }
        self.tasks.ended.notify_waiters();
    }
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the tasks listen to.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    fn register(&self, name: impl Into<String>) -> Running {
        let mut registry = self.registry.lock();
        let id = registry.next;
        registry.next += 1;
        registry.running.insert(id, name.into());
        Running { id, tasks: self.clone() }
    }

    /// Runs `future` as a named task. It is expected to end by itself soon after shutdown begins.
    pub fn spawn<F>(&self, name: impl Into<String>, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = self.register(name);
        #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
        tokio::spawn(async move {
            let _running = running;
            future.await;
        });
    }

    /// Runs `work` on a named thread of its own, for work that blocks.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn spawn_thread<F>(&self, name: &str, work: F) -> std::io::Result<()>
    where
        F: FnOnce() + Send + 'static,
    {
        let running = self.register(name);
        std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(move || {
            let _running = running;
            work();
        })?;
        Ok(())
    }

    /// The names of the tasks that still run.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        self.registry.lock().running.values().cloned().collect()
    }

    /// Begins shutdown and waits for all tasks, at most `deadline`. Says whether all ended.
    pub async fn shut_down(&self, deadline: Duration) -> bool {
        self.shutdown.trigger();
        let all_ended = async {
            loop {
                let ended = self.ended.notified();
                tokio::pin!(ended);
                ended.as_mut().enable();
                let running = self.running();
                if running.is_empty() {
                    return;
                }
                info!(waiting_for = ?running, "shutting down");
                ended.await;
            }
        };
        let clean = tokio::time::timeout(deadline, all_ended).await.is_ok();
        if !clean {
            warn!(still_running = ?self.running(), "shutdown deadline passed");
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn shutdown_waits_for_every_task_and_names_the_late_one() {
        let tasks = Tasks::new();
        let shutdown = tasks.shutdown();
        tasks.spawn("good", async move { shutdown.wait().await });
        assert_eq!(tasks.running(), ["good"]);
        assert!(tasks.shut_down(Duration::from_secs(1)).await);

        let tasks = Tasks::new();
        tasks.spawn("stuck", std::future::pending());
        assert!(!tasks.shut_down(Duration::from_secs(1)).await);
        assert_eq!(tasks.running(), ["stuck"]);
    }
}
