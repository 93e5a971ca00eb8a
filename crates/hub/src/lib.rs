//! Channels and those who follow them: the newest state, a ring of recent changes, resume, merging, fan-out.
//!
//! Fed by the engine's step outputs on the engine's thread, read by the gateway's connections. Readers pull: a reader is
//! woken, and takes one frame of everything that changed since its last one, so nothing ever queues for it. This crate
//! does no network I/O, knows no SQL, and reaches the log only through [`TailLog`].

mod bell;
mod build;
mod cache;
mod config;
mod dispatch;
mod figures;
mod hub;
mod instance;
mod linger;
mod mark;
mod resume;
mod set;
mod standing;
mod subscription;
mod tail;
mod tail_log;

pub use bell::Bell;
pub use config::HubConfig;
pub use figures::HubFigures;
pub use hub::{Hub, ViewRead};
pub use set::{ChannelSource, ChannelSpec, Keep, Snapshots};
pub use standing::Standing;
pub use subscription::{Due, SubscribeOptions, Subscription};
pub use tail_log::{TailBatches, TailLog, TailLogError};
