//! The whole server, put together: log, engine, hub, sources, gateway. Tests embed it; `serve` runs it.
//!
//! It ends in order: connections drain first, then sources, engine and hub, last the log, so that whatever was accepted
//! is durable and whoever was told so is told. All of it together has one deadline.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pulseboard_gateway::{
    AuthConfig, Catalog, DefinitionFiles, Deps, Figures, Gateway, GatewayConfig, Keyring, LocalKey, SourceList, Tls,
};
use pulseboard_hub::{Hub, HubConfig};
use pulseboard_journal::{Archived, EmbeddedConfig, EmbeddedLog, Log, has_credentials};
use pulseboard_live::{Checkpoints, Engine, EngineConfig};
use pulseboard_model::StepOutput;
use pulseboard_model::alerts::{self, ALERTS};
use pulseboard_model::rejects::{self, REJECTED};
use pulseboard_runtime::{Clock, Shutdown, Tasks};
use pulseboard_sources::{HostConfig, HostSource, QUEUE_BATCHES};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{error, warn};

use crate::checkpoint_files::CheckpointFiles;
use crate::config::{AuthSettings, ServerConfig, TlsSettings};
use crate::definitions::{self, Keeper};
use crate::feeder::{self, Feeder};
use crate::log_history::LogHistory;
use crate::rollups::Wanted;
use crate::source_sink::Sink;
use crate::{archive, jwks, local_key, references, rollups, simulators, source_sink, tls_files, web};

/// How long the whole end may take. Who waits for us (systemd, a container) kills after ten seconds.
const STOP_MAX: Duration = Duration::from_millis(9_500);
/// What is left of it at least for sources, engine and hub once connections had their time.
const PARTS_MAX: Duration = Duration::from_millis(2_000);
/// What is left of it at least to close the log.
const LOG_MAX: Duration = Duration::from_millis(1_500);

/// Why the server does not start: one clear line per problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct StartError(pub Vec<String>);

impl StartError {
    fn one(line: impl Into<String>) -> Self {
        Self(vec![line.into()])
    }
}

/// Why a running server ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener failed.
    #[error("the listener failed: {0}")]
    Listener(#[from] std::io::Error),
    /// The log cannot be followed any more: live answers would stand still and look alive.
    #[error("the log cannot be followed any more, so live answers would stand still: {0}")]
    Feeder(String),
}

/// A server that listens but does not serve yet.
#[derive(Debug)]
pub struct App {
    gateway: Gateway,
    listener: TcpListener,
    address: SocketAddr,
    url: String,
    log: Arc<EmbeddedLog>,
    feeder: Feeder,
    tasks: Tasks,
    log_tasks: Tasks,
}

impl App {
    /// Opens the log, starts everything and binds the address.
    ///
    /// # Errors
    /// [`StartError`]: a busy port, a locked or damaged directory, declared types that the log contradicts.
    pub async fn start(mut config: ServerConfig, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        refuse_unlocked(&config)?;
        let listener = TcpListener::bind(config.listen).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                StartError::one(format!("{} is in use by another program: choose another with --listen", config.listen))
            }
            _ => StartError::one(format!("cannot listen on {}: {error}", config.listen)),
        })?;
        let address = listener.local_addr().map_err(|error| StartError::one(error.to_string()))?;

        // The log outlives everything that writes to it.
        let (tasks, log_tasks) = (Tasks::new(), Tasks::new());
        let limits = config.limits.clone();
        let settings = config.archive.clone();
        let embedded = EmbeddedConfig {
            segment_bytes: settings.seal_bytes,
            segment_age_us: settings.seal_every_us,
            archived: settings.enabled.then_some(Archived { keep_us: settings.keep_segments_us }),
            retention: config.retention.clone(),
            streams_max: limits.ingest.streams_max,
            ..EmbeddedConfig::new(&config.data_dir)
        };
        let (log_clock, log_owner) = (clock.clone(), log_tasks.clone());
        let opened = tokio::task::spawn_blocking(move || EmbeddedLog::open(embedded, log_clock, &log_owner)).await;
        let embedded = opened
            .map_err(|error| StartError::one(format!("opening the log: {error}")))?
            .map_err(|error| StartError::one(error.to_string()))?;
        let local = LocalKey::make();
        // Commands on this machine read it as soon as they find the URL. Without a token they need none.
        local_key::write(&config.data_dir, &local).map_err(|error| {
            StartError::one(format!("writing the command line's key in `{}`: {error}", config.data_dir.display()))
        })?;
        let url = format!("{}://{address}", if config.tls.is_some() { "https" } else { "http" });
        let tls = speak_tls(config.tls.take(), &config.data_dir, &tasks)?;
        embedded.set_url(&url).map_err(|error| StartError::one(error.to_string()))?;
        let embedded = Arc::new(embedded);
        let archived = archive::open(&config, embedded.clone(), clock.clone(), &tasks).await?;
        let log: Arc<dyn Log> = match &archived {
            Some(archived) => Arc::new(archived.clone()),
            None => embedded.clone(),
        };
        declare(log.as_ref(), &config).await?;

        let wanted =
            Arc::new(Wanted::new(config.assembled.definitions.views.iter().map(|view| view.spec.clone()).collect()));
        let history = match &archived {
            Some(archived) => LogHistory::with_archive(archived.clone()).with_rollups(wanted.clone()),
            None => LogHistory::new(log.clone()),
        };
        let history = Arc::new(history.with_keys(references::keys(&config.references)));
        if let Some(archived) = archived {
            let (archive, history, limits) = (archived.archive().clone(), history.clone(), limits.queries.clone());
            let wanted = wanted.clone();
            rollups::spawn(rollups::Parts { archive, history, wanted, limits }, &tasks)
                .map_err(|error| StartError::one(format!("starting the thread of rollups: {error}")))?;
        }
        let head = log.head();
        let hub_config = HubConfig { floor: limits.frame_floor, page_bytes: limits.page_bytes, ..HubConfig::default() };
        let hub = Hub::start(hub_config, head, log.newest(), history.clone(), &tasks);
        let sink_hub = hub.clone();
        let sink_clock = clock.clone();
        let sink = Box::new(move |output: StepOutput| {
            sink_hub.apply(&output);
            if let Some(newest) = output.newest {
                let took_us = u32::try_from(sink_clock.now_us() - newest.0).unwrap_or(0);
                let took = Duration::from_micros(u64::from(took_us));
                metrics::histogram!("pulseboard_latency_seconds", "stage" => "engine").record(took.as_secs_f64());
            }
        });
        let store = CheckpointFiles::open(&config.data_dir, config.checkpoints.bytes_max).map_err(|error| {
            StartError::one(format!("opening the checkpoints of `{}`: {error}", config.data_dir.display()))
        })?;
        let checkpoints = Checkpoints { every_us: config.checkpoints.every_us, ..Checkpoints::new(Arc::new(store)) };
        let engine_config = EngineConfig {
            view_limits: limits.views,
            query_limits: limits.queries,
            live_limits: limits.live,
            checkpoints: Some(checkpoints),
        };
        let engine = Engine::start(engine_config, history, &tasks, sink)
            .map_err(|error| StartError::one(format!("starting the engine: {error}")))?;
        let feeder = feeder::spawn(log.as_ref(), head.offset, engine.clone(), hub.clone(), &tasks)
            .map_err(|error| StartError::one(error.to_string()))?;
        let sources = SourceList::default();
        let figures = Arc::new(Figures::default());
        let sink = Sink { log: log.clone(), health: engine.sources(), figures: figures.clone() };
        if config.host_source {
            let (sender, batches) = tokio::sync::mpsc::channel(QUEUE_BATCHES);
            source_sink::spawn("host", sink.clone(), batches, &tasks);
            HostSource::new(HostConfig::default(), clock.clone())
                .spawn(&tasks, sender)
                .map_err(|error| StartError::one(error.to_string()))?;
            sources.tell("host", json!({"name": "host", "kind": "host", "every_ms": 1_000}));
        }
        simulators::spawn(config.simulators, &sink, &clock, &sources, &tasks)
            .map_err(|error| StartError::one(error.to_string()))?;

        let meta = embedded.meta_store();
        let auth = auth_config(config.auth, address.port(), &tasks);
        let auth = Keyring::open(meta.clone(), clock.clone(), auth, &local)
            .map_err(|error| StartError::one(format!("reading the tokens: {error}")))?;
        let assembled = config.assembled;
        let definitions = assembled.definitions.clone();
        let catalog = Catalog::start(definitions, engine.clone(), log.clone(), meta.clone(), clock.clone());
        let (files, orders) = DefinitionFiles::new();
        let (places, catalog_kept) = (config.places, catalog.clone());
        let keeper = Keeper { places, files: config.files, assembled, catalog: catalog_kept, wanted };
        definitions::spawn(keeper, orders, &tasks)
            .map_err(|error| StartError::one(format!("starting the thread of definitions: {error}")))?;
        let streams = Arc::new(config.streams);
        let base = GatewayConfig::new(address);
        let owned_streams = base.owned_streams.into_iter().chain(references::owned(&config.references)).collect();
        let told = (&sources, &engine.sources());
        references::spawn(config.references, &streams, &log, &clock, told, &tasks);
        let gateway_config = GatewayConfig {
            owned_streams,
            allowed_origins: config.allowed_origins,
            timezone: config.timezone,
            ingest: limits.ingest,
            patience: limits.patience,
            head_timeout: limits.head_timeout,
            body_timeout: limits.body_timeout,
            handshake_timeout: limits.handshake_timeout,
            requests: limits.requests,
            tls,
            pace: limits.pace,
            connections: limits.connections,
            system: config.system,
            socketio: config.socketio,
            ..GatewayConfig::new(address)
        };
        let deps = Deps {
            config: Arc::new(gateway_config),
            streams,
            log,
            meta,
            engine,
            hub,
            catalog,
            files,
            sources,
            auth,
            figures,
            clock,
            tasks: tasks.clone(),
            web: web::web_app(),
        };
        Ok(Self { gateway: Gateway::new(deps), listener, address, url, log: embedded, feeder, tasks, log_tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as whoever asks must write it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Serves until `stop`, then ends in order, within ten seconds.
    ///
    /// # Errors
    /// [`ServeError`] when it had to end by itself.
    pub async fn serve(mut self, stop: Shutdown) -> Result<(), ServeError> {
        let mut serving = std::pin::pin!(self.gateway.serve(self.listener, stop.clone()));
        let (served, failed) = tokio::select! {
            served = &mut serving => (Some(served), None),
            () = stop.wait() => (None, None),
            why = self.feeder.failed() => {
                error!(why, "the log cannot be followed: the server ends");
                stop.trigger();
                (None, Some(why))
            }
        };
        let deadline = Instant::now() + STOP_MAX;
        let served = match served {
            Some(served) => served,
            None => timeout_at(deadline - PARTS_MAX - LOG_MAX, serving).await.unwrap_or_else(|_| {
                warn!("connections were still open when the time to drain was over");
                Ok(())
            }),
        };
        let clean = end(&self.tasks, self.log, &self.log_tasks, deadline).await;
        if !clean {
            warn!("some parts did not end in time");
        }
        match failed {
            Some(why) => Err(ServeError::Feeder(why)),
            None => Ok(served?),
        }
    }
}

/// Others can reach the address, and nothing would keep them out.
fn refuse_unlocked(config: &ServerConfig) -> Result<(), StartError> {
    let ServerConfig { listen, data_dir, .. } = config;
    if listen.ip().is_loopback() || config.auth.jwt.is_some() {
        return Ok(());
    }
    match has_credentials(data_dir) {
        Ok(true) => Ok(()),
        Ok(false) => Err(StartError::one(format!(
            "`{listen}` is reachable from other machines, and there is no token or user to lock it: make one first \
             (`pulseboard token create --role admin --data-dir {}`), or use a loopback address such as 127.0.0.1:8080",
            data_dir.display()
        ))),
        Err(error) => Err(StartError::one(error.to_string())),
    }
}

/// How TLS is spoken, if it is; its files are looked at from now on.
fn speak_tls(settings: Option<TlsSettings>, data_dir: &Path, tasks: &Tasks) -> Result<Option<Tls>, StartError> {
    let certificate = settings.as_ref().map(|settings| &settings.certificate);
    tls_files::tell(data_dir, certificate.as_slice()).map_err(|error| {
        StartError::one(format!("writing which certificate is shown in `{}`: {error}", data_dir.display()))
    })?;
    let Some(TlsSettings { files, certificate, hsts }) = settings else { return Ok(None) };
    let tls = Tls::new(&certificate, hsts).map_err(|error| StartError::one(format!("setting up TLS: {error}")))?;
    let watched = tls_files::run(files, tls.clone(), data_dir.to_owned(), certificate, tasks.shutdown());
    tasks.spawn("tls-files", watched);
    Ok(Some(tls))
}

/// The door as the gateway knows it; keys that are fetched are fetched from now on.
fn auth_config(settings: AuthSettings, port: u16, tasks: &Tasks) -> AuthConfig {
    let AuthSettings { grace, open_on_loopback, session, .. } = settings;
    let jwt = settings.jwt.map(|settings| {
        let (config, keys) = (settings.config.clone(), jwks::first_keys(&settings));
        if let Some(url) = settings.jwks.clone() {
            tasks.spawn("jwks", jwks::run(settings, url, keys.clone(), tasks.shutdown()));
        }
        (config, keys)
    });
    AuthConfig { jwt, grace, open_on_loopback, session, port }
}

/// Ends the parts, then the log, by `deadline` whatever they do. Says whether all ended.
async fn end(tasks: &Tasks, log: Arc<EmbeddedLog>, log_tasks: &Tasks, deadline: Instant) -> bool {
    let left = |reserved: Duration| (deadline - reserved).saturating_duration_since(Instant::now());
    let parts = tasks.shut_down(left(LOG_MAX)).await;
    let close = tokio::task::spawn_blocking(move || log.close());
    let closed = timeout(left(Duration::ZERO), close).await.is_ok_and(|joined| joined.is_ok());
    parts & closed & log_tasks.shut_down(left(Duration::ZERO)).await
}

/// Makes the configured streams and those of sources known, with their declared fields.
async fn declare(log: &dyn Log, config: &ServerConfig) -> Result<(), StartError> {
    let mut refused = Vec::new();
    if let Err(error) = log.declare(&rejects::stream(), &rejects::fields()).await {
        refused.push(format!("stream `{REJECTED}`: {error}"));
    }
    if let Err(error) = log.declare(&alerts::stream(), &alerts::fields()).await {
        refused.push(format!("stream `{ALERTS}`: {error}"));
    }
    for (stream, config) in &config.streams.by_name {
        if let Err(error) = log.declare(stream, &config.fields).await {
            refused.push(format!("streams.{stream}.fields: {error}"));
        }
    }
    let host = config.host_source.then(|| ("host", pulseboard_sources::host::streams()));
    let simulated = config.simulators.iter().map(|source| (source.name.as_str(), source.scenario.streams()));
    for (source, streams) in host.into_iter().chain(simulated) {
        for (stream, schema) in streams {
            let fields: Vec<_> = schema.fields.iter().map(|f| (f.name.clone(), f.field_type.clone())).collect();
            if let Err(error) = log.declare(&stream, &fields).await {
                refused.push(format!("source `{source}`: {error}"));
            }
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(StartError(refused)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulseboard_runtime::SystemClock;

    #[tokio::test]
    async fn a_part_that_does_not_end_does_not_hold_the_end_up() {
        let dir = tempfile::tempdir().unwrap();
        let (tasks, log_tasks) = (Tasks::new(), Tasks::new());
        let log = EmbeddedLog::open(EmbeddedConfig::new(dir.path()), SystemClock::shared(), &log_tasks).unwrap();
        tasks.spawn("stuck", std::future::pending());
        let started = Instant::now();
        let deadline = started + LOG_MAX + Duration::from_millis(200);
        assert!(!end(&tasks, Arc::new(log), &log_tasks, deadline).await, "it says that one did not end");
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert_eq!(tasks.running(), ["stuck"]);
        assert!(log_tasks.running().is_empty(), "the log closed all the same");
    }
}
