//! The scenarios: each loads or watches a server in one way and says what it measured.

mod bare;
pub mod connections;
pub mod engine;
pub mod fanout;
pub mod history;
pub mod idle;
pub mod ingest_batch;
pub mod ingest_single;
pub mod latency;
pub mod memory;
pub mod polling;
pub mod queries;
pub mod readers;
pub mod restart;
pub mod slow;
pub mod storm;
