//! What a client asks for, on its way from the library's handlers to the session: a bounded queue.
//!
//! The library runs a handler for each packet and would start a task for each; here a handler only files what came, in the
//! order in which it came. When the queue is full the client is told that the server is busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pulseboard_protocol::Subscribe;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::socketio::{read_subscribe, read_unsubscribe};
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// So many requests of a connection may wait; others are answered `busy`.
const REQUESTS_MAX: usize = 128;
/// So many bytes of them, as JSON.
const REQUEST_BYTES_MAX: usize = 256 << 10;

/// What a client wants.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    /// To follow channels.
    Subscribe(Subscribe),
    /// To end a subscription, by its number or one of its channels.
    Unsubscribe { sub: Option<u32>, channel: Option<String> },
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Subscribe,
    Unsubscribe,
}

/// A request, read.
#[derive(Debug)]
pub(super) struct Request {
    /// What is wanted, or why it cannot be understood.
    pub(super) wish: Result<Wish, ApiError>,
    /// Under which number an answer is waited for.
    pub(super) ack: Option<i64>,
    bytes: usize,
}

/// Where requests are filed.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    requests: Sender<Request>,
    bytes: Arc<AtomicUsize>,
}

/// Where they are taken out.
#[derive(Debug)]
pub(super) struct Outlet {
    requests: Receiver<Request>,
    bytes: Arc<AtomicUsize>,
}

/// An empty queue.
pub(super) fn inbox() -> (Inbox, Outlet) {
    let (sender, receiver) = channel(REQUESTS_MAX);
    let bytes = Arc::new(AtomicUsize::new(0));
    (Inbox { requests: sender, bytes: Arc::clone(&bytes) }, Outlet { requests: receiver, bytes })
}

impl Inbox {
    /// Files a request.
    ///
    /// # Errors
    /// [`Code::Busy`] when too much waits already.
    pub(super) fn file(&self, kind: Kind, argument: Option<Value>, ack: Option<i64>) -> Result<(), ApiError> {
        let argument = argument.unwrap_or(Value::Null);
        let bytes = size_of_json(&argument);
        if self.bytes.load(Ordering::Acquire) + bytes > REQUEST_BYTES_MAX {
            return Err(busy());
        }
        let wish = match kind {
            Kind::Subscribe => read_subscribe(argument).map(Wish::Subscribe),
            Kind::Unsubscribe => read_unsubscribe(argument).map(|(sub, channel)| Wish::Unsubscribe { sub, channel }),
        };
        // Before it is filed: it may be taken out at once.
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.requests.try_send(Request { wish, ack, bytes }).map_err(|_| {
            self.bytes.fetch_sub(bytes, Ordering::AcqRel);
            busy()
        })
    }
}

fn busy() -> ApiError {
    let message = format!("{REQUESTS_MAX} requests of this connection wait already, or 256 KiB of them");
    ApiError::new(Code::Busy, message)
}

/// About what a value is as text.
fn size_of_json(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| size_of_json(item) + 1).sum::<usize>() + 2,
        Value::Object(members) => {
            members.iter().map(|(name, value)| name.len() + size_of_json(value) + 4).sum::<usize>() + 2
        }
        _ => 8,
    }
}

impl Outlet {
    /// The next request; `None` when there will be none any more.
    pub(super) async fn next(&mut self) -> Option<Request> {
        let request = self.requests.recv().await?;
        self.bytes.fetch_sub(request.bytes, Ordering::AcqRel);
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn requests_come_out_in_order_and_too_many_are_refused() {
        let (inbox, mut outlet) = inbox();
        for number in 0..REQUESTS_MAX {
            let sub = json!({"sub": number});
            inbox.file(Kind::Unsubscribe, Some(sub), None).expect("room");
        }
        let refused = inbox.file(Kind::Subscribe, Some(json!("infra")), Some(1)).expect_err("full");
        assert_eq!(refused.code, Code::Busy);
        for number in 0..REQUESTS_MAX {
            let request = outlet.next().await.expect("a request");
            let sub = u32::try_from(number).ok();
            assert_eq!(request.wish, Ok(Wish::Unsubscribe { sub, channel: None }));
        }
        inbox.file(Kind::Subscribe, None, Some(7)).expect("room");
        let request = outlet.next().await.expect("a request");
        assert_eq!(request.ack, Some(7));
        assert_eq!(request.wish.expect_err("nothing was named").code, Code::BadRequest);
    }

    #[tokio::test]
    async fn what_waits_has_a_bound_in_bytes() {
        let (inbox, mut outlet) = inbox();
        let large = || Some(json!(["x".repeat(100 << 10)]));
        inbox.file(Kind::Subscribe, large(), None).expect("room");
        inbox.file(Kind::Subscribe, large(), None).expect("room");
        assert_eq!(inbox.file(Kind::Subscribe, large(), None).expect_err("full").code, Code::Busy);
        outlet.next().await.expect("a request");
        inbox.file(Kind::Subscribe, large(), None).expect("room again");
    }
}
