//! One maintained query: fed with batches and the clock, it answers each step with a delta.
//!
//! A step is `push` for every batch of its stream, `advance` if the clock reached another second, then `finish`.
//! Whether a batch comes from a live commit or from the log makes no difference here.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::Result;
use pulseboard_model::limits::ViewLimits;
use pulseboard_model::{Column, Delta, Row, Snapshot, TimeUs};

use super::groups::Groups;
use super::held_rows::batch_of;
use super::output::{Output, Placed};
use super::rows::{Rows, Sorter, cut_of};
use super::rowwise;
use super::shape::Shape;
use super::watch::Spans;
use super::window::{MovedBack, Stay, Window};
use crate::cells::cells;

#[derive(Debug)]
pub(crate) enum State {
    Groups(Box<Groups>),
    Rows(Box<Rows>),
}

/// One maintained query.
#[derive(Debug)]
pub(crate) struct Instance {
    shape: Arc<Shape>,
    pub(super) state: State,
    pub(super) output: Output,
    sorter: Sorter,
    now: TimeUs,
    /// Whether anything came since the last `finish`.
    touched: bool,
}

impl Instance {
    pub(crate) fn new(shape: Arc<Shape>, limits: &ViewLimits, now: TimeUs) -> Result<Self> {
        let now = now.floor_to_second();
        let state = if shape.aggregate.is_some() {
            State::Groups(Box::new(Groups::new(&shape, limits, now)?))
        } else {
            State::Rows(Box::new(Rows::new(&shape, limits, now)?))
        };
        let output = Output::new(shape.columns.clone(), cut_of(&shape));
        let output = if shape.aggregate.is_some() { output.changing_rows_once() } else { output };
        Ok(Self { output, sorter: Sorter::new(shape.order.as_ref())?, state, now, touched: true, shape })
    }

    /// For [`Instance::into_rows`] alone: no step is told. About so many groups will come.
    pub(crate) fn asked_once(mut self, groups: usize) -> Self {
        if let State::Groups(state) = &mut self.state {
            state.asked_once(groups);
        }
        self
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.shape.columns
    }

    pub(crate) fn now(&self) -> TimeUs {
        self.now
    }

    pub(super) fn window(&self) -> &Window {
        match &self.state {
            State::Groups(groups) => groups.window(),
            State::Rows(rows) => rows.window(),
        }
    }

    pub(super) fn window_mut(&mut self) -> &mut Window {
        match &mut self.state {
            State::Groups(groups) => groups.window_mut(),
            State::Rows(rows) => rows.window_mut(),
        }
    }

    /// Events before this time cannot matter now or later, whichever input they come by.
    pub(crate) fn time_from(&self) -> Option<TimeUs> {
        self.shape.time_from(self.window())
    }

    /// Whether the passing of time alone can change the answer.
    pub(crate) fn depends_on_clock(&self) -> bool {
        self.window().is_bounded() || self.shape.upper_reads_clock
    }

    /// Whether a group or row limit was hit.
    pub(crate) fn is_truncated(&self) -> bool {
        match &self.state {
            State::Groups(groups) => groups.is_truncated(),
            State::Rows(rows) => rows.is_truncated(),
        }
    }

    /// Whether a limit was hit and there is room again in its window: rebuilt from the log, it would show more.
    pub(crate) fn wants_rebuild(&self) -> bool {
        match &self.state {
            State::Groups(groups) => groups.has_room_again(),
            State::Rows(rows) => rows.has_room_again(),
        }
    }

    /// Groups or rows held.
    pub(crate) fn len(&self) -> usize {
        match &self.state {
            State::Groups(groups) => groups.len(),
            State::Rows(_) => self.output.len(),
        }
    }

    /// Roughly how many bytes it holds.
    pub(crate) fn size_bytes(&self) -> usize {
        let state = match &self.state {
            State::Groups(groups) => groups.size_bytes(),
            State::Rows(rows) => rows.size_bytes(),
        };
        state + self.output.size_bytes()
    }

    /// Takes rows in, in the layout of the shape's input.
    pub(crate) fn push(&mut self, branch: usize, batch: RecordBatch) -> Result<()> {
        self.touched = true;
        match &mut self.state {
            State::Groups(groups) => {
                groups.holding(self.output.size_bytes());
                groups.push(branch, batch)
            }
            State::Rows(rows) => {
                rows.holding(self.output.size_bytes());
                rows.push(branch, batch)
            }
        }
    }

    /// Moves the clock on. If a bound moved back, the instance must be rebuilt from the log.
    pub(crate) fn advance(&mut self, now: TimeUs) -> Result<std::result::Result<(), MovedBack>> {
        let now = now.floor_to_second();
        if now == self.now {
            return Ok(Ok(()));
        }
        self.now = now;
        if !self.depends_on_clock() {
            return Ok(Ok(()));
        }
        self.touched = true;
        match &mut self.state {
            State::Groups(groups) => {
                if self.shape.upper_reads_clock {
                    groups.touch_all();
                }
                groups.advance(now)
            }
            State::Rows(rows) => rows.advance(now),
        }
    }

    /// Takes partial states of groups in that are inside for good. Only for a query with an aggregate and without bounds.
    pub(crate) fn merge(&mut self, keys: &[ArrayRef], states: Vec<Vec<ArrayRef>>, rows: usize) -> Result<()> {
        if let State::Groups(groups) = &mut self.state {
            self.touched = true;
            groups.restore(Stay::FOREVER, &Spans::default(), keys, states, rows)?;
        }
        Ok(())
    }

    /// Ends the step: what changed for readers since the last one.
    pub(crate) fn finish(&mut self) -> Result<Delta> {
        if !std::mem::take(&mut self.touched) {
            return Ok(Delta::default());
        }
        match &mut self.state {
            State::Groups(_) => self.finish_groups(),
            State::Rows(_) => Ok(self.settle_rows()),
        }
    }

    /// Ends the step for a plan above, which only asks whether anything changed.
    pub(crate) fn settle(&mut self) -> Result<bool> {
        match &mut self.state {
            State::Groups(groups) if self.shape.gives_states() => {
                Ok(std::mem::take(&mut self.touched) && groups.skip_changes()?)
            }
            _ => Ok(!self.finish()?.is_empty()),
        }
    }

    fn settle_rows(&mut self) -> Delta {
        let State::Rows(rows) = &mut self.state else { return Delta::default() };
        let changes = rows.take_changes();
        let delta = self.output.apply(changes);
        if rows.needs_only_the_front() {
            let forgotten = self.output.forget_beyond();
            rows.forget(&forgotten);
        }
        delta
    }

    fn finish_groups(&mut self) -> Result<Delta> {
        let State::Groups(groups) = &mut self.state else { return Ok(Delta::default()) };
        self.shape.clock.set(self.now);
        let changed = groups.take_changes()?;
        let count = changed.rows.num_rows();
        let numbers: ArrayRef = Arc::new((0..i64::try_from(count).unwrap_or(0)).collect::<Int64Array>());
        let stepped = rowwise::run(&self.shape.upper, changed.rows, vec![numbers])?;
        let numbers = stepped.kept[0].as_primitive::<Int64Type>();
        let kept: Vec<usize> = numbers.values().iter().filter_map(|number| usize::try_from(*number).ok()).collect();
        let columns: Vec<_> = stepped.batch.columns().iter().map(cells).collect();
        let ordered = self.shape.order.is_some();
        let sort_keys = if ordered {
            let unique = kept.iter().map(|number| changed.keys[*number].as_str().as_bytes());
            self.sorter.keys(&stepped.kept[1..], unique)?
        } else {
            vec![Arc::from([]); kept.len()]
        };
        // A group that HAVING does not let through is not in the result, as one that went.
        let mut changes: Vec<_> = changed.gone.into_iter().map(|key| (key, None)).collect();
        let mut placed: Vec<Option<Placed>> = (0..count).map(|_| None).collect();
        for (row, (number, sort)) in kept.iter().zip(sort_keys).enumerate() {
            placed[*number] = Some(Placed { row: columns.iter().map(|column| column[row].clone()).collect(), sort });
        }
        changes.extend(changed.keys.into_iter().zip(placed));
        Ok(self.output.apply(changes))
    }

    /// The whole answer as a batch in `schema`, in its order. Only after `finish`.
    ///
    /// # Errors
    /// When a group cannot be evaluated, or a column cannot be given back.
    pub(crate) fn table(&mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        let State::Groups(groups) = &mut self.state else {
            let snapshot = self.output.snapshot();
            let rows: Vec<_> = snapshot.ordered_rows().map(|(_, row)| row).collect();
            return batch_of(&rows, schema);
        };
        let batch = ordered(&self.shape, groups, &mut self.sorter, self.now)?;
        // Not `take_record_batch`: the plan above may only count rows and want no column.
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options)?)
    }

    /// The whole answer in its order, for who asks once and is told of no changes: nothing is kept of what readers see.
    ///
    /// # Errors
    /// When a group cannot be evaluated.
    pub(crate) fn into_rows(mut self) -> Result<Vec<Row>> {
        let State::Groups(groups) = &mut self.state else {
            self.finish()?;
            return Ok(self.output.snapshot().ordered_rows().map(|(_, row)| row.clone()).collect());
        };
        let batch = ordered(&self.shape, groups, &mut self.sorter, self.now)?;
        let mut columns: Vec<_> = batch.columns().iter().map(|column| cells(column).into_iter()).collect();
        Ok((0..batch.num_rows()).map(|_| columns.iter_mut().filter_map(Iterator::next).collect()).collect())
    }

    /// The whole answer as last told.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.output.snapshot()
    }
}

/// All groups as the query shows them, in its order if it asks for one, and cut as it says.
fn ordered(shape: &Shape, groups: &mut Groups, sorter: &mut Sorter, now: TimeUs) -> Result<RecordBatch> {
    shape.clock.set(now);
    let live = groups.live_rows()?;
    let stepped = rowwise::run(&shape.upper, live, Vec::new())?;
    let batch = stepped.batch;
    let Some(cut) = cut_of(shape) else { return Ok(batch) };
    // Ties are settled in the plan, so the sort columns alone decide.
    let keys = sorter.keys(&stepped.kept, std::iter::repeat_n([].as_slice(), batch.num_rows()))?;
    let mut order: Vec<u32> = (0..u32::try_from(keys.len()).unwrap_or(u32::MAX)).collect();
    order.sort_by(|a, b| keys[*a as usize].cmp(&keys[*b as usize]));
    let picked: UInt32Array = order.into_iter().skip(cut.skip).take(cut.fetch.unwrap_or(usize::MAX)).collect();
    let columns = batch.columns().iter().map(|column| Ok(take(column, &picked, None)?)).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(picked.len()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}
