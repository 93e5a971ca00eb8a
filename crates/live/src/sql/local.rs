//! Times plus and minus intervals, in local time, where a local time may not exist or exist twice.
//!
//! `now() - interval '1 day'` is yesterday at the same hour of the clock. Twice a year there is no such hour or there
//! are two; Arrow's own arithmetic then fails with "out of range". Ours takes the earlier of two, and moves a time that was
//! skipped forward by what the clocks were. The analyser puts it in the place of every such expression, live and in batch. Likewise a date where a time is wanted is midnight in the
//! query's zone (`time >= current_date`), not in UTC as Arrow has it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowTimestampType, DataType, Date32Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use chrono::{DateTime, Days, LocalResult, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_datafusion_err, internal_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::{FunctionRewrite, NamePreserver};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

/// Registers the arithmetic with a session.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    // Behind the rules that put casts where types differ.
    state.add_analyzer_rule(Arc::new(DatesInLocalTime));
    state.register_function_rewrite(Arc::new(InLocalTime { plus: function(false), minus: function(true) }))
}

fn function(minus: bool) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Shift { minus, signature: Signature::any(2, Volatility::Immutable) }))
}

/// Replaces `time ± interval` by the function.
#[derive(Debug)]
struct InLocalTime {
    plus: Arc<ScalarUDF>,
    minus: Arc<ScalarUDF>,
}

impl FunctionRewrite for InLocalTime {
    fn name(&self) -> &str {
        "intervals_in_local_time"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let expr = match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
                return Ok(compared_with_dates(left, op, right, schema));
            }
            Expr::Between(Between { expr, negated, low, high }) => {
                let (low, high) = (beside(&expr, *low, schema), beside(&expr, *high, schema));
                let any = low.transformed || high.transformed;
                let between = Expr::Between(Between::new(expr, negated, low.data.into(), high.data.into()));
                return Ok(if any { Transformed::yes(between) } else { Transformed::no(between) });
            }
            expr => expr,
        };
        let Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right }) = expr else {
            return Ok(Transformed::no(expr));
        };
        let is_time = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Timestamp(_, Some(_))));
        let is_interval = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Interval(_))) && !is_exact(expr);
        let (time, interval, function) = if is_time(&left) && is_interval(&right) {
            (left, right, if op == Operator::Plus { &self.plus } else { &self.minus })
        } else if op == Operator::Plus && is_interval(&left) && is_time(&right) {
            (right, left, &self.plus)
        } else {
            return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })));
        };
        let args = vec![*time, *interval];
        Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(function.clone(), args))))
    }
}

/// Whether an interval is a fixed length of time: no calendar is needed for it.
fn is_exact(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => {
            interval.months == 0 && interval.days == 0
        }
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shift {
    minus: bool,
    signature: Signature,
}

impl Shift {
    fn text(&self, args: &[Expr]) -> String {
        let sign = if self.minus { '-' } else { '+' };
        match args {
            [time, interval] => format!("{time} {sign} {interval}"),
            _ => self.name().to_owned(),
        }
    }
}

impl ScalarUDFImpl for Shift {
    fn name(&self) -> &str {
        if self.minus { "minus_interval" } else { "plus_interval" }
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(self.text(args))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [time @ DataType::Timestamp(_, Some(_)), _] => Ok(time.clone()),
            other => internal_err!("an interval was added to {other:?}"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [time, interval] = args.args.as_slice() else { return internal_err!("two arguments are needed") };
        let interval = interval.cast_to(&DataType::Interval(IntervalUnit::MonthDayNano), None)?;
        let scalar = matches!((time, &interval), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let (times, intervals) = (time.to_array(rows)?, interval.to_array(rows)?);
        let DataType::Timestamp(unit, Some(zone)) = times.data_type().clone() else {
            return internal_err!("an interval was added to {}", times.data_type());
        };
        let zone: Tz = zone.parse().map_err(|_| exec_datafusion_err!("`{zone}` is not a time zone"))?;
        let shifted = match unit {
            TimeUnit::Second => shift::<TimestampSecondType>(&times, &intervals, zone, 1, self.minus)?,
            TimeUnit::Millisecond => shift::<TimestampMillisecondType>(&times, &intervals, zone, 1_000, self.minus)?,
            TimeUnit::Microsecond => {
                shift::<TimestampMicrosecondType>(&times, &intervals, zone, 1_000_000, self.minus)?
            }
            TimeUnit::Nanosecond => {
                shift::<TimestampNanosecondType>(&times, &intervals, zone, 1_000_000_000, self.minus)?
            }
        };
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&shifted, 0)?)
        } else {
            ColumnarValue::Array(shifted)
        })
    }
}

fn shift<T: ArrowTimestampType>(
    times: &ArrayRef,
    intervals: &ArrayRef,
    zone: Tz,
    per_second: i64,
    minus: bool,
) -> Result<ArrayRef> {
    let (column, intervals) = (times.as_primitive::<T>(), intervals.as_primitive::<IntervalMonthDayNanoType>());
    let ns_per_unit = 1_000_000_000 / per_second;
    let one = |row: usize| -> Result<Option<i64>> {
        if column.is_null(row) || intervals.is_null(row) {
            return Ok(None);
        }
        let time = column.value(row);
        let nanos = u32::try_from(time.rem_euclid(per_second) * ns_per_unit).unwrap_or_default();
        let shifted = DateTime::from_timestamp(time.div_euclid(per_second), nanos)
            .and_then(|time| moved(time.naive_utc(), intervals.value(row), zone, minus))
            .and_then(|time| {
                let time = time.and_utc();
                let fraction = i64::from(time.timestamp_subsec_nanos()) / ns_per_unit;
                time.timestamp().checked_mul(per_second)?.checked_add(fraction)
            });
        shifted.map(Some).ok_or_else(|| exec_datafusion_err!("a time plus or minus an interval is out of range"))
    };
    let shifted: PrimitiveArray<T> = (0..column.len()).map(one).collect::<Result<_>>()?;
    Ok(Arc::new(shifted.with_data_type(times.data_type().clone())))
}

/// An instant in µs moved by `by` in the calendar of `zone`; `None` out of range.
pub(crate) fn moved_us(at_us: i64, by: IntervalMonthDayNano, zone: Tz, minus: bool) -> Option<i64> {
    let utc = DateTime::from_timestamp_micros(at_us)?.naive_utc();
    Some(moved(utc, by, zone, minus)?.and_utc().timestamp_micros())
}

/// `utc` moved by months and days of the calendar of `zone`, then by the exact rest.
pub(super) fn moved(utc: NaiveDateTime, by: IntervalMonthDayNano, zone: Tz, minus: bool) -> Option<NaiveDateTime> {
    let mut moved = utc;
    if by.months != 0 || by.days != 0 {
        let local = zone.from_utc_datetime(&utc).naive_local();
        let months = Months::new(by.months.unsigned_abs());
        let local = if (by.months < 0) == minus {
            local.checked_add_months(months)?
        } else {
            local.checked_sub_months(months)?
        };
        let days = Days::new(by.days.unsigned_abs().into());
        let local =
            if (by.days < 0) == minus { local.checked_add_days(days)? } else { local.checked_sub_days(days)? };
        moved = instant_of(local, zone)?;
    }
    let rest = TimeDelta::nanoseconds(by.nanoseconds);
    if minus { moved.checked_sub_signed(rest) } else { moved.checked_add_signed(rest) }
}

/// The instant at which clocks in `zone` show `local`, in UTC: the earlier of two; if they skip it, as if they had not
/// been put forward yet.
pub(super) fn instant_of(local: NaiveDateTime, zone: Tz) -> Option<NaiveDateTime> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.naive_utc()),
        LocalResult::None => {
            let before = local.checked_sub_days(Days::new(1))?;
            let offset = zone.offset_from_utc_datetime(&before).fix();
            local.checked_sub_offset(offset)
        }
    }
}

/// Replaces the cast of a date to a time with a zone by the function.
#[derive(Debug)]
struct DatesInLocalTime;

impl AnalyzerRule for DatesInLocalTime {
    fn name(&self) -> &str {
        "dates_in_local_time"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let analysed = plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let midnights = expr.transform_up(|expr| Ok(midnight(expr, &schema)))?;
                Ok(midnights.update_data(|expr| name.restore(expr)))
            })
        })?;
        Ok(analysed.data)
    }
}

pub(super) fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// A comparison of a time with a date: left to itself, DataFusion would compare both in UTC.
fn compared_with_dates(left: Box<Expr>, op: Operator, right: Box<Expr>, schema: &DFSchema) -> Transformed<Expr> {
    let is_date = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Date32));
    let (left, right) = if is_date(&left) {
        (beside(&right, *left, schema), Transformed::no(*right))
    } else {
        let right = beside(&left, *right, schema);
        (Transformed::no(*left), right)
    };
    let any = left.transformed || right.transformed;
    let compared = Expr::BinaryExpr(BinaryExpr::new(left.data.into(), op, right.data.into()));
    if any { Transformed::yes(compared) } else { Transformed::no(compared) }
}

/// `date` as a time if it is a date and `time` beside it is a time with a zone.
fn beside(time: &Expr, date: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match (time.get_type(schema), date.get_type(schema)) {
        (Ok(DataType::Timestamp(_, Some(zone))), Ok(DataType::Date32)) => {
            Transformed::yes(at_midnight(date, DataType::Timestamp(TimeUnit::Microsecond, Some(zone))))
        }
        _ => Transformed::no(date),
    }
}

fn at_midnight(date: Expr, to: DataType) -> Expr {
    let function = Midnight { to, signature: Signature::any(1, Volatility::Immutable) };
    let function = Arc::new(ScalarUDF::new_from_impl(function));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![date]))
}

fn midnight(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let (Expr::Cast(Cast { expr: date, field }) | Expr::TryCast(TryCast { expr: date, field })) = &expr else {
        return Transformed::no(expr);
    };
    let to = field.data_type();
    if !matches!(to, DataType::Timestamp(_, Some(_))) || !matches!(date.get_type(schema), Ok(DataType::Date32)) {
        return Transformed::no(expr);
    }
    Transformed::yes(at_midnight(date.as_ref().clone(), to.clone()))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Midnight {
    to: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for Midnight {
    fn name(&self) -> &str {
        "local_midnight"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [date] = args.args.as_slice() else { return internal_err!("one argument is needed") };
        let DataType::Timestamp(_, Some(zone)) = &self.to else { return internal_err!("not a time with a zone") };
        let zone: Tz = zone.parse().map_err(|_| exec_datafusion_err!("`{zone}` is not a time zone"))?;
        let dates = date.to_array(args.number_rows)?;
        let one = |days: i32| -> Result<i64> {
            let day = NaiveDate::default().checked_add_signed(TimeDelta::days(days.into()));
            let start = day.and_then(|day| instant_of(day.and_time(NaiveTime::MIN), zone));
            let start = start.ok_or_else(|| exec_datafusion_err!("a date is out of range"))?;
            Ok(start.and_utc().timestamp_micros())
        };
        let times: PrimitiveArray<TimestampMicrosecondType> =
            dates.as_primitive::<Date32Type>().iter().map(|days| days.map(one).transpose()).collect::<Result<_>>()?;
        let times = arrow::compute::cast(&times.with_timezone(zone.name()), &self.to)?;
        Ok(match date {
            ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&times, 0)?),
            ColumnarValue::Array(_) => ColumnarValue::Array(times),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a time")
    }

    fn days(days: i32) -> IntervalMonthDayNano {
        IntervalMonthDayNano::new(0, days, 0)
    }

    #[test]
    fn a_day_before_a_skipped_or_repeated_hour_is_a_time() {
        let zone = Tz::Europe__Berlin;
        // 30 March 2026, 02:30 CEST: the day before there was no 02:30, clocks went from 02:00 to 03:00.
        assert_eq!(moved(at("2026-03-30 00:30:00"), days(1), zone, true), Some(at("2026-03-29 01:30:00")));
        // 26 October 2026, 02:30 CET: the day before there were two; 02:30 CEST came first.
        assert_eq!(moved(at("2026-10-26 01:30:00"), days(1), zone, true), Some(at("2026-10-25 00:30:00")));
        // Without days the second 02:30 stays the second.
        let second = IntervalMonthDayNano::new(0, 0, 1_000_000_000);
        assert_eq!(moved(at("2026-10-25 01:30:00"), second, zone, true), Some(at("2026-10-25 01:29:59")));
        assert_eq!(moved(at("2026-10-25 01:30:00"), days(-1), zone, true), Some(at("2026-10-26 01:30:00")));
    }

    #[test]
    fn months_end_on_the_last_day_that_there_is() {
        let month = IntervalMonthDayNano::new(1, 0, 0);
        assert_eq!(moved(at("2026-03-31 10:00:00"), month, Tz::UTC, true), Some(at("2026-02-28 10:00:00")));
        assert_eq!(moved(at("2026-01-31 10:00:00"), month, Tz::UTC, false), Some(at("2026-02-28 10:00:00")));
        // Samoa skipped the whole of 30 December 2011.
        let zone = Tz::Pacific__Apia;
        assert_eq!(moved(at("2011-12-30 20:00:00"), days(1), zone, true), Some(at("2011-12-30 20:00:00")));
    }
}
