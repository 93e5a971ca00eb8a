//! An object as the Parquet reader wants it: bytes at a place. What is far away is fetched beforehand, in few requests.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::ArchiveError;
use crate::store::Source;

/// How much is read at once where the Parquet reader does not say how much it needs.
const READ_AHEAD_BYTES: u64 = 64 << 10;

/// An object, and what was fetched of it.
#[derive(Debug, Clone)]
pub(crate) struct Chunks {
    source: Source,
    bytes: u64,
    fetched: Arc<Vec<(u64, Bytes)>>,
}

impl Chunks {
    /// An object of `bytes` bytes.
    pub(crate) fn new(source: Source, bytes: u64) -> Self {
        Self { source, bytes, fetched: Arc::default() }
    }

    /// The same with `ranges` fetched, if it is far away.
    pub(crate) fn with(self, ranges: Vec<Range<u64>>) -> std::result::Result<Self, ArchiveError> {
        if !self.source.is_far() || ranges.is_empty() {
            return Ok(self);
        }
        let starts: Vec<u64> = ranges.iter().map(|range| range.start).collect();
        let fetched = starts.into_iter().zip(self.source.ranges(ranges)?).collect();
        Ok(Self { fetched: Arc::new(fetched), ..self })
    }

    fn range(&self, range: Range<u64>) -> Result<Bytes> {
        if range.end > self.bytes || range.start > range.end {
            return Err(ParquetError::EOF(format!("bytes {} to {} of {}", range.start, range.end, self.bytes)));
        }
        let within = self.fetched.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            (to <= bytes.len()).then(|| bytes.slice(from..to))
        });
        if let Some(bytes) = within {
            return Ok(bytes);
        }
        self.source.range(range).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.bytes
    }
}

/// Reads on from a place, some bytes at a time.
#[derive(Debug)]
pub(crate) struct ChunksRead {
    chunks: Chunks,
    at: u64,
    ahead: Bytes,
}

impl std::io::Read for ChunksRead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.ahead.is_empty() {
            let end = (self.at + READ_AHEAD_BYTES).min(self.chunks.bytes);
            self.ahead = self.chunks.range(self.at..end).map_err(std::io::Error::other)?;
            self.at = end;
        }
        let count = buffer.len().min(self.ahead.len());
        self.ahead.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl ChunkReader for Chunks {
    type T = ChunksRead;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(ChunksRead { chunks: self.clone(), at: start, ahead: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.range(start..start.saturating_add(length as u64))
    }
}
