//! How SQLite files are opened here, and what its errors mean for the log.
//!
//! A database file is never opened by other means while a connection to it exists: closing any file descriptor of it
//! would drop SQLite's locks.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pulseboard_model::LogOffset;
use pulseboard_runtime::fault;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::segment_file::files_of;
use crate::log::LogError;

/// 64 KB: the largest SQLite has, so that most bodies lie in one page.
pub(super) const PAGE_BYTES: u64 = 65_536;

/// The oldest SQLite without the fault that could lose a commit when the write-ahead log restarts.
const SQLITE_MIN: i32 = 3_051_003;
/// Withdrawn by its authors.
const SQLITE_WITHDRAWN: i32 = 3_052_000;

/// How long a connection waits for another one; only checkpoints and recovery ever hold anybody up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Checks that the SQLite this was built with keeps its promises.
pub(super) fn check_version() -> Result<(), LogError> {
    let version = rusqlite::version_number();
    if version < SQLITE_MIN || version == SQLITE_WITHDRAWN {
        return Err(LogError::Io {
            context: "checking SQLite".into(),
            message: format!("version {} can lose commits; 3.51.3 or newer is needed", rusqlite::version()),
        });
    }
    Ok(())
}

/// Opens (or makes) a database that is written durably: every commit is on disk when it returns.
pub(super) fn open_durable(path: &Path, page_bytes: u64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.execute_batch(&format!(
        "PRAGMA page_size = {page_bytes}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;"
    ))?;
    Ok(conn)
}

/// Opens a database for reading. One that cannot be read next to a writer (no right to write beside it) is taken as it
/// lies on disk.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let probe =
        |conn: &Connection| conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0));
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    match probe(&conn) {
        Err(error) if path.exists() && matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen)) => {
            let conn = open_as_it_lies(path)?;
            probe(&conn)?;
            Ok(conn)
        }
        Err(error) => Err(error),
        Ok(_) => Ok(conn),
    }
}

/// Opens the file alone, which is all of the database only if its write-ahead log is empty.
fn open_as_it_lies(path: &Path) -> rusqlite::Result<Connection> {
    let [_, wal, _] = files_of(path);
    if std::fs::metadata(&wal).is_ok_and(|file| file.len() > 0) {
        let what = format!(
            "`{}` holds commits that can only be read with the right to write beside it: start the server once, or read \
             a copy of the directory",
            wal.display()
        );
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CANTOPEN), Some(what)));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{}?immutable=1", uri_path(path)), flags)
}

fn uri_path(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// A fault point; the error that may be asked for is the one of a failed `fsync`.
pub(super) fn fault_point(stage: &'static str) -> rusqlite::Result<()> {
    let failed = |error: std::io::Error| {
        rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), Some(error.to_string()))
    };
    fault::point(stage).map_err(failed)
}

/// Says whether a connection's end leaves the files as they are; the last one would else copy the write-ahead log back.
pub(super) fn leave_as_it_lies(conn: &Connection, leave: bool) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave).map(drop)
}

/// Whether the system failed to write, so that what the disk holds of it is not known.
pub(super) fn is_failed_write(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) && !is_full(error)
}

/// For tests: sets how many pages the database may have.
pub(super) fn apply_page_limit(conn: &Connection, limit: Option<&AtomicU32>) -> rusqlite::Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let pages = match limit.load(Ordering::SeqCst) {
        0 => u32::MAX - 1,
        pages => pages,
    };
    conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}

/// Whether a write failed only because there is no space, so that it may succeed later.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_extended_error_code() == Some(ffi::SQLITE_IOERR_SHMSIZE)
}

/// An error of a segment as the log tells it: damage names segment and offset, the rest is the system's.
pub(super) fn segment_error(segment: &str, offset: u64, context: &str, error: &rusqlite::Error) -> LogError {
    let damaged = match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch)
                || matches!(failure.extended_code, ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS)
                // The tables are there from a segment's first moment: their absence, too, is damage.
                || failure.code == ErrorCode::Unknown
        }
        rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    };
    if damaged {
        corrupt(segment, offset, error.to_string())
    } else {
        io_error(&format!("{context} `{segment}`"), error)
    }
}

/// Damage in a segment.
pub(super) fn corrupt(segment: &str, offset: u64, what: impl Into<String>) -> LogError {
    LogError::Corrupt { segment: segment.to_owned(), offset: LogOffset::from_u64(offset), what: what.into() }
}

/// A failure of the system.
pub(super) fn io_error(context: &str, error: &impl std::fmt::Display) -> LogError {
    LogError::Io { context: context.to_owned(), message: error.to_string() }
}

/// Makes a directory's entries durable: without it a new file may be gone after a power failure.
pub(super) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_not_read_without_what_its_write_ahead_log_holds() {
        let dir = tempfile::tempdir().unwrap();
        let (written, copied) = (dir.path().join("a?.sqlite"), dir.path().join("b#.sqlite"));
        let conn = open_durable(&written, PAGE_BYTES).unwrap();
        conn.execute_batch("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (7)").unwrap();
        for (from, to) in files_of(&written).into_iter().zip(files_of(&copied)).take(2) {
            std::fs::copy(from, to).unwrap();
        }
        let refused = open_as_it_lies(&copied).unwrap_err();
        assert!(refused.to_string().contains("b#.sqlite-wal"), "{refused}");
        assert!(matches!(segment_error("s", 0, "opening", &refused), LogError::Io { .. }));
        conn.close().unwrap();
        let read = open_as_it_lies(&written).unwrap().query_row("SELECT n FROM t", [], |row| row.get::<_, i64>(0));
        assert_eq!(read, Ok(7));
    }
}
