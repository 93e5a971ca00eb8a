//! An object store, asked from threads that block: each request is a task of the runtime whose answer is waited for.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::BoxFuture;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig, WriteMultipart};
use pulseboard_runtime::Tasks;
use tokio::runtime::Handle;

use crate::error::ArchiveError;

/// A file up to this size is put in one request, a larger one in parts of it.
const PART_BYTES: usize = 8 << 20;
/// How often a request is tried again at once,
const RETRIES: usize = 3;
/// and for how long.
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
/// The most parts of one file on their way.
const PARTS_AT_ONCE: usize = 4;

/// A bucket, or a part of it.
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    /// As configured; there are no secrets in it.
    pub(super) url: String,
    pub(super) work_dir: PathBuf,
    handle: Handle,
    tasks: Tasks,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

fn failed(what: &str, name: &str, error: &dyn fmt::Display) -> ArchiveError {
    ArchiveError::io(format!("{what} `{name}` in the object store"), error)
}

impl Remote {
    pub(super) fn open(url: &str, work_dir: &Path, tasks: &Tasks) -> Result<Self, ArchiveError> {
        let bad = |reason: String| ArchiveError::BadUrl { url: url.to_owned(), reason };
        let rest = url.strip_prefix("s3://").ok_or_else(|| bad("use a path, or `s3://BUCKET/PREFIX`".to_owned()))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || bucket.contains('@') {
            return Err(bad("name a bucket, as in `s3://BUCKET/PREFIX`; keys come from the environment".to_owned()));
        }
        let plain_http = ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]
            .iter()
            .any(|name| std::env::var(name).is_ok_and(|endpoint| endpoint.starts_with("http://")));
        // Whoever waits for an answer is told soon; the archive's thread tries again for ever.
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
        if plain_http {
            builder = builder.with_allow_http(true);
        }
        let store = builder.build().map_err(|error| bad(error.to_string()))?;
        let handle = Handle::try_current().map_err(|error| bad(error.to_string()))?;
        let prefix = ObjectPath::parse(prefix).map_err(|error| bad(error.to_string()))?;
        let (url, work_dir, tasks) = (url.to_owned(), work_dir.to_owned(), tasks.clone());
        Ok(Self { store: Arc::new(store), prefix, url, work_dir, handle, tasks })
    }

    fn path(&self, name: &str) -> ObjectPath {
        ObjectPath::from_iter(self.prefix.parts().chain(ObjectPath::from(name).parts()))
    }

    /// Runs a request and waits for its answer, on a thread that may block.
    fn run<T: Send + 'static>(
        &self,
        what: &str,
        name: &str,
        request: BoxFuture<'static, Result<T, Error>>,
    ) -> Result<T, ArchiveError> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        let within = self.handle.enter();
        let shutdown = self.tasks.shutdown();
        self.tasks.spawn("archive-request", async move {
            tokio::select! {
                answered = request => {
                    // Whoever asked waits for it, unless the thread died.
                    let _waited_for = answer.send(answered).is_ok();
                }
                // The sender is dropped: the answer is that the server ends.
                () = shutdown.wait() => {}
            }
        });
        drop(within);
        let answer = answered.recv().map_err(|_| ArchiveError::Closing)?;
        answer.map_err(|error| match error {
            Error::NotFound { .. } => ArchiveError::Missing { file: name.to_owned() },
            error => failed(what, name, &error),
        })
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, ArchiveError> {
        let (store, root) = (self.store.clone(), self.prefix.clone());
        let listing = Box::pin(async move {
            let root = (!root.as_ref().is_empty()).then_some(root);
            store.list(root.as_ref()).try_collect::<Vec<_>>().await
        });
        let objects = self.run("listing", prefix, listing)?;
        let named = objects.into_iter().filter_map(|object| {
            let name: Vec<_> =
                object.location.prefix_match(&self.prefix)?.map(|part| part.as_ref().to_owned()).collect();
            Some((name.join("/"), object.size))
        });
        Ok(named.filter(|(name, _)| name.starts_with(prefix)).collect())
    }

    pub(super) fn get(&self, name: &str) -> Result<Bytes, ArchiveError> {
        let (store, path) = (self.store.clone(), self.path(name));
        self.run("reading", name, Box::pin(async move { store.get(&path).await?.bytes().await }))
    }

    pub(super) fn get_ranges(&self, name: &str, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>, ArchiveError> {
        let (store, path) = (self.store.clone(), self.path(name));
        self.run("reading", name, Box::pin(async move { store.get_ranges(&path, &ranges).await }))
    }

    pub(super) fn put_new(&self, name: &str, bytes: &Bytes) -> Result<(), ArchiveError> {
        let (store, path, payload) = (self.store.clone(), self.path(name), bytes.clone());
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = Box::pin(async move {
            match store.put_opts(&path, payload.into(), options).await {
                Ok(_) => Ok(true),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        });
        // An answer that was lost on the way: the object there is our own.
        if self.run("writing", name, put)? || self.get(name)? == *bytes {
            return Ok(());
        }
        Err(ArchiveError::NotOurs(format!("`{name}` was written by another server")))
    }

    pub(super) fn put_file(&self, file: &Path, name: &str) -> Result<(), ArchiveError> {
        let (store, path, from) = (self.store.clone(), self.path(name), file.to_owned());
        let whole =
            std::fs::metadata(file).map_err(|error| failed("writing", name, &error))?.len() <= PART_BYTES as u64;
        let put: BoxFuture<'static, Result<(), Error>> = Box::pin(async move {
            let unreadable = |error: std::io::Error| Error::Generic { store: "file", source: Box::new(error) };
            if whole {
                let bytes = tokio::fs::read(&from).await.map_err(unreadable)?;
                store.put(&path, bytes.into()).await?;
                return Ok(());
            }
            let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(&path).await?, PART_BYTES);
            let mut file = File::open(&from).map_err(unreadable)?;
            loop {
                upload.wait_for_capacity(PARTS_AT_ONCE).await?;
                let read = tokio::task::spawn_blocking(move || {
                    let mut part = Vec::with_capacity(PART_BYTES);
                    let read = (&mut file).take(PART_BYTES as u64).read_to_end(&mut part);
                    (file, read.map(|_| part))
                });
                let (back, part) = read.await.map_err(|error| unreadable(std::io::Error::other(error)))?;
                file = back;
                let part = part.map_err(unreadable)?;
                if part.is_empty() {
                    break;
                }
                upload.put(part.into());
            }
            upload.finish().await?;
            Ok(())
        });
        self.run("writing", name, put)?;
        std::fs::remove_file(file).map_err(|error| failed("removing what was written as", name, &error))
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), ArchiveError> {
        let (store, path) = (self.store.clone(), self.path(name));
        let delete = Box::pin(async move {
            match store.delete(&path).await {
                Err(Error::NotFound { .. }) => Ok(()),
                result => result,
            }
        });
        self.run("removing", name, delete)
    }
}
