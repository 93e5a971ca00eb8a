//! All that can be shown to be let in, in memory as it is on disk.
//!
//! From the first token or user on nobody comes with nothing, also when all of them have ended since: taking the last one back
//! must not open the door. A link to a board locks nothing: it only shows what its maker sees. Reading the store again is never needed: whoever changes it while a server runs asks that server.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::HeaderMap;
use parking_lot::RwLock;
use pulseboard_journal::{Credential, LogError, MetaStore};
use pulseboard_live::Params;
use pulseboard_protocol::Pattern;
use pulseboard_protocol::auth::{NewTokenAnswer, TicketAnswer, TokenAnswer, TokenRequest};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::login::{
    LoginRequest, NewShareAnswer, PasswordRequest, ShareAnswer, ShareRequest, UserAnswer, UserRequest,
};
use pulseboard_runtime::{Clock, Shutdown};
use tracing::warn;

use super::caller::{Caller, Pass, Who};
use super::jwt::{self, JwtConfig, Refused};
use super::jwt_keys::JwtKeys;
use super::logins::Logins;
use super::page;
use super::secret::{self, Hash, LocalKey};
use super::shares::{SHARE, create_share, list_shares, revoke_share, shared_board};
use super::tickets::Tickets;
use super::tokens::{KEY, create_token, list_tokens, on_store_of, revoke_token};
use super::users::{USER, list_users, remove_user, save_user};

/// How the door is set up.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// Whose JSON Web Tokens are taken, and the keys that sign them.
    pub jwt: Option<(JwtConfig, JwtKeys)>,
    /// How long an open connection may go on with a token that has ended.
    pub grace: Duration,
    /// Whether this machine needs no token although there are some.
    pub open_on_loopback: bool,
    /// How long a login lasts.
    pub session: Duration,
    /// Where the server listens: browsers tell the cookies of two servers on one machine apart by name alone.
    pub port: u16,
}

impl Default for AuthConfig {
    fn default() -> Self {
        let session = Duration::from_secs(7 * 86_400);
        Self { jwt: None, grace: Duration::ZERO, open_on_loopback: false, session, port: 0 }
    }
}

#[derive(Debug)]
struct Held {
    hash: Vec<u8>,
    who: Arc<Who>,
}

#[derive(Debug)]
struct Inner {
    store: MetaStore,
    clock: Arc<dyn Clock>,
    config: AuthConfig,
    local: Hash,
    /// Whether there was ever a token or a user.
    locked: AtomicBool,
    held: RwLock<HashMap<String, Held>>,
    logins: Logins,
    tickets: Tickets,
}

/// All that can be shown. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keyring(Arc<Inner>);

/// What a token or a link allows; `None` if this version does not understand it, which lets nobody in.
fn who_of(credential: &Credential) -> Option<Who> {
    let revoked = Shutdown::default();
    if credential.revoked_us.is_some() {
        revoked.trigger();
    }
    let (pass, id, channels) = match credential.kind.as_str() {
        KEY => (Pass::Token, credential.id.clone(), serde_json::from_str(&credential.channels).ok()?),
        SHARE => {
            let shared = shared_board(credential)?;
            let pattern: Pattern = format!("board:{}", shared.board).parse().ok()?;
            (Pass::Share(shared), format!("link:{}", credential.id), vec![pattern])
        }
        _ => return None,
    };
    Some(Who {
        pass,
        id: Some(id),
        name: credential.name.clone(),
        role: credential.role.parse().ok()?,
        channels,
        bound: Params::new(),
        expires_us: credential.expires_us,
        revoked,
    })
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(Code::Unauthorized, message)
}

impl Keyring {
    /// Reads what is kept in `store`. `local` is what commands on this machine show.
    ///
    /// # Errors
    /// [`LogError`] when the store cannot be read.
    pub fn open(
        store: MetaStore,
        clock: Arc<dyn Clock>,
        config: AuthConfig,
        local: &LocalKey,
    ) -> Result<Self, LogError> {
        let mut held = HashMap::new();
        let credentials = store.credentials()?;
        let logins = Logins::of(&credentials, clock.now_us());
        let locked = credentials.iter().any(|credential| [KEY, USER].contains(&credential.kind.as_str()));
        for credential in credentials.into_iter().filter(|credential| [KEY, SHARE].contains(&credential.kind.as_str()))
        {
            match who_of(&credential) {
                Some(who) => {
                    held.insert(credential.id, Held { hash: credential.hash, who: Arc::new(who) });
                }
                None => warn!(id = credential.id, "a token is not understood by this version, and lets nobody in"),
            }
        }
        let (local, held, locked) = (local.hash, RwLock::new(held), AtomicBool::new(locked));
        Ok(Self(Arc::new(Inner { store, clock, config, local, locked, held, logins, tickets: Tickets::default() })))
    }

    /// Whether something must be shown.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.0.config.jwt.is_some() || self.0.locked.load(Ordering::Acquire)
    }

    /// How long an open connection may go on with a token that has ended.
    pub(crate) fn grace(&self) -> Duration {
        self.0.config.grace
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.clock.as_ref()
    }

    /// Who shows `token`, of ours or of somebody else's making. Waits a moment for newer keys where they may be missing.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(crate) async fn admit(&self, token: &str) -> Result<Caller, ApiError> {
        let Some((config, keys)) = self.0.config.jwt.as_ref().filter(|_| jwt::looks_like_one(token)) else {
            return self.check(token);
        };
        let read = || jwt::read(config, &keys.set(), token, self.0.clock.now_us());
        let mut who = read();
        if who.as_ref().is_err_and(|refused| *refused == Refused::UnknownKey) {
            keys.newer().await;
            who = read();
        }
        match who {
            Ok(who) => Ok(Caller::new(Arc::new(who))),
            Err(Refused::UnknownKey) => Err(unauthorized("the token is signed with a key that is not known here")),
            Err(Refused::No(error)) => Err(error),
        }
    }

    /// Who shows a token of ours.
    ///
    /// # Errors
    /// [`Code::Unauthorized`], [`Code::TokenExpired`] or [`Code::TokenRevoked`].
    pub(crate) fn check(&self, token: &str) -> Result<Caller, ApiError> {
        let unknown = || unauthorized("the token is not known here");
        let id = secret::id_of(token).ok_or_else(unknown)?;
        let shown = secret::hash(token);
        if LocalKey::is_its_id(id) {
            let is_ours = secret::is_same(&self.0.local, &shown);
            return is_ours.then(|| Caller::trusted("the command line")).ok_or_else(unknown);
        }
        let who = {
            let held = self.0.held.read();
            let held = held.get(id).filter(|held| secret::is_same(&held.hash, &shown)).ok_or_else(unknown)?;
            held.who.clone()
        };
        let caller = Caller::new(who);
        match caller.ended(self.0.clock.now_us()) {
            None => Ok(caller),
            Some(ended) => Err(ended.error()),
        }
    }

    /// Who shows nothing: this machine, as long as there is nothing to be shown.
    ///
    /// # Errors
    /// [`Code::Unauthorized`].
    pub(crate) fn unknown(&self, from: IpAddr) -> Result<Caller, ApiError> {
        if from.to_canonical().is_loopback() && (self.0.config.open_on_loopback || !self.is_locked()) {
            Ok(Caller::trusted("this machine"))
        } else {
            Err(unauthorized("this needs a token (`Authorization: Bearer …`) or a login"))
        }
    }

    /// A ticket for one connection of the caller.
    pub(crate) fn give_ticket(&self, caller: &Caller) -> Result<TicketAnswer, ApiError> {
        self.0.tickets.give(caller, self.0.clock.now_us())
    }

    /// Who shows a ticket, which is then used up.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(crate) fn take_ticket(&self, ticket: &str) -> Result<Caller, ApiError> {
        self.0.tickets.take(ticket, self.0.clock.now_us())
    }

    /// Keeps in memory what was made on disk.
    fn hold(&self, credential: Credential) {
        if credential.kind == KEY {
            self.0.locked.store(true, Ordering::Release);
        }
        if let Some(who) = who_of(&credential) {
            let held = Held { hash: credential.hash, who: Arc::new(who) };
            self.0.held.write().insert(credential.id, held);
        }
    }

    /// Makes a token. Writes to the store: call it where blocking is allowed.
    pub(crate) fn create(&self, request: TokenRequest, by: &Caller) -> Result<NewTokenAnswer, ApiError> {
        let (answer, credential) = create_token(&self.0.store, request, self.0.clock.now_us(), &by.named())?;
        self.hold(credential);
        Ok(answer)
    }

    /// Takes a token back, with all that is open by it. Writes to the store.
    pub(crate) fn revoke(&self, id: &str, by: &Caller) -> Result<TokenAnswer, ApiError> {
        let answer = revoke_token(&self.0.store, id, self.0.clock.now_us(), &by.named())?;
        self.end(id);
        Ok(answer)
    }

    fn end(&self, id: &str) {
        if let Some(held) = self.0.held.read().get(id) {
            held.who.revoked.trigger();
        }
    }

    /// Makes a link to a board. Writes to the store.
    pub(crate) fn create_share(
        &self,
        board: &str,
        request: ShareRequest,
        by: &Caller,
    ) -> Result<NewShareAnswer, ApiError> {
        let (answer, credential) = create_share(&self.0.store, (board, request), self.0.clock.now_us(), &by.named())?;
        self.hold(credential);
        Ok(answer)
    }

    /// The links to a board that are good. Reads the store.
    pub(crate) fn shares(&self, board: &str) -> Result<Vec<ShareAnswer>, ApiError> {
        list_shares(&self.0.store, board, self.0.clock.now_us())
    }

    /// Takes a link back, with all that is open by it. Writes to the store.
    pub(crate) fn revoke_share(&self, board: &str, id: &str, by: &Caller) -> Result<(), ApiError> {
        let shares = self.shares(board)?;
        let about = shares.iter().find(|share| share.id == id).ok_or_else(|| {
            ApiError::new(Code::NotFound, format!("board `{board}` has no such link; it may have ended already"))
        })?;
        revoke_share(&self.0.store, about, self.0.clock.now_us(), &by.named())?;
        self.end(id);
        Ok(())
    }

    /// Whether there is a cookie of a login among the headers, and whose.
    pub(crate) fn by_cookie(&self, headers: &HeaderMap) -> Option<Caller> {
        let now_us = self.0.clock.now_us();
        page::cookies(headers, self.0.config.port).find_map(|text| self.0.logins.find(text, now_us))
    }

    /// What the cookie of a login among the headers holds that is good.
    pub(crate) fn by_cookie_text(&self, headers: &HeaderMap) -> Option<String> {
        let now_us = self.0.clock.now_us();
        let mut shown = page::cookies(headers, self.0.config.port);
        shown.find(|text| self.0.logins.find(text, now_us).is_some()).map(str::to_owned)
    }

    /// What the cookies of logins among the headers hold.
    pub(crate) fn cookies(&self, headers: &HeaderMap) -> Vec<String> {
        page::cookies(headers, self.0.config.port).map(str::to_owned).collect()
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.config.port
    }

    /// How long a login lasts.
    pub(crate) fn session_s(&self) -> u64 {
        self.0.config.session.as_secs()
    }

    /// Lets somebody in by their password; also gives what the cookie shall hold.
    ///
    /// # Errors
    /// [`Code::Unauthorized`], [`Code::Busy`] or [`Code::Unavailable`].
    pub(crate) async fn log_in(&self, login: LoginRequest, from: IpAddr) -> Result<(Caller, String), ApiError> {
        let now_us = self.0.clock.now_us();
        self.0.logins.may_try(&login.user, from, now_us)?;
        let turn = self.0.logins.turn().await?;
        let lasts_us = i64::try_from(self.0.config.session.as_micros()).unwrap_or(i64::MAX);
        on_store_of(self.clone(), move |keyring| {
            // Kept until the check is over, also when whoever asked has gone.
            let _turn = turn;
            keyring.0.logins.log_in(&keyring.0.store, &login, from, (now_us, lasts_us))
        })
        .await
    }

    /// Gives somebody who is logged in another password. The login that `text` stands for goes on, their others end.
    ///
    /// # Errors
    /// [`Code::Forbidden`] if the current password is another one, [`Code::BadRequest`], [`Code::Busy`] or [`Code::Unavailable`].
    pub(crate) async fn change_password(
        &self,
        caller: Caller,
        text: String,
        request: PasswordRequest,
        from: IpAddr,
    ) -> Result<(), ApiError> {
        let now_us = self.0.clock.now_us();
        self.0.logins.may_try(&caller.about().name, from, now_us)?;
        let turn = self.0.logins.turn().await?;
        on_store_of(self.clone(), move |keyring| {
            let _turn = turn;
            let store = &keyring.0.store;
            let changed = UserRequest { password: Some(request.new_password), role: None, channels: None };
            let save = |name: &str| save_user(store, (name, changed), now_us, &caller.named());
            keyring.0.logins.change_password(store, (&text, &request.password), (from, now_us), save)
        })
        .await
    }

    /// Ends a login, with all that is open by it. Writes to the store.
    pub(crate) fn log_out(&self, text: &str) -> Result<(), ApiError> {
        self.0.logins.log_out(&self.0.store, text)
    }

    /// All users. Reads the store.
    pub(crate) fn users(&self) -> Result<Vec<UserAnswer>, ApiError> {
        list_users(&self.0.store)
    }

    /// Adds or changes a user; their logins end. Writes to the store.
    pub(crate) fn save_user(&self, name: &str, request: UserRequest, by: &Caller) -> Result<UserAnswer, ApiError> {
        let answer = self.0.logins.change(name, || {
            let saved = save_user(&self.0.store, (name, request), self.0.clock.now_us(), &by.named())?;
            Ok((saved.0.clone(), Some(saved)))
        })?;
        self.0.locked.store(true, Ordering::Release);
        Ok(answer)
    }

    /// Removes a user; their logins end. Writes to the store.
    pub(crate) fn remove_user(&self, name: &str, by: &Caller) -> Result<(), ApiError> {
        self.0
            .logins
            .change(name, || remove_user(&self.0.store, name, self.0.clock.now_us(), &by.named()).map(|()| ((), None)))
    }

    /// All tokens. Reads the store.
    pub(crate) fn list(&self) -> Result<Vec<TokenAnswer>, ApiError> {
        list_tokens(&self.0.store)
    }

    pub(crate) fn store(&self) -> &MetaStore {
        &self.0.store
    }
}

#[cfg(test)]
mod tests {
    use pulseboard_journal::OfflineStore;
    use pulseboard_protocol::Role;
    use pulseboard_runtime::ManualClock;

    use super::*;

    const NOW_US: i64 = 1_780_000_000_000_000;
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn request(role: Role, expires_in_s: Option<u64>) -> TokenRequest {
        TokenRequest { role, name: "t".to_owned(), channels: None, expires_in_s }
    }

    #[test]
    fn the_door_is_open_here_until_there_is_a_token_and_never_again_after() {
        let dir = tempfile::tempdir().expect("a folder");
        let offline = OfflineStore::open(dir.path()).expect("a store");
        let clock = ManualClock::at(NOW_US);
        let local = LocalKey::make();
        let open =
            || Keyring::open(offline.store().clone(), clock.clone(), AuthConfig::default(), &local).expect("a keyring");
        let keyring = open();
        let here = keyring.unknown(HERE).expect("nothing to show");
        assert_eq!(here.role(), Role::Admin);
        assert!(keyring.unknown(ELSEWHERE).is_err());

        let made = keyring.create(request(Role::Viewer, Some(60)), &here).expect("a token");
        let code = |result: Result<Caller, ApiError>| result.expect_err("refused").code;
        assert_eq!(code(keyring.unknown(HERE)), Code::Unauthorized);
        assert_eq!(keyring.check(&made.token).expect("good").role(), Role::Viewer);
        assert_eq!(keyring.check(local.text().reveal()).expect("good").role(), Role::Admin);
        let forged = format!("{}x", made.token);
        let other_local = LocalKey::make();
        for bad in [forged.as_str(), "", "pb_x_y", other_local.text().reveal()] {
            assert_eq!(code(keyring.check(bad)), Code::Unauthorized, "{bad}");
        }
        clock.advance(60_000_000);
        assert_eq!(code(keyring.check(&made.token)), Code::TokenExpired);

        let lasting = keyring.create(request(Role::Ingest, None), &here).expect("a token");
        let caller = keyring.check(&lasting.token).expect("good");
        keyring.revoke(&lasting.about.id, &here).expect("known");
        assert!(caller.ended(NOW_US).is_some(), "who is in already goes, too");
        for keyring in [keyring, open()] {
            assert_eq!(code(keyring.check(&lasting.token)), Code::TokenRevoked);
            assert_eq!(code(keyring.check(&made.token)), Code::TokenExpired);
            assert_eq!(code(keyring.unknown(HERE)), Code::Unauthorized, "no token is good any more");
        }
        let config = AuthConfig { open_on_loopback: true, ..AuthConfig::default() };
        let keyring = Keyring::open(offline.store().clone(), clock.clone(), config, &local).expect("a keyring");
        assert!(keyring.unknown(HERE).is_ok() && keyring.unknown(ELSEWHERE).is_err());
    }
}
