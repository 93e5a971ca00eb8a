//! The archive's handle: the manifest that holds now, and the one way to change it.
//!
//! Readers take the current [`Published`] and keep it as long as they read. Writers make the next manifest from it; it
//! holds once it is durable, and only then may what it does not name any more be removed.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use pulseboard_journal::{Log, Retention};
use pulseboard_model::{Position, StreamName, TimeUs};
use pulseboard_runtime::{Shutdown, Tasks, fault};
use tracing::{info, warn};

use crate::config::ArchiveConfig;
use crate::error::ArchiveError;
use crate::figures::ArchiveFigures;
use crate::manifest::{DATA_PREFIX, FileEntry, Manifest, PREFIX};
use crate::published::{Published, Shared};
use crate::store::Store;

/// History in files. Shared by everyone who reads it and the thread that writes it.
#[derive(Debug)]
pub struct Archive {
    pub(crate) config: ArchiveConfig,
    pub(crate) store: Store,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shutdown: Shutdown,
    pub(crate) retention: RwLock<Retention>,
    current: RwLock<Option<Arc<Published>>>,
    /// One change at a time, and the highest version that was tried: an attempt that failed may have been written all
    /// the same, so its number is not used again.
    changing: Mutex<u64>,
    /// What is wrong now, for a person.
    problem: Mutex<Option<String>>,
    /// Whether it is opened for reading only.
    read_only: bool,
}

/// What is known of a file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its name in the archive; never used twice.
    pub name: String,
    /// 0 as sealed, 1 of an hour, 2 of a day.
    pub level: u8,
    /// `_offset` of its first and last row.
    pub offsets: (u64, u64),
    /// How many rows.
    pub rows: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Its earliest and latest `time`.
    pub times: (TimeUs, TimeUs),
    /// Its earliest and latest `_arrived_at`.
    pub arrived: (TimeUs, TimeUs),
    /// The names of what is kept beside it.
    pub sidecars: Vec<String>,
}

impl FileInfo {
    fn of(file: &FileEntry) -> Self {
        Self {
            name: file.name.clone(),
            level: file.level,
            offsets: (file.first_offset, file.last_offset),
            rows: file.rows,
            bytes: file.bytes,
            times: (TimeUs(file.min_time), TimeUs(file.max_time)),
            arrived: (TimeUs(file.min_arrived_at), TimeUs(file.max_arrived_at)),
            sidecars: file.sidecars.iter().map(|sidecar| sidecar.name.clone()).collect(),
        }
    }
}

/// What the data directory says of its archive: whose it is and where it lies, for those who read without a server.
#[derive(Debug, PartialEq, Eq)]
struct Beside {
    id: String,
    url: String,
}

impl Beside {
    fn read(file: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(file).ok()?;
        let mut lines = text.lines().map(str::to_owned);
        Some(Self { id: lines.next()?, url: lines.next()? })
    }
}

/// A text that no other object has in its name.
pub(crate) fn unique() -> String {
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

impl Archive {
    /// An archive that is not opened yet. Within a tokio runtime if it is in an object store.
    ///
    /// # Errors
    /// [`ArchiveError::BadUrl`] when its place cannot be understood.
    pub fn new(config: ArchiveConfig, tasks: &Tasks) -> Result<Self, ArchiveError> {
        let store = Store::open(&config.url, &config.work_dir, tasks)?;
        Ok(Self {
            store,
            shared: Arc::default(),
            shutdown: tasks.shutdown(),
            retention: RwLock::new(config.retention.clone()),
            config,
            current: RwLock::new(None),
            changing: Mutex::new(0),
            problem: Mutex::new(None),
            read_only: false,
        })
    }

    /// Opens it as the owner of `log`: reads the manifest, and removes what a crash left. Blocks.
    ///
    /// # Errors
    /// [`ArchiveError::NotOurs`] when it belongs to another log, or knows more than this one; [`ArchiveError::Io`].
    pub fn open(&self, log: &dyn Log) -> Result<(), ArchiveError> {
        if self.current().is_some() {
            return Ok(());
        }
        let head = &log.head();
        self.store.prepare()?;
        let found = latest(&self.store)?;
        let known = Beside::read(&self.config.id_file).map(|beside| beside.id);
        let manifest = match found {
            Some(manifest) => {
                check_ours(&manifest, known.as_deref(), head)?;
                joined_to(manifest, log.first_offset().to_u64())
            }
            // While the log still has all of it, nothing was there that is gone: perhaps nothing was archived yet.
            None if known.is_some() && log.first_offset().to_u64() > 1 => {
                warn!(url = self.config.url, "the archive that was here is gone: a new one begins");
                Manifest::empty(unique(), head.epoch.to_string())
            }
            None => Manifest::empty(unique(), head.epoch.to_string()),
        };
        let beside = Beside { id: manifest.id.clone(), url: self.store.url() };
        if Beside::read(&self.config.id_file).as_ref() != Some(&beside) {
            write_durably(&self.config.id_file, &format!("{}\n{}\n", beside.id, beside.url))?;
        }
        self.remove_orphans(&manifest)?;
        info!(url = self.config.url, through = manifest.archived_through, "archive open");
        let published = Published::first(manifest, &self.store, &self.shared);
        *self.current.write() = Some(Arc::new(published));
        Ok(())
    }

    /// The archive of the log in `data_dir`, opened for reading only; `None` if the log has none. Nothing is changed.
    /// Blocks, on a thread of a tokio runtime that may.
    ///
    /// # Errors
    /// [`ArchiveError`] when it cannot be read.
    pub fn read_only(data_dir: &Path, tasks: &Tasks) -> Result<Option<Self>, ArchiveError> {
        let config = ArchiveConfig::new(data_dir);
        let Some(beside) = Beside::read(&config.id_file) else { return Ok(None) };
        let archive = Self { read_only: true, ..Self::new(ArchiveConfig { url: beside.url, ..config }, tasks)? };
        let manifest = latest(&archive.store)?.unwrap_or_else(|| Manifest::empty(beside.id, String::new()));
        *archive.current.write() = Some(Arc::new(Published::first(manifest, &archive.store, &archive.shared)));
        Ok(Some(archive))
    }

    /// The manifest that holds now; `None` until the archive is open.
    pub(crate) fn current(&self) -> Option<Arc<Published>> {
        self.current.read().clone()
    }

    /// The same, or why there is none.
    pub(crate) fn published(&self) -> Result<Arc<Published>, ArchiveError> {
        self.current().ok_or_else(|| {
            let why = self.problem().unwrap_or_else(|| "it is not open yet".to_owned());
            ArchiveError::io("reading the archive", &why)
        })
    }

    /// Changes the archive: `change` makes the next manifest, which is written and then holds. What the
    /// next manifest names must be durable before, and must stay if this fails: a failed attempt may hold after a restart.
    pub(crate) fn publish<T>(
        &self,
        change: impl FnOnce(&mut Manifest) -> Result<T, ArchiveError>,
    ) -> Result<T, ArchiveError> {
        let mut tried = self.changing.lock();
        let before = self.published()?;
        let mut manifest = before.manifest.clone();
        let result = change(&mut manifest)?;
        manifest.version = manifest.version.max(*tried) + 1;
        *tried = manifest.version;
        fault::point("archive.manifest.write").map_err(|error| ArchiveError::io("publishing the manifest", &error))?;
        let put = self.store.put_new(&manifest.object_name(), &manifest.encode()?);
        if matches!(put, Err(ArchiveError::NotOurs(_))) {
            // Somebody else changes it: what is known of it here is worth nothing any more.
            *self.current.write() = None;
        }
        put?;
        if let Err(error) = fault::point("archive.manifest.written") {
            // It is written, and holds.
            warn!(%error, "after the manifest was written");
        }
        let old = before.manifest.object_name();
        let next = Arc::new(before.next(manifest, &self.store, &self.shared));
        *self.current.write() = Some(next);
        if before.manifest.version > 0 {
            self.shared.trash.lock().push(old);
        }
        Ok(result)
    }

    /// Why a file that the manifest names cannot be read: if there is a newer manifest, somebody else writes the archive, and
    /// nothing is lost but what is known of it here.
    pub(crate) fn explained(&self, error: ArchiveError) -> ArchiveError {
        if !matches!(error, ArchiveError::Missing { .. } | ArchiveError::Corrupt { .. }) {
            return error;
        }
        let Some(ours) = self.version() else { return error };
        let newest = self.store.list(PREFIX).ok().and_then(|listed| {
            let versions = listed.iter().filter_map(|(name, _)| Manifest::version_of(name));
            // The one being written here is ours, whether it comes to hold or not.
            versions.max().filter(|newest| *newest > ours.max(*self.changing.lock()))
        });
        let Some(newest) = newest else { return error };
        if !self.read_only {
            *self.current.write() = None;
        }
        let what =
            format!("another server writes it: what it knows is of version {ours}, and there is version {newest}");
        ArchiveError::NotOurs(what)
    }

    /// Removes what no manifest names and no reader holds any more.
    pub(crate) fn empty_trash(&self) -> Result<(), ArchiveError> {
        let mut names = std::mem::take(&mut *self.shared.trash.lock());
        while let Some(name) = names.pop() {
            let removed = fault::point("archive.drop.file")
                .map_err(|error| ArchiveError::io("removing a file", &error))
                .and_then(|()| self.store.delete(&name));
            if let Err(error) = removed {
                names.push(name);
                self.shared.trash.lock().append(&mut names);
                return Err(error);
            }
        }
        Ok(())
    }

    /// What a crash left: objects that the manifest does not name, and earlier manifests.
    fn remove_orphans(&self, manifest: &Manifest) -> Result<(), ArchiveError> {
        let named: HashSet<&str> = manifest.objects().map(|(name, _)| name).collect();
        let holds = manifest.object_name();
        for (name, _) in self.store.list("")? {
            let orphan = name.starts_with(DATA_PREFIX) && !named.contains(name.as_str());
            let earlier = name.starts_with(PREFIX) && name != holds;
            if orphan || earlier {
                self.store.delete(&name)?;
            }
        }
        Ok(())
    }

    /// Changes how long streams are kept, from now on.
    pub fn set_retention(&self, retention: Retention) {
        *self.retention.write() = retention;
    }

    /// How much of its files was read since it was opened.
    #[must_use]
    pub fn figures(&self) -> ArchiveFigures {
        self.shared.figures.now()
    }

    /// What is wrong now, for a person; `None` while all is well.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().clone()
    }

    pub(crate) fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock() = problem;
    }

    /// Counts up with each change of what the archive consists of; `None` while it is not open.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.current().map(|published| published.manifest.version)
    }

    /// How many files a stream has.
    #[must_use]
    pub fn file_count(&self, stream: &StreamName) -> usize {
        self.current().map_or(0, |published| published.files(stream.as_str()).len())
    }

    /// The files of a stream in the order of their offsets; none while the archive is not open.
    #[must_use]
    pub fn files(&self, stream: &StreamName) -> Vec<FileInfo> {
        let published = self.current();
        published.map_or(Vec::new(), |published| published.files(stream.as_str()).iter().map(FileInfo::of).collect())
    }
}

/// The manifest of the highest version.
fn latest(store: &Store) -> Result<Option<Manifest>, ArchiveError> {
    let listed = store.list(PREFIX)?;
    let newest = listed.iter().filter_map(|(name, _)| Some((Manifest::version_of(name)?, name))).max();
    newest.map(|(_, name)| Manifest::decode(name, &store.get(name)?)).transpose()
}

/// Whether a manifest that was found is of the log that stands at `head`.
fn check_ours(manifest: &Manifest, known: Option<&str>, head: &Position) -> Result<(), ArchiveError> {
    if known != Some(manifest.id.as_str()) && manifest.epoch != head.epoch.to_string() {
        let what = "it belongs to another data directory: give this one another `[archive] url`";
        return Err(ArchiveError::NotOurs(what.to_owned()));
    }
    let (through, end) = (manifest.archived_through, head.offset.to_u64());
    if through > end {
        return Err(ArchiveError::NotOurs(format!(
            "it holds events up to offset {through} and the log ends with {end}: restore the log, or move the archive away"
        )));
    }
    Ok(())
}

/// The manifest, if the log goes on where it ends. While the archive was switched off the log may have dropped what should
/// have come here: then what is here is older than what retention lets go, and nobody can read over the hole.
fn joined_to(manifest: Manifest, log_begins: u64) -> Manifest {
    let through = manifest.archived_through;
    if manifest.last_commit == 0 || log_begins <= through + 1 {
        return manifest;
    }
    warn!(through, log_begins, "the log dropped events that were never archived: the archive begins anew");
    Manifest { version: manifest.version, ..Manifest::empty(manifest.id, manifest.epoch) }
}

fn write_durably(path: &Path, text: &str) -> Result<(), ArchiveError> {
    let unfinished = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        std::fs::write(&unfinished, text)?;
        std::fs::File::open(&unfinished)?.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        path.parent().map_or(Ok(()), |dir| std::fs::File::open(dir)?.sync_all())
    };
    write().map_err(|error| ArchiveError::io(format!("writing `{}`", path.display()), &error))
}
