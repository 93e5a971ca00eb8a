//! From a moment to where log and clock stood then.
//!
//! Ticks are not written: between two commits there was one at each whole second, up to the second commit or, if that
//! is a logged jump of the clock, up to what the clock showed before it.

use parking_lot::RwLock;
use pulseboard_model::{LogOffset, Position, TimeUs};

use super::catalog::Catalog;
use super::part::PartHeader;
use super::read::{CommitAt, SegmentReader};
use crate::log::LogError;

/// The last step at or before `time` of a log that stands at `head`.
pub(super) fn position_at(catalog: &RwLock<Catalog>, head: Position, time: TimeUs) -> Result<Position, LogError> {
    if time >= head.clock {
        return Ok(head);
    }
    let (segment, next) = {
        let catalog = catalog.read();
        let began = |at: Option<i64>| at.is_some_and(|at| at <= time.0);
        let after = catalog.segments.partition_point(|segment| began(segment.contents.read().summary.first_at));
        match after.checked_sub(1) {
            Some(index) => (catalog.segments[index].clone(), catalog.segments.get(after).cloned()),
            None if catalog.first_commit() > 1 => {
                return Err(LogError::Dropped(LogOffset::from_u64(catalog.first_offset() - 1)));
            }
            // Before anything was there.
            None => return Ok(Position { offset: LogOffset::START, clock: time.floor_to_second(), ..head }),
        }
    };
    let name = segment.name.clone();
    let found = SegmentReader::open(segment)?.commit_at_time(time.0)?;
    let Some(CommitAt { clock, last_offset, next: next_here }) = found else {
        return Err(super::sqlite::corrupt(&name, 0, "its commits are missing"));
    };
    let next = match (next_here, next) {
        (None, Some(segment)) => SegmentReader::open(segment)?.first_commit()?,
        (here, _) => here,
    };
    let clock = last_tick(next.as_ref(), time).max(TimeUs(clock));
    Ok(Position { offset: LogOffset::from_u64(last_offset), clock, ..head })
}

/// The last whole second up to `time` at which there could be a tick before the commit `next`.
fn last_tick(next: Option<&PartHeader>, time: TimeUs) -> TimeUs {
    let ticked_until = next.and_then(|next| next.clock_before).map_or(time, |before| time.min(TimeUs(before)));
    ticked_until.floor_to_second()
}
