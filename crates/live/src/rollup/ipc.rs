//! Columns as bytes and back: one Arrow IPC stream of one batch, its fields named by their numbers. What does not read back
//! whole is an error.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatchOptions;
use datafusion::common::{Result, exec_datafusion_err};

pub(super) fn columns_to_ipc(columns: Vec<ArrayRef>) -> Result<Vec<u8>> {
    let rows = columns.first().map_or(0, |column| column.len());
    let field = |(number, column): (usize, &ArrayRef)| Field::new(number.to_string(), column.data_type().clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?)
}

pub(super) fn ipc_to_columns(bytes: &[u8]) -> Result<(Vec<ArrayRef>, usize)> {
    let mut reader = StreamReader::try_new(Cursor::new(bytes), None)?;
    let batch = reader.next().ok_or_else(|| exec_datafusion_err!("kept states of a rollup are damaged"))??;
    Ok((batch.columns().to_vec(), batch.num_rows()))
}
