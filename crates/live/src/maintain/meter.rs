//! How much memory a state takes, measured seldom enough to cost nothing beside what it measures.
//!
//! Asking every accumulator and pane costs the size of the state, so it is asked again only after as much came in as makes
//! a sixteenth of what is known. Knows nothing of what is measured.

/// Less than this need not be measured again.
const WORK_BYTES_MIN: usize = 256 << 10;
/// What came in until the next measure, as a part of what is held.
const WORK_SHARE: usize = 16;

/// What a state is known to hold, and how much it may.
#[derive(Debug)]
pub(crate) struct Meter {
    max: usize,
    known: usize,
    /// What is held elsewhere on its account.
    beside: usize,
    work: usize,
}

impl Meter {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, known: 0, beside: 0, work: 0 }
    }

    /// `bytes` more came in. Says whether it is time to measure.
    pub(crate) fn took(&mut self, bytes: usize) -> bool {
        self.work = self.work.saturating_add(bytes);
        self.work >= WORK_BYTES_MIN.min(self.max / WORK_SHARE).max(self.known / WORK_SHARE)
    }

    /// The state was found to hold `bytes`.
    pub(crate) fn measured(&mut self, bytes: usize) {
        (self.known, self.work) = (bytes, 0);
    }

    /// The state grew by about so much since it was measured.
    pub(crate) fn grew(&mut self, bytes: usize) {
        self.known += bytes;
    }

    /// So much is held elsewhere on its account: it counts against what may be held.
    pub(crate) fn holds_beside(&mut self, bytes: usize) {
        self.beside = bytes;
    }

    /// What it holds itself, about.
    pub(crate) fn bytes(&self) -> usize {
        self.known
    }

    /// Whether there is no room for more.
    pub(crate) fn is_full(&self) -> bool {
        self.known + self.beside >= self.max
    }

    /// Whether at least half of the room is free.
    pub(crate) fn is_half_empty(&self) -> bool {
        self.known + self.beside <= self.max / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_state_is_measured_after_more_work_than_a_small_one() {
        let mut meter = Meter::new(1 << 30);
        assert!(!meter.took(WORK_BYTES_MIN - 1));
        assert!(meter.took(1));
        meter.measured(160 << 20);
        assert!(!meter.took(9 << 20), "less than a sixteenth came");
        assert!(meter.took(1 << 20));
        assert!(!meter.is_full() && meter.is_half_empty());
        meter.grew(1 << 30);
        assert!(meter.is_full() && !meter.is_half_empty());
    }

    #[test]
    fn a_small_limit_is_watched_closely() {
        let mut meter = Meter::new(64 << 10);
        assert!(meter.took(4 << 10), "a sixteenth of what is allowed");
    }
}
