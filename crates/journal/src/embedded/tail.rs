//! Following the log: from memory while the reader keeps up, from disk while it does not.
//!
//! The number of the next commit ties both together: a commit that was read from disk is skipped in memory and the
//! other way round, so none comes twice and none is left out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use pulseboard_model::{Commit, CommitPart, Step};

use super::disk_tail::DiskTail;
use super::ring::{Begin, Polled};
use super::scan::trim;
use super::shared::Shared;
use crate::log::{LogError, Tail, TailItem};

#[derive(Debug)]
enum Source {
    /// The number of the next entry of the ring.
    Ring(u64),
    Disk(DiskTail),
}

/// A reader of the log this process writes.
#[derive(Debug)]
pub(super) struct EmbeddedTail {
    shared: Arc<Shared>,
    source: Source,
    /// The next commit to deliver, and its first offset.
    next: (u64, u64),
    after: u64,
}

impl EmbeddedTail {
    pub(super) fn new(shared: Arc<Shared>, after: u64) -> Result<Self, LogError> {
        let (source, next) = match shared.ring.begin(after) {
            Some(Begin { number, next_commit, next_offset }) => (Source::Ring(number), (next_commit, next_offset)),
            None => {
                let disk = DiskTail::after_offset(&shared.catalog, shared.epoch, after)?;
                let next = disk.next();
                (Source::Disk(disk), next)
            }
        };
        Ok(Self { shared, source, next, after })
    }

    /// A step from memory, unless it was delivered before; without the rows up to where the reader began.
    fn deliver(&mut self, step: Step, commit: Option<u64>) -> Option<Step> {
        let Some(commit) = commit else { return Some(step) };
        if commit < self.next.0 {
            return None;
        }
        let first_offset = self.next.1;
        self.next = (commit + 1, step.position().offset.to_u64() + 1);
        match step {
            Step::Commit(whole) if first_offset <= self.after => Some(Step::Commit(Arc::new(rest(&whole, self.after)))),
            step => Some(step),
        }
    }
}

/// A commit without its rows up to `after`.
fn rest(commit: &Commit, after: u64) -> Commit {
    let parts = commit.parts.iter().filter_map(|part| {
        let offsets = part.rows.columns().last()?.as_primitive_opt::<Int64Type>()?;
        let first_offset = offsets.values().first()?.cast_unsigned();
        let rows = trim(&part.rows, first_offset, after, u64::MAX - 1);
        (rows.num_rows() > 0).then(|| CommitPart { rows, ..part.clone() })
    });
    Commit { position: commit.position, parts: parts.collect() }
}

impl Tail for EmbeddedTail {
    fn next(&mut self, timeout: Duration) -> Result<TailItem, LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            match &mut self.source {
                Source::Ring(number) => match self.shared.ring.poll(*number, deadline) {
                    Polled::Step(step, commit) => {
                        *number += 1;
                        if let Some(step) = self.deliver(step, commit) {
                            return Ok(TailItem::Step(step));
                        }
                    }
                    Polled::Behind => {
                        let (commit, offset) = self.next;
                        self.source =
                            Source::Disk(DiskTail::from_commit(self.shared.epoch, commit, offset, self.after));
                    }
                    Polled::Nothing => return Ok(TailItem::Idle),
                },
                Source::Disk(disk) => {
                    if let Some(commit) = disk.pop() {
                        return Ok(TailItem::Step(Step::Commit(commit)));
                    }
                    self.next = disk.next();
                    match self.shared.ring.join(self.next.0) {
                        Some(number) => self.source = Source::Ring(number),
                        None => disk.read(&self.shared.catalog, self.shared.ring.published())?,
                    }
                }
            }
        }
    }
}
