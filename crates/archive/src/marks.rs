//! Where the log's commits were: a small file beside each sealed segment's rows, so that a replay steps exactly where the
//! live answers stepped. Empty commits, the logged jumps of the clock, are in it, too.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use pulseboard_journal::CommitMark;
use pulseboard_model::{LogOffset, TimeUs};

use crate::chunks::Chunks;
use crate::error::ArchiveError;
use crate::published::Object;

fn schema() -> SchemaRef {
    let field = |name: &str| Field::new(name, DataType::Int64, name == "clock_before");
    Arc::new(Schema::new(["commit", "clock", "clock_before", "last_offset"].map(field).to_vec()))
}

/// Writes a file of marks, one batch after the other.
pub(crate) struct MarksWriter {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
}

impl MarksWriter {
    pub(crate) fn create(path: &Path) -> Result<Self, ArchiveError> {
        let failed = |error: &dyn std::fmt::Display| ArchiveError::io("writing the marks of commits", error);
        let level = ZstdLevel::try_new(3).map_or(Compression::UNCOMPRESSED, Compression::ZSTD);
        let properties = WriterProperties::builder()
            .set_compression(level)
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::DELTA_BINARY_PACKED)
            .build();
        let file = File::create(path).map_err(|error| failed(&error))?;
        let writer = ArrowWriter::try_new(file, schema(), Some(properties)).map_err(|error| failed(&error))?;
        Ok(Self { writer, schema: schema() })
    }

    pub(crate) fn write(&mut self, marks: &[CommitMark]) -> Result<(), ArchiveError> {
        let column = |of: &dyn Fn(&CommitMark) -> Option<i64>| -> arrow::array::ArrayRef {
            Arc::new(marks.iter().map(of).collect::<Int64Array>())
        };
        let columns = vec![
            column(&|mark| Some(mark.commit.cast_signed())),
            column(&|mark| Some(mark.clock.0)),
            column(&|mark| mark.clock_before.map(|before| before.0)),
            column(&|mark| Some(mark.last_offset.to_u64().cast_signed())),
        ];
        let rows = RecordBatch::try_new(self.schema.clone(), columns)?;
        self.writer.write(&rows).map_err(|error| ArchiveError::io("writing the marks of commits", &error))
    }

    /// Ends the file, durably. Gives its size, bytes.
    pub(crate) fn finish(self) -> Result<u64, ArchiveError> {
        let failed = |error: &dyn std::fmt::Display| ArchiveError::io("writing the marks of commits", error);
        let file = self.writer.into_inner().map_err(|error| failed(&error))?;
        file.sync_all().map_err(|error| failed(&error))?;
        Ok(file.metadata().map_err(|error| failed(&error))?.len())
    }
}

/// Reads a file of marks from commit `after` on, that one left out.
pub(crate) fn read(object: &Object, after: u64) -> Result<Vec<CommitMark>, ArchiveError> {
    let source = object.source()?;
    let chunks = Chunks::new(source.clone(), object.bytes);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, object.footer(&source)?)
        .build()
        .map_err(|error| object.damaged(&error))?;
    let mut marks = Vec::new();
    for rows in reader {
        let rows = rows.map_err(|error| object.damaged(&error))?;
        let columns: Option<Vec<&Int64Array>> =
            rows.columns().iter().map(|column| column.as_primitive_opt::<Int64Type>()).collect();
        let Some([commits, clocks, befores, lasts]) = columns.as_deref() else {
            return Err(object.damaged(&"it is no file of marks"));
        };
        for row in 0..rows.num_rows() {
            let commit = commits.value(row).cast_unsigned();
            if commit > after {
                marks.push(CommitMark {
                    commit,
                    clock: TimeUs(clocks.value(row)),
                    clock_before: befores.is_valid(row).then(|| TimeUs(befores.value(row))),
                    last_offset: LogOffset::from_u64(lasts.value(row).cast_unsigned()),
                });
            }
        }
    }
    Ok(marks)
}
