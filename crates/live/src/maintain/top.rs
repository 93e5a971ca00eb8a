//! What is above the parts of a query: the rest of its plan, run over the tables that the parts hold.
//!
//! Those tables are groups, windows and limits, so a run reads thousands of rows at the most, whatever the log holds. It
//! runs inside bounds on rows, memory and time; what does not fit is an error, and the query is re-run as a whole instead.

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
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;
use parking_lot::Mutex;
use pulseboard_model::{Cell, Column, Row, RowKey, Snapshot, TimeUs};

use crate::cells::cells;
use crate::row_key::key_text;
use crate::sql::clock::ClockCell;
use crate::sql::planning::Planned;

/// How long one run may take. A part's worth of rows takes milliseconds.
const RUN_MAX: Duration = Duration::from_millis(500);

/// The table that a part holds, as the plan above reads it.
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

/// The rest of a plan.
#[derive(Debug)]
pub(crate) struct Top {
    state: SessionState,
    plan: LogicalPlan,
    tables: Vec<Arc<Held>>,
    columns: Vec<Column>,
    ordered: bool,
    one_row: bool,
    /// Whether the passing of time alone can change what it makes of the same tables.
    pub(crate) reads_clock: bool,
    clock: ClockCell,
    /// One run at a time: the tables are what it reads.
    running: Mutex<()>,
}

impl Top {
    pub(crate) fn new(
        planned: &Planned,
        plan: LogicalPlan,
        tables: Vec<Arc<Held>>,
        columns: Vec<Column>,
        ordered: bool,
        one_row: bool,
        reads_clock: bool,
    ) -> Self {
        let (state, clock) = (planned.state.clone(), planned.clock.clone());
        Self { state, plan, tables, columns, ordered, one_row, reads_clock, clock, running: Mutex::new(()) }
    }

    /// The columns of the answer.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How the table of part `number` looks.
    pub(crate) fn table_schema(&self, number: usize) -> &SchemaRef {
        &self.tables[number].schema
    }

    /// The whole answer over these tables, one per part, at `now`. Blocks; not to be called from an async task.
    ///
    /// # Errors
    /// What running a query can meet, and more rows than `rows_max`.
    pub(crate) fn run(&self, tables: Vec<RecordBatch>, now: TimeUs, rows_max: usize) -> Result<Snapshot> {
        let _one = self.running.lock();
        for (held, batch) in self.tables.iter().zip(tables) {
            *held.batch.lock() = Some(batch);
        }
        self.clock.set(now);
        let run = async {
            let bounded = tokio::time::timeout(RUN_MAX, self.collect(rows_max)).await;
            bounded.unwrap_or_else(|_| Err(limit("it took longer than half a second over what its parts hold")))
        };
        let rows = runtime()?.block_on(run);
        for held in &self.tables {
            *held.batch.lock() = None;
        }
        Ok(self.keyed(rows?))
    }

    async fn collect(&self, rows_max: usize) -> Result<Vec<Row>> {
        // Planned anew each time: some operators keep what they built in a run.
        let physical = self.state.query_planner().create_physical_plan(&self.plan, &self.state).await?;
        let mut stream = execute_stream(physical, self.state.task_ctx())?;
        let mut rows: Vec<Row> = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            if rows.len() + batch.num_rows() > rows_max {
                return Err(limit(&format!("its answer has more than {rows_max} rows")));
            }
            let columns: Vec<_> = batch.columns().iter().map(cells).collect();
            rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c[row].clone()).collect::<Row>()));
        }
        Ok(rows)
    }

    /// Gives each row its key: its key columns, or all of it, told apart by number where that is not enough.
    fn keyed(&self, rows: Vec<Row>) -> Snapshot {
        let any_key = self.columns.iter().any(|column| column.key);
        let mut snapshot = Snapshot { columns: self.columns.clone(), ..Snapshot::default() };
        let mut order = Vec::with_capacity(rows.len());
        for row in rows {
            let cells = row.iter().zip(&self.columns).filter(|(_, column)| column.key || !any_key);
            let text = if self.one_row { String::new() } else { key_text(cells.map(|(cell, _): (&Cell, _)| cell)) };
            let mut key = RowKey::new(text.clone());
            let mut number = 1;
            while snapshot.rows.contains_key(&key) {
                number += 1;
                key = RowKey::new(format!("{text}#{number}"));
            }
            order.push(key.clone());
            snapshot.rows.insert(key, row);
        }
        snapshot.order = self.ordered.then_some(order);
        snapshot
    }
}

fn limit(what: &str) -> DataFusionError {
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
