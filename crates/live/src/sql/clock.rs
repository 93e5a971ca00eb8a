//! `now()`, `current_timestamp` and `current_date`, bound to the engine clock.
//!
//! DataFusion folds its own `now()` into a literal at planning, which would freeze a live plan. Ours reads a cell that
//! the engine sets before each step. In batch the cell is set once. It is declared volatile so that no optimiser rule
//! folds it, although within one step it never changes.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::datatypes::{DataType, TimeUnit};
use chrono::TimeZone;
use chrono_tz::Tz;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use pulseboard_model::TimeUs;

/// The names by which SQL asks for the clock.
pub(crate) const CLOCK_FUNCTIONS: [&str; 2] = ["now", "current_date"];

/// What the clock functions of one session read: whole seconds, in µs.
#[derive(Debug, Clone)]
pub(crate) struct ClockCell(Arc<AtomicI64>);

impl ClockCell {
    pub(crate) fn new(now: TimeUs) -> Self {
        Self(Arc::new(AtomicI64::new(now.floor_to_second().0)))
    }

    /// Sets the clock; it is floored to whole seconds.
    pub(crate) fn set(&self, now: TimeUs) {
        self.0.store(now.floor_to_second().0, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> TimeUs {
        TimeUs(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct ClockFunction {
    cell: ClockCell,
    timezone: Tz,
    date: bool,
    signature: Signature,
    aliases: Vec<String>,
}

// Two clock functions are one if they read the same cell in the same way.
impl PartialEq for ClockFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.cell.0, &other.cell.0) && self.date == other.date && self.timezone == other.timezone
    }
}

impl Eq for ClockFunction {}

impl Hash for ClockFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.date.hash(state);
        self.timezone.name().hash(state);
    }
}

impl ScalarUDFImpl for ClockFunction {
    fn name(&self) -> &str {
        if self.date { "current_date" } else { "now" }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(if self.date {
            DataType::Date32
        } else {
            DataType::Timestamp(TimeUnit::Microsecond, Some(self.timezone.name().into()))
        })
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let now = self.cell.get();
        Ok(ColumnarValue::Scalar(if self.date {
            let local = self
                .timezone
                .timestamp_micros(now.0)
                .single()
                .ok_or_else(|| exec_datafusion_err!("the clock is out of range"))?;
            let epoch = chrono::NaiveDate::default();
            let days = local.date_naive().signed_duration_since(epoch).num_days();
            ScalarValue::Date32(i32::try_from(days).ok())
        } else {
            ScalarValue::TimestampMicrosecond(Some(now.0), Some(self.timezone.name().into()))
        }))
    }
}

/// The clock functions that read `cell` in `timezone`.
pub(crate) fn clock_functions(cell: &ClockCell, timezone: Tz) -> [Arc<ScalarUDF>; 2] {
    let function = |date: bool, alias: &str| {
        Arc::new(ScalarUDF::new_from_impl(ClockFunction {
            cell: cell.clone(),
            timezone,
            date,
            signature: Signature::nullary(Volatility::Volatile),
            aliases: vec![alias.to_owned()],
        }))
    };
    [function(false, "current_timestamp"), function(true, "today")]
}
