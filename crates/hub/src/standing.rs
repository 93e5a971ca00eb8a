//! Where a subscription stands, for whoever lists connections: shared with its connection, read without waiting for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use pulseboard_model::Position;

use crate::hub::Hub;
use crate::set::ChannelSet;

/// What one subscription follows, and what has reached its reader.
#[derive(Debug)]
pub struct Standing {
    set: Arc<ChannelSet>,
    sent: AtomicU64,
    clock_us: AtomicI64,
}

impl Standing {
    pub(crate) fn new(set: Arc<ChannelSet>, sent: u64, position: &Position) -> Arc<Self> {
        Arc::new(Self { set, sent: AtomicU64::new(sent), clock_us: AtomicI64::new(position.clock.0) })
    }

    pub(crate) fn tell(&self, sent: u64, position: &Position) {
        self.sent.store(sent, Ordering::Relaxed);
        self.clock_us.store(position.clock.0, Ordering::Relaxed);
    }

    /// The names of its channels.
    pub fn channels(&self) -> impl Iterator<Item = &Arc<str>> {
        self.set.members.iter().map(|member| &member.name)
    }

    /// How much older what the reader has is than what there is; nothing if it has all of it.
    #[must_use]
    pub fn lag(&self, hub: &Hub) -> Duration {
        if self.set.changed() <= self.sent.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let behind_us = hub.position().clock.0.saturating_sub(self.clock_us.load(Ordering::Relaxed));
        Duration::from_micros(u64::try_from(behind_us).unwrap_or(0))
    }
}
