//! Reference tables from their files into the log: followed, loaded when they change, and what became of it told.
//!
//! All changes of a file are one request and so one commit: readers see the table before or after, never between. A file that
//! cannot be taken leaves what was loaded, and the source says why until it changes again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pulseboard_gateway::{SourceList, StreamConfigs};
use pulseboard_journal::{AppendError, AppendRequest, Log};
use pulseboard_live::SourceHealth;
use pulseboard_model::{LogOffset, StreamName, TimeUs};
use pulseboard_runtime::{Clock, Shutdown, Tasks};
use pulseboard_sources::reference::{Changes, FileWatch, Look, ReferenceConfig, Stamp, load};
use serde_json::{Value, json};
use tracing::{info, warn};

/// How often a file is looked at. It is taken when two looks show the same.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a file is loaded again because the schema of its stream moved.
const SCHEMA_ROUNDS_MAX: usize = 4;

/// The keys of their streams.
pub(crate) fn keys(references: &[ReferenceConfig]) -> BTreeMap<StreamName, String> {
    references.iter().map(|reference| (reference.stream.clone(), reference.key.clone())).collect()
}

/// What clients are told who would write to their streams.
pub(crate) fn owned(references: &[ReferenceConfig]) -> impl Iterator<Item = (StreamName, String)> + '_ {
    references.iter().map(|reference| {
        (
            reference.stream.clone(),
            format!("the reference table `{}` from `{}`", reference.name, reference.file.display()),
        )
    })
}

/// Follows the files until shutdown, each in a task of its own.
pub(crate) fn spawn(
    references: Vec<ReferenceConfig>,
    streams: &Arc<StreamConfigs>,
    log: &Arc<dyn Log>,
    clock: &Arc<dyn Clock>,
    sources: (&SourceList, &SourceHealth),
    tasks: &Tasks,
) {
    for config in references {
        let follower = Follower {
            streams: streams.clone(),
            log: log.clone(),
            clock: clock.clone(),
            sources: sources.0.clone(),
            health: sources.1.clone(),
            config: Arc::new(config),
            loaded: None,
            said: None,
        };
        let name = format!("source-ref-{}", follower.config.name);
        tasks.spawn(name, follower.run(tasks.shutdown()));
    }
}

struct Follower {
    config: Arc<ReferenceConfig>,
    streams: Arc<StreamConfigs>,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    sources: SourceList,
    health: SourceHealth,
    /// Rows of the file that was taken last, and when.
    loaded: Option<(usize, TimeUs)>,
    /// What is wrong, so that it is logged once.
    said: Option<String>,
}

/// Why a file was not taken.
enum NotTaken {
    /// It is wrong: nothing changes before it does.
    File(String),
    /// The log does not take it now: it is tried again.
    Log(AppendError),
    /// It changed while it was read.
    Moved,
}

impl Follower {
    async fn run(mut self, shutdown: Shutdown) {
        let mut watch = FileWatch::new(&self.config.file);
        self.tell("waiting", None);
        loop {
            match watch.look() {
                Ok(Look::Ready(stamp)) => self.take(&mut watch, stamp).await,
                Ok(Look::Unchanged | Look::Changing) => {}
                Err(error) => self.wrong(format!("cannot be read: {error}")),
            }
            tokio::select! {
                () = shutdown.wait() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn take(&mut self, watch: &mut FileWatch, stamp: Stamp) {
        match self.load(watch, &stamp).await {
            Ok(changes) => {
                watch.take(stamp);
                self.said = None;
                self.loaded = Some((changes.total, TimeUs(self.clock.now_us())));
                let Changes { total, upserts, tombstones, .. } = changes;
                info!(reference = self.config.name, total, upserts, tombstones, "a reference table was loaded");
                self.tell("loaded", None);
            }
            Err(NotTaken::File(what)) => {
                watch.take(stamp);
                self.wrong(what);
            }
            Err(NotTaken::Log(error)) => self.wrong(format!("cannot be written to the log now: {error}")),
            Err(NotTaken::Moved) => {}
        }
    }

    async fn load(&self, watch: &FileWatch, stamp: &Stamp) -> Result<Changes, NotTaken> {
        for _ in 0..SCHEMA_ROUNDS_MAX {
            let base = self.log.schema(self.config.stream.as_str());
            let (config, log, schema) = (self.config.clone(), self.log.clone(), base.clone());
            let stream = self.streams.of(&config.stream);
            let now = TimeUs(self.clock.now_us());
            let work = move || {
                let mut failed = None;
                let scan = log.scan(&config.stream, LogOffset::START, log.head().offset, None);
                let latest = scan.map_while(|batch| batch.map_err(|error| failed = Some(error.to_string())).ok());
                let changes = load(&config, &stream, schema.as_deref(), latest, now).map_err(|error| error.to_string());
                // Half of what is there is not to be compared with.
                failed.map_or(changes, |error| Err(format!("cannot be compared with the log: {error}")))
            };
            let worked = tokio::task::spawn_blocking(work).await;
            let worked =
                worked.unwrap_or_else(|error| Err(format!("could not be read by a fault of the server: {error}")));
            if !watch.is_still(stamp) {
                return Err(NotTaken::Moved);
            }
            let changes = worked.map_err(NotTaken::File)?;
            if changes.rows.num_rows() == 0 {
                return Ok(changes);
            }
            let request = AppendRequest {
                stream: self.config.stream.clone(),
                base: base.map(|schema| schema.version),
                schema: changes.schema.clone(),
                rows: changes.rows.clone(),
                rejected: 0,
                rejects: None,
                idempotency: None,
                receipt: Bytes::new(),
            };
            match self.log.append(request).await {
                Ok(_) => return Ok(changes),
                Err(AppendError::SchemaMoved) => {}
                Err(error) => return Err(NotTaken::Log(error)),
            }
        }
        Err(NotTaken::Log(AppendError::SchemaMoved))
    }

    /// Says what is wrong, in the log once.
    fn wrong(&mut self, what: String) {
        if self.said.as_ref() != Some(&what) {
            let file = self.config.file.display();
            warn!(reference = self.config.name, "`{file}` {what}; what was loaded before stays");
            self.tell("failed", Some(&what));
            self.said = Some(what);
        }
    }

    fn tell(&self, status: &str, error: Option<&str>) {
        let ReferenceConfig { name, stream, file, key } = &*self.config;
        match error {
            Some(what) => self.health.failed(name, stream, &format!("`{}` {what}", file.display())),
            None => self.health.mended(name, stream),
        }
        let (rows, loaded_at) = self.loaded.map_or((Value::Null, Value::Null), |(rows, at)| (json!(rows), json!(at.0)));
        let says = json!({
            "name": name, "kind": "file", "stream": stream.as_str(), "file": file.display().to_string(), "key": key,
            "status": status, "error": error, "rows": rows, "loaded_at": loaded_at,
        });
        self.sources.tell(&format!("ref_{name}"), says);
        metrics::gauge!("pulseboard_reference_failed", "reference" => name.clone())
            .set(f64::from(u8::from(error.is_some())));
    }
}
