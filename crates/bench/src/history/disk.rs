//! What a history takes on disk, and forgetting what the system remembers of it in memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::BenchError;

/// What lies in an archive, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OnDisk {
    /// Rows as Parquet.
    pub(crate) rows: u64,
    /// All else: what is kept beside the rows, and the manifest.
    pub(crate) beside: u64,
    pub(crate) files: u64,
}

impl OnDisk {
    /// Of the archive of a data directory.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub(crate) fn of(data: &Path, stream: &str) -> Result<Self, BenchError> {
        let archive = data.join("archive");
        let rows_dir = archive.join("data").join(stream);
        let mut sum = Self::default();
        for path in files_below(&archive).map_err(BenchError::io("listing the archive"))? {
            // A file may be joined with others meanwhile.
            let bytes = fs::metadata(&path).map_or(0, |found| found.len());
            if path.starts_with(&rows_dir) && path.extension().is_some_and(|extension| extension == "parquet") {
                sum.rows += bytes;
                sum.files += 1;
            } else {
                sum.beside += bytes;
            }
        }
        Ok(sum)
    }
}

fn files_below(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut directories, mut files) = (vec![directory.to_owned()], Vec::new());
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

/// Has the system drop its copies of all files of a data directory, so that what is read next comes from the disk. Says
/// whether it can: elsewhere than on Linux it cannot, and files that somebody maps stay.
///
/// # Errors
/// When the files cannot be listed.
#[cfg(target_os = "linux")]
pub(crate) fn forget_pages(data: &Path) -> Result<bool, BenchError> {
    use rustix::fs::{Advice, fadvise};
    for path in files_below(data).map_err(BenchError::io("listing the data"))? {
        // It may be gone, and what is not written yet stays: only clean pages can be dropped.
        if let Ok(file) = File::open(path) {
            let _unknown_to_this_disk = fadvise(&file, 0, None, Advice::DontNeed).is_err();
        }
    }
    Ok(true)
}

/// Elsewhere there is no such advice.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub(crate) fn forget_pages(_data: &Path) -> Result<bool, BenchError> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_what_is_beside_them_are_told_apart() {
        let data = tempfile::tempdir().expect("a directory");
        let rows = data.path().join("archive/data/trades");
        fs::create_dir_all(&rows).expect("made");
        for (path, bytes) in [("1-2.parquet", 30), ("1-2.rollup", 4), ("../../manifest.json", 2)] {
            fs::write(rows.join(path), vec![0; bytes]).expect("written");
        }
        let found = OnDisk::of(data.path(), "trades").expect("listed");
        assert_eq!(found, OnDisk { rows: 30, beside: 6, files: 1 });
        assert_eq!(forget_pages(data.path()).expect("advised"), cfg!(target_os = "linux"));
    }
}
