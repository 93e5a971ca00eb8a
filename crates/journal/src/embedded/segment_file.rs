//! A segment's file: how it is made, opened, and walked from end to end.
//!
//! A segment appears under its name only when its tables are in it, so a file with the right name and without them is
//! damage and never a half-made segment.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pulseboard_model::{StreamName, StreamSchema};
use pulseboard_runtime::fault;
use rusqlite::{Connection, params};
use tracing::warn;

use super::part::{BODY, COLUMNS, PartHeader, Sequence, body_of};
use super::schema_json;
use super::sqlite::{PAGE_BYTES, corrupt, open_durable, segment_error, sync_dir};
use super::summary::Summary;
use crate::log::LogError;

const FORMAT: i64 = 1;

const TABLES: &str = "
    CREATE TABLE segment (
        format INTEGER NOT NULL, id INTEGER NOT NULL, first_commit INTEGER NOT NULL, first_offset INTEGER NOT NULL,
        clock INTEGER NOT NULL, crc INTEGER NOT NULL
    );
    CREATE TABLE parts (
        id INTEGER PRIMARY KEY, arrived_at INTEGER NOT NULL, clock_before INTEGER, stream TEXT,
        first_offset INTEGER NOT NULL, rows INTEGER NOT NULL, min_time INTEGER NOT NULL, max_time INTEGER NOT NULL,
        schema_version INTEGER NOT NULL, previous_offset INTEGER NOT NULL, body_crc INTEGER NOT NULL,
        crc INTEGER NOT NULL, body BLOB NOT NULL
    );
    CREATE TABLE schemas (
        stream TEXT NOT NULL, version INTEGER NOT NULL, schema TEXT NOT NULL, crc INTEGER NOT NULL,
        PRIMARY KEY (stream, version)
    ) WITHOUT ROWID;
    CREATE TABLE receipts (
        key BLOB NOT NULL, body BLOB NOT NULL, clock INTEGER NOT NULL, last_offset INTEGER NOT NULL,
        accepted INTEGER NOT NULL, rejected INTEGER NOT NULL, receipt BLOB NOT NULL, crc INTEGER NOT NULL
    );
";

/// Where a segment begins: written once, when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentStart {
    pub(super) id: u32,
    pub(super) first_commit: u64,
    pub(super) first_offset: u64,
    /// `_arrived_at` of the last commit before it, µs.
    pub(super) clock: i64,
}

impl SegmentStart {
    fn crc(&self) -> u32 {
        let numbers = [u64::from(self.id), self.first_commit, self.first_offset, self.clock.cast_unsigned()];
        crc32c::crc32c(numbers.map(u64::to_le_bytes).as_flattened())
    }

    /// The segment while nothing is in it.
    pub(super) const fn summary(&self) -> Summary {
        Summary::empty(self.first_commit, self.first_offset, self.clock)
    }
}

/// Why a segment could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum CreateError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A segment's file name.
pub(super) fn file_name(id: u32) -> String {
    format!("{id:08}.sqlite")
}

/// The number in a segment's file name.
pub(super) fn parse_file_name(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".sqlite")?;
    if digits.len() == 8 { digits.parse().ok() } else { None }
}

/// The database file and what SQLite keeps beside it.
pub(super) fn files_of(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

/// Removes a segment's files.
pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    for file in files_of(path) {
        match std::fs::remove_file(file) {
            Ok(()) => fault::point("journal.remove.removed")?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes a segment in `dir` and opens it for writing.
pub(super) fn create(dir: &Path, start: &SegmentStart) -> Result<Connection, CreateError> {
    let unfinished = dir.join(format!("{:08}.new", start.id));
    let path = dir.join(file_name(start.id));
    remove(&unfinished)?;
    // A write-ahead log that an earlier attempt left would be taken for this file's.
    remove(&path)?;
    let conn = open_durable(&unfinished, PAGE_BYTES)?;
    conn.execute_batch("BEGIN")?;
    conn.execute_batch(TABLES)?;
    conn.execute(
        "INSERT INTO segment VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            FORMAT,
            start.id,
            start.first_commit.cast_signed(),
            start.first_offset.cast_signed(),
            start.clock,
            start.crc()
        ],
    )?;
    conn.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")?;
    // Closing the only connection removes the write-ahead log: the one file is all there is.
    conn.close().map_err(|(_, error)| error)?;
    fault::point("journal.create.rename")?;
    std::fs::rename(&unfinished, &path)?;
    let opened = fault::point("journal.create.sync")
        .and_then(|()| sync_dir(dir))
        .map_err(CreateError::from)
        .and_then(|()| Ok(open_durable(&path, PAGE_BYTES)?));
    if opened.is_err()
        && let Err(error) = remove(&path)
    {
        // The segment before it goes on; the next start finds that this one does not fit, and removes it.
        warn!(segment = %path.display(), %error, "a segment that could not be opened stays until the next start");
    }
    opened
}

/// Reads where a segment begins.
pub(super) fn read_start(conn: &Connection, name: &str) -> Result<SegmentStart, LogError> {
    let sql = "SELECT format, id, first_commit, first_offset, clock, crc FROM segment";
    let (format, start, crc) = conn
        .query_row(sql, [], |row| {
            let start = SegmentStart {
                id: row.get(1)?,
                first_commit: row.get::<_, i64>(2)?.cast_unsigned(),
                first_offset: row.get::<_, i64>(3)?.cast_unsigned(),
                clock: row.get(4)?,
            };
            Ok((row.get::<_, i64>(0)?, start, row.get::<_, u32>(5)?))
        })
        .map_err(|error| segment_error(name, 0, "opening segment", &error))?;
    if format != FORMAT {
        return Err(corrupt(name, start.first_offset, format!("its format {format} is unknown")));
    }
    if crc != start.crc() || file_name(start.id) != name || start.first_commit == 0 || start.first_offset == 0 {
        return Err(corrupt(name, start.first_offset, "the checksum of its beginning does not match"));
    }
    Ok(start)
}

/// Writes a schema version into the open transaction, beside the first rows that use it.
pub(super) fn put_schema(conn: &Connection, stream: &StreamName, schema: &StreamSchema) -> rusqlite::Result<()> {
    let text = schema_json::to_json(schema);
    conn.prepare_cached("INSERT OR REPLACE INTO schemas VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        stream.as_str(),
        schema.version.0,
        text,
        schema_crc(stream.as_str(), &text)
    ])?;
    Ok(())
}

fn schema_crc(stream: &str, text: &str) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(stream.as_bytes()), text.as_bytes())
}

/// The schema versions a segment's rows before key `end_id` are in.
pub(super) fn read_schemas(
    conn: &Connection,
    name: &str,
    end_id: i64,
) -> Result<Vec<(StreamName, StreamSchema)>, LogError> {
    let failed = |error: rusqlite::Error| segment_error(name, 0, "reading segment", &error);
    let beyond = "SELECT EXISTS (SELECT 1 FROM parts WHERE id >= ?1)";
    let has_more = conn.query_row(beyond, [end_id], |row| row.get::<_, bool>(0)).map_err(failed)?;
    // What only a commit beyond the end brought is not the stream's: the version may have become another since.
    let sql = "SELECT stream, version, schema, crc FROM schemas WHERE NOT ?1 OR (stream, version) IN \
               (SELECT stream, schema_version FROM parts WHERE id < ?2)";
    let mut statement = conn.prepare(sql).map_err(failed)?;
    let mut rows = statement.query(params![has_more, end_id]).map_err(failed)?;
    let mut schemas = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let read = || -> rusqlite::Result<_> {
            Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, row.get::<_, String>(2)?, row.get::<_, u32>(3)?))
        };
        let (stream, version, text, crc) = read().map_err(failed)?;
        let schema = StreamName::new(&stream).ok().zip(schema_json::from_json(&text));
        match schema {
            Some((stream, schema)) if crc == schema_crc(stream.as_str(), &text) && schema.version.0 == version => {
                schemas.push((stream, schema));
            }
            _ => return Err(corrupt(name, 0, "the checksum of a schema does not match")),
        }
    }
    Ok(schemas)
}

/// Where a stream's parts are: key and first offset, in order.
pub(super) type PartIndex = HashMap<StreamName, Vec<(i64, u64)>>;

/// What [`walk`] looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    /// Whether bodies are checked against their checksums.
    pub(super) bodies: bool,
    /// Before which key it ends.
    pub(super) end_id: i64,
}

/// Reads a segment's parts after those already in `summary`, checks that none is missing, and counts them in.
pub(super) fn walk(
    conn: &Connection,
    name: &str,
    summary: &mut Summary,
    index: &mut PartIndex,
    of: Walk,
) -> Result<(), LogError> {
    let Walk { bodies, end_id } = of;
    let mut sequence = Sequence::after(summary.last_commit, summary.next_offset, summary.clock);
    let failed = |offset: u64, error: rusqlite::Error| segment_error(name, offset, "reading segment", &error);
    // A body that is not checked is not read: SQLite knows its length without.
    let body = if bodies { "body" } else { "length(body)" };
    let sql = format!("SELECT {COLUMNS}, {body} FROM parts WHERE id >= ?1 AND id < ?2 ORDER BY id");
    let mut statement = conn.prepare(&sql).map_err(|error| failed(summary.next_offset, error))?;
    // From the beginning when nothing was seen yet, so that a stray part before the first is seen, too.
    let from =
        if summary.last_commit < summary.first_commit { 0 } else { (summary.last_commit + 1).cast_signed() << 16 };
    let mut rows = statement.query([from, end_id]).map_err(|error| failed(summary.next_offset, error))?;
    loop {
        let offset = sequence.next_offset;
        let Some(row) = rows.next().map_err(|error| failed(offset, error))? else { return Ok(()) };
        let header = PartHeader::from_row(row)
            .map_err(|error| failed(offset, error))?
            .and_then(|header| sequence.admit(&header).map(|()| header))
            .map_err(|what| corrupt(name, offset, what))?;
        let body_bytes = if bodies {
            let body = body_of(row, &header).map_err(|error| failed(offset, error))?;
            body.map_err(|what| corrupt(name, offset, what))?.len() as u64
        } else {
            row.get::<_, i64>(BODY).map_err(|error| failed(offset, error))?.cast_unsigned()
        };
        summary.add(&header, body_bytes);
        if let Some(stream) = &header.stream {
            match index.get_mut(stream) {
                Some(parts) => parts.push((header.id(), header.first_offset)),
                None => {
                    index.insert(stream.clone(), vec![(header.id(), header.first_offset)]);
                }
            }
        }
    }
}
