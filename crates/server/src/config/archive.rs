//! `[archive]`: where history is kept, and when segments of the log go there.

use super::reader::{Problem, Reader};
use super::values::{size_bytes, span_us, wrong};

/// A segment stays at least as long as idempotency keys are known, µs.
const KEEP_SEGMENTS_US_MIN: i64 = 10 * 60 * 1_000_000;

/// How history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveSettings {
    /// Whether there is an archive.
    pub enabled: bool,
    /// Where it lies; a directory within the data directory if `None`.
    pub url: Option<String>,
    /// Whether files are joined into those of an hour and of a day.
    pub merge: bool,
    /// A segment of the log is sealed when its first event is this old, µs,
    pub seal_every_us: i64,
    /// or when its events take this many bytes.
    pub seal_bytes: u64,
    /// How long an archived segment stays in the log, µs.
    pub keep_segments_us: i64,
}

impl Default for ArchiveSettings {
    fn default() -> Self {
        let hour_us = 3_600 * 1_000_000;
        Self {
            enabled: true,
            url: None,
            merge: true,
            seal_every_us: hour_us,
            seal_bytes: 256 << 20,
            keep_segments_us: hour_us,
        }
    }
}

/// Reads `[archive]`; what is not set keeps its default.
pub(super) fn read_archive(root: &mut Reader<'_>, file: &str, problems: &mut Vec<Problem>) -> ArchiveSettings {
    let mut settings = ArchiveSettings::default();
    let Some(table) = root.table("archive", problems) else { return settings };
    let mut reader = Reader::new(file, "archive", table);
    let switch = |value: &toml::Value| value.as_bool().ok_or_else(|| wrong("true or false", value));
    if let Some(enabled) = reader.read("enabled", problems, switch) {
        settings.enabled = enabled;
    }
    settings.url = reader.read("url", problems, |value| {
        let text = value.as_str().ok_or_else(|| wrong("a directory or `s3://BUCKET/PREFIX`", value))?;
        let known = !text.contains("://") || text.starts_with("s3://") || text.starts_with("file://");
        if known && !text.is_empty() && !text.contains('@') {
            Ok(text.to_owned())
        } else {
            Err("is no place for an archive: use a directory or `s3://BUCKET/PREFIX`, with endpoint and keys in the \
                 environment (`AWS_ENDPOINT`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`)"
                .to_owned())
        }
    });
    if let Some(merge) = reader.read("merge", problems, switch) {
        settings.merge = merge;
    }
    if let Some(span) = reader.read("seal_every", problems, span_us) {
        settings.seal_every_us = span;
    }
    if let Some(bytes) = reader.read("seal_bytes", problems, size_bytes) {
        settings.seal_bytes = bytes;
    }
    let keep = reader.read("keep_segments", problems, |value| {
        let us = span_us(value)?;
        if us >= KEEP_SEGMENTS_US_MIN {
            Ok(us)
        } else {
            Err("must be at least `10m`, as long as retries are recognised".to_owned())
        }
    });
    if let Some(us) = keep {
        settings.keep_segments_us = us;
    }
    reader.finish(problems);
    settings
}
