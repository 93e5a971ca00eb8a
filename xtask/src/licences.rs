//! Third-party licences against a list of permissive ones: crates by what cargo says, npm packages by their manifests.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Licences that a product may be built with and given away.
const PERMISSIVE: [&str; 20] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "OFL-1.1",
    "OpenSSL",
    "PSF-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];
/// Build tools that are not part of the product may be shared alike.
const BUILD_ONLY: [&str; 5] = ["BlueOak-1.0.0", "CC-BY-3.0", "CC-BY-4.0", "MPL-2.0", "Python-2.0"];

/// Every package whose licence is not on the list.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    crates(root, &mut problems);
    packages(&root.join("web/node_modules"), &mut problems);
    problems
}

fn crates(root: &Path, problems: &mut Vec<String>) {
    let output = Command::new("cargo").args(["metadata", "--format-version", "1"]).current_dir(root).output();
    let metadata = output.ok().and_then(|output| serde_json::from_slice::<Value>(&output.stdout).ok());
    let Some(metadata) = metadata else {
        problems.push("cargo metadata gives nothing to check".to_owned());
        return;
    };
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or("?");
        let licence = package["license"].as_str().unwrap_or("");
        if !is_permitted(licence, &[]) {
            problems.push(format!("crate {name}: licence `{licence}` is not on the list in xtask/src/licences.rs"));
        }
    }
}

fn packages(modules: &Path, problems: &mut Vec<String>) {
    for entry in fs::read_dir(modules).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('@') {
            packages(&path, problems);
            continue;
        }
        let manifest = fs::read_to_string(path.join("package.json")).ok();
        let Some(manifest) = manifest.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else { continue };
        let own = manifest["name"].as_str().is_some_and(|name| name.starts_with("@pulseboard/"));
        let licence = licence_of(&manifest);
        if !own && !is_permitted(&licence, &BUILD_ONLY) {
            problems.push(format!("package {name}: licence `{licence}` is not on the list in xtask/src/licences.rs"));
        }
    }
}

/// What a manifest says; old ones have a list of alternatives.
fn licence_of(manifest: &Value) -> String {
    if let Some(licence) = manifest["license"].as_str() {
        return licence.to_owned();
    }
    let listed = manifest["licenses"].as_array().into_iter().flatten();
    listed.filter_map(|licence| licence["type"].as_str()).collect::<Vec<_>>().join(" OR ")
}

/// One of the alternatives must be allowed; of what is joined by AND, all must.
fn is_permitted(expression: &str, more: &[&str]) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    let allowed = |licence: &str| {
        let licence = licence.trim();
        PERMISSIVE.contains(&licence) || more.contains(&licence)
    };
    if expression.contains('(') && expression.contains(" AND ") {
        // Brackets around alternatives: each part joined by AND has one that is allowed.
        return plain.split(" AND ").all(|part| part.split(" OR ").any(allowed));
    }
    plain.split(" OR ").any(|alternative| alternative.split(" AND ").all(allowed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{is_permitted, licence_of};

    #[test]
    fn a_manifest_of_either_age_says_its_licence() {
        assert_eq!(licence_of(&json!({"license": "MIT"})), "MIT");
        assert_eq!(licence_of(&json!({"licenses": [{"type": "MIT"}, {"type": "GPL-3.0"}]})), "MIT OR GPL-3.0");
        assert_eq!(licence_of(&json!({})), "");
    }

    #[test]
    fn alternatives_and_joined_licences_are_told_apart() {
        for good in
            ["MIT", "MIT OR GPL-3.0", "Apache-2.0/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "BSD-3-Clause AND MIT"]
        {
            assert!(is_permitted(good, &[]), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND AGPL-3.0", "SSPL-1.0"] {
            assert!(!is_permitted(bad, &[]), "{bad}");
        }
    }
}
