//! Which columns of a plan are made of the event time of a stream, however they are called.
//!
//! Followed through projections, subqueries, joins and aggregates down to the scan. Looks only, changes nothing.

use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};
use pulseboard_model::schema::TIME;

/// Whether the values of `column` of `plan` come from the `time` of a stream.
pub(super) fn is_made_of_it(column: &Column, plan: &LogicalPlan) -> bool {
    plan.schema().maybe_index_of_column(column).is_some_and(|index| is_at(index, plan))
}

fn any_in(expr: &Expr, plan: &LogicalPlan) -> bool {
    expr.column_refs().into_iter().any(|column| is_made_of_it(column, plan))
}

/// As [`is_made_of_it`], for the column at `index`.
fn is_at(index: usize, plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => scan.projected_schema.field(index).name() == TIME,
        LogicalPlan::Projection(projection) => {
            projection.expr.get(index).is_some_and(|expr| any_in(expr, &projection.input))
        }
        LogicalPlan::Aggregate(aggregate) => {
            let mut exprs = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
            exprs.nth(index).is_some_and(|expr| any_in(expr, &aggregate.input))
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            distinct.select_expr.get(index).is_some_and(|expr| any_in(expr, &distinct.input))
        }
        // These pass on the columns of their inputs, one after the other, and some add their own behind them.
        _ => {
            let mut before = 0;
            for input in plan.inputs() {
                let width = input.schema().fields().len();
                if index < before + width {
                    return is_at(index - before, input);
                }
                before += width;
            }
            false
        }
    }
}

/// The `time` of a scan under the name by which it is known.
pub(super) fn of_scan(plan: &LogicalPlan) -> Option<Column> {
    let LogicalPlan::TableScan(scan) = plan else { return None };
    let (table, field): (Option<&TableReference>, _) =
        scan.projected_schema.qualified_field_with_unqualified_name(TIME).ok()?;
    Some(Column::new(table.cloned(), field.name()))
}
