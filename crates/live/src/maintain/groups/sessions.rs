//! Sessions kept as they grow, join and lose their first rows (ADR 0022).
//!
//! A session is held in fragments: groups like any other, whose key has the time of the row that opened it in the place
//! of the session. A row goes to a fragment that it follows closely, else it opens one. Fragments never split and never join:
//! which of them are one session is seen from their first and last times when the step ends. So a late row that joins two
//! sessions moves no state, and what a window drops leaves with its pane as it does elsewhere.
//! Holds which fragments there are and what was told of them; their states are the groups'.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow::compute::concat;
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{Result, internal_err};
use hashbrown::{HashMap, HashSet};
use pulseboard_model::{Cell, RowKey};

use super::{ChangedGroups, Groups, aggregate_of};
use crate::cells::cells;
use crate::maintain::shape::{AggregateShape, SessionKey};
use crate::maintain::totals::{GroupId, Total};
use crate::maintain::units::{Unit, Units};
use crate::row_key::key_text;

/// The fragments of a session, and its first time.
type Cluster = (i64, Vec<GroupId>);

/// A part of a session.
#[derive(Debug)]
struct Fragment {
    /// None until its group is known, for good if there was no room for it.
    id: Option<GroupId>,
    first_us: i64,
    last_us: i64,
}

/// The sessions that share their other keys.
#[derive(Debug, Default)]
struct Partition {
    /// By the time of the row that opened it.
    fragments: BTreeMap<i64, Fragment>,
    /// What was told, by first time.
    told: BTreeMap<i64, Vec<GroupId>>,
    /// The key of a session in it, but for its time.
    key: Vec<Cell>,
}

/// The sessions of one instance.
#[derive(Debug)]
pub(super) struct Sessions {
    session: SessionKey,
    /// None if the session is the only key.
    others: Option<RowConverter>,
    partitions: HashMap<Arc<[u8]>, Partition>,
}

/// What of the groups is looked at.
struct Held<'a> {
    aggregate: &'a AggregateShape,
    units: &'a Units,
    /// The keys of fragments.
    converter: &'a RowConverter,
    /// The bytes of a group's key.
    bytes: &'a dyn Fn(GroupId) -> Arc<[u8]>,
    totals: &'a mut [Box<dyn Total>],
}

impl Groups {
    /// Puts the keys of fragments in the place of the times of rows.
    pub(super) fn assign_sessions(&mut self, keys: &mut [ArrayRef]) -> Result<()> {
        let room = !self.truncated && self.ids.len() < self.groups_max && !self.meter.is_full();
        let unseen = if std::mem::take(&mut self.unseen) { self.fragments(&self.dirty) } else { Vec::new() };
        let (Some(sessions), Some(converter)) = (&mut self.sessions, &self.converter) else { return Ok(()) };
        let (aggregate, units, groups) = (aggregate_of(&self.shape), &self.units, &self.groups);
        let bytes = |id: GroupId| groups[id as usize].bytes.clone();
        sessions.read(&unseen, &mut Held { aggregate, units, converter, bytes: &bytes, totals: &mut self.totals })?;
        sessions.assign(keys, room)
    }

    /// These groups, and whether they are live.
    fn fragments(&self, ids: &[GroupId]) -> Vec<(GroupId, bool)> {
        ids.iter().map(|id| (*id, self.groups[*id as usize].live)).collect()
    }

    /// As `take_changes`, for sessions.
    pub(super) fn take_sessions(&mut self, dirty: &[GroupId]) -> Result<ChangedGroups> {
        dirty.iter().for_each(|id| self.groups[*id as usize].dirty = false);
        self.unseen = false;
        let changed = self.fragments(dirty);
        let (Some(sessions), Some(converter)) = (&mut self.sessions, &self.converter) else {
            return internal_err!("there are no sessions");
        };
        let (aggregate, units, groups) = (aggregate_of(&self.shape), &self.units, &self.groups);
        let bytes = |id: GroupId| groups[id as usize].bytes.clone();
        let held = Held { aggregate, units, converter, bytes: &bytes, totals: &mut self.totals };
        let told = sessions.changes(&changed, held)?;
        self.free_resting()?;
        Ok(told)
    }

    /// As `live_rows`, for sessions.
    pub(super) fn session_rows(&mut self) -> Result<RecordBatch> {
        let (Some(sessions), Some(converter)) = (&self.sessions, &self.converter) else {
            return internal_err!("there are no sessions");
        };
        let (aggregate, units, groups) = (aggregate_of(&self.shape), &self.units, &self.groups);
        let bytes = |id: GroupId| groups[id as usize].bytes.clone();
        sessions.all(Held { aggregate, units, converter, bytes: &bytes, totals: &mut self.totals })
    }
}

impl Sessions {
    pub(super) fn new(aggregate: &AggregateShape, session: SessionKey) -> Result<Self> {
        let others = aggregate.key_fields.iter().enumerate().filter(|(index, _)| *index != session.key);
        let fields: Vec<_> = others.map(|(_, field)| SortField::new(field.data_type().clone())).collect();
        let others = if fields.is_empty() { None } else { Some(RowConverter::new(fields)?) };
        Ok(Self { session, others, partitions: HashMap::new() })
    }

    /// Roughly how many bytes it holds.
    pub(super) fn size_bytes(&self) -> usize {
        let each = size_of::<(i64, Fragment)>() + size_of::<(i64, Vec<GroupId>)>() + size_of::<GroupId>();
        let of = |(bytes, partition): (&Arc<[u8]>, &Partition)| {
            bytes.len() + size_of::<Partition>() + partition.fragments.len() * each
        };
        self.partitions.iter().map(of).sum()
    }

    /// Puts, for the time of each row, the key of the fragment that it belongs to. With no room, none is opened.
    fn assign(&mut self, keys: &mut [ArrayRef], room: bool) -> Result<()> {
        let rows = self.other_keys(keys)?;
        let column = &mut keys[self.session.key];
        let times = column.as_primitive::<TimestampMicrosecondType>();
        let mut opened = Vec::with_capacity(times.len());
        for (row, time) in times.values().iter().enumerate() {
            let bytes = rows.as_ref().map_or(&[][..], |rows| rows.row(row).data());
            // Most rows are of a partition that is there: its name is copied for a new one only.
            let partition = match self.partitions.get_mut(bytes) {
                Some(known) => known,
                None => self.partitions.entry(Arc::from(bytes)).or_default(),
            };
            opened.push(place(&mut partition.fragments, *time, self.session.gap_us, room));
        }
        let opened: PrimitiveArray<TimestampMicrosecondType> = opened.into();
        *column = Arc::new(opened.with_data_type(column.data_type().clone()));
        Ok(())
    }

    /// What tells apart the rows of `keys`, but for their sessions.
    fn partitions_of(&self, keys: &[ArrayRef]) -> Result<Vec<Arc<[u8]>>> {
        let count = keys.first().map_or(0, |column| column.len());
        let Some(rows) = self.other_keys(keys)? else { return Ok(vec![Arc::from([]); count]) };
        Ok(rows.iter().map(|row| Arc::from(row.as_ref())).collect())
    }

    /// The keys but for the session as bytes; none if there are no others.
    fn other_keys(&self, keys: &[ArrayRef]) -> Result<Option<Rows>> {
        let Some(converter) = &self.others else { return Ok(None) };
        let others = keys.iter().enumerate().filter(|(index, _)| *index != self.session.key);
        let others: Vec<ArrayRef> = others.map(|(_, column)| column.clone()).collect();
        Ok(Some(converter.convert_columns(&others)?))
    }

    /// Reads how far these fragments reach, and whether they are still there. Gives the partitions they are in.
    fn read(&mut self, changed: &[(GroupId, bool)], held: &mut Held<'_>) -> Result<HashSet<Arc<[u8]>>> {
        if changed.is_empty() {
            return Ok(HashSet::new());
        }
        let ids: Vec<GroupId> = changed.iter().map(|(id, _)| *id).collect();
        let keys = keys_of(&ids, held)?;
        let partitions = self.partitions_of(&keys)?;
        let opened = keys[self.session.key].as_primitive::<TimestampMicrosecondType>().clone();
        let [.., first, last] = &mut *held.totals else { return internal_err!("sessions without their times") };
        let (first, last) = (first.evaluate(&ids)?, last.evaluate(&ids)?);
        let times = |columns: &[ArrayRef]| columns[0].as_primitive::<TimestampMicrosecondType>().clone();
        let (first, last) = (times(&first), times(&last));
        let mut columns: Option<Vec<Vec<Cell>>> = None;
        for (row, ((id, live), bytes)) in changed.iter().zip(&partitions).enumerate() {
            let partition = self.partitions.entry(bytes.clone()).or_default();
            if partition.key.is_empty() {
                let columns = columns.get_or_insert_with(|| keys.iter().map(cells).collect());
                partition.key = columns.iter().map(|column| column[row].clone()).collect();
            }
            if *live {
                let fragment = Fragment { id: Some(*id), first_us: first.value(row), last_us: last.value(row) };
                partition.fragments.insert(opened.value(row), fragment);
            } else {
                partition.fragments.remove(&opened.value(row));
            }
        }
        Ok(partitions.into_iter().collect())
    }

    /// The sessions that are not as they were told, given what `changed` since.
    fn changes(&mut self, changed: &[(GroupId, bool)], mut held: Held<'_>) -> Result<ChangedGroups> {
        let touched = self.read(changed, &mut held)?;
        let dirty: HashSet<GroupId> = changed.iter().map(|(id, _)| *id).collect();
        let (mut gone, mut keys, mut clusters) = (Vec::new(), Vec::new(), Vec::new());
        for bytes in touched {
            let Some(partition) = self.partitions.get_mut(&bytes) else { continue };
            let now = partition.sessions(self.session.gap_us);
            let key = |first_us: i64| key_at(&partition.key, self.session.key, first_us);
            let starts: HashSet<i64> = now.iter().map(|(first, _)| *first).collect();
            gone.extend(partition.told.keys().filter(|first| !starts.contains(*first)).map(|first| key(*first)));
            for (first, members) in &now {
                let same = partition.told.get(first) == Some(members);
                if !same || members.iter().any(|id| dirty.contains(id)) {
                    keys.push(key(*first));
                    clusters.push((*first, members.clone()));
                }
            }
            partition.told = now.into_iter().collect();
            if partition.fragments.is_empty() {
                self.partitions.remove(&bytes);
            }
        }
        let rows = self.rows(&clusters, &mut held)?;
        // The rows have an order of their own: those of one fragment first.
        let (single, several): (Vec<_>, Vec<_>) =
            keys.into_iter().zip(&clusters).partition(|(_, (_, of))| of.len() == 1);
        let keys = single.into_iter().chain(several).map(|(key, _)| key).collect();
        Ok(ChangedGroups { gone, keys, rows })
    }

    /// All sessions as told.
    fn all(&self, mut held: Held<'_>) -> Result<RecordBatch> {
        let told = self.partitions.values().flat_map(|partition| &partition.told);
        let clusters: Vec<Cluster> = told.map(|(first, members)| (*first, members.clone())).collect();
        self.rows(&clusters, &mut held)
    }

    /// The rows of sessions: those of one fragment, then those of several, each in the order in which they come.
    fn rows(&self, clusters: &[Cluster], held: &mut Held<'_>) -> Result<RecordBatch> {
        let (single, several): (Vec<&Cluster>, Vec<&Cluster>) = clusters.iter().partition(|(_, of)| of.len() == 1);
        let firsts: Vec<GroupId> = single.iter().chain(&several).map(|(_, members)| members[0]).collect();
        let mut columns = keys_of(&firsts, held)?;
        let starts: PrimitiveArray<TimestampMicrosecondType> =
            single.iter().chain(&several).map(|(first, _)| *first).collect::<Vec<i64>>().into();
        let column = &mut columns[self.session.key];
        *column = Arc::new(starts.with_data_type(column.data_type().clone()));

        let ids: Vec<GroupId> = single.iter().map(|(_, members)| members[0]).collect();
        let shown = held.units.kept.len() - SessionKey::TIMES;
        let mut given = Vec::with_capacity(shown);
        for (unit, held) in held.units.kept.iter().zip(held.totals.iter_mut()).take(shown) {
            let mut results = held.evaluate(&ids)?;
            if !several.is_empty() {
                for (alone, joined) in results.iter_mut().zip(joined(unit, held.as_mut(), &several)?) {
                    *alone = concat(&[alone.as_ref(), joined.as_ref()])?;
                }
            }
            given.push(results);
        }
        let calls = held.aggregate.calls.len() - SessionKey::TIMES;
        let results = held.units.results(calls, &columns, &given);
        columns.extend(results);
        batch(&held.aggregate.schema, columns, clusters.len())
    }
}

impl Partition {
    /// Which fragments are one session, by first time.
    fn sessions(&self, gap_us: i64) -> Vec<Cluster> {
        let mut fragments: Vec<(i64, i64, GroupId)> = self
            .fragments
            .values()
            .filter_map(|fragment| Some((fragment.first_us, fragment.last_us, fragment.id?)))
            .collect();
        fragments.sort_unstable();
        let mut sessions: Vec<Cluster> = Vec::new();
        let mut reach = i64::MIN;
        for (first, last, id) in fragments {
            match sessions.last_mut() {
                Some((_, members)) if first.saturating_sub(reach) <= gap_us => members.push(id),
                _ => {
                    sessions.push((first, vec![id]));
                    reach = last;
                }
            }
            reach = reach.max(last);
        }
        sessions
    }
}

/// Finds the fragment for a row at `time_us`, or opens one. Gives the time by which it is known.
fn place(fragments: &mut BTreeMap<i64, Fragment>, time_us: i64, gap_us: i64, room: bool) -> i64 {
    let reaches = |fragment: &Fragment| {
        time_us >= fragment.first_us.saturating_sub(gap_us) && time_us <= fragment.last_us.saturating_add(gap_us)
    };
    let before = fragments.range(..=time_us).next_back().filter(|(_, fragment)| reaches(fragment));
    let near = before.or_else(|| fragments.range(time_us..).next().filter(|(_, fragment)| reaches(fragment)));
    let Some(opened) = near.map(|(opened, _)| *opened) else {
        if room {
            fragments.insert(time_us, Fragment { id: None, first_us: time_us, last_us: time_us });
        }
        return time_us;
    };
    if let Some(fragment) = fragments.get_mut(&opened) {
        fragment.first_us = fragment.first_us.min(time_us);
        fragment.last_us = fragment.last_us.max(time_us);
    }
    opened
}

/// The results of one unit over sessions of several fragments.
fn joined(unit: &Unit, of_fragments: &mut dyn Total, sessions: &[&Cluster]) -> Result<Vec<ArrayRef>> {
    let mut joined = unit.total()?;
    joined.resize(sessions.len())?;
    let (mut members, mut numbers, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (_, of)) in (0..).zip(sessions) {
        members.extend(of);
        numbers.extend(std::iter::repeat_n(number, of.len()));
        all.push(number);
    }
    let states = of_fragments.state(&members)?;
    joined.merge(&states, &numbers)?;
    joined.evaluate(&all)
}

fn keys_of(ids: &[GroupId], held: &Held<'_>) -> Result<Vec<ArrayRef>> {
    let bytes: Vec<Arc<[u8]>> = ids.iter().map(|id| (held.bytes)(*id)).collect();
    let parser = held.converter.parser();
    Ok(held.converter.convert_rows(bytes.iter().map(|bytes| parser.parse(bytes)))?)
}

fn key_at(key: &[Cell], session: usize, first_us: i64) -> RowKey {
    let mut key = key.to_vec();
    key[session] = Cell::Time(first_us);
    RowKey::new(key_text(key.iter()))
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}
