//! What can still enter or leave: partial states grouped by the instants at which their rows cross the window's bounds.
//!
//! A pane holds the partial states of all rows with the same stay. When the clock reaches a pane's leave instant it is
//! dropped whole, and the groups in it are merged again from the panes that remain. Complete runs of 64 panes keep
//! their merged states per group, so that a long window is not read pane by pane each second.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{concat, filter};
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use hashbrown::{HashMap, HashSet};
use pulseboard_model::TimeUs;
use pulseboard_model::time::SECOND_US;

use super::partial::Partial;
use super::shape::AggregateCall;
use super::totals::GroupId;
use super::window::{ALWAYS_US, NEVER_US, Stay};

/// A pane with more parts than this is merged into one part.
const PARTS_MAX: usize = 32;
/// Seconds of leave instants that share a merged block.
const BLOCK_SECONDS: i64 = 64;

/// Partial states: row `i` belongs to `groups[i]`.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) groups: Vec<GroupId>,
    pub(crate) states: Vec<Vec<ArrayRef>>,
}

impl Part {
    fn size_bytes(&self) -> usize {
        let states: usize = self.states.iter().flatten().map(|array| array.get_array_memory_size()).sum();
        self.groups.len() * size_of::<GroupId>() + states
    }
}

#[derive(Debug, Default)]
struct Pane {
    parts: Vec<Part>,
}

/// What the clock did to the panes.
#[derive(Debug, Default)]
pub(crate) struct Crossed {
    /// Parts that are inside from now on.
    pub(crate) entered: Vec<Part>,
    /// Parts that have left, or never entered because the clock jumped over their stay.
    pub(crate) left: Vec<Part>,
}

/// All panes of one instance.
#[derive(Debug)]
pub(crate) struct Panes {
    /// Inside now, by leave instant.
    inside: BTreeMap<i64, Pane>,
    /// Not yet inside, by stay.
    waiting: HashMap<Stay, Pane>,
    /// Merged states of all inside panes whose leave instants fall into one block; made when first needed.
    blocks: HashMap<i64, Part>,
    merger: Partial,
}

impl Panes {
    pub(crate) fn new(calls: &[AggregateCall]) -> Result<Self> {
        let key = Field::new("group", DataType::UInt32, false);
        Ok(Self {
            inside: BTreeMap::new(),
            waiting: HashMap::new(),
            blocks: HashMap::new(),
            merger: Partial::new(&[key], calls)?,
        })
    }

    /// Adds partial states of rows with the same stay.
    pub(crate) fn push(&mut self, stay: Stay, part: Part) -> Result<()> {
        let pane = if stay.enter_us == ALWAYS_US {
            self.blocks.remove(&block_of(stay.leave_us));
            self.inside.entry(stay.leave_us).or_default()
        } else {
            self.waiting.entry(stay).or_default()
        };
        pane.parts.push(part);
        if pane.parts.len() > PARTS_MAX {
            let merged = merge(&mut self.merger, &pane.parts)?;
            pane.parts = vec![merged];
        }
        Ok(())
    }

    /// Moves the clock on.
    pub(crate) fn advance(&mut self, now: TimeUs) -> Crossed {
        let mut crossed = Crossed::default();
        while let Some(entry) = self.inside.first_entry() {
            if *entry.key() > now.0 {
                break;
            }
            self.blocks.remove(&block_of(*entry.key()));
            crossed.left.extend(entry.remove().parts);
        }
        // Ordered, so that a replay merges in the same order.
        let mut entering: Vec<Stay> = self.waiting.keys().filter(|stay| stay.enter_us <= now.0).copied().collect();
        entering.sort_unstable();
        for stay in entering {
            let Some(pane) = self.waiting.remove(&stay) else { continue };
            if stay.leave_us <= now.0 {
                crossed.left.extend(pane.parts);
                continue;
            }
            crossed.entered.extend(pane.parts.iter().cloned());
            self.blocks.remove(&block_of(stay.leave_us));
            self.inside.entry(stay.leave_us).or_default().parts.extend(pane.parts);
        }
        crossed
    }

    /// The partial states of `groups` over everything inside, for merging them anew.
    pub(crate) fn states_of(&mut self, groups: &HashSet<GroupId>) -> Result<Vec<Part>> {
        let mut found = Vec::new();
        let blocks: Vec<i64> = {
            let mut blocks: Vec<i64> = self.inside.keys().map(|leave| block_of(*leave)).collect();
            blocks.dedup();
            blocks
        };
        for (position, block) in blocks.iter().enumerate() {
            // The first and the newest block still change each second: merging them would be for nothing.
            let settled = position > 0 && position + 1 < blocks.len() && *block != NEVER_US;
            let range = block_range(*block);
            if settled {
                if !self.blocks.contains_key(block) {
                    let parts: Vec<Part> =
                        self.inside.range(range).flat_map(|(_, pane)| pane.parts.iter().cloned()).collect();
                    let merged = merge(&mut self.merger, &parts)?;
                    self.blocks.insert(*block, merged);
                }
                if let Some(part) = self.blocks.get(block) {
                    found.extend(select(part, groups)?);
                }
            } else {
                for pane in self.inside.range(range).map(|(_, pane)| pane) {
                    for part in &pane.parts {
                        found.extend(select(part, groups)?);
                    }
                }
            }
        }
        Ok(found)
    }

    /// The groups that have states waiting to enter.
    pub(crate) fn waiting_groups(&self) -> HashSet<GroupId> {
        self.waiting.values().flat_map(|pane| &pane.parts).flat_map(|part| part.groups.iter().copied()).collect()
    }

    /// All parts inside and waiting, with their stays, in a fixed order.
    pub(crate) fn all(&self) -> Vec<(Stay, Part)> {
        let inside =
            self.inside.iter().map(|(leave_us, pane)| (Stay { leave_us: *leave_us, enter_us: ALWAYS_US }, pane));
        let mut waiting: Vec<_> = self.waiting.iter().map(|(stay, pane)| (*stay, pane)).collect();
        waiting.sort_unstable_by_key(|(stay, _)| *stay);
        inside.chain(waiting).flat_map(|(stay, pane)| pane.parts.iter().map(move |part| (stay, part.clone()))).collect()
    }

    /// Roughly how many bytes it holds.
    pub(crate) fn size_bytes(&self) -> usize {
        let panes = self.inside.values().chain(self.waiting.values());
        panes.flat_map(|pane| &pane.parts).chain(self.blocks.values()).map(Part::size_bytes).sum()
    }
}

fn block_of(leave_us: i64) -> i64 {
    if leave_us == NEVER_US { NEVER_US } else { leave_us.div_euclid(BLOCK_SECONDS * SECOND_US) }
}

fn block_range(block: i64) -> std::ops::RangeInclusive<i64> {
    if block == NEVER_US {
        return NEVER_US..=NEVER_US;
    }
    let width = BLOCK_SECONDS * SECOND_US;
    block * width..=(block + 1) * width - 1
}

/// The rows of `part` that belong to `groups`.
fn select(part: &Part, groups: &HashSet<GroupId>) -> Result<Option<Part>> {
    let mask: arrow::array::BooleanArray = part.groups.iter().map(|group| Some(groups.contains(group))).collect();
    match mask.true_count() {
        0 => Ok(None),
        all if all == part.groups.len() => Ok(Some(part.clone())),
        _ => {
            let pick =
                |state: &Vec<ArrayRef>| state.iter().map(|array| Ok(filter(array, &mask)?)).collect::<Result<_>>();
            let states = part.states.iter().map(pick).collect::<Result<_>>()?;
            let groups = part.groups.iter().filter(|group| groups.contains(*group)).copied().collect();
            Ok(Some(Part { groups, states }))
        }
    }
}

/// One part with each group once.
fn merge(merger: &mut Partial, parts: &[Part]) -> Result<Part> {
    let joined = join(parts)?;
    let rows = joined.groups.len();
    let keys: ArrayRef = std::sync::Arc::new(UInt32Array::from(joined.groups));
    let merged = merger.merge(&[keys], &joined.states, rows)?;
    let groups = datafusion::common::cast::as_uint32_array(&merged.keys[0])?.values().to_vec();
    Ok(Part { groups, states: merged.states })
}

/// One part with the rows of all.
pub(crate) fn join(parts: &[Part]) -> Result<Part> {
    let [first, rest @ ..] = parts else { return Ok(Part { groups: Vec::new(), states: Vec::new() }) };
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
    Ok(Part { groups, states })
}
