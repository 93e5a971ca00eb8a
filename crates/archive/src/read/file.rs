//! One open file: its row groups and pages by what their statistics say, and the rows of one group at a time.

use std::collections::HashSet;
use std::sync::Arc;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;

use crate::chunks::Chunks;
use crate::error::ArchiveError;
use crate::published::Object;
use crate::shape::from_file;
use crate::sorted::{BATCH_ROWS, Batches};
use crate::store::Source;

/// A range of values, both ends included.
pub(super) struct Page {
    pub(super) from: i64,
    pub(super) to: i64,
}

/// An open file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) object: Arc<Object>,
    source: Source,
    footer: ArrowReaderMetadata,
}

impl OpenFile {
    pub(super) fn open(object: Arc<Object>) -> Result<Self, ArchiveError> {
        let source = object.source()?;
        let footer = object.footer(&source)?;
        Ok(Self { object, source, footer })
    }

    /// How many row groups it has.
    pub(super) fn groups(&self) -> usize {
        self.footer.metadata().num_row_groups()
    }

    /// Its columns.
    pub(super) fn names(&self) -> HashSet<String> {
        self.footer.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// A column, if the file has it.
    pub(super) fn field(&self, name: &str) -> Option<&arrow::datatypes::Field> {
        self.footer.schema().column_with_name(name).map(|(_, field)| field)
    }

    /// Some ranges of its bytes.
    pub(super) fn ranges(&self, ranges: Vec<std::ops::Range<u64>>) -> Result<Vec<bytes::Bytes>, ArchiveError> {
        if ranges.is_empty() { Ok(Vec::new()) } else { self.source.ranges(ranges) }
    }

    pub(super) fn group(&self, group: usize) -> &RowGroupMetaData {
        self.footer.metadata().row_group(group)
    }

    /// How many rows a group has.
    pub(super) fn rows(&self, group: usize) -> usize {
        usize::try_from(self.group(group).num_rows()).unwrap_or(0)
    }

    /// Roughly what some columns of a group take in memory.
    pub(super) fn bytes(&self, group: usize, names: &HashSet<String>) -> usize {
        let group = self.group(group);
        let columns = group
            .columns()
            .iter()
            .filter(|column| column.column_path().parts().first().is_some_and(|name| names.contains(name)));
        columns.map(|column| usize::try_from(column.uncompressed_size()).unwrap_or(0)).sum()
    }

    /// The number of the column `name`, which has no members.
    pub(super) fn leaf(&self, name: &str) -> Option<usize> {
        let columns = self.footer.parquet_schema().columns();
        columns.iter().position(|column| matches!(column.path().parts(), [one] if one == name))
    }

    /// The least and the greatest value of an integer or time column in a group, if that is known.
    pub(super) fn range(&self, group: usize, name: &str) -> Option<(i64, i64)> {
        match self.group(group).column(self.leaf(name)?).statistics()? {
            Statistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
            _ => None,
        }
    }

    /// Whether a group may have a row with a value from `from` to `to`.
    pub(super) fn may_have(&self, group: usize, name: &str, from: i64, to: i64) -> bool {
        self.range(group, name).is_none_or(|(min, max)| max >= from && min <= to)
    }

    /// The rows of those pages of a group that may have a value in `wanted`; `None` if that is not known.
    pub(super) fn pages(&self, group: usize, name: &str, wanted: &Page) -> Option<RowSelection> {
        if self.range(group, name).is_some_and(|(min, max)| min >= wanted.from && max <= wanted.to) {
            return None;
        }
        self.pages_where(group, self.leaf(name)?, |index, page| {
            let ColumnIndexMetaData::INT64(index) = index else { return true };
            match (index.min_value(page), index.max_value(page)) {
                (Some(min), Some(max)) => *max >= wanted.from && *min <= wanted.to,
                _ => true,
            }
        })
    }

    /// The rows of those pages of a column of a group that `may_have` what is wanted; `None` if nothing is known of pages.
    pub(super) fn pages_where(
        &self,
        group: usize,
        leaf: usize,
        may_have: impl Fn(&ColumnIndexMetaData, usize) -> bool,
    ) -> Option<RowSelection> {
        let metadata = self.footer.metadata();
        let index = metadata.column_index()?.get(group)?.get(leaf)?;
        if matches!(index, ColumnIndexMetaData::NONE) {
            return None;
        }
        let places = metadata.offset_index()?.get(group)?.get(leaf)?.page_locations();
        let rows = self.rows(group);
        let begin = |page: usize| places.get(page).map_or(rows, |at| usize::try_from(at.first_row_index).unwrap_or(0));
        let pages = (0..places.len()).filter(|page| may_have(index, *page));
        Some(RowSelection::from_consecutive_ranges(pages.map(|page| begin(page)..begin(page + 1)), rows))
    }

    /// Some columns of a group's rows, of all or of those selected.
    pub(super) fn read(
        &self,
        group: usize,
        selection: Option<RowSelection>,
        names: &HashSet<String>,
    ) -> Result<Batches, ArchiveError> {
        let fields = self.footer.schema().fields().iter().enumerate();
        let roots = fields.filter(|(_, field)| names.contains(field.name())).map(|(at, _)| at);
        let mask = ProjectionMask::roots(self.footer.parquet_schema(), roots);
        let columns = self.group(group).columns().iter().enumerate();
        let ranges = columns.filter(|(leaf, _)| mask.leaf_included(*leaf)).map(|(_, column)| {
            let (start, length) = column.byte_range();
            start..start + length
        });
        let chunks = Chunks::new(self.source.clone(), self.object.bytes).with(ranges.collect())?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, self.footer.clone())
            .with_row_groups(vec![group])
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let reader = builder.build().map_err(|error| self.object.damaged(&error))?;
        let object = self.object.clone();
        Ok(Box::new(reader.map(move |rows| Ok(from_file(&rows.map_err(|error| object.damaged(&error))?)?))))
    }
}
