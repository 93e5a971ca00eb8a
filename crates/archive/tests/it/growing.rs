//! What the handle promises beside reading: sidecars, owners, and an archive that comes to a log that is there already.

use bytes::Bytes;
use pulseboard_archive::{Archive, ArchiveConfig, ArchiveError};
use pulseboard_journal::{EmbeddedConfig, Log};
use pulseboard_model::LogOffset;
use pulseboard_runtime::Tasks;

use crate::world::{SECOND_US, World, everything, stream};

async fn sealed(world: &mut World, rounds: usize) {
    for _ in 0..rounds {
        world.append("a", 100).await;
        world.clock.advance(3 * SECOND_US);
        world.append("a", 1).await;
        tokio::task::block_in_place(|| world.round());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_is_kept_beside_its_file_and_goes_with_it() {
    let mut world = World::new(1, |config| config);
    sealed(&mut world, 6).await;
    let name = stream("a");
    let file = world.archive.files(&name)[0].clone();
    let (first, second) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
    assert_eq!(world.archive.sidecar(&name, &file.name, "sums").unwrap(), None);
    assert!(world.archive.put_sidecar(&name, &file.name, "sums", &first).unwrap());
    assert!(world.archive.put_sidecar(&name, &file.name, "sums", &second).unwrap());
    assert_eq!(world.archive.sidecar(&name, &file.name, "sums").unwrap(), Some(second));
    assert_eq!(world.archive.files(&name)[0].sidecars, ["sums"]);
    world.clock.advance(100 * SECOND_US);
    sealed(&mut world, 40).await;
    let files = world.archive.files(&name);
    assert!(files.iter().all(|known| known.name != file.name), "it was joined with others");
    assert_eq!(world.archive.sidecar(&name, &file.name, "sums").unwrap(), None);
    assert!(!world.archive.put_sidecar(&name, &file.name, "sums", &Bytes::new()).unwrap(), "it is gone");
    tokio::task::block_in_place(|| world.round());
    let on_disk = std::fs::read_dir(world.dir.path().join("data/archive/data/a")).unwrap().count();
    assert_eq!(on_disk, files.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_another_log_is_not_touched() {
    let mut world = World::new(2, |config| config);
    sealed(&mut world, 4).await;
    let url = world.dir.path().join("data/archive").display().to_string();
    let elsewhere = tempfile::tempdir().unwrap();
    let config = ArchiveConfig { url, ..ArchiveConfig::new(elsewhere.path()) };
    let other = || Archive::new(config.clone(), &Tasks::new()).unwrap();
    let refused = other().open(&world.plain).unwrap_err();
    assert!(matches!(refused, ArchiveError::NotOurs(_)), "another epoch: {refused}");
    // Its own epoch, and an end before the archive's: the log lost what the archive has.
    let id = std::fs::read(world.dir.path().join("data/archive.id")).unwrap();
    std::fs::write(elsewhere.path().join("archive.id"), id).unwrap();
    let new = crate::world::open_log(EmbeddedConfig::new(elsewhere.path()), &world.clock);
    let refused = other().open(&new).unwrap_err().to_string();
    assert!(refused.contains("the log ends with 0"), "{refused}");
    assert_eq!(everything(&world.archived, "a"), everything(&world.plain, "a"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_named_and_never_skipped() {
    let mut world = World::new(3, |config| config);
    sealed(&mut world, 6).await;
    let file = world.archive.files(&stream("a"))[0].name.clone();
    let path = world.dir.path().join("data/archive").join(&file);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let mut scan = world.archived.scan(&stream("a"), LogOffset::START, world.log.head().offset, None);
    let error = scan.find_map(Result::err).expect("a file that was cut").to_string();
    assert!(error.contains(&file), "{error}");
    std::fs::remove_file(&path).unwrap();
    let mut scan = world.archived.scan(&stream("a"), LogOffset::START, world.log.head().offset, None);
    let error = scan.find_map(Result::err).expect("a file that is gone").to_string();
    assert!(error.contains("archive"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_missed_what_the_log_dropped_begins_anew() {
    let mut world = World::new(4, |config| config);
    sealed(&mut world, 4).await;
    let missed = world.dir.path().join("away");
    let archive = world.dir.path().join("data/archive");
    copy_dir(&archive, &missed);
    sealed(&mut world, 12).await;
    assert!(world.log.first_offset().to_u64() > 400, "segments were dropped");
    // As if the archive had been away since.
    std::fs::remove_dir_all(&archive).unwrap();
    copy_dir(&missed, &archive);
    world = crate::properties::reopened(world);
    tokio::task::block_in_place(|| world.round());
    let info = world.archived.streams().remove(0);
    let kept = crate::world::numbers(&everything(&world.archived, "a").unwrap());
    let all = crate::world::numbers(&everything(&world.plain, "a").unwrap());
    assert!(all.ends_with(&kept) && kept.len() < all.len(), "{} of {}", kept.len(), all.len());
    assert_eq!(info.events, kept.len() as u64);
    assert!(info.complete_from.is_some(), "it says that it is not whole");
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
