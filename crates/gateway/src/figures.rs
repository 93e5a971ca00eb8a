//! What the server counts since its start, for `/health/ready` and `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// How many of the last ones the latency figures are of.
const LATENCIES: usize = 1_024;

/// Counters. Shared by all handlers.
#[derive(Debug, Default)]
pub struct Figures {
    events: AtomicU64,
    errors: AtomicU64,
    latencies: Mutex<Latencies>,
}

/// The last latencies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies {
    /// In µs, the newest overwriting the oldest.
    last: Vec<u32>,
    next: usize,
}

impl Latencies {
    pub(crate) fn add(&mut self, took: Duration) {
        let took_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        if self.last.len() < LATENCIES {
            self.last.push(took_us);
        } else {
            self.last[self.next] = took_us;
            self.next = (self.next + 1) % LATENCIES;
        }
    }

    /// Mean, median and 99th percentile in ms; zeros before the first.
    pub(crate) fn summary_ms(mut self) -> (f64, f64, f64) {
        let last = &mut self.last;
        if last.is_empty() {
            return (0.0, 0.0, 0.0);
        }
        last.sort_unstable();
        let sum: f64 = last.iter().map(|us| f64::from(*us)).sum();
        #[expect(clippy::cast_precision_loss, reason = "at most 1,024")]
        let mean = sum / last.len() as f64;
        let rank = |percent: usize| f64::from(last[(last.len() * percent / 100).min(last.len() - 1)]);
        (mean / 1_000.0, rank(50) / 1_000.0, rank(99) / 1_000.0)
    }
}

impl Figures {
    /// Events became durable.
    pub fn accepted(&self, events: u64) {
        self.events.fetch_add(events, Ordering::Relaxed);
    }

    /// A request was answered; `took` unless it had asked to wait.
    pub fn answered(&self, took: Option<Duration>, our_fault: bool) {
        if our_fault {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(took) = took {
            self.latencies.lock().add(took);
        }
    }

    /// Events accepted since the start.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Requests that ended in an error of ours.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Mean and 99th percentile of the last requests, in ms.
    #[must_use]
    pub fn latencies_ms(&self) -> (f64, f64) {
        let latencies = self.latencies.lock().clone();
        let (mean, _, p99) = latencies.summary_ms();
        (mean, p99)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_of_the_last_requests() {
        let figures = Figures::default();
        for ms in 0..2_000 {
            figures.answered(Some(Duration::from_millis(ms)), ms == 7);
        }
        let (mean, p99) = figures.latencies_ms();
        assert!((mean - 1_487.5).abs() < 1.0, "mean {mean}");
        assert!((1_980.0..=1_999.0).contains(&p99), "p99 {p99}");
        assert_eq!(figures.errors(), 1);
    }
}
