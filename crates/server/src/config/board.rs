//! A board file: what it shows, where, and which view is behind each panel.

use chrono_tz::Tz;
use pulseboard_gateway::{Board, BoardPanel, BoardVariable, NamedView, Origin, text_cell};
use pulseboard_live::{Params, QuerySpec, parameter_names};
use pulseboard_model::ViewName;
use pulseboard_model::ids::check_name;
use serde_json::{Map, Value as Json, json};
use toml::{Table, Value};

use super::board_variables::read_variables;
use super::pace::read_pace;
use super::panel_types::{PANEL_TYPES, TEXT};
use super::places::{CELLS_MAX, GRID_COLUMNS, PANELS_MAX, place};
use super::reader::{Problem, Reader};
use super::values::{timezone as zone, wrong};
use super::{check_query, options, syntax};

/// A board and the views that its panels bring along.
#[derive(Debug, Clone)]
pub(crate) struct BoardFile {
    pub(crate) board: Board,
    pub(crate) views: Vec<NamedView>,
    /// Whether its file says that it is not to be changed through the API.
    pub(crate) read_only: bool,
}

/// Reads a board; its id is the file's name.
pub(super) fn read_board(
    id: &str,
    file: &str,
    text: &str,
    default: Tz,
    problems: &mut Vec<Problem>,
) -> Option<BoardFile> {
    let before = problems.len();
    if let Err(error) = check_name("board", id) {
        problems.push(Problem { file: file.to_owned(), key: String::new(), what: error.to_string() });
        return None;
    }
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            problems.push(syntax(file, &error));
            return None;
        }
    };
    let mut reader = Reader::new(file, "", table);
    let title = reader.text("title", problems).unwrap_or_else(|| id.to_owned());
    let description = reader.text("description", problems);
    let timezone = reader.read("timezone", problems, zone).unwrap_or(default);
    let (variables, choices) = read_variables(&mut reader, problems);
    let pace = read_pace(&mut reader, problems);
    let read_only =
        reader.read("read_only", problems, |value| value.as_bool().ok_or_else(|| wrong("true or false", value)));
    let panels = reader.tables("panels", problems);
    reader.finish(problems);

    if panels.len() > PANELS_MAX {
        let what = format!("a board has at most {PANELS_MAX} panels, this one has {}", panels.len());
        problems.push(Problem { file: file.to_owned(), key: "panels".to_owned(), what });
        return None;
    }
    let (mut shown, mut behind, mut views) = (Vec::new(), Vec::new(), Vec::new());
    for mut panel in panels {
        if let Some(read) = read_panel(id, &mut panel, timezone, &variables, problems) {
            if shown.iter().any(|known: &Json| known["id"] == read.definition["id"]) {
                panel.problem("id", format!("{} is the id of another panel too", read.definition["id"]), problems);
            }
            shown.push(read.definition);
            behind.extend(read.panel);
            views.extend(read.view);
        }
        panel.finish(problems);
    }
    check_sparks(file, &shown, problems);
    if problems.len() > before {
        return None;
    }
    place(&mut shown);
    let mut definition = json!({"id": id, "title": title, "timezone": timezone.name(), "panels": shown});
    if let Json::Object(members) = &mut definition {
        let choices = (!choices.is_empty()).then(|| Json::from(choices));
        let more = [
            ("description", description.map(Json::from)),
            ("variables", choices),
            ("max_hz", pace.max_hz.map(Json::from)),
            ("batch_ms", pace.batch_ms.map(Json::from)),
        ];
        members.extend(more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    let (id, origin) = (id.to_owned(), Origin::Configured);
    let board = Board { id, definition, panels: behind, variables, pace, origin };
    Some(BoardFile { board, views, read_only: read_only.unwrap_or_default() })
}

/// Sparklines are drawn from other panels of the board: these must be there, and ask something.
fn check_sparks(file: &str, shown: &[Json], problems: &mut Vec<Problem>) {
    for (number, panel) in shown.iter().enumerate() {
        let Some(from) = panel["options"]["spark_panel"].as_str() else { continue };
        if !shown.iter().any(|other| other["id"] == from && other["channel"].is_string()) {
            let what = format!("`{from}` is no panel of this board that has a query");
            let key = format!("panels[{number}].options.spark_panel");
            problems.push(Problem { file: file.to_owned(), key, what });
        }
    }
}

struct PanelFile {
    definition: Json,
    /// `None` for a panel that asks nothing.
    panel: Option<BoardPanel>,
    view: Option<NamedView>,
}

fn read_panel(
    board: &str,
    panel: &mut Reader<'_>,
    timezone: Tz,
    variables: &[BoardVariable],
    problems: &mut Vec<Problem>,
) -> Option<PanelFile> {
    let mut out = Map::new();
    let id = panel.required("id", ": every panel has an id, unique on its board", problems)?;
    if let Err(error) = check_name("panel", &id) {
        panel.problem("id", error.to_string(), problems);
    }
    let known = PANEL_TYPES.join(", ");
    let kind = panel.required("type", &format!(": use {known}"), problems).unwrap_or_default();
    if !kind.is_empty() && !PANEL_TYPES.contains(&kind.as_str()) {
        panel.problem("type", format!("`{kind}` is not a panel type: use {known}"), problems);
    }
    let title = panel.text("title", problems).unwrap_or_else(|| id.clone());
    out.insert("id".to_owned(), id.clone().into());
    out.insert("type".to_owned(), kind.as_str().into());
    out.insert("title".to_owned(), title.into());
    for key in ["x", "y", "w", "h"] {
        let read = |value: &Value| {
            value
                .as_integer()
                .filter(|n| (0..=CELLS_MAX).contains(n))
                .ok_or_else(|| wrong("a whole number from 0", value))
        };
        if let Some(number) = panel.read(key, problems, read) {
            if (key == "x" && number >= GRID_COLUMNS) || (key == "w" && number > GRID_COLUMNS) {
                panel.problem(key, format!("the grid has {GRID_COLUMNS} columns, and `x` counts from 0"), problems);
            }
            if (key == "w" || key == "h") && number == 0 {
                panel.problem(key, "a panel takes at least one", problems);
            }
            out.insert(key.to_owned(), number.into());
        }
    }
    let of = |key: &str| out.get(key).and_then(Json::as_i64);
    if let (Some(x), Some(w)) = (of("x"), of("w"))
        && x < GRID_COLUMNS
        && w <= GRID_COLUMNS
        && x + w > GRID_COLUMNS
    {
        panel.problem("w", format!("it would end beyond the {GRID_COLUMNS} columns of the grid: `x` is {x}"), problems);
    }
    if let Some(unit) = panel.text("unit", problems) {
        out.insert("unit".to_owned(), unit.into());
    }
    if let Some(span) = panel.read("stale_after", problems, options::span) {
        out.insert("stale_after".to_owned(), span.into());
    }
    if let Some(thresholds) = panel.inner("thresholds", problems) {
        out.insert("thresholds".to_owned(), options::thresholds(thresholds, problems));
    }
    if let Some(own) = panel.inner("options", problems) {
        out.insert("options".to_owned(), options::options(&kind, own, problems));
    }
    let max_hz = |value: &Value| {
        let hz = value.as_float().or_else(|| value.as_integer().and_then(|hz| i32::try_from(hz).ok()).map(f64::from));
        hz.filter(|hz| hz.is_finite() && *hz > 0.0).ok_or_else(|| wrong("a number above 0", value))
    };
    if let Some(hz) = panel.read("max_hz", problems, max_hz) {
        out.insert("max_hz".to_owned(), hz.into());
    }
    if kind == TEXT {
        let text = panel.required("text", ": a text panel shows it, as Markdown", problems)?;
        out.insert("text".to_owned(), text.trim().into());
        return Some(PanelFile { definition: Json::Object(out), panel: None, view: None });
    }
    let (sql, view) = (panel.text("sql", problems), panel.text("view", problems));
    let (view_name, own) = match (sql, view) {
        (Some(sql), None) => {
            let name = format!("{board}.{id}");
            check_query(panel, &format!("panel `{id}`"), &sql, problems);
            out.insert("sql".to_owned(), sql.trim().into());
            (name, Some(sql))
        }
        (None, Some(view)) => {
            out.insert("view".to_owned(), view.clone().into());
            (view, None)
        }
        (Some(_), Some(_)) => {
            panel.problem("", "has both `sql` and `view`: one of them says what it shows", problems);
            return None;
        }
        (None, None) => {
            panel.problem("", "needs either `sql` (a query) or `view` (the name of one)", problems);
            return None;
        }
    };
    let name = match ViewName::new(&view_name) {
        Ok(name) => name,
        Err(error) => {
            panel.problem("view", error.to_string(), problems);
            return None;
        }
    };
    out.insert("channel".to_owned(), format!("view:{name}").into());
    let view = own.map(|sql| {
        // A panel of the board's own shows the defaults until somebody chooses, and runs with them from the start.
        let taken = parameter_names(&sql);
        let taken = variables.iter().filter(|variable| taken.contains(&variable.name));
        let params = taken.filter_map(|variable| Some((variable.name.clone(), text_cell(variable.default.as_ref()?))));
        let params: Params = params.collect();
        let spec = QuerySpec { sql, timezone, params };
        NamedView { name: name.clone(), spec, origin: Origin::Configured }
    });
    let panel = BoardPanel { id, view: name, variables: Vec::new() };
    Some(PanelFile { definition: Json::Object(out), panel: Some(panel), view })
}

pub(super) fn to_json(value: &Value) -> Json {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Datetime(time) => time.to_string().into(),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Table(table) => Json::Object(table.iter().map(|(key, value)| (key.clone(), to_json(value))).collect()),
    }
}
