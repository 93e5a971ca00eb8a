//! Bounds on a time column that move with the clock, and when each row crosses them.
//!
//! `WHERE time > now() - interval '5 minutes'` compares a column with an expression of nothing but the clock. Such a
//! bound is evaluated at any instant by setting the session's clock, so one mechanism serves sliding, calendar and
//! shifted windows in any zone: a row leaves at the first whole second at which the comparison fails. Rows that leave
//! together share a pane. If the bound ever moves backwards (local-time arithmetic around a DST change can), the
//! instance is rebuilt from the log.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Between, BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use pulseboard_model::TimeUs;
use pulseboard_model::schema::TIME;
use pulseboard_model::time::SECOND_US;

use super::shape::Unmaintained;
use crate::sql::clock::ClockCell;
use crate::sql::planning::{Planned, reads_clock};

/// "Never" for an instant.
pub(crate) const NEVER_US: i64 = i64::MAX;
/// "Always was" for an instant.
pub(crate) const ALWAYS_US: i64 = i64::MIN;

/// The last second that is searched: the year 2200.
const SEARCH_END_S: i64 = 7_258_118_400;

/// How the column is compared with the bound's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// `column >= value` or `column > value`: rows leave as the value rises.
    Lower { inclusive: bool },
    /// `column <= value` or `column < value`: rows enter as the value rises.
    Upper { inclusive: bool },
}

/// One bound.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// What the query calls the column.
    pub(crate) column_name: String,
    /// The column of the scan that it is, unchanged; none if it is computed.
    pub(crate) scan_column: Option<String>,
    comparison: Comparison,
    value: Arc<dyn PhysicalExpr>,
    clock: ClockCell,
}

impl Bound {
    pub(crate) fn is_lower(&self) -> bool {
        matches!(self.comparison, Comparison::Lower { .. })
    }

    /// The value at `now`, in µs.
    fn value_at(&self, now: TimeUs) -> Result<Option<i64>> {
        self.clock.set(now);
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let empty = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
        let value = match self.value.evaluate(&empty)? {
            ColumnarValue::Scalar(value) => value,
            ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0)?,
        };
        // Floored, not rounded: all our times are whole µs.
        match value {
            ScalarValue::TimestampMicrosecond(value, _) => Ok(value),
            ScalarValue::TimestampNanosecond(value, _) => Ok(value.map(|ns| ns.div_euclid(1_000))),
            ScalarValue::TimestampMillisecond(value, _) => Ok(value.map(|ms| ms.saturating_mul(1_000))),
            ScalarValue::TimestampSecond(value, _) => Ok(value.map(|s| s.saturating_mul(SECOND_US))),
            other => Err(DataFusionError::Internal(format!("a bound evaluated to {other:?}, not a time"))),
        }
    }
}

/// The column that a bound compares, and the bound.
pub(crate) type ColumnBound = (Arc<dyn PhysicalExpr>, Bound);

/// The bounds that a conjunct stands for, each with the column it compares.
///
/// # Errors
/// [`Unmaintained`] if it reads the clock in another way.
pub(crate) fn bound_of(
    conjunct: &Expr,
    input: &LogicalPlan,
    planned: &Planned,
) -> std::result::Result<Vec<ColumnBound>, Unmaintained> {
    let unfit =
        || Unmaintained(format!("`{conjunct}` reads the clock in another way than as a bound on a time column"));
    let compared: Vec<(Expr, Operator, Expr)> = match conjunct {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            vec![(left.as_ref().clone(), *op, right.as_ref().clone())]
        }
        Expr::Between(Between { expr, negated: false, low, high }) => vec![
            (expr.as_ref().clone(), Operator::GtEq, low.as_ref().clone()),
            (expr.as_ref().clone(), Operator::LtEq, high.as_ref().clone()),
        ],
        _ => return Err(unfit()),
    };
    let mut bounds = Vec::with_capacity(compared.len());
    for (left, op, right) in compared {
        let (column, op, value) =
            if reads_clock(&left) { (right, op.swap().ok_or_else(unfit)?, left) } else { (left, op, right) };
        let column = without_widening(column);
        let Expr::Column(name) = &column else { return Err(unfit()) };
        let schema = input.schema();
        let is_time = matches!(column.get_type(schema)?, DataType::Timestamp(TimeUnit::Microsecond, Some(_)));
        if !is_time || reads_clock(&column) || !value.column_refs().is_empty() {
            return Err(unfit());
        }
        let (column_name, scan_column) = (name.name.clone(), origin(input, name));
        let props = planned.state.execution_props();
        let context = PhysicalPlanningContext::default();
        let physical = |expr: &Expr| create_physical_expr(expr, schema, props, &context);
        if !reads_clock(&value) {
            return Err(unfit());
        }
        let comparison = match op {
            Operator::GtEq => Comparison::Lower { inclusive: true },
            Operator::Gt => Comparison::Lower { inclusive: false },
            Operator::LtEq => Comparison::Upper { inclusive: true },
            Operator::Lt => Comparison::Upper { inclusive: false },
            _ => return Err(unfit()),
        };
        let value = create_physical_expr(&value, &DFSchema::empty(), props, &context)?;
        let bound = Bound { column_name, scan_column, comparison, value, clock: planned.clock.clone() };
        // A bound that cannot be evaluated now cannot be maintained either.
        bound.value_at(planned.clock.get())?;
        bounds.push((physical(&column)?, bound));
    }
    Ok(bounds)
}

/// The column of the scan that `column` of `plan` is: followed through names and projections as long as nothing
/// changes its values.
pub(crate) fn origin(plan: &LogicalPlan, column: &Column) -> Option<String> {
    let index = plan.schema().maybe_index_of_column(column)?;
    match plan {
        LogicalPlan::TableScan(scan) => Some(scan.projected_schema.field(index).name().clone()),
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::SubqueryAlias(_) => {
            let input = *plan.inputs().first()?;
            let (qualifier, field) = input.schema().qualified_field(index);
            origin(input, &Column::new(qualifier.cloned(), field.name()))
        }
        LogicalPlan::Projection(projection) => match without_widening(projection.expr.get(index)?.clone().unalias()) {
            Expr::Column(inner) => origin(&projection.input, &inner),
            _ => None,
        },
        _ => None,
    }
}

/// A cast of µs to ns changes nothing about a comparison.
fn without_widening(expr: Expr) -> Expr {
    match expr {
        Expr::Cast(cast)
            if matches!(
                cast.field.data_type(),
                DataType::Timestamp(TimeUnit::Nanosecond | TimeUnit::Microsecond, _)
            ) =>
        {
            *cast.expr
        }
        other => other,
    }
}

/// Times between which all rows cross a bound at the same second.
#[derive(Debug, Clone, Copy)]
struct Crossing {
    /// First and last time, inclusive.
    from_us: i64,
    to_us: i64,
    at_us: i64,
}

/// When rows enter and leave, by the bounds of one query.
#[derive(Debug)]
pub(crate) struct Window {
    bounds: Vec<WindowBound>,
    now: TimeUs,
}

#[derive(Debug)]
struct WindowBound {
    bound: Bound,
    /// The bound's value now; null excludes every row.
    value: Option<i64>,
    /// Found crossings, newest last. Rows come mostly in time order, so the last ones are asked for.
    found: Vec<Crossing>,
}

/// How many crossings are remembered per bound; the oldest are forgotten.
const CROSSINGS_MAX: usize = 4_096;

/// When a row is inside: from `enter_us` (or [`ALWAYS_US`]) to before `leave_us` (or [`NEVER_US`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Stay {
    pub(crate) leave_us: i64,
    pub(crate) enter_us: i64,
}

impl Stay {
    /// For queries without bounds.
    pub(crate) const FOREVER: Self = Self { leave_us: NEVER_US, enter_us: ALWAYS_US };
}

/// The bound moved backwards: what has left may be inside again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MovedBack;

impl Window {
    pub(crate) fn new(bounds: &[Bound], now: TimeUs) -> Result<Self> {
        let now = now.floor_to_second();
        let bounds = bounds
            .iter()
            .map(|bound| Ok(WindowBound { bound: bound.clone(), value: bound.value_at(now)?, found: Vec::new() }));
        Ok(Self { bounds: bounds.collect::<Result<_>>()?, now })
    }

    pub(crate) fn is_bounded(&self) -> bool {
        !self.bounds.is_empty()
    }

    /// Moves the clock on.
    pub(crate) fn advance(&mut self, now: TimeUs) -> Result<std::result::Result<(), MovedBack>> {
        let now = now.floor_to_second();
        let mut moved_back = now < self.now;
        self.now = now;
        for bound in &mut self.bounds {
            let value = bound.bound.value_at(now)?;
            moved_back |= value < bound.value;
            bound.value = value;
        }
        Ok(if moved_back { Err(MovedBack) } else { Ok(()) })
    }

    /// The smallest event time that is inside now, if a lower bound is on the scan's `time`: older events need not be
    /// read.
    pub(crate) fn time_from(&self) -> Option<TimeUs> {
        let lower = self
            .bounds
            .iter()
            .filter(|bound| bound.bound.is_lower() && bound.bound.scan_column.as_deref() == Some(TIME));
        lower.filter_map(|bound| bound.value).max().map(TimeUs)
    }

    /// When a row with these times (one per bound; `None` for null) is inside; `None` if it is out for good.
    pub(crate) fn stay(&mut self, times: impl Iterator<Item = Option<i64>>) -> Result<Option<Stay>> {
        let mut stay = Stay::FOREVER;
        for (bound, time) in self.bounds.iter_mut().zip(times) {
            let (Some(time), Some(value)) = (time, bound.value) else { return Ok(None) };
            match bound.bound.comparison {
                Comparison::Lower { inclusive } => {
                    if time < value || (time == value && !inclusive) {
                        return Ok(None);
                    }
                    stay.leave_us = stay.leave_us.min(bound.crossing(time, inclusive, self.now)?);
                }
                Comparison::Upper { inclusive } => {
                    if time > value || (time == value && !inclusive) {
                        stay.enter_us = stay.enter_us.max(bound.crossing(time, !inclusive, self.now)?);
                    }
                }
            }
        }
        Ok((stay.enter_us < stay.leave_us).then_some(stay))
    }
}

impl WindowBound {
    /// The first whole second after `now` at which the value is beyond `time`: above it if `strict`, else at least it.
    fn crossing(&mut self, time_us: i64, strict: bool, now: TimeUs) -> Result<i64> {
        let known = self.found.iter().rev().find(|c| c.from_us <= time_us && time_us <= c.to_us);
        if let Some(known) = known
            && known.at_us > now.0
        {
            return Ok(known.at_us);
        }
        let crossing = self.search(time_us, strict, now)?;
        if self.found.len() == CROSSINGS_MAX {
            self.found.drain(..CROSSINGS_MAX / 2);
        }
        self.found.push(crossing);
        Ok(crossing.at_us)
    }

    fn search(&self, time_us: i64, strict: bool, now: TimeUs) -> Result<Crossing> {
        let beyond = |second: i64| -> Result<bool> {
            let value = self.bound.value_at(TimeUs(second * SECOND_US))?;
            Ok(value.is_some_and(|value| if strict { value > time_us } else { value >= time_us }))
        };
        // The row has not crossed at `now`. Double the distance until it has, then halve.
        let mut before = now.0.div_euclid(SECOND_US);
        let mut step = 1;
        let mut after = loop {
            let candidate = before.saturating_add(step).min(SEARCH_END_S);
            if beyond(candidate)? {
                break candidate;
            }
            if candidate >= SEARCH_END_S {
                self.bound.clock.set(now);
                return Ok(Crossing { from_us: time_us, to_us: time_us, at_us: NEVER_US });
            }
            before = candidate;
            step *= 2;
        };
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if beyond(middle)? {
                after = middle;
            } else {
                before = middle;
            }
        }
        // All times from the value one second earlier to the value then cross together.
        let earlier = self.bound.value_at(TimeUs((after - 1) * SECOND_US))?;
        let then = self.bound.value_at(TimeUs(after * SECOND_US))?;
        self.bound.clock.set(now);
        let (from_us, to_us) = match (earlier, then) {
            (Some(earlier), Some(then)) if strict => (earlier, then - 1),
            (Some(earlier), Some(then)) => (earlier + 1, then),
            _ => (time_us, time_us),
        };
        Ok(Crossing { from_us: from_us.min(time_us), to_us: to_us.max(time_us), at_us: after * SECOND_US })
    }
}
