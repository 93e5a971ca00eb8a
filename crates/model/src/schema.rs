//! The schema of a stream: which fields its events have, how it grows, and its two Arrow layouts.
//!
//! A schema only grows (new fields) and widens (int to float, nulls to something, structs and lists inside). Every
//! change makes a new version. The *stored* layout is what the journal keeps; the *event* layout adds the system
//! columns that the journal derives when it reads.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// The event time, µs UTC. In the stored layout null means "when it arrived".
pub const TIME: &str = "time";
/// What the source said, or when it was asked.
pub const SOURCE_TIME: &str = "_source_time";
/// When the journal accepted the event; never decreases along offsets.
pub const ARRIVED_AT: &str = "_arrived_at";
/// The event's place in the log, an int64 from 1.
pub const OFFSET: &str = "_offset";

/// The columns that `SELECT *` leaves out and that no user field may be called.
pub const HIDDEN_COLUMNS: [&str; 3] = [SOURCE_TIME, ARRIVED_AT, OFFSET];

/// Whether no user field may be called `name`: it is `time` or one of [`HIDDEN_COLUMNS`].
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    name == TIME || HIDDEN_COLUMNS.contains(&name)
}

/// The zone all stored times are in.
pub const UTC: &str = "UTC";

/// The type of every time column as stored.
#[must_use]
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

/// A field's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldType {
    /// Only nulls or empty lists were seen here so far (inside lists; a top-level field starts with a real type).
    Unknown,
    /// 64-bit integer.
    Int,
    /// 64-bit float.
    Float,
    /// Exact decimal: precision and scale. Only by declaration.
    Decimal(u8, i8),
    /// True or false.
    Bool,
    /// Text.
    String,
    /// An instant. Only by declaration.
    Time,
    /// Anything, kept as JSON text. Only by declaration.
    Json,
    /// A list of one type.
    List(Box<FieldType>),
    /// A nested object; its fields in the order they were first seen.
    Struct(Vec<(String, FieldType)>),
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            Self::Bool => f.write_str("bool"),
            Self::String => f.write_str("string"),
            Self::Time => f.write_str("time"),
            Self::Json => f.write_str("json"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Struct(fields) => {
                f.write_str("struct(")?;
                for (i, (name, field_type)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {field_type}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// Why a text is not a declared type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a field type: use int, float, decimal(p,s) with p from 1 to 38 and s from 0 to p, bool, string, time \
     or json"
)]
pub struct InvalidFieldType(pub String);

impl FieldType {
    /// Reads a declared type.
    ///
    /// # Errors
    /// [`InvalidFieldType`] that lists what is allowed.
    pub fn parse_declared(text: &str) -> Result<Self, InvalidFieldType> {
        let invalid = || InvalidFieldType(text.to_owned());
        Ok(match text.trim() {
            "int" => Self::Int,
            "float" => Self::Float,
            "bool" => Self::Bool,
            "string" => Self::String,
            "time" => Self::Time,
            "json" => Self::Json,
            other => {
                let inner =
                    other.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(invalid)?;
                let (precision, scale) = inner.split_once(',').ok_or_else(invalid)?;
                let precision: u8 = precision.trim().parse().map_err(|_| invalid())?;
                let scale: i8 = scale.trim().parse().map_err(|_| invalid())?;
                if !(1..=38).contains(&precision) || scale < 0 || scale > precision.cast_signed() {
                    return Err(invalid());
                }
                Self::Decimal(precision, scale)
            }
        })
    }

    /// The Arrow type it is stored as.
    #[must_use]
    pub fn to_arrow(&self) -> DataType {
        match self {
            Self::Unknown => DataType::Null,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale),
            Self::Bool => DataType::Boolean,
            Self::String | Self::Json => DataType::Utf8,
            Self::Time => time_type(),
            Self::List(item) => DataType::List(Arc::new(Field::new("item", item.to_arrow(), true))),
            Self::Struct(fields) => DataType::Struct(
                fields.iter().map(|(name, field_type)| Field::new(name, field_type.to_arrow(), true)).collect(),
            ),
        }
    }

    /// How many arrays beside each other hold a value of it: itself and the members of objects, but not what is in lists,
    /// whose items are counted one by one.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Struct(fields) => 1 + fields.iter().map(|(_, field_type)| field_type.width()).sum::<usize>(),
            _ => 1,
        }
    }

    /// How many fields this counts for against the limit: itself and everything inside.
    #[must_use]
    pub fn field_count(&self) -> usize {
        match self {
            Self::List(item) => item.field_count(),
            Self::Struct(fields) => 1 + fields.iter().map(|(_, field_type)| field_type.field_count()).sum::<usize>(),
            _ => 1,
        }
    }
}

/// Which version of a stream's schema, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaVersion(pub u32);

/// One user field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamField {
    /// Its name as first sent.
    pub name: String,
    /// Its type as known now.
    pub field_type: FieldType,
    /// Whether configuration fixed the type.
    pub declared: bool,
}

/// The schema of a stream at one version. `time` and the underscored columns are not among `fields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSchema {
    /// The version; equal versions of one stream are equal schemas.
    pub version: SchemaVersion,
    /// The user fields in the order they were first seen.
    pub fields: Vec<StreamField>,
}

impl StreamSchema {
    /// The schema of a stream that has no user fields yet.
    #[must_use]
    pub const fn empty() -> Self {
        Self { version: SchemaVersion(1), fields: Vec::new() }
    }

    /// Finds a user field by its exact name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&StreamField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// What the journal keeps: `time` (null: when it arrived), `_source_time`, then the user fields.
    #[must_use]
    pub fn stored_schema(&self) -> SchemaRef {
        let system = [Field::new(TIME, time_type(), true), Field::new(SOURCE_TIME, time_type(), true)];
        Arc::new(Schema::new(system.into_iter().chain(self.user_fields()).collect::<Fields>()))
    }

    /// What everyone else sees: `time`, the user fields, then `_source_time`, `_arrived_at` and `_offset`.
    #[must_use]
    pub fn event_schema(&self) -> SchemaRef {
        let time = [Field::new(TIME, time_type(), false)];
        let system = [
            Field::new(SOURCE_TIME, time_type(), true),
            Field::new(ARRIVED_AT, time_type(), false),
            Field::new(OFFSET, DataType::Int64, false),
        ];
        Arc::new(Schema::new(time.into_iter().chain(self.user_fields()).chain(system).collect::<Fields>()))
    }

    fn user_fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.fields.iter().map(|field| Field::new(&field.name, field.field_type.to_arrow(), true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_are_read_and_refused() {
        assert_eq!(FieldType::parse_declared("decimal(12,2)"), Ok(FieldType::Decimal(12, 2)));
        assert_eq!(FieldType::parse_declared("decimal(12, 2)").map(|t| t.to_string()), Ok("decimal(12,2)".to_owned()));
        for bad in ["number", "decimal", "decimal(0,0)", "decimal(39,2)", "decimal(4,5)", "decimal(4,-1)", ""] {
            assert!(FieldType::parse_declared(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn layouts_place_the_system_columns() {
        let field = StreamField { name: "a".into(), field_type: FieldType::Int, declared: false };
        let schema = StreamSchema { version: SchemaVersion(1), fields: vec![field] };
        let names = |schema: SchemaRef| schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
        assert_eq!(names(schema.stored_schema()), ["time", "_source_time", "a"]);
        assert_eq!(names(schema.event_schema()), ["time", "a", "_source_time", "_arrived_at", "_offset"]);
    }
}
