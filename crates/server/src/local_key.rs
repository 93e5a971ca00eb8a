//! The key for commands on this machine: in a file of the data directory that only its owner reads, new with each start.
//!
//! Whoever may read it may read every event on disk, so it opens nothing that was closed. Nothing else is kept here.

use std::fs::{OpenOptions, remove_file};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use pulseboard_gateway::LocalKey;
use pulseboard_protocol::Secret;

const FILE_NAME: &str = "command-line-key";
/// Only the owner.
const MODE: u32 = 0o600;
/// The longest text that is read.
const TEXT_BYTES_MAX: u64 = 256;

/// Writes a new key beside the lock.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(dir: &Path, key: &LocalKey) -> std::io::Result<()> {
    let path = dir.join(FILE_NAME);
    // Made anew, so that neither the rights nor a link that somebody left there count.
    match remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.write_all(key.text().reveal().as_bytes())
}

/// The key of the server that runs on `dir`, if this user may read it.
pub(crate) fn read(dir: &Path) -> Option<Secret> {
    let mut text = String::new();
    let file = OpenOptions::new().read(true).open(dir.join(FILE_NAME)).ok()?;
    file.take(TEXT_BYTES_MAX).read_to_string(&mut text).ok()?;
    (!text.is_empty()).then(|| Secret::new(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_owner_reads_the_key_and_each_start_has_its_own() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).is_none());
        let path = dir.path().join(FILE_NAME);
        std::fs::write(&path, "left by somebody").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let (first, second) = (LocalKey::make(), LocalKey::make());
        write(dir.path(), &first).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(read(dir.path()).as_ref(), Some(first.text()));
        write(dir.path(), &second).unwrap();
        assert_eq!(read(dir.path()).as_ref(), Some(second.text()));
    }
}
