//! Instants out of numbers and texts: the same whatever the query's zone is.
//!
//! DataFusion's `to_timestamp(seconds)` and `from_unixtime` read the number as a time of the local clock, hours off outside
//! UTC, and `to_timestamp(text)` gives another type than it says. Seconds since 1970 are an instant, and a text is one by its
//! offset, or local time if it has none, as everywhere else.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF, cast};

/// Functions of a text, and the unit of their times.
const OF_TEXTS: [(&str, TimeUnit); 5] = [
    ("to_timestamp", TimeUnit::Nanosecond),
    ("to_timestamp_seconds", TimeUnit::Second),
    ("to_timestamp_millis", TimeUnit::Millisecond),
    ("to_timestamp_micros", TimeUnit::Microsecond),
    ("to_timestamp_nanos", TimeUnit::Nanosecond),
];
/// Functions of seconds since 1970.
const OF_SECONDS: [&str; 2] = ["to_timestamp", "from_unixtime"];

/// Registers the rule with a session.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    let seconds = state.udf("to_timestamp_seconds")?;
    state.register_function_rewrite(Arc::new(Instants { seconds }))
}

#[derive(Debug)]
struct Instants {
    seconds: Arc<ScalarUDF>,
}

impl FunctionRewrite for Instants {
    fn name(&self) -> &str {
        "instants"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(ScalarFunction { func, mut args }) = expr else { return Ok(Transformed::no(expr)) };
        let data_type = match args.as_slice() {
            [arg] => arg.get_type(schema).ok(),
            _ => None,
        };
        let of_text = OF_TEXTS.iter().find(|(name, _)| *name == func.name());
        Ok(match (data_type, of_text) {
            (Some(data_type), _) if data_type.is_integer() && OF_SECONDS.contains(&func.name()) => {
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: self.seconds.clone(), args }))
            }
            (Some(data_type), Some((_, unit))) if data_type.is_string() => {
                let zone = config.execution.time_zone.as_deref().map(Arc::from);
                Transformed::yes(cast(args.swap_remove(0), DataType::Timestamp(*unit, zone)))
            }
            _ => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
        })
    }
}
