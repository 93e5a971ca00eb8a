//! What a plan over parts and stages says of the rows it gives: what tells them apart, whether they have an order, whether there is but one.
//!
//! Reads plans, holds no state.

use std::sync::Arc;

use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan};

use super::layers::table_number;
use super::shape::Shape;

/// Which columns of `plan` tell its rows apart. `tables` says the same of the tables it reads, by their numbers.
pub(super) fn key_columns(plan: &LogicalPlan, tables: &[Vec<bool>]) -> Vec<bool> {
    let of = |plan: &LogicalPlan| key_columns(plan, tables);
    match plan {
        LogicalPlan::TableScan(scan) => {
            table_number(scan.table_name.table()).and_then(|number| tables.get(number).cloned()).unwrap_or_default()
        }
        LogicalPlan::Projection(projection) => {
            let inner = of(&projection.input);
            let key = |expr: &Expr| match expr.clone().unalias() {
                Expr::Column(column) => projection
                    .input
                    .schema()
                    .maybe_index_of_column(&column)
                    .is_some_and(|index| inner.get(index).copied().unwrap_or(false)),
                _ => false,
            };
            projection.expr.iter().map(key).collect()
        }
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.inputs().first().map(|input| of(input)).unwrap_or_default()
        }
        LogicalPlan::Aggregate(aggregate) => {
            let groups = aggregate.group_expr_len().unwrap_or(0);
            (0..aggregate.schema.fields().len()).map(|column| column < groups).collect()
        }
        LogicalPlan::Distinct(Distinct::All(input)) => vec![true; input.schema().fields().len()],
        LogicalPlan::Join(join)
            if matches!(join.join_type, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full) =>
        {
            [of(&join.left), of(&join.right)].concat()
        }
        LogicalPlan::Join(join) if matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti) => of(&join.left),
        LogicalPlan::Window(window) => {
            let mut keys = of(&window.input);
            keys.resize(plan.schema().fields().len(), false);
            keys
        }
        LogicalPlan::Union(union) => {
            let sides: Vec<Vec<bool>> = union.inputs.iter().map(|input| of(input)).collect();
            let columns = plan.schema().fields().len();
            (0..columns).map(|i| sides.iter().all(|side| side.get(i).copied().unwrap_or(false))).collect()
        }
        _ => vec![false; plan.schema().fields().len()],
    }
}

/// Whether the rows come in an order that was asked for.
pub(super) fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => true,
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) => {
            plan.inputs().first().is_some_and(|input| is_ordered(input))
        }
        _ => false,
    }
}

/// Whether there is never more than one row: an aggregate without GROUP BY, or several side by side.
pub(super) fn is_one_row(plan: &LogicalPlan, parts: &[Arc<Shape>]) -> bool {
    let of = |plan: &LogicalPlan| is_one_row(plan, parts);
    match plan {
        LogicalPlan::TableScan(scan) => table_number(scan.table_name.table())
            .and_then(|number| parts.get(number)?.aggregate.as_ref())
            .is_some_and(|aggregate| aggregate.keys.is_empty()),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Join(join) => {
            matches!(join.join_type, JoinType::Inner | JoinType::Left) && of(&join.left) && of(&join.right)
        }
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) | LogicalPlan::Sort(_) => {
            plan.inputs().first().is_some_and(|input| of(input))
        }
        _ => false,
    }
}
