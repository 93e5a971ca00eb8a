//! Fewer rows that draw the same line: of each series the rows that hold a least or greatest value of a pixel.
//!
//! Rows are taken batch by batch; what is kept is bounded by series and points, not by rows. A series of no more rows than
//! points is kept whole. `Lttb` chooses among what min and max have left (the way of "MinMaxLTTB"), by the first value.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};
use datafusion::common::Result;
use pulseboard_model::Row;

use super::Downsample;
use crate::cells::cell;

/// How many rows of min and max LTTB chooses one from.
const LTTB_CHOICE: usize = 4;

/// Where the columns of a result belong.
#[derive(Debug, Clone)]
pub(crate) struct Roles {
    /// The time.
    pub(crate) time: usize,
    /// What tells series apart.
    pub(crate) series: Vec<usize>,
    /// What is drawn.
    pub(crate) values: Vec<usize>,
}

impl Roles {
    /// Times and keys by name or by type: the first time, then numbers are values and the rest tells series apart.
    ///
    /// # Errors
    /// What is missing, in a sentence.
    pub(crate) fn of(schema: &Schema, series: Option<&[String]>) -> std::result::Result<Self, String> {
        let fields = schema.fields();
        let is_time = |data_type: &DataType| matches!(data_type, DataType::Timestamp(..));
        let Some(time) = fields.iter().position(|field| is_time(field.data_type())) else {
            return Err(
                "the result has no column of times: select one, such as `time`, or use `$from` and `$to`".into()
            );
        };
        let others = (0..fields.len()).filter(|index| *index != time);
        let Some(named) = series else {
            let (values, series) = others.partition(|index| fields[*index].data_type().is_numeric());
            return Ok(Self { time, series, values });
        };
        let find = |name: &String| {
            fields
                .iter()
                .position(|field| field.name() == name)
                .ok_or_else(|| format!("the result has no column `{name}`, which is named in `series`"))
        };
        let series = named.iter().map(find).collect::<std::result::Result<Vec<_>, _>>()?;
        let values = others.filter(|index| !series.contains(index) && fields[*index].data_type().is_numeric());
        Ok(Self { time, values: values.collect(), series })
    }
}

/// A row that may be part of the answer.
#[derive(Debug)]
struct Kept {
    time_us: i64,
    /// Which row of the result it was.
    number: u64,
    /// NaN where there is none.
    values: Box<[f64]>,
    row: Row,
}

/// The rows of a pixel that are kept.
#[derive(Debug, Default)]
struct Pixel {
    /// Per value, its least and greatest.
    extremes: Vec<Option<(Arc<Kept>, Arc<Kept>)>>,
    /// For a pixel without any value.
    last: Option<Arc<Kept>>,
}

#[derive(Debug, Default)]
struct Series {
    /// All rows, as long as they are no more than points.
    whole: Vec<Arc<Kept>>,
    pixels: BTreeMap<i64, Pixel>,
    first: Option<Arc<Kept>>,
    last: Option<Arc<Kept>>,
    is_thinned: bool,
}

/// Which pixel a time lies in.
#[derive(Debug, Clone, Copy)]
struct Scale {
    from_us: i64,
    span_us: i64,
    pixels: i64,
}

impl Scale {
    fn pixel(self, time_us: i64) -> i64 {
        let passed = i128::from(time_us.saturating_sub(self.from_us)) * i128::from(self.pixels);
        // What is later than an open end belongs to the last.
        let pixel = (passed / i128::from(self.span_us)).clamp(0, i128::from(self.pixels - 1));
        i64::try_from(pixel).unwrap_or(0)
    }
}

/// Takes a result in.
#[derive(Debug)]
pub(crate) struct Thinner {
    roles: Roles,
    method: Downsample,
    points: usize,
    scale: Scale,
    converter: Option<RowConverter>,
    numbers: HashMap<Box<[u8]>, usize>,
    series: Vec<Series>,
    rows: u64,
}

impl Thinner {
    /// For a range from `from_us` to before `to_us` and at most `points` rows of each series, its ends not counted.
    pub(crate) fn new(
        schema: &Schema,
        roles: Roles,
        method: Downsample,
        points: usize,
        (from_us, to_us): (i64, i64),
    ) -> Result<Self> {
        let per_pixel = 2 * roles.values.len().max(1);
        let rows = if method == Downsample::Lttb { points * LTTB_CHOICE } else { points };
        let fields = roles.series.iter().map(|index| SortField::new(schema.field(*index).data_type().clone()));
        let fields: Vec<_> = fields.collect();
        Ok(Self {
            converter: if fields.is_empty() { None } else { Some(RowConverter::new(fields)?) },
            scale: Scale {
                from_us,
                span_us: (to_us - from_us).max(1),
                pixels: i64::try_from((rows / per_pixel).max(1)).unwrap_or(i64::MAX),
            },
            numbers: HashMap::new(),
            series: Vec::new(),
            rows: 0,
            roles,
            method,
            points,
        })
    }

    /// How many series there are so far.
    pub(crate) fn series(&self) -> usize {
        self.series.len()
    }

    /// How many rows may be in hand at most with as many series as there are.
    pub(crate) fn rows_max(&self) -> usize {
        self.series.len().saturating_mul(self.points + 2)
    }

    /// Takes rows; those without a time are left out.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let times = cast(batch.column(self.roles.time), &micros)?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let values = self.roles.values.iter().map(|index| cast(batch.column(*index), &DataType::Float64));
        let values = values.collect::<std::result::Result<Vec<ArrayRef>, _>>()?;
        let values: Vec<&Float64Array> = values.iter().map(|array| array.as_primitive::<Float64Type>()).collect();
        let keys = match &mut self.converter {
            Some(converter) => {
                let columns: Vec<_> = self.roles.series.iter().map(|index| batch.column(*index).clone()).collect();
                Some(converter.convert_columns(&columns)?)
            }
            None => None,
        };
        for row in 0..batch.num_rows() {
            let number = self.rows;
            self.rows += 1;
            if times.is_null(row) {
                continue;
            }
            let key = keys.as_ref().map(|keys| keys.row(row));
            let key: &[u8] = key.as_ref().map_or(&[], |key| key.as_ref());
            let series = match self.numbers.get(key) {
                Some(series) => *series,
                None => {
                    self.series.push(Series::default());
                    self.numbers.insert(key.into(), self.series.len() - 1);
                    self.series.len() - 1
                }
            };
            let row_values: Vec<f64> =
                values.iter().map(|array| if array.is_null(row) { f64::NAN } else { array.value(row) }).collect();
            let time_us = times.value(row);
            let make = || {
                let row = batch.columns().iter().map(|column| cell(column, row)).collect::<Row>();
                Arc::new(Kept { time_us, number, values: row_values.clone().into(), row })
            };
            self.series[series].take(time_us, &row_values, self.points, self.scale, make);
        }
        Ok(())
    }

    /// What is left, by time, and whether rows were left out.
    pub(crate) fn finish(self) -> (Vec<Row>, bool) {
        let mut left: Vec<Arc<Kept>> = Vec::new();
        let mut thinned = false;
        for series in self.series {
            thinned |= series.is_thinned;
            let kept = series.finish();
            left.extend(if self.method == Downsample::Lttb { lttb(kept, self.points) } else { kept });
        }
        left.sort_by_key(|kept| (kept.time_us, kept.number));
        (left.into_iter().map(|kept| kept.row.clone()).collect(), thinned)
    }
}

impl Series {
    fn take(&mut self, time_us: i64, values: &[f64], points: usize, scale: Scale, make: impl Fn() -> Arc<Kept>) {
        if !self.is_thinned {
            if self.whole.len() < points {
                self.whole.push(make());
                return;
            }
            self.is_thinned = true;
            for kept in std::mem::take(&mut self.whole) {
                self.fold(kept.time_us, scale.pixel(kept.time_us), &kept.values, || kept.clone());
            }
        }
        self.fold(time_us, scale.pixel(time_us), values, make);
    }

    fn fold(&mut self, time_us: i64, pixel: i64, values: &[f64], make: impl Fn() -> Arc<Kept>) {
        // One row may be kept in several places: it is made once.
        let mut made: Option<Arc<Kept>> = None;
        let mut make = || made.get_or_insert_with(&make).clone();
        if self.first.as_ref().is_none_or(|first| time_us < first.time_us) {
            self.first = Some(make());
        }
        if self.last.as_ref().is_none_or(|last| time_us >= last.time_us) {
            self.last = Some(make());
        }
        let pixel = self.pixels.entry(pixel).or_default();
        pixel.extremes.resize(values.len(), None);
        for (column, (value, extremes)) in values.iter().zip(&mut pixel.extremes).enumerate() {
            if value.is_nan() {
                continue;
            }
            match extremes {
                None => *extremes = Some((make(), make())),
                Some((least, greatest)) => {
                    let earlier = |than: &Kept| time_us < than.time_us;
                    if *value < least.values[column] || (*value == least.values[column] && earlier(least)) {
                        *least = make();
                    }
                    if *value > greatest.values[column] || (*value == greatest.values[column] && earlier(greatest)) {
                        *greatest = make();
                    }
                }
            }
        }
        if values.iter().all(|value| value.is_nan()) && pixel.last.as_ref().is_none_or(|last| time_us >= last.time_us) {
            pixel.last = Some(make());
        }
    }

    /// What is kept, by time.
    fn finish(self) -> Vec<Arc<Kept>> {
        let mut kept = self.whole;
        for pixel in self.pixels.into_values() {
            let has_values = pixel.extremes.iter().any(Option::is_some);
            kept.extend(pixel.extremes.into_iter().flatten().flat_map(|(least, greatest)| [least, greatest]));
            kept.extend(pixel.last.filter(|_| !has_values));
        }
        kept.extend(self.first);
        kept.extend(self.last);
        kept.sort_by_key(|kept| (kept.time_us, kept.number));
        kept.dedup_by_key(|kept| kept.number);
        kept
    }
}

/// Largest triangle three buckets: of each piece of the line the point that spans most with its neighbours.
fn lttb(line: Vec<Arc<Kept>>, points: usize) -> Vec<Arc<Kept>> {
    if line.len() <= points || points < 3 || line.first().is_none_or(|first| first.values.is_empty()) {
        return line;
    }
    #[expect(clippy::cast_precision_loss, reason = "areas are compared, not told")]
    let place = |kept: &Kept| {
        let value = kept.values.first().copied().unwrap_or(0.0);
        ((kept.time_us - line[0].time_us) as f64, if value.is_nan() { 0.0 } else { value })
    };
    let inner = line.len() - 2;
    let cut = |bucket: usize| 1 + bucket * inner / (points - 2);
    let mut chosen = Vec::with_capacity(points);
    chosen.push(line[0].clone());
    let mut before = place(&line[0]);
    for bucket in 0..points - 2 {
        let here = &line[cut(bucket)..cut(bucket + 1)];
        let after = &line[cut(bucket + 1)..(cut(bucket + 2)).min(line.len())];
        let after = if after.is_empty() { &line[line.len() - 1..] } else { after };
        #[expect(clippy::cast_precision_loss, reason = "a few thousand points at most")]
        let count = after.len() as f64;
        let sum = after.iter().map(|kept| place(kept)).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        let mean = (sum.0 / count, sum.1 / count);
        let area = |kept: &Kept| {
            let (x, y) = place(kept);
            ((before.0 - mean.0) * (y - before.1) - (before.0 - x) * (mean.1 - before.1)).abs()
        };
        let largest = here.iter().max_by(|a, b| area(a).total_cmp(&area(b)));
        if let Some(largest) = largest {
            chosen.push(largest.clone());
            before = place(largest);
        }
    }
    chosen.extend(line.last().cloned());
    chosen
}

#[cfg(test)]
#[path = "thin_tests.rs"]
mod tests;
