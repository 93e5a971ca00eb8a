//! An aggregate over a join, half of it pushed below: the rows of a stream are grouped by what the join and the groups need of
//! them before they meet the other side, so that what has to be joined are groups, not the log.
//!
//! An aggregate of the stream's columns comes up as its partial state and is merged above the join, as often as the
//! other side has rows for it. A sum of products is the sum of one factor, multiplied above. What is the same however often a
//! value comes (min, max, DISTINCT) is computed above from the groups. Other uses of both sides' columns are not pushed, and
//! the reason says which. Holds no state.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, ExprSchemable, Filter, Join, JoinConstraint, JoinType, LogicalPlan, Operator,
    Projection, lit,
};

use super::merge::merged;
use super::shape::{AggregateShape, Unmaintained};
use crate::sql::sessions;

/// Aggregates that do not care how often a value comes.
const IDEMPOTENT: [&str; 7] = ["min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "approx_distinct"];

/// What becomes of one aggregate above the join.
#[derive(Debug)]
enum Above {
    /// The partial state of this call below is merged.
    Merge { call: usize },
    /// What this call below gives is multiplied and summed up.
    Product { call: usize, factor: Expr },
    /// What this call below counts is summed up.
    Count { call: usize },
    /// It is computed from the keys of the groups below.
    Direct(AggregateFunction),
}

/// An aggregate taken apart into what is below a join and what is above it.
#[derive(Debug)]
pub(super) struct Pushed {
    /// The aggregate below: the keys, then the calls.
    pub(super) below: LogicalPlan,
    /// Which of the calls below have to give their state, not their result.
    pub(super) as_state: Vec<bool>,
    keys: Vec<Expr>,
    join: Join,
    stream_is_left: bool,
    /// Conditions between the join and the aggregate.
    filters: Vec<Expr>,
    groups: Vec<Expr>,
    above: Vec<(Above, Option<Expr>)>,
    original: Aggregate,
}

/// What the aggregate asks of the join's output.
struct Asked {
    groups: Vec<Expr>,
    calls: Vec<Expr>,
    filters: Vec<Expr>,
}

impl Asked {
    fn rewritten(&mut self, mut rewrite: impl FnMut(&Column) -> Option<Expr>) -> Result<()> {
        for expr in self.groups.iter_mut().chain(&mut self.calls).chain(&mut self.filters) {
            let new = std::mem::take(expr).transform_down(|expr| match &expr {
                Expr::Column(column) => Ok(match rewrite(column) {
                    Some(new) => Transformed::new(new, true, TreeNodeRecursion::Jump),
                    None => Transformed::no(expr),
                }),
                _ => Ok(Transformed::no(expr)),
            })?;
            *expr = new.data;
        }
        Ok(())
    }
}

/// The join below an aggregate, with all that is asked in its columns.
fn asked_of_join(aggregate: &Aggregate) -> Result<Option<(Join, Asked)>> {
    let bare = |exprs: &[Expr]| exprs.iter().map(|expr| expr.clone().unalias()).collect();
    let mut asked =
        Asked { groups: bare(&aggregate.group_expr), calls: bare(&aggregate.aggr_expr), filters: Vec::new() };
    let mut node = aggregate.input.as_ref();
    loop {
        node = match node {
            LogicalPlan::Join(join) => return Ok(Some((join.clone(), asked))),
            LogicalPlan::Filter(filter) => {
                asked.filters.extend(split_conjunction(&filter.predicate).into_iter().cloned());
                &filter.input
            }
            LogicalPlan::Projection(projection) => {
                asked.rewritten(|column| {
                    let index = projection.schema.maybe_index_of_column(column)?;
                    Some(projection.expr.get(index)?.clone().unalias())
                })?;
                &projection.input
            }
            LogicalPlan::SubqueryAlias(alias) => {
                asked.rewritten(|column| {
                    let index = alias.schema.maybe_index_of_column(column)?;
                    Some(Expr::Column(Column::from(alias.input.schema().qualified_field(index))))
                })?;
                &alias.input
            }
            _ => return Ok(None),
        };
    }
}

/// Takes `aggregate` apart if it is over a join with a side for which `is_stream` holds.
///
/// # Errors
/// [`Unmaintained`] if one of its aggregates cannot be taken apart.
pub(super) fn push_below(
    aggregate: &Aggregate,
    is_stream: impl Fn(&LogicalPlan) -> bool,
) -> Result<Option<Pushed>, Unmaintained> {
    // Where sessions begin depends on all that is grouped by.
    let undivided = |expr: &Expr| matches!(expr, Expr::GroupingSet(_)) || sessions::marked(expr).is_some();
    if aggregate.group_expr.iter().any(undivided) {
        return Ok(None);
    }
    let Some((join, asked)) = asked_of_join(aggregate)? else { return Ok(None) };
    let left = matches!(join.join_type, JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti);
    let right = matches!(join.join_type, JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti);
    let stream_is_left = left && is_stream(&join.left);
    let stream_is_right = right && is_stream(&join.right);
    if !stream_is_left && !stream_is_right {
        return Ok(None);
    }
    let stream = if stream_is_left { join.left.clone() } else { join.right.clone() };
    let mut pusher = Pusher { stream: &stream, keys: Vec::new(), calls: Vec::new(), as_state: Vec::new() };
    for (one, other) in &join.on {
        pusher.need(if stream_is_left { one } else { other });
    }
    join.filter.iter().flat_map(split_conjunction).for_each(|condition| pusher.need(condition));
    asked.groups.iter().for_each(|group| pusher.need(group));
    let (own, filters): (Vec<Expr>, Vec<Expr>) =
        asked.filters.into_iter().partition(|condition| pusher.side(condition) == Side::Stream);
    filters.iter().for_each(|condition| pusher.need(condition));
    let above = asked.calls.into_iter().map(|call| pusher.call(call)).collect::<Result<Vec<_>, _>>()?;
    if pusher.keys.is_empty() {
        // Without keys there would be a group without rows.
        pusher.keys.push(lit(1i64));
    }
    let Pusher { keys, calls, as_state, .. } = pusher;
    let rows = match conjunction(own) {
        Some(condition) => Arc::new(LogicalPlan::Filter(Filter::try_new(condition, stream.clone())?)),
        None => stream.clone(),
    };
    let named = calls.into_iter().enumerate().map(|(number, call)| call.alias(format!("__call_{number}")));
    let below = LogicalPlan::Aggregate(Aggregate::try_new(rows, keys.clone(), named.collect())?);
    let (groups, original) = (asked.groups, aggregate.clone());
    Ok(Some(Pushed { below, as_state, keys, join, stream_is_left, filters, groups, above, original }))
}

/// Whose columns an expression has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    None,
    Stream,
    Other,
    Both,
}

struct Pusher<'a> {
    stream: &'a LogicalPlan,
    keys: Vec<Expr>,
    calls: Vec<Expr>,
    as_state: Vec<bool>,
}

impl Pusher<'_> {
    fn side(&self, expr: &Expr) -> Side {
        let of_stream = |column: &&Column| self.stream.schema().has_column(column);
        let columns = expr.column_refs();
        match (columns.iter().any(&of_stream), columns.iter().all(of_stream)) {
            (_, true) if columns.is_empty() => Side::None,
            (true, true) => Side::Stream,
            (true, false) => Side::Both,
            _ => Side::Other,
        }
    }

    /// The value of `expr` will be asked for above the join: what of it the stream gives is a key.
    fn need(&mut self, expr: &Expr) {
        let mut keys: Vec<Expr> = match self.side(expr) {
            Side::Stream => vec![expr.clone()],
            Side::Both => {
                let columns = expr.column_refs().into_iter().filter(|column| self.stream.schema().has_column(column));
                columns.map(|column| Expr::Column(column.clone())).collect()
            }
            _ => Vec::new(),
        };
        // A set has no order; the keys of a plan shall have one.
        keys.sort_by_key(ToString::to_string);
        for key in keys {
            if !self.keys.contains(&key) {
                self.keys.push(key);
            }
        }
    }

    /// The number of a call below.
    fn below(&mut self, call: Expr, as_state: bool) -> usize {
        let known = self.calls.iter().zip(&self.as_state).position(|known| known == (&call, &as_state));
        known.unwrap_or_else(|| {
            self.calls.push(call);
            self.as_state.push(as_state);
            self.calls.len() - 1
        })
    }

    fn call(&mut self, call: Expr) -> Result<(Above, Option<Expr>), Unmaintained> {
        let text = call.to_string();
        let refused = || {
            Unmaintained(format!(
                "`{text}` takes columns of both sides of a join over a whole stream, and is not the sum of a product"
            ))
        };
        let Expr::AggregateFunction(AggregateFunction { func, params }) = call else { return Err(refused()) };
        let conditions: Vec<Expr> =
            params.filter.iter().flat_map(|filter| split_conjunction(filter)).cloned().collect();
        let (own, rest): (Vec<Expr>, Vec<Expr>) =
            conditions.into_iter().partition(|condition| matches!(self.side(condition), Side::Stream | Side::None));
        let asked = params.args.iter().chain(params.order_by.iter().map(|sort| &sort.expr));
        let all_own = asked.clone().all(|expr| matches!(self.side(expr), Side::Stream | Side::None));
        let own_filter = |own: Vec<Expr>| conjunction(own).map(Box::new);
        if all_own {
            rest.iter().for_each(|condition| self.need(condition));
            let params = AggregateFunctionParams { filter: own_filter(own), ..params };
            let call = self.below(Expr::AggregateFunction(AggregateFunction { func, params }), true);
            return Ok((Above::Merge { call }, conjunction(rest)));
        }
        if params.order_by.is_empty() && (params.distinct || IDEMPOTENT.contains(&func.name())) {
            params.args.iter().chain(&own).chain(&rest).for_each(|expr| self.need(expr));
            let filter = conjunction(own.into_iter().chain(rest));
            let params = AggregateFunctionParams { filter: None, ..params };
            return Ok((Above::Direct(AggregateFunction { func, params }), filter));
        }
        let [arg] = params.args.as_slice() else { return Err(refused()) };
        let sum_below = |of: Expr, own: Vec<Expr>| {
            Expr::AggregateFunction(AggregateFunction::new_udf(
                sum_udaf(),
                vec![of],
                false,
                own_filter(own),
                vec![],
                None,
            ))
        };
        match (func.name(), self.side(arg)) {
            ("sum", Side::Other) => {
                rest.iter().for_each(|condition| self.need(condition));
                let call = self.below(sum_below(lit(1i64), own), false);
                Ok((Above::Product { call, factor: arg.clone() }, conjunction(rest)))
            }
            ("count", Side::Other) => {
                rest.iter().for_each(|condition| self.need(condition));
                let call = self.below(sum_below(lit(1i64), own), false);
                let there = arg.clone().is_not_null();
                Ok((Above::Count { call }, conjunction(rest.into_iter().chain([there]))))
            }
            ("sum", Side::Both) => {
                let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Multiply, right }) = arg else {
                    return Err(refused());
                };
                let (of, factor) = match (self.side(left), self.side(right)) {
                    (Side::Stream, Side::Other) => (left, right),
                    (Side::Other, Side::Stream) => (right, left),
                    _ => return Err(refused()),
                };
                let summed = of.get_type(self.stream.schema())?;
                if !matches!(summed, DataType::Int64 | DataType::UInt64 | DataType::Float64 | DataType::Decimal128(..))
                {
                    return Err(refused());
                }
                rest.iter().for_each(|condition| self.need(condition));
                let call = self.below(sum_below(of.as_ref().clone(), own), false);
                Ok((Above::Product { call, factor: factor.as_ref().clone() }, conjunction(rest)))
            }
            _ => Err(refused()),
        }
    }
}

impl Pushed {
    /// The plan above: `held` is what holds the aggregate below, taken apart as `shape`. Gives what the whole aggregate did.
    pub(super) fn over(&self, held: LogicalPlan, shape: &AggregateShape) -> Result<LogicalPlan> {
        let column = |number: usize| Expr::Column(Column::from(held.schema().qualified_field(number)));
        let rewritten = |expr: &Expr| {
            let rewritten = expr.clone().transform_down(|expr| {
                Ok(match self.keys.iter().position(|key| *key == expr) {
                    Some(number) => Transformed::new(column(number), true, TreeNodeRecursion::Jump),
                    None => Transformed::no(expr),
                })
            });
            rewritten.map(|rewritten| rewritten.data)
        };
        let on = self.join.on.iter().map(|(left, right)| {
            Ok(match self.stream_is_left {
                true => (rewritten(left)?, right.clone()),
                false => (left.clone(), rewritten(right)?),
            })
        });
        let on = on.collect::<Result<Vec<_>>>()?;
        let filter = self.join.filter.as_ref().map(&rewritten).transpose()?;
        let filters = self.filters.iter().map(&rewritten).collect::<Result<Vec<_>>>()?;
        let groups = self.groups.iter().map(&rewritten).collect::<Result<Vec<_>>>()?;
        let call_column = |call: usize| column(self.keys.len() + call);

        let mut calls = Vec::with_capacity(self.above.len());
        for (number, (above, filter)) in self.above.iter().enumerate() {
            let filter = filter.as_ref().map(&rewritten).transpose()?.map(Box::new);
            let sum_of =
                |of: Expr, filter| AggregateFunction::new_udf(sum_udaf(), vec![of], false, filter, vec![], None);
            let call = match above {
                Above::Merge { call } => {
                    let merge = merged(&shape.calls[*call].function);
                    AggregateFunction::new_udf(Arc::new(merge), vec![call_column(*call)], false, filter, vec![], None)
                }
                Above::Count { call } => sum_of(call_column(*call), filter),
                Above::Product { call, factor } => {
                    let factor_type = factor.get_type(self.join.schema.as_ref())?;
                    let summed = call_column(*call);
                    let summed = match (summed.get_type(held.schema())?, &factor_type) {
                        (DataType::Int64, DataType::Float64) => summed.cast_to(&DataType::Float64, held.schema())?,
                        (DataType::Int64, DataType::Decimal128(..)) => {
                            summed.cast_to(&DataType::Decimal128(20, 0), held.schema())?
                        }
                        _ => summed,
                    };
                    sum_of(summed * factor.clone(), filter)
                }
                Above::Direct(AggregateFunction { func, params }) => {
                    let args = params.args.iter().map(&rewritten).collect::<Result<Vec<_>>>()?;
                    let params = AggregateFunctionParams { args, filter, ..params.clone() };
                    AggregateFunction { func: func.clone(), params }
                }
            };
            calls.push(Expr::AggregateFunction(call).alias(format!("__call_{number}")));
        }

        let held = Arc::new(held);
        let (left, right) = match self.stream_is_left {
            true => (held, self.join.right.clone()),
            false => (self.join.left.clone(), held),
        };
        let Join { join_type, null_equality, null_aware, .. } = self.join;
        let join = Join::try_new(left, right, on, filter, join_type, JoinConstraint::On, null_equality, null_aware)?;
        let mut input = Arc::new(LogicalPlan::Join(join));
        if let Some(condition) = conjunction(filters) {
            input = Arc::new(LogicalPlan::Filter(Filter::try_new(condition, input)?));
        }
        let aggregate = Aggregate::try_new(input, groups, calls)?;
        let schema = aggregate.schema.clone();
        let results = self.original.schema.iter().enumerate().map(|(number, (qualifier, field))| {
            let result = Expr::Column(Column::from(schema.qualified_field(number)));
            let above = number.checked_sub(self.groups.len()).and_then(|call| self.above.get(call));
            let result = match above {
                Some((Above::Count { .. }, _)) => coalesce(vec![result, lit(0i64)]),
                Some((Above::Product { .. }, _)) => result.cast_to(field.data_type(), &schema)?,
                _ => result,
            };
            Ok(result.alias_qualified(qualifier.cloned(), field.name()))
        });
        let results = results.collect::<Result<Vec<_>>>()?;
        Ok(LogicalPlan::Projection(Projection::try_new(results, Arc::new(LogicalPlan::Aggregate(aggregate)))?))
    }
}
