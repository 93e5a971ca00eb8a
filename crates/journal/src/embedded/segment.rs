//! A segment as the process knows it: where it lies, what it holds, and who still reads it.
//!
//! Its files go when it was dropped *and* its last reader has let go of it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use pulseboard_model::StreamName;
use tracing::{info, warn};

use super::part::{PartHeader, part_id};
use super::segment_file::{self, PartIndex, SegmentStart};
use super::summary::Summary;

/// What changes about a segment.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) summary: Summary,
    /// Where each stream's parts are; `None` once the file has an index of its own.
    pub(super) index: Option<PartIndex>,
    /// Nothing comes to it any more.
    pub(super) sealed: bool,
}

/// One segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) start: SegmentStart,
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) contents: RwLock<Contents>,
    dropped: AtomicBool,
    /// A write to it failed.
    closed: AtomicBool,
}

impl Segment {
    pub(super) fn new(dir: &Path, start: SegmentStart, contents: Contents) -> Self {
        let name = segment_file::file_name(start.id);
        let path = dir.join(&name);
        let (dropped, closed) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { start, path, name, contents: RwLock::new(contents), dropped, closed }
    }

    /// The key at which the segment ends, once it is known. A commit that failed may lie in the file beyond it: that one
    /// was never answered for and is not read.
    pub(super) fn end_id(&self) -> i64 {
        let contents = self.contents.read();
        if contents.sealed { part_id(contents.summary.last_commit + 1, 0) } else { i64::MAX }
    }

    /// Counts in a part that was committed.
    pub(super) fn add(&self, header: &PartHeader, body_bytes: u64) {
        let mut contents = self.contents.write();
        contents.summary.add(header, body_bytes);
        if let (Some(index), Some(stream)) = (&mut contents.index, &header.stream) {
            let place = (header.id(), header.first_offset);
            match index.get_mut(stream) {
                Some(parts) => parts.push(place),
                None => {
                    index.insert(stream.clone(), vec![place]);
                }
            }
        }
    }

    /// From when each of its streams is complete once this segment, and everything before it, is gone, µs. Events of one
    /// instant are in one segment or in the newer ones, so the instant after its last is complete.
    pub(super) fn complete_from_after(&self) -> Vec<(StreamName, i64)> {
        let contents = self.contents.read();
        contents.summary.streams.iter().map(|(name, held)| (name.clone(), held.last_at.saturating_add(1))).collect()
    }

    /// Whether retention let it go.
    pub(super) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }

    /// From now on nothing writes to it, not even to tidy it up.
    pub(super) fn close_for_ever(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether a write to it failed, so that it is never written again.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Lets the files go with the last reader.
    pub(super) fn drop_files(&self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.dropped.load(Ordering::SeqCst) {
            match segment_file::remove(&self.path) {
                Ok(()) => info!(segment = self.name, "segment dropped by retention"),
                // The next start removes what is left.
                Err(error) => warn!(segment = self.name, %error, "a dropped segment's files stay until the next start"),
            }
        }
    }
}
