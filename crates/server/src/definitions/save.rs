//! Files of definitions written whole or not at all, and removed, durably.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use pulseboard_runtime::fault;

/// What an unfinished file is called beside the one that it becomes; hidden, so that nobody reads it.
const UNFINISHED: &str = "unfinished";

/// Writes `text` to `path`: whoever reads it finds the old text or the new one, also after a crash.
///
/// # Errors
/// What the system says; the old text is there then.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a path of a file"));
    };
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{}.{UNFINISHED}", name.to_string_lossy()));
    fault::point("definitions.save.write")?;
    let written = (|| {
        let mut file = File::create(&unfinished)?;
        let (half, rest) = text.as_bytes().split_at(text.len() / 2);
        file.write_all(half)?;
        fault::point("definitions.save.half")?;
        file.write_all(rest)?;
        // Whoever may read the old one may read the new one, and nobody else.
        if let Ok(metadata) = fs::metadata(path) {
            file.set_permissions(metadata.permissions())?;
        }
        file.sync_all()?;
        fault::point("definitions.save.rename")?;
        fs::rename(&unfinished, path)
    })();
    if written.is_err() {
        // It may not be there; what is left of it is written over the next time.
        let _removed = fs::remove_file(&unfinished).is_ok();
    }
    written?;
    fault::point("definitions.save.renamed")?;
    sync_folder(folder)
}

/// Removes a file for good.
///
/// # Errors
/// What the system says.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    fault::point("definitions.remove")?;
    fs::remove_file(path)?;
    fault::point("definitions.removed")?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
