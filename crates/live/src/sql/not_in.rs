//! Refuses `NOT IN (SELECT …)` where it would be answered wrongly: as a part of a condition, not a condition of its own.
//!
//! No row is known not to be in what has a null. DataFusion knows that of a whole condition; of a part, as beside `OR`, it
//! makes a mark that is false where it is not known, and `NOT` makes that true.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::utils::{merge_schema, split_conjunction};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

/// # Errors
/// [`datafusion::common::DataFusionError::Plan`] where there may be nulls.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let is_condition = matches!(node, LogicalPlan::Filter(_));
        node.apply_expressions(|expr| {
            let parts = if is_condition { split_conjunction(expr) } else { vec![expr] };
            for part in parts {
                if is_condition && is_whole(part) {
                    continue;
                }
                let mut negated = false;
                part.apply(|expr| {
                    negated |= matches!(expr, Expr::Not(_));
                    match expr {
                        Expr::InSubquery(found) if negated || found.negated => {
                            let column = found.subquery.subquery.schema().field(0);
                            if column.is_nullable() || found.expr.nullable(&schema)? {
                                return plan_err!(
                                    "`NOT IN (SELECT …)` beside other conditions is not known where there are nulls: write \
                                     `NOT EXISTS (SELECT 1 FROM … WHERE … = …)`"
                                );
                            }
                        }
                        _ => {}
                    }
                    Ok(TreeNodeRecursion::Continue)
                })?;
            }
            Ok(TreeNodeRecursion::Continue)
        })
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
