//! The events: trades of some symbols, each a function of its number alone, so that any part of them is known without
//! reading it back.
//!
//! An event has five fields and its time, about 120 bytes as JSON. Times go up with the numbers but for what comes late: some
//! up to two seconds, one in a hundred up to a minute, one in a thousand up to an hour.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use pulseboard_model::schema::UTC;
use pulseboard_model::{FieldType, SchemaVersion, StreamField, StreamSchema};
use serde::{Deserialize, Serialize};

/// The stream they are in.
pub(crate) const STREAM: &str = "trades";

const SECOND_US: u64 = 1_000_000;
const VENUES: [&str; 4] = ["XNAS", "XNYS", "XETR", "XLON"];

/// How many there are, of what, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trades {
    pub(crate) rows: u64,
    /// How many symbols there are.
    pub(crate) symbols: u64,
    /// The first minute, µs since 1970.
    pub(crate) start_us: i64,
    pub(crate) minutes: u64,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trade {
    pub(crate) number: u64,
    pub(crate) time_us: i64,
    pub(crate) symbol: u64,
    pub(crate) venue: &'static str,
    pub(crate) price_cents: u64,
    pub(crate) quantity: i64,
}

/// Spreads numbers over all values, each to one of its own.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Trade {
    /// What it costs.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(crate) fn price(&self) -> f64 {
        self.price_cents as f64 / 100.0
    }

    /// Its id; no other trade has it.
    pub(crate) fn order_id(&self) -> String {
        order_id(self.number)
    }

    pub(crate) fn symbol(&self) -> String {
        symbol(self.symbol)
    }
}

/// The id of a trade. There is one for every number, also for those beyond the last trade.
pub(crate) fn order_id(number: u64) -> String {
    format!("o-{:016x}", mixed(number))
}

/// The name of a symbol.
pub(crate) fn symbol(number: u64) -> String {
    format!("SYM-{number:03}")
}

impl Trades {
    /// How long they last, µs.
    pub(crate) fn span_us(&self) -> u64 {
        self.minutes * 60 * SECOND_US
    }

    /// When they end, exclusive.
    pub(crate) fn end_us(&self) -> i64 {
        self.start_us + self.span_us().cast_signed()
    }

    /// When trade `number` comes in.
    pub(crate) fn arrival_us(&self, number: u64) -> i64 {
        let since = u128::from(number) * u128::from(self.span_us()) / u128::from(self.rows.max(1));
        self.start_us + i64::try_from(since).unwrap_or(i64::MAX - self.start_us)
    }

    /// The trade with this number.
    pub(crate) fn get(&self, number: u64) -> Trade {
        let (round, place) = (number / self.symbols, number % self.symbols);
        // Each round has every symbol once, each time in another order.
        let symbol = (place + mixed(round) % self.symbols) % self.symbols;
        let chance = mixed(number ^ 0x5555_5555_5555_5555);
        let late_us = match chance % 1_000 {
            0 => chance / 1_000 % (3_600 * SECOND_US),
            1..11 => chance / 1_000 % (60 * SECOND_US),
            _ => chance / 1_000 % (2 * SECOND_US),
        };
        let time_us = self.arrival_us(number).saturating_sub(late_us.cast_signed()).max(self.start_us);
        let value = mixed(chance);
        Trade {
            number,
            time_us,
            symbol,
            venue: VENUES[usize::try_from(value % 4).unwrap_or(0)],
            price_cents: 10_000 + symbol * 1_000 + round / 64 % 1_000 + (value >> 8) % 500,
            quantity: (1 + (value >> 32) % 50).cast_signed() * 100,
        }
    }

    /// The trades of one symbol, in the order in which they come in.
    pub(crate) fn of_symbol(&self, symbol: u64) -> impl Iterator<Item = Trade> + use<> {
        let trades = *self;
        (0..trades.rows.div_ceil(trades.symbols)).filter_map(move |round| {
            let place = (symbol + trades.symbols - mixed(round) % trades.symbols) % trades.symbols;
            let number = round * trades.symbols + place;
            (number < trades.rows).then(|| trades.get(number))
        })
    }

    /// Some of them as the journal takes them.
    ///
    /// # Errors
    /// None that a run can meet.
    pub(crate) fn batch(&self, numbers: std::ops::Range<u64>) -> Result<RecordBatch, ArrowError> {
        let trades: Vec<Trade> = numbers.map(|number| self.get(number)).collect();
        let names: Vec<String> = (0..self.symbols).map(symbol).collect();
        let name = |trade: &Trade| usize::try_from(trade.symbol).ok().and_then(|at| names.get(at));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from_iter_values(trades.iter().map(|t| t.time_us)).with_timezone(UTC)),
            Arc::new(TimestampMicrosecondArray::new_null(trades.len()).with_timezone(UTC)),
            Arc::new(trades.iter().map(name).collect::<StringArray>()),
            Arc::new(StringArray::from_iter_values(trades.iter().map(|trade| trade.venue))),
            Arc::new(Float64Array::from_iter_values(trades.iter().map(Trade::price))),
            Arc::new(Int64Array::from_iter_values(trades.iter().map(|trade| trade.quantity))),
            Arc::new(StringArray::from_iter_values(trades.iter().map(Trade::order_id))),
        ];
        RecordBatch::try_new(schema().stored_schema(), columns)
    }
}

/// Their schema.
pub(crate) fn schema() -> Arc<StreamSchema> {
    let field = |(name, field_type): (&str, FieldType)| StreamField { name: name.into(), field_type, declared: false };
    let fields = [
        ("symbol", FieldType::String),
        ("venue", FieldType::String),
        ("price", FieldType::Float),
        ("quantity", FieldType::Int),
        ("order_id", FieldType::String),
    ];
    Arc::new(StreamSchema { version: SchemaVersion(1), fields: fields.map(field).into() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const TRADES: Trades = Trades { rows: 10_050, symbols: 100, start_us: 1_700_000_040_000_000, minutes: 600 };

    #[test]
    fn every_trade_is_of_one_symbol_and_its_id_is_its_own() {
        let ids: BTreeSet<String> = (0..TRADES.rows).map(order_id).collect();
        assert_eq!(ids.len() as u64, TRADES.rows);
        let mut found: Vec<Trade> = (0..TRADES.symbols).flat_map(|symbol| TRADES.of_symbol(symbol)).collect();
        found.sort_by_key(|trade| trade.number);
        assert_eq!(found, (0..TRADES.rows).map(|number| TRADES.get(number)).collect::<Vec<_>>());
    }

    #[test]
    fn times_lie_in_the_span_and_some_come_late() {
        let all: Vec<Trade> = (0..TRADES.rows).map(|number| TRADES.get(number)).collect();
        assert!(all.iter().all(|trade| (TRADES.start_us..TRADES.end_us()).contains(&trade.time_us)));
        let late =
            |by_us: i64| all.iter().filter(|trade| TRADES.arrival_us(trade.number) - trade.time_us > by_us).count();
        assert_eq!(late(3_600_000_000), 0);
        assert!(late(60_000_000) > 0 && late(2_000_000) > 50 && late(2_000_000) < 300, "{}", late(2_000_000));
    }

    #[test]
    fn a_trade_is_about_120_bytes_of_json() {
        let bytes = |number: u64| {
            let trade = TRADES.get(number);
            let json = serde_json::json!({
                "time": trade.time_us / 1_000, "symbol": trade.symbol(), "venue": trade.venue, "price": trade.price(),
                "quantity": trade.quantity, "order_id": trade.order_id()
            });
            json.to_string().len()
        };
        let mean = (0..1_000).map(bytes).sum::<usize>() / 1_000;
        assert!((115..=125).contains(&mean), "{mean}");
        let batch = TRADES.batch(10..20).expect("a batch");
        assert_eq!((batch.num_rows(), batch.schema()), (10, schema().stored_schema()));
    }
}
