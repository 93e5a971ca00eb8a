//! What keeps a query current: the plan taken apart, and the state that each part holds.
//!
//! `shape` splits the plan at its aggregate, `branches` at the unions below. There, `rowwise` runs on every micro-batch (`unnest` makes rows of lists) and `window` says when a row
//! enters and leaves, `watch` notices when that was wrong; `partial` aggregates the batch, `totals` holds long-lived groups, `panes` what can still leave.
//! Above it, `output` orders what changed and says how. `instance` ties them together; `dump` writes state as bytes.

pub(crate) mod bound;
pub(crate) mod branches;
pub(crate) mod compose;
pub(crate) mod dump;
mod eager;
pub(crate) mod form;
pub(crate) mod groups;
mod held_rows;
pub(crate) mod instance;
mod merge;
mod meter;
pub(crate) mod output;
pub(crate) mod panes;
pub(crate) mod partial;
pub(crate) mod query;
pub(crate) mod rows;
pub(crate) mod rowwise;
pub(crate) mod shape;
mod stays;
pub(crate) mod top;
pub(crate) mod totals;
mod unnest;
pub(crate) mod watch;
pub(crate) mod window;
