//! What the hub counts since its start: resumes, resets by reason, changes that were merged away,
//! and what was made for readers.

use std::sync::atomic::{AtomicU64, Ordering};

use pulseboard_model::ResetReason;

/// The reasons, in the order of the counters.
const REASONS: [ResetReason; 6] = [
    ResetReason::Restart,
    ResetReason::Gap,
    ResetReason::Ahead,
    ResetReason::Schema,
    ResetReason::Changed,
    ResetReason::Skipped,
];

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    resumes: AtomicU64,
    conflated: AtomicU64,
    snapshots: AtomicU64,
    log_reads: AtomicU64,
    resets: [AtomicU64; REASONS.len()],
}

/// The counters as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFigures {
    /// Subscriptions that went on where their reader was.
    pub resumes: u64,
    /// Changes that readers got together with a later one of the same channel, instead of by themselves.
    pub conflated: u64,
    /// Whole answers of views that were written out. Readers that need the same one share it.
    pub snapshots: u64,
    /// Stretches of tails that were read from the log. Readers that need the same one share it.
    pub log_reads: u64,
    /// Channels that began again, by reason.
    pub resets: Vec<(ResetReason, u64)>,
}

impl Counters {
    pub(crate) fn resumed(&self) {
        self.resumes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn conflated(&self, changes: u64) {
        if changes > 0 {
            self.conflated.fetch_add(changes, Ordering::Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn log_read(&self) {
        self.log_reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reset(&self, reason: ResetReason) {
        if let Some(index) = REASONS.iter().position(|known| *known == reason) {
            self.resets[index].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> HubFigures {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HubFigures {
            resumes: count(&self.resumes),
            conflated: count(&self.conflated),
            snapshots: count(&self.snapshots),
            log_reads: count(&self.log_reads),
            resets: REASONS.into_iter().zip(&self.resets).map(|(reason, counter)| (reason, count(counter))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own() {
        let counters = Counters::default();
        for (times, reason) in REASONS.into_iter().enumerate() {
            (0..times).for_each(|_| counters.reset(reason));
        }
        let counts: Vec<u64> = counters.read().resets.into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [0, 1, 2, 3, 4, 5]);
    }
}
