//! The archive as its users see it: over real segments, files, crashes and a real S3 server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod growing;
mod lookups;
mod properties;
mod s3;
mod tails;
mod world;
