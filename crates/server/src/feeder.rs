//! The thread that follows the log and gives each step to the hub's tails and to the engine, in order.
//!
//! It is the only reader of the log that must keep up; when the engine is slower, the engine's queue makes it wait, and
//! the log keeps what it has not read. Without it every live answer stands still, so its end is the server's: [`Feeder`]
//! says so.

use std::time::Duration;

use pulseboard_hub::Hub;
use pulseboard_journal::{Log, LogError, Tail, TailItem};
use pulseboard_live::Engine;
use pulseboard_model::{LogOffset, Step};
use pulseboard_runtime::{Shutdown, Tasks};
use tokio::sync::oneshot;

/// How often it looks whether it should end.
const IDLE: Duration = Duration::from_millis(100);

/// The running thread, as its owner sees it.
#[derive(Debug)]
pub(crate) struct Feeder(oneshot::Receiver<LogError>);

impl Feeder {
    /// Waits until the thread has ended before it was told to, and says why.
    pub(crate) async fn failed(&mut self) -> String {
        match (&mut self.0).await {
            Ok(error) => error.to_string(),
            Err(_) => "the thread that does it ended".to_owned(),
        }
    }
}

/// Starts the thread just after `after`, where engine and hub stand.
///
/// # Errors
/// [`LogError`] when the log cannot be followed or the system has no thread left.
pub(crate) fn spawn(
    log: &dyn Log,
    after: LogOffset,
    engine: Engine,
    hub: Hub,
    tasks: &Tasks,
) -> Result<Feeder, LogError> {
    let mut tail = log.tail(after)?;
    let shutdown: Shutdown = tasks.shutdown();
    let (sender, failed) = oneshot::channel();
    let work = move || {
        let give = |step: Step| {
            if let Step::Commit(commit) = &step {
                hub.offer(commit.clone());
            }
            engine.step(step);
        };
        if let Err(error) = follow(tail.as_mut(), &shutdown, give) {
            // Nobody waits for it when the server is ending anyway.
            let _told = sender.send(error).is_ok();
        }
    };
    tasks.spawn_thread("feeder", work).map_err(|error| LogError::Io {
        context: "starting the thread that follows the log".to_owned(),
        message: error.to_string(),
    })?;
    Ok(Feeder(failed))
}

/// Gives every step until shutdown.
fn follow(tail: &mut dyn Tail, shutdown: &Shutdown, mut give: impl FnMut(Step)) -> Result<(), LogError> {
    while !shutdown.is_triggered() {
        match tail.next(IDLE)? {
            TailItem::Step(step) => give(step),
            TailItem::Idle => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulseboard_model::{Epoch, Position, TimeUs};

    /// Gives one tick, then cannot be read.
    #[derive(Debug)]
    struct Broken(Option<Step>);

    impl Tail for Broken {
        fn next(&mut self, _timeout: Duration) -> Result<TailItem, LogError> {
            self.0.take().map(TailItem::Step).ok_or(LogError::Dropped(LogOffset::START))
        }
    }

    #[test]
    fn a_log_that_cannot_be_followed_is_an_error_and_not_silence() {
        let position = Position { epoch: Epoch(1), offset: LogOffset::START, clock: TimeUs(0) };
        let (mut tail, mut given) = (Broken(Some(Step::Tick(position))), 0);
        let followed = follow(&mut tail, &Shutdown::default(), |_| given += 1);
        assert_eq!((followed, given), (Err(LogError::Dropped(LogOffset::START)), 1));
        let stopped = Shutdown::default();
        stopped.trigger();
        assert_eq!(follow(&mut tail, &stopped, |_| ()), Ok(()), "told to end, it does not read");
    }

    #[tokio::test]
    async fn the_owner_hears_why_it_ended() {
        let (sender, receiver) = oneshot::channel();
        sender.send(LogError::Dropped(LogOffset::START)).unwrap();
        assert!(Feeder(receiver).failed().await.contains("dropped by retention"));
        let (sender, receiver) = oneshot::channel();
        drop(sender);
        assert!(Feeder(receiver).failed().await.contains("ended"));
    }
}
