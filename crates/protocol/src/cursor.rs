//! The cursor: one opaque text that says where a reader stands and what it was reading.
//!
//! It is a position and, after `~`, three hashes: of the set of channels, of their definitions, and of the columns they
//! had; then, where several steps stand at one position (an answer that became ready between two commits), `.` and which
//! of them. A bare position is a cursor without hashes, and is not checked against them.

use std::fmt;
use std::str::FromStr;

use pulseboard_model::Position;

/// What a reader was reading. Different parts are compared apart, because they mean different resets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CursorTag {
    /// The names of the channels.
    pub channels: u32,
    /// What the names stood for: SQL, parameters, zone, row filter.
    pub definitions: u32,
    /// The columns of the views among them.
    pub schema: u32,
}

/// Where a reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Everything up to here has reached the reader.
    pub position: Position,
    /// Which of the steps at this position, from 0: what came at the same position later has not reached the reader.
    pub round: u32,
    /// What it was reading, unless it gave a bare position.
    pub tag: Option<CursorTag>,
}

/// Why a text is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cursor: give back a `cursor`, an SSE `id:` or a `position` exactly as it came")]
pub struct InvalidCursor(pub String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.position)?;
        match self.tag {
            Some(tag) => write!(f, "~{:08x}{:08x}{:08x}", tag.channels, tag.definitions, tag.schema)?,
            None => return Ok(()),
        }
        if self.round > 0 { write!(f, ".{}", self.round) } else { Ok(()) }
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let invalid = || InvalidCursor(text.chars().take(120).collect());
        let (position, tag, round) = match text.split_once('~') {
            Some((position, rest)) => {
                let (tag, round) = match rest.split_once('.') {
                    Some((tag, round)) => (tag, round.parse().map_err(|_| invalid())?),
                    None => (rest, 0),
                };
                (position, Some(parse_tag(tag).ok_or_else(invalid)?), round)
            }
            None => (text, None, 0),
        };
        Ok(Self { position: position.parse().map_err(|_| invalid())?, round, tag })
    }
}

fn parse_tag(text: &str) -> Option<CursorTag> {
    if text.len() != 24 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let word = |range| u32::from_str_radix(text.get(range)?, 16).ok();
    Some(CursorTag { channels: word(0..8)?, definitions: word(8..16)?, schema: word(16..24)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let position: Position = "00000000000000ab:42:1700000000123456".parse().expect("position");
        let bare = Cursor { position, round: 0, tag: None };
        assert_eq!(bare.to_string().parse(), Ok(bare));
        let full =
            Cursor { tag: Some(CursorTag { channels: 1, definitions: u32::MAX, schema: 0 }), position, round: 0 };
        assert_eq!(full.to_string(), "00000000000000ab:42:1700000000123456~00000001ffffffff00000000");
        assert_eq!(full.to_string().parse(), Ok(full));
        let later = Cursor { round: 3, ..full };
        assert_eq!(later.to_string(), format!("{full}.3"));
        assert_eq!(later.to_string().parse(), Ok(later));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
            }
        }
    }
}
