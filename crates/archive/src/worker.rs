//! The archive's thread: puts sealed segments into files, joins files, drops what may go. What fails is tried again, later
//! each time; nothing here holds ingest or readers up, and a segment stays in the log until it is archived.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use pulseboard_journal::{EmbeddedLog, Log};
use pulseboard_runtime::{Clock, Tasks};
use tracing::{error, info};

use crate::archive::Archive;
use crate::error::ArchiveError;
use crate::retain::bytes_beyond;

/// How often the thread looks whether there is anything to do.
const PERIOD: Duration = Duration::from_millis(250);
/// How long it waits after a first failure; twice as long after each further one,
const RETRY_MIN: Duration = Duration::from_secs(1);
/// but never longer than this.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Starts the thread. It ends with `tasks`.
///
/// # Errors
/// When the system has no thread left.
pub fn spawn(
    archive: Arc<Archive>,
    log: Arc<EmbeddedLog>,
    clock: Arc<dyn Clock>,
    tasks: &Tasks,
) -> std::io::Result<()> {
    tasks.spawn_thread("archive", move || run(&archive, &log, clock.as_ref()))
}

fn run(archive: &Archive, log: &EmbeddedLog, clock: &dyn Clock) {
    let (lock, never) = (Mutex::new(()), Condvar::new());
    let nap = |time: Duration| {
        let mut guard = lock.lock();
        never.wait_for(&mut guard, time);
    };
    let mut retry = RETRY_MIN;
    while !archive.shutdown.is_triggered() {
        match archive.round(log, clock) {
            Ok(()) => {
                retry = RETRY_MIN;
                if archive.problem().is_some() {
                    info!("the archive works again");
                    archive.set_problem(None);
                }
                nap(PERIOD);
            }
            Err(ArchiveError::Closing) => return,
            Err(failure) => {
                metrics::counter!("pulseboard_archive_failures_total").increment(1);
                let text = failure.to_string();
                if archive.problem().as_ref() != Some(&text) {
                    error!(
                        error = text,
                        "the archive failed; what is not archived stays in the log, and it is tried again"
                    );
                    archive.set_problem(Some(text));
                }
                // What was half-written is of no use any more.
                if let Err(error) = archive.store.prepare() {
                    error!(%error, "unfinished files of the archive stay");
                }
                let mut left = retry;
                while !left.is_zero() && !archive.shutdown.is_triggered() {
                    nap(left.min(PERIOD));
                    left = left.saturating_sub(PERIOD);
                }
                retry = (retry * 2).min(RETRY_MAX);
            }
        }
    }
}

impl Archive {
    /// Does all there is to do now. Blocks; what comes meanwhile is for the next round.
    ///
    /// # Errors
    /// [`ArchiveError`]: what was not done is done by a later round.
    pub fn round(&self, log: &EmbeddedLog, clock: &dyn Clock) -> Result<(), ArchiveError> {
        self.all_there_is(log, clock).map_err(|error| self.explained(error))
    }

    fn all_there_is(&self, log: &EmbeddedLog, clock: &dyn Clock) -> Result<(), ArchiveError> {
        self.open(log)?;
        // Before anything else: files of before a removal are never joined with later ones.
        self.drop_removed(log)?;
        let sealed = log.sealed();
        let before = self.published()?.manifest.last_commit;
        for segment in sealed.iter().filter(|segment| segment.last_commit > before) {
            self.go_on()?;
            self.seal(log, segment)?;
        }
        let published = self.published()?;
        log.set_archived_through(published.manifest.last_commit);
        metrics::gauge!("pulseboard_archive_through_offset").set(as_gauge(published.manifest.archived_through));
        self.compact(log)?;
        let newer = bytes_beyond(&log.streams(), &sealed, published.manifest.last_commit);
        self.retain(&newer, clock.now_us())?;
        drop(published);
        self.empty_trash()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn as_gauge(number: u64) -> f64 {
    number as f64
}
