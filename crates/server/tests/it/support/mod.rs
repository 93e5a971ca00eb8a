//! What the tests share: servers, ways to ask them, and readers that are cut off.

pub(crate) mod api;
pub(crate) mod browser;
pub(crate) mod cli;
pub(crate) mod compare;
pub(crate) mod connection;
pub(crate) mod follower;
pub(crate) mod nginx;
pub(crate) mod proxy;
pub(crate) mod random;
pub(crate) mod server;
pub(crate) mod socketio;
pub(crate) mod stall;
pub(crate) mod tls;
pub(crate) mod until;
pub(crate) mod writer;
