//! Checkpoints as files in `checkpoints/` of the data directory, one for each query and position.
//!
//! A file is written under another name, synced and renamed, so that it is whole or not there. The two newest of a query
//! stay; older ones are thinned out with age and are the first to go when all together take more than the limit. What is in a file
//! is the engine's: it checks it when it reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use pulseboard_live::{CheckpointError, CheckpointStore, Question};
use pulseboard_model::{Position, TimeUs};
use pulseboard_runtime::fault;
use tracing::{debug, warn};

/// The newest of each query that stay whatever they take: one may be damaged.
const NEWEST: usize = 2;
/// How long the checkpoints of a question are kept that nobody asks, µs.
const FORGOTTEN_US: i64 = 24 * HOUR_US;
const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;
/// Up to which age one is kept of how long a time; what is older goes.
const THINNED: [(i64, i64); 3] = [(2 * HOUR_US, 10 * MINUTE_US), (2 * DAY_US, 2 * HOUR_US), (40 * DAY_US, DAY_US)];

const ENDING: &str = "checkpoint";
const UNFINISHED: &str = "unfinished";

/// A position in the order of the log; those of other epochs come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    clock: TimeUs,
    offset: pulseboard_model::LogOffset,
    epoch: u64,
}

impl Place {
    fn of(position: Position) -> Self {
        Self { clock: position.clock, offset: position.offset, epoch: position.epoch.0 }
    }

    fn position(self) -> Position {
        Position { epoch: pulseboard_model::Epoch(self.epoch), offset: self.offset, clock: self.clock }
    }
}

/// The files there are, with their sizes.
type Files = BTreeMap<Question, BTreeMap<Place, u64>>;

/// The directory.
#[derive(Debug)]
pub(crate) struct CheckpointFiles {
    dir: PathBuf,
    bytes_max: u64,
    files: Mutex<Files>,
}

impl CheckpointFiles {
    /// Opens the directory, or makes it, and clears away what a crash left unfinished.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub(crate) fn open(data_dir: &Path, bytes_max: u64) -> io::Result<Self> {
        let dir = data_dir.join("checkpoints");
        if !dir.exists() {
            fs::create_dir_all(&dir)?;
            sync_dir(data_dir)?;
        }
        let mut files = Files::new();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == UNFINISHED) {
                fs::remove_file(&path)?;
            } else if let Some((question, place)) = path.file_name().and_then(|name| read_name(name.to_str()?)) {
                files.entry(question).or_default().insert(place, entry.metadata()?.len());
            }
        }
        Ok(Self { dir, bytes_max, files: Mutex::new(files) })
    }

    fn path(&self, question: Question, position: Position) -> PathBuf {
        self.dir.join(name_of(question, position))
    }

    fn write(&self, question: Question, position: Position, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(question, position);
        let unfinished = path.with_extension(UNFINISHED);
        fault::point("server.checkpoint.write")?;
        let mut file = File::create(&unfinished)?;
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        file.write_all(half)?;
        fault::point("server.checkpoint.half")?;
        file.write_all(rest)?;
        file.sync_all()?;
        drop(file);
        fault::point("server.checkpoint.rename")?;
        fs::rename(&unfinished, &path)?;
        fault::point("server.checkpoint.renamed")?;
        sync_dir(&self.dir)
    }

    fn remove(&self, question: Question, place: Place) {
        let path = self.path(question, place.position());
        match fs::remove_file(&path) {
            Ok(()) => debug!(path = %path.display(), "a checkpoint has gone"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => warn!(path = %path.display(), %error, "a checkpoint cannot be removed"),
        }
    }

    /// Takes out of `files` what is too much, for good.
    fn tidy(&self, files: &mut Files, question: Question) {
        let mut gone: Vec<(Question, Place)> = Vec::new();
        if let Some(own) = files.get(&question) {
            gone.extend(superfluous(own.keys().copied()).into_iter().map(|place| (question, place)));
        }
        let leaving: BTreeSet<(Question, Place)> = gone.iter().copied().collect();
        let bytes: u64 = files.values().flat_map(BTreeMap::values).sum();
        let leaving_bytes: u64 = gone.iter().filter_map(|(question, place)| files.get(question)?.get(place)).sum();
        let mut over = (bytes - leaving_bytes).saturating_sub(self.bytes_max);
        if over > 0 {
            let old = files.iter().flat_map(|(question, own)| {
                own.iter().rev().skip(NEWEST).map(move |(place, bytes)| (*place, *question, *bytes))
            });
            let mut old: Vec<_> = old.filter(|(place, question, _)| !leaving.contains(&(*question, *place))).collect();
            old.sort_unstable();
            for (place, question, bytes) in old {
                if over == 0 {
                    break;
                }
                over = over.saturating_sub(bytes);
                gone.push((question, place));
            }
            if over > 0 {
                warn!(over, "the newest checkpoints alone take more than their limit of bytes");
            }
        }
        for (question, place) in gone {
            if let Some(own) = files.get_mut(&question) {
                own.remove(&place);
            }
            self.remove(question, place);
        }
    }
}

impl CheckpointStore for CheckpointFiles {
    fn save(&self, question: Question, position: Position, bytes: &[u8]) -> Result<(), CheckpointError> {
        let path = self.path(question, position);
        let failed = |error: io::Error| CheckpointError(format!("writing `{}`: {error}", path.display()));
        if let Err(error) = self.write(question, position, bytes) {
            let unfinished = path.with_extension(UNFINISHED);
            // What is left of it is cleared away now or at the next start.
            let _left = fs::remove_file(unfinished).is_err();
            return Err(failed(error));
        }
        let mut files = self.files.lock();
        let own = files.entry(question).or_default();
        // What stands ahead of the present is of a clock that was set back, or of a log that is no more.
        own.retain(|place, _| {
            let keep = place.epoch == position.epoch.0 && place.clock <= position.clock;
            if !keep {
                self.remove(question, *place);
            }
            keep
        });
        own.insert(Place::of(position), bytes.len() as u64);
        self.tidy(&mut files, question);
        Ok(())
    }

    fn list(&self, question: Question) -> Vec<Position> {
        let files = self.files.lock();
        files.get(&question).into_iter().flat_map(|own| own.keys().rev()).map(|place| place.position()).collect()
    }

    fn load(&self, question: Question, position: Position) -> Result<Vec<u8>, CheckpointError> {
        let path = self.path(question, position);
        fs::read(&path).map_err(|error| CheckpointError(format!("reading `{}`: {error}", path.display())))
    }

    fn sweep(&self, asked: &BTreeSet<Question>, now: TimeUs) {
        let mut files = self.files.lock();
        files.retain(|question, own| {
            let newest = own.keys().next_back().map_or(i64::MIN, |place| place.clock.0);
            let keep = asked.contains(question) || now.0.saturating_sub(newest) < FORGOTTEN_US;
            if !keep {
                own.keys().for_each(|place| self.remove(*question, *place));
            }
            keep
        });
    }
}

/// Which of a query's checkpoints, oldest first, go: of each stretch of time the first stays, the older the longer.
fn superfluous(places: impl DoubleEndedIterator<Item = Place> + Clone) -> Vec<Place> {
    let Some(newest) = places.clone().next_back() else { return Vec::new() };
    let older: Vec<Place> = places.rev().skip(NEWEST).collect();
    let mut taken = BTreeSet::new();
    let goes = |place: &Place| {
        let age_us = newest.clock.0 - place.clock.0;
        match THINNED.iter().find(|(up_to, _)| age_us <= *up_to) {
            Some((_, stretch_us)) => !taken.insert((*stretch_us, place.clock.0.div_euclid(*stretch_us))),
            None => true,
        }
    };
    older.into_iter().rev().filter(goes).collect()
}

fn name_of(question: Question, position: Position) -> String {
    format!("{question}-{}.{ENDING}", position.to_string().replace(':', "-"))
}

fn read_name(name: &str) -> Option<(Question, Place)> {
    let (question, position) = name.strip_suffix(ENDING)?.strip_suffix('.')?.split_once('-')?;
    let question = Question(u128::from_str_radix(question, 16).ok()?);
    Some((question, Place::of(position.replace('-', ":").parse().ok()?)))
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulseboard_model::{Epoch, LogOffset};

    const ONE: Question = Question(1);

    fn at(clock_us: i64) -> Position {
        Position {
            epoch: Epoch(9),
            offset: LogOffset::from_u64(clock_us.unsigned_abs() / 1_000),
            clock: TimeUs(clock_us),
        }
    }

    fn names(dir: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(dir.join("checkpoints")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_saved_is_there_after_a_start_and_what_is_unfinished_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointFiles::open(dir.path(), 1 << 20).unwrap();
        store.save(ONE, at(5), b"five").unwrap();
        store.save(ONE, at(7), b"seven").unwrap();
        store.save(Question(2), at(6), b"six").unwrap();
        drop(store);
        let left = dir.path().join("checkpoints").join(name_of(ONE, at(9))).with_extension(UNFINISHED);
        fs::write(&left, b"ha").unwrap();
        fs::write(dir.path().join("checkpoints/README"), b"not ours").unwrap();
        let store = CheckpointFiles::open(dir.path(), 1 << 20).unwrap();
        assert!(!left.exists());
        assert_eq!(store.list(ONE), [at(7), at(5)], "newest first");
        assert_eq!(store.load(ONE, at(7)).unwrap(), b"seven");
        assert!(store.load(ONE, at(6)).is_err());
        assert_eq!(store.list(Question(3)), []);
    }

    #[test]
    fn the_newest_two_stay_and_older_ones_are_thinned_out() {
        // Three days, one every five minutes.
        let count = 3 * 24 * 12;
        let mut kept = BTreeSet::new();
        for number in 1..=count {
            kept.insert(Place::of(at(number * 5 * MINUTE_US)));
            for gone in superfluous(kept.iter().copied()) {
                assert!(kept.remove(&gone));
            }
        }
        let last = count * 5 * MINUTE_US;
        let newest: Vec<Place> = kept.iter().rev().take(NEWEST).copied().collect();
        assert_eq!(newest, [Place::of(at(last)), Place::of(at(last - 5 * MINUTE_US))]);
        let aged =
            |from: i64, to: i64| kept.iter().filter(|place| (from..to).contains(&(last - place.clock.0))).count();
        assert!((10..=14).contains(&aged(0, 2 * HOUR_US)), "{}", aged(0, 2 * HOUR_US));
        assert!((21..=25).contains(&aged(2 * HOUR_US + 1, 2 * DAY_US)), "{}", aged(2 * HOUR_US + 1, 2 * DAY_US));
        assert!((1..=2).contains(&aged(2 * DAY_US + 1, 3 * DAY_US)), "{}", aged(2 * DAY_US + 1, 3 * DAY_US));
    }

    #[test]
    fn a_checkpoint_replaces_those_that_stand_ahead_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointFiles::open(dir.path(), 1 << 20).unwrap();
        store.save(ONE, at(5), b"before the clock was set back").unwrap();
        store.save(ONE, Position { epoch: Epoch(8), ..at(2) }, b"of a log that is no more").unwrap();
        store.save(ONE, at(3), b"now").unwrap();
        assert_eq!(store.list(ONE), [at(3)]);
        assert_eq!(names(dir.path()), BTreeSet::from([name_of(ONE, at(3))]));
    }

    #[test]
    fn above_the_limit_the_oldest_go_but_never_the_newest_two() {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointFiles::open(dir.path(), 50).unwrap();
        for number in 1..=4 {
            store.save(ONE, at(number * HOUR_US), &[1; 10]).unwrap();
            store.save(Question(2), at(number * HOUR_US + 1), &[1; 10]).unwrap();
        }
        assert_eq!(store.list(ONE), [at(4 * HOUR_US), at(3 * HOUR_US)]);
        assert_eq!(store.list(Question(2)).len(), 3);
        store.save(ONE, at(5 * HOUR_US), &[1; 40]).unwrap();
        assert_eq!(store.list(ONE), [at(5 * HOUR_US), at(4 * HOUR_US)]);
        assert_eq!(store.list(Question(2)).len(), 2);
    }

    #[test]
    fn what_nobody_asks_goes_after_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointFiles::open(dir.path(), 1 << 20).unwrap();
        store.save(ONE, at(0), b"one").unwrap();
        store.save(Question(2), at(0), b"two").unwrap();
        store.sweep(&BTreeSet::from([ONE]), TimeUs(FORGOTTEN_US - 1));
        assert_eq!(names(dir.path()).len(), 2);
        store.sweep(&BTreeSet::from([ONE]), TimeUs(FORGOTTEN_US));
        assert_eq!(names(dir.path()), BTreeSet::from([name_of(ONE, at(0))]));
        assert_eq!(store.list(Question(2)), []);
    }
}
