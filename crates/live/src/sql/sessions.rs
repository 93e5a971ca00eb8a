//! Sessions: rows of one group that follow each other without a pause longer than a gap.
//!
//! `session(time, gap)` in GROUP BY is the start of the session that a row belongs to, among the rows that share the other
//! keys. It is a marker: [`expand`] puts the window function `session_start(time, gap)` in its place, which is the only
//! definition of a session in batch, and may be written by itself. Live sessions are kept by `maintain/groups/sessions`. Here
//! nothing is held.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    DataType, Field, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, Result, exec_err, internal_err, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{ScalarFunction, Sort, WindowFunction};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Expr, LimitEffect, LogicalPlan, PartitionEvaluator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, Window, WindowFrame, WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;

use super::spans;

/// The marker in GROUP BY.
pub(crate) const SESSION: &str = "session";
/// The window function.
pub(crate) const SESSION_START: &str = "session_start";
const DAY_US: i64 = 86_400_000_000;

/// Registers both with a session of DataFusion's.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    let signature = || Signature::user_defined(Volatility::Immutable);
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(Marker { signature: signature() })))?;
    state.register_udwf(Arc::new(WindowUDF::new_from_impl(Starts { signature: signature() })))?;
    Ok(())
}

fn coerced(function: &str, args: &[DataType]) -> Result<Vec<DataType>> {
    match args {
        [DataType::Timestamp(_, zone), _] => Ok(vec![
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            DataType::Interval(IntervalUnit::MonthDayNano),
        ]),
        _ => plan_err!("`{function}` takes a time and an interval: `{function}(time, interval '30 minutes')`"),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Marker {
    signature: Signature,
}

impl ScalarUDFImpl for Marker {
    fn name(&self) -> &str {
        SESSION
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        coerced(SESSION, args)
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(coerced(SESSION, args)?.swap_remove(0))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("`session` was left in the plan")
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Starts {
    signature: Signature,
}

impl WindowUDFImpl for Starts {
    fn name(&self) -> &str {
        SESSION_START
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        coerced(SESSION_START, args)
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let Some(time) = args.get_input_field(0) else { return internal_err!("a time is needed") };
        Ok(Arc::new(Field::new(args.name(), time.data_type().clone(), true)))
    }

    fn partition_evaluator(&self, _args: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Evaluator))
    }

    fn limit_effect(&self, _args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        LimitEffect::Unknown
    }
}

#[derive(Debug)]
struct Evaluator;

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let [times, gaps] = values else { return internal_err!("two arguments are needed") };
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let gaps = gaps.as_primitive::<IntervalMonthDayNanoType>();
        let gap_us = if rows > 0 && gaps.is_valid(0) { gap_us(gaps.value(0))? } else { 0 };
        let (mut start, mut last) = (None, None);
        let starts = times.iter().map(|time| {
            let time = time?;
            if last.is_none_or(|last: i64| time.saturating_sub(last) > gap_us) {
                start = Some(time);
            }
            last = Some(time);
            start
        });
        let starts: PrimitiveArray<TimestampMicrosecondType> = starts.collect();
        Ok(Arc::new(starts.with_data_type(times.data_type().clone())))
    }
}

/// A gap in µs. Its days have 24 hours.
pub(crate) fn gap_us(gap: IntervalMonthDayNano) -> Result<i64> {
    if gap.months != 0 {
        return exec_err!(
            "the gap of a session is a length of time: write days, hours, minutes or seconds, not months"
        );
    }
    let days = i64::from(gap.days).saturating_mul(DAY_US);
    Ok(days.saturating_add(gap.nanoseconds / 1_000))
}

/// Whether `expr` is the key of sessions.
pub(crate) fn is_marker(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.name() == SESSION)
}

/// The time and the gap of `expr` if it is the key of sessions.
pub(crate) fn marked(expr: &Expr) -> Option<(&Expr, &Expr)> {
    match expr {
        Expr::Alias(alias) => marked(&alias.expr),
        Expr::ScalarFunction(call) if call.func.name() == SESSION => match call.args.as_slice() {
            [time, gap] => Some((time, gap)),
            _ => None,
        },
        _ => None,
    }
}

/// Checks that sessions stand where they mean something. Gives the name of the function at fault with the error.
///
/// # Errors
/// See above.
pub(crate) fn check(
    plan: &LogicalPlan,
    state: &SessionState,
) -> std::result::Result<(), (&'static str, DataFusionError)> {
    let mut at_fault = SESSION;
    let checked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node {
            let markers: Vec<&Expr> = aggregate.group_expr.iter().filter(|expr| is_marker(expr)).collect();
            if markers.len() > 1 {
                return plan_err!("one GROUP BY can have one `session`");
            }
            for marker in markers {
                let Expr::ScalarFunction(ScalarFunction { args, .. }) = marker else { continue };
                constant_gap(args, SESSION, state)?;
            }
        }
        node.apply_expressions(|expr| {
            // What a GROUP BY has as a key is checked above.
            if is_marker(expr) && matches!(node, LogicalPlan::Aggregate(_)) {
                return Ok(TreeNodeRecursion::Continue);
            }
            expr.apply(|expr| {
                if is_marker(expr) {
                    return plan_err!(
                        "`session` is a key of GROUP BY by itself; for single rows write \
                         `session_start(time, interval '30 minutes') OVER (PARTITION BY … ORDER BY time)`"
                    );
                }
                if let Expr::WindowFunction(call) = expr
                    && call.fun.name() == SESSION_START
                {
                    at_fault = SESSION_START;
                    constant_gap(&call.params.args, SESSION_START, state)?;
                    let by_time = match call.params.order_by.as_slice() {
                        [sort] => sort.asc && call.params.args.first() == Some(&sort.expr),
                        _ => false,
                    };
                    if !by_time {
                        return plan_err!("`session_start` goes by its time: write `OVER (… ORDER BY time)`");
                    }
                    at_fault = SESSION;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    checked.map(drop).map_err(|error| (at_fault, error))
}

fn constant_gap(args: &[Expr], function: &str, state: &SessionState) -> Result<i64> {
    let [_, gap] = args else { return plan_err!("`{function}` takes a time and an interval") };
    let gap = spans::positive(gap, function, state)?;
    if gap.months != 0 {
        return plan_err!(
            "the gap of a session is a length of time: write days, hours, minutes or seconds, not months"
        );
    }
    gap_us(gap)
}

/// Puts the window function in the place of every marker.
///
/// # Errors
/// What building a plan can meet.
pub(crate) fn expand(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let expanded = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.iter().any(is_marker) => {
            Ok(Transformed::yes(windowed(aggregate, state)?))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(expanded.data)
}

fn windowed(aggregate: Aggregate, state: &SessionState) -> Result<LogicalPlan> {
    let others: Vec<Expr> = aggregate.group_expr.iter().filter(|expr| !is_marker(expr)).cloned().collect();
    let Some(Expr::ScalarFunction(marker)) = aggregate.group_expr.iter().find(|expr| is_marker(expr)) else {
        return internal_err!("no session in GROUP BY");
    };
    let Some(time) = marker.args.first().cloned() else { return internal_err!("a time is needed") };
    let name = Expr::ScalarFunction(marker.clone()).schema_name().to_string();
    let definition = WindowFunctionDefinition::WindowUDF(state.udwf(SESSION_START)?);
    let mut starts = WindowFunction::new(definition, marker.args.clone());
    starts.params.partition_by = others.into_iter().map(Expr::unalias).collect();
    starts.params.order_by = vec![Sort::new(time, true, false)];
    starts.params.window_frame = WindowFrame::new(Some(true));
    let starts = Expr::WindowFunction(Box::new(starts)).alias(&name);
    let window = LogicalPlan::Window(Window::try_new(vec![starts], aggregate.input)?);
    let keys = aggregate
        .group_expr
        .into_iter()
        .map(|expr| if is_marker(&expr) { Expr::Column(Column::new_unqualified(name.clone())) } else { expr });
    Ok(LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(window), keys.collect(), aggregate.aggr_expr)?))
}
