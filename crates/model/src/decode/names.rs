//! Which column a key of a row belongs to.
//!
//! Producers send their fields in one order, so the key at each place of the last row is tried first and the hash table
//! only when the order changed.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::schema::{HIDDEN_COLUMNS, TIME, is_reserved};

/// What a key of a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The event time.
    Time,
    /// A name that no user field may have.
    Reserved(&'static str),
    /// A column that is known, by number.
    Column(usize),
}

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// As what it is.
    Plain,
    /// As its text: decimals keep their digits, `json` fields everything.
    Raw,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    target: Target,
    reading: Reading,
}

/// The longest row whose order of keys is remembered.
const ORDER_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) struct Names {
    by_name: HashMap<Arc<str>, Entry>,
    order: Vec<(Arc<str>, Entry)>,
}

impl Names {
    pub(super) fn new() -> Self {
        let plain = |target| Entry { target, reading: Reading::Plain };
        let mut by_name = HashMap::new();
        by_name.insert(Arc::from(TIME), plain(Target::Time));
        for name in HIDDEN_COLUMNS {
            by_name.insert(Arc::from(name), plain(Target::Reserved(name)));
        }
        Self { by_name, order: Vec::new() }
    }

    /// Makes column `index` known as `name`. A reserved name stays what it is, whatever a configuration declares.
    pub(super) fn add(&mut self, name: &str, index: usize, reading: Reading) {
        if !is_reserved(name) {
            self.by_name.insert(Arc::from(name), Entry { target: Target::Column(index), reading });
        }
    }

    /// Which column is called `name`.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        match self.by_name.get(name)?.target {
            Target::Column(index) => Some(index),
            _ => None,
        }
    }

    /// What the `place`-th key of a row stands for; `None` if it is new.
    pub(super) fn find(&mut self, place: usize, key: &str) -> Option<(Target, Reading)> {
        if let Some((expected, entry)) = self.order.get(place)
            && **expected == *key
        {
            return Some((entry.target, entry.reading));
        }
        let (name, entry) = self.by_name.get_key_value(key)?;
        if place < self.order.len() {
            self.order[place] = (Arc::clone(name), *entry);
        } else if place == self.order.len() && place < ORDER_MAX {
            self.order.push((Arc::clone(name), *entry));
        }
        Some((entry.target, entry.reading))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_order() {
        let mut names = Names::new();
        names.add("a", 0, Reading::Plain);
        names.add("b", 1, Reading::Raw);
        for keys in [["a", "b", "time"], ["time", "b", "a"], ["b", "time", "a"]] {
            for (place, key) in keys.into_iter().enumerate() {
                let expected = match key {
                    "a" => (Target::Column(0), Reading::Plain),
                    "b" => (Target::Column(1), Reading::Raw),
                    _ => (Target::Time, Reading::Plain),
                };
                assert_eq!(names.find(place, key), Some(expected));
            }
        }
        assert_eq!(names.find(0, "_offset").map(|found| found.0), Some(Target::Reserved("_offset")));
        assert_eq!(names.find(7, "offset"), None);
        assert_eq!(names.column("time"), None);
    }
}
