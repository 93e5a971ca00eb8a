//! How many connections may follow channels: in all, of one address, of one token, and new ones a second.
//!
//! Whoever is refused is told when to come back, so that a storm is spread instead of served badly. Addresses of this
//! machine are not limited one by one: a proxy stands there for everybody.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::connections::Arrival;
use crate::rate::Allowance;

/// The limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub total_max: usize,
    /// Of one address that is not of this machine.
    pub per_address_max: usize,
    /// Of one token, wherever it is shown.
    pub per_token_max: usize,
    /// New ones in a second.
    pub per_second_max: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { total_max: 20_000, per_address_max: 1_000, per_token_max: 10_000, per_second_max: 2_000 }
    }
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Total,
    Address,
    Token,
    Rate,
}

impl Refused {
    pub(crate) const ALL: [Self; 4] = [Self::Total, Self::Address, Self::Token, Self::Rate];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Address => "address",
            Self::Token => "token",
            Self::Rate => "rate",
        }
    }

    pub(crate) fn message(self, limits: &ConnectionLimits) -> String {
        match self {
            Self::Total => format!("there are already {} connections, the most allowed", limits.total_max),
            Self::Address => {
                format!("your address has {} connections already, the most allowed", limits.per_address_max)
            }
            Self::Token => {
                format!("your token has {} connections already, the most allowed", limits.per_token_max)
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
    of_token: HashMap<String, usize>,
    /// New connections that may still come now.
    arrivals: Allowance,
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) ip: IpAddr,
    /// The token that was shown, by its id; none where nothing need be.
    pub(crate) token: Option<&'a str>,
}

impl Admission {
    pub(crate) fn new(limits: ConnectionLimits, now: Instant) -> Self {
        let arrivals = Allowance::full(limits.per_second_max, now);
        Self { limits, of_address: HashMap::new(), of_token: HashMap::new(), arrivals }
    }

    pub(crate) const fn limits(&self) -> ConnectionLimits {
        self.limits
    }

    /// Counts a connection in, if there is room beside the `taken`.
    pub(crate) fn admit(
        &mut self,
        whose: Whose<'_>,
        taken: usize,
        arrival: Arrival,
        now: Instant,
    ) -> Result<(), Refused> {
        let has_room = self.arrivals.has_one(self.limits.per_second_max, now);
        if taken >= self.limits.total_max {
            return Err(Refused::Total);
        }
        if arrival == Arrival::New && !has_room {
            return Err(Refused::Rate);
        }
        let address = Some(whose.ip).filter(|ip| !ip.is_loopback());
        if address.is_some_and(|ip| open(&self.of_address, &ip) >= self.limits.per_address_max) {
            return Err(Refused::Address);
        }
        self.count_token(whose.token)?;
        if let Some(ip) = address {
            *self.of_address.entry(ip).or_default() += 1;
        }
        if arrival == Arrival::New {
            self.arrivals.take();
        }
        Ok(())
    }

    /// Counts one out.
    pub(crate) fn leave(&mut self, whose: Whose<'_>) {
        close(&mut self.of_address, &whose.ip);
        if let Some(token) = whose.token {
            close(&mut self.of_token, token);
        }
    }

    /// A connection that is open goes on with another token, if that has room; else all stays as it is.
    pub(crate) fn go_on(&mut self, from: Option<&str>, to: Option<&str>) -> Result<(), Refused> {
        if from == to {
            return Ok(());
        }
        self.count_token(to)?;
        if let Some(from) = from {
            close(&mut self.of_token, from);
        }
        Ok(())
    }

    fn count_token(&mut self, token: Option<&str>) -> Result<(), Refused> {
        let Some(token) = token else { return Ok(()) };
        if open(&self.of_token, token) >= self.limits.per_token_max {
            return Err(Refused::Token);
        }
        *self.of_token.entry(token.to_owned()).or_default() += 1;
        Ok(())
    }
}

/// How many are open of somebody.
fn open<K: Borrow<Q> + Eq + Hash, Q: Eq + Hash + ?Sized>(counts: &HashMap<K, usize>, of: &Q) -> usize {
    counts.get(of).copied().unwrap_or_default()
}

/// One less is open of somebody. Nothing is kept of who has left.
fn close<K: Borrow<Q> + Eq + Hash, Q: Eq + Hash + ?Sized>(counts: &mut HashMap<K, usize>, of: &Q) {
    if let Some(count) = counts.get_mut(of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(of);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: ConnectionLimits =
        ConnectionLimits { total_max: 10, per_address_max: 2, per_token_max: 3, per_second_max: 4 };

    fn ip(text: &str) -> Whose<'static> {
        Whose { ip: text.parse().expect("an address"), token: None }
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
    fn an_address_and_a_token_have_their_share_and_get_it_back() {
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
        assert!(!admission.of_address.contains_key(&one.ip), "nothing is kept of who has left");
        let with = |token| Whose { token: Some(token), ..ip("127.0.0.1") };
        for _ in 0..3 {
            assert_eq!(admission.admit(with("a"), 0, Arrival::New, start), Ok(()));
        }
        assert_eq!(admission.admit(with("a"), 0, Arrival::Returning, start), Err(Refused::Token));
        assert_eq!(admission.admit(with("b"), 0, Arrival::New, start), Ok(()));
        admission.leave(with("a"));
        assert_eq!(admission.admit(with("a"), 0, Arrival::New, start), Ok(()));
        (0..3).for_each(|_| admission.leave(with("a")));
        admission.leave(with("b"));
        assert!(admission.of_token.is_empty());
        for local in ["127.0.0.1", "::1"] {
            assert!((0..5).all(|_| admission.admit(ip(local), 0, Arrival::New, start).is_ok()), "{local}");
        }
    }
}
