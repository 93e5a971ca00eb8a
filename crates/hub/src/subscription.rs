//! One subscription: some channels, one pace, one position. Pulls one frame at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pulseboard_model::{Position, ResetReason};
use pulseboard_protocol::{Cursor, Frame, Pace, Reset};
use tokio::time::Instant;

use crate::bell::{Bell, Signal};
use crate::build::{Owed, Reader, build};
use crate::hub::Hub;
use crate::resume::{Start, plan};
use crate::set::{ChannelSet, ChannelSpec, FrameKey, Snapshots};
use crate::standing::Standing;

/// How a subscription begins and how often it wants frames.
#[derive(Debug, Clone, Default)]
pub struct SubscribeOptions {
    /// Its number on its connection, from 1.
    pub sub: u32,
    /// Where the reader stands, if it comes back.
    pub since: Option<Cursor>,
    /// How often.
    pub pace: Pace,
    /// How large answers come.
    pub snapshots: Snapshots,
    /// For each channel: how many of the newest rows a fresh tail starts with. Missing means none.
    pub last: Vec<u32>,
}

/// When to pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing changed: wait for the bell.
    Idle,
    /// Something changed, but the pace says not before then.
    At(Instant),
    /// Now.
    Now,
}

/// One subscription. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    hub: Hub,
    set: Arc<ChannelSet>,
    id: u64,
    sub: u32,
    signal: Arc<Signal>,
    standing: Arc<Standing>,
    /// The reader knows the changes of all channels up to this step; those in `owed` apart.
    sent: u64,
    /// Where the reader stands, and at which of the steps there.
    position: Position,
    round: u32,
    /// What single channels still need besides. Empty almost always.
    owed: Vec<Option<Owed>>,
    first: bool,
    continued: bool,
    snapshots: Snapshots,
    /// What belongs to the last frame and was not taken yet.
    rest: Option<Arc<Frame>>,
    interval: Option<Duration>,
    batch: Option<Duration>,
    last_sent: Option<Instant>,
    changed_at: Option<Instant>,
}

impl Hub {
    /// Follows `channels` as one subscription of the connection that `bell` wakes.
    #[must_use]
    pub fn subscribe(&self, channels: &[ChannelSpec], options: &SubscribeOptions, bell: &Arc<Bell>) -> Subscription {
        let set = self.set(channels);
        let signal = Signal::new(Arc::clone(bell));
        let id = self.inner.next_subscription.fetch_add(1, Ordering::Relaxed);
        // Listen first, look after: what changes from now on raises the signal.
        set.add(id, Arc::clone(&signal));
        let now = self.now();
        let plan = plan(&set, options.since.as_ref(), &now, &self.inner.log);
        let continued = plan.starts.iter().all(|start| matches!(start, Start::Continue | Start::FromLog(_)))
            && options.since.is_some();
        let owed = plan.starts.iter().enumerate().map(|(i, start)| match start {
            Start::Continue => None,
            Start::FromLog(after) => Some(Owed::Log(*after)),
            Start::Fresh => Some(Owed::Fresh(options.last.get(i).copied().unwrap_or(0))),
            Start::Reset(reason) => {
                self.inner.counters.reset(*reason);
                Some(Owed::Whole(Reset::from(*reason)))
            }
        });
        let owed = owed.collect();
        if continued {
            self.inner.counters.resumed();
        }
        let position = options.since.map_or(now.position, |cursor| cursor.position);
        let mut subscription = Subscription {
            hub: self.clone(),
            standing: Standing::new(Arc::clone(&set), plan.known, &position),
            id,
            sub: options.sub,
            signal,
            sent: plan.known,
            position,
            round: options.since.map_or(now.round, |cursor| cursor.round),
            owed,
            first: true,
            continued,
            snapshots: options.snapshots,
            rest: None,
            interval: None,
            batch: None,
            last_sent: None,
            changed_at: None,
            set,
        };
        subscription.keep_pace(options.pace);
        subscription
    }
}

impl Subscription {
    /// From now on follows `channels`. What is the same goes on; what stands for something else comes whole in the next
    /// frame, with the reason `changed`, and what is new without one. Says whether anything is other than before.
    pub fn refollow(&mut self, channels: &[ChannelSpec], pace: Pace) -> bool {
        self.keep_pace(pace);
        let set = self.hub.set(channels);
        if Arc::ptr_eq(&set, &self.set) {
            return false;
        }
        set.add(self.id, Arc::clone(&self.signal));
        self.set.remove(self.id);
        let owed = set.members.iter().map(|member| {
            let known = self.set.members.iter().position(|known| known.name == member.name);
            match known {
                Some(index) if self.set.members[index].is_same(member) => self.owed[index],
                Some(_) => {
                    self.hub.inner.counters.reset(ResetReason::Changed);
                    Some(Owed::Whole(Reset::from(ResetReason::Changed)))
                }
                None => Some(Owed::Fresh(0)),
            }
        });
        self.owed = owed.collect();
        self.standing = Standing::new(Arc::clone(&set), self.sent, &self.position);
        self.set = set;
        self.signal.raise();
        true
    }

    fn keep_pace(&mut self, pace: Pace) {
        let interval = pace.max_hz.map(|hz| Duration::from_secs_f64(1.0 / hz));
        // The dispatcher keeps the floor for the whole set.
        self.interval = interval.filter(|interval| *interval > self.hub.inner.config.floor);
        self.batch = pace.batch_ms.filter(|ms| *ms > 0).map(Duration::from_millis);
    }

    /// Its number on its connection.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.sub
    }

    /// Where it stands, for whoever lists it.
    #[must_use]
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    /// The names of its channels.
    pub fn channels(&self) -> impl Iterator<Item = &Arc<str>> {
        self.set.members.iter().map(|member| &member.name)
    }

    /// Whether it goes on where the reader was, with nothing reset. Final only after the first frame.
    #[must_use]
    pub fn is_continued(&self) -> bool {
        self.continued
    }

    /// When to pull the next frame.
    pub fn due(&mut self, now: Instant) -> Due {
        if self.first || self.rest.is_some() {
            return Due::Now;
        }
        if !self.signal.is_raised() {
            return Due::Idle;
        }
        let mut due = now;
        if let (Some(interval), Some(last_sent)) = (self.interval, self.last_sent) {
            due = due.max(last_sent + interval);
        }
        if let Some(batch) = self.batch {
            due = due.max(*self.changed_at.get_or_insert(now) + batch);
        }
        if due <= now { Due::Now } else { Due::At(due) }
    }

    /// Whether a frame would, or may, hold anything that the reader does not have. If not, the bell rings when it does.
    pub fn has_news(&mut self) -> bool {
        if self.is_behind() {
            return true;
        }
        self.signal.lower();
        self.is_behind()
    }

    /// Whether frames that belong to the last one are still to be taken: whoever has only that one can not come back with it.
    #[must_use]
    pub const fn is_unfinished(&self) -> bool {
        self.rest.is_some()
    }

    fn is_behind(&self) -> bool {
        self.rest.is_some() || self.owed.iter().any(Option::is_some) || self.set.changed() > self.sent
    }

    /// As [`Subscription::pull`], for a reader that wants no frame without changes, not even as its first one.
    pub async fn pull_news(&mut self) -> Option<Arc<Frame>> {
        if !self.has_news() {
            return None;
        }
        let first = self.first;
        let frame = self.pull().await?;
        if frame.changes.is_empty() {
            // What the log held for it was nothing: its first frame is still to come.
            self.first = first;
            return None;
        }
        Some(frame)
    }

    /// Keeps what it follows for a while after it has ended, for a reader that will soon ask again.
    pub fn linger(&self) {
        self.hub.inner.lingering.keep(&self.set, Instant::now());
    }

    /// The cursor as of now: of the newest position if nothing is waiting, else of the last frame.
    #[must_use]
    pub fn cursor(&mut self) -> Cursor {
        let now = self.hub.now();
        if !self.is_behind() {
            (self.position, self.round) = (now.position, now.round);
        }
        Cursor { position: self.position, round: self.round, tag: Some(self.set.tag()) }
    }

    /// One frame with everything that changed since the last one; the first always comes, later ones only if something did.
    pub async fn pull(&mut self) -> Option<Arc<Frame>> {
        if let Some(frame) = self.rest.take() {
            self.rest.clone_from(&frame.rest);
            return Some(frame);
        }
        self.signal.lower();
        self.changed_at = None;
        let frame = match self.cached() {
            Cached::Nothing => return None,
            Cached::Frame(frame, to) => {
                self.sent = to;
                frame
            }
            // Boxed: the room for it would be in the task of every reader.
            Cached::Build => Box::pin(self.build()).await?,
        };
        (self.position, self.round) = (frame.position, frame.round);
        self.standing.tell(self.sent, &self.position);
        self.hub.inner.counters.conflated(frame.merged);
        self.first = false;
        self.rest.clone_from(&frame.rest);
        if self.interval.is_some() {
            self.last_sent = Some(Instant::now());
        }
        Some(frame)
    }

    /// The common case: many readers at the same step want the same frame.
    fn cached(&self) -> Cached {
        if self.first || self.owed.iter().any(Option::is_some) {
            return Cached::Build;
        }
        let to = self.set.changed().min(self.hub.inner.step.load(Ordering::Acquire));
        if to <= self.sent {
            return Cached::Nothing;
        }
        let key = FrameKey { sub: self.sub, from: Some(self.sent), to, snapshots: self.snapshots };
        match self.set.frames.lock().get(&key) {
            Some(frame) => Cached::Frame(frame, to),
            None => Cached::Build,
        }
    }

    async fn build(&mut self) -> Option<Arc<Frame>> {
        let reader = Reader {
            sub: self.sub,
            sent: self.sent,
            position: self.position,
            first: self.first,
            continued: self.continued,
            snapshots: self.snapshots,
        };
        let built = build(&self.hub, &self.set, &reader, &mut self.owed).await?;
        self.sent = built.sent;
        self.continued = built.continued;
        Some(built.frame)
    }
}

enum Cached {
    Nothing,
    Frame(Arc<Frame>, u64),
    Build,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.set.remove(self.id);
    }
}
