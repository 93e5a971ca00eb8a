//! `array_agg(DISTINCT x)` whose own order is kept whatever stands beside it.
//!
//! Its accumulator sorts what it has at the end, so the order of rows does not matter to it. DataFusion's planner takes
//! it for one that reads rows in order all the same, and turns that order round where an aggregate beside it asks for the
//! other one; nothing turns the list back. This is DataFusion's own function that says that no order matters to it.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, ReversedUDAF, Signature};

static DISTINCT_LIST: LazyLock<Arc<AggregateUDF>> =
    LazyLock::new(|| Arc::new(AggregateUDF::new_from_impl(DistinctList { inner: array_agg_udaf() })));

/// The function, for calls that are `DISTINCT`.
pub(super) fn distinct_list() -> Arc<AggregateUDF> {
    Arc::clone(&DISTINCT_LIST)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DistinctList {
    inner: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for DistinctList {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        self.inner.return_type(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
