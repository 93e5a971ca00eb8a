//! Variables of boards: what a board file says of them, and which panel takes which.

use std::collections::BTreeMap;

use pulseboard_gateway::{Board, BoardVariable, NamedView};
use pulseboard_live::parameter_names;
use pulseboard_model::ColumnType;
use pulseboard_model::ids::check_name;
use pulseboard_protocol::Channel;
use pulseboard_protocol::channel::PARAMS_MAX;
use serde_json::{Value as Json, json};
use toml::Value;

use super::reader::{Problem, Reader};
use super::values::wrong;

/// The types that a variable may have.
const TYPES: [(&str, ColumnType); 5] = [
    ("string", ColumnType::String),
    ("int", ColumnType::Int),
    ("float", ColumnType::Float),
    ("bool", ColumnType::Bool),
    ("time", ColumnType::Time),
];

/// Reads `[[variables]]`: the variables, and what clients read of them.
pub(super) fn read_variables(board: &mut Reader<'_>, problems: &mut Vec<Problem>) -> (Vec<BoardVariable>, Vec<Json>) {
    let (mut variables, mut shown) = (Vec::new(), Vec::new());
    for mut table in board.tables("variables", problems) {
        if let Some((variable, definition)) = read_variable(&mut table, problems) {
            if variables.iter().any(|known: &BoardVariable| known.name == variable.name) {
                table.problem("name", format!("`{}` is the name of another variable too", variable.name), problems);
            }
            variables.push(variable);
            shown.push(definition);
        }
        table.finish(problems);
    }
    if variables.len() > PARAMS_MAX {
        board.problem("variables", format!("a board has at most {PARAMS_MAX}"), problems);
    }
    (variables, shown)
}

fn read_variable(table: &mut Reader<'_>, problems: &mut Vec<Problem>) -> Option<(BoardVariable, Json)> {
    let name = table.required("name", ": it stands as `$name` in queries", problems);
    let value_type = table.read("type", problems, |value| {
        let text = value.as_str().unwrap_or_default();
        let known = TYPES.iter().find(|(name, _)| *name == text).map(|(_, value_type)| *value_type);
        known.ok_or_else(|| wrong(&TYPES.map(|(name, _)| name).join(", "), value))
    });
    let value_type = value_type.unwrap_or(ColumnType::String);
    let title = table.text("title", problems);
    let default = table.read("default", problems, plain);
    let options = table.read("options", problems, |value| {
        let options = value.as_array().ok_or_else(|| wrong("a list of values", value))?;
        options.iter().map(plain).collect::<Result<Vec<_>, _>>()
    });
    let name = name?;
    if let Err(error) = check_name("variable", &name) {
        table.problem("name", error.to_string(), problems);
    }
    let variable = BoardVariable { name, value_type, default, options: options.unwrap_or_default() };
    let of_its_type = BoardVariable { options: Vec::new(), ..variable.clone() };
    for option in &variable.options {
        if let Err(what) = of_its_type.check(option) {
            table.problem("options", what, problems);
        }
    }
    if let Some(Err(what)) = variable.default.as_ref().map(|default| variable.check(default)) {
        table.problem("default", what, problems);
    }
    let mut definition = json!({"name": variable.name, "type": value_type.to_string(), "options": variable.options});
    for (key, text) in [("title", title), ("default", variable.default.clone())] {
        if let (Some(text), Json::Object(members)) = (text, &mut definition) {
            members.insert(key.to_owned(), text.into());
        }
    }
    Some((variable, definition))
}

/// A value as it stands in a channel's name.
fn plain(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(flag) => Ok(flag.to_string()),
        Value::Datetime(time) => Ok(time.to_string()),
        other => Err(wrong("a text, a number, true, false or a time", other)),
    }
}

/// Says of each panel which variables its view takes, once all views are known.
pub(super) fn bind_panels(board: &mut Board, views: &[NamedView], problems: &mut Vec<Problem>) {
    let Board { id, definition, panels, variables, .. } = board;
    for panel in panels.iter_mut() {
        let number = place_of(definition, &panel.id);
        let asks = if definition["panels"][number]["sql"].is_string() { "sql" } else { "view" };
        let mut problem = |what: String| {
            let key = format!("panels[{number}].{asks}");
            problems.push(Problem { file: format!("board {id}"), key, what });
        };
        let Some(view) = views.iter().find(|view| view.name == panel.view) else {
            problem(format!("there is no view `{0}`: add `[views.{0}]`", panel.view));
            continue;
        };
        for name in parameter_names(&view.spec.sql) {
            let Some(variable) = variables.iter().find(|variable| variable.name == name) else {
                if !view.spec.params.contains_key(&name) {
                    problem(format!("its query takes `${name}`, and the board has no variable `{name}`"));
                }
                continue;
            };
            panel.variables.push(variable.name.clone());
        }
        // What it shows while nobody has chosen.
        let others = panel.variables.iter().filter(|name| !view.spec.params.contains_key(*name));
        let defaults = others.filter_map(|name| {
            let variable = variables.iter().find(|variable| variable.name == *name)?;
            Some((name.clone(), variable.default.clone()?))
        });
        let params: BTreeMap<_, _> = defaults.collect();
        if !params.is_empty()
            && let Some(channel) = definition.pointer_mut(&format!("/panels/{number}/channel"))
        {
            *channel = Channel::View { name: panel.view.clone(), params }.to_string().into();
        }
    }
}

/// The place of a panel in the board's definition, where panels that ask nothing stand, too.
fn place_of(definition: &Json, id: &str) -> usize {
    let panels = definition["panels"].as_array();
    panels.and_then(|panels| panels.iter().position(|panel| panel["id"] == id)).unwrap_or_default()
}
