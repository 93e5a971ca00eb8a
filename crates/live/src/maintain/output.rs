//! The result as readers see it: which rows, in which order, and how that changed.
//!
//! Fed with rows that appeared, changed or went, it keeps them ordered, in three runs: skipped, visible, beyond. A change
//! moves at most one row over each boundary, so a step costs what changed, whatever is visible. Knows nothing of SQL.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use pulseboard_model::delta::ColumnSet;
use pulseboard_model::{Cell, Column, Delta, Row, RowChange, RowKey, Snapshot};

/// Bytes that compare as the query orders; unique per row.
pub(crate) type SortKey = Arc<[u8]>;

/// A row of the result.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) row: Row,
    /// Empty if the query asks for no order.
    pub(crate) sort: SortKey,
}

impl Placed {
    /// Roughly how many bytes it takes beside the tables that it is in.
    pub(crate) fn size_bytes(&self) -> usize {
        let sort = if self.sort.is_empty() { 0 } else { self.sort.len() + ALLOCATION_BYTES };
        ALLOCATION_BYTES + sort + self.row.iter().map(Cell::size_bytes).sum::<usize>()
    }
}

/// What an allocation costs beside its content.
const ALLOCATION_BYTES: usize = 24;

/// How the visible part is cut out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) skip: usize,
    pub(crate) fetch: Option<usize>,
}

/// All rows in order, cut in three. Between calls as many are skipped and visible as the cut says and the rows allow.
#[derive(Debug, Default)]
struct Runs {
    skipped: BTreeMap<SortKey, RowKey>,
    visible: BTreeMap<SortKey, RowKey>,
    beyond: BTreeMap<SortKey, RowKey>,
}

impl Runs {
    fn insert(&mut self, sort: SortKey, key: RowKey) {
        let below = |run: &BTreeMap<SortKey, RowKey>| run.last_key_value().is_some_and(|(last, _)| sort < *last);
        let run = if below(&self.skipped) {
            &mut self.skipped
        } else if below(&self.visible) || self.beyond.first_key_value().is_none_or(|(first, _)| sort < *first) {
            &mut self.visible
        } else {
            &mut self.beyond
        };
        run.insert(sort, key);
    }

    fn remove(&mut self, sort: &SortKey) {
        let _was_in_one = self.skipped.remove(sort).is_some()
            || self.visible.remove(sort).is_some()
            || self.beyond.remove(sort).is_some();
    }

    /// Moves rows over the boundaries until the cut is right again; `moved` is told of each.
    fn settle(&mut self, cut: Cut, mut moved: impl FnMut(&RowKey)) {
        let fetch = cut.fetch.unwrap_or(usize::MAX);
        while self.skipped.len() > cut.skip {
            let Some((sort, key)) = self.skipped.pop_last() else { break };
            moved(&key);
            self.visible.insert(sort, key);
        }
        while self.skipped.len() < cut.skip {
            let next = self.visible.pop_first().or_else(|| self.beyond.pop_first());
            let Some((sort, key)) = next else { break };
            moved(&key);
            self.skipped.insert(sort, key);
        }
        while self.visible.len() > fetch {
            let Some((sort, key)) = self.visible.pop_last() else { break };
            moved(&key);
            self.beyond.insert(sort, key);
        }
        while self.visible.len() < fetch {
            let Some((sort, key)) = self.beyond.pop_first() else { break };
            moved(&key);
            self.visible.insert(sort, key);
        }
    }

    /// The visible row before the one at `sort`.
    fn before(&self, sort: &SortKey) -> Option<&RowKey> {
        self.visible.range::<SortKey, _>(..sort).next_back().map(|(_, key)| key)
    }
}

/// The result.
#[derive(Debug)]
pub(crate) struct Output {
    columns: Vec<Column>,
    /// None if the query asks for no order: every row is visible.
    cut: Option<Cut>,
    rows: HashMap<RowKey, Placed>,
    /// Only kept with a cut.
    runs: Runs,
    /// The visible rows as last told. Not kept where all rows are visible: those are what was told.
    told: HashMap<RowKey, Row>,
    /// Whether no step changes a row twice.
    once: bool,
    /// What the rows take: cells, text and sort keys.
    rows_bytes: usize,
}

impl Output {
    pub(crate) fn new(columns: Vec<Column>, cut: Option<Cut>) -> Self {
        let (rows, runs, told) = (HashMap::new(), Runs::default(), HashMap::new());
        Self { columns, cut, rows, runs, told, once: false, rows_bytes: 0 }
    }

    /// The same for who names each row at most once in a step.
    pub(crate) fn changing_rows_once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Whether all rows are visible and none changes twice in a step.
    fn is_whole(&self) -> bool {
        self.once && matches!(self.cut, Some(Cut { skip: 0, fetch: None }))
    }

    /// How many rows it holds, visible or not.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All rows, visible or not.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&RowKey, &Placed)> {
        self.rows.iter()
    }

    fn insert(&mut self, key: RowKey, placed: Placed) -> Option<Placed> {
        self.rows_bytes += placed.size_bytes();
        let old = self.rows.insert(key, placed);
        self.rows_bytes -= old.as_ref().map_or(0, Placed::size_bytes);
        old
    }

    fn remove(&mut self, key: &RowKey) -> Option<Placed> {
        let old = self.rows.remove(key);
        self.rows_bytes -= old.as_ref().map_or(0, Placed::size_bytes);
        old
    }

    /// Takes changes in and says how the visible result changed.
    pub(crate) fn apply(&mut self, changes: impl IntoIterator<Item = (RowKey, Option<Placed>)>) -> Delta {
        match self.cut {
            Some(_) if self.is_whole() => self.apply_whole(changes.into_iter().collect()),
            Some(cut) => self.apply_ordered(cut, changes.into_iter().collect()),
            None => self.apply_unordered(changes),
        }
    }

    fn apply_unordered(&mut self, changes: impl IntoIterator<Item = (RowKey, Option<Placed>)>) -> Delta {
        let mut delta = Delta::default();
        for (key, placed) in changes {
            let Some(placed) = placed else {
                if self.remove(&key).is_some() {
                    delta.del.push(key);
                }
                continue;
            };
            let row = placed.row.clone();
            let old = self.insert(key.clone(), placed);
            let changed = old.as_ref().map_or(ColumnSet::All, |old| ColumnSet::of_difference(&old.row, &row));
            if !changed.is_empty() {
                delta.set.push(RowChange { key, row, changed });
            }
        }
        delta
    }

    /// As `apply_ordered`, where the runs are one and what was told is what is held.
    fn apply_whole(&mut self, changes: Vec<(RowKey, Option<Placed>)>) -> Delta {
        let mut before: HashMap<RowKey, Option<RowKey>> = HashMap::new();
        for (key, placed) in &changes {
            if let (Some(old), Some(new)) = (self.rows.get(key), placed)
                && old.sort != new.sort
            {
                before.insert(key.clone(), self.runs.before(&old.sort).cloned());
            }
        }
        let (mut delta, mut reordered) = (Delta::default(), false);
        for (key, placed) in changes {
            let Some(placed) = placed else {
                if let Some(old) = self.remove(&key) {
                    self.runs.visible.remove(&old.sort);
                    reordered = true;
                    delta.del.push(key);
                }
                continue;
            };
            let (row, sort) = (placed.row.clone(), placed.sort.clone());
            let old = self.insert(key.clone(), placed);
            reordered |= old.is_none();
            let stays = old.as_ref().is_some_and(|old| old.sort == sort);
            if !stays {
                if let Some(old) = &old {
                    self.runs.visible.remove(&old.sort);
                }
                self.runs.visible.insert(sort, key.clone());
            }
            let changed = old.map_or(ColumnSet::All, |old| ColumnSet::of_difference(&old.row, &row));
            if !changed.is_empty() {
                delta.set.push(RowChange { key, row, changed });
            }
        }
        let now_before = |key: &RowKey| self.rows.get(key).and_then(|placed| self.runs.before(&placed.sort));
        reordered |= before.iter().any(|(key, before)| before.as_ref() != now_before(key));
        if reordered {
            delta.order = Some(self.runs.visible.values().cloned().collect());
        }
        delta
    }

    fn apply_ordered(&mut self, cut: Cut, changes: Vec<(RowKey, Option<Placed>)>) -> Delta {
        // The order changes if a row enters or leaves, or if one that moves gets another one before it. What was before
        // it has to be asked before anything moves.
        let mut before: HashMap<RowKey, Option<RowKey>> = HashMap::new();
        for (key, placed) in &changes {
            if let (Some(old), Some(new)) = (self.rows.get(key), placed)
                && old.sort != new.sort
                && self.told.contains_key(key)
            {
                before.insert(key.clone(), self.runs.before(&old.sort).cloned());
            }
        }
        let (mut touched, mut seen) = (Vec::new(), HashSet::new());
        let mut touch = |key: &RowKey| {
            if seen.insert(key.clone()) {
                touched.push(key.clone());
            }
        };
        for (key, placed) in changes {
            touch(&key);
            let old = match &placed {
                Some(placed) => self.insert(key.clone(), placed.clone()),
                None => self.remove(&key),
            };
            let stays = matches!((&old, &placed), (Some(old), Some(new)) if old.sort == new.sort);
            if stays {
                continue;
            }
            if let Some(old) = old {
                self.runs.remove(&old.sort);
            }
            if let Some(placed) = placed {
                self.runs.insert(placed.sort, key);
            }
        }
        self.runs.settle(cut, touch);

        let mut delta = Delta::default();
        let mut reordered = false;
        for key in touched {
            let placed = self.rows.get(&key).filter(|placed| self.runs.visible.contains_key(&placed.sort));
            let Some(placed) = placed else {
                if self.told.remove(&key).is_some() {
                    reordered = true;
                    delta.del.push(key);
                }
                continue;
            };
            let old = self.told.insert(key.clone(), placed.row.clone());
            reordered |= old.is_none();
            reordered |= before.get(&key).is_some_and(|before| before.as_ref() != self.runs.before(&placed.sort));
            let changed = old.map_or(ColumnSet::All, |old| ColumnSet::of_difference(&old, &placed.row));
            if !changed.is_empty() {
                delta.set.push(RowChange { key, row: placed.row.clone(), changed });
            }
        }
        if reordered {
            delta.order = Some(self.runs.visible.values().cloned().collect());
        }
        delta
    }

    /// Drops every row beyond the visible ones: the caller knows that none of them can come back.
    pub(crate) fn forget_beyond(&mut self) -> Vec<RowKey> {
        let forgotten: Vec<RowKey> = std::mem::take(&mut self.runs.beyond).into_values().collect();
        for key in &forgotten {
            self.remove(key);
        }
        forgotten
    }

    /// The whole visible result as last told.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let columns = self.columns.clone();
        if self.cut.is_some() {
            let keys: Vec<RowKey> = self.runs.visible.values().cloned().collect();
            let whole = self.is_whole();
            let told = |key| if whole { self.rows.get(key).map(|placed| &placed.row) } else { self.told.get(key) };
            let rows = keys.iter().filter_map(|key| Some((key.clone(), told(key)?.clone()))).collect();
            return Snapshot { columns, rows, order: Some(keys) };
        }
        let mut rows: Vec<_> = self.rows.iter().map(|(key, placed)| (key.clone(), placed.row.clone())).collect();
        rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Snapshot { columns, rows: rows.into_iter().collect(), order: None }
    }

    /// Roughly how many bytes it holds.
    pub(crate) fn size_bytes(&self) -> usize {
        let entry = size_of::<(RowKey, Placed)>() + 1;
        let told = size_of::<(RowKey, Row)>() + 1;
        let runs = if self.cut.is_some() { self.rows.len() * 2 * size_of::<(SortKey, RowKey)>() } else { 0 };
        self.rows_bytes + self.rows.capacity() * entry + self.told.capacity() * told + runs
    }
}

#[cfg(test)]
#[path = "output/tests.rs"]
mod tests;
