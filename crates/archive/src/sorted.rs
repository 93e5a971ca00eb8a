//! Rows in the order of a file: by `time`, then by `_offset`.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow::array::{AsArray, PrimitiveArray, UInt32Array};
use arrow::compute::{concat_batches, interleave_record_batch, take_record_batch};
use arrow::datatypes::{ArrowPrimitiveType, Int64Type, SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use pulseboard_model::schema::{OFFSET, TIME};

use crate::error::ArchiveError;

/// About how many rows a batch has.
pub(crate) const BATCH_ROWS: usize = 8_192;

/// Rows on their way, one batch after the other.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArchiveError>> + Send>;

/// A column by name.
pub(crate) fn column<'a, T: ArrowPrimitiveType>(
    rows: &'a RecordBatch,
    name: &str,
) -> Result<&'a PrimitiveArray<T>, ArchiveError> {
    rows.column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<T>())
        .ok_or_else(|| ArchiveError::Rows(format!("there is no column `{name}` of the type it has")))
}

/// The offsets of rows.
pub(crate) fn offsets(rows: &RecordBatch) -> Result<&[i64], ArchiveError> {
    Ok(column::<Int64Type>(rows, OFFSET)?.values())
}

/// The times of rows.
pub(crate) fn times(rows: &RecordBatch) -> Result<&[i64], ArchiveError> {
    Ok(column::<TimestampMicrosecondType>(rows, TIME)?.values())
}

/// Several batches as one, in the order of `key`.
pub(crate) fn sorted<K: Ord + Copy>(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    key: impl Fn(&RecordBatch) -> Result<Vec<K>, ArchiveError>,
) -> Result<RecordBatch, ArchiveError> {
    let rows = match batches {
        [one] => one.clone(),
        many => concat_batches(schema, many)?,
    };
    let keys = key(&rows)?;
    if keys.is_sorted() {
        return Ok(rows);
    }
    let count = u32::try_from(keys.len()).map_err(|_| ArchiveError::Rows("too many rows at once".to_owned()))?;
    let mut order: Vec<u32> = (0..count).collect();
    order.sort_by_key(|row| keys[*row as usize]);
    Ok(take_record_batch(&rows, &UInt32Array::from(order))?)
}

/// The key of the order of a file.
pub(crate) fn by_time(rows: &RecordBatch) -> Result<Vec<(i64, i64)>, ArchiveError> {
    Ok(times(rows)?.iter().copied().zip(offsets(rows)?.iter().copied()).collect())
}

/// The key of the order of the log.
pub(crate) fn by_offset(rows: &RecordBatch) -> Result<Vec<i64>, ArchiveError> {
    Ok(offsets(rows)?.to_vec())
}

/// One sorted input of a merge, at its next row.
struct Input {
    rows: RecordBatch,
    keys: Vec<(i64, i64)>,
    at: usize,
    number: usize,
    more: Batches,
}

impl Input {
    fn key(&self) -> (i64, i64) {
        self.keys[self.at]
    }
}

impl PartialEq for Input {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Input {}

impl PartialOrd for Input {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Input {
    /// The greatest is the one that comes first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// Merges inputs that are sorted by time, with one batch of each in memory.
pub(crate) struct Merge {
    heap: BinaryHeap<Input>,
    /// Inputs that are not begun yet.
    fresh: Vec<Batches>,
    /// Batches that rows were taken from, and which rows.
    used: Vec<RecordBatch>,
    rows: Vec<(usize, usize)>,
    /// Where in `used` the batch of each input is.
    places: Vec<Option<usize>>,
    failed: bool,
}

impl Merge {
    /// Merges `inputs`, all of one schema.
    pub(crate) fn new(inputs: Vec<Batches>) -> Self {
        let places = vec![None; inputs.len()];
        Self { heap: BinaryHeap::new(), fresh: inputs, used: Vec::new(), rows: Vec::new(), places, failed: false }
    }

    /// Puts an input with its next batch back, unless it has ended.
    fn advance(&mut self, number: usize, mut more: Batches) -> Result<(), ArchiveError> {
        self.places[number] = None;
        while let Some(rows) = more.next().transpose()? {
            if rows.num_rows() > 0 {
                let keys = by_time(&rows)?;
                self.heap.push(Input { rows, keys, at: 0, number, more });
                break;
            }
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<Option<RecordBatch>, ArchiveError> {
        for (number, more) in std::mem::take(&mut self.fresh).into_iter().enumerate() {
            self.advance(number, more)?;
        }
        while self.rows.len() < BATCH_ROWS {
            let Some(mut first) = self.heap.pop() else { break };
            let place = *self.places[first.number].get_or_insert_with(|| {
                self.used.push(first.rows.clone());
                self.used.len() - 1
            });
            // As many rows as come before every other input's next.
            let next = self.heap.peek().map(Input::key);
            let room = BATCH_ROWS - self.rows.len();
            let mut count = 0;
            while count < room
                && first.keys.get(first.at).is_some_and(|key| count == 0 || next.is_none_or(|next| *key <= next))
            {
                self.rows.push((place, first.at));
                first.at += 1;
                count += 1;
            }
            if first.at < first.keys.len() {
                self.heap.push(first);
            } else {
                self.advance(first.number, first.more)?;
            }
        }
        if self.rows.is_empty() {
            return Ok(None);
        }
        let used: Vec<&RecordBatch> = self.used.iter().collect();
        let merged = interleave_record_batch(&used, &self.rows)?;
        self.rows.clear();
        self.used.clear();
        self.places.fill(None);
        Ok(Some(merged))
    }
}

impl Iterator for Merge {
    type Item = Result<RecordBatch, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let filled = self.fill().transpose();
        self.failed = matches!(filled, Some(Err(_)));
        filled
    }
}

/// Cuts rows into batches of the usual size.
pub(crate) fn cut(rows: &RecordBatch) -> impl Iterator<Item = RecordBatch> + '_ {
    let count = rows.num_rows();
    (0..count).step_by(BATCH_ROWS).map(move |at| rows.slice(at, BATCH_ROWS.min(count - at)))
}

/// A schema of some columns of another, in its order.
pub(crate) fn project(schema: &SchemaRef, wanted: impl Fn(&str) -> bool) -> SchemaRef {
    let fields = schema.fields().iter().filter(|field| wanted(field.name())).cloned();
    Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()))
}
