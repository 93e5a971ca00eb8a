//! A log opened for reading only: beside a server that writes it, or with none.
//!
//! Takes no lock and changes nothing. What was written since it was opened is seen by [`ReadOnlyLog::refresh`] and by
//! its tails, which look for more a few times a second. There are no ticks: the clock is the writer's business.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use pulseboard_model::{Epoch, FieldType, LogOffset, Position, Step, StreamName, StreamSchema, TimeUs};
use pulseboard_runtime::Clock;
use tokio::sync::watch;

use super::catalog::{Catalog, Stream};
use super::disk_tail::DiskTail;
use super::embedded_log::check_position;
use super::load::load_as_reader;
use super::meta::MetaDb;
use super::read::SegmentReader;
use super::scan::{LastRows, StreamScan, last_rows};
use super::segment::Segment;
use super::segment_file::{PartIndex, file_name};
use super::shared::segments_dir;
use super::sqlite::corrupt;
use super::summary::StreamSummary;
use super::times::position_at;
use crate::log::{
    AppendError, AppendRequest, Appended, DeclareError, Log, LogError, LogHealth, LogIncident, PositionCheck, Removal,
    RemoveError, Scan, StreamInfo, Tail, TailItem,
};

/// How often a tail looks for more.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A server may drop or add a segment while the directory is being read: then it is read again.
const OPEN_ATTEMPTS: u32 = 4;

#[derive(Debug)]
struct View {
    dir: std::path::PathBuf,
    clock: Arc<dyn Clock>,
    epoch: Epoch,
    catalog: RwLock<Catalog>,
    /// Where the log stood when it was last looked at, and its last commit.
    head: watch::Sender<Position>,
    commit: RwLock<u64>,
    /// One looks again at a time: what is taken in twice would be counted twice.
    looking: Mutex<()>,
}

/// A log that can only be read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReadOnlyLog {
    view: Arc<View>,
}

impl ReadOnlyLog {
    /// Opens a data directory for reading. Blocks.
    ///
    /// # Errors
    /// [`LogError::Io`] when there is no log in it, [`LogError::Corrupt`] when it is damaged.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, LogError> {
        let (epoch, catalog, head, commit) = look(dir, clock.as_ref())?;
        let view = View {
            dir: dir.to_owned(),
            clock,
            epoch,
            catalog: RwLock::new(catalog),
            head: watch::Sender::new(head),
            commit: RwLock::new(commit),
            looking: Mutex::new(()),
        };
        Ok(Self { view: Arc::new(view) })
    }

    /// Looks again: what was written since is there after.
    ///
    /// # Errors
    /// Those of [`ReadOnlyLog::open`]; the earlier state stays then.
    pub fn refresh(&self) -> Result<(), LogError> {
        self.view.refresh()
    }
}

fn look(dir: &Path, clock: &dyn Clock) -> Result<(Epoch, Catalog, Position, u64), LogError> {
    let mut attempt = 1;
    loop {
        match look_once(dir, clock) {
            Err(_) if attempt < OPEN_ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

fn look_once(dir: &Path, clock: &dyn Clock) -> Result<(Epoch, Catalog, Position, u64), LogError> {
    let state = MetaDb::open_read_only(dir)?.load()?;
    let epoch = state.epoch.ok_or_else(|| LogError::Io {
        context: format!("opening the data directory `{}`", dir.display()),
        message: "there is no log in it yet".into(),
    })?;
    let loaded = load_as_reader(dir, &state)?;
    // The metadata was read first, and is never ahead of the segments: rows are missing at their end. A server that is
    // started makes a new epoch of what is left; a reader cannot.
    if loaded.next_offset <= state.high_water {
        let segment = loaded.catalog.segments.last().map_or_else(|| file_name(1), |segment| segment.name.clone());
        let what = format!("the log ends there, and once had events up to offset {}", state.high_water);
        return Err(corrupt(&segment, loaded.next_offset, what));
    }
    let mut catalog = loaded.catalog;
    for (stream, counters) in &state.counters {
        if let Some(known) = catalog.streams.get_mut(stream) {
            known.rejected = counters.rejected;
            known.complete_from = counters.complete_from;
        }
    }
    let offset = LogOffset::from_u64(loaded.next_offset - 1);
    let head = Position { epoch, offset, clock: TimeUs(clock.now_us().max(loaded.last_at)) };
    Ok((epoch, catalog, head, loaded.commit))
}

impl View {
    fn refresh(&self) -> Result<(), LogError> {
        let _alone = self.looking.lock();
        let last = self.catalog.read().segments.last().cloned();
        match last {
            Some(last) if !self.dir_has(last.start.id + 1) => self.extend(&last),
            _ => self.look_anew(),
        }
    }

    fn dir_has(&self, id: u32) -> bool {
        segments_dir(&self.dir).join(file_name(id)).exists()
    }

    fn look_anew(&self) -> Result<(), LogError> {
        let (epoch, catalog, head, commit) = look(&self.dir, self.clock.as_ref())?;
        if epoch != self.epoch {
            return Err(LogError::Io {
                context: "reading the log".into(),
                message: "it began a new epoch; open it again".into(),
            });
        }
        *self.catalog.write() = catalog;
        self.stand_at(head.offset, head.clock.0, commit);
        Ok(())
    }

    /// Takes in what the last segment got since, which costs nothing when there is nothing.
    fn extend(&self, last: &Arc<Segment>) -> Result<(), LogError> {
        let reader = SegmentReader::open(last.clone())?;
        let (mut summary, mut index) = {
            let contents = last.contents.read();
            (contents.summary.clone(), PartIndex::new())
        };
        let before = summary.clone();
        reader.extend(&mut summary, &mut index)?;
        if summary.last_commit == before.last_commit {
            return Ok(());
        }
        let schemas = reader.schemas()?;
        let mut catalog = self.catalog.write();
        for (stream, schema) in schemas {
            catalog.add_schema(&stream, schema);
        }
        for (stream, held) in &summary.streams {
            let known = before.streams.get(stream);
            let added = StreamSummary {
                events: held.events - known.map_or(0, |known| known.events),
                bytes: held.bytes - known.map_or(0, |known| known.bytes),
                ..*held
            };
            if added.events > 0 {
                catalog.add_events(stream, &added);
            }
        }
        let (offset, clock, commit) = (summary.next_offset - 1, summary.clock, summary.last_commit);
        {
            let mut contents = last.contents.write();
            contents.summary = summary;
            if let Some(known) = &mut contents.index {
                for (stream, parts) in index {
                    known.entry(stream).or_default().extend(parts);
                }
            }
        }
        drop(catalog);
        self.stand_at(LogOffset::from_u64(offset), clock, commit);
        Ok(())
    }

    fn stand_at(&self, offset: LogOffset, clock: i64, commit: u64) {
        *self.commit.write() = commit;
        let clock = clock.max(self.clock.now_us());
        self.head.send_modify(|head| {
            head.offset = offset;
            head.clock = head.clock.max(TimeUs(clock));
        });
    }
}

impl Log for ReadOnlyLog {
    fn append(&self, _request: AppendRequest) -> BoxFuture<'_, Result<Appended, AppendError>> {
        futures::future::ready(Err(AppendError::Closed)).boxed()
    }

    fn declare(
        &self,
        _stream: &StreamName,
        _fields: &[(String, FieldType)],
    ) -> BoxFuture<'_, Result<(), DeclareError>> {
        futures::future::ready(Err(DeclareError::Append(AppendError::Closed))).boxed()
    }

    fn remove(&self, _stream: &StreamName) -> BoxFuture<'_, Result<Removal, RemoveError>> {
        futures::future::ready(Err(RemoveError::Append(AppendError::Closed))).boxed()
    }

    fn removal(&self, stream: &str) -> Option<Removal> {
        self.view.catalog.read().removal(stream)
    }

    fn is_removed(&self, stream: &str) -> bool {
        self.view.catalog.read().streams.get(stream).is_some_and(Stream::is_removed)
    }

    fn head(&self) -> Position {
        *self.view.head.borrow()
    }

    fn newest(&self) -> Option<TimeUs> {
        self.view.catalog.read().newest().map(TimeUs)
    }

    fn watch_head(&self) -> watch::Receiver<Position> {
        self.view.head.subscribe()
    }

    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.view.catalog.read().streams.get(stream).map(|known| known.newest.schema.clone())
    }

    fn streams(&self) -> Vec<StreamInfo> {
        self.view.catalog.read().infos()
    }

    fn tail(&self, after: LogOffset) -> Result<Box<dyn Tail>, LogError> {
        let disk = DiskTail::after_offset(&self.view.catalog, self.view.epoch, after.to_u64())?;
        Ok(Box::new(ReadOnlyTail { view: self.view.clone(), disk }))
    }

    fn scan(&self, stream: &StreamName, after: LogOffset, upto: LogOffset, time_from: Option<TimeUs>) -> Scan {
        let upto = upto.min(self.head().offset).to_u64();
        let time_from = time_from.map(|time| time.0);
        let scan = StreamScan::new(&self.view.catalog.read(), stream, after.to_u64(), upto, time_from);
        Box::new(scan.into_iter().flatten())
    }

    fn last_rows(&self, stream: &StreamName, n: usize, upto: LogOffset) -> Result<Vec<RecordBatch>, LogError> {
        let upto = upto.min(self.head().offset).to_u64();
        let reader = last_rows(&self.view.catalog.read(), stream, n, upto);
        reader.map_or(Ok(Vec::new()), LastRows::read)
    }

    fn position_at(&self, time: TimeUs) -> Result<Position, LogError> {
        position_at(&self.view.catalog, self.head(), time)
    }

    fn first_offset(&self) -> LogOffset {
        LogOffset::from_u64(self.view.catalog.read().first_offset())
    }

    fn check(&self, position: &Position) -> PositionCheck {
        check_position(position, &self.head(), self.view.catalog.read().first_offset())
    }

    fn incident(&self) -> Option<LogIncident> {
        None
    }

    fn health(&self) -> LogHealth {
        LogHealth::Closed
    }
}

/// Follows a log by looking again.
#[derive(Debug)]
struct ReadOnlyTail {
    view: Arc<View>,
    disk: DiskTail,
}

impl Tail for ReadOnlyTail {
    fn next(&mut self, timeout: Duration) -> Result<TailItem, LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(commit) = self.disk.pop() {
                return Ok(TailItem::Step(Step::Commit(commit)));
            }
            let through = *self.view.commit.read();
            if self.disk.next().0 <= through {
                self.disk.read(&self.view.catalog, through)?;
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(TailItem::Idle);
            }
            std::thread::sleep(left.min(LOOK_AGAIN));
            self.view.refresh()?;
        }
    }
}
