//! The durable log: what is accepted is here, and everything else is computed from here.
//!
//! [`Log`] is the seam; [`embedded`] keeps it in SQLite files. Nothing here knows SQL queries, HTTP or where events come
//! from.

mod at;
pub mod embedded;
pub mod log;
mod past_steps;
#[cfg(feature = "testsuite")]
pub mod testsuite;

pub use at::{AtError, position_of};
pub use embedded::{
    Archived, AuditEntry, CommitMark, Credential, EmbeddedConfig, EmbeddedLog, HeldStream, Keep, LiveQuery, MetaStore,
    OfflineStore, Owner, ReadOnlyLog, Retention, SealedSegment, has_credentials, read_owner,
};
pub use log::{
    AppendError, AppendRequest, Appended, DeclareError, IdempotencyKey, Log, LogError, LogHealth, LogIncident,
    PositionCheck, Removal, RemoveError, Scan, StreamInfo, Tail, TailItem,
};
pub use past_steps::PastSteps;
