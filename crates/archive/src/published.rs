//! The manifest as readers hold it: with its objects, which stay until the last reader lets go of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::PageIndexPolicy;
use pulseboard_model::StreamName;

use crate::chunks::Chunks;
use crate::error::ArchiveError;
use crate::figures::Figures;
use crate::manifest::{FileEntry, Manifest};
use crate::store::{Source, Store};

/// The most bytes of ends of files that are kept in memory; those used longest ago go first.
const FOOTER_BYTES: usize = 64 << 20;

/// How much of a file is read at once to compare its checksum.
const VERIFY_BYTES: u64 = 1 << 20;

/// What the objects of one archive share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Names of objects that nobody needs any more, until the archive's thread removes them.
    pub(crate) trash: Mutex<Vec<String>>,
    /// What was read.
    pub(crate) figures: Figures,
    /// The ends of files that were read, the one used last at the back.
    footers: Mutex<VecDeque<(String, ArrowReaderMetadata)>>,
}

impl Shared {
    fn footer(&self, name: &str) -> Option<ArrowReaderMetadata> {
        let mut footers = self.footers.lock();
        let at = footers.iter().position(|(known, _)| known == name)?;
        let found = footers.remove(at)?;
        let footer = found.1.clone();
        footers.push_back(found);
        Some(footer)
    }

    fn keep_footer(&self, name: &str, footer: &ArrowReaderMetadata) {
        let mut footers = self.footers.lock();
        footers.retain(|(known, _)| known != name);
        footers.push_back((name.to_owned(), footer.clone()));
        let mut bytes: usize = footers.iter().map(|(_, footer)| footer.metadata().memory_size()).sum();
        while bytes > FOOTER_BYTES && footers.len() > 1 {
            bytes -= footers.pop_front().map_or(0, |(_, footer)| footer.metadata().memory_size());
        }
    }
}

/// One object of a manifest.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    store: Store,
    /// No manifest names it any more.
    condemned: AtomicBool,
    pub(crate) shared: Arc<Shared>,
}

impl Object {
    /// Opens it for reading in ranges.
    pub(crate) fn source(&self) -> Result<Source, ArchiveError> {
        self.store.source(&self.name, self.bytes)
    }

    /// The whole of it.
    pub(crate) fn get(&self) -> Result<bytes::Bytes, ArchiveError> {
        self.store.get(&self.name)
    }

    /// What its end says about its columns and row groups.
    pub(crate) fn footer(&self, source: &Source) -> Result<ArrowReaderMetadata, ArchiveError> {
        if let Some(footer) = self.shared.footer(&self.name) {
            return Ok(footer);
        }
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let chunks = Chunks::new(source.clone(), self.bytes);
        let footer = ArrowReaderMetadata::load(&chunks, options).map_err(|error| self.damaged(&error))?;
        self.shared.keep_footer(&self.name, &footer);
        Ok(footer)
    }

    /// Reads all of a file of this machine, and compares its checksum; object stores do that themselves.
    pub(crate) fn verify(&self, crc: u32) -> Result<(), ArchiveError> {
        let source = self.source()?;
        if source.is_far() {
            return Ok(());
        }
        let (mut at, mut found) = (0, 0);
        while at < self.bytes {
            let end = (at + VERIFY_BYTES).min(self.bytes);
            found = crc32c::crc32c_append(found, &source.range(at..end)?);
            at = end;
        }
        if found == crc { Ok(()) } else { Err(self.damaged(&"its checksum does not match")) }
    }

    /// What is wrong with it, as an error.
    pub(crate) fn damaged(&self, what: &dyn std::fmt::Display) -> ArchiveError {
        ArchiveError::corrupt(&self.name, what)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if self.condemned.load(Ordering::SeqCst) {
            self.shared.trash.lock().push(std::mem::take(&mut self.name));
        }
    }
}

/// A manifest that is durable, with its objects.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) manifest: Manifest,
    objects: HashMap<String, Arc<Object>>,
}

impl Published {
    /// The first one that a process reads.
    pub(crate) fn first(manifest: Manifest, store: &Store, shared: &Arc<Shared>) -> Self {
        Self::after(manifest, &HashMap::new(), store, shared)
    }

    fn after(manifest: Manifest, before: &HashMap<String, Arc<Object>>, store: &Store, shared: &Arc<Shared>) -> Self {
        let objects = manifest.objects().map(|(name, bytes)| {
            let object = before.get(name).cloned().unwrap_or_else(|| {
                Arc::new(Object {
                    name: name.to_owned(),
                    bytes,
                    store: store.clone(),
                    condemned: AtomicBool::new(false),
                    shared: shared.clone(),
                })
            });
            (name.to_owned(), object)
        });
        let objects = objects.collect();
        Self { manifest, objects }
    }

    /// The one that follows this one. What it does not name any more goes with its last reader.
    pub(crate) fn next(&self, manifest: Manifest, store: &Store, shared: &Arc<Shared>) -> Self {
        let next = Self::after(manifest, &self.objects, store, shared);
        for (name, object) in &self.objects {
            if !next.objects.contains_key(name) {
                object.condemned.store(true, Ordering::SeqCst);
            }
        }
        next
    }

    /// An object that the manifest names.
    pub(crate) fn object(&self, name: &str) -> Result<Arc<Object>, ArchiveError> {
        self.objects.get(name).cloned().ok_or_else(|| ArchiveError::corrupt(name, "the manifest does not name it"))
    }

    /// The last offset that retention dropped, of one stream or of any.
    pub(crate) fn dropped_through(&self, stream: Option<&StreamName>) -> u64 {
        match stream {
            Some(stream) => self.manifest.streams.get(stream.as_str()).map_or(0, |stream| stream.dropped_through),
            None => self.manifest.streams.values().map(|stream| stream.dropped_through).max().unwrap_or(0),
        }
    }

    /// The files of a stream; none if it has none here.
    pub(crate) fn files(&self, stream: &str) -> &[FileEntry] {
        self.manifest.streams.get(stream).map_or(&[], |stream| stream.files.as_slice())
    }
}
