//! The vocabulary of Pulseboard: events, schemas, positions, cells, deltas, ids and limits.
//!
//! Every other crate speaks these types. Nothing here does I/O, is async, or knows how clients are spoken to: wire
//! formats live in `pulseboard-protocol`, SQL in `pulseboard-live`. Arrow types are allowed.

pub mod alerts;
pub mod cell;
pub mod conform;
pub mod decode;
pub mod delta;
pub mod ids;
pub mod limits;
pub mod position;
pub mod rejects;
pub mod schema;
pub mod state;
pub mod step;
pub mod system;
pub mod time;

/// The streams that only the server writes. They do not count against the number of streams.
pub const OWN_STREAMS: [&str; 3] = [rejects::REJECTED, system::SYSTEM, alerts::ALERTS];

pub use cell::{Cell, Row};
pub use delta::{Column, ColumnType, Delta, RowChange, Snapshot};
pub use ids::{InstanceId, InvalidName, RowKey, StreamName, ViewName};
pub use position::{Epoch, LogOffset, Position};
pub use schema::{FieldType, SchemaVersion, StreamField, StreamSchema};
pub use state::{Mode, Progress, SourceFault, Status, ViewState};
pub use step::{Commit, CommitPart, InstanceChange, InstanceUpdate, ResetReason, Step, StepOutput};
pub use time::TimeUs;
