//! Which plans can be computed key by key: a plan over tables whose answer is the union of its answers over the rows of each key.
//!
//! A join is, by what it joins on; an aggregate by what it groups by; a window function by its partitions. A key that all of
//! them have in common is followed down to the tables. `carry` then makes the plan tell where each row of its answer comes from. Holds no state.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, internal_err};
use datafusion::datasource::provider_as_source;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, JoinType, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias, TableScan,
    Union, Window,
};

use super::runner::Held;

/// How the names of columns begin that are carried.
const CARRIED: &str = "__from_";

/// A table of such a plan.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) scan: TableScan,
    /// What its rows are told apart by, as many and of the same types for each leaf.
    pub(super) keys: Vec<Expr>,
    /// Whether the answer over two sets of its rows is that over the one and that over the other.
    pub(super) linear: bool,
}

/// A leaf with one of its keys.
type Followed = (TableScan, Expr);

/// The tables of `plan` with the keys it can be computed by; none if it can not.
pub(super) fn leaves(plan: &LogicalPlan) -> Option<Vec<Leaf>> {
    let mut found: Vec<Vec<Followed>> = Vec::new();
    for followed in followed_keys(plan) {
        let types: Option<Vec<DataType>> =
            followed.iter().map(|(scan, key)| key.get_type(scan.projected_schema.as_ref()).ok()).collect();
        let is_fit = types.is_some_and(|types| {
            types.first().is_some_and(is_exact) && types.windows(2).all(|pair| pair[0] == pair[1])
        });
        let is_constant = followed.iter().any(|(_, key)| key.column_refs().is_empty());
        let is_known = found.iter().any(|known| known.iter().zip(&followed).all(|(a, b)| a.1 == b.1));
        if is_fit && !is_constant && !is_known {
            found.push(followed);
        }
    }
    let first = found.first()?;
    let mut linear = Vec::new();
    follow_linear(plan, true, &mut linear);
    let leaf = |(number, (scan, _)): (usize, &Followed)| Leaf {
        scan: scan.clone(),
        keys: found.iter().map(|followed| followed[number].1.clone()).collect(),
        linear: linear.get(number).copied().unwrap_or(false),
    };
    Some(first.iter().enumerate().map(leaf).collect())
}

/// Whether values of this type are equal if and only if they are encoded alike.
fn is_exact(data_type: &DataType) -> bool {
    !data_type.is_floating() && !data_type.is_nested() && !matches!(data_type, DataType::Dictionary(..))
}

/// Each key that `plan` can be computed by.
fn followed_keys(plan: &LogicalPlan) -> Vec<Vec<Followed>> {
    match plan {
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.inputs().first().map(|input| followed_keys(input)).unwrap_or_default()
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => followed_keys(&sort.input),
        LogicalPlan::Join(join) => join
            .on
            .iter()
            .filter_map(|(left, right)| {
                let mut followed = Vec::new();
                let both = follow(&join.left, left.clone(), &mut followed)
                    && follow(&join.right, right.clone(), &mut followed);
                both.then_some(followed)
            })
            .collect(),
        LogicalPlan::Aggregate(aggregate) if !has_sets(aggregate) => {
            each_followed(&aggregate.input, aggregate.group_expr.iter().map(|key| key.clone().unalias()))
        }
        LogicalPlan::Window(window) => {
            let keys = window.window_expr.first().map(partitions).unwrap_or_default();
            let in_all = |key: &Expr| window.window_expr.iter().all(|expr| partitions(expr).contains(key));
            each_followed(&window.input, keys.into_iter().filter(in_all))
        }
        _ => Vec::new(),
    }
}

/// Those of `keys` that can be followed down from `plan`.
fn each_followed(plan: &LogicalPlan, keys: impl Iterator<Item = Expr>) -> Vec<Vec<Followed>> {
    let one = |key| {
        let mut followed = Vec::new();
        follow(plan, key, &mut followed).then_some(followed)
    };
    keys.filter_map(one).collect()
}

fn has_sets(aggregate: &Aggregate) -> bool {
    aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)))
}

fn partitions(expr: &Expr) -> Vec<Expr> {
    match expr.clone().unalias() {
        Expr::WindowFunction(function) => function.params.partition_by,
        _ => Vec::new(),
    }
}

/// Follows `key`, of the columns of `plan`, to all tables below; false if rows with different keys meet on the way.
fn follow(plan: &LogicalPlan, key: Expr, found: &mut Vec<Followed>) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => {
            found.push((scan.clone(), key));
            true
        }
        LogicalPlan::Projection(projection) => {
            let below = |index: usize| projection.expr.get(index).map(|expr| expr.clone().unalias());
            rewritten(key, &projection.schema, below).is_some_and(|key| follow(&projection.input, key, found))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let input = alias.input.schema();
            rewritten(key, &alias.schema, |index| column_at(input, index))
                .is_some_and(|key| follow(&alias.input, key, found))
        }
        LogicalPlan::Filter(filter) => follow(&filter.input, key, found),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => follow(&sort.input, key, found),
        LogicalPlan::Join(join) => {
            let is_one = |a: &Expr, side: &LogicalPlan| {
                let plain = |expr: &Expr| rewritten(expr.clone(), side.schema(), |i| column_at(side.schema(), i));
                plain(a).is_some_and(|a| plain(&key).is_some_and(|key| a == key))
            };
            let keeps_left = matches!(
                join.join_type,
                JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark
            );
            let keeps_right = matches!(
                join.join_type,
                JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark
            );
            let pair = join.on.iter().find(|(left, right)| {
                (keeps_left && is_one(left, &join.left)) || (keeps_right && is_one(right, &join.right))
            });
            pair.is_some_and(|(left, right)| {
                follow(&join.left, left.clone(), found) && follow(&join.right, right.clone(), found)
            })
        }
        LogicalPlan::Aggregate(aggregate) if !has_sets(aggregate) => {
            let below = |index: usize| aggregate.group_expr.get(index).map(|expr| expr.clone().unalias());
            rewritten(key, &aggregate.schema, below).is_some_and(|key| follow(&aggregate.input, key, found))
        }
        LogicalPlan::Window(window) => {
            let by_key = window.window_expr.iter().all(|expr| {
                let parts = partitions(expr);
                let is_part = |column: &&Column| parts.contains(&Expr::Column((*column).clone()));
                parts.contains(&key) || key.column_refs().iter().all(is_part)
            });
            by_key && follow(&window.input, key, found)
        }
        LogicalPlan::Union(union) => union.inputs.iter().all(|input| {
            rewritten(key.clone(), &union.schema, |index| column_at(input.schema(), index))
                .is_some_and(|key| follow(input, key, found))
        }),
        _ => false,
    }
}

fn column_at(schema: &DFSchema, index: usize) -> Option<Expr> {
    (index < schema.fields().len()).then(|| Expr::Column(Column::from(schema.qualified_field(index))))
}

/// `expr`, of columns of `schema`, with each of them replaced by what `below` says; none if it has others.
fn rewritten(expr: Expr, schema: &DFSchema, below: impl Fn(usize) -> Option<Expr>) -> Option<Expr> {
    let mut missing = false;
    let new = expr.transform_down(|expr| match &expr {
        Expr::Column(column) => Ok(match schema.maybe_index_of_column(column).and_then(&below) {
            Some(new) => Transformed::new(new, true, TreeNodeRecursion::Jump),
            None => {
                missing = true;
                Transformed::no(expr)
            }
        }),
        _ => Ok(Transformed::no(expr)),
    });
    new.ok().map(|new| new.data).filter(|_| !missing)
}

/// For each table below `plan`, in order, whether the plan is linear in it.
fn follow_linear(plan: &LogicalPlan, linear: bool, found: &mut Vec<bool>) {
    match plan {
        LogicalPlan::TableScan(_) => found.push(linear),
        LogicalPlan::Join(join) => {
            let (left, right) = match join.join_type {
                JoinType::Inner => (linear, linear),
                JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => (linear, false),
                JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => (false, linear),
                JoinType::Full | JoinType::LeftMark | JoinType::RightMark => (false, false),
            };
            follow_linear(&join.left, left, found);
            follow_linear(&join.right, right, found);
        }
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Sort(_) => {
            plan.inputs().into_iter().for_each(|input| follow_linear(input, linear, found));
        }
        _ => plan.inputs().into_iter().for_each(|input| follow_linear(input, false, found)),
    }
}

/// What a plan is made to tell of each row of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Which row of each table that the answer shows it comes from. Only of plans that are linear in one of them.
    Rows,
    /// Which key it is of.
    Key,
}

/// A plan that tells where the rows of its answer come from, in columns behind its own.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) plan: LogicalPlan,
    /// Its tables, each with a column more, of numbers, that says what is told.
    pub(super) tables: Vec<Arc<Held>>,
    /// Of which table each of the columns behind is.
    pub(super) of: Vec<usize>,
}

/// Makes `plan` tell where the rows of its answer come from.
///
/// # Errors
/// For plans that [`leaves`] does not take.
pub(super) fn carry(plan: &LogicalPlan, told: Told) -> Result<Carried> {
    let mut carrier = Carrier { told, tables: Vec::new() };
    let (below, carried) = carrier.carry(plan)?;
    let own = plan.schema().iter().map(|field| Expr::Column(Column::from(field)));
    let exprs = own.chain(carried.iter().map(|(_, expr)| expr.clone())).collect();
    let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(below))?);
    Ok(Carried { plan, tables: carrier.tables, of: carried.into_iter().map(|(leaf, _)| leaf).collect() })
}

struct Carrier {
    told: Told,
    tables: Vec<Arc<Held>>,
}

/// Columns that are carried, with the number of their table.
type Columns = Vec<(usize, Expr)>;

impl Carrier {
    fn carry(&mut self, plan: &LogicalPlan) -> Result<(LogicalPlan, Columns)> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.carry(&sort.input),
            LogicalPlan::Filter(filter) => {
                let (input, carried) = self.carry(&filter.input)?;
                Ok((plan.with_new_exprs(plan.expressions(), vec![input])?, carried))
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let (input, carried) = self.carry(&alias.input)?;
                let alias = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
                let renamed = carried.into_iter().map(|(leaf, expr)| {
                    (leaf, Expr::Column(Column::new(Some(alias.alias.clone()), expr.qualified_name().1)))
                });
                let renamed = renamed.collect();
                Ok((LogicalPlan::SubqueryAlias(alias), renamed))
            }
            LogicalPlan::Projection(projection) => {
                let (input, carried) = self.carry(&projection.input)?;
                let exprs = projection.expr.iter().chain(carried.iter().map(|(_, expr)| expr)).cloned().collect();
                Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?), carried))
            }
            LogicalPlan::Join(join) => {
                let (left, of_left) = self.carry(&join.left)?;
                let (right, of_right) = self.carry(&join.right)?;
                let joined = plan.with_new_exprs(plan.expressions(), vec![left, right])?;
                self.joined(joined, join.join_type, of_left, of_right)
            }
            LogicalPlan::Aggregate(aggregate) => {
                let (input, carried) = self.carry(&aggregate.input)?;
                let groups = aggregate.group_expr.iter().chain(carried.iter().map(|(_, expr)| expr)).cloned().collect();
                let aggregate = Aggregate::try_new(Arc::new(input), groups, aggregate.aggr_expr.clone())?;
                Ok((LogicalPlan::Aggregate(aggregate), carried))
            }
            LogicalPlan::Window(window) => {
                let (input, carried) = self.carry(&window.input)?;
                let window = Window::try_new(window.window_expr.clone(), Arc::new(input))?;
                Ok((LogicalPlan::Window(window), carried))
            }
            LogicalPlan::Union(union) => self.union(union),
            other => internal_err!("{} is not computed by key", other.display()),
        }
    }

    fn name(&self) -> String {
        format!("{CARRIED}{}", self.tables.len())
    }

    fn scan(&mut self, scan: &TableScan) -> Result<(LogicalPlan, Columns)> {
        let (leaf, name) = (self.tables.len(), self.name());
        let own = scan.projected_schema.fields().iter().map(|field| field.as_ref().clone());
        let fields: Vec<Field> = own.chain([Field::new(&name, DataType::Int64, false)]).collect();
        let held = Arc::new(Held::new(Arc::new(Schema::new(fields))));
        let table = provider_as_source(held.table()?);
        self.tables.push(held);
        let plan = LogicalPlanBuilder::scan(scan.table_name.clone(), table, None)?.build()?;
        Ok((plan, vec![(leaf, Expr::Column(Column::new(Some(scan.table_name.clone()), name)))]))
    }

    fn joined(
        &mut self,
        plan: LogicalPlan,
        join_type: JoinType,
        left: Columns,
        right: Columns,
    ) -> Result<(LogicalPlan, Columns)> {
        let only = |one: Columns| Ok((plan.clone(), one));
        match (join_type, self.told) {
            (JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark, _) => only(left),
            (JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark, _) => only(right),
            (_, Told::Rows) => only(left.into_iter().chain(right).collect()),
            (JoinType::Inner | JoinType::Left, Told::Key) => only(left),
            (JoinType::Right, Told::Key) => only(right),
            (JoinType::Full, Told::Key) => {
                let either = left.iter().chain(&right).map(|(_, expr)| expr.clone()).collect();
                let name = format!("{}_both", self.name());
                let own = plan.schema().iter().map(|field| Expr::Column(Column::from(field)));
                let exprs = own.chain([coalesce(either).alias(&name)]).collect();
                let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
                Ok((plan, vec![(left[0].0, Expr::Column(Column::new_unqualified(name)))]))
            }
        }
    }

    fn union(&mut self, union: &Union) -> Result<(LogicalPlan, Columns)> {
        let name = format!("{}_union", self.name());
        let mut inputs = Vec::with_capacity(union.inputs.len());
        let mut leaf = 0;
        for input in &union.inputs {
            let (below, carried) = self.carry(input)?;
            let own = input.schema().iter().map(|field| Expr::Column(Column::from(field)));
            let Some((of, expr)) = carried.into_iter().next() else { return internal_err!("nothing is carried") };
            leaf = of;
            let exprs = own.chain([expr.alias(&name)]).collect();
            inputs.push(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(below))?)));
        }
        let united = LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?);
        let schema = united.schema().clone();
        let last = union.schema.fields().len();
        let own = union.schema.iter().enumerate().map(|(i, (qualifier, field))| {
            Expr::Column(Column::from(schema.qualified_field(i))).alias_qualified(qualifier.cloned(), field.name())
        });
        let carried = Expr::Column(Column::from(schema.qualified_field(last))).alias(&name);
        let exprs = own.chain([carried]).collect();
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(united))?);
        Ok((plan, vec![(leaf, Expr::Column(Column::new_unqualified(name)))]))
    }
}
