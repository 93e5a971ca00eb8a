//! A range out of kept states: those of buckets that lie wholly inside, and rows for everything else.
//!
//! Rows are read at the edges of the range, where a change of clocks lies across a bucket, and for pieces that have no states
//! yet, the newest among them. What comes of it equals the batch answer, since states merge as the engine merges them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{filter, filter_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::{DataFusionError, exec_datafusion_err};
use hashbrown::HashMap;
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::schema::TIME;
use pulseboard_model::{Column, LogOffset, Position, TimeUs};

use super::unread;
use super::{Columns, Cut, Partials, Rollup, RollupLevel, columns_of, cut, levels_for, view_limits};
use crate::api::{History, QueryAnswer, QueryError, QueryErrorKind};
use crate::maintain::instance::Instance;
use crate::scan_request::ScanRequest;
use crate::sql::buckets::Step;

/// What is asked of a rollup.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) at: Position,
    pub(crate) step: Step,
    /// Begin, inclusive, and end, exclusive, in µs.
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
}

/// Answers a range out of `history`'s kept states; `None` if there are none of use. Ends early once `stop` is set.
pub(crate) fn answer(
    rollup: &Rollup,
    asked: &Asked,
    history: &Arc<dyn History>,
    limits: &QueryLimits,
    stop: &AtomicBool,
) -> Result<Option<QueryAnswer>, QueryError> {
    let Some((level, pieces)) = kept(rollup, asked, history.as_ref()) else { return Ok(None) };
    let span = (asked.from_us, asked.to_us);
    let Some(cut) = cut(&rollup.spec, asked.step, span, history.as_ref(), limits)? else { return Ok(None) };
    let instance = Instance::new(cut.shape.clone(), &view_limits(limits), asked.at.now());
    let instance = instance.map_err(|error| QueryError::running(&error))?;
    let mut merging = Merging { rollup, asked, history, cut, level, instance, stop };
    let mut after = LogOffset::START;
    for piece in &pieces {
        // What lies between two pieces has no states yet.
        merging.rows(after, piece.after, &[span])?;
        merging.piece(piece)?;
        after = piece.upto;
    }
    merging.rows(after, asked.at.offset, &[span])?;
    merging.finish(limits).map(Some)
}

/// The widest states there are, and their pieces in order, those that end beyond the position left out.
fn kept(rollup: &Rollup, asked: &Asked, history: &dyn History) -> Option<(RollupLevel, Vec<Partials>)> {
    levels_for(asked.step).find_map(|level| {
        let mut pieces = history.partials(&rollup.stream, &rollup.name(level));
        pieces.retain(|piece| asked.at.offset.includes(piece.upto));
        pieces.sort_by_key(|piece| piece.upto);
        // Pieces never overlap; if they did, rows would count twice.
        let apart = pieces.windows(2).all(|pair| pair[1].after.includes(pair[0].upto));
        (!pieces.is_empty() && apart).then_some((level, pieces))
    })
}

struct Merging<'a> {
    rollup: &'a Rollup,
    asked: &'a Asked,
    history: &'a Arc<dyn History>,
    cut: Cut,
    level: RollupLevel,
    instance: Instance,
    stop: &'a AtomicBool,
}

impl Merging<'_> {
    /// Merges the states of a piece in, and reads of its rows those whose bucket is not wholly inside.
    fn piece(&mut self, piece: &Partials) -> Result<(), QueryError> {
        let damaged = || QueryError::internal(&exec_datafusion_err!("kept states of a rollup are damaged"));
        let columns = columns_of(&piece.bytes, &self.cut).map_err(|error| QueryError::internal(&error))?;
        let Columns { mut keys, mut states, rows } = columns.ok_or_else(damaged)?;
        let buckets = keys.get(self.cut.bucket).ok_or_else(damaged)?.clone();
        let buckets = buckets.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(damaged)?;
        let mut places: HashMap<i64, Place> = HashMap::new();
        let mut of = Vec::with_capacity(rows);
        for row in 0..rows {
            // A row without a time is in no range.
            let place = if buckets.is_null(row) {
                Place::Outside
            } else {
                let start = buckets.value(row);
                *places.entry(start).or_insert_with(|| self.place(start))
            };
            of.push(place);
        }
        let inside: BooleanArray = of.iter().map(|place| Some(matches!(place, Place::Inside(_)))).collect();
        let starts: TimestampMicrosecondArray =
            of.iter().map(|place| if let Place::Inside(start) = place { Some(*start) } else { None }).collect();
        let labelled = starts.with_data_type(buckets.data_type().clone());
        keys[self.cut.bucket] = Arc::new(labelled);
        let pick = |array: &mut ArrayRef| filter(array, &inside).map(|picked| *array = picked);
        let picked = keys.iter_mut().chain(states.iter_mut().flatten()).try_for_each(pick);
        picked.map_err(|error| QueryError::internal(&error.into()))?;
        let count = inside.true_count();
        self.instance.merge(&keys, states, count).map_err(|error| QueryError::running(&error))?;

        let mut rest: Vec<(i64, i64)> = places
            .values()
            .filter_map(|place| if let Place::Across(from, to) = place { Some((*from, *to)) } else { None })
            .collect();
        rest.sort_unstable();
        rest.dedup_by(|next, before| {
            let joined = next.0 <= before.1;
            before.1 = if joined { before.1.max(next.1) } else { before.1 };
            joined
        });
        self.rows(piece.after, piece.upto, &rest)
    }

    /// Where the bucket of a state lies that begins at `start`.
    fn place(&self, start: i64) -> Place {
        let zone = self.rollup.zone();
        let (from, to) = (self.asked.from_us, self.asked.to_us);
        let Some(end) = self.level.step().next(start, zone) else { return Place::Across(from, to) };
        if end <= from || start >= to {
            return Place::Outside;
        }
        let wide = |at: i64| self.asked.step.start(at, zone);
        match (wide(start), wide(end - 1)) {
            (Some(first), Some(last)) if start >= from && end <= to && first == last => Place::Inside(first),
            _ => Place::Across(start.max(from), end.min(to)),
        }
    }

    /// Reads the rows of an offset range whose time lies in one of `spans`, which do not overlap.
    fn rows(&mut self, after: LogOffset, upto: LogOffset, spans: &[(i64, i64)]) -> Result<(), QueryError> {
        if after.includes(upto) {
            return Ok(());
        }
        for (from, to) in spans {
            let mut request = ScanRequest::new(self.rollup.stream.clone(), after, upto);
            request.time_from = Some(TimeUs(*from));
            request.time_to = Some(TimeUs(to.saturating_sub(1)));
            request.columns = self.columns();
            request.in_order = false;
            for batch in self.history.scan(&request) {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(QueryError::new(QueryErrorKind::Failed, "nobody waits for the answer any more"));
                }
                let batch = batch.map_err(|error| unread(&error))?;
                let batch = within(&batch, *from, *to).map_err(|error| QueryError::internal(&error))?;
                let moved = || QueryError::new(QueryErrorKind::Internal, "the schema of the stream changed meanwhile");
                let input = self.cut.layout.apply_by_name(&batch).ok_or_else(moved)?;
                self.instance.push(0, input).map_err(|error| QueryError::running(&error))?;
            }
        }
        Ok(())
    }

    /// The columns that are read, in the order of the event layout.
    fn columns(&self) -> Option<Vec<String>> {
        let layout = self.history.schema(self.rollup.stream.as_str())?.event_schema();
        let names = layout.fields().iter().map(|field| field.name().clone());
        Some(names.filter(|name| self.rollup.columns.contains(name)).collect())
    }

    fn finish(mut self, limits: &QueryLimits) -> Result<QueryAnswer, QueryError> {
        self.instance.finish().map_err(|error| QueryError::running(&error))?;
        if self.instance.is_truncated() {
            let message =
                "the range has more groups than fit into a query's memory: narrow it, or choose wider buckets";
            return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
        }
        let snapshot = self.instance.snapshot();
        if snapshot.rows.len() > limits.rows_max {
            let message = format!("the answer has more than {} rows: ask for fewer points", limits.rows_max);
            return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
        }
        let columns = snapshot.columns.iter().map(|column| Column { key: false, ..column.clone() }).collect();
        let rows = snapshot.ordered_rows().map(|(_, row)| row.clone()).collect();
        let complete_from = self.history.complete_from(&self.rollup.stream);
        Ok(QueryAnswer { position: self.asked.at, newest: None, columns, rows, batches: Vec::new(), complete_from })
    }
}

/// Where a bucket of states lies.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Wholly in the range, and in the wide bucket that begins there.
    Inside(i64),
    /// Not wholly: these times of it are in the range.
    Across(i64, i64),
    Outside,
}

/// The rows of a batch with a time from `from` to before `to`.
fn within(batch: &RecordBatch, from: i64, to: i64) -> Result<RecordBatch, DataFusionError> {
    let times = batch.column_by_name(TIME).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let times = times.ok_or_else(|| exec_datafusion_err!("rows came without their time"))?;
    let mask: BooleanArray =
        times.iter().map(|time| Some(time.is_some_and(|time| time >= from && time < to))).collect();
    Ok(filter_record_batch(batch, &mask)?)
}
