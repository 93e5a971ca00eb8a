//! A bound: a time column compared with an expression of nothing but the clock.
//!
//! The expression is not analysed but evaluated: setting the session's clock to an instant gives the bound's value then.
//! So sliding, calendar and shifted bounds are one thing, in any zone.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Between, BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use pulseboard_model::TimeUs;
use pulseboard_model::time::SECOND_US;

use super::shape::Unmaintained;
use crate::sql::clock::ClockCell;
use crate::sql::planning::{Planned, reads_clock};

/// How the column is compared with the bound's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// `column >= value` or `column > value`: rows leave as the value rises.
    Lower { inclusive: bool },
    /// `column <= value` or `column < value`: rows enter as the value rises.
    Upper { inclusive: bool },
}

/// One bound.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// What the query calls the column.
    pub(crate) column_name: String,
    /// The column of the scan that it is, unchanged; none if it is computed.
    pub(crate) scan_column: Option<String>,
    pub(crate) comparison: Comparison,
    value: Arc<dyn PhysicalExpr>,
    pub(crate) clock: ClockCell,
}

impl Bound {
    pub(crate) fn is_lower(&self) -> bool {
        matches!(self.comparison, Comparison::Lower { .. })
    }

    /// Whether a row with this time is on the inner side of `value`.
    pub(crate) fn lets_in(&self, time_us: i64, value: i64) -> bool {
        match self.comparison {
            Comparison::Lower { inclusive: true } => time_us >= value,
            Comparison::Lower { inclusive: false } => time_us > value,
            Comparison::Upper { inclusive: true } => time_us <= value,
            Comparison::Upper { inclusive: false } => time_us < value,
        }
    }

    /// The value at `now`, in µs.
    pub(crate) fn value_at(&self, now: TimeUs) -> Result<Option<i64>> {
        self.clock.set(now);
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let empty = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
        let value = match self.value.evaluate(&empty)? {
            ColumnarValue::Scalar(value) => value,
            ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0)?,
        };
        // All our times are whole µs: they are at least a value between two of them if they are at least the next one.
        let next =
            matches!(self.comparison, Comparison::Lower { inclusive: true } | Comparison::Upper { inclusive: false });
        let whole_us = |ns: i64| ns.div_euclid(1_000) + i64::from(next && ns.rem_euclid(1_000) != 0);
        match value {
            ScalarValue::TimestampMicrosecond(value, _) => Ok(value),
            ScalarValue::TimestampNanosecond(value, _) => Ok(value.map(whole_us)),
            ScalarValue::TimestampMillisecond(value, _) => Ok(value.map(|ms| ms.saturating_mul(1_000))),
            ScalarValue::TimestampSecond(value, _) => Ok(value.map(|s| s.saturating_mul(SECOND_US))),
            other => Err(DataFusionError::Internal(format!("a bound evaluated to {other:?}, not a time"))),
        }
    }
}

/// The column that a bound compares, and the bound.
pub(crate) type ColumnBound = (Arc<dyn PhysicalExpr>, Bound);

/// The bounds that a conjunct stands for, each with the column it compares.
///
/// # Errors
/// [`Unmaintained`] if it reads the clock in another way.
pub(crate) fn bound_of(
    conjunct: &Expr,
    input: &LogicalPlan,
    planned: &Planned,
) -> std::result::Result<Vec<ColumnBound>, Unmaintained> {
    let unfit =
        || Unmaintained(format!("`{conjunct}` reads the clock in another way than as a bound on a time column"));
    let compared: Vec<(Expr, Operator, Expr)> = match conjunct {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            vec![(left.as_ref().clone(), *op, right.as_ref().clone())]
        }
        Expr::Between(Between { expr, negated: false, low, high }) => vec![
            (expr.as_ref().clone(), Operator::GtEq, low.as_ref().clone()),
            (expr.as_ref().clone(), Operator::LtEq, high.as_ref().clone()),
        ],
        _ => return Err(unfit()),
    };
    let mut bounds = Vec::with_capacity(compared.len());
    for (left, op, right) in compared {
        let (column, op, value) =
            if reads_clock(&left) { (right, op.swap().ok_or_else(unfit)?, left) } else { (left, op, right) };
        let column = without_widening(column);
        let Expr::Column(name) = &column else { return Err(unfit()) };
        let schema = input.schema();
        let is_time = matches!(column.get_type(schema)?, DataType::Timestamp(TimeUnit::Microsecond, Some(_)));
        if !is_time || reads_clock(&column) || !value.column_refs().is_empty() {
            return Err(unfit());
        }
        let (column_name, scan_column) = (name.name.clone(), origin(input, name));
        let props = planned.state.execution_props();
        let context = PhysicalPlanningContext::default();
        let physical = |expr: &Expr| create_physical_expr(expr, schema, props, &context);
        if !reads_clock(&value) {
            return Err(unfit());
        }
        let comparison = match op {
            Operator::GtEq => Comparison::Lower { inclusive: true },
            Operator::Gt => Comparison::Lower { inclusive: false },
            Operator::LtEq => Comparison::Upper { inclusive: true },
            Operator::Lt => Comparison::Upper { inclusive: false },
            _ => return Err(unfit()),
        };
        let value = create_physical_expr(&value, &DFSchema::empty(), props, &context)?;
        let bound = Bound { column_name, scan_column, comparison, value, clock: planned.clock.clone() };
        // A bound that cannot be evaluated now cannot be maintained either.
        bound.value_at(planned.clock.get())?;
        bounds.push((physical(&column)?, bound));
    }
    Ok(bounds)
}

/// The column of the scan that `column` of `plan` is: followed through names and projections as long as nothing
/// changes its values.
pub(crate) fn origin(plan: &LogicalPlan, column: &Column) -> Option<String> {
    let index = plan.schema().maybe_index_of_column(column)?;
    match plan {
        LogicalPlan::TableScan(scan) => Some(scan.projected_schema.field(index).name().clone()),
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::SubqueryAlias(_) => {
            let input = *plan.inputs().first()?;
            let (qualifier, field) = input.schema().qualified_field(index);
            origin(input, &Column::new(qualifier.cloned(), field.name()))
        }
        LogicalPlan::Projection(projection) => match without_widening(projection.expr.get(index)?.clone().unalias()) {
            Expr::Column(inner) => origin(&projection.input, &inner),
            _ => None,
        },
        // What is repeated beside the items of a list is still what it was.
        LogicalPlan::Unnest(unnest) => {
            let index = *unnest.dependency_indices.get(index)?;
            let taken_apart = unnest.list_type_columns.iter().any(|(list, _)| *list == index)
                || unnest.struct_type_columns.contains(&index);
            let (qualifier, field) = unnest.input.schema().qualified_field(index);
            let column = Column::new(qualifier.cloned(), field.name());
            if taken_apart { None } else { origin(&unnest.input, &column) }
        }
        _ => None,
    }
}

/// A cast of µs to ns changes nothing about a comparison.
fn without_widening(expr: Expr) -> Expr {
    match expr {
        Expr::Cast(cast)
            if matches!(
                cast.field.data_type(),
                DataType::Timestamp(TimeUnit::Nanosecond | TimeUnit::Microsecond, _)
            ) =>
        {
            *cast.expr
        }
        other => other,
    }
}
