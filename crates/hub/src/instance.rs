//! One view's answer: a ring of what changed lately, and the newest whole answer behind it.
//!
//! Two locks, so that the engine's thread never waits for a reader that encodes a large answer: the engine only appends to
//! the ring (`head`); whoever needs the whole answer, or the dispatcher when the ring is full, folds the ring into it
//! (`base`). Lock order: `base` before `head`; several bases in the order of their ids.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use pulseboard_model::{
    Column, Delta, InstanceChange, InstanceId, InstanceUpdate, Mode, ResetReason, Snapshot, Status, ViewState,
};
use pulseboard_protocol::change::{write_delta, write_snapshot, write_snapshot_pages, write_state};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use crate::cache::Recent;
use crate::config::HubConfig;
use crate::figures::Counters;
use crate::mark::Mark;
use crate::set::Followers;

/// How far past its byte bound a ring may grow before the engine's thread folds it itself.
const HARD_BOUND_FACTOR: usize = 8;

/// What stands before the members of an encoded answer; a brace stands after them.
const SNAPSHOT: &str = "\"snapshot\":{";

/// How many entries may wait to be folded before the dispatcher is asked to.
const UNFOLDED_MAX: usize = 512;

#[derive(Debug, Clone)]
enum Update {
    Delta(Arc<Delta>),
    Replace(Arc<Snapshot>, Option<ResetReason>),
    /// A replacement whose rows are in the base by now.
    Replaced(Option<ResetReason>),
    State,
}

#[derive(Debug, Clone)]
struct Entry {
    mark: Mark,
    at: Instant,
    bytes: usize,
    columns: Arc<[Column]>,
    update: Update,
    state: Option<Arc<ViewState>>,
}

#[derive(Debug)]
struct Head {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// How many entries came since the ring was last folded.
    unfolded: usize,
    /// The newest entry that is gone from the ring: a reader that does not stand there or later needs the whole answer.
    floor: Mark,
    /// Whether there was an answer at the floor.
    floor_answered: bool,
    columns: Arc<[Column]>,
    columns_hash: u32,
    fragments: Recent<(u64, u64), Bytes, 16>,
}

/// The newest whole answer, as of step `folded`.
#[derive(Debug)]
pub(crate) struct Base {
    folded: u64,
    snapshot: Option<Arc<Snapshot>>,
    state: Arc<ViewState>,
    /// The last entry folded in: when the answer or its state last changed.
    changed: Mark,
    /// Counts changes of rows, to know whether `encoded` still holds.
    rows_version: u64,
    encoded: Option<(u64, Bytes)>,
    /// The same in pages, where it is larger than one.
    pages: Option<(u64, Arc<[Bytes]>)>,
}

/// One running instance, as the hub sees it.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) created: Mark,
    pub(crate) followers: Followers,
    changed: AtomicU64,
    columns_hash: AtomicU32,
    wants_fold: AtomicBool,
    head: Mutex<Head>,
    base: Mutex<Base>,
}

/// What a reader at one step needs to come to a later one.
#[derive(Debug)]
pub(crate) enum ViewPart {
    /// Nothing.
    Unchanged,
    /// These members of a change, in which so many are merged.
    Members(Bytes, u64),
    /// The whole answer, because it was replaced, for this reason if it is one that readers are told.
    Whole(Option<ResetReason>),
    /// The whole answer, because the ring does not reach back.
    Lost,
}

impl Instance {
    pub(crate) fn new(id: InstanceId, created: Mark) -> Self {
        let columns: Arc<[Column]> = Arc::from([]);
        let head = Head {
            entries: VecDeque::new(),
            bytes: 0,
            unfolded: 0,
            floor: created,
            floor_answered: false,
            columns,
            columns_hash: 0,
            fragments: Recent::new(),
        };
        let base = Base {
            folded: created.step,
            snapshot: None,
            state: Arc::new(ViewState::new(Status::Backfilling, Mode::Maintained)),
            changed: created,
            rows_version: 0,
            encoded: None,
            pages: None,
        };
        Self {
            id,
            created,
            followers: Followers::default(),
            changed: AtomicU64::new(created.step),
            columns_hash: AtomicU32::new(0),
            wants_fold: AtomicBool::new(false),
            head: Mutex::new(head),
            base: Mutex::new(base),
        }
    }

    /// The newest step in which this changed. Never ahead of what is in the ring.
    pub(crate) fn changed(&self) -> u64 {
        self.changed.load(Ordering::Acquire)
    }

    pub(crate) fn columns_hash(&self) -> u32 {
        self.columns_hash.load(Ordering::Acquire)
    }

    /// Takes a change into the ring. It is not seen by readers before [`Instance::publish`].
    pub(crate) fn push(&self, change: &InstanceChange, mark: Mark, at: Instant, config: &HubConfig) {
        let mut head = self.head.lock();
        let update = match &change.update {
            InstanceUpdate::Delta(delta) => Update::Delta(Arc::clone(delta)),
            InstanceUpdate::Snapshot(snapshot, reason) => {
                head.columns = snapshot.columns.clone().into();
                head.columns_hash = hash_columns(&snapshot.columns);
                Update::Replace(Arc::clone(snapshot), *reason)
            }
            InstanceUpdate::State | InstanceUpdate::Stopped => Update::State,
        };
        let bytes = update_bytes(&update);
        let (columns, state) = (Arc::clone(&head.columns), change.state.clone().map(Arc::new));
        head.bytes += bytes;
        head.unfolded += 1;
        head.entries.push_back(Entry { mark, at, bytes, columns, update, state });
        let over = head.bytes > config.ring_bytes_max || head.unfolded > UNFOLDED_MAX;
        let far_over = head.bytes > config.ring_bytes_max * HARD_BOUND_FACTOR;
        drop(head);
        if far_over {
            // The dispatcher does not keep up: better to slow the engine than to grow without end. The entry just pushed
            // is not published yet, so it stays.
            self.fold(&mut self.base.lock(), mark.step - 1, at, config);
        } else if over {
            self.wants_fold.store(true, Ordering::Release);
        }
    }

    /// Lets readers see the step that was pushed.
    pub(crate) fn publish(&self, step: u64) {
        // Not before: a frame of an earlier step must not carry a cursor of these columns.
        self.columns_hash.store(self.head.lock().columns_hash, Ordering::Release);
        self.changed.store(step, Ordering::Release);
    }

    /// Folds and trims the ring if it is over its bounds. `now_step` must be published.
    pub(crate) fn maintain(&self, now_step: u64, at: Instant, config: &HubConfig) {
        if self.wants_fold.swap(false, Ordering::AcqRel) {
            self.fold(&mut self.base.lock(), now_step, at, config);
        }
    }

    /// As [`Instance::maintain`], for what is only too old.
    pub(crate) fn sweep(&self, now_step: u64, at: Instant, config: &HubConfig) {
        let stale = self.head.lock().entries.front().is_some_and(|entry| at - entry.at > config.ring_age_max);
        if stale {
            self.fold(&mut self.base.lock(), now_step, at, config);
        }
    }

    /// The whole answer for reading. Fold before reading.
    pub(crate) fn lock_base(&self) -> MutexGuard<'_, Base> {
        self.base.lock()
    }

    /// Brings the whole answer forward to `upto`, which must be published, and drops what the ring need not keep.
    pub(crate) fn fold(&self, base: &mut Base, upto: u64, at: Instant, config: &HubConfig) {
        let fresh: Vec<Entry> = {
            let mut head = self.head.lock();
            head.unfolded = 0;
            let range = range_of(&head.entries, base.folded, upto);
            head.entries.range(range).cloned().collect()
        };
        base.folded = base.folded.max(upto);
        for entry in fresh {
            base.changed = entry.mark;
            if let Some(state) = entry.state {
                base.state = state;
            }
            match entry.update {
                Update::Delta(delta) => {
                    if let Some(snapshot) = &mut base.snapshot {
                        Arc::make_mut(snapshot).apply(&delta);
                        base.rows_version += 1;
                    }
                }
                Update::Replace(snapshot, _) => {
                    base.snapshot = Some(snapshot);
                    base.rows_version += 1;
                }
                Update::Replaced(_) | Update::State => {}
            }
        }
        self.trim(base.folded, at, config);
    }

    fn trim(&self, folded: u64, at: Instant, config: &HubConfig) {
        let mut head = self.head.lock();
        let head = &mut *head;
        for entry in head.entries.iter_mut().take_while(|entry| entry.mark.step <= folded) {
            if let Update::Replace(_, reason) = entry.update {
                // Its rows are in the base now; the ring need only remember that there was a replacement.
                entry.update = Update::Replaced(reason);
                head.bytes -= entry.bytes;
                entry.bytes = update_bytes(&entry.update);
                head.bytes += entry.bytes;
            }
        }
        while let Some(entry) = head.entries.front() {
            let over = head.bytes > config.ring_bytes_max || at - entry.at > config.ring_age_max;
            if !over || entry.mark.step > folded {
                break;
            }
            head.bytes -= entry.bytes;
            head.floor = entry.mark;
            head.floor_answered = !entry.columns.is_empty();
            head.entries.pop_front();
        }
    }

    /// What a reader that stands at step `from` needs to come to `to`, and when this last changed up to there.
    pub(crate) fn part(&self, from: u64, to: u64) -> (ViewPart, Option<Mark>) {
        let mut head = self.head.lock();
        if from < head.floor.step {
            return (ViewPart::Lost, None);
        }
        let range = range_of(&head.entries, from, to);
        let entries = || head.entries.range(range.clone());
        let (Some(first), Some(last)) = (entries().next(), entries().next_back()) else {
            return (ViewPart::Unchanged, None);
        };
        let mark = last.mark;
        let replaced = entries().rev().find_map(|entry| match entry.update {
            Update::Replace(_, reason) | Update::Replaced(reason) => Some(reason),
            _ => None,
        });
        if replaced.is_some() {
            // Of several replacements, the last that readers are told about counts.
            let reason = entries().rev().find_map(|entry| match entry.update {
                Update::Replace(_, reason) | Update::Replaced(reason) => reason,
                _ => None,
            });
            return (ViewPart::Whole(reason), Some(mark));
        }
        let (key, changes) = ((first.mark.step, last.mark.step), range.len() as u64);
        if let Some(members) = head.fragments.get(&key) {
            return (ViewPart::Members(members, changes), Some(mark));
        }
        let columns = Arc::clone(&last.columns);
        let deltas: Vec<_> = entries()
            .filter_map(|entry| match &entry.update {
                Update::Delta(delta) => Some(Arc::clone(delta)),
                _ => None,
            })
            .collect();
        let state = entries().rev().find_map(|entry| entry.state.clone());
        drop(head);
        // Encoded outside the lock, so that the engine can go on. Two readers may do the same work once.
        let members = encode_members(&columns, &deltas, state.as_deref());
        head = self.head.lock();
        head.fragments.put(key, members.clone());
        (ViewPart::Members(members, changes), Some(mark))
    }

    /// Whether there was an answer, and with it columns, where a reader stands that knows the floor.
    pub(crate) fn had_columns(&self, knows: impl Fn(&Mark) -> bool) -> bool {
        let head = self.head.lock();
        let known = head.entries.partition_point(|entry| knows(&entry.mark));
        known.checked_sub(1).map_or(head.floor_answered, |index| !head.entries[index].columns.is_empty())
    }

    /// As [`Tail::known_step`](crate::tail::Tail::known_step).
    pub(crate) fn known_step(&self, knows: impl Fn(&Mark) -> bool) -> Option<u64> {
        let head = self.head.lock();
        if !knows(&head.floor) {
            return None;
        }
        let known = head.entries.partition_point(|entry| knows(&entry.mark));
        Some(known.checked_sub(1).map_or(head.floor.step, |index| head.entries[index].mark.step))
    }
}

impl Base {
    pub(crate) fn state(&self) -> &Arc<ViewState> {
        &self.state
    }

    /// When the answer or its state last changed.
    pub(crate) fn changed(&self) -> Mark {
        self.changed
    }

    /// The whole answer (`"snapshot":{…}`), encoded once per change of the rows. `None` while there is no answer.
    pub(crate) fn encoded(&mut self, counters: &Counters) -> Option<Bytes> {
        let snapshot = self.snapshot.as_ref()?;
        match &self.encoded {
            Some((version, bytes)) if *version == self.rows_version => Some(bytes.clone()),
            _ => {
                counters.snapshot();
                let mut out = Vec::with_capacity(256 + snapshot.rows.len() * 64);
                write_snapshot(&mut out, snapshot);
                let bytes = Bytes::from(out);
                self.encoded = Some((self.rows_version, bytes.clone()));
                Some(bytes)
            }
        }
    }

    /// Its members alone (`"columns":…,"keys":…,"rows":…`).
    pub(crate) fn encoded_members(&mut self, counters: &Counters) -> Option<Bytes> {
        let whole = self.encoded(counters)?;
        Some(whole.slice(SNAPSHOT.len()..whole.len().saturating_sub(1)))
    }

    /// The same in pages of about so many bytes: the first, and the others if there are some.
    pub(crate) fn encoded_pages(&mut self, page_bytes: usize, counters: &Counters) -> Option<(Bytes, Arc<[Bytes]>)> {
        let snapshot = self.snapshot.as_ref()?;
        let current = self.rows_version;
        if let Some((version, bytes)) = &self.encoded
            && *version == current
            && bytes.len() <= page_bytes
        {
            return Some((bytes.clone(), Arc::from([])));
        }
        let pages = match &self.pages {
            Some((version, pages)) if *version == current => Arc::clone(pages),
            _ => {
                counters.snapshot();
                let pages = write_snapshot_pages(snapshot, page_bytes);
                let pages: Arc<[Bytes]> = pages.into_iter().map(Bytes::from).collect();
                match &*pages {
                    [whole] => self.encoded = Some((current, whole.clone())),
                    _ => self.pages = Some((current, Arc::clone(&pages))),
                }
                pages
            }
        };
        let (first, rest) = pages.split_first()?;
        Some((first.clone(), rest.into()))
    }
}

fn encode_members(columns: &[Column], deltas: &[Arc<Delta>], state: Option<&ViewState>) -> Bytes {
    let mut out = Vec::with_capacity(256);
    match deltas {
        [] => {}
        [one] => write_delta(&mut out, columns, one),
        many => write_delta(&mut out, columns, &Delta::merge(many.iter().map(AsRef::as_ref))),
    }
    if let Some(state) = state {
        if !out.is_empty() {
            out.push(b',');
        }
        write_state(&mut out, state);
    }
    out.into()
}

/// The indexes of the entries with `from < step <= to`.
fn range_of(entries: &VecDeque<Entry>, from: u64, to: u64) -> std::ops::Range<usize> {
    let start = entries.partition_point(|entry| entry.mark.step <= from);
    let end = entries.partition_point(|entry| entry.mark.step <= to);
    start..end.max(start)
}

fn update_bytes(update: &Update) -> usize {
    let row = |row: &[pulseboard_model::Cell]| row.iter().map(pulseboard_model::Cell::size_bytes).sum::<usize>();
    let rows = match update {
        Update::Delta(delta) => {
            let set = delta.set.iter().map(|change| change.key.as_str().len() + 64 + row(&change.row)).sum::<usize>();
            let del = delta.del.iter().map(|key| key.as_str().len() + 32).sum::<usize>();
            set + del + delta.order.as_ref().map_or(0, |order| order.len() * 16)
        }
        Update::Replace(snapshot, _) => snapshot.rows.len() * 128,
        Update::Replaced(_) | Update::State => 0,
    };
    size_of::<Entry>() + rows
}

fn hash_columns(columns: &[Column]) -> u32 {
    let text: String =
        columns.iter().map(|column| format!("{}\u{0}{}\u{0}", column.name, column.column_type)).collect();
    // Cut to the cursor's width; equality is all that counts.
    #[expect(clippy::cast_possible_truncation, reason = "a hash")]
    let hash = xxh3_64(text.as_bytes()) as u32;
    hash
}
