//! Writes one Parquet file of sorted rows, in bounded memory: one row group of compressed pages at a time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use pulseboard_model::schema::{ARRIVED_AT, OFFSET, SOURCE_TIME, TIME};

use crate::error::ArchiveError;
use crate::shape::{file_schema, to_file};
use crate::sorted::{column, offsets, times};

/// A row group ends with so many rows,
const GROUP_ROWS: usize = 128 << 10;
/// or when it takes about so many bytes, which is what the writer holds in memory.
const GROUP_BYTES: usize = 32 << 20;
/// A page ends with so many rows: the finest that a search by time goes.
const PAGE_ROWS: usize = 8_192;

/// Columns by which rows are looked up have a Bloom filter in each row group: so many of a file,
const FILTERS_MAX: usize = 8;
/// that err so often, which is a byte a row where all values differ and next to nothing where few do.
const FILTER_ERRS: f64 = 0.03;
/// A whole number is looked up if its column's name ends so; others are measured.
const ID_ENDINGS: [&str; 6] = ["id", "key", "code", "number", "uuid", "_no"];

/// A file that is written, synced, and has no name in the archive yet.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) path: PathBuf,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
    pub(crate) offsets: (u64, u64),
    pub(crate) times: (i64, i64),
    pub(crate) arrived: (i64, i64),
}

/// Counts and sums what goes through it.
struct Summed<W> {
    inner: W,
    bytes: u64,
    crc: u32,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.bytes += count as u64;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// How hard a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// For good.
    Kept,
    /// Only until it is merged with its neighbours, moments later.
    Passing,
}

/// A file under way.
pub(crate) struct FileWriter {
    writer: ArrowWriter<Summed<BufWriter<File>>>,
    path: PathBuf,
    schema: SchemaRef,
    rows: u64,
    offsets: (i64, i64),
    times: (i64, i64),
    arrived: (i64, i64),
}

fn widen(range: &mut (i64, i64), values: &[i64]) {
    for value in values {
        range.0 = range.0.min(*value);
        range.1 = range.1.max(*value);
    }
}

/// How Parquet keeps the columns.
pub(crate) fn properties(effort: Effort) -> WriterProperties {
    let level = match effort {
        Effort::Kept => 3,
        Effort::Passing => 1,
    };
    let compression = ZstdLevel::try_new(level).map_or(Compression::UNCOMPRESSED, Compression::ZSTD);
    let mut builder = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_max_row_group_bytes(Some(GROUP_BYTES))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS / 8);
    for name in [TIME, SOURCE_TIME, ARRIVED_AT, OFFSET] {
        let path = ColumnPath::new(vec![name.to_owned()]);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

/// The columns of a layout by which rows are looked up: texts, and whole numbers that are called as if they named something.
fn looked_up(schema: &SchemaRef) -> Vec<ColumnPath> {
    let fields = schema.fields().iter().filter(|field| match field.data_type() {
        DataType::Utf8 => true,
        DataType::Int64 => {
            let name = field.name().to_lowercase();
            name != OFFSET && ID_ENDINGS.iter().any(|ending| name.ends_with(ending))
        }
        _ => false,
    });
    fields.take(FILTERS_MAX).map(|field| ColumnPath::new(vec![field.name().clone()])).collect()
}

impl FileWriter {
    /// Begins a file of rows in the event layout `schema`.
    pub(crate) fn create(path: &Path, schema: &SchemaRef, effort: Effort) -> Result<Self, ArchiveError> {
        let failed = |error: &dyn std::fmt::Display| ArchiveError::io(format!("writing `{}`", path.display()), error);
        let schema = file_schema(schema);
        let at = |name: &str| schema.index_of(name).ok().and_then(|index| i32::try_from(index).ok()).unwrap_or(0);
        let sorting =
            [TIME, OFFSET].map(|name| SortingColumn { column_idx: at(name), descending: false, nulls_first: false });
        // The numbers of columns are those of leaves; only in a flat file are they the same.
        let flat = schema.fields().iter().all(|field| !field.data_type().is_nested());
        let mut builder = properties(effort).into_builder().set_sorting_columns(flat.then(|| sorting.to_vec()));
        if effort == Effort::Kept {
            for path in looked_up(&schema) {
                builder = builder
                    .set_column_bloom_filter_enabled(path.clone(), true)
                    .set_column_bloom_filter_fpp(path.clone(), FILTER_ERRS)
                    .set_column_bloom_filter_max_ndv(path, GROUP_ROWS as u64);
            }
        }
        let properties = builder.build();
        let file = File::create(path).map_err(|error| failed(&error))?;
        let sink = Summed { inner: BufWriter::with_capacity(1 << 20, file), bytes: 0, crc: 0 };
        let writer = ArrowWriter::try_new(sink, schema.clone(), Some(properties)).map_err(|error| failed(&error))?;
        let none = (i64::MAX, i64::MIN);
        Ok(Self { writer, path: path.to_owned(), schema, rows: 0, offsets: none, times: none, arrived: none })
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> ArchiveError {
        ArchiveError::io(format!("writing `{}`", self.path.display()), error)
    }

    /// Adds rows, in the order of the file.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<(), ArchiveError> {
        widen(&mut self.offsets, offsets(rows)?);
        widen(&mut self.times, times(rows)?);
        widen(&mut self.arrived, column::<TimestampMicrosecondType>(rows, ARRIVED_AT)?.values());
        self.rows += rows.num_rows() as u64;
        let rows = to_file(rows, &self.schema)?;
        self.writer.write(&rows).map_err(|error| self.failed(&error))
    }

    /// Ends the file, durably.
    pub(crate) fn finish(mut self) -> Result<Written, ArchiveError> {
        self.writer.flush().map_err(|error| self.failed(&error))?;
        let path = self.path.clone();
        let failed = |error: &dyn std::fmt::Display| ArchiveError::io(format!("writing `{}`", path.display()), error);
        let Summed { inner, bytes, crc } = self.writer.into_inner().map_err(|error| failed(&error))?;
        let file = inner.into_inner().map_err(|error| failed(&error))?;
        file.sync_all().map_err(|error| failed(&error))?;
        let offsets = (self.offsets.0.cast_unsigned(), self.offsets.1.cast_unsigned());
        Ok(Written { path, rows: self.rows, bytes, crc, offsets, times: self.times, arrived: self.arrived })
    }
}
