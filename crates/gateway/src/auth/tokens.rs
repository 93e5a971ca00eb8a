//! Tokens made, listed and taken back: on a store, for the command line without a server, and as calls of one.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pulseboard_journal::{AuditEntry, Credential, LogError, MetaStore};
use pulseboard_protocol::Pattern;
use pulseboard_protocol::auth::{NewTokenAnswer, TicketAnswer, TokenAnswer, TokenRequest};
use pulseboard_protocol::error::{ApiError, Code};
use serde_json::{Value, json};

use super::caller::Caller;
use super::keyring::Keyring;
use super::secret;
use crate::deps::Deps;
use crate::error::HttpResult;

/// The sort of credential that tokens are.
pub(super) const KEY: &str = "key";
/// The most tokens that are kept, those that ended included.
const TOKENS_MAX: usize = 10_000;
/// The longest name of a token.
pub(super) const NAME_CHARS_MAX: usize = 100;
/// The most channel patterns of a token.
pub(super) const PATTERNS_MAX: usize = 100;
/// How long a token may be good: a hundred years.
pub(super) const EXPIRES_S_MAX: u64 = 100 * 366 * 86_400;

pub(super) fn unavailable(error: &LogError) -> ApiError {
    tracing::error!(%error, "the store of tokens does not work");
    ApiError::new(Code::Unavailable, "tokens cannot be read or written now: the disk may be full")
}

/// Makes a token and keeps its hash; also gives what is kept.
///
/// # Errors
/// [`Code::BadRequest`], [`Code::LimitExceeded`] or [`Code::Unavailable`].
pub fn create_token(
    store: &MetaStore,
    request: TokenRequest,
    now_us: i64,
    by: &str,
) -> Result<(NewTokenAnswer, Credential), ApiError> {
    let bad = |message: String| Err(ApiError::new(Code::BadRequest, message));
    if request.name.chars().count() > NAME_CHARS_MAX || request.name.chars().any(char::is_control) {
        return bad(format!("a token's name has at most {NAME_CHARS_MAX} characters, all of them visible"));
    }
    let channels = request.channels.unwrap_or_else(|| vec![Pattern::all()]);
    if channels.is_empty() || channels.len() > PATTERNS_MAX {
        return bad(format!("a token has 1 to {PATTERNS_MAX} channel patterns"));
    }
    let expires_us = match request.expires_in_s {
        Some(0) => return bad("a token that ends at once is good for nothing".to_owned()),
        Some(span) if span > EXPIRES_S_MAX => return bad("a token is good for a hundred years at most".to_owned()),
        Some(span) => Some(now_us.saturating_add(i64::try_from(span).unwrap_or(i64::MAX).saturating_mul(1_000_000))),
        None => None,
    };
    let credentials = store.credentials().map_err(|error| unavailable(&error))?;
    if credentials.iter().filter(|credential| credential.kind == KEY).count() >= TOKENS_MAX {
        return Err(ApiError::new(Code::LimitExceeded, format!("{TOKENS_MAX} tokens are kept already")));
    }
    let (id, text, hash) = secret::make();
    let credential = Credential {
        id,
        kind: KEY.to_owned(),
        name: request.name,
        role: request.role.as_str().to_owned(),
        channels: serde_json::to_string(&channels).expect("patterns are texts"),
        hash: hash.to_vec(),
        created_us: now_us,
        expires_us,
        revoked_us: None,
    };
    let entry = audit(now_us, by, "token_created", &credential);
    store.add_credential(&credential, &entry).map_err(|error| unavailable(&error))?;
    let about =
        answer(&credential).ok_or_else(|| ApiError::new(Code::Internal, "a token was not kept as it was made"))?;
    Ok((NewTokenAnswer { token: text.reveal().to_owned(), about }, credential))
}

/// Takes a token back. Once more is no error.
///
/// # Errors
/// [`Code::NotFound`] or [`Code::Unavailable`].
pub fn revoke_token(store: &MetaStore, id: &str, now_us: i64, by: &str) -> Result<TokenAnswer, ApiError> {
    let entry =
        AuditEntry { at_us: now_us, who: by.to_owned(), action: "token_revoked".to_owned(), what: id.to_owned() };
    let shown: String = id.chars().take(40).collect();
    let unknown = || ApiError::new(Code::NotFound, format!("there is no token `{shown}`; `token list` shows all"));
    // What is no token's id may be something else's.
    if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(unknown());
    }
    let revoked = store.revoke_credential(id, &entry).map_err(|error| unavailable(&error))?;
    revoked.filter(|credential| credential.kind == KEY).as_ref().and_then(answer).ok_or_else(unknown)
}

/// All tokens, oldest first.
///
/// # Errors
/// [`Code::Unavailable`].
pub fn list_tokens(store: &MetaStore) -> Result<Vec<TokenAnswer>, ApiError> {
    let credentials = store.credentials().map_err(|error| unavailable(&error))?;
    Ok(credentials.iter().filter(|credential| credential.kind == KEY).filter_map(answer).collect())
}

fn audit(at_us: i64, by: &str, action: &str, credential: &Credential) -> AuditEntry {
    let Credential { id, name, role, channels, .. } = credential;
    let what = format!("{id} ({name}) {role} {channels}");
    AuditEntry { at_us, who: by.to_owned(), action: action.to_owned(), what }
}

fn answer(credential: &Credential) -> Option<TokenAnswer> {
    Some(TokenAnswer {
        id: credential.id.clone(),
        name: credential.name.clone(),
        role: credential.role.parse().ok()?,
        channels: serde_json::from_str(&credential.channels).ok()?,
        created: credential.created_us,
        expires: credential.expires_us,
        revoked: credential.revoked_us,
    })
}

/// Runs what reads or writes the store where blocking is allowed.
pub(super) async fn on_store<T: Send + 'static>(
    deps: Deps,
    work: impl FnOnce(&Keyring) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    on_store_of(deps.auth, work).await
}

/// The same for who has only the keyring.
pub(super) async fn on_store_of<T: Send + 'static>(
    keyring: Keyring,
    work: impl FnOnce(&Keyring) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let joined = tokio::task::spawn_blocking(move || work(&keyring)).await;
    joined.unwrap_or_else(|error| {
        tracing::error!(%error, "the store of tokens panicked");
        Err(ApiError::new(Code::Internal, "the call failed by a fault of the server"))
    })
}

/// `POST /api/v1/tokens`.
pub(crate) async fn post_token(
    State(deps): State<Deps>,
    caller: Caller,
    Json(request): Json<TokenRequest>,
) -> HttpResult<(StatusCode, Json<NewTokenAnswer>)> {
    let made = on_store(deps, move |keyring| keyring.create(request, &caller)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// `GET /api/v1/tokens`.
pub(crate) async fn get_tokens(State(deps): State<Deps>) -> HttpResult<Json<Value>> {
    let tokens = on_store(deps, Keyring::list).await?;
    Ok(Json(json!({ "tokens": tokens })))
}

/// `DELETE /api/v1/tokens/{token}`.
pub(crate) async fn delete_token(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
) -> HttpResult<Json<TokenAnswer>> {
    Ok(Json(on_store(deps, move |keyring| keyring.revoke(&id, &caller)).await?))
}

/// `POST /api/v1/tickets`.
pub(crate) async fn post_ticket(
    State(deps): State<Deps>,
    caller: Caller,
) -> HttpResult<(StatusCode, Json<TicketAnswer>)> {
    Ok((StatusCode::CREATED, Json(deps.auth.give_ticket(&caller)?)))
}
