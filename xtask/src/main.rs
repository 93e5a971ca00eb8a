//! Repository automation: `cargo xtask tidy` checks the house rules, `cargo xtask licences` those of third parties.
//!
//! Reads the repository and what cargo says of it; writes nothing.

mod licences;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let word = std::env::args().nth(1).unwrap_or_default();
    let problems = match word.as_str() {
        "tidy" => tidy::check(root),
        "licences" => licences::check(root),
        _ => {
            eprintln!("usage: cargo xtask tidy | licences");
            return ExitCode::from(2);
        }
    };
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        println!("{word}: fine");
        ExitCode::SUCCESS
    } else {
        eprintln!("{word}: {} problems", problems.len());
        ExitCode::FAILURE
    }
}
