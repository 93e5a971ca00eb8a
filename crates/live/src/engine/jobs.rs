//! What runs beside the engine thread: rebuilding an instance from the log, and re-running what cannot be maintained.
//!
//! A job reports back by a command; the engine thread ignores reports of an earlier generation.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use futures::FutureExt;
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::{InstanceId, LogOffset, Position, Progress, StreamName};

use super::core::Command;
use super::outcome::Plan;
use crate::api::{History, QueryError, QueryErrorKind, QuerySpec};
use crate::batch;
use crate::maintain::query::{Query, Refused};
use crate::scan_request::ScanRequest;

/// Progress is told after so many rows.
const PROGRESS_ROWS: u64 = 200_000;

/// An instance that stands at an offset of the log.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) query: Query,
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
    let mut rebuilt = match earlier {
        Some(earlier) => earlier,
        None => {
            let schema = |stream: &StreamName| history.schema(stream.as_str());
            let query = Query::new(&plan.composition, schema, limits, to.now(), spec.timezone).map_err(refused)?;
            Rebuilt { query, upto: LogOffset::START }
        }
    };
    let streams = plan.streams();
    let (mut since_told, count) = (0, streams.len().max(1) as u64);
    for (number, stream) in (0u64..).zip(&streams) {
        let time_from = rebuilt.query.time_from(stream);
        let request = ScanRequest::new(stream.clone(), rebuilt.upto, to.offset).from_time(time_from);
        for batch in history.scan(&request) {
            let batch = batch.map_err(|error| QueryError::new(QueryErrorKind::Internal, error.to_string()))?;
            since_told += batch.num_rows() as u64;
            let last = last_offset(&batch);
            // Rows come in the newest schema, which may have grown once more since the layout was made.
            rebuilt.query.push_past(stream, &batch).map_err(refused)?;
            if since_told >= PROGRESS_ROWS {
                since_told = 0;
                // Streams are read one after the other, each over the whole log.
                let total = to.offset.to_u64();
                let progress = Progress { done: (number * total + last) / count, total };
                let report = Command::Progress { id: asker.id, generation: asker.generation, progress };
                if asker.commands.send(report).is_err() {
                    break;
                }
            }
        }
    }
    rebuilt.upto = to.offset;
    Ok(rebuilt)
}

/// Why a query does not take rows in, as its error.
pub(crate) fn refused(refused: Refused) -> QueryError {
    match refused {
        Refused::SchemaMoved => schema_moved(),
        Refused::Failed(error) => QueryError::running(&error),
    }
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
