//! Makes what sources read durable.
//!
//! A source's schema carries its own version numbers; here its rows are brought to the log's version. A log that cannot
//! write now costs the batch, counted and logged: measurements of the past second are worth less than those of the next.

use std::sync::Arc;

use bytes::Bytes;
use pulseboard_journal::{AppendError, AppendRequest, Log};
use pulseboard_model::conform::conform;
use pulseboard_model::{SchemaVersion, StreamSchema};
use pulseboard_runtime::Tasks;
use pulseboard_sources::SourceBatch;
use tokio::sync::mpsc::Receiver;
use tracing::warn;

/// How often a batch is offered again after the stream's schema moved.
const SCHEMA_ROUNDS_MAX: usize = 4;

/// Appends everything that comes out of `batches`, until the sources have ended.
pub(crate) fn spawn(log: Arc<dyn Log>, mut batches: Receiver<SourceBatch>, tasks: &Tasks) {
    tasks.spawn("source-sink", async move {
        while let Some(batch) = batches.recv().await {
            let stream = batch.stream.clone();
            if let Err(error) = append(log.as_ref(), batch).await {
                metrics::counter!("pulseboard_source_batches_lost_total").increment(1);
                warn!(stream = stream.as_str(), %error, "a source's batch was lost");
            }
        }
    });
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
