//! Checkpoints: the state of a maintained query at a position, as bytes that say themselves whether they can be used.
//!
//! The engine makes them and reads them back; whoever starts it gives a [`CheckpointStore`] to keep them. A checkpoint is
//! used only for the same question, state of the same form, the same epoch and a position that the log still continues;
//! else it is refused with the reason and the query is rebuilt from the log. This module never does I/O.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use pulseboard_model::{Epoch, LogOffset, Position, TimeUs};
use xxhash_rust::xxh3::xxh3_128;

/// Names a question: the same text but for white space, zone and parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question(pub u128);

impl Question {
    pub(crate) fn of(sql: &str, timezone: &str, params: &str) -> Self {
        Self(xxh3_128(format!("{sql}\0{timezone}\0{params}").as_bytes()))
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Keeping or reading a checkpoint failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct CheckpointError(pub String);

/// Where checkpoints are kept. The server gives files; tests give a map. All methods block.
pub trait CheckpointStore: Send + Sync + fmt::Debug + 'static {
    /// Makes a checkpoint durable: after a crash it is there as a whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written; earlier ones are as they were.
    fn save(&self, question: Question, position: Position, bytes: &[u8]) -> Result<(), CheckpointError>;

    /// The positions of a question's checkpoints, newest first.
    fn list(&self, question: Question) -> Vec<Position>;

    /// Reads one.
    ///
    /// # Errors
    /// When it cannot be read, or is there no more.
    fn load(&self, question: Question, position: Position) -> Result<Vec<u8>, CheckpointError>;

    /// Lets go of those whose question is not among `asked` and has not been for a while before `now`.
    fn sweep(&self, asked: &BTreeSet<Question>, now: TimeUs);
}

/// How the engine keeps checkpoints.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    /// Where.
    pub store: Arc<dyn CheckpointStore>,
    /// How old the newest one of a query that changes gets, µs of the engine clock.
    pub every_us: i64,
    /// After how many events a new one is made earlier than that.
    pub events_max: u64,
}

impl Checkpoints {
    /// The default pace, in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn CheckpointStore>) -> Self {
        Self { store, every_us: 60_000_000, events_max: 2_000_000 }
    }
}

const MAGIC: &[u8; 4] = b"PBCK";
const FORMAT: u8 = 2;
/// Everything before the state.
const HEAD_BYTES: usize = 4 + 1 + 16 + 16 + 8 + 8 + 8 + 8 + 9 + 8 + 8;
const CRC_BYTES: usize = 4;

/// Why a checkpoint is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it is of another question")]
    OtherQuestion,
    #[error("it was made by another version of the engine, or over columns of other types")]
    OtherForm,
    #[error("it hit a limit that is another one now")]
    OtherLimits,
    #[error("it is of another epoch of the log")]
    OtherEpoch,
    #[error("it is ahead of the log or of the clock")]
    Ahead,
    #[error("events that came after it have been dropped by retention")]
    Gap,
    #[error("its window has moved back since")]
    MovedBack,
    #[error("{0}")]
    Refused(String),
}

/// A checkpoint taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint<'a> {
    pub(crate) question: Question,
    /// What the state's form depends on, hashed.
    pub(crate) form: u128,
    /// The limits it was kept under, hashed: they matter only to what hit one.
    pub(crate) limits: u64,
    pub(crate) position: Position,
    /// From when the answer counts, if older events had been dropped before it was first built.
    pub(crate) since: Option<TimeUs>,
    /// Rows that had come too late to count.
    pub(crate) late_rows: u64,
    pub(crate) state: &'a [u8],
}

impl<'a> Checkpoint<'a> {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.state.len() + CRC_BYTES);
        out.extend_from_slice(MAGIC);
        out.push(FORMAT);
        out.extend_from_slice(&self.question.0.to_le_bytes());
        out.extend_from_slice(&self.form.to_le_bytes());
        out.extend_from_slice(&self.limits.to_le_bytes());
        out.extend_from_slice(&self.position.epoch.0.to_le_bytes());
        out.extend_from_slice(&self.position.offset.to_u64().to_le_bytes());
        out.extend_from_slice(&self.position.clock.0.to_le_bytes());
        out.push(u8::from(self.since.is_some()));
        out.extend_from_slice(&self.since.map_or(0, |since| since.0).to_le_bytes());
        out.extend_from_slice(&self.late_rows.to_le_bytes());
        out.extend_from_slice(&(self.state.len() as u64).to_le_bytes());
        out.extend_from_slice(self.state);
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out
    }

    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Unusable> {
        let too_short = || Unusable::Damaged("it is too short");
        let (whole, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or_else(too_short)?;
        let mut input = Input(whole);
        if input.array::<4>()? != *MAGIC || input.array::<1>()? != [FORMAT] {
            return Err(Unusable::Damaged("it is no checkpoint of this format"));
        }
        if crc32c::crc32c(whole) != u32::from_le_bytes(*crc) {
            return Err(Unusable::Damaged("its checksum does not match"));
        }
        let question = Question(u128::from_le_bytes(input.array()?));
        let form = u128::from_le_bytes(input.array()?);
        let limits = u64::from_le_bytes(input.array()?);
        let epoch = Epoch(u64::from_le_bytes(input.array()?));
        let offset = LogOffset::from_u64(u64::from_le_bytes(input.array()?));
        let clock = TimeUs(i64::from_le_bytes(input.array()?));
        let has_since = input.array::<1>()? != [0];
        let since = TimeUs(i64::from_le_bytes(input.array()?));
        let late_rows = u64::from_le_bytes(input.array()?);
        let len = u64::from_le_bytes(input.array()?);
        if usize::try_from(len) != Ok(input.0.len()) {
            return Err(Unusable::Damaged("its length does not match"));
        }
        let position = Position { epoch, offset, clock };
        let since = has_since.then_some(since);
        Ok(Self { question, form, limits, position, since, late_rows, state: input.0 })
    }
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unusable> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Unusable::Damaged("it is too short"))?;
        self.0 = rest;
        Ok(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_and_no_bit_of_it_may_differ() {
        let position =
            Position { epoch: Epoch(7), offset: LogOffset::from_u64(42), clock: TimeUs(1_780_000_000_000_000) };
        for since in [None, Some(TimeUs(-1))] {
            let (question, state) = (Question(1 << 90), b"the state");
            let checkpoint = Checkpoint { question, form: 5, limits: 6, position, since, late_rows: 1 << 40, state };
            let bytes = checkpoint.to_bytes();
            assert_eq!(Checkpoint::read(&bytes), Ok(checkpoint));
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(matches!(Checkpoint::read(&damaged), Err(Unusable::Damaged(_))), "bit {bit}");
            }
            for len in 0..bytes.len() {
                assert!(Checkpoint::read(&bytes[..len]).is_err(), "cut at {len}");
            }
        }
    }

    #[test]
    fn a_question_is_its_text_zone_and_parameters() {
        let question = |sql, zone, params| Question::of(sql, zone, params);
        let one = question("SELECT 1", "UTC", "{}");
        assert_eq!(one, question("SELECT 1", "UTC", "{}"));
        for other in
            [question("SELECT 2", "UTC", "{}"), question("SELECT 1", "CET", "{}"), question("SELECT 1", "UTC", "x")]
        {
            assert_ne!(one, other);
        }
        assert_eq!(one.to_string().len(), 32);
    }
}
