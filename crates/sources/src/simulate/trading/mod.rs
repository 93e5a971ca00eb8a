//! The simulated trading desk: ticks of twenty symbols, what the desk buys and sells, and what it earns and spends by three
//! feeds of which one fails now and then.
//!
//! Prices and what a second brings are functions of the seed and the time; only positions are carried along, and they are
//! where they are meant to be after each fill. So an hour before it is looked at is enough to begin.

mod feeds;
mod market;
mod streams;

#[cfg(test)]
mod tests;

use chrono_tz::Tz;
use pulseboard_model::time::SECOND_US;
use pulseboard_model::{Cell, TimeUs};

use super::dice::{Dice, Seed};
use super::rhythm::{HOUR_S, burst, second_of, trading};
use super::sheet::Sheet;
use super::world::{Detail, World};
use feeds::Feeds;
use market::{Mood, SYMBOLS, price};
use streams::{FILLS, LEDGER, REVENUE, TICKS};

pub(super) use feeds::all_live;
pub(super) use streams::STREAMS;

/// How long before it is looked at a desk is begun.
pub(super) const WARM_UP_S: i64 = HOUR_S;
/// Each how many seconds a symbol ticks in a past, far back and lately.
const COARSE_S: i64 = 30;
const FINE_S: i64 = 5;
/// Where orders are filled.
const VENUES: [&str; 4] = ["XNAS", "ARCX", "BATS", "IEXG"];
/// Fills a second on an ordinary hour, and which symbols the desk is in.
const FILLS_PER_S: f64 = 0.12;
const HELD: [usize; 10] = [0, 1, 2, 3, 5, 7, 8, 9, 17, 18];
/// How large a position gets, in dollars, and how fast it is turned around.
const POSITION: f64 = 260_000.0;
const TURNS_S: f64 = 5_400.0;
/// What a second brings by the other feeds.
const REVENUE_PER_S: f64 = 0.3;
const COSTS_PER_S: f64 = 0.1;
const LEDGER_PER_S: f64 = 0.02;

/// Parts of the seed.
const MARKET: u64 = 1;
const TRADES: u64 = 2;
const BURSTS: u64 = 3;
const DESK: u64 = 4;
const MONEY: u64 = 5;
const POLLED: u64 = 6;
const TARGETS: u64 = 7;

/// The desk and its market.
#[derive(Debug)]
pub(super) struct Desk {
    seed: Seed,
    zone: Tz,
    /// The second that comes next.
    next_s: i64,
    positions: [i64; SYMBOLS.len()],
    feeds: Feeds,
    /// What was decided for the second that has begun, latest first.
    due: Vec<(TimeUs, usize, Vec<Cell>)>,
}

impl Desk {
    /// A desk that begins at `from`, whose costs fail each `outage_every_s`.
    pub(super) fn new(seed: Seed, zone: Tz, outage_every_s: i64, from: TimeUs) -> Self {
        let feeds = Feeds::new(outage_every_s);
        let mut desk =
            Self { seed, zone, next_s: second_of(from), positions: [0; SYMBOLS.len()], feeds, due: Vec::new() };
        for symbol in HELD {
            desk.positions[symbol] = desk.target(symbol, desk.next_s);
        }
        desk
    }

    /// Trades of a second: each symbol's own number of them, or one now and then that stands for all since the last.
    fn ticks(&mut self, second: i64, activity: f64, detail: Detail) {
        let each = match detail {
            Detail::Silent => return,
            Detail::Coarse => Some(COARSE_S),
            Detail::Fine => Some(FINE_S),
            Detail::Full => None,
        };
        for (index, symbol) in SYMBOLS.iter().enumerate() {
            let mut dice = self.seed.of(TRADES).of(index as u64).dice(second);
            let (count, stands_for) = match each {
                Some(each) if (second + index as i64).rem_euclid(each) == 0 => {
                    #[expect(clippy::cast_precision_loss, reason = "seconds of a past's step")]
                    let seconds = each as f64;
                    (1, (symbol.ticks_per_s * activity * seconds).max(1.0))
                }
                Some(_) => (0, 1.0),
                None => (dice.count(symbol.ticks_per_s * activity), 1.0),
            };
            for _ in 0..count {
                self.tick(index, second, stands_for, &mut dice);
            }
        }
    }

    fn tick(&mut self, index: usize, second: i64, stands_for: f64, dice: &mut Dice) {
        let symbol = &SYMBOLS[index];
        let time = within(second, dice);
        let seed = self.seed.of(MARKET);
        let mood = Mood::at(seed, seconds(time));
        let middle = price(seed, index, &mood);
        let half = (middle * symbol.half_spread * mood.nerves.max(0.6) * dice.skewed(1.0, 0.25)).max(0.005);
        let buys = dice.chance(0.5);
        let traded = if buys { middle + half } else { middle - half };
        let size = (symbol.lot * dice.heavy(1.0, 1.4).min(400.0) * stands_for * 0.6).max(1.0);
        #[expect(clippy::cast_possible_truncation, reason = "a number of shares")]
        let size = size as i64;
        let side = text(if buys { "buy" } else { "sell" });
        let row = [text(symbol.name), cents(traded), cents(middle - half), cents(middle + half), Cell::Int(size), side];
        self.due.push((time, TICKS, row.into()));
    }

    /// What the desk does in a second: towards where each position is meant to be.
    fn fills(&mut self, second: i64, activity: f64) {
        let mut dice = self.seed.of(DESK).dice(second);
        for _ in 0..dice.count(FILLS_PER_S * activity) {
            let symbol = *dice.pick(&HELD);
            let qty = self.target(symbol, second) - self.positions[symbol];
            if qty == 0 {
                continue;
            }
            let time = within(second, &mut dice);
            let seed = self.seed.of(MARKET);
            let at = price(seed, symbol, &Mood::at(seed, seconds(time)));
            let paid = at * (1.0 + SYMBOLS[symbol].half_spread * if qty > 0 { 1.0 } else { -1.0 });
            let side = text(if qty > 0 { "buy" } else { "sell" });
            let venue = dice.pick(&VENUES);
            self.positions[symbol] += qty;
            let row = [text(SYMBOLS[symbol].name), side, Cell::Int(qty), cents(paid), text(venue)];
            self.due.push((time, FILLS, row.into()));
        }
    }

    /// Where a position is meant to be, in tens of shares.
    fn target(&self, symbol: usize, second: i64) -> i64 {
        #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
        let wish = self.seed.of(TARGETS).of(symbol as u64).noise(second as f64, TURNS_S);
        let reference = price(self.seed.of(MARKET), symbol, &Mood::at(self.seed.of(MARKET), 0.0));
        #[expect(clippy::cast_possible_truncation, reason = "a number of shares")]
        let tens = (wish * POSITION / reference / 10.0).round() as i64;
        tens * 10
    }

    fn money(&mut self, second: i64, activity: f64) {
        let mut dice = self.seed.of(MONEY).dice(second);
        for _ in 0..dice.count(REVENUE_PER_S * activity) {
            let kind = *dice.pick(&["commission", "commission", "spread", "lending"]);
            let row = [text(kind), Cell::Int(whole(dice.skewed(160.0, 0.9)))];
            self.due.push((within(second, &mut dice), REVENUE, row.into()));
        }
        for _ in 0..dice.count(COSTS_PER_S * activity) {
            let kind = *dice.pick(&["clearing", "market data", "borrow", "routing"]);
            let row = [text(kind), Cell::Int(whole(dice.skewed(330.0, 0.8)))];
            self.due.push((within(second, &mut dice), streams::COSTS, row.into()));
        }
        for _ in 0..dice.count(LEDGER_PER_S * activity) {
            let kind = *dice.pick(&["financing", "dividend", "adjustment"]);
            let row = [text(kind), Cell::Int(whole(dice.normal() * 900.0))];
            self.due.push((within(second, &mut dice), LEDGER, row.into()));
        }
    }

    /// Writes down what was due before `to`.
    fn until(&mut self, to: TimeUs, sheet: &mut Sheet) {
        while self.due.last().is_some_and(|(time, ..)| *time < to) {
            let Some((time, stream, cells)) = self.due.pop() else { break };
            if stream == streams::COSTS {
                let [kind, amount] = <[Cell; 2]>::try_from(cells).unwrap_or([Cell::Null, Cell::Null]);
                self.feeds.cost(time, [kind, amount], sheet);
            } else {
                sheet.push(stream, time, cells);
            }
        }
    }
}

impl World for Desk {
    fn advance(&mut self, to: TimeUs, detail: Detail, sheet: &mut Sheet) {
        self.until(to, sheet);
        while self.next_s * SECOND_US < to.0 {
            let second = self.next_s;
            self.next_s += 1;
            let activity = trading(second, self.zone) * burst(second, self.seed.of(BURSTS));
            self.feeds.second(self.seed.of(POLLED), second, detail, sheet);
            self.ticks(second, activity, detail);
            self.fills(second, activity);
            self.money(second, activity);
            // What is earlier stands behind, what was decided first before what was decided later.
            self.due.reverse();
            self.due.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
            self.until(to, sheet);
        }
        if detail == Detail::Silent {
            sheet.clear();
        }
    }
}

/// A time within a second.
fn within(second: i64, dice: &mut Dice) -> TimeUs {
    TimeUs(second * SECOND_US + dice.below(SECOND_US.cast_unsigned()).cast_signed())
}

#[expect(clippy::cast_precision_loss, reason = "µs since 1970 are below 2^53")]
fn seconds(time: TimeUs) -> f64 {
    time.0 as f64 / SECOND_US as f64
}

/// A price in whole cents.
fn cents(dollars: f64) -> Cell {
    Cell::Float((dollars * 100.0).round() / 100.0)
}

#[expect(clippy::cast_possible_truncation, reason = "cents of a booking")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

fn text(text: &str) -> Cell {
    Cell::Str(text.into())
}
