//! The HTTP API, WebSocket, SSE and Socket.IO: everything that speaks to clients over the network. The only crate that names axum.
//!
//! It stands on the log, the engine and the hub, and hands out what they give; it holds no state of its own but
//! connections. What it says on the wire is written in `pulseboard-protocol`.

mod admission;
mod alerts;
mod auth;
mod board;
mod catalog;
mod connections;
mod definitions;
mod deps;
mod editing;
mod error;
mod figures;
mod guard;
mod health;
mod ingest;
mod live;
mod live_figures;
mod names;
mod openapi;
mod queries;
mod query;
mod range;
mod rate;
mod role_limits;
mod router;
mod serve;
mod socketio;
mod sockets;
mod streams;
mod system;
mod tls;
mod views;
mod web;
mod wire;

pub use admission::ConnectionLimits;
pub use auth::{
    Access, Asker, AuthConfig, ENDPOINTS, Endpoint, JwtConfig, JwtKeys, KeySet, Keyring, LocalKey, SECRET_BYTES_MIN,
    create_token, list_tokens, list_users, remove_user, revoke_token, save_user,
};
pub use board::{Board, BoardPanel, BoardVariable};
pub use catalog::{Catalog, NamedView, Origin, text_cell};
pub use definitions::{
    Content, DefinitionFiles, Expects, FileAction, FileChange, FileError, FileOrder, FileOrders, Kind, Saved, SavedAs,
};
pub use deps::{Deps, GatewayConfig, Patience, SourceList, StreamConfigs};
pub use figures::Figures;
pub use names::{Definitions, Kept};
pub use role_limits::{RequestLimits, RoleLimits};
pub use router::Gateway;
pub use socketio::SocketIoConfig;
pub use system::SystemRecord;
pub use tls::{Certificate, CertificateError, Tls, certificate_fingerprint};
pub use web::{WebApp, WebFile};
