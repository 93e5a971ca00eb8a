//! From SQL text to a logical plan that means the same live and in batch.
//!
//! Text is parsed and its names resolved (`names`), planned by DataFusion in a session whose clock we hold (`session`,
//! `clock`), and given an order wherever SQL leaves one open (`ties`). Nothing here runs a query.

pub(crate) mod clock;
pub(crate) mod errors;
mod extremes;
mod local;
pub(crate) mod names;
pub(crate) mod planning;
pub(crate) mod session;
pub(crate) mod table;
pub(crate) mod ties;
