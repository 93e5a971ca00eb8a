//! Worlds that are made up: a shop and a trading desk, seeded and realistic, for the shipped boards and for trying things.
//!
//! `dice` and `rhythm` are chance and time, `shop` and `trading` the worlds, `sheet` what they write, `source` the
//! clockwork: it leads a world through a past at first, and then along with the clock. A world knows no clock of its own.

mod config;
mod dice;
mod rhythm;
mod sheet;
mod shop;
mod source;
mod trading;
mod world;

pub use config::{Scenario, SimulateConfig};
pub use sheet::FeedReport;
pub use source::{SimulateReport, SimulateSource};
