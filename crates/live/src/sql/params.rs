//! Parameters: which ones a text has, and their values as what the plan expects in their place.
//!
//! A value comes as a client wrote it: a number, or text out of a channel's name. Each place of a parameter has a type of
//! its own, known from what it is compared with, cast to or handed to; the value is read as that, or refused by name.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use chrono_tz::Tz;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ParamValues, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, Cast, Placeholder, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF};
use datafusion::sql::sqlparser::ast::{Statement, Value, ValueWithSpan, Visit, Visitor};
use pulseboard_model::Cell;

use super::errors::nearest;
use super::reserved;
use crate::api::{Params, QueryError, QueryErrorKind};

/// The most digits of a decimal.
const DIGITS_MAX: usize = 38;

/// The parameters of a text by name, without the `$`, and where each stands first.
pub(crate) type Places = BTreeMap<String, (u64, u64)>;

/// Checks that each parameter has a value and each value a parameter, whatever streams exist.
///
/// # Errors
/// [`QueryErrorKind::BadParams`] that names what is missing or what the query has.
pub(crate) fn check(statement: &Statement, params: &Params) -> Result<Places, QueryError> {
    let mut found = Found::default();
    let _never_stops = statement.visit(&mut found).is_continue();
    let places = found.0;
    let bad = |message: String| QueryError::new(QueryErrorKind::BadParams, message);
    if let Some((mark, at)) = places.iter().find(|(name, _)| name.is_empty() || name.starts_with(['?', ':', '@'])) {
        let mark = if mark.is_empty() { "$" } else { mark };
        let error = bad(format!("`{mark}` is no parameter: write `$name`"));
        return Err(QueryError { at: Some(*at), ..error });
    }
    let list = |names: &[&str]| names.iter().map(|name| format!("`${name}`")).collect::<Vec<_>>().join(", ");
    let known: Vec<&str> = places.keys().map(String::as_str).collect();
    if let Some(unknown) = params.keys().find(|name| !places.contains_key(*name)) {
        let has = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", list(&known)) };
        let error = bad(format!("the query has no parameter `${unknown}`; {has}"));
        return Err(QueryError { nearest: nearest(unknown, known), ..error });
    }
    let missing: Vec<&str> =
        known.into_iter().filter(|name| !params.contains_key(*name) && !reserved::is(name)).collect();
    match missing.first() {
        Some(first) => {
            let error = bad(format!("no value was given for {}", list(&missing)));
            Err(QueryError { at: places.get(*first).copied(), ..error })
        }
        None => Ok(places),
    }
}

/// The names of all parameters of a text.
pub(crate) fn names(statement: &Statement) -> Vec<String> {
    let mut found = Found::default();
    let _never_stops = statement.visit(&mut found).is_continue();
    found.0.into_keys().collect()
}

#[derive(Debug, Default)]
struct Found(Places);

impl Visitor for Found {
    type Break = ();

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        if let Value::Placeholder(mark) = &value.value {
            let name = mark.strip_prefix('$').unwrap_or(mark);
            let start = value.span.start;
            self.0.entry(name.to_owned()).or_insert((start.line, start.column));
        }
        ControlFlow::Continue(())
    }
}

/// Puts the values in.
///
/// # Errors
/// [`QueryErrorKind::BadParams`] for a value that cannot be read as what its place wants.
pub(crate) fn bind(
    plan: LogicalPlan,
    params: &Params,
    places: &Places,
    timezone: Tz,
    now: &Arc<ScalarUDF>,
) -> std::result::Result<LogicalPlan, QueryError> {
    if places.is_empty() {
        return Ok(plan);
    }
    let mut refused = None;
    // Each place gets a name of its own, as one parameter may stand where different types are wanted.
    let mut values = HashMap::new();
    let bound = plan.transform_up_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        let limits = matches!(plan, LogicalPlan::Limit(_));
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let typed = expr.transform_down(|expr| Ok(Transformed::yes(typed(expr, &schema, timezone))))?.data;
            let named = typed.transform_up(|expr| match expr {
                Expr::Placeholder(Placeholder { id, field }) => {
                    let id = id.trim_start_matches('$');
                    if let Some(expr) = reserved::moving(id, params.get(id), now) {
                        return Ok(Transformed::yes(expr));
                    }
                    let wanted = field.as_ref().map(|field| field.data_type().clone());
                    let wanted = reserved::wanted(id, timezone).or(if limits { Some(DataType::Int64) } else { wanted });
                    let cell = params.get(id).cloned().or_else(|| reserved::default(id)).unwrap_or(Cell::Null);
                    let value = read(&cell, wanted.as_ref(), timezone).unwrap_or_else(|expected| {
                        refused.get_or_insert_with(|| (id.to_owned(), expected));
                        ScalarValue::Null
                    });
                    if reserved::is_end(id) {
                        return Ok(Transformed::yes(reserved::end(value)));
                    }
                    let place = format!("{id}@{}", values.len());
                    values.insert(place.clone(), value.into());
                    Ok(Transformed::yes(Expr::Placeholder(Placeholder { id: format!("${place}"), field })))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(named.update_data(|expr| name.restore(expr)))
        })
    });
    if let Some((name, expected)) = refused {
        let given = params.get(&name).map(text).unwrap_or_default();
        let given: String = given.chars().take(60).collect();
        let error = QueryError::new(QueryErrorKind::BadParams, format!("`${name}` must be {expected}, not `{given}`"));
        return Err(QueryError { at: places.get(&name).copied(), ..error });
    }
    bound
        .and_then(|named| named.data.with_param_values(ParamValues::Map(values)))
        .map_err(|error| QueryError { kind: QueryErrorKind::BadParams, ..QueryError::planning(&error) })
}

/// Gives the placeholders right below `expr` the type that `expr` expects there, beyond what the planner knows.
fn typed(mut expr: Expr, schema: &DFSchema, timezone: Tz) -> Expr {
    if let Expr::Placeholder(Placeholder { id, field: field @ None }) = &mut expr {
        let wanted = reserved::wanted(id.trim_start_matches('$'), timezone);
        *field = wanted.map(|wanted| Arc::new(Field::new("", wanted, true)));
    }
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    match &mut expr {
        // The planner takes both sides of an operator for the same type; of times, they are not.
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus | Operator::Minus, right }) => {
            let (of_left, of_right) = (left.get_type(schema), right.get_type(schema));
            if matches!(of_left, Ok(DataType::Timestamp(..) | DataType::Date32)) && !is_placeholder(left) {
                set(right, &interval);
            } else if matches!(of_right, Ok(DataType::Interval(_))) && !is_placeholder(right) {
                set(left, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
            }
        }
        Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field }) => {
            let wanted = field.data_type().clone();
            set(inner, &wanted);
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let fields =
                args.iter().map(|arg| arg.to_field(schema).map(|(_, field)| field)).collect::<Result<Vec<_>>>();
            if let Ok(wanted) = fields.and_then(|fields| fields_with_udf(&fields, func.as_ref())) {
                for (arg, wanted) in args.iter_mut().zip(wanted) {
                    let known = matches!(arg, Expr::Placeholder(Placeholder { field: Some(_), .. }));
                    if !known && !wanted.data_type().is_null() {
                        set(arg, wanted.data_type());
                    }
                }
            }
        }
        _ => {}
    }
    expr
}

fn is_placeholder(expr: &Expr) -> bool {
    matches!(expr, Expr::Placeholder(_))
}

fn set(expr: &mut Expr, data_type: &DataType) {
    if let Expr::Placeholder(placeholder) = expr {
        placeholder.field = Some(Arc::new(Field::new("", data_type.clone(), true)));
    }
}

/// Reads a value as `wanted`; the error says what is expected.
fn read(cell: &Cell, wanted: Option<&DataType>, timezone: Tz) -> std::result::Result<ScalarValue, &'static str> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_null()) else { return Ok(scalar(cell)) };
    if matches!(cell, Cell::Null) {
        return ScalarValue::try_from(wanted).map_err(|_| "a value");
    }
    match wanted {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(ScalarValue::Utf8(Some(text(cell)))),
        DataType::Dictionary(_, value) => read(cell, Some(value), timezone),
        DataType::Boolean => match (cell, text(cell).to_ascii_lowercase().as_str()) {
            (Cell::Bool(_) | Cell::Str(_), "true") => Ok(ScalarValue::Boolean(Some(true))),
            (Cell::Bool(_) | Cell::Str(_), "false") => Ok(ScalarValue::Boolean(Some(false))),
            _ => Err("true or false"),
        },
        wanted if wanted.is_numeric() => number(cell, wanted),
        DataType::Timestamp(..) => {
            let micros = time(cell, timezone).ok_or("a time such as `2026-05-01T12:00:00Z` or an epoch")?;
            let zone = Some(timezone.name().into());
            let value = ScalarValue::TimestampMicrosecond(Some(micros), zone);
            value.cast_to(wanted).map_err(|_| "a time within range")
        }
        DataType::Date32 | DataType::Date64 => scalar(cell).cast_to(wanted).map_err(|_| "a date such as `2026-05-01`"),
        DataType::Interval(_) | DataType::Duration(_) => {
            ScalarValue::Utf8(Some(text(cell))).cast_to(wanted).map_err(|_| "a span such as `5 minutes`")
        }
        wanted => scalar(cell).cast_to(wanted).map_err(|_| "a value of the type it is compared with"),
    }
}

/// A number for a numeric place. Its kind stays: comparing an integer column with 1.5 is a good question.
fn number(cell: &Cell, wanted: &DataType) -> std::result::Result<ScalarValue, &'static str> {
    let is_exact = matches!(
        wanted,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..)
    );
    let expected = if wanted.is_integer() { "a whole number" } else { "a number" };
    match cell {
        Cell::Int(_) | Cell::UInt(_) if wanted.is_floating() => scalar(cell).cast_to(wanted).map_err(|_| expected),
        Cell::Int(_) | Cell::UInt(_) => Ok(scalar(cell)),
        Cell::Float(_) if !is_exact => Ok(scalar(cell)),
        Cell::Float(_) | Cell::Decimal(_) | Cell::Str(_) => {
            let text = text(cell);
            let text = text.trim();
            if !wanted.is_floating() {
                if let Ok(whole) = text.parse::<i64>() {
                    return Ok(ScalarValue::Int64(Some(whole)));
                }
                if let Some(exact) = decimal(text) {
                    return Ok(exact);
                }
            }
            let float = text.parse::<f64>().ok().filter(|float| float.is_finite());
            float.map(|float| ScalarValue::Float64(Some(float))).ok_or(expected)
        }
        _ => Err(expected),
    }
}

/// `12.50` with all its digits.
fn decimal(text: &str) -> Option<ScalarValue> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_decimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_decimal(whole) || !is_decimal(fraction) || whole.len() + fraction.len() > DIGITS_MAX {
        return None;
    }
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    let value = if text.starts_with('-') { -value } else { value };
    let precision = u8::try_from(whole.len() + fraction.len()).ok()?;
    Some(ScalarValue::Decimal128(Some(value), precision, i8::try_from(fraction.len()).ok()?))
}

/// An instant in µs: RFC 3339, text in the query's zone, or an epoch whose unit goes by its size, as in events.
pub(crate) fn time(cell: &Cell, timezone: Tz) -> Option<i64> {
    let epoch = match cell {
        Cell::Time(micros) => return Some(*micros),
        Cell::Int(epoch) => *epoch,
        Cell::Str(text) => match text.trim().parse::<i64>() {
            Ok(epoch) => epoch,
            Err(_) => return Some(string_to_datetime(&timezone, text.trim()).ok()?.timestamp_micros()),
        },
        _ => return None,
    };
    match epoch.unsigned_abs() {
        0..100_000_000_000 => epoch.checked_mul(1_000_000),
        100_000_000_000..100_000_000_000_000 => epoch.checked_mul(1_000),
        100_000_000_000_000..100_000_000_000_000_000 => Some(epoch),
        _ => Some(epoch.div_euclid(1_000)),
    }
}

/// A value as its client wrote it: whoever passes on text takes `7` for a number, and `7.5`.
fn text(cell: &Cell) -> String {
    match cell {
        Cell::Str(text) | Cell::Decimal(text) | Cell::Interval(text) | Cell::Json(text) => text.as_ref().to_owned(),
        Cell::Int(value) => value.to_string(),
        Cell::UInt(value) => value.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Bool(value) => value.to_string(),
        other => scalar(other).to_string(),
    }
}

/// A value as what it is by itself.
fn scalar(cell: &Cell) -> ScalarValue {
    match cell {
        Cell::Null => ScalarValue::Null,
        Cell::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Cell::Int(value) => ScalarValue::Int64(Some(*value)),
        Cell::UInt(value) => ScalarValue::UInt64(Some(*value)),
        Cell::Float(value) => ScalarValue::Float64(Some(*value)),
        Cell::Time(value) => ScalarValue::TimestampMicrosecond(Some(*value), Some("UTC".into())),
        Cell::Date(value) => ScalarValue::Date32(Some(*value)),
        Cell::Duration(value) => ScalarValue::DurationMicrosecond(Some(*value)),
        Cell::Bytes(value) => ScalarValue::Binary(Some(value.to_vec())),
        Cell::Decimal(text) | Cell::Str(text) | Cell::Interval(text) | Cell::Json(text) => {
            ScalarValue::Utf8(Some(text.as_ref().to_owned()))
        }
    }
}
