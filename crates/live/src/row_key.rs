//! The text of row keys: stable for a group over restarts, opaque to clients.

use std::fmt::Write;

use pulseboard_model::Cell;

/// The key of a group: its cells as a compact JSON-like list, with the type's letter where texts could be confused.
pub(crate) fn key_text<'a>(cells: impl Iterator<Item = &'a Cell>) -> String {
    let mut text = String::new();
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            text.push(',');
        }
        // Writing to a String cannot fail.
        let _ok = match cell {
            Cell::Null => write!(text, "null"),
            Cell::Bool(value) => write!(text, "{value}"),
            Cell::Int(value) => write!(text, "{value}"),
            Cell::UInt(value) => write!(text, "{value}"),
            Cell::Float(value) => write!(text, "{value:?}"),
            Cell::Decimal(value) => write!(text, "{value}"),
            Cell::Time(value) | Cell::Duration(value) => write!(text, "{value}"),
            Cell::Date(value) => write!(text, "{value}"),
            Cell::Str(value) | Cell::Json(value) | Cell::Interval(value) => {
                text.push_str(&serde_json::Value::from(value.as_ref()).to_string());
                Ok(())
            }
            Cell::Bytes(value) => value.iter().try_for_each(|byte| write!(text, "{byte:02x}")),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_groups_have_different_keys() {
        let groups: [&[Cell]; 6] = [
            &[Cell::Str("a".into()), Cell::Str("b".into())],
            &[Cell::Str("a\",\"b".into())],
            &[Cell::Str("null".into())],
            &[Cell::Null],
            &[Cell::Str("".into())],
            &[],
        ];
        let mut texts: Vec<String> = groups.iter().map(|cells| key_text(cells.iter())).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), groups.len());
    }
}
