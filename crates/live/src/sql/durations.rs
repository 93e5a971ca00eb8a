//! Spans between two times beside intervals: both are spans then.
//!
//! `now() - time` is a duration, `interval '2 days'` an interval of months, days and nanoseconds. Left to itself, DataFusion
//! makes intervals of both, and compares days before nanoseconds: any number of hours was less than one day. A day is 24
//! hours here, as a span between two times has no day of the calendar; months have no length, and are refused. And
//! `extract(epoch FROM …)` of a span has its fraction, which DataFusion leaves away from one second on.

use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, cast, lit};

use super::local::is_comparison;

const DAY_NS: i128 = 86_400_000_000_000;

/// Registers the rule with a session.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    state.register_function_rewrite(std::sync::Arc::new(DurationsBesideIntervals))
}

#[derive(Debug)]
struct DurationsBesideIntervals;

impl FunctionRewrite for DurationsBesideIntervals {
    fn name(&self) -> &str {
        "durations_beside_intervals"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) if is_comparison(op) => {
                let changed = as_durations(&mut [&mut *left, &mut *right], schema)?;
                Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), changed)
            }
            Expr::Between(mut between) => {
                let Between { expr, low, high, .. } = &mut between;
                let changed = as_durations(&mut [&mut **expr, &mut **low, &mut **high], schema)?;
                Transformed::new_transformed(Expr::Between(between), changed)
            }
            Expr::InList(InList { mut expr, mut list, negated }) => {
                let mut members: Vec<&mut Expr> = list.iter_mut().chain([&mut *expr]).collect();
                let changed = as_durations(&mut members, schema)?;
                Transformed::new_transformed(Expr::InList(InList { expr, list, negated }), changed)
            }
            Expr::ScalarFunction(call) if is_epoch(&call) => match seconds(&call.args[1], schema)? {
                Some(seconds) => Transformed::yes(seconds),
                None => Transformed::no(Expr::ScalarFunction(call)),
            },
            expr => Transformed::no(expr),
        })
    }
}

fn is_epoch(call: &ScalarFunction) -> bool {
    let is_part = |part: &Expr| match part {
        Expr::Literal(part, _) => {
            part.try_as_str().flatten().is_some_and(|part| part.trim_matches('\'').eq_ignore_ascii_case("epoch"))
        }
        _ => false,
    };
    call.func.name() == "date_part" && call.args.len() == 2 && is_part(&call.args[0])
}

/// A span in seconds; none if it is something else.
fn seconds(span: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let DataType::Duration(unit) = span.get_type(schema)? else { return Ok(None) };
    let units_in_second = match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e3,
        TimeUnit::Microsecond => 1e6,
        TimeUnit::Nanosecond => 1e9,
    };
    let units = cast(cast(span.clone(), DataType::Int64), DataType::Float64);
    Ok(Some(units / lit(units_in_second)))
}

/// Makes durations of the intervals if there is a duration among them. Says whether it did.
fn as_durations(exprs: &mut [&mut Expr], schema: &DFSchema) -> Result<bool> {
    let types: Vec<_> = exprs.iter().map(|expr| expr.get_type(schema).unwrap_or(DataType::Null)).collect();
    let unit = types.iter().find_map(|data_type| match data_type {
        DataType::Duration(unit) => Some(*unit),
        _ => None,
    });
    let Some(unit) = unit else { return Ok(false) };
    let mut changed = false;
    for (expr, data_type) in exprs.iter_mut().zip(types) {
        if !matches!(data_type, DataType::Interval(_)) {
            continue;
        }
        let Some(interval) = constant(expr) else {
            return plan_err!(
                "a span between two times is compared with an interval that is not written out: write `interval '2 days'`"
            );
        };
        **expr = Expr::Literal(duration(interval, unit)?, None);
        changed = true;
    }
    Ok(changed)
}

fn constant(expr: &Expr) -> Option<IntervalMonthDayNano> {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => Some(*interval),
        Expr::Literal(ScalarValue::IntervalYearMonth(Some(months)), _) => {
            Some(IntervalMonthDayNano::new(*months, 0, 0))
        }
        Expr::Literal(ScalarValue::IntervalDayTime(Some(interval)), _) => {
            Some(IntervalMonthDayNano::new(0, interval.days, i64::from(interval.milliseconds) * 1_000_000))
        }
        Expr::Negative(inner) => {
            let IntervalMonthDayNano { months, days, nanoseconds } = constant(inner)?;
            Some(IntervalMonthDayNano::new(-months, -days, -nanoseconds))
        }
        _ => None,
    }
}

fn duration(interval: IntervalMonthDayNano, unit: TimeUnit) -> Result<ScalarValue> {
    if interval.months != 0 {
        return plan_err!(
            "a span between two times is compared with months, which have no fixed length: write it in days"
        );
    }
    let ns = i128::from(interval.days) * DAY_NS + i128::from(interval.nanoseconds);
    let in_units = |unit_ns: i128| i64::try_from(ns / unit_ns).ok();
    let value = match unit {
        TimeUnit::Second => in_units(1_000_000_000).map(|value| ScalarValue::DurationSecond(Some(value))),
        TimeUnit::Millisecond => in_units(1_000_000).map(|value| ScalarValue::DurationMillisecond(Some(value))),
        TimeUnit::Microsecond => in_units(1_000).map(|value| ScalarValue::DurationMicrosecond(Some(value))),
        TimeUnit::Nanosecond => in_units(1).map(|value| ScalarValue::DurationNanosecond(Some(value))),
    };
    match value {
        Some(value) => Ok(value),
        None => plan_err!("an interval is too long to be compared with a span between two times"),
    }
}
