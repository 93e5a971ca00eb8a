//! Whether a file has changed, and is whole: its time and size are looked at now and then, and have to stand still for one look.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    modified: SystemTime,
    bytes: u64,
    #[cfg(unix)]
    inode: u64,
}

/// What a look at a file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It is as it was when it was last taken.
    Unchanged,
    /// It is another than at the last look: somebody may still be writing it.
    Changing,
    /// It has changed, and stands still.
    Ready(Stamp),
}

/// Follows one file.
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    seen: Option<Stamp>,
    taken: Option<Stamp>,
}

impl FileWatch {
    /// Nothing of the file is taken yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: None, taken: None }
    }

    /// Looks at it.
    ///
    /// # Errors
    /// When the system does not show it: it is missing, or not ours to read.
    pub fn look(&mut self) -> io::Result<Look> {
        let stamp = stamp(&self.path).inspect_err(|_| self.seen = None)?;
        let still = self.seen.replace(stamp) == Some(stamp);
        Ok(match (still, self.taken == Some(stamp)) {
            (false, _) => Look::Changing,
            (true, true) => Look::Unchanged,
            (true, false) => Look::Ready(stamp),
        })
    }

    /// Whether it is still as `stamp` says: what was read meanwhile is of that version.
    #[must_use]
    pub fn is_still(&self, stamp_before: &Stamp) -> bool {
        stamp(&self.path).is_ok_and(|now| now == *stamp_before)
    }

    /// That version is dealt with, for good or bad: it is looked at again when it changes.
    pub fn take(&mut self, stamp: Stamp) {
        self.taken = Some(stamp);
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    Ok(Stamp {
        modified: metadata.modified()?,
        bytes: metadata.len(),
        #[cfg(unix)]
        inode: std::os::unix::fs::MetadataExt::ino(&metadata),
    })
}
