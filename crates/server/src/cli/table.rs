//! Rows for people and for programs: an aligned table, JSON lines, or CSV.

use std::cmp::Ordering;

use serde_json::Value;

/// How rows are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowFormat {
    /// Aligned columns.
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// A column as the server names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heading {
    pub(super) name: String,
    pub(super) column_type: String,
    /// Whether it tells groups apart.
    pub(super) key: bool,
}

impl Heading {
    pub(super) fn read(columns: &Value) -> Vec<Self> {
        let text = |column: &Value, key: &str| column[key].as_str().unwrap_or_default().to_owned();
        let columns = columns.as_array().map(Vec::as_slice).unwrap_or_default();
        let heading = |column: &Value| Self {
            name: text(column, "name"),
            column_type: text(column, "type"),
            key: column["key"] == true,
        };
        columns.iter().map(heading).collect()
    }

    /// How two of its cells stand to each other: ascending, nulls last.
    pub(super) fn compare(&self, one: &Value, other: &Value) -> Ordering {
        match (one, other) {
            (Value::Null, _) | (_, Value::Null) => return one.is_null().cmp(&other.is_null()),
            (Value::Bool(one), Value::Bool(other)) => return one.cmp(other),
            _ => {}
        }
        let text = |cell: &Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
        let (one, other) = (text(one), text(other));
        // Of one column all decimals have as many digits behind the point.
        let whole = |text: &str| text.replace('.', "").parse::<i128>().ok();
        let float = |text: &str| text.parse::<f64>().ok();
        let by_number = match self.column_type.as_str() {
            "float" => float(&one).zip(float(&other)).map(|(one, other)| one.total_cmp(&other)),
            "int" | "time" | "duration" => whole(&one).zip(whole(&other)).map(|(one, other)| one.cmp(&other)),
            kind if kind.starts_with("decimal") => whole(&one).zip(whole(&other)).map(|(one, other)| one.cmp(&other)),
            _ => None,
        };
        by_number.unwrap_or_else(|| one.cmp(&other))
    }

    fn is_number(&self) -> bool {
        self.column_type == "int" || self.column_type == "float" || self.column_type.starts_with("decimal")
    }
}

/// The rows in the asked format, each line ended.
pub(super) fn render(headings: &[Heading], rows: &[Vec<Value>], format: RowFormat) -> String {
    let header = match format {
        RowFormat::Csv => headings.iter().map(|heading| quoted(&heading.name)).collect::<Vec<_>>().join(",") + "\n",
        RowFormat::Table | RowFormat::Json => String::new(),
    };
    header + &render_rows(headings, rows, format)
}

/// The rows alone, without the header of CSV.
pub(super) fn render_rows(headings: &[Heading], rows: &[Vec<Value>], format: RowFormat) -> String {
    let csv = |row: &Vec<Value>| {
        let cells = headings.iter().zip(row);
        let cells = cells.map(|(heading, cell)| text(heading, cell).map_or_else(String::new, |text| quoted(&text)));
        cells.collect::<Vec<_>>().join(",") + "\n"
    };
    match format {
        RowFormat::Table => aligned(headings, rows),
        RowFormat::Json => rows.iter().map(|row| format!("{{{}}}\n", members(headings, row))).collect(),
        RowFormat::Csv => rows.iter().map(csv).collect(),
    }
}

/// The members of a row's JSON object, in the order of its columns.
pub(super) fn members(headings: &[Heading], row: &[Value]) -> String {
    let member = |(heading, cell): (&Heading, &Value)| {
        let cell = match text(heading, cell) {
            Some(text) if heading.column_type == "time" => Value::from(text),
            _ => cell.clone(),
        };
        format!("{}:{cell}", Value::from(heading.name.as_str()))
    };
    headings.iter().zip(row).map(member).collect::<Vec<_>>().join(",")
}

/// A cell as text, times as people write them; `None` for null.
fn text(heading: &Heading, cell: &Value) -> Option<String> {
    Some(match cell {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Number(number) if heading.column_type == "time" => {
            number.as_i64().map_or_else(|| number.to_string(), |us| pulseboard_model::TimeUs(us).to_string())
        }
        other => other.to_string(),
    })
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn aligned(headings: &[Heading], rows: &[Vec<Value>]) -> String {
    let shown = |(heading, cell): (&Heading, &Value)| text(heading, cell).unwrap_or_else(|| "–".to_owned());
    let shown: Vec<Vec<String>> = rows.iter().map(|row| headings.iter().zip(row).map(shown).collect()).collect();
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
        let table = render(&headings, &rows, RowFormat::Table);
        assert_eq!(table, "kind     n\n────  ────\na        5\n–     1234\n");
        assert_eq!(render(&headings, &rows, RowFormat::Csv), "kind,n\na,5\n,1234\n");
        assert_eq!(render(&headings, &rows[..1], RowFormat::Json), "{\"kind\":\"a\",\"n\":5}\n");
    }

    #[test]
    fn cells_stand_in_the_order_of_their_type_and_nulls_last() {
        let sorted = |column_type: &str, cells: Value| {
            let heading = Heading { name: "x".into(), column_type: column_type.into(), key: true };
            let mut cells = cells.as_array().cloned().unwrap_or_default();
            cells.sort_by(|one, other| heading.compare(one, other));
            Value::from(cells)
        };
        let long = "9007199254740993";
        assert_eq!(sorted("int", json!([null, 10, long, 9, -1])), json!([-1, 9, 10, long, null]));
        assert_eq!(sorted("decimal(12,2)", json!(["10.00", "9.50", "-1.00"])), json!(["-1.00", "9.50", "10.00"]));
        let floats = json!(["NaN", 1.5, "-Infinity", null, 1, "Infinity"]);
        assert_eq!(sorted("float", floats), json!(["-Infinity", 1, 1.5, "Infinity", "NaN", null]));
        assert_eq!(sorted("string", json!(["b", null, "B", "a", "10"])), json!(["10", "B", "a", "b", null]));
        assert_eq!(sorted("bool", json!([true, null, false])), json!([false, true, null]));
    }

    #[test]
    fn null_is_null_and_times_are_written_out_in_the_order_of_the_columns() {
        let headings = Heading::read(&json!([{"name": "z", "type": "time"}, {"name": "a", "type": "json"}]));
        let rows = vec![vec![json!(1_700_000_000_000_000_i64), json!({"b": 1})], vec![Value::Null, Value::Null]];
        let at = pulseboard_model::TimeUs(1_700_000_000_000_000);
        let expected = format!("{{\"z\":\"{at}\",\"a\":{{\"b\":1}}}}\n{{\"z\":null,\"a\":null}}\n");
        assert_eq!(render(&headings, &rows, RowFormat::Json), expected);
        assert_eq!(render(&headings, &rows, RowFormat::Csv), format!("z,a\n{at},\"{{\"\"b\"\":1}}\"\n,\n"));
    }
}
