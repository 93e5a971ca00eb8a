//! Looking a row up by what is in one of its columns: which row groups may have it, by their statistics and Bloom filters, and
//! where in a group it is, by the pages' statistics and then by that column alone, before any other is read.
//!
//! Of a Bloom filter no more is read than the one block that decides: 32 bytes of each group. What is not known rules
//! nothing out.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::bloom_filter::Sbbf;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use pulseboard_model::Cell;
use xxhash_rust::xxh64::xxh64;

use super::file::OpenFile;
use crate::error::ArchiveError;

/// Bytes of one block of a split-block Bloom filter, as the Parquet format has it.
const BLOCK_BYTES: u64 = 32;
/// The seed of its hash.
const SEED: u64 = 0;

/// A value that a column must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Equal {
    pub(crate) column: String,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Int(i64),
    Text(Arc<str>),
}

impl Equal {
    /// `column = cell`, if files know anything about such values.
    pub(crate) fn of(column: &str, cell: &Cell) -> Option<Self> {
        let value = match cell {
            Cell::Int(value) => Value::Int(*value),
            Cell::Str(text) => Value::Text(text.clone()),
            _ => return None,
        };
        Some(Self { column: column.to_owned(), value })
    }

    fn is_of(&self, data_type: &DataType) -> bool {
        matches!((&self.value, data_type), (Value::Int(_), DataType::Int64) | (Value::Text(_), DataType::Utf8))
    }

    fn hash(&self) -> u64 {
        match &self.value {
            Value::Int(value) => xxh64(&value.to_le_bytes(), SEED),
            Value::Text(text) => xxh64(text.as_bytes(), SEED),
        }
    }

    /// Whether a filter of one block may have it.
    fn is_in(&self, block: &[u8]) -> bool {
        let filter = Sbbf::new(block);
        match &self.value {
            Value::Int(value) => filter.check(value),
            Value::Text(text) => filter.check(text.as_bytes()),
        }
    }

    fn is_between<T: AsRef<[u8]> + ?Sized>(text: &str, min: &T, max: &T) -> bool {
        min.as_ref() <= text.as_bytes() && text.as_bytes() <= max.as_ref()
    }

    /// Whether a column with these statistics may have it.
    fn may_be_in(&self, statistics: &Statistics) -> bool {
        match (&self.value, statistics) {
            (Value::Int(value), Statistics::Int64(known)) => match (known.min_opt(), known.max_opt()) {
                (Some(min), Some(max)) => (min..=max).contains(&value),
                _ => true,
            },
            (Value::Text(text), Statistics::ByteArray(known)) => match (known.min_opt(), known.max_opt()) {
                (Some(min), Some(max)) => Self::is_between(text, min.data(), max.data()),
                _ => true,
            },
            _ => true,
        }
    }

    /// Whether a page may have it.
    fn may_be_on(&self, index: &ColumnIndexMetaData, page: usize) -> bool {
        match (&self.value, index) {
            (Value::Int(value), ColumnIndexMetaData::INT64(index)) => {
                match (index.min_value(page), index.max_value(page)) {
                    (Some(min), Some(max)) => (min..=max).contains(&value),
                    // All of it is null.
                    _ => false,
                }
            }
            (Value::Text(text), ColumnIndexMetaData::BYTE_ARRAY(index)) => {
                match (index.min_value(page), index.max_value(page)) {
                    (Some(min), Some(max)) => Self::is_between(text, min, max),
                    _ => false,
                }
            }
            _ => true,
        }
    }

    /// Which rows have it.
    fn mask(&self, rows: &RecordBatch) -> Option<BooleanArray> {
        let column = rows.column_by_name(&self.column)?;
        Some(match &self.value {
            Value::Int(value) => {
                let column = column.as_primitive_opt::<Int64Type>()?;
                column.iter().map(|known| Some(known == Some(*value))).collect()
            }
            Value::Text(text) => {
                let column = column.as_string_opt::<i32>()?;
                column.iter().map(|known| Some(known == Some(text.as_ref()))).collect()
            }
        })
    }
}

impl OpenFile {
    /// Whether files know anything of such values in this one: where the column was of another type they do not.
    fn knows(&self, equal: &Equal) -> Option<usize> {
        let field = self.field(&equal.column)?;
        if equal.is_of(field.data_type()) { self.leaf(&equal.column) } else { None }
    }

    /// Of some groups those that may have a row with all of `equal`.
    pub(super) fn may_equal(&self, groups: Vec<usize>, equal: &[Equal]) -> Result<Vec<usize>, ArchiveError> {
        let mut groups = groups;
        for equal in equal {
            if self.field(&equal.column).is_none() {
                // The file is older than the column: no row has a value there.
                return Ok(Vec::new());
            }
            let Some(leaf) = self.knows(equal) else { continue };
            groups.retain(|group| {
                self.group(*group).column(leaf).statistics().is_none_or(|known| equal.may_be_in(known))
            });
            let places: Vec<_> = groups.iter().map(|group| self.block(*group, leaf, equal.hash())).collect();
            let mut blocks = self.ranges(places.iter().flatten().cloned().collect())?.into_iter();
            let mut places = places.into_iter();
            groups.retain(|_| match places.next().flatten().and_then(|_| blocks.next()) {
                Some(block) => equal.is_in(&block),
                None => true,
            });
        }
        Ok(groups)
    }

    /// Where the block lies that says whether a column of a group may have a value of this hash.
    fn block(&self, group: usize, leaf: usize, hash: u64) -> Option<std::ops::Range<u64>> {
        let column = self.group(group).column(leaf);
        let offset = u64::try_from(column.bloom_filter_offset()?).ok()?;
        let length = u64::try_from(column.bloom_filter_length()?).ok()?;
        // A short header, then the blocks: as many as a power of two.
        let bytes = 1 << length.checked_ilog2()?;
        let blocks = bytes / BLOCK_BYTES;
        if blocks == 0 || length - bytes >= BLOCK_BYTES {
            return None;
        }
        let number = ((hash >> 32) * blocks) >> 32;
        let start = offset + (length - bytes) + number * BLOCK_BYTES;
        Some(start..start + BLOCK_BYTES)
    }

    /// Of the rows of a group that are selected, all if it is `None`, those with all of `equal`.
    pub(super) fn equal_rows(
        &self,
        group: usize,
        selection: Option<RowSelection>,
        equal: &[Equal],
    ) -> Result<Option<RowSelection>, ArchiveError> {
        let mut selection = selection;
        for equal in equal {
            let Some(leaf) = self.knows(equal) else { continue };
            let on_pages = self.pages_where(group, leaf, |index, page| equal.may_be_on(index, page));
            selection = match (selection, on_pages) {
                (Some(known), Some(pages)) => Some(known.intersection(&pages)),
                (one, other) => one.or(other),
            };
            if selection.as_ref().is_some_and(|selection| !selection.selects_any()) {
                return Ok(selection);
            }
            let only = HashSet::from([equal.column.clone()]);
            let mut masks = Vec::new();
            for rows in self.read(group, selection.clone(), &only)? {
                let rows = rows?;
                // A column that cannot be compared rules nothing out.
                let all = || BooleanArray::from(vec![true; rows.num_rows()]);
                masks.push(equal.mask(&rows).unwrap_or_else(all));
            }
            let found = RowSelection::from_filters(&masks);
            selection = Some(match selection {
                Some(selection) => selection.and_then(&found),
                None => found,
            });
        }
        Ok(selection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_of_a_filter_says_what_the_whole_says() {
        let mut whole = Sbbf::new_with_ndv_fpp(5_000, 0.03).unwrap();
        let texts: Vec<String> = (0..5_000).map(|n| format!("order-{n}")).collect();
        for text in &texts {
            whole.insert(text.as_bytes());
        }
        for n in 0..5_000_i64 {
            whole.insert(&n);
        }
        let mut bytes = Vec::new();
        whole.write_bitset(&mut bytes).unwrap();
        let blocks = bytes.len() as u64 / BLOCK_BYTES;
        let check = |equal: &Equal| {
            let at = usize::try_from((((equal.hash() >> 32) * blocks) >> 32) * BLOCK_BYTES).unwrap();
            equal.is_in(&bytes[at..at + 32])
        };
        for n in 0..20_000_i64 {
            let text = format!("order-{n}");
            let equal = Equal::of("c", &Cell::Str(text.as_str().into())).unwrap();
            assert_eq!(check(&equal), whole.check(text.as_bytes()), "{text}");
            let equal = Equal::of("c", &Cell::Int(n)).unwrap();
            assert_eq!(check(&equal), whole.check(&n), "{n}");
        }
    }
}
