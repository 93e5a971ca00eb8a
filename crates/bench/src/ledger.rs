//! When each numbered POST was sent and answered, so that a reader of frames can tell how late a frame is.
//!
//! Numbers go round the lanes (`number = index * lanes + lane`), and each lane sends its own in order: seeing a number means
//! that all earlier ones of its lane are included.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When POSTs were sent and answered.
#[derive(Debug)]
pub(crate) struct Ledger {
    started: Instant,
    lanes: u64,
    /// ns since `started`, by number; 0 while not yet.
    sent: Box<[AtomicU64]>,
    answered: Box<[AtomicU64]>,
}

impl Ledger {
    /// For `posts` POSTs over `lanes` lanes. Number 0 to `lanes - 1` are never sent: indexes start at 1.
    pub(crate) fn new(lanes: u64, posts: u64) -> Self {
        let slots = || (0..posts.saturating_add(2 * lanes)).map(|_| AtomicU64::new(0)).collect();
        Self { started: Instant::now(), lanes, sent: slots(), answered: slots() }
    }

    pub(crate) fn lanes(&self) -> u64 {
        self.lanes
    }

    /// How many numbers each lane may send.
    pub(crate) fn per_lane(&self) -> u64 {
        self.sent.len() as u64 / self.lanes - 1
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn sent(&self, number: u64) {
        store(&self.sent, number, self.now_ns());
    }

    pub(crate) fn answered(&self, number: u64) {
        store(&self.answered, number, self.now_ns());
    }

    /// What time it is, for many questions at once.
    pub(crate) fn now(&self) -> Now {
        Now(self.now_ns())
    }

    /// How long ago a POST was sent; `None` if it was not.
    pub(crate) fn since_sent(&self, now: Now, number: u64) -> Option<Duration> {
        load(&self.sent, number).map(|sent_ns| Duration::from_nanos(now.0.saturating_sub(sent_ns)))
    }

    /// How long ago a POST was answered: nothing if a frame was faster than the answer.
    pub(crate) fn since_answered(&self, now: Now, number: u64) -> Duration {
        load(&self.answered, number)
            .map_or(Duration::ZERO, |answered_ns| Duration::from_nanos(now.0.saturating_sub(answered_ns)))
    }
}

/// An instant of a ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now(u64);

fn slot(slots: &[AtomicU64], number: u64) -> Option<&AtomicU64> {
    slots.get(usize::try_from(number).ok()?)
}

fn store(slots: &[AtomicU64], number: u64, ns: u64) {
    if let Some(slot) = slot(slots, number) {
        slot.store(ns.max(1), Ordering::Relaxed);
    }
}

fn load(slots: &[AtomicU64], number: u64) -> Option<u64> {
    slot(slots, number).map(|slot| slot.load(Ordering::Relaxed)).filter(|ns| *ns > 0)
}

/// What a reader has seen of each lane.
#[derive(Debug, Clone)]
pub(crate) struct Seen(Vec<u64>);

impl Seen {
    /// Nothing yet, of any of `lanes`.
    pub(crate) fn new(lanes: u64) -> Self {
        Self((0..lanes).map(|_| 0).collect())
    }

    /// The numbers that `number` brings for the first time.
    pub(crate) fn bring(&mut self, number: u64) -> impl Iterator<Item = u64> + use<> {
        let lanes = self.0.len() as u64;
        let (lane, index) = (number % lanes, number / lanes);
        let seen = self.0.get_mut(usize::try_from(lane).unwrap_or(usize::MAX));
        let first = seen.map_or(index, |seen| std::mem::replace(seen, index.max(*seen)));
        (first + 1..=index).map(move |index| index * lanes + lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_brings_all_earlier_ones_of_its_lane_once() {
        let mut seen = Seen::new(4);
        assert_eq!(seen.bring(4 + 1).collect::<Vec<_>>(), [5]);
        assert_eq!(seen.bring(16 + 1).collect::<Vec<_>>(), [9, 13, 17]);
        assert_eq!(seen.bring(16 + 1).count(), 0);
        assert_eq!(seen.bring(8 + 1).count(), 0);
        assert_eq!(seen.bring(8 + 3).collect::<Vec<_>>(), [7, 11]);
    }

    #[test]
    fn latencies_count_from_what_has_happened() {
        let ledger = Ledger::new(2, 10);
        assert!(ledger.per_lane() >= 5);
        ledger.sent(3);
        let now = ledger.now();
        assert!(ledger.since_sent(now, 3).is_some());
        assert_eq!(ledger.since_sent(now, 2), None);
        assert_eq!(ledger.since_answered(now, 3), Duration::ZERO);
        ledger.answered(3);
        ledger.answered(1_000);
        assert!(ledger.since_answered(ledger.now(), 3) < Duration::from_secs(60));
    }
}
