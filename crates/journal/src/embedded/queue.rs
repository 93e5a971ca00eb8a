//! The one way in: requests wait here for the writer, bounded by their number and by their bytes.
//!
//! Full means [`AppendError::Busy`] for whoever comes next; nobody waits for room.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use pulseboard_model::{FieldType, StreamName};
use tokio::sync::oneshot;

use crate::log::{AppendError, AppendRequest, Appended, DeclareError, Removal, RemoveError};

/// A request with where its answer goes.
#[derive(Debug)]
pub(super) struct AppendOp {
    pub(super) request: AppendRequest,
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Result<Appended, AppendError>>,
}

/// Something for the writer to do.
#[derive(Debug)]
pub(super) enum Op {
    Append(Box<AppendOp>),
    Declare { stream: StreamName, fields: Vec<(String, FieldType)>, answer: oneshot::Sender<Result<(), DeclareError>> },
    Remove { stream: StreamName, answer: oneshot::Sender<Result<Removal, RemoveError>> },
}

impl Op {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(op) => op.bytes,
            Self::Declare { .. } | Self::Remove { .. } => 0,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    ops: VecDeque<Op>,
    bytes: usize,
    closed: bool,
}

/// The bounded queue.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    requests_max: usize,
    bytes_max: usize,
}

/// What the writer got.
#[derive(Debug)]
pub(super) enum Taken {
    /// The next group of whole requests, in their order.
    Group(Vec<Op>),
    /// Nothing came in time.
    Nothing,
    /// Nothing is left and nothing will come.
    Closed,
}

impl Queue {
    pub(super) fn new(requests_max: usize, bytes_max: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), requests_max, bytes_max }
    }

    /// Lines up. A request larger than the whole bound is taken when nothing else waits.
    pub(super) fn push(&self, op: Op) -> Result<(), AppendError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(AppendError::Closed);
        }
        let fits = state.ops.is_empty() || state.bytes + op.bytes() <= self.bytes_max;
        if !fits || state.ops.len() >= self.requests_max {
            return Err(AppendError::Busy);
        }
        state.bytes += op.bytes();
        state.ops.push_back(op);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes what waits, up to `bytes_max` bytes but at least one request, waiting at most `timeout` for the first.
    pub(super) fn take(&self, bytes_max: usize, timeout: Duration) -> Taken {
        let mut state = self.state.lock();
        if state.ops.is_empty() && !state.closed {
            self.changed.wait_for(&mut state, timeout);
        }
        if state.ops.is_empty() {
            return if state.closed { Taken::Closed } else { Taken::Nothing };
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(op) = state.ops.front() {
            if !group.is_empty() && bytes + op.bytes() > bytes_max {
                break;
            }
            bytes += op.bytes();
            group.extend(state.ops.pop_front());
        }
        state.bytes -= bytes;
        Taken::Group(group)
    }

    /// Puts back, at the front and in their order, what the writer will not do with this group.
    pub(super) fn put_back(&self, ops: Vec<Op>) {
        let mut state = self.state.lock();
        for op in ops.into_iter().rev() {
            state.bytes += op.bytes();
            state.ops.push_front(op);
        }
    }

    /// Lets nobody in any more; what waits is still done.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Closes, and answers what waits that it will not be done.
    pub(super) fn abandon(&self) {
        self.close();
        let ops = std::mem::take(&mut self.state.lock().ops);
        // Dropping the answers' senders tells whoever waits.
        drop(ops);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::record_batch::RecordBatch;
    use bytes::Bytes;
    use pulseboard_model::StreamSchema;

    use super::*;

    fn op(bytes: usize) -> Op {
        let schema = Arc::new(StreamSchema::empty());
        let request = AppendRequest {
            stream: StreamName::new("s").unwrap(),
            base: None,
            rows: RecordBatch::new_empty(schema.stored_schema()),
            schema,
            rejected: 0,
            rejects: None,
            idempotency: None,
            receipt: Bytes::new(),
        };
        Op::Append(Box::new(AppendOp { request, bytes, answer: oneshot::channel().0 }))
    }

    fn taken(queue: &Queue) -> Vec<usize> {
        match queue.take(100, Duration::ZERO) {
            Taken::Group(ops) => ops.iter().map(Op::bytes).collect(),
            Taken::Nothing | Taken::Closed => Vec::new(),
        }
    }

    #[test]
    fn groups_are_whole_requests_and_a_larger_one_is_alone() {
        let queue = Queue::new(10, 10_000);
        for bytes in [40, 60, 1, 500, 2, 3] {
            queue.push(op(bytes)).unwrap();
        }
        assert_eq!(
            [taken(&queue), taken(&queue), taken(&queue), taken(&queue)],
            [vec![40, 60], vec![1], vec![500], vec![2, 3]]
        );
        assert!(taken(&queue).is_empty());
    }

    #[test]
    fn full_by_number_or_bytes_is_busy() {
        let queue = Queue::new(2, 100);
        queue.push(op(500)).unwrap();
        assert_eq!(queue.push(op(1)), Err(AppendError::Busy));
        assert_eq!(taken(&queue), [500]);
        queue.push(op(1)).unwrap();
        queue.push(op(1)).unwrap();
        assert_eq!(queue.push(op(1)), Err(AppendError::Busy));
        queue.close();
        assert_eq!(queue.push(op(1)), Err(AppendError::Closed));
        assert_eq!(taken(&queue), [1, 1]);
        assert!(matches!(queue.take(100, Duration::ZERO), Taken::Closed));
    }
}
