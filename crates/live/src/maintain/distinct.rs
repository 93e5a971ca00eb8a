//! How many different values each group has: `count(DISTINCT x)`, with and without FILTER.
//!
//! All calls over one expression share one set per group: beside each value stands for which of them it was seen, one bit
//! each, so a value is looked up once whatever is counted. Numbers are kept as they are, texts as their bytes. A state is two
//! lists, the values and their bits; null is counted nowhere. Two values are one if all their bits are equal, as DataFusion has it.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, UInt8Array, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::{ArrowNativeType, DataType, Field, UInt8Type};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{Result, exec_datafusion_err, internal_err};
use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::partial::Grouped;
use super::totals::{GroupId, Total};

mod elements;

use elements::{Element, Kind, Number};

/// As many calls as there are bits.
const CALLS_MAX: usize = 8;

/// Which different values are counted.
#[derive(Debug, Clone)]
pub(crate) struct DistinctShape {
    data_type: DataType,
    /// The number of the expression.
    arg: usize,
    /// The numbers of the filters, by call.
    filters: Vec<Option<usize>>,
}

impl DistinctShape {
    /// How many columns a state has.
    pub(super) const WIDTH: usize = 2;

    /// Whether values of this type can be held here.
    pub(super) fn can_hold(data_type: &DataType) -> bool {
        Kind::of(data_type).is_some()
    }

    pub(super) fn new(data_type: DataType, arg: usize, filter: Option<usize>) -> Self {
        Self { data_type, arg, filters: vec![filter] }
    }

    /// Counts for another call, too, if it is of the same values. Gives the number of its result.
    pub(super) fn join(&mut self, arg: usize, filter: Option<usize>) -> Option<usize> {
        if self.arg != arg || self.filters.len() == CALLS_MAX {
            return None;
        }
        self.filters.push(filter);
        Some(self.filters.len() - 1)
    }

    pub(super) fn grouped(&self) -> Box<dyn Grouped> {
        match Kind::of(&self.data_type) {
            Some(Kind::One) => DistinctGrouped::<Number<u8>>::boxed(self),
            Some(Kind::Two) => DistinctGrouped::<Number<u16>>::boxed(self),
            Some(Kind::Four) => DistinctGrouped::<Number<u32>>::boxed(self),
            Some(Kind::Sixteen) => DistinctGrouped::<Number<i128>>::boxed(self),
            Some(Kind::Bytes) => DistinctGrouped::<Box<[u8]>>::boxed(self),
            Some(Kind::Eight) | None => DistinctGrouped::<Number<u64>>::boxed(self),
        }
    }

    pub(super) fn total(&self) -> Box<dyn Total> {
        match Kind::of(&self.data_type) {
            Some(Kind::One) => DistinctTotal::<Number<u8>>::boxed(self),
            Some(Kind::Two) => DistinctTotal::<Number<u16>>::boxed(self),
            Some(Kind::Four) => DistinctTotal::<Number<u32>>::boxed(self),
            Some(Kind::Sixteen) => DistinctTotal::<Number<i128>>::boxed(self),
            Some(Kind::Bytes) => DistinctTotal::<Box<[u8]>>::boxed(self),
            Some(Kind::Eight) | None => DistinctTotal::<Number<u64>>::boxed(self),
        }
    }
}

/// Values and bits of a state, each list's from where to where, and the lists' elements.
struct Lists<V> {
    values: V,
    value_offsets: OffsetBuffer<i32>,
    bits: UInt8Array,
    bit_offsets: OffsetBuffer<i32>,
}

impl<V> Lists<V> {
    fn of<E: Element<Values = V>>(states: &[ArrayRef]) -> Result<Self> {
        let (Some(values), Some(bits)) = (states[0].as_list_opt::<i32>(), states[1].as_list_opt::<i32>()) else {
            return internal_err!("a state of different values is two lists");
        };
        let Some(elements) = bits.values().as_primitive_opt::<UInt8Type>() else {
            return internal_err!("the bits beside different values are bytes");
        };
        Ok(Self {
            values: E::values(values.values())?,
            value_offsets: values.offsets().clone(),
            bits: elements.clone(),
            bit_offsets: bits.offsets().clone(),
        })
    }

    /// The elements of one list: which value, and its bits.
    fn row(&self, row: usize) -> impl Iterator<Item = (usize, u8)> + '_ {
        let range = |offsets: &OffsetBuffer<i32>| offsets[row].as_usize()..offsets[row + 1].as_usize();
        range(&self.value_offsets).zip(self.bits.values()[range(&self.bit_offsets)].iter().copied())
    }
}

/// Two lists per group out of what each has, group by group.
fn lists(values: ArrayRef, bits: Vec<u8>, lengths: impl IntoIterator<Item = usize>) -> Result<Vec<ArrayRef>> {
    if i32::try_from(values.len()).is_err() {
        return Err(exec_datafusion_err!("more different values than one state can have"));
    }
    let offsets = OffsetBuffer::from_lengths(lengths);
    let field = |data_type: &DataType| Arc::new(Field::new_list_field(data_type.clone(), true));
    let bits: ArrayRef = Arc::new(UInt8Array::from(bits));
    Ok(vec![
        Arc::new(ListArray::new(field(values.data_type()), offsets.clone(), values, None)),
        Arc::new(ListArray::new(field(&DataType::UInt8), offsets, bits, None)),
    ])
}

/// A value of a batch: its group, the row where it was seen first, its bits.
#[derive(Debug, Clone, Copy)]
struct Seen {
    group: u32,
    row: u32,
    bits: u8,
}

/// Finds the different values of a batch.
struct DistinctGrouped<E> {
    shape: DistinctShape,
    hasher: DefaultHashBuilder,
    /// Kept between batches for its room; empty then.
    table: HashTable<u32>,
    seen: Vec<Seen>,
    element: PhantomData<fn() -> E>,
}

impl<E: Element> DistinctGrouped<E> {
    fn boxed(shape: &DistinctShape) -> Box<dyn Grouped> {
        let (shape, hasher) = (shape.clone(), DefaultHashBuilder::default());
        Box::new(Self { shape, hasher, table: HashTable::new(), seen: Vec::new(), element: PhantomData })
    }

    fn add(&mut self, values: &E::Values, row: usize, group: usize, bits: u8) {
        let (seen, hasher) = (&mut self.seen, &self.hasher);
        let hash_of = |group: u32, row: u32| {
            E::hash(values, row as usize, hasher) ^ u64::from(group).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        };
        #[expect(clippy::cast_possible_truncation, reason = "a batch has fewer rows and groups than 2^32")]
        let new = Seen { group: group as u32, row: row as u32, bits };
        let is = |number: &u32| {
            let known = &seen[*number as usize];
            known.group == new.group && E::same(values, known.row as usize, row)
        };
        let rehash = |number: &u32| hash_of(seen[*number as usize].group, seen[*number as usize].row);
        match self.table.entry(hash_of(new.group, new.row), is, rehash) {
            Entry::Occupied(known) => seen[*known.get() as usize].bits |= bits,
            Entry::Vacant(place) => {
                place.insert(u32::try_from(seen.len()).unwrap_or(u32::MAX));
                seen.push(new);
            }
        }
    }

    /// What was seen, by group; forgets it.
    fn emit(&mut self, array: &ArrayRef, groups: usize) -> Result<Vec<ArrayRef>> {
        self.table.clear();
        let mut lengths = vec![0usize; groups];
        self.seen.iter().for_each(|seen| lengths[seen.group as usize] += 1);
        let mut next: Vec<usize> =
            lengths.iter().scan(0, |sum, length| Some(std::mem::replace(sum, *sum + *length))).collect();
        let (mut rows, mut bits) = (vec![0u32; self.seen.len()], vec![0u8; self.seen.len()]);
        for seen in self.seen.drain(..) {
            let place = &mut next[seen.group as usize];
            (rows[*place], bits[*place]) = (seen.row, seen.bits);
            *place += 1;
        }
        lists(take(array, &UInt32Array::from(rows), None)?, bits, lengths)
    }
}

impl<E: Element> Grouped for DistinctGrouped<E> {
    fn update(&mut self, values: &[ArrayRef], indices: &[usize], groups: usize) -> Result<Vec<ArrayRef>> {
        let array = &values[self.shape.arg];
        let array = if array.data_type() == &self.shape.data_type {
            array.clone()
        } else {
            cast(array, &self.shape.data_type)?
        };
        let mut bits = vec![0u8; array.len()];
        for (call, filter) in self.shape.filters.iter().enumerate() {
            let bit = 1u8 << call;
            match filter {
                None => bits.iter_mut().for_each(|bits| *bits |= bit),
                Some(filter) => {
                    let mask = as_boolean_array(&values[*filter])?;
                    for (row, bits) in bits.iter_mut().enumerate() {
                        *bits |= if mask.is_valid(row) && mask.value(row) { bit } else { 0 };
                    }
                }
            }
        }
        let view = E::values(&array)?;
        for (row, (group, bits)) in indices.iter().zip(bits).enumerate() {
            if bits != 0 && array.is_valid(row) {
                self.add(&view, row, *group, bits);
            }
        }
        self.emit(&array, groups)
    }

    fn merge(&mut self, states: &[ArrayRef], indices: &[usize], groups: usize) -> Result<Vec<ArrayRef>> {
        let lists = Lists::of::<E>(states)?;
        for (row, group) in indices.iter().enumerate() {
            for (element, bits) in lists.row(row) {
                self.add(&lists.values, element, *group, bits);
            }
        }
        self.emit(states[0].as_list::<i32>().values(), groups)
    }
}

/// The different values of each group, for long.
#[derive(Debug)]
struct DistinctTotal<E> {
    data_type: DataType,
    calls: usize,
    hasher: DefaultHashBuilder,
    sets: Vec<HashTable<(E, u8)>>,
    /// How many values each call has seen, group by group.
    counts: Vec<i64>,
    heap_bytes: usize,
}

impl<E: Element> DistinctTotal<E> {
    fn boxed(shape: &DistinctShape) -> Box<dyn Total> {
        Box::new(Self {
            data_type: shape.data_type.clone(),
            calls: shape.filters.len(),
            hasher: DefaultHashBuilder::default(),
            sets: Vec::new(),
            counts: Vec::new(),
            heap_bytes: 0,
        })
    }
}

impl<E: Element> Total for DistinctTotal<E> {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.sets.resize_with(groups, HashTable::new);
        self.counts.resize(groups * self.calls, 0);
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[GroupId]) -> Result<()> {
        let lists = Lists::of::<E>(states)?;
        let values = &lists.values;
        for (row, group) in groups.iter().enumerate() {
            let group = *group as usize;
            let counts = &mut self.counts[group * self.calls..(group + 1) * self.calls];
            let set = &mut self.sets[group];
            for (element, bits) in lists.row(row) {
                let hash = E::hash(values, element, &self.hasher);
                let is = |known: &(E, u8)| known.0.is(values, element);
                let new = match set.entry(hash, is, |known| known.0.hash_own(&self.hasher)) {
                    Entry::Occupied(mut known) => {
                        let new = bits & !known.get().1;
                        known.get_mut().1 |= bits;
                        new
                    }
                    Entry::Vacant(place) => {
                        let value = E::of(values, element);
                        self.heap_bytes += value.heap_bytes();
                        place.insert((value, bits));
                        bits
                    }
                };
                if new != 0 {
                    for (call, count) in counts.iter_mut().enumerate() {
                        *count += i64::from(new >> call & 1);
                    }
                }
            }
        }
        Ok(())
    }

    fn reset(&mut self, group: GroupId) -> Result<()> {
        let group = group as usize;
        let set = std::mem::take(&mut self.sets[group]);
        self.heap_bytes -= set.iter().map(|(value, _)| value.heap_bytes()).sum::<usize>();
        self.counts[group * self.calls..(group + 1) * self.calls].fill(0);
        Ok(())
    }

    fn evaluate(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        let column = |call: usize| -> ArrayRef {
            let counts = groups.iter().map(|group| self.counts[*group as usize * self.calls + call]);
            Arc::new(counts.collect::<Int64Array>())
        };
        Ok((0..self.calls).map(column).collect())
    }

    fn state(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        let sets = || groups.iter().map(|group| &self.sets[*group as usize]);
        let elements: Vec<&E> = sets().flat_map(|set| set.iter().map(|(value, _)| value)).collect();
        let bits: Vec<u8> = sets().flat_map(|set| set.iter().map(|(_, bits)| *bits)).collect();
        lists(E::array(elements, &self.data_type)?, bits, sets().map(HashTable::len))
    }

    fn size_bytes(&self) -> usize {
        // A table has room for an eighth more than it holds at most, and one byte beside each place.
        let room = |set: &HashTable<(E, u8)>| set.capacity() * 8 / 7 * (size_of::<(E, u8)>() + 1);
        let sets = self.sets.iter().map(room).sum::<usize>() + self.sets.capacity() * size_of::<HashTable<(E, u8)>>();
        sets + self.heap_bytes + self.counts.capacity() * size_of::<i64>()
    }
}

#[cfg(test)]
#[path = "distinct/tests.rs"]
mod tests;
