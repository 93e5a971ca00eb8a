//! Reads a query's newest usable checkpoint back. What cannot be used is said in the log with its reason.

use std::sync::Arc;

use pulseboard_model::limits::ViewLimits;
use pulseboard_model::{Position, StreamName, TimeUs};
use tracing::{debug, warn};

use super::jobs::{Rebuilt, refused};
use super::outcome::Plan;
use crate::api::{History, QuerySpec};
use crate::checkpoint::{Checkpoint, CheckpointStore, Question, Unusable};
use crate::maintain::form::{form_of, limits_of};
use crate::maintain::query::Query;
use crate::sql::names::normalise;

/// What a query's checkpoints are filed under.
pub(crate) fn question_of(spec: &QuerySpec) -> Question {
    Question::of(&normalise(&spec.sql), spec.timezone.name(), &format!("{:?}", spec.params))
}

/// Who asks for a checkpoint, and what for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) spec: &'a QuerySpec,
    pub(crate) plan: &'a Plan,
    pub(crate) to: Position,
    pub(crate) history: &'a dyn History,
    pub(crate) limits: &'a ViewLimits,
}

impl Wanted<'_> {
    /// The query as its newest usable checkpoint at or before `to` has it, with the clock of `to`. The events between are
    /// not in it yet. None if there is none: then the log is all there is.
    pub(crate) fn restored(self, store: &dyn CheckpointStore) -> Option<Rebuilt> {
        let question = question_of(self.spec);
        let (mut refused, mut tried) = (0, 0);
        for position in store.list(question) {
            // The past has later ones, which are no fault of theirs.
            if position.epoch == self.to.epoch
                && (!self.to.offset.includes(position.offset) || position.now() > self.to.now())
            {
                continue;
            }
            tried += 1;
            let read = store.load(question, position).map_err(|error| Unusable::Refused(error.to_string()));
            match read.and_then(|bytes| self.used(question, &bytes)) {
                Ok(rebuilt) => {
                    debug!(%question, %position, "a query goes on from its checkpoint");
                    return Some(rebuilt);
                }
                Err(reason) => {
                    refused += 1;
                    warn!(%question, %position, %reason, sql = self.spec.sql, "a checkpoint is not used");
                }
            }
        }
        if refused > 0 && refused == tried {
            warn!(%question, sql = self.spec.sql, "no checkpoint can be used: the query is rebuilt from the log");
        }
        None
    }

    fn used(self, question: Question, bytes: &[u8]) -> Result<Rebuilt, Unusable> {
        let checkpoint = Checkpoint::read(bytes)?;
        if checkpoint.question != question {
            return Err(Unusable::OtherQuestion);
        }
        if checkpoint.position.epoch != self.to.epoch {
            return Err(Unusable::OtherEpoch);
        }
        let failed = |error: datafusion::common::DataFusionError| Unusable::Refused(error.strip_backtrace());
        if checkpoint.form != form_of(&self.plan.composition).map_err(failed)? {
            return Err(Unusable::OtherForm);
        }
        let position = checkpoint.position;
        if !self.to.offset.includes(position.offset) || position.now() > self.to.now() {
            return Err(Unusable::Ahead);
        }
        // What arrived later than its clock is what it lacks.
        let continues =
            |stream: &StreamName| self.history.complete_from(stream).is_none_or(|from| from <= position.clock);
        if !self.plan.streams().iter().all(continues) {
            return Err(Unusable::Gap);
        }
        let mut query = self.empty()?;
        query.restore(checkpoint.state).map_err(failed)?;
        if query.is_truncated() && checkpoint.limits != limits_of(self.limits) {
            return Err(Unusable::OtherLimits);
        }
        query.advance(self.to.now()).map_err(failed)?.map_err(|_| Unusable::MovedBack)?;
        let kept = Some((position, bytes.len()));
        let (since, late_rows) = (checkpoint.since, checkpoint.late_rows);
        Ok(Rebuilt { query, upto: position.offset, since, late_rows, kept })
    }

    fn empty(self) -> Result<Query, Unusable> {
        let schema = |stream: &StreamName| self.history.schema(stream.as_str());
        Query::new(&self.plan.composition, schema, self.limits, self.to.now(), self.spec.timezone)
            .map_err(|error| Unusable::Refused(refused(error).message))
    }
}

/// The state of a query at `position`, as a checkpoint's bytes. Only after `finish`.
///
/// # Errors
/// When an aggregate's state cannot be written; the reason.
pub(crate) fn checkpoint_of(
    spec: &QuerySpec,
    plan: &Plan,
    limits: &ViewLimits,
    (query, position, since, late_rows): (&mut Query, Position, Option<TimeUs>, u64),
) -> Result<Arc<[u8]>, String> {
    let form = form_of(&plan.composition).map_err(|error| error.strip_backtrace())?;
    let state = query.dump().map_err(|error| error.strip_backtrace())?;
    let (question, limits) = (question_of(spec), limits_of(limits));
    let checkpoint = Checkpoint { question, form, limits, position, since, late_rows, state: &state };
    Ok(checkpoint.to_bytes().into())
}
