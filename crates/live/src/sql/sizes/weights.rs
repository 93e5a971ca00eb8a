//! How much a function would make of each row, from its arguments alone.
//!
//! At most that, or nearly; arguments that the function itself refuses weigh nothing.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ColumnarValue;

use crate::row_bytes::{row_bytes, whole_bytes};

/// A number as a text.
const NUMBER_BYTES: u64 = 24;
/// What one letter of a format may become, such as `%c`.
const FORMATTED_BYTES: u64 = 40;
/// How many pairs of letters are compared in the time in which a byte is made.
const PAIRS_PER_BYTE: u64 = 16;
/// Months are at least so long.
const MONTH_NS: i128 = 28 * DAY_NS;
const DAY_NS: i128 = 86_400_000_000_000;

/// How the size of an answer follows from the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Weight {
    /// The first one, as often as the second says.
    Times,
    /// As much as the second one says.
    Width,
    /// From the first to the second in steps of the third, as `range` reads them.
    Steps,
    /// The first one, with the third in each place where the second stands.
    Replaced,
    /// The first one, with the third in the place of each of its letters or items.
    Rewritten,
    /// The items of the first one with the others between them.
    Between,
    /// All together, the first one between each two of the others.
    Separated,
    /// All together.
    Sum,
    /// The first one, once for each group of the second.
    Groups,
    /// As the second one, a format, says of each row.
    Formatted,
    /// No size but work: each letter of the one with each of the other.
    Pairs,
}

/// How a function is weighed, if it can make much more than it is given.
pub(super) fn weight_of(function: &str) -> Option<Weight> {
    Some(match function {
        "repeat" | "array_repeat" => Weight::Times,
        "lpad" | "rpad" | "array_resize" => Weight::Width,
        "range" | "generate_series" => Weight::Steps,
        "replace" => Weight::Replaced,
        "regexp_replace" | "array_replace" | "array_replace_n" | "array_replace_all" => Weight::Rewritten,
        "array_to_string" => Weight::Between,
        "concat_ws" => Weight::Separated,
        "concat" | "array_concat" | "array_append" | "array_prepend" | "make_array" | "overlay" => Weight::Sum,
        "regexp_match" => Weight::Groups,
        "to_char" => Weight::Formatted,
        "levenshtein" => Weight::Pairs,
        _ => return None,
    })
}

impl Weight {
    /// The bytes that come of `args` of each of so many rows.
    pub(super) fn bytes(self, args: &[ColumnarValue], rows: usize) -> Result<Vec<u64>> {
        let each = |size: &dyn Fn(usize) -> u64| (0..rows).map(size).collect::<Vec<u64>>();
        Ok(match (self, args) {
            (Self::Times, [what, times]) => {
                let (what, times) = (Sizes::of(what)?, Numbers::of(times)?);
                each(&|row| what.at(row).max(1).saturating_mul(times.at(row)))
            }
            (Self::Width, [what, width, rest @ ..]) => {
                let is_list = !what.data_type().is_string();
                let (what, width) = (Sizes::of(what)?, Numbers::of(width)?);
                let fill = rest.first().map(Sizes::of).transpose()?;
                // A letter, or an item of a list.
                let fill = |row| if is_list { fill.as_ref().map_or(8, |fill| fill.at(row)).max(8) } else { 1 };
                each(&|row| width.at(row).saturating_mul(fill(row)).saturating_add(what.at(row)))
            }
            (Self::Steps, args) => steps_bytes(args, rows)?,
            (Self::Replaced, [what, from, to]) => {
                let (what, from, to) = (Sizes::of(what)?, Sizes::of(from)?, Sizes::of(to)?);
                each(&|row| {
                    let places = what.at(row) / from.at(row).max(1) + 1;
                    places.saturating_mul(to.at(row)).saturating_add(what.at(row))
                })
            }
            (Self::Rewritten, [what, _, to, ..]) => {
                let (what, to) = (Sizes::of(what)?, Sizes::of(to)?);
                each(&|row| (what.at(row) + 1).saturating_mul(to.at(row).max(1)))
            }
            (Self::Between, [list, between @ ..]) => {
                let list = match list {
                    ColumnarValue::Scalar(list) => list.to_array()?,
                    ColumnarValue::Array(list) => list.clone(),
                };
                let (bytes, alone) = (row_bytes(&list)?, list.len() == 1);
                let between = between.iter().map(Sizes::of).collect::<Result<Vec<_>>>()?;
                let lists = list.as_list_opt::<i32>();
                let texts = lists.is_some_and(|lists| lists.value_type().is_string());
                each(&|row| {
                    let at = if alone { 0 } else { row };
                    let between = between.iter().fold(0, |sum: u64, size| sum.saturating_add(size.at(row)));
                    // Lists in lists are one text, too: no more items than bytes.
                    let items = match lists {
                        Some(lists) if !lists.value_type().is_nested() => lists.value_length(at).unsigned_abs().into(),
                        _ => bytes[at],
                    };
                    let text = if texts { bytes[at] } else { u64::saturating_mul(items, NUMBER_BYTES) };
                    items.saturating_mul(between).saturating_add(text)
                })
            }
            (Self::Separated, [between, parts @ ..]) => {
                let (between, parts) = (Sizes::of(between)?, parts.iter().map(Sizes::of).collect::<Result<Vec<_>>>()?);
                each(&|row| {
                    let between = between.at(row).saturating_mul(parts.len() as u64);
                    parts.iter().fold(between, |sum, part| sum.saturating_add(part.at(row)))
                })
            }
            (Self::Sum, args) => {
                let sizes = args.iter().map(Sizes::of).collect::<Result<Vec<_>>>()?;
                each(&|row| sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(size.at(row))))
            }
            (Self::Groups, [what, pattern, ..]) => {
                let (what, groups) = (Sizes::of(what)?, Groups::of(pattern)?);
                each(&|row| what.at(row).saturating_mul(groups.at(row)))
            }
            (Self::Formatted, [_, format]) => {
                let format = Sizes::of(format)?;
                each(&|row| format.at(row).saturating_mul(FORMATTED_BYTES))
            }
            (Self::Pairs, [one, other]) => {
                let (one, other) = (Sizes::of(one)?, Sizes::of(other)?);
                each(&|row| one.at(row).saturating_mul(other.at(row)) / PAIRS_PER_BYTE)
            }
            _ => vec![0; rows],
        })
    }

    /// Whether all rows together make no more than so much, without a look at each.
    pub(super) fn is_surely_within(self, args: &[ColumnarValue], rows: usize, most: u64) -> bool {
        if self != Self::Sum {
            return false;
        }
        let bytes = args.iter().map(|arg| match arg {
            ColumnarValue::Array(array) => whole_bytes(array),
            ColumnarValue::Scalar(value) => (value.size() as u64).saturating_mul(rows as u64),
        });
        bytes.fold(0, u64::saturating_add) <= most
    }
}

/// How many bytes a value of each row takes.
enum Sizes {
    /// All rows have the same one.
    Same(u64),
    /// What each row has.
    Each(Vec<u64>),
}

impl Sizes {
    fn of(value: &ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Scalar(value) if value.is_null() => Ok(Self::Same(0)),
            ColumnarValue::Scalar(value) => {
                Ok(Self::Same(row_bytes(&value.to_array()?)?.first().copied().unwrap_or(0)))
            }
            ColumnarValue::Array(array) => Ok(Self::Each(row_bytes(array)?)),
        }
    }

    fn at(&self, row: usize) -> u64 {
        match self {
            Self::Same(size) => *size,
            Self::Each(sizes) => sizes.get(row).copied().unwrap_or(0),
        }
    }
}

/// A number of each row; none and negative ones are nothing.
enum Numbers {
    Same(u64),
    Each(ArrayRef),
}

impl Numbers {
    fn of(value: &ColumnarValue) -> Result<Self> {
        let array = |value: &ArrayRef| cast(value, &DataType::Int64);
        Ok(match value {
            ColumnarValue::Scalar(value) => Self::Same(Self::Each(array(&value.to_array()?)?).at(0)),
            ColumnarValue::Array(value) => Self::Each(array(value)?),
        })
    }

    fn at(&self, row: usize) -> u64 {
        match self {
            Self::Same(number) => *number,
            Self::Each(array) if array.is_valid(row) => {
                u64::try_from(array.as_primitive::<Int64Type>().value(row)).unwrap_or(0)
            }
            Self::Each(_) => 0,
        }
    }
}

/// How many groups a pattern has, the whole among them. One that each row brings may have as many as it has letters.
struct Groups(Sizes);

impl Groups {
    fn of(pattern: &ColumnarValue) -> Result<Self> {
        Ok(Self(match pattern {
            ColumnarValue::Scalar(value) => {
                let text = value.try_as_str().flatten().unwrap_or_default();
                Sizes::Same(1 + text.bytes().filter(|byte| *byte == b'(').count() as u64)
            }
            ColumnarValue::Array(_) => Sizes::of(pattern)?,
        }))
    }

    fn at(&self, row: usize) -> u64 {
        self.0.at(row).max(1)
    }
}

/// What `range` and `generate_series` make: eight bytes a step.
fn steps_bytes(args: &[ColumnarValue], rows: usize) -> Result<Vec<u64>> {
    let nothing = vec![0; rows];
    if args.iter().any(|arg| arg.data_type().is_null()) {
        return Ok(nothing);
    }
    let (start, stop, step) = match args {
        [stop] => (None, stop, None),
        [start, stop] => (Some(start), stop, None),
        [start, stop, step] => (Some(start), stop, Some(step)),
        _ => return Ok(nothing),
    };
    // Nanoseconds of times, numbers of numbers.
    let (wide, unit): (DataType, i128) = match stop.data_type() {
        DataType::Int64 => (DataType::Int64, 1),
        DataType::Date32 | DataType::Date64 => (DataType::Date32, DAY_NS),
        DataType::Timestamp(unit, zone) => {
            let unit_ns = match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            };
            (DataType::Timestamp(unit, zone), unit_ns)
        }
        _ => return Ok(nothing),
    };
    let places = |value: &ColumnarValue| -> Result<ArrayRef> {
        let array = cast(&value.to_array(rows)?, &wide)?;
        let array = if wide == DataType::Date32 { cast(&array, &DataType::Int32)? } else { array };
        Ok(cast(&array, &DataType::Int64)?)
    };
    let (start, stop) = (start.map(places).transpose()?, places(stop)?);
    let step = step.map(|step| step.to_array(rows)).transpose()?;
    let mut bytes = nothing;
    for (row, bytes) in bytes.iter_mut().enumerate() {
        let at = |array: &ArrayRef| {
            array.is_valid(row).then(|| i128::from(array.as_primitive::<Int64Type>().value(row)) * unit)
        };
        let from = start.as_ref().map_or(Some(0), at);
        let (Some(from), Some(to)) = (from, at(&stop)) else { continue };
        let step = match &step {
            None => 1,
            Some(step) if step.is_null(row) => continue,
            Some(step) => match step.data_type() {
                DataType::Int64 => i128::from(step.as_primitive::<Int64Type>().value(row)),
                DataType::Interval(IntervalUnit::MonthDayNano) => {
                    let step = step.as_primitive::<IntervalMonthDayNanoType>().value(row);
                    let parts = [i128::from(step.months), i128::from(step.days), i128::from(step.nanoseconds)];
                    // A month less thirty days goes to and fro.
                    if parts.iter().any(|part| *part > 0) && parts.iter().any(|part| *part < 0) {
                        return exec_err!("a step goes forward or back: months, days and times of one sign");
                    }
                    parts[0] * MONTH_NS + parts[1] * DAY_NS + parts[2]
                }
                _ => continue,
            },
        };
        // Zero is refused by the function itself.
        let steps = if step == 0 { 0 } else { (to - from).checked_div(step).unwrap_or(0).max(-1) + 1 };
        *bytes = u64::try_from(steps).unwrap_or(u64::MAX).saturating_mul(8);
    }
    Ok(bytes)
}
