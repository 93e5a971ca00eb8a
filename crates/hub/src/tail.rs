//! The tail of one stream: a ring of the newest events as Arrow batches, encoded when somebody reads them.
//!
//! Only streams that are followed have one. What is older than the ring is read from the log, on the blocking pool, once
//! for all who ask for the same stretch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parking_lot::Mutex;
use pulseboard_model::{Column, CommitPart, LogOffset, SchemaVersion, StreamName, StreamSchema};
use pulseboard_protocol::change::write_columns;
use pulseboard_protocol::rows::{tail_columns, write_rows};
use tokio::sync::OnceCell;
use tracing::warn;

use crate::cache::Recent;
use crate::config::HubConfig;
use crate::figures::Counters;
use crate::mark::Mark;
use crate::set::Followers;
use crate::tail_log::{TailBatches, TailLog};

#[derive(Debug, Clone)]
struct Entry {
    mark: Mark,
    batch: RecordBatch,
    schema: Arc<StreamSchema>,
    bytes: usize,
}

#[derive(Debug)]
struct Head {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The newest event that is gone from the ring.
    floor: Mark,
    /// The schema as of `floor`, if a reader can have it from there.
    floor_schema: Option<SchemaVersion>,
    fragments: Recent<(u64, u64), Bytes, 16>,
    stretches: Vec<Stretch>,
}

/// How many stretches of the log are kept for sharing.
const STRETCHES_MAX: usize = 8;

/// What is wanted from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Everything after an offset.
    After(LogOffset),
    /// The last `n`.
    Last(u32),
}

/// A read of the log that others can share.
#[derive(Debug, Clone)]
struct Stretch {
    wanted: Wanted,
    /// Up to where it was read.
    upto: Mark,
    past: Arc<OnceCell<Arc<Past>>>,
}

/// What was read from the log.
#[derive(Debug)]
pub(crate) enum Past {
    /// So many rows as `[…],[…]`, in the columns of the schema.
    Rows(Arc<StreamSchema>, Bytes, u64),
    /// More than a reader is given: so many rows.
    TooMuch(u64),
    /// It cannot be read; the reason is logged.
    Unreadable,
}

/// The tail of one stream.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) stream: StreamName,
    pub(crate) followers: Followers,
    changed: AtomicU64,
    head: Mutex<Head>,
}

/// What a reader at one step needs to come to a later one.
#[derive(Debug)]
pub(crate) enum TailPart {
    /// Nothing.
    Unchanged,
    /// `"delta":{…}`.
    Members(Bytes),
    /// The ring does not reach back: the log must be read.
    Lost,
}

impl Tail {
    pub(crate) fn new(stream: StreamName, created: Mark) -> Self {
        let head = Head {
            entries: VecDeque::new(),
            bytes: 0,
            floor: created,
            floor_schema: None,
            fragments: Recent::new(),
            stretches: Vec::new(),
        };
        Self { stream, followers: Followers::default(), changed: AtomicU64::new(created.step), head: Mutex::new(head) }
    }

    pub(crate) fn changed(&self) -> u64 {
        self.changed.load(Ordering::Acquire)
    }

    pub(crate) fn publish(&self, step: u64) {
        self.changed.store(step, Ordering::Release);
    }

    /// Takes events into the ring.
    pub(crate) fn push(&self, part: &CommitPart, mark: Mark, config: &HubConfig) {
        let mut head = self.head.lock();
        let bytes = part.rows.get_array_memory_size() + size_of::<Entry>();
        head.bytes += bytes;
        let (batch, schema) = (part.rows.clone(), Arc::clone(&part.schema));
        head.entries.push_back(Entry { mark, batch, schema, bytes });
        while head.bytes > config.tail_ring_bytes_max && head.entries.len() > 1 {
            let Some(entry) = head.entries.pop_front() else { break };
            head.bytes -= entry.bytes;
            head.floor = entry.mark;
            head.floor_schema = Some(entry.schema.version);
        }
    }

    /// Events up to `mark` did not come here: readers must get them from the log.
    pub(crate) fn lose(&self, mark: Mark) {
        let mut head = self.head.lock();
        head.entries.clear();
        head.fragments.clear();
        head.bytes = 0;
        head.floor = mark;
        head.floor_schema = None;
    }

    pub(crate) fn floor(&self) -> Mark {
        self.head.lock().floor
    }

    /// The step of the last change that a reader knows; `None` if it does not know the floor. Asked at once: between two
    /// questions the floor may pass the reader, which would then be told that it knows what it never had.
    pub(crate) fn known_step(&self, knows: impl Fn(&Mark) -> bool) -> Option<u64> {
        let head = self.head.lock();
        if !knows(&head.floor) {
            return None;
        }
        let known = head.entries.partition_point(|entry| knows(&entry.mark));
        Some(known.checked_sub(1).map_or(head.floor.step, |index| head.entries[index].mark.step))
    }

    /// What a reader that stands at step `from` needs to come to `to`, and when this last changed up to there.
    pub(crate) fn part(&self, from: u64, to: u64) -> (TailPart, Option<Mark>) {
        let mut head = self.head.lock();
        if from < head.floor.step {
            return (TailPart::Lost, None);
        }
        let (entries, known) = head.between(from, to);
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return (TailPart::Unchanged, None);
        };
        let (key, mark) = ((first.mark.step, last.mark.step), last.mark);
        if let Some(members) = head.fragments.get(&key) {
            return (TailPart::Members(members), Some(mark));
        }
        drop(head);
        let members = encode_append(&entries, known);
        head = self.head.lock();
        head.fragments.put(key, members.clone());
        (TailPart::Members(members), Some(mark))
    }

    /// As [`Tail::part`], behind rows from the log that are in the columns of `schema`. `None` if the ring does not reach
    /// back to `from`, or if the schema grew since those rows were read.
    pub(crate) fn part_after(&self, schema: &StreamSchema, past: &[Bytes], from: u64, to: u64) -> Option<Joined> {
        let head = self.head.lock();
        if from < head.floor.step {
            return None;
        }
        let (entries, _) = head.between(from, to);
        drop(head);
        if entries.last().is_some_and(|last| last.schema.version > schema.version) {
            return None;
        }
        let columns = tail_columns(schema);
        let mut joined = Joined::new(&columns);
        for stretch in past.iter().filter(|stretch| !stretch.is_empty()) {
            joined.separate();
            joined.rows.extend_from_slice(stretch);
        }
        for entry in entries.iter().filter(|entry| entry.batch.num_rows() > 0) {
            joined.separate();
            joined.ring_rows += entry.batch.num_rows() as u64;
            write_rows(&mut joined.rows, &columns, &entry.batch);
        }
        Some(joined)
    }

    /// Reads the log up to `now`, or takes what somebody else read a moment ago if the ring goes on from there. Says up to
    /// where it was read.
    pub(crate) async fn past(
        self: &Arc<Self>,
        wanted: Wanted,
        now: Mark,
        (log, counters): (&Arc<dyn TailLog>, &Counters),
        bytes_max: usize,
    ) -> (Mark, Arc<Past>) {
        let stretch = self.stretch(wanted, now);
        let upto = stretch.upto;
        let read = || async {
            counters.log_read();
            let (tail, log) = (Arc::clone(self), Arc::clone(log));
            let read = tokio::task::spawn_blocking(move || tail.read(wanted, upto.position.offset, &*log, bytes_max));
            Arc::new(read.await.unwrap_or(Past::Unreadable))
        };
        (upto, Arc::clone(stretch.past.get_or_init(read).await))
    }

    fn stretch(&self, wanted: Wanted, now: Mark) -> Stretch {
        let mut head = self.head.lock();
        let usable_from = match wanted {
            Wanted::After(_) => head.floor.step,
            // Exactly the last `n`: nothing may have come since.
            Wanted::Last(_) => self.changed().max(head.floor.step),
        };
        // Rows without columns that the ring has can not be joined to it.
        let newest = head.entries.back().map(|entry| entry.schema.version);
        let fits = |held: &Stretch| match held.past.get().map(|past| &**past) {
            Some(Past::Rows(schema, ..)) => newest.is_none_or(|newest| schema.version >= newest),
            _ => true,
        };
        let usable = |held: &&Stretch| held.wanted == wanted && held.upto.step >= usable_from && fits(held);
        let held = head.stretches.iter().find(usable);
        if let Some(held) = held {
            return held.clone();
        }
        let fresh = Stretch { wanted, upto: now, past: Arc::new(OnceCell::new()) };
        if head.stretches.len() == STRETCHES_MAX {
            head.stretches.remove(0);
        }
        head.stretches.push(fresh.clone());
        fresh
    }

    /// Lets go of what was read from the log.
    pub(crate) fn sweep(&self) {
        self.head.lock().stretches.clear();
    }

    fn read(&self, wanted: Wanted, upto: LogOffset, log: &dyn TailLog, bytes_max: usize) -> Past {
        loop {
            let Some(schema) = log.schema(&self.stream) else { return Past::Unreadable };
            let batches: TailBatches = match wanted {
                Wanted::After(after) => log.scan(&self.stream, after, upto),
                Wanted::Last(n) => match log.last_rows(&self.stream, n as usize, upto) {
                    Ok(batches) => Box::new(batches.into_iter().map(Ok)),
                    Err(error) => Box::new(std::iter::once(Err(error))),
                },
            };
            match encode_past(&schema, batches, bytes_max) {
                Ok(Some(past)) => return past,
                // The schema grew between asking for it and reading.
                Ok(None) => {}
                Err(error) => {
                    warn!(stream = %self.stream, %error, "a tail cannot be read from the log");
                    return Past::Unreadable;
                }
            }
        }
    }
}

impl Head {
    /// The entries with `from < step <= to`, and the schema version that a reader at `from` has.
    fn between(&self, from: u64, to: u64) -> (Vec<Entry>, Option<SchemaVersion>) {
        let start = self.entries.partition_point(|entry| entry.mark.step <= from);
        let end = self.entries.partition_point(|entry| entry.mark.step <= to).max(start);
        let before = start.checked_sub(1).map(|index| self.entries[index].schema.version);
        (self.entries.range(start..end).cloned().collect(), before.or(self.floor_schema))
    }
}

/// The parts of a tail's snapshot or delta.
#[derive(Debug)]
pub(crate) struct Joined {
    /// `"columns":[…]`.
    columns: Vec<u8>,
    /// `[…],[…]`.
    rows: Vec<u8>,
    /// How many of the rows came from the ring.
    pub(crate) ring_rows: u64,
}

impl Joined {
    /// No rows yet.
    pub(crate) fn new(columns: &[Column]) -> Self {
        let mut out = Vec::new();
        write_columns(&mut out, columns);
        Self { columns: out, rows: Vec::new(), ring_rows: 0 }
    }

    fn separate(&mut self) {
        if !self.rows.is_empty() {
            self.rows.push(b',');
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// `"snapshot":{"columns":…,"rows":[…]}`.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        [b"\"snapshot\":{".as_slice(), &self.columns, b",\"rows\":[", &self.rows, b"]}"].concat()
    }

    /// `"snapshot":{"columns":…,"rows":[]}`.
    pub(crate) fn empty_snapshot(&self) -> Vec<u8> {
        [b"\"snapshot\":{".as_slice(), &self.columns, b",\"rows\":[]}"].concat()
    }

    /// `"delta":{"append":[…],"columns":…}`.
    pub(crate) fn delta(&self) -> Vec<u8> {
        [b"\"delta\":{\"append\":[".as_slice(), &self.rows, b"],", &self.columns, b"}"].concat()
    }
}

/// `"delta":{"append":[…]}`, with the columns if the reader may not know them.
fn encode_append(entries: &[Entry], known: Option<SchemaVersion>) -> Bytes {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"\"delta\":{\"append\":[");
    let Some(last) = entries.last() else { return Bytes::new() };
    let columns = tail_columns(&last.schema);
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_rows(&mut out, &columns, &entry.batch);
    }
    out.push(b']');
    if known != Some(last.schema.version) {
        out.push(b',');
        write_columns(&mut out, &columns);
    }
    out.push(b'}');
    out.into()
}

/// `None` if a batch has columns that `schema` does not know.
fn encode_past(
    schema: &Arc<StreamSchema>,
    batches: TailBatches,
    bytes_max: usize,
) -> Result<Option<Past>, crate::tail_log::TailLogError> {
    let columns = tail_columns(schema);
    let (mut out, mut rows) = (Vec::new(), 0_u64);
    let mut too_much = false;
    for batch in batches {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        if batch.num_columns() != columns.len() {
            return Ok(None);
        }
        if !too_much && batch.num_rows() > 0 {
            if !out.is_empty() {
                out.push(b',');
            }
            write_rows(&mut out, &columns, &batch);
            // Beyond the bound the rest is only counted.
            too_much = out.len() > bytes_max;
        }
    }
    Ok(Some(if too_much { Past::TooMuch(rows) } else { Past::Rows(Arc::clone(schema), out.into(), rows) }))
}
