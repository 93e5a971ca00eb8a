//! The binary `pulseboard`.

use std::process::ExitCode;

use clap::Parser;
use pulseboard_server::cli::{Cli, run};

/// Frames and rows are many small allocations on several threads. Without huge pages (feature `no_thp`): they make what a
/// connection holds half as large again, and nothing faster (ADR 50).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    run(Cli::parse())
}
