//! An aggregate over the partial states of another one: it merges what `Groups` gives as a struct, and answers as the other
//! would have over all their rows.
//!
//! This is how an aggregate that was computed below a join is finished above it. Holds nothing but DataFusion's own accumulators.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, FieldRef, Fields};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

/// How the states of `function` go into one column.
pub(crate) fn state_type(function: &AggregateFunctionExpr) -> Result<DataType> {
    Ok(DataType::Struct(Fields::from(function.state_fields()?)))
}

/// The aggregate that merges states of `function`.
pub(super) fn merged(function: &Arc<AggregateFunctionExpr>) -> AggregateUDF {
    let name = format!("__merge_{}", function.fun().name());
    AggregateUDF::new_from_impl(Merged {
        name,
        function: function.clone(),
        signature: Signature::any(1, Volatility::Immutable),
    })
}

#[derive(Debug)]
struct Merged {
    name: String,
    function: Arc<AggregateFunctionExpr>,
    signature: Signature,
}

// Two are one if they merge states of the same call.
impl PartialEq for Merged {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.function, &other.function)
    }
}

impl Eq for Merged {}

impl std::hash::Hash for Merged {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Merged {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(self.function.field().data_type().clone())
    }

    fn is_nullable(&self) -> bool {
        self.function.field().is_nullable()
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        self.function.create_accumulator()?.evaluate()
    }

    fn state_fields(&self, _args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.function.state_fields()
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let one_by_one = matches!(self.function.fun().name(), "percentile_cont" | "median");
        Ok(Box::new(Merging { inner: self.function.create_accumulator()?, one_by_one }))
    }
}

#[derive(Debug)]
struct Merging {
    inner: Box<dyn Accumulator>,
    /// Some accumulators read only the first of several states.
    one_by_one: bool,
}

impl Accumulator for Merging {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.merge_batch(values[0].as_struct().columns())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |state| state.len());
        if !self.one_by_one {
            return if rows == 0 { Ok(()) } else { self.inner.merge_batch(states) };
        }
        for row in 0..rows {
            let one: Vec<ArrayRef> = states.iter().map(|state| state.slice(row, 1)).collect();
            self.inner.merge_batch(&one)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.inner.evaluate()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }
}
