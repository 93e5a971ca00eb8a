//! Row-wise steps of a plan (filters and projections), run directly on a batch.
//!
//! No `ExecutionPlan` runs here: those withhold rows until a batch is full. Values of bounds and sort keys are taken
//! aside where the plan computes them and follow their rows through later filters.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::{filter, filter_record_batch, prep_null_mask_filter, take};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::Result;
use datafusion::common::cast::as_boolean_array;
use datafusion::physical_expr::PhysicalExpr;

use super::unnest::UnnestStep;

/// One step.
#[derive(Debug, Clone)]
pub(crate) enum RowStep {
    /// Keeps the rows for which the predicate is true.
    Filter(Arc<dyn PhysicalExpr>),
    /// Computes new columns.
    Project(Vec<Arc<dyn PhysicalExpr>>, SchemaRef),
    /// Takes the values of an expression aside.
    Keep(Arc<dyn PhysicalExpr>),
    /// Makes as many rows of one as its lists have items.
    Unnest(UnnestStep),
}

/// Whether one row may become several by these steps.
pub(crate) fn multiplies(steps: &[RowStep]) -> bool {
    steps.iter().any(|step| matches!(step, RowStep::Unnest(_)))
}

/// A batch after its steps, with what was taken aside, in the order of the `Keep` steps.
#[derive(Debug)]
pub(crate) struct Stepped {
    pub(crate) batch: RecordBatch,
    pub(crate) kept: Vec<ArrayRef>,
}

/// Runs `steps` on `batch`. `aside` follows the rows like what the steps keep, and comes first.
pub(crate) fn run(steps: &[RowStep], mut batch: RecordBatch, aside: Vec<ArrayRef>) -> Result<Stepped> {
    let mut kept = aside;
    for step in steps {
        match step {
            RowStep::Filter(predicate) => {
                let value = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
                let mask = as_boolean_array(&value)?;
                if let Some(mask) = partial_mask(mask) {
                    kept = kept.iter().map(|array| filter(array, &mask)).collect::<std::result::Result<_, _>>()?;
                    batch = filter_record_batch(&batch, &mask)?;
                }
                if batch.num_rows() == 0 {
                    // Later steps still have to shape the batch; on no rows they cost next to nothing.
                    continue;
                }
            }
            RowStep::Project(exprs, schema) => {
                let rows = batch.num_rows();
                let columns =
                    exprs.iter().map(|expr| expr.evaluate(&batch)?.into_array(rows)).collect::<Result<Vec<_>>>()?;
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
            }
            RowStep::Unnest(unnest) => {
                let (unnested, sources) = unnest.run(&batch)?;
                if let Some(sources) = sources {
                    kept =
                        kept.iter().map(|array| take(array, &sources, None)).collect::<std::result::Result<_, _>>()?;
                }
                batch = unnested;
            }
            RowStep::Keep(expr) => kept.push(expr.evaluate(&batch)?.into_array(batch.num_rows())?),
        }
    }
    Ok(Stepped { batch, kept })
}

/// The mask with nulls as false, or none if it keeps every row.
fn partial_mask(mask: &BooleanArray) -> Option<BooleanArray> {
    let mask = if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() };
    (mask.true_count() < mask.len()).then_some(mask)
}
