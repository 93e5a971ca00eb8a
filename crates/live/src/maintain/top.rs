//! The rest of a query's plan where it is computed as a whole: run over all that the tables below it hold.
//!
//! Gives each row of the answer its key. Holds no state; see `runner` for how it is bounded.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use pulseboard_model::{Cell, Column, Row, RowKey, Snapshot, TimeUs};

use super::runner::Runner;
use crate::cells::cells;
use crate::row_key::key_text;

/// The rest of a plan.
#[derive(Debug)]
pub(crate) struct Top {
    pub(super) runner: Runner,
    /// What each of its tables is the content of: the number of a part or, behind all of them, of a stage.
    pub(super) inputs: Vec<usize>,
    pub(super) columns: Vec<Column>,
    pub(super) ordered: bool,
    pub(super) one_row: bool,
}

impl Top {
    /// The columns of the answer.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Its tables: what each is the content of, and how it looks.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (usize, &SchemaRef)> {
        self.inputs.iter().enumerate().map(|(number, input)| (*input, self.runner.table_schema(number)))
    }

    /// Whether the passing of time alone can change what it makes of the same tables.
    pub(crate) fn reads_clock(&self) -> bool {
        self.runner.reads_clock
    }

    /// The whole answer over these tables at `now`. Blocks; not to be called from an async task.
    ///
    /// # Errors
    /// What running a query can meet, and more rows than `rows_max`.
    pub(crate) fn run(&self, tables: Vec<RecordBatch>, now: TimeUs, rows_max: usize) -> Result<Snapshot> {
        let batches = self.runner.run(tables, now, rows_max)?;
        Ok(self.keyed(batches.iter().flat_map(rows_of)))
    }

    /// Gives each row its key: its key columns, or all of it, told apart by number where that is not enough.
    fn keyed(&self, rows: impl Iterator<Item = Row>) -> Snapshot {
        let mut snapshot = Snapshot { columns: self.columns.clone(), ..Snapshot::default() };
        let keys: Vec<bool> = self.columns.iter().map(|column| column.key).collect();
        let mut order = Vec::new();
        for row in rows {
            let text = if self.one_row { String::new() } else { text_of(&row, &keys) };
            let mut key = RowKey::new(text.clone());
            let mut number = 1;
            while snapshot.rows.contains_key(&key) {
                number += 1;
                key = RowKey::new(format!("{text}#{number}"));
            }
            order.push(key.clone());
            snapshot.rows.insert(key, row);
        }
        snapshot.order = self.ordered.then_some(order);
        snapshot
    }
}

/// The rows of a batch.
pub(super) fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let columns: Vec<_> = batch.columns().iter().map(cells).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
}

/// What a row is known by: its key columns, or all of it if there are none.
pub(super) fn text_of(row: &[Cell], keys: &[bool]) -> String {
    let any_key = keys.contains(&true);
    let cells = row.iter().zip(keys).filter(|(_, key)| **key || !any_key);
    key_text(cells.map(|(cell, _)| cell))
}
