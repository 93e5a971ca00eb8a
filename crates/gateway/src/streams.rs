//! `GET /api/v1/streams` and one of them: schema, counts, positions, refusals, lag.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pulseboard_journal::{RemoveError, StreamInfo};
use pulseboard_model::{OWN_STREAMS, Position, StreamName};
use pulseboard_protocol::Channel;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::{FieldAnswer, SchemaAnswer, StreamAnswer, StreamsAnswer};

use crate::auth::{Caller, note};
use crate::catalog::nearest;
use crate::deps::Deps;
use crate::error::{HttpResult, append_error};
use crate::query::WAIT_DEFAULT;

/// `GET /api/v1/streams`.
pub(crate) async fn get_streams(State(deps): State<Deps>, caller: Caller) -> HttpResult<Json<StreamsAnswer>> {
    let live = *deps.engine.watch_position().borrow();
    let covered = |info: &&StreamInfo| {
        let tail = Channel::Stream { name: info.name.clone(), last: None };
        caller.covers(&tail, &deps.catalog)
    };
    let mut streams: Vec<_> = deps.log.streams().iter().filter(covered).map(|info| answer(info, &live)).collect();
    // The server's own come last, and only when there is something in them.
    streams.retain(|stream| !stream.system || stream.events > 0);
    streams.sort_by_key(|stream| stream.system);
    Ok(Json(StreamsAnswer { position: deps.log.head().to_string(), streams }))
}

/// `GET /api/v1/streams/{stream}`.
pub(crate) async fn get_stream(
    State(deps): State<Deps>,
    caller: Caller,
    Path(name): Path<String>,
) -> HttpResult<Json<StreamAnswer>> {
    if let Ok(name) = StreamName::new(&name) {
        caller.may_follow(&Channel::Stream { name, last: None }, &deps.catalog)?;
    }
    let live = *deps.engine.watch_position().borrow();
    let streams = deps.log.streams();
    match streams.iter().find(|info| info.name.as_str() == name) {
        Some(info) => Ok(Json(answer(info, &live))),
        None => {
            let nearest = nearest(&name, streams.iter().map(|info| info.name.as_str()));
            Err(ApiError::unknown(Code::UnknownStream, "stream", &name, nearest).into())
        }
    }
}

/// `DELETE /api/v1/streams/{stream}`: its events and its fields, for good. A configured stream stays, empty.
pub(crate) async fn delete_stream(
    State(deps): State<Deps>,
    caller: Caller,
    Path(name): Path<String>,
) -> HttpResult<StatusCode> {
    let unknown = || {
        let streams = deps.log.streams();
        let nearest = nearest(&name, streams.iter().map(|info| info.name.as_str()));
        ApiError::unknown(Code::UnknownStream, "stream", &name, nearest)
    };
    let stream = StreamName::new(&name).map_err(|_| unknown())?;
    if let Some(owner) = deps.config.owned_streams.get(&stream) {
        let message = format!("stream `{stream}` holds {owner}: only the server writes it, and it goes by retention");
        return Err(ApiError::new(Code::ReadOnly, message).into());
    }
    let removal = deps.log.remove(&stream).await.map_err(|error| match error {
        RemoveError::Unknown => unknown(),
        RemoveError::Append(error) => append_error(&error),
    })?;
    note(&deps, &caller, "stream_removed", stream.as_str()).await;
    // The live answers take in first what was accepted before.
    let through = Position { offset: removal.through, ..deps.log.head() };
    if !deps.hub.reach(&through, WAIT_DEFAULT).await {
        tracing::debug!(%stream, "the live answers are far behind the log");
    }
    let fields = &deps.streams.of(&stream).fields;
    if deps.streams.by_name.contains_key(&stream)
        && let Err(error) = deps.log.declare(&stream, fields).await
    {
        tracing::warn!(%stream, %error, "the fields of a removed stream are declared again at the next start");
    }
    let (engine, of) = (deps.engine.clone(), stream);
    let forgotten = tokio::task::spawn_blocking(move || engine.forget(&of)).await;
    forgotten.map_err(|error| {
        tracing::error!(%error, "forgetting a stream panicked");
        ApiError::new(Code::Internal, "the live answers could not forget the stream by a fault of the server")
    })?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(info: &StreamInfo, live: &Position) -> StreamAnswer {
    let behind = info.last_offset.is_some_and(|last| !live.offset.includes(last));
    let lag_us = info.last_arrived_at.filter(|_| behind).map_or(0, |at| at.0 - live.clock.0);
    StreamAnswer {
        name: info.name.to_string(),
        system: OWN_STREAMS.contains(&info.name.as_str()),
        schema: SchemaAnswer {
            version: info.schema.version.0,
            fields: info
                .schema
                .fields
                .iter()
                .map(|field| FieldAnswer {
                    name: field.name.clone(),
                    field_type: field.field_type.to_string(),
                    declared: field.declared,
                })
                .collect(),
        },
        events: info.events,
        rejected: info.rejected,
        bytes: info.bytes,
        first_offset: info.first_offset.map(pulseboard_model::LogOffset::to_u64),
        last_offset: info.last_offset.map(pulseboard_model::LogOffset::to_u64),
        last_arrived_at: info.last_arrived_at.map(|at| at.0),
        complete_from: info.complete_from.map(|at| at.0),
        lag_ms: (lag_us / 1_000).max(0),
    }
}
