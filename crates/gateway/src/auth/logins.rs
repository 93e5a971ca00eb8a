//! Users and their logins in memory, as they are on disk.
//!
//! A login is a random text in a cookie; its hash is kept, so that it outlives a restart. It carries the rights of its user as
//! they were when it began, and ends after its time, at the logout, and with any change of its user. What is open by it ends
//! with it. Decides nothing about requests.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use pulseboard_journal::{Credential, MetaStore};
use pulseboard_live::Params;
use pulseboard_protocol::Secret;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::login::{LoginRequest, UserAnswer};
use pulseboard_runtime::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{info, warn};

use super::caller::{Caller, Pass, Who};
use super::passwords::{Tries, verify};
use super::secret::{self, Hash};
use super::tokens::unavailable;
use super::users::{SESSION, USER, answer, is_name};

/// So many passwords are checked at a time: each takes 19 MiB and a core for a while.
const CHECKS_MAX: usize = 2;
/// So many logins wait for that; more are told to come back.
const WAITING_MAX: usize = 32;
/// The most logins of a user; the one that ends first gives way.
const SESSIONS_MAX: usize = 100;

#[derive(Debug)]
struct User {
    about: UserAnswer,
    hash: Vec<u8>,
}

#[derive(Debug)]
struct Session {
    id: String,
    who: Arc<Who>,
}

/// Users and logins.
#[derive(Debug)]
pub(super) struct Logins {
    users: RwLock<HashMap<String, User>>,
    sessions: Mutex<HashMap<Hash, Session>>,
    /// Held while either changes on disk and here, so that no login begins by a password that has just gone.
    changing: Mutex<()>,
    tries: Tries,
    checks: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A place among those whose passwords are checked.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "held for as long as the check takes")] OwnedSemaphorePermit);

impl Logins {
    /// What is kept of them.
    pub(super) fn of(credentials: &[Credential], now_us: i64) -> Self {
        let logins = Self {
            users: RwLock::default(),
            sessions: Mutex::default(),
            changing: Mutex::default(),
            tries: Tries::default(),
            checks: Arc::new(Semaphore::new(CHECKS_MAX)),
            waiting: AtomicUsize::new(0),
        };
        let of_kind = |kind| credentials.iter().filter(move |credential| credential.kind == kind);
        for user in of_kind(USER).filter(|user| user.revoked_us.is_none()) {
            match answer(user) {
                Some(about) => drop(logins.users.write().insert(user.name.clone(), held(about, user))),
                None => warn!(user = user.name, "a user is not understood by this version, and cannot log in"),
            }
        }
        let sessions = of_kind(SESSION).filter(|session| session.expires_us.is_some_and(|end_us| end_us > now_us));
        for session in sessions {
            if let Some(user) = logins.users.read().get(&session.name)
                && let Ok(hash) = Hash::try_from(session.hash.as_slice())
            {
                logins.sessions.lock().insert(hash, begun(session, &user.about));
            }
        }
        logins
    }

    /// Waits for a turn to have a password checked.
    pub(super) async fn turn(&self) -> Result<Turn, ApiError> {
        let busy = || ApiError::new(Code::Busy, "too many people log in at once: try again in a moment");
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(busy());
        }
        let waiting = Waiting(&self.waiting);
        let turn = Arc::clone(&self.checks).acquire_owned().await;
        drop(waiting);
        turn.map(Turn).map_err(|_| busy())
    }

    /// Checks a password and begins a login; gives what the cookie holds. Slow, and writes to the store.
    pub(super) fn log_in(
        &self,
        store: &MetaStore,
        login: &LoginRequest,
        from: IpAddr,
        (now_us, lasts_us): (i64, i64),
    ) -> Result<(Caller, String), ApiError> {
        let name = login.user.as_str();
        let kept = self.check(name, &login.password, (from, now_us))?;
        let _changing = self.changing.lock();
        let about = {
            let users = self.users.read();
            let user = users.get(name).filter(|user| user.hash == kept);
            user.map(|user| user.about.clone()).ok_or_else(wrong)?
        };
        let text = secret::random_text();
        let hash = secret::hash(&text);
        let ends_us = Some(now_us.saturating_add(lasts_us));
        let credential = kept_session((format!("session:{}", secret::make().0), name), &hash, (now_us, ends_us));
        self.make_room(store, name, now_us)?;
        store.keep_credential(&credential).map_err(|error| unavailable(&error))?;
        let session = begun(&credential, &about);
        let caller = Caller::new(Arc::clone(&session.who));
        self.sessions.lock().insert(hash, session);
        info!(user = name, %from, "somebody logged in");
        Ok((caller, text))
    }

    /// Checks a password, and gives the hash that it is known by. Slow.
    fn check(&self, name: &str, password: &Secret, (from, now_us): (IpAddr, i64)) -> Result<Vec<u8>, ApiError> {
        if !is_name(name) {
            return Err(wrong());
        }
        // Once more: others of the same name may have been wrong while this one waited.
        self.tries.check(name, from, now_us)?;
        let kept = self.users.read().get(name).map(|user| user.hash.clone());
        if !verify(kept.as_deref(), password) {
            self.tries.failed(name, from, now_us);
            // Not the name: people type their passwords there, too.
            info!(%from, "somebody tried a wrong name or password");
            return Err(wrong());
        }
        self.tries.passed(name, from);
        kept.ok_or_else(wrong)
    }

    /// Gives somebody who is logged in another password by `save`, which is given the name. The login that `text` stands for
    /// goes on, the user's others end. Slow, and writes to the store.
    pub(super) fn change_password(
        &self,
        store: &MetaStore,
        (text, current): (&str, &Secret),
        (from, now_us): (IpAddr, i64),
        save: impl FnOnce(&str) -> Result<(UserAnswer, Credential), ApiError>,
    ) -> Result<(), ApiError> {
        let hash = secret::hash(text);
        let own = || {
            let sessions = self.sessions.lock();
            let session = sessions.get(&hash)?;
            Some((session.id.clone(), session.who.name.clone(), session.who.expires_us))
        };
        let ended = || ApiError::new(Code::Unauthorized, "the login has ended: log in again");
        let (_, name, _) = own().ok_or_else(ended)?;
        let known = self.check(&name, current, (from, now_us))?;
        self.change_except((&name, Some(&hash)), || {
            let is_known = self.users.read().get(&name).is_some_and(|user| user.hash == known);
            let (id, name, ends_us) = own().filter(|_| is_known).ok_or_else(ended)?;
            let saved = save(&name)?;
            // It was forgotten with the others.
            let session = kept_session((id, &name), &hash, (now_us, ends_us));
            store.keep_credential(&session).map_err(|error| unavailable(&error))?;
            Ok(((), Some(saved)))
        })
    }

    /// Whether another password may be tried.
    pub(super) fn may_try(&self, name: &str, from: IpAddr, now_us: i64) -> Result<(), ApiError> {
        self.tries.check(name, from, now_us)
    }

    /// Who bears a cookie; `None` if it stands for nobody, or nobody any more.
    pub(super) fn find(&self, text: &str, now_us: i64) -> Option<Caller> {
        let sessions = self.sessions.lock();
        let caller = Caller::new(Arc::clone(&sessions.get(&secret::hash(text))?.who));
        caller.ended(now_us).is_none().then_some(caller)
    }

    /// Ends a login. Writes to the store.
    pub(super) fn log_out(&self, store: &MetaStore, text: &str) -> Result<(), ApiError> {
        let _changing = self.changing.lock();
        let Some(session) = self.sessions.lock().remove(&secret::hash(text)) else { return Ok(()) };
        session.who.revoked.trigger();
        store.forget_credential(&session.id).map_err(|error| unavailable(&error))
    }

    /// Changes a user on disk by `change`, and then here: they are what it gives, and all their logins have ended.
    pub(super) fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce() -> Result<(T, Option<(UserAnswer, Credential)>), ApiError>,
    ) -> Result<T, ApiError> {
        self.change_except((name, None), change)
    }

    /// The same, and one login goes on.
    fn change_except<T>(
        &self,
        (name, stays): (&str, Option<&Hash>),
        change: impl FnOnce() -> Result<(T, Option<(UserAnswer, Credential)>), ApiError>,
    ) -> Result<T, ApiError> {
        let _changing = self.changing.lock();
        let (answer, user) = change()?;
        match user {
            Some((about, credential)) => drop(self.users.write().insert(name.to_owned(), held(about, &credential))),
            None => drop(self.users.write().remove(name)),
        }
        self.sessions.lock().retain(|hash, session| {
            let stays = session.who.name != name || Some(hash) == stays;
            if !stays {
                session.who.revoked.trigger();
            }
            stays
        });
        Ok(answer)
    }

    /// Forgets what has ended, and the login of a user that ends first if there are as many as allowed.
    fn make_room(&self, store: &MetaStore, name: &str, now_us: i64) -> Result<(), ApiError> {
        let ends_us = |session: &Session| session.who.expires_us.unwrap_or(i64::MAX);
        let gone = {
            let mut sessions = self.sessions.lock();
            sessions.retain(|_, session| ends_us(session) > now_us);
            let own: Vec<_> = sessions.iter().filter(|(_, session)| session.who.name == name).collect();
            let first = own.iter().min_by_key(|(_, session)| ends_us(session)).filter(|_| own.len() >= SESSIONS_MAX);
            let first = first.map(|(hash, _)| **hash);
            first.and_then(|hash| sessions.remove(&hash))
        };
        store.forget_credentials(SESSION, now_us).map_err(|error| unavailable(&error))?;
        if let Some(session) = gone {
            session.who.revoked.trigger();
            store.forget_credential(&session.id).map_err(|error| unavailable(&error))?;
        }
        Ok(())
    }
}

/// Counts down however the wait ends.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn wrong() -> ApiError {
    ApiError::new(Code::Unauthorized, "the user or the password is wrong")
}

/// A login as it is kept.
fn kept_session((id, name): (String, &str), hash: &Hash, (now_us, ends_us): (i64, Option<i64>)) -> Credential {
    Credential {
        id,
        kind: SESSION.to_owned(),
        name: name.to_owned(),
        role: String::new(),
        channels: String::new(),
        hash: hash.to_vec(),
        created_us: now_us,
        expires_us: ends_us,
        revoked_us: None,
    }
}

fn held(about: UserAnswer, credential: &Credential) -> User {
    User { about, hash: credential.hash.clone() }
}

fn begun(credential: &Credential, user: &UserAnswer) -> Session {
    let who = Who {
        pass: Pass::Login,
        id: Some(format!("user:{}", user.name)),
        name: user.name.clone(),
        role: user.role,
        channels: user.channels.clone(),
        bound: Params::new(),
        expires_us: credential.expires_us,
        revoked: Shutdown::default(),
    };
    Session { id: credential.id.clone(), who: Arc::new(who) }
}
