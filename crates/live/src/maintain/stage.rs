//! A piece of a plan that is computed key by key ([`by_key`](super::by_key)): what it reads, and how it is run over some keys or rows.
//!
//! Where the piece only joins, filters and projects, what new rows add is computed from them and what they meet. Where it
//! groups or ranks, all rows of each key that changed are computed again. Holds no rows itself: see [`staged`](super::staged).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef, TimeUnit};
use arrow::row::{RowConverter, SortField};
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use pulseboard_model::{ColumnType, Row, TimeUs};

use super::by_key::{Told, carry, leaves};
use super::held_rows::batch_of;
use super::runner::Runner;
use super::top::rows_of;
use crate::cells::column_type;
use crate::sql::planning::{Planned, plan_reads_clock};

/// The bytes of a row's key; rows meet those with the same.
pub(super) type Shard = Arc<[u8]>;

/// One of the tables that a stage reads.
#[derive(Debug)]
pub(super) struct Leaf {
    /// The number of the part or, behind all parts, of the stage whose rows it holds.
    pub(super) input: usize,
    schema: SchemaRef,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    /// Whether what one of its rows adds to the answer does not depend on its others.
    pub(super) linear: bool,
}

/// A piece of a plan that is computed by key.
#[derive(Debug)]
pub(crate) struct Stage {
    runner: Runner,
    pub(super) leaves: Vec<Leaf>,
    key_types: Vec<DataType>,
    told: Told,
    /// Of which leaf each column behind its own is.
    of: Vec<usize>,
    /// Of its answer.
    pub(crate) schema: SchemaRef,
    /// Which columns of its answer tell the rows apart.
    pub(super) keys: Vec<bool>,
}

impl Stage {
    /// The stage that computes `plan`, if it can be. `input` gives the number of the part or stage that a table is the content of;
    /// `keys` says which columns of the answer tell its rows apart.
    pub(super) fn new(
        planned: &Planned,
        plan: &LogicalPlan,
        input: impl Fn(&str) -> Option<usize>,
        keys: Vec<bool>,
    ) -> Result<Option<Self>> {
        let Some(found) = leaves(plan).filter(|_| !plan_reads_clock(plan)) else { return Ok(None) };
        let is_plain = |schema: &Schema| schema.fields().iter().all(|field| gives_back(field.data_type()));
        let schema = Arc::new(plan.schema().as_arrow().clone());
        if !is_plain(&schema) || !found.iter().all(|leaf| is_plain(leaf.scan.projected_schema.as_arrow())) {
            return Ok(None);
        }
        let regroups = plan.exists(|node| {
            Ok(matches!(node, LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) | LogicalPlan::Union(_)))
        })?;
        let by_rows = !regroups && found.iter().any(|leaf| leaf.linear);
        let told = if by_rows { Told::Rows } else { Told::Key };
        let (mut leaves, mut key_types) = (Vec::with_capacity(found.len()), Vec::new());
        for leaf in found {
            let Some(input) = input(leaf.scan.table_name.table()) else { return Ok(None) };
            let leaf_schema = leaf.scan.projected_schema;
            let props = planned.state.execution_props();
            let physical = |expr| create_physical_expr(expr, &leaf_schema, props, &PhysicalPlanningContext::default());
            let keys = leaf.keys.iter().map(physical).collect::<Result<Vec<_>>>()?;
            let schema: SchemaRef = Arc::new(leaf_schema.as_arrow().clone());
            key_types = keys.iter().map(|key| key.data_type(&schema)).collect::<Result<_>>()?;
            leaves.push(Leaf { input, schema, keys, linear: by_rows && leaf.linear });
        }
        let carried = carry(plan, told)?;
        let runner = Runner::new(planned, &carried.plan, carried.tables)?;
        Ok(Some(Self { runner, leaves, key_types, told, of: carried.of, schema, keys }))
    }

    /// What it follows, for people.
    pub(crate) fn describe(&self) -> String {
        let tables = self.leaves.len();
        match self.told {
            Told::Rows => format!("joins {tables} tables; rows that change are joined with what they meet"),
            Told::Key if tables == 1 => "groups or ranks one table; keys that change are computed again".to_owned(),
            Told::Key => format!("joins {tables} tables and groups or ranks; keys that change are computed again"),
        }
    }

    /// Whether the rows of its answer are known by the rows they come from.
    pub(super) fn is_by_rows(&self) -> bool {
        self.told == Told::Rows
    }

    pub(super) fn converter(&self) -> Result<RowConverter> {
        Ok(RowConverter::new(self.key_types.iter().cloned().map(SortField::new).collect())?)
    }

    /// The shard of each of these rows of a leaf.
    pub(super) fn shards(&self, leaf: usize, rows: &[&Row], converter: &RowConverter) -> Result<Vec<Shard>> {
        let leaf = &self.leaves[leaf];
        let batch = batch_of(rows, &leaf.schema)?;
        let evaluate = |key: &Arc<dyn PhysicalExpr>| key.evaluate(&batch)?.into_array(rows.len());
        let keys = leaf.keys.iter().map(evaluate).collect::<Result<Vec<ArrayRef>>>()?;
        let encoded = converter.convert_columns(&keys)?;
        Ok(encoded.iter().map(|key| Shard::from(key.as_ref())).collect())
    }

    /// The answer over these rows, per leaf, each with the number it is told by.
    ///
    /// # Errors
    /// What running a query can meet, and more rows than `rows_max`.
    pub(super) fn run(&self, tables: &[Vec<(i64, &Row)>], now: TimeUs, rows_max: usize) -> Result<Vec<Computed>> {
        let mut batches = Vec::with_capacity(tables.len());
        for (number, rows) in tables.iter().enumerate() {
            let values: Vec<&Row> = rows.iter().map(|(_, row)| *row).collect();
            let batch = batch_of(&values, &self.leaves[number].schema)?;
            let numbers: ArrayRef = Arc::new(rows.iter().map(|(number, _)| *number).collect::<Int64Array>());
            let columns = batch.columns().iter().cloned().chain([numbers]).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            let schema = self.runner.table_schema(number).clone();
            batches.push(RecordBatch::try_new_with_options(schema, columns, &options)?);
        }
        let mut computed = Vec::new();
        let width = self.schema.fields().len();
        let own: Vec<usize> = (0..width).collect();
        for batch in self.runner.run(batches, now, rows_max)? {
            let from: Vec<&Int64Array> =
                batch.columns()[width..].iter().map(|c| c.as_primitive::<Int64Type>()).collect();
            let rows = rows_of(&batch.project(&own)?);
            computed.extend(rows.into_iter().enumerate().map(|(number, row)| {
                let from = self.of.iter().zip(&from);
                let from =
                    from.map(|(leaf, from)| (*leaf, from.is_valid(number).then(|| from.value(number)))).collect();
                Computed { row, from }
            }));
        }
        Ok(computed)
    }
}

/// A row of the answer, with what is told of where it comes from: per leaf shown, the number of its row; or of its key.
#[derive(Debug)]
pub(super) struct Computed {
    pub(super) row: Row,
    pub(super) from: Vec<(usize, Option<i64>)>,
}

/// Whether values of this type come back whole from the cells that they are held in.
pub(super) fn gives_back(data_type: &DataType) -> bool {
    !matches!(column_type(data_type), ColumnType::Json | ColumnType::Bytes)
        && !matches!(
            data_type,
            DataType::Interval(_)
                | DataType::Decimal256(..)
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Timestamp(TimeUnit::Nanosecond, _)
                | DataType::Duration(TimeUnit::Nanosecond)
                | DataType::Null
        )
}
