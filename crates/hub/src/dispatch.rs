//! The dispatcher: wakes those who follow what changed, each set at most once per floor.
//!
//! One task, so that the engine's thread hands over a list and goes on, however many readers there are.

use std::sync::Arc;
use std::time::Duration;

use pulseboard_runtime::Shutdown;
use tokio::time::{Instant, sleep_until};

use crate::hub::Hub;
use crate::set::ChannelSet;

/// How often what nobody follows and what is too old is dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Runs until shutdown.
pub(crate) async fn run(hub: Hub, shutdown: Shutdown) {
    // Sets whose floor is not over yet. Each set is listed at most once, so this is bounded by their number.
    let mut later: Vec<(Instant, Arc<ChannelSet>)> = Vec::new();
    let mut next_sweep = Instant::now() + SWEEP_EVERY;
    loop {
        let next = later.iter().map(|(due, _)| *due).min().map_or(next_sweep, |due| due.min(next_sweep));
        tokio::select! {
            () = shutdown.wait() => return,
            () = hub.inner.dispatch.notified() => {}
            () = sleep_until(next) => {}
        }
        let now = Instant::now();
        let listed = std::mem::take(&mut *hub.inner.dirty.lock());
        for set in listed.iter().filter_map(|ticket| ticket.set.upgrade()) {
            hub.maintain(&set, now);
            let due = set.woken_at.lock().map_or(now, |at| at + hub.inner.config.floor);
            if due <= now { wake(&set, now) } else { later.push((due, set)) }
        }
        later.retain(|(due, set)| {
            if *due <= now {
                wake(set, now);
            }
            *due > now
        });
        if now >= next_sweep {
            hub.sweep(now);
            next_sweep = now + SWEEP_EVERY;
        }
    }
}

fn wake(set: &ChannelSet, now: Instant) {
    *set.woken_at.lock() = Some(now);
    set.wake();
}
