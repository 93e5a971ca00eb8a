//! The writer thread: takes groups of requests, commits each at once, and moves the clock.
//!
//! It alone writes segments and publishes steps. It answers after the commit is durable and visible, and it never waits
//! for more requests than are there (no linger).

use std::sync::Arc;
use std::time::Duration;

use pulseboard_model::time::SECOND_US;
use pulseboard_model::{Commit, CommitPart, FieldType, LogOffset, OWN_STREAMS, Position, Step, StreamName, TimeUs};
use pulseboard_runtime::fault;
use tracing::{error, info, warn};

use super::active::{Active, CommitError};
use super::body::{Encoder, Layouts, time_range, to_events};
use super::declare::declared;
use super::group::{Group, Known, StreamPlan, send};
use super::part::PartHeader;
use super::queue::{Op, Taken};
use super::receipts::{Receipt, Receipts};
use super::replace::Refusing;
use super::segment_file;
use super::shared::Shared;
use super::sqlite::is_failed_write;
use super::summary::StreamSummary;
use crate::log::{AppendError, Appended, DeclareError, LogHealth};

/// The longest the thread sleeps: how late it sees that the process is ending, or that the clock was set.
const NAP_MAX: Duration = Duration::from_millis(100);

/// How often a group is tried when its commit fails, each time in a new segment: a request that fails wherever it is
/// written must not take the log with it.
const ATTEMPTS: u32 = 2;

/// The writer's own state.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) active: Active,
    pub(super) receipts: Receipts,
    pub(super) encoder: Encoder,
    /// The last commit.
    pub(super) commit: u64,
    /// Where the log stands.
    pub(super) head: Position,
    /// `_arrived_at` of the last commit, µs.
    pub(super) last_at: i64,
    /// Why nothing is taken.
    pub(super) refusing: Option<Refusing>,
    /// Whether the last commit found no space, so that it is said once.
    pub(super) full: bool,
    /// Whether the last attempt to make a new segment failed, so that it is said once.
    pub(super) stuck: bool,
    pub(super) body: Vec<u8>,
}

/// One part of the commit under way.
struct Written {
    header: PartHeader,
    body_bytes: u64,
    layouts: Arc<Layouts>,
    rows: arrow::record_batch::RecordBatch,
}

impl Writer {
    /// The thread's work, until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            if self.shared.shutdown.is_triggered() {
                self.shared.queue.close();
            }
            match self.shared.queue.take(self.shared.config.commit_bytes, self.nap()) {
                Taken::Group(ops) => self.take_group(ops),
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            let now = self.shared.clock.now_us();
            self.advance_clock(now);
            self.keep_house();
        }
        info!(position = %self.head, "log closed");
    }

    fn nap(&self) -> Duration {
        let now = self.shared.clock.now_us();
        let to_next_second = SECOND_US - now.rem_euclid(SECOND_US);
        Duration::from_micros(to_next_second.cast_unsigned()).min(NAP_MAX)
    }

    fn take_group(&mut self, ops: Vec<Op>) {
        let now = self.now();
        self.receipts.expire(now);
        let mut ops = ops.into_iter();
        let later = match ops.next() {
            Some(Op::Declare { stream, fields, answer }) => {
                send(answer, self.declare(&stream, &fields));
                ops.collect()
            }
            Some(Op::Remove { stream, answer }) => {
                send(answer, self.remove(&stream));
                ops.collect()
            }
            first => {
                let (group, later) = {
                    let catalog = self.shared.catalog.read();
                    let known = Known {
                        catalog: &catalog,
                        receipts: &self.receipts,
                        epoch: self.shared.epoch,
                        streams_max: self.shared.config.streams_max,
                    };
                    Group::form(first.into_iter().chain(ops), known)
                };
                self.commit_group(group, now);
                later
            }
        };
        if !later.is_empty() {
            self.shared.queue.put_back(later);
        }
    }

    /// The engine clock as it would be now.
    pub(super) fn now(&self) -> i64 {
        self.shared.clock.now_us().max(self.head.clock.0)
    }

    fn commit_group(&mut self, mut group: Group, mut now: i64) {
        let mut failures = 0;
        while group.needs_commit() {
            self.advance_clock(now);
            if let Some(Refusing { reason, .. }) = &self.refusing {
                return group.fail(&AppendError::Unavailable { reason: reason.clone() });
            }
            let has_rows = !group.streams.is_empty();
            let position = if has_rows { self.position_after(&group, now) } else { self.head };
            match self.write(&group, position) {
                Ok(written) => {
                    self.wrote();
                    if has_rows {
                        self.publish(&group, written, position);
                    }
                    return self.answer(group, position);
                }
                Err(error @ CommitError::Encode { plan, .. }) => {
                    let error = self.failed(&error);
                    group.give_up(plan, &error);
                }
                Err(error @ CommitError::Full) => {
                    let error = self.failed(&error);
                    return group.fail(&error);
                }
                Err(CommitError::Failed(reason)) => {
                    failures += 1;
                    let replaced = self.replace(&reason, now);
                    if replaced.is_ok() && failures < ATTEMPTS {
                        now = self.now();
                        continue;
                    }
                    let reason = replaced.err().map_or(reason, |refusing| refusing.reason);
                    return group.fail(&AppendError::Unavailable { reason });
                }
            }
        }
        let head = self.head;
        self.answer(group, head);
    }

    fn position_after(&self, group: &Group, now: i64) -> Position {
        let rows: usize = group.streams.iter().flat_map(|plan| &plan.batches).map(|batch| batch.num_rows()).sum();
        let offset = LogOffset::from_u64(self.head.offset.to_u64() + rows as u64);
        Position { epoch: self.shared.epoch, offset, clock: TimeUs(now) }
    }

    /// A commit is on disk.
    pub(super) fn wrote(&mut self) {
        if self.full {
            self.full = false;
            info!("the log can write again");
            *self.shared.health.lock() = LogHealth::Writable;
        }
    }

    /// What a failed commit means for whoever asked, and for what comes.
    pub(super) fn failed(&mut self, error: &CommitError) -> AppendError {
        let reason = error.to_string();
        match error {
            CommitError::Full if !self.full => {
                self.full = true;
                *self.shared.health.lock() = LogHealth::Full;
                warn!(%reason, "the log cannot write; it tries again each second and with each request");
            }
            CommitError::Full => {}
            CommitError::Encode { .. } => error!(%reason, "the rows of a stream were given up"),
            CommitError::Failed(_) => error!(%reason, "a write failed"),
        }
        AppendError::Unavailable { reason }
    }

    fn write(&mut self, group: &Group, position: Position) -> Result<Vec<Written>, CommitError> {
        let Self { shared, active, encoder, body, .. } = self;
        let (commit, first_offset) = (self.commit + 1, self.head.offset.to_u64() + 1);
        let mut written = Vec::with_capacity(group.streams.len());
        active.commit(|active| {
            let mut next_offset = first_offset;
            for (part, plan) in group.streams.iter().enumerate() {
                let fault = |error| CommitError::Encode { plan: part, error };
                let rows = plan.rows().map_err(fault)?;
                encoder.encode(&rows, plan.bytes, body).map_err(fault)?;
                let (min_time, max_time) = time_range(&rows, position.clock.0);
                let header = PartHeader {
                    commit,
                    part: u16::try_from(part).map_err(|_| CommitError::Failed("too many parts".to_owned()))?,
                    arrived_at: position.clock.0,
                    clock_before: None,
                    stream: Some(plan.stream.clone()),
                    first_offset: next_offset,
                    rows: rows.num_rows() as u64,
                    min_time,
                    max_time,
                    schema_version: plan.layouts.schema.version.0,
                    previous_offset: last_offset_of(shared, &plan.stream),
                    body_crc: crc32c::crc32c(body),
                };
                next_offset += header.rows;
                active.put_part(&header, Some(&plan.layouts.schema), body)?;
                let rows = to_events(&rows, &plan.layouts, header.arrived_at, header.first_offset).map_err(fault)?;
                written.push(Written { header, body_bytes: body.len() as u64, layouts: plan.layouts.clone(), rows });
            }
            for pending in &group.pending {
                if let Some(receipt) = receipt_of(pending, position) {
                    active.put_receipt(&receipt)?;
                }
            }
            Ok(())
        })?;
        Ok(written)
    }

    /// Makes a durable commit visible: first what can be asked about it, then the step.
    fn publish(&mut self, group: &Group, written: Vec<Written>, position: Position) {
        let mut parts = Vec::with_capacity(written.len());
        {
            let mut catalog = self.shared.catalog.write();
            for plan in &group.streams {
                grow(&mut catalog, plan);
            }
            for Written { header, body_bytes, layouts, rows } in written {
                self.active.segment.add(&header, body_bytes);
                let Some(stream) = header.stream.clone() else { continue };
                let added = StreamSummary {
                    events: header.rows,
                    bytes: body_bytes + super::part::PART_OVERHEAD_BYTES,
                    first_offset: header.first_offset,
                    last_offset: header.last_offset(),
                    last_at: header.arrived_at,
                };
                catalog.add_events(&stream, &added);
                parts.push(CommitPart { stream, schema: layouts.schema.clone(), rows });
            }
        }
        self.commit += 1;
        self.last_at = position.clock.0;
        self.head = position;
        self.shared.ring.publish(Step::Commit(Arc::new(Commit { position, parts })), Some(self.commit));
    }

    fn answer(&mut self, group: Group, position: Position) {
        if !group.rejected_only.is_empty() {
            let mut catalog = self.shared.catalog.write();
            for (stream, rejected) in &group.rejected_only {
                if let Some(known) = catalog.streams.get_mut(stream) {
                    known.rejected += rejected;
                }
            }
        }
        for pending in group.pending {
            if let Some(receipt) = receipt_of(&pending, position) {
                self.receipts.insert(receipt);
            }
            let (accepted, rejected, receipt) = (pending.accepted, pending.rejected, pending.receipt);
            send(pending.answer, Ok(Appended { position, accepted, rejected, receipt, replayed: false }));
        }
    }

    fn declare(&mut self, stream: &StreamName, fields: &[(String, FieldType)]) -> Result<(), DeclareError> {
        let (current, streams) = {
            let catalog = self.shared.catalog.read();
            (catalog.streams.get(stream).map(|known| known.newest.schema.clone()), catalog.sent_streams())
        };
        let Some(schema) = declared(stream, current.as_deref(), fields)? else { return Ok(()) };
        let streams_max = self.shared.config.streams_max;
        if current.is_none() && streams >= streams_max && !OWN_STREAMS.contains(&stream.as_str()) {
            return Err(AppendError::TooManyStreams { max: streams_max }.into());
        }
        if let Some(Refusing { reason, .. }) = &self.refusing {
            return Err(AppendError::Unavailable { reason: reason.clone() }.into());
        }
        // No event uses it yet, so the metadata is where it lives; a crash before the next line is harmless.
        let put = self.shared.meta.lock().put_schema(stream, &schema);
        put.map_err(|error| AppendError::Unavailable { reason: format!("metadata: {error}") })?;
        self.shared.catalog.write().add_schema(stream, schema);
        Ok(())
    }

    /// Between commits: the write-ahead log and the change of segments.
    fn keep_house(&mut self) {
        if self.refusing.is_some() {
            return;
        }
        let mut failed = self.shared.inbox.take_failed(&self.active.segment);
        if self.shared.inbox.take_checkpointed()
            && let Err(error) = self.active.finish_checkpoint()
        {
            if is_failed_write(&error) {
                failed = Some(error.to_string());
            } else {
                warn!(%error, "a checkpoint failed; the write-ahead log grows until the next one");
            }
        }
        if let Some(reason) = failed {
            // What it copied is still in the write-ahead log; the outcome is in the log's health.
            let now = self.now();
            if self.replace(&format!("a checkpoint failed: {reason}"), now).is_err() {
                return;
            }
        }
        if self.active.wants_checkpoint() {
            self.shared.inbox.ask_checkpoint(&self.active.segment);
        }
        if self.wants_new_segment() {
            match self.rotate() {
                Ok(()) => self.stuck = false,
                // The old segment goes on meanwhile.
                Err(error) => {
                    if !self.stuck {
                        warn!(%error, "a new segment could not be made; it is tried again");
                    }
                    self.stuck = true;
                }
            }
        }
    }

    fn wants_new_segment(&self) -> bool {
        let contents = self.active.segment.contents.read();
        let age_us = |first_at: i64| self.head.clock.0 - first_at;
        contents.summary.bytes >= self.shared.config.segment_bytes
            || contents.summary.first_at.is_some_and(|first_at| age_us(first_at) >= self.shared.config.segment_age_us)
    }

    pub(super) fn rotate(&mut self) -> Result<(), segment_file::CreateError> {
        let fresh = self.make_next()?;
        let segment = fresh.segment.clone();
        fault::point("journal.rotate.switch")?;
        let sealed = std::mem::replace(&mut self.active, fresh);
        self.shared.catalog.write().segments.push(segment);
        sealed.segment.contents.write().sealed = true;
        info!(segment = sealed.segment.name, "segment sealed");
        self.shared.inbox.seal(sealed.segment, Some(sealed.conn));
        Ok(())
    }
}

fn last_offset_of(shared: &Shared, stream: &StreamName) -> u64 {
    shared.catalog.read().streams.get(stream).map_or(0, |known| known.last_offset)
}

fn grow(catalog: &mut super::catalog::Catalog, plan: &StreamPlan) {
    for layouts in &plan.grown {
        catalog.add_layouts(&plan.stream, layouts);
    }
    if let Some(known) = catalog.streams.get_mut(&plan.stream) {
        known.rejected += plan.rejected;
    }
}

fn receipt_of(pending: &super::group::Pending, position: Position) -> Option<Receipt> {
    let idempotency = pending.idempotency.as_ref()?;
    Some(Receipt {
        key: idempotency.key,
        body: idempotency.body,
        clock: position.clock.0,
        last_offset: position.offset.to_u64(),
        accepted: pending.accepted,
        rejected: pending.rejected,
        receipt: pending.receipt.clone(),
    })
}
