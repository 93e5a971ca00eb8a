//! A view as it was: stepped there as it was live, from the nearest checkpoint before that position where that reads less than
//! its window, else from the log. What is not maintained, or more than a view keeps, is answered by the batch query.

use std::sync::{Arc, Weak};
use std::time::Duration;

use pulseboard_model::{InstanceId, Mode, Position, Status, ViewState};

use super::jobs::{Asker, Begin, Job};
use super::outcome::{Outcome, Plan, plan_outcome};
use super::restore::Wanted;
use super::running::{by_place, state_of};
use super::{Engine, Inner};
use crate::api::{PastView, QueryError, QueryErrorKind, QuerySpec};

/// How a view of the past was answered, or why it must be run.
enum Stepped {
    View(Box<PastView>),
    Rerun { reason: String },
}

impl Engine {
    /// The answer of a view at `at`, with the keys, the order and the mode that it had live. Totals of events that retention
    /// has dropped are in it if a checkpoint has them.
    ///
    /// # Errors
    /// [`QueryError`], as [`Engine::query`].
    pub async fn view_at(&self, spec: &QuerySpec, at: Position) -> Result<PastView, QueryError> {
        let (inner, own) = (self.0.clone(), spec.clone());
        let limit = Duration::from_millis(inner.config.query_limits.time_ms_max);
        let turn = inner.running.clone().acquire_owned().await;
        // Dropped when nobody waits any more: the work ends at its next look.
        let asked = Arc::new(());
        let asking = Arc::downgrade(&asked);
        let work = self.0.pool.handle().spawn_blocking(move || {
            let _turn = turn;
            inner.stepped(&own, at, &asking)
        });
        let worked = tokio::time::timeout(limit, work).await.map_err(|_| {
            QueryError::new(QueryErrorKind::LimitExceeded, "the answer as of then took too long: ask for a later time")
        })?;
        let stepped = worked.map_err(|error| QueryError::new(QueryErrorKind::Internal, error.to_string()))?;
        drop(asked);
        let reason = match stepped {
            Stepped::View(view) => return Ok(*view),
            Stepped::Rerun { reason } => reason,
        };
        let answer = self.query(spec, at).await?;
        let snapshot = by_place(&answer);
        let state = ViewState { reason: Some(reason), ..ViewState::new(Status::Rerun, Mode::Rerun) };
        Ok(PastView { position: at, snapshot, state, complete_from: answer.complete_from })
    }
}

impl Inner {
    /// The view brought to `at` as it was live; a batch query where that cannot be.
    fn stepped(&self, spec: &QuerySpec, at: Position, asking: &Weak<()>) -> Stepped {
        let plan = match plan_outcome(spec, self.history.as_ref(), &self.config) {
            Ok(Outcome::Maintained(plan)) => plan,
            Ok(Outcome::Rerun { reason, .. }) => return Stepped::Rerun { reason },
            // Run, it says what is wrong with it.
            Ok(Outcome::Waiting { error } | Outcome::Failed { error }) | Err(error) => {
                return Stepped::Rerun { reason: error.message };
            }
        };
        self.brought(spec, plan, at, asking).map_or_else(
            || Stepped::Rerun { reason: "its rows are more than a view keeps, or it could not be stepped".to_owned() },
            |view| Stepped::View(Box::new(view)),
        )
    }

    fn brought(&self, spec: &QuerySpec, plan: Plan, at: Position, asking: &Weak<()>) -> Option<PastView> {
        let limits = self.config.view_limits.clone();
        let wanted = Wanted { spec, plan: &plan, to: at, history: self.history.as_ref(), limits: &limits };
        let restored = self.config.checkpoints.as_ref().and_then(|keeping| wanted.restored(keeping.store.as_ref()));
        let restored = restored.filter(|restored| {
            // From the log it reads what is in the window; from the checkpoint what came since.
            let began = restored.kept.map(|(began, _bytes)| began.clock);
            restored.query.since().is_none_or(|from| began.is_some_and(|began| from <= began))
        });
        let begin = restored.map_or(Begin::Log, |restored| Begin::Earlier(Box::new(restored)));
        let asker = Asker { id: InstanceId(0), generation: 0, commands: self.commands.clone() };
        let history = self.history.clone();
        let job = Job { asker, spec: spec.clone(), plan, to: at, history, limits, late_rows: 0, checkpoints: None };
        let mut brought = job.brought(begin, &mut 0, |_| asking.strong_count() > 0).ok()?;
        brought.query.finish().ok()?;
        if brought.query.is_truncated() {
            return None;
        }
        let counts_all = brought.query.since();
        let complete_from = brought.since.filter(|since| counts_all.is_none_or(|from| from < *since));
        let (snapshot, state) = (brought.query.snapshot(), state_of(&brought.query));
        Some(PastView { position: at, snapshot, state, complete_from })
    }
}
