//! Instants from what events carry: RFC 3339, epochs by magnitude, text without a zone, declared formats.
//!
//! - An epoch's unit goes by its size: below 1e11 seconds, below 1e14 ms, below 1e17 µs, else ns. Each of the first three
//!   reaches the year 5138, so no unit can be taken for another within any sensible time. Numbers may have a fraction
//!   and may come as text.
//! - Text without a zone is in the stream's; one with the name of a zone behind a blank (`UTC`, `America/New_York`) is in
//!   that one, and any other letters there are an error. A local time that a change of the clocks skips is read with the
//!   offset from before the change (02:30 becomes 03:30); one that happens twice is the first of the two.
//! - A field with a declared format is read by that format alone.

use arrow::compute::kernels::cast_utils::string_to_datetime;
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use crate::time::TimeUs;

const MS_FROM: f64 = 1e11;
const US_FROM: f64 = 1e14;
const NS_FROM: f64 = 1e17;

/// The length of `2024-05-06`.
const DATE_BYTES: usize = 10;

/// Checks a declared time format.
///
/// # Errors
/// A fragment that says what is wrong with it.
pub fn check_format(format: &str) -> Result<(), String> {
    let mut fields = 0;
    for item in StrftimeItems::new(format) {
        match item {
            Item::Error => return Err(format!("`{format}` is not a strftime format such as `%d.%m.%Y %H:%M:%S`")),
            Item::Numeric(..) | Item::Fixed(_) => fields += 1,
            _ => {}
        }
    }
    if fields == 0 {
        return Err(format!("`{format}` has no field such as `%Y`, so it can read no time"));
    }
    Ok(())
}

/// A time as a person or program writes it: RFC 3339, or an epoch by its magnitude; of `zone` if it says none.
#[must_use]
pub fn read_time(text: &str, zone: Tz) -> Option<TimeUs> {
    from_text(text, zone, None)
}

/// A whole-number epoch.
pub(super) fn from_int(epoch: i64) -> TimeUs {
    #[expect(clippy::cast_precision_loss, reason = "only the magnitude matters here")]
    let size = (epoch as f64).abs();
    TimeUs(if size < MS_FROM {
        epoch * 1_000_000
    } else if size < US_FROM {
        epoch * 1_000
    } else if size < NS_FROM {
        epoch
    } else {
        epoch.div_euclid(1_000)
    })
}

/// An epoch with a fraction, to the nearest µs. `None` if it is not finite or beyond all times.
pub(super) fn from_float(epoch: f64) -> Option<TimeUs> {
    let size = epoch.abs();
    let us = if size < MS_FROM {
        epoch * 1e6
    } else if size < US_FROM {
        epoch * 1e3
    } else if size < NS_FROM {
        epoch
    } else {
        epoch / 1e3
    };
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked just before")]
    (us.is_finite() && us.abs() < 9e18).then(|| TimeUs(us.round() as i64))
}

/// A time as text, in `format` if one is declared.
pub(super) fn from_text(text: &str, timezone: Tz, format: Option<&str>) -> Option<TimeUs> {
    let text = text.trim();
    if let Some(format) = format {
        return from_formatted(text, timezone, format);
    }
    if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E')) {
        if let Ok(epoch) = text.parse::<i64>() {
            return Some(from_int(epoch));
        }
        if let Some(time) = text.parse::<f64>().ok().and_then(from_float) {
            return Some(time);
        }
    }
    if !text.is_ascii() {
        return None;
    }
    // What comes before is a date, and the letter between it and the time of day.
    let rest = text.get(DATE_BYTES + 1..).unwrap_or_default();
    if let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic()).filter(|at| rest[..*at].ends_with(' ')) {
        let zone = if matches!(&rest[at..], "Z" | "z") { Tz::UTC } else { rest[at..].parse().ok()? };
        let local = rest[..at].trim_end();
        if has_zone(local) {
            return None;
        }
        let local = string_to_datetime(&Utc, text[..DATE_BYTES + 1 + local.len()].trim_end()).ok()?;
        return from_local(local.naive_utc(), zone);
    }
    let as_utc = string_to_datetime(&Utc, text).ok()?;
    if timezone != Tz::UTC && !has_zone(rest) {
        return from_local(as_utc.naive_utc(), timezone);
    }
    Some(to_time(as_utc))
}

/// Whether anything in the time of day says a zone.
fn has_zone(time_of_day: &str) -> bool {
    time_of_day.bytes().any(|b| b.is_ascii_alphabetic() || matches!(b, b'+' | b'-'))
}

fn from_formatted(text: &str, timezone: Tz, format: &str) -> Option<TimeUs> {
    if let Ok(time) = DateTime::parse_from_str(text, format) {
        return Some(TimeUs(time.timestamp_micros()));
    }
    let local = NaiveDateTime::parse_from_str(text, format)
        .or_else(|_| NaiveDate::parse_from_str(text, format).map(|date| date.and_time(NaiveTime::MIN)))
        .ok()?;
    from_local(local, timezone)
}

fn from_local(local: NaiveDateTime, timezone: Tz) -> Option<TimeUs> {
    match timezone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(to_time(time)),
        LocalResult::None => {
            // No gap is longer than a day, so a day earlier the offset from before the change is in force.
            let day_before = local.checked_sub_days(Days::new(1))?;
            let offset = timezone.offset_from_local_datetime(&day_before).earliest()?.fix();
            Some(to_time(offset.from_local_datetime(&local).single()?))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "chrono's times are small values")]
fn to_time<Z: TimeZone>(time: DateTime<Z>) -> TimeUs {
    TimeUs(time.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> TimeUs {
        TimeUs(DateTime::parse_from_rfc3339(text).expect("a time").timestamp_micros())
    }

    #[test]
    fn an_epochs_unit_goes_by_its_size() {
        let at = utc("2023-11-14T22:13:20Z");
        for epoch in [1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, 1_700_000_000_000_000_000] {
            assert_eq!(from_int(epoch), at);
            assert_eq!(from_text(&epoch.to_string(), Tz::UTC, None), Some(at));
        }
        let with_fraction = at.plus_us(123_456);
        assert_eq!(from_float(1_700_000_000.123_456), Some(with_fraction));
        assert_eq!(from_float(1_700_000_000_123.456), Some(with_fraction));
        assert_eq!(from_text("1700000000.123456", Tz::UTC, None), Some(with_fraction));
        assert_eq!(from_int(0), TimeUs(0));
        assert!(from_int(-1).0 < 0);
        assert_eq!(from_int(i64::MIN).0, i64::MIN.div_euclid(1_000));
        for beyond in [f64::NAN, f64::INFINITY, f64::MAX] {
            assert_eq!(from_float(beyond), None);
        }
    }

    #[test]
    fn rfc_3339_in_its_shapes() {
        let at = utc("2024-05-06T07:08:09.123456Z");
        for text in [
            "2024-05-06T07:08:09.123456Z",
            "2024-05-06t07:08:09.123456z",
            "2024-05-06T09:08:09.123456+02:00",
            "2024-05-06 07:08:09.123456",
            " 2024-05-06T07:08:09.123456789Z ",
            "2024-05-06T07:08:09.1234561234567Z",
        ] {
            assert_eq!(from_text(text, Tz::UTC, None), Some(at), "{text}");
        }
        assert_eq!(from_text("2024-05-06", Tz::UTC, None), Some(utc("2024-05-06T00:00:00Z")));
        for bad in
            ["", "yesterday", "2024-13-01", "2024-05-06T25:00:00Z", "2024-05-06T07:08:09é", "é", "-", "e", "12:00"]
        {
            assert_eq!(from_text(bad, Tz::UTC, None), None, "{bad}");
            assert_eq!(from_text(bad, Tz::Europe__Berlin, None), None, "{bad}");
        }
    }

    #[test]
    fn text_without_a_zone_is_in_the_streams_zone() {
        let berlin = |text| from_text(text, Tz::Europe__Berlin, None);
        assert_eq!(berlin("2024-07-01 12:00:00"), Some(utc("2024-07-01T10:00:00Z")));
        assert_eq!(berlin("2024-01-01T12:00:00"), Some(utc("2024-01-01T11:00:00Z")));
        assert_eq!(berlin("2024-07-01"), Some(utc("2024-06-30T22:00:00Z")));
        assert_eq!(berlin("2024-07-01T12:00:00Z"), Some(utc("2024-07-01T12:00:00Z")));
        assert_eq!(berlin("2024-07-01T12:00:00-05:00"), Some(utc("2024-07-01T17:00:00Z")));
        assert_eq!(berlin("2024-03-31 02:30:00"), Some(utc("2024-03-31T01:30:00Z")), "skipped: offset from before");
        assert_eq!(berlin("2024-10-27 02:30:00"), Some(utc("2024-10-27T00:30:00Z")), "twice: the first");
        let samoa = from_text("2011-12-30 12:00:00", Tz::Pacific__Apia, None);
        assert_eq!(samoa, Some(utc("2011-12-30T22:00:00Z")), "a whole day was skipped");
    }

    #[test]
    fn a_zone_by_name_is_that_zone_and_never_the_streams() {
        for zone in [Tz::UTC, Tz::Europe__Berlin] {
            let read = |text| from_text(text, zone, None);
            assert_eq!(read("2024-07-01 12:00:00 UTC"), Some(utc("2024-07-01T12:00:00Z")));
            assert_eq!(read("2024-07-01T12:00:00.5 America/New_York"), Some(utc("2024-07-01T16:00:00.5Z")));
            assert_eq!(read("2024-07-01 12:00:00 Z"), Some(utc("2024-07-01T12:00:00Z")));
            for unknown in [
                "2024-07-01 12:00:00 Mars/Base",
                "2024-07-01 12:00:00 CE5T",
                "2024-07-01 12:00:00 PM",
                "2024-07-01 12:00:00UTC+1",
                "2024-07-01 12:00:00+02:00 UTC",
                "2024-07-01 UTC",
                "2024-07-01 12:00:00 UTC Z",
            ] {
                assert_eq!(read(unknown), None, "{unknown}");
            }
        }
    }

    #[test]
    fn a_declared_format_counts_alone() {
        let berlin = |text, format| from_text(text, Tz::Europe__Berlin, Some(format));
        assert_eq!(berlin("06.05.2024 09:08:07", "%d.%m.%Y %H:%M:%S"), Some(utc("2024-05-06T07:08:07Z")));
        assert_eq!(berlin("20240506", "%Y%m%d"), Some(utc("2024-05-05T22:00:00Z")));
        assert_eq!(berlin("06/May/2024:09:08:07 +0000", "%d/%b/%Y:%H:%M:%S %z"), Some(utc("2024-05-06T09:08:07Z")));
        assert_eq!(berlin("2024-05-06T07:08:07Z", "%d.%m.%Y %H:%M:%S"), None);
    }

    #[test]
    fn formats_are_checked() {
        assert_eq!(check_format("%d.%m.%Y"), Ok(()));
        assert!(check_format("%Q").is_err());
        assert!(check_format("yesterday").is_err());
    }
}
