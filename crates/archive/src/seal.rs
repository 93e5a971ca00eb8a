//! A sealed segment becomes files: one for each stream in it, and one of its commits; then one manifest names them all.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pulseboard_journal::{EmbeddedLog, HeldStream, Log, SealedSegment};
use pulseboard_model::conform::conform;
use pulseboard_runtime::fault;
use tracing::info;

use crate::archive::{Archive, unique};
use crate::error::ArchiveError;
use crate::file_writer::{Effort, FileWriter, Written};
use crate::manifest::{DATA_PREFIX, FileEntry, MarksEntry};
use crate::marks::MarksWriter;
use crate::shape::from_file;
use crate::sorted::{BATCH_ROWS, Batches, Merge, by_time, cut, sorted};

/// Rows are sorted in memory up to this many bytes; what is more is merged from files.
const RUN_BYTES: usize = 64 << 20;
/// So many files are merged at once.
const FAN_IN: usize = 64;

pub(crate) fn point(stage: &'static str) -> Result<(), ArchiveError> {
    fault::point(stage).map_err(|error| ArchiveError::io("keeping history", &error))
}

impl Archive {
    /// Puts a segment into the archive, unless it is there.
    pub(crate) fn seal(&self, log: &EmbeddedLog, segment: &SealedSegment) -> Result<(), ArchiveError> {
        let (through, commit) = {
            let published = self.published()?;
            (published.manifest.archived_through, published.manifest.last_commit)
        };
        if segment.last_commit <= commit {
            return Ok(());
        }
        // A new archive begins with what the log still has.
        let is_next = segment.first_commit == commit + 1 && segment.after.to_u64() == through;
        if !is_next && commit > 0 {
            let what = format!("it ends with commit {commit} and the log goes on with {}", segment.first_commit);
            return Err(ArchiveError::NotOurs(what));
        }
        let mut entries = Vec::new();
        let written = segment.streams.iter().try_for_each(|held| {
            entries.push((held.stream.to_string(), self.seal_stream(log, segment, held)?));
            Ok::<_, ArchiveError>(())
        });
        let written = written.and_then(|()| self.seal_marks(log, segment));
        let written = written.and_then(|marks| point("archive.seal.publish").map(|()| marks));
        let (marks, clock) = written.inspect_err(|_| {
            // No manifest names them; the next attempt writes its own.
            self.shared.trash.lock().extend(entries.drain(..).map(|(_, entry)| entry.name));
        })?;
        let incomplete = if commit == 0 { log.streams() } else { Vec::new() };
        self.publish(|manifest| {
            for info in incomplete.iter().filter(|info| info.complete_from.is_some()) {
                let stream = manifest.streams.entry(info.name.to_string()).or_default();
                stream.complete_from = info.complete_from.map(|from| from.0);
                stream.dropped_through = segment.after.to_u64();
            }
            for (stream, entry) in entries {
                manifest.streams.entry(stream).or_default().files.push(entry);
            }
            manifest.marks.push(marks);
            manifest.archived_through = segment.last_offset.to_u64();
            manifest.last_commit = segment.last_commit;
            manifest.last_clock = clock;
            Ok(())
        })?;
        metrics::counter!("pulseboard_archive_sealed_segments_total").increment(1);
        info!(segment = segment.id, through = segment.last_offset.to_u64(), "segment archived");
        Ok(())
    }

    fn seal_stream(
        &self,
        log: &EmbeddedLog,
        segment: &SealedSegment,
        held: &HeldStream,
    ) -> Result<FileEntry, ArchiveError> {
        let rows = log.scan(&held.stream, segment.after, segment.last_offset, None);
        let rows: Batches = Box::new(rows.map(|rows| rows.map_err(ArchiveError::from)));
        let written = self.write_sorted(rows)?;
        let due = (held.events, (held.first_offset.to_u64(), held.last_offset.to_u64()));
        if (written.rows, written.offsets) != due {
            let found = (written.rows, written.offsets);
            return Err(ArchiveError::Rows(format!("stream `{}` has {found:?} where {due:?} is due", held.stream)));
        }
        self.keep(held.stream.as_str(), &written, 0)
    }

    /// Gives a written file its name in the archive.
    pub(crate) fn keep(&self, stream: &str, written: &Written, level: u8) -> Result<FileEntry, ArchiveError> {
        let (first_offset, last_offset) = written.offsets;
        let name = format!("{DATA_PREFIX}{stream}/{first_offset:020}-{last_offset:020}-{}.parquet", unique());
        point("archive.file.name")?;
        self.store.put_file(&written.path, &name)?;
        point("archive.file.named")?;
        Ok(FileEntry {
            name,
            level,
            first_offset,
            last_offset,
            rows: written.rows,
            bytes: written.bytes,
            crc: written.crc,
            min_time: written.times.0,
            max_time: written.times.1,
            min_arrived_at: written.arrived.0,
            max_arrived_at: written.arrived.1,
            sidecars: Vec::new(),
        })
    }

    /// Rows in any order as one sorted file, in bounded memory.
    fn write_sorted(&self, rows: Batches) -> Result<Written, ArchiveError> {
        let (mut runs, mut run, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut schema: Option<SchemaRef> = None;
        for rows in rows {
            self.go_on()?;
            let rows = rows?;
            bytes += rows.get_array_memory_size();
            schema.get_or_insert_with(|| rows.schema());
            run.push(rows);
            if bytes >= RUN_BYTES {
                runs.push(self.write_run(&std::mem::take(&mut run), Effort::Passing)?.path);
                bytes = 0;
            }
        }
        if runs.is_empty() {
            return self.write_run(&run, Effort::Kept);
        }
        if !run.is_empty() {
            runs.push(self.write_run(&run, Effort::Passing)?.path);
        }
        let schema = schema.ok_or_else(|| ArchiveError::Rows("there are none".to_owned()))?;
        while runs.len() > FAN_IN {
            let some: Vec<PathBuf> = runs.drain(..FAN_IN).collect();
            runs.push(self.merge_runs(&some, &schema, Effort::Passing)?.path);
        }
        self.merge_runs(&runs, &schema, Effort::Kept)
    }

    fn write_run(&self, batches: &[RecordBatch], effort: Effort) -> Result<Written, ArchiveError> {
        let first = batches.first().ok_or_else(|| ArchiveError::Rows("there are none".to_owned()))?;
        let rows = sorted(first.schema_ref(), batches, by_time)?;
        let mut writer = FileWriter::create(&self.unfinished(), &rows.schema(), effort)?;
        point("archive.file.write")?;
        for rows in cut(&rows) {
            self.go_on()?;
            writer.write(&rows)?;
        }
        writer.finish()
    }

    fn merge_runs(&self, runs: &[PathBuf], schema: &SchemaRef, effort: Effort) -> Result<Written, ArchiveError> {
        let open = |path: &PathBuf| -> Result<Batches, ArchiveError> {
            let failed =
                |error: &dyn std::fmt::Display| ArchiveError::io(format!("reading `{}`", path.display()), error);
            let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(&error))?;
            let reader = reader.with_batch_size(BATCH_ROWS).build().map_err(|error| failed(&error))?;
            let schema = schema.clone();
            Ok(Box::new(reader.map(move |rows| Ok(conform(&from_file(&rows?)?, &schema)?))))
        };
        let merge = Merge::new(runs.iter().map(open).collect::<Result<_, _>>()?);
        let written = self.write_all(merge, schema, effort)?;
        for path in runs {
            std::fs::remove_file(path).map_err(|error| ArchiveError::io("removing a finished run", &error))?;
        }
        Ok(written)
    }

    /// Writes rows that are sorted already.
    pub(crate) fn write_all(
        &self,
        rows: impl Iterator<Item = Result<RecordBatch, ArchiveError>>,
        schema: &SchemaRef,
        effort: Effort,
    ) -> Result<Written, ArchiveError> {
        let mut writer = FileWriter::create(&self.unfinished(), schema, effort)?;
        point("archive.file.write")?;
        for rows in rows {
            self.go_on()?;
            writer.write(&rows?)?;
        }
        writer.finish()
    }

    fn seal_marks(&self, log: &EmbeddedLog, segment: &SealedSegment) -> Result<(MarksEntry, i64), ArchiveError> {
        let path = self.unfinished();
        let mut writer = MarksWriter::create(&path)?;
        let (mut commit, mut first_clock, mut last) = (segment.first_commit - 1, i64::MIN, None);
        while commit < segment.last_commit {
            self.go_on()?;
            let mut marks = log.marks(commit)?;
            marks.retain(|mark| mark.commit <= segment.last_commit);
            let Some(end) = marks.last().copied() else {
                return Err(ArchiveError::Rows(format!("the log has no commit {}", commit + 1)));
            };
            if last.is_none() {
                first_clock = marks.first().map_or(i64::MIN, |first| first.clock.0);
            }
            writer.write(&marks)?;
            (commit, last) = (end.commit, Some(end));
        }
        let bytes = writer.finish()?;
        let (last_offset, clock) =
            last.map_or((segment.last_offset.to_u64(), i64::MIN), |end| (end.last_offset.to_u64(), end.clock.0));
        let name = format!("{DATA_PREFIX}.commits/{:020}-{:020}-{}.parquet", segment.first_commit, commit, unique());
        self.store.put_file(&path, &name)?;
        let first_commit = segment.first_commit;
        let entry = MarksEntry { name, first_commit, last_commit: commit, first_clock, last_offset, bytes };
        Ok((entry, clock))
    }

    /// A name for a file that is not finished.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.store.work_dir().join(unique())
    }

    /// Whether to go on: the server may be ending.
    pub(crate) fn go_on(&self) -> Result<(), ArchiveError> {
        if self.shutdown.is_triggered() { Err(ArchiveError::Closing) } else { Ok(()) }
    }
}

/// The newest layout of a stream.
pub(crate) fn event_schema(log: &dyn Log, stream: &str) -> Result<SchemaRef, ArchiveError> {
    let schema = log.schema(stream).ok_or_else(|| ArchiveError::Rows(format!("stream `{stream}` is not known")))?;
    Ok(Arc::clone(&schema.event_schema()))
}
