//! What is remembered of a file while it is sent, so that a run which was interrupted is gone on with: how far it came, under which keys.
//!
//! A record is on disk before its first part leaves and after each answer; the end of the file takes it away, so that sending a file once more on purpose sends all
//! of it. Which file it is of is told by its path, its stream and its server; whether it is still that file, by what was sent of it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::csv_rows::Column;

/// The server knows a key for ten minutes. What was sent longer ago without an answer may be in the log or not.
const KEY_US: i64 = 9 * 60 * 1_000_000;

/// How far a file was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Begins the keys of its parts.
    pub(super) run: u64,
    /// The number of the next part.
    pub(super) number: u64,
    /// How many rows were sent before.
    pub(super) rows: u64,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    /// Hash of the parts before it.
    pub(super) hash: u64,
    /// The position of the last answer.
    pub(super) position: Option<String>,
    /// When the next part was first sent, µs since 1970.
    pub(super) sent_us: Option<i64>,
    /// The columns of a CSV file, which all of its rows are read by.
    pub(super) columns: Option<Vec<Column>>,
}

impl Record {
    /// Of a file that nothing was sent of.
    pub(super) fn new(run: u64, columns: Option<Vec<Column>>) -> Self {
        Self { run, number: 0, rows: 0, accepted: 0, rejected: 0, hash: 0, position: None, sent_us: None, columns }
    }

    /// Whether nobody can tell any more if the next part is in the log.
    pub(super) fn is_unsure(&self, now_us: i64) -> bool {
        self.sent_us.is_some_and(|sent_us| now_us - sent_us > KEY_US)
    }
}

/// Where a record is kept.
#[derive(Debug, Clone)]
pub(super) struct Keeper(PathBuf);

impl Keeper {
    /// The place for the file of this stream of this server; `None` where there is no place for such things.
    pub(super) fn of(file: &Path, stream: &str, server: &str) -> Option<Self> {
        let given = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")))?;
        let file = file.canonicalize().ok()?;
        let name = xxh3_64(format!("{}\0{stream}\0{server}", file.display()).as_bytes());
        Some(Self(root.join("pulseboard/ingest").join(format!("{name:016x}.json"))))
    }

    /// The record, if a run was interrupted.
    pub(super) fn read(&self) -> Option<Record> {
        serde_json::from_slice(&std::fs::read(&self.0).ok()?).ok()
    }

    /// Writes it down; the old one or the new one is there, whatever happens.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, record: &Record) -> std::io::Result<()> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let beside = self.0.with_extension(format!("{}", std::process::id()));
        std::fs::write(&beside, serde_json::to_vec(record)?)?;
        std::fs::rename(beside, &self.0)
    }

    /// Takes it away: the file is sent.
    pub(super) fn forget(&self) {
        // One that stays says that nothing is left to be sent.
        let _gone = std::fs::remove_file(&self.0).is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_kept_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper(dir.path().join("a/b.json"));
        assert_eq!(keeper.read(), None);
        let record = Record { sent_us: Some(1_000), ..Record::new(7, None) };
        keeper.write(&record).unwrap();
        assert_eq!(keeper.read(), Some(record.clone()));
        assert!(!record.is_unsure(KEY_US) && record.is_unsure(KEY_US + 2_000));
        keeper.forget();
        assert_eq!(keeper.read(), None);
    }
}
