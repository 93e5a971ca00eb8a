//! What every long-running part of Pulseboard stands on: an injected clock and named tasks that shut down in order.
//!
//! Knows nothing of events, SQL or HTTP.

pub mod clock;
pub mod tasks;

pub use clock::{Clock, ManualClock, SystemClock, WallUs};
pub use tasks::{Shutdown, Tasks};
