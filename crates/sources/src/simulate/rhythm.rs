//! When much happens and when little: the hours of a day in its zone, weekends, bursts, sales and outages on a schedule.
//!
//! All of it is a function of the time, so that a past and a present of the same world fit together.

use chrono::{Datelike, Timelike, Weekday};
use chrono_tz::Tz;
use pulseboard_model::TimeUs;
use pulseboard_model::time::SECOND_US;

use super::dice::{Seed, wave};

/// A day in hours, an hour in seconds.
const DAY_H: f64 = 24.0;
pub(super) const HOUR_S: i64 = 3_600;
/// What the quietest hour of a day has of the busiest.
const QUIETEST: f64 = 0.22;
/// How long bursts last (a newsletter, a mention), in seconds, and how high they go.
const BURST_S: f64 = 420.0;
const BURST_HEIGHT: f64 = 0.4;

/// Something that comes again and again and lasts a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) every_s: i64,
    /// When the first one since 1970 begins.
    pub(super) first_s: i64,
    pub(super) lasts_s: i64,
}

impl Schedule {
    /// How long it has been on, in seconds; `None` if it is off.
    pub(super) const fn on_for(&self, second: i64) -> Option<i64> {
        let since = (second - self.first_s).rem_euclid(self.every_s);
        if since < self.lasts_s { Some(since) } else { None }
    }
}

/// Which second a time is in.
pub(super) const fn second_of(time: TimeUs) -> i64 {
    time.0.div_euclid(SECOND_US)
}

/// The hour of the day in `zone`, with its fraction, and whether it is a weekend.
fn local(second: i64, zone: Tz) -> (f64, bool) {
    let Some(utc) = chrono::DateTime::from_timestamp(second, 0) else { return (12.0, false) };
    let local = utc.with_timezone(&zone);
    let hour = f64::from(local.hour()) + f64::from(local.minute()) / 60.0 + f64::from(local.second()) / 3_600.0;
    (hour, matches!(local.weekday(), Weekday::Sat | Weekday::Sun))
}

/// How busy shoppers are, 1 at the busiest hour of a working day: little at night, some at noon, most in the evening.
pub(super) fn shopping(second: i64, zone: Tz) -> f64 {
    let (hour, weekend) = local(second, zone);
    let evening = wave(hour, DAY_H, 20.0).powf(1.6);
    let noon = 0.35 * wave(hour, DAY_H, 12.5).powi(3);
    let day = QUIETEST + (1.0 - QUIETEST) * (evening + noon).min(1.0);
    if weekend { day * 1.15 } else { day }
}

/// How busy a market is, 1 on a day without news: most at the open and at the close of the session, some around the clock.
pub(super) fn trading(second: i64, zone: Tz) -> f64 {
    let (hour, weekend) = local(second, zone);
    let near = |at: f64, width: f64| (-((hour - at) / width).powi(2)).exp();
    let session = 0.55 + 0.6 * near(9.7, 0.8) + 0.35 * near(12.5, 3.0) + 0.55 * near(15.8, 0.7);
    if weekend { session * 0.7 } else { session }
}

/// Bursts of a few minutes: around 1, seldom much above.
pub(super) fn burst(second: i64, seed: Seed) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
    let noise = seed.noise(second as f64, BURST_S);
    (BURST_HEIGHT * noise).exp() * if noise > 0.85 { 1.5 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-02 is a Monday.
    const MONDAY: i64 = 1_772_409_600;

    #[test]
    fn a_schedule_is_on_when_it_says() {
        let schedule = Schedule { every_s: 100, first_s: 30, lasts_s: 10 };
        let on: Vec<i64> = (0..300).filter(|second| schedule.on_for(*second).is_some()).collect();
        assert_eq!(on.len(), 30);
        assert_eq!((on[0], on[9], on[10]), (30, 39, 130));
        assert_eq!((schedule.on_for(35), schedule.on_for(40)), (Some(5), None));
        assert_eq!(schedule.on_for(-165), Some(5), "before 1970, too");
    }

    #[test]
    fn a_day_has_its_rhythm_in_its_own_zone() {
        let at = |hour: i64| shopping(MONDAY + hour * HOUR_S, Tz::UTC);
        assert!(at(20) > 0.95 && at(4) < 0.35 && at(12) > at(7), "{} {} {} {}", at(20), at(4), at(12), at(7));
        let berlin = shopping(MONDAY + 19 * HOUR_S, Tz::Europe__Berlin);
        assert!((berlin - at(20)).abs() < 1e-9, "19:00 UTC is 20:00 in Berlin in winter");
        assert!(shopping(MONDAY - 4 * HOUR_S, Tz::UTC) > at(20), "Sunday evening is busier");
        let market = |hour: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "seconds of a day")]
            let second = MONDAY + (hour * 3_600.0) as i64;
            trading(second, Tz::UTC)
        };
        assert!(market(9.7) > market(12.0) && market(12.0) > market(3.0) && market(15.8) > market(14.0));
    }
}
