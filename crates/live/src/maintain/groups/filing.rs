//! How rows come into groups: a batch is stepped, aggregated, and filed by when its rows are inside.
//!
//! Belongs to `Groups`, whose state it changes; says nothing of what is told.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::take;
use datafusion::common::Result;
use hashbrown::HashMap;
use pulseboard_model::RowKey;

use super::{Groups, NO_GROUP, aggregate_of};
use crate::cells::cells;
use crate::maintain::panes::Part;
use crate::maintain::partial::PartialStates;
use crate::maintain::rowwise;
use crate::maintain::stays::stays_of_rows;
use crate::maintain::totals::GroupId;
use crate::maintain::watch::Spans;
use crate::maintain::window::Stay;
use crate::row_key::key_text;

/// When the rows of a batch are inside.
enum Stays {
    One(Stay, Spans),
    PerRow(Vec<(Stay, Spans)>, Vec<i64>),
}

impl Groups {
    /// Takes a batch in the layout of one of the shape's inputs.
    pub(crate) fn push(&mut self, branch: usize, batch: RecordBatch) -> Result<()> {
        let shape = self.shape.clone();
        let aggregate = aggregate_of(&shape);
        let branch = &shape.branches[branch];
        let stepped = rowwise::run(&branch.lower, batch, Vec::new())?;
        let (batch, stays) = self.stays(&branch.bounds, stepped.batch, &stepped.kept)?;
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        if self.meter.took(batch.get_array_memory_size()) {
            self.measure();
        }
        let evaluate =
            |expr: &Arc<dyn datafusion::physical_expr::PhysicalExpr>| expr.evaluate(&batch)?.into_array(rows);
        let mut keys = aggregate.keys.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
        if self.sessions.is_some() {
            self.assign_sessions(&mut keys)?;
        }
        let values = self.units.exprs.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
        self.file_rows(stays, &keys, &values, rows)?;
        if self.truncated
            && let Some(converter) = &self.converter
        {
            let keys = converter.convert_columns(&keys)?;
            let refused = keys.iter().filter(|key| !self.ids.contains_key(key.as_ref())).count();
            self.window.count_refused(refused as u64);
        }
        Ok(())
    }

    /// Aggregates a batch and merges it in, by when its rows are inside.
    fn file_rows(&mut self, stays: Stays, keys: &[ArrayRef], values: &[ArrayRef], rows: usize) -> Result<()> {
        match stays {
            Stays::One(stay, spans) => {
                let states = self.partial.update(keys, values, rows)?;
                self.file(stay, &spans, &states.keys, &states)
            }
            Stays::PerRow(distinct, per_row) => {
                let mut keys_by_pane: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(per_row))];
                keys_by_pane.extend_from_slice(keys);
                let states = self.partial_by_pane.update(&keys_by_pane, values, rows)?;
                let mut rows_of: Vec<Vec<u32>> = vec![Vec::new(); distinct.len()];
                let pane_of = datafusion::common::cast::as_int64_array(&states.keys[0])?;
                for (row, pane) in (0u32..).zip(pane_of.values()) {
                    if let Some(rows) = usize::try_from(*pane).ok().and_then(|pane| rows_of.get_mut(pane)) {
                        rows.push(row);
                    }
                }
                for ((stay, spans), rows) in distinct.iter().zip(rows_of) {
                    let rows = UInt32Array::from(rows);
                    let pick = |array: &ArrayRef| Ok(take(array, &rows, None)?);
                    let picked = PartialStates {
                        keys: states.keys[1..].iter().map(pick).collect::<Result<_>>()?,
                        states: states.states.iter().map(|s| s.iter().map(pick).collect()).collect::<Result<_>>()?,
                        groups: rows.len(),
                    };
                    self.file(*stay, spans, &picked.keys, &picked)?;
                }
                Ok(())
            }
        }
    }

    /// Drops the rows that are outside for good and says when the others are inside.
    fn stays(&mut self, bounds: &Range<usize>, batch: RecordBatch, times: &[ArrayRef]) -> Result<(RecordBatch, Stays)> {
        if bounds.is_empty() {
            return Ok((batch, Stays::One(Stay::FOREVER, Spans::default())));
        }
        let mut distinct: Vec<(Stay, Spans)> = Vec::new();
        let mut numbers: HashMap<Stay, usize> = HashMap::new();
        let mut per_row = Vec::with_capacity(batch.num_rows());
        let mut last: Option<(Stay, usize)> = None;
        let batch = stays_of_rows(&mut self.window, bounds.start, batch, times, |stay, times| {
            let number = match last {
                Some((known, number)) if known == stay => number,
                _ => *numbers.entry(stay).or_insert_with(|| {
                    distinct.push((stay, Spans::of(bounds.start, times)));
                    distinct.len() - 1
                }),
            };
            distinct[number].1.add(bounds.start, times);
            last = Some((stay, number));
            per_row.push(i64::try_from(number).unwrap_or(i64::MAX));
        })?;
        let stays = match distinct.len() {
            1 => distinct.pop().map(|(stay, spans)| Stays::One(stay, spans)),
            _ => None,
        };
        Ok((batch, stays.unwrap_or(Stays::PerRow(distinct, per_row))))
    }

    /// Merges partial states of rows with one stay.
    pub(super) fn file(&mut self, stay: Stay, spans: &Spans, keys: &[ArrayRef], states: &PartialStates) -> Result<()> {
        let mut ids = self.ids_of(keys, states.groups)?;
        let mut part_states = states.states.clone();
        if ids.contains(&NO_GROUP) {
            self.truncated = true;
            self.window.refuse(stay, spans);
            let kept: UInt32Array = (0u32..).zip(&ids).filter(|(_, id)| **id != NO_GROUP).map(|(row, _)| row).collect();
            for column in part_states.iter_mut().flatten() {
                *column = take(column, &kept, None)?;
            }
            ids.retain(|id| *id != NO_GROUP);
        }
        if stay.is_inside() {
            for (total, states) in self.totals.iter_mut().zip(&part_states) {
                total.merge(states, &ids)?;
            }
            for id in &ids {
                self.make_live(*id);
            }
        } else {
            self.resting.extend(ids.iter().filter(|id| !self.groups[**id as usize].live));
        }
        if let Some(panes) = &mut self.panes {
            panes.push(stay, spans, Part::new(ids, part_states), &mut self.window)?;
        }
        Ok(())
    }

    /// The ids of keys, made if they are new and there is room.
    fn ids_of(&mut self, keys: &[ArrayRef], count: usize) -> Result<Vec<GroupId>> {
        let Some(converter) = &self.converter else { return Ok(vec![0; count]) };
        let rows = converter.convert_columns(keys)?;
        let mut cells_by_column: Option<Vec<Vec<pulseboard_model::Cell>>> = None;
        let mut ids = Vec::with_capacity(count);
        for (number, row) in rows.iter().enumerate() {
            if let Some(id) = self.ids.get(row.as_ref()) {
                ids.push(*id);
                continue;
            }
            if self.truncated || self.ids.len() >= self.groups_max || self.meter.is_full() {
                self.truncated = true;
                ids.push(NO_GROUP);
                continue;
            }
            let key = self.same_key.clone().unwrap_or_else(|| {
                let columns = cells_by_column.get_or_insert_with(|| keys.iter().map(cells).collect());
                RowKey::new(key_text(columns.iter().map(|column| &column[number])))
            });
            ids.push(self.insert(Arc::from(row.as_ref()), key)?);
        }
        Ok(ids)
    }
}
