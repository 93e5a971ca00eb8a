//! Latencies in a histogram of bounded size: µs in, percentiles in ms out.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longer latencies are counted as this long.
const LATENCY_US_MAX: u64 = 60_000_000;

/// Measured latencies.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds are in order"))
    }
}

impl Latencies {
    /// Counts a latency `times` times.
    pub(crate) fn record(&mut self, latency: Duration, times: u64) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_US_MAX);
        self.0.saturating_record_n(us.min(LATENCY_US_MAX), times);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency, in ms, that a share `quantile` of all did not exceed. 0 if there are none.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        ms(self.0.value_at_quantile(quantile))
    }

    pub(crate) fn max_ms(&self) -> f64 {
        ms(self.0.max())
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most a minute in µs")]
fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_recorded_values() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.count(), latencies.quantile_ms(0.5), latencies.max_ms()), (0, 0.0, 0.0));
        for ms in 1..=100 {
            latencies.record(Duration::from_millis(ms), 1);
        }
        let close = |value: f64, expected: f64| (value - expected).abs() <= expected * 0.001;
        assert!(close(latencies.quantile_ms(0.5), 50.0), "{}", latencies.quantile_ms(0.5));
        assert!(close(latencies.quantile_ms(0.99), 99.0), "{}", latencies.quantile_ms(0.99));
        assert!(close(latencies.max_ms(), 100.0), "{}", latencies.max_ms());

        latencies.record(Duration::from_secs(3_600), 300);
        assert_eq!(latencies.count(), 400);
        assert!(close(latencies.max_ms(), 60_000.0), "{}", latencies.max_ms());
        assert!(close(latencies.quantile_ms(0.5), 60_000.0), "{}", latencies.quantile_ms(0.5));
    }
}
