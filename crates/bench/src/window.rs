//! The window of a run in which is counted, and the workers that send until it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pulseboard_runtime::{Shutdown, Tasks};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::cpu::{CpuMeter, CpuSplit};
use crate::error::BenchError;

/// First warm-up, then counting, then over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    counts: Arc<AtomicBool>,
    over: Shutdown,
}

impl Window {
    /// Whether what happens now counts.
    pub(crate) fn counts(&self) -> bool {
        self.counts.load(Ordering::Relaxed)
    }

    /// Whether senders should stop.
    pub(crate) fn is_over(&self) -> bool {
        self.over.is_triggered()
    }

    /// Ends it early.
    pub(crate) fn end(&self) {
        self.counts.store(false, Ordering::Relaxed);
        self.over.trigger();
    }

    /// Warms up, counts for `duration`, ends. Gives the seconds it counted and the CPU that went meanwhile.
    pub(crate) async fn run(&self, warm_up: Duration, duration: Duration, server_pid: Option<u32>) -> (f64, CpuSplit) {
        self.pass(warm_up).await;
        let meter = CpuMeter::start(server_pid);
        let started = Instant::now();
        self.counts.store(!self.is_over(), Ordering::Relaxed);
        self.pass(duration).await;
        self.end();
        (started.elapsed().as_secs_f64(), meter.stop())
    }

    async fn pass(&self, duration: Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = self.over.wait() => {}
        }
    }
}

/// Workers that send until the window is over. The first that fails ends it.
#[derive(Debug)]
pub(crate) struct Crew {
    tasks: Tasks,
    window: Window,
    endings: Vec<oneshot::Receiver<Result<(), BenchError>>>,
}

impl Crew {
    pub(crate) fn new(tasks: Tasks, window: Window) -> Self {
        Self { tasks, window, endings: Vec::new() }
    }

    pub(crate) fn spawn(
        &mut self,
        name: String,
        worker: impl Future<Output = Result<(), BenchError>> + Send + 'static,
    ) {
        let (ended, ending) = oneshot::channel();
        self.endings.push(ending);
        let window = self.window.clone();
        self.tasks.spawn(name, async move {
            let result = worker.await;
            if result.is_err() {
                window.end();
            }
            // Nobody waits for the others once one has failed.
            let _gone = ended.send(result).is_err();
        });
    }

    /// Waits for all.
    pub(crate) async fn ended(self) -> Result<(), BenchError> {
        for ending in self.endings {
            ending.await.map_err(|_| BenchError::GeneratorEnded)??;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_window_counts_between_warm_up_and_end() {
        let window = Window::default();
        assert!(!window.counts() && !window.is_over());
        let short = Duration::from_millis(20);
        let watcher = async {
            while !window.counts() {
                assert!(!window.is_over(), "it was over before it counted");
                tokio::task::yield_now().await;
            }
            window.over.wait().await;
        };
        let ((seconds, cpu), ()) = tokio::join!(window.run(short, short, None), watcher);
        assert!(window.is_over() && !window.counts());
        assert!(seconds >= short.as_secs_f64(), "{seconds}");
        assert_eq!(cpu.server_cores, None);
    }

    #[tokio::test]
    async fn the_first_worker_that_fails_ends_the_window() {
        let window = Window::default();
        let mut crew = Crew::new(Tasks::new(), window.clone());
        crew.spawn("fails".to_owned(), async { Err(BenchError::GeneratorEnded) });
        let over = window.clone();
        crew.spawn("sends".to_owned(), async move {
            over.over.wait().await;
            Ok(())
        });
        // Were the window not ended, this would wait for hours.
        let hour = Duration::from_secs(3_600);
        let (_counted, ended) = tokio::join!(window.run(hour, hour, None), crew.ended());
        assert!(ended.is_err());
        assert!(window.is_over() && !window.counts());
    }
}
