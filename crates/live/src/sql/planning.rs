//! The one way from SQL to a logical plan, for live and batch alike.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, Volatility};
use datafusion::sql::parser::Statement as DfStatement;
use futures::FutureExt;
use pulseboard_model::Cell;

use super::clock::{CLOCK_FUNCTIONS, ClockCell};
use super::names::{self, ResolvedQuery};
use super::session::{SessionTable, session};
use super::table::{ScanRange, stream_table};
use super::ties;
use crate::api::{History, Params, QueryError, QueryErrorKind, QuerySpec};

/// A planned query: the session it belongs to and its plan, not yet analysed or optimised.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) state: SessionState,
    pub(crate) plan: LogicalPlan,
    pub(crate) query: ResolvedQuery,
    pub(crate) clock: ClockCell,
}

/// How the tables of a plan are read.
#[derive(Debug)]
pub(crate) enum Rows {
    /// Not at all: the plan is taken apart and maintained.
    None,
    /// As far as the range says.
    Of(ScanRange),
}

/// Plans `spec` against the streams that exist now.
///
/// # Errors
/// [`QueryError`] for text that is refused.
pub(crate) fn plan(
    spec: &QuerySpec,
    history: &dyn History,
    clock: &ClockCell,
    rows: &Rows,
    runtime: Option<std::sync::Arc<datafusion::execution::runtime_env::RuntimeEnv>>,
    sql_bytes_max: usize,
) -> Result<Planned, QueryError> {
    let statement = names::parse(&spec.sql, sql_bytes_max)?;
    let query = names::resolve(statement, history)?;
    let mut tables = Vec::with_capacity(query.streams.len());
    for (name, schema) in &query.streams {
        let range = match rows {
            Rows::None => None,
            Rows::Of(range) => Some(range.clone()),
        };
        let provider =
            stream_table(name.clone(), schema, spec.timezone, range).map_err(|error| QueryError::internal(&error))?;
        tables.push(SessionTable { name: name.as_str().to_owned(), provider });
    }
    let state = session(spec.timezone, clock, &tables, runtime).map_err(|error| QueryError::internal(&error))?;

    let statement = DfStatement::Statement(Box::new(query.statement.clone()));
    let plan = state
        .statement_to_plan(statement)
        .now_or_never()
        .expect("planning over tables in memory never waits")
        .map_err(|error| located(QueryError::planning(&error), &spec.sql))?;
    let plan = bind(plan, &spec.params)?;
    let plan = ties::settle(plan).map_err(|error| QueryError::planning(&error))?;
    refuse_volatile(&plan)?;
    Ok(Planned { state, plan, query, clock: clock.clone() })
}

/// Adds the place of an unknown column to an error about it.
fn located(mut error: QueryError, sql: &str) -> QueryError {
    if error.kind == QueryErrorKind::UnknownColumn && error.at.is_none() {
        let name = error.message.split('`').nth(1).unwrap_or_default().to_owned();
        error.at = names::place_of(sql, &name);
    }
    error
}

fn bind(plan: LogicalPlan, params: &Params) -> Result<LogicalPlan, QueryError> {
    let wanted = plan.get_parameter_names().map_err(|error| QueryError::planning(&error))?;
    let mut missing: Vec<&str> =
        wanted.iter().map(|name| name.trim_start_matches('$')).filter(|name| !params.contains_key(*name)).collect();
    missing.sort_unstable();
    if !missing.is_empty() {
        let list = missing.iter().map(|name| format!("`${name}`")).collect::<Vec<_>>().join(", ");
        return Err(QueryError::new(QueryErrorKind::BadParams, format!("no value was given for {list}")));
    }
    if wanted.is_empty() {
        return Ok(plan);
    }
    let values: std::collections::HashMap<String, _> =
        params.iter().map(|(name, cell)| (name.clone(), scalar(cell).into())).collect();
    plan.with_param_values(ParamValues::Map(values))
        .map_err(|error| QueryError { kind: QueryErrorKind::BadParams, ..QueryError::planning(&error) })
}

fn scalar(cell: &Cell) -> ScalarValue {
    match cell {
        Cell::Null => ScalarValue::Null,
        Cell::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Cell::Int(value) => ScalarValue::Int64(Some(*value)),
        Cell::UInt(value) => ScalarValue::UInt64(Some(*value)),
        Cell::Float(value) => ScalarValue::Float64(Some(*value)),
        Cell::Time(value) => ScalarValue::TimestampMicrosecond(Some(*value), Some("UTC".into())),
        Cell::Date(value) => ScalarValue::Date32(Some(*value)),
        Cell::Duration(value) => ScalarValue::DurationMicrosecond(Some(*value)),
        Cell::Bytes(value) => ScalarValue::Binary(Some(value.to_vec())),
        Cell::Decimal(text) | Cell::Str(text) | Cell::Interval(text) | Cell::Json(text) => {
            ScalarValue::Utf8(Some(text.as_ref().to_owned()))
        }
    }
}

/// Whether `expr` asks for the clock.
pub(crate) fn reads_clock(expr: &Expr) -> bool {
    expr.exists(|expr| {
        Ok(matches!(expr, Expr::ScalarFunction(function) if CLOCK_FUNCTIONS.contains(&function.func.name())))
    })
    .unwrap_or(false)
}

/// Whether anything in `plan` asks for the clock.
pub(crate) fn plan_reads_clock(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= reads_clock(expr);
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    });
    visited.is_err() || found
}

/// Functions that answer differently each time would break the promise that live equals batch.
fn refuse_volatile(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut refused = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(function) = expr
                    && function.func.signature().volatility == Volatility::Volatile
                    && !CLOCK_FUNCTIONS.contains(&function.func.name())
                {
                    refused = Some(function.func.name().to_owned());
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(|error| QueryError::internal(&error))?;
    match refused {
        Some(name) => Err(QueryError::new(
            QueryErrorKind::BadSql,
            format!(
                "`{name}()` answers differently each time, so a live answer could not equal a batch one: it is refused"
            ),
        )),
        None => Ok(()),
    }
}

/// What the author may not have meant.
pub(crate) fn warnings(plan: &LogicalPlan) -> Vec<String> {
    let mut warnings = Vec::new();
    let visited = plan.apply_with_subqueries(|node| {
        let inputs = node.inputs();
        let Some(schema) = inputs.first().map(|input| input.schema().clone()) else {
            return Ok(TreeNodeRecursion::Continue);
        };
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                use datafusion::logical_expr::ExprSchemable;
                if let Expr::BinaryExpr(binary) = expr
                    && binary.op == Operator::Divide
                    && let (Ok(left), Ok(right)) = (binary.left.get_type(&schema), binary.right.get_type(&schema))
                    && left.is_integer()
                    && right.is_integer()
                {
                    warnings.push(format!(
                        "`{binary}` divides integers and drops the remainder; write `a::double / b` for a fraction"
                    ));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    if visited.is_err() {
        warnings.clear();
    }
    warnings.dedup();
    warnings
}
