//! Rows of a stream straight from Arrow to JSON, for tails: no cell is made on the way.
//!
//! Every column is looked at once, then rows are written by number. Batches of an older schema are written in the newer
//! one's columns, with null where they have nothing.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use pulseboard_model::schema::{ARRIVED_AT, FieldType, OFFSET, SOURCE_TIME, TIME};
use pulseboard_model::{Column, ColumnType, StreamSchema};

use crate::value::{write_bool, write_float, write_int, write_plain_int, write_str};

/// The columns of a stream's tail: `time`, the user fields, then the three underscored ones.
#[must_use]
pub fn tail_columns(schema: &StreamSchema) -> Vec<Column> {
    let column = |name: &str, column_type| Column { name: name.to_owned(), column_type, key: false };
    let user = schema.fields.iter().map(|field| column(&field.name, column_type(&field.field_type)));
    let system =
        [column(SOURCE_TIME, ColumnType::Time), column(ARRIVED_AT, ColumnType::Time), column(OFFSET, ColumnType::Int)];
    std::iter::once(column(TIME, ColumnType::Time)).chain(user).chain(system).collect()
}

/// A field's type as clients know it: lists and structs are json.
#[must_use]
pub const fn column_type(field_type: &FieldType) -> ColumnType {
    match field_type {
        FieldType::Int => ColumnType::Int,
        FieldType::Float => ColumnType::Float,
        FieldType::Decimal(precision, scale) => ColumnType::Decimal(*precision, *scale),
        FieldType::Bool => ColumnType::Bool,
        FieldType::String => ColumnType::String,
        FieldType::Time => ColumnType::Time,
        FieldType::Json | FieldType::List(_) | FieldType::Struct(_) | FieldType::Unknown => ColumnType::Json,
    }
}

/// Appends the rows of `batch` as `[…],[…]`, in the order of `columns`. Says whether there was any.
pub fn write_rows(out: &mut Vec<u8>, columns: &[Column], batch: &RecordBatch) -> bool {
    let cells: Vec<Cells<'_>> = columns
        .iter()
        .map(|column| match batch.column_by_name(&column.name) {
            Some(array) if column.column_type == ColumnType::Json => Cells::json(array),
            Some(array) => Cells::of(array),
            None => Cells::Null,
        })
        .collect();
    for row in 0..batch.num_rows() {
        out.extend_from_slice(if row == 0 { b"[" } else { b",[" });
        for (i, column) in cells.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            column.write(out, row);
        }
        out.push(b']');
    }
    batch.num_rows() > 0
}

/// One array, its type already known.
enum Cells<'a> {
    Null,
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Bool(&'a BooleanArray),
    Text(&'a StringArray),
    Json(&'a StringArray),
    Decimal(&'a Decimal128Array),
    Time(&'a TimestampMicrosecondArray),
    List(&'a ArrayRef),
    Struct(&'a ArrayRef, Vec<(&'a str, Cells<'a>)>),
}

impl<'a> Cells<'a> {
    fn of(array: &'a ArrayRef) -> Self {
        match array.data_type() {
            DataType::Int64 => Self::Int(array.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>()),
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Utf8 => Self::Text(array.as_string::<i32>()),
            DataType::Decimal128(_, _) => Self::Decimal(array.as_primitive::<Decimal128Type>()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Time(array.as_primitive::<TimestampMicrosecondType>())
            }
            DataType::List(_) => Self::List(array),
            DataType::Struct(fields) => {
                let children = fields.iter().zip(array.as_struct().columns());
                Self::Struct(array, children.map(|(field, child)| (field.name().as_str(), Self::of(child))).collect())
            }
            // The stream's layouts have no other type.
            _ => Self::Null,
        }
    }

    /// A column of type json: its texts are JSON already.
    fn json(array: &'a ArrayRef) -> Self {
        match array.data_type() {
            DataType::Utf8 => Self::Json(array.as_string::<i32>()),
            _ => Self::of(array),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Int(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Bool(array) => array.is_null(row),
            Self::Text(array) | Self::Json(array) => array.is_null(row),
            Self::Decimal(array) => array.is_null(row),
            Self::Time(array) => array.is_null(row),
            Self::List(array) | Self::Struct(array, _) => array.is_null(row),
        }
    }

    fn write(&self, out: &mut Vec<u8>, row: usize) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        match self {
            Self::Null => {}
            Self::Int(array) => write_int(out, array.value(row)),
            Self::Float(array) => write_float(out, array.value(row)),
            Self::Bool(array) => write_bool(out, array.value(row)),
            Self::Text(array) => write_str(out, array.value(row)),
            Self::Json(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Self::Decimal(array) => write_str(out, &array.value_as_string(row)),
            Self::Time(array) => write_plain_int(out, array.value(row)),
            Self::List(array) => {
                let items = array.as_list::<i32>().value(row);
                let cells = Cells::of(&items);
                out.push(b'[');
                for item in 0..items.len() {
                    if item > 0 {
                        out.push(b',');
                    }
                    cells.write(out, item);
                }
                out.push(b']');
            }
            Self::Struct(_, children) => {
                // A nested field that is null was most often not sent: leaving it out gives back what was.
                let mut first = true;
                out.push(b'{');
                for (name, child) in children.iter().filter(|(_, child)| !child.is_null(row)) {
                    if !std::mem::take(&mut first) {
                        out.push(b',');
                    }
                    write_str(out, name);
                    out.push(b':');
                    child.write(out, row);
                }
                out.push(b'}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ListArray, StructArray};
    use arrow::datatypes::{Field, Fields, Schema};
    use pulseboard_model::schema::time_type;
    use pulseboard_model::{SchemaVersion, StreamField};

    use super::*;

    fn field(name: &str, field_type: FieldType) -> StreamField {
        StreamField { name: name.to_owned(), field_type, declared: false }
    }

    #[test]
    fn rows_are_written_in_the_columns_asked_for() {
        let tags = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None]), None]);
        let a: ArrayRef = Arc::new(Int64Array::from(vec![Some(5), None]));
        let place = StructArray::new(Fields::from(vec![Field::new("a", DataType::Int64, true)]), vec![a], None);
        let time = TimestampMicrosecondArray::from(vec![1, 2]).with_timezone("UTC");
        let total = Decimal128Array::from(vec![Some(1_050), None]).with_precision_and_scale(12, 2).expect("scale");
        let schema = Schema::new(vec![
            Field::new("time", time_type(), false),
            Field::new("tags", tags.data_type().clone(), true),
            Field::new("place", place.data_type().clone(), true),
            Field::new("total", total.data_type().clone(), true),
            Field::new("raw", DataType::Utf8, true),
            Field::new("_offset", DataType::Int64, false),
        ]);
        let raw = StringArray::from(vec![Some(r#"{"x":1}"#), None]);
        let offset = Int64Array::from(vec![1, 2]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(time), Arc::new(tags), Arc::new(place), Arc::new(total), Arc::new(raw), Arc::new(offset)];
        let batch = RecordBatch::try_new(Arc::new(schema), columns).expect("batch");
        let stream = StreamSchema {
            version: SchemaVersion(2),
            fields: vec![
                field("tags", FieldType::List(Box::new(FieldType::Int))),
                field("place", FieldType::Struct(vec![("a".to_owned(), FieldType::Int)])),
                field("total", FieldType::Decimal(12, 2)),
                field("raw", FieldType::Json),
                field("newer", FieldType::String),
            ],
        };
        let mut out = Vec::new();
        assert!(write_rows(&mut out, &tail_columns(&stream), &batch));
        let text = String::from_utf8(out).expect("utf-8");
        assert_eq!(
            text,
            r#"[1,[1,null],{"a":5},"10.50",{"x":1},null,null,null,1],[2,null,{},null,null,null,null,null,2]"#
        );
    }
}
