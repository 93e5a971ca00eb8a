//! Prices: random walks that share a market, with nervous hours and news.
//!
//! A price is a function of seed and time: noise of many periods, each as high as a random walk is wide over it. So prices
//! can be asked at any density, and after a restart they go on where they would have been.

use super::super::dice::Seed;

/// What is traded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol {
    pub(super) name: &'static str,
    /// Dollars around which it swings.
    price: f64,
    /// How much it follows the market.
    beta: f64,
    /// How wide it wanders on its own in a day.
    own_day: f64,
    /// Trades a second in a busy hour.
    pub(super) ticks_per_s: f64,
    /// Half of what is between bid and ask, as a share of the price.
    pub(super) half_spread: f64,
    /// The least that a trade is about.
    pub(super) lot: f64,
}

const fn symbol(name: &'static str, price: f64, beta: f64, own_day: f64, ticks_per_s: f64, spread_bp: f64) -> Symbol {
    Symbol { name, price, beta, own_day, ticks_per_s, half_spread: spread_bp / 20_000.0, lot: 20.0 }
}

pub(super) const SYMBOLS: [Symbol; 20] = [
    symbol("NVDA", 186.0, 1.7, 0.021, 9.0, 0.9),
    symbol("AAPL", 262.0, 1.1, 0.011, 7.5, 0.8),
    symbol("TSLA", 412.0, 1.9, 0.028, 8.0, 1.2),
    symbol("MSFT", 508.0, 1.0, 0.010, 5.5, 0.9),
    symbol("AMZN", 231.0, 1.2, 0.013, 5.0, 1.0),
    symbol("META", 664.0, 1.3, 0.016, 4.5, 1.3),
    symbol("GOOG", 246.0, 1.1, 0.012, 4.5, 1.1),
    symbol("AMD", 214.0, 1.8, 0.024, 6.0, 1.4),
    symbol("ASML", 1_012.0, 1.4, 0.017, 2.0, 3.1),
    symbol("AVGO", 348.0, 1.5, 0.018, 3.5, 1.6),
    symbol("NFLX", 1_186.0, 1.1, 0.016, 1.8, 2.6),
    symbol("JPM", 304.0, 0.8, 0.009, 2.4, 1.5),
    symbol("XOM", 112.0, 0.5, 0.011, 2.6, 1.4),
    symbol("SAP", 271.0, 1.0, 0.012, 1.4, 3.4),
    symbol("NESN", 98.0, 0.4, 0.007, 0.9, 4.2),
    symbol("NVO", 54.0, 0.7, 0.019, 2.2, 2.8),
    symbol("TSM", 296.0, 1.4, 0.016, 3.2, 1.7),
    symbol("PLTR", 178.0, 2.0, 0.032, 5.5, 1.9),
    symbol("COIN", 342.0, 2.2, 0.038, 3.0, 3.6),
    symbol("GLD", 368.0, -0.2, 0.007, 1.6, 1.0),
];

/// How wide the market wanders in a day.
const MARKET_DAY: f64 = 0.009;
const DAY_S: f64 = 86_400.0;
/// The periods of the noise: from four days down by halves, to a few seconds.
const SLOWEST_S: f64 = 4.0 * DAY_S;
const OCTAVES: u32 = 17;
/// Below this a period is wider in a nervous hour.
const NERVOUS_BELOW_S: f64 = 2_400.0;
/// Where noise of a period stands a day later, against a walk's width of one.
const WIDTH: f64 = 0.95;
/// News comes at most once in this many seconds to a symbol, with this chance, and fades.
const NEWS_S: f64 = 5_400.0;
const NEWS_CHANCE: f64 = 0.3;
const FADES_S: f64 = 9_000.0;
const NEWS_SEEN: i32 = 6;

/// Parts of the seed.
const MARKET: u64 = 100;
const NERVES: u64 = 101;
const NEWS: u64 = 200;

/// How nervous the market is: 1 on an ordinary hour, up to three times as wide on others.
pub(super) fn nerves(seed: Seed, at_s: f64) -> f64 {
    (1.1 * seed.of(NERVES).noise(at_s, 6_500.0)).exp()
}

/// A walk that is `day` wide in a day, as the logarithm of a price.
fn walk(seed: Seed, at_s: f64, day: f64, nerves: f64) -> f64 {
    let mut period = SLOWEST_S;
    let mut sum = 0.0;
    for octave in 0..OCTAVES {
        let width = day * WIDTH * (period / DAY_S).sqrt() * if period < NERVOUS_BELOW_S { nerves } else { 1.0 };
        sum += width * seed.of(u64::from(octave)).noise(at_s, period);
        period /= 2.0;
    }
    sum
}

/// What the market has done to all prices at a time; the same for every symbol.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mood {
    at_s: f64,
    market: f64,
    pub(super) nerves: f64,
}

impl Mood {
    pub(super) fn at(seed: Seed, at_s: f64) -> Self {
        let nerves = nerves(seed, at_s);
        Self { at_s, market: walk(seed.of(MARKET), at_s, MARKET_DAY, nerves), nerves }
    }
}

/// The price of a symbol, in dollars and not yet in cents.
pub(super) fn price(seed: Seed, index: usize, mood: &Mood) -> f64 {
    let symbol = &SYMBOLS[index];
    let own = walk(seed.of(index as u64), mood.at_s, symbol.own_day, mood.nerves);
    symbol.price
        * (symbol.beta * mood.market + own + news(seed.of(NEWS + index as u64), mood.at_s, symbol.own_day)).exp()
}

/// What is left of the last news: sudden, seldom large, and then it fades.
fn news(seed: Seed, at_s: f64, day: f64) -> f64 {
    let cell = (at_s / NEWS_S).floor();
    let effect = |back: i32| {
        let cell = cell - f64::from(back);
        #[expect(clippy::cast_possible_truncation, reason = "a cell's number is far below 2^63")]
        let mut dice = seed.dice(cell as i64);
        let (comes, from) = (dice.chance(NEWS_CHANCE), (cell + dice.unit()) * NEWS_S);
        let size = day * 0.25 * dice.heavy(1.0, 2.2).min(8.0) * if dice.chance(0.5) { 1.0 } else { -1.0 };
        if comes && at_s >= from { size * (-(at_s - from) / FADES_S).exp() } else { 0.0 }
    };
    (0..NEWS_SEEN).map(effect).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns per `step_s` over `count` steps.
    fn returns(seed: Seed, index: usize, step_s: f64, count: u32) -> Vec<f64> {
        let at = |step: u32| price(seed, index, &Mood::at(seed, 1.7e9 + f64::from(step) * step_s)).ln();
        (0..count).map(|step| at(step + 1) - at(step)).collect()
    }

    fn deviation(values: &[f64]) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let count = values.len() as f64;
        (values.iter().map(|value| value * value).sum::<f64>() / count).sqrt()
    }

    fn correlation(a: &[f64], b: &[f64]) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let count = a.len() as f64;
        a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / count / (deviation(a) * deviation(b))
    }

    #[test]
    fn a_price_wanders_like_a_walk_wider_over_longer_spans() {
        let seed = Seed::new(3);
        let minute = deviation(&returns(seed, 0, 60.0, 4_000));
        let quarter = deviation(&returns(seed, 0, 960.0, 4_000));
        let ratio = quarter / minute;
        assert!((2.6..5.6).contains(&ratio), "over 16 times the span a walk is 4 times as wide: {ratio}");
        let day = deviation(&returns(seed, 0, DAY_S, 300));
        assert!((0.012..0.05).contains(&day), "a day moves it by some percent: {day}");
    }

    #[test]
    fn symbols_follow_the_market_and_gold_does_not() {
        let seed = Seed::new(3);
        let of = |name: &str| {
            let index = SYMBOLS.iter().position(|symbol| symbol.name == name).expect("a symbol");
            returns(seed, index, 300.0, 3_000)
        };
        let (apple, microsoft, gold) = (of("AAPL"), of("MSFT"), of("GLD"));
        let (tech, metal) = (correlation(&apple, &microsoft), correlation(&apple, &gold));
        assert!(tech > 0.3, "{tech}");
        assert!(metal < 0.1 && metal < tech - 0.3, "{metal}");
    }

    #[test]
    fn moves_have_heavy_tails() {
        let moves = returns(Seed::new(3), 2, 60.0, 8_000);
        let width = deviation(&moves);
        let fourth = moves.iter().map(|value| (value / width).powi(4)).sum::<f64>() / 8_000.0;
        assert!(fourth > 4.0, "a normal distribution has 3: {fourth}");
        let far = moves.iter().filter(|value| value.abs() > 4.0 * width).count();
        assert!(far >= 4, "of 8000 normal moves hardly one would be so far out: {far}");
    }
}
