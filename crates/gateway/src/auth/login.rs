//! The calls of people who log in and out, those about users, and those about links to a board.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulseboard_protocol::Channel;
use pulseboard_protocol::auth::MeAnswer;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::login::{
    LoginRequest, NewShareAnswer, PasswordRequest, ShareRequest, UserAnswer, UserRequest,
};
use serde_json::{Value, json};

use super::caller::Caller;
use super::keyring::Keyring;
use super::page::{self, Page};
use super::tokens::on_store;
use crate::deps::Deps;
use crate::error::HttpResult;

fn with_cookies(mut response: Response, cookies: impl IntoIterator<Item = String>) -> Response {
    let headers = response.headers_mut();
    for cookie in cookies {
        if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
            cookie.set_sensitive(true);
            headers.append(header::SET_COOKIE, cookie);
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET /api/v1/session` and `GET /api/v1/me`.
pub(crate) async fn get_session(caller: Caller) -> Response {
    let body: Json<MeAnswer> = Json(caller.about());
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// `POST /api/v1/session`.
pub(crate) async fn post_session(
    State(deps): State<Deps>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(login): Json<LoginRequest>,
) -> HttpResult {
    if !page::may_log_in(&headers) {
        return Err(page::refused().into());
    }
    let auth = &deps.auth;
    let (caller, text) = auth.log_in(login, peer.ip()).await?;
    // What this browser had before is of no use to anybody any more.
    for old in auth.cookies(&headers) {
        on_store(deps.clone(), move |keyring| keyring.log_out(&old)).await?;
    }
    let cookie = page::set_cookie(&text, auth.session_s(), &headers, auth.port());
    Ok(with_cookies(Json(caller.about()).into_response(), [cookie]))
}

/// `PUT /api/v1/session/password`: whoever is logged in chooses another password, and stays where they are.
pub(crate) async fn put_password(
    State(deps): State<Deps>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    caller: Caller,
    headers: HeaderMap,
    Json(request): Json<PasswordRequest>,
) -> HttpResult<StatusCode> {
    let auth = &deps.auth;
    let shown = auth.by_cookie_text(&headers).filter(|_| caller.is_login());
    let Some(text) = shown else {
        let message = "only who logged in with a password has one to change";
        return Err(ApiError::new(Code::BadRequest, message).into());
    };
    auth.change_password(caller, text, request, peer.ip()).await.map_err(|error| match error.code {
        // They are let in; it is what they typed that is wrong.
        Code::Unauthorized => ApiError::new(Code::Forbidden, "the current password is another one"),
        _ => error,
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/v1/session`: ends the login that the cookie stands for, with all that is open by it.
pub(crate) async fn delete_session(State(deps): State<Deps>, headers: HeaderMap) -> HttpResult {
    let shown = deps.auth.cookies(&headers);
    // Another page must not be able to log anybody out.
    if !shown.is_empty() && page::of(&axum::http::Method::DELETE, &headers) == Page::Other {
        return Err(page::refused().into());
    }
    for text in shown {
        on_store(deps.clone(), move |keyring| keyring.log_out(&text)).await?;
    }
    Ok(with_cookies(StatusCode::NO_CONTENT.into_response(), page::clear_cookies(deps.auth.port())))
}

/// `GET /api/v1/users`.
pub(crate) async fn get_users(State(deps): State<Deps>) -> HttpResult<Json<Value>> {
    let users = on_store(deps, Keyring::users).await?;
    Ok(Json(json!({ "users": users })))
}

/// `PUT /api/v1/users/{user}`.
pub(crate) async fn put_user(
    State(deps): State<Deps>,
    caller: Caller,
    Path(name): Path<String>,
    Json(request): Json<UserRequest>,
) -> HttpResult<Json<UserAnswer>> {
    Ok(Json(on_store(deps, move |keyring| keyring.save_user(&name, request, &caller)).await?))
}

/// `DELETE /api/v1/users/{user}`.
pub(crate) async fn delete_user(
    State(deps): State<Deps>,
    caller: Caller,
    Path(name): Path<String>,
) -> HttpResult<StatusCode> {
    on_store(deps, move |keyring| keyring.remove_user(&name, &caller)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the caller may let others see a board.
fn may_share(deps: &Deps, caller: &Caller, board: &str) -> Result<(), ApiError> {
    caller.may_follow(&Channel::Board { name: board.to_owned(), vars: Default::default() }, &deps.catalog)?;
    if !caller.bound().is_empty() {
        let message = "whoever is bound to some rows cannot let others see a board, which shows all of them";
        return Err(ApiError::new(Code::Forbidden, message));
    }
    deps.catalog.names().board(board).map(drop)
}

/// `GET /api/v1/boards/{board}/shares`.
pub(crate) async fn get_shares(
    State(deps): State<Deps>,
    caller: Caller,
    Path(board): Path<String>,
) -> HttpResult<Json<Value>> {
    may_share(&deps, &caller, &board)?;
    let shares = on_store(deps, move |keyring| keyring.shares(&board)).await?;
    Ok(Json(json!({ "shares": shares })))
}

/// `POST /api/v1/boards/{board}/shares`.
pub(crate) async fn post_share(
    State(deps): State<Deps>,
    caller: Caller,
    Path(board): Path<String>,
    Json(request): Json<ShareRequest>,
) -> HttpResult<(StatusCode, Json<NewShareAnswer>)> {
    may_share(&deps, &caller, &board)?;
    let names = deps.catalog.names();
    let (known, _) = names.board(&board)?;
    known.check_variables(&request.variables)?;
    let made = on_store(deps, move |keyring| keyring.create_share(&board, request, &caller)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// `DELETE /api/v1/boards/{board}/shares/{share}`.
pub(crate) async fn delete_share(
    State(deps): State<Deps>,
    caller: Caller,
    Path((board, id)): Path<(String, String)>,
) -> HttpResult<StatusCode> {
    may_share(&deps, &caller, &board)?;
    on_store(deps, move |keyring| keyring.revoke_share(&board, &id, &caller)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A board is gone: so are the links to it. What cannot be taken back now shows nothing all the same, and that is only logged.
pub(crate) async fn end_shares(deps: &Deps, caller: &Caller, board: &str) {
    let (board, caller) = (board.to_owned(), caller.clone());
    let ended = on_store(deps.clone(), move |keyring| {
        for share in keyring.shares(&board)? {
            keyring.revoke_share(&board, &share.id, &caller)?;
        }
        Ok(())
    });
    if let Err(error) = ended.await {
        tracing::warn!(%error, "the links to a board that is gone were not taken back");
    }
}
