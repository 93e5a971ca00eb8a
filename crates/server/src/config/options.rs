//! How a panel draws: its `options`, which differ by its type, and its `thresholds`.
//!
//! The page reads them; here they are only held to what it knows, so that a word it would pass over is found at once.

use serde_json::{Map, Value as Json};
use toml::Value;

use super::board::to_json;
use super::reader::{Problem, Reader};
use super::values::wrong;

/// What a value has to be.
#[derive(Clone, Copy)]
enum Wanted {
    Text,
    Number,
    /// The number of a colour.
    Colour,
    /// A text per column.
    Texts,
    /// One of these.
    OneOf(&'static [&'static str]),
}

type Known = &'static [(&'static str, Wanted)];

const ALL: Known = &[
    ("value", Wanted::Text),
    ("decimals", Wanted::Number),
    ("color", Wanted::Colour),
    ("units", Wanted::Texts),
    ("hint", Wanted::Text),
];
const STAT: Known = &[
    ("time", Wanted::Text),
    ("detail", Wanted::Text),
    ("min", Wanted::Number),
    ("max", Wanted::Number),
    ("range", Wanted::Text),
];
const TIMESERIES: Known = &[
    ("time", Wanted::Text),
    ("series", Wanted::Text),
    ("series_label", Wanted::Text),
    ("range", Wanted::Text),
    ("min", Wanted::Number),
    ("max", Wanted::Number),
    ("style", Wanted::OneOf(&["line", "area"])),
    ("comparison", Wanted::Text),
    ("first_color", Wanted::Colour),
];
const BARS: Known = &[("label", Wanted::Text), ("detail", Wanted::Text), ("max", Wanted::Number)];
const THRESHOLDS: Known = &[("warning", Wanted::Number), ("critical", Wanted::Number)];

/// Reads the `options` of a panel of this kind.
pub(super) fn options(kind: &str, mut options: Reader<'_>, problems: &mut Vec<Problem>) -> Json {
    let own: Known = match kind {
        "stat" => STAT,
        "timeseries" => TIMESERIES,
        "bars" => BARS,
        _ => &[],
    };
    let read = read(&mut options, ALL.iter().chain(own), problems);
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
    let is_text = |value: &Value| value.is_str();
    let (fits, what) = match wanted {
        Wanted::Text => (is_text(value), "a text".to_owned()),
        Wanted::Number => (value.is_integer() || value.is_float(), "a number".to_owned()),
        Wanted::Colour => {
            (value.as_integer().is_some_and(|number| (1..=8).contains(&number)), "a number from 1 to 8".to_owned())
        }
        Wanted::Texts => (
            value.as_table().is_some_and(|table| table.values().all(is_text)),
            "a table of texts by column, such as `{ used = \"bytes\" }`".to_owned(),
        ),
        Wanted::OneOf(words) => (
            value.as_str().is_some_and(|word| words.contains(&word)),
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "),
        ),
    };
    if fits { Ok(to_json(value)) } else { Err(wrong(&what, value)) }
}
