//! Intervals that functions of ours take: constants that say how long, known when the query is planned.

use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{ColumnarValue, Expr, cast};
use datafusion::physical_expr::create_physical_expr;

use super::planning::reads_clock;

/// The value of `expr`, which `function` takes.
///
/// # Errors
/// If it is not a constant above zero.
pub(crate) fn positive(expr: &Expr, function: &str, state: &SessionState) -> Result<IntervalMonthDayNano> {
    if !expr.column_refs().is_empty() || reads_clock(expr) {
        return plan_err!("the interval of `{function}` must be a constant, not `{expr}`");
    }
    let wanted = cast(expr.clone(), DataType::Interval(IntervalUnit::MonthDayNano));
    let context = PhysicalPlanningContext::default();
    let physical = create_physical_expr(&wanted, &DFSchema::empty(), state.execution_props(), &context)?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let empty = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
    let value = match physical.evaluate(&empty)? {
        ColumnarValue::Scalar(value) => value,
        ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0)?,
    };
    let ScalarValue::IntervalMonthDayNano(Some(interval)) = value else {
        return plan_err!("the interval of `{function}` must not be null");
    };
    let IntervalMonthDayNano { months, days, nanoseconds } = interval;
    if months < 0 || days < 0 || nanoseconds < 0 || (months, days, nanoseconds) == (0, 0, 0) {
        return plan_err!("the interval of `{function}` must be positive");
    }
    Ok(interval)
}
