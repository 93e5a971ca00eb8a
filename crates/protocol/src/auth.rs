//! Who may do what, as it is said on the wire: roles, channel patterns, and the bodies of the calls about tokens.
//!
//! Which role may call what is a table of the gateway; how tokens are made and kept is known there and in the log's
//! metadata. A [`Secret`] never shows itself in a debug text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::login::SharedBoard;

/// A text that nobody may read in a log.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for who must compare or send it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sends events, and reads nothing.
    Ingest,
    /// Reads.
    Viewer,
    /// Reads, and changes boards, views and alerts.
    Editor,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role there is.
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Viewer, Self::Editor, Self::Admin];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    /// Whether it sends events.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::Ingest | Self::Admin)
    }

    /// Whether it reads.
    #[must_use]
    pub const fn reads(self) -> bool {
        !matches!(self, Self::Ingest)
    }

    /// Whether it changes boards, views and alerts.
    #[must_use]
    pub const fn edits(self) -> bool {
        matches!(self, Self::Editor | Self::Admin)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is not a role: use ingest, viewer, editor or admin"))
    }
}

/// The longest pattern.
const PATTERN_BYTES_MAX: usize = 256;
/// What a pattern may begin with.
const KINDS: [&str; 6] = ["view:", "board:", "stream:", "sql:", "alerts", "system"];

/// Channels by name: `view:shop.*`, `board:shop`, `stream:*`, `*`. A `*` stands for any text, none included.
///
/// Parameters of a channel are not part of its name here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

impl Pattern {
    /// Every channel.
    #[must_use]
    pub fn all() -> Self {
        Self("*".to_owned())
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it covers the channel.
    #[must_use]
    pub fn covers(&self, channel: &Channel) -> bool {
        match channel {
            Channel::View { name, .. } => self.covers_name(&format!("view:{name}")),
            Channel::Board { name, .. } => self.covers_name(&format!("board:{name}")),
            Channel::Stream { name, .. } => self.covers_name(&format!("stream:{name}")),
            // A query may name every stream, whatever its hash.
            Channel::Sql(_) => self.covers_sql(),
            Channel::Alerts { .. } => self.covers_name("alerts"),
            Channel::System => self.covers_name("system"),
        }
    }

    /// Whether it covers queries of one's own: only what covers all of them does.
    #[must_use]
    pub fn covers_sql(&self) -> bool {
        matches!(self.0.as_str(), "*" | "sql:*")
    }

    /// Whether it covers a name such as `view:orders`.
    #[must_use]
    pub fn covers_name(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '*'));
        let begins = text.starts_with('*') || KINDS.iter().any(|kind| text.starts_with(kind));
        if allowed && begins && text.len() <= PATTERN_BYTES_MAX {
            Ok(Self(text.to_owned()))
        } else {
            let shown: String = text.chars().take(60).collect();
            Err(format!(
                "`{shown}` is not a channel pattern: use one such as view:shop.*, board:shop, stream:orders, sql:*, alerts, system or *"
            ))
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

/// The body of `POST /api/v1/tokens`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it may do.
    pub role: Role,
    /// What it is for, for people.
    #[serde(default)]
    pub name: String,
    /// Which channels; all if it is left out.
    pub channels: Option<Vec<Pattern>>,
    /// After how many seconds it ends; never if it is left out.
    pub expires_in_s: Option<u64>,
}

/// One token in `GET /api/v1/tokens`: everything but itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenAnswer {
    /// Its id, by which it is revoked.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Which channels.
    pub channels: Vec<Pattern>,
    /// When it was made, µs UTC.
    pub created: i64,
    /// When it ends, µs UTC.
    pub expires: Option<i64>,
    /// When it was taken back, µs UTC.
    pub revoked: Option<i64>,
}

/// The answer of `POST /api/v1/tokens`, the only one that tells the token.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct NewTokenAnswer {
    /// The token itself.
    pub token: String,
    /// Everything else.
    #[serde(flatten)]
    pub about: TokenAnswer,
}

impl fmt::Debug for NewTokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewTokenAnswer").field("about", &self.about).finish_non_exhaustive()
    }
}

/// The answer of `POST /api/v1/tickets`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct TicketAnswer {
    /// Good for one connection: `?ticket=…`.
    pub ticket: String,
    /// How long it is good, in ms.
    pub expires_in_ms: u64,
}

impl fmt::Debug for TicketAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketAnswer").field("expires_in_ms", &self.expires_in_ms).finish_non_exhaustive()
    }
}

/// The answer of `GET /api/v1/session` and `GET /api/v1/me`: who is asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MeAnswer {
    /// A token's id, or `null` for who needs none.
    pub id: Option<String>,
    /// What it is for, or whose it is.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Which channels.
    pub channels: Vec<Pattern>,
    /// When that ends, µs UTC.
    pub expires: Option<i64>,
    /// Whether they logged in, and may log out.
    pub login: bool,
    /// The one board that they see, if they came by a link.
    pub share: Option<SharedBoard>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_names_and_never_less_than_all_queries() {
        let pattern = |text: &str| text.parse::<Pattern>().expect("a pattern");
        for (text, covered, other) in [
            ("view:shop.*", "view:shop.orders", "view:shops"),
            ("view:shop.*", "view:shop.", "board:shop.x"),
            ("board:shop", "board:shop", "board:shop2"),
            ("*", "stream:x", ""),
            ("view:*.today", "view:a.b.today", "view:today"),
            ("view:a*b*b", "view:abb", "view:ab"),
            ("stream:*", "stream:_rejected", "view:stream"),
        ] {
            assert!(pattern(text).covers_name(covered), "{text} {covered}");
            assert!(other.is_empty() || !pattern(text).covers_name(other), "{text} {other}");
        }
        let query: Channel = "sql:00112233".parse().expect("a channel");
        assert!(pattern("*").covers(&query) && pattern("sql:*").covers(&query));
        assert!(!pattern("sql:0011*").covers(&query) && !pattern("view:*").covers(&query));
        let view: Channel = "view:orders?region=eu".parse().expect("a channel");
        assert!(pattern("view:orders").covers(&view), "parameters are not part of the name");
        for bad in ["", "shop", "view:a?b=c", "view:a b", "view:ä", &"view:".repeat(99)] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let shown = format!("{:?}", Secret::new("pb_a_b"));
        assert!(!shown.contains("pb_"), "{shown}");
    }

    #[test]
    fn roles_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
