//! Instants out of numbers and texts: the same whatever the query's zone is.
//!
//! DataFusion's `to_timestamp(seconds)` and `from_unixtime` read the number as a time of the local clock, hours off outside
//! UTC, and `to_timestamp(text)` gives another type than it says; a column of texts beside a time is read without its offset.
//! Seconds since 1970 are an instant, and a text is one by its offset, or local time if it has none, as everywhere else.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, ScalarUDF, cast};

use super::local::is_comparison;

/// Functions of a text, and the unit of their times.
const OF_TEXTS: [(&str, TimeUnit); 5] = [
    ("to_timestamp", TimeUnit::Nanosecond),
    ("to_timestamp_seconds", TimeUnit::Second),
    ("to_timestamp_millis", TimeUnit::Millisecond),
    ("to_timestamp_micros", TimeUnit::Microsecond),
    ("to_timestamp_nanos", TimeUnit::Nanosecond),
];
/// Functions of a time, and at which place it stands among their arguments.
const OF_TIMES: [(&str, usize); 4] = [("date_trunc", 1), ("date_part", 1), ("date_bin", 1), ("to_char", 0)];
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
        let zone = config.execution.time_zone.as_deref().map(Arc::<str>::from);
        let time = |text| cast(text, DataType::Timestamp(TimeUnit::Microsecond, zone.clone()));
        let (func, mut args) = match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
                let (left, right) = match (is_text(&left, schema), is_text(&right, schema)) {
                    (true, false) if is_time(&right, schema) => (Box::new(time(*left)), right),
                    (false, true) if is_time(&left, schema) => (left, Box::new(time(*right))),
                    _ => return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
                };
                return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })));
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) => (func, args),
            other => return Ok(Transformed::no(other)),
        };
        if let Some((_, place)) = OF_TIMES.iter().find(|(name, _)| *name == func.name())
            && args.get(*place).is_some_and(|arg| is_text(arg, schema))
        {
            let text = std::mem::replace(&mut args[*place], Expr::Literal(ScalarValue::Null, None));
            args[*place] = time(text);
            return Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })));
        }
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
                Transformed::yes(cast(args.swap_remove(0), DataType::Timestamp(*unit, zone)))
            }
            _ => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
        })
    }
}

/// Whether it is a text of each row. A constant becomes whatever it stands beside.
fn is_text(expr: &Expr, schema: &DFSchema) -> bool {
    !matches!(expr, Expr::Literal(..)) && expr.get_type(schema).is_ok_and(|found| found.is_string())
}

fn is_time(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Timestamp(..) | DataType::Date32 | DataType::Date64))
}
