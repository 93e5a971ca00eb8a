//! Aggregates one batch: distinct keys and, for each unit, its partial state per key.
//!
//! Built from DataFusion's own group values and, for a call alone, its own accumulators: every aggregate it knows works here
//! and its partial state means exactly what its `merge_batch` expects. Emitting drains them, so one set is reused for all batches.

use std::fmt;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::{Field, Schema};
use datafusion::common::Result;
use datafusion::common::cast::as_boolean_array;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::GroupsAccumulatorAdapter;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use super::shape::AggregateCall;
use super::sketches::is_kept_as_sketch;
use super::units::{Unit, Units};

/// Room for this many keys is kept between batches.
const BATCH_KEYS: usize = 1_024;

/// The partial aggregation of some rows: parallel columns, one row per distinct key.
#[derive(Debug, Clone)]
pub(crate) struct PartialStates {
    pub(crate) keys: Vec<ArrayRef>,
    /// Per unit, its state columns.
    pub(crate) states: Vec<Vec<ArrayRef>>,
    pub(crate) groups: usize,
}

/// What aggregates one unit of a batch. Between two calls it holds nothing but room.
pub(crate) trait Grouped: Send {
    /// The state of each group of some rows. `values` are all expressions of the units, row `i` belongs to group
    /// `indices[i]`.
    fn update(&mut self, values: &[ArrayRef], indices: &[usize], groups: usize) -> Result<Vec<ArrayRef>>;

    /// Merges states whose groups repeat: row `i` belongs to group `indices[i]`.
    fn merge(&mut self, states: &[ArrayRef], indices: &[usize], groups: usize) -> Result<Vec<ArrayRef>>;
}

/// The reusable machinery.
pub(crate) struct Partial {
    /// None if there is no key: all rows are one group.
    values: Option<Box<dyn GroupValues>>,
    units: Vec<Box<dyn Grouped>>,
    indices: Vec<usize>,
}

impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partial").field("units", &self.units.len()).finish_non_exhaustive()
    }
}

/// Aggregates whose grouped accumulator gives the same states as the single one. Others differ (`corr` keeps sums in
/// one and means in the other), and totals are held by single ones.
const SAME_STATES: [&str; 14] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "first_value",
    "last_value",
    "bool_and",
    "bool_or",
    "bit_and",
    "bit_or",
    "bit_xor",
    "median",
    "percentile_cont",
];

/// A call alone, aggregated by DataFusion.
struct Single {
    accumulator: Box<dyn GroupsAccumulator>,
    args: Vec<usize>,
    filter: Option<usize>,
}

/// What aggregates `call` alone, given the numbers of its arguments and of its filter.
pub(super) fn single(call: &AggregateCall, args: &[usize], filter: Option<usize>) -> Result<Box<dyn Grouped>> {
    let grouped_states = SAME_STATES.contains(&call.function.fun().name()) || is_kept_as_sketch(call);
    let accumulator = if grouped_states && call.function.groups_accumulator_supported() {
        call.function.create_groups_accumulator()?
    } else {
        let function = call.function.clone();
        Box::new(GroupsAccumulatorAdapter::new(move || function.create_accumulator()))
    };
    Ok(Box::new(Single { accumulator, args: args.to_vec(), filter }))
}

impl Grouped for Single {
    fn update(&mut self, values: &[ArrayRef], indices: &[usize], groups: usize) -> Result<Vec<ArrayRef>> {
        let args: Vec<ArrayRef> = self.args.iter().map(|arg| values[*arg].clone()).collect();
        let filter: Option<&BooleanArray> = self.filter.map(|filter| as_boolean_array(&values[filter])).transpose()?;
        self.accumulator.update_batch(&args, indices, filter, groups)?;
        self.accumulator.state(EmitTo::All)
    }

    fn merge(&mut self, states: &[ArrayRef], indices: &[usize], groups: usize) -> Result<Vec<ArrayRef>> {
        self.accumulator.merge_batch(states, indices, groups)?;
        self.accumulator.state(EmitTo::All)
    }
}

impl Partial {
    /// For keys of these fields; none of them makes all rows one group.
    pub(crate) fn new(key_fields: &[Field], units: &Units) -> Result<Self> {
        let values = if key_fields.is_empty() {
            None
        } else {
            Some(new_group_values(std::sync::Arc::new(Schema::new(key_fields.to_vec())), &GroupOrdering::None)?)
        };
        let units = units.kept.iter().map(Unit::grouped).collect::<Result<_>>()?;
        Ok(Self { values, units, indices: Vec::new() })
    }

    fn intern(&mut self, keys: &[ArrayRef], rows: usize) -> Result<usize> {
        match &mut self.values {
            Some(values) => {
                values.intern(keys, &mut self.indices)?;
                Ok(values.len())
            }
            None => {
                self.indices.clear();
                self.indices.resize(rows, 0);
                Ok(1)
            }
        }
    }

    /// The keys of the groups, which it forgets.
    fn keys(&mut self) -> Result<Vec<ArrayRef>> {
        let Some(values) = &mut self.values else { return Ok(Vec::new()) };
        let keys = values.emit(EmitTo::All)?;
        // Emitting leaves the hash table of the emitted keys behind in some implementations.
        values.clear_shrink(BATCH_KEYS);
        Ok(keys)
    }

    /// Aggregates rows. `values` are what the units' expressions came to.
    pub(crate) fn update(&mut self, keys: &[ArrayRef], values: &[ArrayRef], rows: usize) -> Result<PartialStates> {
        let groups = self.intern(keys, rows)?;
        let indices = &self.indices;
        let update = |unit: &mut Box<dyn Grouped>| unit.update(values, indices, groups);
        let states = self.units.iter_mut().map(update).collect::<Result<_>>()?;
        Ok(PartialStates { keys: self.keys()?, states, groups })
    }

    /// Merges partial states whose keys repeat.
    pub(crate) fn merge(&mut self, keys: &[ArrayRef], states: &[Vec<ArrayRef>], rows: usize) -> Result<PartialStates> {
        let groups = self.intern(keys, rows)?;
        let indices = &self.indices;
        let merge = |(unit, states): (&mut Box<dyn Grouped>, &Vec<ArrayRef>)| unit.merge(states, indices, groups);
        let states = self.units.iter_mut().zip(states).map(merge).collect::<Result<_>>()?;
        Ok(PartialStates { keys: self.keys()?, states, groups })
    }
}
