//! The main test of the engine: live equals batch at the same position, whatever the query, the split, the clock, the
//! zone and the restarts.

mod aggregates;
mod calendar;
mod cancelled;
mod cases;
mod composed;
mod differential;
mod earlier;
mod follows;
mod grammar;
mod growth;
mod guide;
mod guide_shapes;
mod late;
mod memory;
mod replay;
mod restart;
pub(crate) mod restart_world;
mod restarts;
pub(crate) mod same;
mod sessions;
mod streams;
mod streams_world;
pub(crate) mod world;
mod worlds;
