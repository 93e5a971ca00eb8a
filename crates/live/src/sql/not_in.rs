//! Refuses `NOT IN (SELECT …)` where it would be answered wrongly: as a part of a condition, not a condition of its own.
//!
//! No row is known not to be in what has a null. DataFusion knows that of a whole condition; of a part, as beside `OR`, it
//! makes a mark that is false where it is not known, and `NOT` makes that true.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::utils::{merge_schema, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};

/// # Errors
/// [`datafusion::common::DataFusionError::Plan`] where there may be nulls.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let is_condition = matches!(node, LogicalPlan::Filter(_));
        node.apply_expressions(|expr| {
            let parts = if is_condition { split_conjunction(expr) } else { vec![expr] };
            for part in parts {
                if !(is_condition && is_whole(part)) {
                    check_part(part, Asked::WhetherTrue, &schema)?;
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(())
}

/// What is done with what a part comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// What is not known is as good as false.
    WhetherTrue,
    /// What is not known must not be taken for false.
    WhetherFalse,
}

fn check_part(expr: &Expr, asked: Asked, schema: &DFSchema) -> Result<()> {
    let inside = match expr {
        Expr::InSubquery(found) if found.negated == (asked == Asked::WhetherTrue) => {
            let column = found.subquery.subquery.schema().field(0);
            if column.is_nullable() || found.expr.nullable(schema)? {
                return plan_err!(
                    "`NOT IN (SELECT …)` beside other conditions is not known where there are nulls: write `NOT EXISTS \
                     (SELECT 1 FROM … WHERE … = …)`"
                );
            }
            Asked::WhetherTrue
        }
        Expr::Not(_) if asked == Asked::WhetherTrue => Asked::WhetherFalse,
        Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::IsUnknown(_) | Expr::IsNotUnknown(_) => Asked::WhetherFalse,
        Expr::IsFalse(_) | Expr::IsNotFalse(_) => Asked::WhetherFalse,
        Expr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, .. }) => asked,
        _ => Asked::WhetherTrue,
    };
    expr.apply_children(|child| {
        check_part(child, inside, schema)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn is_whole(condition: &Expr) -> bool {
    match condition {
        Expr::InSubquery(_) => true,
        Expr::Not(inner) => is_whole(inner),
        _ => false,
    }
}
