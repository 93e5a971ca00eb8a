//! A file's rows in the order of the log, though they lie by time, in bounded memory.
//!
//! Row groups whose offsets overlap are read together and sorted. Mostly these are few: events come about in the order of
//! their times. Where they are many, the offsets alone are read first, and then the rows in several passes, each over a
//! range of offsets that fits into memory.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;

use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::RowSelection;
use pulseboard_model::schema::OFFSET;

use super::file::OpenFile;
use super::{Wanted, selected};
use crate::error::ArchiveError;
use crate::sorted::{by_offset, cut, offsets, sorted};

/// The most rows that are sorted at once.
const SORT_ROWS: usize = 256 << 10;
/// The most bytes of columns, as kept, that are sorted at once.
const SORT_BYTES: usize = 32 << 20;

/// One file being read in the order of the log.
pub(super) struct Ordered {
    file: OpenFile,
    names: HashSet<String>,
    /// Groups whose offsets overlap, clusters in order.
    clusters: VecDeque<Vec<usize>>,
    /// The cluster that is read in passes.
    passes: Option<Passes>,
    ready: VecDeque<RecordBatch>,
}

/// A group, what of it may be wanted, and how many rows that is.
type Selected = (usize, Option<RowSelection>, usize);

/// A cluster that is too large to be sorted at once.
struct Passes {
    /// The offsets of each group's rows, as they lie.
    groups: Vec<(usize, Vec<i64>)>,
    /// The first and the last offset of each pass.
    ranges: VecDeque<(i64, i64)>,
}

impl Ordered {
    pub(super) fn new(file: OpenFile, groups: VecDeque<usize>, names: HashSet<String>) -> Self {
        let mut ranges: Vec<(usize, (i64, i64))> = groups
            .into_iter()
            .map(|group| (group, file.range(group, OFFSET).unwrap_or((i64::MIN, i64::MAX))))
            .collect();
        ranges.sort_by_key(|(_, range)| *range);
        let mut clusters: VecDeque<Vec<usize>> = VecDeque::new();
        let mut end = i64::MIN;
        for (group, (first, last)) in ranges {
            match clusters.back_mut() {
                Some(cluster) if first <= end => cluster.push(group),
                _ => clusters.push_back(vec![group]),
            }
            end = end.max(last);
        }
        Self { file, names, clusters, passes: None, ready: VecDeque::new() }
    }

    pub(super) fn next(&mut self, wanted: &Wanted) -> Result<Option<RecordBatch>, ArchiveError> {
        loop {
            if let Some(rows) = self.ready.pop_front() {
                return wanted.shape(&rows).map(Some);
            }
            if let Some(mut passes) = self.passes.take() {
                if let Some(range) = passes.ranges.pop_front() {
                    self.pass(&passes, range, wanted)?;
                    self.passes = Some(passes);
                }
                continue;
            }
            let Some(cluster) = self.clusters.pop_front() else { return Ok(None) };
            let of_groups = self.selected(&cluster, wanted)?;
            let rows: usize = of_groups.iter().map(|(_, _, rows)| rows).sum();
            let bytes: usize = of_groups.iter().map(|(group, _, rows)| self.bytes(*group, *rows)).sum();
            if rows <= SORT_ROWS && bytes <= SORT_BYTES {
                self.sort(of_groups, wanted)?;
            } else {
                let at_once = (SORT_BYTES.saturating_mul(rows) / bytes.max(1)).clamp(1, SORT_ROWS);
                self.passes = Some(self.plan(cluster, at_once, wanted)?);
            }
        }
    }

    /// What of the groups of a cluster may be wanted, and how many rows that is.
    fn selected(&self, cluster: &[usize], wanted: &Wanted) -> Result<Vec<Selected>, ArchiveError> {
        let mut of_groups = Vec::with_capacity(cluster.len());
        for group in cluster {
            let selection = selected(&self.file, *group, wanted)?;
            let rows = selection.as_ref().map_or(self.file.rows(*group), RowSelection::row_count);
            if rows > 0 {
                of_groups.push((*group, selection, rows));
            }
        }
        Ok(of_groups)
    }

    /// Roughly what `rows` of a group take in memory.
    fn bytes(&self, group: usize, rows: usize) -> usize {
        self.file.bytes(group, &self.names).saturating_mul(rows) / self.file.rows(group).max(1)
    }

    fn sort(&mut self, of_groups: Vec<Selected>, wanted: &Wanted) -> Result<(), ArchiveError> {
        let mut gathered = Vec::new();
        for (group, selection, rows) in of_groups {
            self.file.object.shared.figures.read(rows);
            for rows in self.file.read(group, selection, &self.names)? {
                gathered.push(wanted.trim(rows?)?);
            }
        }
        self.make_ready(&gathered)
    }

    fn make_ready(&mut self, gathered: &[RecordBatch]) -> Result<(), ArchiveError> {
        let Some(first) = gathered.first() else { return Ok(()) };
        let rows = sorted(first.schema_ref(), gathered, by_offset)?;
        self.ready.extend(cut(&rows));
        Ok(())
    }

    /// Reads the offsets alone, and cuts them into passes of `at_once` rows.
    fn plan(&self, cluster: Vec<usize>, at_once: usize, wanted: &Wanted) -> Result<Passes, ArchiveError> {
        let only = HashSet::from([OFFSET.to_owned()]);
        let (mut groups, mut all) = (Vec::with_capacity(cluster.len()), Vec::new());
        for group in cluster {
            let mut of_group = Vec::with_capacity(self.file.rows(group));
            for rows in self.file.read(group, None, &only)? {
                of_group.extend_from_slice(offsets(&rows?)?);
            }
            let is_wanted = |offset: &&i64| {
                let offset = offset.cast_unsigned();
                offset > wanted.after && offset <= wanted.upto
            };
            all.extend(of_group.iter().filter(is_wanted).copied());
            groups.push((group, of_group));
        }
        all.sort_unstable();
        let ranges = all.chunks(at_once).filter_map(|some| Some((*some.first()?, *some.last()?))).collect();
        Ok(Passes { groups, ranges })
    }

    fn pass(&mut self, passes: &Passes, (first, last): (i64, i64), wanted: &Wanted) -> Result<(), ArchiveError> {
        let mut gathered = Vec::new();
        for (group, of_group) in &passes.groups {
            let runs = runs_within(of_group, first, last);
            if runs.is_empty() {
                continue;
            }
            self.file.object.shared.figures.read(runs.iter().map(Range::len).sum());
            let selection = RowSelection::from_consecutive_ranges(runs.into_iter(), of_group.len());
            for rows in self.file.read(*group, Some(selection), &self.names)? {
                gathered.push(wanted.trim(rows?)?);
            }
        }
        self.make_ready(&gathered)
    }
}

/// Where neighbouring rows have offsets from `first` to `last`.
fn runs_within(offsets: &[i64], first: i64, last: i64) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, offset) in offsets.iter().enumerate() {
        if (first..=last).contains(offset) {
            match runs.last_mut() {
                Some(run) if run.end == at => run.end = at + 1,
                _ => runs.push(at..at + 1),
            }
        }
    }
    runs
}
