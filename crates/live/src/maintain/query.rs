//! A maintained query as whoever steps it sees it: its parts, and what is above them.
//!
//! Whether it is one straight plan or several parts under a common top makes no difference outside. A step is `push` for
//! each batch, `advance` for another second, then `finish`, or `settle` and later `evaluate` for who wants to pace the top.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use chrono_tz::Tz;
use datafusion::common::{DataFusionError, Result};
use pulseboard_model::limits::{ViewLimits, human_bytes};
use pulseboard_model::schema::{ARRIVED_AT, TIME};
use pulseboard_model::{Column, Delta, Snapshot, StreamName, StreamSchema, TimeUs};

use super::above::Above;
use super::branches::Branch;
use super::compose::Composition;
use super::dump;
use super::instance::Instance;
use super::shape::Shape;
use super::window::MovedBack;
use crate::input::InputLayout;

/// One part.
#[derive(Debug)]
struct Part {
    shape: Arc<Shape>,
    instance: Instance,
    /// Per input of the shape.
    layouts: Vec<InputLayout>,
}

/// A maintained query.
#[derive(Debug)]
pub(crate) struct Query {
    parts: Vec<Part>,
    above: Option<Above>,
    /// Of each part.
    limits: ViewLimits,
    /// Of all of it.
    bytes_max: usize,
    timezone: Tz,
}

/// Why rows are not taken in.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The columns it reads are not as it planned them any more.
    SchemaMoved,
    /// It cannot compute with the data.
    Failed(DataFusionError),
}

impl From<DataFusionError> for Refused {
    fn from(error: DataFusionError) -> Self {
        Self::Failed(error)
    }
}

impl Query {
    /// An empty one at `now`. `schema` gives the streams as they are.
    ///
    /// # Errors
    /// [`Refused::SchemaMoved`] if a stream is not as it was when the query was planned.
    pub(crate) fn new(
        composition: &Composition,
        schema: impl Fn(&StreamName) -> Option<Arc<StreamSchema>>,
        limits: &ViewLimits,
        now: TimeUs,
        timezone: Tz,
    ) -> std::result::Result<Self, Refused> {
        let bytes_max = limits.state_bytes_max;
        let limits = ViewLimits { state_bytes_max: bytes_max / composition.parts.len().max(1), ..limits.clone() };
        let mut parts = Vec::with_capacity(composition.parts.len());
        for shape in &composition.parts {
            let layout = |branch: &Branch| InputLayout::new(branch, schema(&branch.stream)?.as_ref(), timezone);
            let layouts = shape.branches.iter().map(layout).collect::<Option<_>>().ok_or(Refused::SchemaMoved)?;
            parts.push(Part { shape: shape.clone(), instance: Instance::new(shape.clone(), &limits, now)?, layouts });
        }
        let above = composition.layers.clone().map(|layers| Above::new(layers, parts.len())).transpose()?;
        Ok(Self { parts, above, limits, bytes_max, timezone })
    }

    /// The columns of the answer.
    pub(crate) fn columns(&self) -> &[Column] {
        match &self.above {
            Some(above) => above.columns(),
            None => self.parts[0].instance.columns(),
        }
    }

    /// The streams it reads, each once.
    pub(crate) fn streams(&self) -> Vec<StreamName> {
        let branches = self.parts.iter().flat_map(|part| &part.shape.branches);
        let mut streams: Vec<StreamName> = branches.map(|branch| branch.stream.clone()).collect();
        streams.sort_unstable();
        streams.dedup();
        streams
    }

    /// Events of `stream` before this time cannot matter now or later.
    pub(crate) fn time_from(&self, stream: &StreamName) -> Option<TimeUs> {
        let branches = self.parts.iter().flat_map(|part| {
            part.shape.branches_of(stream).map(|(_, branch)| part.instance.window().time_from(branch.bounds.clone()))
        });
        branches.reduce(|a, b| Some(a?.min(b?))).flatten()
    }

    /// The earliest event that matters to any part.
    pub(crate) fn since(&self) -> Option<TimeUs> {
        self.parts.iter().map(|part| part.instance.time_from()).reduce(|a, b| Some(a?.min(b?))).flatten()
    }

    /// Takes a commit's rows of `stream` in, in `schema`'s event layout. Gives how many of them came too late to count.
    pub(crate) fn push(
        &mut self,
        stream: &StreamName,
        rows: &RecordBatch,
        schema: &StreamSchema,
    ) -> std::result::Result<u64, Refused> {
        // What is too old for one input may be what another asks for: late is what none has.
        let mut late_rows = None;
        for part in &mut self.parts {
            for (number, branch) in part.shape.branches_of(stream) {
                let layout = &mut part.layouts[number];
                if layout.version != schema.version {
                    *layout = InputLayout::new(branch, schema, self.timezone).ok_or(Refused::SchemaMoved)?;
                }
                let rows = layout.apply(rows).map_err(DataFusionError::from)?;
                part.instance.push(number, rows)?;
                let late = part.instance.window_mut().take_late_rows();
                late_rows = Some(late_rows.map_or(late, |known: u64| known.min(late)));
            }
        }
        Ok(late_rows.unwrap_or(0))
    }

    /// Takes rows out of the log in, in the layout of any version that has the columns it reads.
    pub(crate) fn push_past(&mut self, stream: &StreamName, rows: &RecordBatch) -> std::result::Result<(), Refused> {
        // Old rows of the log were not late when they came, or were counted then.
        let _counted_then = self.take_past(stream, rows, None)?;
        self.settle_past()
    }

    /// The same for rows that came after the state was kept. Gives how many of them came too late to count: each commit is
    /// held against the clock that it came at.
    pub(crate) fn push_missed(&mut self, stream: &StreamName, rows: &RecordBatch) -> std::result::Result<u64, Refused> {
        let mut late_rows = 0;
        for (came_at, rows) in self.commits_of(stream, rows)? {
            late_rows += self.take_past(stream, &rows, came_at)?;
        }
        self.settle_past()?;
        Ok(late_rows)
    }

    /// The commits of a batch and when each came; the batch as a whole where none of its rows can have been late.
    fn commits_of(&self, stream: &StreamName, rows: &RecordBatch) -> Result<Vec<(Option<TimeUs>, RecordBatch)>> {
        let times = |name| Some(rows.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>()?.values());
        let whole = || Ok(vec![(None, rows.clone())]);
        let (Some(event_times), Some(arrivals)) = (times(TIME), times(ARRIVED_AT)) else { return whole() };
        let (Some(oldest), Some(last)) = (event_times.iter().min(), arrivals.last()) else { return whole() };
        let mut late_upto = None;
        for part in self.parts.iter().filter(|part| part.shape.branches_of(stream).next().is_some()) {
            late_upto = late_upto.max(part.instance.window().late_upto(TimeUs(*last))?);
        }
        if late_upto.is_none_or(|upto| *oldest > upto) {
            return whole();
        }
        let mut from = 0;
        let commits = arrivals.chunk_by(|a, b| a == b).map(|commit| {
            let rows = rows.slice(from, commit.len());
            from += commit.len();
            (Some(TimeUs(commit[0])), rows)
        });
        Ok(commits.collect())
    }

    fn take_past(
        &mut self,
        stream: &StreamName,
        rows: &RecordBatch,
        came_at: Option<TimeUs>,
    ) -> std::result::Result<u64, Refused> {
        let mut late_rows = None;
        for part in &mut self.parts {
            for (number, _) in part.shape.branches_of(stream) {
                let rows = part.layouts[number].apply_by_name(rows).ok_or(Refused::SchemaMoved)?;
                part.instance.window_mut().came_at(came_at)?;
                part.instance.push(number, rows)?;
                part.instance.window_mut().came_at(None)?;
                let late = part.instance.window_mut().take_late_rows();
                late_rows = Some(late_rows.map_or(late, |known: u64| known.min(late)));
            }
        }
        Ok(late_rows.unwrap_or(0))
    }

    /// What a limit drops is dropped on the way, not at the end.
    fn settle_past(&mut self) -> std::result::Result<(), Refused> {
        for (number, part) in self.parts.iter_mut().enumerate() {
            settle(number, part, self.above.as_mut())?;
        }
        Ok(self.check_size()?)
    }

    /// No new groups or rows are taken at the limit, but what is held may grow on: half more is too much.
    fn check_size(&self) -> Result<()> {
        let allowed = self.bytes_max.saturating_add(self.bytes_max / 2);
        if self.size_bytes() <= allowed {
            return Ok(());
        }
        let what = format!("its state takes more than the {} that a live query may hold", human_bytes(self.bytes_max));
        Err(DataFusionError::ResourcesExhausted(what))
    }

    /// Moves the clock on. If a bound moved back, the query must be rebuilt from the log.
    pub(crate) fn advance(&mut self, now: TimeUs) -> Result<std::result::Result<(), MovedBack>> {
        let mut moved = Ok(());
        for part in &mut self.parts {
            let new_second = part.instance.now() != now.floor_to_second();
            if let Err(moved_back) = part.instance.advance(now)? {
                moved = Err(moved_back);
            }
            if let Some(above) = self.above.as_mut().filter(|_| new_second) {
                above.new_second();
            }
        }
        Ok(moved)
    }

    /// Ends the step of the parts. Gives the delta at once if there is nothing above them; else says by `None` that
    /// [`Query::evaluate`] is due.
    pub(crate) fn settle(&mut self) -> Result<Option<Delta>> {
        self.check_size()?;
        let Some(above) = &mut self.above else { return self.parts[0].instance.finish().map(Some) };
        for (number, part) in self.parts.iter_mut().enumerate() {
            settle(number, part, Some(&mut *above))?;
        }
        Ok((!above.is_stale()).then(Delta::default))
    }

    /// Whether evaluating what is above the parts costs what changed, not what they hold.
    pub(crate) fn follows_changes(&self) -> bool {
        self.above.as_ref().is_some_and(Above::follows)
    }

    /// What changed in the answer since it was last told. Only after [`Query::settle`].
    pub(crate) fn evaluate(&mut self) -> Result<Delta> {
        let Some(above) = self.above.as_mut().filter(|above| above.is_stale()) else { return Ok(Delta::default()) };
        if self.parts.iter().any(|part| part.instance.is_truncated()) {
            let what = "a part of it has more groups or rows, or takes more memory, than a live query may hold";
            return Err(DataFusionError::ResourcesExhausted(what.to_owned()));
        }
        let (now, parts) = (self.parts[0].instance.now(), &mut self.parts);
        above.evaluate(|number, schema| parts[number].instance.table(schema), now, self.limits.groups_max)
    }

    /// Ends the step: what changed for readers since the last one.
    pub(crate) fn finish(&mut self) -> Result<Delta> {
        match self.settle()? {
            Some(delta) => Ok(delta),
            None => self.evaluate(),
        }
    }

    /// The whole answer as last told.
    pub(crate) fn snapshot(&self) -> Snapshot {
        match &self.above {
            Some(above) => above.snapshot(),
            None => self.parts[0].instance.snapshot(),
        }
    }

    /// Whether a group or row limit was hit.
    pub(crate) fn is_truncated(&self) -> bool {
        self.parts.iter().any(|part| part.instance.is_truncated())
    }

    /// Rows that a limit refused since the state was begun.
    pub(crate) fn refused_rows(&self) -> u64 {
        self.parts.iter().map(|part| part.instance.window().refused_rows()).sum()
    }

    /// Whether a limit was hit and there is room again: rebuilt from the log, it would show more.
    pub(crate) fn wants_rebuild(&self) -> bool {
        self.parts.iter().any(|part| part.instance.wants_rebuild())
    }

    /// Groups or rows held.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.instance.len()).sum()
    }

    /// Roughly how many bytes it holds.
    pub(crate) fn size_bytes(&self) -> usize {
        let above = self.above.as_ref().map_or(0, Above::size_bytes);
        above + self.parts.iter().map(|part| part.instance.size_bytes()).sum::<usize>()
    }

    /// The state as bytes: that of each part. Only after `finish`.
    pub(crate) fn dump(&mut self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for part in &mut self.parts {
            let bytes = dump::dump(&mut part.instance)?;
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(&bytes);
        }
        Ok(out)
    }

    /// Replaces the state by what [`Query::dump`] of the same query gave.
    ///
    /// # Errors
    /// If the bytes are damaged or of another query.
    pub(crate) fn restore(&mut self, mut bytes: &[u8]) -> Result<()> {
        let damaged = || DataFusionError::Execution("the stored state is damaged or of another format".to_owned());
        let mut restored = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let (len, rest) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
            let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| damaged())?;
            let (own, rest) = rest.split_at_checked(len).ok_or_else(damaged)?;
            restored.push(dump::restore(&part.shape, &self.limits, own)?);
            bytes = rest;
        }
        if !bytes.is_empty() {
            return Err(damaged());
        }
        for (part, instance) in self.parts.iter_mut().zip(restored) {
            part.instance = instance;
        }
        if let Some(above) = &mut self.above {
            *above = above.emptied()?;
        }
        self.finish().map(drop)
    }
}

/// Ends the step of a part; what is above it hears how it changed.
fn settle(number: usize, part: &mut Part, above: Option<&mut Above>) -> Result<()> {
    match above {
        Some(above) if above.is_followed(number) => above.take(number, part.instance.finish()?),
        above => {
            if part.instance.settle()?
                && let Some(above) = above
            {
                above.changed();
            }
        }
    }
    Ok(())
}
