//! A view as it was: from the nearest checkpoint before that position and the log between, where that reads less than a
//! batch query would, else by the batch query.

use std::time::Duration;

use pulseboard_model::{Column, InstanceId, Position};

use super::jobs::{Asker, Begin, Job};
use super::outcome::{Outcome, plan_outcome};
use super::restore::Wanted;
use super::{Engine, Inner};
use crate::api::{QueryAnswer, QueryError, QueryErrorKind, QuerySpec};

impl Engine {
    /// The answer of a view at `at`. Totals of events that retention has dropped are in it if a checkpoint has them.
    ///
    /// # Errors
    /// [`QueryError`], as [`Engine::query`].
    pub async fn view_at(&self, spec: &QuerySpec, at: Position) -> Result<QueryAnswer, QueryError> {
        if self.0.config.checkpoints.is_some() {
            let (inner, own) = (self.0.clone(), spec.clone());
            let limit = Duration::from_millis(inner.config.query_limits.time_ms_max);
            let turn = inner.running.clone().acquire_owned().await;
            let work = self.0.pool.handle().spawn_blocking(move || {
                let _turn = turn;
                inner.past_by_checkpoint(&own, at)
            });
            let worked = tokio::time::timeout(limit, work).await.map_err(|_| {
                QueryError::new(
                    QueryErrorKind::LimitExceeded,
                    "the answer as of then took too long: ask for a later time",
                )
            })?;
            let found = worked.map_err(|error| QueryError::new(QueryErrorKind::Internal, error.to_string()))?;
            if let Some(answer) = found {
                return Ok(answer);
            }
        }
        self.query(spec, at).await
    }
}

impl Inner {
    /// None where a batch query does it better.
    fn past_by_checkpoint(&self, spec: &QuerySpec, at: Position) -> Option<QueryAnswer> {
        let checkpoints = self.config.checkpoints.clone()?;
        let Ok(Outcome::Maintained(plan)) = plan_outcome(spec, self.history.as_ref(), &self.config) else {
            return None;
        };
        let limits = self.config.view_limits.clone();
        let wanted = Wanted { spec, plan: &plan, to: at, history: self.history.as_ref(), limits: &limits };
        let restored = wanted.restored(checkpoints.store.as_ref())?;
        let (began, _bytes) = restored.kept?;
        // A batch query reads what is in the window; this reads what came since.
        if restored.query.since().is_some_and(|from| from > began.clock) {
            return None;
        }
        let asker = Asker { id: InstanceId(0), generation: 0, commands: self.commands.clone() };
        let history = self.history.clone();
        let job = Job { asker, spec: spec.clone(), plan, to: at, history, limits, checkpoints: None };
        let mut brought = job.brought(Begin::Earlier(Box::new(restored)), &mut 0, |_| true).ok()?;
        brought.query.finish().ok()?;
        if brought.query.is_truncated() {
            return None;
        }
        let snapshot = brought.query.snapshot();
        let rows = snapshot.ordered_rows().map(|(_, row)| row.clone()).collect();
        let columns = snapshot.columns.into_iter().map(|column| Column { key: false, ..column }).collect();
        let counts_all = brought.query.since();
        let complete_from = brought.since.filter(|since| counts_all.is_none_or(|from| from < *since));
        Some(QueryAnswer { position: at, newest: None, columns, rows, batches: Vec::new(), complete_from })
    }
}
