//! `now()`, `current_timestamp` and `current_date`, bound to the engine clock.
//!
//! DataFusion folds its own `now()` into a literal at planning, which would freeze a live plan. Ours reads a cell that
//! the engine sets before each step. In batch the cell is set once. It is declared volatile so that no optimiser rule
//! folds it, although within one step it never changes.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::datatypes::{DataType, TimeUnit};
use chrono::TimeZone;
use chrono_tz::Tz;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use pulseboard_model::TimeUs;

/// The names by which SQL asks for the clock.
pub(crate) const CLOCK_FUNCTIONS: [&str; 2] = ["now", "current_date"];

/// What the clock functions of one session read: whole seconds, in µs.
#[derive(Debug, Clone)]
pub(crate) struct ClockCell(Arc<AtomicI64>);

impl ClockCell {
    pub(crate) fn new(now: TimeUs) -> Self {
        Self(Arc::new(AtomicI64::new(now.floor_to_second().0)))
    }

    /// Sets the clock; it is floored to whole seconds.
    pub(crate) fn set(&self, now: TimeUs) {
        self.0.store(now.floor_to_second().0, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> TimeUs {
        TimeUs(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct ClockFunction {
    cell: ClockCell,
    timezone: Tz,
    date: bool,
    signature: Signature,
    aliases: Vec<String>,
}

// Two clock functions are one if they read the same cell in the same way.
impl PartialEq for ClockFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.cell.0, &other.cell.0) && self.date == other.date && self.timezone == other.timezone
    }
}

impl Eq for ClockFunction {}

impl Hash for ClockFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.date.hash(state);
        self.timezone.name().hash(state);
    }
}

impl ScalarUDFImpl for ClockFunction {
    fn name(&self) -> &str {
        if self.date { "current_date" } else { "now" }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(if self.date {
            DataType::Date32
        } else {
            DataType::Timestamp(TimeUnit::Microsecond, Some(self.timezone.name().into()))
        })
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(value(self.date, self.cell.get(), self.timezone)?))
    }
}

/// What a clock function answers at `now`.
fn value(date: bool, now: TimeUs, timezone: Tz) -> Result<ScalarValue> {
    if !date {
        return Ok(ScalarValue::TimestampMicrosecond(Some(now.0), Some(timezone.name().into())));
    }
    let local =
        timezone.timestamp_micros(now.0).single().ok_or_else(|| exec_datafusion_err!("the clock is out of range"))?;
    let days = local.date_naive().signed_duration_since(chrono::NaiveDate::default()).num_days();
    Ok(ScalarValue::Date32(i32::try_from(days).ok()))
}

/// Whether nanoseconds are computed with. The optimiser cuts a constant of theirs to whole microseconds where it is compared
/// with a stream's time, which moves the bound: it must not become a constant.
fn has_nanoseconds(expr: &Expr, schema: &DFSchema) -> bool {
    let is_fine = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Timestamp(TimeUnit::Nanosecond, _)));
    expr.exists(|expr| Ok(is_fine(expr))).unwrap_or(true)
}

/// `plan` with the clock stopped at `now`: what it answers in a batch, where its bounds are constants that a scan can use.
pub(crate) fn stopped(plan: LogicalPlan, now: TimeUs, timezone: Tz) -> Result<LogicalPlan> {
    let now = now.floor_to_second();
    let stopped = plan.transform_up_with_subqueries(|plan| {
        let names = NamePreserver::new(&plan);
        let schema = merge_schema(&plan.inputs());
        let stopped = plan.map_expressions(|expr| {
            if has_nanoseconds(&expr, &schema) {
                return Ok(Transformed::no(expr));
            }
            let name = names.save(&expr);
            let stopped = expr.transform_up(|expr| match &expr {
                Expr::ScalarFunction(call) if CLOCK_FUNCTIONS.contains(&call.func.name()) => {
                    let value = value(call.func.name() == "current_date", now, timezone)?;
                    Ok(Transformed::yes(Expr::Literal(value, None)))
                }
                _ => Ok(Transformed::no(expr)),
            })?;
            Ok(stopped.update_data(|expr| name.restore(expr)))
        })?;
        // A constant is never null, which schemas further up repeat.
        stopped.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(stopped.data)
}

/// The clock functions that read `cell` in `timezone`.
pub(crate) fn clock_functions(cell: &ClockCell, timezone: Tz) -> [Arc<ScalarUDF>; 2] {
    let function = |date: bool, alias: &str| {
        Arc::new(ScalarUDF::new_from_impl(ClockFunction {
            cell: cell.clone(),
            timezone,
            date,
            signature: Signature::nullary(Volatility::Volatile),
            aliases: vec![alias.to_owned()],
        }))
    };
    [function(false, "current_timestamp"), function(true, "today")]
}
