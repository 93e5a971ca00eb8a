//! The long-lived state of one aggregate over all groups: merged into, read without being drained, reset per group.
//!
//! The common aggregates are plain vectors indexed by group; every other one is a boxed accumulator per group.
//! DataFusion's own group accumulators cannot serve here: reading them empties them.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, AsArray, Float64Array, Int64Array, PrimitiveArray, UInt64Array,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, UInt64Type,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::shape::AggregateCall;
use super::sketches::{SketchTotal, is_kept_as_sketch};

/// A group's number, dense, reused after the group has gone.
pub(crate) type GroupId = u32;

/// One unit's state over all groups.
pub(crate) trait Total: Send + Debug {
    /// Makes room for `groups` groups; new ones are empty.
    fn resize(&mut self, groups: usize) -> Result<()>;

    /// Merges partial states: row `i` of `states` into `groups[i]`.
    fn merge(&mut self, states: &[ArrayRef], groups: &[GroupId]) -> Result<()>;

    /// Empties a group.
    fn reset(&mut self, group: GroupId) -> Result<()>;

    /// The results of `groups`, in their order: a column for each of its calls.
    fn evaluate(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>>;

    /// The partial states of `groups`, as `merge` takes them.
    fn state(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>>;

    /// Roughly how many bytes it holds.
    fn size_bytes(&self) -> usize;
}

/// The best implementation for a call alone.
pub(crate) fn total(call: &AggregateCall) -> Box<dyn Total> {
    let function = &call.function;
    let plain = !function.is_distinct() && function.order_bys().is_empty();
    let result = function.field().data_type().clone();
    match (function.fun().name(), &result) {
        ("count", DataType::Int64) if plain => Box::<CountTotal>::default(),
        ("sum", DataType::Int64) if plain => Box::new(PrimitiveTotal::<Int64Type>::sum(result)),
        ("sum", DataType::UInt64) if plain => Box::new(PrimitiveTotal::<UInt64Type>::sum(result)),
        ("sum", DataType::Float64) if plain => Box::new(PrimitiveTotal::<Float64Type>::sum(result)),
        ("sum", DataType::Decimal128(..)) if plain => Box::new(PrimitiveTotal::<Decimal128Type>::sum(result)),
        ("avg", DataType::Float64) if plain => Box::<AverageTotal>::default(),
        ("min" | "max", DataType::Int64) => Box::new(PrimitiveTotal::<Int64Type>::extreme(result, is_max(function))),
        // In the total order of floats, as everywhere else.
        ("min" | "max", DataType::Float64) => {
            Box::new(PrimitiveTotal::<Float64Type>::extreme(result, is_max(function)))
        }
        ("min" | "max", DataType::Date32) => Box::new(PrimitiveTotal::<Date32Type>::extreme(result, is_max(function))),
        ("min" | "max", DataType::Decimal128(..)) => {
            Box::new(PrimitiveTotal::<Decimal128Type>::extreme(result, is_max(function)))
        }
        ("min" | "max", DataType::Timestamp(TimeUnit::Microsecond, _)) => {
            Box::new(PrimitiveTotal::<TimestampMicrosecondType>::extreme(result, is_max(function)))
        }
        _ if is_kept_as_sketch(call) => Box::new(SketchTotal::new(function)),
        _ => Box::new(BoxedTotal { function: function.clone(), groups: Vec::new() }),
    }
}

fn is_max(function: &AggregateFunctionExpr) -> bool {
    function.fun().name() == "max"
}

fn index(group: GroupId) -> usize {
    group as usize
}

#[derive(Debug, Default)]
struct CountTotal {
    counts: Vec<i64>,
}

impl CountTotal {
    fn array(&self, groups: &[GroupId]) -> ArrayRef {
        Arc::new(groups.iter().map(|group| self.counts[index(*group)]).collect::<Int64Array>())
    }
}

impl Total for CountTotal {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.counts.resize(groups, 0);
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[GroupId]) -> Result<()> {
        let counts = states[0].as_primitive::<Int64Type>().values();
        for (group, count) in groups.iter().zip(counts) {
            self.counts[index(*group)] += count;
        }
        Ok(())
    }

    fn reset(&mut self, group: GroupId) -> Result<()> {
        self.counts[index(group)] = 0;
        Ok(())
    }

    fn evaluate(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.array(groups)])
    }

    fn state(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.array(groups)])
    }

    fn size_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}

#[derive(Debug, Clone, Copy)]
enum Combine {
    Sum,
    Min,
    Max,
}

/// Sum, min or max of one primitive type; null until a value comes.
#[derive(Debug)]
struct PrimitiveTotal<T: ArrowPrimitiveType> {
    combine: Combine,
    data_type: DataType,
    values: Vec<Option<T::Native>>,
}

impl<T: ArrowPrimitiveType> PrimitiveTotal<T> {
    fn sum(data_type: DataType) -> Self {
        Self { combine: Combine::Sum, data_type, values: Vec::new() }
    }

    fn extreme(data_type: DataType, max: bool) -> Self {
        Self { combine: if max { Combine::Max } else { Combine::Min }, data_type, values: Vec::new() }
    }

    fn array(&self, groups: &[GroupId]) -> ArrayRef {
        let array: PrimitiveArray<T> = groups.iter().map(|group| self.values[index(*group)]).collect();
        Arc::new(array.with_data_type(self.data_type.clone()))
    }
}

impl<T: ArrowPrimitiveType + Debug> Total for PrimitiveTotal<T>
where
    T::Native: ArrowNativeTypeOp,
{
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.values.resize(groups, None);
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[GroupId]) -> Result<()> {
        let states = states[0].as_primitive::<T>();
        for (row, group) in groups.iter().enumerate() {
            if states.is_null(row) {
                continue;
            }
            let new = states.value(row);
            let value = &mut self.values[index(*group)];
            *value = Some(match (*value, self.combine) {
                (None, _) => new,
                // Sums wrap like DataFusion's own.
                (Some(old), Combine::Sum) => old.add_wrapping(new),
                (Some(old), Combine::Min) => {
                    if new.is_lt(old) {
                        new
                    } else {
                        old
                    }
                }
                (Some(old), Combine::Max) => {
                    if new.is_gt(old) {
                        new
                    } else {
                        old
                    }
                }
            });
        }
        Ok(())
    }

    fn reset(&mut self, group: GroupId) -> Result<()> {
        self.values[index(group)] = None;
        Ok(())
    }

    fn evaluate(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.array(groups)])
    }

    fn state(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.array(groups)])
    }

    fn size_bytes(&self) -> usize {
        self.values.capacity() * size_of::<Option<T::Native>>()
    }
}

/// Average as float: count and sum.
#[derive(Debug, Default)]
struct AverageTotal {
    counts: Vec<u64>,
    sums: Vec<f64>,
}

impl Total for AverageTotal {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.counts.resize(groups, 0);
        self.sums.resize(groups, 0.0);
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[GroupId]) -> Result<()> {
        let counts = states[0].as_primitive::<UInt64Type>();
        let sums = states[1].as_primitive::<Float64Type>();
        for (row, group) in groups.iter().enumerate() {
            if counts.is_valid(row) && sums.is_valid(row) {
                self.counts[index(*group)] += counts.value(row);
                self.sums[index(*group)] += sums.value(row);
            }
        }
        Ok(())
    }

    fn reset(&mut self, group: GroupId) -> Result<()> {
        self.counts[index(group)] = 0;
        self.sums[index(group)] = 0.0;
        Ok(())
    }

    fn evaluate(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        #[expect(clippy::cast_precision_loss, reason = "an average of 2^53 values is inexact anyway")]
        let average = |group: usize| (self.counts[group] > 0).then(|| self.sums[group] / self.counts[group] as f64);
        Ok(vec![Arc::new(groups.iter().map(|group| average(index(*group))).collect::<Float64Array>())])
    }

    fn state(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        let counts: UInt64Array = groups.iter().map(|group| self.counts[index(*group)]).collect();
        let sum = |group: usize| (self.counts[group] > 0).then(|| self.sums[group]);
        let sums: Float64Array = groups.iter().map(|group| sum(index(*group))).collect();
        Ok(vec![Arc::new(counts), Arc::new(sums)])
    }

    fn size_bytes(&self) -> usize {
        self.counts.capacity() * 8 + self.sums.capacity() * 8
    }
}

/// Any aggregate: one accumulator per group.
#[derive(Debug)]
struct BoxedTotal {
    function: Arc<AggregateFunctionExpr>,
    groups: Vec<Box<dyn Accumulator>>,
}

impl Total for BoxedTotal {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.groups.truncate(groups);
        while self.groups.len() < groups {
            self.groups.push(self.function.create_accumulator()?);
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[GroupId]) -> Result<()> {
        // Neighbouring rows of one group are merged in one call, where that reads more than the first of them.
        let one_by_one = matches!(self.function.fun().name(), "percentile_cont" | "median");
        let mut row = 0;
        while row < groups.len() {
            let end = groups[row..].iter().position(|group| *group != groups[row]).map_or(groups.len(), |n| row + n);
            let end = if one_by_one { row + 1 } else { end };
            let slices: Vec<ArrayRef> = states.iter().map(|state| state.slice(row, end - row)).collect();
            self.groups[index(groups[row])].merge_batch(&slices)?;
            row = end;
        }
        Ok(())
    }

    fn reset(&mut self, group: GroupId) -> Result<()> {
        self.groups[index(group)] = self.function.create_accumulator()?;
        Ok(())
    }

    fn evaluate(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        let values = groups.iter().map(|group| self.groups[index(*group)].evaluate()).collect::<Result<Vec<_>>>()?;
        if values.is_empty() {
            return Ok(vec![arrow::array::new_empty_array(self.function.field().data_type())]);
        }
        Ok(vec![ScalarValue::iter_to_array(values)?])
    }

    fn state(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        let fields = self.function.state_fields()?;
        let mut columns: Vec<Vec<ScalarValue>> = vec![Vec::with_capacity(groups.len()); fields.len()];
        for group in groups {
            // Some accumulators give their state away: rebuild each from what it gave.
            let state = self.groups[index(*group)].state()?;
            let arrays = state.iter().map(ScalarValue::to_array).collect::<Result<Vec<_>>>()?;
            let mut fresh = self.function.create_accumulator()?;
            fresh.merge_batch(&arrays)?;
            self.groups[index(*group)] = fresh;
            for (column, value) in columns.iter_mut().zip(state) {
                column.push(value);
            }
        }
        let to_array = |(values, field): (Vec<ScalarValue>, &Arc<arrow::datatypes::Field>)| {
            if values.is_empty() {
                Ok(arrow::array::new_empty_array(field.data_type()))
            } else {
                ScalarValue::iter_to_array(values)
            }
        };
        columns.into_iter().zip(&fields).map(to_array).collect()
    }

    fn size_bytes(&self) -> usize {
        self.groups.iter().map(|accumulator| accumulator.size() + size_of::<Box<dyn Accumulator>>()).sum()
    }
}
