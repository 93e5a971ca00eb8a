//! Sets that were asked for a moment ago and will be again: a reader that polls follows nothing between two answers.
//!
//! Kept, its tails stay in memory and its ad-hoc queries running, so that its next question costs a look and no read of the
//! log. What is not kept is only dearer, never wrong.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::set::ChannelSet;

/// How long a set stays without being asked for; above the minute at which the slowest pollers come.
const LINGER: Duration = Duration::from_secs(90);

/// The most sets kept so. When there are more, further ones are not kept.
const LINGERING_MAX: usize = 1_024;

/// The sets, by their place in memory, with the moment until which they stay.
#[derive(Debug, Default)]
pub(crate) struct Lingering(Mutex<HashMap<usize, (Instant, Arc<ChannelSet>)>>);

impl Lingering {
    pub(crate) fn keep(&self, set: &Arc<ChannelSet>, now: Instant) {
        let mut sets = self.0.lock();
        let place = Arc::as_ptr(set).addr();
        if sets.len() < LINGERING_MAX || sets.contains_key(&place) {
            sets.insert(place, (now + LINGER, Arc::clone(set)));
        }
    }

    /// Lets go of those whose time is over.
    pub(crate) fn sweep(&self, now: Instant) {
        let over: Vec<_> = self.0.lock().extract_if(|_, (until, _)| *until <= now).collect();
        // Outside the lock: letting go of a set may end a query.
        drop(over);
    }
}
