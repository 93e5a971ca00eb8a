//! `ago(expr, interval)`: what an aggregate was that much earlier (ADR 0015).
//!
//! In the plan it is a marker above an aggregate. Here it is replaced by a column of a second aggregate: the same one with the
//! clock set back, over the rows whose `time` that clock had reached, joined to the first by its groups. Nothing of it
//! is left when the plan is maintained or run: both see an ordinary join of two windows. Holds no state, runs nothing.

use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{
    Column, ExprSchema, JoinConstraint, JoinType, NullEquality, Result, ScalarValue, internal_err, plan_err,
};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, ColumnarValue, Expr, Filter, Join, LogicalPlan, Operator, Projection, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast,
};

use super::bounds::RELATIONS_MAX;
use super::{event_time, reserved, sessions, spans};

/// The function's name.
pub(crate) const AGO: &str = "ago";
/// What the columns of the past begin with.
const PAST: &str = "__ago";
/// Streams that hold what other streams refer to: as they are now, not as they were.
const REFERENCE: &str = "ref_";

/// Registers the marker with a session.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    let signature = Signature::user_defined(Volatility::Immutable);
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(Marker { signature })))?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Marker {
    signature: Signature,
}

impl ScalarUDFImpl for Marker {
    fn name(&self) -> &str {
        AGO
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        match args {
            [value, _] => Ok(vec![value.clone(), DataType::Interval(IntervalUnit::MonthDayNano)]),
            _ => plan_err!("`ago` takes an aggregate and an interval: `ago(sum(total), interval '1 hour')`"),
        }
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [value, _] => Ok(value.clone()),
            _ => plan_err!("`ago` takes an aggregate and an interval"),
        }
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("`ago` was left in the plan")
    }
}

/// Replaces every `ago` of `plan`.
///
/// # Errors
/// If one stands where there is nothing to set back, or its interval is none.
pub(crate) fn rewrite(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        if !node_calls_ago(&node)? {
            return Ok(Transformed::no(node));
        }
        match &node {
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::Window(_) => {}
            LogicalPlan::Aggregate(_) => {
                return plan_err!(
                    "`ago` goes around an aggregate, not inside it: `ago(sum(total), interval '1 hour')`"
                );
            }
            LogicalPlan::Sort(_) => {
                return plan_err!(
                    "`ago` in ORDER BY must be a column of the answer: name it in SELECT, order by the name"
                );
            }
            _ => return plan_err!("`ago` may stand in SELECT and HAVING"),
        }
        Ok(Transformed::yes(compared(&node, state)?))
    })?;
    Ok(rewritten.data)
}

/// `node` with each `ago` in its expressions replaced by a column of the past, which its input now has.
fn compared(node: &LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let inputs = node.inputs();
    let [input] = inputs.as_slice() else { return internal_err!("`ago` above several inputs") };
    let Some(aggregate) = aggregate_below(input) else {
        return plan_err!("`ago` needs an aggregate to set back: `ago(sum(total), interval '1 hour')`");
    };
    let aggregate = aggregate.clone();
    let mut input = (*input).clone();
    let names = NamePreserver::new(node);
    let mut exprs = Vec::new();
    for expr in node.expressions() {
        let name = names.save(&expr);
        let replaced = expr.transform_up(|expr| match expr {
            Expr::ScalarFunction(call) if call.func.name() == AGO => {
                let [value, interval] = call.args.as_slice() else { return plan_err!("`ago` takes two arguments") };
                let span = Span::of(interval, state)?;
                input = with_past(&input, span, state)?;
                Ok(Transformed::yes(span.past_value(value.clone(), &aggregate, state)?))
            }
            other => Ok(Transformed::no(other)),
        })?;
        exprs.push(replaced.update_data(|expr| name.restore(expr)).data);
    }
    node.with_new_exprs(exprs, vec![input])
}

/// How far the clock is set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span(IntervalMonthDayNano);

impl Span {
    fn of(expr: &Expr, state: &SessionState) -> Result<Self> {
        Ok(Self(spans::positive(expr, AGO, state)?))
    }

    /// `time` that much earlier.
    fn before(self, time: Expr) -> Expr {
        let interval = Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(self.0)), None);
        Expr::BinaryExpr(BinaryExpr::new(Box::new(time), Operator::Minus, Box::new(interval)))
    }

    /// What column `index` of an aggregate is called in its past.
    fn name(self, index: usize) -> String {
        let IntervalMonthDayNano { months, days, nanoseconds } = self.0;
        format!("{PAST}_{months}_{days}_{nanoseconds}_{index}")
    }

    /// `expr` with the clock set back.
    fn set_back(self, expr: Expr, state: &SessionState) -> Result<Transformed<Expr>> {
        expr.transform_up(|expr| {
            if reserved::as_end(&expr).is_some() {
                return Ok(Transformed::yes(self.before(expr)));
            }
            let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
            match call.func.name() {
                "now" => Ok(Transformed::yes(self.before(expr))),
                "current_date" => {
                    let now = self.before(clock(state)?);
                    Ok(Transformed::yes(cast(now, DataType::Date32)))
                }
                _ => Ok(Transformed::no(expr)),
            }
        })
    }

    /// What `value`, an expression over the columns of `aggregate`, was.
    fn past_value(self, value: Expr, aggregate: &Aggregate, state: &SessionState) -> Result<Expr> {
        let groups = aggregate.group_expr_len()?;
        let (mut known, mut aggregated) = (true, false);
        let value = self.set_back(value, state)?.data.transform_up(|expr| {
            let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
            let Some(index) = aggregate.schema.maybe_index_of_column(column) else {
                known = false;
                return Ok(Transformed::no(expr));
            };
            aggregated |= index >= groups;
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(self.name(index)))))
        })?;
        if calls_ago(&value.data)? || !known {
            return plan_err!("`ago` cannot be taken of `ago` or of what is computed above its aggregate");
        }
        if !aggregated {
            return plan_err!("`ago` goes around an aggregate: `ago(sum(total), interval '1 hour')`");
        }
        Ok(value.data)
    }

    /// `plan` with the clock set back, over the rows whose time that clock had reached.
    fn set_back_plan(self, plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
        let back = plan.transform_up_with_subqueries(|node| {
            let names = NamePreserver::new(&node);
            let node = node.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(self.set_back(expr, state)?.update_data(|expr| name.restore(expr)))
            })?;
            let node = if node.transformed { node.data.recompute_schema()? } else { node.data };
            let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::yes(node)) };
            match event_time::of_scan(&node) {
                Some(time) if !scan.table_name.table().starts_with(REFERENCE) => {
                    let reached = Expr::Column(time).lt_eq(self.before(clock(state)?));
                    Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(reached, Arc::new(node))?)))
                }
                _ => Ok(Transformed::yes(node)),
            }
        })?;
        Ok(back.data)
    }
}

/// `now()`.
fn clock(state: &SessionState) -> Result<Expr> {
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(state.udf("now")?, Vec::new())))
}

fn calls_ago(expr: &Expr) -> Result<bool> {
    expr.exists(|expr| Ok(matches!(expr, Expr::ScalarFunction(call) if call.func.name() == AGO)))
}

fn node_calls_ago(node: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found |= calls_ago(expr)?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Whether `join` brings a past in.
fn is_comparison(join: &Join) -> bool {
    match join.right.as_ref() {
        LogicalPlan::Projection(past) => {
            past.expr.iter().all(|expr| matches!(expr, Expr::Alias(alias) if alias.name.starts_with(PAST)))
        }
        _ => false,
    }
}

/// The aggregate whose columns `plan` passes on.
fn aggregate_below(plan: &LogicalPlan) -> Option<&Aggregate> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Some(aggregate),
        LogicalPlan::Filter(Filter { input, .. }) => aggregate_below(input),
        LogicalPlan::Window(window) => aggregate_below(&window.input),
        LogicalPlan::Projection(projection) if only_columns(projection) => aggregate_below(&projection.input),
        LogicalPlan::Join(join) if is_comparison(join) => aggregate_below(&join.left),
        _ => None,
    }
}

fn only_columns(projection: &Projection) -> bool {
    projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_)))
}

/// `plan` with the columns that its aggregate had `span` ago.
fn with_past(plan: &LogicalPlan, span: Span, state: &SessionState) -> Result<LogicalPlan> {
    if plan.schema().has_column_with_unqualified_name(&span.name(0)) {
        return Ok(plan.clone());
    }
    match plan {
        LogicalPlan::Aggregate(aggregate) => joined(aggregate, span, state),
        LogicalPlan::Projection(projection) => {
            let input = with_past(&projection.input, span, state)?;
            let mut exprs = projection.expr.clone();
            let past = (0..).map(|index| Column::new_unqualified(span.name(index)));
            let past = past.take_while(|column| input.schema().has_column(column));
            exprs.extend(past.map(Expr::Column));
            Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?))
        }
        LogicalPlan::Join(join) => {
            let left = Arc::new(with_past(&join.left, span, state)?);
            let Join { right, on, filter, join_type, join_constraint, null_equality, null_aware, .. } = join.clone();
            let join = Join::try_new(left, right, on, filter, join_type, join_constraint, null_equality, null_aware)?;
            Ok(LogicalPlan::Join(join))
        }
        other => {
            let inputs = other.inputs();
            let [input] = inputs.as_slice() else { return internal_err!("`ago` above several inputs") };
            other.with_new_exprs(other.expressions(), vec![with_past(input, span, state)?])
        }
    }
}

/// `now` beside what it was: of each of its groups, the one that was it then.
fn joined(now: &Aggregate, span: Span, state: &SessionState) -> Result<LogicalPlan> {
    if now.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
        return plan_err!("`ago` cannot be taken over grouping sets");
    }
    if now.group_expr.iter().any(sessions::is_marker) {
        return plan_err!("`ago` cannot be taken over sessions: no session has one that it was earlier");
    }
    let then = LogicalPlan::Aggregate(now.clone());
    let then = span.set_back_plan(then, state)?;
    if scans(&then)? > RELATIONS_MAX {
        return plan_err!("`ago` inside `ago` makes the query too large: use fewer of them");
    }
    let columns = then.schema().columns().into_iter().enumerate();
    let renamed = columns.map(|(index, column)| Expr::Column(column).alias(span.name(index)));
    let then = Arc::new(LogicalPlan::Projection(Projection::try_new(renamed.collect(), Arc::new(then))?));

    let mut on = Vec::with_capacity(now.group_expr.len());
    for (index, group) in now.group_expr.iter().enumerate() {
        let key = Expr::Column(Column::from(now.schema.qualified_field(index)));
        let then_key = Expr::Column(Column::new_unqualified(span.name(index)));
        on.push((earlier_key(key, group, now, index, span)?, then_key));
    }
    // Without groups both have exactly one row.
    let join_type = if on.is_empty() { JoinType::Inner } else { JoinType::Left };
    let left = Arc::new(LogicalPlan::Aggregate(now.clone()));
    let join = Join::try_new(left, then, on, None, join_type, JoinConstraint::On, NullEquality::NullEqualsNull, false)?;
    Ok(LogicalPlan::Join(join))
}

/// What the key of a group was: itself, or, if it is a time made of the event time, the bucket in which its start lay
/// that much earlier. So each group has one past, on days of 23 and 25 hours, too.
fn earlier_key(key: Expr, group: &Expr, now: &Aggregate, index: usize, span: Span) -> Result<Expr> {
    let is_time = matches!(now.schema.field(index).data_type(), DataType::Timestamp(..) | DataType::Date32);
    let columns = group.column_refs();
    if !is_time || !columns.iter().any(|column| event_time::is_made_of_it(column, &now.input)) {
        return Ok(key);
    }
    let mut columns = columns.into_iter();
    match (columns.next(), columns.next()) {
        (Some(column), None) => {
            let column = column.clone();
            let of_column = now.input.schema().field_from_column(&column)?.data_type().clone();
            let start = span.before(cast(key, of_column));
            let bucket = group.clone().transform_up(|expr| {
                let is_it = matches!(&expr, Expr::Column(found) if *found == column);
                Ok(if is_it { Transformed::yes(start.clone()) } else { Transformed::no(expr) })
            })?;
            Ok(bucket.data.unalias())
        }
        _ => Ok(span.before(key)),
    }
}

fn scans(plan: &LogicalPlan) -> Result<usize> {
    let mut found = 0;
    plan.apply_with_subqueries(|node| {
        found += usize::from(matches!(node, LogicalPlan::TableScan(_)));
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
