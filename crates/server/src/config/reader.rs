//! Walks a TOML table and collects every problem instead of stopping at the first.
//!
//! A key that is taken is known; what is left over at the end is refused, with the known keys named. Texts are resolved
//! on the way: `${NAME}` from the environment, `file:PATH` from a file beside the one being read.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use toml::{Table, Value};

use super::values::{resolved, wrong};

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which file.
    pub file: String,
    /// Which key, dotted.
    pub key: String,
    /// What is wrong and what is allowed.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.file, self.what)
        } else {
            write!(f, "{}: {}: {}", self.file, self.key, self.what)
        }
    }
}

/// A table being read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    file: &'a str,
    path: String,
    table: Table,
    known: BTreeSet<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, path: impl Into<String>, table: Table) -> Self {
        Self { file, path: path.into(), table, known: BTreeSet::new() }
    }

    /// The file being read.
    pub(super) fn file(&self) -> &str {
        self.file
    }

    /// The dotted path of a key of this table.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn problem(&self, key: &str, what: impl Into<String>, problems: &mut Vec<Problem>) {
        let key = if key.is_empty() { self.path.clone() } else { self.path(key) };
        problems.push(Problem { file: self.file.to_owned(), key, what: what.into() });
    }

    /// Takes a value out.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.insert(key);
        self.table.remove(key)
    }

    /// Takes a value out and reads it, its texts resolved; what cannot be read is a problem and counts as missing.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        problems: &mut Vec<Problem>,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        match self.resolve(&value).and_then(|value| read(&value)) {
            Ok(read) => Some(read),
            Err(what) => {
                self.problem(key, what, problems);
                None
            }
        }
    }

    /// A value with its texts resolved.
    pub(super) fn resolve(&self, value: &Value) -> Result<Value, String> {
        resolved(value, Path::new(self.file).parent().unwrap_or(Path::new("")))
    }

    /// Takes a text out.
    pub(super) fn text(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<String> {
        self.read(key, problems, |value| Ok(value.as_str().ok_or_else(|| wrong("a text", value))?.to_owned()))
    }

    /// Takes a text out that must be there; `why` says what it is for.
    pub(super) fn required(&mut self, key: &'static str, why: &str, problems: &mut Vec<Problem>) -> Option<String> {
        if !self.table.contains_key(key) {
            self.known.insert(key);
            self.problem(key, format!("is missing{why}"), problems);
            return None;
        }
        self.text(key, problems)
    }

    /// Takes a table out, as it is: whoever reads its values resolves them.
    pub(super) fn table(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<Table> {
        match self.take(key)? {
            Value::Table(table) => Some(table),
            other => {
                self.problem(key, wrong("a table", &other), problems);
                None
            }
        }
    }

    /// Takes a table out, with a reader of its own.
    pub(super) fn inner(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<Self> {
        let table = self.table(key, problems)?;
        Some(Reader::new(self.file, self.path(key), table))
    }

    /// Takes a table of tables out (`[key.name]`), each with a reader of its own.
    pub(super) fn named_tables(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Vec<(String, Self)> {
        let mut tables = Vec::new();
        for (name, value) in self.table(key, problems).unwrap_or_default() {
            match value {
                Value::Table(table) => {
                    let path = format!("{}.{name}", self.path(key));
                    tables.push((name, Reader::new(self.file, path, table)));
                }
                other => self.problem(&format!("{key}.{name}"), wrong("a table", &other), problems),
            }
        }
        tables
    }

    /// Takes a list of tables out (`[[key]]`), each with a reader of its own.
    pub(super) fn tables(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Vec<Self> {
        let wanted = format!("a list of tables (`[[{key}]]`)");
        let mut tables = Vec::new();
        match self.take(key) {
            Some(Value::Array(list)) => {
                for (number, value) in list.into_iter().enumerate() {
                    let path = format!("{}[{number}]", self.path(key));
                    match value {
                        Value::Table(table) => tables.push(Reader::new(self.file, path, table)),
                        other => self.problem(&format!("{key}[{number}]"), wrong(&wanted, &other), problems),
                    }
                }
            }
            Some(other) => self.problem(key, wrong(&wanted, &other), problems),
            None => {}
        }
        tables
    }

    /// Refuses what was not taken.
    pub(super) fn finish(self, problems: &mut Vec<Problem>) {
        for key in self.table.keys() {
            let known: Vec<&str> = self.known.iter().copied().collect();
            let nearest =
                known.iter().max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
            let hint = match nearest {
                Some(nearest) if strsim::jaro_winkler(nearest, key) > 0.8 => format!("; did you mean `{nearest}`?"),
                _ => String::new(),
            };
            self.problem(key, format!("unknown key{hint} (known here: {})", known.join(", ")), problems);
        }
    }
}
