//! Configuration, wiring and command line of Pulseboard. Tests embed it as a library; the binary is a thin `main`.
//!
//! Nothing depends on this crate. It joins crates that do not know each other by channels of model types.

pub mod app;
mod archive;
mod checkpoint_files;
pub mod cli;
pub mod config;
mod definitions;
mod feeder;
mod jwks;
mod local_key;
mod log_history;
mod references;
mod rollups;
mod simulators;
mod source_sink;
mod sql_text;
mod tls_files;
mod web;
