//! Nexmark's events as commits of the streams `person`, `auction`, `bid` and the side input `side`.
//!
//! Their `date_time` is our `time`; all of a commit arrives when its last event happened.

use std::sync::Arc;

use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Auction, Bid, Event, Person};
use pulseboard_model::{FieldType, TimeUs};

use crate::error::BenchError;
use crate::replay::{Columns, MemoryLog, Prepared, ints, texts, times};

/// A Tuesday, so that two runs ask about the same events.
const START_MS: u64 = 1_700_000_000_000;
/// Rows of the side input of q13.
const SIDE_ROWS: i64 = 10_000;

/// The auction house.
#[derive(Debug)]
pub(crate) struct Auctions {
    pub(crate) log: Arc<MemoryLog>,
    generator: EventGenerator,
}

impl Auctions {
    /// Opens it, with so many events per second of its clock. `keep` keeps all events for batch queries.
    pub(crate) fn open(events_per_s: usize, keep: bool) -> Self {
        let config = NexmarkConfig {
            base_time: START_MS,
            first_rate: events_per_s,
            next_rate: events_per_s,
            ..NexmarkConfig::default()
        };
        let (int, text, time) = (FieldType::Int, FieldType::String, FieldType::Time);
        let field = |name, field_type: &FieldType| (name, field_type.clone());
        let person = [
            field("id", &int),
            field("name", &text),
            field("email_address", &text),
            field("credit_card", &text),
            field("city", &text),
            field("state", &text),
            field("extra", &text),
        ];
        let auction = [
            field("id", &int),
            field("item_name", &text),
            field("description", &text),
            field("initial_bid", &int),
            field("reserve", &int),
            field("expires", &time),
            field("seller", &int),
            field("category", &int),
            field("extra", &text),
        ];
        let bid = [
            field("auction", &int),
            field("bidder", &int),
            field("price", &int),
            field("channel", &text),
            field("url", &text),
            field("extra", &text),
        ];
        let side = [field("key", &int), field("value", &text)];
        let streams: [(&str, &[_]); 4] = [("person", &person), ("auction", &auction), ("bid", &bid), ("side", &side)];
        let log = MemoryLog::new(&streams, TimeUs(start_us()), keep);
        Self { log, generator: EventGenerator::new(config) }
    }

    /// Fills the side input, before anything else.
    ///
    /// # Errors
    /// None that a run can meet.
    pub(crate) fn side_input(&self) -> Result<Prepared, BenchError> {
        let rows = 0..SIDE_ROWS;
        let user = vec![ints(rows.clone()), texts(rows.clone().map(|key| format!("side {key}")))];
        self.log.commit(vec![Columns { stream: "side", times_us: rows.map(|_| start_us()).collect(), user }])
    }

    /// The next `events` events as one commit.
    ///
    /// # Errors
    /// None that a run can meet.
    pub(crate) fn commit(&mut self, events: usize) -> Result<Prepared, BenchError> {
        let (mut persons, mut auctions, mut bids) = (Vec::new(), Vec::new(), Vec::new());
        for event in self.generator.by_ref().take(events) {
            match event {
                Event::Person(person) => persons.push(person),
                Event::Auction(auction) => auctions.push(auction),
                Event::Bid(bid) => bids.push(bid),
            }
        }
        self.log.commit(vec![person_columns(&persons), auction_columns(&auctions), bid_columns(&bids)])
    }
}

fn start_us() -> i64 {
    us(START_MS)
}

fn us(ms: u64) -> i64 {
    int(ms).saturating_mul(1_000)
}

fn int(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

fn person_columns(rows: &[Person]) -> Columns {
    Columns {
        stream: "person",
        times_us: rows.iter().map(|row| us(row.date_time)).collect(),
        user: vec![
            ints(rows.iter().map(|row| int(row.id))),
            texts(rows.iter().map(|row| &row.name)),
            texts(rows.iter().map(|row| &row.email_address)),
            texts(rows.iter().map(|row| &row.credit_card)),
            texts(rows.iter().map(|row| &row.city)),
            texts(rows.iter().map(|row| &row.state)),
            texts(rows.iter().map(|row| &row.extra)),
        ],
    }
}

fn auction_columns(rows: &[Auction]) -> Columns {
    Columns {
        stream: "auction",
        times_us: rows.iter().map(|row| us(row.date_time)).collect(),
        user: vec![
            ints(rows.iter().map(|row| int(row.id))),
            texts(rows.iter().map(|row| &row.item_name)),
            texts(rows.iter().map(|row| &row.description)),
            ints(rows.iter().map(|row| int(row.initial_bid))),
            ints(rows.iter().map(|row| int(row.reserve))),
            times(rows.iter().map(|row| us(row.expires))),
            ints(rows.iter().map(|row| int(row.seller))),
            ints(rows.iter().map(|row| int(row.category))),
            texts(rows.iter().map(|row| &row.extra)),
        ],
    }
}

fn bid_columns(rows: &[Bid]) -> Columns {
    Columns {
        stream: "bid",
        times_us: rows.iter().map(|row| us(row.date_time)).collect(),
        user: vec![
            ints(rows.iter().map(|row| int(row.auction))),
            ints(rows.iter().map(|row| int(row.bidder))),
            ints(rows.iter().map(|row| int(row.price))),
            texts(rows.iter().map(|row| &row.channel)),
            texts(rows.iter().map(|row| &row.url)),
            texts(rows.iter().map(|row| &row.extra)),
        ],
    }
}
