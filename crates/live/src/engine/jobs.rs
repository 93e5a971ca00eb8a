//! What runs beside the engine thread: rebuilding an instance from the log, and re-running what cannot be maintained.
//!
//! A job reports back by a command; the engine thread ignores reports of an earlier generation.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use datafusion::common::DataFusionError;
use futures::FutureExt;
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::{InstanceId, LogOffset, Position, Progress, StreamSchema};

use super::core::Command;
use super::outcome::Plan;
use crate::api::{History, QueryError, QueryErrorKind, QuerySpec};
use crate::batch;
use crate::input::InputLayout;
use crate::maintain::instance::Instance;

/// Progress is told after so many rows.
const PROGRESS_ROWS: u64 = 200_000;

/// An instance that stands at an offset of the log.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) instance: Box<Instance>,
    pub(crate) layout: InputLayout,
    pub(crate) upto: LogOffset,
}

/// Who asked for a job.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) id: InstanceId,
    pub(crate) generation: u64,
    pub(crate) commands: SyncSender<Command>,
}

/// Replays the log into a fresh instance, or brings one that is behind forward.
pub(crate) fn rebuild(
    asker: &Asker,
    spec: &QuerySpec,
    plan: &Plan,
    earlier: Option<Rebuilt>,
    to: Position,
    history: &dyn History,
    limits: &ViewLimits,
) {
    let result = try_rebuild(asker, spec, plan, earlier, to, history, limits);
    let report = Command::Rebuilt { id: asker.id, generation: asker.generation, plan: plan.clone(), result };
    // A closed queue means that the engine has ended.
    let _ended = asker.commands.send(report).is_err();
}

fn try_rebuild(
    asker: &Asker,
    spec: &QuerySpec,
    plan: &Plan,
    earlier: Option<Rebuilt>,
    to: Position,
    history: &dyn History,
    limits: &ViewLimits,
) -> Result<Rebuilt, QueryError> {
    let running = |error: DataFusionError| QueryError::running(&error);
    let shape = &plan.shape;
    let schema: Arc<StreamSchema> = history
        .schema(shape.stream.as_str())
        .ok_or_else(|| QueryError::unknown_stream(shape.stream.as_str(), std::iter::empty()))?;
    let layout = InputLayout::new(shape, &schema, spec.timezone).ok_or_else(schema_moved)?;
    let mut rebuilt = match earlier {
        Some(earlier) => earlier,
        None => {
            let instance = Instance::new(shape.clone(), limits, to.now()).map_err(running)?;
            Rebuilt { instance: Box::new(instance), layout, upto: LogOffset::START }
        }
    };
    let time_from = rebuilt.instance.time_from();
    let mut since_told = 0;
    for batch in history.scan(&shape.stream, rebuilt.upto, to.offset, time_from) {
        let batch = batch.map_err(|error| QueryError::new(QueryErrorKind::Internal, error.to_string()))?;
        since_told += batch.num_rows() as u64;
        let last = last_offset(&batch);
        // Rows come in the newest schema, which may have grown once more since the layout was made.
        let batch = rebuilt.layout.apply_by_name(&batch).ok_or_else(schema_moved)?;
        rebuilt.instance.push(batch).map_err(running)?;
        rebuilt.instance.finish().map_err(running)?;
        if since_told >= PROGRESS_ROWS {
            since_told = 0;
            let progress = Progress { done: last, total: to.offset.to_u64() };
            let report = Command::Progress { id: asker.id, generation: asker.generation, progress };
            if asker.commands.send(report).is_err() {
                break;
            }
        }
    }
    rebuilt.upto = to.offset;
    Ok(rebuilt)
}

/// Asks for planning once more.
pub(crate) fn schema_moved() -> QueryError {
    QueryError::new(QueryErrorKind::UnknownColumn, "the schema of its stream changed while it was being rebuilt")
}

fn last_offset(batch: &arrow::record_batch::RecordBatch) -> u64 {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    let offsets = batch.column_by_name(pulseboard_model::schema::OFFSET);
    let last = offsets.and_then(|column| column.as_primitive_opt::<Int64Type>()?.values().last().copied());
    last.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0)
}

/// Runs a query that cannot be maintained, once.
pub(crate) async fn rerun(asker: Asker, spec: QuerySpec, at: Position, history: Arc<dyn History>, limits: QueryLimits) {
    let run = std::panic::AssertUnwindSafe(batch::run(&spec, &history, at, &limits)).catch_unwind();
    let result = run.await.unwrap_or_else(|_| {
        Err(QueryError::new(QueryErrorKind::Internal, "running it failed by a fault of the server, which is logged"))
    });
    let report = Command::Reran { id: asker.id, generation: asker.generation, result };
    let commands = asker.commands;
    // Sending waits when the queue is full, which an async task must not.
    let sent = tokio::task::spawn_blocking(move || commands.send(report).is_ok()).await;
    if !matches!(sent, Ok(true)) {
        tracing::debug!("a re-run ended after the engine");
    }
}
