//! How a panel draws: its `options`, which differ by its type, and its `thresholds`.
//!
//! The page reads them; here they are only held to what it knows, so that a word it would pass over is found at once.

use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use super::board::to_json;
use super::panel_types::{Known, LEVELS, Wanted, known};
use super::reader::{Problem, Reader};
use super::values::wrong;

/// The most rows that a list is cut to.
const COUNT_MAX: i64 = 100;

const THRESHOLDS: Known = &[("warning", Wanted::Number), ("critical", Wanted::Number)];

/// Reads the `options` of a panel of this kind.
pub(super) fn options(kind: &str, mut options: Reader<'_>, problems: &mut Vec<Problem>) -> Json {
    let read = read(&mut options, known(kind), problems);
    options.finish(problems);
    read
}

/// Reads the `thresholds` of a panel.
pub(super) fn thresholds(mut thresholds: Reader<'_>, problems: &mut Vec<Problem>) -> Json {
    let read = read(&mut thresholds, THRESHOLDS.iter(), problems);
    thresholds.finish(problems);
    read
}

fn read<'k>(
    reader: &mut Reader<'_>,
    known: impl Iterator<Item = &'k (&'static str, Wanted)>,
    problems: &mut Vec<Problem>,
) -> Json {
    let mut out = Map::new();
    for &(key, wanted) in known {
        if let Some(value) = reader.read(key, problems, |value| checked(wanted, value)) {
            out.insert(key.to_owned(), value);
        }
    }
    Json::Object(out)
}

fn checked(wanted: Wanted, value: &Value) -> Result<Json, String> {
    let all_of = |fits: &dyn Fn(&Value) -> bool| value.as_table().is_some_and(|table| table.values().all(fits));
    let list_of = |fits: &dyn Fn(&Value) -> bool| value.as_array().is_some_and(|list| list.iter().all(fits));
    let (fits, what) = match wanted {
        Wanted::Text => (value.is_str(), "a text".to_owned()),
        Wanted::Number => (is_number(value), "a number".to_owned()),
        Wanted::Flag => (value.is_bool(), "`true` or `false`".to_owned()),
        Wanted::Colour => (is_whole(value, 8), "a number from 1 to 8".to_owned()),
        Wanted::Count => (is_whole(value, COUNT_MAX), format!("a whole number from 1 to {COUNT_MAX}")),
        Wanted::NumberOrColumn => (is_number(value) || value.is_str(), "a number or the name of a column".to_owned()),
        Wanted::Span => (page_span(value).is_some(), SPAN.to_owned()),
        Wanted::Texts => {
            (all_of(&Value::is_str), "a table of texts by column, such as `{ used = \"bytes\" }`".to_owned())
        }
        Wanted::Numbers => (all_of(&is_number), "a table of numbers by column, such as `{ price = 2 }`".to_owned()),
        Wanted::Columns => (list_of(&Value::is_str), "a list of columns, such as `[\"price\"]`".to_owned()),
        Wanted::OneOf(words) => (is_one_of(value, words), quoted(words)),
        Wanted::AnyOf(words) => {
            (list_of(&|value| is_one_of(value, words)), format!("a list of any of {}", quoted(words)))
        }
        Wanted::States => (value.as_table().is_some_and(are_levels), states("{ paid = \"ok\" }")),
        Wanted::StatesByColumn => (
            all_of(&|value| value.as_table().is_some_and(are_levels)),
            format!("by column, {}", states("{ status = { paid = \"ok\" } }")),
        ),
    };
    if fits { Ok(to_json(value)) } else { Err(wrong(&what, value)) }
}

fn is_number(value: &Value) -> bool {
    value.is_integer() || value.is_float()
}

const SPAN: &str = "a span such as `\"15m\"` (ms, s, m, h, d)";

/// A span of time as the page reads it; as it stands.
fn page_span(value: &Value) -> Option<&str> {
    let text = value.as_str()?;
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(unit_at);
    let whole = number.split('.').all(|digits| !digits.is_empty()) && number.matches('.').count() < 2;
    (whole && ["ms", "s", "m", "h", "d"].contains(&unit.trim_start())).then_some(text)
}

/// The same, or what is wrong with it.
pub(super) fn span(value: &Value) -> Result<String, String> {
    page_span(value).map(str::to_owned).ok_or_else(|| wrong(SPAN, value))
}

fn is_whole(value: &Value, max: i64) -> bool {
    value.as_integer().is_some_and(|number| (1..=max).contains(&number))
}

fn is_one_of(value: &Value, words: &[&str]) -> bool {
    value.as_str().is_some_and(|word| words.contains(&word))
}

fn are_levels(table: &Table) -> bool {
    table.values().all(|value| is_one_of(value, &LEVELS))
}

fn states(example: &str) -> String {
    format!("a table of {} by value, such as `{example}`", quoted(&LEVELS))
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
}
