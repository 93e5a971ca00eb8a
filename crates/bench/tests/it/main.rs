//! The scenarios against a small server in this process: not how fast, but that what is sent and read is counted rightly.

mod server;
mod smoke;
