//! Brings rows of an earlier schema into a later one of the same stream.
//!
//! A stream's schema only grows and widens, so this never loses anything: integers become floats, what was unknown
//! becomes nulls, new fields are null, inside lists and structs too. Works on both layouts, by column name. It never
//! narrows: a target that is not a growth of the batch's schema is an error.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::schema::FieldType;

/// Gives `batch` the columns of `target`, in its order. Costs nothing when the schemas are equal.
///
/// # Errors
/// [`ArrowError::SchemaError`] that names the field when `target` is not a growth of the batch's schema.
pub fn conform(batch: &RecordBatch, target: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if Arc::ptr_eq(batch.schema_ref(), target) {
        return Ok(batch.clone());
    }
    let known = |name: &str| target.column_with_name(name).is_some();
    if let Some(lost) = batch.schema_ref().fields().iter().find(|field| !known(field.name())) {
        return Err(ArrowError::SchemaError(format!("field `{}` is not in the newer schema", lost.name())));
    }
    let rows = batch.num_rows();
    let columns: Vec<ArrayRef> = target
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) => conform_array(column, field),
            None => Ok(new_null_array(field.data_type(), rows)),
        })
        .collect::<Result<_, _>>()?;
    RecordBatch::try_new_with_options(target.clone(), columns, &RecordBatchOptions::new().with_row_count(Some(rows)))
}

/// Whether every value of `from` can become one of `to` without loss: the rule of [`conform`], and of declarations that
/// come after the first events.
#[must_use]
pub fn widens(from: &FieldType, to: &FieldType) -> bool {
    match (from, to) {
        (FieldType::Unknown, _) | (FieldType::Int, FieldType::Float) => true,
        (FieldType::Decimal(from_precision, from_scale), FieldType::Decimal(to_precision, to_scale)) => {
            from_scale == to_scale && from_precision <= to_precision
        }
        (FieldType::List(from), FieldType::List(to)) => widens(from, to),
        (FieldType::Struct(from), FieldType::Struct(to)) => from
            .iter()
            .all(|(name, from_type)| to.iter().any(|(other, to_type)| name == other && widens(from_type, to_type))),
        (from, to) => from == to,
    }
}

fn conform_array(array: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    let target = field.data_type();
    match (array.data_type(), target) {
        (from, to) if from == to => Ok(array.clone()),
        (DataType::Null, to) => Ok(new_null_array(to, array.len())),
        (DataType::Int64, DataType::Float64) => cast(array, target),
        (DataType::Decimal128(from, from_scale), DataType::Decimal128(to, to_scale))
            if from <= to && from_scale == to_scale =>
        {
            cast(array, target)
        }
        (DataType::List(_), DataType::List(item)) => {
            let list = array.as_list::<i32>();
            let values = conform_array(list.values(), item)?;
            let list = ListArray::try_new(item.clone(), list.offsets().clone(), values, list.nulls().cloned())?;
            Ok(Arc::new(list))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => conform_struct(array.as_struct(), fields),
        (from, to) => Err(ArrowError::SchemaError(format!("field `{}` cannot go from {from} to {to}", field.name()))),
    }
}

fn conform_struct(array: &StructArray, fields: &Fields) -> Result<ArrayRef, ArrowError> {
    let known = |name: &str| fields.iter().any(|field| field.name() == name);
    if let Some(lost) = array.column_names().into_iter().find(|name| !known(name)) {
        return Err(ArrowError::SchemaError(format!("nested field `{lost}` is not in the newer schema")));
    }
    let columns: Vec<ArrayRef> = fields
        .iter()
        .map(|field| match array.column_by_name(field.name()) {
            Some(column) => conform_array(column, field),
            None => Ok(new_null_array(field.data_type(), array.len())),
        })
        .collect::<Result<_, _>>()?;
    let array = StructArray::try_new_with_length(fields.clone(), columns, array.nulls().cloned(), array.len())?;
    Ok(Arc::new(array))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int64Array, NullArray, StringArray};
    use arrow::buffer::{NullBuffer, OffsetBuffer};
    use arrow::datatypes::{Int64Type, Schema};

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
    }

    fn schema(fields: &[(&str, FieldType)]) -> SchemaRef {
        let fields = fields.iter().map(|(name, field_type)| Field::new(*name, field_type.to_arrow(), true));
        Arc::new(Schema::new(fields.collect::<Fields>()))
    }

    #[test]
    fn integers_widen_and_new_fields_are_null() {
        let old = batch(vec![("a", Arc::new(Int64Array::from(vec![Some(1), None])))]);
        let target = schema(&[("b", FieldType::String), ("a", FieldType::Float)]);
        let new = conform(&old, &target).unwrap();
        assert_eq!(new.schema_ref(), &target);
        assert_eq!(new.column(0).null_count(), 2);
        assert_eq!(new.column(1).as_ref(), &Float64Array::from(vec![Some(1.0), None]) as &dyn Array);
    }

    #[test]
    fn decimals_keep_their_value_and_unknown_becomes_anything() {
        let decimal = Decimal128Array::from(vec![12_345]).with_precision_and_scale(10, 2).unwrap();
        let old = batch(vec![("d", Arc::new(decimal)), ("n", Arc::new(NullArray::new(1)))]);
        let target = schema(&[("d", FieldType::Decimal(20, 2)), ("n", FieldType::List(Box::new(FieldType::Int)))]);
        let new = conform(&old, &target).unwrap();
        assert_eq!(new.column(0).as_primitive::<arrow::datatypes::Decimal128Type>().value_as_string(0), "123.45");
        assert!(new.column(1).is_null(0));
    }

    #[test]
    fn structs_and_lists_grow_inside() {
        let inner = StructArray::try_new(
            Fields::from(vec![Field::new("x", DataType::Int64, true)]),
            vec![Arc::new(Int64Array::from(vec![1, 2, 3]))],
            Some(NullBuffer::from(vec![true, false, true])),
        )
        .unwrap();
        let item = Arc::new(Field::new("item", inner.data_type().clone(), true));
        let list = ListArray::new(item, OffsetBuffer::new(vec![0, 1, 3].into()), Arc::new(inner), None);
        let grown = FieldType::Struct(vec![("y".into(), FieldType::String), ("x".into(), FieldType::Float)]);
        let target = schema(&[("l", FieldType::List(Box::new(grown)))]);
        let new = conform(&batch(vec![("l", Arc::new(list))]), &target).unwrap();
        let list = new.column(0).as_list::<i32>();
        let inner = list.values().as_struct();
        assert_eq!(list.value_offsets(), [0, 1, 3]);
        assert!(inner.is_null(1) && inner.is_valid(2));
        assert_eq!(inner.column(0).as_ref(), &StringArray::new_null(3) as &dyn Array);
        assert_eq!(inner.column(1).as_primitive::<arrow::datatypes::Float64Type>().value(2), 3.0);
    }

    #[test]
    fn narrowing_and_loss_are_refused_by_name() {
        let old = batch(vec![("a", Arc::new(Int64Array::from(vec![1])))]);
        let wrong_type = conform(&old, &schema(&[("a", FieldType::String)])).unwrap_err().to_string();
        assert!(wrong_type.contains("`a`"), "{wrong_type}");
        let lost = conform(&old, &schema(&[("b", FieldType::Int)])).unwrap_err().to_string();
        assert!(lost.contains("`a`"), "{lost}");
        assert_eq!(conform(&old, old.schema_ref()).unwrap().column(0).as_primitive::<Int64Type>().value(0), 1);
    }

    #[test]
    fn the_rule_on_types_is_the_rule_on_arrays() {
        let object = |fields: &[(&str, FieldType)]| {
            FieldType::Struct(fields.iter().map(|(name, t)| ((*name).to_owned(), t.clone())).collect())
        };
        assert!(widens(&object(&[("a", FieldType::Int)]), &object(&[("b", FieldType::Bool), ("a", FieldType::Float)])));
        assert!(!widens(&object(&[("a", FieldType::Int)]), &object(&[("b", FieldType::Bool)])));
        assert!(!widens(&FieldType::Float, &FieldType::Int));
        assert!(!widens(&FieldType::Decimal(10, 2), &FieldType::Decimal(10, 3)));
        assert!(widens(&FieldType::Unknown, &FieldType::Time));
    }
}
