//! A log whose older part is in the archive: one log to everyone who reads it.
//!
//! The seam is an offset: the archive gives everything up to it, the log what follows. Where it lies changes while
//! segments are archived, files joined and segments dropped; a reader takes one manifest and, after it, a reader of the log,
//! and makes sure that the log still had everything beyond the manifest's end then. So no row is given twice and none is
//! left out, whatever happens meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use futures::future::BoxFuture;
use pulseboard_journal::{
    AppendError, AppendRequest, Appended, CommitMark, DeclareError, EmbeddedLog, Log, LogError, LogHealth, LogIncident,
    PositionCheck, Removal, RemoveError, Scan, StreamInfo, Tail,
};
use pulseboard_model::conform::conform;
use pulseboard_model::{Cell, FieldType, LogOffset, Position, StreamName, StreamSchema, TimeUs};
use tokio::sync::watch;

use crate::archive::Archive;
use crate::error::ArchiveError;
use crate::manifest::MarksEntry;
use crate::marks;
use crate::published::Published;
use crate::read::{Equal, FilesScan, ScanOrder, Wanted};
use crate::sorted::{offsets, project};
use crate::tail::ArchivedTail;

/// How often the seam is looked for again when it moved meanwhile: each time a whole segment was archived and dropped.
const SEAM_ATTEMPTS: u32 = 100;

/// Which rows of a stream are wanted, and what of them.
#[derive(Debug, Clone)]
pub struct ScanRequest {
    /// The stream.
    pub stream: StreamName,
    /// Rows with an `_offset` after this,
    pub after: LogOffset,
    /// up to and with this.
    pub upto: LogOffset,
    /// A hint: rows with an earlier `time` may be left out.
    pub time_from: Option<TimeUs>,
    /// A hint: rows with a later `time` may be left out.
    pub time_to: Option<TimeUs>,
    /// A hint: rows in which one of these columns has another value, or none, may be left out.
    pub equal: Vec<(String, Cell)>,
    /// The columns that are wanted, by their exact names, given in the order of the event layout; all if `None`.
    pub columns: Option<Vec<String>>,
    /// In which order rows may come.
    pub order: ScanOrder,
}

impl ScanRequest {
    /// All columns of all rows of a stream up to an offset, in the order of the log.
    #[must_use]
    pub fn new(stream: StreamName, after: LogOffset, upto: LogOffset) -> Self {
        let (equal, order) = (Vec::new(), ScanOrder::Offset);
        Self { stream, after, upto, time_from: None, time_to: None, equal, columns: None, order }
    }
}

/// A log and its archive.
#[derive(Debug, Clone)]
pub struct ArchivedLog {
    log: Arc<dyn Log>,
    /// The same log, if it is the one that is written here.
    embedded: Option<Arc<EmbeddedLog>>,
    archive: Arc<Archive>,
}

pub(crate) fn log_error(error: ArchiveError) -> LogError {
    match error {
        ArchiveError::Log(error) => error,
        ArchiveError::Corrupt { file, what } => LogError::Corrupt { segment: file, offset: LogOffset::START, what },
        other => LogError::Io { context: "reading the archive".to_owned(), message: other.to_string() },
    }
}

fn failed(error: LogError) -> Scan {
    Box::new(std::iter::once(Err(error)))
}

impl ArchivedLog {
    /// The log that is written here, and its archive.
    #[must_use]
    pub fn new(log: Arc<EmbeddedLog>, archive: Arc<Archive>) -> Self {
        Self { log: log.clone(), embedded: Some(log), archive }
    }

    /// A log that is only read, and its archive.
    #[must_use]
    pub fn read_only(log: Arc<dyn Log>, archive: Arc<Archive>) -> Self {
        Self { log, embedded: None, archive }
    }

    /// The archive.
    #[must_use]
    pub const fn archive(&self) -> &Arc<Archive> {
        &self.archive
    }

    /// The log without its archive.
    pub(crate) const fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// The same log, if it is the one that is written here.
    pub(crate) const fn embedded(&self) -> Option<&Arc<EmbeddedLog>> {
        self.embedded.as_ref()
    }

    /// Says that the archive has what follows `after`, which the log has not; `dropped` is what that says of itself.
    pub(crate) fn archived_beyond(&self, after: LogOffset, dropped: LogOffset) -> Result<(), LogError> {
        let published = self.archive.current().filter(|published| published.manifest.last_commit > 0);
        let Some(published) = published else { return Err(LogError::Dropped(dropped)) };
        let gone = published.dropped_through(None);
        if gone > after.to_u64() { Err(LogError::Dropped(LogOffset::from_u64(gone))) } else { Ok(()) }
    }

    /// From when a stream is complete, if retention dropped events of it.
    #[must_use]
    pub fn complete_from(&self, stream: &StreamName) -> Option<TimeUs> {
        let removed = self.log.removal(stream.as_str()).map(|removal| removal.at);
        match self.archive.current().filter(|published| published.manifest.last_commit > 0) {
            Some(published) => {
                let stream = published.manifest.streams.get(stream.as_str());
                removed.max(stream.and_then(|stream| stream.complete_from).map(TimeUs))
            }
            None => self.log.streams().into_iter().find(|info| info.name == *stream)?.complete_from,
        }
    }

    /// The rows that `request` asks for, in batches of about 8,192, in the layout of the stream's newest schema.
    #[must_use]
    pub fn scan_request(&self, request: &ScanRequest) -> Scan {
        match self.try_scan(request, 1) {
            Ok(mut scans) if scans.len() == 1 => scans.swap_remove(0),
            Ok(scans) => Box::new(scans.into_iter().flatten()),
            Err(error) => failed(error),
        }
    }

    /// The same in at most `parts` parts, which may be read side by side: each row is in one of them. Only the rows of one part
    /// that are to be in order are, so it is for [`ScanOrder::Any`].
    #[must_use]
    pub fn scan_parts(&self, request: &ScanRequest, parts: usize) -> Vec<Scan> {
        self.try_scan(request, parts).unwrap_or_else(|error| vec![failed(error)])
    }

    fn try_scan(&self, request: &ScanRequest, parts: usize) -> Result<Vec<Scan>, LogError> {
        let after = request.after.max(self.removed_through(&request.stream));
        let upto = request.upto.min(self.log.head().offset);
        let recent = |from: LogOffset| self.log.scan(&request.stream, from, upto, request.time_from);
        for _ in 0..SEAM_ATTEMPTS {
            let published = self.archive.current();
            let through = published.as_ref().map_or(0, |published| published.manifest.archived_through);
            let seam = LogOffset::from_u64(through);
            // What follows something recent is mostly in the log, in its own order.
            if after > LogOffset::START || after >= seam {
                let scan = recent(after);
                if self.log_has_all_after(after) {
                    return Ok(vec![self.shaped(scan, request)?]);
                }
            }
            let scan = recent(after.max(seam));
            if !self.log_has_all_after(after.max(seam)) {
                match &published {
                    // Nothing was archived yet: what the log lacks was dropped before.
                    Some(published) if published.manifest.last_commit == 0 => {
                        return Ok(vec![self.shaped(scan, request)?]);
                    }
                    Some(_) => continue,
                    None => return Err(self.archive.published().map_or_else(log_error, |_| seam_moved())),
                }
            }
            let scan = self.shaped(scan, request)?;
            let Some(published) = published.filter(|_| after < seam) else { return Ok(vec![scan]) };
            let Some(schema) = self.log.schema(request.stream.as_str()) else { return Ok(vec![scan]) };
            let wanted = Wanted {
                after: after.to_u64(),
                upto: upto.min(seam).to_u64(),
                time_from: request.time_from.map_or(i64::MIN, |time| time.0),
                time_to: request.time_to.map_or(i64::MAX, |time| time.0),
                equal: request.equal.iter().filter_map(|(column, cell)| Equal::of(column, cell)).collect(),
                schema: project(&schema.event_schema(), |name| is_wanted(request, name)),
                order: request.order,
            };
            let files = FilesScan::new(&published, request.stream.as_str(), wanted).map_err(log_error)?;
            // The log goes on where the files end.
            let (mut scan, mut scans) = (Some(scan), Vec::new());
            for files in files.split(parts) {
                let archive = self.archive.clone();
                let files = files.map(move |rows| rows.map_err(|error| log_error(archive.explained(error))));
                let scan: Scan = match scan.take() {
                    Some(scan) => Box::new(files.chain(scan)),
                    None => Box::new(files),
                };
                scans.push(scan);
            }
            return Ok(scans);
        }
        Err(seam_moved())
    }

    /// The last offset of a stream that was removed.
    fn removed_through(&self, stream: &StreamName) -> LogOffset {
        self.log.removal(stream.as_str()).map_or(LogOffset::START, |removal| removal.through)
    }

    /// Whether the log still has every event after `offset`.
    fn log_has_all_after(&self, offset: LogOffset) -> bool {
        self.log.first_offset().to_u64() <= offset.to_u64() + 1
    }

    /// The log's rows in the layout that is wanted.
    fn shaped(&self, scan: Scan, request: &ScanRequest) -> Result<Scan, LogError> {
        let Some(schema) = self.log.schema(request.stream.as_str()) else { return Ok(scan) };
        let event = schema.event_schema();
        let Some(_) = &request.columns else {
            // The schema may have grown since the log's reader was made.
            return Ok(Box::new(scan.map(move |rows| conform(&rows?, &event).map_err(|error| not_shaped(&error)))));
        };
        let target = project(&event, |name| is_wanted(request, name));
        Ok(Box::new(scan.map(move |rows| {
            let rows = rows?;
            let keep = rows.schema_ref().fields().iter().enumerate();
            let keep = keep.filter(|(_, field)| target.column_with_name(field.name()).is_some()).map(|(at, _)| at);
            let rows = rows.project(&keep.collect::<Vec<_>>()).map_err(|error| not_shaped(&error))?;
            conform(&rows, &target).map_err(|error| not_shaped(&error))
        })))
    }

    /// The commits of the log after the one that ends with `after`, up to the last that is not beyond `upto`: the instants
    /// at which live answers were stepped, jumps of the clock among them. Each item is some of them, in order.
    pub fn commits(
        &self,
        after: LogOffset,
        upto: LogOffset,
    ) -> impl Iterator<Item = Result<Vec<CommitMark>, LogError>> + Send + use<> {
        let published = self.archive.current();
        let entries = published.iter().flat_map(|published| {
            let wanted = published.manifest.marks.iter().filter(|marks| marks.last_offset >= after.to_u64());
            wanted.map(|marks| published.object(&marks.name)).collect::<Vec<_>>()
        });
        let archived: Vec<_> = entries.collect();
        let mut next = published.map_or(0, |published| published.manifest.last_commit);
        let embedded = self.embedded.clone();
        let of_log = std::iter::from_fn(move || {
            let marks = embedded.as_ref()?.marks(next);
            if let Ok(marks) = &marks {
                next = marks.last()?.commit;
            }
            Some(marks)
        });
        let of_archive = archived.into_iter().map(|object| {
            let object = object.map_err(log_error)?;
            marks::read(object.as_ref(), 0).map_err(log_error)
        });
        let mut ended = false;
        of_archive.chain(of_log).map_while(move |marks| {
            if ended {
                return None;
            }
            Some(marks.inspect_err(|_| ended = true).map(|mut marks| {
                ended |= marks.last().is_some_and(|mark| mark.last_offset > upto);
                marks.retain(|mark| {
                    mark.last_offset <= upto && (mark.last_offset > after || mark.clock_before.is_some())
                });
                marks
            }))
        })
    }

    /// Where log and clock stood at a time whose commits are only in the archive.
    fn archived_position(&self, published: &Published, time: TimeUs, dropped: LogError) -> Result<Position, LogError> {
        let entries = &published.manifest.marks;
        let after = entries.partition_point(|marks| marks.first_clock <= time.0);
        let Some(at) = after.checked_sub(1) else {
            let whole = entries.first().is_some_and(|first| first.first_commit == 1);
            // Before anything was there.
            let beginning = Position { offset: LogOffset::START, clock: time.floor_to_second(), ..self.log.head() };
            return if whole { Ok(beginning) } else { Err(dropped) };
        };
        let read = |entry: &MarksEntry| marks::read(published.object(&entry.name)?.as_ref(), 0);
        let here = read(&entries[at]).map_err(log_error)?;
        let next = here.partition_point(|mark| mark.clock <= time);
        let mark = next.checked_sub(1).map(|at| here[at]).ok_or(dropped)?;
        let next = match (here.get(next), entries.get(after), &self.embedded) {
            (Some(next), ..) => Some(*next),
            (None, Some(entry), _) => read(entry).map_err(log_error)?.first().copied(),
            (None, None, Some(log)) => log.marks(published.manifest.last_commit)?.first().copied(),
            (None, None, None) => None,
        };
        // Ticks came until the next commit, or until the clock jumped.
        let ticked_until = next.and_then(|next| next.clock_before).map_or(time, |before| time.min(before));
        let clock = ticked_until.floor_to_second().max(mark.clock);
        Ok(Position { offset: mark.last_offset, clock, ..self.log.head() })
    }

    /// The last `n` rows of a stream's files up to `upto`.
    fn last_archived(
        &self,
        published: &Published,
        stream: &StreamName,
        n: usize,
        upto: u64,
    ) -> Result<Vec<RecordBatch>, ArchiveError> {
        let Some(schema) = self.log.schema(stream.as_str()) else { return Ok(Vec::new()) };
        let event = schema.event_schema();
        let files = published.files(stream.as_str());
        let wanted = |after: u64, schema| Wanted {
            after,
            upto,
            time_from: i64::MIN,
            time_to: i64::MAX,
            equal: Vec::new(),
            schema,
            order: ScanOrder::Any,
        };
        // First which offsets they have, from the newest file back; then the rows from there on.
        let only_offset = project(&event, |name| name == pulseboard_model::schema::OFFSET);
        let (mut found, mut after) = (Vec::new(), upto);
        let removed = self.removed_through(stream).to_u64();
        for file in files.iter().rev().filter(|file| file.first_offset <= upto && file.last_offset > removed) {
            if found.len() >= n {
                break;
            }
            let this =
                Wanted { upto: upto.min(file.last_offset), ..wanted(file.first_offset - 1, only_offset.clone()) };
            for rows in FilesScan::new(published, stream.as_str(), this)? {
                found.extend_from_slice(offsets(&rows?)?);
            }
            found.sort_unstable();
            found.drain(..found.len().saturating_sub(n));
            after = found.first().map_or(after, |first| first.cast_unsigned() - 1);
        }
        let rows = Wanted { order: ScanOrder::Offset, ..wanted(after, event) };
        FilesScan::new(published, stream.as_str(), rows)?.collect()
    }
}

/// What the log says of a stream, with what the archive has of it; `in_both` are the events and bytes of it that both have.
fn complete(published: &Published, mut info: StreamInfo, in_both: (u64, u64), removed: Option<Removal>) -> StreamInfo {
    let manifest = &published.manifest;
    if manifest.last_commit == 0 {
        return info;
    }
    let stream = manifest.streams.get(info.name.as_str());
    let through = removed.map_or(0, |removed| removed.through.to_u64());
    let files: Vec<_> =
        stream.iter().flat_map(|stream| &stream.files).filter(|file| file.last_offset > through).collect();
    let complete_from = stream.and_then(|stream| stream.complete_from).map(TimeUs);
    info.complete_from = complete_from.max(removed.map(|removed| removed.at));
    info.events = info.events.saturating_sub(in_both.0) + files.iter().map(|file| file.rows).sum::<u64>();
    info.bytes = info.bytes.saturating_sub(in_both.1) + files.iter().map(|file| file.bytes).sum::<u64>();
    let beyond = info.first_offset.filter(|first| first.to_u64() > manifest.archived_through);
    if let (Some(first), Some(last)) = (files.first(), files.last()) {
        info.first_offset = Some(LogOffset::from_u64(first.first_offset));
        info.last_offset = info.last_offset.max(Some(LogOffset::from_u64(last.last_offset)));
        info.last_arrived_at = info.last_arrived_at.max(Some(TimeUs(last.max_arrived_at)));
    } else if info.events == 0 {
        info.first_offset = None;
        info.last_offset = None;
    } else {
        info.first_offset = beyond.or(info.first_offset);
    }
    info
}

fn is_wanted(request: &ScanRequest, name: &str) -> bool {
    request.columns.as_ref().is_none_or(|columns| columns.iter().any(|column| column == name))
}

fn seam_moved() -> LogError {
    LogError::Io {
        context: "reading the archive".to_owned(),
        message: "events were archived faster than they could be read; try again".to_owned(),
    }
}

fn not_shaped(error: &arrow::error::ArrowError) -> LogError {
    LogError::Io { context: "reading the log".to_owned(), message: error.to_string() }
}

impl Log for ArchivedLog {
    fn append(&self, request: AppendRequest) -> BoxFuture<'_, Result<Appended, AppendError>> {
        self.log.append(request)
    }

    fn declare(&self, stream: &StreamName, fields: &[(String, FieldType)]) -> BoxFuture<'_, Result<(), DeclareError>> {
        self.log.declare(stream, fields)
    }

    fn remove(&self, stream: &StreamName) -> BoxFuture<'_, Result<Removal, RemoveError>> {
        // Its files go with the next round of the archive; nobody reads them any more.
        self.log.remove(stream)
    }

    fn removal(&self, stream: &str) -> Option<Removal> {
        self.log.removal(stream)
    }

    fn is_removed(&self, stream: &str) -> bool {
        self.log.is_removed(stream)
    }

    fn head(&self) -> Position {
        self.log.head()
    }

    fn newest(&self) -> Option<TimeUs> {
        let archived = self.archive.current().and_then(|published| {
            let files = published.manifest.streams.values().filter_map(|stream| stream.files.last());
            files.map(|file| TimeUs(file.max_arrived_at)).max()
        });
        self.log.newest().max(archived)
    }

    fn watch_head(&self) -> watch::Receiver<Position> {
        self.log.watch_head()
    }

    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.log.schema(stream)
    }

    fn streams(&self) -> Vec<StreamInfo> {
        let look = || {
            let sealed = self.embedded.as_ref().map_or(Vec::new(), |log| log.sealed());
            (sealed, self.log.streams(), self.log.first_offset(), self.archive.current())
        };
        let same = |a: &Option<Arc<Published>>, b: &Option<Arc<Published>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        // Looked at again while a segment moves from the log to the archive, so that it is counted once.
        let mut now = (self.log.first_offset(), self.archive.current());
        let (mut sealed, mut infos, mut first, mut published) = look();
        for _ in 0..SEAM_ATTEMPTS {
            if now.0 == first && same(&now.1, &published) {
                break;
            }
            now = (first, published);
            (sealed, infos, first, published) = look();
        }
        let Some(published) = published else { return infos };
        let last_commit = published.manifest.last_commit;
        let mut in_both: HashMap<&StreamName, (u64, u64)> = HashMap::new();
        let archived = sealed.iter().filter(|segment| segment.last_commit <= last_commit);
        for held in archived.flat_map(|segment| &segment.streams) {
            let (events, bytes) = in_both.entry(&held.stream).or_default();
            *events += held.events;
            *bytes += held.bytes;
        }
        let complete = infos.into_iter().map(|info| {
            let in_both = in_both.get(&info.name).copied().unwrap_or_default();
            let removed = self.log.removal(info.name.as_str());
            complete(&published, info, in_both, removed)
        });
        complete.collect()
    }

    fn tail(&self, after: LogOffset) -> Result<Box<dyn Tail>, LogError> {
        Ok(Box::new(ArchivedTail::new(self, after)?))
    }

    fn scan(&self, stream: &StreamName, after: LogOffset, upto: LogOffset, time_from: Option<TimeUs>) -> Scan {
        self.scan_request(&ScanRequest { time_from, ..ScanRequest::new(stream.clone(), after, upto) })
    }

    fn last_rows(&self, stream: &StreamName, n: usize, upto: LogOffset) -> Result<Vec<RecordBatch>, LogError> {
        let recent = self.log.last_rows(stream, n, upto)?;
        let count: usize = recent.iter().map(RecordBatch::num_rows).sum();
        // Whatever is before the log's first row of the stream was archived, if it is still kept.
        let Some(published) = self.archive.current().filter(|_| count < n) else { return Ok(recent) };
        let first = recent.first().and_then(|rows| offsets(rows).ok()?.first().copied());
        let before = first.map_or(upto.to_u64(), |first| upto.to_u64().min(first.cast_unsigned() - 1));
        let mut rows = self.last_archived(&published, stream, n - count, before).map_err(log_error)?;
        rows.extend(recent);
        Ok(rows)
    }

    fn position_at(&self, time: TimeUs) -> Result<Position, LogError> {
        match self.log.position_at(time) {
            Err(LogError::Dropped(offset)) => match self.archive.current() {
                Some(published) => self.archived_position(&published, time, LogError::Dropped(offset)),
                None => Err(LogError::Dropped(offset)),
            },
            result => result,
        }
    }

    fn first_offset(&self) -> LogOffset {
        let archived = self.archive.current().filter(|published| published.manifest.last_commit > 0);
        archived.map_or_else(
            || self.log.first_offset(),
            |published| LogOffset::from_u64(published.dropped_through(None) + 1),
        )
    }

    fn check(&self, position: &Position) -> PositionCheck {
        match self.log.check(position) {
            // What the log has dropped is in the archive, unless retention dropped it there.
            PositionCheck::Gap if position.offset.to_u64() + 1 >= self.first_offset().to_u64() => PositionCheck::Known,
            check => check,
        }
    }

    fn is_dropped(&self, stream: &StreamName, position: &Position) -> bool {
        match self.archive.current().filter(|published| published.manifest.last_commit > 0) {
            Some(published) => position.offset.to_u64() < published.dropped_through(Some(stream)),
            None => self.log.is_dropped(stream, position),
        }
    }

    fn incident(&self) -> Option<LogIncident> {
        self.log.incident()
    }

    fn problems(&self) -> Vec<String> {
        let archive = self.archive.problem().map(|problem| format!("archive: {problem}"));
        self.log.problems().into_iter().chain(archive).collect()
    }

    fn health(&self) -> LogHealth {
        self.log.health()
    }
}
