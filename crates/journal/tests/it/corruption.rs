//! Damage to the files: it is reported with segment and offset, and never makes rows other than they were, or fewer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use pulseboard_journal::testsuite::rows::{eventually, ints, numbers, stream};
use pulseboard_journal::{EmbeddedConfig, EmbeddedLog, Log, LogError, PositionCheck, ReadOnlyLog, TailItem};
use pulseboard_model::{LogOffset, Position, Step};
use pulseboard_runtime::{ManualClock, Tasks};

use crate::support::{Bed, START_US, segments};

const STREAMS: [&str; 2] = ["a", "b"];

/// `_offset`s and `n`s by stream.
type Rows = BTreeMap<&'static str, Vec<(i64, i64)>>;

/// A closed log of several segments, with what is in it and where it stood.
struct Written {
    bed: Bed,
    rows: Rows,
    head: Position,
}

async fn written() -> Written {
    let bed = Bed::with(|config| config.segment_bytes = 4_000);
    let log = bed.embedded();
    let mut rows = Rows::new();
    for i in 0..24 {
        let name = STREAMS[i % 2];
        let values = (0..i as i64 % 5 + 1).map(|k| 1_000 * i as i64 + k);
        let appended = log.append(numbers(name, i >= 2, values.clone())).await.unwrap();
        let end = appended.position.offset.to_u64().cast_signed();
        let first = end - i as i64 % 5;
        rows.entry(name).or_default().extend((first..).zip(values));
    }
    let head = log.head();
    log.close();
    drop(log);
    assert!(bed.segments().len() >= 3, "{:?}", bed.segments());
    Written { bed, rows, head }
}

fn copy_dir(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    std::fs::create_dir(to.path().join("segments")).unwrap();
    for folder in ["", "segments"] {
        for entry in std::fs::read_dir(from.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let name = entry.file_name();
                match std::fs::copy(entry.path(), to.path().join(folder).join(&name)) {
                    Ok(_) => {}
                    // SQLite takes its side files away with the last connection, which may be a moment after the log's end.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        let name = name.to_string_lossy();
                        assert!(name.ends_with("-wal") || name.ends_with("-shm"), "{name} has gone");
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    to
}

fn open(dir: &Path) -> Result<EmbeddedLog, LogError> {
    EmbeddedLog::open(EmbeddedConfig::new(dir), ManualClock::at(START_US), &Tasks::new())
}

fn scan(log: &dyn Log, name: &str) -> Result<Vec<(i64, i64)>, LogError> {
    let mut rows = Vec::new();
    for batch in log.scan(&stream(name), LogOffset::START, log.head().offset, None) {
        let batch = batch?;
        rows.extend(ints(&batch, "_offset").into_iter().zip(ints(&batch, "n")));
    }
    Ok(rows)
}

fn follow(log: &dyn Log) -> Result<Rows, LogError> {
    let mut rows = Rows::new();
    let mut tail = log.tail(LogOffset::START)?;
    let mut at = LogOffset::START;
    while at < log.head().offset {
        let TailItem::Step(step) = tail.next(std::time::Duration::from_secs(5))? else {
            panic!("the tail stopped at {at}")
        };
        at = step.position().offset;
        let Step::Commit(commit) = step else { continue };
        for part in &commit.parts {
            let name = STREAMS.into_iter().find(|name| *name == part.stream.as_str()).unwrap();
            rows.entry(name).or_default().extend(ints(&part.rows, "_offset").into_iter().zip(ints(&part.rows, "n")));
        }
    }
    Ok(rows)
}

/// Whatever was done to the files: every reader gets exactly the rows there were, or is told of the damage. Rows missing
/// at the end are told by a new epoch. Says whether damage was reported.
fn rows_or_corrupt(dir: &Path, written: &Written, what: &str) -> bool {
    let is_damage = |error: &LogError| matches!(error, LogError::Corrupt { .. });
    let log = match open(dir) {
        Ok(log) => log,
        Err(error) => {
            assert!(is_damage(&error), "{what}: {error}");
            return true;
        }
    };
    let shorter = log.head().epoch != written.head.epoch;
    assert!(shorter || log.head().offset == written.head.offset, "{what}: rows are missing in the same epoch");
    let due = |name: &str| -> Vec<(i64, i64)> {
        let end = log.head().offset.to_u64().cast_signed();
        written.rows[name].iter().copied().filter(|(offset, _)| *offset <= end).collect()
    };
    let mut damaged = shorter;
    for name in STREAMS {
        match scan(&log, name) {
            Ok(rows) => assert_eq!(rows, due(name), "{what}: a scan of `{name}`"),
            Err(error) => {
                assert!(is_damage(&error), "{what}: {error}");
                damaged = true;
            }
        }
        match log.last_rows(&stream(name), 1_000, log.head().offset) {
            Ok(batches) => {
                let offsets: Vec<i64> = batches.iter().flat_map(|batch| ints(batch, "_offset")).collect();
                assert_eq!(
                    offsets,
                    due(name).iter().map(|(offset, _)| *offset).collect::<Vec<_>>(),
                    "{what}: last rows"
                );
            }
            Err(error) => assert!(is_damage(&error), "{what}: {error}"),
        }
    }
    match follow(&log) {
        Ok(rows) => STREAMS.into_iter().for_each(|name| {
            assert_eq!(rows.get(name).cloned().unwrap_or_default(), due(name), "{what}: a tail");
        }),
        Err(error) => {
            assert!(is_damage(&error), "{what}: {error}");
            damaged = true;
        }
    }
    damaged
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_flipped_bit_anywhere_is_harmless_or_reported() {
    let written = runtime().block_on(written());
    let files = written.bed.segments();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    let reported = std::cell::Cell::new(0);
    let place = (0..files.len(), any::<prop::sample::Index>(), 0..8_u8);
    runner
        .run(&place, |(file, byte, bit)| {
            let dir = copy_dir(written.bed.dir.path());
            let path = segments(dir.path())[file].clone();
            let mut bytes = std::fs::read(&path).unwrap();
            // Most of a page is empty: look for a byte that is not, from the chosen one on.
            let from = byte.index(bytes.len());
            let at = (from..bytes.len()).find(|at| bytes[*at] != 0).unwrap_or(from);
            bytes[at] ^= 1 << bit;
            std::fs::write(&path, bytes).unwrap();
            let damaged =
                rows_or_corrupt(dir.path(), &written, &format!("bit {bit} of byte {at} in {}", path.display()));
            reported.set(reported.get() + u32::from(damaged));
            Ok(())
        })
        .unwrap();
    assert!(reported.get() > 50, "only {} of 200 flips were seen at all", reported.get());
}

#[test]
fn a_cut_file_is_reported_wherever_it_is_cut() {
    let written = runtime().block_on(written());
    for (number, file) in written.bed.segments().iter().enumerate() {
        let length = std::fs::metadata(file).unwrap().len();
        let pages = (0..length).step_by(65_536).flat_map(|page| [page, page + 1, page + 65_535]);
        for cut in pages.filter(|cut| *cut < length) {
            let dir = copy_dir(written.bed.dir.path());
            let path = segments(dir.path())[number].clone();
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
            let noticed = rows_or_corrupt(dir.path(), &written, &format!("segment {number} cut at {cut}"));
            assert!(noticed, "segment {number} cut at {cut} of {length} was not noticed");
        }
    }
}

#[test]
fn damage_in_a_body_names_segment_and_offset() {
    let written = runtime().block_on(written());
    for (number, file) in written.bed.segments().iter().enumerate() {
        let bytes = std::fs::read(file).unwrap();
        // A value that is in the second commit of some segment: its eight bytes are in the body as they are.
        let (name, (offset, value)) = (written.rows.iter())
            .flat_map(|(name, rows)| rows.iter().map(move |row| (*name, *row)))
            .find(|(_, (_, value))| value % 1_000 == 0 && *value > 0 && find(&bytes, *value).is_some())
            .unwrap();
        let dir = copy_dir(written.bed.dir.path());
        let path = segments(dir.path())[number].clone();
        let mut bytes = bytes;
        let at = find(&bytes, value).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = open(dir.path()).and_then(|log| scan(&log, name)).unwrap_err();
        let LogError::Corrupt { segment, offset: at, .. } = &error else { panic!("{error}") };
        assert_eq!(Some(segment.as_str()), file.file_name().unwrap().to_str());
        assert_eq!(at.to_u64().cast_signed(), offset, "{error}");
    }
}

fn find(bytes: &[u8], value: i64) -> Option<usize> {
    let wanted = value.to_le_bytes();
    bytes.windows(8).position(|window| window == wanted)
}

#[test]
fn a_missing_segment_is_reported() {
    let written = runtime().block_on(written());
    let files = written.bed.segments();
    let dir = copy_dir(written.bed.dir.path());
    std::fs::remove_file(&segments(dir.path())[1]).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(&error, LogError::Corrupt { segment, .. } if segment == "00000002.sqlite"), "{error}");

    // Missing at the end they make a shorter log: positions from before are of another epoch.
    let dir = copy_dir(written.bed.dir.path());
    files.iter().rev().take(2).for_each(|file| {
        std::fs::remove_file(dir.path().join("segments").join(file.file_name().unwrap())).unwrap();
    });
    let log = open(dir.path()).unwrap();
    assert!(log.head().offset < written.head.offset);
    assert_eq!(log.check(&written.head), PositionCheck::OtherEpoch);
    // It goes on from there, and through another change of segments and start.
    let head = log.head();
    runtime().block_on(log.append(numbers("a", true, 0..3_000))).unwrap();
    drop(log);
    let log = open(dir.path()).unwrap();
    assert_eq!(log.head().epoch, head.epoch);
    assert_eq!(scan(&log, "a").unwrap().last(), Some(&(log.head().offset.to_u64().cast_signed(), 2_999)));
}

#[test]
fn a_missing_part_is_reported_where_it_should_be() {
    let written = runtime().block_on(written());
    let dir = copy_dir(written.bed.dir.path());
    let conn = rusqlite::Connection::open(&segments(dir.path())[0]).unwrap();
    let last = "SELECT id FROM parts WHERE stream = 'a' ORDER BY id DESC LIMIT 1";
    assert_eq!(conn.execute(&format!("DELETE FROM parts WHERE id = ({last})"), []), Ok(1));
    conn.close().unwrap();
    let log = open(dir.path()).unwrap();
    let last = log.last_rows(&stream("a"), 1_000, log.head().offset).map(drop);
    for read in [scan(&log, "a").map(drop), last] {
        let Err(LogError::Corrupt { segment, .. }) = &read else { panic!("{read:?}") };
        assert_eq!(segment, "00000001.sqlite");
    }
}

#[test]
fn a_part_missing_at_the_end_of_a_range_is_seen_by_the_one_after_it() {
    let written = runtime().block_on(written());
    let dir = copy_dir(written.bed.dir.path());
    let conn = rusqlite::Connection::open(&segments(dir.path())[0]).unwrap();
    let second = "SELECT first_offset + rows - 1 FROM parts WHERE stream = 'a' ORDER BY id LIMIT 1 OFFSET 1";
    let upto: u64 = conn.query_row(second, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned();
    let second = "SELECT id FROM parts WHERE stream = 'a' ORDER BY id LIMIT 1 OFFSET 1";
    assert_eq!(conn.execute(&format!("DELETE FROM parts WHERE id = ({second})"), []), Ok(1));
    conn.close().unwrap();
    let log = open(dir.path()).unwrap();
    let mut scan = log.scan(&stream("a"), LogOffset::START, LogOffset::from_u64(upto), None);
    let error = scan.find_map(Result::err);
    assert!(matches!(&error, Some(LogError::Corrupt { segment, .. }) if segment == "00000001.sqlite"), "{error:?}");
}

/// A change of segments that was interrupted leaves one that nothing was written to, and the one before it goes on.
#[test]
fn an_interrupted_change_of_segments_does_not_keep_a_start() {
    let runtime = runtime();
    let other = Bed::with(|config| config.segment_bytes = 200);
    let log = other.embedded();
    runtime.block_on(log.append(numbers("a", false, [1]))).unwrap();
    eventually("a second segment", || other.segments().len() == 2);
    drop(log);
    let bed = Bed::new();
    let log = bed.embedded();
    for i in 0..3 {
        runtime.block_on(log.append(numbers("a", i > 0, [i]))).unwrap();
    }
    drop(log);
    let due = vec![(1, 0), (2, 1), (3, 2)];
    std::fs::copy(&other.segments()[1], bed.dir.path().join("segments/00000002.sqlite")).unwrap();
    let reader = ReadOnlyLog::open(bed.dir.path(), bed.clock.clone()).unwrap();
    assert_eq!(scan(&reader, "a").unwrap(), due);
    let log = bed.embedded();
    assert_eq!(scan(&log, "a").unwrap(), due);
    assert_eq!(bed.segments().len(), 1);
}

/// A crash leaves a write-ahead log; whatever the disk lost of its end, whole commits are there up to some point.
#[test]
fn a_cut_write_ahead_log_leaves_whole_commits() {
    let bed = Bed::new();
    let log = bed.embedded();
    let runtime = runtime();
    for i in 0..12 {
        runtime.block_on(log.append(numbers("a", i > 0, [3 * i, 3 * i + 1, 3 * i + 2]))).unwrap();
    }
    let (head, due) = (log.head(), scan(&log, "a").unwrap());
    let wal: PathBuf = format!("{}-wal", bed.segments()[0].display()).into();
    let length = std::fs::metadata(&wal).unwrap().len();
    let crashed = copy_dir(bed.dir.path());
    drop(log);
    let mut lengths = std::collections::BTreeSet::new();
    for cut in (0..=length).step_by(40_009).chain([length]) {
        let dir = copy_dir(crashed.path());
        let wal: PathBuf = format!("{}-wal", segments(dir.path())[0].display()).into();
        std::fs::OpenOptions::new().write(true).open(&wal).unwrap().set_len(cut).unwrap();
        let log = open(dir.path()).unwrap();
        let rows = scan(&log, "a").unwrap_or_default();
        assert_eq!(rows, due[..rows.len()], "cut at {cut}");
        assert_eq!(rows.len() % 3, 0, "cut at {cut}: half a commit");
        lengths.insert(rows.len());
        if cut == length {
            assert_eq!((rows.len(), log.check(&head)), (36, PositionCheck::Known));
        }
    }
    assert!(lengths.len() > 5, "{lengths:?}");
}
