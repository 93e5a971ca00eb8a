//! A range out of kept states: those of buckets that lie wholly inside, and rows for everything else.
//!
//! Rows are read at the edges of the range, where a change of clocks lies across a bucket, and for pieces that have no states
//! yet, the newest among them. What comes of it equals the batch answer, since states merge as the engine merges them.

use std::sync::Arc;

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
use crate::ending::Ending;
use crate::maintain::instance::Instance;
use crate::range::POINTS_MAX;
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

/// What an answer was made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RollupUse {
    /// Pieces of which kept states were merged.
    pub pieces: u64,
    /// Kept states that were merged.
    pub states: u64,
    /// Rows that were read, at the edges and where there are no states.
    pub rows: u64,
}

/// Answers a range out of `history`'s kept states; `None` if there are none of use. Ends early once `stop` is set.
pub(crate) fn answer(
    rollup: &Rollup,
    asked: &Asked,
    history: &Arc<dyn History>,
    limits: &QueryLimits,
    ending: &Ending,
) -> Result<Option<(QueryAnswer, RollupUse)>, QueryError> {
    let Some(pieces) = kept(rollup, asked, history.as_ref()) else { return Ok(None) };
    let span = (asked.from_us, asked.to_us);
    let Some(cut) = cut(&rollup.spec, asked.step, span, history.as_ref(), limits)? else { return Ok(None) };
    let instance = Instance::new(cut.shape.clone(), &view_limits(limits), asked.at.now());
    let instance = instance.map_err(|error| QueryError::running(&error))?;
    let buckets = asked.step.count(asked.from_us, asked.to_us, rollup.zone(), POINTS_MAX);
    let instance = instance.asked_once(buckets.unwrap_or(0));
    let mut merging = Merging { rollup, asked, history, cut, instance, ending, used: RollupUse::default() };
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

/// The pieces with states of use, in order, those that end beyond the position left out.
fn kept(rollup: &Rollup, asked: &Asked, history: &dyn History) -> Option<Vec<Partials>> {
    let mut pieces = history.partials(rollup);
    pieces.retain(|piece| asked.at.offset.includes(piece.upto) && levels_for(asked.step).any(|level| piece.has(level)));
    pieces.sort_by_key(|piece| piece.upto);
    // Pieces never overlap; if they did, rows would count twice.
    let apart = pieces.windows(2).all(|pair| pair[1].after.includes(pair[0].upto));
    (!pieces.is_empty() && apart).then_some(pieces)
}

struct Merging<'a> {
    rollup: &'a Rollup,
    asked: &'a Asked,
    history: &'a Arc<dyn History>,
    cut: Cut,
    instance: Instance,
    ending: &'a Ending,
    used: RollupUse,
}

impl Merging<'_> {
    /// Merges the states of a piece in, the widest first, narrower ones where a bucket is not wholly inside, and reads rows
    /// where even the narrowest is not.
    fn piece(&mut self, piece: &Partials) -> Result<(), QueryError> {
        let (first, last) = piece.times;
        if last.0 < self.asked.from_us || first.0 >= self.asked.to_us {
            return Ok(());
        }
        let mut spans = vec![(self.asked.from_us, self.asked.to_us)];
        let before = self.used.states;
        for level in levels_for(self.asked.step).filter(|level| piece.has(*level)) {
            self.check_end()?;
            let columns = piece.states(level).and_then(|bytes| columns_of(&bytes, &self.cut).ok().flatten());
            let Some(columns) = columns else { continue };
            if let Some(rest) = self.level(level, columns, &spans)? {
                spans = rest;
            }
            if spans.is_empty() {
                break;
            }
        }
        self.used.pieces += u64::from(self.used.states > before);
        self.rows(piece.after, piece.upto, &spans)
    }

    /// Merges the states of a level in whose buckets are wholly in one of `spans`; gives the times of the others that are in
    /// them, if any. `None` if the columns are not what they should be, and nothing was merged.
    fn level(
        &mut self,
        level: RollupLevel,
        Columns { mut keys, mut states, rows }: Columns,
        spans: &[(i64, i64)],
    ) -> Result<Option<Vec<(i64, i64)>>, QueryError> {
        let Some(buckets) = keys.get(self.cut.bucket).cloned() else { return Ok(None) };
        let Some(buckets) = buckets.as_primitive_opt::<TimestampMicrosecondType>() else { return Ok(None) };
        let mut places: HashMap<i64, Place> = HashMap::new();
        let mut starts: Vec<Option<i64>> = Vec::with_capacity(rows);
        let mut rest: Vec<(i64, i64)> = Vec::new();
        for row in 0..rows {
            // A row without a time is in no range.
            if buckets.is_null(row) {
                starts.push(None);
                continue;
            }
            let start = buckets.value(row);
            let place = match places.get(&start) {
                Some(place) => *place,
                None => {
                    let Some(place) = self.place(level, start, spans, &mut rest) else { return Ok(None) };
                    places.insert(start, place);
                    place
                }
            };
            starts.push(if let Place::Inside(start) = place { Some(start) } else { None });
        }
        let inside: BooleanArray = starts.iter().map(|start| Some(start.is_some())).collect();
        let labelled = TimestampMicrosecondArray::from(starts).with_data_type(buckets.data_type().clone());
        keys[self.cut.bucket] = Arc::new(labelled);
        let pick = |array: &mut ArrayRef| filter(array, &inside).map(|picked| *array = picked);
        let picked = keys.iter_mut().chain(states.iter_mut().flatten()).try_for_each(pick);
        picked.map_err(|error| QueryError::internal(&error.into()))?;
        let count = inside.true_count();
        if count > 0 {
            self.instance.merge(&keys, states, count).map_err(|error| QueryError::running(&error))?;
        }
        self.used.states += count as u64;

        rest.sort_unstable();
        rest.dedup_by(|next, before| {
            let joined = next.0 <= before.1;
            before.1 = if joined { before.1.max(next.1) } else { before.1 };
            joined
        });
        Ok(Some(rest))
    }

    /// Where the bucket of a state lies that begins at `start`; what of it is in `spans`, but not wholly, goes to `rest`.
    /// `None` if its end is not known.
    fn place(&self, level: RollupLevel, start: i64, spans: &[(i64, i64)], rest: &mut Vec<(i64, i64)>) -> Option<Place> {
        let zone = self.rollup.zone();
        let end = level.step().next(start, zone)?;
        let wide = |at: i64| self.asked.step.start(at, zone);
        let before = rest.len();
        for (from, to) in spans.iter().filter(|(from, to)| end > *from && start < *to) {
            match (wide(start), wide(end - 1)) {
                (Some(first), Some(last)) if start >= *from && end <= *to && first == last => {
                    return Some(Place::Inside(first));
                }
                _ => rest.push((start.max(*from), end.min(*to))),
            }
        }
        Some(if rest.len() > before { Place::Across } else { Place::Outside })
    }

    fn check_end(&self) -> Result<(), QueryError> {
        self.ending.check().map_err(QueryError::ended)
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
                self.check_end()?;
                let batch = batch.map_err(|error| unread(&error))?;
                self.used.rows += batch.num_rows() as u64;
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

    fn finish(self, limits: &QueryLimits) -> Result<(QueryAnswer, RollupUse), QueryError> {
        if self.instance.is_truncated() {
            let message =
                "the range has more groups than fit into a query's memory: narrow it, or choose wider buckets";
            return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
        }
        let columns = self.instance.columns().iter().map(|column| Column { key: false, ..column.clone() }).collect();
        let rows = self.instance.into_rows().map_err(|error| QueryError::running(&error))?;
        if rows.len() > limits.rows_max {
            let message = format!("the answer has more than {} rows: ask for fewer points", limits.rows_max);
            return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
        }
        let complete_from = self.history.complete_from(&self.rollup.stream);
        let batches = Vec::new();
        let answer = QueryAnswer { position: self.asked.at, newest: None, columns, rows, batches, complete_from };
        Ok((answer, self.used))
    }
}

/// Where a bucket of states lies.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Wholly in what is asked for, and in the wide bucket that begins there.
    Inside(i64),
    /// Not wholly.
    Across,
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
