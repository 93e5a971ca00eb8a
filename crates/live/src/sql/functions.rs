//! Which functions a query may call, as far as its text alone says: what a configuration is held to before any stream is there.
//!
//! Whether arguments fit is only known with the types of columns; planning says that.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use chrono_tz::Tz;
use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectNamePart, Statement, visit_expressions};
use hashbrown::HashSet;
use pulseboard_model::TimeUs;

use crate::api::QueryError;

use super::clock::ClockCell;
use super::names::place_of;
use super::session::session;

/// Called like a function and none of the session's: the planner's own.
const PLANNERS: [&str; 1] = ["unnest"];

/// The names of all functions; none if there can be no session, which every query will say.
static KNOWN: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let Ok(state) = session(Tz::UTC, &ClockCell::new(TimeUs(0)), &[], None) else { return HashSet::new() };
    let names = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
    let names = names.chain(state.window_functions().keys()).cloned();
    names.chain(PLANNERS.map(str::to_owned)).collect()
});

/// Whether every function that `statement` calls exists.
///
/// # Errors
/// The first one that does not, with its place in `sql` and the nearest names.
pub(super) fn check(statement: &Statement, sql: &str) -> Result<(), QueryError> {
    let unknown = visit_expressions(statement, |expr| match expr {
        Expr::Function(function) => match function.name.0.as_slice() {
            [ObjectNamePart::Identifier(name)] if !is_known(name) => ControlFlow::Break(name.value.clone()),
            _ => ControlFlow::Continue(()),
        },
        _ => ControlFlow::Continue(()),
    });
    let ControlFlow::Break(name) = unknown else { return Ok(()) };
    let error = QueryError::no_function(&name, KNOWN.iter().map(String::as_str));
    Err(QueryError { at: place_of(sql, &name), ..error })
}

/// As the planner reads names of functions: without quotes, the case is no matter.
fn is_known(name: &Ident) -> bool {
    KNOWN.is_empty()
        || match name.quote_style {
            Some(_) => KNOWN.contains(&name.value),
            None => KNOWN.contains(&name.value.to_ascii_lowercase()),
        }
}
