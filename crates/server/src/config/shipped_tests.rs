//! `config/pulseboard.toml` names every key that is read, and what it has commented out is the default.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::*;

/// What no key is called.
const NONE: &str = "zzz";
/// Keys that are known in order to be refused, and why.
const NOT_READ: [(&str, &str); 1] = [("alerts", "alerts come with a later version")];

fn shipped() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/pulseboard.toml");
    std::fs::read_to_string(path).unwrap()
}

/// The text with its commented tables and keys taken in.
fn uncommented(text: &str) -> String {
    let key =
        |line: &str| line.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_lowercase() || c == '_'));
    let lines = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with('[') || key(rest) => rest,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

fn loaded(text: &str) -> Result<ServerConfig, Vec<Problem>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pulseboard.toml");
    std::fs::write(&path, text).unwrap();
    load(Some(&path), &Overrides::default())
}

/// Puts a key that nobody knows into `table` and the tables in it that are read, and lists the keys of each by its path.
fn with_unknown(path: &str, table: &mut Table, keys: &mut BTreeMap<String, Vec<String>>) {
    keys.insert(path.to_owned(), table.keys().cloned().collect());
    let at = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, value) in table.iter_mut() {
        // The keys of these are names of fields.
        if path.starts_with("streams.") {
            continue;
        }
        match value {
            Value::Table(inner) if ["streams", "views", "references"].contains(&key.as_str()) => {
                for (name, inner) in inner.iter_mut() {
                    let Value::Table(inner) = inner else { continue };
                    with_unknown(&format!("{}.{name}", at(key)), inner, keys);
                }
            }
            Value::Table(inner) => with_unknown(&at(key), inner, keys),
            Value::Array(list) => {
                for (number, inner) in list.iter_mut().enumerate() {
                    let Value::Table(inner) = inner else { continue };
                    with_unknown(&format!("{}[{number}]", at(key)), inner, keys);
                }
            }
            _ => {}
        }
    }
    table.insert(NONE.to_owned(), Value::from(1));
}

#[test]
fn the_shipped_file_names_every_key_that_is_read() {
    let mut table: Table = uncommented(&shipped()).parse().unwrap();
    let mut keys = BTreeMap::new();
    with_unknown("", &mut table, &mut keys);
    let problems = loaded(&toml::to_string(&table).unwrap()).expect_err("a key is unknown");
    let mut named: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for (path, of) in &keys {
        // Of tables of one kind (`streams.…`) one may show what another does not.
        let kind = path.split_once('.').map_or(path.as_str(), |(kind, _)| kind);
        named
            .entry(if ["streams", "views", "references"].contains(&kind) { kind } else { path })
            .or_default()
            .extend(of);
    }
    let mut tables = 0;
    for problem in &problems {
        let Some(path) = problem.key.strip_suffix(NONE).map(|path| path.trim_end_matches('.')) else { continue };
        let (_, known) = problem.what.split_once("(known here: ").expect("an unknown key is told what is known");
        tables += 1;
        let kind = path.split_once('.').map_or(path, |(kind, _)| kind);
        let named = named.get(path).or_else(|| named.get(kind)).unwrap_or_else(|| panic!("no table `{path}`"));
        for key in known.trim_end_matches(')').split(", ") {
            let refused = NOT_READ.iter().any(|(refused, _)| path.is_empty() && *refused == key);
            assert!(
                refused || named.iter().any(|named| *named == key),
                "`{path}` has a key `{key}`, which the file does not name"
            );
        }
    }
    assert_eq!(tables, keys.len(), "a table was not read: {problems:#?}");
}

#[test]
fn the_keys_that_the_shipped_file_has_commented_out_are_the_defaults() {
    let text = uncommented(&shipped());
    let from = |table: &str| {
        let (_, rest) = text.split_once(&format!("\n[{table}]\n")).unwrap_or_else(|| panic!("no [{table}]"));
        let upto = rest.find("\n[").filter(|_| table != "limits").unwrap_or(rest.len());
        // Where an archive is, and which board is joined, are examples.
        let lines =
            rest[..upto].lines().filter(|line| !line.starts_with("url ") && !line.starts_with("default_board "));
        format!("[{table}]\n{}\n", lines.collect::<Vec<_>>().join("\n"))
    };
    let set = ["archive", "checkpoints", "socketio", "socketio.events", "limits"].map(from).concat();
    assert!(
        ["seal_bytes", "max_bytes", "preset", "batch_update", "ahead", "cpu_percent", "[limits.queries]"]
            .iter()
            .all(|key| set.contains(key))
    );
    let config = loaded(&set).unwrap_or_else(|problems| panic!("{problems:#?} in {set}"));
    let default = loaded("").expect("right");
    assert_eq!(config.limits, default.limits);
    assert_eq!(config.socketio, default.socketio);
    assert_eq!(format!("{:?}", config.checkpoints), format!("{:?}", default.checkpoints));
    assert_eq!(format!("{:?}", config.archive), format!("{:?}", default.archive));
}
