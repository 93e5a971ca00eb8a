//! Starts queries that are run again, each at most once a second, and takes their answers in.
//!
//! It never runs one itself: that is a job of the pool.

use pulseboard_model::{Delta, InstanceChange, InstanceId, InstanceUpdate, Mode, Status, ViewState};

use super::{Core, QueryAnswer, QueryError, QueryErrorKind};
use crate::engine::jobs::{Asker, rerun};
use crate::engine::running::{Kind, Refresh};

/// A query that is re-run is run at most this often.
const RERUN_EVERY_US: i64 = 1_000_000;

/// What readers are told of a query that is not maintained.
pub(super) fn rerun_reason(reason: &str) -> String {
    format!("re-run at most once a second: {reason}")
}

impl Core {
    pub(super) fn start_reruns(&mut self) {
        let position = self.position;
        for (id, running) in &mut self.instances {
            let Kind::Rerun(rerun_state) = &mut running.kind else { continue };
            let due = rerun_state.last_run.is_none_or(|last| position.clock.0 - last.0 >= RERUN_EVERY_US);
            if rerun_state.running || !rerun_state.dirty || !due {
                continue;
            }
            rerun_state.running = true;
            rerun_state.dirty = false;
            rerun_state.last_run = Some(position.clock);
            let asker = Asker { id: *id, generation: running.generation, commands: self.parts.commands.clone() };
            let limits = self.parts.config.query_limits.clone();
            let job = rerun(asker, running.spec.clone(), position, self.parts.history.clone(), limits);
            self.parts.pool.handle().spawn(job);
        }
    }

    pub(super) fn reran(&mut self, id: InstanceId, generation: u64, result: Result<QueryAnswer, QueryError>) {
        let (now, clock) = (self.position.now(), self.position.clock);
        let Some(running) = self.instances.get_mut(&id).filter(|running| running.generation == generation) else {
            return;
        };
        let Kind::Rerun(rerun_state) = &mut running.kind else { return };
        rerun_state.running = false;
        match result {
            Ok(answer) => {
                running.stands = Some(answer.position);
                let reason = Some(rerun_reason(&rerun_state.reason));
                let update = rerun_state.update(&answer);
                let state = ViewState { reason, ..ViewState::new(Status::Rerun, Mode::Rerun) };
                let state = running.tell(state, now, Refresh::Along);
                let retry = running.retry_at.is_some_and(|at| at <= clock);
                if retry {
                    running.retry_at = None;
                }
                match update {
                    InstanceUpdate::State => self.emit(id, Delta::default(), state),
                    update => self.changes.push(InstanceChange { instance: id, update, state }),
                }
                if retry {
                    self.replan(id, None);
                }
            }
            Err(error) if matches!(error.kind, QueryErrorKind::UnknownStream | QueryErrorKind::UnknownColumn) => {
                self.replan(id, None);
            }
            Err(error) => {
                let state = ViewState { reason: Some(error.message), ..ViewState::new(Status::Error, Mode::Rerun) };
                let state = running.tell(state, now, Refresh::Along);
                self.emit(id, Delta::default(), state);
            }
        }
    }
}
