//! `GET /api/v1/openapi.json`: the API described for machines, written by hand beside the routes it describes.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The description. What is not in this version is left out of it.
const OPENAPI: &str = include_str!("openapi.json");

/// The handler.
pub(crate) async fn get_openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_description_is_json_and_its_references_hold() {
        let description: Value = serde_json::from_str(OPENAPI).expect("json");
        assert!(description["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
        let mut references = Vec::new();
        collect(&description, &mut references);
        assert!(!references.is_empty());
        for reference in references {
            let pointer = reference.strip_prefix('#').expect("a reference within the document");
            assert!(description.pointer(pointer).is_some(), "{reference}");
        }
    }

    fn collect(value: &Value, references: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| collect(member, references));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
            _ => {}
        }
    }
}
