//! The engine thread: takes one command after another and answers each step with everything it changed.
//!
//! It owns all instances; nothing else touches them. It never runs a query over the log, reads it only to close the small gap
//! between a rebuild and now, and never waits for a job. `keeping` makes its checkpoints,
//! `reruns` starts what is run again.

mod faults;
mod joining;
mod keeping;
mod policing;
mod removing;
mod reruns;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pulseboard_model::{
    Delta, InstanceChange, InstanceId, InstanceUpdate, Mode, Position, Progress, ResetReason, SchemaVersion, Status,
    Step, StepOutput, StreamName, TimeUs, ViewState,
};
use pulseboard_runtime::Shutdown;
use tokio::sync::watch;

use super::Pool;
use super::jobs::{Asker, Begin, Job, Rebuilt, refused, schema_moved};
use super::outcome::{Outcome, Plan, plan_outcome};
use super::registry::Registry;
use super::running::{Kind, Maintained, Refresh, Rerun, Running, state_of};
use super::sources::{Faults, SourceHealth};
use crate::api::{
    EngineConfig, ExplainRunning, History, OutputSink, QueryAnswer, QueryError, QueryErrorKind, QuerySpec,
};
use crate::scan_request::ScanRequest;

use joining::Joined;
use policing::Policing;
use reruns::rerun_reason;

pub(crate) use keeping::{Kept, Saved};

/// How long an instance outlives its last holder.
const GRACE_US: i64 = 30_000_000;
/// A rebuild that is further behind than this many events is sent on another round.
const GAP_EVENTS_MAX: u64 = 50_000;
/// How often the thread looks whether it should end.
const IDLE: Duration = Duration::from_millis(100);

/// How soon a query that had to wait for its turn is looked at again, when nothing else happens.
const LATE: Duration = Duration::from_millis(2);

/// What the engine thread is told.
pub(crate) enum Command {
    Step(Step),
    Register { id: InstanceId, spec: QuerySpec, outcome: Box<Outcome> },
    Progress { id: InstanceId, generation: u64, progress: Progress },
    Rebuilt { id: InstanceId, generation: u64, plan: Plan, result: Box<Result<Rebuilt, QueryError>> },
    Reran { id: InstanceId, generation: u64, result: Result<QueryAnswer, QueryError> },
    Saved { of: Vec<(InstanceId, u64, Saved)> },
    Forget { stream: StreamName, reply: SyncSender<()> },
    Figures { ids: Vec<InstanceId>, reply: SyncSender<Vec<Option<ExplainRunning>>> },
}

/// What the engine thread is made of.
pub(crate) struct Parts {
    pub(crate) config: EngineConfig,
    pub(crate) history: Arc<dyn History>,
    pub(crate) registry: Arc<Mutex<Registry>>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) commands: SyncSender<Command>,
    pub(crate) position: watch::Sender<Position>,
    pub(crate) newest_us: Arc<AtomicI64>,
    pub(crate) sources: SourceHealth,
    pub(crate) sink: OutputSink,
}

/// The engine thread's state.
pub(crate) struct Core {
    parts: Parts,
    position: Position,
    /// Where the answers stood before the step that is being taken.
    before: Position,
    instances: BTreeMap<InstanceId, Running>,
    by_stream: HashMap<StreamName, Vec<InstanceId>>,
    /// The newest schema version seen of each stream: a new one may be what somebody waits for.
    versions: HashMap<StreamName, SchemaVersion>,
    changes: Vec<InstanceChange>,
    /// Queries whose answer is behind, because they had to wait for their turn.
    late: Vec<InstanceId>,
    policing: Policing,
    faults: Faults,
    /// Whether checkpoints are under way.
    keeping: bool,
    /// When it was last looked for checkpoints that nobody asks for.
    swept: Option<TimeUs>,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        let position = *parts.position.borrow();
        Self {
            parts,
            position,
            before: position,
            instances: BTreeMap::new(),
            by_stream: HashMap::new(),
            versions: HashMap::new(),
            changes: Vec::new(),
            late: Vec::new(),
            policing: Policing::new(),
            faults: Faults::default(),
            keeping: false,
            swept: None,
        }
    }

    pub(crate) fn run(&mut self, commands: &Receiver<Command>, shutdown: &Shutdown) {
        let mut next = None;
        loop {
            let wait = if self.late.is_empty() { IDLE } else { LATE };
            let command = next.take().map_or_else(|| commands.recv_timeout(wait), Ok);
            match command {
                Ok(Command::Step(Step::Commit(commit))) => {
                    let (joined, ended_by) = joining::join(commit, commands);
                    next = ended_by;
                    self.take_commits(&joined);
                }
                Ok(command) => self.take(command),
                Err(RecvTimeoutError::Timeout) if shutdown.is_triggered() => return self.keep_all(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if !self.late.is_empty() {
                self.before = self.position;
                self.finish_late();
            }
        }
    }

    fn take(&mut self, command: Command) {
        let is_step = matches!(command, Command::Step(_));
        self.before = self.position;
        match command {
            Command::Step(Step::Commit(commit)) => return self.take_commits(&Joined::of(&[commit])),
            Command::Step(Step::Tick(position)) => self.move_to(position),
            Command::Register { id, spec, outcome } => self.register(id, spec, *outcome),
            Command::Progress { id, generation, progress } => self.progress(id, generation, progress),
            Command::Rebuilt { id, generation, plan, result } => self.rebuilt(id, generation, &plan, *result),
            Command::Reran { id, generation, result } => self.reran(id, generation, result),
            Command::Saved { of } => self.saved(of),
            Command::Forget { stream, reply } => {
                self.forget(&stream);
                // Whoever asked may have stopped waiting.
                let _gone = reply.try_send(()).is_err();
            }
            Command::Figures { ids, reply } => {
                let figures = ids.iter().map(|id| self.instances.get(id).map(Running::figures)).collect();
                // Whoever asked may have stopped waiting.
                let _gone = reply.try_send(figures).is_err();
                return;
            }
        }
        self.tell(None, is_step);
    }

    fn take_commits(&mut self, joined: &Joined) {
        self.before = self.position;
        if let Some(newest) = joined.newest {
            self.parts.newest_us.store(newest.0, Ordering::Relaxed);
        }
        self.commit(joined);
        self.tell(joined.newest, true);
    }

    /// Tells what changed.
    fn tell(&mut self, newest: Option<TimeUs>, is_step: bool) {
        let changes = std::mem::take(&mut self.changes);
        if is_step || !changes.is_empty() {
            (self.parts.sink)(StepOutput { position: self.position, newest, changes });
        }
        self.parts.position.send_replace(self.position);
    }

    /// Moves the clock on without events.
    fn move_to(&mut self, position: Position) {
        let new_second = position.now() != self.position.now();
        self.position = position;
        if new_second {
            self.advance_all();
            self.police();
            self.start_reruns();
            self.stop_idle();
            self.keep_checkpoints();
        }
    }

    fn commit(&mut self, commit: &Joined) {
        let new_second = commit.position.now() != self.position.now();
        self.position = commit.position;
        for (part, _) in &commit.parts {
            if self.versions.insert(part.stream.clone(), part.schema.version) != Some(part.schema.version) {
                self.schema_grew(&part.stream);
            }
        }
        if new_second {
            self.advance_all();
        }
        let mut touched = Vec::new();
        for (part, arrived_at) in &commit.parts {
            for id in self.by_stream.get(&part.stream).cloned().unwrap_or_default() {
                let Some(running) = self.instances.get_mut(&id) else { continue };
                running.input_at = Some(*arrived_at);
                match &mut running.kind {
                    Kind::Maintained(maintained) => {
                        let started = Instant::now();
                        match guarded(|| maintained.push(part)) {
                            Ok(Some(late_rows)) => {
                                running.late_rows += late_rows;
                                running.events += part.rows.num_rows() as u64;
                                running.cost += started.elapsed();
                                touched.push(id);
                            }
                            Ok(None) => self.replan(id, Some(ResetReason::Schema)),
                            Err(error) => self.fall_back(id, &error),
                        }
                    }
                    Kind::Rerun(rerun) => rerun.dirty = true,
                    Kind::Waiting | Kind::Rebuilding { .. } | Kind::Failed => {}
                }
            }
        }
        touched.dedup();
        for id in touched {
            self.finish(id, false);
        }
        if new_second {
            self.police();
        }
        self.start_reruns();
        if new_second {
            self.stop_idle();
            self.keep_checkpoints();
        }
    }

    /// A new second: windows move, and readers learn how fresh an unchanged answer is.
    fn advance_all(&mut self) {
        let now = self.position.now();
        self.look_at_sources();
        let ids: Vec<InstanceId> = self.instances.keys().copied().collect();
        for id in ids {
            let Some(running) = self.instances.get_mut(&id) else { continue };
            match &mut running.kind {
                Kind::Maintained(maintained) => {
                    let advance = || maintained.query.advance(now).map_err(|error| QueryError::running(&error));
                    let started = Instant::now();
                    let advanced = guarded(advance);
                    running.cost += started.elapsed();
                    match advanced {
                        Ok(Ok(())) => self.finish(id, true),
                        Ok(Err(_moved_back)) => self.replan_from_log(id),
                        Err(error) => self.fall_back(id, &error),
                    }
                }
                Kind::Rerun(rerun) => rerun.dirty |= rerun.reads_clock,
                Kind::Waiting | Kind::Rebuilding { .. } | Kind::Failed => {}
            }
        }
    }

    /// Evaluates what had to wait for its turn.
    fn finish_late(&mut self) {
        for id in std::mem::take(&mut self.late) {
            self.finish(id, false);
            let still = self
                .instances
                .get(&id)
                .is_some_and(|running| matches!(&running.kind, Kind::Maintained(maintained) if maintained.late));
            if still && !self.late.contains(&id) {
                self.late.push(id);
            }
        }
        self.tell(None, false);
    }

    fn finish(&mut self, id: InstanceId, tick: bool) {
        let (position, before) = (self.position, self.before);
        let Some(running) = self.instances.get_mut(&id) else { return };
        let Kind::Maintained(maintained) = &mut running.kind else { return };
        if tick && maintained.query.wants_rebuild() {
            return self.replan_from_log(id);
        }
        let started = Instant::now();
        let finished = guarded(|| maintained.finish());
        running.cost += started.elapsed();
        let delta = match finished {
            Ok(delta) => delta,
            Err(error) => return self.fall_back(id, &error),
        };
        let Some(delta) = delta else {
            if std::mem::replace(&mut maintained.late, true) {
                return;
            }
            // Others move on with this step; this one says where it stands until it follows.
            running.stands = Some(before);
            let state = running.tell(ViewState::new(Status::Live, Mode::Maintained), position.now(), Refresh::Along);
            self.late.push(id);
            return self.emit(id, Delta::default(), state);
        };
        if std::mem::take(&mut maintained.late) {
            running.stands = None;
        }
        let Kind::Maintained(maintained) = &running.kind else { return };
        let state = state_of(&maintained.query);
        let refresh = match (delta.is_empty(), tick) {
            (false, _) => Refresh::Along,
            (true, true) => Refresh::Alone,
            (true, false) => Refresh::Never,
        };
        let state = running.tell(state, position.now(), refresh);
        self.emit(id, delta, state);
    }

    fn emit(&mut self, id: InstanceId, delta: Delta, state: Option<ViewState>) {
        let update = match (delta.is_empty(), &state) {
            (true, None) => return,
            (true, Some(_)) => InstanceUpdate::State,
            (false, _) => InstanceUpdate::Delta(Arc::new(delta)),
        };
        self.changes.push(InstanceChange { instance: id, update, state });
    }

    fn register(&mut self, id: InstanceId, spec: QuerySpec, outcome: Outcome) {
        self.instances.insert(id, Running::new(spec));
        match outcome {
            // What was missing may have come since it was planned.
            Outcome::Waiting { .. } | Outcome::Failed { .. } => self.replan(id, None),
            outcome => self.begin(id, outcome, None),
        }
    }

    /// Starts an instance, or starts it anew, the way its plan says.
    fn begin(&mut self, id: InstanceId, outcome: Outcome, reset: Option<ResetReason>) {
        self.forget_streams(id);
        let (position, before) = (self.position, self.before);
        let Some(running) = self.instances.get_mut(&id) else { return };
        running.generation += 1;
        running.freeze(before);
        running.feeds = outcome.feeds(&running.spec.sql);
        running.failing = self.faults.of(&running.feeds);
        match outcome {
            Outcome::Waiting { error } => {
                running.kind = Kind::Waiting;
                let state =
                    ViewState { reason: Some(error.message), ..ViewState::new(Status::Waiting, Mode::Maintained) };
                let state = running.tell(state, position.now(), Refresh::Along);
                self.emit(id, Delta::default(), state);
            }
            Outcome::Failed { error } => self.fail(id, &error),
            Outcome::Rerun { reason, streams, reads_clock } => {
                let said = Some(rerun_reason(&reason));
                running.kind = Kind::Rerun(Rerun { reason, reads_clock, ..Rerun::default() });
                // What readers hold is not kept current any more from now on; a first answer comes with its own word.
                let state = ViewState { reason: said, ..ViewState::new(Status::Rerun, Mode::Rerun) };
                let state = running.told.is_some().then(|| running.tell(state, position.now(), Refresh::Along));
                self.emit(id, Delta::default(), state.flatten());
                self.remember_streams(id, &streams);
                self.start_reruns();
            }
            Outcome::Maintained(plan) => {
                running.kind = Kind::Rebuilding { reset };
                let begin = if std::mem::take(&mut running.from_log) { Begin::Log } else { Begin::Checkpoint };
                let progress = Progress { done: 0, total: position.offset.to_u64() };
                let state =
                    ViewState { progress: Some(progress), ..ViewState::new(Status::Backfilling, Mode::Maintained) };
                // A first answer that is there at once needs no word about how it came.
                let state = running.told.is_some().then(|| running.tell(state, position.now(), Refresh::Along));
                self.emit(id, Delta::default(), state.flatten());
                self.remember_streams(id, &plan.streams());
                self.send_rebuild(id, plan, begin);
            }
        }
    }

    fn send_rebuild(&self, id: InstanceId, plan: Plan, begin: Begin) {
        let Some(running) = self.instances.get(&id) else { return };
        let job = Job {
            asker: Asker { id, generation: running.generation, commands: self.parts.commands.clone() },
            spec: running.spec.clone(),
            plan,
            to: self.position,
            history: self.parts.history.clone(),
            limits: self.parts.config.view_limits.clone(),
            late_rows: running.late_rows,
            checkpoints: self.parts.config.checkpoints.clone(),
        };
        self.parts.pool.handle().spawn_blocking(move || {
            let work = || {
                job.rebuild(begin);
                Ok(())
            };
            if guarded(work).is_err() {
                let Job { asker: Asker { id, generation, commands }, plan, .. } = job;
                // A closed queue means that the engine has ended.
                let _ended = commands
                    .send(Command::Rebuilt { id, generation, plan, result: Box::new(Err(panicked())) })
                    .is_err();
            }
        });
    }

    fn progress(&mut self, id: InstanceId, generation: u64, progress: Progress) {
        let now = self.position.now();
        let Some(running) = self.instances.get_mut(&id).filter(|running| running.generation == generation) else {
            return;
        };
        let state = ViewState { progress: Some(progress), ..ViewState::new(Status::Backfilling, Mode::Maintained) };
        let state = running.tell(state, now, Refresh::Along);
        self.emit(id, Delta::default(), state);
    }

    fn rebuilt(&mut self, id: InstanceId, generation: u64, plan: &Plan, result: Result<Rebuilt, QueryError>) {
        let position = self.position;
        let Some(running) = self.instances.get_mut(&id).filter(|running| running.generation == generation) else {
            return;
        };
        let mut rebuilt = match result {
            Ok(rebuilt) => rebuilt,
            Err(error) if error == schema_moved() => return self.replan(id, Some(ResetReason::Schema)),
            Err(error) => return self.fall_back(id, &error),
        };
        if plan.has_wildcard && plan.is_outgrown(self.parts.history.as_ref()) {
            return self.replan(id, Some(ResetReason::Schema));
        }
        let gap = position.offset.to_u64().saturating_sub(rebuilt.upto.to_u64());
        if gap > GAP_EVENTS_MAX {
            return self.send_rebuild(id, plan.clone(), Begin::Earlier(Box::new(rebuilt)));
        }
        let caught_up = guarded(|| catch_up(&mut rebuilt, plan, self.parts.history.as_ref(), position));
        match caught_up {
            Ok(true) => {}
            Ok(false) => return self.replan_from_log(id),
            Err(error) if error == schema_moved() => return self.replan(id, Some(ResetReason::Schema)),
            Err(error) => return self.fall_back(id, &error),
        }
        let reset = match &running.kind {
            Kind::Rebuilding { reset } => *reset,
            _ => None,
        };
        let (snapshot, state) = (Arc::new(rebuilt.query.snapshot()), state_of(&rebuilt.query));
        running.kind = Kind::Maintained(Box::new(Maintained::new(rebuilt.query, plan.clone())));
        running.input_at = running.input_at.or_else(|| {
            let newest_us = self.parts.newest_us.load(Ordering::Relaxed);
            (newest_us != i64::MIN).then_some(TimeUs(newest_us))
        });
        running.told = None;
        running.stands = None;
        running.since = rebuilt.since;
        running.late_rows = rebuilt.late_rows;
        // A rebuild that began with none may have made one on its way.
        if rebuilt.kept.is_some() {
            running.kept = Kept::of(rebuilt.kept, running.events);
        }
        let state = running.tell(state, position.now(), Refresh::Along);
        self.changes.push(InstanceChange { instance: id, update: InstanceUpdate::Snapshot(snapshot, reset), state });
    }

    /// Plans an instance again and rebuilds it; readers keep the old answer meanwhile.
    fn replan(&mut self, id: InstanceId, reset: Option<ResetReason>) {
        let Some(running) = self.instances.get_mut(&id) else { return };
        match plan_outcome(&running.spec, self.parts.history.as_ref(), &self.parts.config) {
            Ok(outcome) => self.begin(id, outcome, reset),
            Err(error) => self.fail(id, &error),
        }
    }

    /// The same for a window that moved back and for room under a limit: a checkpoint has what the instance has.
    fn replan_from_log(&mut self, id: InstanceId) {
        if let Some(running) = self.instances.get_mut(&id) {
            running.from_log = true;
        }
        self.replan(id, None);
    }

    fn fail(&mut self, id: InstanceId, error: &QueryError) {
        let (now, before) = (self.position.now(), self.before);
        let Some(running) = self.instances.get_mut(&id) else { return };
        running.generation += 1;
        running.freeze(before);
        running.kind = Kind::Failed;
        let state =
            ViewState { reason: Some(error.message.clone()), ..ViewState::new(Status::Error, Mode::Maintained) };
        let state = running.tell(state, now, Refresh::Along);
        self.emit(id, Delta::default(), state);
    }

    /// A stream is new or its schema grew: whoever waits or failed looks again, and answers with a `*` get new columns.
    fn schema_grew(&mut self, stream: &StreamName) {
        let ids: Vec<InstanceId> = self.instances.keys().copied().collect();
        for id in ids {
            let Some(running) = self.instances.get(&id) else { continue };
            match &running.kind {
                Kind::Waiting | Kind::Failed => self.replan(id, None),
                Kind::Maintained(maintained)
                    if maintained.plan.has_wildcard
                        && maintained.plan.streams().contains(stream)
                        && maintained.plan.is_outgrown(self.parts.history.as_ref()) =>
                {
                    self.replan(id, Some(ResetReason::Schema));
                }
                _ => {}
            }
        }
    }

    fn stop_idle(&mut self) {
        let now = self.position.clock;
        let mut registry = self.parts.registry.lock();
        let mut stopped = Vec::new();
        registry.by_key.retain(|_, shared| {
            let over = !shared.is_held() && shared.idle_since.is_some_and(|since| now.0 - since.0 >= GRACE_US);
            if over {
                stopped.push(shared.id);
            }
            !over
        });
        drop(registry);
        for id in stopped {
            self.forget_streams(id);
            if self.instances.remove(&id).is_some() {
                self.changes.push(InstanceChange { instance: id, update: InstanceUpdate::Stopped, state: None });
            }
        }
    }

    fn remember_streams(&mut self, id: InstanceId, streams: &[StreamName]) {
        for stream in streams {
            self.by_stream.entry(stream.clone()).or_default().push(id);
        }
    }

    fn forget_streams(&mut self, id: InstanceId) {
        for ids in self.by_stream.values_mut() {
            ids.retain(|known| *known != id);
        }
        self.by_stream.retain(|_, ids| !ids.is_empty());
    }
}

/// Turns a panic over one query's data into that query's error: the others go on.
fn guarded<T>(work: impl FnOnce() -> Result<T, QueryError>) -> Result<T, QueryError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked()))
}

fn panicked() -> QueryError {
    QueryError::new(QueryErrorKind::Internal, "computing it failed by a fault of the server, which is logged")
}

/// Brings a rebuilt instance from where it stands to the engine's position; false if a bound moved back meanwhile.
fn catch_up(rebuilt: &mut Rebuilt, plan: &Plan, history: &dyn History, to: Position) -> Result<bool, QueryError> {
    let running = |error| QueryError::running(&error);
    for stream in plan.streams() {
        for batch in history.scan(&ScanRequest::new(stream.clone(), rebuilt.upto, to.offset)) {
            let batch = batch.map_err(|error| QueryError::new(QueryErrorKind::Internal, error.to_string()))?;
            rebuilt.late_rows += rebuilt.query.push_missed(&stream, &batch).map_err(refused)?;
        }
    }
    rebuilt.upto = to.offset;
    if rebuilt.query.advance(to.now()).map_err(running)?.is_err() {
        return Ok(false);
    }
    rebuilt.query.finish().map_err(running)?;
    Ok(true)
}
