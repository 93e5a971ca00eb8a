//! Which width of bucket suits a range and a number of points.

use chrono_tz::Tz;

use crate::sql::buckets::Step;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Widths that people read easily, narrowest first.
const STEPS: [Step; 31] = [
    Step::Micros(SECOND),
    Step::Micros(2 * SECOND),
    Step::Micros(5 * SECOND),
    Step::Micros(10 * SECOND),
    Step::Micros(15 * SECOND),
    Step::Micros(30 * SECOND),
    Step::Micros(MINUTE),
    Step::Micros(2 * MINUTE),
    Step::Micros(5 * MINUTE),
    Step::Micros(10 * MINUTE),
    Step::Micros(15 * MINUTE),
    Step::Micros(30 * MINUTE),
    Step::Micros(HOUR),
    Step::Micros(2 * HOUR),
    Step::Micros(3 * HOUR),
    Step::Micros(6 * HOUR),
    Step::Micros(12 * HOUR),
    Step::Days(1),
    Step::Days(2),
    Step::Days(7),
    Step::Days(14),
    Step::Months(1),
    Step::Months(2),
    Step::Months(3),
    Step::Months(6),
    Step::Months(12),
    Step::Months(2 * 12),
    Step::Months(5 * 12),
    Step::Months(10 * 12),
    Step::Months(100 * 12),
    Step::Months(1_000 * 12),
];

/// The narrowest width that cuts `from_us` to `to_us` into no more than `points` buckets, those at the ends included.
pub(crate) fn step_for(from_us: i64, to_us: i64, points: usize, zone: Tz) -> Step {
    let fits = |step: &&Step| step.count(from_us, to_us, zone, points).is_some();
    STEPS.iter().find(fits).copied().unwrap_or(Step::Months(1_000 * 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp_micros()
    }

    #[test]
    fn there_are_never_more_buckets_than_points_and_not_far_fewer() {
        let from = at("2026-03-01T00:00:00Z");
        for zone in [Tz::UTC, Tz::Europe__Berlin, Tz::Asia__Kolkata] {
            for (span, points) in
                [(HOUR, 60), (HOUR, 61), (24 * HOUR, 300), (24 * HOUR * 30, 100), (24 * HOUR * 90, 90)]
            {
                for shift in [0, 1, 17 * MINUTE, 9 * HOUR] {
                    let (from, to) = (from + shift, from + shift + span);
                    let step = step_for(from, to, points, zone);
                    let count = step.count(from, to, zone, points).expect("no more than points");
                    assert!(count * 4 > points, "{span} {points}: {step:?} gives {count}");
                }
            }
        }
    }

    #[test]
    fn widths_are_of_the_calendar() {
        let from = at("2026-01-01T00:00:00Z");
        assert_eq!(step_for(from, from + HOUR, 60, Tz::UTC), Step::Micros(MINUTE));
        // One more begins where the range does not.
        assert_eq!(step_for(from + 1, from + HOUR + 1, 60, Tz::UTC), Step::Micros(2 * MINUTE));
        assert_eq!(step_for(from, from + 30 * 24 * HOUR, 30, Tz::UTC), Step::Days(1));
        assert_eq!(step_for(from, at("2027-01-01T00:00:00Z"), 12, Tz::UTC), Step::Months(1));
        assert_eq!(step_for(0, crate::sql::reserved::OPEN_END_US, 1, Tz::UTC), Step::Months(12_000));
        assert_eq!(step_for(from, from + 1, 10_000, Tz::UTC), Step::Micros(SECOND));
    }
}
