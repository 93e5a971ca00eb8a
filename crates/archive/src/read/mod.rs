//! Reading files: what a request needs of each, in bounded memory, and nothing that its statistics rule out.

mod equal;
mod file;
mod ordered;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::RowSelection;
use pulseboard_model::conform::conform;
use pulseboard_model::schema::{OFFSET, TIME};

use crate::error::ArchiveError;
use crate::manifest::FileEntry;
use crate::published::{Object, Published};
use crate::sorted::{Batches, offsets};
pub(crate) use equal::Equal;
use file::{OpenFile, Page};
use ordered::Ordered;

/// In which order rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScanOrder {
    /// By `_offset`: the order of the log.
    #[default]
    Offset,
    /// As they lie, which costs least: in each file by `time`.
    Any,
}

/// Which rows of a stream's files are wanted, and what of them.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// `after < _offset <= upto`.
    pub(crate) after: u64,
    pub(crate) upto: u64,
    /// A hint: rows with a `time` outside may be left out.
    pub(crate) time_from: i64,
    pub(crate) time_to: i64,
    /// A hint: rows in which one of these is otherwise may be left out.
    pub(crate) equal: Vec<Equal>,
    /// The layout they are given in: some columns of the newest one, in its order.
    pub(crate) schema: SchemaRef,
    pub(crate) order: ScanOrder,
}

impl Wanted {
    fn admits(&self, file: &FileEntry) -> bool {
        file.last_offset > self.after
            && file.first_offset <= self.upto
            && file.max_time >= self.time_from
            && file.min_time <= self.time_to
    }

    /// Leaves out rows of other offsets.
    fn trim(&self, rows: RecordBatch) -> Result<RecordBatch, ArchiveError> {
        let Some(column) = rows.column_by_name(OFFSET) else { return Ok(rows) };
        let _present = column;
        let wanted = |offset: &i64| {
            let offset = offset.cast_unsigned();
            offset > self.after && offset <= self.upto
        };
        let offsets = offsets(&rows)?;
        if offsets.iter().all(wanted) {
            return Ok(rows);
        }
        let mask: BooleanArray = offsets.iter().map(|offset| Some(wanted(offset))).collect();
        Ok(filter_record_batch(&rows, &mask)?)
    }

    /// Gives rows the layout that is wanted.
    fn shape(&self, rows: &RecordBatch) -> Result<RecordBatch, ArchiveError> {
        let keep: Vec<usize> = (0..rows.num_columns())
            .filter(|at| self.schema.column_with_name(rows.schema_ref().field(*at).name()).is_some())
            .collect();
        let rows = if keep.len() == rows.num_columns() { rows.clone() } else { rows.project(&keep)? };
        Ok(conform(&rows, &self.schema)?)
    }
}

/// The rows of a stream's files.
pub(crate) struct FilesScan {
    wanted: Wanted,
    files: VecDeque<(FileEntry, Arc<Object>)>,
    current: Option<FileScan>,
    failed: bool,
}

impl FilesScan {
    /// Of the files that `published` has of `stream`, those that may have rows that are wanted. They stay while this reads.
    pub(crate) fn new(published: &Published, stream: &str, wanted: Wanted) -> Result<Self, ArchiveError> {
        let files = published.files(stream).iter().filter(|file| wanted.admits(file));
        let files = files.map(|file| Ok((file.clone(), published.object(&file.name)?)));
        let files = files.collect::<Result<_, ArchiveError>>()?;
        Ok(Self { wanted, files, current: None, failed: false })
    }

    /// The same as at most `parts` readings of about as many rows each, at least one; whole if order matters.
    pub(crate) fn split(self, parts: usize) -> Vec<Self> {
        let parts = if self.wanted.order == ScanOrder::Any { parts.clamp(1, self.files.len().max(1)) } else { 1 };
        let part = || Self { wanted: self.wanted.clone(), files: VecDeque::new(), current: None, failed: false };
        let mut split: Vec<(u64, Self)> = (0..parts).map(|_| (0, part())).collect();
        for (file, object) in self.files {
            if let Some((rows, least)) = split.iter_mut().min_by_key(|(rows, _)| *rows) {
                *rows += file.rows;
                least.files.push_back((file, object));
            }
        }
        // The log's rows go with the first, so that is the one with the fewest.
        split.sort_by_key(|(rows, _)| *rows);
        split.into_iter().map(|(_, part)| part).collect()
    }

    fn fill(&mut self) -> Result<Option<RecordBatch>, ArchiveError> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some(rows) = current.next(&self.wanted)? {
                    return Ok(Some(rows));
                }
                self.current = None;
            }
            let Some((entry, object)) = self.files.pop_front() else { return Ok(None) };
            self.current = Some(FileScan::open(&entry, object, &self.wanted)?);
        }
    }
}

impl Iterator for FilesScan {
    type Item = Result<RecordBatch, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let filled = self.fill().transpose();
        self.failed = matches!(filled, Some(Err(_)));
        filled
    }
}

/// One file being read.
enum FileScan {
    Plain { file: OpenFile, groups: VecDeque<usize>, names: HashSet<String>, rows: Option<Batches> },
    Ordered(Ordered),
}

impl FileScan {
    fn open(entry: &FileEntry, object: Arc<Object>, wanted: &Wanted) -> Result<Self, ArchiveError> {
        let file = OpenFile::open(object)?;
        let mut names: HashSet<String> = wanted.schema.fields().iter().map(|field| field.name().clone()).collect();
        let whole = entry.first_offset > wanted.after && entry.last_offset <= wanted.upto;
        if !whole || wanted.order == ScanOrder::Offset {
            names.insert(OFFSET.to_owned());
        } else if names.is_empty() {
            // Rows without columns are counted all the same.
            names.insert(TIME.to_owned());
        }
        let groups: Vec<usize> = (0..file.groups())
            .filter(|group| {
                file.may_have(*group, TIME, wanted.time_from, wanted.time_to)
                    && file.may_have(*group, OFFSET, signed(wanted.after + 1), signed(wanted.upto))
            })
            .collect();
        let before = groups.len();
        let groups = VecDeque::from(file.may_equal(groups, &wanted.equal)?);
        file.object.shared.figures.ruled_out(before - groups.len());
        Ok(match wanted.order {
            ScanOrder::Any => Self::Plain { file, groups, names, rows: None },
            ScanOrder::Offset => Self::Ordered(Ordered::new(file, groups, names)),
        })
    }

    fn next(&mut self, wanted: &Wanted) -> Result<Option<RecordBatch>, ArchiveError> {
        match self {
            Self::Ordered(ordered) => ordered.next(wanted),
            Self::Plain { file, groups, names, rows } => loop {
                if let Some(next) = rows.as_mut().and_then(Iterator::next) {
                    let trimmed = wanted.trim(next?)?;
                    if trimmed.num_rows() > 0 {
                        return wanted.shape(&trimmed).map(Some);
                    }
                    continue;
                }
                let Some(group) = groups.pop_front() else { return Ok(None) };
                let selected = selected(file, group, wanted)?;
                if selected.as_ref().is_none_or(RowSelection::selects_any) {
                    file.object
                        .shared
                        .figures
                        .read(selected.as_ref().map_or(file.rows(group), RowSelection::row_count));
                    *rows = Some(file.read(group, selected, names)?);
                }
            },
        }
    }
}

/// The rows of a group that may be wanted, by what is known of its pages and by its equal columns; `None` if all may.
fn selected(file: &OpenFile, group: usize, wanted: &Wanted) -> Result<Option<RowSelection>, ArchiveError> {
    let by_time = file.pages(group, TIME, &Page { from: wanted.time_from, to: wanted.time_to });
    let by_offset = file.pages(group, OFFSET, &Page { from: signed(wanted.after + 1), to: signed(wanted.upto) });
    let pages = match (by_time, by_offset) {
        (Some(time), Some(offset)) => Some(time.intersection(&offset)),
        (one, other) => one.or(other),
    };
    file.equal_rows(group, pages, &wanted.equal)
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// All rows of a file in its own order and layout.
pub(crate) fn whole_file(object: Arc<Object>) -> Result<Batches, ArchiveError> {
    let file = OpenFile::open(object)?;
    let names = file.names();
    let mut groups = 0..file.groups();
    let mut rows: Option<Batches> = None;
    Ok(Box::new(std::iter::from_fn(move || {
        loop {
            if let Some(next) = rows.as_mut().and_then(Iterator::next) {
                return Some(next);
            }
            match file.read(groups.next()?, None, &names) {
                Ok(group) => rows = Some(group),
                Err(error) => return Some(Err(error)),
            }
        }
    })))
}
