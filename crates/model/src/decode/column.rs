//! The values of one column, growing with its type, and the Arrow array they become.
//!
//! Columns are filled up lazily: a row that lacks a field costs nothing, its nulls come with the next value or at the
//! end. Whether a value fits was decided before (`check`), so appending cannot fail.

use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{
    ArrayRef, BooleanArray, BooleanBufferBuilder, Decimal128Array, Float64Array, Int64Array, ListArray, NullArray,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use crate::schema::{FieldType, UTC};

use super::tape::{Tape, Value};

#[derive(Debug)]
enum Data {
    Unknown,
    Int(Vec<i64>),
    Float(Vec<f64>),
    Decimal(Vec<i128>, u8, i8),
    Bool(BooleanBufferBuilder),
    Text { ends: Vec<i32>, bytes: Vec<u8> },
    Time(Vec<i64>),
    List { ends: Vec<i32>, item: Box<Column>, item_count: usize },
    Struct(Vec<(String, Column)>),
}

/// Values of one type, and which of them are null.
#[derive(Debug)]
pub(super) struct Column {
    data: Data,
    valid: NullBufferBuilder,
}

impl Column {
    pub(super) fn new(field_type: &FieldType) -> Self {
        let data = match field_type {
            FieldType::Unknown => Data::Unknown,
            FieldType::Int => Data::Int(Vec::new()),
            FieldType::Float => Data::Float(Vec::new()),
            FieldType::Decimal(precision, scale) => Data::Decimal(Vec::new(), *precision, *scale),
            FieldType::Bool => Data::Bool(BooleanBufferBuilder::new(0)),
            FieldType::String | FieldType::Json => Data::Text { ends: Vec::new(), bytes: Vec::new() },
            FieldType::Time => Data::Time(Vec::new()),
            FieldType::List(item) => Data::List { ends: Vec::new(), item: Box::new(Self::new(item)), item_count: 0 },
            FieldType::Struct(members) => {
                Data::Struct(members.iter().map(|(name, member)| (name.clone(), Self::new(member))).collect())
            }
        };
        Self { data, valid: NullBufferBuilder::new(0) }
    }

    /// Turns into a column of `to`, which this column's type grows into, values included.
    pub(super) fn grow(&mut self, to: &FieldType) {
        match (&mut self.data, to) {
            (Data::Unknown, to) => *self = Self::new(to),
            (Data::Int(values), FieldType::Float) => {
                #[expect(clippy::cast_precision_loss, reason = "that is what widening to float means")]
                let floats = values.iter().map(|value| *value as f64).collect();
                self.data = Data::Float(floats);
            }
            (Data::List { item, .. }, FieldType::List(to)) => item.grow(to),
            (Data::Struct(members), FieldType::Struct(to)) => {
                for (index, (name, member_type)) in to.iter().enumerate() {
                    match members.get_mut(index) {
                        Some((_, member)) => member.grow(member_type),
                        None => members.push((name.clone(), Self::new(member_type))),
                    }
                }
            }
            _ => {}
        }
    }

    /// The cells that the lists in it take once it has grown to `to`.
    pub(super) fn cells_in_lists(&self, to: &FieldType) -> usize {
        match (&self.data, to) {
            (Data::List { item, item_count, .. }, FieldType::List(to)) => {
                item_count * to.width() + item.cells_in_lists(to)
            }
            (Data::Struct(members), FieldType::Struct(to)) => {
                members.iter().zip(to).map(|((_, member), (_, to))| member.cells_in_lists(to)).sum()
            }
            _ => 0,
        }
    }

    /// Puts the value at `at` into row `row`; rows in between are null.
    pub(super) fn append(&mut self, row: usize, tape: &Tape<'_>, at: usize) {
        let value = tape.get(at);
        // A null is written when the next value comes, or at the end.
        if matches!(value, Value::Null) {
            return;
        }
        self.fill_up(row);
        match (&mut self.data, value) {
            (Data::Int(values), Value::Int(value)) | (Data::Time(values), Value::Time(value)) => values.push(*value),
            (Data::Float(values), Value::Float(value)) => values.push(*value),
            // Only `-0` comes here.
            (Data::Int(values), Value::Float(_)) => values.push(0),
            #[expect(clippy::cast_precision_loss, reason = "that is what widening to float means")]
            (Data::Float(values), Value::Int(value)) => values.push(*value as f64),
            (Data::Decimal(values, ..), Value::Decimal(value)) => values.push(*value),
            (Data::Bool(values), Value::Bool(value)) => values.append(*value),
            (Data::Text { ends, bytes }, Value::Str(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(end_of(bytes.len()));
            }
            (Data::List { ends, item, item_count }, Value::List { .. }) => {
                for at in tape.items(at) {
                    item.append(*item_count, tape, at);
                    *item_count += 1;
                }
                ends.push(end_of(*item_count));
            }
            (Data::Struct(members), Value::Object { .. }) => append_members(members, row, tape, at),
            (_, value) => {
                debug_assert!(false, "a {} was let through by the check", value.describe());
                return;
            }
        }
        self.valid.append_non_null();
    }

    /// Adds nulls until there are `len` rows.
    fn fill_up(&mut self, len: usize) {
        let missing = len.saturating_sub(self.valid.len());
        if missing == 0 {
            return;
        }
        self.valid.append_n_nulls(missing);
        match &mut self.data {
            Data::Int(values) | Data::Time(values) => values.resize(len, 0),
            Data::Float(values) => values.resize(len, 0.0),
            Data::Decimal(values, ..) => values.resize(len, 0),
            Data::Bool(values) => values.append_n(missing, false),
            Data::Text { ends, .. } | Data::List { ends, .. } => {
                ends.resize(len, ends.last().copied().unwrap_or(0));
            }
            Data::Unknown | Data::Struct(_) => {}
        }
    }

    /// The array of `len` rows. `data_type` is the column's Arrow type.
    pub(super) fn finish(mut self, data_type: &DataType, len: usize) -> ArrayRef {
        self.fill_up(len);
        let nulls = self.valid.finish();
        match self.data {
            Data::Unknown => Arc::new(NullArray::new(len)),
            Data::Int(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            Data::Float(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Data::Time(values) => Arc::new(times(values, nulls)),
            Data::Bool(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Data::Decimal(values, precision, scale) => {
                let array = Decimal128Array::new(values.into(), nulls).with_precision_and_scale(precision, scale);
                Arc::new(array.expect("declared precisions and scales are valid"))
            }
            Data::Text { ends, bytes } => {
                let array = StringArray::try_new(offsets(ends), Buffer::from_vec(bytes), nulls);
                Arc::new(array.expect("whole texts were appended"))
            }
            Data::List { ends, item, item_count } => {
                let DataType::List(field) = data_type else { unreachable!("a list's Arrow type is a list") };
                let items = item.finish(field.data_type(), item_count);
                Arc::new(ListArray::new(Arc::clone(field), offsets(ends), items, nulls))
            }
            Data::Struct(members) => {
                let DataType::Struct(fields) = data_type else { unreachable!("an object's Arrow type is a struct") };
                if fields.is_empty() {
                    return Arc::new(StructArray::new_empty_fields(len, nulls));
                }
                let arrays = members.into_iter().zip(fields).map(|((_, c), f)| c.finish(f.data_type(), len)).collect();
                Arc::new(StructArray::new(fields.clone(), arrays, nulls))
            }
        }
    }
}

fn append_members(members: &mut [(String, Column)], row: usize, tape: &Tape<'_>, object: usize) {
    let mut guess = 0;
    for (name, at) in tape.pairs(object) {
        if matches!(tape.get(at), Value::Null) {
            continue;
        }
        let found = match members.get(guess) {
            Some((expected, _)) if expected == name => Some(guess),
            _ => members.iter().position(|(known, _)| known == name),
        };
        if let Some(index) = found {
            guess = index + 1;
            members[index].1.append(row, tape, at);
        }
    }
}

/// Times as they are stored. Also for the two system columns.
pub(super) fn times(values: Vec<i64>, nulls: Option<NullBuffer>) -> TimestampMicrosecondArray {
    TimestampMicrosecondArray::new(values.into(), nulls).with_timezone(UTC)
}

/// A body is smaller than 2 GiB (`decode` refuses larger ones), so every count of it fits.
fn end_of(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.extend(ends);
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}
