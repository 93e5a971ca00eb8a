//! What can be set about the archive, with its defaults. Nothing here is read from files: the server fills it in.

use std::path::{Path, PathBuf};

use pulseboard_journal::Retention;

const HOUR_US: i64 = 3_600 * 1_000_000;

/// How files are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeRules {
    /// The spans of arrival that files are joined to, the shorter first, µs: an hour and a day.
    pub spans_us: [i64; 2],
    /// A joined file has at most so many rows,
    pub rows_max: u64,
    /// and so many bytes.
    pub bytes_max: u64,
}

impl Default for MergeRules {
    fn default() -> Self {
        Self { spans_us: [HOUR_US, 24 * HOUR_US], rows_max: 8 << 20, bytes_max: 512 << 20 }
    }
}

/// How the archive is set up.
#[derive(Debug, Clone)]
pub struct ArchiveConfig {
    /// A directory, or `s3://BUCKET/PREFIX` with the endpoint and keys in the environment (`AWS_…`).
    pub url: String,
    /// Files on their way to an object store.
    pub work_dir: PathBuf,
    /// Where the archive's id is kept beside the log.
    pub id_file: PathBuf,
    /// Whether and how files are joined.
    pub merge: Option<MergeRules>,
    /// How long and how much of each stream is kept.
    pub retention: Retention,
}

impl ArchiveConfig {
    /// The defaults for a log in `data_dir`: a directory beside its segments.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self {
            url: data_dir.join("archive").display().to_string(),
            work_dir: data_dir.join("archive-unfinished"),
            id_file: data_dir.join("archive.id"),
            merge: Some(MergeRules::default()),
            retention: Retention::default(),
        }
    }
}
