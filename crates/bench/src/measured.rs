//! What a scenario found: figures with their floors and goals, and the table that shows them.

use comfy_table::{CellAlignment, Table, presets};

use crate::cpu::CpuSplit;

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// So many of the named things in a second.
    PerSecond(&'static str),
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Percent.
    Percent,
    /// Percent of one core.
    PercentOfCore,
    /// Megabytes (10^6 bytes).
    Mb,
    /// Bytes.
    Bytes,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond(things) => format!("{} {things}/s", grouped(value)),
            Self::Ms => format!("{value:.1} ms"),
            Self::Us => format!("{value:.1} µs"),
            Self::Percent => format!("{value:.2} %"),
            Self::PercentOfCore => format!("{value:.1} % of a core"),
            Self::Mb => format!("{value:.0} MB"),
            Self::Bytes => format!("{value:.1} bytes"),
        }
    }
}

/// Which direction is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// What a figure must hold and what it should reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// Must be held.
    pub floor: f64,
    /// Should be reached, if anything beyond the floor was named.
    pub goal: Option<f64>,
    /// Which direction is good.
    pub better: Better,
}

impl Bound {
    /// At least so much.
    #[must_use]
    pub const fn at_least(floor: f64, goal: f64) -> Self {
        Self { floor, goal: Some(goal), better: Better::Higher }
    }

    /// At least so much, and nothing beyond it.
    #[must_use]
    pub const fn floor_of(floor: f64) -> Self {
        Self { floor, goal: None, better: Better::Higher }
    }

    /// At most so much.
    #[must_use]
    pub const fn at_most(floor: f64, goal: f64) -> Self {
        Self { floor, goal: Some(goal), better: Better::Lower }
    }

    fn holds(&self, value: f64, limit: f64) -> bool {
        match self.better {
            Better::Higher => value >= limit,
            Better::Lower => value <= limit,
        }
    }

    /// `goal`, `floor`, or by how much the floor was missed.
    fn verdict(&self, value: f64) -> String {
        if self.goal.is_some_and(|goal| self.holds(value, goal)) {
            "goal".to_owned()
        } else if self.holds(value, self.floor) {
            "floor".to_owned()
        } else {
            format!("no: {:.2} x the floor", value / self.floor)
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
    /// What was hoped for, if anything.
    pub bound: Option<Bound>,
    /// What belongs to the figure: other percentiles, counts.
    pub detail: String,
    /// Whose CPU it took.
    pub cpu: Option<CpuSplit>,
}

impl Figure {
    /// A figure without bound, detail and CPU.
    #[must_use]
    pub fn new(what: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self { what: what.into(), value, unit, bound: None, detail: String::new(), cpu: None }
    }

    /// With what was hoped for.
    #[must_use]
    pub const fn bound(mut self, bound: Bound) -> Self {
        self.bound = Some(bound);
        self
    }

    /// With what belongs to it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// With the CPU it took.
    #[must_use]
    pub const fn cpu(mut self, cpu: CpuSplit) -> Self {
        self.cpu = Some(cpu);
        self
    }

    fn cells(&self) -> [String; 6] {
        let measured = self.unit.show(self.value);
        let measured = if self.detail.is_empty() { measured } else { format!("{measured} ({})", self.detail) };
        let bound = |limit: fn(&Bound) -> Option<f64>| {
            self.bound.as_ref().and_then(limit).map_or(String::new(), |limit| self.unit.show(limit))
        };
        let met = self.bound.map_or(String::new(), |bound| bound.verdict(self.value));
        let cores = |cores: Option<f64>| cores.map_or_else(|| "?".to_owned(), |cores| format!("{cores:.2}"));
        let cpu = self
            .cpu
            .map_or(String::new(), |cpu| format!("{} / {}", cores(cpu.server_cores), cores(cpu.generator_cores)));
        [self.what.clone(), measured, bound(|b| Some(b.floor)), bound(|b| b.goal), met, cpu]
    }
}

/// What one scenario found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// The figures, one line each.
    pub figures: Vec<Figure>,
    /// What a reader of the figures should know: what bounded them, what went wrong on the way.
    pub notes: Vec<String>,
}

/// All figures as one aligned table that is Markdown too, then the notes.
#[must_use]
pub fn render(measured: &[Measured]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["what", "measured", "floor", "goal", "met?", "cores: server / generator"]);
    for figure in measured.iter().flat_map(|measured| &measured.figures) {
        table.add_row(figure.cells());
    }
    for column in [2, 3, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let notes: String =
        measured.iter().flat_map(|measured| &measured.notes).map(|note| format!("- {note}\n")).collect();
    let gap = if notes.is_empty() { "" } else { "\n" };
    format!("{}\n{gap}{notes}", table.trim_fmt())
}

/// A whole number with commas between thousands.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{sign}{text}")
}

/// A count as a number for figures and rates.
#[expect(clippy::cast_precision_loss, reason = "counts of a bounded run, for people to read")]
pub(crate) fn count(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_their_unit() {
        assert_eq!(grouped(0.4), "0");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!(grouped(-123_456.0), "-123,456");
        assert_eq!(Unit::PerSecond("events").show(1_000.2), "1,000 events/s");
        assert_eq!(Unit::PercentOfCore.show(1.25), "1.2 % of a core");
    }

    #[test]
    fn a_verdict_says_goal_floor_or_by_how_much() {
        let more = Bound::at_least(500.0, 1_000.0);
        assert_eq!([1_000.0, 500.0, 250.0].map(|v| more.verdict(v)), ["goal", "floor", "no: 0.50 x the floor"]);
        let less = Bound::at_most(8.0, 5.0);
        assert_eq!([5.0, 5.1, 12.0].map(|v| less.verdict(v)), ["goal", "floor", "no: 1.50 x the floor"]);
        assert_eq!(less.verdict(f64::NAN), "no: NaN x the floor");
        let floor = Bound::floor_of(500.0);
        assert_eq!([1e9, 250.0].map(|v| floor.verdict(v)), ["floor", "no: 0.50 x the floor"]);
        let cells = Figure::new("joined", 1e6, Unit::PerSecond("events")).bound(floor).cells();
        assert_eq!(cells[2..5], ["500 events/s", "", "floor"]);
    }

    #[test]
    fn the_table_is_aligned_and_keeps_the_notes() {
        let cpu = CpuSplit { server_cores: Some(1.5), generator_cores: None };
        let batch = Figure::new("ingest", 600_000.0, Unit::PerSecond("events"))
            .bound(Bound::at_least(500_000.0, 1_000_000.0))
            .detail("10 views")
            .cpu(cpu);
        let plain = Figure::new("latency, p50", 3.25, Unit::Ms);
        let first = Measured { figures: vec![batch], notes: vec!["a note".to_owned()] };
        let second = Measured { figures: vec![plain], notes: Vec::new() };
        let text = render(&[first, second]);
        let lines: Vec<&str> = text.lines().collect();
        let widths: Vec<usize> = lines[..4].iter().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let ingest = "|ingest|600,000 events/s (10 views)|500,000 events/s|1,000,000 events/s|floor|1.50 / ?|";
        assert_eq!(cells(lines[2]), cells(ingest));
        assert_eq!(cells(lines[3]), cells("|latency, p50|3.2 ms|||||"));
        assert_eq!(lines[4..], ["", "- a note"]);
    }
}
