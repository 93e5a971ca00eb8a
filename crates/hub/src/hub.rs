//! The hub itself: who is followed, where the live answers stand, and what the engine tells.
//!
//! `offer` and `apply` are called by the log's pump and the engine's thread, in order, and only append to rings; encoding
//! is left to the readers, waking them to the dispatcher.

use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use pulseboard_model::{Commit, InstanceId, InstanceUpdate, Position, StepOutput, StreamName, TimeUs, ViewState};
use pulseboard_runtime::Tasks;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::config::HubConfig;
use crate::figures::{Counters, HubFigures};
use crate::instance::Instance;
use crate::linger::Lingering;
use crate::mark::{Mark, covers};
use crate::set::{ChannelSet, ChannelSource, ChannelSpec, Feed, Member, Ticket, board_members, gone_members};
use crate::tail::Tail;
use crate::tail_log::TailLog;

/// Commits that the log gave and the engine has not yet stepped over. The engine's own queue is shorter, so this is never
/// reached; if it were, tails would read what was left out from the log.
const PENDING_COMMITS_MAX: usize = 1_024;

/// Everything that can be followed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    pub(crate) inner: Arc<Inner>,
}

/// What makes two sets of channels one: the names, what they stand for, and who answers them.
type SetKey = Vec<(Arc<str>, u64, Option<InstanceId>)>;

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: HubConfig,
    pub(crate) log: Arc<dyn TailLog>,
    pub(crate) now: watch::Sender<Mark>,
    pub(crate) step: AtomicU64,
    instances: RwLock<HashMap<InstanceId, Arc<Instance>>>,
    tails: RwLock<HashMap<StreamName, Arc<Tail>>>,
    sets: Mutex<HashMap<SetKey, Weak<ChannelSet>>>,
    pending: Mutex<Pending>,
    pub(crate) lingering: Lingering,
    pub(crate) counters: Counters,
    pub(crate) dirty: Mutex<Vec<Arc<Ticket>>>,
    pub(crate) dispatch: Notify,
    pub(crate) next_subscription: AtomicU64,
}

#[derive(Debug, Default)]
struct Pending {
    commits: std::collections::VecDeque<Arc<Commit>>,
    /// Commits up to here had to be left out.
    lost: Option<Position>,
}

/// One view's whole answer, for `GET`.
#[derive(Debug, Clone)]
pub struct ViewRead {
    /// Where its rows stand.
    pub position: Position,
    /// `_arrived_at` of the newest event included.
    pub newest: Option<TimeUs>,
    /// Where it, or its state, last changed, and at which of the steps there.
    pub changed: (Position, u32),
    /// Its state.
    pub state: Arc<ViewState>,
    /// `"columns":…,"keys":…,"rows":…`; `None` while there is no answer.
    pub members: Option<Bytes>,
}

impl Hub {
    /// A hub that follows an engine standing at `start`. Its dispatcher runs as a task of `tasks`.
    #[must_use]
    pub fn start(
        config: HubConfig,
        start: Position,
        newest: Option<TimeUs>,
        log: Arc<dyn TailLog>,
        tasks: &Tasks,
    ) -> Self {
        // Steps count from 1, so that a reader at step 0 knows nothing.
        let mark = Mark { step: 1, position: start, round: 0, newest: newest.map(|at| (1, at)) };
        let inner = Inner {
            config,
            log,
            now: watch::Sender::new(mark),
            step: AtomicU64::new(1),
            instances: RwLock::default(),
            tails: RwLock::default(),
            sets: Mutex::default(),
            pending: Mutex::default(),
            lingering: Lingering::default(),
            counters: Counters::default(),
            dirty: Mutex::default(),
            dispatch: Notify::new(),
            next_subscription: AtomicU64::new(1),
        };
        let hub = Self { inner: Arc::new(inner) };
        tasks.spawn("hub-dispatcher", crate::dispatch::run(hub.clone(), tasks.shutdown()));
        hub
    }

    /// Where the live answers stand.
    #[must_use]
    pub fn position(&self) -> Position {
        self.inner.now.borrow().position
    }

    /// Where the live answers stand, with `_arrived_at` of the newest event that they include.
    #[must_use]
    pub fn now_and_newest(&self) -> (Position, Option<TimeUs>) {
        let now = self.now();
        (now.position, now.newest.map(|(_, at)| at))
    }

    /// What was counted since the start.
    #[must_use]
    pub fn figures(&self) -> HubFigures {
        self.inner.counters.read()
    }

    pub(crate) fn now(&self) -> Mark {
        *self.inner.now.borrow()
    }

    /// Waits until the live answers include `position`, at most `wait`. Says whether they do.
    pub async fn reach(&self, position: &Position, wait: Duration) -> bool {
        let mut now = self.inner.now.subscribe();
        let reached =
            now.wait_for(|now| now.position.epoch == position.epoch && now.position.offset.includes(position.offset));
        matches!(tokio::time::timeout(wait, reached).await, Ok(Ok(_)))
    }

    /// The log's pump has a commit that the engine will step over next. Called before the engine gets it, in order.
    pub fn offer(&self, commit: Arc<Commit>) {
        let mut pending = self.inner.pending.lock();
        if pending.commits.len() == PENDING_COMMITS_MAX
            && let Some(commit) = pending.commits.pop_front()
        {
            pending.lost = Some(commit.position);
        }
        pending.commits.push_back(commit);
    }

    /// Takes what a step changed. Called on the engine's thread, in order.
    pub fn apply(&self, output: &StepOutput) {
        let inner = &*self.inner;
        let step = inner.step.load(Ordering::Relaxed) + 1;
        let before = self.now();
        let newest = output.newest.map(|at| (step, at)).or(before.newest);
        let round = if output.position == before.position { before.round + 1 } else { 0 };
        let mark = Mark { step, position: output.position, round, newest };
        let at = Instant::now();

        // First everything goes into the rings, where nobody looks beyond what is published …
        let mut instances = Vec::with_capacity(output.changes.len());
        for change in &output.changes {
            if matches!(change.update, InstanceUpdate::Stopped) {
                inner.instances.write().remove(&change.instance);
                continue;
            }
            // One that nobody looked at yet begins before this step, so that the step is its first change.
            let instance = self.instance_at(change.instance, before);
            instance.push(change, mark, at, &inner.config);
            instances.push(instance);
        }
        // Held until the step is published: a tail that is new meanwhile would think that it has the step's events.
        let followed = inner.tails.read();
        let tails = self.release(mark, &followed);

        // … then it is published as one, and those who follow any of it are listed once.
        let mut dirty = Vec::new();
        for instance in &instances {
            instance.publish(step);
        }
        for tail in &tails {
            tail.publish(step);
        }
        inner.now.send_replace(mark);
        inner.step.store(step, Ordering::Release);
        drop(followed);
        instances.iter().for_each(|instance| instance.followers.list(&mut dirty));
        tails.iter().for_each(|tail| tail.followers.list(&mut dirty));
        if !dirty.is_empty() {
            inner.dirty.lock().append(&mut dirty);
            inner.dispatch.notify_one();
        }
    }

    /// Moves the commits that the step included into the tails that are followed.
    fn release(&self, mark: Mark, followed: &HashMap<StreamName, Arc<Tail>>) -> Vec<Arc<Tail>> {
        let inner = &*self.inner;
        let mut changed: Vec<Arc<Tail>> = Vec::new();
        let mut pending = inner.pending.lock();
        if pending.lost.is_some_and(|lost| covers(&mark.position, &lost)) {
            pending.lost = None;
            changed = followed.values().cloned().collect();
            changed.iter().for_each(|tail| tail.lose(mark));
        }
        while pending.commits.front().is_some_and(|commit| covers(&mark.position, &commit.position)) {
            let Some(commit) = pending.commits.pop_front() else { break };
            for part in &commit.parts {
                let Some(tail) = followed.get(&part.stream) else { continue };
                tail.push(part, mark, &inner.config);
                if !changed.iter().any(|held| Arc::ptr_eq(held, tail)) {
                    changed.push(Arc::clone(tail));
                }
            }
        }
        changed
    }

    fn instance_at(&self, id: InstanceId, mark: Mark) -> Arc<Instance> {
        if let Some(instance) = self.inner.instances.read().get(&id) {
            return Arc::clone(instance);
        }
        let mut instances = self.inner.instances.write();
        Arc::clone(instances.entry(id).or_insert_with(|| Arc::new(Instance::new(id, mark))))
    }

    /// The whole answer of an instance as it is now.
    #[must_use]
    pub fn read(&self, id: InstanceId) -> ViewRead {
        let instance = self.instance_at(id, self.now());
        let mut base = instance.lock_base();
        let now = self.now();
        instance.fold(&mut base, now.step, Instant::now(), &self.inner.config);
        ViewRead {
            position: base.state().as_of.unwrap_or(now.position),
            newest: now.newest.map(|(_, at)| at),
            changed: (base.changed().position, base.changed().round),
            state: Arc::clone(base.state()),
            members: base.encoded_members(&self.inner.counters),
        }
    }

    /// Waits until the answer of an instance, or its state, changes after `changed` (as [`ViewRead::changed`] told).
    pub async fn changed_after(&self, id: InstanceId, changed: (Position, u32)) {
        let instance = self.instance_at(id, self.now());
        let mut now = self.inner.now.subscribe();
        loop {
            now.borrow_and_update();
            let moved = {
                let mut base = instance.lock_base();
                instance.fold(&mut base, self.now().step, Instant::now(), &self.inner.config);
                (base.changed().position, base.changed().round) != changed
            };
            if moved {
                return;
            }
            if now.changed().await.is_err() {
                return;
            }
        }
    }

    /// The set of these channels, shared with everybody who follows the same.
    pub(crate) fn set(&self, specs: &[ChannelSpec]) -> Arc<ChannelSet> {
        let key: Vec<_> = specs
            .iter()
            .map(|spec| {
                let instance = match spec.source {
                    ChannelSource::View(id) => Some(id),
                    _ => None,
                };
                (Arc::clone(&spec.name), spec.definition_hash, instance)
            })
            .collect();
        let mut sets = self.inner.sets.lock();
        if let Some(set) = sets.get(&key).and_then(Weak::upgrade) {
            return set;
        }
        let members = specs.iter().map(|spec| Member::new(spec, self.feed(&spec.source))).collect();
        let set = ChannelSet::new(specs, members);
        sets.insert(key, Arc::downgrade(&set));
        set
    }

    fn feed(&self, source: &ChannelSource) -> Feed {
        match source {
            ChannelSource::View(id) => Feed::View(self.instance_at(*id, self.now())),
            ChannelSource::Tail(stream) => {
                let mut tails = self.inner.tails.write();
                let tail =
                    tails.entry(stream.clone()).or_insert_with(|| Arc::new(Tail::new(stream.clone(), self.now())));
                Feed::Tail(Arc::clone(tail))
            }
            ChannelSource::Board { definition_hash, panels } => Feed::Board(board_members(definition_hash, panels)),
            ChannelSource::Gone(reason) => Feed::Gone(gone_members(reason.clone())),
        }
    }

    /// Drops what nobody follows any more and what is too old. Called by the dispatcher now and then.
    pub(crate) fn sweep(&self, at: Instant) {
        let inner = &*self.inner;
        inner.lingering.sweep(at);
        inner.sets.lock().retain(|_, set| set.strong_count() > 0);
        inner.tails.write().retain(|_, tail| Arc::strong_count(tail) > 1);
        inner.tails.read().values().for_each(|tail| tail.sweep());
        let instances: Vec<_> = inner.instances.read().values().cloned().collect();
        let step = inner.step.load(Ordering::Acquire);
        instances.iter().for_each(|instance| instance.sweep(step, at, &inner.config));
    }

    /// Folds the rings that are full. Called by the dispatcher.
    pub(crate) fn maintain(&self, set: &ChannelSet, at: Instant) {
        let step = self.inner.step.load(Ordering::Acquire);
        for member in &set.members {
            if let Feed::View(instance) = &member.feed {
                instance.maintain(step, at, &self.inner.config);
            }
        }
    }
}
