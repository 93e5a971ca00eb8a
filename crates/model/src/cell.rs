//! One value of a result row, small and comparable, detached from Arrow.
//!
//! The engine makes cells out of arrays, the hub keeps and compares them, the protocol writes them as JSON. Lists and
//! structs travel as their JSON text.

use std::sync::Arc;

/// A row of a result, shared between the engine, the hub and everyone reading it.
pub type Row = Arc<[Cell]>;

/// One value. Equality is identity of what a client would see: NaN equals NaN.
#[derive(Debug, Clone)]
pub enum Cell {
    /// SQL NULL: unknown, which is never zero.
    Null,
    /// `bool`.
    Bool(bool),
    /// `int` (also the unsigned types of some functions, as far as they fit).
    Int(i64),
    /// An integer beyond `i64`.
    UInt(u64),
    /// `float`.
    Float(f64),
    /// `decimal`, exact, as its text.
    Decimal(Arc<str>),
    /// `string`.
    Str(Arc<str>),
    /// `time`: µs since 1970, UTC.
    Time(i64),
    /// `date`: days since 1970.
    Date(i32),
    /// `duration` in µs.
    Duration(i64),
    /// `duration` with months, as text.
    Interval(Arc<str>),
    /// `bytes`.
    Bytes(Arc<[u8]>),
    /// `json`: lists and structs, as their JSON text.
    Json(Arc<str>),
}

impl Cell {
    /// Roughly how many bytes this cell holds, for budgets.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let heap = match self {
            Self::Decimal(text) | Self::Str(text) | Self::Interval(text) | Self::Json(text) => text.len() + 16,
            Self::Bytes(bytes) => bytes.len() + 16,
            _ => 0,
        };
        size_of::<Self>() + heap
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) | (Self::Time(a), Self::Time(b)) | (Self::Duration(a), Self::Duration(b)) => {
                a == b
            }
            (Self::UInt(a), Self::UInt(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Decimal(a), Self::Decimal(b))
            | (Self::Str(a), Self::Str(b))
            | (Self::Interval(a), Self::Interval(b))
            | (Self::Json(a), Self::Json(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_what_a_client_would_see() {
        assert_eq!(Cell::Float(f64::NAN), Cell::Float(f64::NAN));
        assert_eq!(Cell::Float(0.0), Cell::Float(-0.0));
        assert_ne!(Cell::Int(1), Cell::Float(1.0));
        assert_ne!(Cell::Null, Cell::Int(0));
    }
}
