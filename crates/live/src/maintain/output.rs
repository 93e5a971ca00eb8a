//! The result as readers see it: which rows, in which order, and how that changed.
//!
//! Fed with rows that appeared, changed or went, it keeps them ordered, cuts the visible part out, and compares it with
//! what was last told. Knows nothing of SQL.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use pulseboard_model::delta::ColumnSet;
use pulseboard_model::{Column, Delta, Row, RowChange, RowKey, Snapshot};

/// Bytes that compare as the query orders; unique per row.
pub(crate) type SortKey = Arc<[u8]>;

/// A row of the result.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) row: Row,
    /// Empty if the query asks for no order.
    pub(crate) sort: SortKey,
}

/// How the visible part is cut out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) skip: usize,
    pub(crate) fetch: Option<usize>,
}

/// The result.
#[derive(Debug)]
pub(crate) struct Output {
    columns: Vec<Column>,
    /// None if the query asks for no order: every row is visible.
    cut: Option<Cut>,
    rows: HashMap<RowKey, Placed>,
    sorted: BTreeMap<SortKey, RowKey>,
    /// The visible keys in order, as last told.
    visible: Vec<RowKey>,
    /// The visible rows as last told; only kept with a cut.
    told: HashMap<RowKey, Row>,
}

impl Output {
    pub(crate) fn new(columns: Vec<Column>, cut: Option<Cut>) -> Self {
        Self { columns, cut, rows: HashMap::new(), sorted: BTreeMap::new(), visible: Vec::new(), told: HashMap::new() }
    }

    /// How many rows it holds, visible or not.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All rows, visible or not.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&RowKey, &Placed)> {
        self.rows.iter()
    }

    /// Takes changes in and says how the visible result changed.
    pub(crate) fn apply(&mut self, changes: impl IntoIterator<Item = (RowKey, Option<Placed>)>) -> Delta {
        let mut delta = Delta::default();
        let mut moved = false;
        let mut touched = Vec::new();
        for (key, placed) in changes {
            let old = match placed {
                Some(placed) => {
                    if self.cut.is_some() {
                        let same_place = self.rows.get(&key).is_some_and(|old| old.sort == placed.sort);
                        if !same_place {
                            if let Some(old) = self.rows.get(&key) {
                                self.sorted.remove(&old.sort);
                            }
                            self.sorted.insert(placed.sort.clone(), key.clone());
                            moved = true;
                        }
                        self.rows.insert(key.clone(), placed);
                        touched.push(key);
                        continue;
                    }
                    let row = placed.row.clone();
                    let old = self.rows.insert(key.clone(), placed);
                    let changed = old.as_ref().map_or(ColumnSet::All, |old| ColumnSet::of_difference(&old.row, &row));
                    if !changed.is_empty() {
                        delta.set.push(RowChange { key, row, changed });
                    }
                    continue;
                }
                None => self.rows.remove(&key),
            };
            if let Some(old) = old {
                if self.cut.is_some() {
                    self.sorted.remove(&old.sort);
                    moved = true;
                } else {
                    delta.del.push(key);
                }
            }
        }
        match self.cut {
            Some(cut) if moved => self.look_again(cut),
            Some(_) => self.retell(&touched),
            None => delta,
        }
    }

    /// Drops every row beyond the visible ones: the caller knows that none of them can come back.
    pub(crate) fn forget_beyond(&mut self) -> Vec<RowKey> {
        let Some(Cut { skip, fetch: Some(fetch) }) = self.cut else { return Vec::new() };
        let mut forgotten = Vec::new();
        while self.sorted.len() > skip.saturating_add(fetch) {
            if let Some((_, key)) = self.sorted.pop_last() {
                self.rows.remove(&key);
                forgotten.push(key);
            }
        }
        forgotten
    }

    /// The order cannot have changed: only rows have.
    fn retell(&mut self, touched: &[RowKey]) -> Delta {
        let mut delta = Delta::default();
        for key in touched {
            if let (Some(old), Some(new)) = (self.told.get_mut(key), self.rows.get(key)) {
                let changed = ColumnSet::of_difference(old, &new.row);
                if !changed.is_empty() {
                    *old = new.row.clone();
                    delta.set.push(RowChange { key: key.clone(), row: new.row.clone(), changed });
                }
            }
        }
        delta
    }

    fn look_again(&mut self, cut: Cut) -> Delta {
        let keys = self.sorted.values().skip(cut.skip).take(cut.fetch.unwrap_or(usize::MAX));
        let visible: Vec<RowKey> = keys.cloned().collect();
        let mut delta = Delta::default();
        let mut told = HashMap::with_capacity(visible.len());
        for key in &visible {
            let Some(placed) = self.rows.get(key) else { continue };
            let changed = match self.told.remove(key) {
                Some(old) => ColumnSet::of_difference(&old, &placed.row),
                None => ColumnSet::All,
            };
            if !changed.is_empty() {
                delta.set.push(RowChange { key: key.clone(), row: placed.row.clone(), changed });
            }
            told.insert(key.clone(), placed.row.clone());
        }
        delta.del = self.visible.iter().filter(|key| self.told.contains_key(*key)).cloned().collect();
        if visible != self.visible {
            delta.order = Some(visible.clone());
        }
        self.told = told;
        self.visible = visible;
        delta
    }

    /// The whole visible result as last told.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let columns = self.columns.clone();
        match self.cut {
            Some(_) => Snapshot {
                columns,
                rows: self.visible.iter().filter_map(|key| Some((key.clone(), self.told.get(key)?.clone()))).collect(),
                order: Some(self.visible.clone()),
            },
            None => {
                let mut rows: Vec<_> =
                    self.rows.iter().map(|(key, placed)| (key.clone(), placed.row.clone())).collect();
                rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                Snapshot { columns, rows: rows.into_iter().collect(), order: None }
            }
        }
    }

    /// Roughly how many bytes it holds.
    pub(crate) fn size_bytes(&self) -> usize {
        let width = self.columns.len() * size_of::<pulseboard_model::Cell>();
        self.rows.len() * (width + 2 * size_of::<Placed>() + 48)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulseboard_model::Cell;

    fn placed(sort: u8, value: i64) -> Option<Placed> {
        Some(Placed { row: Arc::from([Cell::Int(value)]), sort: Arc::from([sort]) })
    }

    fn key(name: &str) -> RowKey {
        RowKey::new(name)
    }

    #[test]
    fn a_cut_result_tells_who_enters_leaves_and_moves() {
        let mut output = Output::new(Vec::new(), Some(Cut { skip: 0, fetch: Some(2) }));
        let mut client = Snapshot { order: Some(Vec::new()), ..Snapshot::default() };
        let delta = output.apply([(key("a"), placed(1, 1)), (key("b"), placed(2, 2)), (key("c"), placed(3, 3))]);
        client.apply(&delta);
        assert_eq!(client, output.snapshot());
        assert_eq!(client.order.as_deref(), Some([key("a"), key("b")].as_slice()));

        let delta = output.apply([(key("a"), None)]);
        assert_eq!(delta.del, [key("a")]);
        assert_eq!(delta.order, Some(vec![key("b"), key("c")]), "the third moved up");
        client.apply(&delta);
        assert_eq!(client, output.snapshot());

        let delta = output.apply([(key("c"), placed(3, 30))]);
        assert_eq!((delta.set.len(), delta.order), (1, None), "a value changed, the order did not");
        let delta = output.apply([(key("c"), placed(1, 30))]);
        assert_eq!(
            (delta.set.len(), delta.order),
            (0, Some(vec![key("c"), key("b")])),
            "the order changed, no value did"
        );
    }
}
