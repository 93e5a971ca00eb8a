//! From SQL text to a logical plan that means the same live and in batch.
//!
//! Text is parsed within limits (`names`, `bounds`) and its names resolved (`scopes` and what stands beside it), planned by
//! DataFusion in a session whose clock we hold (`session`, `clock`), its parameters bound (`params`), and given an order
//! wherever SQL leaves one open (`ties`). Nothing here runs a query.

mod ago;
mod bounds;
pub(crate) mod buckets;
pub(crate) mod clock;
mod distinct_list;
mod durations;
pub(crate) mod errors;
mod event_time;
mod expressions;
mod extremes;
mod floats;
mod functions;
mod hop;
mod instants;
mod lists;
pub(crate) mod local;
pub(crate) mod names;

mod narrowing;
mod not_in;
pub(crate) mod params;
mod picks;
pub(crate) mod planning;
mod reach;
mod references;
pub(crate) mod reserved;
mod scopes;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod sizes;
pub(crate) mod spans;
mod stars;
pub(crate) mod table;
pub(crate) mod ties;
mod titles;
mod weights;

#[cfg(test)]
mod tests;
