//! A stream's declared fields, merged into what the log already knows of it.

use pulseboard_model::conform::widens;
use pulseboard_model::schema::is_reserved;
use pulseboard_model::{FieldType, SchemaVersion, StreamField, StreamName, StreamSchema};

use crate::log::DeclareError;

/// The schema with `fields` declared; `None` if it says all of it already.
///
/// # Errors
/// [`DeclareError::Conflict`] when a field is stored with a type that cannot become the declared one,
/// [`DeclareError::Reserved`] for a system column.
pub(super) fn declared(
    stream: &StreamName,
    current: Option<&StreamSchema>,
    fields: &[(String, FieldType)],
) -> Result<Option<StreamSchema>, DeclareError> {
    if let Some((field, _)) = fields.iter().find(|(name, _)| is_reserved(name)) {
        return Err(DeclareError::Reserved { stream: stream.clone(), field: field.clone() });
    }
    let mut schema = current.cloned().unwrap_or_else(StreamSchema::empty);
    let mut changed = false;
    for (name, declared) in fields {
        match schema.fields.iter_mut().find(|field| field.name == *name) {
            Some(field) if field.declared && field.field_type == *declared => {}
            Some(field) if widens(&field.field_type, declared) => {
                field.field_type = declared.clone();
                field.declared = true;
                changed = true;
            }
            Some(field) => {
                return Err(DeclareError::Conflict {
                    stream: stream.clone(),
                    field: name.clone(),
                    stored: field.field_type.clone(),
                    declared: declared.clone(),
                });
            }
            None => {
                let field = StreamField { name: name.clone(), field_type: declared.clone(), declared: true };
                schema.fields.push(field);
                changed = true;
            }
        }
    }
    match current {
        Some(_) if !changed => Ok(None),
        Some(current) => {
            schema.version = SchemaVersion(current.version.0 + 1);
            Ok(Some(schema))
        }
        None => Ok(Some(schema)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_widen_and_never_narrow() {
        let stream = StreamName::new("s").unwrap();
        let int = [("a".to_owned(), FieldType::Int)];
        let first = declared(&stream, None, &int).unwrap().unwrap();
        assert_eq!((first.version, first.fields[0].declared), (SchemaVersion(1), true));
        assert_eq!(declared(&stream, Some(&first), &int), Ok(None));

        let float = [("a".to_owned(), FieldType::Float), ("b".to_owned(), FieldType::Json)];
        let second = declared(&stream, Some(&first), &float).unwrap().unwrap();
        assert_eq!((second.version, second.fields.len()), (SchemaVersion(2), 2));

        let refused = declared(&stream, Some(&second), &[("a".to_owned(), FieldType::String)]).unwrap_err();
        assert!(refused.to_string().contains("`a`"), "{refused}");
    }

    #[test]
    fn system_columns_cannot_be_declared() {
        let stream = StreamName::new("s").unwrap();
        for name in ["time", "_source_time", "_arrived_at", "_offset"] {
            let refused = declared(&stream, None, &[(name.to_owned(), FieldType::Time)]).unwrap_err();
            assert_eq!(refused, DeclareError::Reserved { stream: stream.clone(), field: name.to_owned() });
        }
    }
}
