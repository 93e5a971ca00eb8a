//! How much the hub keeps and how fast it goes, with defaults.

use std::time::Duration;

/// The bounds of the hub.
#[derive(Debug, Clone, PartialEq)]
pub struct HubConfig {
    /// The least time between two frames of a subscription, however often its channels change.
    pub floor: Duration,
    /// The most bytes of recent changes kept per view.
    pub ring_bytes_max: usize,
    /// The most bytes of recent events kept per followed stream.
    pub tail_ring_bytes_max: usize,
    /// How long recent changes are kept at most.
    pub ring_age_max: Duration,
    /// About how many bytes of a whole answer go in one frame; the rest follows in others at the same position.
    pub page_bytes: usize,
    /// The most bytes of JSON that a tail is given to catch up; beyond it, it is told how many items it missed.
    pub catch_up_bytes_max: usize,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            floor: Duration::from_millis(4),
            ring_bytes_max: 512 << 10,
            tail_ring_bytes_max: 1 << 20,
            ring_age_max: Duration::from_secs(300),
            page_bytes: 256 << 10,
            catch_up_bytes_max: 4 << 20,
        }
    }
}
