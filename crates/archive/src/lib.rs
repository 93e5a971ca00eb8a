//! History: sealed journal segments become Parquet files that queries read together with the log's hot end.
//!
//! ```text
//! manifest-000000000042.json     what holds: every file with its ranges and counts; see `manifest`
//! data/STREAM/FIRST-LAST-….parquet   a stream's rows of a range of offsets, sorted by time
//! data/STREAM/FIRST-LAST-….NAME      what others keep beside one file
//! data/.commits/…                where the log's commits were
//! unfinished/                    files that are being written; emptied at each start
//! ```
//!
//! [`Archive`] is the files, [`ArchivedLog`] the log with them, [`spawn`] the thread that writes them: `seal` makes files
//! of segments, `compact` joins them, `retain` drops them, and each ends with one new manifest. Nothing here knows SQL,
//! and nothing here can hold up or fail an append.

mod archive;
mod archived_log;
mod chunks;
mod compact;
mod config;
mod error;
mod figures;
mod file_writer;
mod manifest;
mod marks;
mod published;
mod read;
mod retain;
mod seal;
mod shape;
mod sidecars;
mod sorted;
mod store;
mod tail;
mod worker;

pub use archive::{Archive, FileInfo};
pub use archived_log::{ArchivedLog, ScanRequest};
pub use config::{ArchiveConfig, MergeRules};
pub use error::ArchiveError;
pub use figures::ArchiveFigures;
pub use read::ScanOrder;
pub use sidecars::Piece;
pub use worker::spawn;
