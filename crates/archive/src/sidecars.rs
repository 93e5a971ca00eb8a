//! What others keep beside a file: made from its rows, named by who keeps it, and gone with it.
//!
//! Several are put at once, each an object of its own, and one manifest then names them: after a crash between the two they
//! are not there. A reader holds [`Piece`]s of one manifest, which stay while it reads, whatever is joined meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use pulseboard_model::{StreamName, TimeUs};

use crate::archive::{Archive, unique};
use crate::error::ArchiveError;
use crate::manifest::{FileEntry, Sidecar};
use crate::published::Object;
use crate::seal::point;

/// The rows of one file, and what is kept beside it.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The rows of the stream after this offset,
    pub after: u64,
    /// up to and with this one.
    pub upto: u64,
    /// Their earliest and latest `time`.
    pub times: (TimeUs, TimeUs),
    kept: Vec<(Sidecar, Arc<Object>)>,
}

impl Piece {
    /// The names of what is kept, and how many bytes each has.
    pub fn names(&self) -> impl Iterator<Item = (&str, u64)> {
        self.kept.iter().map(|(sidecar, _)| (sidecar.name.as_str(), sidecar.bytes))
    }

    /// What is kept under a name, `None` if nothing is. Blocks.
    ///
    /// # Errors
    /// [`ArchiveError`] when it cannot be read or is damaged.
    pub fn read(&self, name: &str) -> Result<Option<Bytes>, ArchiveError> {
        let kept = self.kept.iter().find(|(sidecar, _)| sidecar.name == name);
        kept.map(|(sidecar, object)| checked(sidecar, object)).transpose()
    }
}

fn checked(sidecar: &Sidecar, object: &Object) -> Result<Bytes, ArchiveError> {
    let bytes = object.get()?;
    if crc32c::crc32c(&bytes) != sidecar.crc {
        return Err(object.damaged(&"its checksum does not match"));
    }
    Ok(bytes)
}

impl Archive {
    /// The files of a stream in the order of their offsets, without holes between them, with what is kept beside each under
    /// a name that begins with `prefix`; none while the archive is not open.
    #[must_use]
    pub fn pieces(&self, stream: &StreamName, prefix: &str) -> Vec<Piece> {
        let Some(published) = self.current() else { return Vec::new() };
        let mut after = 0;
        let pieces = published.files(stream.as_str()).iter().map(|file| {
            let kept = file.sidecars.iter().filter(|sidecar| sidecar.name.starts_with(prefix));
            let kept = kept.filter_map(|sidecar| Some((sidecar.clone(), published.object(&sidecar.object).ok()?)));
            let times = (TimeUs(file.min_time), TimeUs(file.max_time));
            let piece = Piece { after, upto: file.last_offset, times, kept: kept.collect() };
            after = file.last_offset;
            piece
        });
        pieces.collect()
    }

    /// Keeps `bytes` beside a file, under a name of the caller's (letters, digits, dots); it goes with the file. An
    /// earlier one of that name is replaced. Says whether the file was still there. Blocks.
    ///
    /// # Errors
    /// [`ArchiveError`] when it cannot be written.
    pub fn put_sidecar(
        &self,
        stream: &StreamName,
        file: &str,
        name: &str,
        bytes: &Bytes,
    ) -> Result<bool, ArchiveError> {
        self.put_sidecars(stream, file, &[(name.to_owned(), bytes.clone())])
    }

    /// The same of several, which are there together or not at all.
    ///
    /// # Errors
    /// [`ArchiveError`] when one cannot be written.
    pub fn put_sidecars(
        &self,
        stream: &StreamName,
        file: &str,
        kept: &[(String, Bytes)],
    ) -> Result<bool, ArchiveError> {
        if !self.published()?.files(stream.as_str()).iter().any(|entry| entry.name == file) {
            return Ok(false);
        }
        let mut sidecars = Vec::with_capacity(kept.len());
        let put = kept.iter().try_for_each(|(name, bytes)| {
            let object = format!("{}-{}.{name}", file.trim_end_matches(".parquet"), unique());
            point("archive.sidecar.write")?;
            self.store.put_new(&object, bytes)?;
            let crc = crc32c::crc32c(bytes);
            sidecars.push(Sidecar { name: name.clone(), object, bytes: bytes.len() as u64, crc });
            Ok::<_, ArchiveError>(())
        });
        let objects: Vec<String> = sidecars.iter().map(|sidecar| sidecar.object.clone()).collect();
        let published = put.and_then(|()| point("archive.sidecar.publish")).and_then(|()| {
            self.change_file(stream, file, |entry| {
                entry.sidecars.retain(|known| !sidecars.iter().any(|new| new.name == known.name));
                entry.sidecars.append(&mut sidecars);
            })
        });
        // After a failed attempt to write the manifest it may hold after a restart, so what it names stays until then.
        if let Ok(false) = published {
            self.shared.trash.lock().extend(objects);
        }
        published
    }

    /// Forgets what is kept beside a file under some names. Blocks.
    ///
    /// # Errors
    /// [`ArchiveError`] when that cannot be written.
    pub fn drop_sidecars(&self, stream: &StreamName, file: &str, names: &[String]) -> Result<bool, ArchiveError> {
        self.change_file(stream, file, |entry| entry.sidecars.retain(|known| !names.contains(&known.name)))
    }

    /// Changes the entry of a file in the next manifest; says whether it was still there.
    fn change_file(
        &self,
        stream: &StreamName,
        file: &str,
        change: impl FnOnce(&mut FileEntry),
    ) -> Result<bool, ArchiveError> {
        let changed = self.publish(|manifest| {
            let files = manifest.streams.get_mut(stream.as_str()).map(|stream| stream.files.as_mut_slice());
            let entry = files.and_then(|files| files.iter_mut().find(|entry| entry.name == file));
            entry.map(change).ok_or(ArchiveError::Closing)
        });
        match changed {
            Ok(()) => Ok(true),
            // It was joined with others meanwhile.
            Err(ArchiveError::Closing) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What was kept beside a file; `None` if nothing was, or the file is gone. Blocks.
    ///
    /// # Errors
    /// [`ArchiveError`] when it cannot be read or is damaged.
    pub fn sidecar(&self, stream: &StreamName, file: &str, name: &str) -> Result<Option<Bytes>, ArchiveError> {
        let published = self.published()?;
        let entry = published.files(stream.as_str()).iter().find(|entry| entry.name == file);
        let sidecar = entry.and_then(|entry| entry.sidecars.iter().find(|sidecar| sidecar.name == name));
        sidecar.map(|sidecar| checked(sidecar, published.object(&sidecar.object)?.as_ref())).transpose()
    }
}
