//! `GET /api/v1/streams` and one of them: schema, counts, positions, refusals, lag.

use axum::Json;
use axum::extract::{Path, State};
use pulseboard_journal::StreamInfo;
use pulseboard_model::Position;
use pulseboard_model::rejects::REJECTED;
use pulseboard_model::system::SYSTEM;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::{FieldAnswer, SchemaAnswer, StreamAnswer, StreamsAnswer};

use crate::catalog::nearest;
use crate::deps::Deps;
use crate::error::HttpResult;

/// `GET /api/v1/streams`.
pub(crate) async fn get_streams(State(deps): State<Deps>) -> HttpResult<Json<StreamsAnswer>> {
    let live = *deps.engine.watch_position().borrow();
    let mut streams: Vec<_> = deps.log.streams().iter().map(|info| answer(info, &live)).collect();
    // The server's own come last, and only when there is something in them.
    streams.retain(|stream| !stream.system || stream.events > 0);
    streams.sort_by_key(|stream| stream.system);
    Ok(Json(StreamsAnswer { position: deps.log.head().to_string(), streams }))
}

/// `GET /api/v1/streams/{stream}`.
pub(crate) async fn get_stream(State(deps): State<Deps>, Path(name): Path<String>) -> HttpResult<Json<StreamAnswer>> {
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

fn answer(info: &StreamInfo, live: &Position) -> StreamAnswer {
    let behind = info.last_offset.is_some_and(|last| !live.offset.includes(last));
    let lag_us = info.last_arrived_at.filter(|_| behind).map_or(0, |at| at.0 - live.clock.0);
    StreamAnswer {
        name: info.name.to_string(),
        system: [REJECTED, SYSTEM].contains(&info.name.as_str()),
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
