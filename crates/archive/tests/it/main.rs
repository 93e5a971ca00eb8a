//! The archive as its users see it: over real segments, files, crashes and a real S3 server.

mod crash;
mod growing;
mod properties;
mod s3;
mod world;
