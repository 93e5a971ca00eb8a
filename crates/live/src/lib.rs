//! The live query engine: SQL planned once, kept current with every commit, equal to the batch answer at any position.
//!
//! DataFusion plans and runs batch queries; what lies between (deltas, windows, order) is ours. DataFusion's types stay
//! inside this crate: its API speaks `pulseboard-model` and Arrow. It never does I/O: events reach it as steps, the past
//! through [`History`].

mod api;
mod batch;
mod cells;
mod checkpoint;
mod ending;
mod engine;
mod input;
mod live_query;
mod looked;
mod maintain;
mod operators;
mod range;
mod replay;
mod rollup;
mod row_bytes;
mod row_key;
mod scan_request;
mod sql;
mod wide;
mod windows;

pub use api::{
    Batches, EngineConfig, Explain, ExplainRunning, History, HistoryError, OutputSink, Params, PastView, QueryAnswer,
    QueryError, QueryErrorKind, QuerySpec, User,
};
pub use batch::query_once;
pub use checkpoint::{CheckpointError, CheckpointStore, Checkpoints, Question};
pub use engine::{Engine, InstanceRef, Missing, SourceHealth};
pub use live_query::LiveQuery;
pub use range::{Downsample, POINTS_MAX as RANGE_POINTS_MAX, RangeAnswer, RangeSpec};
pub use replay::{Replay, Replayed};
pub use rollup::{LevelBytes, Partials, Rollup, RollupLevel, RollupMaker, RollupUse};
pub use scan_request::ScanRequest;
pub use sql::names::{check_sql, normalise as normalise_sql, parameter_names};

#[cfg(test)]
mod tests;
