//! What a computed column is called that has no name: its text, and not the planner's own form of it.
//!
//! `SELECT 1, sum(total) * 2` is headed `1` and `sum(total) * 2`, not `Int64(1)` and `sum(orders.total) * Int64(2)`. Only
//! the outermost SELECT: what a query calls the columns of its own parts is not for readers.

use std::sync::Arc;

use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::sql::sqlparser::ast::{self, SelectItem, SetExpr, Statement};
use hashbrown::HashSet;

/// For each column of the answer its title, if it is to have one; empty where the text does not say which columns there are.
pub(super) fn of(statement: &Statement) -> Vec<Option<String>> {
    let Statement::Query(query) = statement else { return Vec::new() };
    let mut body = query.body.as_ref();
    let select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::Query(query) => body = query.body.as_ref(),
            // The first side gives the names.
            SetExpr::SetOperation { left, .. } => body = left.as_ref(),
            _ => return Vec::new(),
        }
    };
    let title = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => Some((!matches!(expr, ast::Expr::Identifier(_))).then(|| expr.to_string())),
        SelectItem::ExprWithAlias { .. } => Some(None),
        _ => None,
    };
    select.projection.iter().map(title).collect::<Option<_>>().unwrap_or_default()
}

/// `plan` with its columns called so. A title that another column has already is not given, and of columns with one name the
/// later ones are numbered: rows go out as objects, too.
///
/// # Errors
/// When the plan does not take a projection.
pub(super) fn apply(plan: LogicalPlan, titles: &[Option<String>]) -> Result<LogicalPlan> {
    let names: Vec<String> = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
    if titles.len() != names.len() {
        return numbered(plan);
    }
    let is_free =
        |title: &String| !names.contains(title) && titles.iter().flatten().filter(|other| *other == title).count() == 1;
    let free = titles
        .iter()
        .zip(&names)
        .map(|(title, name)| title.as_ref().filter(|title| !is_column(title, name) && is_free(title)));
    let free: Vec<Option<&String>> = free.collect();
    if free.iter().all(Option::is_none) {
        return numbered(plan);
    }
    let columns = plan.schema().iter().zip(free).map(|(field, title)| {
        let column = Expr::Column(Column::from(field));
        match title {
            Some(title) => column.alias(title),
            None => column,
        }
    });
    let columns = columns.collect();
    numbered(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

fn numbered(plan: LogicalPlan) -> Result<LogicalPlan> {
    let names: Vec<String> = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    if taken.len() == names.len() {
        return Ok(plan);
    }
    let mut seen: HashSet<&String> = HashSet::new();
    let columns = plan.schema().iter().zip(&names).map(|(field, name)| {
        let column = Expr::Column(Column::from(field));
        if seen.insert(name) {
            return column;
        }
        let free = (2..).map(|number| format!("{name}_{number}")).find(|name| taken.insert(name.clone()));
        column.alias(free.unwrap_or_default())
    });
    let columns = columns.collect();
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

/// Whether the text is that of the column `name`: `o.total` and `(total)` are called `total`. A field of a struct is not; it is
/// called as it is written.
fn is_column(text: &str, name: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or(text);
    last.trim_matches(['"', '(', ')']).eq_ignore_ascii_case(name)
}
