//! From Arrow arrays to cells: the one place that decides what a value of a result is to the outside.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, DecimalType, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType, Schema, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use pulseboard_model::{Cell, Column, ColumnType};
use serde_json::Value;

/// The wire type of an Arrow type.
pub(crate) fn column_type(data_type: &DataType) -> ColumnType {
    match data_type {
        DataType::Boolean => ColumnType::Bool,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => ColumnType::Int,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Float,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => ColumnType::Decimal(*precision, *scale),
        DataType::Timestamp(..) => ColumnType::Time,
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Duration(_) | DataType::Interval(_) => ColumnType::Duration,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            ColumnType::Bytes
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Struct(_)
        | DataType::Map(..)
        | DataType::Union(..) => ColumnType::Json,
        DataType::Dictionary(_, values) => column_type(values),
        DataType::RunEndEncoded(_, values) => column_type(values.data_type()),
        DataType::Null
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Time32(_)
        | DataType::Time64(_) => ColumnType::String,
    }
}

/// The columns of a result with this schema, none of them a key.
pub(crate) fn columns(schema: &Schema) -> Vec<Column> {
    let column =
        |name: &str, data_type| Column { name: name.to_owned(), column_type: column_type(data_type), key: false };
    schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect()
}

/// One cell per row of `array`.
pub(crate) fn cells(array: &ArrayRef) -> Vec<Cell> {
    (0..array.len()).map(|row| cell(array, row)).collect()
}

/// The cell at `row`.
pub(crate) fn cell(array: &ArrayRef, row: usize) -> Cell {
    if array.is_null(row) {
        return Cell::Null;
    }
    macro_rules! value {
        ($kind:ty) => {
            array.as_primitive::<$kind>().value(row)
        };
    }
    match array.data_type() {
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int8 => Cell::Int(value!(Int8Type).into()),
        DataType::Int16 => Cell::Int(value!(Int16Type).into()),
        DataType::Int32 => Cell::Int(value!(Int32Type).into()),
        DataType::Int64 => Cell::Int(value!(Int64Type)),
        DataType::UInt8 => Cell::Int(value!(UInt8Type).into()),
        DataType::UInt16 => Cell::Int(value!(UInt16Type).into()),
        DataType::UInt32 => Cell::Int(value!(UInt32Type).into()),
        DataType::UInt64 => {
            let value = value!(UInt64Type);
            i64::try_from(value).map_or(Cell::UInt(value), Cell::Int)
        }
        DataType::Float16 => Cell::Float(value!(Float16Type).into()),
        DataType::Float32 => Cell::Float(value!(Float32Type).into()),
        DataType::Float64 => Cell::Float(value!(Float64Type)),
        DataType::Decimal128(precision, scale) => {
            Cell::Decimal(Decimal128Type::format_decimal(value!(Decimal128Type), *precision, *scale).into())
        }
        DataType::Decimal256(precision, scale) => {
            Cell::Decimal(Decimal256Type::format_decimal(value!(Decimal256Type), *precision, *scale).into())
        }
        DataType::Timestamp(TimeUnit::Second, _) => Cell::Time(value!(TimestampSecondType).saturating_mul(1_000_000)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Cell::Time(value!(TimestampMillisecondType).saturating_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => Cell::Time(value!(TimestampMicrosecondType)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Cell::Time(value!(TimestampNanosecondType).div_euclid(1_000)),
        DataType::Date32 => Cell::Date(value!(Date32Type)),
        DataType::Date64 => Cell::Date(i32::try_from(value!(Date64Type).div_euclid(86_400_000)).unwrap_or(i32::MAX)),
        DataType::Duration(TimeUnit::Second) => Cell::Duration(value!(DurationSecondType).saturating_mul(1_000_000)),
        DataType::Duration(TimeUnit::Millisecond) => {
            Cell::Duration(value!(DurationMillisecondType).saturating_mul(1_000))
        }
        DataType::Duration(TimeUnit::Microsecond) => Cell::Duration(value!(DurationMicrosecondType)),
        DataType::Duration(TimeUnit::Nanosecond) => Cell::Duration(value!(DurationNanosecondType).div_euclid(1_000)),
        DataType::Interval(IntervalUnit::DayTime) => {
            let (days, ms) = IntervalDayTimeType::to_parts(value!(IntervalDayTimeType));
            Cell::Duration(i64::from(days) * 86_400_000_000 + i64::from(ms) * 1_000)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let (months, days, ns) = IntervalMonthDayNanoType::to_parts(value!(IntervalMonthDayNanoType));
            if months == 0 {
                Cell::Duration(i64::from(days) * 86_400_000_000 + ns.div_euclid(1_000))
            } else {
                Cell::Interval(text(array, row))
            }
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            if value!(IntervalYearMonthType) == 0 {
                Cell::Duration(0)
            } else {
                Cell::Interval(text(array, row))
            }
        }
        DataType::Utf8 => Cell::Str(array.as_string::<i32>().value(row).into()),
        DataType::LargeUtf8 => Cell::Str(array.as_string::<i64>().value(row).into()),
        DataType::Utf8View => Cell::Str(array.as_string_view().value(row).into()),
        DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row).into()),
        DataType::LargeBinary => Cell::Bytes(array.as_binary::<i64>().value(row).into()),
        DataType::BinaryView => Cell::Bytes(array.as_binary_view().value(row).into()),
        DataType::FixedSizeBinary(_) => Cell::Bytes(array.as_fixed_size_binary().value(row).into()),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::Struct(_) => {
            Cell::Json(json(array, row).to_string().into())
        }
        DataType::Dictionary(..) => {
            let keys = array.as_any_dictionary();
            cell(keys.values(), keys.normalized_keys()[row])
        }
        DataType::Null => Cell::Null,
        _ => Cell::Str(text(array, row)),
    }
}

/// Arrow's own text of a value.
fn text(array: &ArrayRef, row: usize) -> Arc<str> {
    let options = FormatOptions::new();
    ArrayFormatter::try_new(array, &options).map_or_else(|_| String::new(), |f| f.value(row).to_string()).into()
}

/// A value inside a list or struct. Numbers follow the rules of cells; what JSON lacks becomes text.
fn json(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::List(_) => json_list(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => json_list(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => json_list(&array.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            Value::Object(fields.iter().zip(columns).map(|(f, column)| (f.name().clone(), json(column, row))).collect())
        }
        _ => match cell(array, row) {
            Cell::Null => Value::Null,
            Cell::Bool(value) => value.into(),
            Cell::Int(value) | Cell::Time(value) | Cell::Duration(value) => value.into(),
            Cell::UInt(value) => value.into(),
            Cell::Float(value) => {
                serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
            }
            Cell::Date(_) | Cell::Bytes(_) => text(array, row).as_ref().into(),
            Cell::Decimal(value) | Cell::Str(value) | Cell::Interval(value) | Cell::Json(value) => {
                value.as_ref().into()
            }
        },
    }
}

fn json_list(items: &ArrayRef) -> Value {
    Value::Array((0..items.len()).map(|row| json(items, row)).collect())
}
