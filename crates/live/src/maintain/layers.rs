//! What stands above the parts of a query, cut into stages that follow changes and an end.
//!
//! A stage is the largest piece that can be computed by key; what it gives is a table for what is above it, so chains of joins and
//! aggregates are stages upon stages. If the last stage is all but an order and a limit, the answer follows the change; else
//! what is left is run as a whole over what the stages and parts hold. Holds no state.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column as ColumnName, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection};
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use pulseboard_model::Column;

use super::result_keys::{is_one_row, is_ordered, key_columns};
use super::rowwise::RowStep;
use super::runner::{Held, Runner};
use super::shape::{OrderShape, Shape, Unmaintained, finishing};
use super::stage::Stage;
use super::top::Top;
use crate::sql::planning::Planned;

/// What is above the parts.
#[derive(Debug)]
pub(crate) struct Layers {
    /// Each reads parts and stages before it; what it reads has no other reader.
    pub(crate) stages: Vec<Arc<Stage>>,
    pub(crate) end: End,
}

/// How the answer is made of the stages and parts.
#[derive(Debug)]
pub(crate) enum End {
    /// By a run over all that they hold.
    Run(Box<Top>),
    /// By following the last stage.
    Follow(Finish),
}

/// What is above the last stage: row by row, then an order.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) steps: Vec<RowStep>,
    pub(crate) order: Option<OrderShape>,
    pub(crate) columns: Vec<Column>,
}

impl Layers {
    /// The columns of the answer.
    pub(crate) fn columns(&self) -> &[Column] {
        match &self.end {
            End::Run(top) => top.columns(),
            End::Follow(finish) => &finish.columns,
        }
    }

    /// Whether the answer costs what changed.
    pub(crate) fn follows(&self) -> bool {
        matches!(self.end, End::Follow(_))
    }
}

/// The name of the table of a part or, numbered on behind all parts, of a stage.
pub(super) fn table_name(number: usize) -> String {
    format!("__part_{number}")
}

/// The number in a [`table_name`].
pub(super) fn table_number(name: &str) -> Option<usize> {
    name.strip_prefix("__part_")?.parse().ok()
}

/// Cuts `above`, a plan over the tables `held` of `parts`, into stages and an end.
///
/// # Errors
/// [`Unmaintained`] for what cannot be planned.
pub(super) fn layers(
    planned: &Planned,
    above: LogicalPlan,
    parts: &[Arc<Shape>],
    held: Vec<Arc<Held>>,
) -> Result<Layers, Unmaintained> {
    let keys = parts.iter().map(|part| part.columns.iter().map(|column| column.key).collect()).collect();
    let mut stager = Stager { planned, parts, keys, held, stages: Vec::new() };
    let columns = stager.columns(&above);
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> =
        vec![Arc::new(ExtractEquijoinPredicate::new()), Arc::new(EliminateCrossJoin::new())];
    let joined = Optimizer::with_rules(rules).optimize(above.clone(), &planned.state, |_, _| {})?;
    let (upper, core) = peeled(&joined);
    if let Ok((steps, order, false)) = finishing(planned, &upper)
        && let Lowered::Stage(_) = stager.lower(core)?
    {
        return Ok(Layers { stages: stager.stages, end: End::Follow(Finish { steps, order, columns }) });
    }
    stager.forget_stages();
    let lowered = match stager.lower(&joined)? {
        Lowered::Stage(scan) | Lowered::Plan(scan) => scan,
    };
    let plan = if stager.stages.is_empty() { above } else { lowered };
    let mut inputs = Vec::new();
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            inputs.extend(table_number(scan.table_name.table()));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    inputs.sort_unstable();
    inputs.dedup();
    let (ordered, one_row) = (is_ordered(&plan), is_one_row(&plan, parts));
    let tables = inputs.iter().map(|input| stager.held[*input].clone()).collect();
    let runner = Runner::new(planned, &plan, tables)?;
    Ok(Layers { stages: stager.stages, end: End::Run(Box::new(Top { runner, inputs, columns, ordered, one_row })) })
}

/// What is above the last order or limit, it included, top first, and what is below.
fn peeled(plan: &LogicalPlan) -> (Vec<&LogicalPlan>, &LogicalPlan) {
    let (mut upper, mut core, mut node) = (Vec::new(), plan, plan);
    let mut until = 0;
    loop {
        match node {
            LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) => upper.push(node),
            LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => {
                upper.push(node);
                until = upper.len();
            }
            _ => break,
        }
        let inputs = node.inputs();
        let Some(input) = inputs.first() else { break };
        node = input;
        if until == upper.len() {
            core = node;
        }
    }
    upper.truncate(until);
    (upper, core)
}

/// Whether a node takes its rows one by one.
fn is_rowwise(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_))
}

/// A plan after its pieces became stages.
enum Lowered {
    /// All of it did: the table of the stage.
    Stage(LogicalPlan),
    Plan(LogicalPlan),
}

struct Stager<'a> {
    planned: &'a Planned,
    parts: &'a [Arc<Shape>],
    /// Per part, then per stage: which of its columns tell its rows apart.
    keys: Vec<Vec<bool>>,
    held: Vec<Arc<Held>>,
    stages: Vec<Arc<Stage>>,
}

impl Stager<'_> {
    fn columns(&self, plan: &LogicalPlan) -> Vec<Column> {
        let keys = key_columns(plan, &self.keys);
        crate::cells::columns(plan.schema().as_arrow())
            .into_iter()
            .zip(keys.into_iter().chain(std::iter::repeat(false)))
            .map(|(column, key)| Column { key, ..column })
            .collect()
    }

    fn forget_stages(&mut self) {
        self.stages.clear();
        self.keys.truncate(self.parts.len());
        self.held.truncate(self.parts.len());
    }

    fn lower(&mut self, plan: &LogicalPlan) -> Result<Lowered, Unmaintained> {
        if let Some(scan) = self.stage(plan)? {
            return Ok(Lowered::Stage(scan));
        }
        let stages = self.stages.len();
        let below = self.lower_below(plan)?;
        if self.stages.len() > stages
            && let Some(scan) = self.stage(&below)?
        {
            return Ok(Lowered::Stage(scan));
        }
        if !is_rowwise(&below) {
            return Ok(Lowered::Plan(below));
        }
        // Steps above what may still be a stage without them.
        self.with_inputs(&below, Self::lower_whole).map(Lowered::Plan)
    }

    fn lower_whole(&mut self, plan: &LogicalPlan) -> Result<LogicalPlan, Unmaintained> {
        Ok(match self.lower(plan)? {
            Lowered::Stage(plan) | Lowered::Plan(plan) => plan,
        })
    }

    /// `plan` with stages below what binds its rows together.
    fn lower_below(&mut self, plan: &LogicalPlan) -> Result<LogicalPlan, Unmaintained> {
        let below = if is_rowwise(plan) { Self::lower_below } else { Self::lower_whole };
        self.with_inputs(plan, below)
    }

    fn with_inputs(
        &mut self,
        plan: &LogicalPlan,
        below: impl Fn(&mut Self, &LogicalPlan) -> Result<LogicalPlan, Unmaintained>,
    ) -> Result<LogicalPlan, Unmaintained> {
        let inputs = plan.inputs().into_iter().map(|input| below(self, input)).collect::<Result<Vec<_>, _>>()?;
        if inputs.is_empty() { Ok(plan.clone()) } else { Ok(plan.with_new_exprs(plan.expressions(), inputs)?) }
    }

    /// A stage that computes `plan`, as the scan of its table under the names that everything above refers to.
    fn stage(&mut self, plan: &LogicalPlan) -> Result<Option<LogicalPlan>, Unmaintained> {
        // A stage has no order, which whoever cuts above may ask for.
        if is_ordered(plan) {
            return Ok(None);
        }
        let parts = self.parts;
        // Partial states are no rows that somebody could be told.
        let input = |name: &str| {
            table_number(name).filter(|number| parts.get(*number).is_none_or(|shape| !shape.gives_states()))
        };
        let keys: Vec<bool> = self.columns(plan).iter().map(|column| column.key).collect();
        let Some(stage) = Stage::new(self.planned, plan, input, keys.clone())? else { return Ok(None) };
        let table = table_name(self.held.len());
        let fields = stage.schema.fields().iter().enumerate();
        let fields: Vec<Field> = fields
            .map(|(i, field)| Field::new(format!("c{i}"), field.data_type().clone(), field.is_nullable()))
            .collect();
        let held = Arc::new(Held::new(Arc::new(Schema::new(fields))));
        let scan = LogicalPlanBuilder::scan(table.as_str(), provider_as_source(held.table()?), None)?.build()?;
        self.held.push(held);
        self.keys.push(keys);
        self.stages.push(Arc::new(stage));
        Ok(Some(LogicalPlan::Projection(Projection::try_new(renamed(plan, &table), Arc::new(scan))?)))
    }
}

/// The columns of `table` under the names that `node` gives them.
pub(super) fn renamed(node: &LogicalPlan, table: &str) -> Vec<Expr> {
    let column = |(i, (qualifier, field)): (usize, (Option<&TableReference>, &Arc<Field>))| {
        let column = Expr::Column(ColumnName::new(Some(table), format!("c{i}")));
        match qualifier {
            Some(qualifier) => column.alias_qualified(Some(qualifier.clone()), field.name()),
            None => column.alias(field.name()),
        }
    };
    node.schema().iter().enumerate().map(column).collect()
}
