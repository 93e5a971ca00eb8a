//! What runs beside the engine thread: rebuilding an instance from a checkpoint and the log, making the checkpoint of a
//! large one, and re-running what cannot be maintained.
//!
//! A job reports back by a command; the engine thread ignores reports of an earlier generation.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use futures::FutureExt;
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::{InstanceId, LogOffset, Position, Progress, StreamName, TimeUs};
use tracing::{debug, warn};

use super::core::{Command, Saved};
use super::outcome::Plan;
use super::restore::{Wanted, checkpoint_of, question_of};
use crate::api::{History, QueryError, QueryErrorKind, QuerySpec};
use crate::batch;
use crate::checkpoint::Checkpoints;
use crate::maintain::query::{Query, Refused};
use crate::scan_request::ScanRequest;

/// Progress is told after so many rows.
const PROGRESS_ROWS: u64 = 200_000;
/// A rebuild that read so many rows keeps what came of it.
const WORTH_ROWS: u64 = 50_000;

/// An instance that stands at an offset of the log.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) query: Query,
    pub(crate) upto: LogOffset,
    /// From when its answer counts, if older events had been dropped before it was first built.
    pub(crate) since: Option<TimeUs>,
    /// Rows that came too late to count.
    pub(crate) late_rows: u64,
    /// The checkpoint it began with, and its size.
    pub(crate) kept: Option<(Position, usize)>,
}

/// What a rebuild begins with.
#[derive(Debug)]
pub(crate) enum Begin {
    /// The newest checkpoint that can be used, if there is one.
    Checkpoint,
    /// The log alone.
    Log,
    /// An instance that is behind.
    Earlier(Box<Rebuilt>),
}

/// Who asked for a job.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) id: InstanceId,
    pub(crate) generation: u64,
    pub(crate) commands: SyncSender<Command>,
}

impl Asker {
    /// Reports a checkpoint, or that there is none.
    pub(crate) fn tell_saved(&self, saved: Saved) {
        let of = vec![(self.id, self.generation, saved)];
        // A closed queue means that the engine has ended.
        let _ended = self.commands.send(Command::Saved { of }).is_err();
    }
}

/// A query to bring to a position.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) asker: Asker,
    pub(crate) spec: QuerySpec,
    pub(crate) plan: Plan,
    pub(crate) to: Position,
    pub(crate) history: Arc<dyn History>,
    pub(crate) limits: ViewLimits,
    /// How many rows are known to have come too late, for who does not go on from a checkpoint.
    pub(crate) late_rows: u64,
    pub(crate) checkpoints: Option<Checkpoints>,
}

impl Job {
    /// Brings an instance to the position and hands it over. One that took much work is kept first as a checkpoint.
    pub(crate) fn rebuild(&self, begin: Begin) {
        let is_first = !matches!(begin, Begin::Earlier(_));
        let mut read = 0;
        let mut result = self.brought(begin, &mut read, |progress| {
            let Asker { id, generation, ref commands } = self.asker;
            commands.send(Command::Progress { id, generation, progress }).is_ok()
        });
        let kept = match (&mut result, &self.checkpoints) {
            // A later round stands at a clock of its own.
            (Ok(rebuilt), Some(_)) if is_first && read >= WORTH_ROWS => self.bytes_of(rebuilt),
            _ => None,
        };
        let (id, generation) = (self.asker.id, self.asker.generation);
        let report = Command::Rebuilt { id, generation, plan: self.plan.clone(), result: Box::new(result) };
        // A closed queue means that the engine has ended.
        let _ended = self.asker.commands.send(report).is_err();
        if let Some(bytes) = kept {
            self.save(&bytes);
        }
    }

    /// Makes a checkpoint of a running instance beside it, from its last one and the log: the engine does not stop for it.
    pub(crate) fn refresh(&self) {
        let begun = self.checkpoints.as_ref().and_then(|keeping| self.wanted().restored(keeping.store.as_ref()));
        let bytes = begun.and_then(|begun| {
            let brought = self.brought(Begin::Earlier(Box::new(begun)), &mut 0, |_| true);
            let mut rebuilt =
                brought.inspect_err(|error| debug!(%error, "a checkpoint was not brought forward")).ok()?;
            self.bytes_of(&mut rebuilt)
        });
        match bytes {
            Some(bytes) => self.save(&bytes),
            None => self.asker.tell_saved(Saved { position: None, bytes: 0 }),
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        let Self { spec, plan, to, limits, .. } = self;
        Wanted { spec, plan, to: *to, history: self.history.as_ref(), limits }
    }

    fn bytes_of(&self, rebuilt: &mut Rebuilt) -> Option<Arc<[u8]>> {
        if let Err(error) = rebuilt.query.finish() {
            debug!(error = error.strip_backtrace(), "no checkpoint is made of it");
            return None;
        }
        let state = (&mut rebuilt.query, self.to, rebuilt.since, rebuilt.late_rows);
        let made = checkpoint_of(&self.spec, &self.plan, &self.limits, state);
        made.inspect_err(|reason| warn!(reason, sql = self.spec.sql, "no checkpoint can be made of a query")).ok()
    }

    fn save(&self, bytes: &Arc<[u8]>) {
        let Some(keeping) = &self.checkpoints else { return };
        let position = match keeping.store.save(question_of(&self.spec), self.to, bytes) {
            Ok(()) => Some(self.to),
            Err(error) => {
                warn!(%error, "a checkpoint could not be written");
                None
            }
        };
        self.asker.tell_saved(Saved { position, bytes: bytes.len() });
    }

    /// Brings an instance to the position; `read` counts the rows that were read for it, and `tell` hears how far it is
    /// and says whether to go on.
    pub(crate) fn brought(
        &self,
        begin: Begin,
        read: &mut u64,
        mut tell: impl FnMut(Progress) -> bool,
    ) -> Result<Rebuilt, QueryError> {
        let Self { spec, plan, to, history, limits, .. } = self;
        let restored = match (begin, &self.checkpoints) {
            (Begin::Earlier(earlier), _) => Some(*earlier),
            (Begin::Checkpoint, Some(keeping)) => self.wanted().restored(keeping.store.as_ref()),
            _ => None,
        };
        let is_new = restored.is_none();
        let mut rebuilt = match restored {
            Some(rebuilt) => rebuilt,
            None => {
                let schema = |stream: &StreamName| history.schema(stream.as_str());
                let query = Query::new(&plan.composition, schema, limits, to.now(), spec.timezone).map_err(refused)?;
                Rebuilt { query, upto: LogOffset::START, since: None, late_rows: self.late_rows, kept: None }
            }
        };
        let (streams, from) = (plan.streams(), rebuilt.upto.to_u64());
        let (mut since_told, count) = (0, streams.len().max(1) as u64);
        for (number, stream) in (0u64..).zip(&streams) {
            // What is too old now is read where it is still to be counted.
            let time_from = if is_new { rebuilt.query.time_from(stream) } else { None };
            let scan = history.scan(&ScanRequest::new(stream.clone(), rebuilt.upto, to.offset).from_time(time_from));
            if is_new {
                // What was dropped before the scan began is missing from the answer.
                rebuilt.since = rebuilt.since.max(history.complete_from(stream));
            }
            for batch in scan {
                let batch = batch.map_err(|error| QueryError::new(QueryErrorKind::Internal, error.to_string()))?;
                since_told += batch.num_rows() as u64;
                *read += batch.num_rows() as u64;
                let last = last_offset(&batch).saturating_sub(from);
                // Rows come in the newest schema, which may have grown once more since the layout was made.
                if is_new {
                    rebuilt.query.push_past(stream, &batch).map_err(refused)?;
                } else {
                    rebuilt.late_rows += rebuilt.query.push_missed(stream, &batch).map_err(refused)?;
                }
                if since_told >= PROGRESS_ROWS {
                    since_told = 0;
                    // Streams are read one after the other, each over the whole log.
                    let total = to.offset.to_u64().saturating_sub(from);
                    if !tell(Progress { done: (number * total + last) / count, total }) {
                        break;
                    }
                }
            }
        }
        rebuilt.upto = to.offset;
        Ok(rebuilt)
    }
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
