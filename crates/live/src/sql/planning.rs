//! The one way from SQL to a logical plan, for live and batch alike.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, Volatility};
use datafusion::sql::parser::Statement as DfStatement;
use futures::FutureExt;

use super::clock::{CLOCK_FUNCTIONS, ClockCell};
use super::names::{self, ResolvedQuery};
use super::params;
use super::session::{SessionTable, session};
use super::table::{ScanRange, stream_table};
use super::{ago, not_in, picks, reserved, sessions, ties, titles};
use crate::api::{History, QueryError, QueryErrorKind, QuerySpec};

/// Functions of DataFusion that read the machine's clock when a query is planned.
const OTHER_CLOCKS: [&str; 1] = ["current_time"];

/// A planned query: the session it belongs to and its plan, not yet analysed or optimised.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) state: SessionState,
    pub(crate) plan: LogicalPlan,
    /// The plan with the keys of sessions as they are written: what is taken apart.
    pub(crate) marked: LogicalPlan,
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
    let places = params::check(&statement, &spec.params)?;
    let titles = titles::of(&statement);
    let query = names::resolve(statement, history)?;
    let mut tables = Vec::with_capacity(query.streams.len());
    for (name, schema) in &query.streams {
        let range = match rows {
            Rows::None => None,
            Rows::Of(range) => Some(range.clone()),
        };
        let provider = stream_table(name.clone(), schema, spec.timezone, range);
        tables.push(SessionTable { name: name.as_str().to_owned(), provider });
    }
    let state = session(spec.timezone, clock, &tables, runtime).map_err(|error| QueryError::internal(&error))?;

    let statement = DfStatement::Statement(Box::new(query.statement.clone()));
    let plan = state
        .statement_to_plan(statement)
        .now_or_never()
        .expect("planning over tables in memory never waits")
        .map_err(|error| located(QueryError::planning(&error), &spec.sql, &state))?;
    refuse_statements(&plan)?;
    let now = state.udf("now").map_err(|error| QueryError::internal(&error))?;
    let plan = params::bind(plan, &spec.params, &places, spec.timezone, &now)?;
    sessions::check(&plan, &state)
        .map_err(|(name, error)| QueryError { at: names::place_of(&spec.sql, name), ..QueryError::planning(&error) })?;
    let plan = picks::rewrite(plan)
        .and_then(ties::settle)
        .map_err(|error| located(QueryError::planning(&error), &spec.sql, &state))?;
    let plan = ago::rewrite(plan, &state)
        .map_err(|error| QueryError { at: names::place_of(&spec.sql, ago::AGO), ..QueryError::planning(&error) })?;
    let plan = if places.keys().any(|name| reserved::is_end(name)) {
        reserved::forget_ends(plan).map_err(|error| QueryError::planning(&error))?
    } else {
        plan
    };
    let plan = titles::apply(plan, &titles).map_err(|error| QueryError::planning(&error))?;
    let marked = plan.clone();
    let plan = sessions::expand(plan, &state).map_err(|error| QueryError::planning(&error))?;
    refuse_mistyped(&plan).map_err(|error| located(error, &spec.sql, &state))?;
    refuse_unsteady(&plan, &spec.sql)?;
    not_in::check(&plan).map_err(|error| QueryError::planning(&error))?;
    Ok(Planned { state, plan, marked, query, clock: clock.clone() })
}

/// Adds to an error of planning what the text and the session know: places, and functions that are called alike.
fn located(error: QueryError, sql: &str, state: &SessionState) -> QueryError {
    let error = match error.unknown_function() {
        Some(name) if state.window_functions().contains_key(name) => {
            let message =
                format!("`{name}` is a function of windows: write `{name}(…) OVER (…)`, outside of other functions");
            QueryError { at: error.at, ..QueryError::new(QueryErrorKind::BadSql, message) }
        }
        Some(name) => {
            let known = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
            let known = known.chain(state.window_functions().keys()).map(String::as_str);
            QueryError { at: error.at, ..QueryError::no_function(name, known) }
        }
        None => error,
    };
    let at = error.at.or_else(|| error.subject().and_then(|name| names::place_of(sql, name)));
    let at = at.or_else(|| error.operator().and_then(|operator| names::place_of_only(sql, operator)));
    QueryError { at, ..error }
}

/// Queries only: nothing that would write, define or set anything.
fn refuse_statements(plan: &LogicalPlan) -> Result<(), QueryError> {
    let writes = plan.exists(|node| {
        Ok(matches!(
            node,
            LogicalPlan::Ddl(_)
                | LogicalPlan::Dml(_)
                | LogicalPlan::Copy(_)
                | LogicalPlan::Statement(_)
                | LogicalPlan::Explain(_)
                | LogicalPlan::Analyze(_)
                | LogicalPlan::DescribeTable(_)
        ))
    });
    match writes {
        Ok(false) => Ok(()),
        _ => Err(QueryError::new(QueryErrorKind::BadSql, "only queries are answered here: write a SELECT")),
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

/// Operators whose sides do not fit would be found when the plan is analysed; here their text is still at hand.
fn refuse_mistyped(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut refused = None;
    let visited = plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            let error = expr.get_type(&schema).err().map(|error| QueryError::planning(&error));
            refused = refused.take().or_else(|| error.filter(|error| error.operator().is_some()));
            Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    });
    match (refused, visited) {
        (Some(error), Ok(_)) => Err(error),
        _ => Ok(()),
    }
}

/// Functions that answer differently each time, or read another clock than the engine's, would break the promise that
/// live equals batch.
fn refuse_unsteady(plan: &LogicalPlan, sql: &str) -> Result<(), QueryError> {
    let mut refused = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                let (name, volatility) = match expr {
                    Expr::ScalarFunction(call) => (call.func.name(), call.func.signature().volatility),
                    Expr::AggregateFunction(call) => (call.func.name(), call.func.signature().volatility),
                    Expr::WindowFunction(call) => (call.fun.name(), call.fun.signature().volatility),
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                let unsteady = volatility == Volatility::Volatile && !CLOCK_FUNCTIONS.contains(&name);
                if unsteady || OTHER_CLOCKS.contains(&name) {
                    refused = Some(name.to_owned());
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(|error| QueryError::internal(&error))?;
    let Some(name) = refused else { return Ok(()) };
    let message = if OTHER_CLOCKS.contains(&name.as_str()) {
        format!(
            "`{name}` is not answered: use `now()`, `current_timestamp` or `current_date`, which are the engine's clock"
        )
    } else {
        format!("`{name}()` answers differently each time, so a live answer could not equal a batch one: it is refused")
    };
    Err(QueryError { at: names::place_of(sql, &name), ..QueryError::new(QueryErrorKind::BadSql, message) })
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
