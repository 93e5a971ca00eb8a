//! What a start reads: the metadata, the segments' summaries, and the last segment from end to end.
//!
//! Sealed segments are not looked into when the metadata knows what they hold, so a start takes as long as one segment,
//! however long the log is.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use pulseboard_model::{StreamName, StreamSchema};
use pulseboard_runtime::fault;
use rusqlite::Connection;
use tracing::{info, warn};

use super::catalog::Catalog;
use super::config::EmbeddedConfig;
use super::keeper;
use super::meta::{MetaDb, MetaState};
use super::part::part_id;
use super::segment::{Contents, Segment};
use super::segment_file::{self, PartIndex, SegmentStart, Walk, file_name, parse_file_name};
use super::shared::segments_dir;
use super::sqlite::{
    PAGE_BYTES, corrupt, io_error, is_failed_write, is_full, open_durable, open_reader, segment_error, sync_dir,
};
use super::summary::Summary;
use crate::log::LogError;

/// What the log holds, as found on disk.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) catalog: Catalog,
    /// The last commit; 0 if there is none.
    pub(super) commit: u64,
    /// The offset that comes next.
    pub(super) next_offset: u64,
    /// `_arrived_at` of the last commit; the beginning of time if there is none, µs.
    pub(super) last_at: i64,
    /// Earlier segments that could not be sealed for want of space.
    pub(super) unsealed: Vec<Arc<Segment>>,
}

/// A segment that was opened: of an owner's start, the last one.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) segment: Arc<Segment>,
    pub(super) conn: Connection,
    pub(super) schemas: HashSet<(StreamName, u32)>,
}

/// Reads the log as its owner: what a crash left half-done is finished, and every body of the last segment is checked.
pub(super) fn load_as_owner(
    config: &EmbeddedConfig,
    state: &MetaState,
    meta: &mut MetaDb,
) -> Result<(Loaded, Last), LogError> {
    let segments = segments_dir(&config.dir);
    remove_leftovers(&segments, state.dropped_through)?;
    let mut ids = segment_ids(&segments, state)?;
    for id in &ids {
        check_size(&segments, *id)?;
    }
    if let Some(id) = interrupted(&segments, &ids, state, true)? {
        warn!(segment = file_name(id), "removing a segment that an earlier run made and never wrote to");
        let removed = segment_file::remove(&segments.join(file_name(id))).and_then(|()| sync_dir(&segments));
        removed.map_err(|error| io_error("removing a segment", &error))?;
        ids.pop();
    }
    let mut loading = Loading::new(state);
    let mut unsealed = Vec::new();
    let Some((last, sealed)) = ids.split_last() else {
        let start = SegmentStart { id: state.dropped_through + 1, first_commit: 1, first_offset: 1, clock: i64::MIN };
        if !state.summaries.is_empty() {
            // All files were lost; what was known of them would be taken for the new ones.
            meta.forget_from(start.id)?;
        }
        let conn = segment_file::create(&segments, &start).map_err(|error| io_error("making a segment", &error))?;
        let contents = Contents { summary: start.summary(), index: Some(PartIndex::new()), sealed: false };
        let segment = loading.push(Segment::new(&segments, start, contents))?;
        return Ok((loading.done(), Last { segment, conn, schemas: HashSet::new() }));
    };
    for id in sealed {
        match state.summaries.get(id) {
            Some(summary) => loading.push_sealed(&segments, *id, summary)?,
            None => {
                let end_id = end_before(&segments, *id + 1, state, true);
                let opened = Opened::open(&segments, *id, true, Walk { bodies: true, end_id })?;
                let Last { segment, conn, .. } = loading.push_opened(&segments, opened, true)?;
                let sealed = match keeper::finish(&segment, conn, config.page_limit.as_deref()) {
                    Ok(()) => keep_summary(meta, &loading.catalog, &segment),
                    Err(error) if is_full(&error) || is_failed_write(&error) => {
                        Err(io_error("sealing segment", &error))
                    }
                    Err(error) => return Err(segment_error(&segment.name, 0, "sealing segment", &error)),
                };
                match sealed {
                    Ok(()) => info!(segment = segment.name, "sealed a segment that an earlier run left unfinished"),
                    // It is as readable as before.
                    Err(error) => {
                        warn!(segment = segment.name, %error, "a segment could not be sealed; it is tried again");
                        unsealed.push(segment);
                    }
                }
            }
        }
    }
    let opened = Opened::open(&segments, *last, true, Walk { bodies: true, end_id: i64::MAX })?;
    let last = loading.push_opened(&segments, opened, false)?;
    if state.summaries.range(last.segment.start.id..).next().is_some() {
        // Files were lost after it: it is the one that is written to again, and a summary of it would be stale soon.
        meta.forget_from(last.segment.start.id)?;
    }
    Ok((Loaded { unsealed, ..loading.done() }, last))
}

fn keep_summary(meta: &mut MetaDb, catalog: &Catalog, segment: &Segment) -> Result<(), LogError> {
    // The schemas first: with a summary the segment is not looked into again.
    for (stream, known) in &catalog.streams {
        for layouts in known.versions.values() {
            meta.put_schema(stream, &layouts.schema).map_err(|error| io_error("metadata", &error))?;
        }
    }
    let summary = segment.contents.read().summary.clone();
    meta.put_summary(segment.start.id, &summary)
}

/// The last segment if making it was interrupted: nothing is in it, and the one before it went on beyond its beginning.
fn interrupted(dir: &Path, ids: &[u32], state: &MetaState, owner: bool) -> Result<Option<u32>, LogError> {
    let [.., before, last] = ids else { return Ok(None) };
    let name = file_name(*last);
    let path = dir.join(&name);
    let conn = if owner { open_durable(&path, PAGE_BYTES) } else { open_reader(&path) };
    // What is wrong with it otherwise is told when it is read.
    let Ok(conn) = conn else { return Ok(None) };
    let Ok(start) = segment_file::read_start(&conn, &name) else { return Ok(None) };
    let sql = "SELECT EXISTS (SELECT 1 FROM parts) OR EXISTS (SELECT 1 FROM receipts)";
    if !matches!(conn.query_row(sql, [], |row| row.get(0)), Ok(false)) {
        return Ok(None);
    }
    let last_commit = match state.summaries.get(before) {
        Some(summary) => summary.last_commit,
        None => {
            let all = Walk { bodies: false, end_id: i64::MAX };
            Opened::open(dir, *before, owner, all)?.contents.summary.last_commit
        }
    };
    Ok((start.first_commit <= last_commit).then_some(*last))
}

/// Reads the log beside its owner, or without one: changes nothing, and leaves bodies to whoever reads them.
pub(super) fn load_as_reader(dir: &Path, state: &MetaState) -> Result<Loaded, LogError> {
    let segments = segments_dir(dir);
    let mut loading = Loading::new(state);
    let mut ids = segment_ids(&segments, state)?;
    if interrupted(&segments, &ids, state, false)?.is_some() {
        ids.pop();
    }
    let last = ids.last().copied();
    for id in ids {
        match state.summaries.get(&id) {
            Some(summary) => loading.push_sealed(&segments, id, summary)?,
            None => {
                let is_last = Some(id) == last;
                let end_id = if is_last { i64::MAX } else { end_before(&segments, id + 1, state, false) };
                let opened = Opened::open(&segments, id, false, Walk { bodies: false, end_id })?;
                loading.push_opened(&segments, opened, !is_last)?;
            }
        }
    }
    Ok(loading.done())
}

/// The key at which a segment ends because segment `next` begins there: a commit that failed may lie beyond it. Without
/// end if that cannot be read, which is told when `next` is.
fn end_before(dir: &Path, next: u32, state: &MetaState, owner: bool) -> i64 {
    let first_commit = state.summaries.get(&next).map(|summary| summary.first_commit).or_else(|| {
        let name = file_name(next);
        let path = dir.join(&name);
        let conn = if owner { open_durable(&path, PAGE_BYTES) } else { open_reader(&path) };
        segment_file::read_start(&conn.ok()?, &name).ok().map(|start| start.first_commit)
    });
    first_commit.map_or(i64::MAX, |commit| part_id(commit, 0))
}

/// Removes what a crash left of segments that were being made or dropped.
fn remove_leftovers(dir: &Path, dropped_through: u32) -> Result<(), LogError> {
    let failed = |error: std::io::Error| io_error("reading the data directory", &error);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let base = name.strip_suffix("-wal").or_else(|| name.strip_suffix("-shm")).unwrap_or(name);
        let unfinished = base.ends_with(".new");
        let dropped = parse_file_name(base).is_some_and(|id| id <= dropped_through);
        if unfinished || dropped {
            std::fs::remove_file(&path).and_then(|()| fault::point("journal.remove.removed")).map_err(failed)?;
        }
    }
    Ok(())
}

/// The segments there are, in order; none between them may be missing.
fn segment_ids(dir: &Path, state: &MetaState) -> Result<Vec<u32>, LogError> {
    let failed = |error: std::io::Error| io_error("reading the data directory", &error);
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        ids.extend(name.to_str().and_then(parse_file_name).filter(|id| *id > state.dropped_through));
    }
    ids.sort_unstable();
    // Without metadata it is not known which one was the first.
    let first = if state.epoch.is_some() { state.dropped_through + 1 } else { ids.first().copied().unwrap_or(1) };
    for (id, due) in ids.iter().zip(first..) {
        if *id != due {
            let offset = state.summaries.get(&due).map_or(0, |summary| summary.first_offset);
            return Err(corrupt(&file_name(due), offset, "the file is missing"));
        }
    }
    Ok(ids)
}

/// A file that was closed in order consists of whole pages: SQLite would take what is cut off the last one for zeros. With
/// a write-ahead log beside it a torn page is normal and is mended from there.
fn check_size(dir: &Path, id: u32) -> Result<(), LogError> {
    let name = file_name(id);
    let [file, wal, _] =
        segment_file::files_of(&dir.join(&name)).map(|path| std::fs::metadata(path).map(|file| file.len()));
    let bytes = file.map_err(|error| io_error(&format!("opening segment `{name}`"), &error))?;
    if wal.unwrap_or(0) == 0 && (bytes == 0 || !bytes.is_multiple_of(PAGE_BYTES)) {
        return Err(corrupt(&name, 0, format!("its {bytes} bytes are no whole pages")));
    }
    Ok(())
}

/// A segment that was opened and read.
struct Opened {
    start: SegmentStart,
    conn: Connection,
    schemas: Vec<(StreamName, StreamSchema)>,
    contents: Contents,
}

impl Opened {
    fn open(dir: &Path, id: u32, owner: bool, walk: Walk) -> Result<Self, LogError> {
        let name = file_name(id);
        let path = dir.join(&name);
        let conn = if owner { open_durable(&path, PAGE_BYTES) } else { open_reader(&path) };
        let conn = conn.map_err(|error| segment_error(&name, 0, "opening segment", &error))?;
        let start = segment_file::read_start(&conn, &name)?;
        let schemas = segment_file::read_schemas(&conn, &name, walk.end_id)?;
        let (mut summary, mut index) = (start.summary(), PartIndex::new());
        segment_file::walk(&conn, &name, &mut summary, &mut index, walk)?;
        Ok(Self { start, conn, schemas, contents: Contents { summary, index: Some(index), sealed: false } })
    }
}

/// The catalog under construction.
struct Loading {
    catalog: Catalog,
    last: Option<Summary>,
}

impl Loading {
    fn new(state: &MetaState) -> Self {
        let mut catalog = Catalog::default();
        let mut kept: BTreeMap<&StreamName, u32> = BTreeMap::new();
        for (stream, schema) in &state.schemas {
            catalog.add_schema(stream, schema.clone());
            kept.insert(stream, schema.version.0);
        }
        for (stream, removed) in &state.removals {
            if let Some(known) = catalog.streams.get_mut(stream) {
                known.removed = Some(*removed);
            }
        }
        for (stream, version) in kept {
            if let Some(known) = catalog.streams.get_mut(stream) {
                known.flushed_version = version;
            }
        }
        Self { catalog, last: None }
    }

    /// Adds a segment after the others; it must go on where they end.
    fn push(&mut self, segment: Segment) -> Result<Arc<Segment>, LogError> {
        let summary = segment.contents.read().summary.clone();
        if let Some(last) = &self.last
            && (summary.first_commit != last.last_commit + 1 || summary.first_offset != last.next_offset)
        {
            let what = format!("the segment before it ends with offset {}", last.next_offset - 1);
            return Err(corrupt(&segment.name, summary.first_offset, what));
        }
        self.catalog.add_summary(&summary);
        self.last = Some(summary);
        let segment = Arc::new(segment);
        self.catalog.segments.push(segment.clone());
        Ok(segment)
    }

    fn push_sealed(&mut self, dir: &Path, id: u32, summary: &Summary) -> Result<(), LogError> {
        let start = SegmentStart {
            id,
            first_commit: summary.first_commit,
            first_offset: summary.first_offset,
            clock: i64::MIN,
        };
        let contents = Contents { summary: summary.clone(), index: None, sealed: true };
        self.push(Segment::new(dir, start, contents)).map(drop)
    }

    fn push_opened(&mut self, dir: &Path, opened: Opened, sealed: bool) -> Result<Last, LogError> {
        let Opened { start, conn, schemas, mut contents } = opened;
        contents.sealed = sealed;
        let in_file = schemas.iter().map(|(stream, schema)| (stream.clone(), schema.version.0)).collect();
        for (stream, schema) in schemas {
            self.catalog.add_schema(&stream, schema);
        }
        let segment = self.push(Segment::new(dir, start, contents))?;
        Ok(Last { segment, conn, schemas: in_file })
    }

    fn done(self) -> Loaded {
        let (commit, next_offset, last_at) =
            self.last.map_or((0, 1, i64::MIN), |last| (last.last_commit, last.next_offset, last.clock));
        Loaded { catalog: self.catalog, commit, next_offset, last_at, unsealed: Vec::new() }
    }
}
