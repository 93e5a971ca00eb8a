//! The thread that makes rollups: one file of the archive at a time, the newest first, its rows read once for a few queries.
//!
//! A file's states are computed from exactly its rows and put beside it; they go with it when it is joined with others, and
//! are made again for what it was joined to. A query of which there is no state worth keeping gets empty ones, so that nobody
//! tries again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use pulseboard_archive::{Archive, FileInfo};
use pulseboard_live::{History, Rollup, RollupLevel, RollupMaker, ScanRequest};
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{LogOffset, StreamName};
use pulseboard_runtime::{Shutdown, Tasks};
use tracing::{debug, warn};

use super::Wanted;

/// How often the thread looks whether there is anything to do.
const PERIOD: Duration = Duration::from_millis(500);
/// How long it waits after a failure.
const RETRY: Duration = Duration::from_secs(10);
/// So many queries share one reading of a file; others read it again.
const AT_ONCE: usize = 2;
/// The states of one level of one file take at most so much memory; of more none are kept, and rows are read.
const STATES_BYTES_MAX: usize = 64 << 20;
/// Beside one file stay at most so many; above it those that nobody wants any more go.
const KEPT_MAX: usize = 256;

/// What the thread works with.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Where rollups are kept.
    pub(crate) archive: Arc<Archive>,
    /// Where rows are read.
    pub(crate) history: Arc<dyn History>,
    /// Which there are.
    pub(crate) wanted: Arc<Wanted>,
    /// The limits of a query.
    pub(crate) limits: QueryLimits,
}

/// Why a pass ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The server ends.
    #[error("the server ends")]
    Closing,
    /// Something could not be read or written.
    #[error("{0}")]
    Failed(String),
}

/// Starts the thread. It ends with `tasks`.
///
/// # Errors
/// When the system has no thread left.
pub(crate) fn spawn(parts: Parts, tasks: &Tasks) -> std::io::Result<()> {
    let shutdown = tasks.shutdown();
    tasks.spawn_thread("rollups", move || run(&parts, &shutdown))
}

fn run(parts: &Parts, shutdown: &Shutdown) {
    let (lock, never) = (Mutex::new(()), Condvar::new());
    let nap = |time: Duration| {
        let mut left = time;
        while !left.is_zero() && !shutdown.is_triggered() {
            never.wait_for(&mut lock.lock(), left.min(PERIOD));
            left = left.saturating_sub(PERIOD);
        }
    };
    let mut done = None;
    while !shutdown.is_triggered() {
        let now = parts.state();
        if now.is_none() || now == done {
            nap(PERIOD);
            continue;
        }
        match parts.pass(shutdown) {
            Ok(()) => done = now,
            Err(Ended::Closing) => return,
            Err(Ended::Failed(error)) => {
                metrics::counter!("pulseboard_rollup_failures_total").increment(1);
                warn!(error, "rollups are not made: ranges read rows; it is tried again");
                nap(RETRY);
            }
        }
    }
}

impl Parts {
    /// What rollups depend on: while it is the same there is nothing to do. `None` while the archive is not open.
    fn state(&self) -> Option<(u64, u64, u64)> {
        let versions = self.history.streams().into_iter().filter_map(|stream| self.history.schema(stream.as_str()));
        Some((self.archive.version()?, self.wanted.changes(), versions.map(|schema| u64::from(schema.version.0)).sum()))
    }

    /// Makes what is missing.
    ///
    /// # Errors
    /// [`Ended`]: what was not made is made by a later pass.
    pub(super) fn pass(&self, shutdown: &Shutdown) -> Result<(), Ended> {
        let limits = QueryLimits { memory_bytes_max: STATES_BYTES_MAX, ..self.limits.clone() };
        let mut by_stream: BTreeMap<StreamName, BTreeMap<String, Rollup>> = BTreeMap::new();
        for spec in self.wanted.specs() {
            // One that cannot be planned now, because a stream is not there yet, is tried when something changes.
            if let Ok(Some(rollup)) = Rollup::of(&spec, self.history.as_ref(), &limits) {
                by_stream.entry(rollup.stream().clone()).or_default().insert(rollup.prefix(), rollup);
            }
        }
        for (stream, rollups) in &by_stream {
            let files = self.archive.files(stream);
            let begins: Vec<u64> = std::iter::once(0).chain(files.iter().map(|file| file.offsets.1)).collect();
            for (file, after) in files.iter().zip(begins).rev() {
                self.tidy(stream, file, rollups)?;
                let missing: Vec<&Rollup> = rollups.values().filter(|rollup| lacks(file, rollup)).collect();
                for some in missing.chunks(AT_ONCE) {
                    self.make(stream, file, after, some, &limits, shutdown)?;
                }
            }
        }
        Ok(())
    }

    /// Makes the states of some rollups of one file.
    fn make(
        &self,
        stream: &StreamName,
        file: &FileInfo,
        after: u64,
        rollups: &[&Rollup],
        limits: &QueryLimits,
        shutdown: &Shutdown,
    ) -> Result<(), Ended> {
        let failed = |error: &dyn std::fmt::Display| Ended::Failed(error.to_string());
        let history = self.history.as_ref();
        let Some(schema) = history.schema(stream.as_str()) else { return Ok(()) };
        let refused = |rollup: &&Rollup, error: &dyn std::fmt::Display| {
            debug!(%error, sql = rollup.spec().sql, "a query has no rollup of a file");
        };
        let mut makers: Vec<Option<RollupMaker>> = rollups
            .iter()
            .map(|rollup| rollup.maker(history, limits).inspect_err(|error| refused(rollup, error)).ok())
            .collect();
        let used: BTreeSet<&String> = rollups.iter().flat_map(|rollup| rollup.columns()).collect();
        let layout = schema.event_schema();
        let names = layout.fields().iter().map(|field| field.name().clone()).filter(|name| used.contains(name));
        let mut request =
            ScanRequest::new(stream.clone(), LogOffset::from_u64(after), LogOffset::from_u64(file.offsets.1));
        request.columns = Some(names.collect());
        request.in_order = false;
        let mut rows = 0;
        for batch in history.scan(&request) {
            if shutdown.is_triggered() {
                return Err(Ended::Closing);
            }
            let batch = batch.map_err(|error| failed(&error))?;
            rows += batch.num_rows() as u64;
            for (maker, rollup) in makers.iter_mut().zip(rollups) {
                let pushed = maker.as_mut().map_or(Ok(()), |maker| maker.push(&batch));
                if let Err(error) = pushed {
                    refused(rollup, &error);
                    *maker = None;
                }
            }
        }
        if rows != file.rows {
            // Retention dropped it meanwhile.
            return Ok(());
        }
        let mut kept: Vec<(String, Bytes)> = Vec::with_capacity(rollups.len() * RollupLevel::ALL.len());
        for (maker, rollup) in makers.into_iter().zip(rollups) {
            let finished = maker.map(RollupMaker::finish).transpose();
            let finished = finished.inspect_err(|error| refused(rollup, error)).ok().flatten().unwrap_or_default();
            for level in RollupLevel::ALL {
                let states = finished.iter().find(|(known, _)| *known == level);
                let states = states.and_then(|(_, states)| states.clone()).unwrap_or_default();
                kept.push((rollup.name(level), Bytes::from(states)));
            }
        }
        if self.archive.put_sidecars(stream, &file.name, &kept).map_err(|error| failed(&error))? {
            metrics::counter!("pulseboard_rollup_files_made_total").increment(rollups.len() as u64);
        }
        Ok(())
    }

    /// Lets go of what nobody wants any more, if there is much of it.
    fn tidy(&self, stream: &StreamName, file: &FileInfo, rollups: &BTreeMap<String, Rollup>) -> Result<(), Ended> {
        let is_rollup = |name: &&String| name.starts_with(Rollup::PREFIX);
        if file.sidecars.iter().filter(is_rollup).count() <= KEPT_MAX {
            return Ok(());
        }
        let unwanted = |name: &&String| !rollups.keys().any(|prefix| name.starts_with(prefix));
        let names: Vec<String> = file.sidecars.iter().filter(is_rollup).filter(unwanted).cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let dropped = self.archive.drop_sidecars(stream, &file.name, &names);
        dropped.map(|_| ()).map_err(|error| Ended::Failed(error.to_string()))
    }
}

/// Whether the states of a rollup are still to be made.
fn lacks(file: &FileInfo, rollup: &Rollup) -> bool {
    RollupLevel::ALL.into_iter().any(|level| !file.sidecars.contains(&rollup.name(level)))
}
