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
    /// The most bytes its state may take. From then on it takes no new groups or rows; when those it has come to
    /// half more, it is re-run instead.
    pub state_bytes_max: usize,
}

impl Default for ViewLimits {
    fn default() -> Self {
        Self { groups_max: 200_000, rows_max: 10_000, state_bytes_max: 256 << 20 }
    }
}

/// Limits on all live queries together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLimits {
    /// The most bytes that all their states may take. Above it the largest one is re-run, what a user asked for first.
    pub state_bytes_max: usize,
    /// On the ad-hoc ones of one user.
    pub user: UserLimits,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self { state_bytes_max: 2 << 30, user: UserLimits::default() }
    }
}

/// Limits on the live queries that one user asked for. A view of the configuration is on nobody's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLimits {
    /// The most different ones; another is refused.
    pub queries_max: usize,
    /// The most groups and rows they may hold together; above it the largest one is re-run.
    pub groups_max: usize,
    /// The most bytes their states may take together; above it the largest one is re-run.
    pub state_bytes_max: usize,
    /// Percent of the engine's time they may take together when it is short of time; above it the costliest one is re-run.
    pub cpu_percent_max: u32,
}

impl Default for UserLimits {
    fn default() -> Self {
        Self { queries_max: 500, groups_max: 1_000_000, state_bytes_max: 1 << 30, cpu_percent_max: 50 }
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

/// A size as it is written in a configuration, with one digit after the point where that says more.
#[must_use]
pub fn human_bytes(bytes: usize) -> String {
    const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((unit, size)) = UNITS.into_iter().find(|(_, size)| bytes >= *size) else {
        return format!("{bytes} bytes");
    };
    let tenths = bytes.saturating_mul(10) / size;
    if tenths.is_multiple_of(10) {
        format!("{}{unit}", tenths / 10)
    } else {
        format!("{}.{}{unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_as_they_are_written() {
        let said = [12, 1 << 10, 1_536, 256 << 20, (5 << 30) / 2].map(human_bytes);
        assert_eq!(said, ["12 bytes", "1KiB", "1.5KiB", "256MiB", "2.5GiB"]);
    }
}
