//! The Yahoo streaming benchmark's campaign count: which ads were viewed, per campaign and ten seconds.
//!
//! A hundred campaigns of ten ads each are a stream of their own, whose latest row per ad says the campaign. The events
//! are as in the original: three quarters of the text is there to be carried. All of it is made from counters.

use std::sync::Arc;

use pulseboard_model::{FieldType, TimeUs};

use crate::error::BenchError;
use crate::replay::{Columns, MemoryLog, Prepared, texts};

/// The clock starts here, on a whole ten seconds.
const START_US: i64 = 1_700_000_000_000_000;
const CAMPAIGNS: u64 = 100;
const ADS: u64 = 1_000;
const AD_TYPES: [&str; 5] = ["banner", "modal", "sponsored-search", "mail", "mobile"];
const EVENT_TYPES: [&str; 3] = ["view", "click", "purchase"];

/// The query: joined first, aggregated then, as the original says it.
pub(crate) const JOINED_FIRST: &str = "
SELECT c.campaign, date_bin(interval '10 seconds', e.time) AS starts, count(*) AS views
FROM ad_events e
JOIN (SELECT DISTINCT ON (ad) ad, campaign FROM ads ORDER BY ad, time DESC) c ON e.ad = c.ad
WHERE e.event_type = 'view' AND e.time > now() - interval '1 minute'
GROUP BY 1, 2";

/// The same answer, aggregated by ad before the join.
pub(crate) const AGGREGATED_FIRST: &str = "
SELECT c.campaign, e.starts, sum(e.n) AS views
FROM (
  SELECT ad, date_bin(interval '10 seconds', time) AS starts, count(*) AS n
  FROM ad_events WHERE event_type = 'view' AND time > now() - interval '1 minute' GROUP BY 1, 2
) e
JOIN (SELECT DISTINCT ON (ad) ad, campaign FROM ads ORDER BY ad, time DESC) c ON e.ad = c.ad
GROUP BY 1, 2";

/// The source of events.
#[derive(Debug)]
pub(crate) struct Ads {
    pub(crate) log: Arc<MemoryLog>,
    events_per_s: u64,
    next: u64,
}

impl Ads {
    /// With so many events per second of its clock. `keep` keeps all events for batch queries.
    pub(crate) fn new(events_per_s: u64, keep: bool) -> Self {
        let field = |name| (name, FieldType::String);
        let events =
            [field("user_id"), field("page_id"), field("ad"), field("ad_type"), field("event_type"), field("ip")];
        let ads = [field("ad"), field("campaign")];
        let streams: [(&str, &[_]); 2] = [("ad_events", &events), ("ads", &ads)];
        Self { log: MemoryLog::new(&streams, TimeUs(START_US), keep), events_per_s, next: 0 }
    }

    /// Says which campaign each ad is of, before anything else.
    ///
    /// # Errors
    /// None that a run can meet.
    pub(crate) fn campaigns(&self) -> Result<Prepared, BenchError> {
        let user = vec![texts((0..ADS).map(ad)), texts((0..ADS).map(|ad| format!("campaign-{:03}", ad % CAMPAIGNS)))];
        let times_us = (0..ADS).map(|_| START_US).collect();
        self.log.commit(vec![Columns { stream: "ads", times_us, user }])
    }

    /// The next `events` events as one commit.
    ///
    /// # Errors
    /// None that a run can meet.
    pub(crate) fn commit(&mut self, events: u64) -> Result<Prepared, BenchError> {
        let numbers = || self.next..self.next + events;
        let pick = |number: u64, salt: u64, of: u64| scattered(number ^ (salt << 56)) % of;
        let id = |number: u64, salt: u64| format!("{:032x}", u128::from(scattered(number ^ (salt << 56))));
        let one_of = |names: &[&'static str], number, salt| {
            names[usize::try_from(pick(number, salt, names.len() as u64)).unwrap_or(0)]
        };
        let user = vec![
            texts(numbers().map(|number| id(number % 10_000, 1))),
            texts(numbers().map(|number| id(number % 10_000, 2))),
            texts(numbers().map(|number| ad(pick(number, 3, ADS)))),
            texts(numbers().map(|number| one_of(&AD_TYPES, number, 4))),
            texts(numbers().map(|number| one_of(&EVENT_TYPES, number, 5))),
            texts(numbers().map(|number| format!("10.0.{}.{}", number % 256, number % 250))),
        ];
        let us = |number: u64| i64::try_from(number * 1_000_000 / self.events_per_s).unwrap_or(i64::MAX);
        let times_us = numbers().map(|number| START_US.saturating_add(us(number))).collect();
        let committed = self.log.commit(vec![Columns { stream: "ad_events", times_us, user }]);
        self.next += events;
        committed
    }
}

fn ad(number: u64) -> String {
    format!("{:032x}", u128::from(scattered(number ^ (9 << 56))))
}

/// A number far from its neighbours' (splitmix64).
fn scattered(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
