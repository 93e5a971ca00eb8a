//! Functions over lists that DataFusion does not have: the windows that hold a time (`hop`), and the places of a list's
//! items, by which rows made of one event keep their order.
//!
//! Both give lists, which `unnest` makes rows of. Nothing here reads the clock.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, TimestampMicrosecondArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, FieldRef, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use chrono_tz::Tz;
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::hop::Hop;

/// Registers what queries may name.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(HopFunction {
        signature: Signature::any(3, Volatility::Immutable),
    })))?;
    Ok(())
}

/// `[0, 1, …]`, as long as the longest of some lists.
pub(super) fn places() -> ScalarUDF {
    ScalarUDF::new_from_impl(Places { signature: Signature::variadic_any(Volatility::Immutable) })
}

fn item(data_type: DataType) -> FieldRef {
    Arc::new(Field::new_list_field(data_type, true))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Places {
    signature: Signature,
}

impl ScalarUDFImpl for Places {
    fn name(&self) -> &str {
        "__places"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(item(DataType::Int64)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut longest = vec![0usize; args.number_rows];
        for list in &args.args {
            let list = list.to_array(args.number_rows)?;
            let lengths = cast(&arrow::compute::kernels::length::length(&list)?, &DataType::Int64)?;
            for (longest, length) in longest.iter_mut().zip(lengths.as_primitive::<Int64Type>()) {
                *longest = (*longest).max(length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0));
            }
        }
        let places: Int64Array =
            longest.iter().flat_map(|length| 0..i64::try_from(*length).unwrap_or(i64::MAX)).collect();
        let offsets = OffsetBuffer::from_lengths(longest);
        let lists = ListArray::try_new(item(DataType::Int64), offsets, Arc::new(places), None)?;
        Ok(ColumnarValue::Array(Arc::new(lists)))
    }
}

/// `hop(time, slide, size)`: the starts of all windows that hold a time.
#[derive(Debug, PartialEq, Eq, Hash)]
struct HopFunction {
    signature: Signature,
}

impl ScalarUDFImpl for HopFunction {
    fn name(&self) -> &str {
        "hop"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let spans = |data_type: &DataType| matches!(data_type, DataType::Interval(_) | DataType::Duration(_));
        match args {
            [DataType::Timestamp(_, zone), slide, size] if spans(slide) && spans(size) => {
                Ok(DataType::List(item(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))))
            }
            _ => plan_err!(
                "`hop` takes a time and two intervals: `hop(time, interval '5 seconds', interval '10 seconds')`"
            ),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [times, slide, size] = args.args.as_slice() else { return exec_err!("`hop` takes three arguments") };
        let (ColumnarValue::Scalar(slide), ColumnarValue::Scalar(size)) = (slide, size) else {
            return exec_err!("`hop` takes the same slide and size for all rows");
        };
        let zone = match times.data_type() {
            DataType::Timestamp(_, zone) => zone,
            other => return exec_err!("`hop` takes a time, not {other}"),
        };
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
        let times = cast(&times.to_array(args.number_rows)?, &data_type)?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let tz: Tz = match &zone {
            Some(zone) => zone.parse().map_err(|_| exec_datafusion_err!("`{zone}` is not a time zone"))?,
            None => Tz::UTC,
        };
        let interval = |value: &datafusion::common::ScalarValue| -> Result<_> {
            let array = cast(&value.to_array()?, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            let array = array.as_primitive::<IntervalMonthDayNanoType>();
            Ok(array.is_valid(0).then(|| array.value(0)))
        };
        let (slide, size) = (interval(slide)?, interval(size)?);
        let mut hop = match (slide, size) {
            (Some(slide), Some(size)) => Some(Hop::new(slide, size, tz)?),
            _ => None,
        };
        let (mut starts, mut lengths, mut valid) = (Vec::new(), Vec::with_capacity(times.len()), Vec::new());
        for time in times {
            let before = starts.len();
            let held = match (time, &mut hop) {
                (Some(time), Some(hop)) => {
                    hop.starts_into(time, &mut starts)?;
                    true
                }
                _ => false,
            };
            valid.push(held);
            lengths.push(starts.len() - before);
        }
        let starts: ArrayRef = Arc::new(TimestampMicrosecondArray::from(starts).with_timezone_opt(zone));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let lists = ListArray::try_new(item(data_type), offsets, starts, Some(NullBuffer::from(valid)))?;
        Ok(ColumnarValue::Array(Arc::new(lists)))
    }
}
