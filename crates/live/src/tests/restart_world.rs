//! An engine over a log in memory that can be ended and begun again: what tests of restarts are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pulseboard_model::limits::{QueryLimits, ViewLimits};
use pulseboard_model::{
    Cell, Commit, CommitPart, InstanceId, InstanceUpdate, LogOffset, Position, Row, Snapshot, Step, StepOutput,
    StreamName, StreamSchema, TimeUs, ViewState,
};
use pulseboard_runtime::Tasks;

pub(super) use super::same::runtime;
use super::world::{Event, STREAM, World};
use crate::api::{EngineConfig, History, HistoryError, Params, QuerySpec};
use crate::batch;
use crate::checkpoint::{CheckpointError, CheckpointStore, Checkpoints, Question};
use crate::engine::{Engine, InstanceRef, Missing};
use crate::scan_request::ScanRequest;

pub(crate) const START_US: i64 = 1_780_000_000_000_000;

/// Checkpoints by question and clock.
pub(super) type Files = BTreeMap<(Question, TimeUs), (Position, Vec<u8>)>;

/// A store in memory that counts.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) files: Mutex<Files>,
    pub(super) saves: AtomicU64,
}

impl CheckpointStore for Kept {
    fn save(&self, question: Question, position: Position, bytes: &[u8]) -> Result<(), CheckpointError> {
        self.files.lock().insert((question, position.clock), (position, bytes.to_vec()));
        self.saves.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn list(&self, question: Question) -> Vec<Position> {
        let files = self.files.lock();
        files.iter().rev().filter(|((of, _), _)| *of == question).map(|(_, (position, _))| *position).collect()
    }

    fn load(&self, question: Question, position: Position) -> Result<Vec<u8>, CheckpointError> {
        let files = self.files.lock();
        let found = files.get(&(question, position.clock)).map(|(_, bytes)| bytes.clone());
        found.ok_or_else(|| CheckpointError("it is not there".to_owned()))
    }

    fn sweep(&self, asked: &BTreeSet<Question>, _now: TimeUs) {
        self.files.lock().retain(|(question, _), _| asked.contains(question));
    }
}

/// A world that counts what is read of it, and may have lost its beginning.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(super) world: Arc<World>,
    pub(super) read: AtomicU64,
    pub(super) dropped: Mutex<Option<(LogOffset, TimeUs)>>,
}

impl Watched {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self { world: world.clone(), read: AtomicU64::new(0), dropped: Mutex::new(None) })
    }
}

impl History for Watched {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.world.schema(stream)
    }

    fn streams(&self) -> Vec<StreamName> {
        self.world.streams()
    }

    fn head(&self) -> Position {
        self.world.head()
    }

    fn scan(
        &self,
        request: &ScanRequest,
    ) -> Box<dyn Iterator<Item = Result<arrow::record_batch::RecordBatch, HistoryError>> + Send> {
        let after = self.dropped.lock().map_or(request.after, |(offset, _)| offset.max(request.after));
        let read: Vec<_> = self.world.scan(&ScanRequest { after, ..request.clone() }).collect();
        let rows: usize = read.iter().flatten().map(arrow::record_batch::RecordBatch::num_rows).sum();
        self.read.fetch_add(rows as u64, Ordering::SeqCst);
        Box::new(read.into_iter())
    }

    fn complete_from(&self, _stream: &StreamName) -> Option<TimeUs> {
        self.dropped.lock().map(|(_, from)| from)
    }
}

#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) position: Option<Position>,
    pub(super) answers: BTreeMap<InstanceId, (Option<Snapshot>, Option<ViewState>)>,
    /// Every state that was told.
    pub(super) states: Vec<(InstanceId, ViewState)>,
}

impl Told {
    pub(super) fn take(&mut self, output: StepOutput) {
        self.position = Some(output.position);
        for change in output.changes {
            let (snapshot, state) = self.answers.entry(change.instance).or_default();
            match change.update {
                InstanceUpdate::Snapshot(new, _) => *snapshot = Some(new.as_ref().clone()),
                InstanceUpdate::Delta(delta) => {
                    if let Some(snapshot) = snapshot {
                        snapshot.apply(&delta);
                    }
                }
                InstanceUpdate::State | InstanceUpdate::Stopped => {}
            }
            self.states.extend(change.state.clone().map(|state| (change.instance, state)));
            *state = change.state.or(state.take());
        }
    }
}

/// A running engine over a world.
pub(super) struct Running {
    pub(super) engine: Engine,
    pub(super) tasks: Tasks,
    pub(super) world: Arc<World>,
    pub(super) history: Arc<Watched>,
    pub(super) told: Arc<Mutex<Told>>,
    pub(super) held: Vec<InstanceRef>,
}

pub(crate) fn spec(sql: &str) -> QuerySpec {
    QuerySpec { sql: sql.to_owned(), timezone: chrono_tz::Europe::Berlin, params: Params::new() }
}

pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Running {
    pub(super) fn start(history: &Arc<Watched>, store: &Arc<Kept>, queries: &[&str], view_limits: ViewLimits) -> Self {
        let tasks = Tasks::new();
        let told = Arc::new(Mutex::new(Told::default()));
        let sink_told = told.clone();
        let sink = Box::new(move |output| sink_told.lock().take(output));
        let checkpoints = Some(Checkpoints { every_us: 10_000_000, ..Checkpoints::new(store.clone()) });
        let config = EngineConfig { view_limits, checkpoints, ..EngineConfig::default() };
        let engine = Engine::start(config, history.clone(), &tasks, sink).unwrap();
        let held = queries.iter().map(|sql| engine.acquire(&spec(sql), Missing::Refuse).unwrap()).collect();
        let running = Self { engine, tasks, world: history.world.clone(), history: history.clone(), told, held };
        until("every query is live", || {
            running.held.iter().all(|held| running.told.lock().answers.get(&held.id()).is_some_and(|a| a.0.is_some()))
        });
        running
    }

    pub(super) fn commit(&self, after_us: i64, events: &[Event]) {
        let rows = self.world.commit(self.world.head().clock.0 + after_us, after_us, events);
        let stream = StreamName::new(STREAM).unwrap();
        let part = CommitPart { stream, schema: self.world.schema(STREAM).unwrap(), rows };
        self.engine.step(Step::Commit(Arc::new(Commit { position: self.world.head(), parts: vec![part] })));
    }

    pub(super) fn tick(&self, after_s: i64) {
        self.world.tick(after_s);
        self.engine.step(Step::Tick(self.world.head()));
    }

    /// Every answer is the batch answer, and what it is.
    pub(super) fn assert_right(&self, queries: &[&str]) {
        let head = self.world.head();
        until("the engine has taken every step", || self.told.lock().position == Some(head));
        let history: Arc<dyn History> = self.history.clone();
        for (held, sql) in self.held.iter().zip(queries) {
            let batch = runtime().block_on(batch::run(&spec(sql), &history, head, &QueryLimits::default())).unwrap();
            let right: BTreeSet<String> = batch.rows.iter().map(text).collect();
            let live = || -> BTreeSet<String> {
                let told = self.told.lock();
                let (snapshot, _) = &told.answers[&held.id()];
                // What tells plain rows apart comes after the columns that were asked for.
                let asked = |row: &Row| text(&row.iter().take(batch.columns.len()).cloned().collect());
                snapshot.as_ref().unwrap().rows.values().map(asked).collect()
            };
            // A query that had to wait for its turn follows a moment later.
            let deadline = Instant::now() + Duration::from_secs(30);
            while live() != right {
                assert!(Instant::now() < deadline, "{sql}\nlive: {:#?}\nbatch: {right:#?}", live());
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    pub(super) fn stop(self) {
        assert!(runtime().block_on(self.tasks.shut_down(Duration::from_secs(10))));
    }
}

pub(super) fn text(row: &Row) -> String {
    let cell = |cell: &Cell| match cell {
        Cell::Float(value) => format!("{value:.6}"),
        cell => format!("{cell:?}"),
    };
    row.iter().map(cell).collect::<Vec<_>>().join("|")
}

pub(crate) fn events(from: i64) -> Vec<Event> {
    let event = |i: i64| Event {
        time_us: -(i % 7) * 3_000_000,
        kind: Some(["a", "b", "c"][usize::try_from(i % 3).unwrap()]),
        n: Some(i % 9),
        quarters: Some(i32::try_from(i % 50).unwrap()),
        cents: Some(i32::try_from(i).unwrap()),
        flag: Some(i % 2 == 0),
    };
    (from..from + 20).map(event).collect()
}
