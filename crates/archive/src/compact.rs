//! Joins neighbouring files into larger ones: those of an hour of arrival, then those of a day.
//!
//! Because it goes by arrival, what is joined is a range of offsets without holes, and no file is ever written again for a
//! row that came late. A file that has been joined to its level is left alone until the next level.

use std::ops::Range;

use pulseboard_journal::Log;
use pulseboard_model::conform::conform;
use tracing::info;

use crate::archive::Archive;
use crate::config::MergeRules;
use crate::error::ArchiveError;
use crate::file_writer::Effort;
use crate::manifest::FileEntry;
use crate::read::whole_file;
use crate::seal::{event_schema, point};
use crate::sorted::{Batches, Merge};

/// A joined file covers at most this part of the time its stream is kept, so that what is dropped is dropped in time.
const KEPT_PART: i64 = 4;
/// So many files are joined at once.
const FILES_MAX: usize = 64;

/// Neighbouring files to be joined, and the level they come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) files: Range<usize>,
    pub(crate) level: u8,
}

/// What of a stream's files to join next; `None` if nothing. `clock` is the archive's: nothing that arrived before comes any
/// more.
pub(crate) fn next_job(files: &[FileEntry], rules: &MergeRules, keep_us: i64, clock: i64) -> Option<Job> {
    rules.spans_us.iter().zip(1u8..).find_map(|(span_us, level)| {
        if *span_us > keep_us / KEPT_PART {
            return None;
        }
        let span_of = |file: &FileEntry| file.min_arrived_at.div_euclid(*span_us);
        let mut start = 0;
        while start < files.len() {
            let span = span_of(&files[start]);
            let alike = |file: &FileEntry| file.level < level && span_of(file) == span;
            let count = files[start..].iter().take_while(|file| alike(file)).count();
            let is_over = (span + 1).saturating_mul(*span_us) <= clock;
            if let Some(job) = fit(files, start..start + count, rules, is_over) {
                return Some(Job { files: job, level });
            }
            start += count.max(1);
        }
        None
    })
}

/// The first part of `range` that is worth joining: what fits into one file, if that is full or its time is over.
fn fit(files: &[FileEntry], range: Range<usize>, rules: &MergeRules, is_over: bool) -> Option<Range<usize>> {
    let mut start = range.start;
    while start < range.end {
        let (mut end, mut rows, mut bytes) = (start, 0, 0);
        while end < range.end && end - start < FILES_MAX {
            rows += files[end].rows;
            bytes += files[end].bytes;
            if rows > rules.rows_max || bytes > rules.bytes_max {
                break;
            }
            end += 1;
        }
        let is_full = end < range.end;
        if end - start >= 2 && (is_full || is_over) {
            return Some(start..end);
        }
        start = end.max(start + 1);
    }
    None
}

impl Archive {
    /// Joins files as far as there are any to join, one stream after the other.
    pub(crate) fn compact(&self, log: &dyn Log) -> Result<(), ArchiveError> {
        let Some(rules) = self.config.merge else { return Ok(()) };
        let streams: Vec<String> = self.published()?.manifest.streams.keys().cloned().collect();
        for stream in streams {
            while self.compact_stream(log, &stream, &rules)? {
                self.empty_trash()?;
            }
        }
        Ok(())
    }

    fn compact_stream(&self, log: &dyn Log, stream: &str, rules: &MergeRules) -> Result<bool, ArchiveError> {
        self.go_on()?;
        let published = self.published()?;
        let keep_us =
            pulseboard_model::StreamName::new(stream).map_or(i64::MAX, |name| self.retention.read().of(&name).keep_us);
        let files = published.files(stream);
        let Some(job) = next_job(files, rules, keep_us, published.manifest.last_clock) else { return Ok(false) };
        let inputs = &files[job.files.clone()];
        let schema = event_schema(log, stream)?;
        let open = |file: &FileEntry| -> Result<Batches, ArchiveError> {
            let object = published.object(&file.name)?;
            object.verify(file.crc)?;
            let schema = schema.clone();
            Ok(Box::new(whole_file(object)?.map(move |rows| Ok(conform(&rows?, &schema)?))))
        };
        point("archive.merge.begin")?;
        let merge = Merge::new(inputs.iter().map(open).collect::<Result<_, _>>()?);
        let written = self.write_all(merge, &schema, Effort::Kept)?;
        let due = (
            inputs.iter().map(|file| file.rows).sum::<u64>(),
            inputs.first().map_or(0, |file| file.first_offset),
            inputs.last().map_or(0, |file| file.last_offset),
        );
        if (written.rows, written.offsets.0, written.offsets.1) != due {
            let found = (written.rows, written.offsets);
            return Err(ArchiveError::Rows(format!("stream `{stream}` has {found:?} joined where {due:?} is due")));
        }
        let entry = self.keep(stream, &written, job.level)?;
        point("archive.merge.publish")?;
        let names: Vec<&str> = inputs.iter().map(|file| file.name.as_str()).collect();
        self.publish(|manifest| {
            let files = manifest.streams.get_mut(stream).map(|stream| &mut stream.files);
            let place = files.and_then(|files| {
                let at = files.iter().position(|file| file.name == names[0])?;
                let there = files.get(at..at + names.len())?;
                let same = there.iter().map(|file| file.name.as_str()).eq(names.iter().copied());
                same.then(|| files.splice(at..at + names.len(), [entry.clone()]).count())
            });
            place.map(drop).ok_or_else(|| ArchiveError::Rows(format!("the files of `{stream}` changed meanwhile")))
        })?;
        metrics::counter!("pulseboard_archive_merges_total").increment(1);
        info!(stream, files = names.len(), rows = written.rows, level = job.level, "archive files joined");
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(min_arrived_at: i64, level: u8, rows: u64) -> FileEntry {
        FileEntry {
            name: min_arrived_at.to_string(),
            level,
            first_offset: 1,
            last_offset: 1,
            rows,
            bytes: rows,
            crc: 0,
            min_time: 0,
            max_time: 0,
            min_arrived_at,
            max_arrived_at: min_arrived_at,
            sidecars: Vec::new(),
        }
    }

    const RULES: MergeRules = MergeRules { spans_us: [10, 100], rows_max: 10, bytes_max: 1_000 };

    fn job(files: &[FileEntry], clock: i64) -> Option<(Range<usize>, u8)> {
        next_job(files, &RULES, 1_000, clock).map(|job| (job.files, job.level))
    }

    #[test]
    fn an_hour_is_joined_when_it_is_over() {
        let files = [file(1, 0, 1), file(5, 0, 1), file(9, 0, 1), file(11, 0, 1)];
        assert_eq!(job(&files, 9), None);
        assert_eq!(job(&files, 10), Some((0..3, 1)));
        assert_eq!(job(&[file(1, 1, 3), file(11, 0, 1)], 20), None, "one file is not joined with itself");
    }

    #[test]
    fn a_day_takes_hours_and_what_stood_alone() {
        let files = [file(1, 1, 3), file(11, 0, 1), file(25, 1, 2), file(101, 0, 1)];
        assert_eq!(job(&files, 99), None);
        assert_eq!(job(&files, 100), Some((0..3, 2)));
        assert_eq!(job(&[file(1, 2, 6), file(101, 0, 1)], 110), None);
    }

    #[test]
    fn what_is_full_is_joined_at_once_and_never_made_too_large() {
        let files = [file(1, 0, 6), file(2, 0, 4), file(3, 0, 1), file(4, 0, 11), file(5, 0, 2), file(6, 0, 2)];
        assert_eq!(job(&files, 7), Some((0..2, 1)));
        let files = [file(1, 1, 10), file(3, 0, 1), file(4, 0, 11), file(5, 0, 2), file(6, 0, 2)];
        assert_eq!(job(&files, 7), None);
        assert_eq!(job(&files, 10), Some((3..5, 1)));
    }

    #[test]
    fn a_stream_that_is_kept_for_a_short_time_has_no_day_files() {
        let files = [file(1, 1, 3), file(11, 0, 1), file(101, 0, 1)];
        assert_eq!(next_job(&files, &RULES, 399, 200), None);
        assert!(next_job(&files, &RULES, 400, 200).is_some());
    }
}
