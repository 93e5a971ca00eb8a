//! What other parts keep in the log's metadata: the ad-hoc live queries, so that their channels outlive a restart; and
//! credentials, in `credentials`.
//!
//! Calls block for a commit at most (a millisecond or so).

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{OptionalExtension, Row, params};

use super::meta::MetaDb;
use super::sqlite::io_error;
use crate::log::LogError;

/// A query somebody asked to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveQuery {
    /// Names its channel: `sql:<hash>`.
    pub hash: String,
    /// The SQL text.
    pub sql: String,
    /// The zone it is planned in, as an IANA name.
    pub timezone: String,
    /// Its parameters as JSON text.
    pub params: String,
    /// When somebody last used it, µs since 1970.
    pub last_used_us: i64,
}

/// Access to what is kept beside the log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MetaStore {
    pub(super) meta: Arc<Mutex<MetaDb>>,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn failed(error: rusqlite::Error) -> LogError {
    io_error("keeping live queries", &error)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<LiveQuery> {
    Ok(LiveQuery {
        hash: row.get(0)?,
        sql: row.get(1)?,
        timezone: row.get(2)?,
        params: row.get(3)?,
        last_used_us: row.get(4)?,
    })
}

impl MetaStore {
    /// Over metadata that nobody else has.
    pub(super) fn of(meta: MetaDb) -> Self {
        Self { meta: Arc::new(Mutex::new(meta)) }
    }

    /// Keeps a query, or notes that it was used again.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be written.
    pub fn put_live_query(&self, query: &LiveQuery) -> Result<(), LogError> {
        let meta = self.meta.lock();
        meta.conn
            .execute(
                "INSERT INTO live_queries VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (hash) DO UPDATE SET \
                 last_used_us = max(last_used_us, excluded.last_used_us)",
                params![query.hash, query.sql, query.timezone, query.params, query.last_used_us],
            )
            .map_err(failed)?;
        Ok(())
    }

    /// The query behind a channel, if it is still kept.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be read.
    pub fn live_query(&self, hash: &str) -> Result<Option<LiveQuery>, LogError> {
        let meta = self.meta.lock();
        let sql = "SELECT hash, sql, timezone, params, last_used_us FROM live_queries WHERE hash = ?1";
        meta.conn.query_row(sql, [hash], from_row).optional().map_err(failed)
    }

    /// Notes that these queries are in use at `now_us`.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be written.
    pub fn touch_live_queries<'a>(
        &self,
        hashes: impl IntoIterator<Item = &'a str>,
        now_us: i64,
    ) -> Result<(), LogError> {
        let mut meta = self.meta.lock();
        let transaction = meta.conn.transaction().map_err(failed)?;
        for hash in hashes {
            transaction
                .prepare_cached("UPDATE live_queries SET last_used_us = max(last_used_us, ?2) WHERE hash = ?1")
                .and_then(|mut update| update.execute(params![hash, now_us]))
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    /// Forgets the queries last used before `before_us`; says how many.
    ///
    /// # Errors
    /// [`LogError::Io`] when it cannot be written.
    pub fn expire_live_queries(&self, before_us: i64) -> Result<usize, LogError> {
        let meta = self.meta.lock();
        meta.conn.execute("DELETE FROM live_queries WHERE last_used_us < ?1", [before_us]).map_err(failed)
    }
}
