//! Somebody who was let in: what they may do, and until when.
//!
//! All requests and connections of one token share one [`Who`], so that taking the token back reaches them all at once.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use pulseboard_live::{Params, User};
use pulseboard_model::StreamName;
use pulseboard_protocol::auth::MeAnswer;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::login::SharedBoard;
use pulseboard_protocol::{Channel, Pattern, Role};
use pulseboard_runtime::{Clock, Shutdown};

use super::endpoints::Asker;
use super::keyring::Keyring;
use crate::catalog::Catalog;
use crate::error::HttpError;

/// The longest sleep until a moment of the wall clock: that clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What somebody came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Nothing was asked of them, or they read this machine's files anyway.
    Nothing,
    /// A token, ours or somebody else's.
    Token,
    /// A password, and a cookie since.
    Login,
    /// A link to one board.
    Share(SharedBoard),
}

/// What was found out about somebody.
#[derive(Debug)]
pub(crate) struct Who {
    pub(crate) pass: Pass,
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) channels: Vec<Pattern>,
    /// Parameters that are bound into every view, whatever is asked: whoever has some reads nothing that does not take them.
    pub(crate) bound: Params,
    pub(crate) expires_us: Option<i64>,
    pub(crate) revoked: Shutdown,
}

/// Somebody who was let in. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Arc<Who>);

/// Why a caller may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Expired,
    Revoked,
}

/// Resolves when a right has ended.
pub(crate) type Ending = Pin<Box<dyn Future<Output = Ended> + Send>>;

impl Ended {
    /// What a client is told.
    pub(crate) fn error(self) -> ApiError {
        match self {
            Self::Expired => {
                ApiError::new(Code::TokenExpired, "the token or login has ended: ask with another one, or log in again")
            }
            Self::Revoked => ApiError::new(Code::TokenRevoked, "the token, login or link was taken back"),
        }
    }
}

impl Caller {
    pub(crate) fn new(who: Arc<Who>) -> Self {
        Self(who)
    }

    /// Somebody of whom nothing is asked, or who reads this machine's files anyway.
    pub(crate) fn trusted(name: &str) -> Self {
        Self(Arc::new(Who {
            pass: Pass::Nothing,
            id: None,
            name: name.to_owned(),
            role: Role::Admin,
            channels: vec![Pattern::all()],
            bound: Params::new(),
            expires_us: None,
            revoked: Shutdown::default(),
        }))
    }

    pub(crate) fn role(&self) -> Role {
        self.0.role
    }

    /// As the table of calls sees it.
    pub(crate) fn asker(&self) -> Asker {
        if self.share().is_some() { Asker::Share } else { Asker::Of(self.0.role) }
    }

    /// Whether they logged in with a password.
    pub(crate) fn is_login(&self) -> bool {
        self.0.pass == Pass::Login
    }

    /// The one board that may be seen, for who came by a link.
    pub(crate) fn share(&self) -> Option<&SharedBoard> {
        match &self.0.pass {
            Pass::Share(shared) => Some(shared),
            _ => None,
        }
    }

    /// When the right ends, µs since 1970.
    pub(crate) fn expires_us(&self) -> Option<i64> {
        self.0.expires_us
    }

    /// Whom the audit log names.
    pub(crate) fn named(&self) -> String {
        match (&self.0.id, self.0.name.as_str()) {
            // `user:ann`, `jwt:ann`.
            (Some(id), _) if id.contains(':') => id.replacen(':', " ", 1),
            (Some(id), "") => format!("token {id}"),
            (Some(id), name) => format!("token {id} ({name})"),
            (None, name) => name.to_owned(),
        }
    }

    /// On whose account live queries are: the token's, else the address's.
    pub(crate) fn user(&self, peer: SocketAddr) -> User {
        match &self.0.id {
            Some(id) => User::new(&format!("token:{id}")),
            None => User::new(&peer.ip().to_string()),
        }
    }

    /// What keeps the idempotency keys of tokens apart; empty for who shows none.
    pub(crate) fn key_space(&self) -> &str {
        self.0.id.as_deref().unwrap_or_default()
    }

    /// The token that was shown, by its id; none where nothing need be.
    pub(crate) fn token(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    /// What is bound into every view.
    pub(crate) fn bound(&self) -> &Params {
        &self.0.bound
    }

    /// What `GET /api/v1/session` says.
    pub(crate) fn about(&self) -> MeAnswer {
        MeAnswer {
            id: self.0.id.clone(),
            name: self.0.name.clone(),
            role: self.0.role,
            channels: self.0.channels.clone(),
            expires: self.0.expires_us,
            login: self.is_login(),
            share: self.share().cloned(),
        }
    }

    /// Whether the channel is covered; a view is by a board that shows it, too.
    pub(crate) fn covers(&self, channel: &Channel, catalog: &Catalog) -> bool {
        let takes_bound = match channel {
            _ if self.0.bound.is_empty() => true,
            Channel::View { name, .. } => catalog.takes(name.as_str(), &self.0.bound),
            // Each of its views is asked for itself.
            Channel::Board { .. } => true,
            // Nothing would hold their rows to what is bound.
            Channel::Stream { .. } | Channel::Sql(_) | Channel::Alerts { .. } | Channel::System => false,
        };
        if !takes_bound {
            return false;
        }
        let covered = |channel: &Channel| self.0.channels.iter().any(|pattern| pattern.covers(channel));
        let through_board = |view: &str| {
            catalog.shows(view, |board| self.0.channels.iter().any(|p| p.covers_name(&format!("board:{board}"))))
        };
        covered(channel) || matches!(channel, Channel::View { name, .. } if through_board(name.as_str()))
    }

    /// Whether a channel may be followed or read.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub(crate) fn may_follow(&self, channel: &Channel, catalog: &Catalog) -> Result<(), ApiError> {
        if !self.role().reads() {
            return Err(self.refuse("read"));
        }
        if self.covers(channel, catalog) {
            Ok(())
        } else {
            Err(forbidden(&format!("the token does not cover `{channel}`")))
        }
    }

    /// Whether queries of one's own may be asked. They may name every stream, so whoever is held to some channels may not.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub(crate) fn may_ask(&self) -> Result<(), ApiError> {
        if self.role().reads() && self.0.bound.is_empty() && self.0.channels.iter().any(Pattern::covers_sql) {
            Ok(())
        } else {
            Err(forbidden("the token does not cover queries of one's own (`sql:*`): ask for a view"))
        }
    }

    /// Whether events may be sent to a stream.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub(crate) fn may_send(&self, stream: &StreamName) -> Result<(), ApiError> {
        if !self.role().sends() {
            return Err(self.refuse("send events"));
        }
        let name = format!("stream:{stream}");
        if self.0.channels.iter().any(|pattern| pattern.covers_name(&name)) {
            Ok(())
        } else {
            Err(forbidden(&format!("the token does not cover `{name}`")))
        }
    }

    /// Whether what the server says of itself may be read.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub(crate) fn may_see_system(&self, catalog: &Catalog) -> Result<(), ApiError> {
        self.may_follow(&Channel::System, catalog)
    }

    /// Says that the role is not enough to do something.
    pub(crate) fn refuse(&self, what: &str) -> ApiError {
        forbidden(&format!("role `{}` may not {what}", self.role()))
    }

    /// Whether the right has ended by now.
    pub(crate) fn ended(&self, now_us: i64) -> Option<Ended> {
        if self.0.revoked.is_triggered() {
            Some(Ended::Revoked)
        } else {
            self.0.expires_us.filter(|expires_us| *expires_us <= now_us).map(|_| Ended::Expired)
        }
    }

    /// [`Self::until_ended`] as a thing of its own, for who looks at it again and again.
    pub(crate) fn ending(&self, keyring: &Keyring, grace: Duration) -> Ending {
        let (caller, keyring) = (self.clone(), keyring.clone());
        Box::pin(async move { caller.until_ended(keyring.clock(), grace).await })
    }

    /// Resolves when the right was taken back, or has ended for longer than `grace`.
    pub(crate) async fn until_ended(&self, clock: &dyn Clock, grace: Duration) -> Ended {
        let grace_us = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
        loop {
            let left_us = match self.0.expires_us {
                Some(expires_us) => expires_us.saturating_add(grace_us).saturating_sub(clock.now_us()),
                None => i64::MAX,
            };
            let Ok(left_us @ 1..) = u64::try_from(left_us) else { return Ended::Expired };
            tokio::select! {
                () = self.0.revoked.wait() => return Ended::Revoked,
                () = tokio::time::sleep(Duration::from_micros(left_us).min(LOOK_EVERY)), if self.0.expires_us.is_some() => {}
            }
        }
    }
}

fn forbidden(message: &str) -> ApiError {
    ApiError::new(Code::Forbidden, message)
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            // Only a call that asks who is there and whose row says that nobody need be.
            tracing::error!(path = parts.uri.path(), "a call was answered without looking who asks");
            HttpError(ApiError::new(Code::Internal, "who is asking was not found out, by a fault of the server"))
        })
    }
}

#[cfg(test)]
mod tests {
    use pulseboard_runtime::ManualClock;

    use super::*;

    #[tokio::test]
    async fn a_right_ends_after_its_grace_and_at_once_when_it_is_taken_back() {
        let clock = ManualClock::at(1_000_000);
        let who = |expires_us| Who {
            pass: Pass::Token,
            id: Some("a".to_owned()),
            name: String::new(),
            role: Role::Viewer,
            channels: Vec::new(),
            bound: Params::new(),
            expires_us,
            revoked: Shutdown::default(),
        };
        let caller = Caller::new(Arc::new(who(Some(2_000_000))));
        assert_eq!(caller.ended(1_999_999), None);
        assert_eq!(caller.ended(2_000_000), Some(Ended::Expired));
        clock.set(2_000_100);
        assert_eq!(caller.until_ended(&*clock, Duration::from_micros(100)).await, Ended::Expired);
        let lasting = Caller::new(Arc::new(who(None)));
        lasting.0.revoked.trigger();
        assert_eq!(lasting.until_ended(&*clock, Duration::ZERO).await, Ended::Revoked);
        assert_eq!(lasting.ended(0), Some(Ended::Revoked));
    }
}
