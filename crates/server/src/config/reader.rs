//! Walks a TOML table and collects every problem instead of stopping at the first.
//!
//! A key that is taken is known; what is left over at the end is refused, with the known keys named.

use std::collections::BTreeSet;
use std::fmt;

use toml::{Table, Value};

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

    /// Takes a value out and reads it; what cannot be read is a problem and counts as missing.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        problems: &mut Vec<Problem>,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        match read(&value) {
            Ok(read) => Some(read),
            Err(what) => {
                self.problem(key, what, problems);
                None
            }
        }
    }

    /// Takes a text out, with `${NAME}` replaced from the environment.
    pub(super) fn text(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<String> {
        self.read(key, problems, |value| with_environment(value.as_str().ok_or_else(|| wrong("a text", value))?))
    }

    /// Takes a table out.
    pub(super) fn table(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<Table> {
        self.read(key, problems, |value| value.as_table().cloned().ok_or_else(|| wrong("a table", value)))
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

/// What a value is, against what it should be.
pub(super) fn wrong(wanted: &str, value: &Value) -> String {
    format!("must be {wanted}, not {} `{value}`", value.type_str())
}

/// Replaces `${NAME}` by the environment's value.
fn with_environment(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("has a `${` without its `}`")?;
        let value =
            std::env::var(name).map_err(|_| format!("needs the environment variable `{name}`, which is not set"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Reads a span such as `90s`, `15m`, `24h` or `30d`, in µs.
pub(super) fn span_us(value: &Value) -> Result<i64, String> {
    let text = value.as_str().ok_or_else(|| wrong("a span such as `24h`", value))?;
    let units = [("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000_i64)];
    let read = units.iter().find_map(|(unit, us)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "spans are far below 2^53 µs")]
        (number.is_finite() && number > 0.0 && number < 1e6).then_some((number * *us as f64) as i64)
    });
    read.ok_or_else(|| format!("`{text}` is not a span: use a number with ms, s, m, h or d, such as `30d`"))
}

/// Reads a size such as `512MiB` or `10GiB`, in bytes.
pub(super) fn size_bytes(value: &Value) -> Result<u64, String> {
    let text = value.as_str().ok_or_else(|| wrong("a size such as `10GiB`", value))?;
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let read = units.iter().find_map(|(unit, shift)| {
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        (number > 0 && number < 1 << 20).then_some(number << shift)
    });
    read.ok_or_else(|| format!("`{text}` is not a size: use a whole number with KiB, MiB, GiB or TiB, such as `10GiB`"))
}
