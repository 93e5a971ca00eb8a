//! The clock, injected everywhere, so that tests and replays decide what time it is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall-clock µs since 1970, UTC. May go backwards; whoever needs monotony takes the maximum.
pub type WallUs = i64;

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock now.
    fn now_us(&self) -> WallUs;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The machine's clock, ready to be shared.
    #[must_use]
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    fn now_us(&self) -> WallUs {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
        let now = SystemTime::now();
        match now.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
        }
    }
}

/// A clock that stands still until it is told otherwise.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now_us`.
    #[must_use]
    pub fn at(now_us: WallUs) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now_us)))
    }

    /// Sets the time, in either direction.
    pub fn set(&self, now_us: WallUs) {
        self.0.store(now_us, Ordering::SeqCst);
    }

    /// Moves the time forward.
    pub fn advance(&self, by_us: i64) {
        self.0.fetch_add(by_us, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_us(&self) -> WallUs {
        self.0.load(Ordering::SeqCst)
    }
}
