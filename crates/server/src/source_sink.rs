//! Makes what sources read durable.
//!
//! A source's schema carries its own version numbers; here its rows are brought to the log's version. A log that cannot
//! write now costs the batch, counted and logged: measurements of the past second are worth less than those of the next.
//! What sources send at once shares one commit.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use pulseboard_gateway::Figures;
use pulseboard_journal::{AppendError, AppendRequest, Log};
use pulseboard_live::SourceHealth;
use pulseboard_model::conform::conform;
use pulseboard_model::{SchemaVersion, StreamSchema};
use pulseboard_runtime::Tasks;
use pulseboard_sources::{QUEUE_BATCHES, SourceBatch};
use tokio::sync::mpsc::Receiver;
use tracing::warn;

/// How often a batch is offered again after the stream's schema moved.
const SCHEMA_ROUNDS_MAX: usize = 4;

/// A source sends the batches of one moment one after the other: so long the first waits for the others.
const GATHER: Duration = Duration::from_millis(2);

/// Where rows go, and who is told.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) health: SourceHealth,
    pub(crate) figures: Arc<Figures>,
}

/// Appends everything that comes out of `source` by `batches`, until it has ended. What is lost is seen in the views of
/// its streams until they are written again.
pub(crate) fn spawn(source: &'static str, sink: Sink, mut batches: Receiver<SourceBatch>, tasks: &Tasks) {
    tasks.spawn("source-sink", async move {
        while let Some(first) = batches.recv().await {
            tokio::time::sleep(GATHER).await;
            let mut together = vec![first];
            while together.len() < QUEUE_BATCHES
                && let Ok(batch) = batches.try_recv()
            {
                together.push(batch);
            }
            join_all(together.into_iter().map(|batch| keep(source, &sink, batch))).await;
        }
    });
}

async fn keep(source: &str, sink: &Sink, batch: SourceBatch) {
    let stream = batch.stream.clone();
    let rows = batch.rows.num_rows() as u64;
    let Err(error) = append(sink.log.as_ref(), batch).await else {
        sink.figures.accepted(rows);
        return sink.health.mended(source, &stream);
    };
    sink.health.failed(source, &stream, &format!("what it measured could not be written: {error}"));
    metrics::counter!("pulseboard_source_batches_lost_total").increment(1);
    warn!(stream = stream.as_str(), %error, "a source's batch was lost");
}

async fn append(log: &dyn Log, batch: SourceBatch) -> Result<(), AppendError> {
    for _ in 0..SCHEMA_ROUNDS_MAX {
        let current = log.schema(batch.stream.as_str());
        let (base, schema, rows) = match &current {
            Some(current) => match conform(&batch.rows, &current.stored_schema()) {
                Ok(rows) => (Some(current.version), current.clone(), rows),
                Err(_) => {
                    let reason = "the stream already holds other types than the source writes".to_owned();
                    return Err(AppendError::Unavailable { reason });
                }
            },
            None => {
                let schema = StreamSchema { version: SchemaVersion(1), fields: batch.schema.fields.clone() };
                (None, Arc::new(schema), batch.rows.clone())
            }
        };
        let request = AppendRequest {
            stream: batch.stream.clone(),
            base,
            schema,
            rows,
            rejected: 0,
            rejects: None,
            idempotency: None,
            receipt: Bytes::new(),
        };
        match log.append(request).await {
            Ok(_) => return Ok(()),
            Err(AppendError::SchemaMoved) => {}
            Err(error) => return Err(error),
        }
    }
    Err(AppendError::SchemaMoved)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pulseboard_journal::{EmbeddedConfig, EmbeddedLog};
    use pulseboard_model::LogOffset;
    use pulseboard_runtime::SystemClock;
    use pulseboard_sources::host::streams;

    use super::*;

    /// Empty batches make no commit, so each has one row of nulls.
    fn batch(stream: pulseboard_model::StreamName, schema: Arc<StreamSchema>) -> SourceBatch {
        let columns =
            schema.stored_schema().fields().iter().map(|f| arrow::array::new_null_array(f.data_type(), 1)).collect();
        let rows = arrow::record_batch::RecordBatch::try_new(schema.stored_schema(), columns).expect("a row of nulls");
        SourceBatch { stream, schema, rows }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_sent_at_once_shares_commits() {
        let dir = tempfile::tempdir().expect("a directory");
        let (tasks, log_tasks) = (Tasks::new(), Tasks::new());
        let log = EmbeddedLog::open(EmbeddedConfig::new(dir.path()), SystemClock::shared(), &log_tasks).expect("a log");
        let log: Arc<dyn Log> = Arc::new(log);
        let (sender, receiver) = tokio::sync::mpsc::channel(QUEUE_BATCHES);
        let batches: Vec<_> = streams().into_iter().map(|(stream, schema)| batch(stream, Arc::new(schema))).collect();
        let names: Vec<_> = batches.iter().map(|batch| batch.stream.clone()).collect();
        for batch in batches {
            sender.try_send(batch).expect("room");
        }
        let figures = Arc::new(Figures::default());
        let sink = Sink { log: log.clone(), health: SourceHealth::default(), figures: figures.clone() };
        spawn("host", sink, receiver, &tasks);
        let mut head = log.watch_head();
        let due = LogOffset::from_u64(names.len() as u64);
        head.wait_for(|head| head.offset >= due).await.expect("the log is open");
        let mut arrivals = BTreeSet::new();
        for name in &names {
            let rows = log.last_rows(name, 1, due).expect("a row");
            let arrived = rows[0].column_by_name("_arrived_at").expect("a system column").to_data();
            arrivals.insert(arrived.buffers()[0].typed_data::<i64>()[arrived.offset()]);
        }
        // One commit, and some more when the writer took what was there before the others were: it waits for nobody.
        assert!(arrivals.len() < names.len(), "{} streams arrived at {arrivals:?}", names.len());
        drop(sender);
        assert!(tasks.shut_down(Duration::from_secs(10)).await, "it ends with its source");
        assert_eq!(figures.events(), names.len() as u64, "each row is counted");
    }
}
