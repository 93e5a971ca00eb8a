//! Aggregates that pick from or join an ordered list of values, said by those whose partial states merge.
//!
//! `any_value(x)` is the first value that is not null; `nth_value(x, n)` the n-th of the list of all values;
//! `string_agg(x, d)` the texts of that list with `d` between. DataFusion's own ask for rows that come in order, which
//! nothing that is merged does, and refuse two orders in one query. Live and batch plans are both rewritten, before `ties`
//! settles the order. Window functions of these names are left alone.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::functions_nested::expr_fn::{array_element, array_to_string};
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment};
use datafusion::logical_expr::logical_plan::{Aggregate, Projection};
use datafusion::logical_expr::{Expr, LogicalPlan, cast, lit};

const ANY_VALUE: &str = "any_value";
const NTH_VALUE: &str = "nth_value";
const STRING_AGG: &str = "string_agg";
/// How the names of lists begin.
const LIST: &str = "__list_";

/// Rewrites them wherever they stand in `plan`.
pub(super) fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        Ok(match plan {
            LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().any(picks) => {
                Transformed::yes(without_picks(aggregate)?)
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(rewritten.data)
}

fn picks(expr: &Expr) -> bool {
    matches!(call(expr), Some(call) if [ANY_VALUE, NTH_VALUE, STRING_AGG].contains(&call.func.name()))
}

fn call(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::AggregateFunction(call) => Some(call),
        Expr::Alias(alias) => call(&alias.expr),
        _ => None,
    }
}

fn without_picks(aggregate: Aggregate) -> Result<LogicalPlan> {
    let wanted = aggregate.schema.clone();
    let columns = wanted.iter().map(|field| Expr::Column(Column::from(field)));
    let mut above: Vec<Expr> = columns.collect();
    let groups = above.len() - aggregate.aggr_expr.len();
    let mut calls = Vec::with_capacity(aggregate.aggr_expr.len());
    let mut lists = false;
    for (number, expr) in aggregate.aggr_expr.into_iter().enumerate() {
        let (qualifier, name) = expr.qualified_name();
        let Some((function, second, mut params)) =
            call(&expr).map(|call| (call.func.name().to_owned(), literal(call), call.params.clone()))
        else {
            calls.push(expr);
            continue;
        };
        let of_list: Box<dyn FnOnce(Expr) -> Expr> = match (function.as_str(), second) {
            (ANY_VALUE, _) => {
                params.null_treatment = Some(NullTreatment::IgnoreNulls);
                params.distinct = false;
                let first = Expr::AggregateFunction(AggregateFunction { func: first_value_udaf(), params });
                calls.push(first.alias_qualified(qualifier, name));
                continue;
            }
            (NTH_VALUE, Some(ScalarValue::Int64(Some(place)))) if place != 0 => {
                Box::new(move |list| array_element(list, lit(place)))
            }
            (STRING_AGG, Some(between)) if between.is_null() || between.try_as_str().is_some() => {
                params.null_treatment = Some(NullTreatment::IgnoreNulls);
                let between = between.try_as_str().flatten().unwrap_or_default().to_owned();
                Box::new(move |list| cast(array_to_string(list, lit(between)), DataType::LargeUtf8))
            }
            // A place or text that is no constant, or the place 0, is refused by DataFusion when it runs.
            _ => {
                calls.push(expr);
                continue;
            }
        };
        params.args.truncate(1);
        let hidden = format!("{LIST}{number}");
        let list = Expr::AggregateFunction(AggregateFunction { func: array_agg_udaf(), params });
        calls.push(list.alias(&hidden));
        let list = Expr::Column(Column::new_unqualified(hidden));
        above[groups + number] = of_list(list).alias_qualified(qualifier, name);
        lists = true;
    }
    let aggregate = LogicalPlan::Aggregate(Aggregate::try_new(aggregate.input, aggregate.group_expr, calls)?);
    if !lists {
        return Ok(aggregate);
    }
    Ok(LogicalPlan::Projection(Projection::try_new(above, Arc::new(aggregate))?))
}

/// The second argument of a call, if it is a constant.
fn literal(call: &AggregateFunction) -> Option<ScalarValue> {
    match call.params.args.get(1) {
        Some(Expr::Literal(value, _)) => Some(value.clone()),
        _ => None,
    }
}
