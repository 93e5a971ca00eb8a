//! What every long-running part of Pulseboard stands on: an injected clock, named tasks that shut down in order, and
//! places where tests make things fail.
//!
//! Knows nothing of events, SQL or HTTP.

pub mod clock;
pub mod fault;
pub mod tasks;

pub use clock::{Clock, ManualClock, SystemClock, WallUs};
pub use tasks::{Shutdown, Tasks};
