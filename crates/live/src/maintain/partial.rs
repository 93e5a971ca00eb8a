//! Aggregates one batch: distinct keys and, for each aggregate, its partial state per key.
//!
//! Built from DataFusion's own group values and accumulators, so that every aggregate it knows works here and a partial
//! state means exactly what its `merge_batch` expects. Emitting drains them, so one set is reused for all batches.

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

/// Room for this many keys is kept between batches.
const BATCH_KEYS: usize = 1_024;

/// The partial aggregation of some rows: parallel columns, one row per distinct key.
#[derive(Debug, Clone)]
pub(crate) struct PartialStates {
    pub(crate) keys: Vec<ArrayRef>,
    /// Per aggregate, its state columns.
    pub(crate) states: Vec<Vec<ArrayRef>>,
    pub(crate) groups: usize,
}

/// The reusable machinery.
pub(crate) struct Partial {
    /// None if there is no key: all rows are one group.
    values: Option<Box<dyn GroupValues>>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    indices: Vec<usize>,
}

impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partial").field("accumulators", &self.accumulators.len()).finish_non_exhaustive()
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

/// A fresh accumulator over many groups.
pub(crate) fn groups_accumulator(call: &AggregateCall) -> Result<Box<dyn GroupsAccumulator>> {
    let same_states = SAME_STATES.contains(&call.function.fun().name());
    if same_states && call.function.groups_accumulator_supported() {
        call.function.create_groups_accumulator()
    } else {
        let function = call.function.clone();
        Ok(Box::new(GroupsAccumulatorAdapter::new(move || function.create_accumulator())))
    }
}

impl Partial {
    /// For keys of these fields; none of them makes all rows one group.
    pub(crate) fn new(key_fields: &[Field], calls: &[AggregateCall]) -> Result<Self> {
        let values = if key_fields.is_empty() {
            None
        } else {
            Some(new_group_values(std::sync::Arc::new(Schema::new(key_fields.to_vec())), &GroupOrdering::None)?)
        };
        let accumulators = calls.iter().map(groups_accumulator).collect::<Result<_>>()?;
        Ok(Self { values, accumulators, indices: Vec::new() })
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

    fn emit(&mut self, groups: usize) -> Result<PartialStates> {
        let keys = match &mut self.values {
            Some(values) => {
                let keys = values.emit(EmitTo::All)?;
                // Emitting leaves the hash table of the emitted keys behind in some implementations.
                values.clear_shrink(BATCH_KEYS);
                keys
            }
            None => Vec::new(),
        };
        let states =
            self.accumulators.iter_mut().map(|accumulator| accumulator.state(EmitTo::All)).collect::<Result<_>>()?;
        Ok(PartialStates { keys, states, groups })
    }

    /// Aggregates rows. `args` and `filters` are per aggregate.
    pub(crate) fn update(
        &mut self,
        keys: &[ArrayRef],
        args: &[Vec<ArrayRef>],
        filters: &[Option<ArrayRef>],
        rows: usize,
    ) -> Result<PartialStates> {
        let groups = self.intern(keys, rows)?;
        for ((accumulator, args), filter) in self.accumulators.iter_mut().zip(args).zip(filters) {
            let filter: Option<&BooleanArray> = filter.as_ref().map(|filter| as_boolean_array(filter)).transpose()?;
            accumulator.update_batch(args, &self.indices, filter, groups)?;
        }
        self.emit(groups)
    }

    /// Merges partial states whose keys repeat.
    pub(crate) fn merge(&mut self, keys: &[ArrayRef], states: &[Vec<ArrayRef>], rows: usize) -> Result<PartialStates> {
        let groups = self.intern(keys, rows)?;
        for (accumulator, states) in self.accumulators.iter_mut().zip(states) {
            accumulator.merge_batch(states, &self.indices, groups)?;
        }
        self.emit(groups)
    }
}
