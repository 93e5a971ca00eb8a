//! Who did what and when: notes of what admins and editors change, and the call that shows them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query, State};
use pulseboard_journal::AuditEntry;
use pulseboard_protocol::error::{ApiError, Code};
use serde_json::{Value, json};

use super::caller::Caller;
use super::tokens::{on_store, unavailable};
use crate::deps::Deps;
use crate::error::HttpResult;

/// How many entries are shown at once, unless asked otherwise.
const SHOWN: u32 = 100;
/// How many at most.
const SHOWN_MAX: u32 = 1_000;

/// Notes in the audit log what somebody did. What cannot be noted was done all the same, so that is only logged.
pub(crate) async fn note(deps: &Deps, by: &Caller, action: &str, what: &str) {
    let (at_us, who) = (deps.clock.now_us(), by.named());
    let entry = AuditEntry { at_us, who, action: action.to_owned(), what: what.to_owned() };
    let noted =
        on_store(deps.clone(), move |keyring| keyring.store().note_audit(&entry).map_err(|error| unavailable(&error)));
    if let Err(error) = noted.await {
        tracing::warn!(%error, action, what, "the audit log lacks an entry");
    }
}

/// `GET /api/v1/audit`: newest first, `limit` of them, those before number `before`.
pub(crate) async fn get_audit(
    State(deps): State<Deps>,
    Query(query): Query<BTreeMap<String, String>>,
) -> HttpResult<Json<Value>> {
    let number = |name: &str| match query.get(name).map(|text| text.parse::<u32>()) {
        None => Ok(None),
        Some(Ok(number @ 1..)) => Ok(Some(number)),
        Some(_) => Err(ApiError::new(Code::BadRequest, format!("`{name}` is a number from 1 on"))),
    };
    let (limit, before) = (number("limit")?.unwrap_or(SHOWN).min(SHOWN_MAX), number("before")?);
    let read = move |keyring: &super::Keyring| {
        keyring.store().audit(before.map(i64::from), limit).map_err(|error| unavailable(&error))
    };
    let entries = on_store(deps, read).await?;
    let next = entries.last().map(|(id, _)| *id).filter(|id| *id > 1 && entries.len() == limit as usize);
    let entry = |(id, entry): &(i64, AuditEntry)| json!({"id": id, "time": entry.at_us, "who": entry.who, "action": entry.action, "what": entry.what});
    Ok(Json(json!({ "entries": entries.iter().map(entry).collect::<Vec<_>>(), "next": next })))
}
