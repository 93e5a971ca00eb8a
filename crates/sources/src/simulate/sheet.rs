//! What a world has written down and nobody has taken yet: rows by stream, and what its feeds say of themselves.
//!
//! Rows become batches in the stored layout; a world never sees Arrow.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use pulseboard_model::{Cell, FieldType, SchemaVersion, StreamField, StreamName, StreamSchema, TimeUs};

use crate::SourceBatch;
use crate::columns::{column, times};

/// A stream as a world writes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) fields: &'static [(&'static str, FieldType)],
}

impl Shape {
    pub(super) fn stream_name(&self) -> StreamName {
        StreamName::new(self.name).expect("the names of simulated streams are valid")
    }

    pub(super) fn schema(&self) -> StreamSchema {
        let field = |(name, field_type): &(&str, FieldType)| StreamField {
            name: (*name).to_owned(),
            field_type: field_type.clone(),
            declared: true,
        };
        StreamSchema { version: SchemaVersion(1), fields: self.fields.iter().map(field).collect() }
    }
}

/// One event: its time and a cell for each field of its stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) time: TimeUs,
    pub(super) cells: Vec<Cell>,
}

/// What a feed says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedReport {
    /// Its name.
    pub feed: &'static str,
    /// The stream that it writes.
    pub stream: StreamName,
    /// Why it does not now; `None` if it does.
    pub failed: Option<String>,
}

/// Rows of one world.
#[derive(Debug)]
pub(super) struct Sheet {
    streams: Vec<(StreamName, Arc<StreamSchema>, Vec<Event>)>,
    /// At most one feed of a world fails.
    pub(super) reports: Vec<FeedReport>,
}

impl Sheet {
    pub(super) fn new(shapes: &[Shape]) -> Self {
        let stream = |shape: &Shape| (shape.stream_name(), Arc::new(shape.schema()), Vec::new());
        Self { streams: shapes.iter().map(stream).collect(), reports: Vec::new() }
    }

    /// Writes a row of the stream that stands at `stream` in the world's list.
    pub(super) fn put<const N: usize>(&mut self, stream: usize, time: TimeUs, cells: [Cell; N]) {
        self.push(stream, time, cells.into());
    }

    /// The same of cells that were held back.
    pub(super) fn push(&mut self, stream: usize, time: TimeUs, cells: Vec<Cell>) {
        debug_assert_eq!(self.streams[stream].1.fields.len(), cells.len(), "a cell for each field");
        self.streams[stream].2.push(Event { time, cells });
    }

    /// The rows of a stream.
    #[cfg(test)]
    pub(super) fn events(&self, stream: usize) -> &[Event] {
        &self.streams[stream].2
    }

    /// Takes all rows out, in order of time, a batch for each stream that has some.
    pub(super) fn take(&mut self) -> Vec<SourceBatch> {
        let written = self.streams.iter_mut().filter(|(_, _, events)| !events.is_empty());
        written
            .map(|(stream, schema, events)| {
                events.sort_by_key(|event| event.time);
                let rows = batch(schema, &std::mem::take(events));
                SourceBatch { stream: stream.clone(), schema: Arc::clone(schema), rows }
            })
            .collect()
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        for (_, _, events) in &mut self.streams {
            events.clear();
        }
    }
}

fn batch(schema: &StreamSchema, events: &[Event]) -> RecordBatch {
    let time = || times(events.iter().map(|event| Some(event.time.0)));
    let mut arrays = vec![time(), time()];
    for (index, field) in schema.fields.iter().enumerate() {
        arrays
            .push(column(&field.field_type, events.iter().map(|event| event.cells.get(index).unwrap_or(&Cell::Null))));
    }
    RecordBatch::try_new(schema.stored_schema(), arrays).expect("every field has an array of its type")
}
