//! Reading one segment, in pages: each page is one short read transaction, so that the write-ahead log can always be
//! emptied between two of them.

use std::sync::Arc;

use arrow::buffer::Buffer;
use rusqlite::{Connection, OptionalExtension, Row, params};

use pulseboard_model::{StreamName, StreamSchema};

use super::part::{COLUMNS, PartHeader, Sequence, body_of, part_id};
use super::segment::Segment;
use super::segment_file::{PartIndex, Walk, read_schemas, walk};
use super::sqlite::{corrupt, open_reader, segment_error};
use super::summary::Summary;
use crate::log::LogError;

/// A page ends with the commit or part that brings it to this many bytes of bodies.
const PAGE_BODY_BYTES: usize = 4 << 20;

/// The most parts of one page.
const PAGE_PARTS: usize = 512;

/// A part with its body; `None` if it was not asked for.
pub(super) type PartRow = (PartHeader, Option<Buffer>);

/// A connection to one segment.
#[derive(Debug)]
pub(super) struct SegmentReader {
    pub(super) segment: Arc<Segment>,
    conn: Connection,
}

impl SegmentReader {
    pub(super) fn open(segment: Arc<Segment>) -> Result<Self, LogError> {
        let conn = open_reader(&segment.path)
            .map_err(|error| segment_error(&segment.name, segment.start.first_offset, "opening segment", &error))?;
        Ok(Self { segment, conn })
    }

    fn failed(&self, offset: u64, error: &rusqlite::Error) -> LogError {
        segment_error(&self.segment.name, offset, "reading segment", error)
    }

    fn corrupt(&self, offset: u64, what: impl Into<String>) -> LogError {
        corrupt(&self.segment.name, offset, what)
    }

    /// A part's fields, checked; `offset` is where the reader stands.
    fn header(&self, row: &Row<'_>, offset: u64) -> Result<PartHeader, LogError> {
        PartHeader::from_row(row)
            .map_err(|error| self.failed(offset, &error))?
            .map_err(|what| self.corrupt(offset, what))
    }

    /// A part's body, checked and copied to where Arrow can use it in place.
    fn body(&self, row: &Row<'_>, header: &PartHeader) -> Result<Buffer, LogError> {
        let body = body_of(row, header).map_err(|error| self.failed(header.first_offset, &error))?;
        body.map(Buffer::from).map_err(|what| self.corrupt(header.first_offset, what))
    }

    /// The next whole commits after `sequence`, none of them beyond commit `through`.
    pub(super) fn commits(&self, sequence: &mut Sequence, through: u64) -> Result<Vec<PartRow>, LogError> {
        let sql = format!("SELECT {COLUMNS}, body FROM parts WHERE id >= ?1 AND id < ?2 ORDER BY id");
        let begin = sequence.next_offset;
        let mut statement = self.conn.prepare_cached(&sql).map_err(|error| self.failed(begin, &error))?;
        let end = part_id(through.saturating_add(1), 0).min(self.segment.end_id());
        let range = [part_id(sequence.commit + 1, 0), end];
        let mut rows = statement.query(range).map_err(|error| self.failed(begin, &error))?;
        let (mut page, mut bytes) = (Vec::new(), 0);
        loop {
            let offset = sequence.next_offset;
            let Some(row) = rows.next().map_err(|error| self.failed(offset, &error))? else { return Ok(page) };
            let header = self.header(row, offset)?;
            if header.part == 0 && (bytes >= PAGE_BODY_BYTES || page.len() >= PAGE_PARTS) {
                return Ok(page);
            }
            sequence.admit(&header).map_err(|what| self.corrupt(offset, what))?;
            let body = self.body(row, &header)?;
            bytes += body.len();
            page.push((header, Some(body)));
        }
    }

    /// The fields of the parts of about `count` commits after number `after`, whole commits only.
    pub(super) fn headers(&self, after: u64, count: usize) -> Result<Vec<PartHeader>, LogError> {
        let sql = format!("SELECT {COLUMNS} FROM parts WHERE id >= ?1 AND id < ?2 ORDER BY id");
        let start = self.segment.start.first_offset;
        let mut statement = self.conn.prepare_cached(&sql).map_err(|error| self.failed(start, &error))?;
        let mut rows = statement
            .query([part_id(after + 1, 0), self.segment.end_id()])
            .map_err(|error| self.failed(start, &error))?;
        let mut headers: Vec<PartHeader> = Vec::new();
        loop {
            let offset = headers.last().map_or(start, |header| header.last_offset() + 1);
            let Some(row) = rows.next().map_err(|error| self.failed(offset, &error))? else { return Ok(headers) };
            let header = self.header(row, offset)?;
            if header.part == 0 && headers.len() >= count {
                return Ok(headers);
            }
            headers.push(header);
        }
    }

    /// Counts in the parts that came after those in `summary`; bodies are left to whoever reads them.
    pub(super) fn extend(&self, summary: &mut Summary, index: &mut PartIndex) -> Result<(), LogError> {
        walk(&self.conn, &self.segment.name, summary, index, Walk { bodies: false, end_id: i64::MAX })
    }

    /// The schema versions the segment's rows are in.
    pub(super) fn schemas(&self) -> Result<Vec<(StreamName, StreamSchema)>, LogError> {
        read_schemas(&self.conn, &self.segment.name, i64::MAX)
    }

    /// The first part of the last commit that begins at or before `offset`, or of the first commit there is.
    pub(super) fn commit_at(&self, offset: u64) -> Result<Option<PartHeader>, LogError> {
        self.last_commit_where(offset, |header| header.first_offset <= offset)
    }

    /// The first part of the last commit for which `holds`, or of the first commit there is. It must hold for a first
    /// few commits and for none after them. `offset` is named in errors.
    fn last_commit_where(
        &self,
        offset: u64,
        holds: impl Fn(&PartHeader) -> bool,
    ) -> Result<Option<PartHeader>, LogError> {
        let last = "SELECT max(id) FROM parts WHERE id < ?1";
        let last: Option<i64> = self
            .conn
            .query_row(last, [self.segment.end_id()], |row| row.get(0))
            .map_err(|error| self.failed(offset, &error))?;
        let Some(last) = last else { return Ok(None) };
        // Every commit up to the last one must be found: a search that looked for a neighbour instead would make
        // whatever a damaged page leads to its answer.
        let first_part = |commit: u64| {
            let found = self.first_part(commit, offset)?;
            found.ok_or_else(|| self.corrupt(offset, format!("commit {commit} is missing")))
        };
        // For `low` it holds (or it is the first), from `high` on it does not.
        let (mut low, mut high) = (self.segment.start.first_commit, (last.cast_unsigned() >> 16) + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if holds(&first_part(middle)?) { low = middle } else { high = middle }
        }
        first_part(low).map(Some)
    }

    /// The first part of a commit, if the segment has it.
    fn first_part(&self, commit: u64, offset: u64) -> Result<Option<PartHeader>, LogError> {
        let sql = format!("SELECT {COLUMNS} FROM parts WHERE id = ?1 AND id < ?2");
        let mut find = self.conn.prepare_cached(&sql).map_err(|error| self.failed(offset, &error))?;
        let range = [part_id(commit, 0), self.segment.end_id()];
        let mut rows = find.query(range).map_err(|error| self.failed(offset, &error))?;
        let row = rows.next().map_err(|error| self.failed(offset, &error))?;
        row.map(|row| self.header(row, offset)).transpose()
    }

    /// The last commit that arrived at or before `time` (µs), or the first there is, and what comes after it here.
    pub(super) fn commit_at_time(&self, time: i64) -> Result<Option<CommitAt>, LogError> {
        let offset = self.segment.start.first_offset;
        let Some(first) = self.last_commit_where(offset, |header| header.arrived_at <= time)? else { return Ok(None) };
        let sql = format!("SELECT {COLUMNS} FROM parts WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1");
        let mut find = self.conn.prepare_cached(&sql).map_err(|error| self.failed(offset, &error))?;
        let range = [part_id(first.commit, 0), part_id(first.commit + 1, 0)];
        let last = find.query_row(range, |row| Ok(self.header(row, first.first_offset)));
        let last = last.map_err(|error| self.failed(first.first_offset, &error))??;
        let next = self.first_part(first.commit + 1, last.last_offset() + 1)?;
        Ok(Some(CommitAt { clock: first.arrived_at, last_offset: last.last_offset(), next }))
    }

    /// The first part of the segment's first commit, if there is one.
    pub(super) fn first_commit(&self) -> Result<Option<PartHeader>, LogError> {
        self.first_part(self.segment.start.first_commit, self.segment.start.first_offset)
    }

    /// Parts of `stream` from key `from` on that begin at or before offset `upto`, in order; bodies only of those with
    /// a `time` at or after `time_from`. Fewer than a whole page, by `Page::more`, means that there are no more.
    pub(super) fn stream_page(
        &self,
        stream: &StreamName,
        from: i64,
        upto: u64,
        time_from: i64,
    ) -> Result<StreamPage, LogError> {
        let mut page = StreamPage::default();
        let listed = {
            let contents = self.segment.contents.read();
            contents.index.as_ref().map(|index| list_from(index.get(stream).map_or(&[], Vec::as_slice), from, upto))
        };
        match listed {
            Some((ids, beyond)) => self.listed_page(&ids, beyond, time_from, &mut page)?,
            None => self.indexed_page(stream, from, upto, time_from, &mut page)?,
        }
        Ok(page)
    }

    /// By the keys that memory knows.
    fn listed_page(
        &self,
        ids: &[(i64, u64)],
        beyond: Option<(i64, u64)>,
        time_from: i64,
        page: &mut StreamPage,
    ) -> Result<(), LogError> {
        let sql = format!("SELECT {COLUMNS}, CASE WHEN max_time >= ?2 THEN body END FROM parts WHERE id = ?1");
        let transaction = self.conn.unchecked_transaction().map_err(|error| self.failed(0, &error))?;
        let mut statement = self.conn.prepare_cached(&sql).map_err(|error| self.failed(0, &error))?;
        for (id, offset) in ids {
            if page.is_full() {
                page.more = true;
                break;
            }
            let part = statement
                .query_row(params![id, time_from], |row| Ok(self.stream_part(row, *offset, time_from)))
                .optional()
                .map_err(|error| self.failed(*offset, &error))?;
            let part = part.unwrap_or_else(|| Err(self.corrupt(*offset, "a part is missing")))?;
            page.push(part);
        }
        if let Some((id, offset)) = beyond.filter(|_| !page.more) {
            let part = statement
                .query_row(params![id, i64::MAX], |row| Ok(self.header(row, offset)))
                .optional()
                .map_err(|error| self.failed(offset, &error))?;
            let header = part.unwrap_or_else(|| Err(self.corrupt(offset, "a part is missing")))?;
            page.beyond = Some(header.previous_offset);
        }
        drop(statement);
        transaction.finish().map_err(|error| self.failed(0, &error))
    }

    /// By the file's own index, if it has one, else by looking at every part.
    fn indexed_page(
        &self,
        stream: &StreamName,
        from: i64,
        upto: u64,
        time_from: i64,
        page: &mut StreamPage,
    ) -> Result<(), LogError> {
        let sql = format!(
            "SELECT {COLUMNS}, CASE WHEN max_time >= ?3 THEN body END FROM parts \
             WHERE stream = ?1 AND id >= ?2 AND id < ?4 ORDER BY id"
        );
        let start = self.segment.start.first_offset;
        let mut statement = self.conn.prepare_cached(&sql).map_err(|error| self.failed(start, &error))?;
        let range = params![stream.as_str(), from, time_from, self.segment.end_id()];
        let mut rows = statement.query(range).map_err(|error| self.failed(start, &error))?;
        loop {
            let offset = page.parts.last().map_or(start, |(header, _)| header.last_offset() + 1);
            let Some(row) = rows.next().map_err(|error| self.failed(offset, &error))? else { return Ok(()) };
            if page.is_full() {
                page.more = true;
                return Ok(());
            }
            let header = self.header(row, offset)?;
            if header.first_offset > upto {
                page.beyond = Some(header.previous_offset);
                return Ok(());
            }
            page.push(self.stream_part(row, offset, time_from)?);
        }
    }

    fn stream_part(&self, row: &Row<'_>, offset: u64, time_from: i64) -> Result<PartRow, LogError> {
        let header = self.header(row, offset)?;
        let body = if header.max_time >= time_from { Some(self.body(row, &header)?) } else { None };
        Ok((header, body))
    }

    /// The last parts of `stream` that begin at or before `upto`, newest first, until they hold `rows` rows.
    pub(super) fn last_parts(&self, stream: &StreamName, upto: u64, rows: u64) -> Result<Vec<PartRow>, LogError> {
        let ids = self.last_ids(stream, upto, rows)?;
        let sql = format!("SELECT {COLUMNS}, body FROM parts WHERE id = ?1");
        let mut statement = self.conn.prepare_cached(&sql).map_err(|error| self.failed(upto, &error))?;
        let (mut parts, mut held) = (Vec::new(), 0);
        for id in ids {
            let part = statement
                .query_row([id], |row| Ok(self.stream_part(row, upto, i64::MIN)))
                .optional()
                .map_err(|error| self.failed(upto, &error))?;
            let part = part.unwrap_or_else(|| Err(self.corrupt(upto, "a part is missing")))?;
            held += part.0.rows.min((upto + 1).saturating_sub(part.0.first_offset));
            parts.push(part);
            if held >= rows {
                break;
            }
        }
        Ok(parts)
    }

    fn last_ids(&self, stream: &StreamName, upto: u64, rows: u64) -> Result<Vec<i64>, LogError> {
        // Each part has at least one row, so this many are always enough.
        let limit = usize::try_from(rows).unwrap_or(usize::MAX);
        if let Some(index) = &self.segment.contents.read().index {
            let parts = index.get(stream).map_or(&[][..], Vec::as_slice);
            let end = parts.partition_point(|(_, first_offset)| *first_offset <= upto);
            return Ok(parts[..end].iter().rev().take(limit).map(|(id, _)| *id).collect());
        }
        let sql = "SELECT id FROM parts WHERE stream = ?1 AND first_offset <= ?2 AND id < ?4 ORDER BY id DESC LIMIT ?3";
        let mut statement = self.conn.prepare_cached(sql).map_err(|error| self.failed(upto, &error))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let upto_sql = i64::try_from(upto).unwrap_or(i64::MAX);
        let range = params![stream.as_str(), upto_sql, limit, self.segment.end_id()];
        let ids = statement.query_map(range, |row| row.get(0));
        ids.and_then(Iterator::collect).map_err(|error| self.failed(upto, &error))
    }
}

/// A commit that was looked for by its time.
#[derive(Debug)]
pub(super) struct CommitAt {
    /// Its `_arrived_at`, µs.
    pub(super) clock: i64,
    /// The log's last offset after it.
    pub(super) last_offset: u64,
    /// The commit after it, if the segment has it.
    pub(super) next: Option<PartHeader>,
}

/// Some parts of one stream.
#[derive(Debug, Default)]
pub(super) struct StreamPage {
    pub(super) parts: Vec<PartRow>,
    /// Whether the segment may have more of them.
    pub(super) more: bool,
    /// The offset that the first part after the range says its stream had before it, if the segment has such a part.
    pub(super) beyond: Option<u64>,
    bytes: usize,
}

impl StreamPage {
    fn is_full(&self) -> bool {
        self.bytes >= PAGE_BODY_BYTES || self.parts.len() >= PAGE_PARTS
    }

    fn push(&mut self, part: PartRow) {
        self.bytes += part.1.as_ref().map_or(0, Buffer::len);
        self.parts.push(part);
    }
}

/// The parts of a page, one more than it holds so that it knows whether there is more, and the first part after the range.
type Listed = (Vec<(i64, u64)>, Option<(i64, u64)>);

fn list_from(parts: &[(i64, u64)], from: i64, upto: u64) -> Listed {
    let begin = parts.partition_point(|(id, _)| *id < from);
    let end = parts.partition_point(|(_, first_offset)| *first_offset <= upto).max(begin);
    (parts[begin..end].iter().take(PAGE_PARTS + 1).copied().collect(), parts.get(end).copied())
}
