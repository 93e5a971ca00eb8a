//! The limits on everything that can grow, with their defaults, in one place.

/// Limits on what may be sent in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestLimits {
    /// The largest request body after decompression.
    pub body_bytes_max: usize,
    /// The largest single row.
    pub row_bytes_max: usize,
    /// The most rows in one request.
    pub rows_max: usize,
    /// The most cells the rows of one request may take: rows times fields, since a field that a row lacks takes a cell too,
    /// and for lists their items times the members of an item.
    pub cells_max: usize,
    /// The most fields a stream's schema may have, nested ones included.
    pub fields_max: usize,
    /// The longest field name.
    pub field_name_bytes_max: usize,
    /// How deep objects and lists may nest.
    pub depth_max: usize,
    /// The most streams.
    pub streams_max: usize,
    /// How far in the future an event's time may lie.
    pub future_us_max: i64,
    /// How many row errors an answer lists.
    pub errors_listed_max: usize,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 32 << 20,
            row_bytes_max: 1 << 20,
            rows_max: 200_000,
            cells_max: 16 << 20,
            fields_max: 500,
            field_name_bytes_max: 200,
            depth_max: 16,
            streams_max: 1_000,
            future_us_max: 24 * 3_600 * 1_000_000,
            errors_listed_max: 100,
        }
    }
}

/// Limits on a maintained query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewLimits {
    /// The most groups an aggregation keeps.
    pub groups_max: usize,
    /// The most rows a result without aggregation keeps.
    pub rows_max: usize,
}

impl Default for ViewLimits {
    fn default() -> Self {
        Self { groups_max: 200_000, rows_max: 10_000 }
    }
}

/// Limits on a query that is run once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// The longest it may run.
    pub time_ms_max: u64,
    /// The most memory its operators may take.
    pub memory_bytes_max: usize,
    /// The most rows it may answer with.
    pub rows_max: usize,
    /// The longest SQL text.
    pub sql_bytes_max: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { time_ms_max: 30_000, memory_bytes_max: 512 << 20, rows_max: 100_000, sql_bytes_max: 64 << 10 }
    }
}
