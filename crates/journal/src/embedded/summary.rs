//! What a segment holds, without looking into it: kept in memory, and in the metadata once the segment is sealed.

use std::collections::BTreeMap;

use pulseboard_model::StreamName;

use super::part::{PART_OVERHEAD_BYTES, PartHeader};

/// What a segment holds of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamSummary {
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) first_offset: u64,
    pub(super) last_offset: u64,
    /// `_arrived_at` of the last event.
    pub(super) last_at: i64,
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    /// Its first commit, or the one that will be.
    pub(super) first_commit: u64,
    /// Its last commit; the one before the first while it is empty.
    pub(super) last_commit: u64,
    /// Its first offset, or the one that will be.
    pub(super) first_offset: u64,
    /// The offset after its last.
    pub(super) next_offset: u64,
    /// `_arrived_at` of its first commit, µs.
    pub(super) first_at: Option<i64>,
    /// `_arrived_at` of its last commit; while it is empty, of the last commit before it, µs.
    pub(super) clock: i64,
    pub(super) bytes: u64,
    pub(super) streams: BTreeMap<StreamName, StreamSummary>,
}

impl Summary {
    /// An empty segment that begins with `first_commit`.
    pub(super) const fn empty(first_commit: u64, first_offset: u64, clock: i64) -> Self {
        Self {
            first_commit,
            last_commit: first_commit - 1,
            first_offset,
            next_offset: first_offset,
            first_at: None,
            clock,
            bytes: 0,
            streams: BTreeMap::new(),
        }
    }

    /// Counts a part in.
    pub(super) fn add(&mut self, header: &PartHeader, body_bytes: u64) {
        let bytes = body_bytes + PART_OVERHEAD_BYTES;
        self.last_commit = header.commit;
        self.next_offset = header.first_offset + header.rows;
        self.first_at.get_or_insert(header.arrived_at);
        self.clock = header.arrived_at;
        self.bytes += bytes;
        let Some(stream) = &header.stream else { return };
        let added = StreamSummary {
            events: header.rows,
            bytes,
            first_offset: header.first_offset,
            last_offset: header.last_offset(),
            last_at: header.arrived_at,
        };
        match self.streams.get_mut(stream) {
            Some(known) => known.extend(&added),
            None => {
                self.streams.insert(stream.clone(), added);
            }
        }
    }
}

impl StreamSummary {
    /// Counts in what comes after.
    pub(super) fn extend(&mut self, later: &Self) {
        self.events += later.events;
        self.bytes += later.bytes;
        self.last_offset = later.last_offset;
        self.last_at = later.last_at;
    }
}
