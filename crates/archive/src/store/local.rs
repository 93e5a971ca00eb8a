//! A directory of this machine, with our own `fsync`: a file is synced before it gets its name, and the directory after.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::ArchiveError;

/// Where unfinished files are, within the archive's directory.
const WORK_DIR: &str = "unfinished";

/// A directory.
#[derive(Debug)]
pub(super) struct Local {
    root: PathBuf,
}

fn failed(what: &str, path: &Path, error: &dyn std::fmt::Display) -> ArchiveError {
    ArchiveError::io(format!("{what} `{}`", path.display()), error)
}

fn unread(what: &str, name: &str, path: &Path, error: &std::io::Error) -> ArchiveError {
    match error.kind() {
        std::io::ErrorKind::NotFound => ArchiveError::Missing { file: name.to_owned() },
        _ => failed(what, path, error),
    }
}

impl Local {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn work_dir(&self) -> PathBuf {
        self.root.join(WORK_DIR)
    }

    pub(super) fn url(&self) -> String {
        std::fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone()).display().to_string()
    }

    pub(super) fn prepare(&self) -> Result<(), ArchiveError> {
        make_dir(&self.root)
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, ArchiveError> {
        let mut found = Vec::new();
        let mut dirs = vec![self.root.clone()];
        while let Some(dir) = dirs.pop() {
            let entries = match std::fs::read_dir(&dir) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed("listing", &dir, &error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| failed("listing", &dir, &error))?;
                let metadata = entry.metadata().map_err(|error| failed("listing", &dir, &error))?;
                let path = entry.path();
                if metadata.is_dir() {
                    if path != self.work_dir() {
                        dirs.push(path);
                    }
                    continue;
                }
                let Ok(name) = path.strip_prefix(&self.root) else { continue };
                let Some(name) = name.to_str() else { continue };
                if name.starts_with(prefix) {
                    found.push((name.to_owned(), metadata.len()));
                }
            }
        }
        Ok(found)
    }

    pub(super) fn get(&self, name: &str) -> Result<Bytes, ArchiveError> {
        let path = self.root.join(name);
        std::fs::read(&path).map(Bytes::from).map_err(|error| unread("reading", name, &path, &error))
    }

    pub(super) fn put_new(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        let unfinished = self.work_dir().join(name.replace('/', "-"));
        let written = File::create(&unfinished).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(|error| failed("writing", &unfinished, &error))?;
        self.put_file(&unfinished, name)
    }

    pub(super) fn put_file(&self, file: &Path, name: &str) -> Result<(), ArchiveError> {
        let path = self.root.join(name);
        let dir = path.parent().unwrap_or(&self.root);
        make_dir(dir)?;
        std::fs::rename(file, &path).map_err(|error| failed("naming", &path, &error))?;
        sync_dir(dir)
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), ArchiveError> {
        let path = self.root.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("removing", &path, &error)),
            _ => Ok(()),
        }
    }

    pub(super) fn open_file(&self, name: &str, bytes: u64) -> Result<File, ArchiveError> {
        let path = self.root.join(name);
        let file = File::open(&path).map_err(|error| unread("opening", name, &path, &error))?;
        let there = file.metadata().map_err(|error| failed("opening", &path, &error))?.len();
        if there != bytes {
            return Err(ArchiveError::corrupt(name, format!("it has {there} bytes instead of {bytes}")));
        }
        Ok(file)
    }
}

/// Reads a range of a file without moving a cursor that others may use.
pub(super) fn read_at(file: &File, range: &Range<u64>) -> Result<Bytes, ArchiveError> {
    let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start).map_err(|error| ArchiveError::io("reading the archive", &error))?;
    Ok(bytes.into())
}

/// Makes a directory durable, with those above it.
fn make_dir(dir: &Path) -> Result<(), ArchiveError> {
    if dir.is_dir() {
        return Ok(());
    }
    let new: Vec<&Path> = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    std::fs::create_dir_all(dir).map_err(|error| failed("making", dir, &error))?;
    new.into_iter().try_for_each(|dir| match dir.parent() {
        Some(above) if above.as_os_str().is_empty() => sync_dir(Path::new(".")),
        Some(above) => sync_dir(above),
        None => Ok(()),
    })
}

fn sync_dir(dir: &Path) -> Result<(), ArchiveError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| failed("syncing", dir, &error))
}

/// Makes `dir` if it is not there, and removes every file in it.
pub(super) fn empty_dir(dir: &Path) -> Result<(), ArchiveError> {
    make_dir(dir)?;
    for entry in std::fs::read_dir(dir).map_err(|error| failed("listing", dir, &error))? {
        let path = entry.map_err(|error| failed("listing", dir, &error))?.path();
        std::fs::remove_file(&path).map_err(|error| failed("removing", &path, &error))?;
    }
    Ok(())
}
