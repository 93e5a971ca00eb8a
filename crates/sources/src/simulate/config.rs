//! What can be set about a simulated source.

use chrono_tz::Tz;
use pulseboard_model::{StreamName, StreamSchema, TimeUs};

use super::dice::Seed;
use super::sheet::{FeedReport, Shape};
use super::world::World;
use super::{shop, trading};

/// Which world is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// A shop: visits, carts, orders, payments, stock.
    Shop,
    /// A trading desk: ticks, fills, money by feeds of which one fails now and then.
    Trading,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Shop, Self::Trading];

    /// What it is called in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Trading => "trading",
        }
    }

    pub(super) const fn shapes(self) -> &'static [Shape] {
        match self {
            Self::Shop => &shop::STREAMS,
            Self::Trading => &trading::STREAMS,
        }
    }

    /// Its feeds that may fail on their own, before any did.
    #[must_use]
    pub fn feeds(self) -> Vec<FeedReport> {
        match self {
            Self::Shop => Vec::new(),
            Self::Trading => trading::all_live(),
        }
    }

    /// The streams that it writes, with their schemas, to be declared before the first row.
    #[must_use]
    pub fn streams(self) -> Vec<(StreamName, StreamSchema)> {
        self.shapes().iter().map(|shape| (shape.stream_name(), shape.schema())).collect()
    }
}

/// The settings of `kind = "simulate"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulateConfig {
    /// What it is called.
    pub name: String,
    /// Which world.
    pub scenario: Scenario,
    /// Worlds of one seed are alike.
    pub seed: u64,
    /// The zone whose days have the rhythm.
    pub zone: Tz,
    /// How much of a past is written before the first start, in µs.
    pub past_us: i64,
    /// Each how many seconds the failing feed fails.
    pub outage_every_s: i64,
}

impl SimulateConfig {
    /// Two days of past: yesterday is there at the first start.
    pub const PAST_US: i64 = 48 * 3_600 * 1_000_000;
    /// The longest past.
    pub const PAST_MAX_US: i64 = 30 * 24 * 3_600 * 1_000_000;
    /// Often enough to be seen.
    pub const OUTAGE_EVERY_S: i64 = 600;

    /// A world that begins at `from`, and is to be led to where it is looked at without a word.
    pub(super) fn world(&self, from: TimeUs) -> Box<dyn World> {
        let seed = Seed::new(self.seed);
        match self.scenario {
            Scenario::Shop => Box::new(shop::Shop::new(seed, self.zone, from)),
            Scenario::Trading => Box::new(trading::Desk::new(seed, self.zone, self.outage_every_s, from)),
        }
    }

    pub(super) const fn warm_up_s(&self) -> i64 {
        match self.scenario {
            Scenario::Shop => shop::WARM_UP_S,
            Scenario::Trading => trading::WARM_UP_S,
        }
    }
}
