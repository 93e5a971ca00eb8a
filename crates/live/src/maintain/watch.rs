//! Whether every row is still where its stay said it would be.
//!
//! A stay is found by evaluating a bound at a few instants, which says the truth as long as the bound only rises.
//! `now() - interval '1 month'` does not (29 March and 28 March both give 28 February), nor do local days when the clocks
//! go back. So each bound watches the outermost times of what is inside, of what waits for it and of what it has thrown
//! out, and compares them with its value at every step: if one is on the wrong side, the stays were wrong and the
//! instance is rebuilt. Nothing here predicts anything, so nothing here can be wrong about the future.

use std::collections::BTreeMap;

/// The smallest and the largest time of some rows, per bound. A bound that is not about these rows has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Spans(Box<[(i64, i64)]>);

/// The span of no time.
const NONE: (i64, i64) = (i64::MAX, i64::MIN);

impl Spans {
    /// One row's times, as the bounds from number `first` on compare them.
    pub(crate) fn of(first: usize, times: &[i64]) -> Self {
        Self(std::iter::repeat_n(NONE, first).chain(times.iter().map(|time| (*time, *time))).collect())
    }

    /// As read from a dump.
    pub(crate) fn from_pairs(pairs: Vec<(i64, i64)>) -> Self {
        Self(pairs.into())
    }

    pub(crate) fn pairs(&self) -> &[(i64, i64)] {
        &self.0
    }

    /// Takes in the times of one more row of the same input.
    pub(crate) fn add(&mut self, first: usize, times: &[i64]) {
        for ((from, to), time) in self.0.iter_mut().skip(first).zip(times) {
            (*from, *to) = ((*from).min(*time), (*to).max(*time));
        }
    }

    /// The spans of both; `self` may still be empty.
    pub(crate) fn joined(&self, other: &Self) -> Self {
        let pair = |number: usize| {
            let (from, to) = self.0.get(number).copied().unwrap_or(NONE);
            let (other_from, other_to) = other.0.get(number).copied().unwrap_or(NONE);
            (from.min(other_from), to.max(other_to))
        };
        Self((0..self.0.len().max(other.0.len())).map(pair).collect())
    }

    /// The smallest time that bound `number` compares.
    pub(crate) fn first(&self, number: usize) -> Option<i64> {
        self.0.get(number).filter(|pair| **pair != NONE).map(|(from, _)| *from)
    }

    /// The largest time that bound `number` compares.
    pub(crate) fn last(&self, number: usize) -> Option<i64> {
        self.0.get(number).filter(|pair| **pair != NONE).map(|(_, to)| *to)
    }

    pub(crate) fn size_bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// Times with how often each is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(BTreeMap<i64, u32>);

impl Times {
    pub(crate) fn add(&mut self, time: Option<i64>) {
        if let Some(time) = time {
            *self.0.entry(time).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, time: Option<i64>) {
        let Some(time) = time else { return };
        if let Some(count) = self.0.get_mut(&time) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&time);
            }
        }
    }

    pub(crate) fn first(&self) -> Option<i64> {
        self.0.first_key_value().map(|(time, _)| *time)
    }

    pub(crate) fn last(&self) -> Option<i64> {
        self.0.last_key_value().map(|(time, _)| *time)
    }
}

/// What one bound watches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    /// Of what is inside: for a lower bound the smallest times, for an upper one the largest.
    pub(crate) inside: Times,
    /// For an upper bound: the smallest times of what waits for it.
    pub(crate) waiting: Times,
    /// For a lower bound the largest, for an upper one the smallest time of what is out for good because of it.
    pub(crate) gone: Option<i64>,
    /// The same of what a limit refused and would have left because of it: counted as gone once all of it would have.
    pub(crate) refused: Option<i64>,
}
