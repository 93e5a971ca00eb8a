//! Passwords: how they are kept, checked, and guessed in vain.
//!
//! A password is kept as its argon2id hash. Checking one is slow on purpose, so whoever guesses is made to wait, by the name
//! that is tried and by the address that tries. Knows no user, and puts no password anywhere.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use parking_lot::Mutex;
use pulseboard_protocol::Secret;
use pulseboard_protocol::error::{ApiError, Code};
use rand::Rng;

/// The shortest password.
const CHARS_MIN: usize = 10;
/// The longest one.
const BYTES_MAX: usize = 1_024;
/// So many wrong passwords for one name from one address in a minute; more are not looked at.
const TRIES_MAX: u32 = 5;
/// So many from one address whatever the name, if it is not of this machine: a proxy stands there for everybody.
const ADDRESS_TRIES_MAX: u32 = 30;
/// How long they count.
const TRIES_US: i64 = 60_000_000;
/// The most names and addresses that are counted. Each cost somebody's slow check, so they are not reached; then none is tried.
const COUNTS_MAX: usize = 20_000;

/// What a wrong name is checked against, so that it takes as long as a wrong password.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| hashed(&Secret::new("nobody has this password")).unwrap_or_default());

/// The hash to keep of a new password.
///
/// # Errors
/// [`Code::BadRequest`] for one that is too short or too long.
pub(super) fn hash(password: &Secret) -> Result<Vec<u8>, ApiError> {
    let text = password.reveal();
    if text.chars().count() < CHARS_MIN || text.len() > BYTES_MAX {
        let message = format!("a password has at least {CHARS_MIN} characters and at most {BYTES_MAX} bytes");
        return Err(ApiError::new(Code::BadRequest, message));
    }
    let hash = hashed(password).map_err(|error| {
        tracing::error!(%error, "a password could not be hashed");
        ApiError::new(Code::Internal, "the password could not be hashed by a fault of the server")
    })?;
    Ok(hash.into_bytes())
}

fn hashed(password: &Secret) -> Result<String, argon2::password_hash::Error> {
    let salt: [u8; 16] = rand::rng().random();
    // The defaults are argon2id with 19 MiB and two passes.
    Argon2::default().hash_password_with_salt(password.reveal().as_bytes(), &salt).map(|hash| hash.to_string())
}

/// Whether a password is the one of a hash. `None` stands for nobody's: it takes as long, and is never right.
pub(super) fn verify(kept: Option<&[u8]>, password: &Secret) -> bool {
    if password.reveal().len() > BYTES_MAX {
        return false;
    }
    let text = kept.and_then(|kept| std::str::from_utf8(kept).ok()).unwrap_or(&NOBODY);
    let is_right = PasswordHash::new(text)
        .is_ok_and(|hash| Argon2::default().verify_password(password.reveal().as_bytes(), &hash).is_ok());
    is_right && kept.is_some()
}

/// Whose tries are counted: a name from an address, or an address.
type Counted = (Option<String>, IpAddr);

/// Counts wrong passwords.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<HashMap<Counted, (u32, i64)>>);

fn counted(name: &str, from: IpAddr) -> [(Counted, u32); 2] {
    let limit = if from.to_canonical().is_loopback() { u32::MAX } else { ADDRESS_TRIES_MAX };
    [((Some(name.to_owned()), from), TRIES_MAX), ((None, from), limit)]
}

impl Tries {
    /// Whether another password may be tried.
    ///
    /// # Errors
    /// [`Code::Busy`] with when to come back.
    pub(super) fn check(&self, name: &str, from: IpAddr, now_us: i64) -> Result<(), ApiError> {
        let counts = self.0.lock();
        for (key, most) in counted(name, from) {
            if let Some((count, since_us)) = counts.get(&key)
                && *count >= most
                && now_us - since_us < TRIES_US
            {
                let left_ms = ((TRIES_US - (now_us - since_us)) / 1_000).max(1);
                let message = "there were too many wrong passwords: try again in a minute";
                return Err(ApiError::new(Code::Busy, message).with("retry_after_ms", left_ms));
            }
        }
        Ok(())
    }

    /// Notes a wrong one.
    pub(super) fn failed(&self, name: &str, from: IpAddr, now_us: i64) {
        let mut counts = self.0.lock();
        if counts.len() >= COUNTS_MAX {
            counts.retain(|_, (_, since_us)| now_us - *since_us < TRIES_US);
        }
        if counts.len() >= COUNTS_MAX {
            return;
        }
        for (key, _) in counted(name, from) {
            let (count, since_us) = counts.entry(key).or_insert((0, now_us));
            if now_us - *since_us >= TRIES_US {
                (*count, *since_us) = (0, now_us);
            }
            *count = count.saturating_add(1);
        }
    }

    /// Forgets what a name did wrong: its own password was right.
    pub(super) fn passed(&self, name: &str, from: IpAddr) {
        self.0.lock().remove(&(Some(name.to_owned()), from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_as_its_argon2id_hash_and_nobody_has_one() {
        let secret = Secret::new;
        let kept = hash(&secret("correct horse battery")).expect("a hash");
        assert!(kept.starts_with(b"$argon2id$v=19$m=19456,t=2,p=1$"), "{}", String::from_utf8_lossy(&kept));
        assert_ne!(kept, hash(&secret("correct horse battery")).expect("a hash"), "each has a salt of its own");
        assert!(verify(Some(&kept), &secret("correct horse battery")));
        for wrong in ["correct horse batterx", "correct horse battery ", ""] {
            assert!(!verify(Some(&kept), &secret(wrong)), "{wrong}");
        }
        assert!(!verify(None, &secret("nobody has this password")));
        assert!(!verify(Some(b"nonsense"), &secret("")) && !verify(Some(b""), &secret("")));
        for bad in ["short", &"x".repeat(1_025)] {
            assert_eq!(hash(&secret(bad)).expect_err("refused").code, Code::BadRequest);
        }
    }

    #[test]
    fn whoever_guesses_waits_by_name_and_by_address() {
        let tries = Tries::default();
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().expect("ip"), "192.0.2.2".parse().expect("ip"));
        let fail = |name: &str, from, times: u32| (0..times).for_each(|_| tries.failed(name, from, 0));
        fail("ann", one, TRIES_MAX);
        assert_eq!(tries.check("ann", one, TRIES_US - 1).expect_err("too many").code, Code::Busy);
        assert!(tries.check("ann", one, TRIES_US).is_ok() && tries.check("ann", other, 0).is_ok());
        assert!(tries.check("bob", one, 0).is_ok());
        for number in 0..ADDRESS_TRIES_MAX {
            fail(&format!("user{number}"), one, 1);
        }
        assert!(tries.check("bob", one, 0).is_err() && tries.check("bob", other, 0).is_ok());
        let here = "127.0.0.1".parse().expect("ip");
        for number in 0..2 * ADDRESS_TRIES_MAX {
            fail(&format!("user{number}"), here, 1);
        }
        assert!(tries.check("bob", here, 0).is_ok(), "a proxy stands there for everybody");
        fail("ann", here, TRIES_MAX);
        assert!(tries.check("ann", here, 0).is_err());
        tries.passed("ann", here);
        assert!(tries.check("ann", here, 0).is_ok());
    }
}
