//! What the desk's figures come from: four feeds, one of which fails now and then, is tried again, and recovers.
//!
//! While it fails nothing of it arrives; what it missed comes when it is back, with the times at which it happened.

use pulseboard_model::time::SECOND_US;
use pulseboard_model::{Cell, TimeUs};

use super::super::dice::Seed;
use super::super::rhythm::Schedule;
use super::super::sheet::{FeedReport, Sheet};
use super::super::world::Detail;
use super::STREAMS;
use super::streams::{COSTS, LEDGER, POLLS, REVENUE, TICKS};

/// A feed: what it is called, which stream it writes, how fast it answers.
struct Feed {
    name: &'static str,
    stream: usize,
    median_ms: f64,
}

const FEEDS: [Feed; 4] = [
    Feed { name: "Exchange feed", stream: TICKS, median_ms: 4.0 },
    Feed { name: "Broker API", stream: REVENUE, median_ms: 85.0 },
    Feed { name: "Cost API", stream: COSTS, median_ms: 240.0 },
    Feed { name: "Ledger (PostgreSQL)", stream: LEDGER, median_ms: 12.0 },
];
/// The one that fails.
const FAILING: usize = 2;
/// What it says then.
const WHY: &str = "answers 503 Service Unavailable; the breaker is open, what it said last stays";
/// Each how many seconds a feed's state is written down, live and in the past.
const POLL_S: i64 = 5;
const POLL_COARSE_S: i64 = 60;
/// The times after a failure at which it is tried again, before the breaker opens.
const RETRIES_S: [i64; 3] = [1, 3, 7];
/// A share of the time from one outage to the next that it lasts.
const LASTS: i64 = 8;
const POLLED: u64 = 300;

/// Every feed, before anything of it failed.
pub(in super::super) fn all_live() -> Vec<FeedReport> {
    FEEDS.iter().map(|feed| feed.report(None)).collect()
}

impl Feed {
    fn report(&self, failed: Option<String>) -> FeedReport {
        FeedReport { feed: self.name, stream: STREAMS[self.stream].stream_name(), failed }
    }
}

/// The feeds, and what the failing one holds back.
#[derive(Debug)]
pub(super) struct Feeds {
    outages: Schedule,
    failing: bool,
    held: Vec<(TimeUs, [Cell; 2])>,
}

impl Feeds {
    pub(super) fn new(outage_every_s: i64) -> Self {
        let lasts_s = (outage_every_s / LASTS).max(2);
        let outages = Schedule { every_s: outage_every_s, first_s: outage_every_s / 2, lasts_s };
        Self { outages, failing: false, held: Vec::new() }
    }

    /// A row of costs: now, or when the feed is back.
    pub(super) fn cost(&mut self, time: TimeUs, row: [Cell; 2], sheet: &mut Sheet) {
        if self.failing {
            self.held.push((time, row));
        } else {
            sheet.put(COSTS, time, row);
        }
    }

    /// What the feeds say in a second.
    pub(super) fn second(&mut self, seed: Seed, second: i64, detail: Detail, sheet: &mut Sheet) {
        let (time, out) = (TimeUs(second * SECOND_US), self.outages.on_for(second));
        if out.is_some() != self.failing {
            self.failing = out.is_some();
            sheet.reports.push(FEEDS[FAILING].report(self.failing.then(|| WHY.to_owned())));
            for (time, row) in self.held.drain(..) {
                sheet.put(COSTS, time, row);
            }
        }
        let every = if detail == Detail::Coarse { POLL_COARSE_S } else { POLL_S };
        for (index, feed) in FEEDS.iter().enumerate() {
            let out = out.filter(|_| index == FAILING);
            let tries = out.is_some_and(|since| since == 0 || RETRIES_S.contains(&since));
            let ends = index == FAILING && out.is_none() && self.outages.on_for(second - 1).is_some();
            if second.rem_euclid(every) != 0 && !tries && !ends {
                continue;
            }
            let mut dice = seed.of(POLLED + index as u64).dice(second);
            let (status, ms, error) = match out {
                Some(since) if since <= RETRIES_S[2] => ("retry", 5_000.0, text("503 Service Unavailable")),
                Some(_) => ("failed", 0.0, text("breaker open")),
                None => ("live", dice.skewed(feed.median_ms, 0.4), Cell::Null),
            };
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of an answer")]
            let ms = ms.round() as i64;
            sheet.put(POLLS, time, [text(feed.name), text(status), Cell::Int(ms), error]);
        }
    }
}

fn text(text: &str) -> Cell {
    Cell::Str(text.into())
}
