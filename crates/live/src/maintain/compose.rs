//! Takes a plan apart that is more than one straight line: into parts that are maintained by deltas, and the rest above
//! them, which `layers` cuts into stages that follow changes, and what is computed again from what all of them hold.
//!
//! A part is the largest piece of the plan that [`take_apart`] can maintain and that stays small: an aggregate, a limit,
//! or the rows of a window. So an aggregate of an aggregate, a join of views, a union or a ranking reads some groups instead of
//! the log. An aggregate over a join of a stream's rows is taken apart first (`eager`). The rest is the same plan the batch query runs, so both answers are one by construction. Holds no state.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Aggregate, Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Projection};
use pulseboard_model::ColumnType;

use super::eager::push_below;
use super::layers::{Layers, layers, renamed, table_name};
use super::runner::Held;
use super::shape::{Shape, Unmaintained, simplified_plan, take_apart, take_apart_plan};
use crate::cells::column_type;
use crate::sql::planning::Planned;
use crate::sql::sessions;

/// How a query is kept current.
#[derive(Debug, Clone)]
pub(crate) struct Composition {
    pub(crate) parts: Vec<Arc<Shape>>,
    /// What is above several parts, or above what one can hold; none if the one part is the whole query.
    pub(crate) layers: Option<Arc<Layers>>,
}

/// Takes `planned` apart, into one part if that is enough.
///
/// # Errors
/// [`Unmaintained`] with the reason.
pub(crate) fn compose(planned: &Planned) -> Result<Composition, Unmaintained> {
    let straight = match take_apart(planned) {
        Ok(shape) => return Ok(Composition { parts: vec![Arc::new(shape)], layers: None }),
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
    let layers = layers(planned, above, &split.parts, split.tables)?;
    Ok(Composition { parts: split.parts, layers: Some(Arc::new(layers)) })
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
        Ok(LogicalPlan::Projection(Projection::try_new(renamed(node, &table), Arc::new(scan))?))
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

/// Conditions above a join go to the side they are about: a window then bounds that side. DataFusion's own rule leaves
/// conditions that read the clock where they are.
fn push_into_joins(plan: LogicalPlan) -> datafusion::common::Result<LogicalPlan> {
    let pushed = plan.transform_down(|node| {
        let LogicalPlan::Filter(filter) = &node else { return Ok(Transformed::no(node)) };
        let LogicalPlan::Join(join) = filter.input.as_ref() else { return Ok(Transformed::no(node)) };
        // Of an outer join, to the side whose rows all stay.
        let (to_left, to_right) = match join.join_type {
            JoinType::Inner => (true, true),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => (true, false),
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => (false, true),
            _ => return Ok(Transformed::no(node)),
        };
        let (mut left, mut right, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for conjunct in split_conjunction(&filter.predicate) {
            let columns = conjunct.column_refs();
            let only = |side: &LogicalPlan| {
                !columns.is_empty() && columns.iter().all(|column| side.schema().has_column(column))
            };
            let side = if to_left && only(&join.left) {
                &mut left
            } else if to_right && only(&join.right) {
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
