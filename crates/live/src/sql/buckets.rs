//! `time_bucket(step, time)`: where the bucket begins that a time lies in, by the calendar and clocks of the query's zone.
//!
//! `date_bin` cuts the UTC line into equal pieces: its days begin at midnight UTC. Here days, weeks and months are local, and
//! hours are those that a clock on the wall shows. When clocks are put back, the repeated hour is a bucket of its own for
//! steps up to an hour; buckets never overlap and leave no gap.

use std::sync::Arc;

use arrow::array::{Array, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{
    DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::local::instant_of;

/// The function's name.
pub(crate) const TIME_BUCKET: &str = "time_bucket";

/// How wide a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many µs.
    Micros(i64),
    /// So many local days; multiples of seven begin on Mondays.
    Days(i64),
    /// So many months of the calendar.
    Months(i64),
}

impl Step {
    /// The step that an interval says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of(interval: IntervalMonthDayNano) -> std::result::Result<Self, &'static str> {
        match (interval.months, interval.days, interval.nanoseconds) {
            (months @ 1.., 0, 0) => Ok(Self::Months(months.into())),
            (0, days @ 1.., 0) => Ok(Self::Days(days.into())),
            (0, 0, nanos @ 1_000..) if nanos % 1_000 == 0 => Ok(Self::Micros(nanos / 1_000)),
            _ => Err("a bucket must be whole microseconds, days or months, of one kind, above zero"),
        }
    }

    /// As SQL writes it.
    pub(crate) fn text(self) -> String {
        let of = |count: i64, unit: &str| if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") };
        let units = [(3_600_000_000, "hour"), (60_000_000, "minute"), (1_000_000, "second"), (1_000, "millisecond")];
        match self {
            Self::Months(months) if months % 12 == 0 => of(months / 12, "year"),
            Self::Months(months) => of(months, "month"),
            Self::Days(days) => of(days, "day"),
            Self::Micros(micros) => match units.iter().find(|(unit_us, _)| micros % unit_us == 0) {
                Some((unit_us, unit)) => of(micros / unit_us, unit),
                None => of(micros, "microsecond"),
            },
        }
    }

    /// Where the bucket of an instant begins; both in µs, UTC. `None` where there is no such time.
    pub(crate) fn start(self, at_us: i64, zone: Tz) -> Option<i64> {
        if let (Self::Micros(step), Tz::UTC) = (self, zone) {
            // Clocks that never change are plain arithmetic; a chart asks for tens of thousands of buckets.
            return at_us.checked_sub(at_us.checked_sub(ORIGIN_US)?.rem_euclid(step));
        }
        let utc = DateTime::from_timestamp_micros(at_us)?.naive_utc();
        let offset = zone.offset_from_utc_datetime(&utc).fix();
        let local = utc.checked_add_offset(offset)?;
        let date = local.date();
        let start = match self {
            Self::Months(months) => {
                let month = i64::from(date.year()) * 12 + i64::from(date.month0());
                let first = month - month.rem_euclid(months);
                let year = i32::try_from(first.div_euclid(12)).ok()?;
                NaiveDate::from_ymd_opt(year, u32::try_from(first.rem_euclid(12)).ok()? + 1, 1)?.into()
            }
            Self::Days(days) => {
                let passed = date.signed_duration_since(origin()).num_days().rem_euclid(days);
                date.checked_sub_days(Days::new(passed.unsigned_abs()))?.into()
            }
            Self::Micros(step) => {
                let passed = local.signed_duration_since(NaiveDateTime::from(origin())).num_microseconds()?;
                let start = local.checked_sub_signed(TimeDelta::microseconds(passed.rem_euclid(step)))?;
                // In the same run of the clocks the wall clock says all; else the clocks were changed inside the bucket.
                let same = start.checked_sub_offset(offset)?;
                if zone.offset_from_utc_datetime(&same).fix() == offset {
                    return Some(same.and_utc().timestamp_micros());
                }
                start
            }
        };
        Some(instant_of(start, zone)?.and_utc().timestamp_micros())
    }

    /// Where the bucket after the one that begins at `start_us` begins.
    pub(crate) fn next(self, start_us: i64, zone: Tz) -> Option<i64> {
        let about_us = match self {
            Self::Micros(step) => step,
            Self::Days(days) => days.checked_mul(86_400_000_000)?,
            Self::Months(months) => months.checked_mul(31 * 86_400_000_000)?,
        };
        let mut ahead_us = about_us;
        // A bucket in which clocks are put back is longer than others.
        for _ in 0..4 {
            let next = self.start(start_us.checked_add(ahead_us)?, zone)?;
            if next > start_us {
                return Some(next);
            }
            ahead_us = ahead_us.checked_add(about_us.min(86_400_000_000))?;
        }
        None
    }

    /// How many buckets there are from `from_us` to before `to_us`; `None` if they are more than `max`.
    pub(crate) fn count(self, from_us: i64, to_us: i64, zone: Tz, max: usize) -> Option<usize> {
        if let Self::Micros(step) = self
            && (to_us - from_us) / step > i64::try_from(max).unwrap_or(i64::MAX)
        {
            return None;
        }
        let (mut count, mut start) = (0, self.start(from_us, zone)?);
        while start < to_us {
            count += 1;
            if count > max {
                return None;
            }
            start = self.next(start, zone)?;
        }
        Some(count)
    }
}

/// A Monday, at whose midnight a bucket of any step begins.
const fn origin() -> NaiveDate {
    NaiveDate::from_ymd_opt(2001, 1, 1).expect("a date")
}

/// [`origin`] in µs, UTC.
const ORIGIN_US: i64 = origin().and_time(NaiveTime::MIN).and_utc().timestamp_micros();

/// Registers the function with a session.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    let function = TimeBucket { signature: Signature::user_defined(Volatility::Immutable) };
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(function))).map(drop)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeBucket {
    signature: Signature,
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        TIME_BUCKET
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        let [step, time] = args else {
            return plan_err!("`time_bucket` takes a step and a time: `time_bucket(INTERVAL '15 minutes', time)`");
        };
        if !matches!(step, DataType::Interval(_) | DataType::Null | DataType::Utf8 | DataType::Utf8View) {
            return plan_err!("the first argument of `time_bucket` is an interval such as `INTERVAL '15 minutes'`");
        }
        let time = match time {
            DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            DataType::Null | DataType::Date32 => DataType::Timestamp(TimeUnit::Microsecond, None),
            _ => return plan_err!("the second argument of `time_bucket` is a time"),
        };
        Ok(vec![DataType::Interval(IntervalUnit::MonthDayNano), time])
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [_, time] => Ok(time.clone()),
            _ => plan_err!("`time_bucket` takes a step and a time"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [steps, times] = args.args.as_slice() else { return exec_err!("two arguments are needed") };
        let scalar = matches!((steps, times), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let times = times.to_array(rows)?;
        let DataType::Timestamp(TimeUnit::Microsecond, label) = times.data_type() else {
            return exec_err!("`time_bucket` was given {}", times.data_type());
        };
        let zone: Tz = match label {
            Some(zone) => zone.parse().map_err(|_| exec_datafusion_err!("`{zone}` is not a time zone"))?,
            None => Tz::UTC,
        };
        let column = times.as_primitive::<TimestampMicrosecondType>();
        let steps = match steps {
            ColumnarValue::Scalar(step) => Steps::One(one(step)?),
            ColumnarValue::Array(steps) => Steps::Many(steps.as_primitive::<IntervalMonthDayNanoType>()),
        };
        let mut known: Option<(Step, i64, i64)> = None;
        let mut bucket = |row: usize| -> Result<Option<i64>> {
            let step = match &steps {
                Steps::One(step) => *step,
                Steps::Many(steps) if steps.is_null(row) => None,
                Steps::Many(steps) => Some(checked(steps.value(row))?),
            };
            let (Some(step), false) = (step, column.is_null(row)) else { return Ok(None) };
            let at = column.value(row);
            // Rows come mostly in time order: most lie in the bucket of the one before.
            if let Some((of, from, to)) = known
                && of == step
                && from <= at
                && at < to
            {
                return Ok(Some(from));
            }
            let out_of_range = || exec_datafusion_err!("a time is out of the range of buckets");
            let start = step.start(at, zone).ok_or_else(out_of_range)?;
            known = step.next(start, zone).map(|next| (step, start, next));
            Ok(Some(start))
        };
        let buckets: TimestampMicrosecondArray = (0..column.len()).map(&mut bucket).collect::<Result<_>>()?;
        let buckets = buckets.with_data_type(times.data_type().clone());
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&buckets, 0)?)
        } else {
            ColumnarValue::Array(Arc::new(buckets))
        })
    }
}

enum Steps<'a> {
    One(Option<Step>),
    Many(&'a arrow::array::IntervalMonthDayNanoArray),
}

fn one(step: &ScalarValue) -> Result<Option<Step>> {
    match step {
        ScalarValue::IntervalMonthDayNano(Some(interval)) => checked(*interval).map(Some),
        step if step.is_null() => Ok(None),
        other => exec_err!("`time_bucket` was given {}", other.data_type()),
    }
}

fn checked(interval: IntervalMonthDayNano) -> Result<Step> {
    Step::of(interval).map_err(|problem| exec_datafusion_err!("{problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).expect("a time").timestamp_micros()
    }

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn days_weeks_and_months_begin_at_local_midnight() {
        let zone = Tz::Europe__Berlin;
        let start = |step: Step, text: &str| step.start(at(text), zone);
        // 29 March 2026 has 23 hours in Berlin, 25 October 25.
        assert_eq!(start(Step::Days(1), "2026-03-29T12:00:00Z"), Some(at("2026-03-28T23:00:00Z")));
        assert_eq!(start(Step::Days(1), "2026-03-29T22:30:00Z"), Some(at("2026-03-29T22:00:00Z")));
        assert_eq!(start(Step::Days(1), "2026-10-25T22:30:00Z"), Some(at("2026-10-24T22:00:00Z")));
        // A Thursday; the week began on Monday.
        assert_eq!(start(Step::Days(7), "2026-10-29T12:00:00Z"), Some(at("2026-10-25T23:00:00Z")));
        assert_eq!(start(Step::Months(1), "2026-10-29T12:00:00Z"), Some(at("2026-09-30T22:00:00Z")));
        assert_eq!(start(Step::Months(3), "2024-02-29T12:00:00Z"), Some(at("2023-12-31T23:00:00Z")));
        assert_eq!(start(Step::Months(12), "1969-02-28T12:00:00Z"), Some(at("1968-12-31T23:00:00Z")));
    }

    #[test]
    fn hours_are_those_of_the_wall_clock() {
        // Half past, by UTC.
        let kolkata = Step::Micros(HOUR).start(at("2026-05-01T10:40:00Z"), Tz::Asia__Kolkata);
        assert_eq!(kolkata, Some(at("2026-05-01T10:30:00Z")));
        // Six hours from midnight: 5 of them in spring, 7 in autumn.
        let berlin = |text: &str| Step::Micros(6 * HOUR).start(at(text), Tz::Europe__Berlin);
        assert_eq!(berlin("2026-03-29T03:30:00Z"), Some(at("2026-03-28T23:00:00Z")));
        assert_eq!(berlin("2026-03-29T04:00:00Z"), Some(at("2026-03-29T04:00:00Z")));
        assert_eq!(berlin("2026-10-25T04:59:00Z"), Some(at("2026-10-24T22:00:00Z")));
    }

    #[test]
    fn buckets_neither_overlap_nor_leave_a_gap_where_clocks_change() {
        let steps = [
            Step::Micros(60_000_000),
            Step::Micros(HOUR / 2),
            Step::Micros(HOUR),
            Step::Micros(2 * HOUR),
            Step::Micros(5 * HOUR),
            Step::Micros(12 * HOUR),
            Step::Days(1),
            Step::Days(2),
            Step::Days(7),
            Step::Months(1),
        ];
        let zones =
            [Tz::Europe__Berlin, Tz::America__New_York, Tz::Australia__Lord_Howe, Tz::Asia__Kolkata, Tz::Africa__Cairo];
        for (zone, step) in zones.iter().flat_map(|zone| steps.map(|step| (*zone, step))) {
            for day in
                ["2026-03-08", "2026-03-29", "2026-04-05", "2026-04-24", "2026-10-04", "2026-10-25", "2026-11-01"]
            {
                let noon = at(&format!("{day}T12:00:00Z"));
                let mut start = step.start(noon - 30 * HOUR, zone).expect("a start");
                while start < noon + 30 * HOUR {
                    let next = step.next(start, zone).expect("a next");
                    assert!(next > start, "{step:?} {zone} {start}");
                    for inside in [start, start + (next - start) / 2, next - 1] {
                        assert_eq!(step.start(inside, zone), Some(start), "{step:?} in {zone}: {inside}");
                    }
                    assert_eq!(step.start(next, zone), Some(next), "{step:?} in {zone}");
                    start = next;
                }
            }
        }
    }

    #[test]
    fn steps_are_one_kind_and_say_themselves() {
        assert!(Step::of(IntervalMonthDayNano::new(1, 1, 0)).is_err());
        assert!(Step::of(IntervalMonthDayNano::new(0, 0, 0)).is_err());
        assert!(Step::of(IntervalMonthDayNano::new(0, -1, 0)).is_err());
        assert_eq!(Step::of(IntervalMonthDayNano::new(0, 0, 900_000_000_000)).map(Step::text), Ok("15 minutes".into()));
        assert_eq!(Step::Months(12).text(), "1 year");
        assert_eq!(Step::Days(7).text(), "7 days");
    }
}
