//! A group of requests on its way to one commit: schemas settled, retries answered, rows sorted by stream.
//!
//! Pure bookkeeping: it reads the catalog and the receipts and changes neither. What it decided becomes true only when
//! the commit is durable.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use pulseboard_model::conform::{conform, widens};
use pulseboard_model::rejects;
use pulseboard_model::{Epoch, OWN_STREAMS, StreamField, StreamName, StreamSchema};
use tokio::sync::oneshot;

use super::body::{Layouts, bytes_of};
use super::catalog::{Catalog, Stream};
use super::queue::{AppendOp, Op};
use super::receipts::Receipts;
use crate::log::{AppendError, AppendRequest, Appended, IdempotencyKey};

/// What the group brings to one stream.
#[derive(Debug)]
pub(super) struct StreamPlan {
    pub(super) stream: StreamName,
    /// The newest schema, after the group.
    pub(super) layouts: Arc<Layouts>,
    /// Versions the group added, in order.
    pub(super) grown: Vec<Arc<Layouts>>,
    pub(super) batches: Vec<RecordBatch>,
    pub(super) bytes: usize,
    pub(super) rejected: u64,
}

impl StreamPlan {
    /// The rows as one batch in the newest stored layout.
    pub(super) fn rows(&self) -> Result<RecordBatch, ArrowError> {
        match self.batches.as_slice() {
            [one] => conform(one, &self.layouts.stored),
            many => {
                let conformed: Vec<_> =
                    many.iter().map(|batch| conform(batch, &self.layouts.stored)).collect::<Result<_, _>>()?;
                concat_batches(&self.layouts.stored, &conformed)
            }
        }
    }
}

/// An answer that waits for the commit.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) answer: oneshot::Sender<Result<Appended, AppendError>>,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) receipt: Bytes,
    pub(super) idempotency: Option<IdempotencyKey>,
    /// The plan its rows are in; `None` if it has none.
    plan: Option<usize>,
}

/// What one commit will do.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) streams: Vec<StreamPlan>,
    pub(super) pending: Vec<Pending>,
    /// Rejects of streams that got no rows.
    pub(super) rejected_only: Vec<(StreamName, u64)>,
    by_stream: HashMap<StreamName, usize>,
    keys: HashSet<u128>,
    receipt_bytes: usize,
    new_streams: usize,
}

/// What the writer is asked to decide with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) receipts: &'a Receipts,
    pub(super) epoch: Epoch,
    pub(super) streams_max: usize,
}

impl Group {
    /// Takes requests in their order and answers at once those that need no commit. Gives back what has to wait for the
    /// next group: everything from the first operation that depends on this one's outcome.
    pub(super) fn form(mut ops: impl Iterator<Item = Op>, known: Known<'_>) -> (Self, Vec<Op>) {
        let mut group = Self::default();
        while let Some(op) = ops.next() {
            match op {
                Op::Append(op) if !group.waits_for_twin(&op.request) => group.admit(*op, known),
                later => return (group, std::iter::once(later).chain(ops).collect()),
            }
        }
        (group, Vec::new())
    }

    /// A retry whose first attempt is in this very group is answered after it.
    fn waits_for_twin(&self, request: &AppendRequest) -> bool {
        request.idempotency.as_ref().is_some_and(|idempotency| self.keys.contains(&idempotency.key))
    }

    /// Whether there is anything to write.
    pub(super) fn needs_commit(&self) -> bool {
        !self.streams.is_empty() || !self.keys.is_empty()
    }

    fn admit(&mut self, op: AppendOp, known: Known<'_>) {
        let AppendOp { request, bytes, answer } = op;
        match self.decide(&request, known) {
            Ok(Decision::Replay(appended)) => send(answer, Ok(appended)),
            Ok(Decision::Accept(layouts, grown)) => self.accept(request, bytes, layouts, grown, answer, known),
            Err(error) => send(answer, Err(error)),
        }
    }

    fn decide(&self, request: &AppendRequest, known: Known<'_>) -> Result<Decision, AppendError> {
        if let Some(idempotency) = &request.idempotency {
            match known.receipts.get(idempotency.key) {
                Some(receipt) if receipt.body == idempotency.body => {
                    return Ok(Decision::Replay(receipt.answer(known.epoch)));
                }
                Some(_) => return Err(AppendError::KeyReused),
                None if !known.receipts.has_room(request.receipt.len(), self.receipt_bytes) => {
                    return Err(AppendError::Busy);
                }
                None => {}
            }
        }
        let stream = known.catalog.streams.get(&request.stream);
        let planned = self.by_stream.get(&request.stream).map(|index| &self.streams[*index]);
        let current = planned.map(|plan| &plan.layouts).or(stream.map(|stream| &stream.newest));
        let Some(current) = current else {
            return self.decide_new(request, known);
        };
        let same = Arc::ptr_eq(&request.schema, &current.schema) || *request.schema == *current.schema;
        if same {
            check_layout(&request.rows, &current.stored)?;
            return Ok(Decision::Accept(current.clone(), false));
        }
        let Some(base) = request.base else { return Err(AppendError::SchemaMoved) };
        let changed = request.schema.version != base;
        if base == current.schema.version && changed {
            if request.schema.version.0 != base.0 + 1 || !grows(&current.schema, &request.schema) {
                return Err(refused("the request's schema is no growth of the stream's"));
            }
            let layouts = Layouts::new(request.schema.clone());
            check_layout(&request.rows, &layouts.stored)?;
            return Ok(Decision::Accept(layouts, true));
        }
        if base < current.schema.version && !changed {
            // The stream moved on and the request did not: its rows fit the newer schema as they are.
            let layouts = older_version(stream, planned, base.0).ok_or(AppendError::SchemaMoved)?;
            check_layout(&request.rows, &layouts.stored)?;
            return Ok(Decision::Accept(current.clone(), false));
        }
        Err(AppendError::SchemaMoved)
    }

    fn decide_new(&self, request: &AppendRequest, known: Known<'_>) -> Result<Decision, AppendError> {
        if request.base.is_some() {
            return Err(AppendError::SchemaMoved);
        }
        let is_own = OWN_STREAMS.contains(&request.stream.as_str());
        if !is_own && known.catalog.sent_streams() + self.new_streams >= known.streams_max {
            return Err(AppendError::TooManyStreams { max: known.streams_max });
        }
        let layouts = Layouts::new(request.schema.clone());
        check_layout(&request.rows, &layouts.stored)?;
        Ok(Decision::Accept(layouts, true))
    }

    fn accept(
        &mut self,
        request: AppendRequest,
        bytes: usize,
        layouts: Arc<Layouts>,
        grown: bool,
        answer: oneshot::Sender<Result<Appended, AppendError>>,
        known: Known<'_>,
    ) {
        let AppendRequest { stream, base, rows, rejected, rejects, idempotency, receipt, .. } = request;
        let accepted = rows.num_rows() as u64;
        if let Some(idempotency) = &idempotency {
            self.keys.insert(idempotency.key);
            self.receipt_bytes += Receipts::cost(receipt.len());
        }
        let pending = |plan| Pending { answer, accepted, rejected, receipt, idempotency, plan };
        if accepted == 0 {
            self.pending.push(pending(None));
            self.rejected_only.push((stream, rejected));
        } else {
            let index = self.plan_of(stream, &layouts);
            self.new_streams += usize::from(base.is_none() && grown && self.streams[index].batches.is_empty());
            self.pending.push(pending(Some(index)));
            let plan = &mut self.streams[index];
            if grown {
                plan.grown.push(layouts.clone());
            }
            plan.layouts = layouts;
            plan.batches.push(rows);
            plan.bytes += bytes;
            plan.rejected += rejected;
        }
        if let Some(rejects) = rejects {
            self.keep_rejects(rejects, known);
        }
    }

    fn plan_of(&mut self, stream: StreamName, layouts: &Arc<Layouts>) -> usize {
        *self.by_stream.entry(stream).or_insert_with_key(|stream| {
            self.streams.push(StreamPlan {
                stream: stream.clone(),
                layouts: layouts.clone(),
                grown: Vec::new(),
                batches: Vec::new(),
                bytes: 0,
                rejected: 0,
            });
            self.streams.len() - 1
        })
    }

    /// Rows of `_rejected` share the commit of the request they come from. Nobody waits for them: should they be what
    /// cannot be written, the request's own rows are none the worse.
    fn keep_rejects(&mut self, rejects: RecordBatch, known: Known<'_>) {
        let stream = rejects::stream();
        let newest = known.catalog.streams.get(&stream).map(|known| known.newest.clone());
        let (layouts, is_new) = match newest {
            Some(newest) => (newest, false),
            None => (Layouts::new(rejects::schema()), true),
        };
        let index = self.plan_of(stream, &layouts);
        let plan = &mut self.streams[index];
        if is_new && plan.grown.is_empty() {
            plan.grown.push(layouts);
        }
        plan.bytes += bytes_of(&rejects);
        plan.batches.push(rejects);
    }

    /// Takes out a stream whose rows cannot be written, and tells those who wait for it; the others are none the worse.
    pub(super) fn give_up(&mut self, plan: usize, error: &AppendError) {
        self.streams.remove(plan);
        let (given_up, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|pending| pending.plan == Some(plan));
        for pending in given_up {
            if let Some(idempotency) = &pending.idempotency {
                self.keys.remove(&idempotency.key);
            }
            send(pending.answer, Err(error.clone()));
        }
        self.pending = kept;
        for later in self.pending.iter_mut().filter_map(|pending| pending.plan.as_mut()) {
            *later -= usize::from(*later > plan);
        }
    }

    /// Tells everyone who waits that nothing was kept.
    pub(super) fn fail(self, error: &AppendError) {
        for pending in self.pending {
            send(pending.answer, Err(error.clone()));
        }
    }
}

#[derive(Debug)]
enum Decision {
    Replay(Appended),
    /// With which schema, and whether the request brought it.
    Accept(Arc<Layouts>, bool),
}

/// Answers; whoever asked may be gone, which changes nothing about what is durable.
pub(super) fn send<T>(answer: oneshot::Sender<T>, value: T) {
    let _gone = answer.send(value);
}

fn older_version(stream: Option<&Stream>, planned: Option<&StreamPlan>, version: u32) -> Option<Arc<Layouts>> {
    let committed = stream.and_then(|stream| stream.versions.get(&version));
    let in_group = planned.and_then(|plan| plan.grown.iter().find(|layouts| layouts.schema.version.0 == version));
    committed.or(in_group).cloned()
}

/// A body is kept without its schema: rows in any other layout than they claim could never be read again.
fn check_layout(rows: &RecordBatch, stored: &SchemaRef) -> Result<(), AppendError> {
    let same_shape = |a: &Schema, b: &Schema| {
        a.fields().len() == b.fields().len()
            && a.fields()
                .iter()
                .zip(b.fields())
                .all(|(a, b)| Arc::ptr_eq(a, b) || (a.name() == b.name() && a.data_type() == b.data_type()))
    };
    if Arc::ptr_eq(rows.schema_ref(), stored) || same_shape(rows.schema_ref(), stored) {
        Ok(())
    } else {
        Err(refused("the rows are not in their schema's layout"))
    }
}

fn refused(what: &str) -> AppendError {
    AppendError::Unavailable { reason: format!("internal fault: {what}") }
}

/// Whether every row of `old` can be read as `new`.
pub(super) fn grows(old: &StreamSchema, new: &StreamSchema) -> bool {
    let kept =
        |field: &StreamField| new.field(&field.name).is_some_and(|newer| widens(&field.field_type, &newer.field_type));
    old.fields.iter().all(kept)
}

#[cfg(test)]
mod tests {
    use pulseboard_model::SchemaVersion;

    use super::*;

    fn op(name: &str, key: u128) -> (Op, oneshot::Receiver<Result<Appended, AppendError>>) {
        let schema = Arc::new(StreamSchema::empty());
        let rows = RecordBatch::new_empty(schema.stored_schema());
        let rows = arrow::compute::concat_batches(
            &schema.stored_schema(),
            &[rows, RecordBatch::try_new(schema.stored_schema(), nulls(&schema)).unwrap()],
        );
        let (answer, answered) = oneshot::channel();
        let request = AppendRequest {
            stream: StreamName::new(name).unwrap(),
            base: None::<SchemaVersion>,
            schema,
            rows: rows.unwrap(),
            rejected: 0,
            rejects: None,
            idempotency: Some(IdempotencyKey { key, body: key }),
            receipt: Bytes::new(),
        };
        (Op::Append(Box::new(AppendOp { request, bytes: 16, answer })), answered)
    }

    fn nulls(schema: &StreamSchema) -> Vec<arrow::array::ArrayRef> {
        let stored = schema.stored_schema();
        stored.fields().iter().map(|field| arrow::array::new_null_array(field.data_type(), 1)).collect()
    }

    #[test]
    fn a_stream_that_cannot_be_written_takes_no_other_with_it() {
        let (catalog, receipts) = (Catalog::default(), Receipts::new(1 << 20));
        let known = Known { catalog: &catalog, receipts: &receipts, epoch: Epoch(1), streams_max: 10 };
        let (ops, mut answers): (Vec<_>, Vec<_>) =
            (1..).zip(["a", "b", "a", "c"]).map(|(key, name)| op(name, key)).unzip();
        let (mut group, later) = Group::form(ops.into_iter(), known);
        assert!(later.is_empty() && group.streams.len() == 3);
        let fault = AppendError::Unavailable { reason: "a fault".to_owned() };
        group.give_up(0, &fault);
        let names: Vec<_> = group.streams.iter().map(|plan| plan.stream.as_str()).collect();
        assert_eq!((names, group.pending.len()), (vec!["b", "c"], 2));
        assert_eq!([answers[0].try_recv(), answers[2].try_recv()], [Ok(Err(fault.clone())), Ok(Err(fault.clone()))]);
        assert!(answers[1].try_recv().is_err() && answers[3].try_recv().is_err(), "they still wait");
        group.give_up(1, &fault);
        assert_eq!(answers[3].try_recv(), Ok(Err(fault.clone())));
        assert!(group.needs_commit());
        group.give_up(0, &fault);
        assert!(!group.needs_commit());
    }
}
