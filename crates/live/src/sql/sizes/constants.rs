//! What a plan says before it runs that could take all memory: large constants beside rows, and numbers that make much.
//!
//! Constants are bound parameters, texts, and what functions make of both while a query is planned.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, resources_err};
use datafusion::logical_expr::expr::{InList, WindowFunction};
use datafusion::logical_expr::{Expr, GroupingSet, LogicalPlan};

use super::CONSTANT_BYTES_MAX;
use crate::row_bytes::value_bytes;

/// The most ways in which rows are grouped at once.
const GROUPINGS_MAX: usize = 64;
/// The most centroids of a digest.
const CENTROIDS_MAX: i128 = 10_000;
/// The longest text between those of a `string_agg`, which is there as often as there are rows.
const BETWEEN_BYTES_MAX: u64 = 1 << 10;
/// Digests, and where their number of centroids stands.
const DIGESTS: [(&str, usize); 2] = [("approx_percentile_cont", 2), ("approx_percentile_cont_with_weight", 3)];
/// Aggregates that hold all values that they are given.
const COLLECTING: [&str; 2] = ["array_agg", "string_agg"];

/// Refuses what would take too much. A constant may be large where there is but one row.
///
/// # Errors
/// [`datafusion::common::DataFusionError::ResourcesExhausted`].
pub(crate) fn check(plan: &LogicalPlan) -> Result<()> {
    let mut constants = 0_u64;
    plan.apply_with_subqueries(|node| {
        let alone = node.inputs().into_iter().all(is_one_row);
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    // Each of its members is compared, and copied nowhere.
                    Expr::InList(InList { expr, .. }) if !alone => {
                        count(expr, &mut constants)?;
                        return Ok(TreeNodeRecursion::Jump);
                    }
                    Expr::Literal(value, _) if !alone => constants = constants.saturating_add(value_bytes(value)?),
                    _ => check_expr(expr)?,
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if constants > CONSTANT_BYTES_MAX {
        return resources_err!(
            "constants of {constants} bytes stand beside rows, and at most {CONSTANT_BYTES_MAX} are allowed"
        );
    }
    Ok(())
}

fn count(expr: &Expr, constants: &mut u64) -> Result<()> {
    expr.apply(|expr| {
        if let Expr::Literal(value, _) = expr {
            *constants = constants.saturating_add(value_bytes(value)?);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Whether it is known to be one row: constants of a query without a stream.
fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => plan.inputs().into_iter().all(is_one_row),
        _ => false,
    }
}

fn check_expr(expr: &Expr) -> Result<()> {
    match expr {
        Expr::AggregateFunction(call) => check_aggregate(call.func.name(), &call.params.args),
        Expr::WindowFunction(call) => check_window(call),
        Expr::GroupingSet(set) => {
            let ways = match set {
                GroupingSet::Rollup(keys) => keys.len() + 1,
                GroupingSet::Cube(keys) => {
                    1_usize.checked_shl(u32::try_from(keys.len()).unwrap_or(u32::MAX)).unwrap_or(0)
                }
                GroupingSet::GroupingSets(sets) => sets.len(),
            };
            if ways == 0 || ways > GROUPINGS_MAX {
                return resources_err!("rows are grouped in more than {GROUPINGS_MAX} ways at once");
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn check_aggregate(function: &str, args: &[Expr]) -> Result<()> {
    if let ("string_agg", Some(Expr::Literal(between, _))) = (function, args.get(1))
        && value_bytes(between)? > BETWEEN_BYTES_MAX
    {
        return resources_err!("what stands between the texts of `string_agg` may have {BETWEEN_BYTES_MAX} bytes");
    }
    let Some((_, place)) = DIGESTS.iter().find(|(name, _)| *name == function) else { return Ok(()) };
    let Some(Expr::Literal(value, _)) = args.get(*place) else { return Ok(()) };
    match value.to_string().parse::<i128>() {
        Ok(centroids) if centroids > CENTROIDS_MAX => {
            resources_err!("`{function}` may have at most {CENTROIDS_MAX} centroids, not {centroids}")
        }
        _ => Ok(()),
    }
}

/// A list of all rows before each row is their number squared.
fn check_window(call: &WindowFunction) -> Result<()> {
    let name = call.fun.name();
    let frame = &call.params.window_frame;
    check_aggregate(name, &call.params.args)?;
    if COLLECTING.contains(&name) && (frame.start_bound.is_unbounded() || frame.end_bound.is_unbounded()) {
        return resources_err!(
            "`{name}` over a window without an end would hold all rows for each of them: give it a frame such as `ROWS 10 \
             PRECEDING`"
        );
    }
    Ok(())
}
