//! What a query's filters say about the rows of a stream that it needs: a range of time, equal columns.
//!
//! The optimiser has brought filters down to the scan, through joins, unions and subqueries, and has computed what is
//! constant in them. Only what is certain is taken; the filters themselves stay in the plan.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use pulseboard_model::schema::TIME;
use pulseboard_model::{Cell, TimeUs};

use crate::cells::cell;
use crate::scan_request::ScanRequest;

/// Narrows `request` by `filters`, all of which a row must pass.
pub(crate) fn narrow(request: &mut ScanRequest, filters: &[Expr]) {
    for conjunct in filters.iter().flat_map(split_conjunction) {
        match conjunct {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), right.as_ref()) {
                (Expr::Column(column), Expr::Literal(value, _)) => compare(request, &column.name, *op, value),
                (Expr::Literal(value, _), Expr::Column(column)) => {
                    if let Some(op) = op.swap() {
                        compare(request, &column.name, op, value);
                    }
                }
                _ => {}
            },
            Expr::Between(between) if !between.negated => {
                if let (Expr::Column(column), Expr::Literal(low, _), Expr::Literal(high, _)) =
                    (between.expr.as_ref(), between.low.as_ref(), between.high.as_ref())
                {
                    compare(request, &column.name, Operator::GtEq, low);
                    compare(request, &column.name, Operator::LtEq, high);
                }
            }
            _ => {}
        }
    }
}

/// A row must have `column op value`.
fn compare(request: &mut ScanRequest, column: &str, op: Operator, value: &ScalarValue) {
    match column {
        TIME => {
            let Some(at) = micros(value) else { return };
            let (from, to) = range(op, at);
            request.time_from = request.time_from.max(from.map(TimeUs));
            request.time_to = least(request.time_to, to.map(TimeUs));
        }
        _ if op == Operator::Eq && !value.is_null() && !value.data_type().is_floating() => {
            let Ok(array) = value.to_array() else { return };
            if !matches!(cell(&array, 0), Cell::Json(_)) {
                request.equal.push((column.to_owned(), cell(&array, 0)));
            }
        }
        _ => {}
    }
}

/// The values, both ends inclusive, that `op` leaves.
fn range(op: Operator, at: i64) -> (Option<i64>, Option<i64>) {
    match op {
        Operator::Eq => (Some(at), Some(at)),
        Operator::Gt => (Some(at.saturating_add(1)), None),
        Operator::GtEq => (Some(at), None),
        Operator::Lt => (None, Some(at.saturating_sub(1))),
        Operator::LtEq => (None, Some(at)),
        _ => (None, None),
    }
}

/// An instant of a literal whose unit is not finer than ours.
fn micros(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::TimestampMicrosecond(at, _) => *at,
        ScalarValue::TimestampSecond(..) | ScalarValue::TimestampMillisecond(..) => {
            match value.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))) {
                Ok(ScalarValue::TimestampMicrosecond(at, _)) => at,
                _ => None,
            }
        }
        _ => None,
    }
}

fn least(a: Option<TimeUs>, b: Option<TimeUs>) -> Option<TimeUs> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
