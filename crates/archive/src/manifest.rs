//! The manifest: what the archive consists of. It alone says so; an object that it does not name is not there.
//!
//! One JSON object per version, `manifest-VERSION.json`, written once and never changed: the highest version is the one
//! that holds. A checksum covers all of it. Every change of the archive is one new version.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::ArchiveError;

/// The format this version reads and writes.
pub(crate) const FORMAT: u32 = 1;
/// What the names of all manifests begin with.
pub(crate) const PREFIX: &str = "manifest-";
/// What the names of all other objects begin with.
pub(crate) const DATA_PREFIX: &str = "data/";

/// What the archive consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    /// From 1, one more with each change.
    pub(crate) version: u64,
    /// Whose archive this is: made with it, and kept in the data directory, too.
    pub(crate) id: String,
    /// The log's epoch when this version was written.
    pub(crate) epoch: String,
    /// Every event of the log up to this offset is here, or was dropped by retention.
    pub(crate) archived_through: u64,
    /// The last commit that is here.
    pub(crate) last_commit: u64,
    /// The clock at that commit, µs.
    pub(crate) last_clock: i64,
    /// By name.
    pub(crate) streams: BTreeMap<String, StreamFiles>,
    /// Where the commits were, in order.
    pub(crate) marks: Vec<MarksEntry>,
}

/// The files of one stream, in the order of their offsets, which do not overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamFiles {
    pub(crate) files: Vec<FileEntry>,
    /// The last offset that retention dropped; 0 if none.
    pub(crate) dropped_through: u64,
    /// From which `_arrived_at` the stream is complete, if retention dropped events, µs.
    pub(crate) complete_from: Option<i64>,
}

/// One file of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    pub(crate) name: String,
    /// 0 as sealed, 1 of an hour, 2 of a day.
    pub(crate) level: u8,
    pub(crate) first_offset: u64,
    pub(crate) last_offset: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
    pub(crate) min_time: i64,
    pub(crate) max_time: i64,
    pub(crate) min_arrived_at: i64,
    pub(crate) max_arrived_at: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sidecars: Vec<Sidecar>,
}

/// What others keep beside one file and lose with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sidecar {
    pub(crate) name: String,
    pub(crate) object: String,
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
}

/// One file of commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MarksEntry {
    pub(crate) name: String,
    pub(crate) first_commit: u64,
    pub(crate) last_commit: u64,
    /// The clock at its first commit, µs.
    pub(crate) first_clock: i64,
    pub(crate) last_offset: u64,
    pub(crate) bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    crc: u32,
    #[serde(borrow)]
    manifest: &'a RawValue,
}

impl Manifest {
    /// An archive with nothing in it, not written yet.
    pub(crate) fn empty(id: String, epoch: String) -> Self {
        Self {
            format: FORMAT,
            version: 0,
            id,
            epoch,
            archived_through: 0,
            last_commit: 0,
            last_clock: i64::MIN,
            streams: BTreeMap::new(),
            marks: Vec::new(),
        }
    }

    /// The object's name.
    pub(crate) fn object_name(&self) -> String {
        format!("{PREFIX}{:012}.json", self.version)
    }

    /// The version in an object's name.
    pub(crate) fn version_of(name: &str) -> Option<u64> {
        name.strip_prefix(PREFIX)?.strip_suffix(".json")?.parse().ok()
    }

    pub(crate) fn encode(&self) -> Result<Bytes, ArchiveError> {
        let failed = |error: serde_json::Error| ArchiveError::io("writing the manifest", &error);
        let text = serde_json::to_string(self).map_err(failed)?;
        let crc = crc32c::crc32c(text.as_bytes());
        let manifest = RawValue::from_string(text).map_err(failed)?;
        serde_json::to_vec(&Envelope { crc, manifest: &manifest }).map(Bytes::from).map_err(failed)
    }

    pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<Self, ArchiveError> {
        let failed = |error: serde_json::Error| ArchiveError::corrupt(name, error);
        let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(failed)?;
        let text = envelope.manifest.get();
        if crc32c::crc32c(text.as_bytes()) != envelope.crc {
            return Err(ArchiveError::corrupt(name, "its checksum does not match"));
        }
        let manifest: Self = serde_json::from_str(text).map_err(failed)?;
        if manifest.format != FORMAT {
            return Err(ArchiveError::corrupt(name, format!("its format {} is unknown", manifest.format)));
        }
        Ok(manifest)
    }

    /// All objects it names.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (&str, u64)> {
        let files = self.streams.values().flat_map(|stream| &stream.files).flat_map(|file| {
            let sidecars = file.sidecars.iter().map(|sidecar| (sidecar.object.as_str(), sidecar.bytes));
            std::iter::once((file.name.as_str(), file.bytes)).chain(sidecars)
        });
        files.chain(self.marks.iter().map(|marks| (marks.name.as_str(), marks.bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let file = FileEntry {
            name: "data/a/1.parquet".into(),
            level: 1,
            first_offset: 3,
            last_offset: 9,
            rows: 4,
            bytes: 100,
            crc: 7,
            min_time: -5,
            max_time: 5,
            min_arrived_at: 1,
            max_arrived_at: 2,
            sidecars: vec![Sidecar { name: "r".into(), object: "data/a/1.r".into(), bytes: 3, crc: 1 }],
        };
        let stream = StreamFiles { files: vec![file], dropped_through: 2, complete_from: Some(1) };
        let mut manifest = Manifest::empty("id".into(), "e".into());
        manifest.streams.insert("a".into(), stream);
        manifest
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let bytes = manifest().encode().unwrap();
        assert_eq!(Manifest::decode("m", &bytes).unwrap(), manifest());
        assert_eq!(manifest().objects().map(|(name, _)| name).collect::<Vec<_>>(), ["data/a/1.parquet", "data/a/1.r"]);
        assert_eq!(Manifest::version_of(&manifest().object_name()), Some(0));
    }

    #[test]
    fn a_changed_byte_is_seen() {
        let bytes = manifest().encode().unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            let read = Manifest::decode("m", &changed);
            // A change of the space between values, which there is none of, would be the only harmless one.
            assert!(read.is_err(), "byte {at}");
        }
    }
}
