//! What planning a query comes to: maintained, re-run, or waiting for something that does not exist yet.

use pulseboard_model::limits::human_bytes;
use pulseboard_model::{SchemaVersion, StreamName};

use super::sources::Feeds;
use crate::api::{EngineConfig, Explain, History, QueryError, QueryErrorKind, QuerySpec};
use crate::batch::runtime;
use crate::maintain::compose::{Composition, compose};
use crate::maintain::shape::{Shape, simplified};
use crate::sql::clock::ClockCell;
use crate::sql::names::tables_of;
use crate::sql::planning::{self, Planned, Rows, plan_reads_clock, warnings};

/// How a query will be answered.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// By deltas.
    Maintained(Plan),
    /// By running it again.
    Rerun { reason: String, streams: Vec<StreamName>, reads_clock: bool },
    /// Not yet.
    Waiting { error: QueryError },
    /// Not with the streams as they are; planned again when one of them grows.
    Failed { error: QueryError },
}

impl Outcome {
    /// What the answer to `sql` is made of.
    pub(super) fn feeds(&self, sql: &str) -> Feeds {
        match self {
            Self::Maintained(plan) => Feeds::Streams(plan.streams()),
            Self::Rerun { streams, .. } => Feeds::Streams(streams.clone()),
            Self::Waiting { .. } | Self::Failed { .. } => Feeds::Names(tables_of(sql)),
        }
    }
}

/// A plan to maintain.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) composition: Composition,
    /// Its streams, with the versions of their schemas that it was planned with.
    versions: Vec<(StreamName, SchemaVersion)>,
    /// Whether a new field changes its columns.
    pub(crate) has_wildcard: bool,
}

impl Plan {
    /// The streams it reads.
    pub(crate) fn streams(&self) -> Vec<StreamName> {
        self.versions.iter().map(|(stream, _)| stream.clone()).collect()
    }

    /// Whether one of its streams has a newer schema by now.
    pub(crate) fn is_outgrown(&self, history: &dyn History) -> bool {
        let newer = |(stream, planned): &(StreamName, SchemaVersion)| {
            history.schema(stream.as_str()).is_some_and(|schema| schema.version > *planned)
        };
        self.versions.iter().any(newer)
    }
}

fn plan(spec: &QuerySpec, history: &dyn History, config: &EngineConfig) -> Result<Planned, QueryError> {
    let clock = ClockCell::new(history.head().now());
    let runtime = Some(runtime(&config.query_limits)?);
    planning::plan(spec, history, &clock, &Rows::None, runtime, config.query_limits.sql_bytes_max)
}

/// Plans `spec`.
///
/// # Errors
/// [`QueryError`] for text that is refused whatever streams exist.
pub(crate) fn plan_outcome(
    spec: &QuerySpec,
    history: &dyn History,
    config: &EngineConfig,
) -> Result<Outcome, QueryError> {
    let planned = match plan(spec, history, config) {
        Ok(planned) => planned,
        Err(error) if matches!(error.kind, QueryErrorKind::UnknownStream | QueryErrorKind::UnknownColumn) => {
            return Ok(Outcome::Waiting { error });
        }
        Err(error) => return Err(error),
    };
    let streams = || planned.query.streams.iter().map(|(name, _)| name.clone()).collect();
    Ok(match compose(&planned) {
        Ok(composition) => {
            let versions = planned.query.streams.iter().map(|(name, schema)| (name.clone(), schema.version)).collect();
            Outcome::Maintained(Plan { composition, versions, has_wildcard: planned.query.has_wildcard })
        }
        Err(reason) => {
            // What cannot even be planned for running is refused now, not on every run.
            simplified(&planned).map_err(|error| QueryError::planning(&error))?;
            let reads_clock = plan_reads_clock(&planned.plan);
            Outcome::Rerun { reason: reason.0, streams: streams(), reads_clock }
        }
    })
}

/// Says how `spec` would be answered.
///
/// # Errors
/// [`QueryError`] for text that is refused.
pub(crate) fn explain(spec: &QuerySpec, history: &dyn History, config: &EngineConfig) -> Result<Explain, QueryError> {
    let planned = plan(spec, history, config)?;
    let warnings = warnings(&planned.plan);
    let streams = planned.query.streams.iter().map(|(name, _)| name.clone()).collect();
    let simplified = simplified(&planned).map_err(|error| QueryError::planning(&error))?;
    let (maintained, reasons) = match compose(&planned) {
        Ok(Composition { parts, layers: None }) => (true, parts.iter().flat_map(|shape| describe(shape)).collect()),
        Ok(Composition { parts, layers: Some(layers) }) => {
            let above = match (layers.follows(), layers.stages.len()) {
                (true, _) => "what is above them follows by key: a change costs what it meets, not what they hold",
                (false, 0) => "what is above them is computed from what they hold",
                (false, _) => {
                    "what is above them follows by key up to a last piece, which is computed from all below it"
                }
            };
            let mut reasons = vec![format!("maintained in {} parts; {above}", parts.len())];
            for (number, stage) in layers.stages.iter().enumerate() {
                reasons.push(format!("stage {}: {}", number + 1, stage.describe()));
            }
            for (number, shape) in parts.iter().enumerate() {
                reasons.extend(describe(shape).into_iter().map(|line| format!("part {}: {line}", number + 1)));
            }
            (true, reasons)
        }
        Err(reason) => (false, vec![format!("re-run at most once a second, because {}", reason.0)]),
    };
    let mut reasons: Vec<String> = reasons;
    if maintained {
        let limits = &config.view_limits;
        let most = format!("{} groups, or {} rows without groups", limits.groups_max, limits.rows_max);
        reasons.push(format!("it may hold {most}, in {}", human_bytes(limits.state_bytes_max)));
    }
    let plan = simplified.display_indent().to_string();
    Ok(Explain { maintained, reasons, warnings, streams, plan, running: None })
}

fn describe(shape: &Shape) -> Vec<String> {
    let mut reasons = Vec::new();
    match &shape.aggregate {
        Some(aggregate) if aggregate.keys.is_empty() => {
            reasons.push("maintained: one group, merged from each commit".to_owned())
        }
        Some(aggregate) => {
            let keys: Vec<&str> = aggregate.key_fields.iter().map(|field| field.name().as_str()).collect();
            reasons.push(format!("maintained: groups by {}, merged from each commit", keys.join(", ")));
        }
        None if shape.tail_is_final && shape.order.as_ref().is_some_and(|order| order.fetch.is_some()) => {
            reasons.push("maintained: only the rows up to the limit are kept".to_owned());
        }
        None => reasons.push("maintained: its rows are kept, up to the row limit".to_owned()),
    }
    if !shape.bounds.is_empty() {
        let columns: Vec<&str> = shape.bounds.iter().map(|bound| bound.column_name.as_str()).collect();
        reasons.push(format!("a window that moves with the clock bounds {}", columns.join(", ")));
    }
    if shape.upper_reads_clock {
        reasons.push("reads the clock above its groups: every group is evaluated each second".to_owned());
    }
    reasons
}
