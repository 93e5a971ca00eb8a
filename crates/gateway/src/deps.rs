//! What the server hands the gateway: everything it stands on, and its limits.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use parking_lot::RwLock;
use pulseboard_hub::Hub;
use pulseboard_journal::{Log, MetaStore};
use pulseboard_live::Engine;
use pulseboard_model::StreamName;
use pulseboard_model::decode::StreamConfig;
use pulseboard_model::limits::IngestLimits;
use pulseboard_model::{alerts, rejects, system};
use pulseboard_protocol::Pace;
use pulseboard_runtime::{Clock, Tasks};
use serde_json::Value;

use crate::admission::ConnectionLimits;
use crate::auth::Keyring;
use crate::catalog::Catalog;
use crate::definitions::DefinitionFiles;
use crate::figures::Figures;
use crate::role_limits::RequestLimits;
use crate::socketio::SocketIoConfig;
use crate::system::SystemRecord;
use crate::tls::Tls;
use crate::web::WebApp;

/// How long a WebSocket may be silent or take nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The server pings so often.
    pub ping_every: Duration,
    /// Silence for so long ends the connection. Looked at with each ping.
    pub silence_max: Duration,
    /// A reader that takes nothing for so long is closed; over other transports after half as long again.
    pub unread_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { ping_every: seconds(25), silence_max: seconds(60), unread_max: seconds(30) }
    }
}

/// How requests are limited.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where the server listens, for the check of `Host`.
    pub listen: SocketAddr,
    /// Origins that pages may come from beside loopback ones.
    pub allowed_origins: Vec<String>,
    /// The zone of queries that name none.
    pub timezone: Tz,
    /// Limits on what is sent in.
    pub ingest: IngestLimits,
    /// The most bodies that are decoded at once; others wait.
    pub decodes_max: usize,
    /// How long a request's head may take to arrive, and how long a socket may stay open without a request.
    pub head_timeout: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long the handshake of TLS may take.
    pub handshake_timeout: Duration,
    /// How TLS is spoken; none where requests come without.
    pub tls: Option<Tls>,
    /// How long a WebSocket may be silent or take nothing.
    pub patience: Patience,
    /// How many connections may follow channels.
    pub connections: ConnectionLimits,
    /// What requests of each role may be.
    pub requests: RequestLimits,
    /// How often frames leave at most, whatever a subscription asks for.
    pub pace: Pace,
    /// When the server writes down what it measures of itself.
    pub system: SystemRecord,
    /// How Socket.IO clients are served.
    pub socketio: SocketIoConfig,
    /// Streams that the server writes itself, with what writes them: clients may not.
    pub owned_streams: BTreeMap<StreamName, String>,
}

impl GatewayConfig {
    /// The defaults for an address.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            allowed_origins: Vec::new(),
            timezone: Tz::UTC,
            ingest: IngestLimits::default(),
            decodes_max: 4,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            tls: None,
            patience: Patience::default(),
            connections: ConnectionLimits::default(),
            requests: RequestLimits::default(),
            pace: Pace::default(),
            system: SystemRecord::default(),
            socketio: SocketIoConfig::default(),
            owned_streams: BTreeMap::from([
                (rejects::stream(), "what was rejected".to_owned()),
                (alerts::stream(), "what fired, which `POST /api/v1/alerts/events` tells".to_owned()),
                (system::stream(), "what the server measures of itself".to_owned()),
            ]),
        }
    }
}

/// How streams are read, by name; others by the default.
#[derive(Debug, Clone, Default)]
pub struct StreamConfigs {
    /// Configured streams.
    pub by_name: BTreeMap<StreamName, Arc<StreamConfig>>,
    /// All others.
    pub default: Arc<StreamConfig>,
}

impl StreamConfigs {
    /// How `stream` is read.
    #[must_use]
    pub fn of(&self, stream: &StreamName) -> Arc<StreamConfig> {
        self.by_name.get(stream).unwrap_or(&self.default).clone()
    }
}

/// What each source says of itself, by name. Shared: who runs a source tells here what has become of it.
#[derive(Debug, Clone, Default)]
pub struct SourceList(Arc<RwLock<BTreeMap<String, Value>>>);

impl SourceList {
    /// From now on `name` says so.
    pub fn tell(&self, name: &str, says: Value) {
        self.0.write().insert(name.to_owned(), says);
    }

    /// What all of them say, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Value> {
        self.0.read().values().cloned().collect()
    }
}

/// Everything the gateway stands on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Deps {
    /// How requests are limited.
    pub config: Arc<GatewayConfig>,
    /// How streams are read.
    pub streams: Arc<StreamConfigs>,
    /// The durable log.
    pub log: Arc<dyn Log>,
    /// Where `sql:` queries are kept.
    pub meta: MetaStore,
    /// Queries, live and once.
    pub engine: Engine,
    /// Channels.
    pub hub: Hub,
    /// Named views, boards and ad-hoc queries.
    pub catalog: Catalog,
    /// Where changes of boards and views are made.
    pub files: DefinitionFiles,
    /// What the sources say of themselves, as `GET /api/v1/sources` answers.
    pub sources: SourceList,
    /// Who may come.
    pub auth: Keyring,
    /// Counters since the start.
    pub figures: Arc<Figures>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who owns the tasks.
    pub tasks: Tasks,
    /// What answers everything that is not the API: the web app.
    pub web: WebApp,
}
