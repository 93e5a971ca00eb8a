//! The kinds of panels and which `options` each reads, with what a value has to be.
//!
//! The page draws them; the guide's page of boards tells what each option means. A word that stands here and not there, or
//! the other way round, fails a test.

/// What a value has to be.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Text,
    Number,
    Flag,
    /// The number of a colour.
    Colour,
    /// How many.
    Count,
    /// A number, or the name of the column that has it.
    NumberOrColumn,
    /// A span of time, as pages read it.
    Span,
    /// A text per column.
    Texts,
    /// A number per column.
    Numbers,
    /// A list of columns.
    Columns,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Any of these.
    AnyOf(&'static [&'static str]),
    /// A level per value.
    States,
    /// A level per value, by column.
    StatesByColumn,
}

/// An option and what its value has to be.
pub(super) type Known = &'static [(&'static str, Wanted)];

/// What a state may stand for: a colour with its icon, or none of them.
pub(super) const LEVELS: [&str; 4] = ["ok", "warning", "critical", "neutral"];

/// The kind that shows its own `text` and asks nothing.
pub(super) const TEXT: &str = "text";

/// Every kind of panel.
pub(super) const PANEL_TYPES: [&str; 12] = [
    "stat",
    "timeseries",
    "bars",
    "barlist",
    "gauge",
    "percentage",
    "table",
    "heatmap",
    "statetimeline",
    "candles",
    "alerts",
    TEXT,
];

/// What every panel reads.
const EVERY: Known = &[("hint", Wanted::Text)];
/// What every panel with a query reads.
const QUERY: Known =
    &[("value", Wanted::Text), ("decimals", Wanted::Number), ("color", Wanted::Colour), ("units", Wanted::Texts)];
const STAT: Known = &[
    ("time", Wanted::Text),
    ("detail", Wanted::Text),
    ("min", Wanted::Number),
    ("max", Wanted::Number),
    ("range", Wanted::Span),
    ("compare", Wanted::Text),
    ("compare_as", Wanted::OneOf(&["percent", "difference"])),
    ("compare_label", Wanted::Text),
    ("better", Wanted::OneOf(&["up", "down"])),
    ("spark_panel", Wanted::Text),
    ("spark_value", Wanted::Text),
];
const TIMESERIES: Known = &[
    ("time", Wanted::Text),
    ("series", Wanted::Text),
    ("series_label", Wanted::Text),
    ("range", Wanted::Span),
    ("min", Wanted::Number),
    ("max", Wanted::Number),
    ("style", Wanted::OneOf(&["line", "area", "stacked", "bars"])),
    ("comparison", Wanted::Text),
    ("first_color", Wanted::Colour),
    ("legend", Wanted::AnyOf(&["last", "min", "max", "avg"])),
];
const BARS: Known = &[("label", Wanted::Text), ("detail", Wanted::Text), ("max", Wanted::NumberOrColumn)];
const BARLIST: Known = &[
    ("label", Wanted::Text),
    ("detail", Wanted::Text),
    ("max", Wanted::NumberOrColumn),
    ("limit", Wanted::Count),
    ("share", Wanted::Flag),
];
const GAUGE: Known = &[("detail", Wanted::Text), ("min", Wanted::Number), ("max", Wanted::NumberOrColumn)];
const PERCENTAGE: Known = &[
    ("label", Wanted::Text),
    ("detail", Wanted::Text),
    ("min", Wanted::Number),
    ("max", Wanted::Number),
    ("low_label", Wanted::Text),
    ("high_label", Wanted::Text),
];
const TABLE: Known = &[
    ("columns", Wanted::Columns),
    ("labels", Wanted::Texts),
    ("column_decimals", Wanted::Numbers),
    ("states", Wanted::StatesByColumn),
    ("signed", Wanted::Columns),
    ("ages", Wanted::Columns),
    ("spark_panel", Wanted::Text),
    ("spark_value", Wanted::Text),
    ("spark_series", Wanted::Text),
];
const HEATMAP: Known = &[
    ("time", Wanted::Text),
    ("series", Wanted::Text),
    ("series_label", Wanted::Text),
    ("range", Wanted::Span),
    ("min", Wanted::Number),
    ("max", Wanted::Number),
    ("scale", Wanted::OneOf(&["linear", "log"])),
];
const STATETIMELINE: Known = &[
    ("time", Wanted::Text),
    ("until", Wanted::Text),
    ("series", Wanted::Text),
    ("series_label", Wanted::Text),
    ("range", Wanted::Span),
    ("states", Wanted::States),
];
const CANDLES: Known = &[
    ("time", Wanted::Text),
    ("open", Wanted::Text),
    ("high", Wanted::Text),
    ("low", Wanted::Text),
    ("close", Wanted::Text),
    ("volume", Wanted::Text),
    ("range", Wanted::Span),
    ("style", Wanted::OneOf(&["candles", "line"])),
];
const ALERTS: Known = &[("limit", Wanted::Count)];

/// The options that a panel of this kind reads.
pub(super) fn known(kind: &str) -> impl Iterator<Item = &'static (&'static str, Wanted)> + use<> {
    let own: Known = match kind {
        "stat" => STAT,
        "timeseries" => TIMESERIES,
        "bars" => BARS,
        "barlist" => BARLIST,
        "gauge" => GAUGE,
        "percentage" => PERCENTAGE,
        "table" => TABLE,
        "heatmap" => HEATMAP,
        "statetimeline" => STATETIMELINE,
        "candles" => CANDLES,
        "alerts" => ALERTS,
        _ => &[],
    };
    let query: Known = if kind == TEXT { &[] } else { QUERY };
    EVERY.iter().chain(query).chain(own)
}
