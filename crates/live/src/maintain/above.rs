//! What is above the parts of a query as it runs: its stages, fed with what changed, and the answer as last told.
//!
//! All of it can be made again of what the parts hold, so nothing here is part of a query's bytes.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::Result;
use pulseboard_model::{Cell, Column, Delta, Row, RowKey, Snapshot, TimeUs};

use super::held_rows::batch_of;
use super::layers::{End, Finish, Layers};
use super::output::{Cut, Output, Placed};
use super::rows::Sorter;
use super::rowwise;
use super::staged::{Changes, Staged, changes_of};
use crate::cells::cells;

/// The stages and the answer.
#[derive(Debug)]
pub(super) struct Above {
    layers: Arc<Layers>,
    stages: Vec<Staged>,
    /// Per part, then per stage: the stage that follows it, and as which of its tables.
    readers: Vec<Option<(usize, usize)>>,
    told: Told,
    /// Whether a part changed since the answer was told.
    stale: bool,
}

/// The answer as last told.
#[derive(Debug)]
enum Told {
    Run { snapshot: Snapshot, bytes: usize },
    Follow { output: Box<Output>, sorter: Sorter },
}

/// Roughly what the rows of an answer take.
fn size_of_rows(snapshot: &Snapshot) -> usize {
    let row =
        |(key, row): (&RowKey, &Row)| ROW_BYTES + key.as_str().len() + row.iter().map(Cell::size_bytes).sum::<usize>();
    snapshot.rows.iter().map(row).sum()
}

/// What a row takes beside its cells: its entry in the table, its place in the order, two allocations.
const ROW_BYTES: usize = 3 * size_of::<(RowKey, Row)>() + 48;

impl Above {
    /// Above `parts` empty parts.
    pub(super) fn new(layers: Arc<Layers>, parts: usize) -> Result<Self> {
        let mut readers = vec![None; parts + layers.stages.len()];
        for (number, stage) in layers.stages.iter().enumerate() {
            for (table, leaf) in stage.leaves.iter().enumerate() {
                readers[leaf.input] = Some((number, table));
            }
        }
        let stages = layers.stages.iter().map(|stage| Staged::new(stage.clone())).collect::<Result<_>>()?;
        let told = match &layers.end {
            End::Run(top) => {
                let snapshot = Snapshot { columns: top.columns().to_vec(), ..Snapshot::default() };
                Told::Run { snapshot, bytes: 0 }
            }
            End::Follow(Finish { order, columns, .. }) => {
                let cut = order.as_ref().map(|order| Cut { skip: order.skip, fetch: order.fetch });
                let output = Box::new(Output::new(columns.clone(), cut));
                Told::Follow { output, sorter: Sorter::new(order.as_ref())? }
            }
        };
        Ok(Self { layers, stages, readers, told, stale: true })
    }

    /// The same above empty parts again.
    pub(super) fn emptied(&self) -> Result<Self> {
        Self::new(self.layers.clone(), self.readers.len() - self.stages.len())
    }

    pub(super) fn columns(&self) -> &[Column] {
        self.layers.columns()
    }

    /// Whether evaluating costs what changed, not what is held.
    pub(super) fn follows(&self) -> bool {
        self.layers.follows()
    }

    /// Whether somebody follows how part `number` changes.
    pub(super) fn is_followed(&self, number: usize) -> bool {
        self.readers.get(number).is_some_and(Option::is_some)
    }

    /// Takes in how part `number` changed.
    pub(super) fn take(&mut self, number: usize, delta: Delta) {
        if let Some(Some((stage, table))) = self.readers.get(number)
            && !delta.is_empty()
        {
            self.stages[*stage].take(*table, changes_of(delta));
            self.stale = true;
        }
    }

    /// A part that nobody follows has changed.
    pub(super) fn changed(&mut self) {
        self.stale = true;
    }

    /// Another second has begun.
    pub(super) fn new_second(&mut self) {
        self.stale |= matches!(&self.layers.end, End::Run(top) if top.reads_clock());
    }

    pub(super) fn is_stale(&self) -> bool {
        self.stale
    }

    /// Brings the answer up to date: how it changed. `part` gives what a part holds.
    ///
    /// # Errors
    /// What running a query can meet, and an answer of more than `rows_max` rows.
    pub(super) fn evaluate(
        &mut self,
        mut part: impl FnMut(usize, &SchemaRef) -> Result<RecordBatch>,
        now: TimeUs,
        rows_max: usize,
    ) -> Result<Delta> {
        let parts = self.readers.len() - self.stages.len();
        let mut last = Changes::new();
        for number in 0..self.stages.len() {
            let changes = self.stages[number].evaluate(now, rows_max)?;
            match self.readers[parts + number] {
                Some((stage, table)) => self.stages[stage].take(table, changes),
                None => last = changes,
            }
        }
        let delta = match (&self.layers.end, &mut self.told) {
            (End::Run(top), Told::Run { snapshot, bytes }) => {
                let tables = top.tables().map(|(input, schema)| match input.checked_sub(parts) {
                    Some(stage) => self.stages[stage].table(schema),
                    None => part(input, schema),
                });
                let new = top.run(tables.collect::<Result<_>>()?, now, rows_max)?;
                let delta = Delta::between(snapshot, &new);
                (*bytes, *snapshot) = (size_of_rows(&new), new);
                delta
            }
            (End::Follow(finish), Told::Follow { output, sorter }) => {
                let schema = self.layers.stages.last().map(|stage| &stage.schema);
                let changes = placed(finish, sorter, last, schema)?;
                output.apply(changes)
            }
            _ => Delta::default(),
        };
        self.stale = false;
        Ok(delta)
    }

    /// The whole answer as last told.
    pub(super) fn snapshot(&self) -> Snapshot {
        match &self.told {
            Told::Run { snapshot, .. } => snapshot.clone(),
            Told::Follow { output, .. } => output.snapshot(),
        }
    }

    /// Roughly how many bytes it holds.
    pub(super) fn size_bytes(&self) -> usize {
        let told = match &self.told {
            Told::Run { bytes, .. } => *bytes,
            Told::Follow { output, .. } => output.size_bytes(),
        };
        told + self.stages.iter().map(Staged::size_bytes).sum::<usize>()
    }
}

/// Changes of the last stage as changes of the answer.
fn placed(
    finish: &Finish,
    sorter: &Sorter,
    changes: Changes,
    schema: Option<&SchemaRef>,
) -> Result<Vec<(RowKey, Option<Placed>)>> {
    let mut changes: Vec<(RowKey, Option<Row>)> = changes.into_iter().collect();
    changes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let Some(schema) = schema.filter(|_| finish.order.is_some()) else {
        let unordered = |row: Row| Placed { row, sort: Arc::from([]) };
        return Ok(changes.into_iter().map(|(key, row)| (key, row.map(unordered))).collect());
    };
    let (mut keys, mut rows, mut placed) = (Vec::new(), Vec::new(), Vec::with_capacity(changes.len()));
    for (key, row) in changes {
        match row {
            Some(row) => {
                keys.push(key);
                rows.push(row);
            }
            None => placed.push((key, None)),
        }
    }
    let rows: Vec<&Row> = rows.iter().collect();
    let numbers: ArrayRef = Arc::new((0..i64::try_from(rows.len()).unwrap_or(0)).collect::<Int64Array>());
    let stepped = rowwise::run(&finish.steps, batch_of(&rows, schema)?, vec![numbers])?;
    let kept: Vec<usize> =
        stepped.kept[0].as_primitive::<Int64Type>().values().iter().filter_map(|n| usize::try_from(*n).ok()).collect();
    let sorts = sorter.keys(&stepped.kept[1..], kept.iter().map(|number| keys[*number].as_str().as_bytes()))?;
    let columns: Vec<_> = stepped.batch.columns().iter().map(cells).collect();
    let mut shown: Vec<Option<Placed>> = keys.iter().map(|_| None).collect();
    for (row, (number, sort)) in kept.into_iter().zip(sorts).enumerate() {
        shown[number] = Some(Placed { row: columns.iter().map(|column| column[row].clone()).collect(), sort });
    }
    placed.extend(keys.into_iter().zip(shown));
    Ok(placed)
}
