//! The first row of each group by some order, and what is asked of it: `first_value`, `last_value`, `DISTINCT ON`.
//!
//! All calls with one order and one filter look at the same row, so its columns are kept once. A batch picks its best row of
//! each group by index and copies those rows' columns out. What lives long keeps such columns as they came, in chunks, with
//! their order as comparable bytes, and for each group where its row is. No value is taken out of its column before it
//! is asked for. A row gives way only to one that comes strictly before it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::{LexicographicalComparator, SortColumn, SortOptions, take};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::common::Result;
use datafusion::common::cast::as_boolean_array;

use super::partial::Grouped;
use super::totals::Total;

mod chunks;

use chunks::LatestTotal;

/// A group without a row.
const NO_ROW: u32 = u32::MAX;
/// An order: the number of each expression, its type, which way.
pub(crate) type Order = Vec<(usize, DataType, SortOptions)>;

/// What is kept of the first row. Its state is one column for each of `columns`, and whether there is a row where it may lack.
#[derive(Debug, Clone)]
pub(crate) struct LatestShape {
    /// The numbers of the expressions that are kept, and their types.
    columns: Vec<(usize, DataType)>,
    /// By which of the columns rows are ordered; the smallest is first.
    order: Vec<(usize, SortOptions)>,
    /// Which of the columns are asked for.
    results: Vec<usize>,
    filter: Option<usize>,
    /// Whether a group may be there without a row: under a filter, or if it is the only one.
    may_lack: bool,
}

impl LatestShape {
    /// Whether values of these types can be put in order as bytes.
    pub(super) fn can_order(order: &Order) -> bool {
        let fields: Vec<SortField> = order.iter().map(|(_, data_type, _)| SortField::new(data_type.clone())).collect();
        RowConverter::supports_fields(&fields)
    }

    pub(super) fn new(order: &Order, filter: Option<usize>, value: usize, data_type: &DataType) -> Self {
        let (columns, results, may_lack) = (Vec::new(), Vec::new(), filter.is_some());
        let mut shape = Self { columns, order: Vec::new(), results, filter, may_lack };
        for (expr, data_type, options) in order {
            let column = shape.column(*expr, data_type);
            shape.order.push((column, *options));
        }
        let value = shape.column(value, data_type);
        shape.results.push(value);
        shape
    }

    /// The same for an aggregate without keys, whose one group is there before any row.
    pub(super) fn of_one_group(mut self) -> Self {
        self.may_lack = true;
        self
    }

    /// Takes another value of the same row in, if it is of the same row. Gives the number of its result.
    pub(super) fn join(
        &mut self,
        order: &Order,
        filter: Option<usize>,
        value: usize,
        data_type: &DataType,
    ) -> Option<usize> {
        let own = self.order.iter().map(|(column, options)| (self.columns[*column].0, *options));
        if self.filter != filter || !own.eq(order.iter().map(|(expr, _, options)| (*expr, *options))) {
            return None;
        }
        let value = self.column(value, data_type);
        self.results.push(value);
        Some(self.results.len() - 1)
    }

    fn column(&mut self, expr: usize, data_type: &DataType) -> usize {
        self.columns.iter().position(|(known, _)| *known == expr).unwrap_or_else(|| {
            self.columns.push((expr, data_type.clone()));
            self.columns.len() - 1
        })
    }

    pub(super) fn width(&self) -> usize {
        self.columns.len() + usize::from(self.may_lack)
    }

    pub(super) fn grouped(&self) -> Box<dyn Grouped> {
        Box::new(LatestGrouped { shape: self.clone(), best: Vec::new() })
    }

    pub(super) fn total(&self) -> Result<Box<dyn Total>> {
        let field = |(column, options): &(usize, SortOptions)| {
            SortField::new_with_options(self.columns[*column].1.clone(), *options)
        };
        let converter =
            if self.order.is_empty() { None } else { Some(RowConverter::new(self.order.iter().map(field).collect())?) };
        Ok(Box::new(LatestTotal::new(self.clone(), converter)))
    }

    /// The columns of a state, and which of its rows are one.
    fn parts<'a>(&self, states: &'a [ArrayRef]) -> Result<(&'a [ArrayRef], Option<&'a BooleanArray>)> {
        let (columns, set) = states.split_at(self.columns.len());
        Ok((columns, set.first().map(|set| as_boolean_array(set)).transpose()?))
    }
}

fn passes(mask: Option<&BooleanArray>, row: usize) -> bool {
    mask.is_none_or(|mask| mask.is_valid(row) && mask.value(row))
}

/// Picks the first row of each group of a batch.
struct LatestGrouped {
    shape: LatestShape,
    /// By group; kept between batches.
    best: Vec<u32>,
}

impl LatestGrouped {
    fn pick(
        &mut self,
        columns: &[ArrayRef],
        mask: Option<&BooleanArray>,
        indices: &[usize],
        groups: usize,
    ) -> Result<Vec<ArrayRef>> {
        let sorted = |(column, options): &(usize, SortOptions)| SortColumn {
            values: columns[*column].clone(),
            options: Some(*options),
        };
        let sorted: Vec<SortColumn> = self.shape.order.iter().map(sorted).collect();
        let comparator = LexicographicalComparator::try_new(&sorted)?;
        self.best.clear();
        self.best.resize(groups, NO_ROW);
        for (number, (row, group)) in (0u32..).zip(indices).enumerate() {
            let best = &mut self.best[*group];
            if passes(mask, number) && (*best == NO_ROW || comparator.compare(number, *best as usize).is_lt()) {
                *best = row;
            }
        }
        let picked = if self.best.contains(&NO_ROW) {
            self.best.iter().map(|row| (*row != NO_ROW).then_some(*row)).collect()
        } else {
            UInt32Array::from(self.best.clone())
        };
        let mut states =
            columns.iter().map(|column| Ok(take(column, &picked, None)?)).collect::<Result<Vec<ArrayRef>>>()?;
        if self.shape.may_lack {
            let set: Vec<bool> = self.best.iter().map(|row| *row != NO_ROW).collect();
            states.push(Arc::new(BooleanArray::from(set)));
        }
        Ok(states)
    }
}

impl Grouped for LatestGrouped {
    fn update(&mut self, values: &[ArrayRef], indices: &[usize], groups: usize) -> Result<Vec<ArrayRef>> {
        let columns: Vec<ArrayRef> = self.shape.columns.iter().map(|(expr, _)| values[*expr].clone()).collect();
        let mask = self.shape.filter.map(|filter| as_boolean_array(&values[filter])).transpose()?;
        self.pick(&columns, mask, indices, groups)
    }

    fn merge(&mut self, states: &[ArrayRef], indices: &[usize], groups: usize) -> Result<Vec<ArrayRef>> {
        let shape = self.shape.clone();
        let (columns, set) = shape.parts(states)?;
        self.pick(columns, set, indices, groups)
    }
}

#[cfg(test)]
#[path = "latest/tests.rs"]
mod tests;
