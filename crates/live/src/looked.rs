//! An operator that passes on what it reads, once somebody has looked at it: for limits on what other operators are given.
//!
//! It changes nothing, keeps the order, and ends with the first batch that the look refuses.

use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;

type Look = Arc<dyn Fn(&RecordBatch) -> Result<()> + Send + Sync>;

/// `input`, each of whose batches `look` is shown first; `name` is what a plan calls it.
pub(crate) fn looked(
    name: &'static str,
    input: Arc<dyn ExecutionPlan>,
    look: impl Fn(&RecordBatch) -> Result<()> + Send + Sync + 'static,
) -> Arc<dyn ExecutionPlan> {
    Arc::new(Looked { name, input, look: Arc::new(look) })
}

#[derive(Clone)]
struct Looked {
    name: &'static str,
    input: Arc<dyn ExecutionPlan>,
    look: Look,
}

impl fmt::Debug for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.name).field("input", &self.input).finish_non_exhaustive()
    }
}

impl DisplayAs for Looked {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl ExecutionPlan for Looked {
    fn name(&self) -> &'static str {
        self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _apply: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("one input is looked at, not several");
        };
        Ok(Arc::new(Self { input, ..(*self).clone() }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (batches, look) = (self.input.execute(partition, context)?, self.look.clone());
        let schema = batches.schema();
        let looked_at = batches.map(move |batch| batch.and_then(|batch| look(&batch).map(|()| batch)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, looked_at)))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}
