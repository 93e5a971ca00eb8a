//! A place in the hub's own count of steps, with what clients are told of it.

use pulseboard_model::{Position, TimeUs};
use pulseboard_protocol::Cursor;

/// One step of the engine, as the hub counts them. Steps order everything in here; positions are what clients see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Counts the engine's outputs, from 1; 0 is before the first.
    pub(crate) step: u64,
    /// Where the live answers stood after it.
    pub(crate) position: Position,
    /// How many earlier steps stood at the same position.
    pub(crate) round: u32,
    /// The last step, up to this one, that included an event, and the newest event's `_arrived_at`.
    pub(crate) newest: Option<(u64, TimeUs)>,
}

impl Mark {
    /// `_arrived_at` of the newest event between step `from` and here; `None` if only the clock moved.
    pub(crate) fn newest_since(&self, from: u64) -> Option<TimeUs> {
        self.newest.filter(|(step, _)| *step > from).map(|(_, at)| at)
    }

    /// Whether a reader with this cursor, of the same epoch, has everything that happened up to here.
    pub(crate) fn is_known_to(&self, cursor: &Cursor) -> bool {
        covers(&cursor.position, &self.position) && (cursor.position != self.position || cursor.round >= self.round)
    }
}

/// Whether a reader that stands at `reader` has everything that happened up to `event`. Both of one epoch.
pub(crate) fn covers(reader: &Position, event: &Position) -> bool {
    reader.offset.includes(event.offset) && reader.clock >= event.clock
}
