//! Commits read from disk, one after the other, each whole and in the schema it was written in.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::RwLock;
use pulseboard_model::{Commit, CommitPart, Epoch, LogOffset, Position, TimeUs};

use super::body::{decode, to_events};
use super::catalog::Catalog;
use super::part::Sequence;
use super::read::{PartRow, SegmentReader};
use super::scan::trim;
use super::segment::Segment;
use super::sqlite::corrupt;
use crate::log::LogError;

/// A reader of whole commits.
#[derive(Debug)]
pub(super) struct DiskTail {
    epoch: Epoch,
    /// Rows up to here are left out.
    after: u64,
    sequence: Sequence,
    reader: Option<SegmentReader>,
    pending: VecDeque<Arc<Commit>>,
}

impl DiskTail {
    /// Begins after offset `after`.
    pub(super) fn after_offset(catalog: &RwLock<Catalog>, epoch: Epoch, after: u64) -> Result<Self, LogError> {
        let segment = {
            let catalog = catalog.read();
            let first = catalog.first_offset();
            let kept = after + 1 >= first;
            kept.then(|| catalog.segment_of_offset(after + 1)).flatten().ok_or(dropped_before(first))?
        };
        let reader = SegmentReader::open(segment)?;
        let start = &reader.segment.start;
        let sequence = match reader.commit_at(after + 1)? {
            Some(header) => Sequence::after(header.commit - 1, header.first_offset, i64::MIN),
            None => Sequence::after(start.first_commit - 1, start.first_offset, i64::MIN),
        };
        Ok(Self { epoch, after, sequence, reader: Some(reader), pending: VecDeque::new() })
    }

    /// Begins with commit `commit`, whose first offset is `next_offset`.
    pub(super) fn from_commit(epoch: Epoch, commit: u64, next_offset: u64, after: u64) -> Self {
        let sequence = Sequence::after(commit - 1, next_offset, i64::MIN);
        Self { epoch, after, sequence, reader: None, pending: VecDeque::new() }
    }

    /// The number of the first commit that is not read yet, and its first offset.
    pub(super) const fn next(&self) -> (u64, u64) {
        (self.sequence.commit + 1, self.sequence.next_offset)
    }

    /// The next commit that was read, if there is one.
    pub(super) fn pop(&mut self) -> Option<Arc<Commit>> {
        self.pending.pop_front()
    }

    /// Reads on, up to commit `through`, which is known to be in the log.
    pub(super) fn read(&mut self, catalog: &RwLock<Catalog>, through: u64) -> Result<(), LogError> {
        let (next_commit, next_offset) = self.next();
        let segment = {
            let catalog = catalog.read();
            catalog.segment_of_commit(next_commit).ok_or_else(|| dropped_before(catalog.first_offset()))?
        };
        let reader = match self.reader.take() {
            Some(reader) if Arc::ptr_eq(&reader.segment, &segment) => reader,
            _ => SegmentReader::open(segment)?,
        };
        let page = reader.commits(&mut self.sequence, through)?;
        if page.is_empty() {
            return Err(corrupt(&reader.segment.name, next_offset, format!("commit {next_commit} is missing")));
        }
        self.check_end(&reader.segment)?;
        let mut rows: Vec<PartRow> = Vec::new();
        for part in page {
            if part.0.part == 0 && !rows.is_empty() {
                self.keep(catalog, &reader.segment.name, std::mem::take(&mut rows))?;
            }
            rows.push(part);
        }
        self.keep(catalog, &reader.segment.name, rows)?;
        self.reader = Some(reader);
        Ok(())
    }

    /// A commit whose last parts are missing is seen when the next one comes; the last of a segment is compared with what
    /// is known to be there.
    fn check_end(&self, segment: &Segment) -> Result<(), LogError> {
        let contents = segment.contents.read();
        let (summary, next_offset) = (&contents.summary, self.sequence.next_offset);
        if summary.last_commit == self.sequence.commit && summary.next_offset != next_offset {
            let what =
                format!("commit {} lacks what it had up to offset {}", summary.last_commit, summary.next_offset - 1);
            return Err(corrupt(&segment.name, next_offset, what));
        }
        Ok(())
    }

    /// Turns a commit's rows into what readers get, unless all of it is before the beginning.
    fn keep(&mut self, catalog: &RwLock<Catalog>, segment: &str, rows: Vec<PartRow>) -> Result<(), LogError> {
        let (mut offset, mut clock) = (0, 0);
        let mut parts = Vec::with_capacity(rows.len());
        for (header, body) in rows {
            let failed = |what: String| corrupt(segment, header.first_offset, what);
            (offset, clock) = (header.last_offset(), header.arrived_at);
            let (Some(stream), Some(body)) = (&header.stream, body) else { continue };
            let layouts = {
                let catalog = catalog.read();
                catalog.streams.get(stream).and_then(|known| known.versions.get(&header.schema_version).cloned())
            };
            let layouts =
                layouts.ok_or_else(|| failed(format!("schema {} of `{stream}` is unknown", header.schema_version)))?;
            let events = decode(&body, &layouts.stored, header.rows)
                .and_then(|stored| to_events(&stored, &layouts, header.arrived_at, header.first_offset))
                .map_err(|error| failed(error.to_string()))?;
            let rows = trim(&events, header.first_offset, self.after, u64::MAX - 1);
            if rows.num_rows() > 0 {
                parts.push(CommitPart { stream: stream.clone(), schema: layouts.schema.clone(), rows });
            }
        }
        if offset > self.after {
            let position = Position { epoch: self.epoch, offset: LogOffset::from_u64(offset), clock: TimeUs(clock) };
            self.pending.push_back(Arc::new(Commit { position, parts }));
        }
        Ok(())
    }
}

fn dropped_before(first_offset: u64) -> LogError {
    LogError::Dropped(LogOffset::from_u64(first_offset.saturating_sub(1)))
}
