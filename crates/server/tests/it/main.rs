//! The server from outside: the real binary over real sockets, with real signals and a real disk.
//!
//! Every test starts servers of its own. Nothing here knows how the server is built; what it must do is in
//! `docs/protocol.md`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod archive_crash;
mod bad_input;
mod bench;
mod board_files;
mod boards;
mod checkpoints;
mod cli;
mod crash;
mod crash_points;
mod demo;
mod docs;
mod faults;
mod figures;
mod floods;
mod fsync;
mod http;
mod ingest_command;
mod jwt;
mod limits;
mod live_command;
mod logins;
mod msgpack;
mod pages;
mod parts;
mod poll;
mod properties;
mod proxies;
mod query_limits;
mod references;
mod refusals;
mod reload;
mod rerun;
mod resets;
mod resume;
mod role_limits;
mod roles;
mod shares;
mod socketio;
mod space;
mod sse;
mod stalled;
mod stop;
mod storms;
mod stream_delete;
mod support;
mod system;
mod tls;
mod token_command;
mod tokens;
mod transports;
mod user_command;
mod view_files;
