//! One instance as the engine thread holds it: what it asks, how it is answered, and what readers were last told.

use std::time::{Duration, Instant};

use pulseboard_model::time::SECOND_US;
use pulseboard_model::{
    CommitPart, Delta, InstanceUpdate, Mode, Position, ResetReason, RowKey, Snapshot, Status, TimeUs, ViewState,
};
use std::sync::Arc;

use super::core::Kept;
use super::outcome::Plan;
use super::sources::{Failing, Feeds};
use crate::api::{ExplainRunning, QueryAnswer, QueryError, QuerySpec};
use crate::maintain::query::{Query, Refused};

/// The share of the engine's time that evaluating what is above the parts of one query may take: one in so many.
const EVALUATE_SHARE: u32 = 10;
/// The same where evaluating costs what changed: to put it off saves little.
const FOLLOW_SHARE: u32 = 2;

/// A query that is kept current by deltas.
#[derive(Debug)]
pub(crate) struct Maintained {
    pub(crate) query: Query,
    pub(crate) plan: Plan,
    /// When what is above the parts may be evaluated again, so that a costly one does not hold up the others.
    due: Option<Instant>,
    /// Whether readers have been told that the answer is behind.
    pub(crate) late: bool,
}

impl Maintained {
    pub(crate) fn new(query: Query, plan: Plan) -> Self {
        Self { query, plan, due: None, late: false }
    }

    /// Takes a commit's rows in and gives how many came too late to count; `None` if the columns it reads are not as it planned them any more.
    ///
    /// # Errors
    /// [`QueryError`] for data that it cannot compute with.
    pub(crate) fn push(&mut self, part: &CommitPart) -> Result<Option<u64>, QueryError> {
        match self.query.push(&part.stream, &part.rows, &part.schema) {
            Ok(late_rows) => Ok(Some(late_rows)),
            Err(Refused::SchemaMoved) => Ok(None),
            Err(Refused::Failed(error)) => Err(QueryError::running(&error)),
        }
    }

    /// Ends the step: what changed for readers, or `None` if that is told a moment later.
    ///
    /// # Errors
    /// [`QueryError`] for data that it cannot compute with.
    pub(crate) fn finish(&mut self) -> Result<Option<Delta>, QueryError> {
        let running = |error| QueryError::running(&error);
        if let Some(delta) = self.query.settle().map_err(running)? {
            return Ok(Some(delta));
        }
        let started = Instant::now();
        if self.due.is_some_and(|due| started < due) {
            return Ok(None);
        }
        let delta = self.query.evaluate().map_err(running)?;
        let share = if self.query.follows_changes() { FOLLOW_SHARE } else { EVALUATE_SHARE };
        self.due = Some(Instant::now() + started.elapsed() * (share - 1));
        Ok(Some(delta))
    }
}

/// How good the answer of a maintained query is.
pub(crate) fn state_of(query: &Query) -> ViewState {
    let truncated_rows = query.refused_rows();
    if !query.is_truncated() {
        return ViewState { truncated_rows, ..ViewState::new(Status::Live, Mode::Maintained) };
    }
    let held = query.len();
    let reason = format!("a limit was hit: it keeps its {held} groups or rows and takes no new ones");
    ViewState { reason: Some(reason), truncated_rows, ..ViewState::new(Status::Truncated, Mode::Maintained) }
}

/// A query that is run again.
#[derive(Debug)]
pub(crate) struct Rerun {
    pub(crate) reason: String,
    pub(crate) reads_clock: bool,
    /// Whether its answer may have changed since the last run began.
    pub(crate) dirty: bool,
    pub(crate) running: bool,
    pub(crate) last_run: Option<TimeUs>,
    pub(crate) last: Option<Snapshot>,
}

impl Default for Rerun {
    fn default() -> Self {
        Self { reason: String::new(), reads_clock: false, dirty: true, running: false, last_run: None, last: None }
    }
}

/// The answer of a query that was run, as a result. Its rows have no identity but their place, which is their key.
pub(crate) fn by_place(answer: &QueryAnswer) -> Snapshot {
    let keys: Vec<RowKey> = (0..answer.rows.len()).map(|number| RowKey::new(number.to_string())).collect();
    let rows = keys.iter().cloned().zip(answer.rows.iter().cloned()).collect();
    Snapshot { columns: answer.columns.clone(), rows, order: Some(keys) }
}

impl Rerun {
    /// What changed since the last run.
    pub(crate) fn update(&mut self, answer: &QueryAnswer) -> InstanceUpdate {
        let new = by_place(answer);
        let Some(old) = self.last.replace(new.clone()) else { return InstanceUpdate::Snapshot(Arc::new(new), None) };
        if old.columns != new.columns {
            return InstanceUpdate::Snapshot(Arc::new(new), Some(ResetReason::Schema));
        }
        let delta = Delta::between(&old, &new);
        if delta.is_empty() { InstanceUpdate::State } else { InstanceUpdate::Delta(Arc::new(delta)) }
    }
}

/// How an instance is answered now.
#[derive(Debug)]
pub(crate) enum Kind {
    Waiting,
    /// A job replays the log; readers keep what they have.
    Rebuilding {
        reset: Option<ResetReason>,
    },
    Maintained(Box<Maintained>),
    Rerun(Rerun),
    Failed,
}

/// When a state is told that differs in nothing but how fresh it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// Not now.
    Never,
    /// It goes along with something else: once in a second.
    Along,
    /// It would go alone, in a frame to every reader: only if nothing took it along for a second.
    Alone,
}

/// One instance.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) spec: QuerySpec,
    pub(crate) kind: Kind,
    /// Raised with every new start, so that reports of earlier jobs are known as such.
    pub(crate) generation: u64,
    /// When to try again to maintain it, after it had to fall back.
    pub(crate) retry_at: Option<TimeUs>,
    /// `_arrived_at` of the newest event of its streams.
    pub(crate) input_at: Option<TimeUs>,
    /// Where the rows stand that readers have, if they are not kept current by each step.
    pub(crate) stands: Option<Position>,
    /// From when an answer counts that was rebuilt after older events had been dropped.
    pub(crate) since: Option<TimeUs>,
    /// The state as last told, and in which second.
    pub(crate) told: Option<(ViewState, TimeUs)>,
    /// The same without what failed sources make of it.
    own: Option<ViewState>,
    pub(super) feeds: Feeds,
    pub(super) failing: Failing,
    pub(crate) events: u64,
    /// Rows that were older than every window when they came, those of earlier runs that its checkpoint counts included.
    pub(crate) late_rows: u64,
    pub(crate) cost: Duration,
    /// What `cost` was when the share of the engine's time was last measured.
    pub(crate) cost_then: Duration,
    /// That share, 0 to 1.
    pub(crate) share: f64,
    /// Whether its next rebuild reads the whole log, whatever checkpoints there are.
    pub(crate) from_log: bool,
    /// Its newest checkpoint.
    pub(crate) kept: Kept,
}

impl Running {
    pub(crate) fn new(spec: QuerySpec) -> Self {
        Self {
            spec,
            kind: Kind::Waiting,
            generation: 0,
            retry_at: None,
            input_at: None,
            stands: None,
            since: None,
            told: None,
            own: None,
            feeds: Feeds::Streams(Vec::new()),
            failing: Failing::default(),
            events: 0,
            late_rows: 0,
            cost: Duration::ZERO,
            cost_then: Duration::ZERO,
            share: 0.0,
            from_log: false,
            kept: Kept::default(),
        }
    }

    /// From now on the rows that readers have are not kept current: they stand at `before`, or where they said before that.
    pub(crate) fn freeze(&mut self, before: Position) {
        if matches!(&self.kind, Kind::Maintained(maintained) if !maintained.late) {
            self.stands = Some(before);
        }
    }

    /// The state to tell, if it differs from the last one. A newer `input_at` and counts of rows alone are told at most once a
    /// second, as `refresh` says.
    pub(crate) fn tell(&mut self, state: ViewState, now: TimeUs, refresh: Refresh) -> Option<ViewState> {
        self.own = Some(state.clone());
        let since = match &self.kind {
            // A window leaves behind what had been dropped.
            Kind::Maintained(maintained) => {
                let from = maintained.query.since();
                self.since.filter(|since| from.is_none_or(|from| from < *since))
            }
            _ => self.since,
        };
        let state =
            ViewState { input_at: self.input_at, as_of: self.stands, since, late_rows: self.late_rows, ..state };
        let state = self.failing.seen_in(state);
        if let Some((told, at)) = &self.told {
            let figures = |state: &ViewState| (state.input_at, state.late_rows, state.truncated_rows);
            let (input_at, late_rows, truncated_rows) = figures(told);
            let same = ViewState { input_at, late_rows, truncated_rows, ..state.clone() } == *told;
            let due = match refresh {
                Refresh::Never => false,
                Refresh::Along => *at != now,
                Refresh::Alone => now.0 - at.0 > SECOND_US,
            };
            let fresher = due && figures(&state) != figures(told);
            if same && !fresher {
                return None;
            }
        }
        self.told = Some((state.clone(), now));
        Some(state)
    }

    /// The state to tell because of what became of its sources, if it was told one before.
    pub(super) fn tell_again(&mut self, now: TimeUs) -> Option<ViewState> {
        let own = self.own.clone()?;
        self.tell(own, now, Refresh::Along)
    }

    /// What EXPLAIN says of it.
    pub(crate) fn figures(&self) -> ExplainRunning {
        let (groups, state_bytes, truncated_rows) = match &self.kind {
            Kind::Maintained(maintained) => {
                let query = &maintained.query;
                (query.len(), query.size_bytes(), query.refused_rows())
            }
            _ => (0, 0, 0),
        };
        #[expect(clippy::cast_precision_loss, reason = "a mean for people to read")]
        let cost_per_event_ns = if self.events == 0 { 0.0 } else { self.cost.as_nanos() as f64 / self.events as f64 };
        let reason = match &self.kind {
            Kind::Rerun(rerun) => Some(rerun.reason.clone()),
            _ => self.told.as_ref().and_then(|(state, _)| state.reason.clone()),
        };
        ExplainRunning {
            maintained: matches!(self.kind, Kind::Maintained(_) | Kind::Rebuilding { .. }),
            reason,
            engine_share: self.share,
            groups: groups as u64,
            state_bytes: state_bytes as u64,
            events: self.events,
            cost_per_event_ns,
            late_rows: self.late_rows,
            truncated_rows,
            step_time: self.cost,
        }
    }
}

#[cfg(test)]
mod tests {
    use pulseboard_model::{Mode, Status};

    use super::*;
    use crate::api::Params;

    /// At which seconds a word of how fresh the answer is goes to readers: along with rows that changed, and alone.
    fn told(events_at_ms: &[i64], seconds: i64) -> (Vec<i64>, Vec<i64>) {
        let spec = QuerySpec { sql: String::new(), timezone: chrono_tz::Tz::UTC, params: Params::new() };
        let mut running = Running::new(spec);
        let live = || ViewState::new(Status::Live, Mode::Maintained);
        let (mut along, mut alone) = (Vec::new(), Vec::new());
        for second in 0..seconds {
            let now = TimeUs(second * SECOND_US);
            if running.tell(live(), now, Refresh::Alone).is_some() {
                alone.push(second);
            }
            for ms in events_at_ms.iter().filter(|ms| **ms / 1_000 == second) {
                running.input_at = Some(TimeUs(ms * 1_000));
                if running.tell(live(), now, Refresh::Along).is_some() {
                    along.push(*ms);
                }
            }
        }
        assert_eq!(running.told.expect("told").0.input_at, running.input_at, "in the end it is known");
        (along, alone)
    }

    #[test]
    fn how_fresh_an_answer_is_goes_along_with_its_rows_and_alone_only_when_they_rest() {
        // The state itself is told at the first tick.
        let each_second = told(&[1_700, 2_700, 3_700], 6);
        assert_eq!(each_second, (vec![1_700, 2_700, 3_700], vec![0]));
        let often = told(&[1_100, 1_400, 1_700, 2_100, 2_400], 6);
        assert_eq!(
            often,
            (vec![1_100, 2_100], vec![0, 4]),
            "the last event of the second is told when the next is over"
        );
    }
}
