//! Takes a plan apart that is more than one straight line: into parts that are maintained by deltas, and the rest above
//! them, which is computed again from what the parts hold.
//!
//! A part is the largest piece of the plan that [`take_apart`] can maintain and that stays small: an aggregate, a limit,
//! or the rows of a window. So an aggregate of an aggregate, a join of views, a union or a ranking reads some groups instead of
//! the log. An aggregate over a join of a stream's rows is taken apart first (`eager`). The rest is the same plan the batch query runs, so both answers are one by construction. Holds no state.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::Column as ColumnName;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Projection,
};
use pulseboard_model::{Column, ColumnType};

use super::eager::push_below;
use super::shape::{Shape, Unmaintained, simplified_plan, take_apart, take_apart_plan};
use super::top::{Held, Top};
use crate::cells::column_type;
use crate::sql::planning::{Planned, plan_reads_clock};
use crate::sql::sessions;

/// How a query is kept current.
#[derive(Debug, Clone)]
pub(crate) struct Composition {
    pub(crate) parts: Vec<Arc<Shape>>,
    /// What is above several parts, or above what one can hold; none if the one part is the whole query.
    pub(crate) top: Option<Arc<Top>>,
}

/// The name of a part's table in the plan above.
fn table_name(number: usize) -> String {
    format!("__part_{number}")
}

/// Takes `planned` apart, into one part if that is enough.
///
/// # Errors
/// [`Unmaintained`] with the reason.
pub(crate) fn compose(planned: &Planned) -> Result<Composition, Unmaintained> {
    let straight = match take_apart(planned) {
        Ok(shape) => return Ok(Composition { parts: vec![Arc::new(shape)], top: None }),
        Err(reason) => reason,
    };
    let plan = simplified_plan(planned, push_into_joins(planned.marked.clone())?)?;
    if has_subquery(&plan) {
        return Err(Unmaintained("it has a subquery inside an expression".into()));
    }
    let mut split = Splitter { planned, parts: Vec::new(), tables: Vec::new(), refused: None, not_pushed: None };
    let above = plan.transform_down(|node| split.visit(node))?.data;
    if let Some(refused) = split.refused {
        return Err(refused);
    }
    if split.parts.is_empty() {
        return Err(straight);
    }
    let above = sessions::expand(above, &planned.state)?;
    let keys = key_columns(&above, &split.parts);
    let schema = above.schema().as_arrow().clone();
    let columns: Vec<Column> = crate::cells::columns(&schema)
        .into_iter()
        .zip(keys.into_iter().chain(std::iter::repeat(false)))
        .map(|(column, key)| Column { key, ..column })
        .collect();
    let reads_clock = plan_reads_clock(&above);
    let one_row = is_one_row(&above, &split.parts);
    let optimized = planned.state.optimize(&above)?;
    let top = Top::new(planned, optimized, split.tables, columns, is_ordered(&above), one_row, reads_clock);
    Ok(Composition { parts: split.parts, top: Some(Arc::new(top)) })
}

struct Splitter<'a> {
    planned: &'a Planned,
    parts: Vec<Arc<Shape>>,
    tables: Vec<Arc<Held>>,
    refused: Option<Unmaintained>,
    /// Why an aggregate over a join was left above it.
    not_pushed: Option<Unmaintained>,
}

impl Splitter<'_> {
    fn visit(&mut self, node: LogicalPlan) -> datafusion::common::Result<Transformed<LogicalPlan>> {
        if self.is_held(&node) {
            return Ok(Transformed::new(node, false, TreeNodeRecursion::Jump));
        }
        match take_apart_plan(self.planned, &node) {
            Ok(shape) if is_small(&shape) => {
                let replaced = self.replace(&node, shape)?;
                Ok(Transformed::new(replaced, true, TreeNodeRecursion::Jump))
            }
            Ok(shape) if matches!(node, LogicalPlan::TableScan(_)) => {
                let stream = &shape.branches[0].stream;
                let reason = format!("it needs all rows of `{stream}`, which grow without end");
                self.refused = Some(self.not_pushed.take().unwrap_or(Unmaintained(reason)));
                Ok(Transformed::new(node, false, TreeNodeRecursion::Stop))
            }
            _ => match &node {
                LogicalPlan::Aggregate(aggregate) => match self.pushed(aggregate)? {
                    Some(pushed) => Ok(Transformed::yes(pushed)),
                    None => Ok(Transformed::no(node)),
                },
                _ => Ok(Transformed::no(node)),
            },
        }
    }

    /// An aggregate over a join of a stream's rows with a part of it below the join: the part then holds groups, not rows.
    fn pushed(&mut self, aggregate: &Aggregate) -> datafusion::common::Result<Option<LogicalPlan>> {
        let is_stream = |plan: &LogicalPlan| {
            !self.is_held(plan)
                && take_apart_plan(self.planned, plan).is_ok_and(|shape| {
                    shape.aggregate.is_none() && shape.order.is_none_or(|order| order.fetch.is_none())
                })
        };
        let pushed = push_below(aggregate, is_stream).and_then(|pushed| {
            let Some(pushed) = pushed else { return Ok(None) };
            let shape = take_apart_plan(self.planned, &pushed.below)?.giving_states(&pushed.as_state)?;
            Ok(Some((pushed, shape)))
        });
        let (pushed, shape) = match pushed {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(reason) => {
                self.not_pushed = Some(reason);
                return Ok(None);
            }
        };
        let Some(below) = shape.aggregate.clone() else { return Ok(None) };
        let held = self.hold(shape, below.schema.fields().iter().map(|field| field.as_ref()))?;
        pushed.over(held, &below).map(Some)
    }

    /// Whether `plan` is the table of a part.
    fn is_held(&self, plan: &LogicalPlan) -> bool {
        let LogicalPlan::TableScan(scan) = plan else { return false };
        (0..self.parts.len()).any(|number| scan.table_name.table() == table_name(number))
    }

    /// The part's table in place of `node`, under the names that everything above refers to.
    fn replace(&mut self, node: &LogicalPlan, shape: Shape) -> datafusion::common::Result<LogicalPlan> {
        let number = self.parts.len();
        let fields = node.schema().fields().iter();
        if shape.aggregate.is_none()
            && let Some(field) = fields.clone().find(|field| !is_plain(field.data_type()))
        {
            self.refused = Some(Unmaintained(format!("`{}` holds lists or structs of single rows", field.name())));
        }
        let table = table_name(number);
        let scan = self.hold(shape, fields.map(AsRef::as_ref))?;
        let renamed = node.schema().iter().enumerate().map(|(i, (qualifier, field))| {
            let column = Expr::Column(ColumnName::new(Some(table.clone()), format!("c{i}")));
            match qualifier {
                Some(qualifier) => column.alias_qualified(Some(qualifier.clone()), field.name()),
                None => column.alias(field.name()),
            }
        });
        Ok(LogicalPlan::Projection(Projection::try_new(renamed.collect(), Arc::new(scan))?))
    }

    /// A new part, as the scan of its table.
    fn hold<'f>(
        &mut self,
        shape: Shape,
        fields: impl Iterator<Item = &'f Field>,
    ) -> datafusion::common::Result<LogicalPlan> {
        let table = table_name(self.parts.len());
        let fields = fields.enumerate();
        let fields =
            fields.map(|(i, field)| Field::new(format!("c{i}"), field.data_type().clone(), field.is_nullable()));
        let held = Arc::new(Held::new(Arc::new(Schema::new(fields.collect::<Vec<_>>()))));
        let scan = LogicalPlanBuilder::scan(table, provider_as_source(held.table()?), None)?.build()?;
        self.parts.push(Arc::new(shape));
        self.tables.push(held);
        Ok(scan)
    }
}

/// Whether what a part holds is bounded by more than the row limit.
fn is_small(shape: &Shape) -> bool {
    shape.aggregate.is_some()
        || shape.lets_all_leave()
        || shape.order.as_ref().is_some_and(|order| order.fetch.is_some())
}

/// Whether a column of single rows can be given back to DataFusion.
fn is_plain(data_type: &DataType) -> bool {
    !matches!(column_type(data_type), ColumnType::Json | ColumnType::Bytes)
        && !matches!(
            data_type,
            DataType::Interval(_) | DataType::Decimal256(..) | DataType::Time32(_) | DataType::Time64(_)
        )
}

/// Conditions above an inner join go to the side they are about: a window then bounds that side. DataFusion's own rule leaves
/// conditions that read the clock where they are.
fn push_into_joins(plan: LogicalPlan) -> datafusion::common::Result<LogicalPlan> {
    let pushed = plan.transform_down(|node| {
        let LogicalPlan::Filter(filter) = &node else { return Ok(Transformed::no(node)) };
        let LogicalPlan::Join(join) = filter.input.as_ref() else { return Ok(Transformed::no(node)) };
        if join.join_type != JoinType::Inner {
            return Ok(Transformed::no(node));
        }
        let (mut left, mut right, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for conjunct in split_conjunction(&filter.predicate) {
            let columns = conjunct.column_refs();
            let only = |side: &LogicalPlan| {
                !columns.is_empty() && columns.iter().all(|column| side.schema().has_column(column))
            };
            let side = if only(&join.left) {
                &mut left
            } else if only(&join.right) {
                &mut right
            } else {
                &mut rest
            };
            side.push(conjunct.clone());
        }
        if left.is_empty() && right.is_empty() {
            return Ok(Transformed::no(node));
        }
        let joined = Join { left: filtered(left, &join.left)?, right: filtered(right, &join.right)?, ..join.clone() };
        let joined = filtered(rest, &Arc::new(LogicalPlan::Join(joined)))?;
        Ok(Transformed::yes(Arc::unwrap_or_clone(joined)))
    })?;
    Ok(pushed.data)
}

fn filtered(conditions: Vec<Expr>, input: &Arc<LogicalPlan>) -> datafusion::common::Result<Arc<LogicalPlan>> {
    match conjunction(conditions) {
        Some(predicate) => Ok(Arc::new(LogicalPlan::Filter(Filter::try_new(predicate, Arc::clone(input))?))),
        None => Ok(Arc::clone(input)),
    }
}

fn has_subquery(plan: &LogicalPlan) -> bool {
    plan.exists(|node| {
        let mut found = false;
        node.apply_expressions(|expr| {
            found |= expr.exists(|expr| {
                Ok(matches!(
                    expr,
                    Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_)
                ))
            })?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(found)
    })
    .unwrap_or(true)
}

/// Which columns of `plan` tell its rows apart.
fn key_columns(plan: &LogicalPlan, parts: &[Arc<Shape>]) -> Vec<bool> {
    let of = |plan: &LogicalPlan| key_columns(plan, parts);
    match plan {
        LogicalPlan::TableScan(scan) => {
            let part = (0..parts.len()).find(|number| scan.table_name.table() == table_name(*number));
            part.map(|number| parts[number].columns.iter().map(|column| column.key).collect()).unwrap_or_default()
        }
        LogicalPlan::Projection(projection) => {
            let inner = of(&projection.input);
            let key = |expr: &Expr| match expr.clone().unalias() {
                Expr::Column(column) => projection
                    .input
                    .schema()
                    .maybe_index_of_column(&column)
                    .is_some_and(|index| inner.get(index).copied().unwrap_or(false)),
                _ => false,
            };
            projection.expr.iter().map(key).collect()
        }
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.inputs().first().map(|input| of(input)).unwrap_or_default()
        }
        LogicalPlan::Aggregate(aggregate) => {
            let groups = aggregate.group_expr_len().unwrap_or(0);
            (0..aggregate.schema.fields().len()).map(|column| column < groups).collect()
        }
        LogicalPlan::Distinct(Distinct::All(input)) => vec![true; input.schema().fields().len()],
        LogicalPlan::Join(join)
            if matches!(join.join_type, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full) =>
        {
            [of(&join.left), of(&join.right)].concat()
        }
        LogicalPlan::Join(join) if matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti) => of(&join.left),
        LogicalPlan::Window(window) => {
            let mut keys = of(&window.input);
            keys.resize(plan.schema().fields().len(), false);
            keys
        }
        LogicalPlan::Union(union) => {
            let sides: Vec<Vec<bool>> = union.inputs.iter().map(|input| of(input)).collect();
            let columns = plan.schema().fields().len();
            (0..columns).map(|i| sides.iter().all(|side| side.get(i).copied().unwrap_or(false))).collect()
        }
        _ => vec![false; plan.schema().fields().len()],
    }
}

/// Whether the rows come in an order that was asked for.
fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => true,
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) => {
            plan.inputs().first().is_some_and(|input| is_ordered(input))
        }
        _ => false,
    }
}

/// Whether there is never more than one row: an aggregate without GROUP BY, or several side by side.
fn is_one_row(plan: &LogicalPlan, parts: &[Arc<Shape>]) -> bool {
    let of = |plan: &LogicalPlan| is_one_row(plan, parts);
    match plan {
        LogicalPlan::TableScan(scan) => (0..parts.len())
            .find(|number| scan.table_name.table() == table_name(*number))
            .and_then(|number| parts[number].aggregate.as_ref())
            .is_some_and(|aggregate| aggregate.keys.is_empty()),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Join(join) => {
            matches!(join.join_type, JoinType::Inner | JoinType::Left) && of(&join.left) && of(&join.right)
        }
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) | LogicalPlan::Sort(_) => {
            plan.inputs().first().is_some_and(|input| of(input))
        }
        _ => false,
    }
}
