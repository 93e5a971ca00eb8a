//! The housekeeping thread: copies the write-ahead log back, finishes sealed segments, writes the metadata each second
//! while events come, and drops what retention lets go. None of it holds a commit up for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use pulseboard_model::StreamName;
use pulseboard_runtime::fault;
use rusqlite::Connection;
use tracing::{debug, error, warn};

use super::catalog::Catalog;
use super::config::Retention;
use super::meta::Flush;
use super::replace::verify;
use super::segment::Segment;
use super::shared::Shared;
use super::sqlite::{
    PAGE_BYTES, apply_page_limit, fault_point, io_error, is_failed_write, leave_as_it_lies, open_durable, segment_error,
};
use crate::log::LogError;

/// How often the metadata is brought up to date and retention is looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// How long after a segment could not be sealed it is tried again: an attempt reads the segment.
const SEAL_AGAIN: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Orders {
    checkpoint: Option<Arc<Segment>>,
    seal: Vec<(Arc<Segment>, Option<Connection>)>,
    stop: bool,
}

/// What the writer asks for. Bounded by nature: one checkpoint at a time, and one entry per sealed segment.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    orders: Mutex<Orders>,
    changed: Condvar,
    checkpointing: AtomicBool,
    checkpointed: AtomicBool,
    /// A checkpoint that failed to write, with its segment.
    failed: Mutex<Option<(Arc<Segment>, String)>>,
}

impl Inbox {
    /// Asks for a checkpoint of the segment that is written to, unless one is under way.
    pub(super) fn ask_checkpoint(&self, segment: &Arc<Segment>) {
        if !self.checkpointing.swap(true, Ordering::SeqCst) {
            self.orders.lock().checkpoint = Some(segment.clone());
            self.changed.notify_one();
        }
    }

    /// Whether a checkpoint was made since this was last asked.
    pub(super) fn take_checkpointed(&self) -> bool {
        self.checkpointed.swap(false, Ordering::SeqCst)
    }

    /// Why a checkpoint of `segment` failed to write, if one did since this was last asked.
    pub(super) fn take_failed(&self, segment: &Arc<Segment>) -> Option<String> {
        let failed = self.failed.lock().take()?;
        Arc::ptr_eq(&failed.0, segment).then_some(failed.1)
    }

    /// Hands over a segment to which nothing comes any more, with its connection unless it is closed.
    pub(super) fn seal(&self, segment: Arc<Segment>, conn: Option<Connection>) {
        self.orders.lock().seal.push((segment, conn));
        self.changed.notify_one();
    }

    /// Ends the keeper after one last round.
    pub(super) fn stop(&self) {
        self.orders.lock().stop = true;
        self.changed.notify_one();
    }

    fn next(&self) -> Orders {
        let mut orders = self.orders.lock();
        if orders.checkpoint.is_none() && orders.seal.is_empty() && !orders.stop {
            self.changed.wait_for(&mut orders, PERIOD);
        }
        let stop = orders.stop;
        let taken = std::mem::take(&mut *orders);
        orders.stop = stop;
        taken
    }
}

/// The thread's work, until it is told to stop. `unsealed` are the segments that the start could not seal.
pub(super) fn run(shared: &Arc<Shared>, unsealed: Vec<Arc<Segment>>) {
    let seal_at = Instant::now() + SEAL_AGAIN;
    let mut keeper = Keeper { shared: shared.clone(), flushed: None, complained: false, unsealed, seal_at };
    loop {
        let Orders { checkpoint, seal, stop } = shared.inbox.next();
        if let Some(segment) = checkpoint {
            keeper.checkpoint(&segment);
        }
        let flushed = keeper.flush();
        let schemas_kept = flushed.is_ok();
        keeper.report("writing metadata", flushed);
        let again = if schemas_kept && Instant::now() >= keeper.seal_at {
            std::mem::take(&mut keeper.unsealed)
        } else {
            Vec::new()
        };
        for (segment, conn) in seal.into_iter().chain(again.into_iter().map(|segment| (segment, None))) {
            keeper.seal(segment, conn, schemas_kept);
        }
        let dropped = keeper.drop_expired();
        keeper.report("dropping a segment", dropped);
        if stop {
            return;
        }
    }
}

/// Gives a segment its index and empties its write-ahead log. Readers may use it meanwhile.
pub(super) fn finish(segment: &Segment, conn: Connection, page_limit: Option<&AtomicU32>) -> rusqlite::Result<()> {
    apply_page_limit(&conn, page_limit)?;
    // Should any of it fail, the connection's end must not write either.
    leave_as_it_lies(&conn, true)?;
    fault_point("journal.seal.index")?;
    conn.execute_batch("CREATE INDEX IF NOT EXISTS parts_by_stream ON parts (stream)")?;
    fault_point("journal.seal.empty")?;
    // Readers may keep it from emptying the log entirely; then it stays as it is, which is only untidy.
    conn.busy_timeout(Duration::from_millis(100))?;
    let emptied = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    match emptied {
        Ok(0) => {}
        Err(error) if is_failed_write(&error) => return Err(error),
        _ => debug!(segment = segment.name, ?emptied, "the write-ahead log of a sealed segment is in use"),
    }
    fault_point("journal.seal.close")?;
    leave_as_it_lies(&conn, false)?;
    segment.contents.write().index = None;
    conn.close().map_err(|(_, error)| error)
}

fn point(stage: &'static str) -> Result<(), LogError> {
    fault::point(stage).map_err(|error| io_error("keeping house", &error))
}

/// Copies what is in the write-ahead log back into the file.
fn copy_back(segment: &Segment) -> rusqlite::Result<()> {
    let conn = open_durable(&segment.path, PAGE_BYTES)?;
    leave_as_it_lies(&conn, true)?;
    fault_point("journal.checkpoint.copy")?;
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    fault_point("journal.checkpoint.copied")?;
    conn.close().map_err(|(_, error)| error)
}

struct Keeper {
    shared: Arc<Shared>,
    /// The last offset that is in the metadata.
    flushed: Option<u64>,
    complained: bool,
    /// What could not be sealed, and when it is tried again.
    unsealed: Vec<Arc<Segment>>,
    seal_at: Instant,
}

impl Keeper {
    /// Says what failed, once per row of failures: on a full disk everything here fails each second.
    fn report(&mut self, what: &str, result: Result<(), LogError>) {
        match result {
            Ok(()) => self.complained = false,
            Err(error) if !self.complained => {
                self.complained = true;
                warn!(%error, "{what} failed; it is tried again");
            }
            Err(_) => {}
        }
    }

    fn checkpoint(&self, segment: &Arc<Segment>) {
        if !segment.is_closed() {
            match copy_back(segment) {
                Ok(()) => {}
                Err(error) if is_failed_write(&error) => {
                    *self.shared.inbox.failed.lock() = Some((segment.clone(), error.to_string()));
                }
                Err(error) => debug!(segment = segment.name, %error, "a checkpoint failed; the next one does its work"),
            }
        }
        self.shared.inbox.checkpointed.store(true, Ordering::SeqCst);
        self.shared.inbox.checkpointing.store(false, Ordering::SeqCst);
    }

    /// Finishes a segment to which nothing comes any more, and lets the metadata know what it holds; later if it fails.
    fn seal(&mut self, segment: Arc<Segment>, conn: Option<Connection>, schemas_kept: bool) {
        if segment.is_dropped() {
            return;
        }
        let finished = segment.contents.read().index.is_none();
        let done = if segment.is_closed() {
            verify(&segment)
        } else if finished {
            Ok(())
        } else {
            self.finish(&segment, conn)
        };
        // A segment with a summary is not looked into at a start, so its schemas must be in the metadata before.
        let sealed = done.and_then(|()| if schemas_kept { self.keep_summary(&segment) } else { Ok(()) });
        if sealed.is_err() || !schemas_kept {
            self.unsealed.push(segment);
            self.seal_at = Instant::now() + SEAL_AGAIN;
        }
        self.report("sealing a segment", sealed);
    }

    fn finish(&self, segment: &Segment, conn: Option<Connection>) -> Result<(), LogError> {
        let finished = conn
            .map_or_else(|| open_durable(&segment.path, PAGE_BYTES), Ok)
            .and_then(|conn| finish(segment, conn, self.shared.config.page_limit.as_deref()));
        match finished {
            Err(error) if is_failed_write(&error) => {
                // It is as readable as before, and stays as it is.
                error!(segment = segment.name, %error, "a write failed; the segment is closed for ever");
                segment.close_for_ever();
                self.shared.note_closed(segment, &format!("sealing failed: {error}"));
                verify(segment)
            }
            other => other
                .map_err(|error| segment_error(&segment.name, segment.start.first_offset, "sealing segment", &error)),
        }
    }

    fn keep_summary(&self, segment: &Segment) -> Result<(), LogError> {
        point("journal.seal.summary")?;
        let summary = segment.contents.read().summary.clone();
        self.shared.meta.lock().put_summary(segment.start.id, &summary)
    }

    /// Writes the high-water mark, new schemas and counters, if anything changed.
    fn flush(&mut self) -> Result<(), LogError> {
        let high_water = self.shared.ring.head().offset.to_u64();
        let (schemas, rejected) = changes(&self.shared.catalog.read());
        if self.flushed == Some(high_water) && schemas.is_empty() && rejected.is_empty() {
            return Ok(());
        }
        let flush = Flush {
            high_water,
            schemas: schemas.iter().map(|(stream, schema)| (stream, schema.as_ref())).collect(),
            rejected: rejected.iter().map(|(stream, count)| (stream, *count)).collect(),
        };
        self.shared.meta.lock().flush(&flush)?;
        self.flushed = Some(high_water);
        let mut catalog = self.shared.catalog.write();
        for (stream, schema) in &schemas {
            if let Some(known) = catalog.streams.get_mut(stream) {
                known.flushed_version = known.flushed_version.max(schema.version.0);
            }
        }
        for (stream, count) in &rejected {
            if let Some(known) = catalog.streams.get_mut(stream) {
                known.flushed_rejected = *count;
            }
        }
        Ok(())
    }

    /// Drops the oldest segments as long as all their streams let them go.
    fn drop_expired(&mut self) -> Result<(), LogError> {
        loop {
            let now = self.shared.clock.now_us();
            let oldest = {
                let catalog = self.shared.catalog.read();
                let expired = match self.shared.config.archived {
                    Some(rule) => {
                        let through = self.shared.archived_through.load(Ordering::SeqCst);
                        oldest_archived(&catalog, through, now.saturating_sub(rule.keep_us))
                    }
                    None => oldest_expired(&catalog, &self.shared.retention.read(), now),
                };
                catalog.segments.first().filter(|_| expired).cloned()
            };
            let Some(oldest) = oldest else { return Ok(()) };
            // First the metadata: files without an entry are removed at the next start, an entry without files would be
            // damage.
            let mut complete_from = oldest.complete_from_after();
            {
                // What was removed is complete from its removal on.
                let catalog = self.shared.catalog.read();
                let known = |stream: &StreamName| catalog.streams.get(stream).and_then(|known| known.removed);
                complete_from.retain(|(stream, from)| known(stream).is_none_or(|removed| *from > removed.at));
            }
            point("journal.drop.forget")?;
            self.shared.meta.lock().drop_segment(oldest.start.id, &complete_from)?;
            point("journal.drop.remove")?;
            self.shared.catalog.write().drop_oldest();
            oldest.drop_files();
        }
    }
}

type Schemas = Vec<(pulseboard_model::StreamName, Arc<pulseboard_model::StreamSchema>)>;
type Rejects = Vec<(pulseboard_model::StreamName, u64)>;

/// What is in the catalog and not in the metadata.
fn changes(catalog: &Catalog) -> (Schemas, Rejects) {
    let mut schemas = Vec::new();
    let mut rejected = Vec::new();
    for (name, stream) in &catalog.streams {
        if stream.newest.schema.version.0 > stream.flushed_version {
            let new = stream.versions.values().filter(|layouts| layouts.schema.version.0 > stream.flushed_version);
            schemas.extend(new.map(|layouts| (name.clone(), layouts.schema.clone())));
        }
        if stream.rejected != stream.flushed_rejected {
            rejected.push((name.clone(), stream.rejected));
        }
    }
    (schemas, rejected)
}

/// Whether everything in the oldest segment is past its stream's retention. The segment that is written to never is.
fn oldest_expired(catalog: &Catalog, retention: &Retention, now: i64) -> bool {
    let Some(oldest) = catalog.segments.first() else { return false };
    let contents = oldest.contents.read();
    contents.sealed
        && contents.summary.streams.iter().all(|(name, held)| {
            let keep = retention.of(name);
            let total = catalog.streams.get(name).and_then(|stream| stream.held).map_or(0, |held| held.bytes);
            let newer_bytes = total.saturating_sub(held.bytes);
            let is_removed =
                catalog.streams.get(name).is_some_and(|stream| held.last_offset <= stream.removed_through());
            is_removed || held.last_at < now.saturating_sub(keep.keep_us) || newer_bytes >= keep.max_bytes
        })
}

/// Whether the oldest segment is in the archive and its last commit is before `before`.
fn oldest_archived(catalog: &Catalog, through: u64, before: i64) -> bool {
    let Some(oldest) = catalog.segments.first() else { return false };
    let contents = oldest.contents.read();
    contents.sealed && contents.summary.last_commit <= through && contents.summary.clock < before
}
