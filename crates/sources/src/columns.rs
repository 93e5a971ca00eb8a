//! Cells as Arrow arrays, for sources that make their rows themselves.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use pulseboard_model::{Cell, FieldType};

const UTC: &str = pulseboard_model::schema::UTC;

/// The array of a field. Cells of another type than the field's are null: a source never invents a value. A decimal is
/// taken from an integer, in units of its last digit.
pub(crate) fn column<'a>(field_type: &FieldType, cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    match field_type {
        FieldType::Float => Arc::new(Float64Array::from_iter(cells.map(|cell| match cell {
            Cell::Float(value) => Some(*value),
            _ => None,
        }))),
        FieldType::String => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
            Cell::Str(text) => Some(text.as_ref()),
            _ => None,
        }))),
        FieldType::Bool => Arc::new(BooleanArray::from_iter(cells.map(|cell| match cell {
            Cell::Bool(value) => Some(*value),
            _ => None,
        }))),
        FieldType::Time => times(cells.map(|cell| match cell {
            Cell::Time(us) => Some(*us),
            _ => None,
        })),
        FieldType::Decimal(precision, scale) => {
            let units = cells.map(|cell| integer(cell).map(i128::from));
            let array = Decimal128Array::from_iter(units).with_precision_and_scale(*precision, *scale);
            Arc::new(array.expect("a source declares decimals that Arrow has"))
        }
        _ => Arc::new(Int64Array::from_iter(cells.map(integer))),
    }
}

fn integer(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Int(value) => Some(*value),
        _ => None,
    }
}

/// An array of times in µs.
pub(crate) fn times(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter(values).with_timezone(UTC))
}
