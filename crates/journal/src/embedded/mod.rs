//! The embedded log: SQLite files as segments, one writer, any number of readers.
//!
//! # Layout of a data directory
//! ```text
//! lock                       {"pid":…,"url":…}, locked (flock) by the server that owns the directory
//! meta.sqlite                format, epoch, high-water mark, schemas, reject counters, what sealed segments hold,
//!                            which were dropped, ad-hoc live queries, credentials, audit log; see `meta`
//! segments/00000001.sqlite   events; the one with the highest number is written to
//! ```
//! # A segment (SQLite, WAL, `synchronous=FULL`, 64 KB pages)
//! ```text
//! segment   one row: format, number, first commit, first offset, clock before it, checksum
//! parts     one row per (commit, stream):
//!           id               commit << 16 | part of the commit
//!           arrived_at       `_arrived_at` of the commit, µs
//!           clock_before     only in a logged jump of the clock (a start, a pause over 60 s): no stream, no rows
//!           stream, first_offset, rows, min_time, max_time (arrival stands in for rows without a time)
//!           schema_version   of the stream; the schema itself is in `schemas`
//!           previous_offset  the stream's last offset before this part, 0 if none
//!           body_crc, crc    CRC32C of the body; of all other fields and body_crc
//!           body             Arrow IPC record-batch message without schema, LZ4 above 16 KB;
//!                            columns: time (null: when it arrived), _source_time, the user fields
//! schemas   every schema version its rows are in, as JSON, with a checksum
//! receipts  idempotency keys with their answers, in the transaction of their rows, valid for ten minutes
//! ```
//! # What holds
//! - Commit numbers, parts of a commit and offsets are dense, and `_arrived_at` never goes down. Readers of the whole
//!   log check that; readers of one stream check `previous_offset`. What does not fit is [`crate::LogError::Corrupt`].
//! - A segment can be read without the metadata. The metadata is needed to know the epoch and what was dropped.
//! - A start reads the last segment from end to end and nothing of the sealed ones that the metadata has summaries of.
//! - Segments are dropped whole, oldest first, when all their streams let them go, or with an archive once they are in it: first from the metadata, then from
//!   memory, and from disk with their last reader.
//!
//! # Who does what
//! `writer` commits, (`ticks`) moves the clock and (`replace`) goes on after a failed write, `keeper` keeps house (checkpoints, sealing, metadata, retention), `ring` holds
//! the recent steps for `tail`, `scan` reads streams, `times` finds
//! where the log stood at a moment. Everything they share is in `shared`; `catalog` is what is known
//! of streams and segments.

mod active;
mod body;
mod catalog;
mod config;
mod credentials;
mod declare;
mod disk_tail;
mod embedded_log;
mod group;
mod keeper;
mod load;
mod lock;
mod meta;
mod meta_store;
mod part;
mod queue;
mod read;
mod read_only;
mod receipts;
mod remove;
mod replace;
mod ring;
mod scan;
mod schema_json;
mod sealed;
mod segment;
mod segment_file;
mod shared;
mod sqlite;
mod summary;
mod tail;
mod ticks;
mod times;
mod writer;

pub use config::{Archived, EmbeddedConfig, Keep, Retention};
pub use credentials::{AuditEntry, Credential, OfflineStore, has_credentials};
pub use embedded_log::EmbeddedLog;
pub use lock::{Owner, read_owner};
pub use meta_store::{LiveQuery, MetaStore};
pub use read_only::ReadOnlyLog;
pub use sealed::{CommitMark, HeldStream, SealedSegment};
