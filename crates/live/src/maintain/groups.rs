//! The state of a query with an aggregate: its groups, their totals, and what of them can still leave.
//!
//! A batch is aggregated (`partial`), its keys become dense group ids, its partial states are merged into the long-lived
//! totals and, with a window, filed in panes. Only groups that changed are evaluated again.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::row::{RowConverter, SortField};
use datafusion::common::Result;
use hashbrown::HashMap;
use pulseboard_model::limits::ViewLimits;
use pulseboard_model::{RowKey, TimeUs};

use super::meter::Meter;
use super::panes::{Panes, Part};
use super::partial::{Partial, PartialStates};
use super::shape::{AggregateShape, Shape};
use super::totals::{GroupId, Total};
use super::units::{Unit, Units};
use super::watch::Spans;
use super::window::{MovedBack, Stay, Window};

mod filing;
mod sessions;

use sessions::Sessions;

/// A key that found no place because the group limit was hit.
const NO_GROUP: GroupId = GroupId::MAX;

/// What one entry of the table of ids takes.
const ID_BYTES: usize = size_of::<(Arc<[u8]>, GroupId)>() + 1;
/// What an allocation costs beside its content: the counts of an `Arc`, and what the allocator rounds up.
const ALLOCATION_BYTES: usize = 32;

#[derive(Debug)]
struct Group {
    /// The key's bytes; empty once the id is free.
    bytes: Arc<[u8]>,
    key: RowKey,
    /// Whether any of its rows is inside the window now.
    live: bool,
    dirty: bool,
}

/// A part of the state for a dump: its stay and times, its keys, and per unit its states.
pub(crate) type DumpedPart = (Stay, Spans, Vec<ArrayRef>, Vec<Vec<ArrayRef>>);

/// The state.
#[derive(Debug)]
pub(crate) struct Groups {
    shape: Arc<Shape>,
    units: Arc<Units>,
    groups_max: usize,
    meter: Meter,
    /// Of the keys and what finds them.
    keys_bytes: usize,
    converter: Option<RowConverter>,
    ids: HashMap<Arc<[u8]>, GroupId>,
    groups: Vec<Group>,
    free: Vec<GroupId>,
    /// Not live since the last step: free unless states of them are waiting.
    resting: Vec<GroupId>,
    dirty: Vec<GroupId>,
    totals: Vec<Box<dyn Total>>,
    partial: Partial,
    partial_by_pane: Partial,
    window: Window,
    panes: Option<Panes>,
    /// How the groups, which are fragments then, make sessions.
    sessions: Option<Sessions>,
    /// Whether groups came from a dump that the sessions have not seen.
    unseen: bool,
    /// The key of every group, if no reader is told of any: texts cost more than the states of a range do.
    same_key: Option<RowKey>,
    /// Set when the group limit refuses a group. From then on no new one is taken, even if there is room again: its
    /// earlier rows may be among those refused. Cleared once all that was refused would have left the window.
    truncated: bool,
}

/// A group whose row may have changed.
#[derive(Debug)]
pub(crate) struct ChangedGroups {
    /// The keys of groups that went.
    pub(crate) gone: Vec<RowKey>,
    /// The keys of groups that are there, row by row beside `rows`.
    pub(crate) keys: Vec<RowKey>,
    /// The aggregate's output for them.
    pub(crate) rows: RecordBatch,
}

impl Groups {
    pub(crate) fn new(shape: &Arc<Shape>, limits: &ViewLimits, now: TimeUs) -> Result<Self> {
        let aggregate = aggregate_of(shape);
        let converter = if aggregate.key_fields.is_empty() {
            None
        } else {
            let fields = aggregate.key_fields.iter().map(|field| SortField::new(field.data_type().clone()));
            Some(RowConverter::new(fields.collect())?)
        };
        let pane_field = Field::new("__pane", DataType::Int64, false);
        let keys_by_pane: Vec<Field> =
            std::iter::once(pane_field).chain(aggregate.key_fields.iter().cloned()).collect();
        let window = Window::new(&shape.bounds, now)?;
        let units = Units::of(aggregate)?;
        let mut groups = Self {
            groups_max: limits.groups_max,
            meter: Meter::new(limits.state_bytes_max),
            keys_bytes: 0,
            converter,
            ids: HashMap::new(),
            groups: Vec::new(),
            free: Vec::new(),
            resting: Vec::new(),
            dirty: Vec::new(),
            totals: units.kept.iter().map(Unit::total).collect::<Result<_>>()?,
            partial: Partial::new(&aggregate.key_fields, &units)?,
            partial_by_pane: Partial::new(&keys_by_pane, &units)?,
            panes: if window.is_bounded() { Some(Panes::new(&units)?) } else { None },
            window,
            sessions: aggregate.session.map(|session| Sessions::new(aggregate, session)).transpose()?,
            unseen: false,
            same_key: None,
            truncated: false,
            units: Arc::new(units),
            shape: shape.clone(),
        };
        if groups.converter.is_none() {
            // Without keys there is always exactly one group, whether events come or not.
            groups.insert(Arc::from([]), RowKey::new(""))?;
            groups.make_live(0);
        }
        Ok(groups)
    }

    /// For who asks for all rows once and is told of no changes. About so many groups will come.
    pub(crate) fn asked_once(&mut self, groups: usize) {
        if self.sessions.is_none() {
            self.same_key = Some(RowKey::new(""));
            self.ids.reserve(groups);
            self.groups.reserve(groups);
        }
    }

    /// How its calls are kept.
    pub(crate) fn units(&self) -> &Units {
        &self.units
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Whether the limit was hit and there is room again: a rebuild would show more.
    pub(crate) fn has_room_again(&self) -> bool {
        let room = self.ids.len() <= self.groups_max / 2 && self.meter.is_half_empty();
        self.truncated && self.window.is_bounded() && room
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    pub(crate) fn window_mut(&mut self) -> &mut Window {
        &mut self.window
    }

    /// About how many bytes it holds: as last measured, with the keys that came since.
    pub(crate) fn size_bytes(&self) -> usize {
        self.meter.bytes()
    }

    /// What is shown of it holds `shown_bytes`.
    pub(crate) fn holding(&mut self, shown_bytes: usize) {
        self.meter.holds_beside(shown_bytes);
    }

    /// Asks all that holds something.
    fn measure(&mut self) {
        let totals: usize = self.totals.iter().map(|total| total.size_bytes()).sum();
        let ids = (self.free.capacity() + self.resting.capacity() + self.dirty.capacity()) * size_of::<GroupId>();
        let groups = self.groups.capacity() * size_of::<Group>() + self.ids.capacity() * ID_BYTES;
        let panes = self.panes.as_ref().map_or(0, Panes::size_bytes);
        let sessions = self.sessions.as_ref().map_or(0, Sessions::size_bytes);
        self.meter.measured(self.keys_bytes + groups + totals + ids + panes + sessions);
    }

    fn make_live(&mut self, id: GroupId) {
        self.groups[id as usize].live = true;
        self.touch(id);
    }

    fn touch(&mut self, id: GroupId) {
        let group = &mut self.groups[id as usize];
        if !group.dirty {
            group.dirty = true;
            self.dirty.push(id);
        }
    }

    fn insert(&mut self, bytes: Arc<[u8]>, key: RowKey) -> Result<GroupId> {
        let key_bytes = key_bytes(&bytes, &key);
        self.keys_bytes += key_bytes;
        self.meter.grew(key_bytes + size_of::<Group>() + ID_BYTES);
        let group = Group { bytes: bytes.clone(), key, live: false, dirty: false };
        let id = match self.free.pop() {
            Some(id) => {
                self.groups[id as usize] = group;
                id
            }
            None => {
                self.groups.push(group);
                let id = GroupId::try_from(self.groups.len() - 1).unwrap_or(NO_GROUP);
                for total in &mut self.totals {
                    total.resize(self.groups.len())?;
                }
                id
            }
        };
        self.ids.insert(bytes, id);
        Ok(id)
    }

    /// Moves the clock on.
    pub(crate) fn advance(&mut self, now: TimeUs) -> Result<std::result::Result<(), MovedBack>> {
        if let Err(moved_back) = self.window.advance(now)? {
            return Ok(Err(moved_back));
        }
        let Some(panes) = &mut self.panes else { return Ok(Ok(())) };
        let crossed = panes.advance(now.floor_to_second(), &mut self.window)?;
        if self.window.outlived_refused() {
            self.truncated = false;
        }
        if let Err(moved_back) = self.window.holds() {
            return Ok(Err(moved_back));
        }
        if !crossed.left.is_empty() {
            // Groups that only gained could be merged into, but their parts are mixed with those of groups that lost.
            let parts = crossed.left.iter().chain(&crossed.entered);
            let mut touched: Vec<GroupId> = parts.flat_map(|part| part.groups.iter().copied()).collect();
            touched.sort_unstable();
            touched.dedup();
            // What was only in the panes that left has gone with them.
            let still: Vec<GroupId> = touched.iter().copied().filter(|id| panes.is_inside(*id)).collect();
            let parts = panes.states_of(&still)?;
            for id in &touched {
                self.groups[*id as usize].live = false;
                for total in &mut self.totals {
                    total.reset(*id)?;
                }
            }
            self.merge_parts(&parts)?;
            for id in touched {
                self.touch(id);
                if !self.groups[id as usize].live {
                    self.resting.push(id);
                }
            }
        } else if !crossed.entered.is_empty() {
            self.merge_parts(&crossed.entered)?;
        }
        if self.converter.is_none() {
            self.groups[0].live = true;
        }
        Ok(Ok(()))
    }

    fn merge_parts(&mut self, parts: &[Part]) -> Result<()> {
        for part in parts {
            for (total, states) in self.totals.iter_mut().zip(&part.states) {
                total.merge(states, &part.groups)?;
            }
            for id in &part.groups {
                self.make_live(*id);
            }
        }
        Ok(())
    }

    /// Marks every live group as changed: what is above reads the clock.
    pub(crate) fn touch_all(&mut self) {
        for id in 0..self.groups.len() {
            if self.groups[id].live {
                self.touch(GroupId::try_from(id).unwrap_or(NO_GROUP));
            }
        }
    }

    /// The groups that changed since the last call, with their rows.
    pub(crate) fn take_changes(&mut self) -> Result<ChangedGroups> {
        let dirty = std::mem::take(&mut self.dirty);
        if self.sessions.is_some() {
            return self.take_sessions(&dirty);
        }
        let (mut gone, mut keys, mut ids) = (Vec::new(), Vec::new(), Vec::with_capacity(dirty.len()));
        for id in dirty {
            let group = &mut self.groups[id as usize];
            group.dirty = false;
            if group.live {
                keys.push(group.key.clone());
                ids.push(id);
            } else {
                gone.push(group.key.clone());
            }
        }
        let rows = self.rows_of(&ids)?;
        self.free_resting()?;
        Ok(ChangedGroups { gone, keys, rows })
    }

    /// Ends a step without looking at what changed, and says whether anything did.
    pub(crate) fn skip_changes(&mut self) -> Result<bool> {
        let dirty = std::mem::take(&mut self.dirty);
        for id in &dirty {
            self.groups[*id as usize].dirty = false;
        }
        self.free_resting()?;
        Ok(!dirty.is_empty())
    }

    /// The aggregate's output for all groups that are there.
    pub(crate) fn live_rows(&mut self) -> Result<RecordBatch> {
        if self.sessions.is_some() {
            return self.session_rows();
        }
        let live: Vec<GroupId> = (0u32..).zip(&self.groups).filter(|(_, group)| group.live).map(|(id, _)| id).collect();
        self.rows_of(&live)
    }

    fn rows_of(&mut self, ids: &[GroupId]) -> Result<RecordBatch> {
        let aggregate = aggregate_of(&self.shape);
        let mut columns = match &self.converter {
            Some(converter) => {
                let parser = converter.parser();
                converter.convert_rows(ids.iter().map(|id| parser.parse(&self.groups[*id as usize].bytes)))?
            }
            None => Vec::new(),
        };
        let mut given = Vec::with_capacity(self.totals.len());
        for (total, unit) in self.totals.iter_mut().zip(&self.units.kept) {
            given.push(match unit {
                Unit::Single(call, ..) if call.as_state => {
                    let fields = Fields::from(call.function.state_fields()?);
                    vec![Arc::new(StructArray::try_new_with_length(fields, total.state(ids)?, None, ids.len())?)
                        as ArrayRef]
                }
                _ => total.evaluate(ids)?,
            });
        }
        let results = self.units.results(aggregate.calls.len(), &columns, &given);
        columns.extend(results);
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(ids.len()));
        Ok(RecordBatch::try_new_with_options(aggregate.schema.clone(), columns, &options)?)
    }

    /// Gives back the ids of groups that are gone and have nothing waiting.
    fn free_resting(&mut self) -> Result<()> {
        if self.resting.is_empty() || self.converter.is_none() {
            self.resting.clear();
            return Ok(());
        }
        let mut resting = std::mem::take(&mut self.resting);
        resting.sort_unstable();
        resting.dedup();
        for id in resting {
            let group = &mut self.groups[id as usize];
            if group.live || group.bytes.is_empty() {
                continue;
            }
            // It comes back here when what waits enters or is dropped.
            if self.panes.as_ref().is_some_and(|panes| panes.is_waiting(id)) {
                continue;
            }
            let bytes = std::mem::replace(&mut group.bytes, Arc::from([]));
            self.ids.remove(&bytes);
            self.keys_bytes = self.keys_bytes.saturating_sub(key_bytes(&bytes, &group.key));
            self.free.push(id);
            for total in &mut self.totals {
                total.reset(id)?;
            }
        }
        Ok(())
    }

    /// The state for a dump: with a window its panes, else the totals. Keys as columns beside each part.
    pub(crate) fn parts(&mut self) -> Result<Vec<DumpedPart>> {
        let parts = match &self.panes {
            Some(panes) => panes.all(),
            None => {
                let ids: Vec<GroupId> =
                    (0u32..).zip(&self.groups).filter(|(_, group)| group.live).map(|(id, _)| id).collect();
                let states = self.totals.iter_mut().map(|total| total.state(&ids)).collect::<Result<_>>()?;
                vec![(Stay::FOREVER, Spans::default(), Part::new(ids, states))]
            }
        };
        let mut with_keys = Vec::with_capacity(parts.len());
        for (stay, spans, part) in parts {
            let keys = match &self.converter {
                Some(converter) => {
                    let parser = converter.parser();
                    let rows = part.groups.iter().map(|id| parser.parse(&self.groups[*id as usize].bytes));
                    converter.convert_rows(rows)?
                }
                None => Vec::new(),
            };
            with_keys.push((stay, spans, keys, part.states));
        }
        Ok(with_keys)
    }

    /// Takes a dumped part in.
    pub(crate) fn restore(
        &mut self,
        stay: Stay,
        spans: &Spans,
        keys: &[ArrayRef],
        states: Vec<Vec<ArrayRef>>,
        rows: usize,
    ) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let states = PartialStates { keys: Vec::new(), states, groups: rows };
        self.unseen = true;
        self.file(stay, spans, keys, &states)
    }

    pub(crate) fn set_truncated(&mut self, truncated: bool) {
        self.truncated = truncated;
    }
}

/// What a key takes outside of the tables: its bytes and its text, each with what an allocation costs.
fn key_bytes(bytes: &[u8], key: &RowKey) -> usize {
    bytes.len() + key.as_str().len() + 2 * ALLOCATION_BYTES
}

fn aggregate_of(shape: &Shape) -> &AggregateShape {
    shape.aggregate.as_ref().expect("a group state is only made for a shape with an aggregate")
}
