//! The stream `_rejected`: one row for each row that was refused, as kept beside the rows that were taken.
//!
//! Whoever decodes rows makes its rows here, the log writes them in the commit of the request they belong to, and for
//! everyone who reads it is a stream like any other. Nothing here limits how many are kept; their maker does.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, StringArray, new_null_array};
use arrow::record_batch::RecordBatch;

use crate::decode::RowError;
use crate::ids::StreamName;
use crate::schema::{FieldType, SchemaVersion, StreamField, StreamSchema};

/// The name of the stream.
pub const REJECTED: &str = "_rejected";

/// How much of a row's text is kept, in bytes.
pub const RAW_BYTES_MAX: usize = 1 << 10;

/// The name as such.
#[must_use]
pub fn stream() -> StreamName {
    static NAME: LazyLock<StreamName> = LazyLock::new(|| StreamName::new(REJECTED).expect("the name is a name"));
    NAME.clone()
}

/// The fields of its rows.
#[must_use]
pub fn fields() -> Vec<(String, FieldType)> {
    let field = |(name, field_type): (&str, FieldType)| (name.to_owned(), field_type);
    // `rows` says for how many rejected rows one of these stands: 1, or the number of those not kept one by one.
    [
        ("stream", FieldType::String),
        ("row", FieldType::Int),
        ("field", FieldType::String),
        ("reason", FieldType::String),
        ("raw", FieldType::String),
        ("source", FieldType::String),
        ("rows", FieldType::Int),
    ]
    .map(field)
    .to_vec()
}

/// The first version of its schema, in which rows are handed to the log.
#[must_use]
pub fn schema() -> Arc<StreamSchema> {
    static SCHEMA: LazyLock<Arc<StreamSchema>> = LazyLock::new(|| {
        let field = |(name, field_type)| StreamField { name, field_type, declared: true };
        Arc::new(StreamSchema { version: SchemaVersion(1), fields: fields().into_iter().map(field).collect() })
    });
    SCHEMA.clone()
}

/// Rows that were refused, on their way to the log.
#[derive(Debug, Default)]
pub struct Rejects {
    streams: Vec<Option<String>>,
    errors: Vec<RowError>,
    sources: Vec<Option<String>>,
    counts: Vec<i64>,
}

impl Rejects {
    /// One refused row.
    pub fn add(&mut self, stream: &StreamName, source: &str, error: RowError) {
        self.streams.push(Some(stream.to_string()));
        self.sources.push(Some(source.to_owned()));
        self.errors.push(error);
        self.counts.push(1);
    }

    /// So many more, of which nothing but their number is kept; without a stream they were of several.
    pub fn add_uncounted(&mut self, stream: Option<&StreamName>, source: Option<&str>, rows: u64) {
        self.streams.push(stream.map(ToString::to_string));
        self.sources.push(source.map(str::to_owned));
        let reason = "more rows were rejected than are kept".to_owned();
        self.errors.push(RowError { row: 0, field: None, reason, raw: String::new() });
        self.counts.push(i64::try_from(rows).unwrap_or(i64::MAX));
    }

    /// The rows in [`schema`]'s stored layout; `None` if there are none.
    #[must_use]
    pub fn finish(self) -> Option<RecordBatch> {
        let count = self.errors.len();
        if count == 0 {
            return None;
        }
        let text = |value: fn(&RowError) -> Option<&str>| -> ArrayRef {
            Arc::new(self.errors.iter().map(value).collect::<StringArray>())
        };
        let rows: Int64Array =
            self.errors.iter().map(|error| i64::try_from(error.row).ok().filter(|row| *row > 0)).collect();
        let (field, reason, raw) = (
            text(|error| error.field.as_deref()),
            text(|error| Some(&error.reason)),
            text(|error| Some(error.raw.as_str()).filter(|raw| !raw.is_empty())),
        );
        let stored = schema().stored_schema();
        let system = stored.fields().iter().take(2).map(|time| new_null_array(time.data_type(), count));
        let columns = system.chain([
            Arc::new(StringArray::from(self.streams)) as ArrayRef,
            Arc::new(rows),
            field,
            reason,
            raw,
            Arc::new(StringArray::from(self.sources)),
            Arc::new(Int64Array::from(self.counts)),
        ]);
        Some(RecordBatch::try_new(stored.clone(), columns.collect()).expect("columns are built to the schema"))
    }
}

/// As much of a row's text as is kept.
#[must_use]
pub fn raw_of(text: &str) -> String {
    let text = text.trim();
    if text.len() <= RAW_BYTES_MAX {
        return text.to_owned();
    }
    let mut cut = text[..text.floor_char_boundary(RAW_BYTES_MAX)].to_owned();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_the_layout_of_the_schema() {
        assert!(Rejects::default().finish().is_none());
        let mut rejects = Rejects::default();
        let orders = StreamName::new("orders").unwrap();
        let error = RowError { row: 3, field: None, reason: "not valid JSON".into(), raw: "{".into() };
        rejects.add(&orders, "http", error);
        rejects.add_uncounted(Some(&orders), Some("http"), 7);
        rejects.add_uncounted(None, None, 9);
        let batch = rejects.finish().unwrap();
        assert_eq!((batch.schema(), batch.num_rows()), (schema().stored_schema(), 3));
        let nulls: Vec<usize> = batch.columns().iter().map(|column| column.null_count()).collect();
        assert_eq!(nulls, [3, 3, 1, 2, 3, 0, 2, 1, 0]);
    }

    #[test]
    fn long_rows_are_cut_between_characters() {
        assert_eq!(raw_of("  {\"a\":1}\r\n"), "{\"a\":1}");
        let cut = raw_of(&"é".repeat(1_000));
        assert_eq!((cut.len(), cut.ends_with("é…")), (RAW_BYTES_MAX + '…'.len_utf8(), true));
    }
}
