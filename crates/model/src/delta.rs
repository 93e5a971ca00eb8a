//! What a result is (a snapshot) and how it changes (a delta).
//!
//! A delta carries the whole new row beside the set of its changed columns: the hub merges deltas by taking the newest
//! row and joining the sets, and only the protocol drops what did not change.

use indexmap::IndexMap;

use crate::cell::{Cell, Row};
use crate::ids::RowKey;

/// A column's type on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// 64-bit integer.
    Int,
    /// 64-bit float.
    Float,
    /// Exact decimal with its precision and scale.
    Decimal(u8, i8),
    /// True or false.
    Bool,
    /// Text.
    String,
    /// An instant.
    Time,
    /// A calendar day.
    Date,
    /// A span of time.
    Duration,
    /// Raw bytes.
    Bytes,
    /// A list or struct.
    Json,
}

impl std::fmt::Display for ColumnType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            Self::Bool => f.write_str("bool"),
            Self::String => f.write_str("string"),
            Self::Time => f.write_str("time"),
            Self::Date => f.write_str("date"),
            Self::Duration => f.write_str("duration"),
            Self::Bytes => f.write_str("bytes"),
            Self::Json => f.write_str("json"),
        }
    }
}

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name as the query gives it.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether it is part of what identifies a row (a GROUP BY column).
    pub key: bool,
}

/// A whole result at one position.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows by key. Their order here means nothing unless `order` is given.
    pub rows: IndexMap<RowKey, Row>,
    /// The keys in the order the query asks for; `None` if it asks for none.
    pub order: Option<Vec<RowKey>>,
}

impl Snapshot {
    /// The rows in the order the query asks for, or as they are stored.
    pub fn ordered_rows(&self) -> impl Iterator<Item = (&RowKey, &Row)> {
        let by_order = self.order.iter().flatten().filter_map(|key| self.rows.get_key_value(key));
        let unordered = self.order.is_none().then(|| self.rows.iter()).into_iter().flatten();
        by_order.chain(unordered)
    }
}

/// One row that appeared or changed.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange {
    /// Which row.
    pub key: RowKey,
    /// The whole row as it is now.
    pub row: Row,
    /// Which columns changed. A row that is new has all of them.
    pub changed: ColumnSet,
}

/// A set of column numbers. Results are narrow, so this is almost always one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnSet {
    /// Every column: the row is new.
    All,
    /// The columns whose bit is set; columns beyond 64 make the whole row count as changed.
    Mask(u64),
}

impl ColumnSet {
    /// Compares two rows of one result.
    #[must_use]
    pub fn of_difference(old: &[Cell], new: &[Cell]) -> Self {
        if old.len() != new.len() || new.len() > 64 {
            return if old == new { Self::Mask(0) } else { Self::All };
        }
        let mask =
            old.iter().zip(new).enumerate().fold(0, |mask, (i, (a, b))| if a == b { mask } else { mask | 1 << i });
        Self::Mask(mask)
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Mask(0))
    }

    /// Whether column `index` changed.
    #[must_use]
    pub fn contains(&self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Mask(mask) => index < 64 && mask & (1 << index) != 0,
        }
    }

    /// Both sets together.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Mask(a), Self::Mask(b)) => Self::Mask(a | b),
            _ => Self::All,
        }
    }
}

/// How a result changed from one position to a later one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    /// Rows that appeared or changed.
    pub set: Vec<RowChange>,
    /// Rows that went.
    pub del: Vec<RowKey>,
    /// The new order, if it changed.
    pub order: Option<Vec<RowKey>>,
}

impl Delta {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.del.is_empty() && self.order.is_none()
    }

    /// What leads from one answer to another with the same columns.
    #[must_use]
    pub fn between(old: &Snapshot, new: &Snapshot) -> Self {
        let mut delta = Self::default();
        for (key, row) in &new.rows {
            let changed = old.rows.get(key).map_or(ColumnSet::All, |old| ColumnSet::of_difference(old, row));
            if !changed.is_empty() {
                delta.set.push(RowChange { key: key.clone(), row: row.clone(), changed });
            }
        }
        delta.del = old.rows.keys().filter(|key| !new.rows.contains_key(*key)).cloned().collect();
        if old.order != new.order {
            delta.order.clone_from(&new.order);
        }
        delta
    }

    /// One delta that does what `deltas`, applied in their order, do.
    #[must_use]
    pub fn merge<'a>(deltas: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut rows: IndexMap<RowKey, Option<RowChange>> = IndexMap::new();
        let mut order = None;
        for delta in deltas {
            // A key can go and come back within one delta's neighbours; deletions of a delta come first.
            for key in &delta.del {
                rows.insert(key.clone(), None);
            }
            for change in &delta.set {
                let merged = match rows.get(&change.key) {
                    Some(Some(earlier)) => {
                        RowChange { changed: earlier.changed.union(&change.changed), ..change.clone() }
                    }
                    // Deleted earlier in this merge: the reader may still hold the old row, so send all of it.
                    Some(None) => RowChange { changed: ColumnSet::All, ..change.clone() },
                    None => change.clone(),
                };
                rows.insert(change.key.clone(), Some(merged));
            }
            if delta.order.is_some() {
                order.clone_from(&delta.order);
            }
        }
        let mut merged = Self { order, ..Self::default() };
        for (key, change) in rows {
            match change {
                Some(change) => merged.set.push(change),
                None => merged.del.push(key),
            }
        }
        merged
    }
}

impl Snapshot {
    /// Brings this snapshot forward by `delta`. Deletions go first, so a key in both ends up present.
    pub fn apply(&mut self, delta: &Delta) {
        for key in &delta.del {
            self.rows.swap_remove(key);
        }
        for change in &delta.set {
            self.rows.insert(change.key.clone(), change.row.clone());
        }
        if delta.order.is_some() {
            self.order.clone_from(&delta.order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> RowKey {
        RowKey::new(text)
    }

    fn set(name: &str, cells: [i64; 2], changed: ColumnSet) -> RowChange {
        RowChange { key: key(name), row: cells.map(Cell::Int).into(), changed }
    }

    #[test]
    fn merged_deltas_do_what_the_single_ones_do() {
        let deltas = [
            Delta { set: vec![set("a", [1, 1], ColumnSet::All), set("b", [1, 1], ColumnSet::All)], ..Delta::default() },
            Delta { set: vec![set("a", [2, 1], ColumnSet::Mask(1))], del: vec![key("b")], ..Delta::default() },
            Delta {
                set: vec![set("b", [5, 5], ColumnSet::All), set("a", [2, 3], ColumnSet::Mask(2))],
                order: Some(vec![key("b"), key("a")]),
                ..Delta::default()
            },
            Delta { del: vec![key("a")], ..Delta::default() },
        ];
        let mut one_by_one = Snapshot::default();
        deltas.iter().for_each(|delta| one_by_one.apply(delta));
        let mut at_once = Snapshot::default();
        at_once.apply(&Delta::merge(&deltas));
        assert_eq!(one_by_one, at_once);

        let merged = Delta::merge(&deltas[1..3]);
        let changed =
            |name| merged.set.iter().find(|change| change.key == key(name)).map(|change| change.changed.clone());
        assert_eq!(changed("a"), Some(ColumnSet::Mask(3)), "`a` changed in both columns");
        assert_eq!(changed("b"), Some(ColumnSet::All), "`b` went and came back");
    }

    #[test]
    fn only_changed_columns_are_in_the_set() {
        let old = [Cell::Int(1), Cell::Null];
        let new = [Cell::Int(1), Cell::Int(0)];
        assert_eq!(ColumnSet::of_difference(&old, &new), ColumnSet::Mask(2));
        assert!(ColumnSet::of_difference(&old, &old).is_empty());
    }
}
