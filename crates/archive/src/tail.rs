//! Following the log from where it has nothing any more: the archive's commits until the log goes on, then the log.
//!
//! What live readers got is given again: the same commits, each with its position and its rows, empty ones among them, none
//! twice and none left out. Ticks are not written; a reader that is behind gets commits alone. Rows out of files are in the
//! newest layout of their stream, not in that of their day. A reader that falls behind what the log keeps comes back here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use pulseboard_journal::{CommitMark, Log, LogError, Tail, TailItem};
use pulseboard_model::{Commit, CommitPart, LogOffset, Position, Step, StreamName, TimeUs};

use crate::archived_log::{ArchivedLog, log_error};
use crate::error::ArchiveError;
use crate::marks;
use crate::published::Published;
use crate::read::{FilesScan, ScanOrder, Wanted};
use crate::sorted::offsets;

/// The most rows that are read at once, over all streams,
const WINDOW_ROWS: u64 = 64 << 10;
/// and about the most bytes they take in memory,
const WINDOW_BYTES: u64 = 64 << 20;
/// if they take so many times what they take in files. A commit is never cut.
const UNPACKED: u64 = 8;

/// A reader of a log and its archive.
#[derive(Debug)]
pub(crate) struct ArchivedTail {
    log: ArchivedLog,
    /// The log's own reader; without one, the archive is read.
    live: Option<Box<dyn Tail>>,
    /// What was given: everything up to this offset, and the clock at the last step.
    given: (LogOffset, TimeUs),
    /// The last commit that was read from the archive.
    commit: Option<u64>,
    /// Where the log's reader began, and the last jump of the clock that was given there.
    joined: (LogOffset, TimeUs),
    /// The commits that come next, without their rows, of one of the archive's files.
    marks: VecDeque<CommitMark>,
    ready: VecDeque<Arc<Commit>>,
}

impl ArchivedTail {
    /// Follows from after `after`.
    pub(crate) fn new(log: &ArchivedLog, after: LogOffset) -> Result<Self, LogError> {
        let live = match log.log().tail(after) {
            Ok(tail) => Some(tail),
            Err(LogError::Dropped(offset)) => {
                log.archived_beyond(after, offset)?;
                None
            }
            Err(error) => return Err(error),
        };
        let given = (after, TimeUs(i64::MIN));
        let (marks, ready) = (VecDeque::new(), VecDeque::new());
        Ok(Self { log: log.clone(), live, given, commit: None, joined: given, marks, ready })
    }

    /// Whether this is an empty commit that was given beside the log's reader.
    fn is_given(&self, step: &Step) -> bool {
        let Step::Commit(commit) = step else { return false };
        let (offset, clock) = self.joined;
        commit.parts.is_empty() && commit.position.offset == offset && commit.position.clock <= clock
    }

    fn give(&mut self, position: Position) {
        self.given = (position.offset.max(self.given.0), position.clock.max(self.given.1));
    }

    /// Goes on with the log if it still has everything that comes next.
    fn join(&mut self) -> Result<(), LogError> {
        let log = self.log.log();
        let (offset, clock) = self.given;
        self.joined = (offset, TimeUs(i64::MIN));
        if log.first_offset().to_u64() > offset.to_u64() + 1 {
            return Ok(());
        }
        match log.tail(offset) {
            Ok(tail) => self.live = Some(tail),
            Err(LogError::Dropped(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        // It begins with the next row: jumps of the clock before that are only among the marks.
        if let (Some(embedded), Some(commit)) = (self.log.embedded(), self.commit) {
            let next = embedded.marks(commit)?;
            let empty = next.into_iter().take_while(|mark| mark.last_offset == offset && mark.clock >= clock);
            for mark in empty {
                self.joined = (offset, mark.clock);
                self.ready.push_back(Arc::new(Commit { position: self.position(&mark), parts: Vec::new() }));
            }
        }
        self.marks.clear();
        Ok(())
    }

    fn position(&self, mark: &CommitMark) -> Position {
        Position { offset: mark.last_offset, clock: mark.clock, ..self.log.head() }
    }

    /// Reads the next commits of the archive. There must be some.
    fn read(&mut self) -> Result<(), LogError> {
        let after = self.given.0;
        let dropped = || LogError::Dropped(after);
        self.log.archived_beyond(after, after)?;
        let published = self.log.archive().published().map_err(log_error)?;
        if self.marks.is_empty() {
            self.marks = self.next_marks(&published)?;
        }
        let window = self.window(&published);
        let upto = window.last().ok_or_else(dropped)?.last_offset;
        let mut rows = Vec::new();
        for stream in published.manifest.streams.keys() {
            rows.extend(self.rows(&published, stream, after, upto).map_err(log_error)?);
        }
        for mark in &window {
            let mut parts = Vec::new();
            for rows in &mut rows {
                parts.extend(rows.upto(mark.last_offset).map_err(log_error)?);
            }
            parts.sort_by_key(|part| first_offset(&part.rows));
            self.ready.push_back(Arc::new(Commit { position: self.position(mark), parts }));
        }
        self.commit = window.last().map(|mark| mark.commit);
        Ok(())
    }

    /// The commits of the next of the archive's files of them; none if there is none.
    fn next_marks(&self, published: &Published) -> Result<VecDeque<CommitMark>, LogError> {
        let (after, clock) = self.given;
        let entries = published.manifest.marks.iter().filter(|entry| match self.commit {
            Some(commit) => entry.last_commit > commit,
            None => entry.last_offset >= after.to_u64(),
        });
        for entry in entries {
            let object = published.object(&entry.name).map_err(log_error)?;
            let mut marks = marks::read(&object, self.commit.unwrap_or(0)).map_err(log_error)?;
            if self.commit.is_none() {
                // A jump of the clock has no row: which of those at this offset were given is told by the clock.
                let jumped = |mark: &CommitMark| clock.0 > i64::MIN && mark.last_offset == after && mark.clock > clock;
                marks.retain(|mark| mark.last_offset > after || jumped(mark));
            }
            if !marks.is_empty() {
                return Ok(marks.into());
            }
        }
        Ok(VecDeque::new())
    }

    /// Takes as many commits as are read at once, at least one.
    fn window(&mut self, published: &Published) -> Vec<CommitMark> {
        let after = self.given.0.to_u64();
        let files = published.manifest.streams.values().flat_map(|stream| &stream.files);
        let (rows, bytes) = files
            .filter(|file| file.last_offset > after && file.first_offset <= after + WINDOW_ROWS)
            .fold((1, 1), |(rows, bytes), file| (rows + file.rows, bytes + file.bytes));
        let at_once = (WINDOW_BYTES / (bytes * UNPACKED / rows).max(1)).clamp(1, WINDOW_ROWS);
        let mut window = Vec::new();
        while let Some(mark) = self.marks.front() {
            if !window.is_empty() && mark.last_offset.to_u64() > after + at_once {
                break;
            }
            window.extend(self.marks.pop_front());
        }
        window
    }

    fn rows(
        &self,
        published: &Published,
        stream: &str,
        after: LogOffset,
        upto: LogOffset,
    ) -> Result<Option<Rows>, ArchiveError> {
        let (Ok(name), Some(schema)) = (StreamName::new(stream), self.log.schema(stream)) else { return Ok(None) };
        let wanted = Wanted {
            after: after.to_u64(),
            upto: upto.to_u64(),
            time_from: i64::MIN,
            time_to: i64::MAX,
            equal: Vec::new(),
            schema: schema.event_schema(),
            order: ScanOrder::Offset,
        };
        let batches = FilesScan::new(published, stream, wanted)?.collect::<Result<VecDeque<_>, _>>()?;
        let of = CommitPart { stream: name, rows: RecordBatch::new_empty(schema.event_schema()), schema };
        Ok((!batches.is_empty()).then_some(Rows { of, batches }))
    }
}

/// A stream's rows that are not given yet.
struct Rows {
    /// The stream, and its layout.
    of: CommitPart,
    batches: VecDeque<RecordBatch>,
}

impl Rows {
    /// Takes the rows up to an offset.
    fn upto(&mut self, upto: LogOffset) -> Result<Option<CommitPart>, ArchiveError> {
        let mut taken = Vec::new();
        while let Some(rows) = self.batches.pop_front() {
            let count = offsets(&rows)?.partition_point(|offset| offset.cast_unsigned() <= upto.to_u64());
            if count > 0 {
                taken.push(rows.slice(0, count));
            }
            if count < rows.num_rows() {
                self.batches.push_front(rows.slice(count, rows.num_rows() - count));
                break;
            }
        }
        let rows = match taken.as_slice() {
            [] => return Ok(None),
            [one] => one.clone(),
            many => concat_batches(many[0].schema_ref(), many)?,
        };
        Ok(Some(CommitPart { rows, ..self.of.clone() }))
    }
}

fn first_offset(rows: &RecordBatch) -> i64 {
    offsets(rows).ok().and_then(|offsets| offsets.first().copied()).unwrap_or(i64::MAX)
}

impl Tail for ArchivedTail {
    fn next(&mut self, timeout: Duration) -> Result<TailItem, LogError> {
        loop {
            if let Some(commit) = self.ready.pop_front() {
                self.give(commit.position);
                return Ok(TailItem::Step(Step::Commit(commit)));
            }
            let Some(live) = &mut self.live else {
                self.join()?;
                if self.live.is_none() && self.ready.is_empty() {
                    self.read()?;
                }
                continue;
            };
            match live.next(timeout) {
                Ok(TailItem::Step(step)) if self.is_given(&step) => {}
                Ok(TailItem::Step(step)) => {
                    self.give(step.position());
                    return Ok(TailItem::Step(step));
                }
                Ok(TailItem::Idle) => return Ok(TailItem::Idle),
                Err(LogError::Dropped(offset)) => {
                    self.log.archived_beyond(self.given.0, offset)?;
                    (self.live, self.commit) = (None, None);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
