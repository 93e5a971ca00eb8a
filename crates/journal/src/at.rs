//! From what somebody says of the past to a position of a log: a position that an earlier answer gave, or a time.

use chrono_tz::Tz;
use pulseboard_model::decode::read_time;
use pulseboard_model::{LogOffset, Position};

use crate::log::{Log, LogError, PositionCheck};

/// Why there is no such position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AtError {
    /// It is neither.
    #[error(
        "`{0}` is neither a position, `epoch:offset:clock` as an earlier answer gave it, nor a time such as `2026-03-01T12:00:00Z` or \
         seconds since 1970"
    )]
    Unreadable(String),
    /// The position is of another epoch.
    #[error("the position is of another epoch of the log: the log lost or changed events since")]
    OtherEpoch,
    /// The position is beyond the log's end.
    #[error("the position is beyond the end of the log")]
    Ahead,
    /// The position has an offset that is there, at a clock that is not.
    #[error("the position is of a later time than the log has come to")]
    AheadOfClock,
    /// The time is later than the log's clock.
    #[error("`{0}` is in the future: the log has not come to it yet")]
    Future(String),
    /// The time is before the log's first event.
    #[error("`{0}` is before the first event of the log")]
    Before(String),
    /// What was there then has been dropped.
    #[error("`{0}` is before what retention has left of the log")]
    Dropped(String),
    /// The log could not be read.
    #[error(transparent)]
    Log(LogError),
}

/// The position that `text` names: itself, or where log and clock stood at that time. Blocks for a few small reads.
///
/// # Errors
/// [`AtError`] says why `log` has no such position.
pub fn position_of(log: &dyn Log, text: &str, zone: Tz) -> Result<Position, AtError> {
    if let Ok(position) = text.parse::<Position>() {
        return check(log, position);
    }
    let time = read_time(text, zone).ok_or_else(|| AtError::Unreadable(text.chars().take(80).collect()))?;
    let head = log.head();
    if time > head.clock {
        return Err(AtError::Future(text.to_owned()));
    }
    let position = match log.position_at(time) {
        Ok(position) => position,
        Err(LogError::Dropped(_)) => return Err(AtError::Dropped(text.to_owned())),
        Err(error) => return Err(AtError::Log(error)),
    };
    if position.offset == LogOffset::START && head.offset != LogOffset::START {
        return Err(AtError::Before(text.to_owned()));
    }
    Ok(position)
}

/// A position that `log` has, or had.
fn check(log: &dyn Log, position: Position) -> Result<Position, AtError> {
    match log.check(&position) {
        PositionCheck::OtherEpoch => Err(AtError::OtherEpoch),
        PositionCheck::Ahead => Err(AtError::Ahead),
        // An offset we have, at a time we have not come to.
        PositionCheck::Known | PositionCheck::Gap if position.clock > log.head().clock => Err(AtError::AheadOfClock),
        PositionCheck::Known | PositionCheck::Gap => Ok(position),
    }
}

#[cfg(test)]
mod tests {
    use pulseboard_model::{Epoch, TimeUs};
    use pulseboard_runtime::{ManualClock, Tasks};

    use super::*;
    use crate::{EmbeddedConfig, EmbeddedLog};

    #[test]
    fn what_is_no_position_of_this_log_is_said_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(1_780_000_000_250_000);
        let log = EmbeddedLog::open(EmbeddedConfig::new(dir.path()), clock, &Tasks::new()).unwrap();
        let head = log.head();
        assert_eq!(position_of(&log, &head.to_string(), Tz::UTC), Ok(head));
        let other = Position { epoch: Epoch(head.epoch.0 ^ 1), ..head };
        assert_eq!(position_of(&log, &other.to_string(), Tz::UTC), Err(AtError::OtherEpoch));
        let ahead = Position { offset: LogOffset::from_u64(1), ..head };
        assert_eq!(position_of(&log, &ahead.to_string(), Tz::UTC), Err(AtError::Ahead));
        let later = Position { clock: TimeUs(head.clock.0 + 1), ..head };
        assert_eq!(position_of(&log, &later.to_string(), Tz::UTC), Err(AtError::AheadOfClock));
        assert_eq!(
            position_of(&log, "2099-01-01T00:00:00Z", Tz::UTC),
            Err(AtError::Future("2099-01-01T00:00:00Z".to_owned()))
        );
        for text in ["yesterday", "", "1:2", "00000000000000ab:-1:2"] {
            assert_eq!(position_of(&log, text, Tz::UTC), Err(AtError::Unreadable(text.to_owned())));
        }
        // A log without events has no first one to be before.
        assert!(position_of(&log, "2020-01-01", Tz::UTC).is_ok());
    }
}
