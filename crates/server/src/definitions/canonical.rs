//! A definition as its file's text: keys in one order, comments and ways of writing kept where nothing changed.
//!
//! Whether the definition is right is not looked at here: the text is read as every file is.

use std::path::Path;

use pulseboard_gateway::Content;
use serde_json::{Map, Value as Json};
use toml_edit::{ArrayOfTables, Document, DocumentMut, InlineTable, Item, Key, Table, Value};

use crate::config::definitions::resolved_text;
use crate::config::places::place;

/// The keys of each table in the order in which they are written. What is not named here comes after them.
const BOARD: &[&str] = &["title", "description", "timezone", "read_only", "max_hz", "batch_ms", "variables", "panels"];
const VARIABLE: &[&str] = &["name", "type", "title", "default", "options"];
const PANEL: &[&str] = &[
    "id",
    "type",
    "title",
    "view",
    "sql",
    "text",
    "x",
    "y",
    "w",
    "h",
    "unit",
    "thresholds",
    "max_hz",
    "stale_after",
    "options",
];
const THRESHOLDS: &[&str] = &["warning", "critical"];
const VIEW: &[&str] = &["timezone", "sql"];

/// The keys whose texts stand on lines of their own; what surrounds them is not looked at.
const LONG: [&str; 2] = ["sql", "text"];

/// A text that cannot be written so: which key, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) key: String,
    pub(super) what: String,
}

/// What is not written unless the file has it already, because it is so anyway.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults<'a> {
    /// The board's id, which is its title.
    pub(super) id: &'a str,
    /// The zone of the configuration.
    pub(super) timezone: &'a str,
}

/// The text of a board's file.
pub(super) fn board_text(
    old: Option<(&str, &Path)>,
    content: &Content,
    defaults: Defaults<'_>,
) -> Result<String, Vec<Refused>> {
    text(old, content, |writer, old, new| {
        let out = writer.table("", old, &board_members(new, old, defaults), BOARD);
        DocumentMut::from(out)
    })
}

/// The text of a view's file.
pub(super) fn view_text(
    old: Option<(&str, &Path)>,
    content: &Content,
    defaults: Defaults<'_>,
) -> Result<String, Vec<Refused>> {
    text(old, content, |writer, old, new| {
        let mut new = new.clone();
        omit(&mut new, old, "timezone", defaults.timezone);
        DocumentMut::from(writer.table("", old, &new, VIEW))
    })
}

fn text(
    old: Option<(&str, &Path)>,
    content: &Content,
    write: impl FnOnce(&mut Writer<'_>, &Table, &Map<String, Json>) -> DocumentMut,
) -> Result<String, Vec<Refused>> {
    let whole = |what: String| vec![Refused { key: String::new(), what }];
    let parsed = |text: &str| match Document::parse(text.to_owned()) {
        Ok(document) => Ok(document.into_mut()),
        Err(error) => Err(whole(format!("is not valid TOML: {}", error.to_string().trim()))),
    };
    let mut refused = Vec::new();
    let (document, new, dir) = match content {
        // What cannot be read any more leaves nothing to be kept.
        Content::Json(Json::Object(new)) => {
            let document = old.and_then(|(text, _)| parsed(text).ok()).unwrap_or_default();
            (document, new.clone(), old.map(|(_, dir)| dir))
        }
        Content::Json(_) => return Err(whole("must be an object".to_owned())),
        Content::Toml(text) => {
            let document = parsed(text)?;
            let new = members(document.as_table(), None);
            new.iter().for_each(|(key, value)| refuse_references(key, value, &mut refused));
            (document, new, None)
        }
    };
    let mut writer = Writer { dir, refused };
    let mut out = write(&mut writer, document.as_table(), &new);
    if !writer.refused.is_empty() {
        return Err(writer.refused);
    }
    out.set_trailing(document.trailing().as_str().unwrap_or_default().to_owned());
    Ok(out.to_string())
}

/// What of a board is written.
fn board_members(new: &Map<String, Json>, old: &Table, defaults: Defaults<'_>) -> Map<String, Json> {
    let mut new = new.clone();
    omit(&mut new, old, "timezone", defaults.timezone);
    omit(&mut new, old, "title", defaults.id);
    for variable in new.get_mut("variables").and_then(Json::as_array_mut).into_iter().flatten() {
        let Json::Object(members) = variable else { continue };
        let was = tables(old, "variables").into_iter().find(|was| is_called(was, "name", members)).unwrap_or_default();
        let value_type = members.get("type").and_then(Json::as_str).unwrap_or("string").to_owned();
        omit(members, &was, "type", "string");
        if members.get("options").and_then(Json::as_array).is_some_and(Vec::is_empty) && !was.contains_key("options") {
            members.remove("options");
        }
        if let Some(default) = members.get_mut("default") {
            *default = of_type(default, &value_type);
        }
        for option in members.get_mut("options").and_then(Json::as_array_mut).into_iter().flatten() {
            *option = of_type(option, &value_type);
        }
    }
    for panel in new.get_mut("panels").and_then(Json::as_array_mut).into_iter().flatten() {
        let Json::Object(members) = panel else { continue };
        let was = tables(old, "panels").into_iter().find(|was| is_called(was, "id", members)).unwrap_or_default();
        members.remove("channel");
        let id = members.get("id").and_then(Json::as_str).unwrap_or_default().to_owned();
        omit(members, &was, "title", &id);
    }
    if let Some(panels) = new.get_mut("panels").and_then(Json::as_array_mut) {
        omit_places(panels, &tables(old, "panels"));
    }
    new
}

/// Places that the file left to the grid stay left to it, or at least their sizes, as long as all panels lie where they shall.
fn omit_places(panels: &mut Vec<Json>, old: &[Table]) {
    const PLACE: [&str; 4] = ["w", "h", "x", "y"];
    for omitted in [&PLACE[..], &PLACE[..2]] {
        let mut bare = panels.clone();
        for panel in &mut bare {
            let Json::Object(members) = panel else { continue };
            let Some(was) = old.iter().find(|was| is_called(was, "id", members)) else { continue };
            members.retain(|key, _| !omitted.contains(&key.as_str()) || was.contains_key(key));
        }
        let mut placed = bare.clone();
        place(&mut placed);
        let lies = |(panel, placed): (&Json, &Json)| {
            PLACE.iter().all(|key| panel.get(key).is_none_or(|said| Some(said) == placed.get(key)))
        };
        if panels.iter().zip(&placed).all(lies) {
            *panels = bare;
            return;
        }
    }
}

/// A value is told to clients as text; a file has it as what it is.
fn of_type(value: &Json, value_type: &str) -> Json {
    let Some(text) = value.as_str() else { return value.clone() };
    let read = match value_type {
        "int" => text.parse::<i64>().ok().map(Json::from),
        "float" => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Json::from),
        "bool" => text.parse::<bool>().ok().map(Json::from),
        _ => None,
    };
    read.unwrap_or_else(|| value.clone())
}

/// Leaves a key out that says what is so anyway, unless the file says it.
fn omit(new: &mut Map<String, Json>, old: &Table, key: &str, default: &str) {
    if new.get(key).and_then(Json::as_str) == Some(default) && !old.contains_key(key) {
        new.remove(key);
    }
}

/// The tables under `[[key]]`, or those of a list.
fn tables(table: &Table, key: &str) -> Vec<Table> {
    match table.get(key) {
        Some(Item::ArrayOfTables(list)) => list.iter().cloned().collect(),
        Some(Item::Value(Value::Array(list))) => {
            list.iter().filter_map(|value| Some(value.as_inline_table()?.clone().into_table())).collect()
        }
        _ => Vec::new(),
    }
}

fn is_called(table: &Table, key: &str, members: &Map<String, Json>) -> bool {
    let name = members.get(key).and_then(Json::as_str);
    name.is_some() && table.get(key).and_then(Item::as_str) == name
}

struct Writer<'a> {
    /// Where texts of the old file that name other files begin.
    dir: Option<&'a Path>,
    refused: Vec<Refused>,
}

impl Writer<'_> {
    fn table(&mut self, path: &str, old: &Table, new: &Map<String, Json>, order: &[&str]) -> Table {
        let mut out = Table::new();
        *out.decor_mut() = old.decor().clone();
        let rest = new.keys().map(String::as_str).filter(|key| !order.contains(key));
        for key in order.iter().copied().chain(rest) {
            let Some(value) = new.get(key).filter(|value| !value.is_null()) else { continue };
            let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            let (item, old_key) = match (key, value) {
                ("panels", Json::Array(list)) => (self.list(&path, old, (key, "id"), list, PANEL), None),
                ("variables", Json::Array(list)) => (self.list(&path, old, (key, "name"), list, VARIABLE), None),
                _ => (self.item(&path, key, old.get(key), value), old.key(key)),
            };
            match old_key {
                Some(old_key) => out.insert_formatted(old_key, item),
                None => out.insert_formatted(&Key::new(key), item),
            };
        }
        out
    }

    /// `[[key]]`. Tables are known by what they are called; one with another name keeps the comments of its place.
    fn list(&mut self, path: &str, old: &Table, (key, called): (&str, &str), new: &[Json], order: &[&str]) -> Item {
        let old = tables(old, key);
        let mut out = ArrayOfTables::new();
        for (number, value) in new.iter().enumerate() {
            let path = format!("{path}[{number}]");
            let Json::Object(members) = value else {
                self.refused.push(Refused { key: path, what: "must be an object".to_owned() });
                continue;
            };
            let is_other =
                |table: &Table| new.iter().any(|other| other.as_object().is_some_and(|o| is_called(table, called, o)));
            let was = old.iter().find(|table| is_called(table, called, members));
            let was = was.or_else(|| old.get(number).filter(|table| !is_other(table)));
            out.push(self.table(&path, was.unwrap_or(&Table::new()), members, order));
        }
        Item::ArrayOfTables(out)
    }

    fn item(&mut self, path: &str, key: &str, old: Option<&Item>, new: &Json) -> Item {
        match (old, new) {
            (Some(Item::Table(old)), Json::Object(new)) => {
                let order: Vec<&str> = old.iter().map(|(key, _)| key).collect();
                Item::Table(self.table(path, old, new, &order))
            }
            (Some(Item::Value(old)), new) => Item::Value(self.value(path, key, Some(old), new)),
            (_, new) => Item::Value(self.value(path, key, None, new)),
        }
    }

    fn value(&mut self, path: &str, key: &str, old: Option<&Value>, new: &Json) -> Value {
        if let Some(old) = old
            && is_same(key, &told(old, self.dir), new)
        {
            return old.clone();
        }
        refuse_references(path, new, &mut self.refused);
        let mut value = match new {
            Json::Null => Value::from(""),
            Json::Bool(flag) => Value::from(*flag),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::from(number),
                None => Value::from(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) if LONG.contains(&key) && text.trim().contains('\n') => {
                Value::from(format!("{}\n", text.trim()))
            }
            Json::String(text) => Value::from(text.as_str()),
            Json::Array(list) => list.iter().map(|new| self.value(path, "", None, new)).collect(),
            Json::Object(members) => Value::InlineTable(self.inline(path, key, old, members)),
        };
        if let Some(old) = old {
            *value.decor_mut() = old.decor().clone();
        }
        value
    }

    fn inline(&mut self, path: &str, key: &str, old: Option<&Value>, new: &Map<String, Json>) -> InlineTable {
        let empty = InlineTable::new();
        let old = old.and_then(Value::as_inline_table).unwrap_or(&empty);
        let known: &[&str] = if key == "thresholds" { THRESHOLDS } else { &[] };
        let mut order: Vec<&str> = old.iter().map(|(key, _)| key).collect();
        order.extend(known.iter().copied().chain(new.keys().map(String::as_str)));
        let mut out = InlineTable::new();
        for key in order {
            let Some(value) = new.get(key).filter(|value| !value.is_null()) else { continue };
            if !out.contains_key(key) {
                let mut value = self.value(&format!("{path}.{key}"), key, old.get(key), value);
                value.decor_mut().clear();
                out.insert(key, value);
            }
        }
        out
    }
}

/// The API gives and takes plain texts: what it saved could otherwise read secrets out of files and the environment.
fn refuse_references(path: &str, value: &Json, refused: &mut Vec<Refused>) {
    match value {
        Json::String(text) if text.contains("${") || text.starts_with("file:") => {
            let what = "`${NAME}` and `file:PATH` can only be written into the file itself, on the server".to_owned();
            refused.push(Refused { key: path.to_owned(), what });
        }
        Json::Array(list) => {
            for (number, value) in list.iter().enumerate() {
                refuse_references(&format!("{path}[{number}]"), value, refused);
            }
        }
        Json::Object(members) => {
            members.iter().for_each(|(key, value)| refuse_references(&format!("{path}.{key}"), value, refused));
        }
        _ => {}
    }
}

/// A table as JSON.
fn members(table: &Table, dir: Option<&Path>) -> Map<String, Json> {
    let json = |item: &Item| match item {
        Item::Value(value) => told(value, dir),
        Item::Table(table) => Json::Object(members(table, dir)),
        Item::ArrayOfTables(list) => list.iter().map(|table| Json::Object(members(table, dir))).collect(),
        Item::None => Json::Null,
    };
    table.iter().map(|(key, item)| (key.to_owned(), json(item))).collect()
}

/// A value as clients are told it; with `dir`, its texts resolved.
fn told(value: &Value, dir: Option<&Path>) -> Json {
    match value {
        Value::String(text) => match dir {
            Some(dir) => resolved_text(text.value(), dir).into(),
            None => text.value().as_str().into(),
        },
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => (*number.value()).into(),
        Value::Boolean(flag) => (*flag.value()).into(),
        Value::Datetime(time) => time.value().to_string().into(),
        Value::Array(list) => list.iter().map(|value| told(value, dir)).collect(),
        Value::InlineTable(table) => {
            Json::Object(table.iter().map(|(key, value)| (key.to_owned(), told(value, dir))).collect())
        }
    }
}

/// Whether the file says already what is to be said.
fn is_same(key: &str, old: &Json, new: &Json) -> bool {
    match (old, new) {
        (Json::String(old), Json::String(new)) if LONG.contains(&key) => old.trim() == new.trim(),
        (Json::Number(old), Json::Number(new)) => old == new || old.as_f64() == new.as_f64(),
        (Json::Number(old), Json::String(new)) => new.eq(&old.to_string()),
        (Json::Bool(old), Json::String(new)) => new == if *old { "true" } else { "false" },
        (Json::Array(old), Json::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| is_same("", old, new))
        }
        (Json::Object(old), Json::Object(new)) => {
            old.len() == new.len()
                && old.iter().all(|(key, old)| new.get(key).is_some_and(|new| is_same(key, old, new)))
        }
        _ => old == new,
    }
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
