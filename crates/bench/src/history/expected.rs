//! What the server must answer: sums over the trades by their formula, without any of the server's code.

use super::trades::{Trade, Trades};

/// What trades of a span of time or of a symbol come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) count: u64,
    pub(crate) price_cents: u64,
    pub(crate) quantity: i64,
}

impl Sums {
    fn add(&mut self, trade: &Trade) {
        self.count += 1;
        self.price_cents += trade.price_cents;
        self.quantity += trade.quantity;
    }

    /// The mean price.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(crate) fn mean_price(&self) -> f64 {
        self.price_cents as f64 / 100.0 / self.count as f64
    }
}

/// A minute of one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Minute {
    pub(crate) start_us: i64,
    pub(crate) sums: Sums,
}

const MINUTE_US: i64 = 60_000_000;

/// The minutes of a symbol in which there are trades, in order.
pub(crate) fn of_minutes(trades: &Trades, symbol: u64) -> Vec<Minute> {
    let mut minutes: Vec<Sums> = (0..trades.minutes).map(|_| Sums::default()).collect();
    for trade in trades.of_symbol(symbol) {
        let minute = usize::try_from((trade.time_us - trades.start_us) / MINUTE_US).unwrap_or(usize::MAX);
        if let Some(sums) = minutes.get_mut(minute) {
            sums.add(&trade);
        }
    }
    let starts = (0..).map(|minute: i64| trades.start_us + minute * MINUTE_US);
    let minutes = starts.zip(minutes).filter(|(_, sums)| sums.count > 0);
    minutes.map(|(start_us, sums)| Minute { start_us, sums }).collect()
}

/// What each symbol's trades come to, by number.
pub(crate) fn of_symbols(trades: &Trades) -> Vec<Sums> {
    let mut all: Vec<Sums> = (0..trades.symbols).map(|_| Sums::default()).collect();
    for trade in (0..trades.rows).map(|number| trades.get(number)) {
        if let Some(sums) = usize::try_from(trade.symbol).ok().and_then(|symbol| all.get_mut(symbol)) {
            sums.add(&trade);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_and_symbols_hold_every_trade_once() {
        let trades = Trades { rows: 10_050, symbols: 100, start_us: 1_700_000_040_000_000, minutes: 600 };
        let symbols = of_symbols(&trades);
        assert_eq!(symbols.iter().map(|sums| sums.count).sum::<u64>(), trades.rows);
        let minutes = of_minutes(&trades, 42);
        let counted = minutes.iter().map(|minute| minute.sums.count).sum::<u64>();
        assert_eq!((counted, minutes.len() > 50), (symbols[42].count, true));
        assert!(minutes.is_sorted_by_key(|minute| minute.start_us));
    }
}
