//! The embedded log against its contract, its files and the machine: conformance, damage, crashes, full disks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod corruption;
mod crash;
mod faults;
mod properties;
mod read_only;
mod retention;
mod space;
mod support;
mod tails;
