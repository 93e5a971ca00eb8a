//! Links to one board: made, listed and taken back, and what their readers may choose.
//!
//! A link's secret is a token that reads one board and what it shows, with some variables fixed perhaps. It lives in the
//! fragment of a URL, which browsers keep to themselves, and comes here as every other token does.

use std::collections::{BTreeMap, BTreeSet};

use pulseboard_journal::{AuditEntry, Credential, MetaStore};
use pulseboard_live::{Params, QuerySpec};
use pulseboard_model::Cell;
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::login::{NewShareAnswer, ShareAnswer, ShareRequest, SharedBoard};
use pulseboard_protocol::{Channel, Role};
use serde_json::Value;

use super::secret;
use super::tokens::{EXPIRES_S_MAX, NAME_CHARS_MAX, unavailable};
use crate::board::Board;
use crate::names::Names;

/// The sort of credential that links are.
pub(super) const SHARE: &str = "share";
/// The most links that are kept.
const SHARES_MAX: usize = 10_000;
/// Parameters of a span of time: whoever sees a chart may look at another span.
const SPAN: [&str; 3] = ["from", "to", "bucket"];

/// Makes a link and keeps its hash; also gives what is kept. That there is such a board with such variables is known before.
pub(super) fn create_share(
    store: &MetaStore,
    (board, request): (&str, ShareRequest),
    now_us: i64,
    by: &str,
) -> Result<(NewShareAnswer, Credential), ApiError> {
    let bad = |message: String| Err(ApiError::new(Code::BadRequest, message));
    if request.name.chars().count() > NAME_CHARS_MAX || request.name.chars().any(char::is_control) {
        return bad(format!("a link's name has at most {NAME_CHARS_MAX} characters, all of them visible"));
    }
    let expires_us = match request.expires_in_s {
        Some(0) => return bad("a link that ends at once is good for nothing".to_owned()),
        Some(span) if span > EXPIRES_S_MAX => return bad("a link is good for a hundred years at most".to_owned()),
        Some(span) => Some(now_us.saturating_add(i64::try_from(span).unwrap_or(i64::MAX).saturating_mul(1_000_000))),
        None => None,
    };
    store.forget_credentials(SHARE, now_us).map_err(|error| unavailable(&error))?;
    let credentials = store.credentials().map_err(|error| unavailable(&error))?;
    if credentials.iter().filter(|credential| credential.kind == SHARE).count() >= SHARES_MAX {
        return Err(ApiError::new(Code::LimitExceeded, format!("{SHARES_MAX} links are kept already")));
    }
    let (id, text, hash) = secret::make_share();
    let channel = Channel::Board { name: board.to_owned(), vars: request.variables };
    let credential = Credential {
        id,
        kind: SHARE.to_owned(),
        name: request.name,
        role: Role::Viewer.as_str().to_owned(),
        channels: channel.to_string(),
        hash: hash.to_vec(),
        created_us: now_us,
        expires_us,
        revoked_us: None,
    };
    let Credential { id, name, channels, .. } = &credential;
    let entry = AuditEntry {
        at_us: now_us,
        who: by.to_owned(),
        action: "share_created".to_owned(),
        what: format!("{id} ({name}) {channels}"),
    };
    store.add_credential(&credential, &entry).map_err(|error| unavailable(&error))?;
    let about = answer(&credential).ok_or_else(|| ApiError::new(Code::Internal, "a link was not kept as made"))?;
    let secret = text.reveal().to_owned();
    Ok((NewShareAnswer { fragment: format!("#/share/{secret}"), secret, about }, credential))
}

/// Takes a link back.
pub(super) fn revoke_share(store: &MetaStore, about: &ShareAnswer, now_us: i64, by: &str) -> Result<(), ApiError> {
    let entry = AuditEntry {
        at_us: now_us,
        who: by.to_owned(),
        action: "share_revoked".to_owned(),
        what: format!("{} ({}) board:{}", about.id, about.name, about.board),
    };
    store.revoke_credential(&about.id, &entry).map(drop).map_err(|error| unavailable(&error))
}

/// The links that are good, oldest first.
pub(super) fn list_shares(store: &MetaStore, board: &str, now_us: i64) -> Result<Vec<ShareAnswer>, ApiError> {
    let credentials = store.credentials().map_err(|error| unavailable(&error))?;
    let is_good = |credential: &&Credential| {
        credential.kind == SHARE
            && credential.revoked_us.is_none()
            && credential.expires_us.is_none_or(|end_us| end_us > now_us)
    };
    let shares = credentials.iter().filter(is_good).filter_map(answer);
    Ok(shares.filter(|share| share.board == board).collect())
}

/// What a kept link shows; `None` if this version does not understand it.
pub(super) fn shared_board(credential: &Credential) -> Option<SharedBoard> {
    match credential.channels.parse() {
        Ok(Channel::Board { name, vars }) => Some(SharedBoard { board: name, variables: vars }),
        _ => None,
    }
}

fn answer(credential: &Credential) -> Option<ShareAnswer> {
    let SharedBoard { board, variables } = shared_board(credential)?;
    Some(ShareAnswer {
        id: credential.id.clone(),
        name: credential.name.clone(),
        board,
        variables,
        created: credential.created_us,
        expires: credential.expires_us,
    })
}

fn forbidden(message: String) -> ApiError {
    ApiError::new(Code::Forbidden, message)
}

/// Whether readers of a link may see its board with these variables.
///
/// # Errors
/// [`Code::Forbidden`].
pub(crate) fn check_board(shared: &SharedBoard, bound: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let differs = shared.variables.iter().find(|(name, value)| bound.get(*name) != Some(*value));
    match differs {
        None => Ok(()),
        Some((name, value)) => {
            Err(forbidden(format!("the link shows its board with `{name}` = `{value}` and nothing else")))
        }
    }
}

/// Whether readers of a link may see a view with these parameters: what its board's panels let one choose, and of that
/// nothing else than is fixed.
///
/// # Errors
/// [`Code::Forbidden`], or [`Code::UnknownBoard`] if the board is gone.
pub(crate) fn check_view(
    shared: &SharedBoard,
    names: &Names,
    spec: &QuerySpec,
    (view, params): (&str, &Params),
) -> Result<(), ApiError> {
    let (board, _) = names.board(&shared.board)?;
    let panels: Vec<_> = board.panels.iter().filter(|panel| panel.view.as_str() == view).collect();
    if panels.is_empty() {
        return Err(forbidden(format!("the link shows board `{}` and not view `{view}`", shared.board)));
    }
    let taken: BTreeSet<&str> = panels.iter().flat_map(|panel| &panel.variables).map(String::as_str).collect();
    for (name, cell) in params {
        let name = name.trim_start_matches('$');
        if SPAN.contains(&name) && !taken.contains(name) {
            continue;
        }
        let variable = board.variables.iter().find(|variable| variable.name == name && taken.contains(name));
        let chosen = variable.zip(text_of(cell)).map(|(variable, text)| variable.check(&text));
        if chosen != Some(Ok(())) {
            return Err(forbidden(format!("the link's board lets nobody choose this `{name}` of view `{view}`")));
        }
    }
    for (name, value) in shared.variables.iter().filter(|(name, _)| taken.contains(name.as_str())) {
        let given = params.iter().filter(|(given, _)| given.trim_start_matches('$') == name).map(|(_, cell)| cell);
        let mut told: Vec<&Cell> = given.collect();
        if told.is_empty() {
            // Then it is what the view is by itself.
            told.extend(spec.params.get(name));
        }
        if told.is_empty() || told.iter().any(|cell| text_of(cell).as_ref() != Some(value)) {
            return Err(forbidden(format!("the link shows its board with `{name}` = `{value}` and nothing else")));
        }
    }
    Ok(())
}

/// A board's definition for readers of a link: what is drawn and what may be chosen, and not how it is asked for.
pub(crate) fn shared_definition(board: &Board, names: &Names, mut definition: Value) -> Value {
    for panel in definition["panels"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        panel.remove("sql");
        let Some(known) = board.panels.iter().find(|known| panel.get("id").is_some_and(|id| *id == *known.id)) else {
            continue;
        };
        let sql = names.view(known.view.as_str()).map(|held| held.view.spec.sql.as_str()).unwrap_or_default();
        let span = SPAN.iter().filter(|name| mentions(sql, name)).map(ToString::to_string);
        panel.insert("takes".to_owned(), known.variables.iter().cloned().chain(span).collect::<Vec<_>>().into());
    }
    definition
}

/// Whether a query's text has the parameter.
fn mentions(sql: &str, name: &str) -> bool {
    let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    sql.split('$').skip(1).any(|rest| rest.strip_prefix(name).is_some_and(is_end))
}

/// A parameter as a channel's name writes it.
fn text_of(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Str(text) | Cell::Decimal(text) => Some(text.to_string()),
        Cell::Int(number) => Some(number.to_string()),
        Cell::Float(number) => Some(number.to_string()),
        Cell::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_a_whole_word() {
        assert!(mentions("time >= $from AND x", "from") && mentions("x < $to", "to"));
        assert!(!mentions("x = $fromage", "from") && !mentions("FROM x", "FROM") && !mentions("$a_to", "to"));
    }
}
