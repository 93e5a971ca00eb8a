//! A maintained query stepped over the past by the past's own clock: what rewind and back-tests run on.
//!
//! It begins as the log was at a position and takes the steps after it one by one, at whatever pace its caller has. At
//! each it does what the engine did then, so it tells what readers were told. It holds no thread and reads the log only
//! to begin, and where a window moved back.

use std::fmt;
use std::sync::Arc;

use pulseboard_model::conform::conform;
use pulseboard_model::limits::ViewLimits;
use pulseboard_model::{Column, Commit, CommitPart, Delta, Position, Snapshot, Step};

use crate::api::{History, QueryError, QueryErrorKind, QuerySpec};
use crate::live_query::LiveQuery;

/// What a step brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replayed {
    /// What changed, in the order in which it was told: the clock first, then the events. Empty if nothing did.
    pub deltas: Vec<Delta>,
    /// The whole answer, where it had to begin again from the log because its window moved back.
    pub reset: Option<Snapshot>,
}

/// A query on its way through the past.
pub struct Replay {
    spec: QuerySpec,
    history: Arc<dyn History>,
    limits: ViewLimits,
    query: LiveQuery,
    position: Position,
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("spec", &self.spec).field("position", &self.position).finish_non_exhaustive()
    }
}

impl Replay {
    /// Begins with the answer at `from`. Reads the log: it blocks.
    ///
    /// # Errors
    /// [`QueryError`] for text that is refused or not maintained, and when the log cannot be read.
    pub fn new(
        spec: QuerySpec,
        history: Arc<dyn History>,
        limits: ViewLimits,
        from: Position,
    ) -> Result<Self, QueryError> {
        let query = LiveQuery::past(&spec, history.as_ref(), &limits, from)?;
        Ok(Self { spec, history, limits, query, position: from })
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The columns of its answer.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.query.columns()
    }

    /// The whole answer where it stands.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.query.snapshot()
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// [`QueryErrorKind::Internal`] for a step that is not after the last one; else as the engine, for data that cannot be
    /// computed with.
    pub fn step(&mut self, step: &Step) -> Result<Replayed, QueryError> {
        let position = step.position();
        if position.clock < self.position.clock || !position.offset.includes(self.position.offset) {
            let what = format!("a step to {position} does not come after {}", self.position);
            return Err(QueryError::new(QueryErrorKind::Internal, what));
        }
        let new_second = position.now() != self.position.now();
        self.position = position;
        let mut replayed = Replayed::default();
        if new_second {
            let moved_back = !self.query.advance(position.now())?;
            if moved_back || self.query.wants_rebuild() {
                return self.begin_again();
            }
            self.told(&mut replayed)?;
        }
        if let Step::Commit(commit) = step
            && self.takes(commit)?
        {
            self.told(&mut replayed)?;
        }
        Ok(replayed)
    }

    fn told(&mut self, replayed: &mut Replayed) -> Result<(), QueryError> {
        let delta = self.query.finish()?;
        if !delta.is_empty() {
            replayed.deltas.push(delta);
        }
        Ok(())
    }

    /// Whether any of a commit's rows are of its streams.
    fn takes(&mut self, commit: &Commit) -> Result<bool, QueryError> {
        let streams = self.query.streams();
        let mut taken = false;
        for CommitPart { stream, schema, rows } in commit.parts.iter().filter(|part| streams.contains(&part.stream)) {
            taken = true;
            // Rows come in the schema of their time; the query is planned with the newest.
            let newest = self.history.schema(stream.as_str()).unwrap_or_else(|| Arc::clone(schema));
            if newest.version == schema.version {
                self.query.push(stream, rows, schema)?;
            } else {
                let rows = conform(rows, &newest.event_schema())
                    .map_err(|error| QueryError::new(QueryErrorKind::Internal, error.to_string()))?;
                self.query.push(stream, &rows, &newest)?;
            }
        }
        Ok(taken)
    }

    fn begin_again(&mut self) -> Result<Replayed, QueryError> {
        self.query = LiveQuery::past(&self.spec, self.history.as_ref(), &self.limits, self.position)?;
        Ok(Replayed { deltas: Vec::new(), reset: Some(self.query.snapshot()) })
    }
}
