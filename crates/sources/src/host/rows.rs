//! Readings as batches in the stored layout.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use pulseboard_model::{Cell, StreamName, StreamSchema, TimeUs};

use super::read::Readings;
use super::streams::Stream;
use crate::SourceBatch;
use crate::columns::{column, times};

/// Names and schemas, made once.
#[derive(Debug)]
pub(super) struct Batches {
    streams: Vec<(Stream, StreamName, Arc<StreamSchema>)>,
}

impl Batches {
    pub(super) fn new() -> Self {
        let streams = Stream::ALL.map(|stream| (stream, stream.stream_name(), Arc::new(stream.schema())));
        Self { streams: streams.to_vec() }
    }

    /// One batch per stream that has rows. `second` is the event time of all of them, `asked_at` when they were measured.
    pub(super) fn make(&self, readings: &Readings, second: TimeUs, asked_at: TimeUs) -> Vec<SourceBatch> {
        let with_rows = self.streams.iter().filter_map(|(stream, name, schema)| {
            let rows = readings.get(stream)?;
            Some((name, schema, rows)).filter(|_| !rows.is_empty())
        });
        with_rows
            .map(|(name, schema, rows)| SourceBatch {
                stream: name.clone(),
                schema: Arc::clone(schema),
                rows: batch(schema, rows, second, asked_at),
            })
            .collect()
    }
}

fn batch(schema: &StreamSchema, rows: &[Vec<Cell>], second: TimeUs, asked_at: TimeUs) -> RecordBatch {
    let constant = |time: TimeUs| times(std::iter::repeat_n(Some(time.0), rows.len()));
    let mut arrays = vec![constant(second), constant(asked_at)];
    for (index, field) in schema.fields.iter().enumerate() {
        let cells = rows.iter().map(|row| row.get(index).unwrap_or(&Cell::Null));
        arrays.push(column(&field.field_type, cells));
    }
    RecordBatch::try_new(schema.stored_schema(), arrays).expect("every field has an array of its type")
}
