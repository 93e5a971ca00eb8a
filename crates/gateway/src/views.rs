//! Views, boards and ad-hoc queries over plain HTTP: snapshots with an ETag, waiting for a change or a position.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulseboard_hub::ViewRead;
use pulseboard_live::{InstanceRef, Missing, Params, PastView, QuerySpec, User};
use pulseboard_model::{InstanceId, Position, Status, ViewName};
use pulseboard_protocol::Channel;
use pulseboard_protocol::change::{write_snapshot_members, write_state};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::etag::{if_none_match, weak_etag};
use pulseboard_protocol::http::{LiveQueryAnswer, ProblemAnswer, QueryRequest};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::auth::Caller;
use crate::catalog::{spec_hash, text_cell};
use crate::connections::Connections;
use crate::deps::Deps;
use crate::editing::view_answer;
use crate::error::{HttpResult, query_error};
use crate::live::timezone_of;
use crate::names::{Held, Names};
use crate::query::{WAIT_DEFAULT, known_position, moment, spec_of, wait_of};

/// How long a view that was not running yet may take before it is answered without rows.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(1);

/// `GET /api/v1/views`.
pub(crate) async fn get_views(State(deps): State<Deps>, caller: Caller) -> Json<Value> {
    let names = deps.catalog.names();
    let covered = |held: &&Held| caller.covers(&view_channel(&held.view.name), &deps.catalog);
    let views: Vec<_> = names.views().filter(covered).map(|held| view_answer(&held.view, &held.kept)).collect();
    Json(json!({ "views": views, "problems": problems_for(&caller, &names) }))
}

/// What is wrong with any file, for who may mend it.
pub(crate) fn problems_for<'a>(caller: &Caller, names: &'a Names) -> &'a [ProblemAnswer] {
    if caller.role().edits() { names.problems() } else { &[] }
}

fn view_channel(name: &ViewName) -> Channel {
    Channel::View { name: name.clone(), params: BTreeMap::new() }
}

/// Whether the view of that name may be read. What is no name is no view, which is said where it is looked for.
pub(crate) fn may_read(deps: &Deps, caller: &Caller, name: &str) -> Result<(), ApiError> {
    match ViewName::new(name) {
        Ok(name) => caller.may_follow(&view_channel(&name), &deps.catalog),
        Err(_) => Ok(()),
    }
}

/// `GET /api/v1/views/{view}`.
pub(crate) async fn get_view(
    State(deps): State<Deps>,
    State(connections): State<Connections>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> HttpResult {
    may_read(&deps, &caller, &name)?;
    let params: Params =
        query.iter().filter_map(|(key, value)| Some((key.strip_prefix("p.")?.to_owned(), text_cell(value)))).collect();
    let timezone = timezone_of(query.get("timezone").map(String::as_str))?;
    let mut definitions = deps.catalog.watch();
    let spec = deps.catalog.view_spec(&caller, &name, &params, timezone)?;
    let wait = wait_of(query.get("wait").map(String::as_str))?;
    let mut wanted = None;
    if let Some(text) = query.get("min_position") {
        wanted = Some(known_position(&deps, text)?);
    }
    if let Some(text) = query.get("at") {
        let position = moment(&deps, text, spec.timezone).await?;
        let view = deps.engine.view_at(&spec, position).await.map_err(|error| query_error(&error))?;
        return Ok(past(&view));
    }

    let mut hash = spec_hash(&spec);
    let mut instance = acquire(&deps, caller.user(peer), spec).await?;
    let mut read = match &wanted {
        Some(position) => included(&deps, instance.id(), position, wait.unwrap_or(WAIT_DEFAULT)).await?,
        None => first_answer(&deps, instance.id()).await,
    };
    let mut etag = weak_etag(&read.changed.0, read.changed.1, hash);
    let unchanged = |etag: &str| {
        let header = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        header.is_some_and(|header| if_none_match(header, etag))
    };
    // With `wait`, an unchanged answer comes when it changes, else 304 when the wait is over.
    if let Some(wait) = wait.filter(|_| !query.contains_key("min_position")) {
        let deadline = Instant::now() + wait;
        while unchanged(&etag) {
            let changed = deps.hub.changed_after(instance.id(), read.changed);
            let draining = connections.draining();
            tokio::select! {
                () = changed => {}
                Ok(()) = definitions.changed() => {
                    // The name may stand for something else now.
                    let spec = deps.catalog.view_spec(&caller, &name, &params, timezone)?;
                    if spec_hash(&spec) != hash {
                        hash = spec_hash(&spec);
                        instance = acquire(&deps, caller.user(peer), spec).await?;
                        read = first_answer(&deps, instance.id()).await;
                        etag = weak_etag(&read.changed.0, read.changed.1, hash);
                        continue;
                    }
                }
                () = tokio::time::sleep_until(deadline) => break,
                () = draining.wait() => break,
            }
            read = deps.hub.read(instance.id());
            etag = weak_etag(&read.changed.0, read.changed.1, hash);
        }
    }
    let mut response = if unchanged(&etag) { StatusCode::NOT_MODIFIED.into_response() } else { current(&read) };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The instance that answers `spec`. Planning takes a moment, and the engine's queue may be full.
async fn acquire(deps: &Deps, user: User, spec: QuerySpec) -> HttpResult<InstanceRef> {
    let catalog = deps.catalog.clone();
    let acquired = tokio::task::spawn_blocking(move || catalog.acquire(&user, &spec, Missing::Wait)).await;
    Ok(acquired.map_err(|error| {
        tracing::error!(%error, "planning panicked");
        ApiError::new(Code::Internal, "the query could not be planned by a fault of the server")
    })??)
}

/// The answer as it is. One that is just being started is given a moment: most are there before it is over.
async fn first_answer(deps: &Deps, id: InstanceId) -> ViewRead {
    let deadline = Instant::now() + FIRST_ANSWER_MAX;
    let mut read = deps.hub.read(id);
    while read.members.is_none() && read.state.status == Status::Backfilling {
        if tokio::time::timeout_at(deadline, deps.hub.changed_after(id, read.changed)).await.is_err() {
            break;
        }
        read = deps.hub.read(id);
    }
    read
}

/// The answer once its own rows include `position`, which a re-run or a rebuild may do later than the others. What has no
/// rows for another reason than being on its way says so in its state.
async fn included(deps: &Deps, id: InstanceId, position: &Position, wait: Duration) -> HttpResult<ViewRead> {
    let deadline = Instant::now() + wait;
    let not_reached =
        || ApiError::new(Code::NotReached, format!("the position was not reached in {} s", wait.as_secs_f64()));
    if !deps.hub.reach(position, wait).await {
        return Err(not_reached().into());
    }
    loop {
        let read = deps.hub.read(id);
        let settled = read.members.is_some() || matches!(read.state.status, Status::Waiting | Status::Error);
        if settled && read.position.offset.includes(position.offset) {
            return Ok(read);
        }
        let changed = deps.hub.changed_after(id, read.changed);
        if tokio::time::timeout_at(deadline, changed).await.is_err() {
            return Err(not_reached().into());
        }
    }
}

fn head(position: &pulseboard_model::Position, newest: Option<pulseboard_model::TimeUs>) -> Vec<u8> {
    let newest = newest.map_or_else(|| "null".to_owned(), |at| at.0.to_string());
    format!("{{\"position\":\"{position}\",\"time\":{},\"newest\":{newest},", position.clock.0).into_bytes()
}

fn as_json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn current(read: &ViewRead) -> Response {
    let mut out = head(&read.position, read.newest);
    write_state(&mut out, &read.state);
    out.push(b',');
    match &read.members {
        Some(members) => out.extend_from_slice(members),
        None => out.extend_from_slice(b"\"columns\":null,\"keys\":null,\"rows\":null"),
    }
    if let Some(since) = read.state.since {
        out.extend_from_slice(format!(",\"complete_from\":{}", since.0).as_bytes());
    }
    out.push(b'}');
    as_json(out)
}

fn past(view: &PastView) -> Response {
    let mut out = head(&view.position, None);
    write_state(&mut out, &view.state);
    out.push(b',');
    write_snapshot_members(&mut out, &view.snapshot);
    if let Some(from) = view.complete_from {
        out.extend_from_slice(format!(",\"complete_from\":{}", from.0).as_bytes());
    }
    out.push(b'}');
    as_json(out)
}

/// `POST /api/v1/live/queries`.
pub(crate) async fn post_live_query(
    State(deps): State<Deps>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    caller: Caller,
    Json(request): Json<QueryRequest>,
) -> HttpResult<Json<LiveQueryAnswer>> {
    caller.may_ask()?;
    let spec = spec_of(&request, deps.config.timezone)?;
    let user = caller.user(peer);
    let register = move || deps.catalog.register_query(&user, spec, &request.params);
    let registered = tokio::task::spawn_blocking(register).await;
    let hash = registered.map_err(|error| {
        tracing::error!(%error, "registering a query panicked");
        ApiError::new(Code::Internal, "the query could not be registered by a fault of the server")
    })??;
    Ok(Json(LiveQueryAnswer { channel: format!("sql:{hash}") }))
}

/// `GET /api/v1/sources`.
pub(crate) async fn get_sources(State(deps): State<Deps>, caller: Caller) -> HttpResult<Json<Value>> {
    caller.may_see_system(&deps.catalog)?;
    Ok(Json(json!({ "sources": deps.sources.all() })))
}

/// `GET /api/v1/connections`.
pub(crate) async fn get_connections(State(deps): State<Deps>, State(connections): State<Connections>) -> Json<Value> {
    let limits = connections.limits();
    Json(json!({
        "connections": connections.list(&deps.hub),
        "limits": {
            "total": limits.total_max,
            "per_address": limits.per_address_max,
            "per_token": limits.per_token_max,
            "per_second": limits.per_second_max,
        },
        "refused": connections.figures().refusals(),
    }))
}

/// What is part of the contract and comes later.
pub(crate) async fn not_yet() -> HttpResult<Response> {
    Err(ApiError::not_yet("this call").into())
}
