//! Reference tables: a CSV or Parquet file whose rows become upserts and tombstones of the stream `ref_NAME`.
//!
//! `watch` says when a file has changed and is whole, `table` reads it as columns of text, `rows` types them as the stream
//! has them, `changes` compares them with the latest row of each key. Nothing here knows the log: the server brings what
//! is in it and appends what comes out. A file that is wrong in any row changes nothing.

mod changes;
mod rows;
mod table;
mod watch;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use pulseboard_model::decode::StreamConfig;
use pulseboard_model::{StreamName, StreamSchema, TimeUs};

pub use watch::{FileWatch, Look, Stamp};

/// The field that says whether a row is gone.
pub const DELETED: &str = "_deleted";
/// The most rows of a file.
pub const ROWS_MAX: usize = 200_000;
/// The largest file, bytes.
pub const BYTES_MAX: u64 = 64 << 20;

/// One reference table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceConfig {
    /// Its name; its stream is `ref_` and this.
    pub name: String,
    /// The stream.
    pub stream: StreamName,
    /// The file, by its ending CSV or Parquet.
    pub file: PathBuf,
    /// The column that tells rows apart.
    pub key: String,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Text with a line of names first.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl FileFormat {
    /// By the file's ending; `None` if it is another.
    #[must_use]
    pub fn of(file: &Path) -> Option<Self> {
        let ending = file.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// Why a file is not taken. What was loaded before stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The system does not give it, or it is not what its ending says.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// It is larger than allowed.
    #[error("is larger than {BYTES_MAX} bytes, the most for a reference table")]
    TooLarge,
    /// It has more rows than allowed.
    #[error("has more than {ROWS_MAX} rows, the most for a reference table")]
    TooManyRows,
    /// A column cannot be one of the stream.
    #[error("column `{column}` {what}")]
    Column {
        /// Which.
        column: String,
        /// What is wrong with it.
        what: String,
    },
    /// A row cannot be one of the stream.
    #[error("row {row} {what}")]
    Row {
        /// From 1, without the line of names.
        row: u64,
        /// What is wrong with it, and how many others are wrong.
        what: String,
    },
}

/// What a file changes.
#[derive(Debug)]
pub struct Changes {
    /// The stream's schema, grown where the file has more.
    pub schema: Arc<StreamSchema>,
    /// Upserts, then tombstones, in the stored layout.
    pub rows: RecordBatch,
    /// Rows that are new or other than before.
    pub upserts: usize,
    /// Keys that are gone.
    pub tombstones: usize,
    /// Rows of the file.
    pub total: usize,
}

/// Reads the file and says what it changes in the stream: `schema` is the stream's now, `latest` its rows in offset order,
/// in the event layout, `stream` what the configuration says of it. Blocks.
///
/// # Errors
/// [`ReferenceError`] that names the column or row at fault.
pub fn load(
    config: &ReferenceConfig,
    stream: &StreamConfig,
    schema: Option<&StreamSchema>,
    latest: impl Iterator<Item = RecordBatch>,
    now: TimeUs,
) -> Result<Changes, ReferenceError> {
    let table = table::read(&config.file)?;
    let decoded = rows::decoded(&table, &config.key, stream, schema, now)?;
    changes::between(&decoded, &config.key, latest)
}
