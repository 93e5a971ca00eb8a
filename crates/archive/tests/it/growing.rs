//! What the handle promises beside reading: sidecars, owners, and an archive that comes to a log that is there already.

use bytes::Bytes;
use pulseboard_archive::{Archive, ArchiveConfig, ArchiveError};
use pulseboard_journal::Log;
use pulseboard_model::{LogOffset, Position};
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
    assert!(world.archive.put_sidecar(&name, &file.name, "sums", first).unwrap());
    assert!(world.archive.put_sidecar(&name, &file.name, "sums", second.clone()).unwrap());
    assert_eq!(world.archive.sidecar(&name, &file.name, "sums").unwrap(), Some(second));
    assert_eq!(world.archive.files(&name)[0].sidecars, ["sums"]);
    world.clock.advance(100 * SECOND_US);
    sealed(&mut world, 40).await;
    let files = world.archive.files(&name);
    assert!(files.iter().all(|known| known.name != file.name), "it was joined with others");
    assert_eq!(world.archive.sidecar(&name, &file.name, "sums").unwrap(), None);
    assert!(!world.archive.put_sidecar(&name, &file.name, "sums", Bytes::new()).unwrap(), "it is gone");
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
    let other = || {
        let config = ArchiveConfig { url: url.clone(), ..ArchiveConfig::new(elsewhere.path()) };
        Archive::new(config, &Tasks::new()).unwrap()
    };
    let head = world.log.head();
    let foreign = Position { epoch: pulseboard_model::Epoch(head.epoch.0 ^ 1), ..head };
    assert!(matches!(other().open(&foreign), Err(ArchiveError::NotOurs(_))));
    let shorter = Position { offset: LogOffset::from_u64(1), ..head };
    let refused = other().open(&shorter).unwrap_err().to_string();
    assert!(refused.contains("the log ends with 1"), "{refused}");
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
