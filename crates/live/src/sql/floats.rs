//! Floats beside decimals: both are floats then, as in PostgreSQL.
//!
//! Left to itself, DataFusion makes decimals with 15 places of both. `v > 0.0` was false for 1e-18, `v = 3.3333333333333335`
//! never true, 1e25 an error, and `coalesce(sum(v), 0.0)` no float any more. A literal is read as the float it says.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Between, BinaryExpr, Case, Expr, ExprSchemable, cast};

use super::local::is_comparison;

/// Functions whose answer is one of their arguments, or that compare them.
const ALIKE: &[&str] = &["coalesce", "nullif", "nvl", "ifnull", "nvl2", "greatest", "least"];

/// Registers the rule with a session.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    state.register_function_rewrite(std::sync::Arc::new(FloatsBesideDecimals))
}

#[derive(Debug)]
struct FloatsBesideDecimals;

impl FunctionRewrite for FloatsBesideDecimals {
    fn name(&self) -> &str {
        "floats_beside_decimals"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) if is_comparison(op) => {
                let changed = as_floats(&mut [&mut *left, &mut *right], schema);
                Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), changed)
            }
            Expr::Between(mut between) => {
                let Between { expr, low, high, .. } = &mut between;
                let changed = as_floats(&mut [&mut **expr, &mut **low, &mut **high], schema);
                Transformed::new_transformed(Expr::Between(between), changed)
            }
            Expr::InList(InList { mut expr, mut list, negated }) => {
                let mut members: Vec<&mut Expr> = list.iter_mut().chain([&mut *expr]).collect();
                let changed = as_floats(&mut members, schema);
                Transformed::new_transformed(Expr::InList(InList { expr, list, negated }), changed)
            }
            Expr::Case(mut case) => {
                let Case { expr, when_then_expr, else_expr } = &mut case;
                let mut changed = false;
                if let Some(expr) = expr {
                    let whens = when_then_expr.iter_mut().map(|(when, _)| &mut **when);
                    changed |= as_floats(&mut whens.chain([&mut **expr]).collect::<Vec<_>>(), schema);
                }
                let thens = when_then_expr.iter_mut().map(|(_, then)| &mut **then);
                let mut answers: Vec<&mut Expr> = thens.chain(else_expr.iter_mut().map(|expr| &mut **expr)).collect();
                changed |= as_floats(&mut answers, schema);
                Transformed::new_transformed(Expr::Case(case), changed)
            }
            Expr::ScalarFunction(ScalarFunction { func, mut args }) if ALIKE.contains(&func.name()) => {
                let changed = as_floats(&mut args.iter_mut().collect::<Vec<_>>(), schema);
                Transformed::new_transformed(Expr::ScalarFunction(ScalarFunction { func, args }), changed)
            }
            expr => Transformed::no(expr),
        })
    }
}

/// Makes floats of the decimals if there is a float among them. Says whether it did.
fn as_floats(exprs: &mut [&mut Expr], schema: &DFSchema) -> bool {
    let types: Vec<_> = exprs.iter().map(|expr| expr.get_type(schema).unwrap_or(DataType::Null)).collect();
    if !types.iter().any(DataType::is_floating) {
        return false;
    }
    let mut changed = false;
    for (expr, data_type) in exprs.iter_mut().zip(types) {
        if data_type.is_decimal() {
            **expr = as_float(std::mem::replace(&mut **expr, Expr::Literal(ScalarValue::Null, None)));
            changed = true;
        }
    }
    changed
}

/// A decimal as a float: the nearest one, which Arrow's cast does not give from 16 digits on.
fn as_float(expr: Expr) -> Expr {
    match expr {
        Expr::Negative(inner) => Expr::Negative(Box::new(as_float(*inner))),
        Expr::Literal(value, metadata) if !value.is_null() => match value.to_string().parse() {
            Ok(float) => Expr::Literal(ScalarValue::Float64(Some(float)), metadata),
            Err(_) => cast(Expr::Literal(value, metadata), DataType::Float64),
        },
        expr => cast(expr, DataType::Float64),
    }
}
