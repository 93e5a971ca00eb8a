//! Sockets that are open, whatever is asked over them: counted against a bound, in all and by address.
//!
//! Connections that follow channels have limits of their own (`admission`), told with 503. These here are wider, and whoever
//! is beyond them is hung up on: somebody who opens sockets and says nothing would not read an answer.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::admission::ConnectionLimits;

/// Sockets beside those that may follow channels: requests, and whoever has said nothing yet.
const SPARE: usize = 4_096;
/// The same of one address that is not of this machine.
const SPARE_OF_ADDRESS: usize = 256;

/// All sockets that are open. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Sockets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total_max: usize,
    per_address_max: usize,
    open: Mutex<Open>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    of_address: HashMap<IpAddr, usize>,
}

/// A socket's place; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Seat {
    sockets: Sockets,
    ip: IpAddr,
}

impl Sockets {
    pub(crate) fn new(limits: &ConnectionLimits) -> Self {
        Self(Arc::new(Inner {
            total_max: limits.total_max.saturating_add(SPARE),
            per_address_max: limits.per_address_max.saturating_add(SPARE_OF_ADDRESS),
            open: Mutex::default(),
            left: Notify::new(),
        }))
    }

    /// A place for one more, or the limit that there is none under.
    pub(crate) fn admit(&self, peer: SocketAddr) -> Result<Seat, &'static str> {
        let ip = peer.ip();
        let mut open = self.0.open.lock();
        if open.total >= self.0.total_max {
            return Err("total");
        }
        // A proxy on this machine stands for everybody.
        if !ip.is_loopback() {
            let count = open.of_address.entry(ip).or_default();
            if *count >= self.0.per_address_max {
                return Err("address");
            }
            *count += 1;
        }
        open.total += 1;
        drop(open);
        metrics::gauge!("pulseboard_sockets").increment(1.0);
        Ok(Seat { sockets: self.clone(), ip })
    }

    /// Resolves when none is open.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.0.left.notified();
            if self.0.open.lock().total == 0 {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.sockets.0.open.lock();
        open.total -= 1;
        if let Some(count) = open.of_address.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                open.of_address.remove(&self.ip);
            }
        }
        drop(open);
        metrics::gauge!("pulseboard_sockets").decrement(1.0);
        self.sockets.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_in_all_and_of_an_address_and_places_come_back() {
        let limits = ConnectionLimits { total_max: 10, per_address_max: 1, per_token_max: 1, per_second_max: 1 };
        let sockets = Sockets::new(&limits);
        let peer = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let mut held: Vec<Seat> = Vec::new();
        let refused = |from: SocketAddr, held: &mut Vec<Seat>| loop {
            match sockets.admit(from) {
                Ok(seat) => held.push(seat),
                Err(limit) => return limit,
            }
        };
        assert_eq!(refused(peer("192.0.2.1:1"), &mut held), "address");
        assert_eq!(held.len(), 1 + SPARE_OF_ADDRESS);
        assert_eq!(refused(peer("127.0.0.1:1"), &mut held), "total");
        assert_eq!(held.len(), 10 + SPARE);
        assert_eq!(refused(peer("192.0.2.2:1"), &mut held), "total");
        held.clear();
        assert!(sockets.0.open.lock().of_address.is_empty(), "nothing is kept of who has left");
        assert_eq!(refused(peer("127.0.0.1:1"), &mut held), "total");
    }
}
