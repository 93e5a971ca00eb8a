//! This machine: processor, load, memory, disks, network, uptime each second, the busiest processes each five.
//!
//! `streams` fixes what is measured under which names, `read` asks the operating system, `rows` makes batches, `source`
//! keeps the time. It writes ordinary streams; boards and views know nothing of it but the names in `streams`.

mod config;
mod disks;
mod read;
mod rows;
mod source;
mod streams;

#[cfg(test)]
mod tests;

pub use config::HostConfig;
pub use source::HostSource;
pub use streams::{KEEP_S, streams};
