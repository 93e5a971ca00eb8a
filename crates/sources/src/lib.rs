//! Where events come from when nobody POSTs them: one folder per source.
//!
//! A source turns what it reads into batches in the stored layout of its streams and puts them into a bounded channel.
//! The server appends them to the log; a source knows neither the log nor who reads its streams.

pub mod host;
pub mod reference;
pub mod simulate;

mod batch;
mod columns;

pub use batch::{QUEUE_BATCHES, SourceBatch, SourceError};
pub use host::{HostConfig, HostSource};
