//! The recent steps, in memory, for readers that keep up; and where the log stands.
//!
//! Bounded by bytes and by number: the oldest go first, and a reader that still needs them reads them from disk. Full
//! never holds the writer up.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use pulseboard_model::{Position, Step};
use tokio::sync::watch;

#[derive(Debug)]
struct Entry {
    step: Step,
    /// The commit's number; `None` for a tick.
    commit: Option<u64>,
    bytes: usize,
}

#[derive(Debug)]
struct State {
    entries: VecDeque<Entry>,
    /// The number of the first entry; entries count up for ever.
    first: u64,
    bytes: usize,
    /// The last commit that was published.
    published: u64,
    /// The last commit that is no longer, or never was, in the ring, and the offset after which the ring is whole.
    evicted: (u64, u64),
}

impl State {
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begin {
    /// The entry.
    pub(super) number: u64,
    /// The commit that comes next, and its first offset.
    pub(super) next_commit: u64,
    pub(super) next_offset: u64,
}

/// What a reader finds.
#[derive(Debug)]
pub(super) enum Polled {
    Step(Step, Option<u64>),
    /// What comes next is no longer here: read it from disk.
    Behind,
    /// Nothing came in time.
    Nothing,
}

/// The ring.
#[derive(Debug)]
pub(super) struct Ring {
    state: Mutex<State>,
    grown: Condvar,
    head: watch::Sender<Position>,
    bytes_max: usize,
    steps_max: usize,
}

impl Ring {
    /// An empty ring of a log that stands at `head` after commit `published`.
    pub(super) fn new(head: Position, published: u64, bytes_max: usize, steps_max: usize) -> Self {
        let evicted = (published, head.offset.to_u64());
        let state = State { entries: VecDeque::new(), first: 0, bytes: 0, published, evicted };
        Self { state: Mutex::new(state), grown: Condvar::new(), head: watch::Sender::new(head), bytes_max, steps_max }
    }

    pub(super) fn head(&self) -> Position {
        *self.head.borrow()
    }

    pub(super) fn watch_head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// The last commit that readers may see.
    pub(super) fn published(&self) -> u64 {
        self.state.lock().published
    }

    /// Adds a step: the log stands there from now on.
    pub(super) fn publish(&self, step: Step, commit: Option<u64>) {
        let bytes = match &step {
            Step::Commit(commit) => commit.parts.iter().map(|part| part.rows.get_array_memory_size()).sum(),
            Step::Tick(_) => size_of::<Entry>(),
        };
        let position = step.position();
        {
            let mut state = self.state.lock();
            state.published = commit.unwrap_or(state.published);
            state.bytes += bytes;
            state.entries.push_back(Entry { step, commit, bytes });
            while state.bytes > self.bytes_max || state.entries.len() > self.steps_max {
                let Some(entry) = state.entries.pop_front() else { break };
                state.first += 1;
                state.bytes -= entry.bytes;
                if let Some(commit) = entry.commit {
                    state.evicted = (commit, entry.step.position().offset.to_u64());
                }
            }
            // Under the lock, so that head and ring never disagree.
            self.head.send_replace(position);
        }
        self.grown.notify_all();
    }

    /// Where a reader that wants everything after offset `after` begins; `None` if the ring does not reach back so far.
    pub(super) fn begin(&self, after: u64) -> Option<Begin> {
        let state = self.state.lock();
        let head = self.head.borrow().offset.to_u64();
        if after >= head {
            return Some(Begin { number: state.end(), next_commit: state.published + 1, next_offset: head + 1 });
        }
        let (evicted, evicted_offset) = state.evicted;
        if after < evicted_offset {
            return None;
        }
        let mut begin = Begin { number: state.first, next_commit: evicted + 1, next_offset: evicted_offset + 1 };
        for (entry, number) in state.entries.iter().zip(state.first..) {
            if let Some(commit) = entry.commit {
                let offset = entry.step.position().offset.to_u64();
                if offset > after {
                    break;
                }
                begin = Begin { number: number + 1, next_commit: commit + 1, next_offset: offset + 1 };
            }
        }
        Some(begin)
    }

    /// Where a reader that has read every commit before `next_commit` from disk goes on, if the ring reaches back so
    /// far.
    pub(super) fn join(&self, next_commit: u64) -> Option<u64> {
        let state = self.state.lock();
        if state.evicted.0 >= next_commit {
            return None;
        }
        let last_read = state.entries.iter().position(|entry| entry.commit == Some(next_commit - 1));
        Some(state.first + last_read.map_or(0, |index| index as u64 + 1))
    }

    /// The entry with this number, waiting for it until `deadline`.
    pub(super) fn poll(&self, number: u64, deadline: Instant) -> Polled {
        let mut state = self.state.lock();
        loop {
            let Some(index) = number.checked_sub(state.first) else { return Polled::Behind };
            if let Some(entry) = usize::try_from(index).ok().and_then(|index| state.entries.get(index)) {
                return Polled::Step(entry.step.clone(), entry.commit);
            }
            if self.grown.wait_until(&mut state, deadline).timed_out() && number >= state.end() {
                return Polled::Nothing;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pulseboard_model::{Commit, Epoch, LogOffset, TimeUs};

    use super::*;

    fn position(offset: u64, clock: i64) -> Position {
        Position { epoch: Epoch(1), offset: LogOffset::from_u64(offset), clock: TimeUs(clock) }
    }

    fn commit(ring: &Ring, number: u64, offset: u64) {
        let commit = Commit { position: position(offset, offset as i64), parts: Vec::new() };
        ring.publish(Step::Commit(Arc::new(commit)), Some(number));
    }

    fn polled(ring: &Ring, number: u64) -> Option<u64> {
        match ring.poll(number, Instant::now()) {
            Polled::Step(step, _) => Some(step.position().offset.to_u64()),
            Polled::Behind | Polled::Nothing => None,
        }
    }

    #[test]
    fn a_reader_begins_after_its_offset_or_on_disk() {
        let ring = Ring::new(position(10, 0), 5, 1 << 20, 3);
        let begin = |after| ring.begin(after).map(|begin| (begin.number, begin.next_commit, begin.next_offset));
        assert_eq!(begin(10), Some((0, 6, 11)), "at the head: whatever comes");
        assert_eq!(begin(9), None, "only on disk");
        commit(&ring, 6, 12);
        ring.publish(Step::Tick(position(12, 13)), None);
        commit(&ring, 7, 15);
        assert_eq!(begin(10), Some((0, 6, 11)));
        assert_eq!(begin(11), Some((0, 6, 11)), "inside commit 6");
        assert_eq!(begin(12), Some((1, 7, 13)), "the tick after commit 6 comes, too");
        assert_eq!(begin(15), Some((3, 8, 16)));
        commit(&ring, 8, 16);
        assert_eq!(begin(10), None, "commit 6 was pushed out");
        assert_eq!(begin(12), Some((1, 7, 13)));
        assert_eq!(ring.head(), position(16, 16));
    }

    #[test]
    fn disk_readers_join_without_hole_or_duplicate() {
        let ring = Ring::new(position(10, 0), 5, 1 << 20, 2);
        for number in 6..=9 {
            commit(&ring, number, 4 + number);
        }
        assert_eq!(ring.join(7), None, "commit 7 is on disk only");
        let at = ring.join(8).unwrap();
        assert_eq!((polled(&ring, at), polled(&ring, at + 1)), (Some(12), Some(13)));
        assert_eq!(ring.join(9), Some(at + 1));
        assert_eq!(ring.join(10), Some(at + 2));
        assert!(matches!(ring.poll(at + 2, Instant::now()), Polled::Nothing));
        assert!(matches!(ring.poll(at - 1, Instant::now()), Polled::Behind));
    }
}
