//! What of an aggregate's calls is kept together (ADR 0025).
//!
//! Calls that ask about the same rows share one state: all that is taken from the first row by one order (`latest`), all
//! counts of different values of one expression (`distinct`). What asks for a column of its own group's key is kept nowhere.
//! Every other call is a unit alone, and its state is DataFusion's. Decided from the calls alone, so that a state read back
//! from bytes is taken apart as it was put together. Holds nothing.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err};
use datafusion::physical_expr::PhysicalExpr;

use super::distinct::DistinctShape;
use super::latest::LatestShape;
use super::partial::{Grouped, single};
use super::shape::{AggregateCall, AggregateShape};
use super::totals::{Total, total};

/// How the calls of an aggregate are kept.
#[derive(Debug)]
pub(crate) struct Units {
    /// What is computed for each row, each expression once. Units name them by number.
    pub(crate) exprs: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) kept: Vec<Unit>,
    /// Where the result of each call is.
    places: Vec<Place>,
}

/// Calls with one state.
#[derive(Debug)]
pub(crate) enum Unit {
    /// One call as DataFusion keeps it; the numbers of its arguments and of its filter.
    Single(AggregateCall, Vec<usize>, Option<usize>),
    Latest(LatestShape),
    Distinct(DistinctShape),
}

/// Where a call's result is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// It is this column of the group's key.
    Key(usize),
    /// It is this column of what this unit gives.
    Unit(usize, usize),
}

impl Units {
    pub(crate) fn of(aggregate: &AggregateShape) -> Result<Self> {
        let mut units = Self { exprs: Vec::new(), kept: Vec::new(), places: Vec::new() };
        for call in &aggregate.calls {
            let place = match units.latest(call, aggregate)? {
                Some(place) => place,
                None => match units.distinct(call)? {
                    Some(place) => place,
                    None => units.alone(call),
                },
            };
            units.places.push(place);
        }
        Ok(units)
    }

    /// The number of an expression.
    fn number(&mut self, expr: &Arc<dyn PhysicalExpr>) -> usize {
        self.exprs.iter().position(|known| known.eq(expr)).unwrap_or_else(|| {
            self.exprs.push(expr.clone());
            self.exprs.len() - 1
        })
    }

    fn alone(&mut self, call: &AggregateCall) -> Place {
        let args = call.args.iter().map(|arg| self.number(arg)).collect();
        let filter = call.filter.as_ref().map(|filter| self.number(filter));
        self.kept.push(Unit::Single(call.clone(), args, filter));
        Place::Unit(self.kept.len() - 1, 0)
    }

    /// Where the value of the first or last row is kept, if this call asks for one by an order.
    fn latest(&mut self, call: &AggregateCall, aggregate: &AggregateShape) -> Result<Option<Place>> {
        let function = &call.function;
        let last = match function.fun().name() {
            "first_value" => false,
            "last_value" => true,
            _ => return Ok(None),
        };
        let order_bys = function.order_bys();
        let plain = !call.as_state && !function.is_distinct() && !function.ignore_nulls();
        let [value, by @ ..] = call.args.as_slice() else { return Ok(None) };
        if !plain || order_bys.is_empty() || by.len() != order_bys.len() {
            return Ok(None);
        }
        let fields = function.state_fields()?;
        if fields.len() != by.len() + 2 {
            return internal_err!("`{}` keeps other states than it did", function.name());
        }
        // All rows of a group have its key. A session is not the time that its rows have.
        let key_of = |expr: &Arc<dyn PhysicalExpr>| {
            let same = |key: &Arc<dyn PhysicalExpr>| key.eq(expr);
            let key = aggregate.keys.iter().position(same).filter(|_| aggregate.session.is_none())?;
            is_exact(aggregate.key_fields[key].data_type()).then_some(key)
        };
        if let Some(key) = key_of(value).filter(|_| call.filter.is_none())
            && aggregate.key_fields[key].data_type() == fields[0].data_type()
        {
            return Ok(Some(Place::Key(key)));
        }
        let mut order = Vec::with_capacity(by.len());
        for ((expr, sort), field) in by.iter().zip(order_bys).zip(&fields[1..]) {
            if key_of(expr).is_some() {
                continue;
            }
            let mut options = sort.options;
            if last {
                (options.descending, options.nulls_first) = (!options.descending, !options.nulls_first);
            }
            order.push((self.number(expr), field.data_type().clone(), options));
        }
        if !LatestShape::can_order(&order) {
            return Ok(None);
        }
        let (value, filter) = (self.number(value), call.filter.as_ref().map(|filter| self.number(filter)));
        let data_type = fields[0].data_type();
        for (number, unit) in self.kept.iter_mut().enumerate() {
            if let Unit::Latest(latest) = unit
                && let Some(result) = latest.join(&order, filter, value, data_type)
            {
                return Ok(Some(Place::Unit(number, result)));
            }
        }
        let latest = LatestShape::new(&order, filter, value, data_type);
        self.kept.push(Unit::Latest(if aggregate.keys.is_empty() { latest.of_one_group() } else { latest }));
        Ok(Some(Place::Unit(self.kept.len() - 1, 0)))
    }

    /// Where different values are counted, if this call asks for that.
    fn distinct(&mut self, call: &AggregateCall) -> Result<Option<Place>> {
        let function = &call.function;
        let asks = function.fun().name() == "count" && function.is_distinct() && function.order_bys().is_empty();
        let ([arg], true) = (call.args.as_slice(), asks && !call.as_state) else { return Ok(None) };
        let fields = function.state_fields()?;
        let item = match fields.as_slice() {
            [field] => match field.data_type() {
                DataType::List(item) if DistinctShape::can_hold(item.data_type()) => item.data_type().clone(),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let (arg, filter) = (self.number(arg), call.filter.as_ref().map(|filter| self.number(filter)));
        for (number, unit) in self.kept.iter_mut().enumerate() {
            if let Unit::Distinct(distinct) = unit
                && let Some(result) = distinct.join(arg, filter)
            {
                return Ok(Some(Place::Unit(number, result)));
            }
        }
        self.kept.push(Unit::Distinct(DistinctShape::new(item, arg, filter)));
        Ok(Some(Place::Unit(self.kept.len() - 1, 0)))
    }

    /// How many columns the state of each unit has.
    pub(crate) fn widths(&self) -> Result<Vec<usize>> {
        self.kept.iter().map(Unit::width).collect()
    }

    /// The states of each unit out of one row of columns.
    pub(crate) fn split(&self, mut columns: impl Iterator<Item = ArrayRef>) -> Result<Vec<Vec<ArrayRef>>> {
        let widths = self.widths()?;
        Ok(widths.into_iter().map(|width| columns.by_ref().take(width).collect()).collect())
    }

    /// The results of the first `calls` calls, out of the columns of the keys and what each unit gave.
    pub(crate) fn results(&self, calls: usize, keys: &[ArrayRef], given: &[Vec<ArrayRef>]) -> Vec<ArrayRef> {
        let of = |place: &Place| match *place {
            Place::Key(key) => keys[key].clone(),
            Place::Unit(unit, column) => given[unit][column].clone(),
        };
        self.places.iter().take(calls).map(of).collect()
    }
}

impl Unit {
    /// What aggregates one batch.
    pub(crate) fn grouped(&self) -> Result<Box<dyn Grouped>> {
        Ok(match self {
            Self::Single(call, args, filter) => single(call, args, *filter)?,
            Self::Latest(latest) => latest.grouped(),
            Self::Distinct(distinct) => distinct.grouped(),
        })
    }

    /// What holds its state over all groups.
    pub(crate) fn total(&self) -> Result<Box<dyn Total>> {
        Ok(match self {
            Self::Single(call, ..) => total(call),
            Self::Latest(latest) => latest.total()?,
            Self::Distinct(distinct) => distinct.total(),
        })
    }

    fn width(&self) -> Result<usize> {
        Ok(match self {
            Self::Single(call, ..) => call.function.state_fields()?.len(),
            Self::Latest(latest) => latest.width(),
            Self::Distinct(_) => DistinctShape::WIDTH,
        })
    }
}

/// Whether equal values of this type are the same in every way. Zeros with different signs are not, nor what holds floats.
fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Boolean | DataType::Utf8 | DataType::Date32 | DataType::Timestamp(..) | DataType::Decimal128(..)
        )
}
