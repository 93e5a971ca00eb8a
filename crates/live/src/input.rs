//! From an event batch to the columns a query starts from, in its zone.
//!
//! A query keeps running when its stream's schema grows, as long as the columns it reads are as it planned them.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatchOptions;
use chrono_tz::Tz;
use pulseboard_model::{SchemaVersion, StreamSchema};
use std::sync::Arc;

use crate::maintain::branches::Branch;
use crate::sql::session::in_timezone;
use crate::sql::table::relabel_array;

/// Where the columns of one of a shape's inputs are in the event layout of one schema version.
#[derive(Debug, Clone)]
pub(crate) struct InputLayout {
    pub(crate) version: SchemaVersion,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl InputLayout {
    /// None if a column is missing or has another type now: the query must be planned again.
    pub(crate) fn new(branch: &Branch, schema: &StreamSchema, timezone: Tz) -> Option<Self> {
        let available = in_timezone(&schema.event_schema(), timezone);
        let mut columns = Vec::with_capacity(branch.input.len());
        for wanted in &branch.input {
            let (index, field) = available.column_with_name(wanted.name())?;
            if field.data_type() != wanted.data_type() {
                return None;
            }
            columns.push(index);
        }
        Some(Self { version: schema.version, columns, schema: Arc::new(Schema::new(branch.input.clone())) })
    }

    /// The input columns of an event batch of any version that has them with these types.
    pub(crate) fn apply_by_name(&self, batch: &RecordBatch) -> Option<RecordBatch> {
        let columns = self.schema.fields().iter().map(|field| {
            let array = relabel_array(batch.column_by_name(field.name())?, field.data_type());
            (array.data_type() == field.data_type()).then_some(array)
        });
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns.collect::<Option<_>>()?, &options).ok()
    }

    /// The input columns of an event batch of that version.
    pub(crate) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = self.columns.iter().zip(self.schema.fields());
        let columns = columns.map(|(index, field)| relabel_array(batch.column(*index), field.data_type())).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }
}
