//! People at browsers, as they are spoken of on the wire: users with passwords, logins, and links to one board.
//!
//! How passwords are kept and what a cookie holds is the gateway's to know. Secrets show themselves in no debug text.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::auth::{Pattern, Role, Secret};

/// The body of `POST /api/v1/session`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The user's name.
    pub user: String,
    /// Their password.
    pub password: Secret,
}

/// The body of `PUT /api/v1/session/password`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The password until now: whoever finds a page open does not know it.
    pub password: Secret,
    /// The one from now on.
    pub new_password: Secret,
}

/// The body of `PUT /api/v1/users/{user}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// The password; the one there is if it is left out.
    pub password: Option<Secret>,
    /// What they may do; as it is if it is left out.
    pub role: Option<Role>,
    /// Which channels; as they are if it is left out, all for a new user.
    pub channels: Option<Vec<Pattern>>,
}

/// One user in `GET /api/v1/users`: everything but their password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAnswer {
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Which channels.
    pub channels: Vec<Pattern>,
    /// When they were last saved, µs UTC.
    pub saved: i64,
}

/// The body of `POST /api/v1/boards/{board}/shares`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareRequest {
    /// What the link is for, for people.
    #[serde(default)]
    pub name: String,
    /// Variables of the board that readers of the link cannot choose.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// After how many seconds it ends; never if it is left out.
    pub expires_in_s: Option<u64>,
}

/// One link in `GET /api/v1/boards/{board}/shares`: everything but its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShareAnswer {
    /// Its id, by which it is taken back.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Whose board it shows.
    pub board: String,
    /// Variables that its readers cannot choose.
    pub variables: BTreeMap<String, String>,
    /// When it was made, µs UTC.
    pub created: i64,
    /// When it ends, µs UTC.
    pub expires: Option<i64>,
}

/// The answer of `POST /api/v1/boards/{board}/shares`, the only one that tells the secret.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct NewShareAnswer {
    /// What readers show, as a token.
    pub secret: String,
    /// Where the app opens it: a fragment, which no browser sends anywhere.
    pub fragment: String,
    /// Everything else.
    #[serde(flatten)]
    pub about: ShareAnswer,
}

impl fmt::Debug for NewShareAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewShareAnswer").field("about", &self.about).finish_non_exhaustive()
    }
}

/// The one board of somebody who came by a link, in `GET /api/v1/session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedBoard {
    /// The board.
    pub board: String,
    /// Variables that cannot be chosen.
    pub variables: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_secret_shows_itself() {
        let login: LoginRequest =
            serde_json::from_str(r#"{"user":"ann","password":"correct horse"}"#).expect("a login");
        let user: UserRequest =
            serde_json::from_str(r#"{"password":"correct horse","role":"viewer"}"#).expect("a user");
        let about = ShareAnswer {
            id: "s1".to_owned(),
            name: String::new(),
            board: "shop".to_owned(),
            variables: BTreeMap::new(),
            created: 0,
            expires: None,
        };
        let share =
            NewShareAnswer { secret: "correct horse".to_owned(), fragment: "#/share/correct horse".to_owned(), about };
        let shown = format!("{login:?} {user:?} {share:?}");
        assert!(!shown.contains("horse"), "{shown}");
    }
}
