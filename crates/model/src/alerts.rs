//! The stream `_alerts`: what began to fire and what ended, one row for each.
//!
//! Its rows are events like any others, so alerts are kept, asked and followed as all data is; the channel `alerts` is its
//! tail. What a row says is in `pulseboard-protocol`.

use std::sync::LazyLock;

use crate::ids::StreamName;
use crate::schema::FieldType;

/// The name of the stream.
pub const ALERTS: &str = "_alerts";

/// The name as such.
#[must_use]
pub fn stream() -> StreamName {
    static NAME: LazyLock<StreamName> = LazyLock::new(|| StreamName::new(ALERTS).expect("the name is a name"));
    NAME.clone()
}

/// The fields of its rows.
#[must_use]
pub fn fields() -> Vec<(String, FieldType)> {
    let texts = ["id", "status", "severity", "rule", "metric", "message", "unit"];
    let texts = texts.into_iter().map(|name| (name, FieldType::String));
    let numbers = ["value", "threshold"].into_iter().map(|name| (name, FieldType::Float));
    let times = ["since", "ended"].into_iter().map(|name| (name, FieldType::Time));
    texts.chain(numbers).chain(times).map(|(name, field_type)| (name.to_owned(), field_type)).collect()
}
