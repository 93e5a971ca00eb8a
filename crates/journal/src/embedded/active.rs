//! The segment that is written to: one connection, one transaction per commit.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use arrow::error::ArrowError;
use pulseboard_model::{StreamName, StreamSchema};
use rusqlite::Connection;

use super::part::PartHeader;
use super::receipts::Receipt;
use super::segment::Segment;
use super::segment_file;
use super::sqlite::{PAGE_BYTES, apply_page_limit, fault_point, is_full};

/// The write-ahead log is copied back into the file when it has grown by about this many pages (16 MB).
const CHECKPOINT_PAGES: u64 = 256;

/// Why a commit did not happen.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    /// There is no space; the next commit may succeed.
    #[error("no space left on the data directory's disk")]
    Full,
    /// The rows of one of the group's streams could not be written as a body; other rows can.
    #[error("internal fault: {error}")]
    Encode {
        /// The number of the stream's plan in the group.
        plan: usize,
        /// What Arrow said.
        error: ArrowError,
    },
    /// Anything else: nobody can say whether the file holds it.
    #[error("{0}")]
    Failed(String),
}

impl From<rusqlite::Error> for CommitError {
    fn from(error: rusqlite::Error) -> Self {
        if is_full(&error) { Self::Full } else { Self::Failed(error.to_string()) }
    }
}

/// The open segment.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) segment: Arc<Segment>,
    pub(super) conn: Connection,
    /// The schema versions that are in the file.
    schemas: HashSet<(StreamName, u32)>,
    new_schemas: Vec<(StreamName, u32)>,
    wal_pages: u64,
    page_limit: Option<Arc<AtomicU32>>,
}

impl Active {
    pub(super) fn new(
        segment: Arc<Segment>,
        conn: Connection,
        schemas: HashSet<(StreamName, u32)>,
        page_limit: Option<Arc<AtomicU32>>,
    ) -> Self {
        Self { segment, conn, schemas, new_schemas: Vec::new(), wal_pages: 0, page_limit }
    }

    /// Runs `work` in a transaction that is durable when this returns. After [`CommitError::Full`] and
    /// [`CommitError::Encode`] it is as if it had never been; after [`CommitError::Failed`] nobody knows.
    pub(super) fn commit(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), CommitError>,
    ) -> Result<(), CommitError> {
        self.apply_page_limit()?;
        self.new_schemas.clear();
        self.execute("BEGIN IMMEDIATE")?;
        let done = work(self)
            .and_then(|()| Ok(fault_point("journal.commit.write")?))
            .and_then(|()| self.execute("COMMIT"))
            .and_then(|()| Ok(fault_point("journal.commit.written")?));
        match done {
            Ok(()) => {
                let written = std::mem::take(&mut self.new_schemas);
                self.schemas.extend(written);
                Ok(())
            }
            Err(error) => {
                if !self.conn.is_autocommit()
                    && let Err(rollback) = self.execute("ROLLBACK")
                {
                    return Err(CommitError::Failed(format!("{error}; then rolling back: {rollback}")));
                }
                Err(error)
            }
        }
    }

    fn execute(&self, sql: &str) -> Result<(), CommitError> {
        self.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn apply_page_limit(&self) -> Result<(), CommitError> {
        Ok(apply_page_limit(&self.conn, self.page_limit.as_deref())?)
    }

    /// Writes a part, and its schema if the segment does not have it.
    pub(super) fn put_part(
        &mut self,
        header: &PartHeader,
        schema: Option<&StreamSchema>,
        body: &[u8],
    ) -> Result<(), CommitError> {
        if let (Some(stream), Some(schema)) = (&header.stream, schema) {
            let key = (stream.clone(), schema.version.0);
            if !self.schemas.contains(&key) {
                segment_file::put_schema(&self.conn, stream, schema)?;
                self.new_schemas.push(key);
            }
        }
        header.insert(&self.conn, body)?;
        self.wal_pages += 1 + body.len() as u64 / PAGE_BYTES;
        Ok(())
    }

    /// Writes a kept answer.
    pub(super) fn put_receipt(&mut self, receipt: &Receipt) -> Result<(), CommitError> {
        receipt.insert(&self.conn)?;
        self.wal_pages += 1;
        Ok(())
    }

    /// Whether enough is in the write-ahead log to copy it back.
    pub(super) const fn wants_checkpoint(&self) -> bool {
        self.wal_pages >= CHECKPOINT_PAGES
    }

    /// Copies back what the keeper has left over, so that the write-ahead log begins anew instead of growing.
    pub(super) fn finish_checkpoint(&mut self) -> rusqlite::Result<()> {
        let left = self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            let (in_log, copied): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(in_log.saturating_sub(copied))
        })?;
        self.wal_pages = left.max(0).cast_unsigned();
        Ok(())
    }
}
