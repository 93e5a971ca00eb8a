//! Makes of a plan the operators that run it, held to the time and the memory of their query.
//!
//! The one way from a plan to what is executed, for queries that are answered once and for what live ones run again.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;

use crate::ending::Ending;
use crate::wide;
use crate::windows::Windows;

/// The operators of `plan`, which is optimised already.
///
/// # Errors
/// What making them can meet.
pub(crate) async fn of(
    plan: LogicalPlan,
    state: &SessionState,
    ending: &Ending,
    windows: &Windows,
) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = windows.in_functions(plan)?;
    let planned = state.query_planner().create_physical_plan(&plan, state).await?;
    ending.seen_by(windows.in_plan(wide::held(planned)?)?)
}
