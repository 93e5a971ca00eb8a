//! What keeps a query current: the plan taken apart, and the state that each part holds.
//!
//! `shape` splits the plan at its aggregate, `branches` at the unions below. There, `rowwise` runs on every micro-batch (`unnest` makes rows of lists) and `window` says when a row
//! enters and leaves, `watch` notices when that was wrong; `units` says what of the aggregates is kept together (`latest`, `distinct`), `partial` aggregates the batch, `totals` holds long-lived
//! groups, `panes` what can still leave.
//! Above it, `output` orders what changed and says how. `instance` ties them together; `dump` writes state as bytes.
//!
//! A plan of several such parts is taken apart by `compose`; `layers` cuts what is above them into stages that follow changes by key, and `above` keeps those.

mod above;
pub(crate) mod bound;
pub(crate) mod branches;
mod by_key;
pub(crate) mod compose;
mod distinct;
pub(crate) mod dump;
mod eager;
pub(crate) mod form;
pub(crate) mod groups;
mod held_rows;
pub(crate) mod instance;
mod latest;
pub(crate) mod layers;
mod merge;
mod meter;
pub(crate) mod output;
pub(crate) mod panes;
pub(crate) mod partial;
pub(crate) mod query;
mod result_keys;
pub(crate) mod rows;
pub(crate) mod rowwise;
mod runner;
pub(crate) mod shape;
mod sketches;
mod stage;
mod staged;
mod stays;
pub(crate) mod top;
pub(crate) mod totals;
pub(crate) mod units;
mod unnest;
pub(crate) mod watch;
pub(crate) mod window;
