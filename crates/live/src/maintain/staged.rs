//! What a [`Stage`] holds: the rows of its tables by key, and its answer, which each change of a row is worked into.
//!
//! A row that goes takes what it is part of with it. A row that comes is run against the rows of its key. Where a row cannot be
//! looked at alone, its key is *dirty*: all of the key is computed again and compared. Rows are shared with whoever told them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::row::RowConverter;
use datafusion::common::Result;
use hashbrown::{HashMap, HashSet};
use pulseboard_model::{Cell, Delta, Row, RowKey, TimeUs};

use super::held_rows::batch_of;
use super::runner::limit;
use super::stage::{Computed, Shard, Stage};
use super::top::text_of;

/// Rows of one table that are run at a time.
const RUN_ROWS: usize = 8_192;

/// What an entry of a table takes beside what it names, about.
const ENTRY_BYTES: usize = 64;

/// Rows by their key: as they are now, or none where one went.
pub(super) type Changes = HashMap<RowKey, Option<Row>>;

/// A row of a table.
#[derive(Debug)]
struct Member {
    shard: Shard,
    /// The rows of the answer that it is part of; only of linear tables.
    results: HashSet<RowKey>,
}

#[derive(Debug, Default)]
struct Table {
    rows: HashMap<RowKey, Member>,
    /// What changed since the last evaluation.
    pending: Changes,
}

/// The rows of one key.
#[derive(Debug)]
struct Rows {
    /// Per table, in the order of their keys: what is computed of them shall not depend on how they came.
    tables: Box<[BTreeMap<RowKey, Row>]>,
    /// Where results are not known by rows: what each result says, with its key.
    results: Vec<(String, RowKey)>,
}

/// A row of the answer.
#[derive(Debug)]
struct Answer {
    row: Row,
    /// The rows of linear tables that it comes from.
    of: Box<[(usize, RowKey)]>,
}

/// A row that came.
struct Came {
    key: RowKey,
    row: Row,
    shard: Shard,
}

/// The state.
#[derive(Debug)]
pub(crate) struct Staged {
    stage: Arc<Stage>,
    converter: RowConverter,
    tables: Vec<Table>,
    shards: HashMap<Shard, Rows>,
    answer: HashMap<RowKey, Answer>,
    /// How many rows of the answer were told apart by number, per text.
    numbers: HashMap<String, u64>,
    bytes: usize,
}

fn row_bytes(row: &[Cell]) -> usize {
    row.iter().map(Cell::size_bytes).sum()
}

impl Staged {
    pub(super) fn new(stage: Arc<Stage>) -> Result<Self> {
        let tables = stage.leaves.iter().map(|_| Table::default()).collect();
        let converter = stage.converter()?;
        let (shards, answer, numbers) = (HashMap::new(), HashMap::new(), HashMap::new());
        Ok(Self { stage, converter, tables, shards, answer, numbers, bytes: 0 })
    }

    /// Takes in how a table changed.
    pub(super) fn take(&mut self, table: usize, changes: impl IntoIterator<Item = (RowKey, Option<Row>)>) {
        let table = &mut self.tables[table];
        for (key, row) in changes {
            if row.is_none() && !table.rows.contains_key(&key) {
                table.pending.remove(&key);
            } else {
                table.pending.insert(key, row);
            }
        }
    }

    /// Roughly how many bytes it holds, the rows of its tables not counted: they are their owners'.
    pub(super) fn size_bytes(&self) -> usize {
        let pending: usize = self.tables.iter().map(|table| table.pending.len()).sum();
        self.bytes + pending * ENTRY_BYTES
    }

    /// The whole answer as a batch, in the order of its keys.
    pub(super) fn table(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let mut rows: Vec<(&RowKey, &Row)> = self.answer.iter().map(|(key, answer)| (key, &answer.row)).collect();
        rows.sort_unstable_by(|a, b| a.0.cmp(b.0));
        let rows: Vec<&Row> = rows.into_iter().map(|(_, row)| row).collect();
        batch_of(&rows, schema)
    }

    /// Works in what changed: how the answer changed. Blocks; not to be called from an async task.
    ///
    /// # Errors
    /// What running a query can meet, and an answer of more than `rows_max` rows.
    pub(super) fn evaluate(&mut self, now: TimeUs, rows_max: usize) -> Result<Changes> {
        let mut changes = Changes::new();
        let mut dirty = BTreeSet::new();
        let came = self.let_go(&mut dirty, &mut changes)?;
        let linear: Vec<bool> = self.stage.leaves.iter().map(|leaf| leaf.linear).collect();
        for (number, came) in came.into_iter().enumerate() {
            // What another table got in this step meets these rows when its turn comes.
            let mut meeting = Vec::new();
            for came in came {
                let others = self.shards.get(&came.shard).is_some_and(|rows| {
                    let mut required = (0..linear.len()).filter(|other| *other != number && linear[*other]);
                    required.all(|other| !rows.tables[other].is_empty())
                });
                let alone = linear.iter().filter(|linear| **linear).count() == 1;
                if (others || alone) && !dirty.contains(&came.shard) {
                    meeting.push((came.key.clone(), came.row.clone(), came.shard.clone()));
                }
                self.insert(number, came);
            }
            for met in meeting.chunks(RUN_ROWS) {
                self.meet(number, met, now, rows_max, &mut changes)?;
            }
        }
        let dirty: Vec<Shard> = dirty.into_iter().collect();
        let mut rest = dirty.as_slice();
        while !rest.is_empty() {
            let size =
                |shard: &Shard| self.shards.get(shard).map_or(0, |rows| rows.tables.iter().map(BTreeMap::len).sum());
            let mut rows = 0usize;
            let count = rest.iter().take_while(|shard| {
                let fits = rows < RUN_ROWS;
                rows += size(shard);
                fits
            });
            let (some, later) = rest.split_at(count.count().max(1));
            self.compute_again(some, now, rows_max, &mut changes)?;
            rest = later;
        }
        if self.answer.len() > rows_max {
            return Err(limit(&format!("its answer has more than {rows_max} rows")));
        }
        Ok(changes)
    }

    /// Takes out what went or changed, and gives what came to the linear tables. What came to others is in; its keys are dirty.
    fn let_go(&mut self, dirty: &mut BTreeSet<Shard>, changes: &mut Changes) -> Result<Vec<Vec<Came>>> {
        let mut came = Vec::with_capacity(self.tables.len());
        for number in 0..self.tables.len() {
            let mut pending: Vec<_> = std::mem::take(&mut self.tables[number].pending).into_iter().collect();
            pending.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            let mut new = Vec::with_capacity(pending.len());
            for (key, row) in pending {
                if row.is_some() && self.held(number, &key) == row.as_ref() {
                    continue;
                }
                self.remove(number, &key, dirty, changes);
                new.extend(row.map(|row| (key, row)));
            }
            let rows: Vec<&Row> = new.iter().map(|(_, row)| row).collect();
            let shards = self.stage.shards(number, &rows, &self.converter)?;
            let new = new.into_iter().zip(shards).map(|((key, row), shard)| Came { key, row, shard });
            if self.stage.leaves[number].linear {
                came.push(new.collect());
                continue;
            }
            came.push(Vec::new());
            for came in new.collect::<Vec<_>>() {
                dirty.insert(came.shard.clone());
                self.insert(number, came);
            }
        }
        Ok(came)
    }

    fn held(&self, table: usize, key: &RowKey) -> Option<&Row> {
        let member = self.tables[table].rows.get(key)?;
        self.shards.get(&member.shard)?.tables[table].get(key)
    }

    fn insert(&mut self, table: usize, came: Came) {
        let Came { key, row, shard } = came;
        self.bytes += 2 * ENTRY_BYTES + shard.len();
        let count = self.tables.len();
        let rows = self
            .shards
            .entry(shard.clone())
            .or_insert_with(|| Rows { tables: (0..count).map(|_| BTreeMap::new()).collect(), results: Vec::new() });
        rows.tables[table].insert(key.clone(), row);
        self.tables[table].rows.insert(key, Member { shard, results: HashSet::new() });
    }

    fn remove(&mut self, table: usize, key: &RowKey, dirty: &mut BTreeSet<Shard>, changes: &mut Changes) {
        let Some(member) = self.tables[table].rows.remove(key) else { return };
        self.bytes = self.bytes.saturating_sub(2 * ENTRY_BYTES + member.shard.len());
        for result in &member.results {
            self.drop_result(result, changes);
        }
        let Some(rows) = self.shards.get_mut(&member.shard) else { return };
        rows.tables[table].remove(key);
        if !self.stage.leaves[table].linear {
            dirty.insert(member.shard);
        } else if rows.tables.iter().all(BTreeMap::is_empty) {
            self.shards.remove(&member.shard);
        }
    }

    fn drop_result(&mut self, key: &RowKey, changes: &mut Changes) {
        let Some(answer) = self.answer.remove(key) else { return };
        self.bytes = self.bytes.saturating_sub(answer_bytes(key, &answer));
        for (table, of) in &answer.of {
            if let Some(member) = self.tables[*table].rows.get_mut(of) {
                member.results.remove(key);
            }
        }
        changes.insert(key.clone(), None);
    }

    fn set_result(&mut self, key: &RowKey, answer: Answer, changes: &mut Changes) {
        for (table, of) in &answer.of {
            if let Some(member) = self.tables[*table].rows.get_mut(of) {
                member.results.insert(key.clone());
            }
        }
        changes.insert(key.clone(), Some(answer.row.clone()));
        self.bytes += answer_bytes(key, &answer);
        if let Some(old) = self.answer.insert(key.clone(), answer) {
            self.bytes = self.bytes.saturating_sub(answer_bytes(key, &old));
        }
    }

    /// Runs new rows of one table against what the others hold of their keys.
    fn meet(
        &mut self,
        table: usize,
        met: &[(RowKey, Row, Shard)],
        now: TimeUs,
        rows_max: usize,
        changes: &mut Changes,
    ) -> Result<()> {
        let shards: BTreeSet<&Shard> = met.iter().map(|(_, _, shard)| shard).collect();
        let of_shards = |other: usize| {
            let rows = shards.iter().filter_map(|shard| self.shards.get(*shard));
            rows.flat_map(|rows| &rows.tables[other]).collect::<Vec<(&RowKey, &Row)>>()
        };
        let tables: Vec<Vec<(&RowKey, &Row)>> = (0..self.tables.len())
            .map(|other| match other == table {
                true => met.iter().map(|(key, row, _)| (key, row)).collect(),
                false => of_shards(other),
            })
            .collect();
        let computed = self.run_rows(&tables, now, rows_max)?;
        self.take_results(computed, changes);
        Ok(())
    }

    /// Computes all of some keys.
    fn compute_again(&mut self, shards: &[Shard], now: TimeUs, rows_max: usize, changes: &mut Changes) -> Result<()> {
        if self.stage.is_by_rows() {
            let first = self.stage.leaves.iter().position(|leaf| leaf.linear).unwrap_or(0);
            let mut results = Vec::new();
            for rows in shards.iter().filter_map(|shard| self.shards.get(shard)) {
                let members = rows.tables[first].keys().filter_map(|key| self.tables[first].rows.get(key));
                results.extend(members.flat_map(|member| member.results.iter().cloned()));
            }
            for result in results {
                self.drop_result(&result, changes);
            }
            let tables: Vec<Vec<(&RowKey, &Row)>> = (0..self.tables.len())
                .map(|table| {
                    let rows = shards.iter().filter_map(|shard| self.shards.get(shard));
                    rows.flat_map(|rows| &rows.tables[table]).collect()
                })
                .collect();
            if !tables[first].is_empty() {
                let computed = self.run_rows(&tables, now, rows_max)?;
                self.take_results(computed, changes);
            }
        } else {
            let tables: Vec<Vec<(i64, &Row)>> = (0..self.tables.len())
                .map(|table| {
                    let rows =
                        (0i64..).zip(shards).filter_map(|(number, shard)| Some((number, self.shards.get(shard)?)));
                    rows.flat_map(|(number, rows)| rows.tables[table].values().map(move |row| (number, row))).collect()
                })
                .collect();
            let mut new: Vec<Vec<Row>> = shards.iter().map(|_| Vec::new()).collect();
            if tables.iter().any(|table| !table.is_empty()) {
                for Computed { row, from } in self.stage.run(&tables, now, rows_max)? {
                    let number = from.first().and_then(|(_, number)| usize::try_from((*number)?).ok());
                    if let Some(rows) = number.and_then(|number| new.get_mut(number)) {
                        rows.push(row);
                    }
                }
            }
            for (shard, rows) in shards.iter().zip(new) {
                self.compare(shard, rows, changes);
            }
        }
        for shard in shards {
            let is_empty = |rows: &Rows| rows.tables.iter().all(BTreeMap::is_empty);
            if self.shards.get(shard).is_some_and(is_empty) {
                self.shards.remove(shard);
            }
        }
        Ok(())
    }

    /// Runs over these rows; gives results with their keys, made of those of the rows they come from.
    fn run_rows(&self, tables: &[Vec<(&RowKey, &Row)>], now: TimeUs, rows_max: usize) -> Result<Vec<(RowKey, Answer)>> {
        let numbered: Vec<Vec<(i64, &Row)>> =
            tables.iter().map(|rows| (0i64..).zip(rows.iter().map(|(_, row)| *row)).collect()).collect();
        let computed = self.stage.run(&numbered, now, rows_max)?;
        let key_of = |(table, number): &(usize, Option<i64>)| {
            let number = number.and_then(|number| usize::try_from(number).ok())?;
            tables[*table].get(number).map(|(key, _)| *key)
        };
        Ok(computed
            .into_iter()
            .map(|Computed { row, from }| {
                let texts: Vec<&str> = from.iter().map(|from| key_of(from).map_or("", RowKey::as_str)).collect();
                let linear = from.iter().filter(|(table, _)| self.stage.leaves[*table].linear);
                let of = linear.filter_map(|from| Some((from.0, key_of(from)?.clone()))).collect();
                (RowKey::new(texts.join("|")), Answer { row, of })
            })
            .collect())
    }

    fn take_results(&mut self, results: Vec<(RowKey, Answer)>, changes: &mut Changes) {
        for (key, answer) in results {
            self.set_result(&key, answer, changes);
        }
    }

    /// Replaces what a key gave by `rows`, which keep their keys where they say the same.
    fn compare(&mut self, shard: &Shard, rows: Vec<Row>, changes: &mut Changes) {
        let old = self.shards.get_mut(shard).map(|rows| std::mem::take(&mut rows.results)).unwrap_or_default();
        let mut known: HashMap<String, Vec<RowKey>> = HashMap::new();
        for (text, key) in old.into_iter().rev() {
            known.entry(text).or_default().push(key);
        }
        let (mut results, mut changed) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            let text = text_of(&row, &self.stage.keys);
            let same = known.get_mut(&text).and_then(|keys| {
                let at = keys.iter().position(|key| self.answer.get(key).is_some_and(|answer| answer.row == row))?;
                Some(keys.swap_remove(at))
            });
            match same {
                Some(key) => results.push((text, key)),
                None => changed.push((text, row)),
            }
        }
        for (text, row) in changed {
            let key = known.get_mut(&text).and_then(Vec::pop).unwrap_or_else(|| self.unused_key(&text));
            self.set_result(&key, Answer { row, of: Box::default() }, changes);
            results.push((text, key));
        }
        for key in known.into_values().flatten() {
            self.drop_result(&key, changes);
        }
        if let Some(rows) = self.shards.get_mut(shard) {
            rows.results = results;
        }
    }

    /// A key for a row that says `text`: the text, or with a number behind where that is taken.
    fn unused_key(&mut self, text: &str) -> RowKey {
        let plain = RowKey::new(text);
        if !self.answer.contains_key(&plain) {
            return plain;
        }
        if self.numbers.len() > 2 * self.answer.len() {
            let answer = &self.answer;
            self.numbers.retain(|text, _| answer.contains_key(&RowKey::new(text.as_str())));
        }
        let number = self.numbers.entry(text.to_owned()).or_insert(1);
        loop {
            *number += 1;
            let key = RowKey::new(format!("{text}#{number}"));
            if !self.answer.contains_key(&key) {
                return key;
            }
        }
    }
}

fn answer_bytes(key: &RowKey, answer: &Answer) -> usize {
    let of = answer.of.len() * 2 * ENTRY_BYTES;
    2 * ENTRY_BYTES + key.as_str().len() + row_bytes(&answer.row) + of
}

/// A delta as changes.
pub(super) fn changes_of(delta: Delta) -> impl Iterator<Item = (RowKey, Option<Row>)> {
    let gone = delta.del.into_iter().map(|key| (key, None));
    gone.chain(delta.set.into_iter().map(|change| (change.key, Some(change.row))))
}
