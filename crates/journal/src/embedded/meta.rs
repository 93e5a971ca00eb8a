//! `meta.sqlite`: what the log must know before, or without, reading its segments.
//!
//! Nothing in here is needed to read an event: schemas are in the segments too, and summaries can be made again. It
//! holds the epoch, how far the log once was, what was dropped or removed, and what other parts keep beside the log
//! ([`super::MetaStore`]).

use std::collections::BTreeMap;
use std::path::Path;

use pulseboard_model::{Epoch, StreamName, StreamSchema};
use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::Removed;
use super::schema_json;
use super::sqlite::{fault_point, io_error, open_durable, open_reader};
use super::summary::{StreamSummary, Summary};
use crate::log::LogError;

/// The version of the data directory's format.
const FORMAT: i64 = 1;

const PAGE_BYTES: u64 = 4_096;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS schemas (
        stream TEXT NOT NULL, version INTEGER NOT NULL, schema TEXT NOT NULL, PRIMARY KEY (stream, version)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS streams (
        stream TEXT PRIMARY KEY, rejected INTEGER NOT NULL DEFAULT 0, complete_from INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS segments (
        id INTEGER PRIMARY KEY, first_commit INTEGER NOT NULL, last_commit INTEGER NOT NULL,
        first_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL, first_at INTEGER, clock INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS segment_streams (
        segment INTEGER NOT NULL, stream TEXT NOT NULL, events INTEGER NOT NULL, bytes INTEGER NOT NULL,
        first_offset INTEGER NOT NULL, last_offset INTEGER NOT NULL, last_at INTEGER NOT NULL,
        PRIMARY KEY (segment, stream)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS removals (
        stream TEXT PRIMARY KEY, through INTEGER NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS live_queries (
        hash TEXT PRIMARY KEY, sql TEXT NOT NULL, timezone TEXT NOT NULL, params TEXT NOT NULL,
        last_used_us INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS credentials (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, channels TEXT NOT NULL,
        hash BLOB NOT NULL, created_us INTEGER NOT NULL, expires_us INTEGER, revoked_us INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at_us INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
        what TEXT NOT NULL
    );
";

/// What is kept of a stream beside its events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StreamCounters {
    pub(super) rejected: u64,
    pub(super) complete_from: Option<i64>,
}

/// Everything that is read at a start.
#[derive(Debug, Default)]
pub(super) struct MetaState {
    /// `None` if the directory is new.
    pub(super) epoch: Option<Epoch>,
    /// The last offset the log was known to have.
    pub(super) high_water: u64,
    /// Segments up to this one were dropped.
    pub(super) dropped_through: u32,
    pub(super) schemas: Vec<(StreamName, StreamSchema)>,
    pub(super) counters: BTreeMap<StreamName, StreamCounters>,
    /// How far streams were removed.
    pub(super) removals: BTreeMap<StreamName, Removed>,
    /// Sealed segments.
    pub(super) summaries: BTreeMap<u32, Summary>,
}

/// What is written each second while events come.
#[derive(Debug, Default)]
pub(super) struct Flush<'a> {
    pub(super) high_water: u64,
    pub(super) schemas: Vec<(&'a StreamName, &'a StreamSchema)>,
    pub(super) rejected: Vec<(&'a StreamName, u64)>,
}

/// The open metadata.
#[derive(Debug)]
pub(super) struct MetaDb {
    pub(super) conn: Connection,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn failed(error: rusqlite::Error) -> LogError {
    io_error("metadata `meta.sqlite`", &error)
}

impl MetaDb {
    /// Opens the metadata of a data directory, made if it is not there.
    pub(super) fn open(dir: &Path) -> Result<Self, LogError> {
        let conn = open_durable(&dir.join("meta.sqlite"), PAGE_BYTES).map_err(failed)?;
        conn.execute_batch(TABLES).map_err(failed)?;
        let meta = Self { conn };
        match meta.number("format")? {
            None => meta.set_number("format", FORMAT)?,
            Some(_) => meta.check_format()?,
        }
        Ok(meta)
    }

    /// Opens it for reading only.
    pub(super) fn open_read_only(dir: &Path) -> Result<Self, LogError> {
        let meta = Self { conn: open_reader(&dir.join("meta.sqlite")).map_err(failed)? };
        meta.check_format()?;
        Ok(meta)
    }

    fn check_format(&self) -> Result<(), LogError> {
        match self.number("format")? {
            Some(FORMAT) => Ok(()),
            other => Err(LogError::Io {
                context: "opening the data directory".into(),
                message: format!("its format is {other:?}; this version reads format {FORMAT}"),
            }),
        }
    }

    fn number(&self, name: &str) -> Result<Option<i64>, LogError> {
        let sql = "SELECT value FROM numbers WHERE name = ?1";
        self.conn.query_row(sql, [name], |row| row.get(0)).optional().map_err(failed)
    }

    fn set_number(&self, name: &str, value: i64) -> Result<(), LogError> {
        set_number(&self.conn, name, value).map_err(failed)
    }

    /// Reads everything.
    pub(super) fn load(&self) -> Result<MetaState, LogError> {
        let unsigned = |value: Option<i64>| value.map_or(0, i64::cast_unsigned);
        Ok(MetaState {
            epoch: self.number("epoch")?.map(|epoch| Epoch(epoch.cast_unsigned())),
            high_water: unsigned(self.number("high_water")?),
            dropped_through: u32::try_from(unsigned(self.number("dropped_through")?)).unwrap_or(u32::MAX),
            schemas: self.load_schemas()?,
            counters: self.load_counters().map_err(failed)?,
            removals: self.load_removals().map_err(failed)?,
            summaries: self.load_summaries().map_err(failed)?,
        })
    }

    fn load_schemas(&self) -> Result<Vec<(StreamName, StreamSchema)>, LogError> {
        let mut statement =
            self.conn.prepare("SELECT stream, schema FROM schemas ORDER BY stream, version").map_err(failed)?;
        let rows =
            statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).map_err(failed)?;
        rows.map(|row| {
            let (stream, text) = row.map_err(failed)?;
            StreamName::new(&stream).ok().zip(schema_json::from_json(&text)).ok_or_else(|| LogError::Io {
                context: "metadata `meta.sqlite`".into(),
                message: format!("a schema of stream `{stream}` cannot be read"),
            })
        })
        .collect()
    }

    fn load_counters(&self) -> rusqlite::Result<BTreeMap<StreamName, StreamCounters>> {
        let mut statement = self.conn.prepare("SELECT stream, rejected, complete_from FROM streams")?;
        let rows = statement.query_map([], |row| {
            let counters =
                StreamCounters { rejected: row.get::<_, i64>(1)?.cast_unsigned(), complete_from: row.get(2)? };
            Ok((row.get::<_, String>(0)?, counters))
        })?;
        let mut all = BTreeMap::new();
        for row in rows {
            let (stream, counters) = row?;
            if let Ok(stream) = StreamName::new(stream) {
                all.insert(stream, counters);
            }
        }
        Ok(all)
    }

    fn load_removals(&self) -> rusqlite::Result<BTreeMap<StreamName, Removed>> {
        // A directory that an earlier version made, opened for reading only, has no such table.
        let there = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'removals')";
        if !self.conn.query_row(there, [], |row| row.get::<_, bool>(0))? {
            return Ok(BTreeMap::new());
        }
        let mut statement = self.conn.prepare("SELECT stream, through, version, at FROM removals")?;
        let rows = statement.query_map([], |row| {
            let through = row.get::<_, i64>(1)?.cast_unsigned();
            Ok((row.get::<_, String>(0)?, Removed { through, version: row.get(2)?, at: row.get(3)? }))
        })?;
        let mut all = BTreeMap::new();
        for row in rows {
            let (stream, removed) = row?;
            if let Ok(stream) = StreamName::new(stream) {
                all.insert(stream, removed);
            }
        }
        Ok(all)
    }

    /// Keeps how far a stream was removed, with the schema that came of it.
    pub(super) fn put_removal(
        &mut self,
        stream: &StreamName,
        removed: &Removed,
        schema: &StreamSchema,
    ) -> Result<(), LogError> {
        self.in_transaction(|conn| {
            conn.execute(
                "INSERT OR REPLACE INTO removals VALUES (?1, ?2, ?3, ?4)",
                params![stream.as_str(), removed.through.cast_signed(), removed.version, removed.at],
            )?;
            conn.execute(
                "INSERT INTO streams (stream, complete_from) VALUES (?1, ?2) \
                 ON CONFLICT (stream) DO UPDATE SET complete_from = excluded.complete_from",
                params![stream.as_str(), removed.at],
            )?;
            put_schema(conn, stream, schema)
        })
    }

    fn load_summaries(&self) -> rusqlite::Result<BTreeMap<u32, Summary>> {
        let unsigned = |value: i64| value.cast_unsigned();
        let mut statement = self.conn.prepare(
            "SELECT id, first_commit, last_commit, first_offset, next_offset, first_at, clock, bytes FROM segments",
        )?;
        let rows = statement.query_map([], |row| {
            let summary = Summary {
                first_commit: row.get(1).map(unsigned)?,
                last_commit: row.get(2).map(unsigned)?,
                first_offset: row.get(3).map(unsigned)?,
                next_offset: row.get(4).map(unsigned)?,
                first_at: row.get(5)?,
                clock: row.get(6)?,
                bytes: row.get(7).map(unsigned)?,
                streams: BTreeMap::new(),
            };
            Ok((row.get::<_, u32>(0)?, summary))
        })?;
        let mut all = rows.collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
        let mut statement = self.conn.prepare(
            "SELECT segment, stream, events, bytes, first_offset, last_offset, last_at FROM segment_streams",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let stream = StreamSummary {
                events: row.get(2).map(unsigned)?,
                bytes: row.get(3).map(unsigned)?,
                first_offset: row.get(4).map(unsigned)?,
                last_offset: row.get(5).map(unsigned)?,
                last_at: row.get(6)?,
            };
            let name = StreamName::new(row.get::<_, String>(1)?);
            if let (Some(summary), Ok(name)) = (all.get_mut(&row.get(0)?), name) {
                summary.streams.insert(name, stream);
            }
        }
        Ok(all)
    }

    /// Begins a new epoch at the log's present end.
    pub(super) fn begin_epoch(&mut self, epoch: Epoch, high_water: u64) -> Result<(), LogError> {
        self.in_transaction(|conn| {
            set_number(conn, "epoch", epoch.0.cast_signed())?;
            set_number(conn, "high_water", high_water.cast_signed())
        })
    }

    /// Writes what changed since the last time.
    pub(super) fn flush(&mut self, flush: &Flush<'_>) -> Result<(), LogError> {
        self.in_transaction(|conn| {
            set_number(conn, "high_water", flush.high_water.cast_signed())?;
            for (stream, schema) in &flush.schemas {
                put_schema(conn, stream, schema)?;
            }
            for (stream, rejected) in &flush.rejected {
                conn.prepare_cached(
                    "INSERT INTO streams (stream, rejected) VALUES (?1, ?2) \
                     ON CONFLICT (stream) DO UPDATE SET rejected = excluded.rejected",
                )?
                .execute(params![stream.as_str(), rejected.cast_signed()])?;
            }
            Ok(())
        })
    }

    /// Keeps one version of a schema.
    pub(super) fn put_schema(&mut self, stream: &StreamName, schema: &StreamSchema) -> rusqlite::Result<()> {
        put_schema(&self.conn, stream, schema)
    }

    /// Keeps what a sealed segment holds.
    pub(super) fn put_summary(&mut self, id: u32, summary: &Summary) -> Result<(), LogError> {
        self.in_transaction(|conn| {
            conn.execute("DELETE FROM segment_streams WHERE segment = ?1", [id])?;
            conn.execute(
                "INSERT OR REPLACE INTO segments VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    id,
                    summary.first_commit.cast_signed(),
                    summary.last_commit.cast_signed(),
                    summary.first_offset.cast_signed(),
                    summary.next_offset.cast_signed(),
                    summary.first_at,
                    summary.clock,
                    summary.bytes.cast_signed(),
                ],
            )?;
            let mut insert = conn.prepare_cached("INSERT INTO segment_streams VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
            for (name, stream) in &summary.streams {
                insert.execute(params![
                    id,
                    name.as_str(),
                    stream.events.cast_signed(),
                    stream.bytes.cast_signed(),
                    stream.first_offset.cast_signed(),
                    stream.last_offset.cast_signed(),
                    stream.last_at,
                ])?;
            }
            Ok(())
        })
    }

    /// Forgets what it knew of the segment that is written to, and of any after it whose file is lost.
    pub(super) fn forget_from(&mut self, id: u32) -> Result<(), LogError> {
        self.in_transaction(|conn| {
            conn.execute("DELETE FROM segments WHERE id >= ?1", [id])?;
            conn.execute("DELETE FROM segment_streams WHERE segment >= ?1", [id])?;
            Ok(())
        })
    }

    /// Forgets a segment, before its files go, and keeps from when its streams are complete.
    pub(super) fn drop_segment(&mut self, id: u32, complete_from: &[(StreamName, i64)]) -> Result<(), LogError> {
        self.in_transaction(|conn| {
            set_number(conn, "dropped_through", i64::from(id))?;
            conn.execute("DELETE FROM segments WHERE id = ?1", [id])?;
            conn.execute("DELETE FROM segment_streams WHERE segment = ?1", [id])?;
            for (stream, from) in complete_from {
                conn.prepare_cached(
                    "INSERT INTO streams (stream, complete_from) VALUES (?1, ?2) \
                     ON CONFLICT (stream) DO UPDATE SET complete_from = excluded.complete_from",
                )?
                .execute(params![stream.as_str(), from])?;
            }
            Ok(())
        })
    }

    fn in_transaction(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), LogError> {
        let transaction = self.conn.transaction().map_err(failed)?;
        work(&transaction)
            .and_then(|()| fault_point("journal.meta.write"))
            .and_then(|()| transaction.commit())
            .map_err(failed)
    }
}

fn set_number(conn: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO numbers VALUES (?1, ?2)")?.execute(params![name, value])?;
    Ok(())
}

fn put_schema(conn: &Connection, stream: &StreamName, schema: &StreamSchema) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO schemas VALUES (?1, ?2, ?3)")?.execute(params![
        stream.as_str(),
        schema.version.0,
        schema_json::to_json(schema)
    ])?;
    Ok(())
}
