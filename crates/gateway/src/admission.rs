//! How many connections may follow channels: in all, of one address, and new ones a second.
//!
//! Whoever is refused is told when to come back, so that a storm is spread instead of served badly. Addresses of this
//! machine are not limited one by one: a proxy stands there for everybody.

use std::collections::HashMap;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::connections::Arrival;

/// The limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub total_max: usize,
    /// Of one address that is not of this machine.
    pub per_address_max: usize,
    /// New ones in a second.
    pub per_second_max: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { total_max: 20_000, per_address_max: 1_000, per_second_max: 2_000 }
    }
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Total,
    Address,
    Rate,
}

impl Refused {
    pub(crate) const ALL: [Self; 3] = [Self::Total, Self::Address, Self::Rate];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Address => "address",
            Self::Rate => "rate",
        }
    }

    pub(crate) fn message(self, limits: &ConnectionLimits) -> String {
        match self {
            Self::Total => format!("there are already {} connections, the most allowed", limits.total_max),
            Self::Address => {
                format!("your address has {} connections already, the most allowed", limits.per_address_max)
            }
            Self::Rate => format!("there are {} new connections in this second already", limits.per_second_max),
        }
    }
}

/// Counts against the limits.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: ConnectionLimits,
    of_address: HashMap<IpAddr, usize>,
    /// New connections that may still come now; fills up at the allowed rate, to a second's worth.
    left: f64,
    filled_at: Instant,
}

impl Admission {
    pub(crate) fn new(limits: ConnectionLimits, now: Instant) -> Self {
        Self { limits, of_address: HashMap::new(), left: f64::from(limits.per_second_max), filled_at: now }
    }

    pub(crate) const fn limits(&self) -> ConnectionLimits {
        self.limits
    }

    /// Counts a connection in, if there is room beside the `taken`.
    pub(crate) fn admit(&mut self, ip: IpAddr, taken: usize, arrival: Arrival, now: Instant) -> Result<(), Refused> {
        let rate = f64::from(self.limits.per_second_max);
        self.left = (self.left + (now - self.filled_at).as_secs_f64() * rate).min(rate);
        self.filled_at = now;
        let cost = if arrival == Arrival::New { 1.0 } else { 0.0 };
        if taken >= self.limits.total_max {
            return Err(Refused::Total);
        }
        if self.left < cost {
            return Err(Refused::Rate);
        }
        if !ip.is_loopback() {
            let count = self.of_address.entry(ip).or_default();
            if *count >= self.limits.per_address_max {
                return Err(Refused::Address);
            }
            *count += 1;
        }
        self.left -= cost;
        Ok(())
    }

    /// Counts one out.
    pub(crate) fn leave(&mut self, ip: IpAddr) {
        if let Some(count) = self.of_address.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.of_address.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits { total_max: 10, per_address_max: 2, per_second_max: 4 };

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn new_ones_come_at_the_allowed_rate_and_polls_do_not_count() {
        let start = Instant::now();
        let mut admission = Admission::new(LIMITS, start);
        let local = ip("127.0.0.1");
        for _ in 0..4 {
            assert_eq!(admission.admit(local, 0, Arrival::New, start), Ok(()));
        }
        assert_eq!(admission.admit(local, 0, Arrival::New, start), Err(Refused::Rate));
        assert_eq!(admission.admit(local, 0, Arrival::Returning, start), Ok(()));
        let later = start + Duration::from_millis(250);
        assert_eq!(admission.admit(local, 0, Arrival::New, later), Ok(()));
        assert_eq!(admission.admit(local, 0, Arrival::New, later), Err(Refused::Rate));
        // A quiet hour saves up no more than a second.
        let much_later = start + Duration::from_secs(3_600);
        let admitted = (0..9).filter(|_| admission.admit(local, 0, Arrival::New, much_later).is_ok()).count();
        assert_eq!(admitted, 4);
        assert_eq!(admission.admit(local, 10, Arrival::Returning, much_later), Err(Refused::Total));
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let start = Instant::now();
        let mut admission = Admission::new(ConnectionLimits { per_second_max: 100, ..LIMITS }, start);
        let (one, other) = (ip("192.0.2.1"), ip("2001:db8::1"));
        assert_eq!(admission.admit(one, 0, Arrival::New, start), Ok(()));
        assert_eq!(admission.admit(one, 0, Arrival::Returning, start), Ok(()));
        assert_eq!(admission.admit(one, 0, Arrival::New, start), Err(Refused::Address));
        assert_eq!(admission.admit(other, 0, Arrival::New, start), Ok(()));
        admission.leave(one);
        assert_eq!(admission.admit(one, 0, Arrival::New, start), Ok(()));
        admission.leave(one);
        admission.leave(one);
        assert!(!admission.of_address.contains_key(&one), "nothing is kept of who has left");
        for local in ["127.0.0.1", "::1"] {
            assert!((0..5).all(|_| admission.admit(ip(local), 0, Arrival::New, start).is_ok()), "{local}");
        }
    }
}
