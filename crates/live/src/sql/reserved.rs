//! `$from`, `$to` and `$bucket`: the parameters that a chart's time range fills in.
//!
//! They mean the same in a range query and in a live one. Without values a query is of the last hour, open at its end, in
//! buckets of a minute. `$from` may move with the clock (`-24h`); a range query makes it a fixed time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use chrono_tz::Tz;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, ScalarUDF};
use pulseboard_model::Cell;

/// The range's begin, inclusive.
pub(crate) const FROM: &str = "from";
/// The range's end, exclusive.
pub(crate) const TO: &str = "to";
/// The width of a bucket.
pub(crate) const BUCKET: &str = "bucket";

/// How far back a query looks if it is not told.
const FROM_DEFAULT: &str = "-1h";
/// The width of its buckets.
const BUCKET_DEFAULT: &str = "1 minute";
/// The end of a range that is open: the first moment of 2200, beyond what any event may have.
pub(crate) const OPEN_END_US: i64 = 7_258_118_400_000_000;

/// Whether `name` is one of them.
pub(crate) fn is(name: &str) -> bool {
    [FROM, TO, BUCKET].contains(&name)
}

/// Whether `name` is one of the range's ends.
pub(crate) fn is_end(name: &str) -> bool {
    [FROM, TO].contains(&name)
}

/// What says of a constant that it is an end of the range.
const END: &str = "pulseboard:end";

/// An end of the range that does not move, known as one until [`forget_ends`].
pub(crate) fn end(value: ScalarValue) -> Expr {
    let mark = BTreeMap::from([(END.to_owned(), String::new())]);
    Expr::Literal(value, Some(mark.into()))
}

/// The constant of an end of the range.
pub(crate) fn as_end(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Literal(value, Some(metadata)) if metadata.inner().contains_key(END) => {
            Some(Expr::Literal(value.clone(), None))
        }
        _ => None,
    }
}

/// Makes the ends of the range constants like any other.
pub(crate) fn forget_ends(plan: LogicalPlan) -> Result<LogicalPlan> {
    let forgotten = plan.transform_up_with_subqueries(|plan| {
        let plain = plan.map_expressions(|expr| {
            expr.transform_up(|expr| Ok(as_end(&expr).map_or_else(|| Transformed::no(expr), Transformed::yes)))
        })?;
        if plain.transformed { plain.map_data(LogicalPlan::recompute_schema) } else { Ok(plain) }
    })?;
    Ok(forgotten.data)
}

/// What stands in the place of such a parameter.
pub(crate) fn wanted(name: &str, timezone: Tz) -> Option<DataType> {
    match name {
        FROM | TO => Some(DataType::Timestamp(TimeUnit::Microsecond, Some(timezone.name().into()))),
        BUCKET => Some(DataType::Interval(IntervalUnit::MonthDayNano)),
        _ => None,
    }
}

/// Its value if none was given and it does not move with the clock.
pub(crate) fn default(name: &str) -> Option<Cell> {
    match name {
        TO => Some(Cell::Time(OPEN_END_US)),
        BUCKET => Some(Cell::Str(BUCKET_DEFAULT.into())),
        _ => None,
    }
}

/// The expression for a moment that moves with the clock, if `value` is one.
pub(crate) fn moving(name: &str, value: Option<&Cell>, now: &Arc<ScalarUDF>) -> Option<Expr> {
    let text = match (name, value) {
        (FROM, None) => FROM_DEFAULT,
        (FROM | TO, Some(Cell::Str(text))) => text.as_ref(),
        _ => return None,
    };
    let Ago { ago, span } = ago(text)?;
    let now = Expr::ScalarFunction(ScalarFunction::new_udf(now.clone(), Vec::new()));
    if span == IntervalMonthDayNano::default() {
        return Some(now);
    }
    let span = Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(span)), None);
    let operator = if ago { Operator::Minus } else { Operator::Plus };
    Some(Expr::BinaryExpr(BinaryExpr::new(Box::new(now), operator, Box::new(span))))
}

/// A moment told from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ago {
    /// Before now, not after.
    pub(crate) ago: bool,
    pub(crate) span: IntervalMonthDayNano,
}

/// Reads `now`, `-24h`, `now-7d`, `now + 1 hour`. `None` for anything else.
pub(crate) fn ago(text: &str) -> Option<Ago> {
    let text = text.trim();
    let rest = text.strip_prefix("now").map(str::trim_start);
    if rest == Some("") {
        return Some(Ago { ago: true, span: IntervalMonthDayNano::default() });
    }
    let rest = rest.unwrap_or(text);
    let (ago, span) = match (rest.strip_prefix('-'), rest.strip_prefix('+')) {
        (Some(span), _) => (true, span),
        (_, Some(span)) => (false, span),
        _ => return None,
    };
    Some(Ago { ago, span: span_of(span)? })
}

/// Reads `15m`, `24h`, `7d`, `15 minutes`. `None` for anything else, or if it is not above zero.
pub(crate) fn span_of(text: &str) -> Option<IntervalMonthDayNano> {
    let text = text.trim();
    let number: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let unit = match text[number.len()..].trim() {
        "ms" => "milliseconds",
        "s" => "seconds",
        "m" | "min" => "minutes",
        "h" => "hours",
        "d" => "days",
        "w" => "weeks",
        "mo" => "months",
        "y" => "years",
        other => other,
    };
    if number.is_empty() || unit.is_empty() {
        return None;
    }
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    match ScalarValue::Utf8(Some(format!("{number} {unit}"))).cast_to(&interval) {
        Ok(ScalarValue::IntervalMonthDayNano(Some(span))) if span.months + span.days > 0 || span.nanoseconds > 0 => {
            Some(span)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_told_from_now_are_read() {
        let hour = IntervalMonthDayNano::new(0, 0, 3_600_000_000_000);
        assert_eq!(ago("-1h"), Some(Ago { ago: true, span: hour }));
        assert_eq!(ago("now - 1 hour"), Some(Ago { ago: true, span: hour }));
        assert_eq!(ago("now+60m"), Some(Ago { ago: false, span: hour }));
        assert_eq!(ago("now"), Some(Ago { ago: true, span: IntervalMonthDayNano::default() }));
        assert_eq!(ago("-2w").map(|ago| ago.span.days), Some(14));
        for other in ["2026-01-01", "", "-", "nowhere", "1h", "-1x", "-0h", "now-"] {
            assert_eq!(ago(other), None, "{other}");
        }
    }
}
