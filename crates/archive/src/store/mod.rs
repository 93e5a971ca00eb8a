//! Where the archive's objects lie: a directory of this machine, or an object store.
//!
//! Both promise the same: an object appears whole under its name and is durable then, a manifest never replaces another,
//! and what is asked for in ranges is read in ranges. All calls block.

mod local;
mod remote;

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use pulseboard_runtime::Tasks;

use crate::error::ArchiveError;
use local::Local;
use remote::Remote;

/// The objects of one archive. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store(Arc<Place>);

enum Place {
    Local(Local),
    Remote(Remote),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(local) => local.fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl Store {
    /// Opens the place that `url` names: a path, `file://…` or `s3://bucket/prefix`. `work_dir` is for files on their way
    /// to an object store. Must be called within a tokio runtime if it is one.
    ///
    /// # Errors
    /// [`ArchiveError::BadUrl`], [`ArchiveError::Io`].
    pub(crate) fn open(url: &str, work_dir: &Path, tasks: &Tasks) -> Result<Self, ArchiveError> {
        let place = match url.split_once("://") {
            None => Place::Local(Local::new(PathBuf::from(url))),
            Some(("file", path)) => Place::Local(Local::new(PathBuf::from(path))),
            Some(_) => Place::Remote(Remote::open(url, work_dir, tasks)?),
        };
        Ok(Self(Arc::new(place)))
    }

    /// Where it lies, so that a process elsewhere finds it.
    pub(crate) fn url(&self) -> String {
        match self.0.as_ref() {
            Place::Local(local) => local.url(),
            Place::Remote(remote) => remote.url.clone(),
        }
    }

    /// Makes the directories that writing needs, and removes what an earlier run left in the one for unfinished files.
    pub(crate) fn prepare(&self) -> Result<(), ArchiveError> {
        let dir = self.work_dir();
        if let Place::Local(local) = self.0.as_ref() {
            local.prepare()?;
        }
        local::empty_dir(&dir)
    }

    /// Where files are written before they are put.
    pub(crate) fn work_dir(&self) -> PathBuf {
        match self.0.as_ref() {
            Place::Local(local) => local.work_dir(),
            Place::Remote(remote) => remote.work_dir.clone(),
        }
    }

    /// All objects below `prefix`, with their sizes in bytes.
    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, ArchiveError> {
        match self.0.as_ref() {
            Place::Local(local) => local.list(prefix),
            Place::Remote(remote) => remote.list(prefix),
        }
    }

    /// A whole object.
    pub(crate) fn get(&self, name: &str) -> Result<Bytes, ArchiveError> {
        match self.0.as_ref() {
            Place::Local(local) => local.get(name),
            Place::Remote(remote) => remote.get(name),
        }
    }

    /// Puts an object under a name that must be free: in an object store, which others may write, that is checked.
    pub(crate) fn put_new(&self, name: &str, bytes: &Bytes) -> Result<(), ArchiveError> {
        match self.0.as_ref() {
            Place::Local(local) => local.put_new(name, bytes),
            Place::Remote(remote) => remote.put_new(name, bytes),
        }
    }

    /// Puts a finished, synced file of [`Store::work_dir`] under `name`; the file is gone after.
    pub(crate) fn put_file(&self, file: &Path, name: &str) -> Result<(), ArchiveError> {
        match self.0.as_ref() {
            Place::Local(local) => local.put_file(file, name),
            Place::Remote(remote) => remote.put_file(file, name),
        }
    }

    /// Removes an object; one that is not there is removed already.
    pub(crate) fn delete(&self, name: &str) -> Result<(), ArchiveError> {
        match self.0.as_ref() {
            Place::Local(local) => local.delete(name),
            Place::Remote(remote) => remote.delete(name),
        }
    }

    /// Opens an object of `bytes` bytes for reading in ranges.
    pub(crate) fn source(&self, name: &str, bytes: u64) -> Result<Source, ArchiveError> {
        match self.0.as_ref() {
            Place::Local(local) => Ok(Source::File(Arc::new(local.open_file(name, bytes)?))),
            Place::Remote(_) => Ok(Source::Object { store: self.clone(), name: name.into() }),
        }
    }

    fn get_ranges(&self, name: &str, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>, ArchiveError> {
        match self.0.as_ref() {
            Place::Local(_) => Err(ArchiveError::io(format!("reading `{name}`"), &"not an object store")),
            Place::Remote(remote) => remote.get_ranges(name, ranges),
        }
    }
}

/// An object that is read in ranges.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A file of this machine, to itself: its cursor is not shared.
    File(Arc<File>),
    /// An object.
    Object {
        /// Where it lies.
        store: Store,
        /// Its name.
        name: Arc<str>,
    },
}

impl Source {
    /// Whether each read is a request over the network.
    pub(crate) const fn is_far(&self) -> bool {
        matches!(self, Self::Object { .. })
    }

    /// One range.
    pub(crate) fn range(&self, range: Range<u64>) -> Result<Bytes, ArchiveError> {
        match self {
            Self::File(file) => local::read_at(file, &range),
            Self::Object { .. } => {
                let read = self.ranges(std::iter::once(range).collect())?;
                read.into_iter().next().ok_or_else(|| ArchiveError::io("reading the archive", &"nothing was read"))
            }
        }
    }

    /// Several ranges in as few requests as make sense.
    pub(crate) fn ranges(&self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>, ArchiveError> {
        match self {
            Self::File(file) => ranges.into_iter().map(|range| local::read_at(file, &range)).collect(),
            Self::Object { store, name, .. } => store.get_ranges(name, ranges),
        }
    }
}
