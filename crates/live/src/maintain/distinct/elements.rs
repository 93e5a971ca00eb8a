//! Values of sets: numbers by their bits, texts by their bytes, out of arrays and into them.
//!
//! A value is looked up without being taken out of its array. Knows nothing of groups.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BinaryArray, make_array};
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{ArrowNativeType, DataType};
use datafusion::common::{Result, internal_err};
use hashbrown::DefaultHashBuilder;

/// How a type's values lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    One,
    Two,
    Four,
    Eight,
    Sixteen,
    Bytes,
}

impl Kind {
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Utf8 | DataType::Binary => Some(Self::Bytes),
            // Two intervals may be equal with other bits.
            DataType::Interval(_) => None,
            other => match other.primitive_width()? {
                1 => Some(Self::One),
                2 => Some(Self::Two),
                4 => Some(Self::Four),
                8 => Some(Self::Eight),
                16 => Some(Self::Sixteen),
                _ => None,
            },
        }
    }
}

/// A value of a set.
pub(super) trait Element: Debug + Send + Sized + 'static {
    /// The values of an array.
    type Values: Send;

    fn values(array: &ArrayRef) -> Result<Self::Values>;
    fn hash(values: &Self::Values, row: usize, hasher: &DefaultHashBuilder) -> u64;
    fn hash_own(&self, hasher: &DefaultHashBuilder) -> u64;
    fn same(values: &Self::Values, a: usize, b: usize) -> bool;
    fn is(&self, values: &Self::Values, row: usize) -> bool;
    fn of(values: &Self::Values, row: usize) -> Self;
    fn array(elements: Vec<&Self>, data_type: &DataType) -> Result<ArrayRef>;
    /// What it takes beside its place in a set.
    fn heap_bytes(&self) -> usize;
}

/// A value by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number<T>(T);

impl<T: ArrowNativeType + Hash + Eq> Element for Number<T> {
    type Values = ScalarBuffer<T>;

    fn values(array: &ArrayRef) -> Result<Self::Values> {
        let data = array.to_data();
        match data.buffers() {
            [buffer] if array.data_type().primitive_width() == Some(size_of::<T>()) => {
                Ok(ScalarBuffer::new(buffer.clone(), data.offset(), data.len()))
            }
            _ => internal_err!("values of another width"),
        }
    }

    fn hash(values: &Self::Values, row: usize, hasher: &DefaultHashBuilder) -> u64 {
        hasher.hash_one(values[row])
    }

    fn hash_own(&self, hasher: &DefaultHashBuilder) -> u64 {
        hasher.hash_one(self.0)
    }

    fn same(values: &Self::Values, a: usize, b: usize) -> bool {
        values[a] == values[b]
    }

    fn is(&self, values: &Self::Values, row: usize) -> bool {
        self.0 == values[row]
    }

    fn of(values: &Self::Values, row: usize) -> Self {
        Self(values[row])
    }

    fn array(elements: Vec<&Self>, data_type: &DataType) -> Result<ArrayRef> {
        let values: Vec<T> = elements.into_iter().map(|number| number.0).collect();
        let data = ArrayData::builder(data_type.clone()).len(values.len()).add_buffer(Buffer::from_vec(values));
        Ok(make_array(data.build()?))
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

impl Element for Box<[u8]> {
    type Values = BinaryArray;

    fn values(array: &ArrayRef) -> Result<Self::Values> {
        Ok(cast(array, &DataType::Binary)?.as_binary::<i32>().clone())
    }

    fn hash(values: &Self::Values, row: usize, hasher: &DefaultHashBuilder) -> u64 {
        hasher.hash_one(values.value(row))
    }

    fn hash_own(&self, hasher: &DefaultHashBuilder) -> u64 {
        hasher.hash_one(self.as_ref())
    }

    fn same(values: &Self::Values, a: usize, b: usize) -> bool {
        values.value(a) == values.value(b)
    }

    fn is(&self, values: &Self::Values, row: usize) -> bool {
        self.as_ref() == values.value(row)
    }

    fn of(values: &Self::Values, row: usize) -> Self {
        values.value(row).into()
    }

    fn array(elements: Vec<&Self>, data_type: &DataType) -> Result<ArrayRef> {
        let values = BinaryArray::from_iter_values(elements.into_iter().map(AsRef::as_ref));
        Ok(cast(&values, data_type)?)
    }

    fn heap_bytes(&self) -> usize {
        self.len() + ALLOCATION_BYTES
    }
}

/// What an allocation costs beside its content.
const ALLOCATION_BYTES: usize = 16;
