//! A rate: so many a second, and what was not used is saved up to a second's worth.
//!
//! It looks at no clock and wakes nobody; whoever asks says what time it is.

use std::time::Duration;

use tokio::time::Instant;

/// What is left of a rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    left: f64,
    filled_at: Instant,
}

impl Allowance {
    /// A second's worth of `per_second`.
    pub(crate) fn full(per_second: u32, now: Instant) -> Self {
        Self { left: f64::from(per_second), filled_at: now }
    }

    /// Fills up to now; says whether there is one to be taken.
    pub(crate) fn has_one(&mut self, per_second: u32, now: Instant) -> bool {
        let rate = f64::from(per_second);
        self.left = (self.left + (now - self.filled_at).as_secs_f64() * rate).min(rate);
        self.filled_at = now;
        self.left >= 1.0
    }

    /// Takes one.
    pub(crate) fn take(&mut self) {
        self.left -= 1.0;
    }

    /// How long until there is one, as of the last time it was filled.
    pub(crate) fn until_one(&self, per_second: u32) -> Duration {
        Duration::from_secs_f64(((1.0 - self.left) / f64::from(per_second.max(1))).max(0.0))
    }

    /// Whether it would be full by now.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        // Whatever the rate is, a second fills it.
        now.saturating_duration_since(self.filled_at) >= Duration::from_secs(1)
    }
}
