//! A position: every event up to an offset, seen at a clock, in one incarnation of the log.
//!
//! Clients compare positions for equality only. Inside the server nothing but the journal may assume that an offset is
//! one number: Kafka's form is a vector, so everyone else asks [`LogOffset`] its questions.

use std::fmt;
use std::str::FromStr;

use crate::time::TimeUs;

/// The incarnation of a log: 64 random bits made with the data directory, renewed when the log lost events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How far into the log. The first event has offset 1; [`LogOffset::START`] is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogOffset(u64);

impl LogOffset {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// For the journal: the offset of the `n`-th event.
    #[must_use]
    pub const fn from_u64(n: u64) -> Self {
        Self(n)
    }

    /// For the journal: the number of events up to here.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// Whether everything up to `other` is included here.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self.0 >= other.0
    }
}

impl fmt::Display for LogOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A point in (log, clock), written `epoch:offset:clock`. `clock` is the engine clock in µs, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The incarnation of the log.
    pub epoch: Epoch,
    /// Every event up to here is included.
    pub offset: LogOffset,
    /// The engine clock; `now()` is this, floored to whole seconds.
    pub clock: TimeUs,
}

impl Position {
    /// What `now()` means here: the clock floored to whole seconds.
    #[must_use]
    pub fn now(&self) -> TimeUs {
        self.clock.floor_to_second()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.epoch, self.offset, self.clock.0)
    }
}

/// Why a text is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a position: expected `epoch:offset:clock` as an earlier answer gave it")]
pub struct InvalidPosition(pub String);

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let parse = || {
            let mut parts = text.split(':');
            let (epoch, offset, clock) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() || epoch.len() != 16 {
                return None;
            }
            let offset: u64 = offset.parse().ok()?;
            // Offsets are shown in SQL as int64.
            i64::try_from(offset).ok()?;
            Some(Self {
                epoch: Epoch(u64::from_str_radix(epoch, 16).ok()?),
                offset: LogOffset(offset),
                clock: TimeUs(clock.parse().ok()?),
            })
        };
        parse().ok_or_else(|| InvalidPosition(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let position = Position { epoch: Epoch(0xab), offset: LogOffset(42), clock: TimeUs(1_700_000_000_123_456) };
        assert_eq!(position.to_string(), "00000000000000ab:42:1700000000123456");
        assert_eq!(position.to_string().parse(), Ok(position));
        assert_eq!(position.now(), TimeUs(1_700_000_000_000_000));
        for bad in ["", "a:b", "00000000000000ab:42", "00000000000000ab:42:1:2", "xyz:1:2", "00000000000000ab:-1:2"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
