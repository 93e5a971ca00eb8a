//! Where load comes from: threads of their own, each with a runtime of one thread, on a core of its own if asked.
//!
//! One thread keeps the generator cheap and its cost measurable. Also here: what the system allows this process.

use std::time::Duration;

use pulseboard_runtime::Tasks;
use tokio::sync::oneshot;

use crate::error::BenchError;

/// How long tasks of a generator may take to end.
const STOP: Duration = Duration::from_secs(10);

/// Runs `work` on a thread of its own and gives its answer. All that it spawned has been told to stop by then.
pub(crate) async fn on_own_thread<T, W, F>(name: &str, core: Option<usize>, work: W) -> Result<T, BenchError>
where
    T: Send + 'static,
    W: FnOnce(Tasks) -> F + Send + 'static,
    F: Future<Output = Result<T, BenchError>>,
{
    let (done, answer) = oneshot::channel();
    let run = move || {
        pin_to(core)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(BenchError::io("starting a runtime"))?.block_on(async {
            let tasks = Tasks::new();
            let answer = work(tasks.clone()).await;
            tasks.shut_down(STOP).await;
            answer
        })
    };
    let spawned = Tasks::new().spawn_thread(name, move || {
        // Whoever asked may have been cancelled.
        let _gone = done.send(run()).is_err();
    });
    spawned.map_err(BenchError::io("starting a thread"))?;
    answer.await.map_err(|_| BenchError::GeneratorEnded)?
}

/// Runs `work`, which may block, on a thread of its own outside of any runtime and gives its answer.
pub(crate) async fn on_plain_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, BenchError> + Send + 'static,
) -> Result<T, BenchError> {
    let (done, answer) = oneshot::channel();
    let spawned = Tasks::new().spawn_thread(name, move || {
        // Whoever asked may have been cancelled.
        let _gone = done.send(work()).is_err();
    });
    spawned.map_err(BenchError::io("starting a thread"))?;
    answer.await.map_err(|_| BenchError::GeneratorEnded)?
}

/// Keeps the calling thread, and what it starts, on one core.
#[cfg(target_os = "linux")]
pub(crate) fn pin_to(core: Option<usize>) -> Result<(), BenchError> {
    let Some(core) = core else { return Ok(()) };
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    let pinned = rustix::thread::sched_setaffinity(None, &cores);
    pinned.map_err(|error| BenchError::Io { what: "keeping a thread on one core", source: error.into() })
}

/// Elsewhere threads run where the system likes.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin_to(_core: Option<usize>) -> Result<(), BenchError> {
    Ok(())
}

/// How many cores this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Allows this process as many open sockets as the system does, and says how many that is.
#[cfg(unix)]
pub(crate) fn raise_file_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    let in_force = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    in_force.unwrap_or(u64::MAX)
}

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
pub(crate) fn raise_file_limit() -> u64 {
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_on_another_thread_gives_its_answer_or_its_error() {
        let name = on_own_thread("bench-test", Some(0), |_tasks| async {
            Ok(std::thread::current().name().map(str::to_owned))
        });
        assert_eq!(name.await.expect("an answer").as_deref(), Some("bench-test"));
        let failed: Result<(), _> =
            on_own_thread("bench-test", None, |_tasks| async { Err(BenchError::Timeout { what: "it", limit_s: 1 }) })
                .await;
        assert_eq!(failed.expect_err("an error").to_string(), "it did not happen within 1 s");
    }
}
