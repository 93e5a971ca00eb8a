//! A stream's schema as JSON text, the way the log keeps it: `{"format":1,"version":…,"fields":[…]}`.
//!
//! Written by hand, because the model's types are not tied to any serialised form.

use pulseboard_model::{FieldType, SchemaVersion, StreamField, StreamSchema};
use serde_json::{Value, json};

/// The only form so far.
const FORMAT: u64 = 1;

/// How deep a type may nest when it is read: far beyond what decoding lets in.
const DEPTH_MAX: usize = 256;

/// Writes a schema.
pub(super) fn to_json(schema: &StreamSchema) -> String {
    let fields: Vec<Value> = schema
        .fields
        .iter()
        .map(|field| json!({"name": field.name, "type": type_to_json(&field.field_type), "declared": field.declared}))
        .collect();
    json!({"format": FORMAT, "version": schema.version.0, "fields": fields}).to_string()
}

/// Reads a schema; `None` if the text is none.
pub(super) fn from_json(text: &str) -> Option<StreamSchema> {
    let value: Value = serde_json::from_str(text).ok()?;
    if value.get("format")?.as_u64()? != FORMAT {
        return None;
    }
    let version = SchemaVersion(u32::try_from(value.get("version")?.as_u64()?).ok()?);
    let fields = value
        .get("fields")?
        .as_array()?
        .iter()
        .map(|field| {
            Some(StreamField {
                name: field.get("name")?.as_str()?.to_owned(),
                field_type: type_from_json(field.get("type")?, DEPTH_MAX)?,
                declared: field.get("declared")?.as_bool()?,
            })
        })
        .collect::<Option<_>>()?;
    Some(StreamSchema { version, fields })
}

fn type_to_json(field_type: &FieldType) -> Value {
    match field_type {
        FieldType::Unknown => json!("unknown"),
        FieldType::Int => json!("int"),
        FieldType::Float => json!("float"),
        FieldType::Decimal(precision, scale) => json!({"decimal": [precision, scale]}),
        FieldType::Bool => json!("bool"),
        FieldType::String => json!("string"),
        FieldType::Time => json!("time"),
        FieldType::Json => json!("json"),
        FieldType::List(item) => json!({"list": type_to_json(item)}),
        FieldType::Struct(fields) => {
            let fields: Vec<Value> = fields.iter().map(|(name, t)| json!([name, type_to_json(t)])).collect();
            json!({"struct": fields})
        }
    }
}

fn type_from_json(value: &Value, depth: usize) -> Option<FieldType> {
    let depth = depth.checked_sub(1)?;
    if let Some(name) = value.as_str() {
        return Some(match name {
            "unknown" => FieldType::Unknown,
            "int" => FieldType::Int,
            "float" => FieldType::Float,
            "bool" => FieldType::Bool,
            "string" => FieldType::String,
            "time" => FieldType::Time,
            "json" => FieldType::Json,
            _ => return None,
        });
    }
    let (kind, inner) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "decimal" => {
            let [precision, scale] = inner.as_array()?.as_slice() else { return None };
            let precision = u8::try_from(precision.as_u64()?).ok().filter(|p| (1..=38).contains(p))?;
            let scale = i8::try_from(scale.as_i64()?).ok().filter(|s| (0..=precision.cast_signed()).contains(s))?;
            Some(FieldType::Decimal(precision, scale))
        }
        "list" => Some(FieldType::List(Box::new(type_from_json(inner, depth)?))),
        "struct" => inner
            .as_array()?
            .iter()
            .map(|field| {
                let [name, field_type] = field.as_array()?.as_slice() else { return None };
                Some((name.as_str()?.to_owned(), type_from_json(field_type, depth)?))
            })
            .collect::<Option<_>>()
            .map(FieldType::Struct),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives() {
        let inner = vec![("x".to_owned(), FieldType::Unknown), ("y".to_owned(), FieldType::Time)];
        let types = [
            FieldType::Int,
            FieldType::Float,
            FieldType::Decimal(12, 2),
            FieldType::Bool,
            FieldType::String,
            FieldType::Json,
            FieldType::List(Box::new(FieldType::Struct(inner))),
        ];
        let fields = types
            .into_iter()
            .enumerate()
            .map(|(i, field_type)| StreamField { name: format!("f\"{i}"), field_type, declared: i % 2 == 0 })
            .collect();
        let schema = StreamSchema { version: SchemaVersion(7), fields };
        assert_eq!(from_json(&to_json(&schema)), Some(schema));
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for bad in [
            "",
            "{}",
            r#"{"format":2,"version":1,"fields":[]}"#,
            r#"{"format":1,"version":1,"fields":[{"name":"a","type":"number","declared":false}]}"#,
            r#"{"format":1,"version":1,"fields":[{"name":"a","type":{"decimal":[50,2]},"declared":false}]}"#,
        ] {
            assert_eq!(from_json(bad), None, "{bad}");
        }
    }
}
