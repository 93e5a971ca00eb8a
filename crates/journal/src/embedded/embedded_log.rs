//! The embedded log's handle: opens a data directory as its owner and answers the [`Log`] trait.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use pulseboard_model::{Epoch, FieldType, LogOffset, Position, StreamName, StreamSchema, TimeUs};
use pulseboard_runtime::{Clock, Tasks};
use tokio::sync::{oneshot, watch};
use tracing::{error, info};

use super::active::Active;
use super::body::{Encoder, bytes_of};
use super::catalog::Stream;
use super::config::{EmbeddedConfig, Retention};
use super::keeper::{self, Inbox};
use super::load::{Last, Loaded, load_as_owner};
use super::lock::DirLock;
use super::meta::{MetaDb, MetaState};
use super::meta_store::MetaStore;
use super::queue::{AppendOp, Op, Queue};
use super::receipts::{KEEP_US, Receipts};
use super::ring::Ring;
use super::scan::{StreamScan, last_rows};
use super::sealed::{CommitMark, SealedSegment, marks_after, sealed_of};
use super::segment::Segment;
use super::shared::{Shared, Threads, segments_dir};
use super::sqlite::{check_version, io_error, open_reader, segment_error, sync_dir};
use super::tail::EmbeddedTail;
use super::times::position_at;
use super::writer::Writer;
use crate::log::{
    AppendError, AppendRequest, Appended, DeclareError, Log, LogError, LogHealth, LogIncident, PositionCheck, Removal,
    RemoveError, Scan, StreamInfo, Tail,
};

/// How long closing waits for the last commit and the housekeeping after it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The log in a data directory, owned by this process. Closed when it is dropped.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
}

impl fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedLog")
            .field("dir", &self.shared.config.dir)
            .field("head", &self.shared.ring.head())
            .finish_non_exhaustive()
    }
}

impl EmbeddedLog {
    /// Opens (or makes) a data directory, and starts the threads that write it. They end when `tasks` shuts down, so
    /// these should be tasks that outlive everyone who appends, or with [`EmbeddedLog::close`]. Blocks.
    ///
    /// # Errors
    /// [`LogError::Locked`] when another server has it, [`LogError::Corrupt`] when it is damaged, [`LogError::Io`].
    pub fn open(config: EmbeddedConfig, clock: Arc<dyn Clock>, tasks: &Tasks) -> Result<Self, LogError> {
        check_version()?;
        make_dirs(&config.dir)?;
        let lock = DirLock::acquire(&config.dir)?;
        let mut meta = MetaDb::open(&config.dir)?;
        let state = meta.load()?;
        let (mut loaded, last) = load_as_owner(&config, &state, &mut meta)?;
        let epoch = settle_epoch(&mut meta, &state, loaded.next_offset - 1)?;
        restore_counters(&mut loaded, &state);

        let now = clock.now_us().max(loaded.last_at);
        let unsealed = std::mem::take(&mut loaded.unsealed);
        let receipts = load_receipts(&loaded, &last, now, config.receipts_bytes)?;
        let head = Position { epoch, offset: LogOffset::from_u64(loaded.next_offset - 1), clock: TimeUs(now) };
        let shared = Arc::new(Shared {
            ring: Ring::new(head, loaded.commit, config.ring_bytes, config.ring_steps),
            queue: Queue::new(config.queue_requests, config.queue_bytes),
            retention: RwLock::new(config.retention.clone()),
            archived_through: AtomicU64::new(0),
            shutdown: tasks.shutdown(),
            clock,
            epoch,
            catalog: RwLock::new(loaded.catalog),
            meta: Arc::new(Mutex::new(meta)),
            inbox: Inbox::default(),
            lock: Mutex::new(Some(lock)),
            threads: Threads::default(),
            health: Mutex::new(LogHealth::Writable),
            incident: Mutex::new(None),
            config,
        });
        let page_limit = shared.config.page_limit.clone();
        let mut writer = Writer {
            active: Active::new(last.segment, last.conn, last.schemas, page_limit),
            shared: shared.clone(),
            receipts,
            encoder: Encoder::new().map_err(|error| io_error("preparing to write", &error))?,
            commit: loaded.commit,
            head,
            last_at: loaded.last_at,
            refusing: None,
            full: false,
            stuck: false,
            body: Vec::new(),
        };
        writer.log_start();
        info!(position = %head, dir = %shared.config.dir.display(), "log open");
        let log = Self { shared };
        log.start(writer, unsealed, tasks).map_err(|error| io_error("starting the log's threads", &error))?;
        Ok(log)
    }

    fn start(&self, writer: Writer, unsealed: Vec<Arc<Segment>>, tasks: &Tasks) -> std::io::Result<()> {
        let keeper = Ending { shared: self.shared.clone(), writer: false };
        self.shared.threads.started();
        tasks.spawn_thread("journal-keeper", move || keeper::run(&keeper.shared, unsealed))?;
        let ending = Ending { shared: self.shared.clone(), writer: true };
        self.shared.threads.started();
        tasks.spawn_thread("journal-writer", move || {
            let _ending = ending;
            writer.run();
        })
    }

    /// Says in the lock file where the server listens, for command-line tools.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_url(&self, url: &str) -> Result<(), LogError> {
        let lock = self.shared.lock.lock();
        lock.as_ref()
            .map_or(Ok(()), |lock| lock.set_url(url))
            .map_err(|error| io_error("writing the lock file", &error))
    }

    /// What other parts keep beside the log.
    #[must_use]
    pub fn meta_store(&self) -> MetaStore {
        MetaStore { meta: self.shared.meta.clone() }
    }

    /// Changes how long streams are kept, from now on.
    pub fn set_retention(&self, retention: Retention) {
        *self.shared.retention.write() = retention;
    }

    /// The segments to which nothing comes any more, oldest first.
    #[must_use]
    pub fn sealed(&self) -> Vec<SealedSegment> {
        sealed_of(&self.shared.catalog.read())
    }

    /// Some of the commits after number `after`, in order; none if there are no more. Blocks.
    ///
    /// # Errors
    /// [`LogError`] when they cannot be read or were dropped.
    pub fn marks(&self, after: u64) -> Result<Vec<CommitMark>, LogError> {
        marks_after(&self.shared.catalog, after)
    }

    /// Says that everything up to commit `commit` is durable in the archive: segments may go, if the log was opened for that.
    pub fn set_archived_through(&self, commit: u64) {
        self.shared.archived_through.fetch_max(commit, Ordering::SeqCst);
    }

    /// Takes nothing more, writes what waits, and gives the directory back. Blocks until that is done. Idempotent.
    pub fn close(&self) {
        self.shared.queue.close();
        if self.shared.threads.wait(CLOSE_TIMEOUT) {
            self.shared.lock.lock().take();
        } else {
            // They may still write: nobody else may have the directory before this process is gone.
            error!("the log's threads did not end in time");
        }
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sees to it that nobody waits for a thread that is gone, however it ended.
struct Ending {
    shared: Arc<Shared>,
    writer: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.writer {
            self.shared.queue.abandon();
            self.shared.inbox.stop();
        }
        self.shared.threads.ended();
    }
}

pub(super) fn make_dirs(dir: &Path) -> Result<(), LogError> {
    let segments = segments_dir(dir);
    // Each directory that is new is an entry of the one above it.
    let new: Vec<&Path> = segments.ancestors().take_while(|dir| !dir.exists()).collect();
    let above = |dir: &Path| match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_dir(Path::new(".")),
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    };
    std::fs::create_dir_all(&segments)
        .and_then(|()| sync_dir(&segments))
        .and_then(|()| sync_dir(dir))
        .and_then(|()| new.into_iter().try_for_each(above))
        .map_err(|error| io_error(&format!("making the data directory `{}`", dir.display()), &error))
}

/// The epoch of a log that ends with offset `end`: a new one if the log is new, or shorter than it once was.
fn settle_epoch(meta: &mut MetaDb, state: &MetaState, end: u64) -> Result<Epoch, LogError> {
    match state.epoch {
        Some(epoch) if end >= state.high_water => Ok(epoch),
        known => {
            let epoch = Epoch(rand::random());
            if known.is_some() {
                error!(due = state.high_water, found = end, %epoch, "events are missing from the log's end: a new epoch begins");
            }
            meta.begin_epoch(epoch, end)?;
            Ok(epoch)
        }
    }
}

fn restore_counters(loaded: &mut Loaded, state: &MetaState) {
    for (stream, counters) in &state.counters {
        if let Some(known) = loaded.catalog.streams.get_mut(stream) {
            known.rejected = counters.rejected;
            known.flushed_rejected = counters.rejected;
            known.complete_from = counters.complete_from;
        }
    }
}

/// The receipts of the last ten minutes, oldest first.
fn load_receipts(loaded: &Loaded, last: &Last, now: i64, bytes_max: usize) -> Result<Receipts, LogError> {
    let since = now.saturating_sub(KEEP_US);
    let mut receipts = Receipts::new(bytes_max);
    for segment in &loaded.catalog.segments {
        let (clock, through) = {
            let contents = segment.contents.read();
            (contents.summary.clock, contents.summary.next_offset - 1)
        };
        if Arc::ptr_eq(segment, &last.segment) {
            receipts.load(&last.conn, &segment.name, since, through)?;
        } else if clock > since {
            let conn = open_reader(&segment.path)
                .map_err(|error| segment_error(&segment.name, segment.start.first_offset, "opening segment", &error))?;
            receipts.load(&conn, &segment.name, since, through)?;
        }
    }
    Ok(receipts)
}

impl Log for EmbeddedLog {
    fn append(&self, request: AppendRequest) -> BoxFuture<'_, Result<Appended, AppendError>> {
        async move {
            let bytes = bytes_of(&request.rows) + request.rejects.as_ref().map_or(0, bytes_of);
            let (answer, answered) = oneshot::channel();
            self.shared.queue.push(Op::Append(Box::new(AppendOp { request, bytes, answer })))?;
            answered.await.unwrap_or(Err(AppendError::Closed))
        }
        .boxed()
    }

    fn declare(&self, stream: &StreamName, fields: &[(String, FieldType)]) -> BoxFuture<'_, Result<(), DeclareError>> {
        let (answer, answered) = oneshot::channel();
        let pushed = self.shared.queue.push(Op::Declare { stream: stream.clone(), fields: fields.to_vec(), answer });
        async move {
            pushed?;
            answered.await.unwrap_or(Err(DeclareError::Append(AppendError::Closed)))
        }
        .boxed()
    }

    fn remove(&self, stream: &StreamName) -> BoxFuture<'_, Result<Removal, RemoveError>> {
        let (answer, answered) = oneshot::channel();
        let pushed = self.shared.queue.push(Op::Remove { stream: stream.clone(), answer });
        async move {
            pushed?;
            answered.await.unwrap_or(Err(RemoveError::Append(AppendError::Closed)))
        }
        .boxed()
    }

    fn removal(&self, stream: &str) -> Option<Removal> {
        self.shared.catalog.read().removal(stream)
    }

    fn is_removed(&self, stream: &str) -> bool {
        self.shared.catalog.read().streams.get(stream).is_some_and(Stream::is_removed)
    }

    fn head(&self) -> Position {
        self.shared.ring.head()
    }

    fn newest(&self) -> Option<TimeUs> {
        self.shared.catalog.read().newest().map(TimeUs)
    }

    fn watch_head(&self) -> watch::Receiver<Position> {
        self.shared.ring.watch_head()
    }

    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.shared.catalog.read().streams.get(stream).map(|known| known.newest.schema.clone())
    }

    fn streams(&self) -> Vec<StreamInfo> {
        self.shared.catalog.read().infos()
    }

    fn tail(&self, after: LogOffset) -> Result<Box<dyn Tail>, LogError> {
        Ok(Box::new(EmbeddedTail::new(self.shared.clone(), after.to_u64())?))
    }

    fn scan(&self, stream: &StreamName, after: LogOffset, upto: LogOffset, time_from: Option<TimeUs>) -> Scan {
        let upto = upto.min(self.head().offset).to_u64();
        let time_from = time_from.map(|time| time.0);
        let scan = StreamScan::new(&self.shared.catalog.read(), stream, after.to_u64(), upto, time_from);
        Box::new(scan.into_iter().flatten())
    }

    fn last_rows(
        &self,
        stream: &StreamName,
        n: usize,
        upto: LogOffset,
    ) -> Result<Vec<arrow::record_batch::RecordBatch>, LogError> {
        let upto = upto.min(self.head().offset).to_u64();
        let reader = last_rows(&self.shared.catalog.read(), stream, n, upto);
        reader.map_or(Ok(Vec::new()), super::scan::LastRows::read)
    }

    fn position_at(&self, time: TimeUs) -> Result<Position, LogError> {
        position_at(&self.shared.catalog, self.head(), time)
    }

    fn first_offset(&self) -> LogOffset {
        LogOffset::from_u64(self.shared.catalog.read().first_offset())
    }

    fn check(&self, position: &Position) -> PositionCheck {
        let first_offset = self.shared.catalog.read().first_offset();
        check_position(position, &self.head(), first_offset)
    }

    fn incident(&self) -> Option<LogIncident> {
        self.shared.incident.lock().clone()
    }

    fn health(&self) -> LogHealth {
        match self.shared.health.lock().clone() {
            LogHealth::Writable | LogHealth::Full if self.shared.queue.is_closed() => LogHealth::Closed,
            health => health,
        }
    }
}

/// How a position relates to a log that begins with `first_offset` and stands at `head`.
pub(super) fn check_position(position: &Position, head: &Position, first_offset: u64) -> PositionCheck {
    if position.epoch != head.epoch {
        PositionCheck::OtherEpoch
    } else if !head.offset.includes(position.offset) {
        PositionCheck::Ahead
    } else if position.offset.to_u64() + 1 < first_offset {
        PositionCheck::Gap
    } else {
        PositionCheck::Known
    }
}
