//! The archive in an object store: a real S3 server over HTTP. Its keys come from the environment, which a test cannot set for
//! itself: the work is a child's.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use pulseboard_archive::{Archive, ArchiveConfig, ArchiveError, ArchivedLog};
use pulseboard_journal::Log;
use pulseboard_runtime::Tasks;
use rand::SeedableRng;
use rand::rngs::StdRng;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::runtime::Runtime;

use crate::properties::{assert_same, assert_same_commits};
use crate::world::{SECOND_US, World, everything, stream};

const ADDRESS_VARIABLE: &str = "PULSEBOARD_ARCHIVE_S3_ADDRESS";
const KEY: &str = "an-access-key";
const SECRET: &str = "a-secret-that-is-told-nobody";
const URL: &str = "s3://bucket/some/prefix";

/// An S3 server on `address` over a directory, until it is dropped.
struct Server(Option<Runtime>);

impl Server {
    fn start(address: SocketAddr, root: &Path) -> Self {
        std::fs::create_dir_all(root.join("bucket")).unwrap();
        let files = s3s_fs::FileSystem::new(root).unwrap();
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let handle = runtime.handle().clone();
        runtime.handle().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                handle.spawn(async move {
                    let served =
                        Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                    // The client may go whenever it likes.
                    let _went = served.is_err();
                });
            }
        });
        Self(Some(runtime))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

async fn grow(world: &mut World, requests: usize) {
    for request in 0..requests {
        world.append(["a", "b.c", "_d"][request % 3], 60).await;
        world.clock.advance(SECOND_US);
    }
}

/// The child's work. Does nothing when it is not run as the child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_keeps_its_archive_in_an_object_store() {
    let Ok(address) = std::env::var(ADDRESS_VARIABLE) else { return };
    let address: SocketAddr = address.parse().unwrap();
    let bucket = tempfile::tempdir().unwrap();
    let at_s3 = |config: ArchiveConfig| ArchiveConfig { url: URL.to_owned(), ..config };
    let mut world = World::new(11, at_s3);
    let mut random = StdRng::seed_from_u64(11);

    // Not there yet: the log takes events all the same, and nothing says the secret.
    grow(&mut world, 20).await;
    let error = tokio::task::block_in_place(|| world.archive.round(&world.log, world.clock.as_ref())).unwrap_err();
    assert!(matches!(error, ArchiveError::Io { .. }), "{error}");
    assert!(!format!("{error} {error:?} {:?}", world.archive).contains(SECRET), "{error}");
    assert_eq!(world.log.first_offset().to_u64(), 1, "no segment goes before it is archived");

    let server = Server::start(address, bucket.path());
    for _ in 0..4 {
        grow(&mut world, 15).await;
        tokio::task::block_in_place(|| {
            world.round();
            assert_same(&world, &mut random, 11);
        });
    }
    let files = world.archive.files(&stream("a"));
    assert!(files.iter().any(|file| file.level > 0), "nothing was joined: {files:?}");

    // Gone, and back: what came meanwhile is archived later.
    drop(server);
    grow(&mut world, 20).await;
    let failed = tokio::task::block_in_place(|| world.archive.round(&world.log, world.clock.as_ref()));
    assert!(failed.is_err(), "there is no store");
    let server = Server::start(address, bucket.path());
    tokio::task::block_in_place(|| {
        world.round();
        assert_same(&world, &mut random, 11);
        assert_same_commits(&world, 11);
    });

    // What is not named is not there: one manifest and the files that it names.
    tokio::task::block_in_place(|| world.round());
    let there = std::fs::read_dir(bucket.path().join("bucket/some/prefix/data/a")).unwrap().count();
    assert_eq!(there, world.archive.files(&stream("a")).len());

    // A server with the same data directory, after a restart; the first must not write any more.
    let data = world.dir.path().join("data");
    let again = crate::world::small(at_s3(ArchiveConfig::new(&data)));
    let again = std::sync::Arc::new(Archive::new(again, &Tasks::new()).unwrap());
    let archived = ArchivedLog::new(world.log.clone(), again.clone());
    tokio::task::block_in_place(|| {
        again.open(world.log.as_ref()).unwrap();
        assert_eq!(everything(&archived, "a"), everything(&world.plain, "a"));
    });
    grow(&mut world, 20).await;
    tokio::task::block_in_place(|| {
        again.round(&world.log, world.clock.as_ref()).unwrap();
        let error = world.archive.round(&world.log, world.clock.as_ref()).unwrap_err();
        // Whichever it meets first: another's manifest, or a file of its own that the other has merged away.
        assert!(matches!(error, ArchiveError::NotOurs(_)), "two write one archive: {error}");
        assert_eq!(everything(&archived, "a"), everything(&world.plain, "a"));
    });
    drop(server);
    println!("the child saw it");
}

#[test]
fn an_object_store_is_as_good_as_a_directory_and_may_be_away_for_a_while() {
    // A port that is free now; the child's server takes it.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "s3::the_child_keeps_its_archive_in_an_object_store", "--nocapture"])
        .env(ADDRESS_VARIABLE, address.to_string())
        .env("AWS_ENDPOINT", format!("http://{address}"))
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_REGION", "us-east-1")
        .output()
        .unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("the child saw it"), "{said}\n{errors}");
    assert!(!said.contains(SECRET) && !errors.contains(SECRET), "the secret was told");
}
