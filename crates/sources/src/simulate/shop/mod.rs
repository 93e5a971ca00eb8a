//! The simulated shop: visitors come by the rhythm of the day, in bursts and to flash sales; they look, fill carts, pay,
//! and what they buy leaves the stock until a delivery comes. Providers of payments have outages on a schedule.
//!
//! A second's visitors are a function of the seed and that second, and deliveries fill the stock up: so a shop that is
//! begun a day before it is looked at has no other past than one that was never ended.

mod catalog;
mod streams;
mod visit;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use chrono_tz::Tz;
use pulseboard_model::time::SECOND_US;
use pulseboard_model::{Cell, TimeUs};

use super::dice::Seed;
use super::rhythm::{HOUR_S, burst, second_of, shopping};
use super::sheet::Sheet;
use super::world::{Detail, World};
use catalog::{OUTAGE_FAILS, PRODUCTS, PROVIDERS, SALES};
use streams::{CARTS, ITEMS, ORDERS, PAYMENTS, STOCK, VISITS};
use visit::{ARRIVALS_MAX, Step, Visit, us, visit};

pub(super) use streams::STREAMS;

/// When the shelves are counted: at this second of each day, UTC. What is there then does not depend on what was before.
const COUNT_S: i64 = 2 * HOUR_S;
const DAY_S: i64 = 24 * HOUR_S;
/// How long before it is looked at a shop is begun: back to the last count, and as long before as an order may take.
pub(super) const WARM_UP_S: i64 = DAY_S + 13 * HOUR_S;
/// Visitors a second at the busiest hour.
const BUSIEST_PER_S: f64 = 1.7;
/// How many times as many a sale brings when it has just begun.
const SALE_RUSH: f64 = 2.2;
/// How often a payment that failed is tried again, and how often at most.
const TRIES_AGAIN: f64 = 0.72;
const ATTEMPTS_MAX: i64 = 3;
/// How often somebody gets what is not there any more, and down to how many.
const OVERSELLS: f64 = 0.4;
const OVERSOLD_MAX: i64 = -3;
/// How many try to order what has been sold out.
const TRIES_SOLD_OUT: f64 = 0.08;

/// Parts of the seed.
const ARRIVALS: u64 = 1;
const BURSTS: u64 = 2;
const DELIVERIES: u64 = 3;
const DAYS: u64 = 4;
const COUNTS: u64 = 5;

/// What happens next, earliest first.
#[derive(Debug)]
struct Due {
    time: TimeUs,
    /// Between things of one µs: in the order in which they were decided.
    number: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Step(Arc<Visit>, Step),
    /// An answer of the provider: of which attempt, whether it was out, and when the order was placed.
    Paid(Arc<Visit>, Payment),
    Later(Arc<Visit>, Step, TimeUs),
    Delivery(usize),
    Count(usize),
}

#[derive(Debug, Clone, Copy)]
struct Payment {
    attempt: i64,
    placed: TimeUs,
    ms: i64,
    failed: Option<(&'static str, &'static str)>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.time, other.number).cmp(&(self.time, self.number))
    }
}

/// The shop.
#[derive(Debug)]
pub(super) struct Shop {
    seed: Seed,
    zone: Tz,
    /// The second whose visitors come next.
    next_s: i64,
    due: BinaryHeap<Due>,
    decided: u64,
    stock: [i64; PRODUCTS.len()],
    /// Whether what is left was told since the shop began.
    counted: bool,
}

impl Shop {
    /// A shop that begins at `from`, with full shelves.
    pub(super) fn new(seed: Seed, zone: Tz, from: TimeUs) -> Self {
        let stock = std::array::from_fn(|product| PRODUCTS[product].full);
        Self { seed, zone, next_s: second_of(from), due: BinaryHeap::new(), decided: 0, stock, counted: false }
    }

    fn push(&mut self, time: TimeUs, what: What) {
        self.decided += 1;
        self.due.push(Due { time, number: self.decided, what });
    }

    /// Decides what the visitors of a second do, and what is delivered in it.
    fn second(&mut self, second: i64, detail: Detail) {
        for (product, Product { delivery_h, .. }) in PRODUCTS.iter().enumerate() {
            let every = delivery_h * HOUR_S;
            let phase = self.seed.of(DELIVERIES).dice(product as i64).below(every.cast_unsigned());
            if (second - phase.cast_signed()).rem_euclid(every) == 0 {
                self.push(TimeUs(second * SECOND_US), What::Delivery(product));
            }
        }
        if (second - COUNT_S).rem_euclid(DAY_S) == 0 {
            for product in 0..PRODUCTS.len() {
                self.push(TimeUs(second * SECOND_US), What::Count(product));
            }
        }
        let sale = SALES.on_for(second);
        let mean = arrivals_per_s(self.seed, self.zone, second);
        let arrivals = self.seed.of(ARRIVALS);
        let count = i64::from(arrivals.dice(second).count(mean)).min(ARRIVALS_MAX);
        for index in 0..count {
            let number = sale.map(|since| (second - since) / SALES.every_s);
            let (visit, steps) = visit(arrivals, second, index, number);
            let visit = Arc::new(visit);
            let last = steps.iter().filter_map(|(_, step)| step.page()).max();
            for (time, step) in steps {
                let seen = match step {
                    Step::View(page, ..) => match detail {
                        Detail::Silent => false,
                        Detail::Coarse => page == 0 || Some(page) == last,
                        Detail::Fine | Detail::Full => true,
                    },
                    _ => true,
                };
                if seen {
                    self.push(time, What::Step(visit.clone(), step));
                }
            }
        }
    }

    fn happen(&mut self, Due { time, what, .. }: Due, sheet: &mut Sheet) {
        match what {
            What::Delivery(product) => {
                let full = PRODUCTS[product].full;
                self.stocked(time, product, full - self.stock[product], "delivery", sheet);
            }
            What::Count(product) => {
                let mut dice = self.seed.of(COUNTS).of(product as u64).dice(second_of(time).div_euclid(DAY_S));
                #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
                let counted = whole(PRODUCTS[product].full as f64 * dice.between(0.3, 0.9));
                self.stocked(time, product, counted - self.stock[product], "count", sheet);
            }
            What::Step(visit, step) => self.step(time, &visit, step, sheet),
            What::Paid(visit, payment) => self.answered(time, &visit, payment, sheet),
            What::Later(visit, step, placed) => {
                let status = if step == Step::Packed { "packed" } else { "shipped" };
                order(time, &visit, status, placed, sheet);
            }
        }
    }

    fn step(&mut self, time: TimeUs, visit: &Arc<Visit>, step: Step, sheet: &mut Sheet) {
        match step {
            Step::View(page, name, product) => {
                let mut dice = visit.seed.dice(i64::from(page));
                let slow =
                    if visit.device == "phone" { 1.5 } else { 1.0 } * if visit.sale.is_some() { 1.4 } else { 1.0 };
                let ms = whole(dice.skewed(140.0 * slow, 0.45));
                let product = product.map_or(Cell::Null, |product| text(PRODUCTS[product].name));
                let (device, country, channel) = (text(visit.device), text(visit.country), text(visit.channel));
                let visitor = Cell::Str(visit.visitor.clone());
                sheet.put(VISITS, time, [visitor, text(name), product, device, country, channel, Cell::Int(ms)]);
            }
            Step::Add(line) => cart(time, visit, "added", Some(line), sheet),
            Step::Checkout => cart(time, visit, "checkout", None, sheet),
            Step::Abandon => cart(time, visit, "abandoned", None, sheet),
            Step::Pay(attempt) => {
                if self.is_short(visit) && !visit.seed.dice(99).chance(TRIES_SOLD_OUT) {
                    return cart(time, visit, "abandoned", None, sheet);
                }
                order(time, visit, "placed", time, sheet);
                self.pay(time, visit, attempt, time);
            }
            Step::Packed | Step::Shipped => {}
        }
    }

    /// Asks the provider, whose answer comes later.
    fn pay(&mut self, time: TimeUs, visit: &Arc<Visit>, attempt: i64, placed: TimeUs) {
        let provider = &PROVIDERS[visit.provider];
        let mut dice = visit.seed.dice(100 + attempt);
        let out = provider.outage.is_some_and(|outage| outage.on_for(second_of(time)).is_some());
        let failed = if out && dice.chance(OUTAGE_FAILS) {
            Some(("error", *dice.pick(&["timeout", "timeout", "unavailable"])))
        } else if dice.chance(provider.declined) {
            Some(("declined", *dice.pick(&["insufficient funds", "expired", "3-D Secure", "limit"])))
        } else {
            None
        };
        let ms = if failed.is_some_and(|(_, reason)| reason == "timeout") {
            5_000.0
        } else {
            dice.skewed(provider.median_ms * if out { 4.0 } else { 1.0 }, 0.5).min(5_000.0)
        };
        let payment = Payment { attempt, placed, ms: whole(ms), failed };
        self.push(time.plus_us(us(ms / 1_000.0)), What::Paid(visit.clone(), payment));
    }

    fn answered(&mut self, time: TimeUs, visit: &Arc<Visit>, payment: Payment, sheet: &mut Sheet) {
        let Payment { attempt, placed, ms, failed } = payment;
        let provider = &PROVIDERS[visit.provider];
        let mut dice = visit.seed.dice(200 + attempt);
        let oversells = dice.chance(OVERSELLS)
            && visit.basket.iter().all(|line| self.stock[line.product] - line.qty >= OVERSOLD_MAX);
        let sold_out = failed.is_none() && self.is_short(visit) && !oversells;
        let (status, reason) = match failed {
            Some((status, reason)) => (status, text(reason)),
            None if sold_out => ("refunded", text("sold out")),
            None => ("paid", Cell::Null),
        };
        let (id, amount) = (Cell::Str(visit.code.clone()), Cell::Int(visit.cents()));
        let row = [id, text(provider.name), text(status), reason, Cell::Int(attempt), amount, Cell::Int(ms)];
        sheet.put(PAYMENTS, time, row);
        if failed.is_some() {
            if attempt < ATTEMPTS_MAX && dice.chance(TRIES_AGAIN) {
                order(time, visit, "retry", placed, sheet);
                let again = time.plus_us(us(dice.between(8.0, 45.0)));
                self.pay(again, visit, attempt + 1, placed);
            } else {
                order(time, visit, "failed", placed, sheet);
                cart(time, visit, "abandoned", None, sheet);
            }
            return;
        }
        if sold_out {
            order(time, visit, "cancelled", placed, sheet);
            cart(time, visit, "abandoned", None, sheet);
            return;
        }
        order(time, visit, "paid", placed, sheet);
        cart(time, visit, "paid", None, sheet);
        for line in &visit.basket {
            let product = &PRODUCTS[line.product];
            let (id, total) = (Cell::Str(visit.code.clone()), Cell::Int(line.qty * line.cents));
            let what = (text(product.name), text(product.category));
            sheet.put(ITEMS, time, [id, what.0, what.1, Cell::Int(line.qty), Cell::Int(line.cents), total]);
            self.stocked(time, line.product, -line.qty, "sale", sheet);
        }
        let packed = time.plus_us(us(dice.skewed(2_700.0, 0.6).min(14_400.0)));
        let shipped = packed.plus_us(us(dice.skewed(9_000.0, 0.5).min(28_800.0)));
        self.push(packed, What::Later(visit.clone(), Step::Packed, placed));
        self.push(shipped, What::Later(visit.clone(), Step::Shipped, placed));
    }

    /// Whether something of the basket is not there.
    fn is_short(&self, visit: &Visit) -> bool {
        visit.basket.iter().any(|line| self.stock[line.product] < line.qty)
    }

    fn stocked(&mut self, time: TimeUs, product: usize, change: i64, reason: &str, sheet: &mut Sheet) {
        self.stock[product] += change;
        let Product { name, category, full, .. } = PRODUCTS[product];
        let left = Cell::Int(self.stock[product]);
        let row = [text(name), text(category), left, Cell::Int(change), text(reason), Cell::Int(full)];
        sheet.put(STOCK, time, row);
    }
}

use catalog::Product;

impl World for Shop {
    fn advance(&mut self, to: TimeUs, detail: Detail, sheet: &mut Sheet) {
        if detail != Detail::Silent && !self.counted {
            // Whoever asks what is left finds every product, sold or not.
            self.counted = true;
            let at = TimeUs(self.next_s * SECOND_US);
            for product in 0..PRODUCTS.len() {
                self.stocked(at, product, 0, "count", sheet);
            }
        }
        while self.next_s * SECOND_US < to.0 {
            let second = self.next_s;
            self.next_s += 1;
            self.second(second, detail);
            self.until(TimeUs(self.next_s * SECOND_US).min(to), sheet);
        }
        self.until(to, sheet);
        if detail == Detail::Silent {
            sheet.clear();
        }
    }
}

impl Shop {
    /// Lets everything happen that is due before `to`.
    fn until(&mut self, to: TimeUs, sheet: &mut Sheet) {
        while self.due.peek().is_some_and(|due| due.time < to) {
            if let Some(due) = self.due.pop() {
                self.happen(due, sheet);
            }
        }
    }
}

/// How many visitors come in a second, on average.
fn arrivals_per_s(seed: Seed, zone: Tz, second: i64) -> f64 {
    let day = 1.0 + 0.12 * seed.of(DAYS).dice(second.div_euclid(24 * HOUR_S)).between(-1.0, 1.0);
    let rush = SALES.on_for(second).map_or(0.0, |since| {
        #[expect(clippy::cast_precision_loss, reason = "a sale lasts minutes")]
        let since = since as f64;
        (since / 150.0).min(1.0) * (0.55 + 0.45 * (-since / 700.0).exp())
    });
    BUSIEST_PER_S * day * shopping(second, zone) * burst(second, seed.of(BURSTS)) * (1.0 + (SALE_RUSH - 1.0) * rush)
}

fn cart(time: TimeUs, visit: &Visit, event: &str, line: Option<usize>, sheet: &mut Sheet) {
    let lines = visit.basket.iter().enumerate().filter(|(index, _)| line.is_none_or(|line| line == *index));
    for (_, line) in lines {
        let (id, product) = (Cell::Str(visit.code.clone()), text(PRODUCTS[line.product].name));
        sheet.put(CARTS, time, [id, text(event), product, Cell::Int(line.qty), Cell::Int(line.qty * line.cents)]);
    }
}

fn order(time: TimeUs, visit: &Visit, status: &str, placed: TimeUs, sheet: &mut Sheet) {
    let items: i64 = visit.basket.iter().map(|line| line.qty).sum();
    let summary = visit.basket.first().map_or_else(String::new, |line| {
        let times = if line.qty > 1 { format!(" ×{}", line.qty) } else { String::new() };
        let more = visit.basket.len() - 1;
        let more = if more > 0 { format!(" +{more}") } else { String::new() };
        format!("{}{times}{more}", PRODUCTS[line.product].name)
    });
    let id = Cell::Str(visit.code.clone());
    let (customer, country) = (Cell::Str(visit.customer.clone()), text(visit.country));
    let (items, total, sale) = (Cell::Int(items), Cell::Int(visit.cents()), Cell::Bool(visit.sale.is_some()));
    let row = [id, text(status), Cell::Time(placed.0), customer, country, text(&summary), items, total, sale];
    sheet.put(ORDERS, time, row);
}

fn text(text: &str) -> Cell {
    Cell::Str(text.into())
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds of an answer")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}
