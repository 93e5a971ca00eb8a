//! What names stand for: views, boards and ad-hoc queries, resolved to the engine's instances.
//!
//! Named views run from the start and wait for streams that do not exist yet; an ad-hoc query runs while it is followed,
//! and its text is kept so that its channel survives a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use parking_lot::RwLock;
use pulseboard_hub::{ChannelSource, ChannelSpec, Keep};
use pulseboard_journal::{Log, MetaStore};
use pulseboard_live::{Engine, InstanceRef, Missing, Params, QuerySpec, User, normalise_sql, parameter_names};
use pulseboard_model::{Cell, ViewName, alerts, system};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::{Channel, InvalidChannel, Pace};
use pulseboard_runtime::{Clock, Shutdown};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tracing::info;
use xxhash_rust::xxh3::xxh3_64;

use crate::alerts::ALERTS;
use crate::auth::{Caller, check_board, check_view};
use crate::error::query_error;
use crate::names::{Definitions, Names};
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
struct Inner {
    engine: Engine,
    log: Arc<dyn Log>,
    names: RwLock<Arc<Names>>,
    /// Counts up with each change of the names.
    version: watch::Sender<u64>,
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
        definitions: Definitions,
        engine: Engine,
        log: Arc<dyn Log>,
        meta: MetaStore,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let queries = Arc::new(AdHocQueries::new(meta, clock));
        let names = RwLock::new(Arc::new(Names::new(definitions, |view| run(&engine, view))));
        Self(Arc::new(Inner { engine, log, names, version: watch::Sender::new(0), queries }))
    }

    /// From now on the names stand for what `definitions` say. What says the same as before runs on; whoever follows a name
    /// that stands for something else is told. Plans queries: call it where blocking is allowed, and from one place only.
    pub fn replace(&self, definitions: Definitions) {
        let engine = &self.0.engine;
        let before = self.names();
        let names = Arc::new(Names::new(definitions, |view| run(engine, view)));
        *self.0.names.write() = names;
        self.0.version.send_modify(|version| *version += 1);
        // Only now: what both name never stopped.
        drop(before);
    }

    /// The names as they are now.
    pub(crate) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.0.names.read())
    }

    /// Tells of each change of the names.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Whether a view takes all of these parameters.
    pub(crate) fn takes(&self, view: &str, bound: &Params) -> bool {
        self.names().view(view).is_ok_and(|held| takes(&held.view.spec, bound))
    }

    /// Whether a board that `is_wanted` shows the view.
    pub(crate) fn shows(&self, view: &str, is_wanted: impl Fn(&str) -> bool) -> bool {
        self.names()
            .all_boards()
            .any(|board| board.panels.iter().any(|panel| panel.view.as_str() == view) && is_wanted(&board.id))
    }

    /// A view's question, with parameters and zone if they are asked otherwise.
    ///
    /// What is bound to the caller wins over what was asked for; a view that does not take all of it is refused, because it would
    /// show rows of others.
    pub(crate) fn view_spec(
        &self,
        caller: &Caller,
        name: &str,
        params: &Params,
        timezone: Option<Tz>,
    ) -> Result<QuerySpec, ApiError> {
        spec_in(&self.names(), caller, (name, params), timezone)
    }

    /// The running instance that answers `spec`, on a user's account unless a name of the configuration holds it.
    pub(crate) fn acquire(&self, user: &User, spec: &QuerySpec, missing: Missing) -> Result<InstanceRef, ApiError> {
        self.0.engine.acquire_for(Some(user), spec, missing).map_err(|error| query_error(&error))
    }

    /// What a channel follows. May read the store: call it where blocking is allowed.
    pub(crate) fn resolve(
        &self,
        (caller, user): (&Caller, &User),
        channel: &Channel,
        timezone: Option<Tz>,
    ) -> Result<Resolved, ApiError> {
        match channel {
            Channel::View { name, params } => {
                let params = params.iter().map(|(name, value)| (name.clone(), text_cell(value))).collect();
                let spec = self.view_spec(caller, name.as_str(), &params, timezone)?;
                Ok(self.view_channel(user, channel.to_string(), &spec)?.into())
            }
            Channel::Board { name, vars } => {
                self.resolve_board((caller, user), channel, (&self.names(), name), vars, timezone)
            }
            Channel::Stream { name, .. } => {
                if self.0.log.schema(name.as_str()).is_none() || self.0.log.is_removed(name.as_str()) {
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
            // There from the start, though nothing may have fired yet.
            Channel::Alerts { .. } => {
                let source = ChannelSource::Tail(alerts::stream());
                Ok(ChannelSpec { name: ALERTS.into(), definition_hash: 0, source, keep: None }.into())
            }
        }
    }

    /// A board: itself, and the channel of each panel with the variables that its query takes.
    fn resolve_board(
        &self,
        (caller, user): (&Caller, &User),
        channel: &Channel,
        (names, board): (&Names, &str),
        vars: &BTreeMap<String, String>,
        timezone: Option<Tz>,
    ) -> Result<Resolved, ApiError> {
        let (board, _) = names.board(board)?;
        let vars = board.bind(vars)?;
        if let Some(shared) = caller.share() {
            check_board(shared, &vars)?;
        }
        let mut panels = Vec::with_capacity(board.panels.len());
        let mut specs: Vec<ChannelSpec> = Vec::with_capacity(board.panels.len() + 1);
        for panel in &board.panels {
            let own = &names.view(panel.view.as_str())?.view.spec.params;
            let taken = panel.variables.iter().filter_map(|name| vars.get_key_value(name));
            // What the view is by itself is not said again: whoever follows it by its bare name shares the channel.
            let taken = taken.filter(|(name, value)| own.get(*name) != Some(&text_cell(value)));
            let taken: BTreeMap<_, _> = taken.map(|(name, value)| (name.clone(), value.clone())).collect();
            let params = taken.iter().map(|(name, value)| (name.clone(), text_cell(value))).collect();
            let spec = spec_in(names, caller, (panel.view.as_str(), &params), timezone)?;
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

fn takes(spec: &QuerySpec, bound: &Params) -> bool {
    let taken = parameter_names(&spec.sql);
    bound.keys().all(|name| taken.contains(name))
}

fn spec_in(
    names: &Names,
    caller: &Caller,
    (name, params): (&str, &Params),
    timezone: Option<Tz>,
) -> Result<QuerySpec, ApiError> {
    let mut spec = names.view(name)?.view.spec.clone();
    if let Some(shared) = caller.share() {
        check_view(shared, names, &spec, (name, params))?;
    }
    spec.params.extend(params.clone());
    let bound = caller.bound();
    if !bound.is_empty() {
        if !takes(&spec, bound) {
            let message = format!("view `{name}` does not hold its rows to what the token is bound to");
            return Err(ApiError::new(Code::Forbidden, message));
        }
        let is_bound = |name: &str| bound.keys().any(|own| own.eq_ignore_ascii_case(name.trim_start_matches('$')));
        spec.params.retain(|name, _| !is_bound(name));
        spec.params.extend(bound.clone());
    }
    spec.timezone = timezone.unwrap_or(spec.timezone);
    Ok(spec)
}

/// Starts a view that runs by itself.
fn run(engine: &Engine, view: &NamedView) -> Option<Arc<InstanceRef>> {
    if view.origin != Origin::Configured {
        return None;
    }
    match engine.acquire(&view.spec, Missing::Wait) {
        Ok(instance) => Some(Arc::new(instance)),
        Err(error) => {
            info!(view = %view.name, %error, "a view runs only when it is asked for");
            None
        }
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
