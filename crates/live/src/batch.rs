//! Runs a query once over the log up to a position: the answer that every live answer must equal.
//!
//! Within limits on memory, rows and time; dropping the future ends the query and its scans, and leaving it ends what does
//! not pause (`ending`).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{Position, Row, TimeUs};

use crate::api::{History, QueryAnswer, QueryError, QueryErrorKind, QuerySpec};
use crate::cells::{cells, columns};
use crate::ending::{Ended, Ending};
use crate::engine::POOL_THREADS;
use crate::operators;
use crate::row_bytes::whole_bytes;
use crate::sql::clock::{self, ClockCell};
use crate::sql::planning::{self, Rows};
use crate::sql::table::{ReadOrder, ScanRange};
use crate::sql::{sizes, ties};
use crate::windows::Windows;

/// Which share of its memory the answer of a query may take: it is held as columns, as cells and as the text that is sent.
const ANSWER_SHARE: u64 = 4;

/// A place to run within the limits of memory.
pub(crate) fn runtime(limits: &QueryLimits) -> Result<Arc<RuntimeEnv>, QueryError> {
    RuntimeEnvBuilder::new()
        .with_memory_limit(limits.memory_bytes_max, 1.0)
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()
        .map_err(|error| QueryError::internal(&error))
}

/// Answers `spec` at `at`, without an engine: for reading a log that no server runs on.
///
/// # Errors
/// [`QueryError`] for text that is refused, limits that are hit and data that cannot be computed with.
pub async fn query_once(
    spec: &QuerySpec,
    history: &Arc<dyn History>,
    at: Position,
    limits: &QueryLimits,
) -> Result<QueryAnswer, QueryError> {
    run(spec, history, at, limits).await
}

/// Answers `spec` at `at`.
pub(crate) async fn run(
    spec: &QuerySpec,
    history: &Arc<dyn History>,
    at: Position,
    limits: &QueryLimits,
) -> Result<QueryAnswer, QueryError> {
    run_until(&Ending::after(time_max(limits)), spec, history, at, limits).await
}

/// Answers `spec` at `at`, or ends with `ending`.
pub(crate) async fn run_until(
    ending: &Ending,
    spec: &QuerySpec,
    history: &Arc<dyn History>,
    at: Position,
    limits: &QueryLimits,
) -> Result<QueryAnswer, QueryError> {
    within(limits, collect(ending, spec, history, at, limits)).await
}

/// How long a query may take.
pub(crate) fn time_max(limits: &QueryLimits) -> Duration {
    Duration::from_millis(limits.time_ms_max)
}

/// Holds a query to its time, where it pauses. Where it does not, its [`Ending`] holds it.
pub(crate) async fn within<T>(
    limits: &QueryLimits,
    query: impl Future<Output = Result<T, QueryError>>,
) -> Result<T, QueryError> {
    let limit = time_max(limits);
    tokio::time::timeout(limit, query).await.unwrap_or_else(|_| Err(QueryError::ended(Ended::TimeOver(limit))))
}

/// A query that runs: its batches come as they are asked for, and dropping it ends it and its scans.
pub(crate) struct Batches {
    pub(crate) schema: SchemaRef,
    pub(crate) stream: SendableRecordBatchStream,
    pub(crate) complete_from: Option<TimeUs>,
}

/// Starts `spec` at `at`, its plan as `shaped` makes it, to end with `ending`.
pub(crate) async fn start(
    ending: &Ending,
    spec: &QuerySpec,
    history: &Arc<dyn History>,
    at: Position,
    limits: &QueryLimits,
    shaped: impl FnOnce(LogicalPlan) -> Result<LogicalPlan, QueryError>,
) -> Result<Batches, QueryError> {
    let clock = ClockCell::new(at.now());
    let range = ScanRange { history: history.clone(), upto: at.offset, order: Arc::default() };
    let rows = Rows::Of(range.clone());
    let mut planned =
        planning::plan(spec, history.as_ref(), &clock, &rows, Some(runtime(limits)?), limits.sql_bytes_max)?;
    let order = read_order(&planned.plan, || match planned.query.streams.as_slice() {
        [(stream, _)] => history.parts(stream).min(POOL_THREADS),
        _ => 1,
    });
    range.order.get_or_init(|| order);
    if let ReadOrder::Parts(parts) = order {
        planned.state.config_mut().options_mut().execution.target_partitions = parts;
    }
    let plan = shaped(planned.plan)?;
    let plan = clock::stopped(plan, at.now(), spec.timezone).map_err(|error| QueryError::planning(&error))?;
    let state = &planned.state;
    let plan = state.optimize(&plan).map_err(|error| QueryError::planning(&error))?;
    sizes::check(&plan).map_err(|error| QueryError::running(&error))?;
    let windows = Windows::new(ending, &state.runtime_env().memory_pool);
    let physical = operators::of(plan, state, ending, &windows).await.map_err(|error| QueryError::planning(&error))?;
    let schema = physical.schema();
    let stream = execute_stream(physical, planned.state.task_ctx()).map_err(|error| QueryError::running(&error))?;
    let complete_from = planned.query.streams.iter().filter_map(|(name, _)| history.complete_from(name)).max();
    Ok(Batches { schema, stream, complete_from })
}

async fn collect(
    ending: &Ending,
    spec: &QuerySpec,
    history: &Arc<dyn History>,
    at: Position,
    limits: &QueryLimits,
) -> Result<QueryAnswer, QueryError> {
    let in_order = |plan| ties::in_order(plan, limits.rows_max).map_err(|error| QueryError::planning(&error));
    let Batches { schema, mut stream, complete_from } = start(ending, spec, history, at, limits, in_order).await?;
    let (mut answer, mut batches): (Vec<Row>, Vec<_>) = (Vec::new(), Vec::new());
    let (mut bytes, bytes_max) = (0_u64, limits.memory_bytes_max as u64 / ANSWER_SHARE);
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| QueryError::running(&error))?;
        if answer.len() + batch.num_rows() > limits.rows_max {
            let message = format!("the answer has more than {} rows: add a LIMIT or group it", limits.rows_max);
            return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
        }
        bytes = batch.columns().iter().map(whole_bytes).fold(bytes, u64::saturating_add);
        if bytes > bytes_max {
            let message = format!(
                "the answer is larger than {bytes_max} bytes, which is what a query may hold: add a LIMIT or name fewer columns"
            );
            return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
        }
        let columns: Vec<_> = batch.columns().iter().map(cells).collect();
        answer.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c[row].clone()).collect::<Row>()));
        batches.push(batch);
    }
    if batches.is_empty() {
        batches.push(arrow::record_batch::RecordBatch::new_empty(schema.clone()));
    }
    Ok(QueryAnswer { position: at, newest: None, columns: columns(&schema), rows: answer, batches, complete_from })
}

/// How the streams of a plan may be read: in any order where something above sorts or groups them, and side by side where it
/// is one stream that is grouped, by what does not ask for an order itself. `parts` says how many parts that stream has.
fn read_order(plan: &LogicalPlan, parts: impl FnOnce() -> usize) -> ReadOrder {
    if keeps_order(plan) {
        return ReadOrder::Offset;
    }
    let (mut scans, mut straight) = (0, false);
    let visited = plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(_) => scans += 1,
            LogicalPlan::Aggregate(aggregate) => {
                straight = aggregate.aggr_expr.iter().all(|expr| !asks_for_order(expr)) && is_line(&aggregate.input);
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    match parts_of(visited.is_ok() && scans == 1 && straight, parts) {
        0 | 1 => ReadOrder::Any,
        parts => ReadOrder::Parts(parts),
    }
}

fn parts_of(side_by_side: bool, parts: impl FnOnce() -> usize) -> usize {
    if side_by_side { parts() } else { 1 }
}

/// Whether rows of a stream come here one by one.
fn is_line(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.inputs().into_iter().all(is_line)
        }
        _ => false,
    }
}

fn asks_for_order(expr: &Expr) -> bool {
    expr.exists(|expr| {
        Ok(matches!(expr, Expr::AggregateFunction(call) if !call.params.order_by.is_empty() || call.params.distinct))
    })
    .unwrap_or(true)
}

/// Whether the order in which a stream is read may show in the answer: where nothing above sorts or groups it.
fn keeps_order(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Sort(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) => false,
        _ => plan.inputs().into_iter().any(keeps_order),
    }
}
