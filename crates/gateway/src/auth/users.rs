//! Users saved, listed and removed: on a store, for the command line without a server as for a running one.
//!
//! A user who was removed stays as a name without a password, so that removing the last one does not open the door.

use pulseboard_journal::{AuditEntry, Credential, MetaStore};
use pulseboard_protocol::Pattern;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::login::{UserAnswer, UserRequest};

use super::passwords;
use super::tokens::{PATTERNS_MAX, unavailable};

/// The sort of credential that users are.
pub(super) const USER: &str = "user";
/// The sort that their logins are.
pub(super) const SESSION: &str = "session";
/// The most users, those that were removed included.
const USERS_MAX: usize = 10_000;
/// The longest name.
const NAME_BYTES_MAX: usize = 64;

/// A user's credential id, apart from those of tokens.
fn id_of(name: &str) -> String {
    format!("user:{name}")
}

/// Whether somebody may be called so.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(allowed)
}

fn entry(now_us: i64, by: &str, action: &str, what: String) -> AuditEntry {
    AuditEntry { at_us: now_us, who: by.to_owned(), action: action.to_owned(), what }
}

fn found(store: &MetaStore, name: &str) -> Result<(Option<Credential>, usize), ApiError> {
    let credentials = store.credentials().map_err(|error| unavailable(&error))?;
    let users = credentials.iter().filter(|credential| credential.kind == USER).count();
    let id = id_of(name);
    let is_wanted = |credential: &Credential| credential.id == id && credential.revoked_us.is_none();
    Ok((credentials.into_iter().find(is_wanted), users))
}

/// Adds a user, or gives one another password or other rights; their logins are forgotten. Also gives what is kept.
///
/// # Errors
/// [`Code::BadRequest`], [`Code::LimitExceeded`] or [`Code::Unavailable`].
pub fn save_user(
    store: &MetaStore,
    (name, request): (&str, UserRequest),
    now_us: i64,
    by: &str,
) -> Result<(UserAnswer, Credential), ApiError> {
    let bad = |message: String| ApiError::new(Code::BadRequest, message);
    if !is_name(name) {
        let message = format!("a user's name has 1 to {NAME_BYTES_MAX} letters, digits and any of `_-.@`");
        return Err(bad(message));
    }
    let (known, users) = found(store, name)?;
    if known.is_none() && users >= USERS_MAX {
        return Err(ApiError::new(Code::LimitExceeded, format!("{USERS_MAX} users are kept already")));
    }
    let role = match (request.role.map(|role| role.as_str().to_owned()), &known) {
        (Some(role), _) if role == "ingest" => {
            return Err(bad("a user looks at boards: role `ingest` is for tokens".to_owned()));
        }
        (Some(role), _) => role,
        (None, Some(known)) => known.role.clone(),
        (None, None) => return Err(bad("a new user needs a `role`: viewer, editor or admin".to_owned())),
    };
    let channels = match (request.channels, &known) {
        (Some(channels), _) if channels.is_empty() || channels.len() > PATTERNS_MAX => {
            return Err(bad(format!("a user has 1 to {PATTERNS_MAX} channel patterns")));
        }
        (Some(channels), _) => serde_json::to_string(&channels).expect("patterns are texts"),
        (None, Some(known)) => known.channels.clone(),
        (None, None) => serde_json::to_string(&[Pattern::all()]).expect("patterns are texts"),
    };
    let hash = match (&request.password, &known) {
        (Some(password), _) => passwords::hash(password)?,
        (None, Some(known)) => known.hash.clone(),
        (None, None) => return Err(bad("a new user needs a `password`".to_owned())),
    };
    let credential = Credential {
        id: id_of(name),
        kind: USER.to_owned(),
        name: name.to_owned(),
        role,
        channels,
        hash,
        created_us: now_us,
        expires_us: None,
        revoked_us: None,
    };
    let word = if request.password.is_some() { " with a new password" } else { "" };
    let what = format!("{name} {} {}{word}", credential.role, credential.channels);
    let entry = entry(now_us, by, "user_saved", what);
    store.put_credential(&credential, SESSION, &entry).map_err(|error| unavailable(&error))?;
    let about = answer(&credential).ok_or_else(|| ApiError::new(Code::Internal, "a user was not kept as saved"))?;
    Ok((about, credential))
}

/// Removes a user, and forgets their logins.
///
/// # Errors
/// [`Code::NotFound`] or [`Code::Unavailable`].
pub fn remove_user(store: &MetaStore, name: &str, now_us: i64, by: &str) -> Result<(), ApiError> {
    let (known, _) = found(store, name)?;
    let Some(known) = known else {
        let shown: String = name.chars().take(NAME_BYTES_MAX).collect();
        return Err(ApiError::new(Code::NotFound, format!("there is no user `{shown}`; `user list` shows all")));
    };
    let gone = Credential { hash: Vec::new(), revoked_us: Some(now_us), ..known };
    let entry = entry(now_us, by, "user_removed", name.to_owned());
    store.put_credential(&gone, SESSION, &entry).map_err(|error| unavailable(&error))
}

/// All users by name.
///
/// # Errors
/// [`Code::Unavailable`].
pub fn list_users(store: &MetaStore) -> Result<Vec<UserAnswer>, ApiError> {
    let credentials = store.credentials().map_err(|error| unavailable(&error))?;
    let here = credentials.iter().filter(|credential| credential.kind == USER && credential.revoked_us.is_none());
    let mut users: Vec<UserAnswer> = here.filter_map(answer).collect();
    users.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(users)
}

/// What is told of a user; `None` if this version does not understand it.
pub(super) fn answer(credential: &Credential) -> Option<UserAnswer> {
    Some(UserAnswer {
        name: credential.name.clone(),
        role: credential.role.parse().ok()?,
        channels: serde_json::from_str(&credential.channels).ok()?,
        saved: credential.created_us,
    })
}
