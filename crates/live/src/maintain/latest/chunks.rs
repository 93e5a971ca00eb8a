//! The first row of each group for long: columns as they came, in chunks, and where each group's row is.
//!
//! A chunk goes when no group has its row in it. Rows that nobody asks for any more are copied out of when they are too many,
//! and chunks joined, so memory follows the groups. Holds the state of one unit; its form is `LatestShape`'s.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow::compute::interleave;
use arrow::row::{RowConverter, Rows};
use datafusion::common::Result;

use super::{LatestShape, NO_ROW, passes};
use crate::maintain::totals::{GroupId, Total};

/// More chunks than this, and small ones are joined.
const CHUNKS_MAX: usize = 64;
/// So many of the smallest are joined then.
const CHUNKS_JOINED: usize = 48;
/// Rows that no group asks for are let be while they are no more than this, or half of all.
const SPARE_ROWS: usize = 4_096;
/// The same where rows are large: of chunks that take more than this, so many.
const SPARE_BYTES: usize = 4 << 20;
const SPARE_ROWS_LARGE: usize = 64;
/// What is copied into one chunk is no larger than this, so that no text column outgrows its offsets.
const CHUNK_BYTES: usize = 512 << 20;

/// What an array takes beside its values.
const ARRAY_BYTES: usize = 128;

/// Some rows as they came.
struct Chunk {
    columns: Vec<ArrayRef>,
    /// How they are ordered; none if nothing orders them.
    order: Option<Rows>,
    rows: usize,
    /// How many groups have their row here.
    used: usize,
    bytes: usize,
}

impl Chunk {
    fn comes_before(&self, row: u32, other: &Self, of_other: u32) -> bool {
        match (&self.order, &other.order) {
            (Some(own), Some(others)) => own.row(row as usize) < others.row(of_other as usize),
            _ => false,
        }
    }
}

/// Where a group's row is.
#[derive(Debug, Clone, Copy)]
struct At {
    chunk: u32,
    row: u32,
}

const NOWHERE: At = At { chunk: NO_ROW, row: NO_ROW };

/// The first row of each group, for long.
pub(super) struct LatestTotal {
    shape: LatestShape,
    converter: Option<RowConverter>,
    /// Some are empty: their number is free.
    chunks: Vec<Option<Chunk>>,
    at: Vec<At>,
    /// In all chunks, and how many of them are some group's.
    rows: usize,
    used: usize,
    /// Of all chunks.
    bytes: usize,
}

impl fmt::Debug for LatestTotal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatestTotal").field("shape", &self.shape).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl LatestTotal {
    pub(super) fn new(shape: LatestShape, converter: Option<RowConverter>) -> Self {
        Self { shape, converter, chunks: Vec::new(), at: Vec::new(), rows: 0, used: 0, bytes: 0 }
    }

    fn chunk(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<Chunk> {
        let order = match &self.converter {
            Some(converter) => {
                let by: Vec<ArrayRef> = self.shape.order.iter().map(|(column, _)| columns[*column].clone()).collect();
                Some(converter.convert_columns(&by)?)
            }
            None => None,
        };
        let mut bytes = size_of::<Chunk>() + order.as_ref().map_or(0, Rows::size);
        for column in &columns {
            // Not what its buffers are parts of: columns read from a dump share one.
            bytes += column.to_data().get_slice_memory_size()? + ARRAY_BYTES;
        }
        Ok(Chunk { columns, order, rows, used: 0, bytes })
    }

    /// Puts a chunk where one was, or at the end. Gives its number.
    fn place(&mut self, chunk: Chunk) -> u32 {
        self.rows += chunk.rows;
        self.bytes += chunk.bytes;
        let number = self.chunks.iter().position(Option::is_none).unwrap_or(self.chunks.len());
        if number == self.chunks.len() {
            self.chunks.push(Some(chunk));
        } else {
            self.chunks[number] = Some(chunk);
        }
        u32::try_from(number).unwrap_or(NO_ROW)
    }

    /// A group does not ask for its row any more.
    fn release(&mut self, at: At) {
        let Some(place) = self.chunks.get_mut(at.chunk as usize) else { return };
        let Some(chunk) = place else { return };
        chunk.used -= 1;
        self.used -= 1;
        if chunk.used == 0 {
            self.rows -= chunk.rows;
            self.bytes -= chunk.bytes;
            *place = None;
        }
    }

    /// Lets go of rows that nobody asks for, and of chunks that are too many.
    fn tidy(&mut self) -> Result<()> {
        let mut filled: Vec<u32> = (0u32..).zip(&self.chunks).filter(|(_, c)| c.is_some()).map(|(n, _)| n).collect();
        let spare = if self.bytes > SPARE_BYTES { SPARE_ROWS_LARGE } else { SPARE_ROWS };
        if self.rows > 2 * self.used + spare {
            return self.copy(&filled);
        }
        if filled.len() <= CHUNKS_MAX {
            return Ok(());
        }
        filled.sort_by_key(|number| self.chunks[*number as usize].as_ref().map_or(0, |chunk| chunk.rows));
        filled.truncate(CHUNKS_JOINED);
        self.copy(&filled)
    }

    /// Copies what is asked for of these chunks into new ones.
    fn copy(&mut self, chunks: &[u32]) -> Result<()> {
        let mut bin_of = vec![usize::MAX; self.chunks.len()];
        let (mut bin, mut bytes) = (0, 0);
        for number in chunks {
            let size = self.chunks[*number as usize].as_ref().map_or(0, |chunk| chunk.bytes);
            if bytes > 0 && bytes + size > CHUNK_BYTES {
                (bin, bytes) = (bin + 1, 0);
            }
            bytes += size;
            bin_of[*number as usize] = bin;
        }
        let mut bins: Vec<(Vec<usize>, Vec<At>)> = vec![(Vec::new(), Vec::new()); bin + 1];
        for (group, at) in self.at.iter().enumerate() {
            if let Some(bin) = bin_of.get(at.chunk as usize).and_then(|bin| bins.get_mut(*bin)) {
                bin.0.push(group);
                bin.1.push(*at);
            }
        }
        for (groups, picked) in bins {
            if groups.is_empty() {
                continue;
            }
            let columns = (0..self.shape.columns.len()).map(|c| self.gather(c, &picked)).collect::<Result<Vec<_>>>()?;
            let chunk = self.chunk(columns, groups.len())?;
            for at in picked {
                self.release(at);
            }
            let used = groups.len();
            let number = self.place(Chunk { used, ..chunk });
            self.used += used;
            for (row, group) in (0u32..).zip(groups) {
                self.at[group] = At { chunk: number, row };
            }
        }
        Ok(())
    }

    /// One column of these rows.
    fn gather(&self, column: usize, picked: &[At]) -> Result<ArrayRef> {
        let null = new_null_array(&self.shape.columns[column].1, 1);
        let mut arrays: Vec<&dyn Array> = vec![null.as_ref(); self.chunks.len() + 1];
        for (array, chunk) in arrays[1..].iter_mut().zip(&self.chunks) {
            if let Some(chunk) = chunk {
                *array = chunk.columns[column].as_ref();
            }
        }
        let place = |at: &At| if at.chunk == NO_ROW { (0, 0) } else { (at.chunk as usize + 1, at.row as usize) };
        let places: Vec<(usize, usize)> = picked.iter().map(place).collect();
        Ok(interleave(&arrays, &places)?)
    }

    fn picked(&self, groups: &[GroupId]) -> Vec<At> {
        groups.iter().map(|group| self.at[*group as usize]).collect()
    }
}

impl Total for LatestTotal {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.at.resize(groups, NOWHERE);
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[GroupId]) -> Result<()> {
        let shape = self.shape.clone();
        let (columns, set) = shape.parts(states)?;
        let mut new = self.chunk(columns.to_vec(), groups.len())?;
        // Where its rows will be is known once it has a place; until then no chunk has this number.
        let here = NO_ROW - 1;
        let mut won = Vec::new();
        for (row, group) in (0u32..).zip(groups) {
            if !passes(set, row as usize) {
                continue;
            }
            let at = self.at[*group as usize];
            let wins = if at.chunk == here {
                new.comes_before(row, &new, at.row)
            } else {
                let known = self.chunks.get(at.chunk as usize).and_then(Option::as_ref);
                known.is_none_or(|known| new.comes_before(row, known, at.row))
            };
            if !wins {
                continue;
            }
            if at.chunk != here {
                self.release(at);
                won.push(*group);
            }
            self.at[*group as usize] = At { chunk: here, row };
        }
        if won.is_empty() {
            return Ok(());
        }
        new.used = won.len();
        self.used += won.len();
        let number = self.place(new);
        for group in won {
            self.at[group as usize].chunk = number;
        }
        self.tidy()
    }

    fn reset(&mut self, group: GroupId) -> Result<()> {
        let at = std::mem::replace(&mut self.at[group as usize], NOWHERE);
        self.release(at);
        Ok(())
    }

    fn evaluate(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        let picked = self.picked(groups);
        self.shape.results.iter().map(|column| self.gather(*column, &picked)).collect()
    }

    fn state(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        let picked = self.picked(groups);
        let mut states =
            (0..self.shape.columns.len()).map(|column| self.gather(column, &picked)).collect::<Result<Vec<_>>>()?;
        if self.shape.may_lack {
            let set: Vec<bool> = picked.iter().map(|at| at.chunk != NO_ROW).collect();
            states.push(Arc::new(BooleanArray::from(set)));
        }
        Ok(states)
    }

    fn size_bytes(&self) -> usize {
        self.bytes + self.chunks.capacity() * size_of::<Option<Chunk>>() + self.at.capacity() * size_of::<At>()
    }
}
