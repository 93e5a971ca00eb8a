//! One row of a segment: what one commit brought to one stream, and the checks that make its loss visible.
//!
//! A part's checksum covers every field of it; commit numbers, part numbers and offsets are dense, and each part names
//! the last offset its stream had before, so a reader of the whole log and a reader of one stream both see a hole.

use pulseboard_model::StreamName;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

/// What a part costs beside its body, roughly, bytes.
pub(super) const PART_OVERHEAD_BYTES: u64 = 120;

/// The columns in the order [`PartHeader::from_row`] expects; the body, or what stands for it, is [`BODY`].
pub(super) const COLUMNS: &str = "id, arrived_at, clock_before, stream, first_offset, rows, min_time, max_time, \
                                  schema_version, previous_offset, body_crc, crc";

/// The number of the column after [`COLUMNS`].
pub(super) const BODY: usize = 12;

const INSERT: &str = "INSERT INTO parts (id, arrived_at, clock_before, stream, first_offset, rows, min_time, max_time, \
                      schema_version, previous_offset, body_crc, crc, body) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

/// Everything about a part but its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartHeader {
    /// Which commit, from 1.
    pub(super) commit: u64,
    /// Which part of the commit, from 0.
    pub(super) part: u16,
    /// `_arrived_at` of all its rows, µs.
    pub(super) arrived_at: i64,
    /// For a logged jump of the clock: what it showed before.
    pub(super) clock_before: Option<i64>,
    /// Which stream; `None` for a logged jump of the clock, which has no rows.
    pub(super) stream: Option<StreamName>,
    /// Offset of the first row; for a jump the offset that comes next.
    pub(super) first_offset: u64,
    /// How many rows.
    pub(super) rows: u64,
    /// The earliest `time`, µs; arrival stands in for rows without one.
    pub(super) min_time: i64,
    /// The latest `time`, µs.
    pub(super) max_time: i64,
    /// The version of the stream's schema the body is in.
    pub(super) schema_version: u32,
    /// The last offset the stream had before this part; 0 if none.
    pub(super) previous_offset: u64,
    /// CRC32C of the body.
    pub(super) body_crc: u32,
}

impl PartHeader {
    /// A logged jump of the clock from `before` to `to`, µs, when `next_offset` comes next.
    pub(super) fn jump(commit: u64, to: i64, before: i64, next_offset: u64) -> Self {
        Self {
            commit,
            part: 0,
            arrived_at: to,
            clock_before: Some(before),
            stream: None,
            first_offset: next_offset,
            rows: 0,
            min_time: to,
            max_time: to,
            schema_version: 0,
            previous_offset: 0,
            body_crc: crc32c::crc32c(&[]),
        }
    }

    /// The key of the part: commit and part number in one.
    pub(super) const fn id(&self) -> i64 {
        part_id(self.commit, self.part)
    }

    /// The offset of the last row; for a jump the offset before it.
    pub(super) const fn last_offset(&self) -> u64 {
        self.first_offset + self.rows - 1
    }

    /// CRC32C over all fields, the body's checksum among them.
    pub(super) fn crc(&self) -> u32 {
        let stream = self.stream.as_ref().map_or("", |stream| stream.as_str());
        let mut bytes = Vec::with_capacity(96 + stream.len());
        for number in [
            self.commit,
            u64::from(self.part),
            self.arrived_at.cast_unsigned(),
            self.clock_before.unwrap_or(i64::MIN).cast_unsigned(),
            self.first_offset,
            self.rows,
            self.min_time.cast_unsigned(),
            self.max_time.cast_unsigned(),
            u64::from(self.schema_version),
            self.previous_offset,
            u64::from(self.body_crc),
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(stream.as_bytes());
        crc32c::crc32c(&bytes)
    }

    /// Writes the part into the open transaction.
    pub(super) fn insert(&self, conn: &Connection, body: &[u8]) -> rusqlite::Result<()> {
        conn.prepare_cached(INSERT)?.execute(params![
            self.id(),
            self.arrived_at,
            self.clock_before,
            self.stream.as_ref().map(StreamName::as_str),
            self.first_offset.cast_signed(),
            self.rows.cast_signed(),
            self.min_time,
            self.max_time,
            self.schema_version,
            self.previous_offset.cast_signed(),
            self.body_crc,
            self.crc(),
            body,
        ])?;
        Ok(())
    }

    /// Reads a part's fields and checks them against their checksum; what is wrong comes as the inner error.
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Result<Self, String>> {
        let id: i64 = row.get(0)?;
        let unsigned = |index: usize| row.get::<_, i64>(index).map(i64::cast_unsigned);
        let stream = match row.get_ref(3)? {
            ValueRef::Null => None,
            value => match value.as_str().ok().and_then(|text| StreamName::new(text).ok()) {
                Some(stream) => Some(stream),
                None => return Ok(Err("the stream's name is not one".to_owned())),
            },
        };
        let header = Self {
            commit: id.cast_unsigned() >> 16,
            part: (id & 0xffff) as u16,
            arrived_at: row.get(1)?,
            clock_before: row.get(2)?,
            stream,
            first_offset: unsigned(4)?,
            rows: unsigned(5)?,
            min_time: row.get(6)?,
            max_time: row.get(7)?,
            schema_version: row.get(8)?,
            previous_offset: unsigned(9)?,
            body_crc: row.get(10)?,
        };
        let crc: u32 = row.get(11)?;
        if crc != header.crc() {
            return Ok(Err(format!("the checksum of commit {} does not match", header.commit)));
        }
        Ok(Ok(header))
    }
}

/// The key of a part.
pub(super) const fn part_id(commit: u64, part: u16) -> i64 {
    (commit << 16).cast_signed() | part as i64
}

/// The body of the row `header` was read from, checked against its checksum.
pub(super) fn body_of<'r>(row: &'r Row<'_>, header: &PartHeader) -> rusqlite::Result<Result<&'r [u8], String>> {
    let Ok(body) = row.get_ref(BODY)?.as_blob() else {
        return Ok(Err("the body is not bytes".to_owned()));
    };
    if crc32c::crc32c(body) != header.body_crc {
        return Ok(Err(format!("the checksum of the body in commit {} does not match", header.commit)));
    }
    Ok(Ok(body))
}

/// Sees to it that parts come without a hole.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    /// The last commit seen.
    pub(super) commit: u64,
    /// Its last part; `None` before the first part of a segment.
    part: Option<u16>,
    /// The offset that comes next.
    pub(super) next_offset: u64,
    /// The last `_arrived_at`.
    pub(super) clock: i64,
}

impl Sequence {
    /// What comes after `commit`, at `next_offset`, not before `clock`.
    pub(super) const fn after(commit: u64, next_offset: u64, clock: i64) -> Self {
        Self { commit, part: None, next_offset, clock }
    }

    /// Takes the next part, or says what is missing before it.
    pub(super) fn admit(&mut self, header: &PartHeader) -> Result<(), String> {
        let continues =
            header.commit == self.commit && self.part.is_some_and(|part| part.checked_add(1) == Some(header.part));
        let begins = Some(header.commit) == self.commit.checked_add(1) && header.part == 0;
        if !continues && !begins {
            return Err(format!("commit {} comes after commit {}", header.commit, self.commit));
        }
        if header.first_offset != self.next_offset {
            return Err(format!("offset {} comes where {} is due", header.first_offset, self.next_offset));
        }
        if header.arrived_at < self.clock || (continues && header.arrived_at != self.clock) {
            return Err(format!("commit {} arrived before the one before it", header.commit));
        }
        let has_rows = header.rows > 0;
        if has_rows != header.stream.is_some() || header.previous_offset >= header.first_offset {
            return Err(format!("commit {} contradicts itself", header.commit));
        }
        self.commit = header.commit;
        self.part = Some(header.part);
        self.next_offset = header.first_offset.checked_add(header.rows).ok_or("the offsets overflow")?;
        self.clock = header.arrived_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(commit: u64, part: u16, first_offset: u64, rows: u64) -> PartHeader {
        PartHeader {
            commit,
            part,
            arrived_at: 5,
            clock_before: None,
            stream: Some(StreamName::new("s").unwrap()),
            first_offset,
            rows,
            min_time: 1,
            max_time: 2,
            schema_version: 1,
            previous_offset: 0,
            body_crc: 0,
        }
    }

    #[test]
    fn a_hole_anywhere_is_seen() {
        let mut sequence = Sequence::after(3, 10, 0);
        assert!(sequence.clone().admit(&header(3, 1, 10, 1)).is_err(), "a part of a commit that began elsewhere");
        assert!(sequence.clone().admit(&header(5, 0, 10, 1)).is_err(), "a commit is missing");
        assert!(sequence.clone().admit(&header(4, 0, 11, 1)).is_err(), "an offset is missing");
        assert!(sequence.clone().admit(&header(4, 1, 10, 1)).is_err(), "a part is missing");
        assert_eq!(sequence.admit(&header(4, 0, 10, 2)), Ok(()));
        assert_eq!(sequence.admit(&header(4, 1, 12, 1)), Ok(()));
        assert_eq!(sequence.admit(&header(5, 0, 13, 1)), Ok(()));
    }

    #[test]
    fn every_field_is_under_the_checksum() {
        let base = header(4, 0, 10, 2);
        let changed = [
            PartHeader { commit: 5, ..base.clone() },
            PartHeader { part: 1, ..base.clone() },
            PartHeader { arrived_at: 6, ..base.clone() },
            PartHeader { clock_before: Some(0), ..base.clone() },
            PartHeader { stream: Some(StreamName::new("t").unwrap()), ..base.clone() },
            PartHeader { first_offset: 11, ..base.clone() },
            PartHeader { rows: 3, ..base.clone() },
            PartHeader { min_time: 0, ..base.clone() },
            PartHeader { max_time: 3, ..base.clone() },
            PartHeader { schema_version: 2, ..base.clone() },
            PartHeader { previous_offset: 1, ..base.clone() },
            PartHeader { body_crc: 1, ..base.clone() },
        ];
        for other in changed {
            assert_ne!(other.crc(), base.crc(), "{other:?}");
        }
    }
}
