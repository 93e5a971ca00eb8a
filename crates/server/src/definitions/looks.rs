//! Looks whether files of definitions changed: again and again, because not every file system tells.
//!
//! A file counts as changed once it looked the same twice in a row, so that one that is being written is not read. What it
//! holds is not looked at here.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::Places;
use crate::config::definitions::files_in;

/// How a file looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified_ns: i128,
    bytes: u64,
    inode: u64,
    mode: u32,
}

/// A file that is kept in step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Watched {
    Config,
    Board(String),
    View(String),
}

type Stamps = BTreeMap<Watched, (PathBuf, Stamp)>;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// As reported.
    known: BTreeMap<Watched, Stamp>,
    /// As at the last look, where that is something else.
    moving: BTreeMap<Watched, Option<Stamp>>,
}

impl Looks {
    /// The files that changed and now stand still, with their paths.
    pub(super) fn changed(&mut self, places: &Places) -> Vec<(Watched, PathBuf)> {
        let stamps = stamps(places);
        let mut changed = Vec::new();
        let gone: Vec<_> = self.known.keys().filter(|watched| !stamps.contains_key(*watched)).cloned().collect();
        let now = stamps.iter().map(|(watched, (path, stamp))| (watched.clone(), path.clone(), Some(*stamp)));
        let gone = gone.into_iter().map(|watched| {
            let path = path_of(&watched, places);
            (watched, path, None)
        });
        let mut moving = BTreeMap::new();
        for (watched, path, stamp) in now.chain(gone) {
            if self.known.get(&watched).copied() == stamp {
                continue;
            }
            if self.moving.get(&watched) != Some(&stamp) {
                moving.insert(watched, stamp);
                continue;
            }
            match stamp {
                Some(stamp) => drop(self.known.insert(watched.clone(), stamp)),
                None => drop(self.known.remove(&watched)),
            }
            changed.push((watched, path));
        }
        self.moving = moving;
        changed
    }
}

fn path_of(watched: &Watched, places: &Places) -> PathBuf {
    match watched {
        Watched::Config => places.config.clone().unwrap_or_default(),
        Watched::Board(id) => places.board(id),
        Watched::View(name) => places.view(name),
    }
}

fn stamps(places: &Places) -> Stamps {
    let mut stamps = Stamps::new();
    let config = places.config.iter().map(|path| (Watched::Config, path.clone()));
    // A folder that cannot be read now is as empty as one that is not there.
    let boards = files_in(&places.boards).unwrap_or_default().into_iter().map(|(id, path)| (Watched::Board(id), path));
    let views = files_in(&places.views).unwrap_or_default().into_iter().map(|(name, path)| (Watched::View(name), path));
    for (watched, path) in config.chain(boards).chain(views) {
        if let Some(stamp) = stamp_of(&path) {
            stamps.insert(watched, (path, stamp));
        }
    }
    stamps
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    let modified_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Some(Stamp { modified_ns, bytes: metadata.len(), inode: metadata.ino(), mode: metadata.mode() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn places(dir: &Path) -> Places {
        let (boards, views) = (dir.join("boards"), dir.join("views.d"));
        Places { config: Some(dir.join("config")), boards, views, timezone: chrono_tz::UTC, shipped: Vec::new() }
    }

    #[test]
    fn a_file_is_told_once_and_only_when_it_stands_still() {
        let dir = tempfile::tempdir().unwrap();
        let (places, mut looks) = (places(dir.path()), Looks::default());
        assert_eq!(looks.changed(&places), [], "nothing is there");
        fs::create_dir(&places.boards).unwrap();
        let file = places.board("a");
        fs::write(&file, "1").unwrap();
        assert_eq!(looks.changed(&places), []);
        fs::write(&file, "12").unwrap();
        assert_eq!(looks.changed(&places), [], "it moves");
        let told = vec![(Watched::Board("a".to_owned()), file.clone())];
        assert_eq!(looks.changed(&places), told);
        assert_eq!(looks.changed(&places), []);
        // Editors write beside and rename over.
        fs::write(places.boards.join(".a.swp"), "x").unwrap();
        fs::write(places.boards.join("new"), "12").unwrap();
        fs::rename(places.boards.join("new"), &file).unwrap();
        assert_eq!(looks.changed(&places), []);
        assert_eq!(looks.changed(&places), told);
        fs::remove_file(&file).unwrap();
        assert_eq!(looks.changed(&places), []);
        assert_eq!(looks.changed(&places), told, "gone");
        assert_eq!(looks.changed(&places), []);
    }
}
