//! What can still enter or leave: partial states grouped by the instants at which their rows cross the window's bounds.
//!
//! A pane holds the partial states of all rows with the same stay. When the clock reaches a pane's leave instant it is
//! dropped whole, and the groups in it are merged again from the panes that remain. So that a long window is not read
//! pane by pane each second, runs of panes keep their merged states per group as blocks, on three levels: between the
//! first and the last pane, which still change, a window of 30 days is some 200 blocks.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{concat, filter, take};
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use hashbrown::HashMap;
use pulseboard_model::TimeUs;
use pulseboard_model::time::SECOND_US;

use super::partial::Partial;
use super::totals::GroupId;
use super::units::Units;
use super::watch::Spans;
use super::window::{ALWAYS_US, NEVER_US, Stay, Window};

/// A pane or block with more parts than this is merged into one part.
const PARTS_MAX: usize = 32;
/// The widths of merged blocks by level, in leave instants: about a minute, an hour, three days.
const LEVELS_US: [i64; 3] = [64 * SECOND_US, 64 * 64 * SECOND_US, 64 * 64 * 64 * SECOND_US];

/// Partial states: row `i` belongs to `groups[i]`.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) groups: Vec<GroupId>,
    pub(crate) states: Vec<Vec<ArrayRef>>,
    /// Whether `groups` ascend, so that one of them is found without reading all.
    sorted: bool,
}

impl Part {
    pub(crate) fn new(groups: Vec<GroupId>, states: Vec<Vec<ArrayRef>>) -> Self {
        Self { groups, states, sorted: false }
    }

    fn size_bytes(&self) -> usize {
        let states: usize = self.states.iter().flatten().map(|array| array.get_array_memory_size()).sum();
        self.groups.len() * size_of::<GroupId>() + states
    }
}

#[derive(Debug, Default)]
struct Pane {
    parts: Vec<Part>,
    spans: Spans,
}

/// A part with the stay and the times of its rows.
pub(crate) type PlacedPart = (Stay, Spans, Part);

/// What the clock did to the panes.
#[derive(Debug, Default)]
pub(crate) struct Crossed {
    /// Parts that are inside from now on.
    pub(crate) entered: Vec<Part>,
    /// Parts that have left, or never entered because the clock jumped over their stay.
    pub(crate) left: Vec<Part>,
}

/// Groups to look up: ascending, and which of all they are.
struct Wanted<'a> {
    ascending: &'a [GroupId],
    set: Vec<bool>,
}

impl<'a> Wanted<'a> {
    fn new(ascending: &'a [GroupId]) -> Self {
        let mut set = vec![false; ascending.last().map_or(0, |last| *last as usize + 1)];
        ascending.iter().for_each(|group| set[*group as usize] = true);
        Self { ascending, set }
    }

    fn has(&self, group: GroupId) -> bool {
        self.set.get(group as usize).copied().unwrap_or(false)
    }
}

/// All panes of one instance.
#[derive(Debug)]
pub(crate) struct Panes {
    /// Inside now, by leave instant and the bound that makes them leave.
    inside: BTreeMap<(i64, u16), Pane>,
    /// Not yet inside, by when they enter and their stay: a comparison with last week has a week of them.
    waiting: BTreeMap<(i64, Stay), Pane>,
    /// How many states of each group are waiting.
    waiting_states: HashMap<GroupId, u32>,
    /// How many states of each group are inside, by group: whoever has none left needs not be looked for.
    inside_states: Vec<u32>,
    /// Per level, the merged states of all inside panes whose leave instants fall into one block, and what came since.
    /// Made when first needed; a block replaces those below it.
    blocks: [HashMap<i64, Vec<Part>>; LEVELS_US.len()],
    merger: Partial,
}

impl Panes {
    pub(crate) fn new(units: &Units) -> Result<Self> {
        let key = Field::new("group", DataType::UInt32, false);
        Ok(Self {
            inside: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_states: HashMap::new(),
            inside_states: Vec::new(),
            blocks: Default::default(),
            merger: Partial::new(&[key], units)?,
        })
    }

    /// Adds partial states of rows with the same stay.
    pub(crate) fn push(&mut self, stay: Stay, spans: &Spans, part: Part, window: &mut Window) -> Result<()> {
        if stay.is_inside() {
            self.append_to_blocks(stay.leave_us, &part)?;
            count_inside(&mut self.inside_states, &part);
        } else {
            count_waiting(&mut self.waiting_states, &part);
        }
        let pane = if stay.is_inside() {
            self.inside.entry((stay.leave_us, stay.leaves_by)).or_default()
        } else {
            self.waiting.entry((stay.enter_us, stay)).or_default()
        };
        let joined = pane.spans.joined(spans);
        if joined != pane.spans {
            window.release(stay, &pane.spans);
            window.hold(stay, &joined);
            pane.spans = joined;
        }
        pane.parts.push(part);
        if pane.parts.len() > PARTS_MAX {
            let merged = merge(&mut self.merger, &pane.parts)?;
            if stay.is_inside() {
                pane.parts.iter().for_each(|part| uncount_inside(&mut self.inside_states, part));
                count_inside(&mut self.inside_states, &merged);
            } else {
                pane.parts.iter().for_each(|part| uncount_waiting(&mut self.waiting_states, part));
                count_waiting(&mut self.waiting_states, &merged);
            }
            pane.parts = vec![merged];
        }
        Ok(())
    }

    /// Moves everything to where the clock, which `window` has moved to, puts it.
    pub(crate) fn advance(&mut self, now: TimeUs, window: &mut Window) -> Result<Crossed> {
        let mut crossed = Crossed::default();
        while let Some(entry) = self.inside.first_entry() {
            let (leave_us, leaves_by) = *entry.key();
            if leave_us > now.0 {
                break;
            }
            let pane = entry.remove();
            for (blocks, width) in self.blocks.iter_mut().zip(LEVELS_US) {
                blocks.remove(&leave_us.div_euclid(width));
            }
            window.let_go(Stay { leave_us, enter_us: ALWAYS_US, leaves_by, waits_for: 0 }, &pane.spans);
            pane.parts.iter().for_each(|part| uncount_inside(&mut self.inside_states, part));
            crossed.left.extend(pane.parts);
        }
        // In one order, so that a replay merges alike.
        while let Some(entry) = self.waiting.first_entry() {
            let (enter_us, stay) = *entry.key();
            if enter_us > now.0 {
                break;
            }
            let pane = entry.remove();
            pane.parts.iter().for_each(|part| uncount_waiting(&mut self.waiting_states, part));
            if stay.leave_us <= now.0 {
                window.let_go(stay, &pane.spans);
                crossed.left.extend(pane.parts);
                continue;
            }
            window.release(stay, &pane.spans);
            crossed.entered.extend(pane.parts.iter().cloned());
            for part in pane.parts {
                self.push(stay.entered(), &pane.spans, part, window)?;
            }
        }
        Ok(crossed)
    }

    /// The partial states of `groups` (ascending) over everything inside, for merging them anew.
    pub(crate) fn states_of(&mut self, groups: &[GroupId]) -> Result<Vec<Part>> {
        let mut found = Vec::new();
        if groups.is_empty() {
            return Ok(found);
        }
        let wanted = Wanted::new(groups);
        let mut leaving = self.inside.range(..(NEVER_US, 0)).map(|((leave_us, _), _)| *leave_us);
        if let Some(first) = leaving.next() {
            let last = leaving.next_back().unwrap_or(first);
            self.cover(LEVELS_US.len(), (first, last), (first, last), &wanted, &mut found)?;
        }
        for pane in self.inside.range((NEVER_US, 0)..).map(|(_, pane)| pane) {
            select_all(&pane.parts, &wanted, &mut found)?;
        }
        Ok(found)
    }

    /// Collects from all panes of a range, by blocks below `level` as far as they contain neither of the `ends`: those
    /// still change each second, merging them would be for nothing.
    fn cover(
        &mut self,
        level: usize,
        (from_us, to_us): (i64, i64),
        ends: (i64, i64),
        wanted: &Wanted<'_>,
        found: &mut Vec<Part>,
    ) -> Result<()> {
        let Some(level) = level.checked_sub(1) else {
            for (_, pane) in self.inside.range((from_us, 0)..=(to_us, u16::MAX)) {
                select_all(&pane.parts, wanted, found)?;
            }
            return Ok(());
        };
        let width = LEVELS_US[level];
        let mut cursor = from_us;
        while let Some(leave_us) = self.next_leave(cursor, to_us) {
            let number = leave_us.div_euclid(width);
            let (start, end) = (number * width, number * width + width - 1);
            if start <= ends.0 || end >= ends.1 {
                self.cover(level, (start.max(from_us), end.min(to_us)), ends, wanted, found)?;
            } else {
                if !self.blocks[level].contains_key(&number) {
                    let block = self.build(level, number)?;
                    self.blocks[level].insert(number, block);
                }
                if let Some(parts) = self.blocks[level].get(&number) {
                    select_all(parts, wanted, found)?;
                }
            }
            cursor = end + 1;
        }
        Ok(())
    }

    fn next_leave(&self, from_us: i64, to_us: i64) -> Option<i64> {
        let mut range = self.inside.range((from_us, 0)..).map(|((leave_us, _), _)| *leave_us);
        range.next().filter(|leave_us| *leave_us <= to_us)
    }

    /// The merged states of a block, taken from the blocks below it where they are there.
    fn build(&mut self, level: usize, number: i64) -> Result<Vec<Part>> {
        if let Some(known) = self.blocks[level].remove(&number) {
            return Ok(known);
        }
        let width = LEVELS_US[level];
        let (start, end) = (number * width, number * width + width - 1);
        let mut parts = Vec::new();
        match level.checked_sub(1) {
            None => {
                let panes = self.inside.range((start, 0)..=(end, u16::MAX));
                parts.extend(panes.flat_map(|(_, pane)| pane.parts.iter().cloned()));
            }
            Some(below) => {
                let mut cursor = start;
                while let Some(leave_us) = self.next_leave(cursor, end) {
                    let child = leave_us.div_euclid(LEVELS_US[below]);
                    parts.extend(self.build(below, child)?);
                    cursor = (child + 1) * LEVELS_US[below];
                }
            }
        }
        Ok(vec![sorted(merge(&mut self.merger, &parts)?)?])
    }

    /// What comes late belongs to the blocks that were made without it.
    fn append_to_blocks(&mut self, leave_us: i64, part: &Part) -> Result<()> {
        if leave_us == NEVER_US {
            return Ok(());
        }
        for (blocks, width) in self.blocks.iter_mut().zip(LEVELS_US) {
            let Some(parts) = blocks.get_mut(&leave_us.div_euclid(width)) else { continue };
            parts.push(part.clone());
            if parts.len() > PARTS_MAX {
                *parts = vec![sorted(merge(&mut self.merger, parts)?)?];
            }
        }
        Ok(())
    }

    /// Whether states of this group wait to enter.
    pub(crate) fn is_waiting(&self, group: GroupId) -> bool {
        self.waiting_states.contains_key(&group)
    }

    /// Whether states of this group are inside.
    pub(crate) fn is_inside(&self, group: GroupId) -> bool {
        self.inside_states.get(group as usize).is_some_and(|states| *states > 0)
    }

    /// All parts inside and waiting, with their stays, in a fixed order.
    pub(crate) fn all(&self) -> Vec<PlacedPart> {
        let stay = |leave_us, leaves_by| Stay { leave_us, enter_us: ALWAYS_US, leaves_by, waits_for: 0 };
        let inside = self.inside.iter().map(|((leave_us, by), pane)| (stay(*leave_us, *by), pane));
        let waiting = self.waiting.iter().map(|((_, stay), pane)| (*stay, pane));
        let parts = |(stay, pane): (Stay, &Pane)| {
            pane.parts.iter().map(|part| (stay, pane.spans.clone(), part.clone())).collect::<Vec<_>>()
        };
        inside.chain(waiting).flat_map(parts).collect()
    }

    /// Roughly how many bytes it holds.
    pub(crate) fn size_bytes(&self) -> usize {
        let panes = self.inside.values().chain(self.waiting.values());
        let panes = panes.map(|pane| {
            let parts: usize = pane.parts.iter().map(Part::size_bytes).sum();
            parts + pane.spans.size_bytes() + size_of::<Pane>()
        });
        let blocks = self.blocks.iter().flat_map(HashMap::values).flatten().map(Part::size_bytes);
        panes.sum::<usize>() + blocks.sum::<usize>() + self.inside_states.capacity() * size_of::<u32>()
    }
}

fn count_inside(counts: &mut Vec<u32>, part: &Part) {
    let groups = part.groups.iter().max().map_or(0, |last| *last as usize + 1);
    counts.resize(groups.max(counts.len()), 0);
    part.groups.iter().for_each(|group| counts[*group as usize] += 1);
}

fn uncount_inside(counts: &mut [u32], part: &Part) {
    part.groups.iter().for_each(|group| counts[*group as usize] -= 1);
}

fn count_waiting(counts: &mut HashMap<GroupId, u32>, part: &Part) {
    for group in &part.groups {
        *counts.entry(*group).or_default() += 1;
    }
}

fn uncount_waiting(counts: &mut HashMap<GroupId, u32>, part: &Part) {
    for group in &part.groups {
        if let Some(count) = counts.get_mut(group) {
            *count -= 1;
            if *count == 0 {
                counts.remove(group);
            }
        }
    }
}

fn select_all(parts: &[Part], wanted: &Wanted<'_>, found: &mut Vec<Part>) -> Result<()> {
    for part in parts {
        found.extend(select(part, wanted)?);
    }
    Ok(())
}

/// The rows of `part` that belong to the wanted groups.
fn select(part: &Part, wanted: &Wanted<'_>) -> Result<Option<Part>> {
    if part.sorted && wanted.ascending.len() < part.groups.len() / 16 {
        let row = |group| part.groups.binary_search(group).ok().and_then(|row| u32::try_from(row).ok());
        let rows: UInt32Array = wanted.ascending.iter().filter_map(row).collect();
        return Ok(if rows.is_empty() { None } else { Some(pick(part, &rows)?) });
    }
    let mask: arrow::array::BooleanArray =
        part.groups.iter().map(|group| wanted.has(*group)).collect::<Vec<bool>>().into();
    match mask.true_count() {
        0 => Ok(None),
        all if all == part.groups.len() => Ok(Some(part.clone())),
        _ => {
            let keep =
                |state: &Vec<ArrayRef>| state.iter().map(|array| Ok(filter(array, &mask)?)).collect::<Result<_>>();
            let states = part.states.iter().map(keep).collect::<Result<_>>()?;
            let groups = part.groups.iter().filter(|group| wanted.has(**group)).copied().collect();
            Ok(Some(Part { groups, states, sorted: part.sorted }))
        }
    }
}

/// These rows of `part`.
fn pick(part: &Part, rows: &UInt32Array) -> Result<Part> {
    let states = part.states.iter().map(|s| s.iter().map(|array| Ok(take(array, rows, None)?)).collect::<Result<_>>());
    let groups = rows.values().iter().map(|row| part.groups[*row as usize]).collect();
    Ok(Part { groups, states: states.collect::<Result<_>>()?, sorted: part.sorted })
}

/// The same rows with ascending groups.
fn sorted(part: Part) -> Result<Part> {
    if part.groups.is_sorted() {
        return Ok(Part { sorted: true, ..part });
    }
    let mut rows: Vec<u32> = (0..u32::try_from(part.groups.len()).unwrap_or(u32::MAX)).collect();
    rows.sort_unstable_by_key(|row| part.groups[*row as usize]);
    Ok(Part { sorted: true, ..pick(&part, &UInt32Array::from(rows))? })
}

/// One part with each group once.
fn merge(merger: &mut Partial, parts: &[Part]) -> Result<Part> {
    let joined = join(parts)?;
    let rows = joined.groups.len();
    let keys: ArrayRef = std::sync::Arc::new(UInt32Array::from(joined.groups));
    let merged = merger.merge(&[keys], &joined.states, rows)?;
    let groups = datafusion::common::cast::as_uint32_array(&merged.keys[0])?.values().to_vec();
    Ok(Part::new(groups, merged.states))
}

/// One part with the rows of all.
fn join(parts: &[Part]) -> Result<Part> {
    let [first, rest @ ..] = parts else { return Ok(Part::new(Vec::new(), Vec::new())) };
    if rest.is_empty() {
        return Ok(first.clone());
    }
    let groups = parts.iter().flat_map(|part| part.groups.iter().copied()).collect();
    let mut states = Vec::with_capacity(first.states.len());
    for (aggregate, columns) in first.states.iter().enumerate() {
        let mut joined = Vec::with_capacity(columns.len());
        for column in 0..columns.len() {
            let arrays: Vec<&dyn arrow::array::Array> =
                parts.iter().map(|part| part.states[aggregate][column].as_ref()).collect();
            joined.push(concat(&arrays)?);
        }
        states.push(joined);
    }
    Ok(Part::new(groups, states))
}
