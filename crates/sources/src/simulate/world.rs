//! What every simulated world is: it is told how far to go, and writes down what happened.

use pulseboard_model::TimeUs;

use super::sheet::Sheet;

/// How much of what happens is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Nothing: the world only gets to where it will be looked at.
    Silent,
    /// What a past needs: whatever is counted and summed, not every look at a page nor every tick.
    Coarse,
    /// What the last hours need: enough for a candle or a funnel.
    Fine,
    /// Everything.
    Full,
}

/// A world in simulated time. What it writes depends on its seed and on the time alone, not on how far it goes at once.
pub(super) trait World: Send + std::fmt::Debug {
    /// Goes on to `to`, without what happens at that very moment, and writes into `sheet`.
    fn advance(&mut self, to: TimeUs, detail: Detail, sheet: &mut Sheet);
}
