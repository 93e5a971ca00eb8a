//! Keeps rows that are too wide out of what copies rows: joins, and lists that rows are made of.
//!
//! A batch has thousands of rows. Where each may get a copy of one row's long text, a text of a megabyte becomes gigabytes
//! before anything that counts memory sees them. So what goes into such an operator is looked at, and a row that is too wide
//! is a limit. Nothing is changed in what goes through.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;

/// The widest row that may be copied: a batch of such rows is what a query may take by default.
const ROW_BYTES_MAX: u64 = 64 << 10;

/// `plan`, with a look at all rows that may be copied.
pub(crate) fn held(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let held = plan.transform_up(|node| {
        // What is made rows of is in none twice, and all beside it is.
        let unnested: Vec<usize> = match node.downcast_ref::<UnnestExec>() {
            Some(unnest) => unnest.list_column_indices().iter().map(|list| list.index_in_input_schema).collect(),
            None if node.is::<CrossJoinExec>() || node.is::<HashJoinExec>() || node.is::<NestedLoopJoinExec>() => {
                Vec::new()
            }
            None => return Ok(Transformed::no(node)),
        };
        let narrow = |input: &Arc<dyn ExecutionPlan>| {
            let columns = (0..input.schema().fields().len()).filter(|column| !unnested.contains(column)).collect();
            Arc::new(NarrowRows { input: input.clone(), columns }) as Arc<dyn ExecutionPlan>
        };
        let inputs = node.children().into_iter().map(narrow).collect();
        let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        Ok(Transformed::yes(node.replace_children(inputs, recompute)?))
    })?;
    Ok(held.data)
}

/// Passes on what it reads, up to a row that is too wide.
#[derive(Debug, Clone)]
struct NarrowRows {
    input: Arc<dyn ExecutionPlan>,
    /// Those that are copied.
    columns: Arc<[usize]>,
}

impl DisplayAs for NarrowRows {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NarrowRows")
    }
}

impl ExecutionPlan for NarrowRows {
    fn name(&self) -> &'static str {
        "NarrowRows"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _apply: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("one input is looked at, not several");
        };
        Ok(Arc::new(Self { input, columns: self.columns.clone() }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (batches, columns) = (self.input.execute(partition, context)?, self.columns.clone());
        let schema = batches.schema();
        let looked_at = batches.map(move |batch| batch.and_then(|batch| check(&batch, &columns).map(|()| batch)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, looked_at)))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}

/// # Errors
/// [`DataFusionError::ResourcesExhausted`] if a row is too wide.
fn check(batch: &RecordBatch, columns: &[usize]) -> Result<()> {
    let columns = || columns.iter().map(|column| batch.column(*column));
    // All rows together are no wider: most batches.
    if columns().map(|column| column.get_array_memory_size() as u64).fold(0, u64::saturating_add) <= ROW_BYTES_MAX {
        return Ok(());
    }
    let mut widest = 0_u64;
    for column in columns() {
        widest = widest.saturating_add(widest_value(column)?);
    }
    if widest <= ROW_BYTES_MAX {
        return Ok(());
    }
    Err(DataFusionError::ResourcesExhausted(format!(
        "a row of {widest} bytes would be copied into many, and at most {ROW_BYTES_MAX} are allowed: name the columns that \
         are needed"
    )))
}

/// The bytes of the widest value of a column, about.
fn widest_value(column: &ArrayRef) -> Result<u64> {
    if let Some(width) = column.data_type().primitive_width() {
        return Ok(width as u64);
    }
    Ok(match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary | DataType::LargeBinary => {
            longest(&length(column)?)?
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            let longest = longest(&length(column)?)?;
            longest.saturating_mul(widest_value(lists.values())?)
        }
        DataType::Struct(_) => {
            let fields = column.as_struct().columns().iter().map(widest_value).collect::<Result<Vec<_>>>()?;
            fields.into_iter().fold(0, u64::saturating_add)
        }
        // Truth values, and what no stream has.
        _ => 16,
    })
}

fn longest(lengths: &ArrayRef) -> Result<u64> {
    let lengths = cast(lengths, &DataType::Int64)?;
    let longest = arrow::compute::max(lengths.as_primitive::<Int64Type>());
    Ok(longest.map_or(0, i64::unsigned_abs))
}
