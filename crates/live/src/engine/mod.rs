//! The engine's handle: one thread steps all maintained views; queries that run once, rebuilds and re-runs go to a pool.
//!
//! Callers share instances: the same question (text but for white space, zone, parameters) is one instance with one id,
//! kept while anyone holds an [`InstanceRef`] and some grace time longer.

mod core;
mod jobs;
mod outcome;
mod past;
mod registry;
mod restore;
mod running;
mod sources;

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use pulseboard_model::{InstanceId, Position, Step, StreamName};
use pulseboard_runtime::Tasks;
use pulseboard_runtime::tasks::STACK_BYTES;
use tokio::sync::{Semaphore, watch};

use self::core::{Command, Core};
use self::outcome::{Outcome, explain, plan_outcome};
use self::registry::{Registry, ShareKey};
use crate::api::{
    EngineConfig, Explain, ExplainRunning, History, OutputSink, QueryAnswer, QueryError, QueryErrorKind, QuerySpec,
    User,
};
use crate::batch;
use crate::ending::{Ended, Ending, LeaveOnDrop};
use crate::range::{self, RangeAnswer, RangeSpec};

/// Steps and commands that may wait for the engine thread; senders wait when it is full.
const COMMANDS_MAX: usize = 64;
/// Threads for backfills, re-runs and single queries; a query that reads a stream side by side does so in as many parts.
pub(crate) const POOL_THREADS: usize = 2;
/// Queries that run once at the same time; others wait. Each may take its whole limit of memory.
const QUERIES_MAX: usize = 4;
/// Live queries that are kept at the same time; more are refused.
const INSTANCES_MAX: usize = 5_000;
/// A query is given so much longer to say itself that its time is up.
const LOOK: Duration = Duration::from_millis(100);
/// How long an explanation waits for a running instance's figures.
const EXPLAIN_WAIT: Duration = Duration::from_secs(2);

pub use self::registry::InstanceRef;
pub use self::sources::SourceHealth;

/// What to do about a stream or column that does not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It is an error that names the nearest.
    Refuse,
    /// Wait for it, with state `waiting`.
    Wait,
}

struct Inner {
    config: EngineConfig,
    history: Arc<dyn History>,
    commands: SyncSender<Command>,
    registry: Arc<Mutex<Registry>>,
    next_id: AtomicU64,
    position: watch::Receiver<Position>,
    pool: Arc<Pool>,
    running: Arc<Semaphore>,
    sources: SourceHealth,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("position", &*self.position.borrow()).finish_non_exhaustive()
    }
}

/// The threads that everything but stepping runs on.
#[derive(Debug)]
struct Pool(OnceLock<tokio::runtime::Runtime>);

impl Pool {
    fn start() -> std::io::Result<Arc<Self>> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(POOL_THREADS)
            .max_blocking_threads(16)
            .thread_stack_size(STACK_BYTES)
            .thread_name("query")
            .enable_time()
            .build()?;
        let pool = OnceLock::new();
        pool.get_or_init(|| runtime);
        Ok(Arc::new(Self(pool)))
    }

    fn handle(&self) -> tokio::runtime::Handle {
        self.0.get().expect("the pool runs until it is dropped").handle().clone()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // The last holder may be an async task, where waiting for threads is not allowed.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

impl Engine {
    /// Starts the engine thread. It ends when `tasks` shut down. `sink` is called on it, in order.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        config: EngineConfig,
        history: Arc<dyn History>,
        tasks: &Tasks,
        sink: OutputSink,
    ) -> std::io::Result<Self> {
        // Senders wait when it is full: steps come from the log, which keeps them.
        let (commands, received) = sync_channel(COMMANDS_MAX);
        let head = history.head();
        let (position_sender, position) = watch::channel(head);
        let registry = Arc::new(Mutex::new(Registry::default()));
        let newest_us = Arc::new(AtomicI64::new(i64::MIN));
        let (pool, sources) = (Pool::start()?, SourceHealth::default());
        let mut core = Core::new(core::Parts {
            config: config.clone(),
            history: history.clone(),
            registry: registry.clone(),
            pool: pool.clone(),
            commands: commands.clone(),
            position: position_sender,
            newest_us,
            sources: sources.clone(),
            sink,
        });
        let shutdown = tasks.shutdown();
        tasks.spawn_thread("engine", move || core.run(&received, &shutdown))?;
        let next_id = AtomicU64::new(1);
        let running = Arc::new(Semaphore::new(QUERIES_MAX));
        let inner = Inner { config, history, commands, registry, next_id, position, pool, running, sources };
        Ok(Self(Arc::new(inner)))
    }

    /// Takes the next step. Blocks while the engine's queue is full.
    pub fn step(&self, step: Step) {
        // A closed queue means that the engine has ended: the log keeps the step.
        let _ended = self.0.commands.send(Command::Step(step)).is_err();
    }

    /// The instance that answers `spec`, started (backfilling in the background) if nobody asked before. With
    /// [`Missing::Wait`] text that cannot be planned is an instance too, whose state says why.
    ///
    /// # Errors
    /// [`QueryError`] for SQL that is refused, and when there are too many instances.
    pub fn acquire(&self, spec: &QuerySpec, missing: Missing) -> Result<InstanceRef, QueryError> {
        self.acquire_for(None, spec, missing)
    }

    /// [`Engine::acquire`] on a user's account.
    ///
    /// # Errors
    /// [`QueryError`] for SQL that is refused, and when there are too many instances, of this user or in all.
    pub fn acquire_for(
        &self,
        user: Option<&User>,
        spec: &QuerySpec,
        missing: Missing,
    ) -> Result<InstanceRef, QueryError> {
        let key = ShareKey::of(spec);
        if let Some(held) = self.hold(&key, user) {
            return Ok(held);
        }
        // Planned outside the lock: two callers may both plan, one of them registers.
        let outcome = match (plan_outcome(spec, self.0.history.as_ref(), &self.0.config), missing) {
            (Ok(Outcome::Waiting { error }) | Err(error), Missing::Refuse) => return Err(error),
            (Ok(outcome), _) => outcome,
            // Nothing that comes can mend these: each set of wrong values would be an instance for nothing.
            (Err(error), Missing::Wait) if matches!(error.kind, QueryErrorKind::BadParams | QueryErrorKind::NotYet) => {
                return Err(error);
            }
            (Err(error), Missing::Wait) => Outcome::Failed { error },
        };
        let id = {
            let mut registry = self.0.registry.lock();
            if registry.by_key.contains_key(&key) {
                drop(registry);
                return self
                    .hold(&key, user)
                    .ok_or_else(|| QueryError::new(QueryErrorKind::Internal, "the instance just ended"));
            }
            if registry.by_key.len() >= INSTANCES_MAX {
                let message = format!(
                    "{INSTANCES_MAX} different queries are kept live already: close some pages, or ask with fewer different parameters"
                );
                return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
            }
            let queries_max = self.0.config.live_limits.user.queries_max;
            if user.is_some_and(|user| registry.count_of(user) >= queries_max) {
                let message = format!(
                    "you have {queries_max} live queries already, the most that one user may have: close some pages, or ask \
                     with fewer different parameters"
                );
                return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
            }
            let id = InstanceId(self.0.next_id.fetch_add(1, Ordering::Relaxed));
            registry.insert(key.clone(), id, user);
            id
        };
        let hold = self.holding(id, key, user);
        let registered = self.0.commands.send(Command::Register { id, spec: spec.clone(), outcome: Box::new(outcome) });
        registered.map_err(|_| QueryError::new(QueryErrorKind::Internal, "the engine has shut down"))?;
        Ok(hold)
    }

    fn holding(&self, id: InstanceId, key: ShareKey, user: Option<&User>) -> InstanceRef {
        InstanceRef::new(id, key, user.cloned(), self.0.registry.clone(), self.0.position.clone())
    }

    fn hold(&self, key: &ShareKey, user: Option<&User>) -> Option<InstanceRef> {
        let id = self.0.registry.lock().hold(key, user)?;
        Some(self.holding(id, key.clone(), user))
    }

    /// Where those who run sources tell what has become of them: within a second it is seen in the states of the answers
    /// that they feed.
    #[must_use]
    pub fn sources(&self) -> SourceHealth {
        self.0.sources.clone()
    }

    /// Follows where the live answers stand.
    #[must_use]
    pub fn watch_position(&self) -> watch::Receiver<Position> {
        self.0.position.clone()
    }

    /// Runs a query once, at `at`. Cancelled when the future is dropped.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn query(&self, spec: &QuerySpec, at: Position) -> Result<QueryAnswer, QueryError> {
        let (spec, history, limits) = (spec.clone(), self.0.history.clone(), self.0.config.query_limits.clone());
        self.in_turn(|ending| async move { batch::run_until(&ending, &spec, &history, at, &limits).await }).await
    }

    /// Runs a query over a span of time, as it stands at `at`. Cancelled when the future is dropped.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn range(&self, spec: &RangeSpec, at: Position) -> Result<RangeAnswer, QueryError> {
        let (spec, history, limits) = (spec.clone(), self.0.history.clone(), self.0.config.query_limits.clone());
        self.in_turn(|ending| async move { range::run(&ending, &spec, &history, at, &limits).await }).await
    }

    /// How many queries run once right now.
    #[must_use]
    pub fn queries_running(&self) -> usize {
        QUERIES_MAX - self.0.running.available_permits()
    }

    /// Runs `query` on the pool once there is room.
    async fn in_turn<T: Send + 'static, Query: Future<Output = Result<T, QueryError>> + Send + 'static>(
        &self,
        query: impl FnOnce(Ending) -> Query,
    ) -> Result<T, QueryError> {
        let limit = batch::time_max(&self.0.config.query_limits);
        let turn = self.0.running.clone().acquire_owned();
        let waited = tokio::time::timeout(limit, turn).await;
        let Ok(turn) = waited else {
            let message = format!("{QUERIES_MAX} queries run already, and none ended in time: try again later");
            return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
        };
        let ending = Ending::after(limit);
        let query = query(ending.clone());
        // Dropped with this future, while the task may be in the middle of a join.
        let _waiting = LeaveOnDrop(ending);
        let task = self.0.pool.handle().spawn(async move {
            let _turn = turn;
            query.await
        });
        // The query looks at its time itself. Whoever waits is told in time even if something computes for long between two
        // looks; the query ends at its next one.
        tokio::time::timeout(limit + LOOK, AbortOnDrop(task))
            .await
            .map_err(|_| QueryError::ended(Ended::TimeOver(limit)))?
            .map_err(|error| QueryError::new(QueryErrorKind::Internal, format!("the query ended: {error}")))?
    }

    /// Says how a query is, or would be, answered.
    ///
    /// # Errors
    /// [`QueryError`] for SQL that is refused.
    pub fn explain(&self, spec: &QuerySpec) -> Result<Explain, QueryError> {
        let mut explained = explain(spec, self.0.history.as_ref(), &self.0.config)?;
        let id = self.0.registry.lock().by_key.get(&ShareKey::of(spec)).map(|shared| shared.id);
        explained.running = id.and_then(|id| self.figures(id));
        Ok(explained)
    }

    /// A stream was removed from the log: answers that were made of it begin anew. Blocks until the engine has done so, for a
    /// while at most.
    pub fn forget(&self, stream: &StreamName) {
        // One answer; the engine never waits for it to be taken.
        let (reply, done) = sync_channel(1);
        if self.0.commands.send(Command::Forget { stream: stream.clone(), reply }).is_ok() {
            // An engine that is busy does it later: nothing depends on it having been done.
            let _in_time = done.recv_timeout(EXPLAIN_WAIT).is_ok();
        }
    }

    /// The figures of a running instance. Blocks for a moment.
    #[must_use]
    pub fn figures(&self, id: InstanceId) -> Option<ExplainRunning> {
        self.figures_of(vec![id]).pop().flatten()
    }

    /// The figures of running instances, all of one instant, in the order asked; empty if the engine does not answer in
    /// time. Blocks for a moment.
    #[must_use]
    pub fn figures_of(&self, ids: Vec<InstanceId>) -> Vec<Option<ExplainRunning>> {
        // One answer; the engine never waits for it to be taken.
        let (reply, answer) = sync_channel(1);
        if self.0.commands.send(Command::Figures { ids, reply }).is_err() {
            return Vec::new();
        }
        answer.recv_timeout(EXPLAIN_WAIT).unwrap_or_default()
    }
}

/// Ends the query when its caller goes away.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
