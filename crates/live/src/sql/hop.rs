//! The arithmetic of hopping windows: which windows of a length hold a time, if one begins at each slide.
//!
//! Slides of a fixed length count from 1970 in UTC, as `date_bin` does. Slides of days and months count local days: days from
//! 1 January 1970, whole weeks from Mondays, months from January; a window of a day is as long as the day is there.

use arrow::datatypes::IntervalMonthDayNano;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeZone};
use chrono_tz::Tz;
use datafusion::common::{Result, exec_datafusion_err, exec_err};

use super::local::{instant_of, moved};

/// How many windows may hold one time: each row becomes as many.
const WINDOWS_MAX: usize = 1_000;

/// The distance between two windows' starts.
#[derive(Debug, Clone, Copy)]
enum Slide {
    FixedUs(i64),
    Days(i64),
    Months(i64),
}

/// Hopping windows.
#[derive(Debug)]
pub(super) struct Hop {
    slide: Slide,
    size: IntervalMonthDayNano,
    zone: Tz,
    /// The last answer: the times from when up to when it holds, and the starts. Neighbouring rows mostly share it.
    last: Option<(i64, i64, Vec<i64>)>,
}

impl Hop {
    /// Windows of `size`, one at each `slide`.
    ///
    /// # Errors
    /// For lengths that are not positive, and slides that mix months, days and time.
    pub(super) fn new(slide: IntervalMonthDayNano, size: IntervalMonthDayNano, zone: Tz) -> Result<Self> {
        let us = slide.nanoseconds / 1_000;
        let slide = match (slide.months, slide.days, slide.nanoseconds) {
            (0, 0, nanoseconds) if us > 0 && nanoseconds % 1_000 == 0 => Slide::FixedUs(us),
            (0, days, 0) if days > 0 => Slide::Days(days.into()),
            (months, 0, 0) if months > 0 => Slide::Months(months.into()),
            _ => return exec_err!("`hop` slides by a positive time, by days or by months, not by a mixture of them"),
        };
        if size.months < 0 || size.days < 0 || size.nanoseconds < 0 || size.nanoseconds % 1_000 != 0 {
            return exec_err!("the windows of `hop` are some time long, in whole microseconds");
        }
        if size.months == 0 && size.days == 0 && size.nanoseconds == 0 {
            return exec_err!("the windows of `hop` are longer than nothing");
        }
        Ok(Self { slide, size, zone, last: None })
    }

    /// Adds the starts of all windows that hold `time_us` to `starts`, the earliest first.
    ///
    /// # Errors
    /// If they are more than a thousand, or out of range.
    pub(super) fn starts_into(&mut self, time_us: i64, starts: &mut Vec<i64>) -> Result<()> {
        if let Some((from_us, to_us, known)) = &self.last
            && (*from_us..*to_us).contains(&time_us)
        {
            starts.extend_from_slice(known);
            return Ok(());
        }
        let newest = self.number(time_us)?;
        let mut found = Vec::new();
        // The answer holds until the next window begins or the first of these ends, from when the one before ended.
        let mut to_us = self.start(newest + 1)?;
        let mut from_us = i64::MIN;
        let mut number = newest;
        loop {
            let start = self.start(number)?;
            if start <= time_us {
                let end = self.end(start)?;
                if end <= time_us {
                    from_us = from_us.max(end);
                    break;
                }
                to_us = to_us.min(end);
                from_us = from_us.max(start);
                found.push(start);
                if found.len() > WINDOWS_MAX {
                    return exec_err!("more than {WINDOWS_MAX} windows of `hop` hold one time: slide further");
                }
            } else {
                // A local day that begins later than its date says.
                to_us = to_us.min(start);
            }
            number -= 1;
        }
        found.reverse();
        starts.extend_from_slice(&found);
        self.last = Some((from_us, to_us, found));
        Ok(())
    }

    /// The number of the last slide that may begin at or before a time.
    fn number(&self, time_us: i64) -> Result<i64> {
        if let Slide::FixedUs(slide) = self.slide {
            return Ok(time_us.div_euclid(slide));
        }
        let utc = DateTime::from_timestamp_micros(time_us).ok_or_else(out_of_range)?;
        let date = self.zone.from_utc_datetime(&utc.naive_utc()).date_naive();
        Ok(match self.slide {
            Slide::FixedUs(slide) => time_us.div_euclid(slide),
            Slide::Days(days) => (days_since_1970(date) + monday(days)).div_euclid(days),
            Slide::Months(months) => {
                ((i64::from(date.year()) - 1970) * 12 + i64::from(date.month0())).div_euclid(months)
            }
        })
    }

    /// When the slide of this number begins.
    fn start(&self, number: i64) -> Result<i64> {
        let epoch = NaiveDate::default();
        let date = match self.slide {
            Slide::FixedUs(slide) => return number.checked_mul(slide).ok_or_else(out_of_range),
            Slide::Days(days) => {
                let since = number.checked_mul(days).map(|since| since - monday(days)).ok_or_else(out_of_range)?;
                let by = Days::new(since.unsigned_abs());
                if since < 0 { epoch.checked_sub_days(by) } else { epoch.checked_add_days(by) }
            }
            Slide::Months(months) => {
                let since = number.checked_mul(months).ok_or_else(out_of_range)?;
                let by = Months::new(u32::try_from(since.unsigned_abs()).map_err(|_| out_of_range())?);
                if since < 0 { epoch.checked_sub_months(by) } else { epoch.checked_add_months(by) }
            }
        };
        let midnight = date.and_then(|date| date.and_hms_opt(0, 0, 0));
        let start = midnight.and_then(|midnight| instant_of(midnight, self.zone)).ok_or_else(out_of_range)?;
        Ok(start.and_utc().timestamp_micros())
    }

    /// When a window that begins then ends.
    fn end(&self, start_us: i64) -> Result<i64> {
        if self.size.months == 0 && self.size.days == 0 {
            return start_us.checked_add(self.size.nanoseconds / 1_000).ok_or_else(out_of_range);
        }
        let start = DateTime::from_timestamp_micros(start_us).ok_or_else(out_of_range)?;
        let end = moved(start.naive_utc(), self.size, self.zone, false).ok_or_else(out_of_range)?;
        Ok(end.and_utc().timestamp_micros())
    }
}

fn out_of_range() -> datafusion::common::DataFusionError {
    exec_datafusion_err!("a window of `hop` is out of range")
}

fn days_since_1970(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

/// How far before 1 January 1970, a Thursday, slides of so many days begin to count: whole weeks begin on Mondays.
fn monday(days: i64) -> i64 {
    if days % 7 == 0 { 3 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).expect("a time").timestamp_micros()
    }

    fn starts(slide: (i32, i32, i64), size: (i32, i32, i64), zone: Tz, time: &str) -> Vec<i64> {
        let interval = |(months, days, s): (i32, i32, i64)| IntervalMonthDayNano::new(months, days, s * 1_000_000_000);
        let mut hop = Hop::new(interval(slide), interval(size), zone).expect("is a hop");
        let mut starts = Vec::new();
        // Twice: the second answer is the remembered one.
        hop.starts_into(at(time), &mut starts).expect("has windows");
        let first = starts.clone();
        starts.clear();
        hop.starts_into(at(time), &mut starts).expect("has windows");
        assert_eq!(first, starts);
        starts
    }

    #[test]
    fn a_time_is_in_every_window_that_has_begun_and_not_ended() {
        let found = starts((0, 0, 5), (0, 0, 10), Tz::UTC, "2026-05-01T10:00:07Z");
        assert_eq!(found, [at("2026-05-01T10:00:00Z"), at("2026-05-01T10:00:05Z")]);
        // Its start is inside, its end is not.
        let found = starts((0, 0, 5), (0, 0, 10), Tz::UTC, "2026-05-01T10:00:10Z");
        assert_eq!(found, [at("2026-05-01T10:00:05Z"), at("2026-05-01T10:00:10Z")]);
        // Windows with gaps between them hold only some times.
        assert!(starts((0, 0, 10), (0, 0, 4), Tz::UTC, "2026-05-01T10:00:07Z").is_empty());
        assert_eq!(starts((0, 0, 10), (0, 0, 4), Tz::UTC, "1969-12-31T23:59:52Z"), [at("1969-12-31T23:59:50Z")]);
    }

    #[test]
    fn days_weeks_and_months_are_local_ones() {
        let zone = Tz::Europe__Berlin;
        // The day the clocks go forward is 23 hours long.
        let found = starts((0, 1, 0), (0, 2, 0), zone, "2026-03-29T21:59:59Z");
        assert_eq!(found, [at("2026-03-28T00:00:00+01:00"), at("2026-03-29T00:00:00+01:00")]);
        let found = starts((0, 1, 0), (0, 2, 0), zone, "2026-03-29T22:00:00Z");
        assert_eq!(found, [at("2026-03-29T00:00:00+01:00"), at("2026-03-30T00:00:00+02:00")]);
        // 29 March 2026 is a Sunday.
        assert_eq!(starts((0, 7, 0), (0, 7, 0), zone, "2026-03-29T12:00:00Z"), [at("2026-03-23T00:00:00+01:00")]);
        let found = starts((1, 0, 0), (3, 0, 0), zone, "2026-03-31T22:30:00Z");
        let begins =
            [at("2026-02-01T00:00:00+01:00"), at("2026-03-01T00:00:00+01:00"), at("2026-04-01T00:00:00+02:00")];
        assert_eq!(found, begins);
        assert_eq!(starts((3, 0, 0), (3, 0, 0), zone, "2026-06-30T12:00:00Z"), [at("2026-04-01T00:00:00+02:00")]);
    }

    #[test]
    fn nonsense_is_refused() {
        let none = IntervalMonthDayNano::new(0, 0, 0);
        let second = IntervalMonthDayNano::new(0, 0, 1_000_000_000);
        let mixed = IntervalMonthDayNano::new(1, 1, 0);
        assert!(Hop::new(none, second, Tz::UTC).is_err());
        assert!(Hop::new(second, none, Tz::UTC).is_err());
        assert!(Hop::new(mixed, second, Tz::UTC).is_err());
        let mut many = Hop::new(second, IntervalMonthDayNano::new(0, 1, 0), Tz::UTC).expect("is a hop");
        assert!(many.starts_into(0, &mut Vec::new()).is_err(), "a day of seconds");
    }
}
