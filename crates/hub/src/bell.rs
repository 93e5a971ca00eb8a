//! How a connection is woken: one bell per connection, one flag per subscription.
//!
//! Ringing costs an atomic swap while the connection has not come to look yet, so a reader that is busy or waiting for its
//! pace is not woken again and again.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures::task::AtomicWaker;

/// Wakes one connection's task.
#[derive(Debug, Default)]
pub struct Bell {
    rung: AtomicBool,
    waker: AtomicWaker,
}

impl Bell {
    /// A bell nobody has rung.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Wakes the connection.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Waits until the bell is rung. Only one task waits for a bell.
    pub async fn rung(&self) {
        poll_fn(|context| {
            self.waker.register(context.waker());
            if self.rung.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Tells one subscription that something of it changed.
#[derive(Debug)]
pub(crate) struct Signal {
    pending: AtomicBool,
    bell: Arc<Bell>,
}

impl Signal {
    pub(crate) fn new(bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { pending: AtomicBool::new(false), bell })
    }

    /// Rings, unless the subscription has not yet looked since the last time.
    pub(crate) fn raise(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.bell.ring();
        }
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Before looking: what comes from now on raises it again.
    pub(crate) fn lower(&self) {
        // A swap, not a store: what the raiser wrote before it found the flag up must be seen by the look that follows.
        self.pending.swap(false, Ordering::AcqRel);
    }
}
