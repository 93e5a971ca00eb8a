//! Range queries: a view or query over a span of time, in no more points than a chart has room for.
//!
//! SQL that names `$from`, `$to` and `$bucket` says itself how it is cut: the bucket is chosen to suit. Any other is run, held
//! to the span by its time column, and thinned (`thin`). The answer stands at a position, from which the same query goes on
//! live with the same parameters. Within the limits of every query.

mod steps;
mod thin;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use chrono_tz::Tz;
use datafusion::common::{Column as PlanColumn, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr};
use futures::StreamExt;
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{Cell, Position, TimeUs};

use crate::api::{History, Params, QueryAnswer, QueryError, QueryErrorKind, QuerySpec};
use crate::batch::{self, Batches, within};
use crate::cells::columns;
use crate::ending::Ending;
use crate::rollup::{Asked, Rollup, RollupUse, answer};
use crate::sql::buckets::Step;
use crate::sql::reserved::{self, BUCKET, FROM, OPEN_END_US, TO};
use crate::sql::{local, names, params};
use thin::{Roles, Thinner};

/// The most points of a range: a month of minutes, with room.
pub const POINTS_MAX: usize = 50_000;
/// How far back a range goes if it is not told.
const FROM_DEFAULT: &str = "-1h";

/// How rows are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Downsample {
    /// The least and greatest of each pixel, of every value: no peak is lost.
    #[default]
    MinMax,
    /// Largest triangle three buckets, by the first value: the shape of the line with fewer points.
    Lttb,
}

/// A question about a span of time.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeSpec {
    /// What is asked. `$bucket` may be among its parameters; `$from` and `$to` are not.
    pub query: QuerySpec,
    /// Begin, inclusive: a time as parameters are written, or `-24h`. Unset is an hour before the end.
    pub from: Option<Cell>,
    /// End, exclusive. Unset is open: all that is known, and live goes on from it.
    pub to: Option<Cell>,
    /// How many rows of each series to answer with at most, about: the width of a chart.
    pub points: usize,
    /// How rows are left out if the SQL does not cut the span itself.
    pub downsample: Downsample,
    /// The columns that tell series apart; unset is all that are neither times nor numbers.
    pub series: Option<Vec<String>>,
}

/// Its answer.
#[derive(Debug, Clone)]
pub struct RangeAnswer {
    /// The rows; without batches.
    pub answer: QueryAnswer,
    /// The begin.
    pub from: TimeUs,
    /// The end; `None` if it is open.
    pub to: Option<TimeUs>,
    /// The width of a bucket as SQL writes it, if the query uses `$bucket`.
    pub bucket: Option<String>,
    /// How rows were left out, if any were.
    pub downsampled: Option<Downsample>,
    /// The parameters with which the same query goes on live.
    pub live: Params,
    /// What it was made of, if kept states were of use.
    pub rollup: Option<RollupUse>,
}

fn bad(message: impl Into<String>) -> QueryError {
    QueryError::new(QueryErrorKind::BadParams, message)
}

/// Reads a moment in `zone`, told from `now` if it says so.
fn moment(name: &str, cell: &Cell, now: TimeUs, zone: Tz) -> Result<TimeUs, QueryError> {
    let told = match cell {
        Cell::Str(text) => reserved::ago(text),
        _ => None,
    };
    let micros = match told {
        Some(told) => local::moved_us(now.0, told.span, zone, told.ago),
        None => params::time(cell, zone),
    };
    micros.filter(|micros| (0..=OPEN_END_US).contains(micros)).map(TimeUs).ok_or_else(|| {
        bad(format!(
            "`{name}` must be a time such as `2026-05-01T12:00:00Z`, an epoch, `now` or `-24h`, from 1970 to 2200"
        ))
    })
}

/// Answers `spec` at `at`, or ends with `ending`.
pub(crate) async fn run(
    ending: &Ending,
    spec: &RangeSpec,
    history: &Arc<dyn History>,
    at: Position,
    limits: &QueryLimits,
) -> Result<RangeAnswer, QueryError> {
    if spec.points == 0 || spec.points > POINTS_MAX {
        return Err(bad(format!("`points` must be from 1 to {POINTS_MAX}, not {}", spec.points)));
    }
    if let Some(name) = [FROM, TO].into_iter().find(|name| spec.query.params.contains_key(*name)) {
        return Err(bad(format!("`${name}` is the range's own: give `{name}` beside `params`, not in it")));
    }
    let zone = spec.query.timezone;
    let to = spec.to.as_ref().map(|to| moment(TO, to, at.now(), zone)).transpose()?;
    // The clock has whole seconds: what happened in the one that is running belongs to an open range.
    let end = to.unwrap_or(TimeUs(at.clock.0.saturating_add(1)));
    let from = match &spec.from {
        Some(from) => moment(FROM, from, at.now(), zone)?,
        None => moment(FROM, &Cell::Str(FROM_DEFAULT.into()), end, zone)?,
    };
    if from >= end {
        return Err(bad("`from` must be before `to`"));
    }
    let statement = names::parse(&spec.query.sql, limits.sql_bytes_max)?;
    let used: BTreeSet<String> = params::names(&statement).into_iter().filter(|name| reserved::is(name)).collect();
    let mut query = spec.query.clone();
    let mut step = None;
    if used.contains(BUCKET) && !query.params.contains_key(BUCKET) {
        let step = steps::step_for(from.0, end.0, spec.points, zone);
        query.params.insert(BUCKET.into(), Cell::Str(step.text().into()));
    }
    if let Some(given) = query.params.get(BUCKET) {
        step = Some(checked_bucket(given, from, end, spec.points, zone)?);
    }
    let bucket = step.map(Step::text);
    let mut live = query.params.clone();
    if used.contains(FROM) {
        query.params.insert(FROM.into(), Cell::Time(from.0));
        live.insert(FROM.into(), text(from));
    }
    if used.contains(TO)
        && let Some(to) = to
    {
        query.params.insert(TO.into(), Cell::Time(to.0));
        live.insert(TO.into(), text(to));
    }
    if used.contains(BUCKET) {
        let kept = match step.filter(|_| used.len() == 3) {
            Some(step) => {
                let asked = Asked { at, step, from_us: from.0, to_us: to.map_or(OPEN_END_US, |to| to.0) };
                within(limits, out_of_states(ending, &spec.query, asked, history, limits)).await?
            }
            None => None,
        };
        let (answer, rollup) = match kept {
            Some((answer, used)) => (answer, Some(used)),
            None => (batch::run_until(ending, &query, history, at, limits).await?, None),
        };
        let answer = QueryAnswer { batches: Vec::new(), ..answer };
        return Ok(RangeAnswer { answer, from, to, bucket, downsampled: None, live, rollup });
    }
    let cut = Cut { from, to, end, spec };
    let (answer, downsampled) = within(limits, thinned(ending, &query, &cut, history, at, limits)).await?;
    let downsampled = downsampled.then_some(spec.downsample);
    Ok(RangeAnswer { answer, from, to, bucket, downsampled, live, rollup: None })
}

/// A time as a parameter in a channel's name is written.
fn text(at: TimeUs) -> Cell {
    let time = chrono::DateTime::from_timestamp_micros(at.0).unwrap_or_default();
    Cell::Str(time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true).into())
}

/// A width that was asked for, if it leaves no more buckets than there may be points at all.
fn checked_bucket(given: &Cell, from: TimeUs, end: TimeUs, points: usize, zone: Tz) -> Result<Step, QueryError> {
    let expected = || bad("`$bucket` must be a width such as `15m`, `1 hour`, `1 day` or `1 month`");
    let Cell::Str(text) = given else { return Err(expected()) };
    let step = reserved::span_of(text).and_then(|span| Step::of(span).ok()).ok_or_else(expected)?;
    let most = points.max(POINTS_MAX);
    if step.count(from.0, end.0, zone, most).is_none() {
        return Err(bad(format!("buckets of {} are more than {most} in this range: choose a wider one", step.text())));
    }
    Ok(step)
}

/// The answer out of states that are kept of the query, if there are any.
async fn out_of_states(
    ending: &Ending,
    query: &QuerySpec,
    asked: Asked,
    history: &Arc<dyn History>,
    limits: &QueryLimits,
) -> Result<Option<(QueryAnswer, RollupUse)>, QueryError> {
    let (query, history, limits, ending) = (query.clone(), history.clone(), limits.clone(), ending.clone());
    let answered = tokio::task::spawn_blocking(move || match Rollup::of(&query, history.as_ref(), &limits)? {
        Some(rollup) => answer(&rollup, &asked, &history, &limits, &ending),
        None => Ok(None),
    });
    answered.await.map_err(|error| QueryError::new(QueryErrorKind::Internal, format!("the query ended: {error}")))?
}

/// What is cut out of a result.
struct Cut<'a> {
    from: TimeUs,
    to: Option<TimeUs>,
    end: TimeUs,
    spec: &'a RangeSpec,
}

async fn thinned(
    ending: &Ending,
    query: &QuerySpec,
    cut: &Cut<'_>,
    history: &Arc<dyn History>,
    at: Position,
    limits: &QueryLimits,
) -> Result<(QueryAnswer, bool), QueryError> {
    let series = cut.spec.series.as_deref();
    let within_range = |plan: LogicalPlan| {
        let roles = Roles::of(plan.schema().as_arrow(), series).map_err(bad)?;
        held_to(plan, roles.time, cut.from, cut.to).map_err(|error| QueryError::planning(&error))
    };
    let Batches { schema, mut stream, complete_from } =
        batch::start(ending, query, history, at, limits, within_range).await?;
    let roles = Roles::of(&schema, series).map_err(bad)?;
    let failed = |error: datafusion::error::DataFusionError| QueryError::running(&error);
    let span = (cut.from.0, cut.end.0);
    let mut thinner = Thinner::new(&schema, roles, cut.spec.downsample, cut.spec.points, span).map_err(failed)?;
    while let Some(batch) = stream.next().await {
        thinner.push(&batch.map_err(failed)?).map_err(failed)?;
        if thinner.series() > 1 && thinner.rows_max() > 4 * limits.rows_max {
            let message = format!(
                "{} series of {} points are too many: filter them, or ask for fewer points",
                thinner.series(),
                cut.spec.points
            );
            return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
        }
    }
    let (rows, is_thinned) = thinner.finish();
    if rows.len() > limits.rows_max {
        let message = format!("the answer has more than {} rows: ask for fewer points or series", limits.rows_max);
        return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
    }
    let columns = columns(&schema);
    let batches = Vec::new();
    Ok((QueryAnswer { position: at, newest: None, columns, rows, batches, complete_from }, is_thinned))
}

/// `plan` with the rows alone whose column `time` lies in the range. The optimiser brings that down to the scan.
fn held_to(
    plan: LogicalPlan,
    time: usize,
    from: TimeUs,
    to: Option<TimeUs>,
) -> datafusion::common::Result<LogicalPlan> {
    let (qualifier, field) = plan.schema().qualified_field(time);
    let column = Expr::Column(PlanColumn::from((qualifier, field)));
    let DataType::Timestamp(_, zone) = field.data_type().clone() else { return Ok(plan) };
    let literal = |at: TimeUs| Expr::Literal(ScalarValue::TimestampMicrosecond(Some(at.0), zone.clone()), None);
    let mut held = binary_expr(column.clone(), Operator::GtEq, literal(from));
    if let Some(to) = to {
        held = held.and(binary_expr(column, Operator::Lt, literal(to)));
    }
    LogicalPlanBuilder::from(plan).filter(held)?.build()
}

#[cfg(test)]
mod tests;
