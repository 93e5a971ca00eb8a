//! A stream as a DataFusion table: for planning only its schema, for batch queries its rows up to a position.

use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use chrono_tz::Tz;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use parking_lot::Mutex;
use pulseboard_model::{LogOffset, StreamName, StreamSchema};

use super::narrowing::narrow;
use super::session::in_timezone;
use crate::api::{Batches, History};
use crate::scan_request::ScanRequest;

/// How many batches a scan may be ahead of the query that reads it; the scan waits when it is full.
const SCAN_QUEUE_BATCHES: usize = 2;

/// What part of a stream a batch query sees.
#[derive(Debug, Clone)]
pub(crate) struct ScanRange {
    pub(crate) history: Arc<dyn History>,
    pub(crate) upto: LogOffset,
    /// Known once the plan has been looked at; in order until then.
    pub(crate) order: Arc<OnceLock<ReadOrder>>,
}

/// How the rows of a batch query may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOrder {
    /// By offset: the order of rows may show in the answer.
    Offset,
    /// In any order.
    Any,
    /// In any order, in so many parts side by side.
    Parts(usize),
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
        let order = self.range.as_ref().and_then(|range| range.order.get()).copied().unwrap_or(ReadOrder::Offset);
        let parts = if let ReadOrder::Parts(parts) = order { parts.max(1) } else { 1 };
        let readings = self.range.as_ref().map(|range| {
            let mut request = ScanRequest::new(self.stream.clone(), LogOffset::START, range.upto);
            request.columns = projection.map(|_| schema.fields().iter().map(|field| field.name().clone()).collect());
            request.in_order = order == ReadOrder::Offset;
            narrow(&mut request, filters);
            Arc::new(Readings { history: range.history.clone(), request, parts, opened: Mutex::default() })
        });
        let partitions = (0..parts).map(|number| {
            let partition = StreamPartition { schema: schema.clone(), readings: readings.clone(), number };
            Arc::new(partition) as Arc<dyn PartitionStream>
        });
        let scan = StreamingTableExec::try_new(schema.clone(), partitions.collect(), None, [], false, limit)?;
        Ok(Arc::new(scan))
    }
}

/// What a scan reads.
#[derive(Debug)]
struct Readings {
    history: Arc<dyn History>,
    request: ScanRequest,
    parts: usize,
    /// Opened together by whoever comes first, so that they are of one moment.
    opened: Mutex<Option<Vec<Option<Reading>>>>,
}

/// One part of it.
struct Reading(Batches);

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reading")
    }
}

impl Readings {
    /// A part that nobody reads yet; `None` if there are not so many. A whole may be read again and again. Blocks.
    fn take(&self, number: usize) -> Result<Option<Batches>> {
        if self.parts == 1 {
            return Ok(Some(self.history.scan(&self.request)));
        }
        let mut opened = self.opened.lock();
        let parts = opened.get_or_insert_with(|| {
            let parts = self.history.scan_parts(&self.request, self.parts);
            parts.into_iter().map(|part| Some(Reading(part))).collect()
        });
        let Some(part) = parts.get_mut(number) else { return Ok(None) };
        let part = part.take().ok_or_else(|| internal_datafusion_err!("a part of a stream is read twice"))?;
        Ok(Some(part.0))
    }
}

/// One reading of a stream, or of a part of it.
#[derive(Debug)]
struct StreamPartition {
    /// The columns that are read.
    schema: SchemaRef,
    readings: Option<Arc<Readings>>,
    number: usize,
}

impl PartitionStream for StreamPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(self.schema.clone(), SCAN_QUEUE_BATCHES);
        if let Some(readings) = self.readings.clone() {
            let (schema, tx, number) = (self.schema.clone(), builder.tx(), self.number);
            builder.spawn_blocking(move || {
                let Some(batches) = readings.take(number)? else { return Ok(()) };
                for batch in batches {
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
