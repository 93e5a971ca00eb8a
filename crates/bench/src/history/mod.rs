//! A long past for the history bench: trades by a formula, written through the journal into the archive by a made-up clock.
//!
//! `trades` says what every event is, `expected` what answers over them must be, `build` writes them, `disk` knows what
//! lies on disk, and `asked` asks a server and holds its answers to what is expected. Nothing here starts a server.

mod asked;
mod build;
mod disk;
mod expected;
mod trades;

pub(crate) use asked::{Asked, Questions, VIEW, chart_sql};
pub(crate) use build::{Built, build};
pub(crate) use disk::{OnDisk, forget_pages};
pub(crate) use trades::{STREAM, Trades};
