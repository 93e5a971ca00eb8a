//! Takes an analysed plan apart: row-wise steps over one input or several, at most one aggregate, row-wise steps, order, limit.
//!
//! What does not fit this shape is not maintained; the reason is a sentence for the author of the query. Nothing here
//! holds state: a [`Shape`] is shared by every rebuild of its instance.

use std::ops::Range;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::logical_plan::{Aggregate, FetchType, SkipType};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, split_conjunction};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlan as Plan, TableScan};
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr, LoweredAggregateBuilder};
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use pulseboard_model::schema::OFFSET;
use pulseboard_model::{Column, StreamName, TimeUs};

use super::bound::{Bound, bound_of, origin};
use super::branches::{Branch, straight};
use super::merge::state_type;
use super::rowwise::RowStep;
use super::unnest::UnnestStep;
use super::window::Window;
use crate::cells::columns;
use crate::sql::clock::ClockCell;
use crate::sql::planning::{Planned, reads_clock};
use crate::sql::{sessions, sizes, spans};

/// Why a query is not maintained, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unmaintained(pub(crate) String);

impl From<DataFusionError> for Unmaintained {
    fn from(error: DataFusionError) -> Self {
        Self(format!("its plan could not be taken apart: {}", error.strip_backtrace()))
    }
}

/// One aggregate function of the plan.
#[derive(Debug, Clone)]
pub(crate) struct AggregateCall {
    pub(crate) function: Arc<AggregateFunctionExpr>,
    /// Its arguments, then its ORDER BY expressions.
    pub(crate) args: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) filter: Option<Arc<dyn PhysicalExpr>>,
    /// Whether the plan above wants the partial state, as a struct, in the place of the result.
    pub(crate) as_state: bool,
}

/// One of an aggregate's keys is a session: the start of the rows that follow each other closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionKey {
    /// Which of the keys. Its expression gives the time of a row.
    pub(crate) key: usize,
    pub(crate) gap_us: i64,
}

impl SessionKey {
    /// How many of the aggregate's last calls are not shown: the first and the last time of what is held.
    pub(crate) const TIMES: usize = 2;
}

/// The lowest aggregate.
#[derive(Debug, Clone)]
pub(crate) struct AggregateShape {
    pub(crate) keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) key_fields: Vec<Field>,
    pub(crate) calls: Vec<AggregateCall>,
    pub(crate) session: Option<SessionKey>,
    /// The aggregate's output: keys, then results.
    pub(crate) schema: SchemaRef,
}

/// The order of the result. The sort keys are what the `Keep` steps of `upper` take aside.
#[derive(Debug, Clone)]
pub(crate) struct OrderShape {
    pub(crate) options: Vec<(DataType, SortOptions)>,
    pub(crate) skip: usize,
    pub(crate) fetch: Option<usize>,
}

/// A query taken apart.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Where its rows come from: one input, or each side of a union.
    pub(crate) branches: Vec<Branch>,
    /// The bounds of all inputs, one after the other.
    pub(crate) bounds: Vec<Bound>,
    pub(crate) aggregate: Option<AggregateShape>,
    /// Above the aggregate.
    pub(crate) upper: Vec<RowStep>,
    pub(crate) order: Option<OrderShape>,
    pub(crate) columns: Vec<Column>,
    /// Whether the steps above the aggregate read the clock: every group then changes each second.
    pub(crate) upper_reads_clock: bool,
    /// For a result without aggregate: rows leave in the order in which the result ends, so rows beyond the limit are
    /// never needed again.
    pub(crate) tail_is_final: bool,
    /// What the plan's clock functions read. Set by whoever runs the steps.
    pub(crate) clock: ClockCell,
}

impl Shape {
    /// The inputs that read `stream`, with their numbers.
    pub(crate) fn branches_of(&self, stream: &StreamName) -> impl Iterator<Item = (usize, &Branch)> {
        self.branches.iter().enumerate().filter(move |(_, branch)| branch.stream == *stream)
    }

    /// Events before this time cannot matter now or later to any input.
    pub(crate) fn time_from(&self, window: &Window) -> Option<TimeUs> {
        let branches = self.branches.iter().map(|branch| window.time_from(branch.bounds.clone()));
        branches.reduce(|a, b| Some(a?.min(b?))).flatten()
    }

    /// The same, an aggregate and nothing above it, giving the partial states of some of its calls.
    pub(crate) fn giving_states(mut self, as_state: &[bool]) -> Result<Self, Unmaintained> {
        let Some(aggregate) = &mut self.aggregate else { return Ok(self) };
        let keys = aggregate.keys.len();
        let mut fields: Vec<Field> = aggregate.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        for (number, (call, as_state)) in aggregate.calls.iter_mut().zip(as_state).enumerate() {
            call.as_state = *as_state;
            if let Some(field) = fields.get_mut(keys + number).filter(|_| *as_state) {
                *field = Field::new(field.name(), state_type(&call.function)?, false);
            }
        }
        aggregate.schema = Arc::new(Schema::new(fields));
        let is_key = |(number, column): (usize, Column)| Column { key: number < keys, ..column };
        self.columns = columns(&aggregate.schema).into_iter().enumerate().map(is_key).collect();
        Ok(self)
    }

    /// Whether nobody but a plan above reads its groups.
    pub(crate) fn gives_states(&self) -> bool {
        self.aggregate.as_ref().is_some_and(|aggregate| aggregate.calls.iter().any(|call| call.as_state))
    }

    /// Whether every input has a bound that its rows leave by.
    pub(crate) fn lets_all_leave(&self) -> bool {
        self.branches.iter().all(|branch| self.bounds[branch.bounds.clone()].iter().any(Bound::is_lower))
    }
}

/// The analysed and lightly optimised plan: DISTINCT as aggregates, unused columns gone, no rewrite that adds a level.
pub(crate) fn simplified(planned: &Planned) -> Result<LogicalPlan, DataFusionError> {
    simplified_plan(planned, planned.marked.clone())
}

/// As [`simplified`], for a rewritten form of the plan.
pub(crate) fn simplified_plan(planned: &Planned, plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let state = &planned.state;
    let analysed = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(OptimizeProjections::new()),
    ];
    let simplified = Optimizer::with_rules(rules).optimize(analysed, state, |_, _| {})?;
    sizes::check(&simplified)?;
    Ok(simplified)
}

/// Takes `planned` apart.
///
/// # Errors
/// [`Unmaintained`] with the reason.
pub(crate) fn take_apart(planned: &Planned) -> Result<Shape, Unmaintained> {
    take_apart_plan(planned, &simplified(planned)?)
}

/// Takes `plan`, a piece of the simplified plan of `planned` or all of it, apart.
///
/// # Errors
/// [`Unmaintained`] with the reason.
pub(crate) fn take_apart_plan(planned: &Planned, plan: &LogicalPlan) -> Result<Shape, Unmaintained> {
    let (upper_plans, aggregate_plan, _) = split(plan)?;
    let (mut bounds, mut branches, mut order) = (Vec::new(), Vec::new(), None);
    let sides = straight(aggregate_plan.map_or(plan, |aggregate| aggregate.input.as_ref()))?;
    let mut tail_is_final = true;
    for side in &sides {
        let (steps, scan) = line(side)?;
        let mut builder = Builder::new(planned);
        let first = bounds.len();
        for node in steps.iter().rev() {
            builder.lower(node, &mut bounds)?;
        }
        if builder.reads_clock {
            return Err(Unmaintained(match aggregate_plan {
                Some(_) => {
                    "it reads the clock below its aggregate in another way than as a bound on a time column".into()
                }
                None => "its columns read the clock without an aggregate, so every row changes each second".into(),
            }));
        }
        // A result without aggregate has the same order, whichever side its rows come from.
        order = builder.order.take();
        tail_is_final &= sides.len() == 1 && order_follows_bounds(side, &bounds);
        branches.push(branch(scan, builder.steps, first..bounds.len(), aggregate_plan.is_none())?);
    }
    let schema: SchemaRef = Arc::new(plan.schema().as_arrow().clone());
    let mut columns = columns(&schema);
    let Some(aggregate_plan) = aggregate_plan else {
        return Ok(Shape {
            branches,
            aggregate: None,
            upper: Vec::new(),
            order,
            columns,
            upper_reads_clock: false,
            tail_is_final: tail_is_final || bounds.is_empty(),
            bounds,
            clock: planned.clock.clone(),
        });
    };
    let mut builder = Builder::new(planned);
    let aggregate = builder.aggregate(aggregate_plan)?;
    if aggregate.session.is_some() && !sessions_leave_from_the_front(aggregate_plan, &bounds) {
        return Err(Unmaintained("it groups by sessions in a window that is not one of their time".into()));
    }
    for plan in upper_plans.iter().rev() {
        builder.upper(plan)?;
    }
    mark_keys(&mut columns, &upper_plans, aggregate_plan);
    Ok(Shape {
        branches,
        bounds,
        aggregate: Some(aggregate),
        upper: builder.steps,
        order: builder.order,
        columns,
        upper_reads_clock: builder.reads_clock,
        tail_is_final: false,
        clock: planned.clock.clone(),
    })
}

/// One input from its scan and the steps above it.
fn branch(
    scan: &TableScan,
    steps: Vec<RowStep>,
    bounds: Range<usize>,
    rows_only: bool,
) -> Result<Branch, Unmaintained> {
    let stream = StreamName::new(scan.table_name.table())
        .map_err(|error| Unmaintained(format!("it does not read a stream: {error}")))?;
    let mut input: Vec<Field> = scan.projected_schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    // A result without aggregate is rows of events: their keys are offsets, so the scan must give them.
    let mut steps = steps;
    if rows_only && !input.iter().any(|field| field.name() == OFFSET) {
        // Not for readers: where the query takes the scan's columns as they are, nothing else would drop it.
        steps.insert(0, columns_of(&input));
        input.push(Field::new(OFFSET, DataType::Int64, false));
    }
    let (lower, rest) = if rows_only { split_at_keep(steps, bounds.len()) } else { (steps, Vec::new()) };
    Ok(Branch { stream, input, lower, rest, bounds })
}

/// These columns, the first ones of a batch.
fn columns_of(fields: &[Field]) -> RowStep {
    let columns = fields.iter().enumerate();
    let columns =
        columns.map(|(number, field)| Arc::new(PhysicalColumn::new(field.name(), number)) as Arc<dyn PhysicalExpr>);
    RowStep::Project(columns.collect(), Arc::new(Schema::new(fields.to_vec())))
}

/// The nodes of a straight plan without aggregate, top first, and its scan.
fn line(plan: &LogicalPlan) -> Result<(Vec<&LogicalPlan>, &TableScan), Unmaintained> {
    match split(plan)? {
        (nodes, None, Plan::TableScan(scan)) => Ok((nodes, scan)),
        (_, None, leaf) => Err(Unmaintained(format!("it reads {}, not one stream", describe(leaf)))),
        (_, Some(_), _) => Err(Unmaintained("it aggregates an aggregate".into())),
    }
}

type Split<'a> = (Vec<&'a LogicalPlan>, Option<&'a Aggregate>, &'a LogicalPlan);

/// Splits a plan into what is above its aggregate, top first, the aggregate, and what its rows come from: a scan or a union.
fn split(plan: &LogicalPlan) -> Result<Split<'_>, Unmaintained> {
    let (mut upper, mut aggregate) = (Vec::new(), None);
    let mut node = plan;
    loop {
        match node {
            Plan::Projection(_)
            | Plan::Filter(_)
            | Plan::SubqueryAlias(_)
            | Plan::Unnest(_)
            | Plan::Sort(_)
            | Plan::Limit(_) => {
                if aggregate.is_some() {
                    if matches!(node, Plan::Sort(_) | Plan::Limit(_)) {
                        return Err(Unmaintained("it aggregates over an ordered or limited subquery".into()));
                    }
                } else {
                    upper.push(node);
                }
            }
            Plan::Aggregate(found) => {
                if aggregate.is_some() {
                    return Err(Unmaintained("it aggregates an aggregate".into()));
                }
                aggregate = Some(found);
            }
            _ => return Ok((upper, aggregate, node)),
        }
        let inputs = node.inputs();
        let [input] = inputs.as_slice() else {
            return Err(Unmaintained(format!("it contains {}", describe(node))));
        };
        node = input;
    }
}

fn describe(plan: &LogicalPlan) -> &'static str {
    match plan {
        Plan::Join(_) => "a join",
        Plan::Union(_) => "a union",
        Plan::Window(_) => "a window function",
        Plan::Unnest(_) => "an unnest",
        Plan::EmptyRelation(_) | Plan::Values(_) => "constants",
        Plan::RecursiveQuery(_) => "a recursive query",
        Plan::Subquery(_) => "a subquery",
        _ => "something else",
    }
}

/// Whether what leaves a window is always the first of a session.
fn sessions_leave_from_the_front(aggregate: &Aggregate, bounds: &[Bound]) -> bool {
    let time = aggregate.group_expr.iter().find_map(|expr| match sessions::marked(expr) {
        Some((Expr::Column(time), _)) => Some(time),
        _ => None,
    });
    let Some(origin) = time.and_then(|time| origin(&aggregate.input, time)) else { return bounds.is_empty() };
    bounds.iter().all(|bound| bound.is_lower() && bound.scan_column.as_ref() == Some(&origin))
}

/// Steps up to the last bound are the lower ones: rows that are out of the window are dropped before the rest runs.
fn split_at_keep(mut steps: Vec<RowStep>, bounds: usize) -> (Vec<RowStep>, Vec<RowStep>) {
    if bounds == 0 {
        return (Vec::new(), steps);
    }
    let mut seen = 0;
    let at = steps.iter().position(|step| {
        seen += usize::from(matches!(step, RowStep::Keep(_)));
        seen == bounds
    });
    let upper = steps.split_off(at.map_or(steps.len(), |at| at + 1));
    (steps, upper)
}

/// Whether rows that leave are always the last of the result: ordered by the bounded time column, newest first.
fn order_follows_bounds(plan: &LogicalPlan, bounds: &[Bound]) -> bool {
    let mut node = plan;
    loop {
        match node {
            Plan::Sort(sort) => {
                let Some(first) = sort.expr.first().filter(|first| !first.asc) else { return false };
                let Expr::Column(column) = &first.expr else { return false };
                // Names do not tell: a subquery may give any column the name of another.
                let Some(ordered) = origin(&sort.input, column) else { return false };
                return bounds.iter().all(|bound| bound.is_lower() && bound.scan_column.as_ref() == Some(&ordered));
            }
            Plan::Projection(_) | Plan::Limit(_) | Plan::SubqueryAlias(_) => match node.inputs().first() {
                Some(input) => node = input,
                None => return false,
            },
            _ => return false,
        }
    }
}

/// Marks the result columns that are GROUP BY columns unchanged.
fn mark_keys(columns: &mut [Column], upper: &[&LogicalPlan], aggregate: &Aggregate) {
    let keys = aggregate.group_expr_len().unwrap_or(0);
    let mut is_key: Vec<bool> = (0..aggregate.schema.fields().len()).map(|i| i < keys).collect();
    for plan in upper.iter().rev() {
        if let Plan::Projection(projection) = plan {
            is_key = projection
                .expr
                .iter()
                .map(|expr| match expr.clone().unalias() {
                    Expr::Column(column) => {
                        let index = projection.input.schema().maybe_index_of_column(&column);
                        index.is_some_and(|index| is_key.get(index).copied().unwrap_or(false))
                    }
                    _ => false,
                })
                .collect();
        }
    }
    for (column, key) in columns.iter_mut().zip(is_key) {
        column.key = key;
    }
}

/// The first and the last of `time`.
fn first_and_last(time: &Arc<dyn PhysicalExpr>, input: &DFSchema) -> Result<[AggregateCall; 2], Unmaintained> {
    let schema: SchemaRef = Arc::new(input.as_arrow().clone());
    let is_fit = matches!(time.data_type(&schema)?, DataType::Timestamp(TimeUnit::Microsecond, _));
    if !is_fit || time.nullable(&schema)? {
        return Err(Unmaintained("its sessions go by a time that may be null".into()));
    }
    let call = |function| -> Result<AggregateCall, Unmaintained> {
        let args = vec![Arc::clone(time)];
        let built =
            AggregateExprBuilder::new(function, args.clone()).schema(schema.clone()).alias("__session").build()?;
        Ok(AggregateCall { function: Arc::new(built), args, filter: None, as_state: false })
    };
    Ok([call(min_udaf())?, call(max_udaf())?])
}

/// What is above the last stage of a query, top first, as steps, their order, and whether they read the clock.
///
/// # Errors
/// [`Unmaintained`] if it is more than steps of rows under one order and limit.
pub(super) fn finishing(
    planned: &Planned,
    nodes: &[&LogicalPlan],
) -> Result<(Vec<RowStep>, Option<OrderShape>, bool), Unmaintained> {
    let mut builder = Builder::new(planned);
    nodes.iter().rev().try_for_each(|node| builder.upper(node))?;
    Ok((builder.steps, builder.order, builder.reads_clock))
}

struct Builder<'a> {
    planned: &'a Planned,
    steps: Vec<RowStep>,
    order: Option<OrderShape>,
    /// Where in `steps` the sort keys of `order` are taken aside.
    order_keeps: Vec<usize>,
    reads_clock: bool,
}

impl<'a> Builder<'a> {
    fn new(planned: &'a Planned) -> Self {
        Self { planned, steps: Vec::new(), order: None, order_keeps: Vec::new(), reads_clock: false }
    }

    fn physical(&self, expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>, Unmaintained> {
        let props = self.planned.state.execution_props();
        create_physical_expr(expr, schema, props, &PhysicalPlanningContext::default())
            .map_err(|error| Unmaintained(format!("`{expr}` cannot be maintained: {}", error.strip_backtrace())))
    }

    /// A node below the aggregate (or any node, where there is none).
    fn lower(&mut self, plan: &LogicalPlan, bounds: &mut Vec<Bound>) -> Result<(), Unmaintained> {
        if let Plan::Filter(filter) = plan {
            let schema = filter.input.schema();
            for conjunct in split_conjunction(&filter.predicate) {
                if reads_clock(conjunct) {
                    if self.order.is_some() {
                        return Err(Unmaintained("it filters by the clock after a limit".into()));
                    }
                    for (column, bound) in bound_of(conjunct, &filter.input, self.planned)? {
                        self.steps.push(RowStep::Keep(column));
                        bounds.push(bound);
                    }
                } else {
                    self.steps.push(RowStep::Filter(self.physical(conjunct, schema)?));
                }
            }
            return Ok(());
        }
        if let Plan::Unnest(unnest) = plan {
            if self.order.as_ref().is_some_and(|order| order.fetch.is_some() || order.skip > 0) {
                return Err(Unmaintained("it unnests after a limit".into()));
            }
            self.steps.push(RowStep::Unnest(UnnestStep::new(unnest)?));
            return Ok(());
        }
        self.upper(plan)
    }

    /// A node above the aggregate.
    fn upper(&mut self, plan: &LogicalPlan) -> Result<(), Unmaintained> {
        match plan {
            Plan::SubqueryAlias(_) => {}
            Plan::Projection(projection) => {
                let input = projection.input.schema();
                let exprs =
                    projection.expr.iter().map(|expr| self.physical(expr, input)).collect::<Result<Vec<_>, _>>()?;
                self.reads_clock |= projection.expr.iter().any(reads_clock);
                let schema: SchemaRef = Arc::new(Schema::new(
                    projection
                        .schema
                        .fields()
                        .iter()
                        .map(|f| f.as_ref().clone().with_metadata(Default::default()))
                        .collect::<Vec<_>>(),
                ));
                self.steps.push(RowStep::Project(exprs, schema));
            }
            Plan::Filter(filter) => {
                if self.order.as_ref().is_some_and(|order| order.fetch.is_some() || order.skip > 0) {
                    return Err(Unmaintained("it filters after a limit".into()));
                }
                self.reads_clock |= reads_clock(&filter.predicate);
                let predicate = self.physical(&filter.predicate, filter.input.schema())?;
                self.steps.push(RowStep::Filter(predicate));
            }
            Plan::Sort(sort) => {
                // An order that nothing has been cut by means nothing under another one.
                if self.order.as_ref().is_some_and(|order| order.fetch.is_some() || order.skip > 0) {
                    return Err(Unmaintained("it orders a limited subquery again".into()));
                }
                for at in std::mem::take(&mut self.order_keeps).into_iter().rev() {
                    self.steps.remove(at);
                }
                let schema = sort.input.schema();
                let mut options = Vec::with_capacity(sort.expr.len());
                for key in &sort.expr {
                    let expr = self.physical(&key.expr, schema)?;
                    self.reads_clock |= reads_clock(&key.expr);
                    let data_type = expr.data_type(schema.as_arrow())?;
                    options.push((data_type, SortOptions { descending: !key.asc, nulls_first: key.nulls_first }));
                    self.order_keeps.push(self.steps.len());
                    self.steps.push(RowStep::Keep(expr));
                }
                self.order = Some(OrderShape { options, skip: 0, fetch: sort.fetch });
            }
            Plan::Limit(limit) => {
                let order = match &mut self.order {
                    Some(order) if order.fetch.is_none() && order.skip == 0 => order,
                    Some(_) => return Err(Unmaintained("it limits a limited subquery again".into())),
                    None => self.order.insert(OrderShape { options: Vec::new(), skip: 0, fetch: None }),
                };
                match (limit.get_skip_type()?, limit.get_fetch_type()?) {
                    (SkipType::Literal(skip), FetchType::Literal(fetch)) => {
                        order.skip = skip;
                        order.fetch = fetch;
                    }
                    _ => return Err(Unmaintained("its limit is not a constant".into())),
                }
            }
            Plan::Unnest(_) => return Err(Unmaintained("it unnests what its aggregate gives".into())),
            other => return Err(Unmaintained(format!("it contains {}", describe(other)))),
        }
        Ok(())
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Result<AggregateShape, Unmaintained> {
        let input = aggregate.input.schema();
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return Err(Unmaintained("it uses grouping sets".into()));
        }
        if aggregate.group_expr.iter().chain(&aggregate.aggr_expr).any(reads_clock) {
            return Err(Unmaintained("it reads the clock inside its GROUP BY or an aggregate".into()));
        }
        let key = |expr| self.physical(sessions::marked(expr).map_or(expr, |(time, _)| time), input);
        let keys = aggregate.group_expr.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let schema = aggregate.schema.as_arrow();
        let key_fields = schema.fields().iter().take(keys.len()).map(|field| field.as_ref().clone()).collect();
        let mut calls = Vec::with_capacity(aggregate.aggr_expr.len());
        for expr in &aggregate.aggr_expr {
            let context = PhysicalPlanningContext::default();
            let props = self.planned.state.execution_props();
            let lowered = LoweredAggregateBuilder::new(expr, input, input.as_arrow(), props, &context).build()?;
            let function = lowered.aggregate;
            let name = function.fun().name();
            // WITHIN GROUP names what a percentile is of; the order of rows does not matter to it.
            let within_group =
                matches!(name, "percentile_cont" | "approx_percentile_cont" | "approx_percentile_cont_with_weight");
            let ordered_hard = function.order_sensitivity() == AggregateOrderSensitivity::HardRequirement
                && !function.order_bys().is_empty()
                && !within_group;
            if ordered_hard {
                return Err(Unmaintained(format!("`{name}` depends on the order of all its rows")));
            }
            let mut args = function.expressions();
            args.extend(function.order_bys().iter().map(|sort| sort.expr.clone()));
            calls.push(AggregateCall { function, args, filter: lowered.filter, as_state: false });
        }
        let marked =
            aggregate.group_expr.iter().enumerate().find_map(|(key, expr)| Some((key, sessions::marked(expr)?)));
        let session = match marked {
            Some((key, (_, gap))) => {
                let gap_us = sessions::gap_us(spans::positive(gap, sessions::SESSION, &self.planned.state)?)?;
                calls.extend(first_and_last(&keys[key], input)?);
                Some(SessionKey { key, gap_us })
            }
            None => None,
        };
        Ok(AggregateShape { keys, key_fields, calls, session, schema: Arc::new(schema.clone()) })
    }
}
