//! Keeps rows that are too wide out of what copies rows: joins, subqueries of one value, and `unnest` beside a list.
//!
//! A batch has thousands of rows. Where each may get a copy of one row's long text, a text of a megabyte becomes gigabytes
//! before anything that counts memory sees them. So what goes into such an operator is looked at, and a row that is too wide
//! is a limit. Nothing is changed in what goes through.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, resources_err};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::unnest::UnnestExec;

use crate::looked::looked;
use crate::row_bytes::row_bytes;

/// The widest row that may be copied: a batch of such rows is what a query may take by default.
const ROW_BYTES_MAX: u64 = 64 << 10;
/// The most that one row becomes when rows are made of its list.
pub(crate) const UNNESTED_BYTES_MAX: u64 = 256 << 20;

/// `plan`, with a look at all rows that may be copied.
pub(crate) fn held(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let held = plan.transform_up(|node| {
        // The first input of a query with subqueries is what their values are copied into.
        let is_subquery = node.is::<ScalarSubqueryExec>();
        let lists: Arc<[usize]> = match node.downcast_ref::<UnnestExec>() {
            Some(unnest) => unnest.list_column_indices().iter().map(|list| list.index_in_input_schema).collect(),
            None if is_subquery || node.is::<CrossJoinExec>() || node.is::<HashJoinExec>() => Arc::default(),
            None if node.is::<NestedLoopJoinExec>() => Arc::default(),
            None => return Ok(Transformed::no(node)),
        };
        let narrow = |(number, input): (usize, &Arc<dyn ExecutionPlan>)| {
            if is_subquery && number == 0 {
                return input.clone();
            }
            // What is made rows of is in none twice, and all beside it is.
            let columns = (0..input.schema().fields().len()).filter(|column| !lists.contains(column)).collect();
            let copied = Copied { columns, lists: lists.clone() };
            looked("NarrowRows", input.clone(), move |batch| check(batch, &copied))
        };
        let inputs = node.children().into_iter().enumerate().map(narrow).collect();
        let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        Ok(Transformed::yes(node.replace_children(inputs, recompute)?))
    })?;
    Ok(held.data)
}

/// Which columns are copied.
#[derive(Debug, Clone)]
struct Copied {
    columns: Arc<[usize]>,
    /// Into as many rows as these have items; of a join it is not known.
    lists: Arc<[usize]>,
}

/// # Errors
/// [`datafusion::common::DataFusionError::ResourcesExhausted`] if a row is too wide, or becomes too much.
fn check(batch: &RecordBatch, copied: &Copied) -> Result<()> {
    let columns = copied.columns.iter().map(|column| batch.column(*column)).collect::<Vec<_>>();
    // All rows together are no wider: most batches.
    let whole = columns.iter().map(|column| column.get_array_memory_size() as u64).fold(0, u64::saturating_add);
    let lists = copied.lists.iter().map(|list| length(batch.column(*list))).collect::<Result<Vec<_>, _>>()?;
    if whole <= ROW_BYTES_MAX && lists.is_empty() {
        return Ok(());
    }
    let mut widths = vec![0_u64; batch.num_rows()];
    for column in columns {
        widths.iter_mut().zip(row_bytes(column)?).for_each(|(width, bytes)| *width = width.saturating_add(bytes));
    }
    if let Some(widest) = widths.iter().max().filter(|widest| **widest > ROW_BYTES_MAX) {
        return resources_err!(
            "a row of {widest} bytes would be copied into many, and at most {ROW_BYTES_MAX} are allowed: name the columns \
             that are needed"
        );
    }
    // One row's list is made rows of as a whole.
    for list in lists {
        let lengths = cast(&list, &DataType::Int64)?;
        for (width, length) in widths.iter().zip(lengths.as_primitive::<Int64Type>()) {
            let bytes = width.saturating_mul(length.unwrap_or(0).unsigned_abs());
            if bytes > UNNESTED_BYTES_MAX {
                return resources_err!(
                    "a list beside which {width} bytes stand would become rows of {bytes} bytes, and at most \
                     {UNNESTED_BYTES_MAX} are allowed"
                );
            }
        }
    }
    Ok(())
}
