//! Rollups: partial states of a chart's query, bucket by bucket, kept beside each piece of the past.
//!
//! A query over `$from`, `$to` and `$bucket` is the same at every width but for its buckets, so the states of narrow buckets
//! merge into those of wide ones. A piece is what one file of the archive holds; its states are computed from exactly its
//! rows, so a late row is one more state in a later piece and nothing is ever computed again. Nothing here does I/O.

mod answer;
mod ipc;
mod making;
mod partials;

use std::sync::Arc;

use arrow::array::ArrayRef;
use chrono_tz::Tz;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::schema::TIME;
use pulseboard_model::{Cell, StreamName};
use xxhash_rust::xxh3::xxh3_64;

use crate::api::{History, HistoryError, QueryError, QueryErrorKind, QuerySpec};
use crate::input::InputLayout;
use crate::maintain::bound::origin;
use crate::maintain::branches::Branch;
use crate::maintain::form::ENGINE;
use crate::maintain::shape::{Shape, simplified, take_apart_plan};
use crate::maintain::units::Units;
use crate::sql::buckets::{Step, TIME_BUCKET};
use crate::sql::clock::ClockCell;
use crate::sql::names::normalise;
use crate::sql::planning::{self, Rows};
use crate::sql::reserved::{BUCKET, FROM, TO};
use ipc::ipc_to_columns;

pub use answer::RollupUse;
pub(crate) use answer::{Asked, answer};
pub use making::{LevelBytes, RollupMaker};
pub use partials::Partials;

/// What the names of all kept states begin with.
const PREFIX: &str = "rollup.";
/// Raised when states of an earlier version cannot be read any more.
const FORMAT: u32 = 1;
/// Bounds that no row is beyond, and that stand nowhere else in a query.
const BEFORE_ALL_US: i64 = -4_000_000_000_000_000_003;
const AFTER_ALL_US: i64 = 4_000_000_000_000_000_007;

/// How wide the buckets of kept states are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RollupLevel {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour of the wall clock.
    Hour,
    /// A local day.
    Day,
}

impl RollupLevel {
    /// All of them, widest first.
    pub const ALL: [Self; 4] = [Self::Day, Self::Hour, Self::Minute, Self::Second];

    /// Its name: the end of the name of what is kept.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Second => "1s",
            Self::Minute => "1m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }

    /// The level of a name that begins with [`Rollup::prefix`].
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, level) = name.rsplit_once('.')?;
        Self::ALL.into_iter().find(|known| known.name() == level)
    }

    const fn step(self) -> Step {
        match self {
            Self::Second => Step::Micros(1_000_000),
            Self::Minute => Step::Micros(60_000_000),
            Self::Hour => Step::Micros(3_600_000_000),
            Self::Day => Step::Days(1),
        }
    }

    /// Whether buckets of `step` consist of whole ones of this width, where clocks do not change.
    fn divides(self, step: Step) -> bool {
        match (self.step(), step) {
            (Step::Micros(level), Step::Micros(step)) => step % level == 0,
            (_, Step::Days(_) | Step::Months(_)) => true,
            (_, Step::Micros(_)) => false,
        }
    }
}

/// A query whose states are kept.
#[derive(Debug, Clone)]
pub struct Rollup {
    spec: QuerySpec,
    stream: StreamName,
    fingerprint: String,
    columns: Vec<String>,
}

/// One of its plans taken apart.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) shape: Arc<Shape>,
    pub(crate) layout: InputLayout,
    /// Which of the GROUP BY columns is the bucket.
    pub(crate) bucket: usize,
}

impl Cut {
    /// Its one input.
    fn branch(&self) -> &Branch {
        &self.shape.branches[0]
    }
}

impl Rollup {
    /// What the names of all kept states begin with.
    pub const PREFIX: &str = PREFIX;

    /// The rollup of `spec`, if its states can be kept: one stream, `$bucket` once, as the width of a `time_bucket` of `time`
    /// in its GROUP BY, and `$from` and `$to` once each, as the bounds of `time`.
    ///
    /// # Errors
    /// [`QueryError`] for SQL that is refused.
    pub fn of(spec: &QuerySpec, history: &dyn History, limits: &QueryLimits) -> Result<Option<Self>, QueryError> {
        let mut spec = spec.clone();
        for name in [FROM, TO, BUCKET] {
            spec.params.remove(name);
        }
        let bounds = (BEFORE_ALL_US, AFTER_ALL_US);
        let Some(cut) = cut(&spec, RollupLevel::Minute.step(), bounds, history, limits)? else { return Ok(None) };
        let types: Vec<String> = cut.branch().input.iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect();
        let text = format!(
            "{FORMAT}\0{ENGINE}\0{}\0{}\0{:?}\0{}\0{}",
            env!("CARGO_PKG_VERSION"),
            normalise(&spec.sql),
            spec.params,
            spec.timezone.name(),
            types.join(",")
        );
        let mut columns: Vec<String> = cut.branch().input.iter().map(|field| field.name().clone()).collect();
        if !columns.iter().any(|name| name == TIME) {
            columns.push(TIME.to_owned());
        }
        let fingerprint = format!("{:016x}", xxh3_64(text.as_bytes()));
        Ok(Some(Self { stream: cut.branch().stream.clone(), fingerprint, columns, spec }))
    }

    /// The zone its buckets are of.
    const fn zone(&self) -> Tz {
        self.spec.timezone
    }

    /// The stream it reads.
    #[must_use]
    pub const fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// The columns that its states are computed from.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What it asks, without the parameters that a range fills in.
    #[must_use]
    pub const fn spec(&self) -> &QuerySpec {
        &self.spec
    }

    /// What the names of its states begin with: another query, zone, type of column or version has another.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{PREFIX}{}.", self.fingerprint)
    }

    /// The name under which the states of `level` are kept.
    #[must_use]
    pub fn name(&self, level: RollupLevel) -> String {
        self.prefix() + level.name()
    }
}

fn unread(error: &HistoryError) -> QueryError {
    QueryError::new(QueryErrorKind::Internal, error.to_string())
}

/// What a query that is run once may hold of groups.
fn view_limits(limits: &QueryLimits) -> ViewLimits {
    ViewLimits {
        groups_max: limits.rows_max.saturating_mul(20),
        rows_max: limits.rows_max,
        state_bytes_max: limits.memory_bytes_max,
    }
}

/// Kept states as columns: those of the keys, then per aggregate its own.
fn columns_of(bytes: &[u8], cut: &Cut) -> datafusion::common::Result<Option<Columns>> {
    let (columns, rows) = ipc_to_columns(bytes)?;
    let Some(aggregate) = &cut.shape.aggregate else { return Ok(None) };
    let mut columns = columns.into_iter();
    let keys: Vec<ArrayRef> = columns.by_ref().take(aggregate.keys.len()).collect();
    let states = Units::of(aggregate)?.split(columns)?;
    Ok(Some(Columns { keys, states, rows }))
}

struct Columns {
    keys: Vec<ArrayRef>,
    states: Vec<Vec<ArrayRef>>,
    rows: usize,
}

/// Plans `spec` with buckets of `step` between two bounds and takes the plan apart; `None` if its states do not merge over
/// buckets.
pub(crate) fn cut(
    spec: &QuerySpec,
    step: Step,
    (from_us, to_us): (i64, i64),
    history: &dyn History,
    limits: &QueryLimits,
) -> Result<Option<Cut>, QueryError> {
    let mut spec = spec.clone();
    spec.params.insert(FROM.into(), Cell::Time(from_us));
    spec.params.insert(TO.into(), Cell::Time(to_us));
    spec.params.insert(BUCKET.into(), Cell::Str(step.text().into()));
    let clock = ClockCell::new(history.head().now());
    let planned = match planning::plan(&spec, history, &clock, &Rows::None, None, limits.sql_bytes_max) {
        Ok(planned) => planned,
        // A parameter that the query does not have.
        Err(error) if error.kind == QueryErrorKind::BadParams => return Ok(None),
        Err(error) => return Err(error),
    };
    let plan = simplified(&planned).map_err(|error| QueryError::planning(&error))?;
    let Some(bucket) = bucket_of(&plan, step, from_us, to_us) else { return Ok(None) };
    let Ok(shape) = take_apart_plan(&planned, &plan) else { return Ok(None) };
    // The states of several streams have no common offsets to be kept by.
    let [branch] = shape.branches.as_slice() else { return Ok(None) };
    if shape.aggregate.is_none() || !shape.bounds.is_empty() {
        return Ok(None);
    }
    let Some(schema) = history.schema(branch.stream.as_str()) else { return Ok(None) };
    let Some(layout) = InputLayout::new(branch, &schema, spec.timezone) else { return Ok(None) };
    Ok(Some(Cut { shape: Arc::new(shape), layout, bucket }))
}

/// Which GROUP BY column is the bucket, if width and bounds stand where they must and nowhere else.
fn bucket_of(plan: &LogicalPlan, step: Step, from_us: i64, to_us: i64) -> Option<usize> {
    let is_width = |value: &ScalarValue| match value {
        ScalarValue::IntervalMonthDayNano(Some(interval)) => Step::of(*interval) == Ok(step),
        _ => false,
    };
    let is_time =
        |value: &ScalarValue, at: i64| matches!(value, ScalarValue::TimestampMicrosecond(Some(v), _) if *v == at);
    let (mut widths, mut bounds) = (0, 0);
    let (mut bucket, mut bounded) = (None, 0);
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Literal(value, _) = expr {
                    widths += usize::from(is_width(value));
                    bounds += usize::from(is_time(value, from_us) || is_time(value, to_us));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        match node {
            LogicalPlan::Aggregate(aggregate) => {
                bucket = aggregate.group_expr.iter().position(|expr| match expr.clone().unalias() {
                    Expr::ScalarFunction(call) if call.func.name() == TIME_BUCKET => match call.args.as_slice() {
                        [Expr::Literal(width, _), Expr::Column(time)] => {
                            is_width(width) && origin(&aggregate.input, time).as_deref() == Some(TIME)
                        }
                        _ => false,
                    },
                    _ => false,
                });
            }
            LogicalPlan::Filter(filter) => {
                for conjunct in datafusion::logical_expr::utils::split_conjunction(&filter.predicate) {
                    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = conjunct else { continue };
                    let (Expr::Column(column), Expr::Literal(value, _)) = (left.as_ref(), right.as_ref()) else {
                        continue;
                    };
                    let is_bound = (*op == Operator::GtEq && is_time(value, from_us))
                        || (*op == Operator::Lt && is_time(value, to_us));
                    bounded += usize::from(is_bound && origin(&filter.input, column).as_deref() == Some(TIME));
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.ok()?;
    // The bounds are below the only aggregate: `take_apart` allows one, and `origin` does not look through it.
    (widths == 1 && bounds == 2 && bounded == 2).then_some(bucket).flatten()
}

/// The widest level that makes up `step`, and those after it.
fn levels_for(step: Step) -> impl Iterator<Item = RollupLevel> {
    RollupLevel::ALL.into_iter().filter(move |level| level.divides(step))
}

#[cfg(test)]
mod tests;
