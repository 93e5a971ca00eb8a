//! What holds of every simulated desk.

use std::collections::BTreeMap;

use super::super::sheet::Event;
use super::streams::{COSTS, POLLS};
use super::*;

/// Monday, 2026-03-02 15:00 UTC.
const NOON: i64 = 1_772_463_600;
const OUTAGES: i64 = 600;

fn at(second: i64) -> TimeUs {
    TimeUs(second * SECOND_US)
}

fn desk(seed: u64, from: i64, warm_up: i64) -> (Desk, Sheet) {
    let mut desk = Desk::new(Seed::new(seed), Tz::America__New_York, OUTAGES, at(from - warm_up));
    let mut sheet = Sheet::new(&STREAMS);
    desk.advance(at(from), Detail::Silent, &mut sheet);
    (desk, sheet)
}

fn written(seed: u64, from: i64, to: i64, warm_up: i64, step_us: i64, detail: Detail) -> Vec<Vec<Event>> {
    let (mut desk, mut sheet) = desk(seed, from, warm_up);
    let mut now = at(from);
    while now < at(to) {
        now = now.plus_us(step_us).min(at(to));
        desk.advance(now, detail, &mut sheet);
    }
    (0..STREAMS.len()).map(|stream| sheet.events(stream).to_vec()).collect()
}

fn str(event: &Event, index: usize) -> &str {
    match &event.cells[index] {
        Cell::Str(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

fn float(event: &Event, index: usize) -> f64 {
    match event.cells[index] {
        Cell::Float(value) => value,
        ref other => panic!("{other:?} is no float"),
    }
}

fn int(event: &Event, index: usize) -> i64 {
    match event.cells[index] {
        Cell::Int(value) => value,
        ref other => panic!("{other:?} is no number"),
    }
}

#[test]
fn the_same_seed_writes_the_same_rows_however_far_it_goes_at_once() {
    let rows = |seed, step_us| written(seed, NOON, NOON + 700, 60, step_us, Detail::Full);
    let once = rows(7, 700 * SECOND_US);
    assert!(once.iter().all(|events| !events.is_empty()), "every stream has rows");
    assert_eq!(once, rows(7, 100_000));
    assert_ne!(once, rows(8, 700 * SECOND_US));
}

#[test]
fn a_desk_that_began_later_goes_on_like_one_that_began_earlier() {
    let rows = |warm_up| written(7, NOON, NOON + 900, warm_up, 60 * SECOND_US, Detail::Fine);
    assert_eq!(rows(WARM_UP_S), rows(3 * WARM_UP_S));
}

#[test]
fn prices_stand_between_bid_and_ask_and_past_and_present_fit() {
    let full = written(7, NOON, NOON + 60, 10, SECOND_US, Detail::Full);
    for event in &full[TICKS] {
        let (price, bid, ask) = (float(event, 1), float(event, 2), float(event, 3));
        assert!(bid > 0.0 && bid <= price && price <= ask && bid < ask, "{event:?}");
        assert!((ask - bid) / price < 0.01, "{event:?}");
    }
    let last = |events: &[Event]| -> BTreeMap<String, f64> {
        events.iter().map(|event| (str(event, 0).to_owned(), float(event, 1))).collect()
    };
    let before = last(&written(7, NOON - 60, NOON, 10, SECOND_US, Detail::Coarse)[TICKS]);
    let after = last(&full[TICKS][..400]);
    assert_eq!((before.len(), after.len()), (SYMBOLS.len(), SYMBOLS.len()));
    for (symbol, price) in after {
        let moved = (price / before[&symbol] - 1.0).abs();
        assert!(moved < 0.01, "{symbol} moved by {moved} within a minute");
    }
}

#[test]
fn volumes_of_the_past_are_like_those_of_now() {
    let volume = |detail| -> f64 {
        let rows = written(7, NOON, NOON + 1_800, 10, 60 * SECOND_US, detail);
        #[expect(clippy::cast_precision_loss, reason = "shares of half an hour")]
        rows[TICKS].iter().map(|event| int(event, 4) as f64).sum()
    };
    let (coarse, full) = (volume(Detail::Coarse), volume(Detail::Full));
    assert!((0.4..2.5).contains(&(coarse / full)), "{coarse} and {full}");
}

#[test]
fn fills_add_up_to_positions() {
    let (mut desk, mut sheet) = desk(7, NOON, WARM_UP_S);
    let before = desk.positions;
    desk.advance(at(NOON + 2 * HOUR_S), Detail::Coarse, &mut sheet);
    let mut changed: BTreeMap<&str, i64> = BTreeMap::new();
    for event in sheet.events(FILLS) {
        assert_eq!(str(event, 1) == "buy", int(event, 2) > 0, "{event:?}");
        *changed.entry(str(event, 0)).or_default() += int(event, 2);
    }
    for (index, symbol) in SYMBOLS.iter().enumerate() {
        let by_fills = changed.get(symbol.name).copied().unwrap_or_default();
        assert_eq!(desk.positions[index] - before[index], by_fills, "{}", symbol.name);
    }
    assert!(changed.len() >= HELD.len() - 1, "{changed:?}");
    assert!(desk.positions.iter().any(|qty| *qty < 0) && desk.positions.iter().any(|qty| *qty > 0));
}

#[test]
fn the_failing_feed_is_silent_in_its_outage_and_makes_up_for_it() {
    let begins = (NOON..NOON + OUTAGES).find(|second| (second - OUTAGES / 2).rem_euclid(OUTAGES) == 0).unwrap();
    let ends = begins + OUTAGES / 8;
    let (mut desk, mut sheet) = desk(7, begins - 30, 10);
    desk.advance(at(begins), Detail::Full, &mut sheet);
    let before = sheet.events(COSTS).len();
    assert!(sheet.reports.is_empty());
    desk.advance(at(ends), Detail::Full, &mut sheet);
    assert_eq!(sheet.events(COSTS).len(), before, "nothing of it arrives");
    let lively = |stream: usize| sheet.events(stream).iter().any(|event| event.time >= at(begins + 5));
    assert!(lively(TICKS) && lively(REVENUE), "the others go on");
    let [report] = sheet.reports.as_slice() else { panic!("{:?}", sheet.reports) };
    assert_eq!((report.feed, report.stream.as_str()), ("Cost API", "desk_costs"));
    assert!(report.failed.as_deref().is_some_and(|why| why.contains("503")), "{report:?}");
    desk.advance(at(ends + 30), Detail::Full, &mut sheet);
    let missed = sheet.events(COSTS)[before..].iter().filter(|event| event.time < at(ends)).count();
    assert!(missed > 2, "what it missed came with its own times");
    assert_eq!(sheet.reports.last().map(|report| report.failed.clone()), Some(None), "it is back");
    let said = |status: &str| {
        let of = |event: &&Event| str(event, 0) == "Cost API" && str(event, 1) == status;
        sheet.events(POLLS).iter().filter(of).map(|event| second_of(event.time)).collect::<Vec<_>>()
    };
    assert_eq!(said("retry")[..3], [begins, begins + 1, begins + 3]);
    assert!(said("failed").iter().all(|second| (begins..ends).contains(second)) && !said("failed").is_empty());
    assert!(said("live").contains(&ends));
}
