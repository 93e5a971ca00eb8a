//! The load tool and the benchmarks: what a server does under load, measured from outside over its public API, and what
//! the live engine does alone.
//!
//! Scenarios find a server by URL ([`Target`]); the suite starts servers of its own. The generator is lean and its CPU is
//! shown beside the server's, because both share the machine. It loads loopback servers only, unless the owner says so, and
//! everything it does is bounded in time and count. It never looks inside a server; a long past to ask about is written by the
//! log's own crates, as months of ingest would have.

mod api;
mod args;
mod cpu;
mod crowd;
mod error;
mod event;
mod generator;
mod history;
mod http;
mod latency;
mod ledger;
mod machine;
mod measured;
mod nexmark;
mod observe;
mod reader;
mod replay;
pub mod scenario;
mod server;
mod socket;
mod suite;
mod target;
mod views;
mod window;
mod wire;
mod yahoo;

pub use args::{Against, BenchArgs, Scenario, ScenarioArgs, SuiteArgs, TargetArgs};
pub use cpu::CpuSplit;
pub use error::BenchError;
pub use event::REFERENCE_BYTES;
pub use measured::{Better, Bound, Figure, Measured, Unit, render};
pub use reader::Transport;
pub use suite::{run, suite};
pub use target::Target;
