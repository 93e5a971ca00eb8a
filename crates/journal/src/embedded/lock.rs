//! The lock on a data directory: one server owns it, and the file says who and where it listens.
//!
//! The lock is the operating system's (it goes with the process, however that ends); the text in the file is only for
//! people and for command-line tools that look for the server.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing::warn;

use super::sqlite::io_error;
use crate::log::LogError;

const FILE_NAME: &str = "lock";

/// The longest text that is read from a lock file, bytes.
const TEXT_BYTES_MAX: u64 = 4_096;

/// A tool that asks whether the lock is held holds it for an instant itself; a server that starts just then tries again.
const ATTEMPTS: u32 = 5;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// Who holds a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its process.
    pub pid: u32,
    /// Where it listens, once it does.
    pub url: Option<String>,
}

/// The held lock; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct DirLock {
    file: Mutex<File>,
}

impl DirLock {
    /// Takes the lock of `dir`.
    ///
    /// # Errors
    /// [`LogError::Locked`] with the owner as the file names it.
    pub(super) fn acquire(dir: &Path) -> Result<Self, LogError> {
        let path = dir.join(FILE_NAME);
        let failed = |error: &std::io::Error| io_error(&format!("locking `{}`", path.display()), error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| failed(&error))?;
        let mut attempt = 1;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => {
                    attempt += 1;
                    std::thread::sleep(BETWEEN_ATTEMPTS);
                }
                Err(TryLockError::WouldBlock) => {
                    let owner = match read_text(&path) {
                        Some(Owner { pid, url: Some(url) }) => format!("process {pid}, {url}"),
                        Some(Owner { pid, url: None }) => format!("process {pid}, still starting"),
                        None => "unknown process".to_owned(),
                    };
                    return Err(LogError::Locked { path: dir.display().to_string(), owner });
                }
            }
        }
        let lock = Self { file: Mutex::new(file) };
        lock.write(&Owner { pid: std::process::id(), url: None }).map_err(|error| failed(&error))?;
        Ok(lock)
    }

    /// Says where the server listens.
    pub(super) fn set_url(&self, url: &str) -> std::io::Result<()> {
        self.write(&Owner { pid: std::process::id(), url: Some(url.to_owned()) })
    }

    /// One line, written at once and cut after: whoever reads meanwhile sees a whole first line. On a full disk the file is
    /// left empty: the lock holds without the text.
    fn write(&self, owner: &Owner) -> std::io::Result<()> {
        let line = format!("{}\n", json!({"pid": owner.pid, "url": owner.url}));
        let file = self.file.lock();
        match file.write_all_at(line.as_bytes(), 0) {
            Ok(()) => file.set_len(line.len() as u64),
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                warn!(%error, "the lock file does not say who has the directory; command-line tools do not find this server");
                // What an earlier server left there would be wrong.
                let _emptied = file.set_len(0);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        let file = self.file.get_mut();
        // The text only helps people; the lock itself goes with the descriptor.
        let _emptied = file.set_len(0);
        let _unlocked = file.unlock();
    }
}

/// Who holds `dir` now; `None` if nobody does.
#[must_use]
pub fn read_owner(dir: &Path) -> Option<Owner> {
    let path = dir.join(FILE_NAME);
    let file = File::open(&path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read_text(&path),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn read_text(path: &Path) -> Option<Owner> {
    let mut text = String::new();
    File::open(path).ok()?.take(TEXT_BYTES_MAX).read_to_string(&mut text).ok()?;
    let value: Value = serde_json::from_str(text.lines().next()?).ok()?;
    let pid = u32::try_from(value.get("pid")?.as_u64()?).ok()?;
    Some(Owner { pid, url: value.get("url").and_then(Value::as_str).map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_owner(dir.path()), None);
        let lock = DirLock::acquire(dir.path()).unwrap();
        let me = std::process::id();
        assert_eq!(read_owner(dir.path()), Some(Owner { pid: me, url: None }));
        lock.set_url("http://127.0.0.1:8080").unwrap();
        assert_eq!(read_owner(dir.path()).unwrap().url.as_deref(), Some("http://127.0.0.1:8080"));
        let Err(LogError::Locked { owner, .. }) = DirLock::acquire(dir.path()) else { panic!("locked twice") };
        assert_eq!(owner, format!("process {me}, http://127.0.0.1:8080"));
        drop(lock);
        assert_eq!(read_owner(dir.path()), None);
        DirLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn a_full_disk_costs_the_text_and_not_the_lock() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let lock = DirLock { file: Mutex::new(full) };
        lock.set_url("http://127.0.0.1:8080").unwrap();
    }
}
