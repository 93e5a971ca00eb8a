//! What goes into decoding and what comes out.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use chrono_tz::Tz;

use crate::schema::{FieldType, StreamSchema};

/// How the rows of a body are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyFormat {
    /// By looking at how it begins:
    /// - `[`: an array.
    /// - `{`: NDJSON if this object ends on its line and more lines follow, whether or not the line is valid JSON; else one
    ///   object. So a line that was cut off in its middle and an object over several lines that is broken look the same,
    ///   and both are refused whole.
    /// - Anything else: NDJSON if there is more than one line, else one value, which is refused.
    #[default]
    Auto,
    /// As [`BodyFormat::Auto`], of a body that calls itself JSON: NDJSON only if its first line is an object by itself.
    AutoJson,
    /// One JSON object or an array of objects. Malformed JSON refuses the whole body.
    Json,
    /// One JSON object per line; blank lines are no rows. A malformed line is one rejected row.
    Ndjson,
}

/// What the configuration says about a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamConfig {
    /// The field that holds the event time, instead of `time`.
    pub time_field: Option<String>,
    /// The zone of times written without one.
    pub timezone: Tz,
    /// Declared types by field name. They win over what the values look like.
    pub fields: Vec<(String, FieldType)>,
    /// Formats by field name, in [`chrono::format::strftime`]'s notation. A field with a format is read by it alone.
    pub time_formats: Vec<(String, String)>,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self { time_field: None, timezone: Tz::UTC, fields: Vec::new(), time_formats: Vec::new() }
    }
}

/// Why one row was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Which row of the body, from 1.
    pub row: u64,
    /// The field at fault, as a path like `items[2].price`; `None` if the row as a whole is.
    pub field: Option<String>,
    /// Why, as a fragment for a person.
    pub reason: String,
    /// The row as it was sent, cut at [`crate::rejects::RAW_BYTES_MAX`].
    pub raw: String,
}

/// The rows of a body.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The schema decoding started from, or a growth of it with the next version. Version 1 if there was none.
    pub schema: Arc<StreamSchema>,
    /// The accepted rows in [`StreamSchema::stored_schema`]'s layout, in the order they were sent.
    pub rows: RecordBatch,
    /// How many rows were accepted.
    pub accepted: u64,
    /// The first rejected rows, as many as the limits list.
    pub rejected: Vec<RowError>,
    /// How many rows were rejected.
    pub rejected_count: u64,
}

/// Why nothing of a body was decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// An object or array body is not JSON.
    #[error("the body is not valid JSON at line {line}, column {column}: {reason}")]
    Malformed {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// It is JSON, but neither an object nor an array.
    #[error("the body must be a JSON object, an array of objects or NDJSON, but it is {found}")]
    NotEvents {
        /// What it is instead.
        found: &'static str,
    },
    /// It is a table of comma-separated values.
    #[error(
        "the body looks like CSV, and events are JSON here: `pulseboard ingest STREAM FILE.csv` sends it, or send an object a \
         line"
    )]
    Csv,
    /// More rows than one request may bring.
    #[error("the body has more than {max} rows, the most one request may bring: send it in parts")]
    TooManyRows {
        /// The limit.
        max: usize,
    },
    /// More cells than one request may bring.
    #[error(
        "the rows of the body take more than {max} cells (rows times fields), the most one request may bring: send it in \
         parts"
    )]
    TooManyCells {
        /// The limit.
        max: usize,
    },
    /// More bytes than one request may bring.
    #[error("the body is larger than {max} bytes, the most one request may bring: send it in parts")]
    TooLarge {
        /// The limit.
        max: usize,
    },
}
