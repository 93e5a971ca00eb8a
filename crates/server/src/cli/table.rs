//! Rows for people and for programs: an aligned table, JSON lines, or CSV.

use serde_json::{Map, Value};

use super::args::Format;

/// A column as the server names it.
#[derive(Debug, Clone)]
pub(super) struct Heading {
    pub(super) name: String,
    pub(super) column_type: String,
}

impl Heading {
    pub(super) fn read(columns: &Value) -> Vec<Self> {
        let text = |column: &Value, key: &str| column[key].as_str().unwrap_or_default().to_owned();
        let columns = columns.as_array().map(Vec::as_slice).unwrap_or_default();
        columns.iter().map(|column| Self { name: text(column, "name"), column_type: text(column, "type") }).collect()
    }

    fn is_number(&self) -> bool {
        self.column_type == "int" || self.column_type == "float" || self.column_type.starts_with("decimal")
    }
}

/// The rows in the asked format, each line ended.
pub(super) fn render(headings: &[Heading], rows: &[Vec<Value>], format: Format) -> String {
    match format {
        Format::Table => aligned(headings, rows),
        Format::Json => rows.iter().map(|row| object(headings, row).to_string() + "\n").collect(),
        Format::Csv => {
            let header = headings.iter().map(|heading| quoted(&heading.name)).collect::<Vec<_>>().join(",");
            let line = |row: &Vec<Value>| {
                let cells = row.iter().map(|cell| if cell.is_null() { String::new() } else { quoted(&plain(cell)) });
                cells.collect::<Vec<_>>().join(",") + "\n"
            };
            header + "\n" + &rows.iter().map(line).collect::<String>()
        }
    }
}

/// A row as an object.
pub(super) fn object(headings: &[Heading], row: &[Value]) -> Value {
    let pairs = headings.iter().zip(row).map(|(heading, cell)| {
        let cell = if heading.column_type == "time" { Value::from(shown(heading, cell)) } else { cell.clone() };
        (heading.name.clone(), cell)
    });
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn plain(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn shown(heading: &Heading, cell: &Value) -> String {
    match cell {
        Value::Null => "–".to_owned(),
        Value::Number(number) if heading.column_type == "time" => {
            number.as_i64().map_or_else(|| number.to_string(), |us| pulseboard_model::TimeUs(us).to_string())
        }
        other => plain(other),
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn aligned(headings: &[Heading], rows: &[Vec<Value>]) -> String {
    let shown: Vec<Vec<String>> =
        rows.iter().map(|row| headings.iter().zip(row).map(|(heading, cell)| shown(heading, cell)).collect()).collect();
    let width = |column: usize| {
        let cells = shown.iter().map(|row| row.get(column).map_or(0, |cell| cell.chars().count()));
        cells.chain([headings[column].name.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(headings).zip(&widths).map(|((cell, heading), width)| {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            if heading.is_number() { format!("{gap}{cell}") } else { format!("{cell}{gap}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut out = line(headings.iter().map(|heading| heading.name.as_str()).collect());
    out += &(widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>().join("  ") + "\n");
    for row in &shown {
        out += &line(row.iter().map(String::as_str).collect());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_aligns_numbers_right_and_shows_unknown_as_a_dash() {
        let headings = Heading::read(&json!([{"name": "kind", "type": "string"}, {"name": "n", "type": "int"}]));
        let rows = vec![vec![json!("a"), json!(5)], vec![Value::Null, json!(1234)]];
        let table = render(&headings, &rows, Format::Table);
        assert_eq!(table, "kind     n\n────  ────\na        5\n–     1234\n");
        assert_eq!(render(&headings, &rows, Format::Csv), "kind,n\na,5\n,1234\n");
        assert_eq!(render(&headings, &rows[..1], Format::Json), "{\"kind\":\"a\",\"n\":5}\n");
    }
}
