//! The house rules that a machine can check: arrows run downward, files say what they are and stay small.

use std::fs;
use std::path::{Path, PathBuf};

/// Which of our crates each crate may name, without the prefix.
const ARROWS: [(&str, &[&str]); 12] = [
    ("model", &[]),
    ("runtime", &[]),
    ("protocol", &["model"]),
    ("journal", &["model", "runtime"]),
    ("live", &["model", "runtime"]),
    ("archive", &["model", "runtime", "journal", "live"]),
    ("sources", &["model", "runtime"]),
    ("hub", &["model", "runtime", "protocol"]),
    ("bench", &["model", "runtime", "protocol", "journal", "archive", "live"]),
    ("gateway", &["model", "runtime", "protocol", "journal", "live", "hub"]),
    ("server", &["model", "runtime", "protocol", "journal", "live", "archive", "sources", "hub", "gateway", "bench"]),
    ("xtask", &[]),
];

/// External crates that only some of ours may name.
const FENCES: [(&str, &[&str]); 5] = [
    ("datafusion", &["live", "archive"]),
    ("axum", &["gateway"]),
    ("socketioxide", &["gateway"]),
    ("rusqlite", &["journal"]),
    ("sysinfo", &["sources"]),
];

/// The longest a source file may be.
const LINES_MAX: usize = 600;
/// The longest ARCHITECTURE.md may be.
const ARCHITECTURE_LINES_MAX: usize = 250;

/// Every problem there is, one line each.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    for entry in fs::read_dir(root.join("crates")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let manifest = fs::read_to_string(entry.path().join("Cargo.toml")).unwrap_or_default();
        check_manifest(&name, &manifest, &mut problems);
        let mut files = Vec::new();
        rust_files(&entry.path(), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            check_file(&shown, &text, &mut problems);
        }
    }
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap_or_default();
    if architecture.lines().count() > ARCHITECTURE_LINES_MAX {
        problems.push(format!("ARCHITECTURE.md has more than {ARCHITECTURE_LINES_MAX} lines"));
    }
    problems
}

fn check_manifest(name: &str, manifest: &str, problems: &mut Vec<String>) {
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
        problems.push(format!("crates/{name}: the direction rules do not know it: add it to xtask/src/tidy.rs"));
        return;
    };
    // Tests may use what they like; the arrows are those of the product.
    let product = manifest.split("[dev-dependencies]").next().unwrap_or_default();
    let named = |line: &str| line.split(['.', ' ', '=']).next().unwrap_or_default().to_owned();
    for dependency in product.lines().map(named) {
        if let Some(ours) = dependency.strip_prefix("pulseboard-")
            && !allowed.contains(&ours)
        {
            problems.push(format!("crates/{name} may not name pulseboard-{ours}: arrows run downward only"));
        }
        if let Some((fenced, homes)) = FENCES.iter().find(|(fenced, _)| *fenced == dependency)
            && !homes.contains(&name)
        {
            problems.push(format!("crates/{name} may not name {fenced}: only {} may", homes.join(", ")));
        }
    }
}

fn check_file(shown: &str, text: &str, problems: &mut Vec<String>) {
    let is_source = shown.contains("/src/") && !shown.contains("/tests");
    if is_source && !text.starts_with("//!") {
        problems.push(format!("{shown}: begins without saying what it is (`//!`)"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        problems.push(format!("{shown}: {lines} lines, more than {LINES_MAX}: does it hold one idea?"));
    }
    for (number, line) in text.lines().enumerate() {
        for bad in
            [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "allow("), concat!("#![", "allow(")]
        {
            if line.contains(bad) && !line.trim_start().starts_with("//") {
                problems.push(format!("{shown}:{}: `{bad}…` is not for code that is kept", number + 1));
            }
        }
    }
}

fn rust_files(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upward_arrows_and_fences_are_found() {
        let mut problems = Vec::new();
        check_manifest("model", "[dependencies]\npulseboard-live.workspace = true\n", &mut problems);
        check_manifest(
            "hub",
            "[dependencies]\naxum.workspace = true\n[dev-dependencies]\nrusqlite.workspace = true\n",
            &mut problems,
        );
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("downward") && problems[1].contains("axum"));
    }

    #[test]
    fn a_file_without_header_or_with_a_stub_is_found() {
        let mut problems = Vec::new();
        check_file("crates/a/src/b.rs", &format!("fn f() {{ {}) }}\n", concat!("todo", "!(")), &mut problems);
        assert_eq!(problems.len(), 2, "{problems:?}");
        check_file("crates/a/src/b.rs", &format!("//! Fine.\n{}", "\n".repeat(LINES_MAX)), &mut problems);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
