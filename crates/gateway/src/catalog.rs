//! What names stand for: views, boards and ad-hoc queries, resolved to the engine's instances.
//!
//! Named views run from the start and wait for streams that do not exist yet; an ad-hoc query runs while it is followed,
//! and its text is kept so that its channel survives a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use pulseboard_hub::{ChannelSource, ChannelSpec, Keep};
use pulseboard_journal::{Log, MetaStore};
use pulseboard_live::{Engine, InstanceRef, Missing, Params, QuerySpec, User, normalise_sql};
use pulseboard_model::{Cell, InstanceId, ViewName, system};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::{Channel, InvalidChannel, Pace};
use pulseboard_runtime::{Clock, Shutdown};
use serde_json::{Map, Value};
use tracing::info;
use xxhash_rust::xxh3::xxh3_64;

use crate::board::Board;
use crate::error::query_error;
use crate::queries::AdHocQueries;

/// How many near names an error lists.
const NEAREST_MAX: usize = 3;

/// A view of the configuration.
#[derive(Debug, Clone)]
pub struct NamedView {
    /// Its name.
    pub name: ViewName,
    /// What it asks.
    pub spec: QuerySpec,
    /// Whose it is.
    pub origin: Origin,
}

/// Whose a view or a board is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// The configuration's: listed, and running from the start.
    #[default]
    Configured,
    /// The server's own: there for who asks for it by name.
    BuiltIn,
}

#[derive(Debug)]
struct Held {
    view: NamedView,
    /// Keeps the view running whether anyone looks or not. One with open parameters runs only for who gives them.
    running: Option<InstanceRef>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    log: Arc<dyn Log>,
    views: BTreeMap<ViewName, Held>,
    boards: BTreeMap<String, Board>,
    queries: Arc<AdHocQueries>,
}

/// The names. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog(Arc<Inner>);

/// A channel resolved: what the hub follows.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// One; of a board, itself and its panels'.
    pub(crate) specs: Vec<ChannelSpec>,
    /// The pace of a board.
    pub(crate) pace: Pace,
}

impl From<ChannelSpec> for Resolved {
    fn from(spec: ChannelSpec) -> Self {
        Self { specs: vec![spec], pace: Pace::default() }
    }
}

impl Catalog {
    /// Starts all named views. One that cannot be answered with the streams as they are says so in its state: data that
    /// somebody sent must never keep the server from starting.
    #[must_use]
    pub fn start(
        views: Vec<NamedView>,
        boards: Vec<Board>,
        engine: Engine,
        log: Arc<dyn Log>,
        meta: MetaStore,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut held = BTreeMap::new();
        for view in views {
            let acquired = (view.origin == Origin::Configured).then(|| engine.acquire(&view.spec, Missing::Wait));
            let running = match acquired.transpose() {
                Ok(instance) => instance,
                Err(error) => {
                    info!(view = %view.name, %error, "a view runs only when it is asked for");
                    None
                }
            };
            held.insert(view.name.clone(), Held { view, running });
        }
        let boards = boards.into_iter().map(|board| (board.id.clone(), board)).collect();
        let queries = Arc::new(AdHocQueries::new(meta, clock));
        Self(Arc::new(Inner { engine, log, views: held, boards, queries }))
    }

    /// All named views of the configuration.
    pub(crate) fn views(&self) -> impl Iterator<Item = &NamedView> {
        self.0.views.values().map(|held| &held.view).filter(|view| view.origin == Origin::Configured)
    }

    /// The instances of all named views that run by themselves.
    pub(crate) fn running_views(&self) -> impl Iterator<Item = (&ViewName, InstanceId)> {
        self.0.views.iter().filter_map(|(name, held)| Some((name, held.running.as_ref()?.id())))
    }

    /// All boards of the configuration.
    pub(crate) fn boards(&self) -> impl Iterator<Item = &Board> {
        self.0.boards.values().filter(|board| board.origin == Origin::Configured)
    }

    /// One board.
    pub(crate) fn board(&self, id: &str) -> Result<&Board, ApiError> {
        self.0.boards.get(id).ok_or_else(|| {
            let nearest = nearest(id, self.0.boards.keys().map(String::as_str));
            ApiError::unknown(Code::UnknownBoard, "board", id, nearest)
        })
    }

    fn view(&self, name: &str) -> Result<&Held, ApiError> {
        self.0.views.get(name).ok_or_else(|| {
            let nearest = nearest(name, self.0.views.keys().map(ViewName::as_str));
            ApiError::unknown(Code::UnknownView, "view", name, nearest)
        })
    }

    /// A view's question, with parameters and zone if they are asked otherwise.
    pub(crate) fn view_spec(&self, name: &str, params: &Params, timezone: Option<Tz>) -> Result<QuerySpec, ApiError> {
        let mut spec = self.view(name)?.view.spec.clone();
        spec.params.extend(params.clone());
        spec.timezone = timezone.unwrap_or(spec.timezone);
        Ok(spec)
    }

    /// The running instance that answers `spec`, on a user's account unless a name of the configuration holds it.
    pub(crate) fn acquire(&self, user: &User, spec: &QuerySpec, missing: Missing) -> Result<InstanceRef, ApiError> {
        self.0.engine.acquire_for(Some(user), spec, missing).map_err(|error| query_error(&error))
    }

    /// What a channel follows. May read the store: call it where blocking is allowed.
    pub(crate) fn resolve(&self, user: &User, channel: &Channel, timezone: Option<Tz>) -> Result<Resolved, ApiError> {
        match channel {
            Channel::View { name, params } => {
                let params = params.iter().map(|(name, value)| (name.clone(), text_cell(value))).collect();
                let spec = self.view_spec(name.as_str(), &params, timezone)?;
                Ok(self.view_channel(user, channel.to_string(), &spec)?.into())
            }
            Channel::Board { name, vars } => self.resolve_board(user, channel, self.board(name)?, vars, timezone),
            Channel::Stream { name, .. } => {
                if self.0.log.schema(name.as_str()).is_none() {
                    let streams = self.0.log.streams();
                    let nearest = nearest(name.as_str(), streams.iter().map(|info| info.name.as_str()));
                    return Err(ApiError::unknown(Code::UnknownStream, "stream", name.as_str(), nearest));
                }
                let name_of_tail = format!("stream:{name}").into();
                let source = ChannelSource::Tail(name.clone());
                Ok(ChannelSpec { name: name_of_tail, definition_hash: 0, source, keep: None }.into())
            }
            Channel::Sql(hash) => {
                let spec = self.0.queries.get(hash)?;
                let (channel, instance) = self.followed(user, channel.to_string(), &spec)?;
                self.0.queries.followed(hash, &instance);
                Ok(channel.into())
            }
            Channel::System => {
                let timezone = timezone.unwrap_or(Tz::UTC);
                let spec = QuerySpec { sql: system::newest_sql(), timezone, params: Params::new() };
                Ok(self.view_channel(user, channel.to_string(), &spec)?.into())
            }
            Channel::Alerts => Err(ApiError::not_yet(&format!("channel `{channel}`"))),
        }
    }

    /// A board: itself, and the channel of each panel with the variables that its query takes.
    fn resolve_board(
        &self,
        user: &User,
        channel: &Channel,
        board: &Board,
        vars: &BTreeMap<String, String>,
        timezone: Option<Tz>,
    ) -> Result<Resolved, ApiError> {
        let vars = board.bind(vars)?;
        let mut panels = Vec::with_capacity(board.panels.len());
        let mut specs: Vec<ChannelSpec> = Vec::with_capacity(board.panels.len() + 1);
        for panel in &board.panels {
            let own = &self.view(panel.view.as_str())?.view.spec.params;
            let taken = panel.variables.iter().filter_map(|name| vars.get_key_value(name));
            // What the view is by itself is not said again: whoever follows it by its bare name shares the channel.
            let taken = taken.filter(|(name, value)| own.get(*name) != Some(&text_cell(value)));
            let taken: BTreeMap<_, _> = taken.map(|(name, value)| (name.clone(), value.clone())).collect();
            let params = taken.iter().map(|(name, value)| (name.clone(), text_cell(value))).collect();
            let spec = self.view_spec(panel.view.as_str(), &params, timezone)?;
            let name = Channel::View { name: panel.view.clone(), params: taken }.to_string();
            panels.push((panel.id.clone(), name.clone()));
            // Two panels may show one view; it is followed once.
            if !specs.iter().any(|known| *known.name == *name) {
                specs.push(self.view_channel(user, name, &spec)?);
            }
        }
        let definition_hash = board.definition_hash();
        let hash = xxh3_64(definition_hash.as_bytes());
        let source = ChannelSource::Board { definition_hash, panels };
        let name = channel.to_string().into();
        specs.insert(0, ChannelSpec { name, definition_hash: hash, source, keep: None });
        Ok(Resolved { specs, pace: board.pace })
    }

    fn view_channel(&self, user: &User, name: String, spec: &QuerySpec) -> Result<ChannelSpec, ApiError> {
        self.followed(user, name, spec).map(|(channel, _)| channel)
    }

    fn followed(
        &self,
        user: &User,
        name: String,
        spec: &QuerySpec,
    ) -> Result<(ChannelSpec, Arc<InstanceRef>), ApiError> {
        let instance = Arc::new(self.acquire(user, spec, Missing::Wait)?);
        let channel = ChannelSpec {
            name: name.into(),
            definition_hash: spec_hash(spec),
            source: ChannelSource::View(instance.id()),
            keep: Some(Arc::clone(&instance) as Keep),
        };
        Ok((channel, instance))
    }

    /// Registers an ad-hoc query and gives its hash. Writes to the store: call it where blocking is allowed.
    pub(crate) fn register_query(
        &self,
        user: &User,
        spec: QuerySpec,
        params: &Map<String, Value>,
    ) -> Result<String, ApiError> {
        // Planned before it is kept: what is refused gets no channel.
        let _running = self.acquire(user, &spec, Missing::Refuse)?;
        self.0.queries.put(spec, params)
    }

    /// Keeps the store of ad-hoc queries tidy until shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        Arc::clone(&self.0.queries).run(shutdown).await;
    }
}

/// A parameter of a channel's name: a number if it is written as one would write it (`7`, `-2.5`), else text (`007`, `NAN`).
#[must_use]
pub fn text_cell(text: &str) -> Cell {
    if let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return Cell::Int(number);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && text.contains('.') && number.to_string() == text => Cell::Float(number),
        _ => Cell::Str(text.into()),
    }
}

/// Hash of what a view stands for.
pub(crate) fn spec_hash(spec: &QuerySpec) -> u64 {
    let text = format!("{}\0{}\0{:?}", normalise_sql(&spec.sql), spec.timezone.name(), spec.params);
    xxh3_64(text.as_bytes())
}

/// Reads a channel's name.
pub(crate) fn read_channel(text: &str) -> Result<Channel, ApiError> {
    text.parse().map_err(|error: InvalidChannel| ApiError::new(Code::BadChannel, error.to_string()))
}

/// The known names that look most like `name`, best first.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let score = |candidate: &'a str| (strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()), candidate);
    let mut scored: Vec<(f64, &str)> = known.into_iter().map(score).filter(|(score, _)| *score > 0.7).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(NEAREST_MAX).map(|(_, candidate)| candidate.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_written_as_a_number_is_one() {
        assert_eq!(text_cell("7"), Cell::Int(7));
        assert_eq!(text_cell("-2.5"), Cell::Float(-2.5));
        for text in ["NAN", "INF", "1E5", "007", "1.50", "NVDA", "", "9223372036854775808"] {
            assert_eq!(text_cell(text), Cell::Str(text.into()));
        }
    }
}
