//! Boards and views as definitions: read, saved, renamed, removed; as JSON or as the TOML of their files.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pulseboard_model::ViewName;
use pulseboard_model::ids::check_name;
use pulseboard_protocol::Channel;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::etag::if_none_match;
use pulseboard_protocol::http::{KeptAnswer, ProblemAnswer, ViewAnswer};
use serde_json::{Map, Value, json};
use tracing::error;

use crate::auth::{Caller, end_shares, note, shared_definition};
use crate::board::Board;
use crate::catalog::NamedView;
use crate::definitions::{Content, Expects, FileAction, FileChange, FileError, Kind, Saved, SavedAs};
use crate::deps::Deps;
use crate::error::HttpResult;
use crate::names::{Kept, Names};
use crate::views::problems_for;

/// What a file's text is called.
const TOML: &str = "application/toml";
/// Members of an answer that say where a definition is kept, and not what it is: they are not read.
const NOT_READ: [&str; 7] = ["id", "name", "channel", "editable", "read_only", "definition_hash", "problems"];

/// `GET /api/v1/boards`.
pub(crate) async fn get_boards(State(deps): State<Deps>, caller: Caller) -> Json<Value> {
    let names = deps.catalog.names();
    let covered = |(board, _): &&(Board, Kept)| caller.covers(&channel_of(Kind::Board, &board.id), &deps.catalog);
    let short = |(board, kept): &(Board, Kept)| {
        let title = board.definition.get("title").cloned().unwrap_or_else(|| board.id.clone().into());
        let mut answer = json!({"id": board.id, "title": title, "definition_hash": board.definition_hash()});
        tell_kept(&mut answer, &format!("board:{}", board.id), kept);
        answer
    };
    Json(
        json!({ "boards": names.boards().filter(covered).map(short).collect::<Vec<_>>(), "problems": problems_for(&caller, &names) }),
    )
}

/// `GET /api/v1/boards/{board}`.
pub(crate) async fn get_board(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> HttpResult {
    caller.may_follow(&channel_of(Kind::Board, &id), &deps.catalog)?;
    let names = deps.catalog.names();
    let (board, kept) = names.board(&id)?;
    if caller.share().is_some() {
        return Ok(
            (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], Json(shared_answer(board, &names))).into_response()
        );
    }
    let etag = kept.hash.as_ref().map(|hash| format!("\"{hash}\""));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    // The definition may be older than the file, and then it says what is wrong.
    if let (Some(etag), Some(known)) = (&etag, known)
        && kept.problems.is_empty()
        && if_none_match(known, etag)
    {
        return Ok(tagged(StatusCode::NOT_MODIFIED.into_response(), kept));
    }
    Ok(board_response(StatusCode::OK, &headers, board, kept))
}

/// `PUT /api/v1/boards/{board}`.
pub(crate) async fn put_board(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResult {
    may_change(&deps, &caller, Kind::Board, &id)?;
    if let Some(from) = query.get("rename_from") {
        may_change(&deps, &caller, Kind::Board, from)?;
    }
    put((&deps, &caller), Kind::Board, id, &query, &headers, &body).await
}

/// `DELETE /api/v1/boards/{board}`.
pub(crate) async fn delete_board(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> HttpResult {
    may_change(&deps, &caller, Kind::Board, &id)?;
    delete((&deps, &caller), Kind::Board, id, &headers).await
}

/// `PUT /api/v1/views/{view}`.
pub(crate) async fn put_view(
    State(deps): State<Deps>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResult {
    may_change(&deps, &caller, Kind::View, &name)?;
    if let Some(from) = query.get("rename_from") {
        may_change(&deps, &caller, Kind::View, from)?;
    }
    put((&deps, &caller), Kind::View, name, &query, &headers, &body).await
}

/// `DELETE /api/v1/views/{view}`.
pub(crate) async fn delete_view(
    State(deps): State<Deps>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> HttpResult {
    may_change(&deps, &caller, Kind::View, &name)?;
    delete((&deps, &caller), Kind::View, name, &headers).await
}

fn channel_of(kind: Kind, name: &str) -> Channel {
    match (kind, ViewName::new(name)) {
        (Kind::View, Ok(name)) => Channel::View { name, params: BTreeMap::new() },
        // What is no name is refused as such, whoever asks.
        _ => Channel::Board { name: name.to_owned(), vars: BTreeMap::new() },
    }
}

/// Definitions hold queries, which may name every stream: only who may ask such may write them.
fn may_change(deps: &Deps, caller: &Caller, kind: Kind, name: &str) -> Result<(), ApiError> {
    caller.may_ask()?;
    caller.may_follow(&channel_of(kind, name), &deps.catalog)
}

async fn put(
    (deps, caller): (&Deps, &Caller),
    kind: Kind,
    name: String,
    query: &BTreeMap<String, String>,
    headers: &HeaderMap,
    body: &Bytes,
) -> HttpResult {
    check(kind, &name)?;
    let dry_run = match query.get("dry_run").map(String::as_str) {
        None | Some("0" | "false") => false,
        Some("1" | "true") => true,
        Some(other) => {
            return Err(ApiError::new(Code::BadRequest, format!("`dry_run` is 1 or 0, not `{other}`")).into());
        }
    };
    let rename_from = query.get("rename_from").cloned();
    let (content, stated) = content(headers, body)?;
    let expects = match expected(headers)? {
        Expects::Anything => stated,
        stated => stated,
    };
    let action = FileAction::Put { content, rename_from: rename_from.clone(), dry_run };
    let saved = change(deps, FileChange { kind, name: name.clone(), action, expects }).await?;
    let Some(Saved { saved, kept, created }) = saved else {
        return Err(ApiError::new(Code::Internal, "what was saved is not there").into());
    };
    if !dry_run {
        let what = match rename_from.filter(|from| *from != name) {
            Some(from) => {
                // Links name their board.
                gone((deps, caller), kind, &from).await;
                format!("{from} as {name}")
            }
            None => name,
        };
        note(deps, caller, &format!("{}_saved", word(kind)), &what).await;
    }
    let status = if created && !dry_run { StatusCode::CREATED } else { StatusCode::OK };
    Ok(match saved {
        SavedAs::Board(board) => board_response(status, headers, &board, &kept),
        SavedAs::View(view) => view_response(status, headers, &view, &kept),
    })
}

async fn delete((deps, caller): (&Deps, &Caller), kind: Kind, name: String, headers: &HeaderMap) -> HttpResult {
    let expects = expected(headers)?;
    change(deps, FileChange { kind, name: name.clone(), action: FileAction::Delete, expects }).await?;
    gone((deps, caller), kind, &name).await;
    note(deps, caller, &format!("{}_removed", word(kind)), &name).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What goes with a definition.
async fn gone((deps, caller): (&Deps, &Caller), kind: Kind, name: &str) {
    if kind == Kind::Board {
        end_shares(deps, caller, name).await;
    }
}

fn word(kind: Kind) -> &'static str {
    if kind == Kind::Board { "board" } else { "view" }
}

/// A name that is asked for must be one before it becomes part of a path.
fn check(kind: Kind, name: &str) -> Result<(), ApiError> {
    check_name(word(kind), name).map_err(|error| ApiError::new(Code::BadRequest, error.to_string()))
}

/// Reads the body: what it defines, and what it says of the file that it was made from.
fn content(headers: &HeaderMap, body: &Bytes) -> Result<(Content, Expects), ApiError> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match media.split(';').next().unwrap_or_default().trim() {
        TOML | "text/toml" | "text/x-toml" => {
            let text = std::str::from_utf8(body)
                .map_err(|_| ApiError::new(Code::BadRequest, "the body must be UTF-8, as every TOML file"))?;
            Ok((Content::Toml(text.to_owned()), Expects::Anything))
        }
        "application/json" | "" => {
            let mut members: Map<String, Value> = serde_json::from_slice(body)
                .map_err(|error| ApiError::new(Code::BadJson, format!("the body must be a JSON object: {error}")))?;
            let expects = match members.remove("hash") {
                None => Expects::Anything,
                Some(Value::Null) => Expects::Nothing,
                Some(Value::String(hash)) => Expects::Hash(hash),
                Some(other) => {
                    let message = format!("`hash` is the text that GET gave, or null for a new one, not `{other}`");
                    return Err(ApiError::new(Code::BadRequest, message));
                }
            };
            NOT_READ.iter().for_each(|member| drop(members.remove(*member)));
            Ok((Content::Json(Value::Object(members)), expects))
        }
        other => {
            let message = format!("`{other}` is not read here: send application/json or {TOML}");
            Err(ApiError::new(Code::UnsupportedType, message))
        }
    }
}

/// What the headers say that must be there.
fn expected(headers: &HeaderMap) -> Result<Expects, ApiError> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default().trim());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Expects::Anything),
        (None, Some("*")) => Ok(Expects::Nothing),
        (Some(tag), None) if tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"') => {
            Ok(Expects::Hash(tag.trim_matches('"').to_owned()))
        }
        _ => {
            let message = "`If-Match` is one hash in quotes, and `If-None-Match` can only be `*`";
            Err(ApiError::new(Code::BadRequest, message))
        }
    }
}

async fn change(deps: &Deps, change: FileChange) -> Result<Option<Saved>, ApiError> {
    let (kind, name) = (change.kind, change.name.clone());
    let asked = match &change.action {
        FileAction::Put { rename_from: Some(from), .. } => from.clone(),
        _ => name.clone(),
    };
    let what = word(kind);
    deps.files.change(change).await.map_err(|refused| match refused {
        FileError::Unknown => {
            let names = deps.catalog.names();
            match kind {
                Kind::Board => names.board(&asked).err(),
                Kind::View => names.view(&asked).err(),
            }
            .unwrap_or_else(|| ApiError::new(Code::Conflict, format!("{what} `{asked}` is just being changed")))
        }
        FileError::ReadOnly(why) => ApiError::new(Code::ReadOnly, format!("{what} `{asked}` cannot be changed: {why}")),
        FileError::Conflict { message, current, hash } => {
            let mut error = ApiError::new(Code::Conflict, message).with("hash", hash);
            if let Some(Saved { saved, kept, .. }) = current.map(|current| *current) {
                error = error.with(
                    "current",
                    match saved {
                        SavedAs::Board(board) => board_answer(&board, &kept),
                        SavedAs::View(view) => json!(view_answer(&view, &kept)),
                    },
                );
            }
            error
        }
        FileError::Bad(problems) => bad_definition(what, &name, &problems),
        FileError::Failed(why) => {
            error!(what, name, why, "a definition could not be saved");
            ApiError::new(Code::Unavailable, format!("{what} `{name}` could not be saved; the server's log says why"))
        }
        FileError::Busy => ApiError::new(Code::Busy, "other changes are being saved: try again in a moment"),
        FileError::Ending => ApiError::new(Code::ShuttingDown, "the server is ending"),
    })
}

fn bad_definition(what: &str, name: &str, problems: &[ProblemAnswer]) -> ApiError {
    let first = problems.first().map_or_else(String::new, |problem| {
        if problem.key.is_empty() { problem.what.clone() } else { format!("{}: {}", problem.key, problem.what) }
    });
    let more = match problems.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let list: Vec<_> = problems.iter().map(|problem| json!({"key": problem.key, "what": problem.what})).collect();
    ApiError::new(Code::BadDefinition, format!("{what} `{name}`: {first}{more}")).with("problems", list)
}

fn kept_answer(kept: &Kept) -> KeptAnswer {
    KeptAnswer {
        editable: kept.read_only.is_none(),
        read_only: kept.read_only.clone(),
        hash: kept.hash.clone(),
        problems: kept.problems.clone(),
    }
}

fn tell_kept(answer: &mut Value, channel: &str, kept: &Kept) {
    let (Value::Object(members), Value::Object(told)) = (answer, json!(kept_answer(kept))) else { return };
    members.insert("channel".to_owned(), channel.into());
    members.extend(told);
}

/// A board for readers of a link to it.
fn shared_answer(board: &Board, names: &Names) -> Value {
    let read_only = Some("a link to a board shows it and changes nothing".to_owned());
    shared_definition(board, names, board_answer(board, &Kept { read_only, ..Kept::default() }))
}

fn board_answer(board: &Board, kept: &Kept) -> Value {
    let mut answer = board.definition.clone();
    if let Value::Object(members) = &mut answer {
        members.insert("definition_hash".to_owned(), board.definition_hash().into());
    }
    tell_kept(&mut answer, &format!("board:{}", board.id), kept);
    answer
}

/// A view as the list of views has it.
pub(crate) fn view_answer(view: &NamedView, kept: &Kept) -> ViewAnswer {
    ViewAnswer {
        name: view.name.to_string(),
        channel: format!("view:{}", view.name),
        sql: view.spec.sql.trim().to_owned(),
        timezone: view.spec.timezone.name().to_owned(),
        kept: kept_answer(kept),
    }
}

fn board_response(status: StatusCode, asked: &HeaderMap, board: &Board, kept: &Kept) -> Response {
    match as_file(asked, &board.id, kept) {
        Some(file) => tagged((status, file).into_response(), kept),
        None => tagged((status, Json(board_answer(board, kept))).into_response(), kept),
    }
}

fn view_response(status: StatusCode, asked: &HeaderMap, view: &NamedView, kept: &Kept) -> Response {
    match as_file(asked, view.name.as_str(), kept) {
        Some(file) => tagged((status, file).into_response(), kept),
        None => tagged((status, Json(view_answer(view, kept))).into_response(), kept),
    }
}

/// The text of the file, if that is what was asked for.
fn as_file(asked: &HeaderMap, name: &str, kept: &Kept) -> Option<Response> {
    let accepts = asked.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = kept.text.as_ref().filter(|_| accepts.contains(TOML))?;
    let name = format!("attachment; filename=\"{name}.toml\"");
    let headers = [(header::CONTENT_TYPE, format!("{TOML}; charset=utf-8")), (header::CONTENT_DISPOSITION, name)];
    Some((headers, text.to_string()).into_response())
}

fn tagged(mut response: Response, kept: &Kept) -> Response {
    let headers = response.headers_mut();
    if let Some(hash) = &kept.hash
        && let Ok(tag) = HeaderValue::from_str(&format!("\"{hash}\""))
    {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}
