//! What an archive needs to know of the log: which segments are complete, and where its commits were.
//!
//! Rows come through [`crate::Log::scan`], like everyone's.

use parking_lot::RwLock;
use pulseboard_model::{LogOffset, StreamName, TimeUs};

use super::catalog::{Catalog, Stream};
use super::part::Sequence;
use super::read::SegmentReader;
use crate::log::LogError;

/// About how many commits are given at once.
const MARKS: usize = 65_536;

/// What a segment holds of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldStream {
    /// Which stream.
    pub stream: StreamName,
    /// How many events.
    pub events: u64,
    /// How many bytes on disk, roughly.
    pub bytes: u64,
    /// Its first event in the segment.
    pub first_offset: LogOffset,
    /// Its last event in the segment.
    pub last_offset: LogOffset,
    /// `_arrived_at` of that event.
    pub last_arrived_at: TimeUs,
}

/// A segment to which nothing comes any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSegment {
    /// Its number.
    pub id: u32,
    /// Its first commit, from 1.
    pub first_commit: u64,
    /// Its last commit.
    pub last_commit: u64,
    /// The offset before its first event.
    pub after: LogOffset,
    /// The offset of its last event; [`SealedSegment::after`] if it has none.
    pub last_offset: LogOffset,
    /// What it holds of each stream, by name.
    pub streams: Vec<HeldStream>,
}

/// A commit without its rows: an instant at which live answers were stepped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitMark {
    /// Its number, from 1, dense.
    pub commit: u64,
    /// The clock at it: `_arrived_at` of its rows.
    pub clock: TimeUs,
    /// For a logged jump of the clock, which has no rows: what the clock showed before.
    pub clock_before: Option<TimeUs>,
    /// The last offset of the log up to and with it.
    pub last_offset: LogOffset,
}

pub(super) fn sealed_of(catalog: &Catalog) -> Vec<SealedSegment> {
    let sealed = catalog.segments.iter().filter_map(|segment| {
        let contents = segment.contents.read();
        contents.sealed.then(|| {
            let summary = &contents.summary;
            SealedSegment {
                id: segment.start.id,
                first_commit: summary.first_commit,
                last_commit: summary.last_commit,
                after: LogOffset::from_u64(summary.first_offset - 1),
                last_offset: LogOffset::from_u64(summary.next_offset - 1),
                streams: summary
                    .streams
                    .iter()
                    .filter(|(stream, held)| {
                        let known = catalog.streams.get(*stream);
                        held.last_offset > known.map_or(0, Stream::removed_through)
                    })
                    .map(|(stream, held)| HeldStream {
                        stream: stream.clone(),
                        events: held.events,
                        bytes: held.bytes,
                        first_offset: LogOffset::from_u64(held.first_offset),
                        last_offset: LogOffset::from_u64(held.last_offset),
                        last_arrived_at: TimeUs(held.last_at),
                    })
                    .collect(),
            }
        })
    });
    sealed.collect()
}

pub(super) fn marks_after(catalog: &RwLock<Catalog>, after: u64) -> Result<Vec<CommitMark>, LogError> {
    let (segment, known) = {
        let catalog = catalog.read();
        let first_offset = catalog.first_offset();
        let segment = catalog.segment_of_commit(after + 1);
        let segment = segment.ok_or_else(|| LogError::Dropped(LogOffset::from_u64(first_offset.saturating_sub(1))))?;
        let last = catalog.segments.last().map_or(after, |last| last.contents.read().summary.last_commit);
        (segment, last > after)
    };
    if !known {
        return Ok(Vec::new());
    }
    let start = segment.start;
    // What a failed write left behind the segment's end is not part of the log.
    let end = segment.contents.read().summary.last_commit;
    let reader = SegmentReader::open(segment)?;
    let mut marks: Vec<CommitMark> = Vec::new();
    // Where the first one begins is not known: it is taken as it is, and everything after must follow on it.
    let mut sequence: Option<Sequence> =
        (after + 1 == start.first_commit).then(|| Sequence::after(after, start.first_offset, i64::MIN));
    for header in reader.headers(after, MARKS)?.into_iter().take_while(|header| header.commit <= end) {
        let sequence = sequence.get_or_insert_with(|| Sequence::after(after, header.first_offset, i64::MIN));
        sequence
            .admit(&header)
            .map_err(|what| super::sqlite::corrupt(&reader.segment.name, header.first_offset, what))?;
        match marks.last_mut() {
            Some(last) if last.commit == header.commit => last.last_offset = LogOffset::from_u64(header.last_offset()),
            _ => marks.push(CommitMark {
                commit: header.commit,
                clock: TimeUs(header.arrived_at),
                clock_before: header.clock_before.map(TimeUs),
                last_offset: LogOffset::from_u64(header.last_offset()),
            }),
        }
    }
    Ok(marks)
}
