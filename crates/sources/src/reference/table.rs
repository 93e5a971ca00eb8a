//! A file as columns of text. What a Parquet file says of its types is kept beside them; a CSV file says nothing.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::{cast, concat};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pulseboard_model::FieldType;

use super::{BYTES_MAX, FileFormat, ROWS_MAX, ReferenceError};

/// A column of a file.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// What the file says it is.
    pub(super) field_type: Option<FieldType>,
    /// An empty field of a CSV file is null.
    pub(super) values: StringArray,
}

/// A file.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
}

fn unreadable(error: impl std::fmt::Display) -> ReferenceError {
    ReferenceError::Unreadable(error.to_string())
}

/// Reads a file within its limits.
pub(super) fn read(path: &Path) -> Result<Table, ReferenceError> {
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.len() > BYTES_MAX {
        return Err(ReferenceError::TooLarge);
    }
    match FileFormat::of(path) {
        Some(FileFormat::Csv) => csv(file),
        Some(FileFormat::Parquet) => parquet(file),
        None => Err(ReferenceError::Unreadable("its name ends neither in `.csv` nor in `.parquet`".to_owned())),
    }
}

fn csv(file: File) -> Result<Table, ReferenceError> {
    let mut bytes = Vec::new();
    // It may have grown since it was measured.
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(ReferenceError::TooLarge);
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    if text.trim_ascii().is_empty() {
        return Err(unreadable("it is empty: the names of its columns are missing"));
    }
    let (header, _) =
        Format::default().with_header(true).infer_schema(Cursor::new(text), Some(0)).map_err(unreadable)?;
    let names: Vec<String> = header.fields().iter().map(|field| field.name().trim().to_owned()).collect();
    let fields: Fields = names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    let reader = ReaderBuilder::new(Arc::new(Schema::new(fields))).with_header(true).build(Cursor::new(text));
    let batches = gathered(reader.map_err(unreadable)?)?;
    let kinds = names.into_iter().map(|name| (name, None)).collect();
    table(kinds, &batches)
}

fn parquet(file: File) -> Result<Table, ReferenceError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?;
    let mut kinds = Vec::new();
    for field in builder.schema().fields() {
        let column = || field.name().trim().to_owned();
        let Some(kind) = kind_of(field.data_type()) else {
            let what = format!("has the type {}: only plain values are read", field.data_type());
            return Err(ReferenceError::Column { column: column(), what });
        };
        kinds.push((column(), kind));
    }
    let batches = gathered(builder.build().map_err(unreadable)?)?;
    table(kinds, &batches)
}

fn gathered(reader: impl Iterator<Item = Result<RecordBatch, ArrowError>>) -> Result<Vec<RecordBatch>, ReferenceError> {
    let (mut batches, mut rows) = (Vec::new(), 0);
    for batch in reader {
        let batch = batch.map_err(unreadable)?;
        rows += batch.num_rows();
        if rows > ROWS_MAX {
            return Err(ReferenceError::TooManyRows);
        }
        batches.push(batch);
    }
    Ok(batches)
}

/// What a value of that type is in a stream: `None` if nothing, `Some(None)` if it says nothing.
fn kind_of(data_type: &DataType) -> Option<Option<FieldType>> {
    Some(match data_type {
        DataType::Null => None,
        data_type if data_type.is_integer() => Some(FieldType::Int),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Some(FieldType::Float),
        DataType::Boolean => Some(FieldType::Bool),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(FieldType::String),
        DataType::Decimal128(precision, scale) if *scale >= 0 => Some(FieldType::Decimal(*precision, *scale)),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Some(FieldType::Time),
        DataType::Dictionary(_, values) => return kind_of(values),
        _ => return None,
    })
}

fn table(kinds: Vec<(String, Option<FieldType>)>, batches: &[RecordBatch]) -> Result<Table, ReferenceError> {
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut columns = Vec::with_capacity(kinds.len());
    for (number, (name, field_type)) in kinds.into_iter().enumerate() {
        let texts = batches.iter().map(|batch| text(batch.column(number))).collect::<Result<Vec<_>, _>>();
        let texts = texts.map_err(unreadable)?;
        let texts: Vec<&dyn Array> = texts.iter().map(AsRef::as_ref).collect();
        let values = match texts.as_slice() {
            [] => StringArray::new_null(0),
            texts => concat(texts).map_err(unreadable)?.as_string::<i32>().clone(),
        };
        columns.push(Column { name, field_type, values });
    }
    Ok(Table { columns, rows })
}

fn text(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        // A date alone is no instant: it means its first.
        DataType::Date32 | DataType::Date64 => {
            cast(&cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))?, &DataType::Utf8)
        }
        _ => cast(column, &DataType::Utf8),
    }
}
