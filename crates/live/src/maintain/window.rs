//! When rows cross the bounds that move with the clock.
//!
//! For a row the first whole second is searched at which a bound lets it in or out; rows with the same stay share a pane.
//! A bound may move backwards (local-time arithmetic around a DST change, months of different length): `watch` notices,
//! and the instance is rebuilt from the log.

use std::ops::Range;

use datafusion::common::Result;
use pulseboard_model::TimeUs;
use pulseboard_model::schema::TIME;
use pulseboard_model::time::SECOND_US;

use super::bound::{Bound, Comparison};
use super::watch::{Spans, Times, Watch};

/// "Never" for an instant.
pub(crate) const NEVER_US: i64 = i64::MAX;
/// "Always was" for an instant.
pub(crate) const ALWAYS_US: i64 = i64::MIN;

/// The last second that is searched: the year 2200.
const SEARCH_END_S: i64 = 7_258_118_400;

/// Times between which all rows cross a bound at the same second.
#[derive(Debug, Clone, Copy)]
struct Crossing {
    /// First and last time, inclusive.
    from_us: i64,
    to_us: i64,
    at_us: i64,
}

/// When rows enter and leave, by the bounds of one query.
#[derive(Debug)]
pub(crate) struct Window {
    bounds: Vec<WindowBound>,
    now: TimeUs,
    /// Until when a row that a limit refused would have been inside or waiting; [`ALWAYS_US`] if none was.
    refused_until_us: i64,
    /// Rows that were older than a bound on the event time when they came, since last asked.
    late_rows: u64,
    /// The bounds' values when the rows came that are taken in, if that was not now.
    then: Option<Vec<Option<i64>>>,
    /// Rows that a limit refused, since the state was begun.
    refused_rows: u64,
}

#[derive(Debug)]
struct WindowBound {
    bound: Bound,
    /// The bound's value now; null excludes every row.
    value: Option<i64>,
    /// Found crossings, newest last. Rows come mostly in time order, so the last ones are asked for.
    found: Vec<Crossing>,
    watch: Watch,
}

/// What a window knows of rows that are not held.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    /// Until when a row that a limit refused would have been inside or waiting.
    pub(crate) refused_until_us: i64,
    /// Rows that a limit refused, since the state was begun.
    pub(crate) refused_rows: u64,
    /// Per bound, the last time of what is gone and of what was refused.
    pub(crate) bounds: Vec<(Option<i64>, Option<i64>)>,
}

/// How many crossings are remembered per bound; the oldest are forgotten.
const CROSSINGS_MAX: usize = 4_096;

/// When a row is inside: from `enter_us` (or [`ALWAYS_US`]) to before `leave_us` (or [`NEVER_US`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Stay {
    pub(crate) leave_us: i64,
    pub(crate) enter_us: i64,
    /// The number of the bound that makes it leave; 0 if none does.
    pub(crate) leaves_by: u16,
    /// The number of the bound that it waits for; 0 if it is inside.
    pub(crate) waits_for: u16,
}

impl Stay {
    /// For queries without bounds.
    pub(crate) const FOREVER: Self = Self { leave_us: NEVER_US, enter_us: ALWAYS_US, leaves_by: 0, waits_for: 0 };

    pub(crate) fn is_inside(&self) -> bool {
        self.enter_us == ALWAYS_US
    }

    /// The same once it is inside.
    pub(crate) fn entered(self) -> Self {
        Self { enter_us: ALWAYS_US, waits_for: 0, ..self }
    }
}

/// A bound moved backwards, or was foreseen wrongly: what has left may be inside again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MovedBack;

/// Whether what a bound keeps out is old by its event time.
fn is_on_time(bound: &Bound) -> bool {
    bound.is_lower() && bound.scan_column.as_deref() == Some(TIME)
}

impl Window {
    pub(crate) fn new(bounds: &[Bound], now: TimeUs) -> Result<Self> {
        let now = now.floor_to_second();
        let bounds = bounds.iter().map(|bound| {
            let (value, watch) = (bound.value_at(now)?, Watch::default());
            Ok(WindowBound { bound: bound.clone(), value, found: Vec::new(), watch })
        });
        Ok(Self {
            bounds: bounds.collect::<Result<_>>()?,
            now,
            refused_until_us: ALWAYS_US,
            late_rows: 0,
            then: None,
            refused_rows: 0,
        })
    }

    pub(crate) fn is_bounded(&self) -> bool {
        !self.bounds.is_empty()
    }

    /// Moves the clock on. What is held has to be moved next, then [`Window::holds`] says whether that was right.
    pub(crate) fn advance(&mut self, now: TimeUs) -> Result<std::result::Result<(), MovedBack>> {
        let now = now.floor_to_second();
        let mut moved_back = now < self.now;
        self.now = now;
        for bound in &mut self.bounds {
            let value = bound.bound.value_at(now)?;
            // Under a null nothing is inside and nothing is remembered.
            moved_back |= value.is_some() != bound.value.is_some();
            bound.value = value;
        }
        Ok(if moved_back { Err(MovedBack) } else { Ok(()) })
    }

    /// Whether everything is where its stay put it.
    pub(crate) fn holds(&self) -> std::result::Result<(), MovedBack> {
        let right = self.bounds.iter().all(|bound| {
            let Some(value) = bound.value else { return true };
            let lets_in = |time: i64| bound.bound.lets_in(time, value);
            let watch = &bound.watch;
            let inside = if bound.bound.is_lower() { watch.inside.first() } else { watch.inside.last() };
            let outside = [watch.waiting.first(), watch.gone];
            inside.is_none_or(lets_in) && !outside.into_iter().flatten().any(lets_in)
        });
        if right { Ok(()) } else { Err(MovedBack) }
    }

    /// The smallest event time that is inside now by some of the bounds, if a lower one is on the scan's `time`: older
    /// events need not be read.
    pub(crate) fn time_from(&self, bounds: Range<usize>) -> Option<TimeUs> {
        let on_time = self.bounds[bounds].iter().filter(|bound| is_on_time(&bound.bound));
        on_time.filter_map(|bound| bound.value).max().map(TimeUs)
    }

    /// When a row with these times, one per bound from number `first` on, is inside; `None` if it is out.
    pub(crate) fn stay(&mut self, first: usize, times: &[i64]) -> Result<Option<Stay>> {
        let mut stay = Stay::FOREVER;
        for ((number, bound), time) in (0u16..).zip(&mut self.bounds).skip(first).zip(times) {
            let Some(value) = bound.value else { return Ok(None) };
            let inside = bound.bound.lets_in(*time, value);
            match bound.bound.comparison {
                Comparison::Lower { .. } if !inside => {
                    bound.watch.gone = bound.watch.gone.max(Some(*time));
                    return Ok(None);
                }
                Comparison::Lower { inclusive } => {
                    let leave_us = bound.crossing(*time, inclusive, self.now)?;
                    if leave_us < stay.leave_us {
                        (stay.leave_us, stay.leaves_by) = (leave_us, number);
                    }
                }
                Comparison::Upper { inclusive } if !inside => {
                    let enter_us = bound.crossing(*time, !inclusive, self.now)?;
                    if enter_us == NEVER_US {
                        bound.watch.gone = Some(bound.watch.gone.map_or(*time, |gone| gone.min(*time)));
                        return Ok(None);
                    }
                    if enter_us > stay.enter_us {
                        (stay.enter_us, stay.waits_for) = (enter_us, number);
                    }
                }
                Comparison::Upper { .. } => {}
            }
        }
        Ok(Some(stay))
    }

    /// A row with these times, one per bound from number `first` on, came: counts it if it came too late, rather than not
    /// being meant. One that is inside was not late, unless the rows came at another time than now.
    pub(crate) fn count_if_late(&mut self, first: usize, times: &[i64], is_inside: bool) {
        if is_inside && self.then.is_none() {
            return;
        }
        let too_old = |(number, time): (usize, &i64)| {
            let Some(WindowBound { bound, value, .. }) = self.bounds.get(number) else { return false };
            let value = self.then.as_ref().map_or(*value, |then| then[number]);
            is_on_time(bound) && value.is_some_and(|value| !bound.lets_in(*time, value))
        };
        self.late_rows += u64::from((first..).zip(times).any(too_old));
    }

    /// Rows that are taken in from here on came at `then`; `None` is now.
    pub(super) fn came_at(&mut self, then: Option<TimeUs>) -> Result<()> {
        self.then = then.map(|then| self.values_at(then)).transpose()?;
        Ok(())
    }

    /// Rows of a later event time were not late at `then`; `None` if there are no late ones.
    pub(super) fn late_upto(&self, then: TimeUs) -> Result<Option<i64>> {
        let values = self.values_at(then)?;
        let of_time = self.bounds.iter().zip(values).filter(|(bound, _)| is_on_time(&bound.bound));
        Ok(of_time.filter_map(|(_, value)| value).max())
    }

    fn values_at(&self, then: TimeUs) -> Result<Vec<Option<i64>>> {
        let values = self.bounds.iter().map(|bound| {
            let value = bound.bound.value_at(then.floor_to_second())?;
            bound.bound.clock.set(self.now);
            Ok(value)
        });
        values.collect()
    }

    /// Rows that came too late since this was last asked.
    pub(crate) fn take_late_rows(&mut self) -> u64 {
        std::mem::take(&mut self.late_rows)
    }

    /// So many rows found no place.
    pub(crate) fn count_refused(&mut self, rows: u64) {
        self.refused_rows += rows;
    }

    /// Rows that found no place since the state was begun.
    pub(crate) fn refused_rows(&self) -> u64 {
        self.refused_rows
    }

    /// Rows with these times are held from now on, where `stay` says.
    pub(crate) fn hold(&mut self, stay: Stay, spans: &Spans) {
        self.watched(stay, spans, Times::add);
    }

    /// They are not any more.
    pub(crate) fn release(&mut self, stay: Stay, spans: &Spans) {
        self.watched(stay, spans, Times::remove);
    }

    /// They have left, as `stay` said.
    pub(crate) fn let_go(&mut self, stay: Stay, spans: &Spans) {
        self.release(stay, spans);
        let number = usize::from(stay.leaves_by);
        if let Some(bound) = self.bounds.get_mut(number) {
            bound.watch.gone = bound.watch.gone.max(spans.last(number));
        }
    }

    fn watched(&mut self, stay: Stay, spans: &Spans, change: impl Fn(&mut Times, Option<i64>)) {
        if stay.is_inside() {
            for (number, bound) in self.bounds.iter_mut().enumerate() {
                let time = if bound.bound.is_lower() { spans.first(number) } else { spans.last(number) };
                change(&mut bound.watch.inside, time);
            }
        } else {
            let number = usize::from(stay.waits_for);
            if let Some(bound) = self.bounds.get_mut(number) {
                change(&mut bound.watch.waiting, spans.first(number));
            }
        }
    }

    /// Rows with these times found no place.
    pub(crate) fn refuse(&mut self, stay: Stay, spans: &Spans) {
        self.refused_until_us = self.refused_until_us.max(stay.leave_us);
        let number = usize::from(stay.leaves_by);
        if let Some(bound) = self.bounds.get_mut(number) {
            bound.watch.refused = bound.watch.refused.max(spans.last(number));
        }
    }

    /// Whether all that was refused would have left by now: then nothing is missing any more, and it is forgotten.
    pub(crate) fn outlived_refused(&mut self) -> bool {
        if self.bounds.is_empty() || self.refused_until_us == ALWAYS_US || self.refused_until_us > self.now.0 {
            return false;
        }
        self.refused_until_us = ALWAYS_US;
        for bound in &mut self.bounds {
            bound.watch.gone = bound.watch.gone.max(bound.watch.refused.take());
        }
        true
    }

    /// What a dump needs beside the rows held.
    pub(crate) fn memory(&self) -> Memory {
        let bounds = self.bounds.iter().map(|bound| (bound.watch.gone, bound.watch.refused));
        Memory { refused_until_us: self.refused_until_us, refused_rows: self.refused_rows, bounds: bounds.collect() }
    }

    /// Takes [`Window::memory`] back.
    pub(crate) fn remember(&mut self, memory: &Memory) {
        (self.refused_until_us, self.refused_rows) = (memory.refused_until_us, memory.refused_rows);
        for (bound, (gone, refused)) in self.bounds.iter_mut().zip(&memory.bounds) {
            (bound.watch.gone, bound.watch.refused) = (*gone, *refused);
        }
    }
}

impl WindowBound {
    /// The first whole second after `now` at which the value is beyond `time`: above it if `strict`, else at least it.
    fn crossing(&mut self, time_us: i64, strict: bool, now: TimeUs) -> Result<i64> {
        let known = self.found.iter().rev().find(|c| c.from_us <= time_us && time_us <= c.to_us);
        if let Some(known) = known
            && known.at_us > now.0
        {
            return Ok(known.at_us);
        }
        let crossing = self.search(time_us, strict, now)?;
        if self.found.len() == CROSSINGS_MAX {
            self.found.drain(..CROSSINGS_MAX / 2);
        }
        self.found.push(crossing);
        Ok(crossing.at_us)
    }

    fn search(&self, time_us: i64, strict: bool, now: TimeUs) -> Result<Crossing> {
        let beyond = |second: i64| -> Result<bool> {
            let value = self.bound.value_at(TimeUs(second * SECOND_US))?;
            Ok(value.is_some_and(|value| if strict { value > time_us } else { value >= time_us }))
        };
        // The row has not crossed at `now`. Double the distance until it has, then halve.
        let mut before = now.0.div_euclid(SECOND_US);
        let mut step = 1;
        let mut after = loop {
            let candidate = before.saturating_add(step).min(SEARCH_END_S);
            if beyond(candidate)? {
                break candidate;
            }
            if candidate >= SEARCH_END_S {
                self.bound.clock.set(now);
                return Ok(Crossing { from_us: time_us, to_us: time_us, at_us: NEVER_US });
            }
            before = candidate;
            step *= 2;
        };
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if beyond(middle)? {
                after = middle;
            } else {
                before = middle;
            }
        }
        // All times from the value one second earlier to the value then cross together.
        let earlier = self.bound.value_at(TimeUs((after - 1) * SECOND_US))?;
        let then = self.bound.value_at(TimeUs(after * SECOND_US))?;
        self.bound.clock.set(now);
        let (from_us, to_us) = match (earlier, then) {
            (Some(earlier), Some(then)) if strict => (earlier, then - 1),
            (Some(earlier), Some(then)) => (earlier + 1, then),
            _ => (time_us, time_us),
        };
        Ok(Crossing { from_us: from_us.min(time_us), to_us: to_us.max(time_us), at_us: after * SECOND_US })
    }
}
