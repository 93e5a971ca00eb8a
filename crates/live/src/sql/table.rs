//! A stream as a DataFusion table: for planning only its schema, for batch queries its rows up to a position.

use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use chrono_tz::Tz;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use pulseboard_model::{LogOffset, StreamName, StreamSchema};

use super::narrowing::narrow;
use super::session::in_timezone;
use crate::api::History;
use crate::scan_request::ScanRequest;

/// How many batches a scan may be ahead of the query that reads it; the scan waits when it is full.
const SCAN_QUEUE_BATCHES: usize = 2;

/// What part of a stream a batch query sees.
#[derive(Debug, Clone)]
pub(crate) struct ScanRange {
    pub(crate) history: Arc<dyn History>,
    pub(crate) upto: LogOffset,
    /// Whether the order of rows may show in the answer; known once the plan has been looked at, taken as yes until then.
    pub(crate) in_order: Arc<OnceLock<bool>>,
}

/// A stream as a table.
#[derive(Debug)]
struct StreamTable {
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
) -> Arc<dyn TableProvider> {
    let schema = in_timezone(&schema.event_schema(), timezone);
    Arc::new(StreamTable { stream, schema, range })
}

#[async_trait]
impl TableProvider for StreamTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(indices) => Arc::new(self.schema.project(indices)?),
            None => self.schema.clone(),
        };
        let source = self.range.as_ref().map(|range| {
            let mut request = ScanRequest::new(self.stream.clone(), LogOffset::START, range.upto);
            request.columns = projection.map(|_| schema.fields().iter().map(|field| field.name().clone()).collect());
            request.in_order = range.in_order.get().copied().unwrap_or(true);
            narrow(&mut request, filters);
            (range.history.clone(), request)
        });
        let partition = StreamPartition { schema: schema.clone(), source };
        let scan = StreamingTableExec::try_new(schema, vec![Arc::new(partition)], None, [], false, limit)?;
        Ok(Arc::new(scan))
    }
}

/// One reading of a stream.
#[derive(Debug)]
struct StreamPartition {
    /// The columns that are read.
    schema: SchemaRef,
    source: Option<(Arc<dyn History>, ScanRequest)>,
}

impl PartitionStream for StreamPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(self.schema.clone(), SCAN_QUEUE_BATCHES);
        if let Some((history, request)) = self.source.clone() {
            let (schema, tx) = (self.schema.clone(), builder.tx());
            builder.spawn_blocking(move || {
                for batch in history.scan(&request) {
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

/// The columns of `schema` out of `batch`, found by their names, labelled as there: they differ in nothing but time zones.
fn relabel(batch: &RecordBatch, schema: &SchemaRef) -> std::result::Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().map(|field| {
        let index = batch.schema_ref().index_of(field.name())?;
        Ok(relabel_array(batch.column(index), field.data_type()))
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(
        schema.clone(),
        columns.collect::<std::result::Result<_, ArrowError>>()?,
        &options,
    )
}

/// `array` with the time zone of `to`.
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
