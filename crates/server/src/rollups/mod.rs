//! Rollups: which queries have their states kept beside the archive's files, and the thread that makes them.
//!
//! Views of the configuration have them from the start, other queries once ranges of them are asked for again and again.
//! Joins the engine's rollups with the archive's sidecars; nobody waits for it, and what is not made yet is read as rows.

mod wanted;
mod worker;

pub(crate) use wanted::Wanted;
pub(crate) use worker::{Parts, spawn};

#[cfg(test)]
mod tests;
