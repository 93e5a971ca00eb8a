//! One visitor's way through the shop, decided when they arrive: what they look at, buy and pay with, and when.
//!
//! What depends on others (what is left, whether the provider answers) is decided when it happens, by the shop.

use std::sync::Arc;

use pulseboard_model::TimeUs;
use pulseboard_model::time::SECOND_US;

use super::super::dice::{Dice, Seed};
use super::catalog::{CHANNELS, COUNTRIES, DEVICES, FIRST_NAMES, INITIALS, ON_SALE, PRODUCTS, PROVIDERS, SALE_PERCENT};

/// How many visitors one second may bring: their codes are made of it.
pub(super) const ARRIVALS_MAX: i64 = 64;
/// 2026-01-01: codes count from here.
const CODES_FROM_S: i64 = 1_767_225_600;
/// Six letters and digits.
const CODES: i64 = 36_i64.pow(6);
/// Shares no factor with 36, so that no two codes are alike and neighbours look different.
const CODES_STEP: i64 = 1_327_217_885;
/// How many come back within a day.
const RETURNING: f64 = 0.3;
/// Of the visitors, of these, and so on.
const LOOKS: f64 = 0.66;
const FILLS_CART: f64 = 0.17;
const CHECKS_OUT: f64 = 0.37;
/// How much likelier visitors of a sale fill a cart.
const SALE_APPETITE: f64 = 1.7;
/// How much likelier what is on sale is wanted.
const SALE_PULL: f64 = 5.0;

/// A line of a cart: which product, how many, cents for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) product: usize,
    pub(super) qty: i64,
    pub(super) cents: i64,
}

/// What a visitor does, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Opens a page: which of the visit's, its name, a product.
    View(u8, &'static str, Option<usize>),
    /// Puts a line of the basket into the cart.
    Add(usize),
    Checkout,
    /// Pays for the order; which attempt it is.
    Pay(i64),
    /// Leaves the cart behind.
    Abandon,
    Packed,
    Shipped,
}

impl Step {
    /// Which page of the visit it opens.
    pub(super) const fn page(self) -> Option<u8> {
        match self {
            Self::View(page, ..) => Some(page),
            _ => None,
        }
    }
}

/// A visitor.
#[derive(Debug)]
pub(super) struct Visit {
    /// Of the cart and the order.
    pub(super) code: Arc<str>,
    pub(super) visitor: Arc<str>,
    pub(super) device: &'static str,
    pub(super) country: &'static str,
    pub(super) channel: &'static str,
    pub(super) customer: Arc<str>,
    pub(super) basket: Vec<Line>,
    /// Which of the providers.
    pub(super) provider: usize,
    /// The number of the sale that they came to.
    pub(super) sale: Option<i64>,
    /// For what is decided later.
    pub(super) seed: Seed,
}

impl Visit {
    /// What the order costs, in cents.
    pub(super) fn cents(&self) -> i64 {
        self.basket.iter().map(|line| line.qty * line.cents).sum()
    }
}

/// The code of the visit that is the `index`th of its second.
pub(super) fn code(second: i64, index: i64) -> Arc<str> {
    let mut number = ((second - CODES_FROM_S) * ARRIVALS_MAX + index).rem_euclid(CODES) * CODES_STEP % CODES;
    let mut text = [b'0'; 6];
    for place in text.iter_mut().rev() {
        *place = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[usize::try_from(number % 36).unwrap_or(0)];
        number /= 36;
    }
    String::from_utf8_lossy(&text).into()
}

/// The visit that begins at `at`, with its steps in order.
pub(super) fn visit(seed: Seed, second: i64, index: i64, sale: Option<i64>) -> (Visit, Vec<(TimeUs, Step)>) {
    let own = seed.of(index.cast_unsigned());
    let mut dice = own.dice(second);
    let at = TimeUs(second * SECOND_US).plus_us(us(dice.unit()));
    let visitor = if dice.chance(RETURNING) {
        code(second - 1 - i64::try_from(dice.below(86_400)).unwrap_or(0), 0)
    } else {
        code(second, index)
    };
    let pick = |dice: &mut Dice, of: &[(&'static str, f64)]| of[dice.weighted(of.iter().map(|(_, weight)| *weight))].0;
    let device = pick(&mut dice, &DEVICES);
    let country = pick(&mut dice, &COUNTRIES);
    let channel = if sale.is_some() && dice.chance(0.45) { "mail" } else { pick(&mut dice, &CHANNELS) };
    let initial = char::from(*dice.pick(INITIALS));
    let customer = format!("{} {initial}.", dice.pick(&FIRST_NAMES)).into();
    let provider = dice.weighted(PROVIDERS.iter().map(|provider| provider.weight));
    let (basket, steps) = way(&mut dice, at, sale);
    let seed = own.of(second.cast_unsigned());
    (
        Visit { code: code(second, index), visitor, device, country, channel, customer, basket, provider, sale, seed },
        steps,
    )
}

fn way(dice: &mut Dice, at: TimeUs, sale: Option<i64>) -> (Vec<Line>, Vec<(TimeUs, Step)>) {
    let mut steps = vec![(at, Step::View(0, "home", None))];
    let (mut now, mut basket, mut page) = (at, Vec::new(), 0_u8);
    let mut later = |now: &mut TimeUs, dice: &mut Dice, mean_s: f64| {
        *now = now.plus_us(SECOND_US + us(dice.wait(mean_s)));
        page += 1;
        (*now, page)
    };
    if !dice.chance(LOOKS) {
        return (basket, steps);
    }
    for _ in 0..=dice.count(1.4) {
        let product = wanted(dice, sale);
        let (time, page) = later(&mut now, dice, 28.0);
        steps.push((time, Step::View(page, "product", Some(product))));
    }
    let appetite = if sale.is_some() { SALE_APPETITE } else { 1.0 };
    if !dice.chance(FILLS_CART * appetite) {
        return (basket, steps);
    }
    for _ in 0..=dice.count(0.35) {
        let (line, product) = (basket.len(), wanted(dice, sale));
        if basket.iter().any(|line: &Line| line.product == product) {
            continue;
        }
        let qty = 1 + i64::from(dice.chance(0.18)) + i64::from(dice.chance(0.04));
        basket.push(Line { product, qty, cents: price(product, sale) });
        let (time, page) = later(&mut now, dice, 20.0);
        steps.push((time, Step::View(page, "cart", Some(product))));
        steps.push((time, Step::Add(line)));
    }
    if !dice.chance(CHECKS_OUT) {
        let left = now.plus_us(us(dice.between(600.0, 1_500.0)));
        steps.push((left, Step::Abandon));
        return (basket, steps);
    }
    let (time, page) = later(&mut now, dice, 35.0);
    steps.push((time, Step::View(page, "checkout", None)));
    steps.push((time, Step::Checkout));
    let pays = time.plus_us(us(12.0 + dice.wait(40.0)));
    steps.push((pays, Step::Pay(1)));
    (basket, steps)
}

/// Which product somebody wants.
fn wanted(dice: &mut Dice, sale: Option<i64>) -> usize {
    let on_sale = sale.map(on_sale).unwrap_or_default();
    let weight = |(index, product): (usize, &super::catalog::Product)| {
        product.weight * if on_sale.contains(&index) { SALE_PULL } else { 1.0 }
    };
    dice.weighted(PRODUCTS.iter().enumerate().map(weight))
}

/// What is on sale in the sale of that number.
fn on_sale(number: i64) -> &'static [usize] {
    ON_SALE[usize::try_from(number.rem_euclid(ON_SALE.len() as i64)).unwrap_or(0)]
}

fn price(product: usize, sale: Option<i64>) -> i64 {
    let cents = PRODUCTS[product].cents;
    if sale.is_some_and(|number| on_sale(number).contains(&product)) { cents * SALE_PERCENT / 100 } else { cents }
}

/// Seconds as µs.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "spans of a visit are hours at most")]
pub(super) fn us(seconds: f64) -> i64 {
    (seconds * SECOND_US as f64) as i64
}
