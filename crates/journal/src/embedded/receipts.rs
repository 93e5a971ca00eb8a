//! Answers that are kept for ten minutes, so that a request sent again is not kept twice.
//!
//! They are rows of the segment their rows are in, written by the same transaction; this is their copy in memory.
//! Bounded by bytes: a request with a new key is answered `Busy` while there is no room for it.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use pulseboard_model::{Epoch, LogOffset, Position, TimeUs};
use rusqlite::{Connection, Row, params};

use super::sqlite::{corrupt, segment_error};
use crate::log::{Appended, LogError};

/// How long a key is kept, µs.
pub(super) const KEEP_US: i64 = 10 * 60 * 1_000_000;

/// What an entry costs beside its receipt, roughly, bytes.
const ENTRY_BYTES: usize = 160;

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) key: u128,
    pub(super) body: u128,
    /// The clock of the answer's position, µs.
    pub(super) clock: i64,
    /// The offset of the answer's position.
    pub(super) last_offset: u64,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) receipt: Bytes,
}

impl Receipt {
    /// The answer for whoever asks again.
    pub(super) fn answer(&self, epoch: Epoch) -> Appended {
        Appended {
            position: Position { epoch, offset: LogOffset::from_u64(self.last_offset), clock: TimeUs(self.clock) },
            accepted: self.accepted,
            rejected: self.rejected,
            receipt: self.receipt.clone(),
            replayed: true,
        }
    }

    fn crc(&self) -> u32 {
        let mut crc = crc32c::crc32c(&self.key.to_le_bytes());
        crc = crc32c::crc32c_append(crc, &self.body.to_le_bytes());
        for number in [self.clock.cast_unsigned(), self.last_offset, self.accepted, self.rejected] {
            crc = crc32c::crc32c_append(crc, &number.to_le_bytes());
        }
        crc32c::crc32c_append(crc, &self.receipt)
    }

    /// Writes it into the open transaction.
    pub(super) fn insert(&self, conn: &Connection) -> rusqlite::Result<()> {
        conn.prepare_cached("INSERT INTO receipts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(params![
            self.key.to_le_bytes(),
            self.body.to_le_bytes(),
            self.clock,
            self.last_offset.cast_signed(),
            self.accepted.cast_signed(),
            self.rejected.cast_signed(),
            &self.receipt[..],
            self.crc(),
        ])?;
        Ok(())
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<(Self, u32)> {
        let receipt = Self {
            key: u128::from_le_bytes(row.get(0)?),
            body: u128::from_le_bytes(row.get(1)?),
            clock: row.get(2)?,
            last_offset: row.get::<_, i64>(3)?.cast_unsigned(),
            accepted: row.get::<_, i64>(4)?.cast_unsigned(),
            rejected: row.get::<_, i64>(5)?.cast_unsigned(),
            receipt: row.get::<_, Vec<u8>>(6)?.into(),
        };
        Ok((receipt, row.get(7)?))
    }
}

/// The kept answers.
#[derive(Debug)]
pub(super) struct Receipts {
    by_key: HashMap<u128, Receipt>,
    oldest_first: VecDeque<(i64, u128)>,
    bytes: usize,
    bytes_max: usize,
}

impl Receipts {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { by_key: HashMap::new(), oldest_first: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Forgets what is older than ten minutes at `now`, µs.
    pub(super) fn expire(&mut self, now: i64) {
        while let Some((clock, key)) = self.oldest_first.front().copied() {
            if clock.saturating_add(KEEP_US) > now {
                break;
            }
            self.oldest_first.pop_front();
            // The key may have come again since, after its first use expired.
            if self.by_key.get(&key).is_some_and(|receipt| receipt.clock == clock)
                && let Some(receipt) = self.by_key.remove(&key)
            {
                self.bytes -= ENTRY_BYTES + receipt.receipt.len();
            }
        }
    }

    pub(super) fn get(&self, key: u128) -> Option<&Receipt> {
        self.by_key.get(&key)
    }

    /// Whether a receipt of so many bytes fits, next to `pending` bytes of others.
    pub(super) fn has_room(&self, receipt_bytes: usize, pending: usize) -> bool {
        self.bytes + pending + Self::cost(receipt_bytes) <= self.bytes_max
    }

    /// What a receipt of so many bytes takes.
    pub(super) const fn cost(receipt_bytes: usize) -> usize {
        ENTRY_BYTES + receipt_bytes
    }

    /// Keeps an answer.
    pub(super) fn insert(&mut self, receipt: Receipt) {
        self.bytes += Self::cost(receipt.receipt.len());
        self.oldest_first.push_back((receipt.clock, receipt.key));
        if let Some(replaced) = self.by_key.insert(receipt.key, receipt) {
            self.bytes -= Self::cost(replaced.receipt.len());
        }
    }

    /// Reads the answers of a segment that were given after `since` (µs), for rows up to offset `through`.
    pub(super) fn load(&mut self, conn: &Connection, segment: &str, since: i64, through: u64) -> Result<(), LogError> {
        let failed = |error: rusqlite::Error| segment_error(segment, 0, "reading receipts of segment", &error);
        let sql = "SELECT * FROM receipts WHERE clock > ?1 AND last_offset <= ?2 ORDER BY rowid";
        let mut statement = conn.prepare(sql).map_err(failed)?;
        let mut rows = statement.query(params![since, through.cast_signed()]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let (receipt, crc) = Receipt::from_row(row).map_err(failed)?;
            if crc != receipt.crc() {
                return Err(corrupt(segment, receipt.last_offset, "the checksum of a receipt does not match"));
            }
            self.insert(receipt);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(key: u128, clock: i64) -> Receipt {
        Receipt { key, body: 1, clock, last_offset: 1, accepted: 1, rejected: 0, receipt: Bytes::from_static(b"[]") }
    }

    #[test]
    fn a_key_lasts_ten_minutes_and_its_room_comes_back() {
        let mut receipts = Receipts::new(2 * Receipts::cost(2));
        receipts.insert(receipt(1, 0));
        receipts.insert(receipt(2, 5));
        assert!(!receipts.has_room(2, 0));
        receipts.expire(KEEP_US - 1);
        assert!(receipts.get(1).is_some());
        receipts.expire(KEEP_US);
        assert!(receipts.get(1).is_none() && receipts.get(2).is_some());
        assert!(receipts.has_room(2, 0));
        receipts.insert(receipt(1, KEEP_US));
        receipts.expire(KEEP_US + 5);
        assert!(receipts.get(1).is_some() && receipts.get(2).is_none());
    }
}
