//! An order wherever SQL leaves one open, the same live and in batch (CONTRACT, *Equality*).
//!
//! Ties go by `_offset` (descending if the last ORDER BY key is, else ascending); groups by their GROUP BY columns
//! ascending, nulls last. The logical plan is rewritten: hidden tie columns are carried through projections to where
//! they are needed and dropped again above.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef, Result, TableReference};
use datafusion::logical_expr::expr::{AggregateFunction, Sort as SortExpr, WindowFunction};
use datafusion::logical_expr::logical_plan::{
    Aggregate, Distinct, DistinctOn, Limit, Projection, Sort, SubqueryAlias, Union, Unnest, Window,
};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, WindowFrameUnits, lit};
use pulseboard_model::schema::OFFSET;

use super::distinct_list::distinct_list;
use super::lists::places;

/// Aggregates whose answer depends on the order of their input.
const ORDER_SENSITIVE: [&str; 5] = ["first_value", "last_value", ARRAY_AGG, "string_agg", "nth_value"];
const ARRAY_AGG: &str = "array_agg";

/// How the names of columns begin that are carried.
const HIDDEN: &str = "__tie_";

/// What decides between rows that are otherwise equal.
#[derive(Debug, Clone)]
enum Tie {
    /// `_offset` columns: follow the direction of the last ORDER BY key.
    Offset(Expr),
    /// Grouping columns: always ascending, nulls last.
    Group(Expr),
}

impl Tie {
    fn expr(&self) -> &Expr {
        match self {
            Self::Offset(expr) | Self::Group(expr) => expr,
        }
    }

    fn with_expr(&self, expr: Expr) -> Self {
        match self {
            Self::Offset(_) => Self::Offset(expr),
            Self::Group(_) => Self::Group(expr),
        }
    }

    fn sort(&self, last_ascending: bool) -> SortExpr {
        match self {
            Self::Offset(expr) => SortExpr::new(expr.clone(), last_ascending, false),
            Self::Group(expr) => SortExpr::new(expr.clone(), true, false),
        }
    }
}

/// Settles every open order of `plan`.
pub(crate) fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let settled = plan.transform_up_with_subqueries(|plan| {
        Ok(match plan {
            LogicalPlan::Sort(sort) => Transformed::yes(settle_sort(&sort)?),
            LogicalPlan::Limit(limit) => Transformed::yes(settle_limit(limit)?),
            LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().any(is_order_sensitive) => {
                Transformed::yes(settle_aggregate(aggregate)?)
            }
            LogicalPlan::Distinct(Distinct::On(distinct)) => Transformed::yes(settle_distinct_on(distinct)?),
            LogicalPlan::Window(window) => Transformed::yes(settle_window(window)?),
            other => Transformed::no(other),
        })
    })?;
    Ok(settled.data)
}

/// `plan` with its tie columns in reach, and those columns. None where a plan has no row order of its own.
fn carry(plan: &LogicalPlan) -> Result<(LogicalPlan, Vec<Tie>)> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let offset = scan.projected_schema.qualified_field_with_unqualified_name(OFFSET);
            let ties = offset.into_iter().map(|found| Tie::Offset(Expr::Column(Column::from(found)))).collect();
            Ok((plan.clone(), ties))
        }
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => {
            let inputs = plan.inputs();
            let [input] = inputs.as_slice() else { return Ok((plan.clone(), Vec::new())) };
            let (input, ties) = carry(input)?;
            Ok((plan.with_new_exprs(plan.expressions(), vec![input])?, ties))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let (input, ties) = carry(&alias.input)?;
            let carried = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
            let ties = ties
                .iter()
                .filter_map(|tie| match tie.expr() {
                    Expr::Column(column) => {
                        Some(tie.with_expr(Expr::Column(Column::new(Some(alias.alias.clone()), column.name.clone()))))
                    }
                    _ => None,
                })
                .collect();
            Ok((LogicalPlan::SubqueryAlias(carried), ties))
        }
        LogicalPlan::Projection(projection) => {
            let (input, ties) = carry(&projection.input)?;
            let mut exprs = projection.expr.clone();
            let mut carried = Vec::with_capacity(ties.len());
            for tie in &ties {
                // Reuse the column if the projection has it under its own name, else add it under a hidden one.
                if let Some(found) = exprs.iter().find(|expr| *expr == tie.expr()) {
                    let (qualifier, name) = found.qualified_name();
                    carried.push(tie.with_expr(Expr::Column(Column::new(qualifier, name))));
                } else {
                    let taken = |name: &str| exprs.iter().any(|expr| expr.qualified_name().1 == name);
                    if let Expr::Column(Column { relation: None, name, .. }) = tie.expr()
                        && name.starts_with(HIDDEN)
                        && !taken(name)
                    {
                        // Under the name that it has already.
                        exprs.push(tie.expr().clone());
                        carried.push(tie.clone());
                        continue;
                    }
                    let name = hidden(taken);
                    exprs.push(tie.expr().clone().alias(&name));
                    carried.push(tie.with_expr(Expr::Column(Column::new_unqualified(name))));
                }
            }
            Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?), carried))
        }
        LogicalPlan::Aggregate(aggregate) => {
            let groups = aggregate.group_expr_len()?;
            // Which set a row is of is out of reach once `grouping` is called; what that says tells it as well.
            let calls: Vec<bool> = aggregate.aggr_expr.iter().map(is_grouping).collect();
            let asked = calls.iter().any(|is_grouping| *is_grouping);
            let is_tie = |(number, field): &(usize, (Option<&TableReference>, &FieldRef))| {
                let is_hidden = asked && field.1.name() == Aggregate::INTERNAL_GROUPING_ID;
                if *number < groups { !is_hidden } else { calls.get(number - groups).is_some_and(|call| *call) }
            };
            let ties = aggregate.schema.iter().enumerate().filter(is_tie);
            let ties = ties.map(|(_, field)| Tie::Group(Expr::Column(Column::from(field)))).collect();
            Ok((plan.clone(), ties))
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let ties = input.schema().iter().map(|field| Tie::Group(Expr::Column(Column::from(field)))).collect();
            Ok((plan.clone(), ties))
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            // One row per ON: what it is on decides, selected or not.
            let mut selected = distinct.select_expr.clone();
            let mut ties = Vec::with_capacity(distinct.on_expr.len());
            for on in &distinct.on_expr {
                if let Some(found) = selected.iter().find(|expr| *expr == on) {
                    let (qualifier, name) = found.qualified_name();
                    ties.push(Tie::Group(Expr::Column(Column::new(qualifier, name))));
                } else {
                    let name = hidden(|name| selected.iter().any(|expr| expr.qualified_name().1 == name));
                    selected.push(on.clone().alias(&name));
                    ties.push(Tie::Group(Expr::Column(Column::new_unqualified(name))));
                }
            }
            let DistinctOn { on_expr, sort_expr, input, .. } = distinct.clone();
            let carried = DistinctOn::try_new(on_expr, selected, sort_expr, input)?;
            Ok((LogicalPlan::Distinct(Distinct::On(carried)), ties))
        }
        LogicalPlan::Window(window) => {
            let (input, ties) = carry(&window.input)?;
            let carried = Window::try_new(window.window_expr.clone(), Arc::new(input))?;
            Ok((LogicalPlan::Window(carried), ties))
        }
        LogicalPlan::Join(_) => {
            // It keeps its inputs' columns: the ties of the inputs stay in reach if they already are.
            let inputs = plan.inputs();
            let ties = inputs.iter().map(|input| carry(input).map(|(_, ties)| ties)).collect::<Result<Vec<_>>>()?;
            let reachable = |tie: &Tie| match tie.expr() {
                Expr::Column(column) => plan.schema().has_column(column),
                _ => false,
            };
            Ok((plan.clone(), ties.into_iter().flatten().filter(reachable).collect()))
        }
        LogicalPlan::Union(union) => carry_union(plan, union),
        LogicalPlan::Unnest(unnest) => carry_unnest(unnest),
        _ => Ok((plan.clone(), Vec::new())),
    }
}

/// A name for a column that is carried, which nothing has yet.
fn hidden(taken: impl Fn(&str) -> bool) -> String {
    (0..).map(|number| format!("{HIDDEN}{number}")).find(|name| !taken(name)).unwrap_or_default()
}

/// Sides whose ties are alike carry them under common names, with the number of the side behind: the same event may come by
/// several. Else rows go by all that they have: those that are equal in all of it may stand in any order.
fn carry_union(plan: &LogicalPlan, union: &Union) -> Result<(LogicalPlan, Vec<Tie>)> {
    let sides = union.inputs.iter().map(|input| carry(input)).collect::<Result<Vec<_>>>()?;
    let kinds = |(side, ties): &(LogicalPlan, Vec<Tie>)| -> Result<Vec<(bool, DataType)>> {
        let kind = |tie: &Tie| Ok((matches!(tie, Tie::Offset(_)), tie.expr().get_type(side.schema())?));
        ties.iter().map(kind).collect()
    };
    let first = kinds(&sides[0])?;
    for side in &sides {
        if first.is_empty() || kinds(side)? != first {
            let all = plan.schema().iter().map(|field| Tie::Group(Expr::Column(Column::from(field)))).collect();
            return Ok((plan.clone(), all));
        }
    }
    let taken = |name: &str| sides.iter().any(|(side, _)| side.schema().fields().iter().any(|f| f.name() == name));
    let common = hidden(taken);
    let name = |number: usize| format!("{common}_{number}");
    let mut inputs = Vec::with_capacity(sides.len());
    for ((number, (side, ties)), input) in (0i64..).zip(&sides).zip(&union.inputs) {
        let own = input.schema().iter().map(|field| Expr::Column(Column::from(field)));
        let carried = ties.iter().enumerate().map(|(i, tie)| tie.expr().clone().alias(name(i)));
        let exprs = own.chain(carried).chain([lit(number).alias(name(first.len()))]).collect();
        inputs.push(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(side.clone()))?)));
    }
    let carried = Union::try_new_with_loose_types(inputs)?;
    let column = |number: usize| Expr::Column(Column::new_unqualified(name(number)));
    let ties = first.iter().enumerate();
    let ties = ties.map(|(i, (offset, _))| if *offset { Tie::Offset(column(i)) } else { Tie::Group(column(i)) });
    let ties = ties.chain([Tie::Group(column(first.len()))]).collect();
    Ok((LogicalPlan::Union(carried), ties))
}

/// The rows that one row becomes stand in the order of its lists: their places are unnested beside them.
fn carry_unnest(unnest: &Unnest) -> Result<(LogicalPlan, Vec<Tie>)> {
    let (input, mut ties) = carry(&unnest.input)?;
    let mut exec_columns = unnest.exec_columns.clone();
    let mut input = input;
    let lists: Vec<Expr> = unnest
        .list_type_columns
        .iter()
        .map(|(index, _)| Expr::Column(Column::from(unnest.input.schema().qualified_field(*index))))
        .collect();
    let flat = unnest.list_type_columns.iter().all(|(_, list)| list.depth == 1);
    if !ties.is_empty() && flat && !lists.is_empty() {
        let name = hidden(|name| input.schema().fields().iter().any(|field| field.name() == name));
        let own = input.schema().iter().map(|field| Expr::Column(Column::from(field)));
        let exprs = own.chain([places().call(lists).alias(&name)]).collect();
        input = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?);
        exec_columns.push(Column::new_unqualified(&name));
        ties.push(Tie::Group(Expr::Column(Column::new_unqualified(name))));
    }
    let carried = Unnest::try_new(Arc::new(input), exec_columns, unnest.options.clone())?;
    Ok((LogicalPlan::Unnest(carried), ties))
}

fn settle_sort(sort: &Sort) -> Result<LogicalPlan> {
    let (input, ties) = carry(&sort.input)?;
    let last_ascending = sort.expr.last().is_none_or(|last| last.asc);
    let mut exprs = sort.expr.clone();
    for tie in &ties {
        if !exprs.iter().any(|known| &known.expr == tie.expr()) {
            exprs.push(tie.sort(last_ascending));
        }
    }
    let wanted = sort.input.schema().clone();
    let sorted = LogicalPlan::Sort(Sort { expr: exprs, input: Arc::new(input), fetch: sort.fetch });
    restore(sorted, &wanted)
}

fn settle_limit(limit: Limit) -> Result<LogicalPlan> {
    if is_sorted(&limit.input) {
        return Ok(LogicalPlan::Limit(limit));
    }
    let (input, ties) = carry(&limit.input)?;
    if ties.is_empty() {
        return Ok(LogicalPlan::Limit(limit));
    }
    let wanted = limit.input.schema().clone();
    let expr = ties.iter().map(|tie| tie.sort(true)).collect();
    let sorted = LogicalPlan::Sort(Sort { expr, input: Arc::new(input), fetch: None });
    let input = Arc::new(restore(sorted, &wanted)?);
    Ok(LogicalPlan::Limit(Limit { skip: limit.skip, fetch: limit.fetch, input }))
}

/// The answer of `plan`, of which no more than `rows_max` are read, in the order that groups stand in where nothing sorts
/// them: by the grouping columns that it shows from left to right, ascending, nulls last, then by the others.
pub(crate) fn in_order(plan: LogicalPlan, rows_max: usize) -> Result<LogicalPlan> {
    let Some(shown) = shown_keys(&plan) else { return Ok(plan) };
    let (input, ties) = carry(&plan)?;
    let wanted = plan.schema().clone();
    let shown = wanted.iter().zip(shown).filter(|(_, is_key)| *is_key);
    let shown = shown.map(|(field, _)| Tie::Group(Expr::Column(Column::from(field))).sort(true));
    let mut expr: Vec<SortExpr> = shown.collect();
    for tie in ties {
        if !expr.iter().any(|known| &known.expr == tie.expr()) {
            expr.push(tie.sort(true));
        }
    }
    if expr.is_empty() {
        return Ok(plan);
    }
    // One more than is read shows that there are too many.
    let sorted = LogicalPlan::Sort(Sort { expr, input: Arc::new(input), fetch: Some(rows_max.saturating_add(1)) });
    restore(sorted, &wanted)
}

/// Which columns of a plan of groups are grouping columns; `None` if its rows are no groups, or something sorts them.
fn shown_keys(plan: &LogicalPlan) -> Option<Vec<bool>> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => {
            let keys = aggregate.group_expr_len().ok()?;
            Some((0..aggregate.schema.fields().len()).map(|index| index < keys).collect())
        }
        LogicalPlan::Distinct(Distinct::All(input)) => Some(vec![true; input.schema().fields().len()]),
        LogicalPlan::Filter(filter) => shown_keys(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => shown_keys(&alias.input),
        LogicalPlan::Projection(projection) => {
            let below = shown_keys(&projection.input)?;
            let is_key = |expr: &Expr| match expr.clone().unalias() {
                Expr::Column(column) => {
                    projection.input.schema().maybe_index_of_column(&column).is_some_and(|index| below[index])
                }
                _ => false,
            };
            Some(projection.expr.iter().map(is_key).collect())
        }
        _ => None,
    }
}

/// Whether a sort decides the order of `plan`.
fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        // DISTINCT ON comes sorted by what it is on, which no two of its rows share.
        LogicalPlan::Sort(_) | LogicalPlan::Distinct(Distinct::On(_)) => true,
        LogicalPlan::Projection(Projection { input, .. })
        | LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. })
        | LogicalPlan::Limit(Limit { input, .. }) => is_sorted(input),
        _ => false,
    }
}

fn is_grouping(expr: &Expr) -> bool {
    matches!(expr.clone().unalias(), Expr::AggregateFunction(call) if call.func.name() == "grouping")
}

fn is_order_sensitive(expr: &Expr) -> bool {
    let mut found = false;
    let visited = expr.apply(|expr| {
        if let Expr::AggregateFunction(function) = expr {
            found |= ORDER_SENSITIVE.contains(&function.func.name());
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    visited.is_ok() && found
}

fn settle_aggregate(aggregate: Aggregate) -> Result<LogicalPlan> {
    let (input, ties) = carry(&aggregate.input)?;
    let wanted = aggregate.schema.clone();
    let mut settled = Vec::with_capacity(aggregate.aggr_expr.len());
    for expr in &aggregate.aggr_expr {
        let with_ties = expr.clone().transform_down(|expr| {
            Ok(match expr {
                // Equal values are one here, so their own order leaves nothing open.
                Expr::AggregateFunction(AggregateFunction { mut func, mut params })
                    if ORDER_SENSITIVE.contains(&func.name()) && params.distinct =>
                {
                    if params.order_by.is_empty() {
                        params.order_by.extend(params.args.first().map(|arg| SortExpr::new(arg.clone(), true, false)));
                    }
                    if func.name() == ARRAY_AGG {
                        func = distinct_list();
                    }
                    Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, params }))
                }
                Expr::AggregateFunction(AggregateFunction { func, mut params })
                    if !ties.is_empty() && ORDER_SENSITIVE.contains(&func.name()) && !params.distinct =>
                {
                    let last_ascending = params.order_by.last().is_none_or(|last| last.asc);
                    params.order_by.extend(ties.iter().map(|tie| tie.sort(last_ascending)));
                    Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, params }))
                }
                other => Transformed::no(other),
            })
        })?;
        // The name follows from the text: keep the one that everything above refers to.
        let (qualifier, name) = expr.qualified_name();
        settled.push(if with_ties.transformed {
            with_ties.data.alias_qualified(qualifier, name)
        } else {
            with_ties.data
        });
    }
    let aggregate = Aggregate::try_new(Arc::new(input), aggregate.group_expr, settled)?;
    restore(LogicalPlan::Aggregate(aggregate), &wanted)
}

fn settle_distinct_on(distinct: DistinctOn) -> Result<LogicalPlan> {
    let (input, ties) = carry(&distinct.input)?;
    let mut sort = distinct
        .sort_expr
        .clone()
        .unwrap_or_else(|| distinct.on_expr.iter().map(|expr| SortExpr::new(expr.clone(), true, false)).collect());
    let last_ascending = sort.last().is_none_or(|last| last.asc);
    sort.extend(ties.iter().map(|tie| tie.sort(last_ascending)));
    let settled = DistinctOn::try_new(distinct.on_expr, distinct.select_expr, Some(sort), Arc::new(input))?;
    Ok(LogicalPlan::Distinct(Distinct::On(settled)))
}

fn settle_window(window: Window) -> Result<LogicalPlan> {
    let (input, ties) = carry(&window.input)?;
    let wanted = window.schema.clone();
    // One node computes functions of one order: those that are settled leave those that mean equal rows to stay equal.
    let mut settled: Vec<(Vec<SortExpr>, Vec<Expr>)> = Vec::new();
    for expr in window.window_expr {
        let (qualifier, name) = expr.qualified_name();
        let mut order = Vec::new();
        let with_ties = expr.transform_down(|expr| {
            Ok(match expr {
                Expr::WindowFunction(mut function) if is_settled_by_ties(&function) => {
                    let order_by = &mut function.params.order_by;
                    let last_ascending = order_by.last().is_none_or(|last| last.asc);
                    let new = ties.iter().filter(|tie| !order_by.iter().any(|known| &known.expr == tie.expr()));
                    let new: Vec<_> = new.map(|tie| tie.sort(last_ascending)).collect();
                    order_by.extend(new);
                    order.clone_from(order_by);
                    Transformed::yes(Expr::WindowFunction(function))
                }
                Expr::WindowFunction(function) => {
                    order.clone_from(&function.params.order_by);
                    Transformed::no(Expr::WindowFunction(function))
                }
                other => Transformed::no(other),
            })
        })?;
        let expr = if with_ties.transformed { with_ties.data.alias_qualified(qualifier, name) } else { with_ties.data };
        match settled.iter_mut().find(|(known, _)| *known == order) {
            Some((_, exprs)) => exprs.push(expr),
            None => settled.push((order, vec![expr])),
        }
    }
    let mut plan = input;
    for (_, exprs) in settled {
        plan = LogicalPlan::Window(Window::try_new(exprs, Arc::new(plan))?);
    }
    restore(plan, &wanted)
}

/// Whether a window function depends on the order of rows that its ORDER BY leaves equal, and means nothing else once
/// they are told apart. `rank` and frames by RANGE or GROUPS mean equal rows to stay equal.
fn is_settled_by_ties(function: &WindowFunction) -> bool {
    let frame = &function.params.window_frame;
    let from_first = frame.start_bound.is_unbounded();
    let to_last = frame.end_bound.is_unbounded();
    match function.fun.name() {
        "row_number" | "ntile" | "lag" | "lead" => true,
        "rank" | "dense_rank" | "percent_rank" | "cume_dist" => false,
        "first_value" if from_first => true,
        "last_value" if to_last => true,
        _ => frame.units == WindowFrameUnits::Rows || (from_first && to_last),
    }
}

/// Brings a plan that carries tie columns back to the columns it is expected to have.
fn restore(plan: LogicalPlan, wanted: &DFSchemaRef) -> Result<LogicalPlan> {
    let as_wanted = plan.schema().iter().map(Column::from).eq(wanted.iter().map(Column::from));
    if as_wanted {
        return Ok(plan);
    }
    let columns = wanted.iter().map(|field| Expr::Column(Column::from(field))).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}
