//! The thread that follows the log and gives each step to the hub's tails and to the engine, in order.
//!
//! It is the only reader of the log that must keep up; when the engine is slower, the engine's queue makes it wait, and
//! the log keeps what it has not read.

use std::time::Duration;

use pulseboard_hub::Hub;
use pulseboard_journal::{Log, LogError, TailItem};
use pulseboard_live::Engine;
use pulseboard_model::{LogOffset, Step};
use pulseboard_runtime::{Shutdown, Tasks};
use tracing::error;

/// How often it looks whether it should end.
const IDLE: Duration = Duration::from_millis(100);

/// Starts the thread just after `after`, where engine and hub stand.
///
/// # Errors
/// [`LogError`] when the log cannot be followed or the system has no thread left.
pub(crate) fn spawn(log: &dyn Log, after: LogOffset, engine: Engine, hub: Hub, tasks: &Tasks) -> Result<(), LogError> {
    let mut tail = log.tail(after)?;
    let shutdown: Shutdown = tasks.shutdown();
    let work = move || {
        while !shutdown.is_triggered() {
            match tail.next(IDLE) {
                Ok(TailItem::Step(step)) => {
                    if let Step::Commit(commit) = &step {
                        hub.offer(commit.clone());
                    }
                    engine.step(step);
                }
                Ok(TailItem::Idle) => {}
                Err(error) => {
                    // Live answers stand still from here on, and say so by their age; the log itself goes on.
                    error!(%error, "the log cannot be followed");
                    return;
                }
            }
        }
    };
    tasks.spawn_thread("feeder", work).map_err(|error| LogError::Io {
        context: "starting the thread that follows the log".to_owned(),
        message: error.to_string(),
    })
}
