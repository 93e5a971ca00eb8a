//! A stream as a DataFusion table: for planning only its schema, for batch queries its rows up to a position.

use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use chrono_tz::Tz;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use pulseboard_model::{LogOffset, StreamName, StreamSchema, TimeUs};

use super::session::in_timezone;
use crate::api::History;

/// How many batches a scan may be ahead of the query that reads it; the scan waits when it is full.
const SCAN_QUEUE_BATCHES: usize = 2;

/// What part of a stream a batch query sees.
#[derive(Debug, Clone)]
pub(crate) struct ScanRange {
    pub(crate) history: Arc<dyn History>,
    pub(crate) upto: LogOffset,
    /// Rows with an earlier `time` are not needed; known once the plan has been looked at.
    pub(crate) time_from: Arc<OnceLock<TimeUs>>,
}

#[derive(Debug)]
struct StreamPartition {
    stream: StreamName,
    schema: SchemaRef,
    range: Option<ScanRange>,
}

/// A table over `stream` in `timezone`. Without a range it can be planned over but holds no rows.
pub(crate) fn stream_table(
    stream: StreamName,
    schema: &StreamSchema,
    timezone: Tz,
    range: Option<ScanRange>,
) -> Result<Arc<dyn TableProvider>> {
    let schema = in_timezone(&schema.event_schema(), timezone);
    let partition = StreamPartition { stream, schema: schema.clone(), range };
    Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(partition)])?))
}

impl PartitionStream for StreamPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(self.schema.clone(), SCAN_QUEUE_BATCHES);
        if let Some(range) = self.range.clone() {
            let (stream, schema, tx) = (self.stream.clone(), self.schema.clone(), builder.tx());
            builder.spawn_blocking(move || {
                for batch in range.history.scan(&stream, LogOffset::START, range.upto, range.time_from.get().copied()) {
                    let batch = batch
                        .map_err(|error| DataFusionError::External(Box::new(error)))
                        .and_then(|batch| Ok(relabel(&batch, &schema)?));
                    let failed = batch.is_err();
                    // A closed channel means that the query has ended.
                    if tx.blocking_send(batch).is_err() || failed {
                        break;
                    }
                }
                Ok(())
            });
        }
        builder.build()
    }
}

/// Gives `batch` the column labels of `schema`, which differs from its own in nothing but time zones.
pub(crate) fn relabel(batch: &RecordBatch, schema: &SchemaRef) -> std::result::Result<RecordBatch, ArrowError> {
    let columns =
        batch.columns().iter().zip(schema.fields()).map(|(array, field)| relabel_array(array, field.data_type()));
    RecordBatch::try_new(schema.clone(), columns.collect())
}

/// [`relabel`] for one column.
pub(crate) fn relabel_array(array: &ArrayRef, to: &DataType) -> ArrayRef {
    match to {
        DataType::Timestamp(_, Some(timezone)) if array.data_type() != to => {
            match array.as_primitive_opt::<TimestampMicrosecondType>() {
                Some(times) => Arc::new(times.clone().with_timezone(timezone.clone())),
                None => array.clone(),
            }
        }
        _ => array.clone(),
    }
}
