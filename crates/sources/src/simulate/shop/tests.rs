//! What holds of every simulated shop.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::super::sheet::Event;
use super::*;

/// Monday, 2026-03-02 00:00 UTC.
const MONDAY: i64 = 1_772_409_600;
const DAY: i64 = DAY_S;

fn at(second: i64) -> TimeUs {
    TimeUs(second * SECOND_US)
}

/// Everything that a shop of that seed writes from `from` to `to`, begun `warm_up` earlier and led on in steps.
fn written(seed: u64, from: i64, to: i64, warm_up: i64, step_us: i64, detail: Detail) -> Vec<Vec<Event>> {
    let mut shop = Shop::new(Seed::new(seed), Tz::UTC, at(from - warm_up));
    let mut sheet = Sheet::new(&STREAMS);
    shop.advance(at(from), Detail::Silent, &mut sheet);
    let mut now = at(from);
    while now < at(to) {
        now = now.plus_us(step_us).min(at(to));
        shop.advance(now, detail, &mut sheet);
    }
    (0..STREAMS.len()).map(|stream| sheet.events(stream).to_vec()).collect()
}

/// One Monday, which several tests look at.
fn day() -> &'static [Vec<Event>] {
    static ROWS: OnceLock<Vec<Vec<Event>>> = OnceLock::new();
    ROWS.get_or_init(|| written(7, MONDAY, MONDAY + DAY, 5 * HOUR_S, DAY * SECOND_US, Detail::Coarse))
}

fn str(event: &Event, index: usize) -> &str {
    match &event.cells[index] {
        Cell::Str(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

fn int(event: &Event, index: usize) -> i64 {
    match event.cells[index] {
        Cell::Int(value) => value,
        ref other => panic!("{other:?} is no number"),
    }
}

fn count(events: &[Event], is: impl Fn(&Event) -> bool) -> f64 {
    f64::from(u32::try_from(events.iter().filter(|event| is(event)).count()).unwrap())
}

#[test]
fn the_same_seed_writes_the_same_rows_however_far_it_goes_at_once() {
    let (from, to) = (MONDAY + 19 * HOUR_S, MONDAY + 19 * HOUR_S + 900);
    let rows = |seed, step_us| written(seed, from, to, 2 * HOUR_S, step_us, Detail::Full);
    let once = rows(7, 900 * SECOND_US);
    assert!(once.iter().all(|events| !events.is_empty()), "every stream has rows");
    assert_eq!(once, rows(7, 250_000));
    assert_eq!(once, rows(7, 1_700_003));
    assert_ne!(once, rows(8, 900 * SECOND_US));
}

#[test]
fn a_shop_that_began_later_goes_on_like_one_that_began_earlier() {
    let (from, to) = (MONDAY + 10 * HOUR_S, MONDAY + 11 * HOUR_S);
    let rows = |warm_up| written(7, from, to, warm_up, HOUR_S * SECOND_US, Detail::Full);
    assert_eq!(rows(WARM_UP_S), rows(WARM_UP_S + 5 * HOUR_S));
}

#[test]
fn a_past_has_every_order_and_of_each_visit_its_beginning_and_end() {
    let (from, to) = (MONDAY + 19 * HOUR_S, MONDAY + 20 * HOUR_S);
    let rows = |detail| written(7, from, to, 3 * HOUR_S, HOUR_S * SECOND_US, detail);
    let (coarse, full) = (rows(Detail::Coarse), rows(Detail::Full));
    assert_eq!(coarse[1..], full[1..], "nothing but pages differs");
    assert!(coarse[VISITS].len() * 3 < full[VISITS].len() * 2);
    let visitors = |rows: &[Vec<Event>], from: i64| {
        let visits = rows[VISITS].iter().filter(|event| second_of(event.time) >= from);
        visits.map(|event| str(event, 0).to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(visitors(&coarse, from), visitors(&full, from));
    let (now_coarse, now) = (visitors(&coarse, to - 300).len(), visitors(&full, to - 300).len());
    assert!(now_coarse * 10 > now * 9, "{now_coarse} of {now} visitors of the last five minutes");
}

#[test]
fn evenings_are_busy_and_nights_are_not() {
    let visits = &day()[VISITS];
    let is_first = |event: &Event| str(event, 1) == "home";
    let of = |hour: i64| count(visits, |event| is_first(event) && (second_of(event.time) - MONDAY) / HOUR_S == hour);
    assert!(of(20) > 2.5 * of(4) && of(4) > 300.0, "{} at 20, {} at 4", of(20), of(4));
}

#[test]
fn a_sale_brings_orders_of_what_is_on_sale() {
    let rows = day();
    let placed: Vec<&Event> = rows[ORDERS].iter().filter(|event| str(event, 1) == "placed").collect();
    let [mut within, mut after] = [0.0, 0.0];
    for event in &placed {
        // Neighbouring times, so that the hour of the day is about the same.
        let since = (second_of(event.time) - SALES.first_s).rem_euclid(SALES.every_s);
        if since < SALES.lasts_s {
            within += 1.0;
        } else if (SALES.lasts_s + 900..2 * SALES.lasts_s + 900).contains(&since) {
            after += 1.0;
        }
    }
    assert!(within > 1.5 * after && after > 100.0, "{within} orders in sales, {after} after them");
    let cheap = rows[ITEMS].iter().filter(|event| {
        let product = PRODUCTS.iter().find(|product| product.name == str(event, 1)).expect("a product");
        int(event, 4) < product.cents
    });
    assert!(cheap.count() > 100, "they are cheaper");
}

#[test]
fn of_visitors_few_buy_and_orders_go_their_way() {
    let rows = day();
    let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in &rows[ORDERS] {
        ways.entry(str(event, 0)).or_default().push(str(event, 1));
    }
    let paid = count(&rows[ORDERS], |event| str(event, 1) == "paid");
    let conversion = paid / count(&rows[VISITS], |event| str(event, 1) == "home");
    assert!((0.025..0.055).contains(&conversion), "{conversion}");
    assert!((1_800.0..6_000.0).contains(&paid), "{paid} orders a day");
    let whole = |way: &[&str]| ways.values().filter(|found| found.as_slice() == way).count();
    assert!(whole(&["placed", "paid", "packed", "shipped"]) > 500);
    assert!(whole(&["placed", "retry", "paid", "packed", "shipped"]) > 20);
    assert!(whole(&["placed", "failed"]) + whole(&["placed", "retry", "failed"]) > 20);
    let begun = ways.values().filter(|way| way[0] == "placed");
    for way in begun {
        let ends = way.iter().filter(|status| matches!(**status, "failed" | "cancelled" | "paid")).count();
        assert!(ends <= 1, "{way:?}");
    }
    assert_eq!(count(&rows[PAYMENTS], |event| str(event, 2) == "paid"), paid, "each paid order was paid once");
}

#[test]
fn stock_falls_by_what_is_sold_and_rises_by_deliveries() {
    let rows = day();
    let mut left: BTreeMap<&str, i64> = BTreeMap::new();
    for event in &rows[STOCK] {
        let (product, stock, change) = (str(event, 0), int(event, 2), int(event, 3));
        if let Some(before) = left.insert(product, stock) {
            assert_eq!(before + change, stock, "{product}");
        }
        assert!(stock >= OVERSOLD_MAX && stock <= int(event, 5), "{product}: {stock}");
    }
    assert_eq!(left.len(), PRODUCTS.len(), "every product was counted");
    let sold: i64 = rows[STOCK].iter().filter(|event| str(event, 4) == "sale").map(|event| -int(event, 3)).sum();
    let bought: i64 = rows[ITEMS].iter().map(|event| int(event, 3)).sum();
    assert_eq!(sold, bought);
    assert!(count(&rows[STOCK], |event| str(event, 4) == "delivery") > 25.0);
}

#[test]
fn there_is_always_something_that_runs_low_and_never_everything() {
    let mut shop = Shop::new(Seed::new(7), Tz::UTC, at(MONDAY - 2 * HOUR_S));
    let mut sheet = Sheet::new(&STREAMS);
    shop.advance(at(MONDAY + 3 * HOUR_S), Detail::Silent, &mut sheet);
    for hour in 4..24 {
        shop.advance(at(MONDAY + hour * HOUR_S), Detail::Silent, &mut sheet);
        let low = shop.stock.iter().filter(|stock| **stock < 10).count();
        // The night after the count is the quietest time.
        assert!(low <= 12 && (low > 0 || hour < 8), "at {hour}: {:?}", shop.stock);
    }
}

#[test]
fn payments_of_a_provider_fail_while_it_is_out() {
    let rows = day();
    let outage = PROVIDERS[1].outage.expect("the wallet has outages");
    let share = |out: bool| {
        // An answer comes up to five seconds after the question.
        let of = |event: &&Event| {
            let second = second_of(event.time);
            str(event, 1) == "wallet"
                && outage.on_for(second).is_some() == out
                && outage.on_for(second - 6).is_some() == out
        };
        let all: Vec<&Event> = rows[PAYMENTS].iter().filter(of).collect();
        let failed = all.iter().filter(|event| str(event, 2) != "paid").count();
        (failed * 100 / all.len().max(1), all.len())
    };
    let (out, fine) = (share(true), share(false));
    assert!(out.0 > 60 && out.1 > 30, "{out:?} % of payments fail in outages");
    assert!(fine.0 < 12 && fine.1 > 500, "{fine:?} % fail otherwise");
}

#[test]
fn codes_are_unique() {
    let mut codes: Vec<Arc<str>> =
        (0..2_000).flat_map(|second| (0..8).map(move |index| visit::code(MONDAY + second, index))).collect();
    assert!(codes.iter().all(|code| code.len() == 6));
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), 16_000);
}
