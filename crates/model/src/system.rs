//! The stream `_system`: what the server measures of itself, one row a second.
//!
//! Its rows are events like any others, so its figures can be asked, followed and drawn as all data can.

use std::sync::LazyLock;

use crate::ids::StreamName;
use crate::schema::FieldType;

/// The name of the stream.
pub const SYSTEM: &str = "_system";

/// The name as such.
#[must_use]
pub fn stream() -> StreamName {
    static NAME: LazyLock<StreamName> = LazyLock::new(|| StreamName::new(SYSTEM).expect("the name is a name"));
    NAME.clone()
}

/// What is counted: since the start, or open now.
pub const COUNTS: [&str; 13] = [
    "messages",
    "errors",
    "connections",
    "websocket",
    "sse",
    "long_poll",
    "socketio",
    "subscriptions",
    "refused",
    "resumes",
    "resets",
    "conflated",
    "problems",
];

/// What is measured: since the start (`uptime_s`), in the last second, or of the last requests and frames.
pub const MEASURES: [&str; 9] = [
    "uptime_s",
    "messages_per_s",
    "frames_per_s",
    "frame_bytes_per_s",
    "polls_per_s",
    "request_avg_ms",
    "request_p99_ms",
    "delivery_p50_ms",
    "delivery_p99_ms",
];

/// The fields of its rows.
#[must_use]
pub fn fields() -> Vec<(String, FieldType)> {
    let ints = COUNTS.into_iter().map(|name| (name.to_owned(), FieldType::Int));
    ints.chain(MEASURES.into_iter().map(|name| (name.to_owned(), FieldType::Float))).collect()
}

/// The question that the channel `system` answers: the newest row.
#[must_use]
pub fn newest_sql() -> String {
    let columns: Vec<&str> = COUNTS.into_iter().chain(MEASURES).collect();
    format!("SELECT time, {} FROM {SYSTEM} ORDER BY time DESC LIMIT 1", columns.join(", "))
}
