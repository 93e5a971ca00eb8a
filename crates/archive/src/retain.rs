//! Retention: whole files go, the oldest first, when all their rows may.

use std::collections::HashMap;

use pulseboard_journal::{EmbeddedLog, Keep, Log, SealedSegment, StreamInfo};
use pulseboard_model::StreamName;
use tracing::info;

use crate::archive::Archive;
use crate::error::ArchiveError;
use crate::manifest::{FileEntry, StreamFiles};
use crate::seal::point;

/// How many of a stream's files go, the oldest first. `newer_bytes` are those of its rows that are not in files yet.
fn expired(files: &[FileEntry], keep: &Keep, newer_bytes: u64, now: i64) -> usize {
    let mut newer = files.iter().map(|file| file.bytes).sum::<u64>() + newer_bytes;
    files
        .iter()
        .take_while(|file| {
            newer = newer.saturating_sub(file.bytes);
            file.max_arrived_at < now.saturating_sub(keep.keep_us) || newer >= keep.max_bytes
        })
        .count()
}

fn drop_oldest(stream: &mut StreamFiles, count: usize) {
    for file in stream.files.drain(..count) {
        stream.dropped_through = file.last_offset;
        // Events of one instant are in one file or in the newer ones, so the instant after its last is complete.
        stream.complete_from = Some(file.max_arrived_at.saturating_add(1));
    }
}

/// Bytes of each stream in the log beyond what is archived.
pub(crate) fn bytes_beyond(
    streams: &[StreamInfo],
    sealed: &[SealedSegment],
    last_commit: u64,
) -> HashMap<StreamName, u64> {
    let mut bytes: HashMap<StreamName, u64> = streams.iter().map(|info| (info.name.clone(), info.bytes)).collect();
    for segment in sealed.iter().filter(|segment| segment.last_commit <= last_commit) {
        for held in &segment.streams {
            if let Some(bytes) = bytes.get_mut(&held.stream) {
                *bytes = bytes.saturating_sub(held.bytes);
            }
        }
    }
    bytes
}

impl Archive {
    /// Drops the files of what was removed from the log.
    pub(crate) fn drop_removed(&self, log: &EmbeddedLog) -> Result<(), ArchiveError> {
        let published = self.published()?;
        let removed = published.manifest.streams.iter().filter_map(|(name, stream)| {
            let removal = log.removal(name)?;
            let has_files = stream.files.first().is_some_and(|file| file.last_offset <= removal.through.to_u64());
            has_files.then(|| (name.clone(), removal))
        });
        let removed: Vec<_> = removed.collect();
        drop(published);
        if removed.is_empty() {
            return Ok(());
        }
        point("archive.remove.publish")?;
        self.publish(|manifest| {
            for (name, removal) in &removed {
                if let Some(stream) = manifest.streams.get_mut(name) {
                    stream.files.retain(|file| file.last_offset > removal.through.to_u64());
                    stream.complete_from = stream.complete_from.max(Some(removal.at.0));
                }
            }
            Ok(())
        })?;
        for (stream, _) in &removed {
            info!(stream, "archive files of a removed stream dropped");
        }
        Ok(())
    }

    /// Drops what may go.
    pub(crate) fn retain(&self, newer_bytes: &HashMap<StreamName, u64>, now: i64) -> Result<(), ArchiveError> {
        let published = self.published()?;
        let mut dropped: Vec<(String, usize)> = Vec::new();
        for (name, stream) in &published.manifest.streams {
            let Ok(stream_name) = StreamName::new(name) else { continue };
            let keep = self.retention.read().of(&stream_name);
            let newer = newer_bytes.get(&stream_name).copied().unwrap_or(0);
            let count = expired(&stream.files, &keep, newer, now);
            if count > 0 {
                dropped.push((name.clone(), count));
            }
        }
        if dropped.is_empty() {
            return Ok(());
        }
        point("archive.drop.publish")?;
        self.publish(|manifest| {
            for (name, count) in &dropped {
                if let Some(stream) = manifest.streams.get_mut(name) {
                    drop_oldest(stream, *count);
                }
            }
            let first = manifest.streams.values().filter_map(|stream| Some(stream.files.first()?.first_offset)).min();
            let first = first.unwrap_or(manifest.archived_through + 1);
            manifest.marks.retain(|marks| marks.last_offset >= first);
            Ok(())
        })?;
        for (stream, files) in &dropped {
            info!(stream, files, "archive files dropped by retention");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(max_arrived_at: i64, bytes: u64) -> FileEntry {
        FileEntry {
            name: max_arrived_at.to_string(),
            level: 0,
            first_offset: max_arrived_at.cast_unsigned(),
            last_offset: max_arrived_at.cast_unsigned(),
            rows: 1,
            bytes,
            crc: 0,
            min_time: 0,
            max_time: 0,
            min_arrived_at: max_arrived_at,
            max_arrived_at,
            sidecars: Vec::new(),
        }
    }

    #[test]
    fn files_go_by_age_and_by_bytes_oldest_first() {
        let files = [file(10, 5), file(20, 5), file(30, 5)];
        let keep = |keep_us, max_bytes| Keep { keep_us, max_bytes };
        assert_eq!(expired(&files, &keep(100, 100), 0, 50), 0);
        assert_eq!(expired(&files, &keep(25, 100), 0, 50), 2, "those that came before 25");
        assert_eq!(expired(&files, &keep(100, 10), 0, 50), 1, "10 newer bytes are behind the first");
        assert_eq!(expired(&files, &keep(100, 10), 5, 50), 2, "what is in the log counts");
        let mut stream = StreamFiles { files: files.to_vec(), ..StreamFiles::default() };
        drop_oldest(&mut stream, 2);
        assert_eq!((stream.files.len(), stream.dropped_through, stream.complete_from), (1, 20, Some(21)));
    }
}
