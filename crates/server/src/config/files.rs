//! Files that define boards and views, from outside: which there are, their texts, whether they may be written.
//!
//! What they say is read in `definitions`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pulseboard_protocol::http::ProblemAnswer;
use xxhash_rust::xxh3::xxh3_64;

use super::reader::Problem;
use super::values::resolved;

/// What files of definitions end in.
pub(crate) const ENDING: &str = "toml";
/// The largest file that is read as a definition.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 20;

/// Hash of a file's text, as clients are told it.
pub(crate) fn hash_of(text: &str) -> String {
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

/// The files of a folder that define something, by what they define. A folder that is not there is empty.
pub(crate) fn files_in(folder: &Path) -> std::io::Result<BTreeMap<String, PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // Hidden ones are what editors keep beside a file.
        if path.extension().is_some_and(|ending| ending == ENDING) && !name.starts_with('.') && path.is_file() {
            files.insert(name, path);
        }
    }
    Ok(files)
}

/// Reads a file's text.
pub(crate) fn read_text(path: &Path) -> Result<String, Problem> {
    let problem = |what: String| Problem {
        file: path.display().to_string(),
        key: String::new(),
        what: format!("cannot be read: {what}"),
    };
    let bytes = std::fs::metadata(path).map_err(|error| problem(error.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(problem(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))
}

/// Why a file cannot be written over, if it cannot.
pub(super) fn unwritable(path: &Path) -> Option<String> {
    let read_only = std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().readonly());
    if read_only {
        return Some("its file may only be read".to_owned());
    }
    // One that is not there yet is made where it is to be.
    let folder = path.ancestors().skip(1).find(|folder| folder.exists())?;
    let access = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK);
    access.is_err().then(|| "the folder of its file may only be read".to_owned())
}

/// Problems as clients read them: without the folders.
pub(crate) fn told<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> Vec<ProblemAnswer> {
    let told = |problem: &Problem| {
        let file = Path::new(&problem.file).file_name().unwrap_or_default().to_string_lossy().into_owned();
        ProblemAnswer { file, key: problem.key.clone(), what: problem.what.clone() }
    };
    problems.into_iter().map(told).collect()
}

/// A text of a file with what it refers to put in; as it stands, if that is not there.
pub(crate) fn resolved_text(text: &str, dir: &Path) -> String {
    let value = toml::Value::String(text.to_owned());
    let resolved = resolved(&value, dir).ok().and_then(|value| value.as_str().map(str::to_owned));
    resolved.unwrap_or_else(|| text.to_owned())
}
