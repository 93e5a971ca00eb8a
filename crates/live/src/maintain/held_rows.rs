//! From the rows that a part holds as cells back to a batch, for the plan above it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DurationMicrosecondArray, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{Result, exec_datafusion_err};
use pulseboard_model::{Cell, Row};

/// A batch of `rows` in `schema`, whose types are those the cells were made from.
///
/// # Errors
/// For cells of another type, and for types that cells do not hold whole (lists, structs).
pub(crate) fn batch_of(rows: &[&Row], schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema.fields().iter().enumerate().map(|(i, field)| {
        let cells = rows.iter().map(|row| &row[i]);
        column(cells, field.data_type())
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_>>()?, &options)?)
}

fn column<'a>(cells: impl Iterator<Item = &'a Cell> + Clone, data_type: &DataType) -> Result<ArrayRef> {
    let first = cells.clone().find(|cell| !matches!(cell, Cell::Null));
    macro_rules! gather {
        ($array:ty, $($variant:ident)|+, $value:expr) => {{
            let read = |cell: &Cell| match cell {
                $(Cell::$variant(value) => Ok(Some($value(value))),)+
                Cell::Null => Ok(None),
                other => Err(exec_datafusion_err!("a column of one type holds {other:?}")),
            };
            Arc::new(cells.map(read).collect::<Result<$array>>()?) as ArrayRef
        }};
    }
    fn copied<T: Copy>(value: &T) -> T {
        *value
    }
    let array = match first {
        None => return Ok(arrow::array::new_null_array(data_type, cells.count())),
        Some(Cell::Bool(_)) => gather!(BooleanArray, Bool, copied),
        Some(Cell::Int(_)) => gather!(Int64Array, Int, copied),
        Some(Cell::UInt(_)) => gather!(UInt64Array, UInt, copied),
        Some(Cell::Float(_)) => gather!(Float64Array, Float, copied),
        Some(Cell::Date(_)) => gather!(Date32Array, Date, copied),
        Some(Cell::Duration(_)) => gather!(DurationMicrosecondArray, Duration, copied),
        Some(Cell::Str(_) | Cell::Decimal(_)) => {
            gather!(StringArray, Str | Decimal, |text: &Arc<str>| text.to_string())
        }
        Some(Cell::Time(_)) => {
            let timezone = match data_type {
                DataType::Timestamp(_, timezone) => timezone.clone(),
                _ => None,
            };
            let read = |cell: &Cell| match cell {
                Cell::Time(value) => Ok(Some(*value)),
                Cell::Null => Ok(None),
                other => Err(exec_datafusion_err!("a column of times holds {other:?}")),
            };
            let times: TimestampMicrosecondArray = cells.map(read).collect::<Result<_>>()?;
            Arc::new(times.with_timezone_opt(timezone))
        }
        Some(other) => return Err(exec_datafusion_err!("{other:?} cannot be given back to the plan above")),
    };
    if array.data_type() == data_type { Ok(array) } else { Ok(cast(&array, data_type)?) }
}
