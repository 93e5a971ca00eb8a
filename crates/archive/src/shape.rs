//! Rows between the form everyone sees and the form Parquet can hold: it has no object without members, so such an object
//! gets one, marked, and loses it again when it is read.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

/// Marks the member that stands for none.
const MARK: &str = "pulseboard.empty";

fn stand_in() -> FieldRef {
    let mark = HashMap::from([(MARK.to_owned(), "1".to_owned())]);
    Arc::new(Field::new("empty", DataType::Boolean, true).with_metadata(mark))
}

fn is_stand_in(fields: &Fields) -> bool {
    matches!(fields.iter().as_slice(), [one] if one.metadata().contains_key(MARK))
}

/// The type that a file has for `data_type`, if it differs.
fn file_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Struct(fields) if fields.is_empty() => Some(DataType::Struct(Fields::from(vec![stand_in()]))),
        DataType::Struct(fields) => file_fields(fields).map(DataType::Struct),
        DataType::List(item) => {
            let inner = file_type(item.data_type())?;
            Some(DataType::List(Arc::new(item.as_ref().clone().with_data_type(inner))))
        }
        _ => None,
    }
}

fn file_fields(fields: &Fields) -> Option<Fields> {
    let changed: Vec<_> = fields.iter().map(|field| file_type(field.data_type())).collect();
    changed.iter().any(Option::is_some).then(|| {
        let fields = fields.iter().zip(changed).map(|(field, changed)| match changed {
            Some(changed) => Arc::new(field.as_ref().clone().with_data_type(changed)),
            None => field.clone(),
        });
        fields.collect()
    })
}

/// The schema of a file of rows in `schema`.
pub(crate) fn file_schema(schema: &SchemaRef) -> SchemaRef {
    file_fields(schema.fields()).map_or_else(|| schema.clone(), |fields| Arc::new(Schema::new(fields)))
}

/// Rows as a file holds them.
pub(crate) fn to_file(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if Arc::ptr_eq(rows.schema_ref(), schema) {
        return Ok(rows.clone());
    }
    let columns = rows.columns().iter().zip(schema.fields()).map(|(column, field)| pad(column, field.data_type()));
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)
}

fn pad(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    match to {
        _ if array.data_type() == to => Ok(array.clone()),
        DataType::Struct(fields) => {
            let array = array.as_struct();
            let columns: Vec<ArrayRef> = if array.columns().is_empty() {
                vec![Arc::new(BooleanArray::new_null(array.len()))]
            } else {
                let columns = array.columns().iter().zip(fields).map(|(column, field)| pad(column, field.data_type()));
                columns.collect::<Result<_, _>>()?
            };
            Ok(Arc::new(StructArray::try_new(fields.clone(), columns, array.nulls().cloned())?))
        }
        DataType::List(item) => {
            let list = array.as_list::<i32>();
            let values = pad(list.values(), item.data_type())?;
            Ok(Arc::new(ListArray::try_new(item.clone(), list.offsets().clone(), values, list.nulls().cloned())?))
        }
        to => Err(ArrowError::SchemaError(format!("{} cannot be kept as {to}", array.data_type()))),
    }
}

/// Rows as everyone sees them.
pub(crate) fn from_file(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    if !rows.schema_ref().fields().iter().any(|field| is_padded(field.data_type())) {
        return Ok(rows.clone());
    }
    let columns = rows.columns().iter().map(strip).collect::<Result<Vec<_>, _>>()?;
    let fields = rows.schema_ref().fields().iter().zip(&columns);
    let fields: Fields =
        fields.map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone())).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn is_padded(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => is_stand_in(fields) || fields.iter().any(|field| is_padded(field.data_type())),
        DataType::List(item) => is_padded(item.data_type()),
        _ => false,
    }
}

fn strip(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        other if !is_padded(other) => Ok(array.clone()),
        DataType::Struct(fields) => {
            let array = array.as_struct();
            if is_stand_in(fields) {
                return Ok(Arc::new(StructArray::new_empty_fields(array.len(), array.nulls().cloned())));
            }
            let columns = array.columns().iter().map(strip).collect::<Result<Vec<_>, _>>()?;
            let fields = fields.iter().zip(&columns);
            let fields: Fields = fields
                .map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()))
                .collect();
            Ok(Arc::new(StructArray::try_new(fields, columns, array.nulls().cloned())?))
        }
        DataType::List(item) => {
            let list = array.as_list::<i32>();
            let values = strip(list.values())?;
            let item = Arc::new(item.as_ref().clone().with_data_type(values.data_type().clone()));
            Ok(Arc::new(ListArray::try_new(item, list.offsets().clone(), values, list.nulls().cloned())?))
        }
        _ => Ok(array.clone()),
    }
}
