//! What the log holds, in memory: its streams with all versions of their schemas, and its segments.
//!
//! The writer changes it after a commit is durable; everyone else reads it. It never touches a file.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pulseboard_model::{LogOffset, OWN_STREAMS, StreamName, StreamSchema, TimeUs};

use super::body::Layouts;
use super::segment::Segment;
use super::summary::{StreamSummary, Summary};
use crate::log::{Removal, StreamInfo};

/// All versions of one stream's schema by number.
pub(super) type Versions = HashMap<u32, Arc<Layouts>>;

/// How far a stream's events were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Removed {
    /// Those up to this offset.
    pub(super) through: u64,
    /// The version of its schema, without fields, that came of it: while it is the newest, the stream is not there.
    pub(super) version: u32,
    /// It is complete from then on, µs.
    pub(super) at: i64,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) newest: Arc<Layouts>,
    pub(super) versions: Versions,
    /// Events and bytes in the log now, and where they are; `None` while it has none.
    pub(super) held: Option<StreamSummary>,
    /// The last offset it ever had; 0 if none.
    pub(super) last_offset: u64,
    pub(super) rejected: u64,
    pub(super) complete_from: Option<i64>,
    /// The newest version that is in the metadata; 0 if none.
    pub(super) flushed_version: u32,
    /// The count of rejects that is in the metadata.
    pub(super) flushed_rejected: u64,
    pub(super) removed: Option<Removed>,
}

impl Stream {
    fn new(newest: Arc<Layouts>) -> Self {
        Self {
            versions: HashMap::from([(newest.schema.version.0, newest.clone())]),
            newest,
            held: None,
            last_offset: 0,
            rejected: 0,
            complete_from: None,
            flushed_version: 0,
            flushed_rejected: 0,
            removed: None,
        }
    }

    /// The last offset of it that was removed; 0 if none.
    pub(super) fn removed_through(&self) -> u64 {
        self.removed.map_or(0, |removed| removed.through)
    }

    /// Whether it was removed, and nothing came since.
    pub(super) fn is_removed(&self) -> bool {
        self.held.is_none() && self.removed.is_some_and(|removed| removed.version == self.newest.schema.version.0)
    }

    /// What is told about it.
    pub(super) fn info(&self, name: &StreamName) -> StreamInfo {
        let offset = |of: fn(&StreamSummary) -> u64| self.held.as_ref().map(|held| LogOffset::from_u64(of(held)));
        StreamInfo {
            name: name.clone(),
            schema: self.newest.schema.clone(),
            events: self.held.map_or(0, |held| held.events),
            rejected: self.rejected,
            bytes: self.held.map_or(0, |held| held.bytes),
            first_offset: offset(|held| held.first_offset),
            last_offset: offset(|held| held.last_offset),
            last_arrived_at: self.held.map(|held| TimeUs(held.last_at)),
            complete_from: self.complete_from.map(TimeUs),
        }
    }
}

/// Everything the log holds.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub(super) streams: BTreeMap<StreamName, Stream>,
    /// Oldest first; the last one is written to.
    pub(super) segments: Vec<Arc<Segment>>,
}

impl Catalog {
    /// How many streams there are beside the server's own: these are what the limit is on.
    pub(super) fn sent_streams(&self) -> usize {
        self.streams
            .iter()
            .filter(|(name, stream)| !OWN_STREAMS.contains(&name.as_str()) && !stream.is_removed())
            .count()
    }

    /// Makes a version of a schema known; the highest one is the newest. Makes the stream if it is new.
    pub(super) fn add_schema(&mut self, stream: &StreamName, schema: StreamSchema) {
        if self.streams.get(stream).is_some_and(|known| known.versions.contains_key(&schema.version.0)) {
            return;
        }
        self.add_layouts(stream, &Layouts::new(Arc::new(schema)));
    }

    /// The same, with the layouts made already.
    pub(super) fn add_layouts(&mut self, stream: &StreamName, layouts: &Arc<Layouts>) {
        let known = self.streams.entry(stream.clone()).or_insert_with(|| Stream::new(layouts.clone()));
        known.versions.insert(layouts.schema.version.0, layouts.clone());
        if layouts.schema.version > known.newest.schema.version {
            known.newest = layouts.clone();
        }
    }

    /// Counts in what a segment, or a part that was just committed, holds of a stream.
    pub(super) fn add_events(&mut self, stream: &StreamName, added: &StreamSummary) {
        if let Some(known) = self.streams.get_mut(stream) {
            // A segment holds events of before a removal or of after it, never of both.
            let removed_through = known.removed_through();
            match &mut known.held {
                _ if added.last_offset <= removed_through => {}
                Some(held) => held.extend(added),
                None => known.held = Some(*added),
            }
            known.last_offset = added.last_offset;
        }
    }

    /// Counts in a whole segment.
    pub(super) fn add_summary(&mut self, summary: &Summary) {
        for (stream, held) in &summary.streams {
            self.add_events(stream, held);
        }
    }

    /// Takes out the oldest segment.
    pub(super) fn drop_oldest(&mut self) {
        if self.segments.is_empty() {
            return;
        }
        let segment = self.segments.remove(0);
        for (name, complete_from) in segment.complete_from_after() {
            let Some(gone) = segment.contents.read().summary.streams.get(&name).copied() else { continue };
            if self.streams.get(&name).is_some_and(|known| gone.last_offset <= known.removed_through()) {
                continue;
            }
            let next = self
                .segments
                .iter()
                .find_map(|segment| segment.contents.read().summary.streams.get(&name).map(|held| held.first_offset));
            let Some(stream) = self.streams.get_mut(&name) else { continue };
            stream.complete_from = Some(complete_from);
            stream.held = stream.held.zip(next).map(|(held, first_offset)| StreamSummary {
                events: held.events.saturating_sub(gone.events),
                bytes: held.bytes.saturating_sub(gone.bytes),
                first_offset,
                ..held
            });
        }
    }

    /// What is told about all streams.
    pub(super) fn infos(&self) -> Vec<StreamInfo> {
        let there = self.streams.iter().filter(|(_, stream)| !stream.is_removed());
        there.map(|(name, stream)| stream.info(name)).collect()
    }

    /// How far a stream was last removed.
    pub(super) fn removal(&self, stream: &str) -> Option<Removal> {
        let removed = self.streams.get(stream)?.removed?;
        Some(Removal { through: LogOffset::from_u64(removed.through), at: TimeUs(removed.at) })
    }

    /// Takes the events out that a stream has now.
    pub(super) fn remove(&mut self, stream: &StreamName, removed: Removed, schema: StreamSchema) {
        self.add_schema(stream, schema);
        if let Some(known) = self.streams.get_mut(stream) {
            known.removed = Some(removed);
            known.held = None;
            known.complete_from = Some(removed.at);
            known.flushed_version = known.flushed_version.max(removed.version);
        }
    }

    /// The first offset still in the log, or the one that will be.
    pub(super) fn first_offset(&self) -> u64 {
        self.segments.first().map_or(1, |segment| segment.start.first_offset)
    }

    /// The first commit still in the log, or the one that will be.
    pub(super) fn first_commit(&self) -> u64 {
        self.segments.first().map_or(1, |segment| segment.start.first_commit)
    }

    /// `_arrived_at` of the newest event.
    pub(super) fn newest(&self) -> Option<i64> {
        self.streams.values().filter_map(|stream| stream.held.map(|held| held.last_at)).max()
    }

    /// The segment that holds a commit, or will; `None` if it was dropped.
    pub(super) fn segment_of_commit(&self, commit: u64) -> Option<Arc<Segment>> {
        let after = self.segments.partition_point(|segment| segment.start.first_commit <= commit);
        after.checked_sub(1).map(|index| self.segments[index].clone())
    }

    /// The segment that holds an offset, or will; `None` if it was dropped.
    pub(super) fn segment_of_offset(&self, offset: u64) -> Option<Arc<Segment>> {
        let after = self.segments.partition_point(|segment| segment.start.first_offset <= offset);
        after.checked_sub(1).map(|index| self.segments[index].clone())
    }
}
