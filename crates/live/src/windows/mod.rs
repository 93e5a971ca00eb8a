//! Holds windows to the time and the memory of their query.
//!
//! DataFusion computes most windows as a whole: it collects their rows, which nothing counts, and then answers them one after
//! the other without a pause. Where a function reads the frame of each row anew, as a median does, that takes the square of the
//! rows; where it copies a long text beside each of them, it takes all memory. So the rows that are collected are counted as the
//! query's memory, and functions look before each answer (`functions`). What they answer is not changed.

mod functions;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result, resources_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

use crate::ending::Ending;
use crate::looked::looked;
use crate::row_bytes::whole_bytes;

/// What windows that are not collected answer at once: a batch.
const ROWS_AT_ONCE: usize = 8_192;
/// How often an answer is there while all are put together: as a value, in its partition, in all of them, in what is handed on.
const COPIES: u64 = 4;

/// The windows of one query. Clones are of the same.
#[derive(Debug, Clone)]
pub(crate) struct Windows(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ending: Ending,
    pool: Arc<dyn MemoryPool>,
    /// For the rows that this run has collected.
    held: MemoryReservation,
    /// How many these are.
    rows: AtomicUsize,
    /// How many have come to windows that are answered batch by batch.
    passing: AtomicUsize,
    /// Of the constants that functions are given: each may be there for each row before the function is asked.
    constant_bytes: AtomicU64,
}

impl PartialEq for Windows {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Windows {}

impl Hash for Windows {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Windows {
    /// Of a query that ends with `ending` and takes its memory out of `pool`.
    pub(crate) fn new(ending: &Ending, pool: &Arc<dyn MemoryPool>) -> Self {
        let held = MemoryConsumer::new("the rows of a window").register(pool);
        let (ending, pool) = (ending.clone(), pool.clone());
        let (rows, passing, constant_bytes) = Default::default();
        Self(Arc::new(Shared { ending, pool, held, rows, passing, constant_bytes }))
    }

    /// The run is over, and what it held is gone.
    pub(crate) fn end(&self) {
        self.0.held.free();
        self.0.rows.store(0, Ordering::Relaxed);
        self.0.passing.store(0, Ordering::Relaxed);
    }

    /// `plan`, with a look in each function of a window. It has to be optimised already: names tell optimisers what
    /// functions are.
    pub(crate) fn in_functions(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        self.0.constant_bytes.store(functions::constant_bytes(&plan)?, Ordering::Relaxed);
        functions::watched(plan, self)
    }

    /// `plan`, so that what its windows collect is counted.
    pub(crate) fn in_plan(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let counted = plan.transform_up(|node| {
            let windows = self.clone();
            let input = if let Some(window) = node.downcast_ref::<WindowAggExec>() {
                looked("Collected", window.input().clone(), move |batch| windows.collect(batch))
            } else if let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() {
                looked("Passing", window.input().clone(), move |batch| windows.pass(batch))
            } else {
                return Ok(Transformed::no(node));
            };
            let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            Ok(Transformed::yes(node.replace_children(vec![input], recompute)?))
        })?;
        Ok(counted.data)
    }

    fn check_ending(&self) -> Result<()> {
        self.0.ending.check().map_err(|ended| DataFusionError::External(Box::new(ended)))
    }

    /// Whether a value of `bytes` may stand beside each row.
    fn check_value(&self, bytes: u64) -> Result<()> {
        let passing = self.0.passing.load(Ordering::Relaxed).min(ROWS_AT_ONCE);
        let rows = self.0.rows.load(Ordering::Relaxed).max(passing) as u64;
        let together = bytes.saturating_mul(rows).saturating_mul(COPIES);
        match self.0.pool.memory_limit() {
            MemoryLimit::Finite(limit) if together > limit.saturating_sub(self.0.pool.reserved()) as u64 => {
                resources_err!("a window would put a value of {bytes} bytes beside {rows} rows")
            }
            _ => Ok(()),
        }
    }

    fn pass(&self, batch: &RecordBatch) -> Result<()> {
        self.0.passing.fetch_add(batch.num_rows(), Ordering::Relaxed);
        self.check_value(self.0.constant_bytes.load(Ordering::Relaxed))
    }

    fn collect(&self, batch: &RecordBatch) -> Result<()> {
        self.0.rows.fetch_add(batch.num_rows(), Ordering::Relaxed);
        self.check_value(self.0.constant_bytes.load(Ordering::Relaxed))?;
        let bytes = batch.columns().iter().map(whole_bytes).fold(0, u64::saturating_add);
        self.0.held.try_grow(usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_plan::collect;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::operators;

    /// Runs a window over three numbers so often; they take 24 bytes.
    async fn run(times: usize, memory_bytes: usize) -> Result<usize> {
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory_bytes, 1.0).build_arc()?;
        let context = SessionContext::new_with_config_rt(SessionConfig::new().with_target_partitions(1), runtime);
        let sql = "SELECT n, count(*) OVER () AS c FROM (VALUES (1), (2), (3)) t(n)";
        let (state, plan) = context.sql(sql).await?.into_parts();
        let ending = Ending::default();
        let windows = Windows::new(&ending, &state.runtime_env().memory_pool);
        let operators = operators::of(state.optimize(&plan)?, &state, &ending, &windows).await?;
        let mut rows = 0;
        for _ in 0..times {
            let batches = collect(operators.clone(), state.task_ctx()).await?;
            rows += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
            windows.end();
        }
        Ok(rows)
    }

    #[tokio::test]
    async fn what_a_window_collects_is_of_the_memory_of_its_query() {
        assert_eq!(run(1, 30).await.expect("24 bytes are there"), 3);
        assert_eq!(run(3, 30).await.expect("what a run held is gone"), 9);
        let error = run(1, 20).await.expect_err("24 bytes are not there").to_string();
        assert!(error.contains("the rows of a window"), "{error}");
    }
}
