//! Tickets: what a page puts into a URL where a browser sends no headers, instead of its token.
//!
//! A ticket is good once and for some seconds, so that a URL in a log opens nothing. It carries the right of whoever asked for
//! it, and ends with it. Tickets are in memory: a restart takes them back.

use std::collections::HashMap;

use parking_lot::Mutex;
use pulseboard_protocol::auth::TicketAnswer;
use pulseboard_protocol::error::{ApiError, Code};

use super::caller::Caller;
use super::secret::{self, Hash};

/// How long a ticket is good.
const GOOD_MS: u64 = 30_000;
/// The most tickets that wait to be used; more are refused until some were or have ended.
const WAITING_MAX: usize = 10_000;

#[derive(Debug)]
struct Ticket {
    caller: Caller,
    ends_us: i64,
}

/// Tickets that were given and not used. Kept by their hashes.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<HashMap<Hash, Ticket>>);

impl Tickets {
    /// Gives a ticket.
    pub(super) fn give(&self, caller: &Caller, now_us: i64) -> Result<TicketAnswer, ApiError> {
        let mut waiting = self.0.lock();
        if waiting.len() >= WAITING_MAX {
            waiting.retain(|_, ticket| ticket.ends_us > now_us);
        }
        if waiting.len() >= WAITING_MAX {
            return Err(ApiError::new(Code::Busy, format!("{WAITING_MAX} tickets wait to be used already")));
        }
        let ticket = secret::random_text();
        let good_us = i64::try_from(GOOD_MS * 1_000).unwrap_or(i64::MAX);
        let ends_us = now_us.saturating_add(good_us);
        waiting.insert(secret::hash(&ticket), Ticket { caller: caller.clone(), ends_us });
        Ok(TicketAnswer { ticket, expires_in_ms: GOOD_MS })
    }

    /// Takes a ticket, which is then used up.
    pub(super) fn take(&self, text: &str, now_us: i64) -> Result<Caller, ApiError> {
        let ticket = self.0.lock().remove(&secret::hash(text));
        let unknown = || ApiError::new(Code::Unauthorized, "the ticket is not known, or was used, or has ended");
        let ticket = ticket.filter(|ticket| ticket.ends_us > now_us).ok_or_else(unknown)?;
        match ticket.caller.ended(now_us) {
            None => Ok(ticket.caller),
            Some(ended) => Err(ended.error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_and_not_for_long() {
        let tickets = Tickets::default();
        let caller = Caller::trusted("tester");
        let give = |now_us| tickets.give(&caller, now_us).expect("room").ticket;
        let (used, late) = (give(0), give(0));
        assert!(tickets.take(&used, 1).is_ok());
        assert_eq!(tickets.take(&used, 1).expect_err("used").code, Code::Unauthorized);
        assert_eq!(tickets.take(&late, 30_000_000).expect_err("late").code, Code::Unauthorized);
        assert_eq!(tickets.take("", 0).expect_err("none").code, Code::Unauthorized);
    }

    #[test]
    fn tickets_that_nobody_uses_make_room_when_they_have_ended() {
        let tickets = Tickets::default();
        let caller = Caller::trusted("tester");
        for _ in 0..WAITING_MAX {
            tickets.give(&caller, 0).expect("room");
        }
        assert_eq!(tickets.give(&caller, 1).expect_err("full").code, Code::Busy);
        assert!(tickets.give(&caller, 30_000_000).is_ok());
    }
}
