//! One row becomes as many as its lists have items: what DataFusion's UNNEST does, on one batch, without running a plan.
//!
//! Several lists go side by side, the shorter ones filled up with nulls; structs become their fields. It says which row
//! each came from, so that what was taken aside follows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{NullHandling, Result, exec_err, resources_datafusion_err};
use datafusion::logical_expr::Unnest;
use hashbrown::HashSet;

use super::shape::Unmaintained;
use crate::row_bytes::{row_bytes, whole_bytes};
use crate::wide::UNNESTED_BYTES_MAX;

/// How many rows one batch may become. Beyond it the query cannot be computed with this data, which it says.
const ROWS_MAX: usize = 10_000_000;

/// The step.
#[derive(Debug, Clone)]
pub(crate) struct UnnestStep {
    lists: HashSet<usize>,
    structs: HashSet<usize>,
    nulls: NullHandling,
    schema: SchemaRef,
}

impl UnnestStep {
    /// What `unnest` does to a batch.
    ///
    /// # Errors
    /// [`Unmaintained`] for lists of lists that are unnested at once.
    pub(super) fn new(unnest: &Unnest) -> std::result::Result<Self, Unmaintained> {
        let mut lists = HashSet::new();
        for (index, list) in &unnest.list_type_columns {
            let plain = matches!(
                unnest.input.schema().field(*index).data_type(),
                DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
            );
            if list.depth != 1 || !plain || !lists.insert(*index) {
                return Err(Unmaintained(
                    "it unnests lists of lists at once: unnest them one SELECT after the other".into(),
                ));
            }
        }
        Ok(Self {
            lists,
            structs: unnest.struct_type_columns.iter().copied().collect(),
            nulls: unnest.options.null_handling,
            schema: Arc::new(unnest.schema.as_arrow().clone()),
        })
    }

    /// The batch after it, and which row each row came from; none if each is still the same.
    pub(super) fn run(&self, batch: &RecordBatch) -> Result<(RecordBatch, Option<UInt32Array>)> {
        let rows = batch.num_rows();
        let spans = self.lists.iter().map(|index| Ok((*index, spans(batch.column(*index))?)));
        let spans = spans.collect::<Result<hashbrown::HashMap<usize, Vec<Option<(i64, i64)>>>>>()?;
        if spans.is_empty() {
            return Ok((self.flattened(batch.columns().to_vec(), rows)?, None));
        }
        let length = |span: &Option<(i64, i64)>| match (span, self.nulls) {
            (None, NullHandling::Drop) => 0,
            (None, _) => 1,
            (Some((start, end)), NullHandling::PreserveAndExpandEmpty) => (end - start).max(1),
            (Some((start, end)), _) => end - start,
        };
        let longest: Vec<i64> =
            (0..rows).map(|row| spans.values().map(|spans| length(&spans[row])).max().unwrap_or(0)).collect();
        let total = longest.iter().try_fold(0usize, |total, more| total.checked_add(usize::try_from(*more).ok()?));
        let Some(total) = total.filter(|total| *total <= ROWS_MAX) else {
            return Err(resources_datafusion_err!("{rows} rows become more than {ROWS_MAX} when they are unnested"));
        };
        self.check_bytes(batch, &longest)?;
        let mut sources = Vec::with_capacity(total);
        for (row, length) in (0u32..).zip(&longest) {
            sources.extend((0..*length).map(|_| row));
        }
        let sources = UInt32Array::from(sources);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
        for (index, column) in batch.columns().iter().enumerate() {
            let Some(spans) = spans.get(&index) else {
                columns.push(take(column, &sources, None)?);
                continue;
            };
            let items = spans.iter().zip(&longest).flat_map(|(span, length)| {
                let (start, end) = span.unwrap_or((0, 0));
                (0..*length).map(move |place| (start + place < end).then_some(start + place))
            });
            columns.push(take(values(column)?, &items.collect::<Int64Array>(), None)?);
        }
        Ok((self.flattened(columns, total)?, Some(sources)))
    }

    /// Refuses what stands beside the lists if its copies would be too much.
    fn check_bytes(&self, batch: &RecordBatch, longest: &[i64]) -> Result<()> {
        let copied = || batch.columns().iter().enumerate().filter(|(index, _)| !self.lists.contains(index));
        let whole = copied().map(|(_, column)| whole_bytes(column)).fold(0, u64::saturating_add);
        let most = longest.iter().max().map_or(0, |most| most.unsigned_abs());
        if whole.saturating_mul(most) <= UNNESTED_BYTES_MAX {
            return Ok(());
        }
        let mut bytes = 0_u64;
        for (_, column) in copied() {
            let copies = row_bytes(column)?.into_iter().zip(longest);
            bytes = copies
                .fold(bytes, |sum, (width, times)| sum.saturating_add(width.saturating_mul(times.unsigned_abs())));
        }
        if bytes > UNNESTED_BYTES_MAX {
            return Err(resources_datafusion_err!(
                "what stands beside lists would become {bytes} bytes when rows are made of them, and at most \
                 {UNNESTED_BYTES_MAX} are allowed"
            ));
        }
        Ok(())
    }

    /// Structs become their fields.
    fn flattened(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let columns = columns.into_iter().enumerate().flat_map(|(index, column)| {
            if self.structs.contains(&index) { column.as_struct().columns().to_vec() } else { vec![column] }
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns.collect(), &options)?)
    }
}

/// The items of all lists of a column.
fn values(column: &ArrayRef) -> Result<&ArrayRef> {
    match column.data_type() {
        DataType::List(_) => Ok(column.as_list::<i32>().values()),
        DataType::LargeList(_) => Ok(column.as_list::<i64>().values()),
        DataType::FixedSizeList(..) => Ok(column.as_fixed_size_list().values()),
        other => exec_err!("{other} is not unnested"),
    }
}

/// Where the items of each row's list are among all; none if it is null.
fn spans(column: &ArrayRef) -> Result<Vec<Option<(i64, i64)>>> {
    let there = |row: usize, span: (i64, i64)| column.is_valid(row).then_some(span);
    match column.data_type() {
        DataType::List(_) => {
            let offsets = column.as_list::<i32>().offsets();
            Ok(offsets.windows(2).enumerate().map(|(row, o)| there(row, (o[0].into(), o[1].into()))).collect())
        }
        DataType::LargeList(_) => {
            let offsets = column.as_list::<i64>().offsets();
            Ok(offsets.windows(2).enumerate().map(|(row, o)| there(row, (o[0], o[1]))).collect())
        }
        DataType::FixedSizeList(..) => {
            let list = column.as_fixed_size_list();
            let length = i64::from(list.value_length());
            let span = |row: usize| {
                let start = i64::from(list.value_offset(row));
                (start, start + length)
            };
            Ok((0..list.len()).map(|row| there(row, span(row))).collect())
        }
        other => exec_err!("{other} is not unnested"),
    }
}
