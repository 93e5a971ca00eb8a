//! The whole server, put together: log, engine, hub, sources, gateway. Tests embed it; `serve` runs it.
//!
//! It ends in order: connections drain first, then sources, engine and hub, last the log, so that whatever was accepted
//! is durable and whoever was told so is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pulseboard_gateway::{Catalog, Deps, Figures, Gateway, GatewayConfig};
use pulseboard_hub::{Hub, HubConfig};
use pulseboard_journal::{EmbeddedConfig, EmbeddedLog, Log};
use pulseboard_live::{Engine, EngineConfig};
use pulseboard_runtime::{Clock, Shutdown, Tasks};
use pulseboard_sources::{HostConfig, HostSource, QUEUE_BATCHES};
use serde_json::json;
use tokio::net::TcpListener;

use crate::config::ServerConfig;
use crate::log_history::LogHistory;
use crate::{feeder, source_sink, web};

/// How long the engine, the hub and the sources may take to end.
const STOP_MAX: Duration = Duration::from_secs(3);

/// Why the server does not start: one clear line per problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct StartError(pub Vec<String>);

impl StartError {
    fn one(line: impl Into<String>) -> Self {
        Self(vec![line.into()])
    }
}

/// A server that listens but does not serve yet.
#[derive(Debug)]
pub struct App {
    gateway: Gateway,
    listener: TcpListener,
    address: SocketAddr,
    log: Arc<EmbeddedLog>,
    tasks: Tasks,
    log_tasks: Tasks,
}

impl App {
    /// Opens the log, starts everything and binds the address.
    ///
    /// # Errors
    /// [`StartError`]: a busy port, a locked or damaged directory, views that are refused.
    pub async fn start(config: ServerConfig, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let listener = TcpListener::bind(config.listen).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                StartError::one(format!("{} is in use by another program: choose another with --listen", config.listen))
            }
            _ => StartError::one(format!("cannot listen on {}: {error}", config.listen)),
        })?;
        let address = listener.local_addr().map_err(|error| StartError::one(error.to_string()))?;

        // The log outlives everything that writes to it.
        let (tasks, log_tasks) = (Tasks::new(), Tasks::new());
        let embedded = EmbeddedConfig { retention: config.retention.clone(), ..EmbeddedConfig::new(&config.data_dir) };
        let (log_clock, log_owner) = (clock.clone(), log_tasks.clone());
        let opened = tokio::task::spawn_blocking(move || EmbeddedLog::open(embedded, log_clock, &log_owner)).await;
        let embedded = opened
            .map_err(|error| StartError::one(format!("opening the log: {error}")))?
            .map_err(|error| StartError::one(error.to_string()))?;
        embedded.set_url(&format!("http://{address}")).map_err(|error| StartError::one(error.to_string()))?;
        let embedded = Arc::new(embedded);
        let log: Arc<dyn Log> = embedded.clone();
        for (stream, stream_config) in &config.streams.by_name {
            let declared = log.declare(stream, &stream_config.fields).await;
            declared.map_err(|error| StartError::one(format!("streams.{stream}.fields: {error}")))?;
        }
        if config.host_source {
            for (stream, schema) in pulseboard_sources::host::streams() {
                let fields: Vec<_> = schema.fields.iter().map(|f| (f.name.clone(), f.field_type.clone())).collect();
                let declared = log.declare(&stream, &fields).await;
                declared.map_err(|error| StartError::one(format!("source `host`: {error}")))?;
            }
        }

        let history = Arc::new(LogHistory::new(log.clone()));
        let head = log.head();
        let hub = Hub::start(HubConfig::default(), head, log.newest(), history.clone(), &tasks);
        let sink_hub = hub.clone();
        let sink = Box::new(move |output| sink_hub.apply(&output));
        let engine = Engine::start(EngineConfig::default(), history, &tasks, sink)
            .map_err(|error| StartError::one(format!("starting the engine: {error}")))?;
        feeder::spawn(log.as_ref(), head.offset, engine.clone(), hub.clone(), &tasks)
            .map_err(|error| StartError::one(error.to_string()))?;
        let mut sources = Vec::new();
        if config.host_source {
            let (sender, batches) = tokio::sync::mpsc::channel(QUEUE_BATCHES);
            source_sink::spawn(log.clone(), batches, &tasks);
            HostSource::new(HostConfig::default(), clock.clone())
                .spawn(&tasks, sender)
                .map_err(|error| StartError::one(error.to_string()))?;
            sources.push(json!({"name": "host", "kind": "host", "every_ms": 1_000}));
        }

        let meta = embedded.meta_store();
        let catalog =
            Catalog::start(config.views, config.boards, engine.clone(), log.clone(), meta.clone(), clock.clone());
        let catalog = catalog.map_err(StartError)?;
        let gateway_config = GatewayConfig {
            allowed_origins: config.allowed_origins,
            timezone: config.timezone,
            ..GatewayConfig::new(address)
        };
        let deps = Deps {
            config: Arc::new(gateway_config),
            streams: Arc::new(config.streams),
            log,
            meta,
            engine,
            hub,
            catalog,
            sources: Arc::new(sources),
            figures: Arc::new(Figures::default()),
            clock,
            tasks: tasks.clone(),
            web: web::web_app(),
        };
        Ok(Self { gateway: Gateway::new(deps), listener, address, log: embedded, tasks, log_tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then ends in order.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, stop: Shutdown) -> std::io::Result<()> {
        let served = self.gateway.serve(self.listener, stop).await;
        let clean = self.tasks.shut_down(STOP_MAX).await;
        let log = self.log;
        let closed = tokio::task::spawn_blocking(move || log.close()).await.is_ok();
        let ended = self.log_tasks.shut_down(STOP_MAX).await;
        if !(clean && closed && ended) {
            tracing::warn!("some parts did not end in time");
        }
        served
    }
}
