//! A log in a directory that goes with the test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pulseboard_journal::testsuite::TestBed;
use pulseboard_journal::{EmbeddedConfig, EmbeddedLog, Log, LogError};
use pulseboard_runtime::{ManualClock, Tasks};

/// A moment in 2023, not on a whole second.
pub(crate) const START_US: i64 = 1_700_000_000_250_000;

pub(crate) struct Bed {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) config: EmbeddedConfig,
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut EmbeddedConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = EmbeddedConfig::new(dir.path());
        change(&mut config);
        Self { dir, clock: ManualClock::at(START_US), config }
    }

    pub(crate) fn try_open(&self) -> Result<EmbeddedLog, LogError> {
        EmbeddedLog::open(self.config.clone(), self.clock.clone(), &Tasks::new())
    }

    pub(crate) fn embedded(&self) -> EmbeddedLog {
        self.try_open().unwrap()
    }

    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        segments(self.dir.path())
    }
}

/// The segment files of a data directory, oldest first.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "sqlite")).collect();
    files.sort();
    files
}

impl TestBed for Bed {
    fn open(&mut self) -> Arc<dyn Log> {
        Arc::new(self.embedded())
    }

    fn close(&mut self, log: Arc<dyn Log>) {
        assert_eq!(Arc::strong_count(&log), 1, "somebody still holds the log");
    }

    fn clock(&self) -> Arc<ManualClock> {
        self.clock.clone()
    }
}
