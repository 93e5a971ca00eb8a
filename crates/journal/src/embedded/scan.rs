//! All rows of one stream between two offsets, and its last ones, read from the segments.
//!
//! The rows come in the newest schema as it was when the reader was made. Each part names the offset its stream had
//! before it, so a part that is missing is seen even though the other streams' parts are not read.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use pulseboard_model::StreamName;

use super::body::{Layouts, bytes_of, decode, to_events};
use super::catalog::{Catalog, Versions};
use super::part::PartHeader;
use super::read::{PartRow, SegmentReader};
use super::segment::Segment;
use super::sqlite::corrupt;
use crate::log::LogError;

/// About how many rows a batch has.
const BATCH_ROWS: usize = 8_192;

/// Small commits are joined up to this many bytes: wide rows make batches of fewer, and no column of text comes near the
/// 2 GB that its offsets can count.
const BATCH_BYTES: usize = 16 << 20;

/// What reading a stream needs to know of it.
#[derive(Debug, Clone)]
struct Target {
    stream: StreamName,
    layouts: Arc<Layouts>,
    versions: Versions,
}

impl Target {
    /// A part's rows as events, in the newest schema.
    fn events(&self, segment: &str, header: &PartHeader, body: &Buffer) -> Result<RecordBatch, LogError> {
        let failed = |what: String| corrupt(segment, header.first_offset, what);
        let version = self.versions.get(&header.schema_version);
        let version = version.ok_or_else(|| failed(format!("schema {} is unknown", header.schema_version)))?;
        let stored = decode(body, &version.stored, header.rows).map_err(|error| failed(error.to_string()))?;
        to_events(&stored, &self.layouts, header.arrived_at, header.first_offset)
            .map_err(|error| failed(error.to_string()))
    }
}

/// Rows whose offsets lie in `after < offset <= upto`.
pub(super) fn trim(rows: &RecordBatch, first_offset: u64, after: u64, upto: u64) -> RecordBatch {
    let count = rows.num_rows() as u64;
    let skip = (after + 1).saturating_sub(first_offset).min(count);
    let keep = (upto + 1).saturating_sub(first_offset).min(count).saturating_sub(skip);
    if keep == count { rows.clone() } else { rows.slice(skip as usize, keep as usize) }
}

/// The rows of a stream, as an iterator of batches.
#[derive(Debug)]
pub(super) struct StreamScan {
    target: Target,
    after: u64,
    upto: u64,
    time_from: i64,
    segments: VecDeque<Arc<Segment>>,
    /// The segment under way, and the key it goes on from.
    reader: Option<(SegmentReader, i64)>,
    /// The stream's last offset so far; `None` before its first part.
    last: Option<u64>,
    /// The highest offset that may come before the first part that is read.
    before_first: u64,
    /// Where the last part must end: if the whole end of the stream is read, or as the part after the range says.
    due: Option<u64>,
    gathered: Vec<RecordBatch>,
    gathered_rows: usize,
    gathered_bytes: usize,
    ready: VecDeque<RecordBatch>,
    /// The last offset of the stream in each segment, with the segment's name: where a part that is missing would be.
    places: Vec<(u64, String)>,
    done: bool,
}

impl StreamScan {
    /// `None` if there is no such stream, or no event of it.
    pub(super) fn new(
        catalog: &Catalog,
        stream: &StreamName,
        after: u64,
        upto: u64,
        time_from: Option<i64>,
    ) -> Option<Self> {
        let known = catalog.streams.get(stream)?;
        let held = known.held?;
        let after = after.max(known.removed_through());
        let target = Target { stream: stream.clone(), layouts: known.newest.clone(), versions: known.versions.clone() };
        let holds = |segment: &&Arc<Segment>| {
            let contents = segment.contents.read();
            let held = contents.summary.streams.get(stream);
            held.is_some_and(|held| held.last_offset > after && held.first_offset <= upto)
        };
        let segments: VecDeque<_> = catalog.segments.iter().filter(holds).cloned().collect();
        let due = (upto >= held.last_offset && !segments.is_empty()).then_some(held.last_offset);
        let places = segments.iter().map(|segment| place_of(segment, stream)).collect();
        Some(Self {
            target,
            after,
            upto: upto.min(held.last_offset),
            time_from: time_from.unwrap_or(i64::MIN),
            segments,
            reader: None,
            last: None,
            before_first: after.max(held.first_offset - 1),
            due,
            gathered: Vec::new(),
            gathered_rows: 0,
            gathered_bytes: 0,
            ready: VecDeque::new(),
            places,
            done: false,
        })
    }

    /// Reads on until a batch is ready or there is nothing more.
    fn fill(&mut self) -> Result<(), LogError> {
        while self.ready.is_empty() && !self.done {
            match self.reader.take() {
                Some((reader, from)) => self.read_page(reader, from)?,
                None => match self.segments.pop_front() {
                    Some(segment) => self.reader = Some(self.enter(segment)?),
                    None => self.finish()?,
                },
            }
        }
        Ok(())
    }

    fn enter(&self, segment: Arc<Segment>) -> Result<(SegmentReader, i64), LogError> {
        let reader = SegmentReader::open(segment)?;
        let from = if self.after < reader.segment.start.first_offset {
            0
        } else {
            reader.commit_at(self.after)?.map_or(0, |header| header.id())
        };
        Ok((reader, from))
    }

    fn read_page(&mut self, reader: SegmentReader, from: i64) -> Result<(), LogError> {
        let page = reader.stream_page(&self.target.stream, from, self.upto, self.time_from)?;
        let next = page.parts.last().map_or(from, |(header, _)| header.id() + 1);
        // Before the range there may be parts that are not looked at.
        self.due = page.beyond.filter(|before| *before > self.before_first).or(self.due);
        for part in page.parts {
            self.take(&reader.segment.name, part)?;
        }
        if page.more {
            self.reader = Some((reader, next));
        }
        Ok(())
    }

    fn take(&mut self, segment: &str, (header, body): PartRow) -> Result<(), LogError> {
        if header.last_offset() <= self.after {
            self.last = Some(header.last_offset());
            return Ok(());
        }
        let seamless = match self.last {
            Some(last) => header.previous_offset == last,
            None => header.previous_offset <= self.before_first,
        };
        if !seamless {
            let last = self.last.unwrap_or(self.before_first);
            let what = format!("stream `{}` goes on from offset {}", self.target.stream, header.previous_offset);
            return Err(corrupt(missing_in(&self.places, last).unwrap_or(segment), last + 1, what));
        }
        self.last = Some(header.last_offset());
        let Some(body) = body else { return Ok(()) };
        let events = self.target.events(segment, &header, &body)?;
        let events = trim(&events, header.first_offset, self.after, self.upto);
        let bytes = bytes_of(&events);
        if self.gathered_rows > 0 && self.gathered_bytes + bytes > BATCH_BYTES {
            self.flush(segment, header.first_offset)?;
        }
        self.gathered_bytes += bytes;
        self.gathered_rows += events.num_rows();
        self.gathered.push(events);
        if self.gathered_rows >= BATCH_ROWS || self.gathered_bytes >= BATCH_BYTES {
            self.flush(segment, header.first_offset)?;
        }
        Ok(())
    }

    /// Cuts what was gathered into batches.
    fn flush(&mut self, segment: &str, offset: u64) -> Result<(), LogError> {
        let gathered = std::mem::take(&mut self.gathered);
        let rows = std::mem::take(&mut self.gathered_rows);
        self.gathered_bytes = 0;
        let joined = match gathered.as_slice() {
            [one] => one.clone(),
            many => concat_batches(&self.target.layouts.event, many)
                .map_err(|error| corrupt(segment, offset, error.to_string()))?,
        };
        let mut at = 0;
        while at < rows {
            let length = BATCH_ROWS.min(rows - at);
            self.ready.push_back(joined.slice(at, length));
            at += length;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), LogError> {
        self.done = true;
        if let Some(due) = self.due
            && self.last != Some(due)
        {
            let last = self.last.unwrap_or(self.after);
            let what = format!("stream `{}` ends at offset {last} where {due} is due", self.target.stream);
            return Err(corrupt(missing_in(&self.places, last).unwrap_or_default(), last + 1, what));
        }
        if self.gathered_rows == 0 {
            return Ok(());
        }
        let segment = self.places.last().map(|(_, name)| name.clone()).unwrap_or_default();
        self.flush(&segment, self.after)
    }
}

impl Iterator for StreamScan {
    type Item = Result<RecordBatch, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.fill() {
            self.done = true;
            self.reader = None;
            self.segments.clear();
            return Some(Err(error));
        }
        self.ready.pop_front().map(Ok)
    }
}

/// The last offset of `stream` in a segment, and the segment's name.
fn place_of(segment: &Segment, stream: &StreamName) -> (u64, String) {
    let contents = segment.contents.read();
    (contents.summary.streams.get(stream).map_or(0, |held| held.last_offset), segment.name.clone())
}

/// The segment that should hold what comes after offset `last` of the stream.
fn missing_in(places: &[(u64, String)], last: u64) -> Option<&str> {
    places.iter().find(|(last_in_segment, _)| *last_in_segment > last).map(|(_, name)| name.as_str())
}

/// The last `n` rows of a stream up to `upto`.
pub(super) fn last_rows(catalog: &Catalog, stream: &StreamName, n: usize, upto: u64) -> Option<LastRows> {
    let known = catalog.streams.get(stream)?;
    let target = Target { stream: stream.clone(), layouts: known.newest.clone(), versions: known.versions.clone() };
    let held = known.held?;
    let holds = |segment: &&Arc<Segment>| {
        let contents = segment.contents.read();
        let held = contents.summary.streams.get(stream);
        held.is_some_and(|held| held.first_offset <= upto && held.last_offset > known.removed_through())
    };
    let newest_first = catalog.segments.iter().rev().filter(holds).cloned().collect();
    let due = (upto >= held.last_offset).then_some(held.last_offset);
    let upto = upto.min(held.last_offset);
    Some(LastRows { target, n: n as u64, upto, first_offset: held.first_offset, due, newest_first })
}

/// A reader of a stream's last rows, free of the catalog.
#[derive(Debug)]
pub(super) struct LastRows {
    target: Target,
    n: u64,
    upto: u64,
    /// The stream's first event.
    first_offset: u64,
    /// Where the newest part must end, if that is known.
    due: Option<u64>,
    newest_first: Vec<Arc<Segment>>,
}

impl LastRows {
    /// Reads them, in offset order.
    pub(super) fn read(self) -> Result<Vec<RecordBatch>, LogError> {
        let (mut batches, mut missing) = (Vec::new(), self.n);
        // The part that comes after, in offset order, says where the one before it must end.
        let mut due = self.due;
        let mut last_segment = None;
        let places: Vec<_> =
            self.newest_first.iter().rev().map(|segment| place_of(segment, &self.target.stream)).collect();
        for segment in self.newest_first {
            if missing == 0 {
                break;
            }
            let reader = SegmentReader::open(segment)?;
            last_segment = Some(reader.segment.name.clone());
            for (header, body) in reader.last_parts(&self.target.stream, self.upto, missing)? {
                if due.is_some_and(|due| due != header.last_offset()) {
                    let what = format!("stream `{}` ends there too early", self.target.stream);
                    let segment = missing_in(&places, header.last_offset()).unwrap_or(&reader.segment.name);
                    return Err(corrupt(segment, header.last_offset() + 1, what));
                }
                due = Some(header.previous_offset);
                let Some(body) = body else { continue };
                let events = self.target.events(&reader.segment.name, &header, &body)?;
                let events = trim(&events, header.first_offset, 0, self.upto);
                let rows = events.num_rows() as u64;
                let keep = rows.min(missing);
                missing -= keep;
                batches.push(events.slice((rows - keep) as usize, keep as usize));
            }
        }
        if let (Some(segment), Some(due)) = (last_segment, due)
            && missing > 0
            && due >= self.first_offset
        {
            let what = format!("stream `{}` begins too late", self.target.stream);
            return Err(corrupt(missing_in(&places, due - 1).unwrap_or(&segment), due, what));
        }
        batches.reverse();
        Ok(batches)
    }
}
