//! `[checkpoints]`: how often the state of live queries is kept, and how many bytes that may take.

use super::reader::{Problem, Reader};
use super::values::{size_within, span_us};

/// The limit of bytes, KiB.
const KIB: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 40;
/// The longest and shortest time between two checkpoints of a query, µs: an hour and a second.
const EVERY_US: std::ops::RangeInclusive<i64> = 1_000_000..=3_600_000_000;

/// How checkpoints are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointConfig {
    /// How old the newest one of a query that changes gets, µs.
    pub every_us: i64,
    /// What all together take at most, but for the newest of each query.
    pub bytes_max: u64,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every_us: 60_000_000, bytes_max: 2 << 30 }
    }
}

/// Reads `[checkpoints]`; what is not set keeps its default.
pub(super) fn read_checkpoints(root: &mut Reader<'_>, file: &str, problems: &mut Vec<Problem>) -> CheckpointConfig {
    let mut config = CheckpointConfig::default();
    let Some(table) = root.table("checkpoints", problems) else { return config };
    let mut reader = Reader::new(file, "checkpoints", table);
    let every = reader.read("every", problems, |value| {
        let us = span_us(value)?;
        if EVERY_US.contains(&us) { Ok(us) } else { Err("must be from `1s` to `1h`".to_owned()) }
    });
    let bytes = reader.read("max_bytes", problems, |value| size_within(value, &KIB));
    config.every_us = every.unwrap_or(config.every_us);
    config.bytes_max = bytes.map_or(config.bytes_max, |bytes| bytes as u64);
    reader.finish(problems);
    config
}
