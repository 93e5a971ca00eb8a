//! Runs a piece of a plan over tables that are in memory: what is above the parts of a query.
//!
//! Those tables are groups, windows and limits, or what of them a change is about, whatever the log holds. A run stays inside
//! bounds on rows, memory and time; what does not fit is an error, and the query is re-run as a whole instead.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use parking_lot::Mutex;
use pulseboard_model::TimeUs;

use crate::ending::{Ended, Ending};
use crate::operators;
use crate::sql::clock::ClockCell;
use crate::sql::planning::{Planned, plan_reads_clock};
use crate::windows::Windows;

/// How long one run may take. A part's worth of rows takes milliseconds.
const RUN_MAX: Duration = Duration::from_millis(500);

/// A table as a plan above the parts reads it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) schema: SchemaRef,
    batch: Mutex<Option<RecordBatch>>,
}

#[derive(Debug)]
struct HeldPartition(Arc<Held>);

impl Held {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self { schema, batch: Mutex::new(None) }
    }

    /// A table of whatever is held when it is read.
    pub(crate) fn table(self: &Arc<Self>) -> Result<Arc<dyn TableProvider>> {
        let partition = Arc::new(HeldPartition(Arc::clone(self)));
        Ok(Arc::new(StreamingTable::try_new(self.schema.clone(), vec![partition])?))
    }
}

impl PartitionStream for HeldPartition {
    fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = self.0.schema.clone();
        let batches = self.0.batch.lock().iter().cloned().collect();
        match MemoryStream::try_new(batches, schema.clone(), None) {
            Ok(stream) => Box::pin(stream),
            Err(error) => Box::pin(datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(
                schema,
                futures::stream::once(async move { Err(error) }),
            )),
        }
    }
}

/// A piece of a plan, and the tables that it reads.
#[derive(Debug)]
pub(crate) struct Runner {
    state: SessionState,
    plan: LogicalPlan,
    tables: Vec<Arc<Held>>,
    /// Whether the passing of time alone can change what it makes of the same tables.
    pub(crate) reads_clock: bool,
    clock: ClockCell,
    /// Of each run anew.
    ending: Ending,
    windows: Windows,
    /// One run at a time: the tables are what it reads. What it runs is planned once.
    running: Mutex<Option<Arc<dyn ExecutionPlan>>>,
}

impl Runner {
    pub(crate) fn new(planned: &Planned, plan: &LogicalPlan, tables: Vec<Arc<Held>>) -> Result<Self> {
        let reads_clock = plan_reads_clock(plan);
        let (state, clock) = (planned.state.clone(), planned.clock.clone());
        let plan = state.optimize(plan)?;
        let ending = Ending::default();
        let windows = Windows::new(&ending, &state.runtime_env().memory_pool);
        Ok(Self { state, plan, tables, reads_clock, clock, ending, windows, running: Mutex::new(None) })
    }

    /// How table `number` looks.
    pub(crate) fn table_schema(&self, number: usize) -> &SchemaRef {
        &self.tables[number].schema
    }

    /// What the plan makes of these tables at `now`. Blocks; not to be called from an async task.
    ///
    /// # Errors
    /// What running a query can meet, and more rows than `rows_max`.
    pub(crate) fn run(&self, tables: Vec<RecordBatch>, now: TimeUs, rows_max: usize) -> Result<Vec<RecordBatch>> {
        let mut physical = self.running.lock();
        for (held, batch) in self.tables.iter().zip(tables) {
            *held.batch.lock() = Some(batch);
        }
        self.clock.set(now);
        self.ending.set_after(RUN_MAX);
        let run = async {
            let bounded = tokio::time::timeout(RUN_MAX, self.collect(&mut physical, rows_max)).await;
            bounded.unwrap_or_else(|_| Err(too_long()))
        };
        let batches =
            runtime()?.block_on(run).map_err(|error| if Ended::of(&error).is_some() { too_long() } else { error });
        for held in &self.tables {
            *held.batch.lock() = None;
        }
        self.windows.end();
        batches
    }

    async fn collect(
        &self,
        physical: &mut Option<Arc<dyn ExecutionPlan>>,
        rows_max: usize,
    ) -> Result<Vec<RecordBatch>> {
        let planned = match physical.take() {
            // Some operators keep what they built in a run.
            Some(planned) => reset_plan_states(planned)?,
            None => operators::of(self.plan.clone(), &self.state, &self.ending, &self.windows).await?,
        };
        let mut stream = execute_stream(Arc::clone(&planned), self.state.task_ctx())?;
        let (mut batches, mut rows) = (Vec::new(), 0);
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            rows += batch.num_rows();
            if rows > rows_max {
                return Err(limit(&format!("its answer has more than {rows_max} rows")));
            }
            batches.push(batch);
        }
        *physical = Some(planned);
        Ok(batches)
    }
}

fn too_long() -> DataFusionError {
    limit("it took longer than half a second over what its parts hold")
}

/// An answer that is larger than a live query may be.
pub(super) fn limit(what: &str) -> DataFusionError {
    DataFusionError::ResourcesExhausted(what.to_owned())
}

/// Some operators run parts of theirs as tasks. One small runtime serves all queries; runs themselves stay on their callers.
fn runtime() -> Result<&'static tokio::runtime::Runtime> {
    static RUNTIME: OnceLock<std::io::Result<tokio::runtime::Runtime>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("maintain-top")
            .thread_stack_size(pulseboard_runtime::tasks::STACK_BYTES)
            .enable_time()
            .build()
    });
    made.as_ref().map_err(|error| DataFusionError::Execution(format!("the system has no thread left: {error}")))
}
