//! Time as microseconds since 1970 in UTC.
//!
//! Reading times out of events (RFC 3339, epochs by magnitude, zone-less text) is `decode`'s job.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

/// One second in µs.
pub const SECOND_US: i64 = 1_000_000;

/// An instant: µs since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeUs(pub i64);

impl TimeUs {
    /// The start of this instant's second.
    #[must_use]
    pub const fn floor_to_second(self) -> Self {
        Self(self.0.div_euclid(SECOND_US) * SECOND_US)
    }

    /// This instant `us` microseconds later, held at the end of time.
    #[must_use]
    pub const fn plus_us(self, us: i64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// This instant as a chrono time, if chrono can hold it.
    #[must_use]
    pub fn to_datetime(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0)
    }
}

impl fmt::Display for TimeUs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_datetime() {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{} µs", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_goes_down_before_1970_too() {
        assert_eq!(TimeUs(1_999_999).floor_to_second(), TimeUs(1_000_000));
        assert_eq!(TimeUs(-1).floor_to_second(), TimeUs(-1_000_000));
        assert_eq!(TimeUs(0).to_string(), "1970-01-01T00:00:00Z");
    }
}
