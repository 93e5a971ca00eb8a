//! After a failed write: the segment is closed for ever, read again and verified, and writing goes on in a new one.
//!
//! After a failed `fsync` nobody can say what the disk holds of the commit, so the file is not asked: the new segment
//! begins where the old one was last answered for, with a commit of its own. Whatever the old file holds beyond is never
//! read, and the requests of the commit that failed are written again or refused. Nothing here writes to the old
//! segment.

use std::sync::Arc;

use rustix::fs::{Advice, fadvise};
use tracing::{error, warn};

use super::active::Active;
use super::part::PartHeader;
use super::segment::{Contents, Segment};
use super::segment_file::{self, CreateError, PartIndex, SegmentStart, Walk, files_of, walk};
use super::sqlite::{corrupt, fault_point, leave_as_it_lies, open_reader, segment_error};
use super::writer::Writer;
use crate::log::{LogError, LogHealth};

/// Why the writer takes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusing {
    /// For a person.
    pub(super) reason: String,
    /// Whether a new segment is tried each second; else it stays so until a restart.
    pub(super) heals: bool,
}

impl Writer {
    /// Goes on in a new segment after a write to this one failed; its first commit brings the clock to `at`, µs, or just
    /// beyond where it stands. Without success the writer refuses what comes, and says why.
    pub(super) fn replace(&mut self, reason: &str, at: i64) -> Result<(), Refusing> {
        let old = self.active.segment.clone();
        error!(segment = old.name, reason, "a write failed; the segment is closed for ever");
        old.close_for_ever();
        self.shared.note_closed(&old, reason);
        let verified = fault_point("journal.replace.verify")
            .map_err(|error| segment_error(&old.name, old.start.first_offset, "verifying segment", &error))
            .and_then(|()| verify(&old));
        if let Err(error) = verified {
            let reason = format!(
                "{reason}; nothing is taken until a restart, because what was kept cannot be verified: {error}"
            );
            return Err(self.refuse(Refusing { reason, heals: false }));
        }
        self.resume(reason, at)
    }

    /// Opens the segment after one that was closed and verified.
    pub(super) fn resume(&mut self, reason: &str, at: i64) -> Result<(), Refusing> {
        match self.open_next(at) {
            Ok(()) => {
                warn!(
                    segment = self.active.segment.name,
                    "what was kept is verified; the log goes on in a new segment"
                );
                self.refusing = None;
                self.full = false;
                *self.shared.health.lock() = LogHealth::Writable;
                Ok(())
            }
            Err(error) => {
                let base = reason.split(NO_SEGMENT).next().unwrap_or(reason);
                let reason = format!("{base}{NO_SEGMENT}{error}");
                Err(self.refuse(Refusing { reason, heals: true }))
            }
        }
    }

    fn refuse(&mut self, refusing: Refusing) -> Refusing {
        if self.refusing.as_ref().is_none_or(|known| known.heals != refusing.heals) {
            error!(reason = refusing.reason, "the log takes nothing");
        }
        *self.shared.health.lock() = LogHealth::Broken { reason: refusing.reason.clone() };
        self.refusing = Some(refusing.clone());
        refusing
    }

    /// Makes the next segment and its first commit, which fixes where the one before it ends.
    fn open_next(&mut self, at: i64) -> Result<(), String> {
        let mut fresh = self.make_next().map_err(|error| error.to_string())?;
        // Later than any step before it, so that no two steps have one position.
        let clock = at.max(self.head.clock.0 + 1);
        let header = PartHeader::jump(self.commit + 1, clock, self.head.clock.0, self.head.offset.to_u64() + 1);
        let begun = fault_point("journal.replace.begin")
            .map_err(|error| error.to_string())
            .and_then(|()| fresh.commit(|fresh| fresh.put_part(&header, None, &[])).map_err(|error| error.to_string()));
        if let Err(error) = begun {
            let path = fresh.segment.path.clone();
            // Should this fail, too, the file is overwritten by the next attempt or read as it is by the next start.
            let removed = leave_as_it_lies(&fresh.conn, true).is_ok() && segment_file::remove(&path).is_ok();
            drop(fresh);
            let rest = if removed { "" } else { "; it could not be removed" };
            return Err(format!("{error}{rest}"));
        }
        let old = std::mem::replace(&mut self.active, fresh);
        if let Err(error) = leave_as_it_lies(&old.conn, true) {
            warn!(segment = old.segment.name, %error, "the end of a closed segment's connection may still write to it");
        }
        self.shared.catalog.write().segments.push(self.active.segment.clone());
        old.segment.contents.write().sealed = true;
        self.jumped(&header);
        self.shared.inbox.seal(old.segment, None);
        Ok(())
    }

    /// Makes the segment after the one that is written to.
    pub(super) fn make_next(&self) -> Result<Active, CreateError> {
        let dir = self.shared.segments_dir();
        let start = SegmentStart {
            id: self.active.segment.start.id + 1,
            first_commit: self.commit + 1,
            first_offset: self.head.offset.to_u64() + 1,
            clock: self.last_at,
        };
        let conn = segment_file::create(&dir, &start)?;
        let contents = Contents { summary: start.summary(), index: Some(PartIndex::new()), sealed: false };
        let segment = Arc::new(Segment::new(&dir, start, contents));
        Ok(Active::new(segment, conn, Default::default(), self.shared.config.page_limit.clone()))
    }
}

/// Stands between why a segment was closed and why the next one could not be made.
const NO_SEGMENT: &str = "; a new segment could not be opened, which is tried again each second: ";

/// Reads a closed segment from the disk, from end to end: all that was answered for is there, whole and unchanged.
pub(super) fn verify(segment: &Segment) -> Result<(), LogError> {
    let failed = |error: &rusqlite::Error| segment_error(&segment.name, segment.start.first_offset, "verifying", error);
    forget_cached(segment);
    let conn = open_reader(&segment.path).map_err(|error| failed(&error))?;
    let start = segment_file::read_start(&conn, &segment.name)?;
    let due = segment.contents.read().summary.clone();
    let end_id = super::part::part_id(due.last_commit + 1, 0);
    let (mut found, mut index) = (start.summary(), PartIndex::new());
    walk(&conn, &segment.name, &mut found, &mut index, Walk { bodies: true, end_id })?;
    segment_file::read_schemas(&conn, &segment.name, end_id)?;
    if found != due {
        let what =
            format!("it ends with offset {}, and {} was answered for", found.next_offset - 1, due.next_offset - 1);
        return Err(corrupt(&segment.name, found.next_offset, what));
    }
    Ok(())
}

/// Lets go of what memory holds of the write-ahead log, so that it is the disk that is read. Of this file alone: no lock
/// lies on it that the end of another descriptor would take away.
fn forget_cached(segment: &Segment) {
    let [_, wal, _] = files_of(&segment.path);
    let forgotten = std::fs::File::open(wal).map(|file| fadvise(&file, 0, None, Advice::DontNeed));
    if !matches!(forgotten, Ok(Ok(()))) {
        warn!(segment = segment.name, "what is verified may come from memory: {forgotten:?}");
    }
}
