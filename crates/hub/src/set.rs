//! A set of channels that is followed as one: shared by everybody who follows the same, with the frames they share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use indexmap::IndexMap;
use parking_lot::Mutex;
use pulseboard_model::{InstanceId, Mode, Status, StreamName, ViewState};
use pulseboard_protocol::change::{write_board_snapshot, write_state};
use pulseboard_protocol::{CursorTag, Frame};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use crate::bell::Signal;
use crate::cache::Recent;
use crate::instance::Instance;
use crate::mark::Mark;
use crate::tail::Tail;

/// Whatever must live as long as a channel is followed: the engine's reference to the instance.
pub type Keep = Arc<dyn std::any::Any + Send + Sync>;

/// One channel to follow, resolved by the gateway.
#[derive(Clone)]
pub struct ChannelSpec {
    /// Its name in canonical form.
    pub name: Arc<str>,
    /// Hash of what the name stands for; another hash makes old cursors start again.
    pub definition_hash: u64,
    /// Where its changes come from.
    pub source: ChannelSource,
    /// Lives as long as the channel is followed.
    pub keep: Option<Keep>,
}

impl std::fmt::Debug for ChannelSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelSpec").field("name", &self.name).field("source", &self.source).finish_non_exhaustive()
    }
}

/// Where a channel's changes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelSource {
    /// The answer of an instance.
    View(InstanceId),
    /// The events of a stream.
    Tail(StreamName),
    /// A board: which panel shows which channel. The panels' channels are followed beside it.
    Board {
        /// Hash of the board's definition, as clients see it.
        definition_hash: String,
        /// Channel by panel id.
        panels: Vec<(String, String)>,
    },
    /// Nothing any more: what the channel was called after is gone, and why.
    Gone(String),
}

#[derive(Debug)]
pub(crate) enum Feed {
    View(Arc<Instance>),
    Tail(Arc<Tail>),
    Board(Bytes),
    Gone(Bytes),
}

impl Feed {
    /// Whether a reader of one may go on with the other.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::View(one), Self::View(other)) => Arc::ptr_eq(one, other),
            (Self::Tail(one), Self::Tail(other)) => one.stream == other.stream,
            (Self::Board(one), Self::Board(other)) | (Self::Gone(one), Self::Gone(other)) => one == other,
            _ => false,
        }
    }

    /// Whether it never changes as long as it is followed: it is told once.
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self, Self::Board(_) | Self::Gone(_))
    }
}

pub(crate) struct Member {
    pub(crate) name: Arc<str>,
    pub(crate) feed: Feed,
    definition_hash: u64,
    _keep: Option<Keep>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Member {
    pub(crate) fn new(spec: &ChannelSpec, feed: Feed) -> Self {
        let definition_hash = spec.definition_hash;
        Self { name: Arc::clone(&spec.name), feed, definition_hash, _keep: spec.keep.clone() }
    }

    /// Whether a reader of one may go on with the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.definition_hash == other.definition_hash && self.feed.is_same(&other.feed)
    }
}

/// What is told of a channel that stands for nothing any more.
pub(crate) fn gone_members(reason: String) -> Bytes {
    let state = ViewState { reason: Some(reason), ..ViewState::new(Status::Error, Mode::Maintained) };
    let mut out = Vec::new();
    write_state(&mut out, &state);
    out.into()
}

/// The board's part of a frame, which never changes while the board does not.
pub(crate) fn board_members(definition_hash: &str, panels: &[(String, String)]) -> Bytes {
    let mut out = Vec::new();
    let panels = panels.iter().map(|(id, channel)| (id.as_str(), channel.as_str()));
    write_board_snapshot(&mut out, definition_hash, panels);
    out.into()
}

/// How large answers go to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Snapshots {
    /// In several frames that it takes one after the other.
    #[default]
    Paged,
    /// Whole: whoever polls has no other frame to go on with.
    Whole,
}

/// Which frame: for subscription number `sub`, bringing a reader from one step to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameKey {
    pub(crate) sub: u32,
    /// `None` for a reader that holds nothing.
    pub(crate) from: Option<u64>,
    pub(crate) to: u64,
    pub(crate) snapshots: Snapshots,
}

/// The set. Wakes its subscriptions at most once per floor.
#[derive(Debug)]
pub(crate) struct ChannelSet {
    pub(crate) members: Vec<Member>,
    channels_hash: u32,
    definitions_hash: u32,
    pub(crate) frames: Mutex<Recent<FrameKey, Arc<Frame>, 8>>,
    subscriptions: Mutex<IndexMap<u64, Arc<Signal>>>,
    ticket: Arc<Ticket>,
    pub(crate) woken_at: Mutex<Option<Instant>>,
}

impl ChannelSet {
    pub(crate) fn new(specs: &[ChannelSpec], members: Vec<Member>) -> Arc<Self> {
        let mut names: Vec<&str> = specs.iter().map(|spec| &*spec.name).collect();
        names.sort_unstable();
        let mut definitions: Vec<(&str, u64)> = specs.iter().map(|spec| (&*spec.name, spec.definition_hash)).collect();
        definitions.sort_unstable();
        let definitions: String = definitions.iter().map(|(name, hash)| format!("{name}\u{0}{hash:x}\u{0}")).collect();
        let set = Arc::new_cyclic(|set| Self {
            members,
            channels_hash: short_hash(names.join("\u{0}").as_bytes()),
            definitions_hash: short_hash(definitions.as_bytes()),
            frames: Mutex::new(Recent::new()),
            subscriptions: Mutex::new(IndexMap::new()),
            ticket: Arc::new(Ticket { listed: AtomicBool::new(false), set: Weak::clone(set) }),
            woken_at: Mutex::new(None),
        });
        for member in &set.members {
            match &member.feed {
                Feed::View(instance) => instance.followers.add(&set.ticket),
                Feed::Tail(tail) => tail.followers.add(&set.ticket),
                Feed::Board(_) | Feed::Gone(_) => {}
            }
        }
        set
    }

    /// The newest step in which any of the channels changed.
    pub(crate) fn changed(&self) -> u64 {
        let changed = self.members.iter().map(|member| match &member.feed {
            Feed::View(instance) => instance.changed(),
            Feed::Tail(tail) => tail.changed(),
            Feed::Board(_) | Feed::Gone(_) => 0,
        });
        changed.max().unwrap_or(0)
    }

    /// What cursors of this set carry now.
    pub(crate) fn tag(&self) -> CursorTag {
        let schema = self.schema(Instance::columns_hash);
        CursorTag { channels: self.channels_hash, definitions: self.definitions_hash, schema }
    }

    /// What a cursor carries whose reader knows what `knows` says, if no columns became others since: some views may not
    /// have had an answer there.
    pub(crate) fn schema_known(&self, knows: impl Fn(&Mark) -> bool) -> u32 {
        self.schema(|instance| if instance.had_columns(&knows) { instance.columns_hash() } else { 0 })
    }

    fn schema(&self, columns_hash: impl Fn(&Instance) -> u32) -> u32 {
        let columns = self.members.iter().filter_map(|member| match &member.feed {
            Feed::View(instance) => Some(short_hash(format!("{}\0{}", member.name, columns_hash(instance)).as_bytes())),
            _ => None,
        });
        // The order in which a client names its channels makes no difference.
        columns.fold(0_u32, |all, one| all ^ one)
    }

    pub(crate) fn add(&self, id: u64, signal: Arc<Signal>) {
        self.subscriptions.lock().insert(id, signal);
    }

    pub(crate) fn remove(&self, id: u64) {
        self.subscriptions.lock().swap_remove(&id);
    }

    pub(crate) fn wake(&self) {
        self.ticket.listed.store(false, Ordering::Release);
        for signal in self.subscriptions.lock().values() {
            signal.raise();
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a hash, cut to the cursor's width")]
fn short_hash(bytes: &[u8]) -> u32 {
    xxh3_64(bytes) as u32
}

/// Stands for a set on the dispatcher's list. The engine's thread only ever handles tickets, so that it is never the one
/// that lets go of a set, and with it of an instance.
#[derive(Debug)]
pub(crate) struct Ticket {
    listed: AtomicBool,
    pub(crate) set: Weak<ChannelSet>,
}

/// The sets that follow one channel.
#[derive(Debug, Default)]
pub(crate) struct Followers(Mutex<Vec<Arc<Ticket>>>);

impl Followers {
    fn add(&self, ticket: &Arc<Ticket>) {
        let mut tickets = self.0.lock();
        tickets.retain(|ticket| ticket.set.strong_count() > 0);
        tickets.push(Arc::clone(ticket));
    }

    /// Puts every set that is not yet on the dispatcher's list onto it.
    pub(crate) fn list(&self, dirty: &mut Vec<Arc<Ticket>>) {
        for ticket in self.0.lock().iter() {
            if !ticket.listed.swap(true, Ordering::AcqRel) {
                dirty.push(Arc::clone(ticket));
            }
        }
    }
}
